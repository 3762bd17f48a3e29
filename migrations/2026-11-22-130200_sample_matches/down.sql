DROP TABLE match_samples;
