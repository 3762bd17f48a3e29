//! SQL of results: what became of each person of the left side.

use std::collections::BTreeMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::in_turn;
use crate::platform::access::under;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::schema::{match_results, regions};

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
    /// Whether somebody has it whom the engine would not think of as the same person.
    pub nik_strange: bool,
    /// Whether certainly another person has it.
    pub nik_taken: bool,
    /// What became of them.
    pub status: String,
    /// The pair that holds.
    pub pair_id: Option<Uuid>,
    /// The centre's own verdict.
    pub dukcapil_match: Option<bool>,
    /// The statement of somebody who has the same NIK and makes no pair with them.
    pub stranger_statement_id: Option<Uuid>,
    /// Their place in it.
    pub stranger_ordinal: Option<i16>,
    /// Such a person as our member.
    pub stranger_member_id: Option<Uuid>,
}

/// Results that are sent at a time.
const AT_A_TIME: usize = 8_000;

/// Stores the results of a run.
pub async fn insert_results(tx: &mut Tx, run: Uuid, rows: &[MatchResult]) -> Result<()> {
    in_turn(rows.chunks(AT_A_TIME).map(|rows| insert_some(tx, run, rows)).collect()).await
}

async fn insert_some(tx: &Tx, run: Uuid, rows: &[MatchResult]) -> QueryResult<usize> {
    diesel::sql_query(
        "INSERT INTO match_results (run_id, statement_id, ordinal, region_code, nik_state, nik_strange, nik_taken, status, pair_id,
                    dukcapil_match, stranger_statement_id, stranger_ordinal, stranger_member_id)
             SELECT $1, unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10),
                    unnest($11), unnest($12), unnest($13)",
    )
    .bind::<SqlUuid, _>(run)
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.statement_id).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(rows.iter().map(|row| row.ordinal).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.region_code.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.nik_state.as_str()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(rows.iter().map(|row| row.nik_strange).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(rows.iter().map(|row| row.nik_taken).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.status.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(rows.iter().map(|row| row.pair_id).collect::<Vec<_>>())
    .bind::<Array<Nullable<Bool>>, _>(rows.iter().map(|row| row.dukcapil_match).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(rows.iter().map(|row| row.stranger_statement_id).collect::<Vec<_>>())
    .bind::<Array<Nullable<SmallInt>>, _>(rows.iter().map(|row| row.stranger_ordinal).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(rows.iter().map(|row| row.stranger_member_id).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await
}

/// Which results.
#[derive(Debug, Default)]
pub struct WantedResults {
    /// With this status.
    pub status: Option<&'static str>,
    /// Whether certainly another person has the NIK.
    pub nik_taken: Option<bool>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

macro_rules! narrowed {
    ($query:expr, $wanted:expr) => {{
        let mut query = $query;
        if let Some(status) = $wanted.status {
            query = query.filter(match_results::status.eq(status));
        }
        // Spelt out, so that the index of those whose NIK is taken serves it.
        match $wanted.nik_taken {
            Some(true) => query = query.filter(match_results::nik_taken),
            Some(false) => query = query.filter(diesel::dsl::not(match_results::nik_taken)),
            None => {}
        }
        if let Some(region) = &$wanted.region {
            query = query.filter(under(match_results::region_code, region));
        }
        query
    }};
}

/// Results of a run, in the order of the statements.
pub async fn results(
    db: &impl Scoped,
    run: Uuid,
    wanted: &WantedResults,
    after: Option<(Uuid, i16)>,
    limit: i64,
) -> Result<Vec<MatchResult>> {
    let query = match_results::table
        .select(MatchResult::as_select())
        .filter(db.scope().within(match_results::region_code))
        .filter(match_results::run_id.eq(run))
        .order((match_results::statement_id, match_results::ordinal))
        .limit(limit)
        .into_boxed();
    let mut query = narrowed!(query, wanted);
    if let Some((statement, ordinal)) = after {
        // The first bound is what the index is entered by.
        query = query.filter(match_results::statement_id.ge(statement)).filter(
            match_results::statement_id.gt(statement).or(match_results::statement_id.eq(statement).and(match_results::ordinal.gt(ordinal))),
        );
    }
    Ok(query.load(&mut db.on()).await?)
}

/// How many results there are.
pub async fn count_results(db: &impl Scoped, run: Uuid, wanted: &WantedResults) -> Result<i64> {
    let query = match_results::table
        .select(diesel::dsl::count_star())
        .filter(db.scope().within(match_results::region_code))
        .filter(match_results::run_id.eq(run))
        .into_boxed();
    Ok(narrowed!(query, wanted).get_result(&mut db.on()).await?)
}

/// What became of one person.
pub async fn find_result(db: &impl Scoped, run: Uuid, statement: Uuid, ordinal: i16) -> Result<MatchResult> {
    Ok(match_results::table
        .select(MatchResult::as_select())
        .filter(db.scope().within(match_results::region_code))
        .filter(match_results::run_id.eq(run))
        .filter(match_results::statement_id.eq(statement))
        .filter(match_results::ordinal.eq(ordinal))
        .first(&mut db.on())
        .await?)
}

/// Regions' names by code.
pub type Names = BTreeMap<String, String>;

/// The names of these regions.
pub async fn names(db: &impl Scoped, codes: impl IntoIterator<Item = &str>) -> Result<Names> {
    let codes: Vec<&str> = codes.into_iter().collect();
    let names: Vec<(String, String)> =
        regions::table.filter(regions::code.eq_any(codes)).select((regions::code, regions::name)).load(&mut db.on()).await?;
    Ok(names.into_iter().collect())
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
    let names = names(db, sums.keys().map(|(region, _)| region.as_str())).await?;
    Ok(sums.into_iter().map(|((region, status), people)| (region.clone(), names.get(&region).cloned(), status, people)).collect())
}
