//! SQL of families and members.
//!
//! A family is shown by one statement, alone or in a page: head, rank, names of places and the number of members come
//! with it, so that neither a page nor a record costs a second round trip.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Float, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::model::FamilyStatus;
use crate::platform::access::{Scope, under};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Result};
use crate::platform::fixed::fixed;
use crate::platform::ids::RegionCode;
use crate::schema::{beneficiaries, members, regions};

mod import;
mod matched;
mod merged;
mod numbers;
mod offered;
mod rotate;
mod rows;

pub use import::{ImportCounts, ImportFamily, ImportMember, Prepared, import_prepared, prepare, reranked};
pub use matched::{
    Like, MatchedMember, SealedFamily, card_holder, families_to_match, member_to_match, members_like, members_near, nik_holders,
};
pub use merged::{Placed, home_of, joined, kept_families, kept_members, merged_card_holder, placed, restructure};
pub use numbers::{SealedNumbers, sealed_numbers};
pub use offered::{Introduced, find_offered, introduced};
pub use rotate::{reseal_family_cards, reseal_niks};
pub use rows::{Card, Family, Head, Member, Rank, Shown, TrackedMember, attributes_of, family_ranks};

/// What families are asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// This one.
    pub id: Option<Uuid>,
    /// These and no others.
    pub ids: Option<Vec<Uuid>>,
    /// Of one of these KK numbers' index entries.
    pub kk: Option<Vec<Vec<u8>>>,
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// active or inactive.
    pub status: Option<&'static str>,
    /// Of this decile.
    pub decile: Option<i16>,
    /// Lacking this.
    pub need: Option<&'static str>,
    /// With no planned or delivered intervention, or with one.
    pub without_interventions: Option<bool>,
    /// Within these scopes too: what a filter tells must be known to the actor.
    pub within: Vec<Scope>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Shown>> {
    let subdistricts = diesel::alias!(regions as subdistricts);
    // The condition is spelt out, not bound: only so does it match the partial index members_one_head in a generic plan.
    let of_head =
        members::beneficiary_id.eq(beneficiaries::id).and(fixed::<Bool>("members.relation = 'head' AND members.status = 'present'"));
    let mut query = beneficiaries::table
        .left_join(regions::table.on(regions::code.eq(beneficiaries::region_code)))
        .left_join(subdistricts.on(subdistricts.field(regions::code).nullable().eq(regions::parent_code)))
        .left_join(members::table.on(of_head))
        .left_join(family_ranks::table.on(family_ranks::beneficiary_id.eq(beneficiaries::id)))
        .select((
            Card::as_select(),
            regions::name.nullable(),
            subdistricts.field(regions::name).nullable(),
            Option::<Head>::as_select(),
            Option::<Rank>::as_select(),
            fixed::<BigInt>(
                "(SELECT count(*) FROM members AS present WHERE present.beneficiary_id = beneficiaries.id AND present.status = 'present')",
            ),
        ))
        .filter(db.scope().within(beneficiaries::region_code))
        .order(beneficiaries::id)
        .limit(limit)
        .into_boxed();
    for scope in &wanted.within {
        query = query.filter(scope.within(beneficiaries::region_code));
    }
    if let Some(id) = wanted.id {
        query = query.filter(beneficiaries::id.eq(id));
    }
    if let Some(ids) = &wanted.ids {
        query = query.filter(beneficiaries::id.eq_any(ids.clone()));
    }
    if let Some(kk) = &wanted.kk {
        query = query.filter(beneficiaries::kk_index.eq_any(kk.clone()));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(beneficiaries::region_code, region));
    }
    if let Some(status) = wanted.status {
        query = query.filter(beneficiaries::status.eq(status));
    }
    if let Some(decile) = wanted.decile {
        query = query.filter(family_ranks::decile.nullable().eq(decile));
    }
    if let Some(need) = wanted.need {
        query = query.filter(beneficiaries::needs.contains(vec![Some(need)]));
    }
    if let Some(without) = wanted.without_interventions {
        // A scalar subquery is looked up row by row; as an anti join the whole view would be counted for one page.
        query = query.filter(fixed::<Bool>(if without {
            "(SELECT count(*) FROM family_interventions AS aid WHERE aid.beneficiary_id = beneficiaries.id) = 0"
        } else {
            "(SELECT count(*) FROM family_interventions AS aid WHERE aid.beneficiary_id = beneficiaries.id) > 0"
        }));
    }
    if let Some(after) = after {
        query = query.filter(beneficiaries::id.gt(after));
    }
    type Row = (Card, Option<String>, Option<String>, Option<Head>, Option<Rank>, i64);
    let rows: Vec<Row> = query.load(&mut db.on()).await?;
    Ok(rows
        .into_iter()
        .map(|(card, village, subdistrict, head, rank, member_count)| Shown { card, village, subdistrict, head, rank, member_count })
        .collect())
}

/// One family as shown.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Shown> {
    let found = list(db, &Wanted { id: Some(id), ..Wanted::default() }, None, 1).await?;
    found.into_iter().next().ok_or_else(|| diesel::result::Error::NotFound.into())
}

/// Where a family is and whether it is served: what other features need to know before they write about it.
#[derive(Debug, Clone)]
pub struct Located {
    /// Record id.
    pub id: Uuid,
    /// Its village.
    pub region: RegionCode,
    /// Whether it is served.
    pub status: FamilyStatus,
}

/// Where a family of the scope is.
pub async fn find_family(db: &impl Scoped, id: Uuid) -> Result<Located> {
    let (region, status): (String, String) = beneficiaries::table
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq(id))
        .select((beneficiaries::region_code, beneficiaries::status))
        .first(&mut db.on())
        .await?;
    let status = FamilyStatus::parse(&status).unwrap_or(FamilyStatus::Inactive);
    Ok(Located { id, region: RegionCode::stored(&region), status })
}

/// One member of a family, and the family's region.
pub async fn find_member(db: &impl Scoped, family: Uuid, id: Uuid) -> Result<(Member, RegionCode)> {
    let (member, region): (Member, String) = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::beneficiary_id.eq(family))
        .filter(members::id.eq(id))
        .select((Member::as_select(), beneficiaries::region_code))
        .first(&mut db.on())
        .await?;
    Ok((member, RegionCode::stored(&region)))
}

/// A page of a family's members in id order. The caller has found the family in its scope before.
pub async fn members_of(db: &impl Scoped, family: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Member>> {
    let mut query = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::beneficiary_id.eq(family))
        .select(Member::as_select())
        .order(members::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(members::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// A member that a search found, and how alike the name is.
#[derive(Debug)]
pub struct Hit {
    /// The member.
    pub member: Member,
    /// 1 for the very name.
    pub similarity: Option<f32>,
}

/// Members by the index entries of one NIK.
pub async fn by_nik(db: &impl Scoped, entries: Vec<Vec<u8>>, limit: i64) -> Result<Vec<Hit>> {
    let found: Vec<Member> = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::nik_index.eq_any(entries))
        .filter(members::status.ne("merged"))
        .select(Member::as_select())
        .order(members::id)
        .limit(limit)
        .load(&mut db.on())
        .await?;
    Ok(found.into_iter().map(|member| Hit { member, similarity: None }).collect())
}

/// Whom a name search looks for.
#[derive(Debug)]
pub struct Named {
    /// The name or a part of it.
    pub name: String,
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Born on this day.
    pub birth_date: Option<NaiveDate>,
}

/// Members of a like name, the likest first.
pub async fn by_name(db: &impl Scoped, named: &Named, limit: i64) -> Result<Vec<Hit>> {
    let name = named.name.to_lowercase();
    let likeness = || sql::<Float>("similarity(lower(members.name), ").bind::<Text, _>(name.clone()).sql(")");
    // The whole name, or one word of it: `%` alone misses "siti" in a name of four words.
    let alike = sql::<Bool>("(lower(members.name) % ")
        .bind::<Text, _>(name.clone())
        .sql(" OR lower(members.name) %> ")
        .bind::<Text, _>(name.clone())
        .sql(")");
    let mut query = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(alike)
        .filter(members::status.ne("merged"))
        .select((Member::as_select(), likeness()))
        .order((likeness().desc(), members::id))
        .limit(limit)
        .into_boxed();
    if let Some(region) = &named.region {
        query = query.filter(under(beneficiaries::region_code, region));
    }
    if let Some(birth_date) = named.birth_date {
        query = query.filter(members::birth_date.eq(birth_date));
    }
    let found: Vec<(Member, f32)> = query.load(&mut db.on()).await?;
    Ok(found.into_iter().map(|(member, similarity)| Hit { member, similarity: Some(similarity) }).collect())
}

/// A family of the scope with all its members, to be looked at.
pub async fn whole(db: &impl Scoped, id: Uuid) -> Result<(Family, Vec<Member>)> {
    let family: Family = beneficiaries::table
        .select(Family::as_select())
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq(id))
        .first(&mut db.on())
        .await?;
    let people = members::table
        .select(Member::as_select())
        .filter(members::beneficiary_id.eq(family.id))
        .order(members::id)
        .load(&mut db.on())
        .await?;
    Ok((family, people))
}

/// A family to change with all its members: in the scope, all rows locked, against key rotation too. One that was merged
/// into another rests as it is.
pub async fn find_to_change(tx: &Tx, id: Uuid) -> Result<(Family, Vec<Member>)> {
    let found = find_to_restructure(tx, id).await?;
    if found.0.merged_into.is_some() { Err(Code::RecordMerged.into()) } else { Ok(found) }
}

/// The same, merged or not: for merges, splits and what undoes them.
pub async fn find_to_restructure(tx: &Tx, id: Uuid) -> Result<(Family, Vec<Member>)> {
    let family: Family = beneficiaries::table
        .select(Family::as_select())
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    let people = people_to_change(tx, id).await?;
    Ok((family, people))
}

/// Everybody of a family that is locked already, locked too.
async fn people_to_change(tx: &Tx, family: Uuid) -> Result<Vec<Member>> {
    Ok(members::table
        .select(Member::as_select())
        .filter(members::beneficiary_id.eq(family))
        .order(members::id)
        .for_update()
        .load(&mut tx.on())
        .await?)
}

/// Registers a family with its members.
pub async fn insert(tx: &mut Tx, family: &Family, people: &[Member]) -> Result<()> {
    tx.scope().demand(&family.region())?;
    diesel::insert_into(beneficiaries::table).values(family).execute(&mut tx.on()).await?;
    insert_members(tx, people).await
}

/// Adds members to a family that was found to change.
pub async fn insert_members(tx: &mut Tx, people: &[Member]) -> Result<()> {
    diesel::insert_into(members::table).values(people).execute(&mut tx.on()).await?;
    Ok(())
}

/// Stores a family that was found to change.
pub async fn update(tx: &mut Tx, family: &Family) -> Result<()> {
    tx.scope().demand(&family.region())?;
    diesel::update(beneficiaries::table.filter(beneficiaries::id.eq(family.id))).set(family).execute(&mut tx.on()).await?;
    Ok(())
}

/// Stores a member of a family that was found to change.
pub async fn update_member(tx: &mut Tx, member: &Member) -> Result<()> {
    diesel::update(members::table.filter(members::id.eq(member.id))).set(member).execute(&mut tx.on()).await?;
    Ok(())
}

/// Whether another family has the KK number of these index entries. Under one live key the unique constraint says so;
/// while keys are rotated, the same number may still stand under the older one. The number is unique everywhere, so
/// this is the one look beyond the scope.
pub async fn has_family_card(tx: &Tx, entries: Vec<Vec<u8>>, except: &[Uuid]) -> Result<bool> {
    let others = beneficiaries::table.filter(beneficiaries::kk_index.eq_any(entries)).filter(beneficiaries::id.ne_all(except));
    Ok(diesel::select(diesel::dsl::exists(others)).get_result(&mut tx.on()).await?)
}

#[derive(QueryableByName)]
struct Flagged {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    region_code: String,
    #[diesel(sql_type = Bool)]
    doubled: bool,
}

/// Sets and clears the warning `nik_duplicate` on everybody, in any region, who holds one of these numbers. Each entry
/// comes with the entry that stands for its number, because one number has an entry under every live key.
///
/// Only the present count: somebody who moved from one family to another stands in both. Returns the changes of members
/// other than `own`, who are being written anyway.
pub async fn flag_duplicates(tx: &mut Tx, entries: HashMap<Vec<u8>, Vec<u8>>, own: &[Uuid]) -> Result<Vec<Change>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let (entries, numbers): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    let own: HashSet<Uuid> = own.iter().copied().collect();
    let flagged: Vec<Flagged> = diesel::sql_query(
        // Entry by entry through the indexes: a table just filled has no statistics, and joined as a whole it is read through.
        "WITH holders AS (
            SELECT m.id, 'nik_duplicate' = ANY(m.warnings) AS flagged,
                   m.status = 'present' AND count(*) FILTER (WHERE m.status = 'present') OVER (PARTITION BY n.number) > 1 AS doubled
              FROM unnest($1, $2) AS n (entry, number)
                   CROSS JOIN LATERAL (SELECT id, status, warnings FROM members WHERE nik_index = n.entry OFFSET 0) AS m),
         found AS (SELECT id FROM holders WHERE doubled AND NOT flagged),
         settled AS (SELECT id FROM holders WHERE flagged AND NOT doubled)
         UPDATE members m
            SET warnings = CASE WHEN m.id = ANY(ARRAY(TABLE found)) THEN array_append(m.warnings, 'nik_duplicate')
                                ELSE array_remove(m.warnings, 'nik_duplicate') END,
                version = CASE WHEN m.id = ANY($3) THEN m.version ELSE m.version + 1 END, updated_at = now()
           FROM beneficiaries b
          WHERE m.id = ANY(ARRAY(TABLE found UNION ALL TABLE settled)) AND b.id = m.beneficiary_id
            AND ('nik_duplicate' = ANY(m.warnings)) = (m.id = ANY(ARRAY(TABLE settled)))
         RETURNING m.id, b.region_code, 'nik_duplicate' = ANY(m.warnings) AS doubled",
    )
    .bind::<Array<Binary>, _>(entries)
    .bind::<Array<Binary>, _>(numbers)
    .bind::<Array<SqlUuid>, _>(own.iter().copied().collect::<Vec<_>>())
    .load(&mut tx.on())
    .await?;
    let others = flagged.into_iter().filter(|row| !own.contains(&row.id));
    Ok(others
        .map(|row| {
            let action = if row.doubled { "nik_duplicate_found" } else { "nik_duplicate_settled" };
            Change::new("members", row.id, RegionCode::stored(&row.region_code), action)
        })
        .collect())
}
