-- What a decreed list rests on is not given up.
DO $$
BEGIN
    IF EXISTS (SELECT FROM target_list_entries e JOIN visits v ON v.id = e.visit_id
                 JOIN assigned_families a ON a.village_result_id = v.village_result_id AND a.beneficiary_id = v.beneficiary_id
                WHERE a.given_away_at IS NOT NULL) THEN
        RAISE EXCEPTION 'target lists rest on visits of families that moved since: this migration cannot be taken back';
    END IF;
END $$;
-- Old assignments of families that moved, and what hangs on them, have no place in the former shape.
DELETE FROM visits v USING assigned_families a
 WHERE a.given_away_at IS NOT NULL AND v.village_result_id = a.village_result_id AND v.beneficiary_id = a.beneficiary_id;
DELETE FROM assigned_families WHERE given_away_at IS NOT NULL;
DROP INDEX assigned_families_once_a_campaign;
ALTER TABLE assigned_families
    DROP COLUMN given_away_at,
    ADD CONSTRAINT assigned_families_once_a_campaign UNIQUE (campaign_id, beneficiary_id);
COMMENT ON COLUMN visits.digest IS 'Keyed digest of the visit as it was sent, to know the same one again.';
