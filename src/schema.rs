// @generated automatically by Diesel CLI.

diesel::table! {
    action_plans (id) {
        id -> Uuid,
        region_code -> Text,
        agency_id -> Uuid,
        year -> Int4,
        revision -> Int4,
        title -> Text,
        state -> Text,
        note -> Nullable<Text>,
        submitted_at -> Nullable<Timestamptz>,
        approved_at -> Nullable<Timestamptz>,
        locked_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    activities (id) {
        id -> Uuid,
        action_plan_id -> Uuid,
        origin_id -> Nullable<Uuid>,
        program_id -> Uuid,
        name -> Text,
        strategy -> Text,
        program_group -> Nullable<Text>,
        sector -> Text,
        subactivity_code -> Nullable<Text>,
        nomenclature_version -> Nullable<Text>,
        indicator -> Text,
        unit -> Text,
        target_q1 -> Int8,
        target_q2 -> Int8,
        target_q3 -> Int8,
        target_q4 -> Int8,
        budget -> Int8,
        fund_source -> Text,
        spending_tag -> Text,
        locations -> Array<Nullable<Text>>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    actors (id) {
        id -> Uuid,
        kind -> Text,
        name -> Text,
        display_name -> Text,
        region_code -> Text,
        secret_hash -> Nullable<Text>,
        status -> Text,
        failed_logins -> Int4,
        locked_until -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    agencies (id) {
        id -> Uuid,
        region_code -> Text,
        name -> Text,
        short_name -> Nullable<Text>,
        kind -> Text,
        status -> Text,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    assigned_families (village_result_id, beneficiary_id) {
        village_result_id -> Uuid,
        beneficiary_id -> Uuid,
        campaign_id -> Uuid,
        region_code -> Text,
        given_away_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    assignments (id) {
        id -> Uuid,
        actor_id -> Uuid,
        role -> Text,
        region_code -> Text,
        agency_id -> Nullable<Uuid>,
        valid_from -> Date,
        valid_to -> Nullable<Date>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    attachments (id) {
        id -> Uuid,
        region_code -> Text,
        purpose -> Text,
        media_type -> Text,
        bytes -> Int8,
        sha256 -> Bytea,
        uploaded_by -> Uuid,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        object -> Uuid,
    }
}

diesel::table! {
    beneficiaries (id) {
        id -> Uuid,
        region_code -> Text,
        address -> Nullable<Text>,
        kk_sealed -> Nullable<Bytea>,
        kk_index -> Nullable<Bytea>,
        kk_mask -> Nullable<Text>,
        status -> Text,
        inactive_reason -> Nullable<Text>,
        attributes -> Jsonb,
        needs -> Array<Nullable<Text>>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        merged_into -> Nullable<Uuid>,
        provenance -> Jsonb,
    }
}

diesel::table! {
    campaign_subdistricts (campaign_id, region_code) {
        campaign_id -> Uuid,
        region_code -> Text,
        place -> Int2,
        starts_on -> Date,
        finalise_by -> Date,
        forward_by -> Date,
        accept_by -> Date,
    }
}

diesel::table! {
    changes (id) {
        id -> Uuid,
        xid -> Int8,
        seq -> Int8,
        at -> Timestamptz,
        actor_id -> Uuid,
        region_code -> Text,
        resource -> Text,
        resource_id -> Uuid,
        action -> Text,
        fields -> Jsonb,
        reason -> Nullable<Text>,
        request_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    criteria_sets (id) {
        id -> Uuid,
        region_code -> Text,
        code -> Text,
        edition -> Int4,
        name -> Text,
        legal_basis -> Nullable<Text>,
        threshold -> Int2,
        criteria -> Jsonb,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    datasets (id) {
        id -> Uuid,
        region_code -> Text,
        code -> Text,
        name -> Text,
        owner -> Text,
        unit -> Text,
        ranking_scheme -> Nullable<Text>,
        legal_basis -> Nullable<Text>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    family_events (id) {
        id -> Uuid,
        region_code -> Text,
        kind -> Text,
        state -> Text,
        beneficiary_id -> Uuid,
        other_id -> Uuid,
        told -> Jsonb,
        journal -> Bytea,
        reason -> Nullable<Text>,
        override_reason -> Nullable<Text>,
        undo_reason -> Nullable<Text>,
        decided_by -> Uuid,
        undone_by -> Nullable<Uuid>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        happened_on -> Nullable<Date>,
    }
}

diesel::table! {
    family_moves (id) {
        id -> Uuid,
        beneficiary_id -> Uuid,
        from_region_code -> Text,
        to_region_code -> Text,
        state -> Text,
        reason -> Text,
        moved_on -> Nullable<Date>,
        note -> Nullable<Text>,
        offered_by -> Uuid,
        decided_by -> Nullable<Uuid>,
        decided_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (actor_id, key) {
        actor_id -> Uuid,
        key -> Text,
        claim -> Uuid,
        operation -> Text,
        state -> Text,
        body_hash -> Nullable<Bytea>,
        status -> Nullable<Int4>,
        headers -> Nullable<Jsonb>,
        answer_sealed -> Nullable<Bytea>,
        claimed_at -> Timestamptz,
    }
}

diesel::table! {
    interventions (id) {
        id -> Uuid,
        activity_id -> Uuid,
        beneficiary_id -> Uuid,
        member_id -> Nullable<Uuid>,
        quarter -> Text,
        status -> Text,
        quantity -> Int8,
        unit -> Text,
        amount -> Nullable<Int8>,
        delivered_on -> Nullable<Date>,
        proof -> Nullable<Text>,
        cancel_reason -> Nullable<Text>,
        override_reason -> Nullable<Text>,
        warnings -> Array<Nullable<Text>>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    jobs (id) {
        id -> Uuid,
        kind -> Text,
        region_code -> Text,
        actor_id -> Uuid,
        state -> Text,
        payload -> Jsonb,
        cursor -> Nullable<Jsonb>,
        done -> Int8,
        total -> Nullable<Int8>,
        unit -> Text,
        result_path -> Nullable<Text>,
        error_code -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        attempts -> Int4,
        run_at -> Timestamptz,
        lease_until -> Nullable<Timestamptz>,
        cancel_requested -> Bool,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        version -> Int4,
    }
}

diesel::table! {
    match_codebooks (run_id) {
        run_id -> Uuid,
        content -> Text,
    }
}

diesel::table! {
    match_decisions (id) {
        id -> Uuid,
        region_code -> Text,
        pair_id -> Uuid,
        one_key -> Text,
        other_key -> Text,
        outcome -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        undo_reason -> Nullable<Text>,
        decided_by -> Uuid,
        confirmed_by -> Nullable<Uuid>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    match_pairs (id) {
        id -> Uuid,
        run_id -> Uuid,
        region_code -> Text,
        left_statement_id -> Uuid,
        left_ordinal -> Int2,
        right_statement_id -> Nullable<Uuid>,
        right_ordinal -> Nullable<Int2>,
        right_member_id -> Nullable<Uuid>,
        one_key -> Text,
        other_key -> Text,
        weight -> Float8,
        probability -> Float8,
        zone -> Text,
        nik_agrees -> Nullable<Bool>,
        data_agrees -> Bool,
        right_state -> Nullable<Text>,
        unlocks -> Int2,
        terms -> Nullable<Text>,
        pattern -> Nullable<Int8>,
        left_rivals -> Nullable<Float8>,
        right_rivals -> Nullable<Float8>,
        chain -> Nullable<Float8>,
        calibration -> Nullable<Float8>,
    }
}

diesel::table! {
    match_queue (member_id) {
        member_id -> Uuid,
        region_code -> Text,
        queued_at -> Timestamptz,
    }
}

diesel::table! {
    match_results (run_id, statement_id, ordinal) {
        run_id -> Uuid,
        statement_id -> Uuid,
        ordinal -> Int2,
        region_code -> Text,
        nik_state -> Text,
        nik_strange -> Bool,
        nik_taken -> Bool,
        status -> Text,
        pair_id -> Nullable<Uuid>,
        dukcapil_match -> Nullable<Bool>,
        stranger_statement_id -> Nullable<Uuid>,
        stranger_ordinal -> Nullable<Int2>,
        stranger_member_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    match_samples (id) {
        id -> Uuid,
        run_id -> Uuid,
        region_code -> Text,
        seed -> Int8,
        size -> Int4,
        drawn_by -> Uuid,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    matching_runs (id) {
        id -> Uuid,
        region_code -> Text,
        against -> Text,
        left_release_id -> Uuid,
        right_release_id -> Nullable<Uuid>,
        job_id -> Uuid,
        done_at -> Nullable<Timestamptz>,
        four_eyes -> Bool,
        left_people -> Int4,
        right_people -> Int4,
        pairs_compared -> Int8,
        model -> Nullable<Text>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    meeting_verdicts (village_result_id, subject_id) {
        village_result_id -> Uuid,
        subject_id -> Uuid,
        subject -> Text,
        region_code -> Text,
        eligibility -> Text,
        confirmed -> Bool,
        reason -> Nullable<Text>,
        recorded_by -> Uuid,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    members (id) {
        id -> Uuid,
        beneficiary_id -> Uuid,
        name -> Text,
        relation -> Text,
        sex -> Nullable<Text>,
        birth_date -> Nullable<Date>,
        mother_name -> Nullable<Text>,
        marital_status -> Nullable<Text>,
        occupation -> Nullable<Text>,
        education -> Nullable<Text>,
        nik_sealed -> Nullable<Bytea>,
        nik_index -> Nullable<Bytea>,
        nik_mask -> Nullable<Text>,
        status -> Text,
        warnings -> Array<Nullable<Text>>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        merged_into -> Nullable<Uuid>,
        provenance -> Jsonb,
    }
}

diesel::table! {
    objections (id) {
        id -> Uuid,
        village_result_id -> Uuid,
        region_code -> Text,
        kind -> Text,
        beneficiary_id -> Nullable<Uuid>,
        proposal_id -> Nullable<Uuid>,
        statement -> Text,
        objector_sealed -> Nullable<Bytea>,
        state -> Text,
        decide_by -> Date,
        outcome -> Nullable<Text>,
        filed_by -> Uuid,
        decided_by -> Nullable<Uuid>,
        decided_at -> Nullable<Timestamptz>,
        attachment_ids -> Array<Nullable<Uuid>>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    populations (region_code, year, source) {
        region_code -> Text,
        year -> Int4,
        people -> Nullable<Int8>,
        families -> Nullable<Int8>,
        source -> Text,
    }
}

diesel::table! {
    possible_duplicates (id) {
        id -> Uuid,
        region_code -> Text,
        one_id -> Uuid,
        other_id -> Uuid,
        weight -> Float8,
        probability -> Float8,
        zone -> Text,
        terms -> Jsonb,
        model -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        dismissed_by -> Nullable<Uuid>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    programs (id) {
        id -> Uuid,
        region_code -> Text,
        code -> Nullable<Text>,
        name -> Text,
        strategy -> Text,
        program_group -> Nullable<Text>,
        sector -> Text,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    proposals (id) {
        id -> Uuid,
        village_result_id -> Uuid,
        campaign_id -> Uuid,
        region_code -> Text,
        state -> Text,
        entry_sealed -> Nullable<Bytea>,
        told -> Jsonb,
        head_name -> Text,
        people -> Int2,
        eligibility -> Text,
        answers -> Jsonb,
        criteria_met -> Int2,
        numbers -> Array<Nullable<Bytea>>,
        candidates -> Jsonb,
        visited_at -> Timestamptz,
        officer_name -> Nullable<Text>,
        reviewed_reason -> Nullable<Text>,
        reviewed_by -> Nullable<Uuid>,
        beneficiary_id -> Nullable<Uuid>,
        attachment_ids -> Array<Nullable<Uuid>>,
        note -> Nullable<Text>,
        digest -> Bytea,
        recorded_by -> Uuid,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    reads (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor_id -> Uuid,
        region_code -> Text,
        resource -> Text,
        resource_id -> Nullable<Uuid>,
        action -> Text,
        rows -> Int4,
        reason -> Nullable<Text>,
        request_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    refresh_tokens (token_hash) {
        token_hash -> Bytea,
        session_id -> Uuid,
        issued_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    regions (code) {
        code -> Text,
        name -> Text,
        level -> Text,
        kind -> Text,
        parent_code -> Nullable<Text>,
        valid_from -> Nullable<Date>,
        valid_to -> Nullable<Date>,
    }
}

diesel::table! {
    rejected_rows (id) {
        id -> Uuid,
        release_id -> Uuid,
        sheet -> Text,
        row_number -> Int4,
        sealed -> Bytea,
    }
}

diesel::table! {
    release_rejects (id) {
        id -> Uuid,
        release_id -> Uuid,
        sheet -> Text,
        row_number -> Int4,
        column_header -> Nullable<Text>,
        code -> Text,
        reason -> Text,
        severity -> Text,
    }
}

diesel::table! {
    releases (id) {
        id -> Uuid,
        dataset_id -> Uuid,
        region_code -> Text,
        mode -> Text,
        state -> Text,
        profile -> Text,
        bast_number -> Nullable<Text>,
        reference_date -> Nullable<Date>,
        received_on -> Date,
        coverage -> Nullable<Text>,
        file_hash -> Bytea,
        file_bytes -> Int8,
        job_id -> Nullable<Uuid>,
        families -> Int4,
        people -> Int4,
        families_new -> Int4,
        people_new -> Int4,
        rejected -> Int4,
        warnings -> Int4,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        rejects -> Text,
        withdrawn_because -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        actor_id -> Uuid,
        client_id -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        revoked_reason -> Nullable<Text>,
    }
}

diesel::table! {
    signing_keys (id) {
        id -> Uuid,
        public_key -> Bytea,
        private_sealed -> Bytea,
        created_at -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    source_families (dataset_id, source_id) {
        dataset_id -> Uuid,
        source_id -> Text,
        beneficiary_id -> Uuid,
        release_id -> Uuid,
    }
}

diesel::table! {
    source_people (dataset_id, source_id) {
        dataset_id -> Uuid,
        source_id -> Text,
        member_id -> Uuid,
        release_id -> Uuid,
        dukcapil_match -> Nullable<Bool>,
    }
}

diesel::table! {
    statements (id) {
        id -> Uuid,
        release_id -> Uuid,
        source_id -> Text,
        region_code -> Text,
        decile -> Nullable<Int2>,
        percentile -> Nullable<Int2>,
        people -> Int4,
        digest -> Bytea,
        sealed -> Bytea,
    }
}

diesel::table! {
    target_list_entries (target_list_id, beneficiary_id) {
        target_list_id -> Uuid,
        beneficiary_id -> Uuid,
        region_code -> Text,
        included -> Bool,
        change -> Text,
        reason -> Text,
        eligibility -> Nullable<Text>,
        village_result_id -> Nullable<Uuid>,
        visit_id -> Nullable<Uuid>,
        proposal_id -> Nullable<Uuid>,
        decile -> Nullable<Int2>,
        head_name -> Nullable<Text>,
        head_nik_mask -> Nullable<Text>,
        kk_mask -> Nullable<Text>,
        address -> Nullable<Text>,
        people -> Int2,
        kk_index -> Nullable<Bytea>,
        head_nik_index -> Nullable<Bytea>,
        verdict_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    target_lists (id) {
        id -> Uuid,
        region_code -> Text,
        number -> Int4,
        title -> Text,
        state -> Text,
        rules -> Jsonb,
        supersedes_id -> Nullable<Uuid>,
        job_id -> Nullable<Uuid>,
        families -> Int4,
        people -> Int4,
        added -> Int4,
        removed -> Int4,
        unchanged -> Int4,
        note -> Nullable<Text>,
        sk_number -> Nullable<Text>,
        sk_date -> Nullable<Date>,
        signatory_name -> Nullable<Text>,
        signatory_title -> Nullable<Text>,
        decree_id -> Nullable<Uuid>,
        digest -> Nullable<Bytea>,
        sources -> Nullable<Bytea>,
        drafted_at -> Nullable<Timestamptz>,
        submitted_at -> Nullable<Timestamptz>,
        decreed_at -> Nullable<Timestamptz>,
        decreed_by -> Nullable<Uuid>,
        superseded_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    verification_campaigns (id) {
        id -> Uuid,
        region_code -> Text,
        name -> Text,
        lead_agency_id -> Uuid,
        release_id -> Nullable<Uuid>,
        target_list_id -> Nullable<Uuid>,
        criteria_set_id -> Uuid,
        state -> Text,
        job_id -> Nullable<Uuid>,
        opened_at -> Nullable<Timestamptz>,
        closed_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    village_results (id) {
        id -> Uuid,
        campaign_id -> Uuid,
        region_code -> Text,
        state -> Text,
        meeting_kind -> Nullable<Text>,
        meeting_number -> Nullable<Text>,
        meeting_on -> Nullable<Date>,
        meeting_attendants -> Nullable<Int4>,
        meeting_chair -> Nullable<Text>,
        minutes_id -> Nullable<Uuid>,
        attendance_id -> Nullable<Uuid>,
        posted_from -> Nullable<Date>,
        posted_until -> Nullable<Date>,
        finalised_at -> Nullable<Timestamptz>,
        finalised_by -> Nullable<Uuid>,
        forwarded_at -> Nullable<Timestamptz>,
        forwarded_by -> Nullable<Uuid>,
        forward_letter -> Nullable<Text>,
        accepted_at -> Nullable<Timestamptz>,
        accepted_by -> Nullable<Uuid>,
        returned_at -> Nullable<Timestamptz>,
        returned_by -> Nullable<Uuid>,
        note -> Nullable<Text>,
        not_applied -> Jsonb,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    visits (id) {
        id -> Uuid,
        village_result_id -> Uuid,
        beneficiary_id -> Uuid,
        campaign_id -> Uuid,
        region_code -> Text,
        state -> Text,
        based_on_id -> Nullable<Uuid>,
        visited_at -> Timestamptz,
        clock_skew_seconds -> Int4,
        recorded_by -> Uuid,
        officer_name -> Nullable<Text>,
        presence -> Text,
        eligibility -> Text,
        informant -> Nullable<Text>,
        latitude -> Nullable<Float8>,
        longitude -> Nullable<Float8>,
        accuracy_m -> Nullable<Int4>,
        answers -> Jsonb,
        criteria_met -> Int2,
        attributes -> Jsonb,
        people -> Jsonb,
        corrections -> Jsonb,
        corrections_sealed -> Nullable<Bytea>,
        carried_at -> Nullable<Timestamptz>,
        note -> Nullable<Text>,
        attachment_ids -> Array<Nullable<Uuid>>,
        digest -> Bytea,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        contradictions -> Nullable<Jsonb>,
    }
}

diesel::table! {
    welfare_ranks (release_id, beneficiary_id) {
        release_id -> Uuid,
        beneficiary_id -> Uuid,
        decile -> Int2,
        percentile -> Nullable<Int2>,
        current -> Bool,
    }
}

diesel::joinable!(action_plans -> agencies (agency_id));
diesel::joinable!(action_plans -> regions (region_code));
diesel::joinable!(activities -> action_plans (action_plan_id));
diesel::joinable!(activities -> programs (program_id));
diesel::joinable!(actors -> regions (region_code));
diesel::joinable!(agencies -> regions (region_code));
diesel::joinable!(assigned_families -> beneficiaries (beneficiary_id));
diesel::joinable!(assigned_families -> regions (region_code));
diesel::joinable!(assigned_families -> verification_campaigns (campaign_id));
diesel::joinable!(assigned_families -> village_results (village_result_id));
diesel::joinable!(assignments -> actors (actor_id));
diesel::joinable!(assignments -> agencies (agency_id));
diesel::joinable!(assignments -> regions (region_code));
diesel::joinable!(attachments -> actors (uploaded_by));
diesel::joinable!(attachments -> regions (region_code));
diesel::joinable!(beneficiaries -> regions (region_code));
diesel::joinable!(campaign_subdistricts -> regions (region_code));
diesel::joinable!(campaign_subdistricts -> verification_campaigns (campaign_id));
diesel::joinable!(changes -> actors (actor_id));
diesel::joinable!(changes -> regions (region_code));
diesel::joinable!(criteria_sets -> regions (region_code));
diesel::joinable!(datasets -> regions (region_code));
diesel::joinable!(family_events -> regions (region_code));
diesel::joinable!(family_moves -> beneficiaries (beneficiary_id));
diesel::joinable!(idempotency_keys -> actors (actor_id));
diesel::joinable!(interventions -> activities (activity_id));
diesel::joinable!(interventions -> beneficiaries (beneficiary_id));
diesel::joinable!(interventions -> members (member_id));
diesel::joinable!(jobs -> actors (actor_id));
diesel::joinable!(jobs -> regions (region_code));
diesel::joinable!(match_codebooks -> matching_runs (run_id));
diesel::joinable!(match_decisions -> match_pairs (pair_id));
diesel::joinable!(match_decisions -> regions (region_code));
diesel::joinable!(match_queue -> members (member_id));
diesel::joinable!(match_samples -> actors (drawn_by));
diesel::joinable!(match_samples -> matching_runs (run_id));
diesel::joinable!(match_samples -> regions (region_code));
diesel::joinable!(matching_runs -> jobs (job_id));
diesel::joinable!(matching_runs -> regions (region_code));
diesel::joinable!(meeting_verdicts -> actors (recorded_by));
diesel::joinable!(meeting_verdicts -> regions (region_code));
diesel::joinable!(meeting_verdicts -> village_results (village_result_id));
diesel::joinable!(members -> beneficiaries (beneficiary_id));
diesel::joinable!(objections -> beneficiaries (beneficiary_id));
diesel::joinable!(objections -> proposals (proposal_id));
diesel::joinable!(objections -> regions (region_code));
diesel::joinable!(objections -> village_results (village_result_id));
diesel::joinable!(populations -> regions (region_code));
diesel::joinable!(possible_duplicates -> actors (dismissed_by));
diesel::joinable!(possible_duplicates -> regions (region_code));
diesel::joinable!(programs -> regions (region_code));
diesel::joinable!(proposals -> beneficiaries (beneficiary_id));
diesel::joinable!(proposals -> regions (region_code));
diesel::joinable!(proposals -> verification_campaigns (campaign_id));
diesel::joinable!(proposals -> village_results (village_result_id));
diesel::joinable!(reads -> actors (actor_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(rejected_rows -> releases (release_id));
diesel::joinable!(release_rejects -> releases (release_id));
diesel::joinable!(releases -> datasets (dataset_id));
diesel::joinable!(releases -> jobs (job_id));
diesel::joinable!(releases -> regions (region_code));
diesel::joinable!(sessions -> actors (actor_id));
diesel::joinable!(source_families -> beneficiaries (beneficiary_id));
diesel::joinable!(source_people -> members (member_id));
diesel::joinable!(statements -> regions (region_code));
diesel::joinable!(statements -> releases (release_id));
diesel::joinable!(target_list_entries -> beneficiaries (beneficiary_id));
diesel::joinable!(target_list_entries -> proposals (proposal_id));
diesel::joinable!(target_list_entries -> regions (region_code));
diesel::joinable!(target_list_entries -> target_lists (target_list_id));
diesel::joinable!(target_list_entries -> village_results (village_result_id));
diesel::joinable!(target_list_entries -> visits (visit_id));
diesel::joinable!(target_lists -> actors (decreed_by));
diesel::joinable!(target_lists -> attachments (decree_id));
diesel::joinable!(target_lists -> jobs (job_id));
diesel::joinable!(target_lists -> regions (region_code));
diesel::joinable!(verification_campaigns -> agencies (lead_agency_id));
diesel::joinable!(verification_campaigns -> criteria_sets (criteria_set_id));
diesel::joinable!(verification_campaigns -> jobs (job_id));
diesel::joinable!(verification_campaigns -> regions (region_code));
diesel::joinable!(verification_campaigns -> releases (release_id));
diesel::joinable!(verification_campaigns -> target_lists (target_list_id));
diesel::joinable!(village_results -> regions (region_code));
diesel::joinable!(village_results -> verification_campaigns (campaign_id));
diesel::joinable!(visits -> actors (recorded_by));
diesel::joinable!(visits -> regions (region_code));
diesel::joinable!(visits -> verification_campaigns (campaign_id));
diesel::joinable!(welfare_ranks -> beneficiaries (beneficiary_id));
diesel::joinable!(welfare_ranks -> releases (release_id));

diesel::allow_tables_to_appear_in_same_query!(
    action_plans,
    activities,
    actors,
    agencies,
    assigned_families,
    assignments,
    attachments,
    beneficiaries,
    campaign_subdistricts,
    changes,
    criteria_sets,
    datasets,
    family_events,
    family_moves,
    idempotency_keys,
    interventions,
    jobs,
    match_codebooks,
    match_decisions,
    match_pairs,
    match_queue,
    match_results,
    match_samples,
    matching_runs,
    meeting_verdicts,
    members,
    objections,
    populations,
    possible_duplicates,
    programs,
    proposals,
    reads,
    refresh_tokens,
    regions,
    rejected_rows,
    release_rejects,
    releases,
    sessions,
    signing_keys,
    source_families,
    source_people,
    statements,
    target_list_entries,
    target_lists,
    verification_campaigns,
    village_results,
    visits,
    welfare_ranks,
);
