-- Two thirds of a pair's row (575 of 863 bytes) spelt out why it has its weight, in words that thousands of pairs share. From now on a pair
-- keeps how it agrees, and its run keeps what the model says of every way to agree, with the names of fields and levels: the same terms to
-- the last bit, told when somebody asks, and independent of what a later engine calls them. Pairs of earlier runs keep their words.
CREATE TABLE match_codebooks (
    run_id uuid CONSTRAINT match_codebooks_pkey PRIMARY KEY CONSTRAINT match_codebooks_run_known REFERENCES matching_runs (id),
    content text NOT NULL
);
COMMENT ON COLUMN match_codebooks.content IS 'JSON that only the service reads; it names fields and levels and nobody.';
ALTER TABLE match_pairs
    ALTER COLUMN terms DROP NOT NULL,
    ADD COLUMN pattern bigint,
    ADD COLUMN left_rivals double precision,
    ADD COLUMN right_rivals double precision,
    ADD COLUMN chain double precision,
    ADD COLUMN calibration double precision,
    ADD CONSTRAINT match_pairs_weighed_whole CHECK (num_nulls(pattern, left_rivals, right_rivals, chain, calibration) IN (0, 5)
        AND (pattern IS NULL OR terms IS NULL));
COMMENT ON COLUMN match_pairs.pattern IS 'How it agrees, to be read with the codebook of its run; none where nobody weighed it.';
COMMENT ON COLUMN match_pairs.terms IS 'The terms of its weight in words, for pairs that were stored before runs had codebooks.';

-- New keys reach pairs through the statements of their families, so nobody asks by the second key alone any more, and the index by it
-- was a tenth of what it costs to store a run.
DROP INDEX match_pairs_other_key_idx;
