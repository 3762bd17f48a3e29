-- The rank of each family that counts now: releases rank families, and a family is shown with its newest rank.
DROP VIEW IF EXISTS family_ranks;
CREATE VIEW family_ranks AS
SELECT beneficiary_id, release_id, decile, percentile FROM welfare_ranks WHERE current;
