-- Which numbers were decreed is known by their blind index entries and not only by masks, which leave eight digits open. Lists that
-- were decreed before have none and keep to mask and name.
ALTER TABLE target_list_entries ADD COLUMN kk_index bytea, ADD COLUMN head_nik_index bytea;
COMMENT ON COLUMN target_list_entries.kk_index IS 'Blind index entry of the KK number whose mask stands here; NULL in lists drawn before it was kept.';
COMMENT ON COLUMN target_list_entries.head_nik_index IS 'The same of the head''s NIK.';

-- Key rotation writes these entries anew, in decreed lists too: nothing else about a decreed entry changes, and what has an index entry
-- keeps one.
CREATE FUNCTION keep_decreed_annex() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    passing CONSTANT text[] := '{kk_index,head_nik_index}';
BEGIN
    IF EXISTS (
        (SELECT to_jsonb(w) - passing, w.kk_index IS NULL, w.head_nik_index IS NULL
           FROM was w JOIN target_lists l ON l.id = w.target_list_id WHERE l.state IN ('decreed', 'superseded')
         EXCEPT ALL SELECT to_jsonb(b) - passing, b.kk_index IS NULL, b.head_nik_index IS NULL FROM became b)
        UNION ALL
        (SELECT to_jsonb(b) - passing, b.kk_index IS NULL, b.head_nik_index IS NULL
           FROM became b JOIN target_lists l ON l.id = b.target_list_id WHERE l.state IN ('decreed', 'superseded')
         EXCEPT ALL SELECT to_jsonb(w) - passing, w.kk_index IS NULL, w.head_nik_index IS NULL FROM was w)
    ) THEN
        RAISE EXCEPTION 'the annex of a decreed target list does not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'target_list_entries_frozen';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER target_list_entries_frozen_update ON target_list_entries;
DROP TRIGGER target_list_entries_frozen_move ON target_list_entries;
CREATE TRIGGER target_list_entries_frozen_update AFTER UPDATE ON target_list_entries
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_annex();
