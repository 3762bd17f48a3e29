-- A source's key belongs to the dataset of the release that named it last: one reference says both, and says it more strictly
-- than the two that stood here. Each reference is checked once a row; an import of 100,000 people pays half a second for one.
ALTER TABLE releases ADD CONSTRAINT releases_of_dataset UNIQUE (dataset_id, id);
DROP INDEX releases_dataset_idx;
ALTER TABLE source_families
    DROP CONSTRAINT source_families_dataset_known,
    DROP CONSTRAINT source_families_release_known,
    ADD CONSTRAINT source_families_release_known FOREIGN KEY (dataset_id, release_id) REFERENCES releases (dataset_id, id);
ALTER TABLE source_people
    DROP CONSTRAINT source_people_dataset_known,
    DROP CONSTRAINT source_people_release_known,
    ADD CONSTRAINT source_people_release_known FOREIGN KEY (dataset_id, release_id) REFERENCES releases (dataset_id, id);
