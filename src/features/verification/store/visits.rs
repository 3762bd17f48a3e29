//! SQL of visits.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Jsonb, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::model::VisitState;
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{assigned_families, members, visits};

/// Rows of one statement: 30 columns each, and a statement takes 65,535 values.
const ROWS: usize = 2_000;

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = visits, check_for_backend(Pg))]
pub struct Visit {
    /// Record id, made by the phone.
    pub id: Uuid,
    /// The village's part of the campaign.
    pub village_result_id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The village.
    pub region_code: String,
    /// Whether it counts.
    pub state: String,
    /// The visit that the officer knew of.
    pub based_on_id: Option<Uuid>,
    /// When, by the phone's clock.
    pub visited_at: DateTime<Utc>,
    /// How far the phone was ahead.
    pub clock_skew_seconds: i32,
    /// Who sent it.
    pub recorded_by: Uuid,
    /// Who went there.
    #[serde(skip)]
    pub officer_name: Option<String>,
    /// Presence.
    pub presence: String,
    /// Eligibility.
    pub eligibility: String,
    /// Who answered.
    #[serde(skip)]
    pub informant: Option<String>,
    /// Where.
    #[serde(skip)]
    pub latitude: Option<f64>,
    /// Where.
    #[serde(skip)]
    pub longitude: Option<f64>,
    /// How exactly, metres.
    #[serde(skip)]
    pub accuracy_m: Option<i32>,
    /// Answers to the criteria.
    #[serde(skip)]
    pub answers: Value,
    /// How many are met.
    pub criteria_met: i16,
    /// Housing, means and aid.
    #[serde(skip)]
    pub attributes: Value,
    /// What became of members.
    #[serde(skip)]
    pub people: Value,
    /// Corrected identifiers, masked.
    #[serde(skip)]
    pub corrections: Value,
    /// Corrected identifiers, sealed.
    #[serde(skip)]
    pub corrections_sealed: Option<Vec<u8>>,
    /// In words.
    #[serde(skip)]
    pub note: Option<String>,
    /// Photos.
    #[serde(skip)]
    pub attachment_ids: Vec<Option<Uuid>>,
    /// Digest of what was sent, sealed.
    #[serde(skip)]
    pub digest: Vec<u8>,
    /// Version.
    pub version: i32,
    /// Received at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Visit {
    const RESOURCE: &'static str = "visits";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// Which visits.
#[derive(Debug, Default)]
pub struct Wanted {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Of this campaign.
    pub campaign: Option<Uuid>,
    /// Of this village's part of one.
    pub result: Option<Uuid>,
    /// Of this family.
    pub family: Option<Uuid>,
    /// In this state.
    pub state: Option<&'static str>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Visit>> {
    let mut query =
        visits::table.select(Visit::as_select()).filter(db.scope().within(visits::region_code)).order(visits::id).limit(limit).into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(visits::region_code, region));
    }
    if let Some(campaign) = wanted.campaign {
        query = query.filter(visits::campaign_id.eq(campaign));
    }
    if let Some(result) = wanted.result {
        query = query.filter(visits::village_result_id.eq(result));
    }
    if let Some(family) = wanted.family {
        query = query.filter(visits::beneficiary_id.eq(family));
    }
    if let Some(state) = wanted.state {
        query = query.filter(visits::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(visits::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One visit.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Visit> {
    Ok(visits::table
        .select(Visit::as_select())
        .filter(db.scope().within(visits::region_code))
        .filter(visits::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One visit to settle, at the version that was read where one was sent. The caller has locked the village's result, which every
/// writer of its visits locks.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Visit> {
    let row: Visit = visits::table
        .select(Visit::as_select())
        .filter(tx.scope().within(visits::region_code))
        .filter(visits::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// The visits that count, of some families of a village's part.
pub async fn standing(db: &impl Scoped, result: Uuid, families: &[Uuid]) -> Result<HashMap<Uuid, Visit>> {
    let rows: Vec<Visit> = visits::table
        .select(Visit::as_select())
        .filter(db.scope().within(visits::region_code))
        .filter(visits::village_result_id.eq(result))
        .filter(visits::beneficiary_id.eq_any(families))
        .filter(visits::state.eq(VisitState::Standing.name()))
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().map(|row| (row.beneficiary_id, row)).collect())
}

/// What is on file under ids that a phone sent, wherever it lies: an id is taken everywhere.
pub async fn known(tx: &Tx, ids: &[Uuid]) -> Result<HashMap<Uuid, (Uuid, Vec<u8>, String)>> {
    let rows: Vec<(Uuid, Uuid, Vec<u8>, String)> = visits::table
        .filter(visits::id.eq_any(ids))
        .select((visits::id, visits::village_result_id, visits::digest, visits::state))
        .load(&mut tx.on())
        .await?;
    Ok(rows.into_iter().map(|(id, result, digest, state)| (id, (result, digest, state))).collect())
}

/// Which of these families a village has to look at.
pub async fn assigned(db: &impl Scoped, result: Uuid, families: &[Uuid]) -> Result<HashSet<Uuid>> {
    let rows: Vec<Uuid> = assigned_families::table
        .filter(db.scope().within(assigned_families::region_code))
        .filter(assigned_families::village_result_id.eq(result))
        .filter(assigned_families::given_away_at.is_null())
        .filter(assigned_families::beneficiary_id.eq_any(families))
        .select(assigned_families::beneficiary_id)
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().collect())
}

/// A member as the rules of a visit see them.
#[derive(Debug, Clone)]
pub struct MemberAt {
    /// The member.
    pub id: Uuid,
    /// Whether they are on file as present.
    pub present: bool,
    /// Whether they head the family.
    pub head: bool,
}

/// The members of assigned families. Who they are was decided by the assignment, which the caller has found in its scope.
pub async fn members_of(db: &impl Scoped, families: &HashSet<Uuid>) -> Result<HashMap<Uuid, Vec<MemberAt>>> {
    let rows: Vec<(Uuid, Uuid, String, String)> = members::table
        .filter(members::beneficiary_id.eq_any(families))
        .select((members::id, members::beneficiary_id, members::status, members::relation))
        .load(&mut db.on())
        .await?;
    let mut people: HashMap<Uuid, Vec<MemberAt>> = HashMap::new();
    for (id, family, status, relation) in rows {
        people.entry(family).or_default().push(MemberAt { id, present: status == "present", head: relation == "head" });
    }
    Ok(people)
}

/// Stores visits, whose result is locked.
pub async fn insert(tx: &mut Tx, rows: &[Visit]) -> Result<()> {
    for row in rows {
        tx.scope().demand(&row.region())?;
    }
    for part in rows.chunks(ROWS) {
        diesel::insert_into(visits::table).values(part).execute(&mut tx.on()).await?;
    }
    Ok(())
}

/// The visits of a campaign that wait to be settled.
pub async fn conflicting(db: &impl Scoped, campaign: Uuid) -> Result<Vec<Visit>> {
    Ok(visits::table
        .select(Visit::as_select())
        .filter(db.scope().within(visits::region_code))
        .filter(visits::campaign_id.eq(campaign))
        .filter(visits::state.eq(VisitState::Conflicting.name()))
        .order(visits::id)
        .load(&mut db.on())
        .await?)
}

/// What of a visit contradicted the one that counted when the campaign was closed; none before.
pub async fn contradictions(db: &impl Scoped, id: Uuid) -> Result<Option<Value>> {
    Ok(visits::table
        .filter(db.scope().within(visits::region_code))
        .filter(visits::id.eq(id))
        .select(visits::contradictions)
        .first(&mut db.on())
        .await?)
}

/// Writes down what of visits contradicts those that count, numbers masked. The caller holds their results.
pub async fn keep_contradictions(tx: &mut Tx, ids: &[Uuid], kept: &[Value]) -> Result<()> {
    diesel::sql_query("UPDATE visits v SET contradictions = n.kept FROM unnest($1, $2) AS n (id, kept) WHERE v.id = n.id")
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Jsonb>, _>(kept)
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// Lets go of the whole numbers in visits that no acceptance of their campaign carried: it is over, and none will. While it runs a
/// family that was given to another village may come back, and its visits with it. The caller holds all its results.
pub async fn let_go(tx: &mut Tx, campaign: Uuid) -> Result<usize> {
    Ok(diesel::update(visits::table)
        .filter(visits::campaign_id.eq(campaign))
        .filter(visits::carried_at.is_null())
        .filter(visits::corrections_sealed.is_not_null())
        .set(visits::corrections_sealed.eq(None::<Vec<u8>>))
        .execute(&mut tx.on())
        .await?)
}

/// Sets visits of a locked result into another state.
pub async fn turn(tx: &mut Tx, ids: &[Uuid], state: VisitState) -> Result<()> {
    let turned = diesel::update(visits::table.filter(visits::id.eq_any(ids)))
        .set((visits::state.eq(state.name()), visits::version.eq(visits::version + 1), visits::updated_at.eq(diesel::dsl::now)))
        .execute(&mut tx.on())
        .await?;
    if turned == ids.len() { Ok(()) } else { Err(Code::VersionStale.into()) }
}
