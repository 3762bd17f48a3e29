-- A family that moved is offered by the village it left and accepted by the one it came to: nobody drags it out of another's list.
CREATE TABLE family_moves (
    id uuid CONSTRAINT family_moves_pkey PRIMARY KEY,
    beneficiary_id uuid NOT NULL CONSTRAINT family_moves_beneficiary_known REFERENCES beneficiaries (id),
    from_region_code text COLLATE "C" NOT NULL CONSTRAINT family_moves_from_region_known REFERENCES regions (code),
    to_region_code text COLLATE "C" NOT NULL CONSTRAINT family_moves_to_region_known REFERENCES regions (code),
    state text NOT NULL CONSTRAINT family_moves_state_known CHECK (state IN ('offered', 'accepted', 'declined', 'withdrawn')),
    reason text NOT NULL,
    moved_on date,
    note text,
    offered_by uuid NOT NULL CONSTRAINT family_moves_offerer_known REFERENCES actors (id),
    decided_by uuid CONSTRAINT family_moves_decider_known REFERENCES actors (id),
    decided_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT family_moves_elsewhere CHECK (from_region_code <> to_region_code),
    CONSTRAINT family_moves_decided_whole CHECK ((state = 'offered') = (decided_by IS NULL) AND (state = 'offered') = (decided_at IS NULL)),
    CONSTRAINT family_moves_declined_why CHECK (state <> 'declined' OR note IS NOT NULL)
);
CREATE UNIQUE INDEX family_moves_one_open ON family_moves (beneficiary_id) WHERE state = 'offered';
CREATE INDEX family_moves_beneficiary_idx ON family_moves (beneficiary_id, id);
CREATE INDEX family_moves_from_village_idx ON family_moves (from_region_code, id);
CREATE INDEX family_moves_from_subdistrict_idx ON family_moves (left(from_region_code, 8), id);
CREATE INDEX family_moves_from_regency_idx ON family_moves (left(from_region_code, 5), id);
CREATE INDEX family_moves_to_village_idx ON family_moves (to_region_code, id);
CREATE INDEX family_moves_to_subdistrict_idx ON family_moves (left(to_region_code, 8), id);
CREATE INDEX family_moves_to_regency_idx ON family_moves (left(to_region_code, 5), id);
COMMENT ON COLUMN family_moves.note IS 'Said with the answer; why, where it was declined.';

-- Births, deaths and changes of head are events beside merges and splits. Whoever reports a birth or death need not say why.
ALTER TABLE family_events
    ADD COLUMN happened_on date,
    ALTER COLUMN reason DROP NOT NULL,
    DROP CONSTRAINT family_events_kind_known,
    ADD CONSTRAINT family_events_kind_known CHECK (kind IN ('merge', 'split', 'birth', 'death', 'head_change')),
    ADD CONSTRAINT family_events_reason_given CHECK (reason IS NOT NULL OR kind IN ('birth', 'death')),
    ADD CONSTRAINT family_events_day_given CHECK ((happened_on IS NOT NULL) = (kind IN ('birth', 'death')));
COMMENT ON COLUMN family_events.happened_on IS 'The day of the birth or death; an event of the files has none.';
COMMENT ON COLUMN family_events.beneficiary_id IS 'The family that is kept, that another was split off from, or in which somebody was born, died or became the head.';
COMMENT ON COLUMN family_events.other_id IS 'The family that was merged into it, or that was split off; the same one where only one family is concerned.';
