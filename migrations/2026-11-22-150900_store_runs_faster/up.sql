-- What a run writes is written once and read by the page, so whatever costs at every row has to be worth it. Measured on 57,225
-- pairs, where the bare rows take 0.26 s:
--
-- * the run itself stands in the same transaction and is never deleted: looking it up at every pair (0.16 s) and at every
--   result tells nothing;
-- * reasons as text that is parsed when somebody asks for them, in place of a tree that nobody queries (0.34 s, a third of the size);
-- * keys are only ever asked for as a whole, so hashes serve (0.08 s in place of 0.17 s);
-- * the queue by zone is asked for by who reviews; of all matches there are so many that the index of the whole run serves.
ALTER TABLE match_pairs DROP CONSTRAINT match_pairs_run_known;
ALTER TABLE match_results DROP CONSTRAINT match_results_run_known;
ALTER TABLE match_pairs ALTER COLUMN terms TYPE json USING terms::json;
DROP INDEX match_pairs_keys_idx, match_pairs_other_key_idx, match_pairs_queue_idx;
CREATE INDEX match_pairs_one_key_idx ON match_pairs USING hash (one_key);
CREATE INDEX match_pairs_other_key_idx ON match_pairs USING hash (other_key);
CREATE INDEX match_pairs_queue_idx ON match_pairs (run_id, unlocks DESC, id) WHERE zone = 'review';
