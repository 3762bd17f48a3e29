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
        reason -> Text,
        override_reason -> Nullable<Text>,
        undo_reason -> Nullable<Text>,
        decided_by -> Uuid,
        undone_by -> Nullable<Uuid>,
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
        terms -> Json,
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
diesel::joinable!(assignments -> actors (actor_id));
diesel::joinable!(assignments -> agencies (agency_id));
diesel::joinable!(assignments -> regions (region_code));
diesel::joinable!(beneficiaries -> regions (region_code));
diesel::joinable!(changes -> actors (actor_id));
diesel::joinable!(changes -> regions (region_code));
diesel::joinable!(datasets -> regions (region_code));
diesel::joinable!(family_events -> regions (region_code));
diesel::joinable!(idempotency_keys -> actors (actor_id));
diesel::joinable!(interventions -> activities (activity_id));
diesel::joinable!(interventions -> beneficiaries (beneficiary_id));
diesel::joinable!(interventions -> members (member_id));
diesel::joinable!(jobs -> actors (actor_id));
diesel::joinable!(jobs -> regions (region_code));
diesel::joinable!(match_decisions -> match_pairs (pair_id));
diesel::joinable!(match_decisions -> regions (region_code));
diesel::joinable!(match_pairs -> members (right_member_id));
diesel::joinable!(match_queue -> members (member_id));
diesel::joinable!(match_results -> members (stranger_member_id));
diesel::joinable!(match_results -> statements (stranger_statement_id));
diesel::joinable!(match_samples -> actors (drawn_by));
diesel::joinable!(match_samples -> matching_runs (run_id));
diesel::joinable!(match_samples -> regions (region_code));
diesel::joinable!(matching_runs -> jobs (job_id));
diesel::joinable!(matching_runs -> regions (region_code));
diesel::joinable!(members -> beneficiaries (beneficiary_id));
diesel::joinable!(populations -> regions (region_code));
diesel::joinable!(possible_duplicates -> actors (dismissed_by));
diesel::joinable!(possible_duplicates -> regions (region_code));
diesel::joinable!(programs -> regions (region_code));
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
diesel::joinable!(welfare_ranks -> beneficiaries (beneficiary_id));
diesel::joinable!(welfare_ranks -> releases (release_id));

diesel::allow_tables_to_appear_in_same_query!(
    action_plans,
    activities,
    actors,
    agencies,
    assignments,
    beneficiaries,
    changes,
    datasets,
    family_events,
    idempotency_keys,
    interventions,
    jobs,
    match_decisions,
    match_pairs,
    match_queue,
    match_results,
    match_samples,
    matching_runs,
    members,
    populations,
    possible_duplicates,
    programs,
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
    welfare_ranks,
);
