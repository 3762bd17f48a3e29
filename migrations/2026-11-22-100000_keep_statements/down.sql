DROP TABLE rejected_rows, statements;
-- A register was never imported, and what was withdrawn does not count: the older program knows one word for both.
UPDATE releases SET state = 'cancelled' WHERE state IN ('kept', 'withdrawn');
UPDATE releases SET mode = 'validate' WHERE mode = 'keep';
DROP INDEX releases_file_taken;
ALTER TABLE releases
    DROP CONSTRAINT releases_mode_known,
    DROP CONSTRAINT releases_state_known,
    ADD CONSTRAINT releases_mode_known CHECK (mode IN ('validate', 'commit')),
    ADD CONSTRAINT releases_state_known CHECK (state IN ('received', 'validated', 'imported', 'failed', 'cancelled')),
    DROP COLUMN withdrawn_because,
    DROP COLUMN rejects;
CREATE UNIQUE INDEX releases_file_taken ON releases (dataset_id, mode, file_hash) WHERE state IN ('received', 'validated', 'imported');
