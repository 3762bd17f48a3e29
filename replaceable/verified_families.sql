-- What villages found and confirmed: each assigned family and each registered proposal, with the verdict that counts (the meeting's
-- where it has one, else the visit's). Whether the result was accepted is for the reader to ask.
--
-- `verdict_at` is how new a verdict is, which is not how new its acceptance is: an older result may be reopened and accepted once
-- more. A visit is as old as its moment at the door: by the phone's clock, put right by how far that was ahead when the visit was
-- sent, and never after it arrived. What the meeting judged is as old as its day, to the end of it, and never newer than it was
-- written down: minutes put right later stay minutes of that day. A day ends by UTC, by which the service knows what today is: in
-- Indonesia that is the next morning, so no meeting counts as older than it is. Where both speak, the later of the two: a visit after the meeting
-- that the meeting's verdict outlived confirmed it. Of a family that nobody found the meeting has nothing to say.
DROP VIEW IF EXISTS verified_families;
CREATE VIEW verified_families AS
SELECT r.id AS village_result_id, r.campaign_id, r.region_code AS checked_in, r.state AS result_state, r.accepted_at,
       a.beneficiary_id, v.id AS visit_id, NULL::uuid AS proposal_id, v.presence,
       coalesce(m.eligibility, v.eligibility) AS eligibility, m.subject_id IS NOT NULL AS by_meeting,
       greatest(least(v.visited_at - make_interval(secs => v.clock_skew_seconds), v.created_at),
                CASE WHEN m.subject_id IS NOT NULL AND v.presence IN ('found', 'moved_within')
                     THEN least(m.updated_at, (r.meeting_on + 1)::timestamp AT TIME ZONE 'UTC') END) AS verdict_at
  FROM village_results r
  JOIN assigned_families a ON a.village_result_id = r.id AND a.given_away_at IS NULL
  LEFT JOIN visits v ON v.village_result_id = r.id AND v.beneficiary_id = a.beneficiary_id AND v.state = 'standing'
  LEFT JOIN meeting_verdicts m ON m.village_result_id = r.id AND m.subject_id = a.beneficiary_id
UNION ALL
SELECT r.id, r.campaign_id, r.region_code, r.state, r.accepted_at,
       p.beneficiary_id, NULL, p.id, 'found', coalesce(m.eligibility, p.eligibility), m.subject_id IS NOT NULL,
       greatest(least(p.visited_at, p.created_at),
                CASE WHEN m.subject_id IS NOT NULL
                     THEN least(m.updated_at, (r.meeting_on + 1)::timestamp AT TIME ZONE 'UTC') END)
  FROM proposals p
  JOIN village_results r ON r.id = p.village_result_id
  LEFT JOIN meeting_verdicts m ON m.village_result_id = r.id AND m.subject_id = p.id
 WHERE p.state = 'registered';
