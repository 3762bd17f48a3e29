DROP TABLE match_decisions, match_results, match_pairs, matching_runs;
