//! SQL of the aggregates: one statement each, so that every figure of an answer is of the same moment.

use serde::Deserialize;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::platform::statement::Statement;

pub mod verification;

/// The part of a family's region that a figure is counted by.
fn part(level: Level) -> &'static str {
    match level {
        Level::Country | Level::Province => "left(b.region_code, 2)",
        Level::Regency => "left(b.region_code, 5)",
        Level::Subdistrict => "left(b.region_code, 8)",
        Level::Village => "b.region_code",
    }
}

/// By what regions are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The number of families.
    Families,
    /// The number of people.
    People,
    /// Families in per cent of all families.
    FamiliesShare,
    /// People in per cent of the population.
    PeopleShare,
}

impl By {
    // To four decimals, as shown: what looks the same has the same rank.
    fn sql(self) -> &'static str {
        match self {
            By::Families => "coalesce(t.families, 0)",
            By::People => "coalesce(t.people, 0)",
            By::FamiliesShare => "round(coalesce(t.families, 0) * 100.0 / k.families, 4)",
            By::PeopleShare => "round(coalesce(t.people, 0) * 100.0 / k.people, 4)",
        }
    }
}

/// What a ranking is asked for.
#[derive(Debug)]
pub struct Wanted {
    /// Regions of this level.
    pub level: Level,
    /// By what.
    pub by: By,
    /// Families of this decile only.
    pub decile: Option<i64>,
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Families of this status.
    pub status: &'static str,
}

/// Rank and code: where a page of a ranking ended.
pub type Place = (i64, String);

/// A ranking as counted.
#[derive(Debug, Deserialize)]
pub struct Ranking {
    /// The regions of this page and one more.
    pub rows: Vec<Ranked>,
    /// The releases whose ranks were counted.
    pub releases: Vec<Release>,
    /// All families counted.
    pub families: i64,
    /// All people counted.
    pub people: i64,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
}

/// A region in its place.
#[derive(Debug, Deserialize)]
pub struct Ranked {
    /// Its place; regions without a value share the last one.
    pub place: i64,
    /// Whether it has a value.
    pub valued: bool,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its families.
    pub families: i64,
    /// Their present members.
    pub people: i64,
    /// Decile (null = never ranked), families, people.
    pub cells: Vec<(Option<u8>, i64, i64)>,
    /// All people living there.
    pub all_people: Option<i64>,
    /// All families living there.
    pub all_families: Option<i64>,
    /// The year of these two.
    pub year: Option<i32>,
    /// Their source.
    pub source: Option<String>,
    /// Families in per cent.
    pub families_share: Option<f64>,
    /// People in per cent.
    pub people_share: Option<f64>,
}

/// A release that ranks rest on.
#[derive(Debug, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: Uuid,
    /// Its dataset's code.
    pub dataset: String,
    /// Its dataset's name.
    pub name: String,
    /// The number of the hand-over protocol.
    pub bast_number: Option<String>,
    /// The day it describes.
    pub reference_date: Option<chrono::NaiveDate>,
    /// The day it came.
    pub received_on: chrono::NaiveDate,
    /// How many of the counted families it ranks.
    pub families: i64,
}

/// A page of a ranking. Every region of the level has a row, also one without a family: a list of kecamatan with a gap
/// invites the question what is hidden.
///
/// Members are counted family by family on a partial index: the cost follows the regions asked for and not the nation
/// (24,638 families among 124,638: 130 ms; joined and hashed it was 310).
pub async fn ranking(db: &impl Scoped, wanted: &Wanted, after: Option<Place>, limit: i64) -> Result<Ranking> {
    let (rank, code) = after.unzip();
    let region = wanted.region.as_ref();
    Statement::default()
        .sql("WITH listed AS MATERIALIZED (SELECT b.id, ")
        .sql(part(wanted.level))
        .sql(
            " AS code, w.decile, w.release_id, m.people
               FROM beneficiaries b LEFT JOIN welfare_ranks w ON w.beneficiary_id = b.id AND w.current
               CROSS JOIN LATERAL (SELECT count(*) AS people FROM members WHERE beneficiary_id = b.id AND status = 'present') m
              WHERE b.status = ",
        )
        .text(wanted.status)
        .sql(" AND ")
        .regions(db, "b.region_code", region)
        .sql(if wanted.decile.is_some() { " AND w.decile = " } else { " AND NULL::bigint IS NOT DISTINCT FROM " })
        .number(wanted.decile)
        .sql(
            "), cells AS (
              SELECT code, decile, count(*) AS families, sum(people) AS people FROM listed GROUP BY code, decile
            ), totals AS (
              SELECT code, sum(families)::bigint AS families, sum(people)::bigint AS people,
                     jsonb_agg(jsonb_build_array(decile, families, people) ORDER BY decile) AS cells
                FROM cells GROUP BY code
            ), known AS (
              SELECT DISTINCT ON (p.region_code) p.region_code, p.people, p.families, p.year, p.source FROM populations p WHERE ",
        )
        .regions(db, "p.region_code", region)
        .sql(
            " ORDER BY p.region_code, p.year DESC, p.source
            ), placed AS (
              SELECT r.code, r.name, coalesce(t.families, 0) AS families, coalesce(t.people, 0) AS people,
                     coalesce(t.cells, '[]') AS cells, k.people AS all_people, k.families AS all_families, k.year, k.source,
                     round(coalesce(t.families, 0) * 100.0 / k.families, 4) AS families_share,
                     round(coalesce(t.people, 0) * 100.0 / k.people, 4) AS people_share,
                     rank() OVER (ORDER BY ",
        )
        .sql(wanted.by.sql())
        .sql(" DESC NULLS LAST) AS place, ")
        .sql(wanted.by.sql())
        .sql(
            " IS NOT NULL AS valued
                FROM regions r LEFT JOIN totals t ON t.code = r.code LEFT JOIN known k ON k.region_code = r.code
               WHERE r.level = ",
        )
        .text(wanted.level.name())
        .sql(" AND ")
        .regions(db, "r.code", region)
        .sql("), page AS (SELECT * FROM placed WHERE (place, code) > (coalesce(")
        .number(rank)
        .sql(", 0), ")
        .text(code.unwrap_or_default())
        .sql(") ORDER BY place, code LIMIT ")
        .number(Some(limit))
        .sql(
            ") SELECT jsonb_build_object(
                'rows', coalesce((SELECT jsonb_agg(to_jsonb(page) ORDER BY place, code) FROM page), '[]'),
                'releases', coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'dataset', d.code, 'name', d.name,
                    'bast_number', r.bast_number, 'reference_date', r.reference_date, 'received_on', r.received_on,
                    'families', u.families) ORDER BY u.families DESC, r.id)
                    FROM (SELECT release_id, count(*) AS families FROM listed WHERE release_id IS NOT NULL GROUP BY release_id) u
                    JOIN releases r ON r.id = u.release_id JOIN datasets d ON d.id = r.dataset_id), '[]'),
                'families', (SELECT coalesce(sum(families), 0) FROM totals),
                'people', (SELECT coalesce(sum(people), 0) FROM totals),
                'at', now()) AS answer",
        )
        .answer(db)
        .await
}

/// Coverage as counted.
#[derive(Debug, Deserialize)]
pub struct Coverage {
    /// The regions of this page and one more.
    pub rows: Vec<Covered>,
    /// All families counted, by number of interventions.
    pub total: Counts,
    /// Needs of families without an intervention.
    pub needs: Vec<(String, i64)>,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
}

/// Families by number of interventions.
#[derive(Debug, Deserialize)]
pub struct Counts {
    /// In all.
    pub families: i64,
    /// Without any.
    pub none: i64,
    /// With one.
    pub one: i64,
    /// With two.
    pub two: i64,
    /// With more.
    pub more: i64,
}

/// A region's coverage.
#[derive(Debug, Deserialize)]
pub struct Covered {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its families.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A page of the coverage, in code order.
pub async fn coverage(db: &impl Scoped, level: Level, region: Option<&RegionCode>, after: Option<String>, limit: i64) -> Result<Coverage> {
    Statement::default()
        .sql("WITH listed AS MATERIALIZED (SELECT b.id, ")
        .sql(part(level))
        .sql(" AS code, b.needs FROM beneficiaries b WHERE b.status = 'active' AND ")
        .regions(db, "b.region_code", region)
        .sql(
            "), aided AS (
              SELECT i.beneficiary_id, count(*) AS n FROM listed l JOIN interventions i ON i.beneficiary_id = l.id
               WHERE i.status <> 'cancelled' GROUP BY i.beneficiary_id
            ), counted AS MATERIALIZED (
              SELECT l.code, l.needs, coalesce(a.n, 0) AS n FROM listed l LEFT JOIN aided a ON a.beneficiary_id = l.id
            ), page AS (
              SELECT r.code, r.name, coalesce(c.families, 0) AS families, coalesce(c.none, 0) AS none, coalesce(c.one, 0) AS one,
                     coalesce(c.two, 0) AS two, coalesce(c.more, 0) AS more
                FROM regions r LEFT JOIN (
                     SELECT code, count(*) AS families, count(*) FILTER (WHERE n = 0) AS none, count(*) FILTER (WHERE n = 1) AS one,
                            count(*) FILTER (WHERE n = 2) AS two, count(*) FILTER (WHERE n > 2) AS more
                       FROM counted GROUP BY code) c ON c.code = r.code
               WHERE r.level = ",
        )
        .text(level.name())
        .sql(" AND r.code > ")
        .text(after.unwrap_or_default())
        .sql(" AND ")
        .regions(db, "r.code", region)
        .sql(" ORDER BY r.code LIMIT ")
        .number(Some(limit))
        .sql(
            ") SELECT jsonb_build_object(
                'rows', coalesce((SELECT jsonb_agg(to_jsonb(page) ORDER BY code) FROM page), '[]'),
                'total', (SELECT jsonb_build_object('families', count(*), 'none', count(*) FILTER (WHERE n = 0),
                    'one', count(*) FILTER (WHERE n = 1), 'two', count(*) FILTER (WHERE n = 2), 'more', count(*) FILTER (WHERE n > 2))
                    FROM counted),
                'needs', coalesce((SELECT jsonb_agg(jsonb_build_array(need, families) ORDER BY families DESC, need) FROM (
                    SELECT need, count(*) AS families FROM counted, unnest(needs) need WHERE n = 0 GROUP BY need) u), '[]'),
                'at', now()) AS answer",
        )
        .answer(db)
        .await
}
