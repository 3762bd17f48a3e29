ALTER TABLE match_results
    ADD CONSTRAINT match_results_stranger_known FOREIGN KEY (stranger_statement_id) REFERENCES statements (id),
    ADD CONSTRAINT match_results_stranger_member_known FOREIGN KEY (stranger_member_id) REFERENCES members (id);
ALTER TABLE match_pairs ADD CONSTRAINT match_pairs_member_known FOREIGN KEY (right_member_id) REFERENCES members (id);
ALTER TABLE match_pairs ALTER COLUMN terms TYPE json USING terms::json;
