-- Members who are new, or of whom something changed that tells who they are, wait here until they were compared with the others
-- of the regency. A trigger fills it, so that it does not matter who writes: a request, an import, the field.
CREATE TABLE match_queue (
    member_id uuid CONSTRAINT match_queue_pkey PRIMARY KEY CONSTRAINT match_queue_member_known REFERENCES members (id),
    region_code text COLLATE "C" NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX match_queue_village_idx ON match_queue (region_code, queued_at);
CREATE INDEX match_queue_newest_idx ON match_queue (queued_at DESC);

CREATE FUNCTION queue_new_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_queue (member_id, region_code)
    SELECT m.id, b.region_code FROM written m JOIN beneficiaries b ON b.id = m.beneficiary_id WHERE m.status <> 'merged'
    ON CONFLICT (member_id) DO UPDATE SET region_code = excluded.region_code, queued_at = excluded.queued_at;
    RETURN NULL;
END $$;
-- A new version only: when keys are rotated the number's entry changes and the number does not.
CREATE FUNCTION queue_changed_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_queue (member_id, region_code)
    SELECT m.id, b.region_code FROM written m JOIN replaced o ON o.id = m.id JOIN beneficiaries b ON b.id = m.beneficiary_id
     WHERE m.version <> o.version AND m.status <> 'merged'
       AND (m.name, m.sex, m.birth_date, m.mother_name, m.nik_index, m.status, m.beneficiary_id)
           IS DISTINCT FROM (o.name, o.sex, o.birth_date, o.mother_name, o.nik_index, o.status, o.beneficiary_id)
    ON CONFLICT (member_id) DO UPDATE SET region_code = excluded.region_code, queued_at = excluded.queued_at;
    RETURN NULL;
END $$;
CREATE FUNCTION queue_moved_families() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_queue (member_id, region_code)
    SELECT m.id, b.region_code FROM written b JOIN replaced o ON o.id = b.id JOIN members m ON m.beneficiary_id = b.id
     WHERE b.version <> o.version AND m.status <> 'merged'
       AND (b.region_code, b.address, b.kk_index) IS DISTINCT FROM (o.region_code, o.address, o.kk_index)
    ON CONFLICT (member_id) DO UPDATE SET region_code = excluded.region_code, queued_at = excluded.queued_at;
    RETURN NULL;
END $$;
CREATE TRIGGER members_are_compared AFTER INSERT ON members REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION queue_new_members();
CREATE TRIGGER members_are_compared_again AFTER UPDATE ON members REFERENCING NEW TABLE AS written OLD TABLE AS replaced
    FOR EACH STATEMENT EXECUTE FUNCTION queue_changed_members();
CREATE TRIGGER families_are_compared_again AFTER UPDATE ON beneficiaries REFERENCING NEW TABLE AS written OLD TABLE AS replaced
    FOR EACH STATEMENT EXECUTE FUNCTION queue_moved_families();

-- Whoever of another village may be somebody of this one: by birth date and first letter.
CREATE INDEX members_birth_idx ON members (birth_date, left(lower(name), 1)) WHERE birth_date IS NOT NULL;

-- Two members on file who may be one person. Dismissed it stays dismissed, however often they are compared.
CREATE TABLE possible_duplicates (
    id uuid CONSTRAINT possible_duplicates_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT possible_duplicates_region_known REFERENCES regions (code),
    one_id uuid NOT NULL CONSTRAINT possible_duplicates_one_known REFERENCES members (id),
    other_id uuid NOT NULL CONSTRAINT possible_duplicates_other_known REFERENCES members (id),
    weight double precision NOT NULL,
    probability double precision NOT NULL CONSTRAINT possible_duplicates_probability_range CHECK (probability BETWEEN 0 AND 1),
    zone text NOT NULL CONSTRAINT possible_duplicates_zone_known CHECK (zone IN ('match', 'review')),
    terms jsonb NOT NULL,
    model text NOT NULL,
    state text NOT NULL DEFAULT 'open' CONSTRAINT possible_duplicates_state_known CHECK (state IN ('open', 'dismissed')),
    reason text,
    dismissed_by uuid CONSTRAINT possible_duplicates_dismisser_known REFERENCES actors (id),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT possible_duplicates_ordered CHECK (one_id < other_id),
    CONSTRAINT possible_duplicates_pair UNIQUE (one_id, other_id),
    CONSTRAINT possible_duplicates_dismissed_whole CHECK ((state = 'dismissed') = (dismissed_by IS NOT NULL))
);
CREATE INDEX possible_duplicates_regency_idx ON possible_duplicates (left(region_code, 5), id);
CREATE INDEX possible_duplicates_other_idx ON possible_duplicates (other_id);
COMMENT ON COLUMN possible_duplicates.region_code IS 'The village of the one with the smaller id.';
