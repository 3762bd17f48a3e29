-- New keys lead to new names for people: whoever is renamed is found as the one and as the other.
CREATE INDEX match_pairs_other_key_idx ON match_pairs (other_key);
CREATE INDEX match_decisions_one_key_idx ON match_decisions (one_key);
CREATE INDEX match_decisions_other_key_idx ON match_decisions (other_key);
