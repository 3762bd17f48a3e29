CREATE INDEX match_pairs_other_key_idx ON match_pairs USING hash (other_key);
-- The reasons of pairs that have only a pattern cannot be told without the codebook: their runs have to be done again.
UPDATE match_pairs SET terms = '[]' WHERE terms IS NULL;
ALTER TABLE match_pairs
    DROP CONSTRAINT match_pairs_weighed_whole,
    DROP COLUMN pattern,
    DROP COLUMN left_rivals,
    DROP COLUMN right_rivals,
    DROP COLUMN chain,
    DROP COLUMN calibration,
    ALTER COLUMN terms SET NOT NULL;
DROP TABLE match_codebooks;
