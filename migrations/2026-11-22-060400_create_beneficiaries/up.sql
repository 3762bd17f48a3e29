CREATE EXTENSION IF NOT EXISTS pg_trgm;
-- A family (KK), the unit of P3KE and DTSEN. Its village decides who sees it.
CREATE TABLE beneficiaries (
    id uuid CONSTRAINT beneficiaries_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT beneficiaries_region_known REFERENCES regions (code),
    address text,
    kk_sealed bytea,
    kk_index bytea CONSTRAINT beneficiaries_kk_taken UNIQUE,
    kk_mask text,
    status text NOT NULL DEFAULT 'active' CONSTRAINT beneficiaries_status_known CHECK (status IN ('active', 'inactive')),
    inactive_reason text CONSTRAINT beneficiaries_inactive_reason_known CHECK (inactive_reason IN ('deceased', 'moved_out', 'not_found', 'duplicate', 'capable', 'other')),
    attributes jsonb NOT NULL DEFAULT '{}',
    needs text[] NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT beneficiaries_inactive_has_reason CHECK ((status = 'inactive') = (inactive_reason IS NOT NULL)),
    CONSTRAINT beneficiaries_kk_whole CHECK ((kk_sealed IS NULL) = (kk_index IS NULL) AND (kk_sealed IS NULL) = (kk_mask IS NULL))
);
-- One index a level: an actor's root and a region filter both become an equality, and the page comes in id order without a sort.
CREATE INDEX beneficiaries_regency_idx ON beneficiaries (left(region_code, 5), id);
CREATE INDEX beneficiaries_subdistrict_idx ON beneficiaries (left(region_code, 8), id);
CREATE INDEX beneficiaries_village_idx ON beneficiaries (region_code, id);

CREATE TABLE members (
    id uuid CONSTRAINT members_pkey PRIMARY KEY,
    beneficiary_id uuid NOT NULL CONSTRAINT members_beneficiary_known REFERENCES beneficiaries (id),
    name text NOT NULL,
    relation text NOT NULL CONSTRAINT members_relation_known CHECK (relation IN ('head', 'spouse', 'child', 'child_in_law', 'grandchild', 'parent', 'parent_in_law', 'other')),
    sex text CONSTRAINT members_sex_known CHECK (sex IN ('male', 'female')),
    birth_date date,
    mother_name text,
    marital_status text,
    occupation text,
    education text,
    nik_sealed bytea,
    nik_index bytea,
    nik_mask text,
    status text NOT NULL DEFAULT 'present' CONSTRAINT members_status_known CHECK (status IN ('present', 'deceased', 'moved_out')),
    warnings text[] NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT members_nik_whole CHECK ((nik_sealed IS NULL) = (nik_index IS NULL) AND (nik_sealed IS NULL) = (nik_mask IS NULL))
);
-- With the status, so that the members who are present are counted in the index alone.
CREATE INDEX members_beneficiary_idx ON members (beneficiary_id, id) INCLUDE (status);
-- Not unique on purpose: two persons on one NIK is a fact of the field (domain.md §2.5), shown as a warning.
CREATE INDEX members_nik_idx ON members (nik_index) WHERE nik_index IS NOT NULL;
CREATE INDEX members_name_idx ON members USING gin (lower(name) gin_trgm_ops);
CREATE UNIQUE INDEX members_one_head ON members (beneficiary_id) WHERE relation = 'head' AND status = 'present';
