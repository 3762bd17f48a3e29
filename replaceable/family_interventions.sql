-- How much aid is planned for or was delivered to each family; who is not in it was left out.
DROP VIEW IF EXISTS family_interventions;
CREATE VIEW family_interventions AS
SELECT beneficiary_id, count(*) AS interventions FROM interventions WHERE status IN ('planned', 'delivered') GROUP BY beneficiary_id;
