-- Sources are data (P3KE, DTKS, DTSEN…), never enum members in code.
CREATE TABLE datasets (
    id uuid CONSTRAINT datasets_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT datasets_region_known REFERENCES regions (code),
    code text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    unit text NOT NULL CONSTRAINT datasets_unit_known CHECK (unit IN ('family', 'household')),
    ranking_scheme text,
    legal_basis text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT datasets_code_taken UNIQUE (region_code, code)
);
CREATE INDEX datasets_regency_idx ON datasets (left(region_code, 5), id);
CREATE TABLE releases (
    id uuid CONSTRAINT releases_pkey PRIMARY KEY,
    dataset_id uuid NOT NULL CONSTRAINT releases_dataset_known REFERENCES datasets (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT releases_region_known REFERENCES regions (code),
    mode text NOT NULL CONSTRAINT releases_mode_known CHECK (mode IN ('validate', 'commit')),
    state text NOT NULL DEFAULT 'received' CONSTRAINT releases_state_known CHECK (state IN ('received', 'validated', 'imported', 'failed', 'cancelled')),
    profile text NOT NULL,
    bast_number text,
    reference_date date,
    received_on date NOT NULL,
    coverage text,
    file_hash bytea NOT NULL,
    file_bytes bigint NOT NULL,
    job_id uuid CONSTRAINT releases_job_known REFERENCES jobs (id),
    families integer NOT NULL DEFAULT 0,
    people integer NOT NULL DEFAULT 0,
    families_new integer NOT NULL DEFAULT 0,
    people_new integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0,
    warnings integer NOT NULL DEFAULT 0,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
-- The same file twice is one release; a failed or cancelled one may be sent again, and a dry run may precede.
CREATE UNIQUE INDEX releases_file_taken ON releases (dataset_id, mode, file_hash) WHERE state IN ('received', 'validated', 'imported');
CREATE INDEX releases_dataset_idx ON releases (dataset_id, id);
CREATE TABLE release_rejects (
    id uuid CONSTRAINT release_rejects_pkey PRIMARY KEY,
    release_id uuid NOT NULL CONSTRAINT release_rejects_release_known REFERENCES releases (id),
    sheet text NOT NULL,
    row_number integer NOT NULL,
    column_header text,
    code text NOT NULL,
    reason text NOT NULL,
    severity text NOT NULL CONSTRAINT release_rejects_severity_known CHECK (severity IN ('reject', 'warning'))
);
CREATE INDEX release_rejects_release_idx ON release_rejects (release_id, id);
-- The source's own ids lead back to our records, whatever the order or number of deliveries.
CREATE TABLE source_families (
    dataset_id uuid NOT NULL CONSTRAINT source_families_dataset_known REFERENCES datasets (id),
    source_id text COLLATE "C" NOT NULL,
    beneficiary_id uuid NOT NULL CONSTRAINT source_families_beneficiary_known REFERENCES beneficiaries (id),
    release_id uuid NOT NULL CONSTRAINT source_families_release_known REFERENCES releases (id),
    CONSTRAINT source_families_pkey PRIMARY KEY (dataset_id, source_id)
);
CREATE INDEX source_families_beneficiary_idx ON source_families (beneficiary_id);
CREATE TABLE source_people (
    dataset_id uuid NOT NULL CONSTRAINT source_people_dataset_known REFERENCES datasets (id),
    source_id text COLLATE "C" NOT NULL,
    member_id uuid NOT NULL CONSTRAINT source_people_member_known REFERENCES members (id),
    release_id uuid NOT NULL CONSTRAINT source_people_release_known REFERENCES releases (id),
    dukcapil_match boolean,
    CONSTRAINT source_people_pkey PRIMARY KEY (dataset_id, source_id)
);
CREATE INDEX source_people_member_idx ON source_people (member_id);
COMMENT ON COLUMN source_people.dukcapil_match IS 'The centre''s own verdict (Padan Dukcapil); never overwritten by a local one.';
-- A rank belongs to a release, never to the family: sources rank the same family differently.
CREATE TABLE welfare_ranks (
    release_id uuid NOT NULL CONSTRAINT welfare_ranks_release_known REFERENCES releases (id),
    beneficiary_id uuid NOT NULL CONSTRAINT welfare_ranks_beneficiary_known REFERENCES beneficiaries (id),
    decile smallint NOT NULL CONSTRAINT welfare_ranks_decile_range CHECK (decile BETWEEN 1 AND 10),
    percentile smallint CONSTRAINT welfare_ranks_percentile_range CHECK (percentile BETWEEN 1 AND 100),
    current boolean NOT NULL DEFAULT true,
    CONSTRAINT welfare_ranks_pkey PRIMARY KEY (release_id, beneficiary_id)
);
CREATE UNIQUE INDEX welfare_ranks_one_current ON welfare_ranks (beneficiary_id) WHERE current;
COMMENT ON COLUMN welfare_ranks.current IS 'The rank of the newest release that ranked this family.';
