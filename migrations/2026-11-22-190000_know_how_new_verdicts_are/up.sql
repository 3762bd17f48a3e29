-- How new the verdict is by which a family is on or off a list, as the list had it: a list that follows asks whether a newer one is
-- known, and a result that was reopened since can no longer tell.
ALTER TABLE target_list_entries ADD COLUMN verdict_at timestamptz;
COMMENT ON COLUMN target_list_entries.verdict_at IS 'How new the verdict is that decided (verified_families.verdict_at); NULL where none did.';

-- Entries of before, decreed ones too, by the visit or the proposal that they name; nothing that was decreed changes by it.
ALTER TABLE target_list_entries DISABLE TRIGGER target_list_entries_frozen_update;
UPDATE target_list_entries e
   SET verdict_at = greatest(s.at, CASE WHEN s.present THEN (
        SELECT least(m.updated_at, (r.meeting_on + 1)::timestamp AT TIME ZONE 'UTC')
          FROM meeting_verdicts m JOIN village_results r ON r.id = m.village_result_id
         WHERE m.village_result_id = e.village_result_id AND m.subject_id = s.subject) END)
  FROM (SELECT id, beneficiary_id AS subject, presence IN ('found', 'moved_within') AS present,
               least(visited_at - make_interval(secs => clock_skew_seconds), created_at) AS at FROM visits
        UNION ALL SELECT id, id, true, least(visited_at, created_at) FROM proposals) s
 WHERE s.id = coalesce(e.proposal_id, e.visit_id);
ALTER TABLE target_list_entries ENABLE TRIGGER target_list_entries_frozen_update;
