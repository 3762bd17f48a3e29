//! SQL of pairs as people look at them, and of decisions.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::dsl::{And, Eq, NotEq, sql};
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::super::model::{Against, DecisionState, Facts, Outcome, Zone, holding, nik_taken, status};
use super::{DECISIONS, Pair};
use crate::features::datasets::NikState;
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Error, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{match_codebooks, match_decisions, match_pairs, match_results, matching_runs};

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

pub(super) type SameKeys = And<Eq<match_decisions::one_key, match_pairs::one_key>, Eq<match_decisions::other_key, match_pairs::other_key>>;

/// The decision that stands on a pair's two people.
pub(super) fn standing() -> And<SameKeys, NotEq<match_decisions::state, &'static str>> {
    match_decisions::one_key
        .eq(match_pairs::one_key)
        .and(match_decisions::other_key.eq(match_pairs::other_key))
        .and(match_decisions::state.ne("undone"))
}

/// Pairs that wait to be reviewed; spelt out, so that their index serves.
pub(super) fn in_review() -> SqlLiteral<Bool> {
    sql("match_pairs.zone = 'review'")
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
    match wanted.zone {
        Some("review") => query = query.filter(in_review()),
        Some(zone) => query = query.filter(match_pairs::zone.eq(zone)),
        None => {}
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
        // The first bound is what the index is entered by.
        query = query
            .filter(match_pairs::unlocks.le(unlocks))
            .filter(match_pairs::unlocks.lt(unlocks).or(match_pairs::unlocks.eq(unlocks).and(match_pairs::id.gt(id))));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// The pairs of a run in which a person of a statement stands on either side.
pub async fn pairs_of(db: &impl Scoped, run: Uuid, statement: Uuid, ordinal: i16) -> Result<Vec<Seen>> {
    let is_left = match_pairs::left_statement_id.eq(statement).and(match_pairs::left_ordinal.eq(ordinal));
    let is_right = match_pairs::right_statement_id.eq(statement).and(match_pairs::right_ordinal.eq(ordinal));
    Ok(match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .select((Pair::as_select(), Option::<Decision>::as_select()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(run))
        .filter(is_left.nullable().or(is_right))
        .order(match_pairs::id)
        .load(&mut db.on())
        .await?)
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

/// What a pair's pattern is read with.
pub async fn codebook_of(db: &impl Scoped, pair: Uuid) -> Result<String> {
    Ok(match_pairs::table
        .inner_join(match_codebooks::table.on(match_codebooks::run_id.eq(match_pairs::run_id)))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::id.eq(pair))
        .select(match_codebooks::content)
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
    about_to_decide(tx).await?;
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

/// Whether a run that asked for four eyes has a pair of these two people.
pub async fn needs_two(db: &impl Scoped, pair: &Pair) -> Result<bool> {
    let asked = match_pairs::table
        .inner_join(matching_runs::table.on(matching_runs::id.eq(match_pairs::run_id)))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::one_key.eq(&pair.one_key))
        .filter(match_pairs::other_key.eq(&pair.other_key))
        .filter(matching_runs::four_eyes);
    Ok(diesel::select(diesel::dsl::exists(asked)).get_result(&mut db.on()).await?)
}

/// Nobody decides until this transaction has ended: what stands now is what its results are made with.
pub async fn hold_decisions(tx: &mut Tx) -> Result<()> {
    diesel::sql_query("LOCK TABLE match_decisions IN SHARE ROW EXCLUSIVE MODE").execute(&mut tx.on()).await?;
    Ok(())
}

/// Somebody is about to decide: first of all they wait for whoever holds the decisions, so that what they then read of a pair
/// stands until they have decided.
pub async fn about_to_decide(tx: &Tx) -> Result<()> {
    diesel::sql_query("LOCK TABLE match_decisions IN ROW EXCLUSIVE MODE").execute(&mut tx.on()).await?;
    Ok(())
}

/// By the keys of two people what was decided about them; none where it is only proposed.
pub type Standing = HashMap<(String, String), Option<Outcome>>;

/// Every decision that stands in the scope.
pub async fn decisions_standing(db: &impl Scoped) -> Result<Standing> {
    let rows: Vec<(String, String, String, String)> = match_decisions::table
        .select((match_decisions::one_key, match_decisions::other_key, match_decisions::outcome, match_decisions::state))
        .filter(db.scope().within(match_decisions::region_code))
        .filter(match_decisions::state.ne(DecisionState::Undone.name()))
        .load(&mut db.on())
        .await?;
    let in_force = |state: &str| state == DecisionState::InForce.name();
    Ok(rows.into_iter().map(|(one, other, outcome, state)| ((one, other), Outcome::parse(&outcome).filter(|_| in_force(&state)))).collect())
}

/// The pairs of a run in which the right person of this one stands on the right.
async fn pairs_on(db: &impl Scoped, pair: &Pair) -> Result<Vec<Seen>> {
    let query = match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .select((Pair::as_select(), Option::<Decision>::as_select()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(pair.run_id))
        .order(match_pairs::id)
        .into_boxed();
    let query = match (pair.right_statement_id, pair.right_ordinal) {
        (Some(statement), Some(ordinal)) => {
            query.filter(match_pairs::right_statement_id.eq(statement)).filter(match_pairs::right_ordinal.eq(ordinal))
        }
        _ => query.filter(match_pairs::right_member_id.eq(pair.right_member_id)),
    };
    Ok(query.load(&mut db.on()).await?)
}

/// Whether people decided that the right person of a pair is another left person, where neither the engine nor people judged
/// that one and the left person of this pair to be one.
async fn given_away(tx: &Tx, pair: &Pair) -> Result<bool> {
    for (other, decision) in pairs_on(tx, pair).await? {
        let same = (other.left_statement_id, other.left_ordinal) == (pair.left_statement_id, pair.left_ordinal);
        let decided = decision.as_ref().and_then(Decision::in_force) == Some(Outcome::Match);
        if same || !decided || other.zone == Zone::Match.name() {
            continue;
        }
        let is_shared = other.one_key == pair.one_key || other.one_key == pair.other_key;
        let right = if is_shared { &other.one_key } else { &other.other_key };
        let (one, another) = (pair.beside(right), other.beside(right));
        let judged_one = match_decisions::table
            .filter(tx.scope().within(match_decisions::region_code))
            .filter(match_decisions::one_key.eq(one.min(another)))
            .filter(match_decisions::other_key.eq(one.max(another)))
            .filter(match_decisions::state.eq(DecisionState::InForce.name()))
            .filter(match_decisions::outcome.eq(Outcome::Match.name()));
        if !diesel::select(diesel::dsl::exists(judged_one)).get_result::<bool>(&mut tx.on()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds anew what became of the people whom a decision is about, in every run that has results: derived from what the runs
/// stored and the decisions in force, so that taking a decision back restores what was there.
pub async fn derive(tx: &mut Tx, (one_key, other_key): (&str, &str)) -> Result<()> {
    let pairs: Vec<(Pair, String)> = match_pairs::table
        .inner_join(matching_runs::table.on(matching_runs::id.eq(match_pairs::run_id)))
        .filter(tx.scope().within(match_pairs::region_code))
        .filter(match_pairs::one_key.eq(one_key))
        .filter(match_pairs::other_key.eq(other_key))
        .select((Pair::as_select(), matching_runs::against))
        .load(&mut tx.on())
        .await?;
    // In an order that all who derive keep to: nobody waits for somebody who waits for them.
    let mut people: BTreeSet<(Uuid, bool, Uuid, i16)> = BTreeSet::new();
    for (pair, against) in &pairs {
        let itself = against == Against::Itself.name();
        people.insert((pair.run_id, itself, pair.left_statement_id, pair.left_ordinal));
        match (itself, pair.right_statement_id, pair.right_ordinal) {
            // The right one has a result where a list was compared with itself.
            (true, Some(statement), Some(ordinal)) => {
                people.insert((pair.run_id, itself, statement, ordinal));
            }
            // Else whoever was found to be the same right one may lose them, or have them back.
            _ => people
                .extend(pairs_on(tx, pair).await?.iter().map(|(pair, _)| (pair.run_id, itself, pair.left_statement_id, pair.left_ordinal))),
        }
    }
    for (run, itself, statement, ordinal) in people {
        let person = match_results::table
            .filter(tx.scope().within(match_results::region_code))
            .filter(match_results::run_id.eq(run))
            .filter(match_results::statement_id.eq(statement))
            .filter(match_results::ordinal.eq(ordinal));
        // Locked before anything is read: of two who decide about one person, the second sees what the first decided.
        let known: Option<(String, bool)> = person
            .clone()
            .select((match_results::nik_state, match_results::nik_strange))
            .for_update()
            .first(&mut tx.on())
            .await
            .optional()?;
        let Some((nik, strange)) = known else { continue };
        let pairs = pairs_of(tx, run, statement, ordinal).await?;
        let mut facts: Vec<Facts> = Vec::with_capacity(pairs.len());
        for (pair, decision) in &pairs {
            let own = pair.facts(decision.as_ref().and_then(Decision::in_force), false);
            // Only where it makes a difference.
            let given_away = !itself && own.holds() && own.decided != Some(Outcome::Match) && given_away(tx, pair).await?;
            facts.push(Facts { given_away, ..own });
        }
        let held = holding(&facts);
        let nik = NikState::parse(&nik).unwrap_or(NikState::Invalid);
        let taken = nik_taken(strange, &facts);
        let status = status(nik, taken, held.and_then(|at| facts.get(at)));
        let pair = held.and_then(|at| pairs.get(at)).map(|(pair, _)| pair.id);
        diesel::update(person)
            .set((match_results::status.eq(status.name()), match_results::nik_taken.eq(taken), match_results::pair_id.eq(pair)))
            .execute(&mut tx.on())
            .await?;
    }
    Ok(())
}
