-- A record that turned out to be another one leads there; its own row rests with what it said, so that the merge can be undone.
ALTER TABLE beneficiaries
    ADD COLUMN merged_into uuid CONSTRAINT beneficiaries_merged_into_known REFERENCES beneficiaries (id),
    ADD COLUMN provenance jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT beneficiaries_merged_is_duplicate CHECK (merged_into IS NULL OR (inactive_reason IS NOT DISTINCT FROM 'duplicate' AND merged_into <> id));
ALTER TABLE members
    ADD COLUMN merged_into uuid CONSTRAINT members_merged_into_known REFERENCES members (id),
    ADD COLUMN provenance jsonb NOT NULL DEFAULT '[]',
    DROP CONSTRAINT members_status_known,
    ADD CONSTRAINT members_status_known CHECK (status IN ('present', 'deceased', 'moved_out', 'merged')),
    ADD CONSTRAINT members_merged_leads CHECK ((status = 'merged') = (merged_into IS NOT NULL) AND merged_into <> id);
CREATE INDEX beneficiaries_merged_idx ON beneficiaries (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX members_merged_idx ON members (merged_into) WHERE merged_into IS NOT NULL;
COMMENT ON COLUMN beneficiaries.provenance IS 'Which source gave which field; one without a list of fields gave all that no other gave. No values.';

-- Merges and splits of families. The journal holds, sealed, what every touched field was and became: undoing reads it.
CREATE TABLE family_events (
    id uuid CONSTRAINT family_events_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT family_events_region_known REFERENCES regions (code),
    kind text NOT NULL CONSTRAINT family_events_kind_known CHECK (kind IN ('merge', 'split')),
    state text NOT NULL CONSTRAINT family_events_state_known CHECK (state IN ('in_force', 'undone')),
    beneficiary_id uuid NOT NULL CONSTRAINT family_events_beneficiary_known REFERENCES beneficiaries (id),
    other_id uuid NOT NULL CONSTRAINT family_events_other_known REFERENCES beneficiaries (id),
    told jsonb NOT NULL,
    journal bytea NOT NULL,
    reason text NOT NULL,
    override_reason text,
    undo_reason text,
    decided_by uuid NOT NULL CONSTRAINT family_events_decider_known REFERENCES actors (id),
    undone_by uuid CONSTRAINT family_events_undoer_known REFERENCES actors (id),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT family_events_undone_whole CHECK ((state = 'undone') = (undone_by IS NOT NULL) AND (state = 'undone') = (undo_reason IS NOT NULL))
);
CREATE INDEX family_events_regency_idx ON family_events (left(region_code, 5), id);
CREATE INDEX family_events_beneficiary_idx ON family_events (beneficiary_id, id);
CREATE INDEX family_events_other_idx ON family_events (other_id, id);
COMMENT ON COLUMN family_events.told IS 'What was done, by ids and names of fields: people taken for one, members moved, fields taken over, fields an undo left alone.';
COMMENT ON COLUMN family_events.beneficiary_id IS 'The family that is kept, or that another was split off from.';
COMMENT ON COLUMN family_events.other_id IS 'The family that was merged into it (the same one where two members of it were one person), or that was split off.';
