ALTER TABLE source_people
    DROP CONSTRAINT source_people_release_known,
    ADD CONSTRAINT source_people_dataset_known FOREIGN KEY (dataset_id) REFERENCES datasets (id),
    ADD CONSTRAINT source_people_release_known FOREIGN KEY (release_id) REFERENCES releases (id);
ALTER TABLE source_families
    DROP CONSTRAINT source_families_release_known,
    ADD CONSTRAINT source_families_dataset_known FOREIGN KEY (dataset_id) REFERENCES datasets (id),
    ADD CONSTRAINT source_families_release_known FOREIGN KEY (release_id) REFERENCES releases (id);
CREATE INDEX releases_dataset_idx ON releases (dataset_id, id);
ALTER TABLE releases DROP CONSTRAINT releases_of_dataset;
