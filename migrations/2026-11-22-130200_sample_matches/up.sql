-- A random sample of a run's automatic matches, to be judged by people. Which pairs are in it follows from the seed and the
-- run's pairs, which never change; how they were judged follows from the decisions.
CREATE TABLE match_samples (
    id uuid CONSTRAINT match_samples_pkey PRIMARY KEY,
    run_id uuid NOT NULL CONSTRAINT match_samples_run_known REFERENCES matching_runs (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT match_samples_region_known REFERENCES regions (code),
    seed bigint NOT NULL,
    size integer NOT NULL CONSTRAINT match_samples_size_range CHECK (size BETWEEN 1 AND 2000),
    drawn_by uuid NOT NULL CONSTRAINT match_samples_drawer_known REFERENCES actors (id),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX match_samples_run_idx ON match_samples (run_id, id);
