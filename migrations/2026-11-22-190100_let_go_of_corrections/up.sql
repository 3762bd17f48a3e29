-- Corrections that no acceptance will ever carry: their campaign is over, and what was not carried by then never is.
UPDATE visits v SET corrections_sealed = NULL
  FROM verification_campaigns c
 WHERE c.id = v.campaign_id AND c.state = 'closed' AND v.carried_at IS NULL AND v.corrections_sealed IS NOT NULL;
