CREATE TABLE programs (
    id uuid CONSTRAINT programs_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT programs_region_known REFERENCES regions (code),
    code text,
    name text NOT NULL,
    strategy text NOT NULL CONSTRAINT programs_strategy_known CHECK (strategy IN ('reduce_expenditure', 'increase_income', 'reduce_poverty_pockets')),
    program_group text CONSTRAINT programs_group_known CHECK (program_group IN ('social_assistance', 'community_empowerment', 'micro_enterprise', 'other')),
    sector text NOT NULL CONSTRAINT programs_sector_known CHECK (sector IN ('education', 'health', 'infrastructure', 'economy', 'other')),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT programs_name_taken UNIQUE (region_code, name)
);
CREATE TABLE action_plans (
    id uuid CONSTRAINT action_plans_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT action_plans_region_known REFERENCES regions (code),
    agency_id uuid NOT NULL CONSTRAINT action_plans_agency_known REFERENCES agencies (id),
    year integer NOT NULL CONSTRAINT action_plans_year_range CHECK (year BETWEEN 2015 AND 2100),
    revision integer NOT NULL DEFAULT 0,
    title text NOT NULL,
    state text NOT NULL DEFAULT 'draft' CONSTRAINT action_plans_state_known CHECK (state IN ('draft', 'submitted', 'returned', 'approved', 'locked', 'superseded')),
    note text,
    submitted_at timestamptz,
    approved_at timestamptz,
    locked_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT action_plans_revision_taken UNIQUE (agency_id, year, revision)
);
-- One plan a year counts: approving a revision supersedes the one before it in the same transaction.
CREATE UNIQUE INDEX action_plans_one_in_force ON action_plans (agency_id, year) WHERE state IN ('approved', 'locked');
CREATE INDEX action_plans_regency_idx ON action_plans (left(region_code, 5), id);
CREATE TABLE activities (
    id uuid CONSTRAINT activities_pkey PRIMARY KEY,
    action_plan_id uuid NOT NULL CONSTRAINT activities_plan_known REFERENCES action_plans (id),
    origin_id uuid CONSTRAINT activities_origin_known REFERENCES activities (id),
    program_id uuid NOT NULL CONSTRAINT activities_program_known REFERENCES programs (id),
    name text NOT NULL,
    strategy text NOT NULL CONSTRAINT activities_strategy_known CHECK (strategy IN ('reduce_expenditure', 'increase_income', 'reduce_poverty_pockets')),
    program_group text CONSTRAINT activities_group_known CHECK (program_group IN ('social_assistance', 'community_empowerment', 'micro_enterprise', 'other')),
    sector text NOT NULL CONSTRAINT activities_sector_known CHECK (sector IN ('education', 'health', 'infrastructure', 'economy', 'other')),
    subactivity_code text,
    nomenclature_version text,
    indicator text NOT NULL,
    unit text NOT NULL,
    target_q1 bigint NOT NULL DEFAULT 0,
    target_q2 bigint NOT NULL DEFAULT 0,
    target_q3 bigint NOT NULL DEFAULT 0,
    target_q4 bigint NOT NULL DEFAULT 0,
    budget bigint NOT NULL CONSTRAINT activities_budget_range CHECK (budget >= 0),
    fund_source text NOT NULL CONSTRAINT activities_fund_known CHECK (fund_source IN ('apbn', 'apbd_province', 'apbd_regency', 'village_fund', 'csr', 'baznas', 'other')),
    spending_tag text NOT NULL CONSTRAINT activities_tag_known CHECK (spending_tag IN ('direct', 'indirect', 'supporting')),
    locations text[] NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT activities_targets_range CHECK (least(target_q1, target_q2, target_q3, target_q4) >= 0)
);
CREATE INDEX activities_plan_idx ON activities (action_plan_id, id);
COMMENT ON COLUMN activities.target_q1 IS 'Targets are per quarter, not cumulative.';
COMMENT ON COLUMN activities.origin_id IS 'The activity of the first revision that this one continues; interventions stay with the revision they were planned under, so sums over a year go by coalesce(origin_id, id).';
