-- Two people with one NIK can only be put right by whoever sees both.
ALTER TABLE match_results
    ADD COLUMN stranger_statement_id uuid CONSTRAINT match_results_stranger_known REFERENCES statements (id),
    ADD COLUMN stranger_ordinal smallint,
    ADD COLUMN stranger_member_id uuid CONSTRAINT match_results_stranger_member_known REFERENCES members (id),
    ADD CONSTRAINT match_results_stranger_whole CHECK ((stranger_statement_id IS NULL) = (stranger_ordinal IS NULL)
        AND (stranger_statement_id IS NULL OR stranger_member_id IS NULL)
        AND (nik_strange OR stranger_statement_id IS NULL AND stranger_member_id IS NULL));
COMMENT ON COLUMN match_results.stranger_statement_id IS 'Somebody who has the same NIK and makes no pair with the person; null in runs of before this was kept.';
CREATE INDEX match_results_nik_taken_idx ON match_results (run_id, statement_id, ordinal) WHERE nik_taken;
