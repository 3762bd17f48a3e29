ALTER TABLE visits DROP COLUMN contradictions;
