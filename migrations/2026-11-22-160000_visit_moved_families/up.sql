-- A family that moved while a campaign runs is given to its new village: the old assignment stays, with whatever hangs on it, and
-- counts nowhere.
ALTER TABLE assigned_families
    ADD COLUMN given_away_at timestamptz,
    DROP CONSTRAINT assigned_families_once_a_campaign;
CREATE UNIQUE INDEX assigned_families_once_a_campaign ON assigned_families (campaign_id, beneficiary_id) WHERE given_away_at IS NULL;
COMMENT ON COLUMN assigned_families.given_away_at IS 'When the family, which lives in another village by now, was given to that one to visit.';
COMMENT ON COLUMN visits.digest IS 'Sealed digest of the visit as it was sent, to know the same one again; of older ones a keyed digest.';
