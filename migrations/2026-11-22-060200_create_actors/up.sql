-- Agencies come before actors: an assignment may bind an actor to one agency.
CREATE TABLE agencies (
    id uuid CONSTRAINT agencies_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT agencies_region_known REFERENCES regions (code),
    name text NOT NULL,
    short_name text,
    kind text NOT NULL CONSTRAINT agencies_kind_known CHECK (kind IN ('regional_office', 'subdistrict_office', 'village_government', 'provincial_office', 'company', 'other')),
    status text NOT NULL DEFAULT 'active' CONSTRAINT agencies_status_known CHECK (status IN ('active', 'closed')),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT agencies_name_taken UNIQUE (region_code, name)
);
CREATE INDEX agencies_regency_idx ON agencies (left(region_code, 5), id);
COMMENT ON TABLE agencies IS 'Perangkat daerah, kecamatan, desa, provincial bodies and companies.';

-- People, service accounts and the system itself are one kind of thing: whoever may act.
CREATE TABLE actors (
    id uuid CONSTRAINT actors_pkey PRIMARY KEY,
    kind text NOT NULL CONSTRAINT actors_kind_known CHECK (kind IN ('person', 'service', 'system')),
    name text COLLATE "C" NOT NULL CONSTRAINT actors_name_taken UNIQUE,
    display_name text NOT NULL,
    region_code text COLLATE "C" NOT NULL CONSTRAINT actors_region_known REFERENCES regions (code),
    secret_hash text,
    status text NOT NULL DEFAULT 'active' CONSTRAINT actors_status_known CHECK (status IN ('active', 'disabled')),
    failed_logins integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX actors_regency_idx ON actors (left(region_code, 5), id);
COMMENT ON COLUMN actors.secret_hash IS 'argon2id (PHC string) of the password or client secret; null means nobody can log in.';
INSERT INTO actors (id, kind, name, display_name, region_code)
VALUES ('00000000-0000-7000-8000-000000000001', 'system', 'system', 'Entas', '00');

CREATE TABLE assignments (
    id uuid CONSTRAINT assignments_pkey PRIMARY KEY,
    actor_id uuid NOT NULL CONSTRAINT assignments_actor_known REFERENCES actors (id),
    role text NOT NULL,
    region_code text COLLATE "C" NOT NULL CONSTRAINT assignments_region_known REFERENCES regions (code),
    agency_id uuid CONSTRAINT assignments_agency_known REFERENCES agencies (id),
    valid_from date NOT NULL DEFAULT current_date,
    valid_to date,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assignments_period_ordered CHECK (valid_to IS NULL OR valid_to >= valid_from),
    CONSTRAINT assignments_taken UNIQUE NULLS NOT DISTINCT (actor_id, role, region_code, agency_id, valid_from)
);
CREATE INDEX assignments_actor_idx ON assignments (actor_id, id);

-- One log-in; every refresh token of its chain points here, so one revocation ends them all.
CREATE TABLE sessions (
    id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
    actor_id uuid NOT NULL CONSTRAINT sessions_actor_known REFERENCES actors (id),
    client_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text CONSTRAINT sessions_revoked_reason_known CHECK (revoked_reason IN ('logout', 'reuse_detected', 'disabled', 'secret_changed'))
);
CREATE INDEX sessions_actor_idx ON sessions (actor_id) WHERE revoked_at IS NULL;
CREATE TABLE refresh_tokens (
    token_hash bytea CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT refresh_tokens_session_known REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session_idx ON refresh_tokens (session_id);
COMMENT ON COLUMN refresh_tokens.used_at IS 'Set at rotation; presented again after that, the whole session is revoked (RFC 9700 §4.14.2).';

-- Signing keys are shared by all replicas; the private half is sealed.
CREATE TABLE signing_keys (
    id uuid CONSTRAINT signing_keys_pkey PRIMARY KEY,
    public_key bytea NOT NULL,
    private_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
COMMENT ON COLUMN signing_keys.retired_at IS 'A retired key signs nothing more and is published until its last token has expired.';
