-- Criteria by which a visit judges a family (domain.md section 6.3): versioned, a regency's own or the nation's.
CREATE TABLE criteria_sets (
    id uuid CONSTRAINT criteria_sets_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT criteria_sets_region_known REFERENCES regions (code),
    code text NOT NULL,
    edition integer NOT NULL CONSTRAINT criteria_sets_edition_positive CHECK (edition > 0),
    name text NOT NULL,
    legal_basis text,
    threshold smallint NOT NULL CONSTRAINT criteria_sets_threshold_positive CHECK (threshold > 0),
    criteria jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT criteria_sets_edition_taken UNIQUE (region_code, code, edition)
);
COMMENT ON COLUMN criteria_sets.criteria IS 'In order: code, question (Indonesian), question_en. A criterion is met when its answer is true.';
COMMENT ON COLUMN criteria_sets.threshold IS 'From how many met criteria on the set suggests that a family is poor. A person decides.';
INSERT INTO criteria_sets (id, region_code, code, edition, name, legal_basis, threshold, criteria) VALUES
('00000000-0000-7000-8000-000000000262', '00', 'kepmensos-262-2022', 1, 'Kriteria fakir miskin (Kepmensos 262/HUK/2022)', 'Kepmensos 262/HUK/2022', 6, '[
 {"code": "no_dwelling", "question": "Tidak mempunyai tempat berteduh atau tempat tinggal sehari-hari", "question_en": "Has no place to live"},
 {"code": "head_without_income", "question": "Kepala keluarga tidak bekerja atau tidak berpenghasilan tetap", "question_en": "The head does not work or has no steady income"},
 {"code": "food_worry", "question": "Pernah khawatir tidak makan atau pernah tidak makan dalam setahun terakhir", "question_en": "Worried about eating or did not eat in the last year"},
 {"code": "food_share", "question": "Pengeluaran untuk makan lebih dari separuh seluruh pengeluaran", "question_en": "Spends more than half on food"},
 {"code": "no_clothes", "question": "Tidak ada pengeluaran untuk pakaian selama setahun terakhir", "question_en": "Bought no clothes for a year"},
 {"code": "poor_floor", "question": "Sebagian besar lantai dari tanah atau plesteran", "question_en": "Floor mostly earth or plaster"},
 {"code": "poor_wall", "question": "Sebagian besar dinding dari bambu, kawat, papan kayu, terpal, kardus, tembok tanpa plester, rumbia atau seng", "question_en": "Walls mostly bamboo, wire, board, tarpaulin, cardboard, bare brick, thatch or zinc"},
 {"code": "no_own_toilet", "question": "Tidak mempunyai jamban sendiri atau memakai jamban komunitas", "question_en": "No toilet of its own, or a communal one"},
 {"code": "poor_lighting", "question": "Penerangan dari listrik 450 watt atau bukan listrik", "question_en": "Light from 450 W or without electricity"}
]');

-- A campaign checks the families of a release, or of a target list, in some subdistricts of one regency.
CREATE TABLE verification_campaigns (
    id uuid CONSTRAINT verification_campaigns_pkey PRIMARY KEY,
    region_code text COLLATE "C" NOT NULL CONSTRAINT verification_campaigns_region_known REFERENCES regions (code),
    name text NOT NULL,
    lead_agency_id uuid NOT NULL CONSTRAINT verification_campaigns_agency_known REFERENCES agencies (id),
    release_id uuid CONSTRAINT verification_campaigns_release_known REFERENCES releases (id),
    target_list_id uuid,
    criteria_set_id uuid NOT NULL CONSTRAINT verification_campaigns_criteria_known REFERENCES criteria_sets (id),
    state text NOT NULL CONSTRAINT verification_campaigns_state_known CHECK (state IN ('draft', 'open', 'closed')),
    job_id uuid CONSTRAINT verification_campaigns_job_known REFERENCES jobs (id),
    opened_at timestamptz,
    closed_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT verification_campaigns_name_taken UNIQUE (region_code, name),
    CONSTRAINT verification_campaigns_one_basis CHECK ((release_id IS NULL) <> (target_list_id IS NULL))
);
CREATE INDEX verification_campaigns_regency_idx ON verification_campaigns (left(region_code, 5), id);

CREATE TABLE campaign_subdistricts (
    campaign_id uuid NOT NULL CONSTRAINT campaign_subdistricts_campaign_known REFERENCES verification_campaigns (id) ON DELETE CASCADE,
    region_code text COLLATE "C" NOT NULL CONSTRAINT campaign_subdistricts_region_known REFERENCES regions (code),
    place smallint NOT NULL,
    starts_on date NOT NULL,
    finalise_by date NOT NULL,
    forward_by date NOT NULL,
    accept_by date NOT NULL,
    CONSTRAINT campaign_subdistricts_pkey PRIMARY KEY (campaign_id, region_code),
    CONSTRAINT campaign_subdistricts_days_in_order CHECK (starts_on <= finalise_by AND finalise_by <= forward_by AND forward_by <= accept_by)
);
COMMENT ON TABLE campaign_subdistricts IS 'In which order subdistricts are checked, and by which day village, camat and regency have done their step.';

-- What one village has to check in one campaign, and how far its result has come: the same row from the first visit to the
-- acceptance, so that where a village stands is never said twice.
CREATE TABLE village_results (
    id uuid CONSTRAINT village_results_pkey PRIMARY KEY,
    campaign_id uuid NOT NULL CONSTRAINT village_results_campaign_known REFERENCES verification_campaigns (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT village_results_region_known REFERENCES regions (code),
    state text NOT NULL DEFAULT 'open' CONSTRAINT village_results_state_known
        CHECK (state IN ('open', 'finalised', 'forwarded', 'accepted', 'returned')),
    meeting_kind text CONSTRAINT village_results_meeting_known CHECK (meeting_kind IN ('musdes', 'muskel', 'sptjm')),
    meeting_number text,
    meeting_on date,
    meeting_attendants integer,
    meeting_chair text,
    minutes_id uuid CONSTRAINT village_results_minutes_known REFERENCES attachments (id),
    attendance_id uuid CONSTRAINT village_results_attendance_known REFERENCES attachments (id),
    posted_from date,
    posted_until date,
    finalised_at timestamptz,
    finalised_by uuid CONSTRAINT village_results_finaliser_known REFERENCES actors (id),
    forwarded_at timestamptz,
    forwarded_by uuid CONSTRAINT village_results_forwarder_known REFERENCES actors (id),
    forward_letter text,
    accepted_at timestamptz,
    accepted_by uuid CONSTRAINT village_results_accepter_known REFERENCES actors (id),
    returned_at timestamptz,
    returned_by uuid CONSTRAINT village_results_returner_known REFERENCES actors (id),
    note text,
    not_applied jsonb NOT NULL DEFAULT '[]',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT village_results_one_a_village UNIQUE (campaign_id, region_code),
    CONSTRAINT village_results_meeting_held CHECK (state IN ('open', 'returned') OR (meeting_number IS NOT NULL AND meeting_on IS NOT NULL AND minutes_id IS NOT NULL))
);
CREATE INDEX village_results_village_idx ON village_results (region_code, id);
CREATE INDEX village_results_subdistrict_idx ON village_results (left(region_code, 8), id);
CREATE INDEX village_results_regency_idx ON village_results (left(region_code, 5), id);
COMMENT ON COLUMN village_results.not_applied IS 'What the acceptance could not carry into the families'' records: visit or proposal, field, code.';
COMMENT ON COLUMN village_results.note IS 'Said with the last step: why it was returned, withdrawn, recalled or reopened.';

-- The families that a village has to look at.
CREATE TABLE assigned_families (
    village_result_id uuid NOT NULL CONSTRAINT assigned_families_result_known REFERENCES village_results (id),
    beneficiary_id uuid NOT NULL CONSTRAINT assigned_families_beneficiary_known REFERENCES beneficiaries (id),
    campaign_id uuid NOT NULL CONSTRAINT assigned_families_campaign_known REFERENCES verification_campaigns (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT assigned_families_region_known REFERENCES regions (code),
    CONSTRAINT assigned_families_pkey PRIMARY KEY (village_result_id, beneficiary_id),
    CONSTRAINT assigned_families_once_a_campaign UNIQUE (campaign_id, beneficiary_id)
);
CREATE INDEX assigned_families_beneficiary_idx ON assigned_families (beneficiary_id);

-- What an officer found at a family. Of the visits of one family in one campaign one stands; what replaced it, contradicts it or was
-- set aside is kept for ever.
CREATE TABLE visits (
    id uuid CONSTRAINT visits_pkey PRIMARY KEY,
    village_result_id uuid NOT NULL,
    beneficiary_id uuid NOT NULL,
    campaign_id uuid NOT NULL CONSTRAINT visits_campaign_known REFERENCES verification_campaigns (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT visits_region_known REFERENCES regions (code),
    state text NOT NULL CONSTRAINT visits_state_known CHECK (state IN ('standing', 'superseded', 'conflicting', 'set_aside')),
    based_on_id uuid CONSTRAINT visits_basis_known REFERENCES visits (id),
    visited_at timestamptz NOT NULL,
    clock_skew_seconds integer NOT NULL,
    recorded_by uuid NOT NULL CONSTRAINT visits_recorder_known REFERENCES actors (id),
    officer_name text,
    presence text NOT NULL CONSTRAINT visits_presence_known
        CHECK (presence IN ('found', 'not_found', 'deceased', 'moved_within', 'moved_out', 'duplicate', 'refused')),
    eligibility text NOT NULL CONSTRAINT visits_eligibility_known
        CHECK (eligibility IN ('extreme_poor', 'poor', 'vulnerable', 'capable', 'not_assessed')),
    informant text,
    latitude double precision CONSTRAINT visits_latitude_range CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision CONSTRAINT visits_longitude_range CHECK (longitude BETWEEN -180 AND 180),
    accuracy_m integer,
    answers jsonb NOT NULL DEFAULT '{}',
    criteria_met smallint NOT NULL DEFAULT 0,
    attributes jsonb NOT NULL DEFAULT '{}',
    people jsonb NOT NULL DEFAULT '[]',
    corrections jsonb NOT NULL DEFAULT '[]',
    corrections_sealed bytea,
    carried_at timestamptz,
    note text,
    attachment_ids uuid[] NOT NULL DEFAULT '{}',
    digest bytea NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT visits_family_assigned FOREIGN KEY (village_result_id, beneficiary_id)
        REFERENCES assigned_families (village_result_id, beneficiary_id)
);
CREATE UNIQUE INDEX visits_one_stands ON visits (village_result_id, beneficiary_id) WHERE state = 'standing';
CREATE INDEX visits_family_idx ON visits (beneficiary_id, id);
CREATE INDEX visits_result_idx ON visits (village_result_id, id);
CREATE INDEX visits_conflicts_idx ON visits (village_result_id) WHERE state = 'conflicting';
CREATE INDEX visits_village_idx ON visits (region_code, id);
CREATE INDEX visits_subdistrict_idx ON visits (left(region_code, 8), id);
CREATE INDEX visits_regency_idx ON visits (left(region_code, 5), id);
COMMENT ON COLUMN visits.clock_skew_seconds IS 'How far the phone was ahead of us when it sent the visit; visited_at is as the phone said. Order is by arrival.';
COMMENT ON COLUMN visits.people IS 'Of members: still there, died, moved out, and who heads the family from then on.';
COMMENT ON COLUMN visits.corrections IS 'Which identifiers were corrected, numbers masked; the corrected ones rest in corrections_sealed until the result is accepted.';
COMMENT ON COLUMN visits.carried_at IS 'When the acceptance carried what the visit found into the family''s record; it does so once.';
COMMENT ON COLUMN visits.digest IS 'Keyed digest of the visit as it was sent, to know the same one again.';

-- Families that are not on the list, as the village proposes them.
CREATE TABLE proposals (
    id uuid CONSTRAINT proposals_pkey PRIMARY KEY,
    village_result_id uuid NOT NULL CONSTRAINT proposals_result_known REFERENCES village_results (id),
    campaign_id uuid NOT NULL CONSTRAINT proposals_campaign_known REFERENCES verification_campaigns (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT proposals_region_known REFERENCES regions (code),
    state text NOT NULL CONSTRAINT proposals_state_known CHECK (state IN ('open', 'on_file', 'withdrawn', 'rejected', 'registered')),
    entry_sealed bytea,
    told jsonb NOT NULL,
    head_name text NOT NULL,
    people smallint NOT NULL,
    eligibility text NOT NULL CONSTRAINT proposals_eligibility_known
        CHECK (eligibility IN ('extreme_poor', 'poor', 'vulnerable', 'capable', 'not_assessed')),
    answers jsonb NOT NULL DEFAULT '{}',
    criteria_met smallint NOT NULL DEFAULT 0,
    numbers bytea[] NOT NULL DEFAULT '{}',
    candidates jsonb NOT NULL DEFAULT '[]',
    visited_at timestamptz NOT NULL,
    officer_name text,
    reviewed_reason text,
    reviewed_by uuid CONSTRAINT proposals_reviewer_known REFERENCES actors (id),
    beneficiary_id uuid CONSTRAINT proposals_beneficiary_known REFERENCES beneficiaries (id),
    attachment_ids uuid[] NOT NULL DEFAULT '{}',
    note text,
    digest bytea NOT NULL,
    recorded_by uuid NOT NULL CONSTRAINT proposals_recorder_known REFERENCES actors (id),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT proposals_registered_whole CHECK (state <> 'registered' OR beneficiary_id IS NOT NULL)
);
CREATE INDEX proposals_result_idx ON proposals (village_result_id, id);
CREATE INDEX proposals_village_idx ON proposals (region_code, id);
CREATE INDEX proposals_subdistrict_idx ON proposals (left(region_code, 8), id);
CREATE INDEX proposals_regency_idx ON proposals (left(region_code, 5), id);
CREATE INDEX proposals_beneficiary_idx ON proposals (beneficiary_id) WHERE beneficiary_id IS NOT NULL;
COMMENT ON COLUMN proposals.entry_sealed IS 'The family as it was entered, with its numbers; gone once it is registered.';
CREATE INDEX proposals_numbers_idx ON proposals USING gin (numbers) WHERE state IN ('open', 'on_file');
COMMENT ON COLUMN proposals.numbers IS 'Blind index entries of its KK number and NIKs: two proposals of one family find each other.';
COMMENT ON COLUMN proposals.candidates IS 'Whom it may be of those on file and of those proposed: ids, weight, zone, terms.';

-- Where the village meeting saw it otherwise than the visit, or confirmed a proposal.
CREATE TABLE meeting_verdicts (
    village_result_id uuid NOT NULL CONSTRAINT meeting_verdicts_result_known REFERENCES village_results (id),
    subject_id uuid NOT NULL,
    subject text NOT NULL CONSTRAINT meeting_verdicts_subject_known CHECK (subject IN ('family', 'proposal')),
    region_code text COLLATE "C" NOT NULL CONSTRAINT meeting_verdicts_region_known REFERENCES regions (code),
    eligibility text NOT NULL CONSTRAINT meeting_verdicts_eligibility_known
        CHECK (eligibility IN ('extreme_poor', 'poor', 'vulnerable', 'capable', 'not_assessed')),
    confirmed boolean NOT NULL,
    reason text,
    recorded_by uuid NOT NULL CONSTRAINT meeting_verdicts_recorder_known REFERENCES actors (id),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT meeting_verdicts_pkey PRIMARY KEY (village_result_id, subject_id)
);
COMMENT ON COLUMN meeting_verdicts.confirmed IS 'Of a proposal: whether the meeting takes it up. Of a family: always true.';

-- Usul and sanggah while a result is posted.
CREATE TABLE objections (
    id uuid CONSTRAINT objections_pkey PRIMARY KEY,
    village_result_id uuid NOT NULL CONSTRAINT objections_result_known REFERENCES village_results (id),
    region_code text COLLATE "C" NOT NULL CONSTRAINT objections_region_known REFERENCES regions (code),
    kind text NOT NULL CONSTRAINT objections_kind_known CHECK (kind IN ('should_be_on', 'should_be_off', 'data_wrong')),
    beneficiary_id uuid CONSTRAINT objections_beneficiary_known REFERENCES beneficiaries (id),
    proposal_id uuid CONSTRAINT objections_proposal_known REFERENCES proposals (id),
    statement text NOT NULL,
    objector_sealed bytea,
    state text NOT NULL CONSTRAINT objections_state_known CHECK (state IN ('filed', 'upheld', 'dismissed', 'withdrawn')),
    decide_by date NOT NULL,
    outcome text,
    filed_by uuid NOT NULL CONSTRAINT objections_filer_known REFERENCES actors (id),
    decided_by uuid CONSTRAINT objections_decider_known REFERENCES actors (id),
    decided_at timestamptz,
    attachment_ids uuid[] NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT objections_one_subject CHECK (num_nonnulls(beneficiary_id, proposal_id) <= 1)
);
CREATE INDEX objections_result_idx ON objections (village_result_id, id);
CREATE INDEX objections_village_idx ON objections (region_code, id);
CREATE INDEX objections_subdistrict_idx ON objections (left(region_code, 8), id);
CREATE INDEX objections_regency_idx ON objections (left(region_code, 5), id);
COMMENT ON COLUMN objections.objector_sealed IS 'Who objects, as they gave it: hidden from the village (domain.md section 7).';
