-- The Kemendagri list of regions (Kepmendagri 300.2.2-2138/2025), loaded from data/regions.csv by `entas migrate`.
-- Codes are ASCII; collation "C" makes `left(code, n)` and prefix indexes mean the same on every machine.
CREATE TABLE regions (
    code text COLLATE "C" CONSTRAINT regions_pkey PRIMARY KEY,
    name text NOT NULL,
    level text NOT NULL CONSTRAINT regions_level_known CHECK (level IN ('country', 'province', 'regency', 'subdistrict', 'village')),
    kind text NOT NULL,
    parent_code text COLLATE "C" CONSTRAINT regions_parent_known REFERENCES regions (code),
    valid_from date,
    valid_to date
);
CREATE INDEX regions_parent_code_idx ON regions (parent_code, code);
CREATE INDEX regions_level_idx ON regions (level, code);
COMMENT ON TABLE regions IS 'Kemendagri regions, dotted codes; 00 is the country. BPS codes are another system and are never stored here.';
INSERT INTO regions (code, name, level, kind) VALUES ('00', 'Indonesia', 'country', 'country');

-- Denominators for shares; each figure names its source, because BPS and the civil registry disagree (domain.md §2.7).
CREATE TABLE populations (
    region_code text COLLATE "C" NOT NULL CONSTRAINT populations_region_known REFERENCES regions (code),
    year integer NOT NULL,
    people bigint CONSTRAINT populations_people_positive CHECK (people > 0),
    families bigint CONSTRAINT populations_families_positive CHECK (families > 0),
    source text NOT NULL,
    CONSTRAINT populations_pkey PRIMARY KEY (region_code, year, source)
);
COMMENT ON TABLE populations IS 'Population denominators with their source; shares are only given where one is known.';
