-- How far each village is in each campaign, with what the rakor asks for (domain.md section 10, view 4). Days that passed without
-- the step are for the reader to compare with today. A family that moved and was given to its new village counts there alone.
DROP VIEW IF EXISTS verification_progress;
CREATE VIEW verification_progress AS
SELECT r.id AS village_result_id, r.campaign_id, r.region_code, r.state, r.meeting_on, r.finalised_at, r.forwarded_at, r.accepted_at,
       s.starts_on, s.finalise_by, s.forward_by, s.accept_by,
       f.assigned, f.visited, f.found, f.not_found, f.deceased, f.moved_within, f.moved_out, f.duplicate, f.refused,
       f.extreme_poor, f.poor, f.vulnerable, f.capable,
       (SELECT count(*) FROM visits c JOIN assigned_families a ON a.village_result_id = c.village_result_id AND a.beneficiary_id = c.beneficiary_id
         WHERE c.village_result_id = r.id AND c.state = 'conflicting' AND a.given_away_at IS NULL) AS conflicts,
       p.proposed, p.on_file, p.registered
  FROM village_results r
  JOIN campaign_subdistricts s ON s.campaign_id = r.campaign_id AND s.region_code = left(r.region_code, 8)
 CROSS JOIN LATERAL (
    SELECT count(*) AS assigned, count(v.id) AS visited,
           count(*) FILTER (WHERE v.presence = 'found') AS found,
           count(*) FILTER (WHERE v.presence = 'not_found') AS not_found,
           count(*) FILTER (WHERE v.presence = 'deceased') AS deceased,
           count(*) FILTER (WHERE v.presence = 'moved_within') AS moved_within,
           count(*) FILTER (WHERE v.presence = 'moved_out') AS moved_out,
           count(*) FILTER (WHERE v.presence = 'duplicate') AS duplicate,
           count(*) FILTER (WHERE v.presence = 'refused') AS refused,
           count(*) FILTER (WHERE v.presence = 'found' AND coalesce(m.eligibility, v.eligibility) = 'extreme_poor') AS extreme_poor,
           count(*) FILTER (WHERE v.presence = 'found' AND coalesce(m.eligibility, v.eligibility) = 'poor') AS poor,
           count(*) FILTER (WHERE v.presence = 'found' AND coalesce(m.eligibility, v.eligibility) = 'vulnerable') AS vulnerable,
           count(*) FILTER (WHERE v.presence = 'found' AND coalesce(m.eligibility, v.eligibility) = 'capable') AS capable
      FROM assigned_families a
      LEFT JOIN visits v ON v.village_result_id = a.village_result_id AND v.beneficiary_id = a.beneficiary_id AND v.state = 'standing'
      LEFT JOIN meeting_verdicts m ON m.village_result_id = a.village_result_id AND m.subject_id = a.beneficiary_id
     WHERE a.village_result_id = r.id AND a.given_away_at IS NULL) f
 CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state <> 'withdrawn') AS proposed, count(*) FILTER (WHERE state = 'on_file') AS on_file,
           count(*) FILTER (WHERE state = 'registered') AS registered
      FROM proposals WHERE village_result_id = r.id) p;
