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
-- A new version only: when keys are rotated the number's entry changes and the number does not. Row by row, so that an update of
-- thousands in which nobody's name changes costs a comparison each and no join.
CREATE FUNCTION queue_changed_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_queue (member_id, region_code) SELECT NEW.id, b.region_code FROM beneficiaries b WHERE b.id = NEW.beneficiary_id
    ON CONFLICT (member_id) DO UPDATE SET region_code = excluded.region_code, queued_at = excluded.queued_at;
    RETURN NULL;
END $$;
CREATE FUNCTION queue_moved_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO match_queue (member_id, region_code)
    SELECT m.id, NEW.region_code FROM members m WHERE m.beneficiary_id = NEW.id AND m.status <> 'merged'
    ON CONFLICT (member_id) DO UPDATE SET region_code = excluded.region_code, queued_at = excluded.queued_at;
    RETURN NULL;
END $$;
CREATE TRIGGER members_are_compared AFTER INSERT ON members REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION queue_new_members();
CREATE TRIGGER members_are_compared_again AFTER UPDATE ON members FOR EACH ROW
    WHEN (NEW.version <> OLD.version AND NEW.status <> 'merged'
          AND (NEW.name, NEW.sex, NEW.birth_date, NEW.mother_name, NEW.nik_index, NEW.status, NEW.beneficiary_id)
              IS DISTINCT FROM (OLD.name, OLD.sex, OLD.birth_date, OLD.mother_name, OLD.nik_index, OLD.status, OLD.beneficiary_id))
    EXECUTE FUNCTION queue_changed_member();
CREATE TRIGGER families_are_compared_again AFTER UPDATE ON beneficiaries FOR EACH ROW
    WHEN (NEW.version <> OLD.version AND (NEW.region_code, NEW.address, NEW.kk_index) IS DISTINCT FROM (OLD.region_code, OLD.address, OLD.kk_index))
    EXECUTE FUNCTION queue_moved_family();

-- Whoever of another village may be somebody of this one: by birth date and first letter.
CREATE INDEX members_birth_idx ON members (birth_date, left(lower(name), 1)) WHERE birth_date IS NOT NULL;

-- Two members on file who may be one person. Dismissed it stays dismissed, however often they are compared. Members are never
-- deleted; a reference checked at every insert would lock their rows against whoever edits a family, in another order.
CREATE TABLE possible_duplicates (
    id uuid CONSTRAINT possible_duplicates_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT possible_duplicates_region_known REFERENCES regions (code),
    one_id uuid NOT NULL,
    other_id uuid NOT NULL,
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
