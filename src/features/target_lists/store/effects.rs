//! SQL of what a release says about the families on a list.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use uuid::Uuid;

use crate::features::datasets::Release;
use crate::platform::db::Scoped;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::statement::Statement;
use crate::schema::releases;

/// What a release says about a village's families on a list. Unit: families.
#[derive(Debug, Deserialize)]
pub struct Effects {
    /// The village.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// On the list.
    pub on_list: i64,
    /// Of them named by the release.
    pub named: i64,
    /// Named by the release before and not by this one.
    pub left: i64,
    /// Named by this one and not by the one before.
    pub entered: i64,
    /// In a poorer decile than before.
    pub poorer: i64,
    /// In a better decile than before.
    pub better_off: i64,
    /// Not on the list, and of the poorest decile by this release.
    pub poorest_off_list: i64,
}

/// Refuses a release that lies elsewhere, or whose families are not on file.
pub async fn demand_imported(db: &impl Scoped, release: Uuid) -> Result<()> {
    let release: Release = releases::table
        .filter(db.scope().within(releases::region_code))
        .filter(releases::id.eq(release))
        .select(Release::as_select())
        .first(&mut db.on())
        .await?;
    release.demand_standing(Code::ReleaseNotKept)?;
    if release.state == "imported" { Ok(()) } else { Err(Code::ReleaseNotKept.into()) }
}

/// The families that a release names, each as the one it turned out to be, with the poorest decile that is stated of it.
const NAMED: &str = "SELECT coalesce(b.merged_into, b.id) AS id, min(s.decile) AS decile FROM statements s
      JOIN releases r ON r.id = s.release_id
      JOIN source_families f ON f.dataset_id = r.dataset_id AND f.source_id = s.source_id
      JOIN beneficiaries b ON b.id = f.beneficiary_id
     WHERE s.release_id = ";

/// A page of villages in code order. The list and both releases were found in the scope.
pub async fn effects(
    db: &impl Scoped,
    (list, release, with): (Uuid, Uuid, Uuid),
    region: Option<&RegionCode>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<Effects>> {
    Statement::default()
        .sql("WITH new AS (")
        .sql(NAMED)
        .id(release)
        .sql(" GROUP BY 1), old AS (")
        .sql(NAMED)
        .id(with)
        .sql(" GROUP BY 1), listed AS (SELECT beneficiary_id AS id, region_code FROM target_list_entries WHERE included AND target_list_id = ")
        .id(list)
        .sql("), told AS (SELECT coalesce(l.region_code, b.region_code) AS code, l.id IS NOT NULL AS on_list, n.id IS NOT NULL AS named,
                    o.id IS NOT NULL AS was_named, n.decile, o.decile AS was
               FROM (SELECT id FROM listed UNION SELECT id FROM new WHERE decile = 1) AS considered
               JOIN beneficiaries b ON b.id = considered.id
               LEFT JOIN listed l ON l.id = b.id LEFT JOIN new n ON n.id = b.id LEFT JOIN old o ON o.id = b.id),
             counted AS (SELECT code, count(*) FILTER (WHERE on_list) AS on_list, count(*) FILTER (WHERE on_list AND named) AS named,
                    count(*) FILTER (WHERE on_list AND was_named AND NOT named) AS left,
                    count(*) FILTER (WHERE on_list AND named AND NOT was_named) AS entered,
                    count(*) FILTER (WHERE on_list AND decile < was) AS poorer, count(*) FILTER (WHERE on_list AND decile > was) AS better_off,
                    count(*) FILTER (WHERE NOT on_list) AS poorest_off_list
               FROM told WHERE code > ")
        .text(after.unwrap_or_default())
        .sql(" AND ")
        .regions(db, "code", region)
        .sql(" GROUP BY code ORDER BY code LIMIT ")
        .number(Some(limit))
        .sql(
            ") SELECT coalesce(jsonb_agg(jsonb_build_object('code', c.code, 'name', g.name, 'on_list', c.on_list, 'named', c.named, 'left', c.left,
                    'entered', c.entered, 'poorer', c.poorer, 'better_off', c.better_off, 'poorest_off_list', c.poorest_off_list) ORDER BY c.code),
                    '[]') AS answer FROM counted c LEFT JOIN regions g ON g.code = c.code",
        )
        .answer(db)
        .await
}
