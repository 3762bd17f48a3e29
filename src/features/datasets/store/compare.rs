//! SQL of comparing two releases: families joined on the source's key, by columns alone; nothing sealed is opened.
//!
//! Both sides are bound to the scope: what lies outside of it is in neither release.

use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, SmallInt, Text, Untyped, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::features::datasets::model::DiffKind;
use crate::platform::access::{Within, under};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;

/// Two releases: the later one, and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The release.
    pub release: Uuid,
    /// What it is compared with.
    pub against: Uuid,
}

/// A statement put together from text, regions and values.
struct Comparison {
    parts: Vec<Part>,
}

enum Part {
    Sql(&'static str),
    Regions(Within<SqlLiteral<Text>>),
    Id(Option<Uuid>),
    Text(Option<String>),
    Number(i64),
}

impl Comparison {
    fn sql(mut self, text: &'static str) -> Self {
        self.parts.push(Part::Sql(text));
        self
    }

    fn id(mut self, id: Option<Uuid>) -> Self {
        self.parts.push(Part::Id(id));
        self
    }

    fn text(mut self, text: Option<String>) -> Self {
        self.parts.push(Part::Text(text));
        self
    }

    fn number(mut self, number: i64) -> Self {
        self.parts.push(Part::Number(number));
        self
    }

    fn side(mut self, db: &impl Scoped, release: Uuid) -> Self {
        self.parts.push(Part::Sql(
            "SELECT s.id, s.source_id, s.region_code, s.decile, s.percentile, s.people, s.digest FROM statements s WHERE s.release_id = ",
        ));
        self.parts.push(Part::Id(Some(release)));
        self.parts.push(Part::Sql(" AND "));
        self.parts.push(Part::Regions(db.scope().within(diesel::dsl::sql::<Text>("s.region_code"))));
        self
    }

    /// `WITH pairs AS (…)`: each family of either release with what became of it. A family that moved counts where it is
    /// now; one that left, where it was.
    fn of(db: &impl Scoped, pair: Pair) -> Comparison {
        Comparison { parts: Vec::new() }
            .sql(
                "WITH pairs AS (SELECT coalesce(n.id, o.id) AS id, n.id AS statement_id, o.id AS against_id,
                        coalesce(n.source_id, o.source_id) AS source_id,
                        coalesce(n.region_code, o.region_code) AS region_code, o.region_code AS region_before,
                        n.decile, o.decile AS decile_before, n.percentile, o.percentile AS percentile_before,
                        coalesce(n.people, o.people) AS people,
                        o.id IS NULL AS entered, n.id IS NULL AS gone, coalesce(n.digest <> o.digest, false) AS changed,
                        coalesce(n.decile > o.decile, false) AS decile_up, coalesce(n.decile < o.decile, false) AS decile_down,
                        coalesce(n.percentile > o.percentile, false) AS percentile_up,
                        coalesce(n.percentile < o.percentile, false) AS percentile_down,
                        coalesce(n.region_code <> o.region_code, false) AS moved,
                        coalesce(n.digest = o.digest AND n.decile IS NOT DISTINCT FROM o.decile
                                 AND NOT coalesce(n.percentile <> o.percentile, false) AND n.region_code = o.region_code, false) AS unchanged
                   FROM (",
            )
            .side(db, pair.release)
            .sql(") n FULL JOIN (")
            .side(db, pair.against)
            .sql(") o ON o.source_id = n.source_id)")
    }
}

/// What is counted of each kind.
const COUNTS: &str = "jsonb_build_object(
    'entered', jsonb_build_object('families', count(*) FILTER (WHERE entered), 'people', coalesce(sum(people) FILTER (WHERE entered), 0)),
    'left', jsonb_build_object('families', count(*) FILTER (WHERE gone), 'people', coalesce(sum(people) FILTER (WHERE gone), 0)),
    'changed', jsonb_build_object('families', count(*) FILTER (WHERE changed), 'people', coalesce(sum(people) FILTER (WHERE changed), 0)),
    'decile_up', jsonb_build_object('families', count(*) FILTER (WHERE decile_up), 'people', coalesce(sum(people) FILTER (WHERE decile_up), 0)),
    'decile_down', jsonb_build_object('families', count(*) FILTER (WHERE decile_down), 'people', coalesce(sum(people) FILTER (WHERE decile_down), 0)),
    'percentile_up', jsonb_build_object('families', count(*) FILTER (WHERE percentile_up), 'people', coalesce(sum(people) FILTER (WHERE percentile_up), 0)),
    'percentile_down', jsonb_build_object('families', count(*) FILTER (WHERE percentile_down), 'people', coalesce(sum(people) FILTER (WHERE percentile_down), 0)),
    'moved_village', jsonb_build_object('families', count(*) FILTER (WHERE moved), 'people', coalesce(sum(people) FILTER (WHERE moved), 0)),
    'unchanged', jsonb_build_object('families', count(*) FILTER (WHERE unchanged), 'people', coalesce(sum(people) FILTER (WHERE unchanged), 0)))";

impl QueryFragment<Pg> for Comparison {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Registers and samples want other plans.
        out.unsafe_to_cache_prepared();
        for part in &self.parts {
            match part {
                Part::Sql(text) => out.push_sql(text),
                Part::Regions(within) => within.walk_ast(out.reborrow())?,
                Part::Id(id) => out.push_bind_param::<Nullable<SqlUuid>, Option<Uuid>>(id)?,
                Part::Text(text) => out.push_bind_param::<Nullable<Text>, Option<String>>(text)?,
                Part::Number(number) => out.push_bind_param::<BigInt, i64>(number)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Comparison {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Comparison {
    type SqlType = Untyped;
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    region_code: String,
    #[diesel(sql_type = Jsonb)]
    counts: Value,
}

/// What stands behind a release that is to be compared.
#[derive(Debug, QueryableByName)]
pub struct Kept {
    /// The release.
    #[diesel(sql_type = SqlUuid)]
    pub release_id: Uuid,
    /// The index key of its digests.
    #[diesel(sql_type = Integer)]
    pub key: i32,
}

/// Under which keys the statements of two releases rest: digests of different keys say nothing about each other.
pub async fn kept(db: &impl Scoped, pair: Pair) -> Result<Vec<Kept>> {
    let mut query = Comparison { parts: Vec::new() }
        .sql("SELECT DISTINCT release_id, get_byte(digest, 0) AS key FROM statements s WHERE release_id IN (")
        .id(Some(pair.release))
        .sql(", ")
        .id(Some(pair.against))
        .sql(") AND ");
    query.parts.push(Part::Regions(db.scope().within(diesel::dsl::sql::<Text>("s.region_code"))));
    Ok(query.load(&mut db.on()).await?)
}

/// The counts of the whole.
pub async fn totals(db: &impl Scoped, pair: Pair) -> Result<Value> {
    let query = Comparison::of(db, pair).sql(" SELECT '' AS region_code, ").sql(COUNTS).sql(" AS counts FROM pairs");
    let Counted { counts, .. } = query.get_result(&mut db.on()).await?;
    Ok(counts)
}

/// The counts of a page of villages, in code order.
pub async fn by_village(
    db: &impl Scoped,
    pair: Pair,
    region: Option<&RegionCode>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<(String, Value)>> {
    let mut query = Comparison::of(db, pair).sql(" SELECT region_code, ").sql(COUNTS).sql(" AS counts FROM pairs WHERE region_code > ");
    query = query.text(Some(after.unwrap_or_default()));
    if let Some(region) = region {
        query.parts.push(Part::Sql(" AND "));
        query.parts.push(Part::Regions(under(diesel::dsl::sql::<Text>("region_code"), region)));
    }
    let rows: Vec<Counted> = query.sql(" GROUP BY region_code ORDER BY region_code LIMIT ").number(limit).load(&mut db.on()).await?;
    Ok(rows.into_iter().map(|row| (row.region_code, row.counts)).collect())
}

/// What became of one family.
#[derive(Debug, QueryableByName)]
pub struct Compared {
    /// The place in the list.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its statement in the release.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub statement_id: Option<Uuid>,
    /// Its statement in the other one.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub against_id: Option<Uuid>,
    /// Our family, where the source's key leads to one.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub beneficiary_id: Option<Uuid>,
    /// Where it is now; where it was, if it left.
    #[diesel(sql_type = Text)]
    pub region_code: String,
    /// Where it was.
    #[diesel(sql_type = Nullable<Text>)]
    pub region_before: Option<String>,
    /// Its decile.
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub decile: Option<i16>,
    /// Its decile before.
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub decile_before: Option<i16>,
    /// Its percentile.
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub percentile: Option<i16>,
    /// Its percentile before.
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub percentile_before: Option<i16>,
    /// How many people.
    #[diesel(sql_type = Integer)]
    pub people: i32,
    /// What became of it, as words.
    #[diesel(sql_type = Array<Text>)]
    pub kinds: Vec<String>,
}

/// A page of families, in the order of the release's file and then those that left.
pub async fn families(
    db: &impl Scoped,
    (pair, datasets): (Pair, [Uuid; 2]),
    kind: Option<DiffKind>,
    region: Option<&RegionCode>,
    after: Option<(bool, Uuid)>,
    limit: i64,
) -> Result<Vec<Compared>> {
    let mut query = Comparison::of(db, pair).sql(" , page AS (SELECT * FROM pairs WHERE ").sql(match kind {
        None => "true",
        Some(DiffKind::Entered) => "entered",
        Some(DiffKind::Left) => "gone",
        Some(DiffKind::Changed) => "changed",
        Some(DiffKind::DecileUp) => "decile_up",
        Some(DiffKind::DecileDown) => "decile_down",
        Some(DiffKind::PercentileUp) => "percentile_up",
        Some(DiffKind::PercentileDown) => "percentile_down",
        Some(DiffKind::MovedVillage) => "moved",
        Some(DiffKind::Unchanged) => "unchanged",
    });
    if let Some(region) = region {
        query.parts.push(Part::Sql(" AND "));
        query.parts.push(Part::Regions(under(diesel::dsl::sql::<Text>("region_code"), region)));
    }
    if let Some((gone, id)) = after {
        query = query.sql(if gone { " AND gone AND id > " } else { " AND (gone OR id > " }).id(Some(id)).sql(if gone { "" } else { ")" });
    }
    let [ours, theirs] = datasets;
    let rows = query
        .sql(" ORDER BY gone, id LIMIT ")
        .number(limit)
        .sql(
            ") SELECT p.id, p.statement_id, p.against_id, coalesce(f.beneficiary_id, b.beneficiary_id) AS beneficiary_id,
                      p.region_code, p.region_before, p.decile, p.decile_before, p.percentile, p.percentile_before, p.people,
                      array_remove(ARRAY[CASE WHEN entered THEN 'entered' END, CASE WHEN gone THEN 'left' END,
                                         CASE WHEN changed THEN 'changed' END, CASE WHEN decile_up THEN 'decile_up' END,
                                         CASE WHEN decile_down THEN 'decile_down' END,
                                         CASE WHEN percentile_up THEN 'percentile_up' END,
                                         CASE WHEN percentile_down THEN 'percentile_down' END, CASE WHEN moved THEN 'moved_village' END,
                                         CASE WHEN unchanged THEN 'unchanged' END], NULL) AS kinds
                 FROM page p
                 LEFT JOIN source_families f ON f.source_id = p.source_id AND f.dataset_id = ",
        )
        .id(Some(ours))
        .sql(" LEFT JOIN source_families b ON b.source_id = p.source_id AND b.dataset_id = ")
        .id(Some(theirs))
        .sql(" ORDER BY p.gone, p.id")
        .load(&mut db.on())
        .await?;
    Ok(rows)
}
