-- A run writes its findings in one transaction from the statements it has just read, and neither these nor its own pairs are
-- ever deleted. Looking each reference up again took half the time of storing them (57,225 pairs and 58,708 results: 6.4 of
-- 13.1 s on a busy machine). Runs, members and strangers stay checked; a test looks after the rest.
ALTER TABLE match_pairs
    DROP CONSTRAINT match_pairs_region_known,
    DROP CONSTRAINT match_pairs_left_known,
    DROP CONSTRAINT match_pairs_right_known;
ALTER TABLE match_results
    DROP CONSTRAINT match_results_statement_known,
    DROP CONSTRAINT match_results_pair_known;
