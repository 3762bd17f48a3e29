-- When a campaign is closed, numbers that no acceptance carried are let go, and with them went the knowledge that two visits had stated
-- different ones: masks may look the same. What contradicts is written down first.
ALTER TABLE visits ADD COLUMN contradictions jsonb;
COMMENT ON COLUMN visits.contradictions IS 'Of a visit that nobody settled: the fields in which it differed from the one that counted when the campaign was closed, numbers masked.';
