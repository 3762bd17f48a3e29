-- A run compares the people of a release with those of another release, with our members, or with each other (pemadanan).
CREATE TABLE matching_runs (
    id uuid CONSTRAINT matching_runs_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT matching_runs_region_known REFERENCES regions (code),
    against text NOT NULL CONSTRAINT matching_runs_against_known CHECK (against IN ('release', 'families', 'itself')),
    left_release_id uuid NOT NULL CONSTRAINT matching_runs_left_known REFERENCES releases (id),
    right_release_id uuid CONSTRAINT matching_runs_right_known REFERENCES releases (id),
    job_id uuid NOT NULL CONSTRAINT matching_runs_job_known REFERENCES jobs (id),
    done_at timestamptz,
    four_eyes boolean NOT NULL DEFAULT false,
    left_people integer NOT NULL DEFAULT 0,
    right_people integer NOT NULL DEFAULT 0,
    pairs_compared bigint NOT NULL DEFAULT 0,
    model text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT matching_runs_right_named CHECK ((against = 'release') = (right_release_id IS NOT NULL))
);
COMMENT ON COLUMN matching_runs.done_at IS 'Results stand. Until then the job tells how it is.';
COMMENT ON COLUMN matching_runs.model IS 'The version of the model that gave the weights.';
CREATE INDEX matching_runs_regency_idx ON matching_runs (left(region_code, 5), id);

-- Two people who may be one, with the reasons that add up to the weight. Names and numbers stand in the statements only.
CREATE TABLE match_pairs (
    id uuid CONSTRAINT match_pairs_pkey PRIMARY KEY,
    run_id uuid NOT NULL CONSTRAINT match_pairs_run_known REFERENCES matching_runs (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT match_pairs_region_known REFERENCES regions (code),
    left_statement_id uuid NOT NULL CONSTRAINT match_pairs_left_known REFERENCES statements (id),
    left_ordinal smallint NOT NULL,
    right_statement_id uuid CONSTRAINT match_pairs_right_known REFERENCES statements (id),
    right_ordinal smallint,
    right_member_id uuid CONSTRAINT match_pairs_member_known REFERENCES members (id),
    one_key text COLLATE "C" NOT NULL,
    other_key text COLLATE "C" NOT NULL,
    weight double precision NOT NULL,
    probability double precision NOT NULL CONSTRAINT match_pairs_probability_range CHECK (probability BETWEEN 0 AND 1),
    zone text NOT NULL CONSTRAINT match_pairs_zone_known CHECK (zone IN ('match', 'review')),
    nik_agrees boolean,
    data_agrees boolean NOT NULL,
    right_state text CONSTRAINT match_pairs_right_state_known CHECK (right_state IN ('deceased', 'moved_out')),
    unlocks smallint NOT NULL DEFAULT 0,
    terms jsonb NOT NULL,
    CONSTRAINT match_pairs_keys_ordered CHECK (one_key <= other_key),
    CONSTRAINT match_pairs_right_whole CHECK ((right_statement_id IS NULL) <> (right_member_id IS NULL)
        AND (right_statement_id IS NULL) = (right_ordinal IS NULL))
);
CREATE INDEX match_pairs_queue_idx ON match_pairs (run_id, zone, unlocks DESC, id);
CREATE INDEX match_pairs_run_idx ON match_pairs (run_id, unlocks DESC, id);
CREATE INDEX match_pairs_left_idx ON match_pairs (left_statement_id, left_ordinal);
CREATE INDEX match_pairs_right_idx ON match_pairs (right_statement_id, right_ordinal) WHERE right_statement_id IS NOT NULL;
CREATE INDEX match_pairs_keys_idx ON match_pairs (one_key, other_key);
COMMENT ON COLUMN match_pairs.one_key IS 'Lasting keys (dataset and the source''s own key, or our member), the smaller first: what a decision is remembered by.';

-- What became of each person of the left side, in the words of domain.md section 2.6.
CREATE TABLE match_results (
    run_id uuid NOT NULL CONSTRAINT match_results_run_known REFERENCES matching_runs (id),
    statement_id uuid NOT NULL CONSTRAINT match_results_statement_known REFERENCES statements (id),
    ordinal smallint NOT NULL,
    region_code text COLLATE "C" NOT NULL,
    nik_state text NOT NULL CONSTRAINT match_results_nik_state_known CHECK (nik_state IN ('valid', 'missing', 'invalid', 'excel_rounded')),
    nik_strange boolean NOT NULL,
    nik_taken boolean NOT NULL,
    status text NOT NULL CONSTRAINT match_results_status_known CHECK (status IN ('matched', 'matched_by_nik_other_data', 'matched_by_name',
        'unmatched', 'nik_missing', 'nik_invalid', 'nik_duplicate', 'inactive_deceased', 'inactive_moved')),
    pair_id uuid CONSTRAINT match_results_pair_known REFERENCES match_pairs (id),
    dukcapil_match boolean,
    CONSTRAINT match_results_pkey PRIMARY KEY (run_id, statement_id, ordinal)
);
CREATE INDEX match_results_status_idx ON match_results (run_id, status, statement_id, ordinal);
CREATE INDEX match_results_village_idx ON match_results (run_id, region_code);
COMMENT ON COLUMN match_results.nik_strange IS 'Somebody has the same NIK whom the engine would not even think of as the same person.';
COMMENT ON COLUMN match_results.nik_taken IS 'That, or people decided so: certainly another person has the same NIK.';
COMMENT ON COLUMN match_results.dukcapil_match IS 'The centre''s own verdict, beside ours and never changed by it.';

-- A decision is about two people and not about two rows: it holds for every later run and release that names them.
CREATE TABLE match_decisions (
    id uuid CONSTRAINT match_decisions_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT match_decisions_region_known REFERENCES regions (code),
    pair_id uuid NOT NULL CONSTRAINT match_decisions_pair_known REFERENCES match_pairs (id),
    one_key text COLLATE "C" NOT NULL,
    other_key text COLLATE "C" NOT NULL,
    outcome text NOT NULL CONSTRAINT match_decisions_outcome_known CHECK (outcome IN ('match', 'no_match', 'cannot_tell')),
    state text NOT NULL CONSTRAINT match_decisions_state_known CHECK (state IN ('proposed', 'in_force', 'undone')),
    reason text,
    undo_reason text,
    decided_by uuid NOT NULL CONSTRAINT match_decisions_decider_known REFERENCES actors (id),
    confirmed_by uuid CONSTRAINT match_decisions_confirmer_known REFERENCES actors (id),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT match_decisions_four_eyes CHECK (confirmed_by <> decided_by)
);
CREATE UNIQUE INDEX match_decisions_one ON match_decisions (one_key, other_key) WHERE state <> 'undone';
CREATE INDEX match_decisions_regency_idx ON match_decisions (left(region_code, 5), id);
