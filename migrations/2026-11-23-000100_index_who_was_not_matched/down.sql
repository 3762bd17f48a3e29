DROP INDEX match_results_status_idx;
CREATE INDEX match_results_status_idx ON match_results (run_id, status, statement_id, ordinal);
