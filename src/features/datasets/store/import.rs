//! SQL of an import: which records a source's own keys lead to, and how the release ranks the families.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Release;
use crate::features::beneficiaries;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::schema::{members, source_families, source_people};

/// What the source's keys lead to.
#[derive(Debug, Default, PartialEq)]
pub struct Known {
    /// Families by the source's key.
    pub families: HashMap<String, Uuid>,
    /// People by the source's key, each with the family they are in.
    pub people: HashMap<String, (Uuid, Uuid)>,
}

/// Looks up the keys of a batch.
pub async fn known(db: &impl Scoped, dataset: Uuid, families: &[&str], people: &[&str]) -> Result<Known> {
    let families: Vec<(String, Uuid)> = source_families::table
        .filter(source_families::dataset_id.eq(dataset))
        .filter(source_families::source_id.eq_any(families))
        .select((source_families::source_id, source_families::beneficiary_id))
        .load(&mut db.on())
        .await?;
    let people: Vec<(String, Uuid, Uuid)> = source_people::table
        .inner_join(members::table)
        .filter(source_people::dataset_id.eq(dataset))
        .filter(source_people::source_id.eq_any(people))
        .select((source_people::source_id, members::id, members::beneficiary_id))
        .load(&mut db.on())
        .await?;
    // A record that was merged leads to the one that is kept.
    let kept = beneficiaries::kept_families(db, families.iter().map(|(_, family)| *family).collect()).await?;
    let kept_people = beneficiaries::kept_members(db, people.iter().map(|(_, member, _)| *member).collect()).await?;
    Ok(Known {
        families: families.into_iter().map(|(key, family)| (key, kept.get(&family).copied().unwrap_or(family))).collect(),
        people: people
            .into_iter()
            .map(|(key, member, family)| (key, kept_people.get(&member).copied().unwrap_or((member, family))))
            .collect(),
    })
}

/// The keys of a batch and the records they lead to, in parallel lists.
#[derive(Debug, Default)]
pub struct Sources {
    /// The source's keys of families.
    pub family_keys: Vec<String>,
    /// The families.
    pub families: Vec<Uuid>,
    /// The source's keys of people.
    pub people_keys: Vec<String>,
    /// The people.
    pub people: Vec<Uuid>,
    /// The centre's verdicts on them.
    pub dukcapil: Vec<Option<bool>>,
}

/// Remembers where the keys lead, and which release named them last.
pub async fn keep_sources(tx: &mut Tx, release: &Release, sources: &Sources) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO source_families (dataset_id, source_id, beneficiary_id, release_id)
         SELECT $1, source_id, beneficiary_id, $2 FROM unnest($3, $4) AS n (source_id, beneficiary_id)
         ON CONFLICT (dataset_id, source_id) DO UPDATE SET release_id = excluded.release_id",
    )
    .bind::<SqlUuid, _>(release.dataset_id)
    .bind::<SqlUuid, _>(release.id)
    .bind::<Array<Text>, _>(&sources.family_keys)
    .bind::<Array<SqlUuid>, _>(&sources.families)
    .execute(&mut tx.on())
    .await?;
    diesel::sql_query(
        "INSERT INTO source_people AS known (dataset_id, source_id, member_id, release_id, dukcapil_match)
         SELECT $1, source_id, member_id, $2, dukcapil_match FROM unnest($3, $4, $5) AS n (source_id, member_id, dukcapil_match)
         ON CONFLICT (dataset_id, source_id) DO UPDATE
            SET release_id = excluded.release_id, dukcapil_match = coalesce(excluded.dukcapil_match, known.dukcapil_match)",
    )
    .bind::<SqlUuid, _>(release.dataset_id)
    .bind::<SqlUuid, _>(release.id)
    .bind::<Array<Text>, _>(&sources.people_keys)
    .bind::<Array<SqlUuid>, _>(&sources.people)
    .bind::<Array<Nullable<Bool>>, _>(&sources.dukcapil)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// How a release ranks families, in parallel lists.
#[derive(Debug, Default)]
pub struct Ranked {
    /// The families.
    pub families: Vec<Uuid>,
    /// Their deciles.
    pub deciles: Vec<i16>,
    /// Their percentiles.
    pub percentiles: Vec<Option<i16>>,
}

/// Ranks families; one that the release has twice, because two were merged, by the poorer rank. The newest release that ranks a family is its current rank, in whatever order releases arrive: by the
/// day their statements are of, then by the day they were handed over.
pub async fn insert_ranks(tx: &mut Tx, release: &Release, ranked: &Ranked) -> Result<()> {
    if ranked.families.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE welfare_ranks w SET current = false
           FROM releases theirs, releases ours
          WHERE w.beneficiary_id = ANY($2) AND w.current AND theirs.id = w.release_id AND ours.id = $1 AND theirs.id <> ours.id
            AND (coalesce(theirs.reference_date, theirs.received_on), theirs.received_on, theirs.id)
              < (coalesce(ours.reference_date, ours.received_on), ours.received_on, ours.id)",
    )
    .bind::<SqlUuid, _>(release.id)
    .bind::<Array<SqlUuid>, _>(&ranked.families)
    .execute(&mut tx.on())
    .await?;
    diesel::sql_query(
        "INSERT INTO welfare_ranks (release_id, beneficiary_id, decile, percentile, current)
         SELECT DISTINCT ON (n.beneficiary_id) $1, n.beneficiary_id, n.decile, n.percentile,
                NOT EXISTS (SELECT 1 FROM welfare_ranks w WHERE w.beneficiary_id = n.beneficiary_id AND w.current)
           FROM unnest($2, $3, $4) AS n (beneficiary_id, decile, percentile)
          ORDER BY n.beneficiary_id, n.decile, n.percentile NULLS LAST
         ON CONFLICT (release_id, beneficiary_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(release.id)
    .bind::<Array<SqlUuid>, _>(&ranked.families)
    .bind::<Array<SmallInt>, _>(&ranked.deciles)
    .bind::<Array<Nullable<SmallInt>>, _>(&ranked.percentiles)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Unranked {
    #[diesel(sql_type = SqlUuid)]
    beneficiary_id: Uuid,
}

/// The ranks of a withdrawn release no longer count: of each family the newest release that is left gives its current
/// rank. Names the families whose rank this changes.
pub async fn unrank(tx: &mut Tx, release: Uuid) -> Result<Vec<Uuid>> {
    let unranked: Vec<Unranked> =
        diesel::sql_query("UPDATE welfare_ranks SET current = false WHERE release_id = $1 AND current RETURNING beneficiary_id")
            .bind::<SqlUuid, _>(release)
            .load(&mut tx.on())
            .await?;
    let families: Vec<Uuid> = unranked.into_iter().map(|row| row.beneficiary_id).collect();
    settle_ranks(tx, &families).await?;
    Ok(families)
}

/// Of each family the newest release that ranks it, and was not withdrawn, gives its current rank.
pub(super) async fn settle_ranks(tx: &mut Tx, families: &[Uuid]) -> Result<()> {
    diesel::sql_query("UPDATE welfare_ranks SET current = false WHERE beneficiary_id = ANY($1) AND current")
        .bind::<Array<SqlUuid>, _>(families)
        .execute(&mut tx.on())
        .await?;
    diesel::sql_query(
        "UPDATE welfare_ranks w SET current = true
           FROM (SELECT DISTINCT ON (r.beneficiary_id) r.beneficiary_id, r.release_id
                   FROM welfare_ranks r JOIN releases e ON e.id = r.release_id
                  WHERE r.beneficiary_id = ANY($1) AND e.state <> 'withdrawn'
                  ORDER BY r.beneficiary_id, coalesce(e.reference_date, e.received_on) DESC, e.received_on DESC, e.id DESC) newest
          WHERE w.release_id = newest.release_id AND w.beneficiary_id = newest.beneficiary_id",
    )
    .bind::<Array<SqlUuid>, _>(families)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}
