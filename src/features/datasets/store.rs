//! SQL of datasets, releases and what was remarked about their rows.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use diesel::helper_types::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::intake::Remark;
use super::model::ReleaseState;
use crate::platform::access::{Scope, Within, under};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfMatch;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::schema::{datasets, jobs, release_rejects, releases};

mod compare;
mod import;
mod names;
mod rehome;
mod statements;

pub use compare::{Compared, Pair, by_village as diff_by_village, families as diff_families, kept, totals as diff_totals};
pub use import::{Known, Ranked, Sources, insert_ranks, keep_sources, known, unrank};
pub use names::{between_keys, in_clear_and_blind, other_names};
pub use rehome::{lock_sources, move_ranks};
pub use statements::{
    Rekeyed, insert_rejected_rows, insert_statements, keyed, older_statements, rejected_rows, rekeyed, renew_source_keys, renew_statements,
    reseal_rejected_rows, sealed_people, statements, statements_by_id, statements_of, statements_under, states, under_keys,
};

/// A dataset's row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = datasets, check_for_backend(Pg))]
pub struct Dataset {
    /// Record id.
    pub id: Uuid,
    /// Whose data it holds.
    pub region_code: String,
    /// Short name, unique in the region.
    pub code: String,
    /// Full name.
    pub name: String,
    /// Who makes it.
    pub owner: String,
    /// family or household.
    pub unit: String,
    /// How it ranks.
    pub ranking_scheme: Option<String>,
    /// By which right it is used.
    pub legal_basis: Option<String>,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Dataset {
    const RESOURCE: &'static str = "datasets";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// A release's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = releases, check_for_backend(Pg))]
pub struct Release {
    /// Record id.
    pub id: Uuid,
    /// Of which dataset.
    pub dataset_id: Uuid,
    /// The dataset's region.
    pub region_code: String,
    /// validate or commit.
    pub mode: String,
    /// How far it is.
    pub state: String,
    /// A profile's name, or a profile as JSON.
    pub profile: String,
    /// The number of the minutes of its handing over.
    pub bast_number: Option<String>,
    /// The day its statements are of.
    pub reference_date: Option<NaiveDate>,
    /// The day it was handed over.
    pub received_on: NaiveDate,
    /// What it covers.
    pub coverage: Option<String>,
    /// SHA-256 of the file.
    #[serde(skip)]
    pub file_hash: Vec<u8>,
    /// Size of the file.
    pub file_bytes: i64,
    /// The job that imports it.
    pub job_id: Option<Uuid>,
    /// Families accepted.
    pub families: i32,
    /// People accepted.
    pub people: i32,
    /// Families that were not on record.
    pub families_new: i32,
    /// People who were not on record.
    pub people_new: i32,
    /// Rows refused.
    pub rejected: i32,
    /// Warnings.
    pub warnings: i32,
    /// Version.
    pub version: i32,
    /// Received at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
    /// skip or refuse.
    pub rejects: String,
    /// Why it was withdrawn.
    pub withdrawn_because: Option<String>,
}

impl Release {
    /// The state as stored.
    pub fn state(&self) -> ReleaseState {
        ReleaseState::parse(&self.state).unwrap_or(ReleaseState::Failed)
    }

    /// Refuses one that was taken back, and says when: nothing changes a release after that.
    pub fn demand_standing(&self, code: Code) -> Result<()> {
        if self.state() != ReleaseState::Withdrawn {
            return Ok(());
        }
        let at = self.updated_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        Err(Error::RefusedBecause(code, format!("The release was withdrawn at {at}: to use what it states, deliver its file again.")))
    }
}

impl Tracked for Release {
    const RESOURCE: &'static str = "releases";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// What a release shows of its job.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(Pg))]
pub struct Job {
    /// How far it is.
    pub state: String,
    /// Rows done.
    pub done: i64,
    /// Rows in all.
    pub total: Option<i64>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// Why, in a sentence.
    pub error_detail: Option<String>,
}

type Visible = Filter<Select<datasets::table, AsSelect<Dataset, Pg>>, Within<datasets::region_code>>;

fn visible(scope: &Scope) -> Visible {
    datasets::table.select(Dataset::as_select()).filter(scope.within(datasets::region_code))
}

/// What datasets are asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Of this code.
    pub code: Option<String>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Dataset>> {
    let mut query = visible(db.scope()).order(datasets::id).limit(limit).into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(datasets::region_code, region));
    }
    if let Some(code) = &wanted.code {
        query = query.filter(datasets::code.eq(code));
    }
    if let Some(after) = after {
        query = query.filter(datasets::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One dataset.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Dataset> {
    Ok(visible(db.scope()).filter(datasets::id.eq(id)).first(&mut db.on()).await?)
}

/// The dataset of a code in a region, if it is registered.
pub async fn find_by_code(db: &impl Scoped, region: &RegionCode, code: &str) -> Result<Option<Dataset>> {
    let query = visible(db.scope()).filter(datasets::region_code.eq(region.as_str())).filter(datasets::code.eq(code));
    Ok(query.first(&mut db.on()).await.optional()?)
}

/// One dataset to change: locked, at the version that was read.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfMatch) -> Result<Dataset> {
    let row = visible(tx.scope()).filter(datasets::id.eq(id)).for_no_key_update().first(&mut tx.on()).await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Until the transaction ends, nobody else imports into this dataset: two releases that name one family at the same time
/// would make two of it.
pub async fn lock(tx: &Tx, id: Uuid) -> Result<()> {
    visible(tx.scope()).filter(datasets::id.eq(id)).for_no_key_update().first(&mut tx.on()).await?;
    Ok(())
}

/// Registers one.
pub async fn insert(tx: &mut Tx, row: &Dataset) -> Result<Dataset> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(datasets::table).values(row).returning(Dataset::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Dataset) -> Result<Dataset> {
    let changed = diesel::update(datasets::table.filter(datasets::id.eq(row.id)).filter(datasets::version.eq(row.version)))
        .set((
            datasets::name.eq(&row.name),
            datasets::owner.eq(&row.owner),
            datasets::ranking_scheme.eq(&row.ranking_scheme),
            datasets::legal_basis.eq(&row.legal_basis),
            datasets::version.eq(datasets::version + 1),
            datasets::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Dataset::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// A page of a dataset's releases with their jobs, in id order. The caller has found the dataset in its scope before.
pub async fn releases_of(
    db: &impl Scoped,
    dataset: Uuid,
    mode: Option<&'static str>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Release, Option<Job>)>> {
    let mut query = releases::table
        .left_join(jobs::table)
        .select((Release::as_select(), Option::<Job>::as_select()))
        .filter(db.scope().within(releases::region_code))
        .filter(releases::dataset_id.eq(dataset))
        .order(releases::id)
        .limit(limit)
        .into_boxed();
    if let Some(mode) = mode {
        query = query.filter(releases::mode.eq(mode));
    }
    if let Some(after) = after {
        query = query.filter(releases::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One release with its job.
pub async fn find_release(db: &impl Scoped, id: Uuid) -> Result<(Release, Option<Job>)> {
    Ok(releases::table
        .left_join(jobs::table)
        .select((Release::as_select(), Option::<Job>::as_select()))
        .filter(db.scope().within(releases::region_code))
        .filter(releases::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// The release that this very file is, unless its import failed.
pub async fn find_same(db: &impl Scoped, row: &Release) -> Result<Release> {
    Ok(releases::table
        .select(Release::as_select())
        .filter(db.scope().within(releases::region_code))
        .filter(releases::dataset_id.eq(row.dataset_id))
        .filter(releases::mode.eq(&row.mode))
        .filter(releases::file_hash.eq(&row.file_hash))
        .filter(releases::state.eq_any([
            ReleaseState::Received.name(),
            ReleaseState::Validated.name(),
            ReleaseState::Imported.name(),
            ReleaseState::Kept.name(),
        ]))
        .first(&mut db.on())
        .await?)
}

/// Which of these releases wait for their import.
pub async fn waiting(db: &impl Scoped, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(releases::table
        .select(releases::id)
        .filter(db.scope().within(releases::region_code))
        .filter(releases::id.eq_any(ids))
        .filter(releases::state.eq(ReleaseState::Received.name()))
        .load(&mut db.on())
        .await?)
}

/// Whether a file of this dataset was ever imported.
pub async fn is_imported(db: &impl Scoped, dataset: Uuid) -> Result<bool> {
    let imported = releases::table
        .filter(db.scope().within(releases::region_code))
        .filter(releases::dataset_id.eq(dataset))
        .filter(releases::state.eq(ReleaseState::Imported.name()));
    Ok(diesel::select(diesel::dsl::exists(imported)).get_result(&mut db.on()).await?)
}

/// Records a release, unless this very file is one already: the unique index decides races.
pub async fn insert_release(tx: &mut Tx, row: &Release) -> Result<Option<Release>> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(releases::table)
        .values(row)
        .on_conflict_do_nothing()
        .returning(Release::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?)
}

/// Gives the releases (of one dataset, or all) whose job was given up, or was cancelled before it began, the state that
/// says so. Until then they would stand in the way of the same file.
pub async fn settle(tx: &mut Tx, dataset: Option<Uuid>) -> Result<(Vec<Uuid>, Vec<Change>)> {
    let mut given_up = releases::table
        .inner_join(jobs::table)
        .select((Release::as_select(), jobs::state))
        .filter(tx.scope().within(releases::region_code))
        .filter(releases::state.eq(ReleaseState::Received.name()))
        .filter(jobs::state.eq_any(["failed", "cancelled"]))
        .into_boxed();
    if let Some(dataset) = dataset {
        given_up = given_up.filter(releases::dataset_id.eq(dataset));
    }
    let rows: Vec<(Release, String)> = given_up.load(&mut tx.on()).await?;
    let (mut settled, mut changes) = (Vec::new(), Vec::new());
    for (old, job) in rows {
        let state = old.state().beside(Some(&job));
        // Somebody else may have settled it meanwhile.
        if let Some(new) = end(tx, old.id, state).await? {
            settled.push(new.id);
            changes.push(Change::turned(state.name(), &old, &new));
        }
    }
    Ok((settled, changes))
}

/// What a batch adds to a release's counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Families accepted.
    pub families: i64,
    /// People accepted.
    pub people: i64,
    /// Families that were not on record.
    pub families_new: i64,
    /// People who were not on record.
    pub people_new: i64,
    /// Rows refused.
    pub rejected: i64,
    /// Warnings.
    pub warnings: i64,
}

/// Adds to a release's counts.
pub async fn count(tx: &mut Tx, id: Uuid, counts: Counts) -> Result<()> {
    let int = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    diesel::update(releases::table.filter(tx.scope().within(releases::region_code)).filter(releases::id.eq(id)))
        .set((
            releases::families.eq(releases::families + int(counts.families)),
            releases::people.eq(releases::people + int(counts.people)),
            releases::families_new.eq(releases::families_new + int(counts.families_new)),
            releases::people_new.eq(releases::people_new + int(counts.people_new)),
            releases::rejected.eq(releases::rejected + int(counts.rejected)),
            releases::warnings.eq(releases::warnings + int(counts.warnings)),
            releases::version.eq(releases::version + 1),
            releases::updated_at.eq(diesel::dsl::now),
        ))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// One release to withdraw, locked. The caller holds its dataset's lock.
pub async fn release_to_change(tx: &Tx, id: Uuid) -> Result<Release> {
    Ok(releases::table
        .select(Release::as_select())
        .filter(tx.scope().within(releases::region_code))
        .filter(releases::id.eq(id))
        .for_no_key_update()
        .first(&mut tx.on())
        .await?)
}

/// Takes a release back.
pub async fn withdraw(tx: &mut Tx, id: Uuid, reason: &str) -> Result<Release> {
    let release = releases::table.filter(tx.scope().within(releases::region_code)).filter(releases::id.eq(id));
    Ok(diesel::update(release)
        .set((
            releases::state.eq(ReleaseState::Withdrawn.name()),
            releases::withdrawn_because.eq(reason),
            releases::version.eq(releases::version + 1),
            releases::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Release::as_returning())
        .get_result(&mut tx.on())
        .await?)
}

/// Gives a release its last state, once.
pub async fn end(tx: &mut Tx, id: Uuid, state: ReleaseState) -> Result<Option<Release>> {
    let open = releases::table
        .filter(tx.scope().within(releases::region_code))
        .filter(releases::id.eq(id))
        .filter(releases::state.eq(ReleaseState::Received.name()));
    Ok(diesel::update(open)
        .set((releases::state.eq(state.name()), releases::version.eq(releases::version + 1), releases::updated_at.eq(diesel::dsl::now)))
        .returning(Release::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?)
}

/// A remark's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = release_rejects, check_for_backend(Pg))]
pub struct Reject {
    /// Record id; in the order of the file.
    pub id: Uuid,
    /// Sheet.
    pub sheet: String,
    /// Row, 1-based.
    pub row_number: i32,
    /// Column.
    pub column_header: Option<String>,
    /// Stable code.
    pub code: String,
    /// Sentence.
    pub reason: String,
    /// reject or warning.
    pub severity: String,
}

/// Keeps what was remarked about rows.
pub async fn insert_remarks(tx: &mut Tx, release: Uuid, remarks: &[Remark]) -> Result<()> {
    for part in remarks.chunks(10_000) {
        diesel::sql_query(
            "INSERT INTO release_rejects (id, release_id, sheet, row_number, column_header, code, reason, severity)
             SELECT id, $1, sheet, row_number, column_header, code, reason, severity
               FROM unnest($2, $3, $4, $5, $6, $7, $8) AS n (id, sheet, row_number, column_header, code, reason, severity)",
        )
        .bind::<SqlUuid, _>(release)
        .bind::<Array<SqlUuid>, _>(part.iter().map(|_| new_id()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(part.iter().map(|remark| &*remark.place.sheet).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(part.iter().map(|remark| i32::try_from(remark.place.row).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(part.iter().map(|remark| remark.column.as_deref()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(part.iter().map(|remark| remark.code).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(part.iter().map(|remark| remark.reason).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(part.iter().map(|remark| remark.severity.name()).collect::<Vec<_>>())
        .execute(&mut tx.on())
        .await?;
    }
    Ok(())
}

/// A page of remarks in the order of the file. The caller has found the release in its scope before.
pub async fn rejects_of(
    db: &impl Scoped,
    release: Uuid,
    severity: Option<&'static str>,
    code: Option<&str>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Reject>> {
    let mut query = release_rejects::table
        .inner_join(releases::table)
        .select(Reject::as_select())
        .filter(db.scope().within(releases::region_code))
        .filter(release_rejects::release_id.eq_any([release])) // as `statements_under`
        .order((release_rejects::release_id, release_rejects::id))
        .limit(limit)
        .into_boxed();
    if let Some(severity) = severity {
        query = query.filter(release_rejects::severity.eq(severity));
    }
    if let Some(code) = code {
        query = query.filter(release_rejects::code.eq(code.to_owned()));
    }
    if let Some(after) = after {
        query = query.filter(release_rejects::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}
