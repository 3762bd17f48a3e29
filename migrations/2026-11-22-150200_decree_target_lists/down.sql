ALTER TABLE verification_campaigns DROP CONSTRAINT verification_campaigns_target_list_known;
DROP TABLE target_list_entries;
DROP TABLE target_lists;
DROP FUNCTION keep_decreed_list(), keep_decreed_entries(), keep_all_entries();
