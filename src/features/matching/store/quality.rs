//! SQL of a run's quality and of samples: everything but the sample's seed and size is derived.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, Text};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::super::sampling::{BANDS, EDGES, reach};
use super::Pair;
use super::review::{Decision, Seen, in_review, standing};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::{match_decisions, match_pairs, match_results, match_samples};

/// A sample's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = match_samples, check_for_backend(Pg))]
pub struct Sample {
    /// Record id.
    pub id: Uuid,
    /// Of which run.
    pub run_id: Uuid,
    /// Where.
    pub region_code: String,
    /// What it was drawn with.
    pub seed: i64,
    /// How many pairs were asked for.
    pub size: i32,
    /// Who drew it.
    pub drawn_by: Uuid,
    /// Version.
    pub version: i32,
    /// Drawn at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Sample {
    const RESOURCE: &'static str = "match-samples";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// Records a sample.
pub async fn insert_sample(tx: &mut Tx, row: &Sample) -> Result<Sample> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(match_samples::table).values(row).returning(Sample::as_returning()).get_result(&mut tx.on()).await?)
}

/// One sample.
pub async fn find_sample(db: &impl Scoped, id: Uuid) -> Result<Sample> {
    Ok(match_samples::table
        .select(Sample::as_select())
        .filter(db.scope().within(match_samples::region_code))
        .filter(match_samples::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// The samples of a run, in the order in which they were drawn.
pub async fn samples_of(db: &impl Scoped, run: Uuid) -> Result<Vec<Sample>> {
    Ok(match_samples::table
        .select(Sample::as_select())
        .filter(db.scope().within(match_samples::region_code))
        .filter(match_samples::run_id.eq(run))
        .order(match_samples::id)
        .load(&mut db.on())
        .await?)
}

/// The pairs that a seed draws from one band, with the decisions on them, and their places in the order of the draw: the
/// same for ever, because a run's pairs never change.
pub async fn drawn(db: &impl Scoped, run: Uuid, seed: i64, band: usize, count: i64) -> Result<Vec<(Seen, String)>> {
    let place = || diesel::dsl::sql::<Text>("md5(").bind::<Text, _>(format!("{seed}:")).sql(" || match_pairs.id::text)");
    let (from, to) = reach(band);
    let mut query = match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .select((Pair::as_select(), Option::<Decision>::as_select(), place()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(run))
        .filter(match_pairs::zone.eq("match"))
        .filter(match_pairs::probability.ge(from))
        .order((place(), match_pairs::id))
        .limit(count)
        .into_boxed();
    // The surest band holds what is certain, too.
    if band + 1 < BANDS {
        query = query.filter(match_pairs::probability.lt(to));
    }
    let rows: Vec<(Pair, Option<Decision>, String)> = query.load(&mut db.on()).await?;
    Ok(rows.into_iter().map(|(pair, decision, place)| ((pair, decision), place)).collect())
}

/// How many automatic matches a band has, and how many of them are expected to be wrong.
pub async fn bands(db: &impl Scoped, run: Uuid) -> Result<[(i64, f64); BANDS]> {
    let band = diesel::dsl::sql::<Integer>(&format!("width_bucket(probability, ARRAY{EDGES:?}::float8[])"));
    let rows: Vec<(i32, i64, f64)> = match_pairs::table
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(run))
        .filter(match_pairs::zone.eq("match"))
        .group_by(band.clone())
        .select((band, diesel::dsl::count_star(), diesel::dsl::sql::<Double>("sum(1 - probability)")))
        .load(&mut db.on())
        .await?;
    let mut bands = [(0, 0.0); BANDS];
    for (band, pairs, errors) in rows {
        if let Some(place) = usize::try_from(band).ok().and_then(|band| bands.get_mut(band)) {
            *place = (pairs, errors);
        }
    }
    Ok(bands)
}

/// Pairs of a run by zone: all, those with a decision that stands, and those with one in force.
pub async fn tally_pairs(db: &impl Scoped, run: Uuid) -> Result<Vec<(String, i64, i64, i64)>> {
    let standing_ones = diesel::dsl::sql::<BigInt>("count(match_decisions.id)");
    let in_force = diesel::dsl::sql::<BigInt>("count(match_decisions.id) FILTER (WHERE match_decisions.state = 'in_force')");
    Ok(match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(run))
        .group_by(match_pairs::zone)
        .select((match_pairs::zone, diesel::dsl::count_star(), standing_ones, in_force))
        .load(&mut db.on())
        .await?)
}

/// People of the left side by village who have a pair that waits for somebody to look.
pub async fn waiting(db: &impl Scoped, run: Uuid) -> Result<Vec<(String, i64)>> {
    let people = diesel::dsl::sql::<BigInt>("count(DISTINCT (left_statement_id, left_ordinal))");
    Ok(match_pairs::table
        .left_join(match_decisions::table.on(standing()))
        .filter(db.scope().within(match_pairs::region_code))
        .filter(match_pairs::run_id.eq(run))
        .filter(in_review())
        .filter(match_decisions::id.is_null())
        .group_by(match_pairs::region_code)
        .select((match_pairs::region_code, people))
        .load(&mut db.on())
        .await?)
}

/// People by village, status and the centre's verdict.
pub async fn verdicts(db: &impl Scoped, run: Uuid) -> Result<Vec<(String, String, Option<bool>, i64)>> {
    Ok(match_results::table
        .filter(db.scope().within(match_results::region_code))
        .filter(match_results::run_id.eq(run))
        .group_by((match_results::region_code, match_results::status, match_results::dukcapil_match))
        .select((match_results::region_code, match_results::status, match_results::dukcapil_match, diesel::dsl::count_star()))
        .load(&mut db.on())
        .await?)
}
