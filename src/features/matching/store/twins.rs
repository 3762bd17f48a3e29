//! SQL of the queue of members to be compared, and of those who may be one person.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::super::model::TwinState;
use crate::platform::access::under;
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::{match_queue, members, possible_duplicates};

/// Their name in the feed.
pub const TWINS: &str = "possible-duplicates";

/// Two members who may be one person.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = possible_duplicates, check_for_backend(Pg))]
pub struct Twins {
    /// Record id.
    pub id: Uuid,
    /// The village of the one.
    pub region_code: String,
    /// The one with the smaller id.
    pub one_id: Uuid,
    /// The other one.
    pub other_id: Uuid,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// Probability that they are one.
    pub probability: f64,
    /// What the engine makes of it.
    pub zone: String,
    /// The terms that add up to the weight, as JSON text.
    #[diesel(select_expression = sql::<Text>("possible_duplicates.terms::text"), select_expression_type = SqlLiteral<Text>)]
    #[serde(skip)]
    pub terms: String,
    /// The model that gave the weight.
    pub model: String,
    /// Where it stands.
    pub state: String,
    /// Why it was dismissed.
    pub reason: Option<String>,
    /// Who dismissed it.
    pub dismissed_by: Option<Uuid>,
    /// Version.
    pub version: i32,
    /// Found at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Twins {
    const RESOURCE: &'static str = TWINS;
    const SENSITIVE: &'static [&'static str] = &["reason"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// The village in which somebody was queued last: what people do now goes before what an import left.
/// `except` are set aside.
pub async fn next_village(db: &impl Scoped, except: &[String]) -> Result<Option<String>> {
    Ok(match_queue::table
        .select(match_queue::region_code)
        .filter(match_queue::region_code.ne_all(except))
        .order(match_queue::queued_at.desc())
        .first(&mut db.on())
        .await
        .optional()?)
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Whether this transaction is the one that compares a village now.
pub async fn lock_village(tx: &Tx, village: &str) -> Result<bool> {
    let row: Locked = diesel::sql_query("SELECT pg_try_advisory_xact_lock(hashtext('match_queue'), hashtext($1)) AS locked")
        .bind::<Text, _>(village)
        .get_result(&mut tx.on())
        .await?;
    Ok(row.locked)
}

/// Who waits in a village, and since when.
pub async fn queued(tx: &Tx, village: &str, limit: i64) -> Result<Vec<(Uuid, DateTime<Utc>)>> {
    Ok(match_queue::table
        .filter(match_queue::region_code.eq(village))
        .select((match_queue::member_id, match_queue::queued_at))
        .order(match_queue::queued_at)
        .limit(limit)
        .load(&mut tx.on())
        .await?)
}

/// Takes them off the queue, but for those who changed again meanwhile or are being written right now: whoever writes is never
/// waited for. Gives how many.
pub async fn dequeue(tx: &mut Tx, done: &[(Uuid, DateTime<Utc>)]) -> Result<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM match_queue WHERE member_id IN (
            SELECT q.member_id FROM match_queue q JOIN unnest($1, $2) AS n (member_id, queued_at)
                ON q.member_id = n.member_id AND q.queued_at = n.queued_at FOR UPDATE OF q SKIP LOCKED)",
    )
    .bind::<Array<SqlUuid>, _>(done.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind::<Array<diesel::sql_types::Timestamptz>, _>(done.iter().map(|(_, at)| *at).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?)
}

/// With whom these members are thought to be one.
pub async fn open_partners(tx: &Tx, of: &[Uuid]) -> Result<Vec<Uuid>> {
    let pairs: Vec<(Uuid, Uuid)> = possible_duplicates::table
        .filter(possible_duplicates::state.eq(TwinState::Open.name()))
        .filter(possible_duplicates::one_id.eq_any(of).or(possible_duplicates::other_id.eq_any(of)))
        .select((possible_duplicates::one_id, possible_duplicates::other_id))
        .load(&mut tx.on())
        .await?;
    Ok(pairs.into_iter().flat_map(|(one, other)| [one, other]).collect())
}

/// What comparing found of two members.
#[derive(Debug)]
pub struct FoundTwins {
    /// Record id, should it be new.
    pub id: Uuid,
    /// The village of the one.
    pub region_code: String,
    /// The one with the smaller id.
    pub one_id: Uuid,
    /// The other one.
    pub other_id: Uuid,
    /// The weight.
    pub weight: f64,
    /// The probability.
    pub probability: f64,
    /// The zone.
    pub zone: &'static str,
    /// The terms, as JSON text.
    pub terms: String,
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    region_code: String,
}

/// Records what was found of these members: what is new, what weighs otherwise now; an open one that is found no longer goes.
/// Gives the changes.
pub async fn record(tx: &mut Tx, compared: &[Uuid], found: &[FoundTwins], model: &str) -> Result<Vec<Change>> {
    let told = |row: Named, action| Change::new(TWINS, row.id, RegionCode::stored(&row.region_code), action);
    let gone: Vec<Named> = diesel::sql_query(
        "DELETE FROM possible_duplicates d
          WHERE (d.one_id = ANY($1) OR d.other_id = ANY($1)) AND d.state = 'open'
            AND NOT EXISTS (SELECT 1 FROM unnest($2, $3) AS n (one_id, other_id) WHERE n.one_id = d.one_id AND n.other_id = d.other_id)
         RETURNING d.id, d.region_code",
    )
    .bind::<Array<SqlUuid>, _>(compared)
    .bind::<Array<SqlUuid>, _>(found.iter().map(|row| row.one_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(found.iter().map(|row| row.other_id).collect::<Vec<_>>())
    .load(&mut tx.on())
    .await?;
    let mut changes: Vec<Change> = gone.into_iter().map(|row| told(row, "gone")).collect();
    if found.is_empty() {
        return Ok(changes);
    }
    let written: Vec<Named> = diesel::sql_query(
        "INSERT INTO possible_duplicates AS d (id, region_code, one_id, other_id, weight, probability, zone, terms, model)
            SELECT id, region_code, one_id, other_id, weight, probability, zone, terms::jsonb, $9
              FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS n (id, region_code, one_id, other_id, weight, probability, zone, terms)
            ON CONFLICT (one_id, other_id) DO UPDATE
               SET weight = excluded.weight, probability = excluded.probability, zone = excluded.zone, terms = excluded.terms,
                   model = excluded.model, region_code = excluded.region_code, version = d.version + 1, updated_at = now()
             WHERE d.weight <> excluded.weight OR d.region_code <> excluded.region_code
         RETURNING d.id, d.region_code",
    )
    .bind::<Array<SqlUuid>, _>(found.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(found.iter().map(|row| row.region_code.as_str()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(found.iter().map(|row| row.one_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(found.iter().map(|row| row.other_id).collect::<Vec<_>>())
    .bind::<Array<Double>, _>(found.iter().map(|row| row.weight).collect::<Vec<_>>())
    .bind::<Array<Double>, _>(found.iter().map(|row| row.probability).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(found.iter().map(|row| row.zone).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(found.iter().map(|row| row.terms.as_str()).collect::<Vec<_>>())
    .bind::<Text, _>(model)
    .load(&mut tx.on())
    .await?;
    let new: HashSet<Uuid> = found.iter().map(|row| row.id).collect();
    changes.extend(written.into_iter().map(|row| {
        let action = if new.contains(&row.id) { "found" } else { "weighed" };
        told(row, action)
    }));
    Ok(changes)
}

/// Which of them.
#[derive(Debug, Default)]
pub struct WantedTwins {
    /// Of a member of this family.
    pub family: Option<Uuid>,
    /// In this state.
    pub state: Option<&'static str>,
    /// In this zone.
    pub zone: Option<&'static str>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

/// A page in the order in which they were found; those whose people were merged since are told no more.
pub async fn list_twins(db: &impl Scoped, wanted: &WantedTwins, after: Option<Uuid>, limit: i64) -> Result<Vec<Twins>> {
    let merged = || members::table.filter(members::merged_into.is_not_null()).select(members::id);
    let mut query = possible_duplicates::table
        .select(Twins::as_select())
        .filter(db.scope().within(possible_duplicates::region_code))
        .filter(possible_duplicates::one_id.ne_all(merged()))
        .filter(possible_duplicates::other_id.ne_all(merged()))
        .order(possible_duplicates::id)
        .limit(limit)
        .into_boxed();
    if let Some(family) = wanted.family {
        let of_family = || members::table.filter(members::beneficiary_id.eq(family)).select(members::id);
        query = query.filter(possible_duplicates::one_id.eq_any(of_family()).or(possible_duplicates::other_id.eq_any(of_family())));
    }
    if let Some(state) = wanted.state {
        query = query.filter(possible_duplicates::state.eq(state));
    }
    if let Some(zone) = wanted.zone {
        query = query.filter(possible_duplicates::zone.eq(zone));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(possible_duplicates::region_code, region));
    }
    if let Some(after) = after {
        query = query.filter(possible_duplicates::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One of them.
pub async fn find_twins(db: &impl Scoped, id: Uuid) -> Result<Twins> {
    Ok(possible_duplicates::table
        .select(Twins::as_select())
        .filter(db.scope().within(possible_duplicates::region_code))
        .filter(possible_duplicates::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One of them to change: locked, at the version that was read where one was sent.
pub async fn find_twins_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Twins> {
    let row: Twins = possible_duplicates::table
        .select(Twins::as_select())
        .filter(tx.scope().within(possible_duplicates::region_code))
        .filter(possible_duplicates::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Stores where one stands that was found to change.
pub async fn turn_twins(tx: &mut Tx, id: Uuid, state: TwinState, reason: Option<&str>, by: Option<Uuid>) -> Result<Twins> {
    Ok(diesel::update(possible_duplicates::table.filter(possible_duplicates::id.eq(id)))
        .set((
            possible_duplicates::state.eq(state.name()),
            possible_duplicates::reason.eq(reason),
            possible_duplicates::dismissed_by.eq(by),
            possible_duplicates::version.eq(possible_duplicates::version + 1),
            possible_duplicates::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Twins::as_returning())
        .get_result(&mut tx.on())
        .await?)
}
