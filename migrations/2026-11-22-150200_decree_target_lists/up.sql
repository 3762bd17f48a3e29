-- The list of the regent's decree (SK Bupati) with its by-name-by-address annex. A decreed list never changes: a change is the next number.
CREATE TABLE target_lists (
    id uuid CONSTRAINT target_lists_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT target_lists_region_known REFERENCES regions (code),
    number integer NOT NULL CONSTRAINT target_lists_number_positive CHECK (number > 0),
    title text NOT NULL,
    state text NOT NULL CONSTRAINT target_lists_state_known
        CHECK (state IN ('drafting', 'draft', 'submitted', 'returned', 'decreed', 'superseded', 'discarded')),
    rules jsonb NOT NULL,
    supersedes_id uuid CONSTRAINT target_lists_previous_known REFERENCES target_lists (id),
    job_id uuid CONSTRAINT target_lists_job_known REFERENCES jobs (id),
    families integer NOT NULL DEFAULT 0,
    people integer NOT NULL DEFAULT 0,
    added integer NOT NULL DEFAULT 0,
    removed integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    note text,
    sk_number text,
    sk_date date,
    signatory_name text,
    signatory_title text,
    decree_id uuid CONSTRAINT target_lists_decree_known REFERENCES attachments (id),
    digest bytea,
    sources bytea,
    drafted_at timestamptz,
    submitted_at timestamptz,
    decreed_at timestamptz,
    decreed_by uuid CONSTRAINT target_lists_decreer_known REFERENCES actors (id),
    superseded_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT target_lists_decreed_whole CHECK (state NOT IN ('decreed', 'superseded')
        OR (sk_number IS NOT NULL AND sk_date IS NOT NULL AND signatory_name IS NOT NULL AND digest IS NOT NULL AND decreed_at IS NOT NULL))
);
CREATE UNIQUE INDEX target_lists_one_in_force ON target_lists (region_code) WHERE state = 'decreed';
CREATE UNIQUE INDEX target_lists_one_under_way ON target_lists (region_code) WHERE state IN ('drafting', 'draft', 'submitted', 'returned');
CREATE UNIQUE INDEX target_lists_number_taken ON target_lists (region_code, number) WHERE state <> 'discarded';
CREATE UNIQUE INDEX target_lists_sk_taken ON target_lists (region_code, sk_number) WHERE sk_number IS NOT NULL;
CREATE INDEX target_lists_regency_idx ON target_lists (left(region_code, 5), id);
COMMENT ON COLUMN target_lists.digest IS 'SHA-256 over the annex as it was decreed, in order: whoever holds the annex can check it.';
COMMENT ON COLUMN target_lists.sources IS 'SHA-256 over the accepted village results that the draft was drawn from: another one now, and the draft is out of date.';

-- Every family that was considered: on the list or off it, and why. What the annex shows is kept as it was on the day of the decree.
CREATE TABLE target_list_entries (
    target_list_id uuid NOT NULL CONSTRAINT target_list_entries_list_known REFERENCES target_lists (id),
    beneficiary_id uuid NOT NULL CONSTRAINT target_list_entries_beneficiary_known REFERENCES beneficiaries (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT target_list_entries_region_known REFERENCES regions (code),
    included boolean NOT NULL,
    change text NOT NULL CONSTRAINT target_list_entries_change_known CHECK (change IN ('added', 'unchanged', 'removed', 'left_out')),
    reason text NOT NULL,
    eligibility text,
    village_result_id uuid CONSTRAINT target_list_entries_result_known REFERENCES village_results (id),
    visit_id uuid CONSTRAINT target_list_entries_visit_known REFERENCES visits (id),
    proposal_id uuid CONSTRAINT target_list_entries_proposal_known REFERENCES proposals (id),
    decile smallint,
    head_name text,
    head_nik_mask text,
    kk_mask text,
    address text,
    people smallint NOT NULL,
    CONSTRAINT target_list_entries_pkey PRIMARY KEY (target_list_id, beneficiary_id),
    CONSTRAINT target_list_entries_change_fits CHECK (included = (change IN ('added', 'unchanged')))
);
CREATE INDEX target_list_entries_beneficiary_idx ON target_list_entries (beneficiary_id);
CREATE INDEX target_list_entries_village_idx ON target_list_entries (target_list_id, region_code, beneficiary_id);

ALTER TABLE verification_campaigns
    ADD CONSTRAINT verification_campaigns_target_list_known FOREIGN KEY (target_list_id) REFERENCES target_lists (id);

-- What was decreed never changes, whoever writes: the database itself holds it, because the annex is a legal document.
CREATE FUNCTION keep_decreed_list() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    passing CONSTANT text[] := '{state,superseded_at,version,updated_at}';
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - passing = to_jsonb(OLD) - passing
        AND (NEW.state = OLD.state OR (OLD.state = 'decreed' AND NEW.state = 'superseded')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a decreed target list does not change' USING ERRCODE = 'check_violation', CONSTRAINT = 'target_lists_frozen';
END $$;
CREATE TRIGGER target_lists_frozen BEFORE UPDATE OR DELETE ON target_lists
    FOR EACH ROW WHEN (OLD.state IN ('decreed', 'superseded')) EXECUTE FUNCTION keep_decreed_list();

-- Once a statement and not once a row: a draft has 25,000 of them.
CREATE FUNCTION keep_decreed_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM target_lists l WHERE l.state IN ('decreed', 'superseded') AND l.id IN (SELECT target_list_id FROM touched)) THEN
        RAISE EXCEPTION 'the annex of a decreed target list does not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'target_list_entries_frozen';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER target_list_entries_frozen_insert AFTER INSERT ON target_list_entries
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_entries();
CREATE TRIGGER target_list_entries_frozen_update AFTER UPDATE ON target_list_entries
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_entries();
CREATE TRIGGER target_list_entries_frozen_move AFTER UPDATE ON target_list_entries
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_entries();
CREATE TRIGGER target_list_entries_frozen_delete AFTER DELETE ON target_list_entries
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION keep_decreed_entries();
CREATE FUNCTION keep_all_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of target lists are not truncated' USING ERRCODE = 'check_violation', CONSTRAINT = 'target_list_entries_frozen';
END $$;
CREATE TRIGGER target_list_entries_frozen_truncate BEFORE TRUNCATE ON target_list_entries
    FOR EACH STATEMENT EXECUTE FUNCTION keep_all_entries();
