DROP TABLE family_events;
ALTER TABLE members DROP CONSTRAINT members_merged_leads, DROP CONSTRAINT members_status_known;
UPDATE members SET status = 'moved_out' WHERE status = 'merged';
ALTER TABLE members DROP COLUMN merged_into, DROP COLUMN provenance,
    ADD CONSTRAINT members_status_known CHECK (status IN ('present', 'deceased', 'moved_out'));
ALTER TABLE beneficiaries DROP CONSTRAINT beneficiaries_merged_is_duplicate, DROP COLUMN merged_into, DROP COLUMN provenance;
