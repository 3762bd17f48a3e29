DROP TRIGGER target_list_entries_frozen_update ON target_list_entries;
DROP FUNCTION keep_decreed_annex;
CREATE TRIGGER target_list_entries_frozen_update AFTER UPDATE ON target_list_entries
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_entries();
CREATE TRIGGER target_list_entries_frozen_move AFTER UPDATE ON target_list_entries
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_entries();
ALTER TABLE target_list_entries DROP COLUMN kk_index, DROP COLUMN head_nik_index;
