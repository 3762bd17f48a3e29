-- Who else was found to be the same member of ours.
CREATE INDEX match_pairs_member_idx ON match_pairs (right_member_id) WHERE right_member_id IS NOT NULL;
