-- What villages found and confirmed: each assigned family and each registered proposal, with the verdict that counts (the meeting's
-- where it has one, else the visit's). Whether the result was accepted is for the reader to ask.
DROP VIEW IF EXISTS verified_families;
CREATE VIEW verified_families AS
SELECT r.id AS village_result_id, r.campaign_id, r.region_code AS checked_in, r.state AS result_state, r.accepted_at,
       a.beneficiary_id, v.id AS visit_id, NULL::uuid AS proposal_id, v.presence,
       coalesce(m.eligibility, v.eligibility) AS eligibility, m.subject_id IS NOT NULL AS by_meeting
  FROM village_results r
  JOIN assigned_families a ON a.village_result_id = r.id AND a.given_away_at IS NULL
  LEFT JOIN visits v ON v.village_result_id = r.id AND v.beneficiary_id = a.beneficiary_id AND v.state = 'standing'
  LEFT JOIN meeting_verdicts m ON m.village_result_id = r.id AND m.subject_id = a.beneficiary_id
UNION ALL
SELECT r.id, r.campaign_id, r.region_code, r.state, r.accepted_at,
       p.beneficiary_id, NULL, p.id, 'found', coalesce(m.eligibility, p.eligibility), m.subject_id IS NOT NULL
  FROM proposals p
  JOIN village_results r ON r.id = p.village_result_id
  LEFT JOIN meeting_verdicts m ON m.village_result_id = r.id AND m.subject_id = p.id
 WHERE p.state = 'registered';
