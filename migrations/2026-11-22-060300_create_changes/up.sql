-- Audit trail and change feed are one table, written by every commit in its own transaction.
-- `xid` is the writing transaction: readers deliver only rows below the oldest running one, so a late commit is never skipped.
-- A dump restored into another server meets transaction numbers that begin anew; the base lifts them above all that was
-- given out before (`entas migrate` sees to it), or followers would pass over every change after a restore. A sequence holds
-- it because `pg_dump` carries its value along and reading it costs no table.
CREATE SEQUENCE changes_xid_base AS bigint MINVALUE 0 START 0;
CREATE FUNCTION feed_xid() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT pg_current_xact_id()::text::bigint + last_value FROM changes_xid_base $$;
CREATE FUNCTION feed_horizon() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + last_value FROM changes_xid_base $$;
COMMENT ON FUNCTION feed_horizon() IS 'Every transaction below this number has ended: nothing more can appear there.';
CREATE TABLE changes (
    id uuid CONSTRAINT changes_pkey PRIMARY KEY,
    xid bigint NOT NULL DEFAULT feed_xid(),
    seq bigserial NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid NOT NULL CONSTRAINT changes_actor_known REFERENCES actors (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT changes_region_known REFERENCES regions (code),
    resource text NOT NULL,
    resource_id uuid NOT NULL,
    action text NOT NULL,
    fields jsonb NOT NULL,
    reason text,
    request_id uuid
);
CREATE INDEX changes_feed_idx ON changes (xid, seq);
CREATE INDEX changes_resource_idx ON changes (resource_id, id);
CREATE INDEX changes_regency_idx ON changes (left(region_code, 5), id);
CREATE INDEX changes_actor_idx ON changes (actor_id, id);
COMMENT ON TABLE changes IS 'Append-only. Sensitive fields stand in `fields` by name only.';

-- Who read whose personal data: appended in batches off the request''s path (at most one second lost in a crash).
CREATE TABLE reads (
    id uuid CONSTRAINT reads_pkey PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id uuid NOT NULL CONSTRAINT reads_actor_known REFERENCES actors (id),
    region_code text COLLATE "C" NOT NULL,
    resource text NOT NULL,
    resource_id uuid,
    action text NOT NULL,
    rows integer NOT NULL,
    reason text,
    request_id uuid
);
CREATE INDEX reads_resource_idx ON reads (resource_id, id) WHERE resource_id IS NOT NULL;
CREATE INDEX reads_regency_idx ON reads (left(region_code, 5), id);
CREATE INDEX reads_actor_idx ON reads (actor_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER changes_append_only BEFORE UPDATE OR DELETE ON changes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER reads_append_only BEFORE UPDATE OR DELETE ON reads FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One row a key: running until its transaction commits, committed with it, answered when the answer is kept.
CREATE TABLE idempotency_keys (
    actor_id uuid NOT NULL CONSTRAINT idempotency_keys_actor_known REFERENCES actors (id),
    key text NOT NULL,
    claim uuid NOT NULL,
    operation text NOT NULL,
    state text NOT NULL DEFAULT 'running' CONSTRAINT idempotency_keys_state_known CHECK (state IN ('running', 'committed', 'answered')),
    body_hash bytea,
    status integer,
    headers jsonb,
    answer_sealed bytea,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor_id, key),
    CONSTRAINT idempotency_keys_claim_once UNIQUE (claim)
);
CREATE INDEX idempotency_keys_age_idx ON idempotency_keys (claimed_at);

CREATE TABLE jobs (
    id uuid CONSTRAINT jobs_pkey PRIMARY KEY,
    kind text NOT NULL,
    region_code text COLLATE "C" NOT NULL CONSTRAINT jobs_region_known REFERENCES regions (code),
    actor_id uuid NOT NULL CONSTRAINT jobs_actor_known REFERENCES actors (id),
    state text NOT NULL DEFAULT 'queued' CONSTRAINT jobs_state_known CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    payload jsonb NOT NULL,
    cursor jsonb,
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    unit text NOT NULL DEFAULT 'rows',
    result_path text,
    error_code text,
    error_detail text,
    attempts integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    cancel_requested boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    version integer NOT NULL DEFAULT 1
);
CREATE INDEX jobs_due_idx ON jobs (run_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_regency_idx ON jobs (left(region_code, 5), id);
