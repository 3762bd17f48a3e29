//! SQL of runs and of the pairs they find.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Double, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use serde::Serialize;
use uuid::Uuid;

use super::model::{Facts, Inactive, Outcome, RunState, Zone};
use crate::linkage::explain::Own;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{jobs, match_codebooks, match_pairs, matching_runs};

mod keys;
mod quality;
mod results;
mod review;
mod twins;

pub use keys::{Renamed, decided_twice, rename};
pub use quality::{Sample, bands, drawn, find_sample, insert_sample, samples_of, tally_pairs, verdicts, waiting};
pub use results::{MatchResult, Names, Tally, WantedResults, count_results, find_result, insert_results, names, results, tally};
pub use review::{
    Decision, Seen, Standing, WantedPairs, about_to_decide, codebook_of, decisions, decisions_standing, derive, find_decision,
    find_decision_to_change, find_pair, hold_decisions, insert_decision, needs_two, pairs, pairs_of, update_decision,
};
pub use twins::{
    FoundTwins, TWINS, Twins, WantedTwins, dequeue, find_twins, find_twins_to_change, list_twins, lock_village, next_village,
    open_partners, queued, record, turn_twins,
};

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

    /// The releases that it compares.
    pub fn releases(&self) -> Vec<Uuid> {
        [Some(self.left_release_id), self.right_release_id].into_iter().flatten().collect()
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

/// A run with its job's state and version.
pub type Shown = (Run, String, i32);

/// One run.
pub async fn find_run(db: &impl Scoped, id: Uuid) -> Result<Shown> {
    Ok(matching_runs::table
        .inner_join(jobs::table)
        .select((Run::as_select(), jobs::state, jobs::version))
        .filter(db.scope().within(matching_runs::region_code))
        .filter(matching_runs::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One run whose results can be read.
pub async fn find_done(db: &impl Scoped, id: Uuid) -> Result<Run> {
    let (run, ..) = find_run(db, id).await?;
    if run.done_at.is_some() { Ok(run) } else { Err(Code::RunNotDone.into()) }
}

/// Runs, newest first.
pub async fn runs(db: &impl Scoped, release: Option<Uuid>, state: Option<RunState>, after: Option<Uuid>, limit: i64) -> Result<Vec<Shown>> {
    let mut query = matching_runs::table
        .inner_join(jobs::table)
        .select((Run::as_select(), jobs::state, jobs::version))
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

/// The results of a run stand from now on, and its pairs can be explained by this codebook.
pub async fn finish_run(tx: &mut Tx, id: Uuid, counted: Counted, model: &str, codebook: &str) -> Result<Run> {
    let content = (match_codebooks::run_id.eq(id), match_codebooks::content.eq(codebook));
    diesel::insert_into(match_codebooks::table).values(content).execute(&mut tx.on()).await?;
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
    /// How it agrees, to be read with the codebook of its run; none where nobody weighed it, like all that follow.
    pub pattern: Option<i64>,
    /// What the left person's other candidates take away.
    pub left_rivals: Option<f64>,
    /// What the right person's other claimants take away.
    pub right_rivals: Option<f64>,
    /// What it gains because both are like a third.
    pub chain: Option<f64>,
    /// What calibration adds.
    pub calibration: Option<f64>,
    /// The terms in words, as JSON text, of pairs that were stored before runs had codebooks.
    pub terms: Option<String>,
}

impl Pair {
    /// What is its own in its weight, where it was weighed.
    pub fn own(&self) -> Option<Own> {
        Some([self.left_rivals?, self.right_rivals?, self.chain?, self.calibration?])
    }

    /// The lasting key of the left person, where that of the right one is known.
    pub fn beside(&self, right: &str) -> &str {
        if self.one_key == right { &self.other_key } else { &self.one_key }
    }

    /// What a status depends on, with the decision in force and whether the right person was given to somebody else.
    pub fn facts(&self, decided: Option<Outcome>, given_away: bool) -> Facts {
        Facts {
            zone: Zone::parse(&self.zone).unwrap_or(Zone::Review),
            decided,
            nik_agrees: self.nik_agrees,
            data_agrees: self.data_agrees,
            given_away,
            inactive: self.right_state.as_deref().and_then(Inactive::parse),
            weight: self.weight,
        }
    }
}

/// Pairs that are sent at a time: more than their columns have room for in the server's memory would go through its disk.
const AT_A_TIME: usize = 4_000;

/// Stores the pairs of a run.
pub async fn insert_pairs(tx: &mut Tx, rows: &[Pair]) -> Result<()> {
    in_turn(rows.chunks(AT_A_TIME).map(|rows| insert_some_pairs(tx, rows)).collect()).await
}

/// Lists side by side in place of one table of them: the server keeps no copy of each.
async fn insert_some_pairs(tx: &Tx, rows: &[Pair]) -> QueryResult<usize> {
    diesel::sql_query(
        "INSERT INTO match_pairs (id, run_id, region_code, left_statement_id, left_ordinal, right_statement_id, right_ordinal,
                    right_member_id, one_key, other_key, weight, probability, zone, nik_agrees, data_agrees, right_state, unlocks,
                    pattern, left_rivals, right_rivals, chain, calibration)
             SELECT unnest($2), $1, unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10),
                    unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16), unnest($17), unnest($18),
                    unnest($19), unnest($20), unnest($21), unnest($22)",
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
    .bind::<Array<Nullable<BigInt>>, _>(rows.iter().map(|row| row.pattern).collect::<Vec<_>>())
    .bind::<Array<Nullable<Double>>, _>(rows.iter().map(|row| row.left_rivals).collect::<Vec<_>>())
    .bind::<Array<Nullable<Double>>, _>(rows.iter().map(|row| row.right_rivals).collect::<Vec<_>>())
    .bind::<Array<Nullable<Double>>, _>(rows.iter().map(|row| row.chain).collect::<Vec<_>>())
    .bind::<Array<Nullable<Double>>, _>(rows.iter().map(|row| row.calibration).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await
}

/// Stores lists one after the other. While the server stores one, the next is made ready and lies before it when it is done.
async fn in_turn<F: Future<Output = QueryResult<usize>>>(lists: Vec<F>) -> Result<()> {
    stream::iter(lists).buffered(2).try_for_each(|_| future::ok(())).await?;
    Ok(())
}
