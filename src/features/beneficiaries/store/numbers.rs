//! Sealed numbers of many families at once.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::schema::{beneficiaries, members};

/// Of a family its card, of its present head the NIK.
#[derive(Queryable)]
pub struct SealedNumbers {
    /// The family.
    pub id: Uuid,
    /// Its KK number.
    pub kk_sealed: Option<Vec<u8>>,
    /// The same masked.
    pub kk_mask: Option<String>,
    /// Its head.
    pub head_id: Option<Uuid>,
    /// The head's name.
    pub head_name: Option<String>,
    /// The head's NIK.
    pub nik_sealed: Option<Vec<u8>>,
    /// The same masked.
    pub nik_mask: Option<String>,
}

/// The sealed numbers of those of these families that lie in the scope.
pub async fn sealed_numbers(db: &impl Scoped, ids: &[Uuid]) -> Result<Vec<SealedNumbers>> {
    let of_head = members::beneficiary_id.eq(beneficiaries::id).and(members::relation.eq("head")).and(members::status.eq("present"));
    Ok(beneficiaries::table
        .left_join(members::table.on(of_head))
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq_any(ids))
        .select((
            beneficiaries::id,
            beneficiaries::kk_sealed,
            beneficiaries::kk_mask,
            members::id.nullable(),
            members::name.nullable(),
            members::nik_sealed.nullable(),
            members::nik_mask.nullable(),
        ))
        .load(&mut db.on())
        .await?)
}
