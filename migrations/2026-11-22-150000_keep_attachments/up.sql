-- Files that people send as proof: photos of a house, minutes of a village meeting, a decree. Their content rests sealed in the
-- object store under the record's id; here stands what is needed to find and to check it.
CREATE TABLE attachments (
    id uuid CONSTRAINT attachments_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT attachments_region_known REFERENCES regions (code),
    purpose text NOT NULL CONSTRAINT attachments_purpose_known
        CHECK (purpose IN ('family_card', 'house_front', 'house_side', 'minutes', 'attendance', 'decree', 'other')),
    media_type text NOT NULL CONSTRAINT attachments_media_known CHECK (media_type IN ('image/jpeg', 'image/png', 'application/pdf')),
    bytes bigint NOT NULL CONSTRAINT attachments_bytes_positive CHECK (bytes > 0),
    sha256 bytea NOT NULL,
    uploaded_by uuid NOT NULL CONSTRAINT attachments_uploader_known REFERENCES actors (id),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX attachments_village_idx ON attachments (region_code, id);
CREATE INDEX attachments_subdistrict_idx ON attachments (left(region_code, 8), id);
CREATE INDEX attachments_regency_idx ON attachments (left(region_code, 5), id);
COMMENT ON COLUMN attachments.sha256 IS 'Of the content as it was sent.';
