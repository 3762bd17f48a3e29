ALTER TABLE attachments DROP COLUMN object;
