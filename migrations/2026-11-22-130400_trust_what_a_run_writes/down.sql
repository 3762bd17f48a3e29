ALTER TABLE match_results
    ADD CONSTRAINT match_results_statement_known FOREIGN KEY (statement_id) REFERENCES statements (id),
    ADD CONSTRAINT match_results_pair_known FOREIGN KEY (pair_id) REFERENCES match_pairs (id);
ALTER TABLE match_pairs
    ADD CONSTRAINT match_pairs_region_known FOREIGN KEY (region_code) REFERENCES regions (code),
    ADD CONSTRAINT match_pairs_left_known FOREIGN KEY (left_statement_id) REFERENCES statements (id),
    ADD CONSTRAINT match_pairs_right_known FOREIGN KEY (right_statement_id) REFERENCES statements (id);
