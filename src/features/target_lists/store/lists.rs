//! The lists themselves.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::max;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::model::{ListState, TargetListRules};
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{beneficiaries, jobs, target_list_entries, target_lists};

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = target_lists, check_for_backend(Pg))]
pub struct TargetList {
    /// Record id.
    pub id: Uuid,
    /// The regency.
    pub region_code: String,
    /// Counting in the regency.
    pub number: i32,
    /// Title.
    pub title: String,
    /// Where it stands.
    pub state: String,
    /// How it is drawn.
    pub rules: Value,
    /// The list that was in force when it was drawn.
    pub supersedes_id: Option<Uuid>,
    /// The job that draws it.
    pub job_id: Option<Uuid>,
    /// Families on it.
    pub families: i32,
    /// Their present members.
    pub people: i32,
    /// Families that were not on the list before.
    pub added: i32,
    /// Families that were on the list before and are not on this one.
    pub removed: i32,
    /// Families on both.
    pub unchanged: i32,
    /// The leadership's last word.
    pub note: Option<String>,
    /// Number of the decree.
    pub sk_number: Option<String>,
    /// Its day.
    pub sk_date: Option<NaiveDate>,
    /// Who signed it.
    pub signatory_name: Option<String>,
    /// As what.
    pub signatory_title: Option<String>,
    /// The decree itself.
    pub decree_id: Option<Uuid>,
    /// Digest over the annex.
    #[serde(skip)]
    pub digest: Option<Vec<u8>>,
    /// Digest over the village results it was drawn from.
    #[serde(skip)]
    pub sources: Option<Vec<u8>>,
    /// When it was drawn.
    pub drafted_at: Option<DateTime<Utc>>,
    /// When it was last handed in.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was decreed.
    pub decreed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub decreed_by: Option<Uuid>,
    /// When the next one took its place.
    pub superseded_at: Option<DateTime<Utc>>,
    /// Version.
    pub version: i32,
    /// Begun at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl TargetList {
    /// Where it stands, as the machine knows it.
    pub fn standing(&self) -> Result<ListState> {
        ListState::parse(&self.state).ok_or_else(|| Error::Internal(anyhow::anyhow!("a target list in an unknown state")))
    }

    /// Its rules, as the machine knows them.
    pub fn drawn_by(&self) -> Result<TargetListRules> {
        Ok(serde_json::from_value(self.rules.clone()).map_err(|cause| anyhow::Error::new(cause).context("rules of a target list"))?)
    }
}

impl Tracked for TargetList {
    const RESOURCE: &'static str = "target_lists";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// What lists are asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// In this state.
    pub state: Option<&'static str>,
}

/// A page in id order. A list is its regency's, and villages see what their regency keeps.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<TargetList>> {
    let mut query = target_lists::table
        .select(TargetList::as_select())
        .filter(db.scope().reaching(target_lists::region_code))
        .order(target_lists::id)
        .limit(limit)
        .into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(target_lists::region_code, region));
    }
    if let Some(state) = wanted.state {
        query = query.filter(target_lists::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(target_lists::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One list.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<TargetList> {
    Ok(target_lists::table
        .select(TargetList::as_select())
        .filter(db.scope().reaching(target_lists::region_code))
        .filter(target_lists::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One list whose entries can be read: not while a job draws them.
pub async fn find_readable(db: &impl Scoped, id: Uuid) -> Result<TargetList> {
    let row = find(db, id).await?;
    if row.standing()? == ListState::Drafting { Err(Code::ListNotReady.into()) } else { Ok(row) }
}

/// One list to change: locked, at the version that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<TargetList> {
    let row: TargetList = target_lists::table
        .select(TargetList::as_select())
        .filter(tx.scope().within(target_lists::region_code))
        .filter(target_lists::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// The list that waits for this job to draw it, locked; none when it does not wait any more.
pub async fn find_drafting(tx: &Tx, id: Uuid, job: Uuid) -> Result<Option<TargetList>> {
    Ok(target_lists::table
        .select(TargetList::as_select())
        .filter(tx.scope().within(target_lists::region_code))
        .filter(target_lists::id.eq(id))
        .filter(target_lists::job_id.eq(job))
        .filter(target_lists::state.eq(ListState::Drafting.name()))
        .for_update()
        .first(&mut tx.on())
        .await
        .optional()?)
}

/// The list in force in a regency, locked.
pub async fn in_force(tx: &Tx, region: &str) -> Result<Option<TargetList>> {
    Ok(target_lists::table
        .select(TargetList::as_select())
        .filter(tx.scope().within(target_lists::region_code))
        .filter(target_lists::region_code.eq(region))
        .filter(target_lists::state.eq(ListState::Decreed.name()))
        .for_update()
        .first(&mut tx.on())
        .await
        .optional()?)
}

/// The next free number of a regency. Two who ask at once: the second list is refused, one at a time is under way.
pub async fn next_number(tx: &Tx, region: &str) -> Result<i32> {
    let last: Option<i32> = target_lists::table
        .filter(tx.scope().within(target_lists::region_code))
        .filter(target_lists::region_code.eq(region))
        .filter(target_lists::state.ne(ListState::Discarded.name()))
        .select(max(target_lists::number))
        .first(&mut tx.on())
        .await?;
    Ok(last.unwrap_or(0) + 1)
}

/// Records a list.
pub async fn insert(tx: &mut Tx, row: &TargetList) -> Result<TargetList> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(target_lists::table).values(row).returning(TargetList::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores a list that was found to change as the next version.
pub async fn update(tx: &mut Tx, row: &TargetList) -> Result<TargetList> {
    let changed = diesel::update(target_lists::table.filter(target_lists::id.eq(row.id)).filter(target_lists::version.eq(row.version)))
        .set((
            (
                target_lists::state.eq(&row.state),
                target_lists::rules.eq(&row.rules),
                target_lists::supersedes_id.eq(row.supersedes_id),
                target_lists::job_id.eq(row.job_id),
                target_lists::families.eq(row.families),
                target_lists::people.eq(row.people),
                target_lists::added.eq(row.added),
                target_lists::removed.eq(row.removed),
                target_lists::unchanged.eq(row.unchanged),
                target_lists::note.eq(&row.note),
            ),
            (
                target_lists::sk_number.eq(&row.sk_number),
                target_lists::sk_date.eq(row.sk_date),
                target_lists::signatory_name.eq(&row.signatory_name),
                target_lists::signatory_title.eq(&row.signatory_title),
                target_lists::decree_id.eq(row.decree_id),
                target_lists::digest.eq(&row.digest),
                target_lists::sources.eq(&row.sources),
                target_lists::drafted_at.eq(row.drafted_at),
                target_lists::submitted_at.eq(row.submitted_at),
                target_lists::decreed_at.eq(row.decreed_at),
                target_lists::decreed_by.eq(row.decreed_by),
                target_lists::superseded_at.eq(row.superseded_at),
            ),
            target_lists::version.eq(target_lists::version + 1),
            target_lists::updated_at.eq(diesel::dsl::now),
        ))
        .returning(TargetList::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// Forgets the entries of a list that was found to change and was never decreed: what nobody decreed is nobody's list.
pub async fn clear(tx: &mut Tx, id: Uuid) -> Result<()> {
    diesel::delete(target_list_entries::table.filter(target_list_entries::target_list_id.eq(id))).execute(&mut tx.on()).await?;
    Ok(())
}

/// Whether the job that draws a list has ended, however.
pub async fn is_job_over(tx: &Tx, job: Option<Uuid>) -> Result<bool> {
    let Some(job) = job else { return Ok(true) };
    let state: String =
        jobs::table.filter(tx.scope().within(jobs::region_code)).filter(jobs::id.eq(job)).select(jobs::state).first(&mut tx.on()).await?;
    Ok(!matches!(state.as_str(), "queued" | "running"))
}

/// Whether somebody on a list was merged, is served no more or lives in another regency by now.
pub async fn has_lost(tx: &Tx, list: &TargetList) -> Result<bool> {
    let lost = target_list_entries::table
        .inner_join(beneficiaries::table)
        .filter(target_list_entries::target_list_id.eq(list.id))
        .filter(target_list_entries::included)
        .filter(
            beneficiaries::status
                .ne("active")
                .or(beneficiaries::merged_into.is_not_null())
                .or(diesel::dsl::not(under(beneficiaries::region_code, &list.region()))),
        );
    Ok(diesel::select(diesel::dsl::exists(lost)).get_result(&mut tx.on()).await?)
}
