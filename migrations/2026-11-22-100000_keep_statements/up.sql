-- What a release states is kept whole and sealed, whether it became a family or not; a register is kept and nothing else.
ALTER TABLE releases
    ADD COLUMN rejects text NOT NULL DEFAULT 'skip' CONSTRAINT releases_rejects_known CHECK (rejects IN ('skip', 'refuse')),
    ADD COLUMN withdrawn_because text,
    DROP CONSTRAINT releases_mode_known,
    DROP CONSTRAINT releases_state_known,
    ADD CONSTRAINT releases_mode_known CHECK (mode IN ('validate', 'commit', 'keep')),
    ADD CONSTRAINT releases_state_known
        CHECK (state IN ('received', 'validated', 'imported', 'kept', 'failed', 'cancelled', 'withdrawn'));
-- What was withdrawn may be sent again, as what failed may.
DROP INDEX releases_file_taken;
CREATE UNIQUE INDEX releases_file_taken ON releases (dataset_id, mode, file_hash)
    WHERE state IN ('received', 'validated', 'imported', 'kept');
-- One row a family as the source states it. In clear stand only place, rank and keys; a key made of a KK number is its
-- blind index. The digest is keyed: "changed" is a comparison of two columns and tells a thief nothing.
CREATE TABLE statements (
    id uuid CONSTRAINT statements_pkey PRIMARY KEY,
    release_id uuid NOT NULL CONSTRAINT statements_release_known REFERENCES releases (id),
    source_id text COLLATE "C" NOT NULL,
    region_code text COLLATE "C" NOT NULL CONSTRAINT statements_region_known REFERENCES regions (code),
    decile smallint CONSTRAINT statements_decile_range CHECK (decile BETWEEN 1 AND 10),
    percentile smallint CONSTRAINT statements_percentile_range CHECK (percentile BETWEEN 1 AND 100),
    people integer NOT NULL,
    digest bytea NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT statements_source_taken UNIQUE (release_id, source_id)
);
-- Ciphertext does not compress: the attempt would cost each import a second.
ALTER TABLE statements ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX statements_release_idx ON statements (release_id, id);
-- The cells of rows that were refused, sealed, so that they can be handed back to be corrected.
CREATE TABLE rejected_rows (
    id uuid CONSTRAINT rejected_rows_pkey PRIMARY KEY,
    release_id uuid NOT NULL CONSTRAINT rejected_rows_release_known REFERENCES releases (id),
    sheet text NOT NULL,
    row_number integer NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT rejected_rows_row_taken UNIQUE (release_id, sheet, row_number)
);
CREATE INDEX rejected_rows_release_idx ON rejected_rows (release_id, id);
