DROP TABLE family_moves;
DELETE FROM family_events WHERE kind IN ('birth', 'death', 'head_change');
ALTER TABLE family_events
    DROP CONSTRAINT family_events_day_given,
    DROP CONSTRAINT family_events_reason_given,
    DROP CONSTRAINT family_events_kind_known,
    ADD CONSTRAINT family_events_kind_known CHECK (kind IN ('merge', 'split')),
    ALTER COLUMN reason SET NOT NULL,
    DROP COLUMN happened_on;
COMMENT ON COLUMN family_events.beneficiary_id IS 'The family that is kept, or that another was split off from.';
COMMENT ON COLUMN family_events.other_id IS 'The family that was merged into it (the same one where two members of it were one person), or that was split off.';
