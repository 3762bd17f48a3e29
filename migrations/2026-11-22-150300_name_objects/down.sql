-- Under which name a file's content lies is known from here alone: without it no photo and no minutes would ever be found again, and
-- the column could not be made anew.
DO $$
BEGIN
    IF EXISTS (SELECT FROM attachments) THEN
        RAISE EXCEPTION 'files are on record whose content lies under names of their own: this migration cannot be taken back';
    END IF;
END $$;
ALTER TABLE attachments DROP COLUMN object;
