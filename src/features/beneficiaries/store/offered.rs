//! SQL of families that one village offers to another: the looks beyond the scope that an offer allows, and no others. The caller
//! has found the offer in its scope.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Family, Member, people_to_change};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::fixed::fixed;
use crate::platform::ids::RegionCode;
use crate::schema::{beneficiaries, members, regions};

/// By what somebody who knows a family recognises it.
#[derive(Debug, Clone)]
pub struct Introduced {
    /// Where it lives now.
    pub region: RegionCode,
    /// The village's name.
    pub village: Option<String>,
    /// The subdistrict's name.
    pub subdistrict: Option<String>,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number as shown.
    pub kk_mask: Option<String>,
    /// The present head's name.
    pub head_name: Option<String>,
    /// How many are present.
    pub member_count: i64,
}

/// By what these families are recognised.
pub async fn introduced(db: &impl Scoped, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Introduced>> {
    let subdistricts = diesel::alias!(regions as subdistricts);
    let of_head =
        members::beneficiary_id.eq(beneficiaries::id).and(fixed::<Bool>("members.relation = 'head' AND members.status = 'present'"));
    type Row = (Uuid, String, Option<String>, Option<String>, Option<String>, Option<String>, Option<String>, i64);
    let rows: Vec<Row> = beneficiaries::table
        .left_join(regions::table.on(regions::code.eq(beneficiaries::region_code)))
        .left_join(subdistricts.on(subdistricts.field(regions::code).nullable().eq(regions::parent_code)))
        .left_join(members::table.on(of_head))
        .filter(beneficiaries::id.eq_any(ids))
        .select((
            beneficiaries::id,
            beneficiaries::region_code,
            regions::name.nullable(),
            subdistricts.field(regions::name).nullable(),
            beneficiaries::address,
            beneficiaries::kk_mask,
            members::name.nullable(),
            fixed::<BigInt>(
                "(SELECT count(*) FROM members AS present WHERE present.beneficiary_id = beneficiaries.id AND present.status = 'present')",
            ),
        ))
        .load(&mut db.on())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, region, village, subdistrict, address, kk_mask, head_name, member_count)| {
            let region = RegionCode::stored(&region);
            (id, Introduced { region, village, subdistrict, address, kk_mask, head_name, member_count })
        })
        .collect())
}

/// A family that was offered, to change, wherever it is: locked with all its members.
pub async fn find_offered(tx: &Tx, id: Uuid) -> Result<(Family, Vec<Member>)> {
    let family: Family =
        beneficiaries::table.select(Family::as_select()).filter(beneficiaries::id.eq(id)).for_update().first(&mut tx.on()).await?;
    let people = people_to_change(tx, id).await?;
    Ok((family, people))
}
