//! SQL of merges and splits.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::super::model::MemberStatus;
use super::super::model::survivorship::{Provenance, STATUS};
use super::{Family, Member, TrackedMember, update, update_member};
use crate::platform::changes::{self, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::schema::{beneficiaries, members};

/// Stores families and members that were found to restructure, all at once. What is unique is given up before it is taken:
/// a KK number may go from one to the other, and so may the headship.
pub async fn restructure(tx: &mut Tx, families: &[Family], people: &[Member]) -> Result<()> {
    for sql in [
        "UPDATE beneficiaries SET kk_sealed = NULL, kk_index = NULL, kk_mask = NULL WHERE id = ANY($1) AND kk_index IS NOT NULL",
        "UPDATE members SET relation = 'other' WHERE id = ANY($2) AND relation = 'head'",
    ] {
        diesel::sql_query(sql)
            .bind::<Array<SqlUuid>, _>(families.iter().map(|family| family.id).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(people.iter().map(|member| member.id).collect::<Vec<_>>())
            .execute(&mut tx.on())
            .await?;
    }
    for family in families {
        update(tx, family).await?;
    }
    for member in people {
        update_member(tx, member).await?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Kept {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    kept: Uuid,
    #[diesel(sql_type = SqlUuid)]
    family: Uuid,
}

/// Where those of these families lead that were merged into others; one that leads nowhere is not named. An import of another
/// region's families stays refused: the caller looks for what is kept in its scope.
pub async fn kept_families(db: &impl Scoped, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Uuid>> {
    let rows: Vec<Kept> = diesel::sql_query(
        "WITH RECURSIVE leads AS (
            SELECT id, merged_into AS kept FROM beneficiaries WHERE id = ANY($1) AND merged_into IS NOT NULL
            UNION ALL
            SELECT l.id, b.merged_into FROM leads l JOIN beneficiaries b ON b.id = l.kept WHERE b.merged_into IS NOT NULL)
         SELECT l.id, l.kept, l.kept AS family FROM leads l JOIN beneficiaries b ON b.id = l.kept WHERE b.merged_into IS NULL",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(&mut db.on())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.kept)).collect())
}

/// The family that holds the number of these index entries, where it leads to this one: locked. While somebody else is at work
/// on it, it keeps its number.
pub async fn merged_card_holder(tx: &Tx, family: Uuid, entries: Vec<Vec<u8>>) -> Result<Option<Family>> {
    let holder: Option<Family> = beneficiaries::table
        .select(Family::as_select())
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::kk_index.eq_any(entries))
        .filter(beneficiaries::merged_into.is_not_null())
        .for_update()
        .skip_locked()
        .first(&mut tx.on())
        .await
        .optional()?;
    let Some(holder) = holder else { return Ok(None) };
    let leads = kept_families(tx, vec![holder.id]).await?;
    Ok(Some(holder).filter(|holder| leads.get(&holder.id) == Some(&family)))
}

/// Where those of these members lead who were merged into others, each with the family of the one that is kept.
pub async fn kept_members(db: &impl Scoped, ids: Vec<Uuid>) -> Result<HashMap<Uuid, (Uuid, Uuid)>> {
    let rows: Vec<Kept> = diesel::sql_query(
        "WITH RECURSIVE leads AS (
            SELECT id, merged_into AS kept FROM members WHERE id = ANY($1) AND merged_into IS NOT NULL
            UNION ALL
            SELECT l.id, m.merged_into FROM leads l JOIN members m ON m.id = l.kept WHERE m.merged_into IS NOT NULL)
         SELECT l.id, l.kept, m.beneficiary_id AS family FROM leads l JOIN members m ON m.id = l.kept WHERE m.merged_into IS NULL",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(&mut db.on())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, (row.kept, row.family))).collect())
}

/// The family that a member is in now, whichever they were asked for in.
pub async fn home_of(db: &impl Scoped, member: Uuid) -> Result<Option<Uuid>> {
    Ok(members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::id.eq(member))
        .select(members::beneficiary_id)
        .first(&mut db.on())
        .await
        .optional()?)
}

/// A member as they stand now.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// The member.
    pub id: Uuid,
    /// The family they are in.
    pub family: Uuid,
    /// Whether they head it.
    pub heads: bool,
    /// Whether they are still there.
    pub status: MemberStatus,
}

/// These members of the scope, and everybody of these families, as they stand now.
pub async fn placed(db: &impl Scoped, ids: &[Uuid], families: &[Uuid]) -> Result<Vec<Placed>> {
    let rows: Vec<Member> = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::id.eq_any(ids).or(members::beneficiary_id.eq_any(families)))
        .select(Member::as_select())
        .order(members::id)
        .load(&mut db.on())
        .await?;
    let place = |row: Member| Placed { id: row.id, family: row.beneficiary_id, heads: row.is_present_head(), status: row.place().1 };
    Ok(rows.into_iter().map(place).collect())
}

/// Since when present members of these families are known to be there, of those of whom that is later than the family's own record:
/// they were registered in it, came from another family, or somebody stated anew that they are there.
pub async fn joined(db: &impl Scoped, families: &[Uuid]) -> Result<HashMap<Uuid, DateTime<Utc>>> {
    if families.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Member, DateTime<Utc>)> = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::beneficiary_id.eq_any(families))
        .filter(members::status.eq(MemberStatus::Present.name()))
        .select((Member::as_select(), beneficiaries::created_at))
        .load(&mut db.on())
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|(member, _)| member.id).collect();
    let moved = changes::last_turned(db, TrackedMember::RESOURCE, &ids, "beneficiary_id").await?;
    let since = |(member, record): (Member, DateTime<Utc>)| {
        let stated = Provenance::stored(&member.provenance).since(STATUS).and_then(|origin| origin.at);
        let known = [Some(member.created_at), moved.get(&member.id).copied(), stated].into_iter().flatten().max();
        known.filter(|at| *at > record).map(|at| (member.id, at))
    };
    Ok(rows.into_iter().filter_map(since).collect())
}
