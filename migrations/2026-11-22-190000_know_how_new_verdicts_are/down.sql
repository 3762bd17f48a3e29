ALTER TABLE target_list_entries DROP COLUMN verdict_at;
