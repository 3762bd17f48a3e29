//! Index entries of decreed numbers, for key rotation: each is written only where the old one still stands.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Nullable, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::schema::target_list_entries;

/// An entry by which decreed numbers are known again.
#[derive(Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = target_list_entries, check_for_backend(Pg))]
pub struct Indexed {
    /// The list.
    pub target_list_id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// Of its KK number.
    pub kk_index: Option<Vec<u8>>,
    /// Of its head's NIK.
    pub head_nik_index: Option<Vec<u8>>,
}

/// Entries with an index entry, by list and family.
pub async fn indexed(db: &impl Scoped, after: Option<(Uuid, Uuid)>, limit: i64) -> Result<Vec<Indexed>> {
    use target_list_entries as e;
    let mut query = e::table
        .select(Indexed::as_select())
        .filter(db.scope().within(e::region_code))
        .filter(e::kk_index.is_not_null().or(e::head_nik_index.is_not_null()))
        .order((e::target_list_id, e::beneficiary_id))
        .limit(limit)
        .into_boxed();
    if let Some((list, family)) = after {
        query = query.filter(e::target_list_id.gt(list).or(e::target_list_id.eq(list).and(e::beneficiary_id.gt(family))));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// Stores index entries: of each pair the first as it stands, the second as it shall stand. Says how many.
pub async fn reindex(db: &impl Scoped, renewed: Vec<(Indexed, Indexed)>) -> Result<usize> {
    if renewed.is_empty() {
        return Ok(0);
    }
    let (mut lists, mut families) = (Vec::new(), Vec::new());
    let (mut old_kk, mut old_nik, mut new_kk, mut new_nik) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (old, new) in renewed {
        lists.push(old.target_list_id);
        families.push(old.beneficiary_id);
        old_kk.push(old.kk_index);
        old_nik.push(old.head_nik_index);
        new_kk.push(new.kk_index);
        new_nik.push(new.head_nik_index);
    }
    Ok(diesel::sql_query(
        "UPDATE target_list_entries e SET kk_index = n.kk, head_nik_index = n.nik
           FROM unnest($1, $2, $3, $4, $5, $6) AS n (list, family, old_kk, old_nik, kk, nik)
          WHERE e.target_list_id = n.list AND e.beneficiary_id = n.family
            AND e.kk_index IS NOT DISTINCT FROM n.old_kk AND e.head_nik_index IS NOT DISTINCT FROM n.old_nik",
    )
    .bind::<Array<SqlUuid>, _>(lists)
    .bind::<Array<SqlUuid>, _>(families)
    .bind::<Array<Nullable<Binary>>, _>(old_kk)
    .bind::<Array<Nullable<Binary>>, _>(old_nik)
    .bind::<Array<Nullable<Binary>>, _>(new_kk)
    .bind::<Array<Nullable<Binary>>, _>(new_nik)
    .execute(&mut db.on())
    .await?)
}
