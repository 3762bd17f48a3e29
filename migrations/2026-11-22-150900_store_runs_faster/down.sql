DROP INDEX match_pairs_one_key_idx, match_pairs_other_key_idx, match_pairs_queue_idx;
CREATE INDEX match_pairs_keys_idx ON match_pairs (one_key, other_key);
CREATE INDEX match_pairs_other_key_idx ON match_pairs (other_key);
CREATE INDEX match_pairs_queue_idx ON match_pairs (run_id, zone, unlocks DESC, id);
ALTER TABLE match_pairs ALTER COLUMN terms TYPE jsonb USING terms::jsonb;
ALTER TABLE match_results ADD CONSTRAINT match_results_run_known FOREIGN KEY (run_id) REFERENCES matching_runs (id);
ALTER TABLE match_pairs ADD CONSTRAINT match_pairs_run_known FOREIGN KEY (run_id) REFERENCES matching_runs (id);
