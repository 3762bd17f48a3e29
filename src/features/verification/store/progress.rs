//! The view of how far villages are, for lists of villages and for results.

use crate::schema::regions;

diesel::table! {
    /// How far each village is; replaceable/verification_progress.sql.
    verification_progress (village_result_id) {
        village_result_id -> Uuid,
        campaign_id -> Uuid,
        region_code -> Text,
        state -> Text,
        starts_on -> Date,
        finalise_by -> Date,
        assigned -> BigInt,
        visited -> BigInt,
        found -> BigInt,
        not_found -> BigInt,
        deceased -> BigInt,
        moved_within -> BigInt,
        moved_out -> BigInt,
        duplicate -> BigInt,
        refused -> BigInt,
        extreme_poor -> BigInt,
        poor -> BigInt,
        vulnerable -> BigInt,
        capable -> BigInt,
        conflicts -> BigInt,
        proposed -> BigInt,
        on_file -> BigInt,
        registered -> BigInt,
    }
}
diesel::allow_tables_to_appear_in_same_query!(verification_progress, regions);
