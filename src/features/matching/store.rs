//! SQL of runs, results, pairs and decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::model::{DecisionState, Facts, Inactive, Outcome, RunState, Zone, holding, status};
use crate::features::datasets::NikState;
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::schema::{jobs, match_decisions, match_pairs, match_results, matching_runs, regions};

/// Their name in the feed.
pub const DECISIONS: &str = "match-decisions";

/// A run's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = matching_runs, check_for_backend(Pg))]
pub struct Run {
    /// Record id.
    pub id: Uuid,
    /// Where.
    pub region_code: String,
    /// What the left release is compared with.
    pub against: String,
    /// The left side.
    pub left_release_id: Uuid,
    /// The right side, where it is a release.
    pub right_release_id: Option<Uuid>,
    /// Its job.
    pub job_id: Uuid,
    /// Results stand since.
    pub done_at: Option<DateTime<Utc>>,
    /// Whether decisions need a second person.
    pub four_eyes: bool,
    /// People on the left.
    pub left_people: i32,
    /// People on the right.
    pub right_people: i32,
    /// Pairs that were compared.
    pub pairs_compared: i64,
    /// The model's version.
    pub model: Option<String>,
    /// Version.
    pub version: i32,
    /// Asked for at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Run {
    /// Where, parsed.
    pub fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

impl Tracked for Run {
    const RESOURCE: &'static str = "matching-runs";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        Run::region(self)
    }
}

/// Records a run.
pub async fn insert_run(tx: &mut Tx, row: &Run) -> Result<Run> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(matching_runs::table).values(row).returning(Run::as_returning()).get_result(&mut tx.on()).await?)
}

/// A run with its job's state.
pub type Shown = (Run, String);

/// One run.
pub async fn find_run(db: &impl Scoped, id: Uuid) -> Result<Shown> {
    Ok(matching_runs::table
        .inner_join(jobs::table)
        .select((Run::as_select(), jobs::state))
        .filter(db.scope().within(matching_runs::region_code))
        .filter(matching_runs::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One run whose results can be read.
pub async fn find_done(db: &impl Scoped, id: Uuid) -> Result<Run> {
    let (run, _) = find_run(db, id).await?;
    if run.done_at.is_some() { Ok(run) } else { Err(Code::RunNotDone.into()) }
}

/// Runs, newest first.
pub async fn runs(db: &impl Scoped, release: Option<Uuid>, state: Option<RunState>, after: Option<Uuid>, limit: i64) -> Result<Vec<Shown>> {
    let mut query = matching_runs::table
        .inner_join(jobs::table)
        .select((Run::as_select(), jobs::state))
        .filter(db.scope().within(matching_runs::region_code))
        .order(matching_runs::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(release) = release {
        query = query.filter(matching_runs::left_release_id.eq(release).or(matching_runs::right_release_id.eq(release)));
    }
    match state {
        Some(RunState::Done) => query = query.filter(matching_runs::done_at.is_not_null()),
        Some(state) => query = query.filter(matching_runs::done_at.is_null()).filter(jobs::state.eq(state.name())),
        None => {}
    }
    if let Some(after) = after {
        query = query.filter(matching_runs::id.lt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// What a run counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// People on the left.
    pub left: i32,
    /// People on the right.
    pub right: i32,
    /// Pairs compared.
    pub compared: i64,
}

/// The results of a run stand from now on.
pub async fn finish_run(tx: &mut Tx, id: Uuid, counted: Counted, model: &str) -> Result<Run> {
    Ok(diesel::update(matching_runs::table.filter(tx.scope().within(matching_runs::region_code)).filter(matching_runs::id.eq(id)))
        .set((
            matching_runs::done_at.eq(Some(Utc::now())),
            matching_runs::left_people.eq(counted.left),
            matching_runs::right_people.eq(counted.right),
            matching_runs::pairs_compared.eq(counted.compared),
            matching_runs::model.eq(model),
            matching_runs::version.eq(matching_runs::version + 1),
            matching_runs::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Run::as_returning())
        .get_result(&mut tx.on())
        .await?)
}

/// A pair's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = match_pairs, check_for_backend(Pg))]
pub struct Pair {
    /// Record id.
    pub id: Uuid,
    /// Its run.
    pub run_id: Uuid,
    /// The left person's village.
    pub region_code: String,
    /// The left person's statement.
    pub left_statement_id: Uuid,
    /// Their place in it.
    pub left_ordinal: i16,
    /// The right person's statement, or none where they are our member.
    pub right_statement_id: Option<Uuid>,
    /// Their place in it.
    pub right_ordinal: Option<i16>,
    /// The right person as our member.
    pub right_member_id: Option<Uuid>,
    /// The smaller of the two lasting keys.
    pub one_key: String,
    /// The other one.
    pub other_key: String,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// Probability that they are one.
    pub probability: f64,
    /// What the engine makes of it.
    pub zone: String,
    /// Whether both have a NIK and it is the same.
    pub nik_agrees: Option<bool>,
    /// Whether name and birth date agree.
    pub data_agrees: bool,
    /// Why the right one is no longer there.
    pub right_state: Option<String>,
    /// How many others a decision settles.
    pub unlocks: i16,
    /// The terms that add up to the weight.
    pub terms: Value,
}

impl Pair {
    /// What a status depends on, with the decision in force.
    pub fn facts(&self, decided: Option<Outcome>) -> Facts {
        Facts {
            zone: Zone::parse(&self.zone).unwrap_or(Zone::Review),
            decided,
            nik_agrees: self.nik_agrees,
            data_agrees: self.data_agrees,
            inactive: self.right_state.as_deref().and_then(Inactive::parse),
            weight: self.weight,
        }
    }
}

/// Stores the pairs of a run.
pub async fn insert_pairs(tx: &mut Tx, rows: &[Pair]) -> Result<()> {
    for rows in rows.chunks(20_000) {
        diesel::sql_query(
            "INSERT INTO match_pairs (id, run_id, region_code, left_statement_id, left_ordinal, right_statement_id, right_ordinal,
                    right_member_id, one_key, other_key, weight, probability, zone, nik_agrees, data_agrees, right_state, unlocks, terms)
             SELECT id, $1, region_code, left_statement_id, left_ordinal, right_statement_id, right_ordinal, right_member_id, one_key,
                    other_key, weight, probability, zone, nik_agrees, data_agrees, right_state, unlocks, terms::jsonb
               FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
                 AS n (id, region_code, left_statement_id, left_ordinal, right_statement_id, right_ordinal, right_member_id, one_key,
                    other_key, weight, probability, zone, nik_agrees, data_agrees, right_state, unlocks, terms)",
        )
        .bind::<SqlUuid, _>(rows.first().map(|row| row.run_id).unwrap_or_default())
        .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.region_code.as_str()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.left_statement_id).collect::<Vec<_>>())
        .bind::<Array<SmallInt>, _>(rows.iter().map(|row| row.left_ordinal).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(rows.iter().map(|row| row.right_statement_id).collect::<Vec<_>>())
        .bind::<Array<Nullable<SmallInt>>, _>(rows.iter().map(|row| row.right_ordinal).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(rows.iter().map(|row| row.right_member_id).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.one_key.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.other_key.as_str()).collect::<Vec<_>>())
        .bind::<Array<Double>, _>(rows.iter().map(|row| row.weight).collect::<Vec<_>>())
        .bind::<Array<Double>, _>(rows.iter().map(|row| row.probability).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.zone.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Bool>>, _>(rows.iter().map(|row| row.nik_agrees).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(rows.iter().map(|row| row.data_agrees).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.right_state.as_deref()).collect::<Vec<_>>())
        .bind::<Array<SmallInt>, _>(rows.iter().map(|row| row.unlocks).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.terms.to_string()).collect::<Vec<_>>())
        .execute(&mut tx.on())
        .await?;
    }
    Ok(())
}

/// A result's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = match_results, check_for_backend(Pg))]
pub struct MatchResult {
    /// The person's statement.
    pub statement_id: Uuid,
    /// Their place in it.
    pub ordinal: i16,
    /// Their village.
    pub region_code: String,
    /// What can be said of their NIK.
    pub nik_state: String,
    /// Whether certainly another person has it.
    pub nik_taken: bool,
    /// What became of them.
    pub status: String,
    /// The pair that holds.
    pub pair_id: Option<Uuid>,
    /// The centre's own verdict.
    pub dukcapil_match: Option<bool>,
}

/// Stores the results of a run.
pub async fn insert_results(tx: &mut Tx, run: Uuid, rows: &[MatchResult]) -> Result<()> {
    for rows in rows.chunks(50_000) {
        diesel::sql_query(
            "INSERT INTO match_results (run_id, statement_id, ordinal, region_code, nik_state, nik_taken, status, pair_id, dukcapil_match)
             SELECT $1, statement_id, ordinal, region_code, nik_state, nik_taken, status, pair_id, dukcapil_match
               FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
                 AS n (statement_id, ordinal, region_code, nik_state, nik_taken, status, pair_id, dukcapil_match)",
        )
        .bind::<SqlUuid, _>(run)
        .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.statement_id).collect::<Vec<_>>())
        .bind::<Array<SmallInt>, _>(rows.iter().map(|row| row.ordinal).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.region_code.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.nik_state.as_str()).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(rows.iter().map(|row| row.nik_taken).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| row.status.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(rows.iter().map(|row| row.pair_id).collect::<Vec<_>>())
        .bind::<Array<Nullable<Bool>>, _>(rows.iter().map(|row| row.dukcapil_match).collect::<Vec<_>>())
        .execute(&mut tx.on())
        .await?;
    }
    Ok(())
}

/// Which results.
#[derive(Debug, Default)]
pub struct WantedResults {
    /// With this status.
    pub status: Option<&'static str>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

/// Results of a run, in the order of the statements.
pub async fn results(
    db: &impl Scoped,
    run: Uuid,
    wanted: &WantedResults,
    after: Option<(Uuid, i16)>,
    limit: i64,
) -> Result<Vec<MatchResult>> {
    let mut query = match_results::table
        .select(MatchResult::as_select())
        .filter(db.scope().within(match_results::region_code))
        .filter(match_results::run_id.eq(run))
        .order((match_results::statement_id, match_results::ordinal))
        .limit(limit)
        .into_boxed();
    if let Some(status) = wanted.status {
        query = query.filter(match_results::status.eq(status));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(match_results::region_code, region));
    }
    if let Some((statement, ordinal)) = after {
        query = query.filter(
            match_results::statement_id.gt(statement).or(match_results::statement_id.eq(statement).and(match_results::ordinal.gt(ordinal))),
        );
    }
    Ok(query.load(&mut db.on()).await?)
}

/// How many people of a region have a status: region, its name, status, people.
pub type Tally = (String, Option<String>, String, i64);

/// People by region and status, regions at a level. Counts only what lies in the scope.
pub async fn tally(db: &impl Scoped, run: Uuid, level: Level) -> Result<Vec<Tally>> {
    let rows: Vec<(String, String, i64)> = match_results::table
        .filter(db.scope().within(match_results::region_code))
        .filter(match_results::run_id.eq(run))
        .group_by((match_results::region_code, match_results::status))
        .select((match_results::region_code, match_results::status, diesel::dsl::count_star()))
        .load(&mut db.on())
        .await?;
    let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (region, status, people) in rows {
        let region = RegionCode::stored(&region).at(level).to_string();
        *sums.entry((region, status)).or_default() += people;
    }
    let codes: Vec<&str> = sums.keys().map(|(region, _)| region.as_str()).collect();
    let names: Vec<(String, String)> =
        regions::table.filter(regions::code.eq_any(codes)).select((regions::code, regions::name)).load(&mut db.on()).await?;
    let names: BTreeMap<String, String> = names.into_iter().collect();
    Ok(sums.into_iter().map(|((region, status), people)| (region.clone(), names.get(&region).cloned(), status, people)).collect())
}

/// A decision's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = match_decisions, check_for_backend(Pg))]
pub struct Decision {
    /// Record id.
    pub id: Uuid,
    /// The left person's village.
    pub region_code: String,
    /// The pair that was looked at.
    pub pair_id: Uuid,
    /// The smaller of the two lasting keys.
    pub one_key: String,
    /// The other one.
    pub other_key: String,
    /// What was decided.
    pub outcome: String,
    /// Where it stands.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Why it was taken back.
    pub undo_reason: Option<String>,
    /// Who decided.
    pub decided_by: Uuid,
    /// Who confirmed.
    pub confirmed_by: Option<Uuid>,
    /// Version.
    pub version: i32,
    /// Decided at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Decision {
    /// Where it stands, as the machine knows it.
    pub fn standing(&self) -> Result<DecisionState> {
        DecisionState::parse(&self.state).ok_or_else(|| Error::Internal(anyhow::anyhow!("a decision in an unknown state")))
    }

    /// What holds: nothing while it is only proposed.
    pub fn in_force(&self) -> Option<Outcome> {
        Outcome::parse(&self.outcome).filter(|_| self.state == DecisionState::InForce.name())
    }
}

impl Tracked for Decision {
    const RESOURCE: &'static str = DECISIONS;
    // A key names a person to whoever has the source's list.
    const SENSITIVE: &'static [&'static str] = &["one_key", "other_key", "reason", "undo_reason"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// A pair with the decision that stands on it, in force or proposed.
pub type Seen = (Pair, Option<Decision>);

/// The decision that stands on a pair's two people.
fn standing() -> diesel::dsl::And<
    diesel::dsl::And<
        diesel::dsl::Eq<match_decisions::one_key, match_pairs::one_key>,
        diesel::dsl::Eq<match_decisions::other_key, match_pairs::other_key>,
    >,
    diesel::dsl::NotEq<match_decisions::state, &'static str>,
> {
    match_decisions::one_key
        .eq(match_pairs::one_key)
        .and(match_decisions::other_key.eq(match_pairs::other_key))
        .and(match_decisions::state.ne("undone"))
}

/// Which pairs.
#[derive(Debug, Default)]
pub struct WantedPairs {
    /// In this zone.
    pub zone: Option<&'static str>,
    /// With a decision, or without one.
    pub decided: Option<bool>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

/// Pairs of a run: what unlocks most comes first.
pub async fn pairs(db: &impl Scoped, run: Uuid, wanted: &WantedPairs, after: Option<(i16, Uuid)>, limit: i64) -> Result<Vec<Seen>> {
    let mut query = match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .select((Pair::as_select(), Option::<Decision>::as_select()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(run))
        .order((match_pairs::unlocks.desc(), match_pairs::id))
        .limit(limit)
        .into_boxed();
    if let Some(zone) = wanted.zone {
        query = query.filter(match_pairs::zone.eq(zone));
    }
    match wanted.decided {
        Some(true) => query = query.filter(match_decisions::id.is_not_null()),
        Some(false) => query = query.filter(match_decisions::id.is_null()),
        None => {}
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(match_pairs::region_code, region));
    }
    if let Some((unlocks, id)) = after {
        query = query.filter(match_pairs::unlocks.lt(unlocks).or(match_pairs::unlocks.eq(unlocks).and(match_pairs::id.gt(id))));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One pair.
pub async fn find_pair(db: &impl Scoped, id: Uuid) -> Result<Seen> {
    Ok(match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .select((Pair::as_select(), Option::<Decision>::as_select()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// Records a decision; the unique index decides races.
pub async fn insert_decision(tx: &mut Tx, row: &Decision) -> Result<Decision> {
    tx.scope().demand(&RegionCode::stored(&row.region_code))?;
    Ok(diesel::insert_into(match_decisions::table).values(row).returning(Decision::as_returning()).get_result(&mut tx.on()).await?)
}

/// One decision, locked.
pub async fn find_decision_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Decision> {
    let row: Decision = match_decisions::table
        .select(Decision::as_select())
        .filter(tx.scope().within(match_decisions::region_code))
        .filter(match_decisions::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// One decision.
pub async fn find_decision(db: &impl Scoped, id: Uuid) -> Result<Decision> {
    Ok(match_decisions::table
        .select(Decision::as_select())
        .filter(db.scope().within(match_decisions::region_code))
        .filter(match_decisions::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// Stores a decision's step.
pub async fn update_decision(tx: &mut Tx, row: &Decision) -> Result<Decision> {
    Ok(diesel::update(
        match_decisions::table.filter(tx.scope().within(match_decisions::region_code)).filter(match_decisions::id.eq(row.id)),
    )
    .set((
        match_decisions::state.eq(&row.state),
        match_decisions::undo_reason.eq(&row.undo_reason),
        match_decisions::confirmed_by.eq(row.confirmed_by),
        match_decisions::version.eq(match_decisions::version + 1),
        match_decisions::updated_at.eq(diesel::dsl::now),
    ))
    .returning(Decision::as_returning())
    .get_result(&mut tx.on())
    .await?)
}

/// Decisions, newest first.
pub async fn decisions(db: &impl Scoped, state: Option<&'static str>, after: Option<Uuid>, limit: i64) -> Result<Vec<Decision>> {
    let mut query = match_decisions::table
        .select(Decision::as_select())
        .filter(db.scope().within(match_decisions::region_code))
        .order(match_decisions::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(state) = state {
        query = query.filter(match_decisions::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(match_decisions::id.lt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// Every decision in force in the scope, by the keys of its people.
pub async fn decisions_in_force(db: &impl Scoped) -> Result<HashMap<(String, String), Outcome>> {
    let rows: Vec<(String, String, String)> = match_decisions::table
        .select((match_decisions::one_key, match_decisions::other_key, match_decisions::outcome))
        .filter(db.scope().within(match_decisions::region_code))
        .filter(match_decisions::state.eq(DecisionState::InForce.name()))
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().filter_map(|(left, right, outcome)| Some(((left, right), Outcome::parse(&outcome)?))).collect())
}

/// Finds anew what became of the people whom a decision is about, in every run that has results: derived from what the runs
/// stored and the decisions in force, so that taking a decision back restores what was there.
pub async fn derive(tx: &mut Tx, decision: &Decision) -> Result<()> {
    type Sides = (Uuid, Uuid, i16, Option<Uuid>, Option<i16>);
    let pairs: Vec<Sides> = match_pairs::table
        .filter(tx.scope().within(match_pairs::region_code))
        .filter(match_pairs::one_key.eq(&decision.one_key))
        .filter(match_pairs::other_key.eq(&decision.other_key))
        .select((
            match_pairs::run_id,
            match_pairs::left_statement_id,
            match_pairs::left_ordinal,
            match_pairs::right_statement_id,
            match_pairs::right_ordinal,
        ))
        .load(&mut tx.on())
        .await?;
    // The right one has a result where a list was compared with itself.
    let left = pairs.iter().map(|(run, statement, ordinal, ..)| (*run, *statement, *ordinal));
    let right = pairs.iter().filter_map(|(run, _, _, statement, ordinal)| Some((*run, (*statement)?, (*ordinal)?)));
    let people: BTreeSet<(Uuid, Uuid, i16)> = left.chain(right).collect();
    for (run, statement, ordinal) in people {
        let is_left = match_pairs::left_statement_id.eq(statement).and(match_pairs::left_ordinal.eq(ordinal));
        let is_right = match_pairs::right_statement_id.eq(statement).and(match_pairs::right_ordinal.eq(ordinal));
        let pairs: Vec<Seen> = match_pairs::table
            .left_join(match_decisions::table.on(standing()))
            .select((Pair::as_select(), Option::<Decision>::as_select()))
            .filter(tx.scope().within(match_pairs::region_code))
            .filter(match_pairs::run_id.eq(run))
            .filter(is_left.nullable().or(is_right))
            .order(match_pairs::id)
            .load(&mut tx.on())
            .await?;
        let facts: Vec<Facts> = pairs.iter().map(|(pair, decision)| pair.facts(decision.as_ref().and_then(Decision::in_force))).collect();
        let held = holding(&facts);
        let person = match_results::table
            .filter(tx.scope().within(match_results::region_code))
            .filter(match_results::run_id.eq(run))
            .filter(match_results::statement_id.eq(statement))
            .filter(match_results::ordinal.eq(ordinal));
        let known: Option<(String, bool)> =
            person.clone().select((match_results::nik_state, match_results::nik_taken)).first(&mut tx.on()).await.optional()?;
        let Some((nik, taken)) = known else { continue };
        let nik = NikState::parse(&nik).unwrap_or(NikState::Invalid);
        let status = status(nik, taken, held.and_then(|at| facts.get(at)));
        let pair = held.and_then(|at| pairs.get(at)).map(|(pair, _)| pair.id);
        diesel::update(person)
            .set((match_results::status.eq(status.name()), match_results::pair_id.eq(pair)))
            .execute(&mut tx.on())
            .await?;
    }
    Ok(())
}
