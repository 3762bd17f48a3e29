DROP INDEX match_results_nik_taken_idx;
ALTER TABLE match_results DROP COLUMN stranger_statement_id, DROP COLUMN stranger_ordinal, DROP COLUMN stranger_member_id;
