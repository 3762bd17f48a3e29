-- An object has a name of its own that nobody used before: a second upload under the same id can never touch the first one's
-- content, and what the sweep finds without a row can never get one later.
ALTER TABLE attachments ADD COLUMN object uuid NOT NULL CONSTRAINT attachments_object_own UNIQUE;
COMMENT ON COLUMN attachments.object IS 'Its name in the object store.';
