//! SQL of the jobs as people see them; the queue's own is in the platform.

use chrono::{DateTime, Utc};
use diesel::helper_types::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::platform::access::{Scope, Within, under};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::jobs as queue;
use crate::schema::jobs;

/// A row without what the work was told: a payload may name anything.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = jobs, check_for_backend(Pg))]
pub struct Job {
    /// Record id.
    pub id: Uuid,
    /// What it does.
    pub kind: String,
    /// Where it works.
    pub region_code: String,
    /// Who asked for it.
    pub actor_id: Uuid,
    /// queued, running, succeeded, failed or cancelled.
    pub state: String,
    /// Done so far.
    pub done: i64,
    /// In all, where known.
    pub total: Option<i64>,
    /// What is counted.
    pub unit: String,
    /// Where its result is.
    pub result_path: Option<String>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// Whether somebody asked it to stop.
    pub cancel_requested: bool,
    /// Enqueued at.
    pub created_at: DateTime<Utc>,
    /// First taken at.
    pub started_at: Option<DateTime<Utc>>,
    /// Ended at.
    pub finished_at: Option<DateTime<Utc>>,
    /// Version.
    pub version: i32,
}

impl Tracked for Job {
    const RESOURCE: &'static str = "jobs";
    const SILENT: &'static [&'static str] = &["id", "version", "created_at", "done", "total"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

type Visible = Filter<Select<jobs::table, AsSelect<Job, Pg>>, Within<jobs::region_code>>;

fn visible(scope: &Scope) -> Visible {
    jobs::table.select(Job::as_select()).filter(scope.within(jobs::region_code))
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this state.
    pub state: Option<&'static str>,
}

/// A page, the newest first.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Job>> {
    let mut query = visible(db.scope()).order(jobs::id.desc()).limit(limit).into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(jobs::region_code, region));
    }
    if let Some(kind) = &wanted.kind {
        query = query.filter(jobs::kind.eq(kind));
    }
    if let Some(state) = wanted.state {
        query = query.filter(jobs::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(jobs::id.lt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One job.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Job> {
    Ok(visible(db.scope()).filter(jobs::id.eq(id)).first(&mut db.on()).await?)
}

/// One job to stop, locked against the worker that would take it or end it meanwhile.
pub async fn find_to_cancel(tx: &Tx, id: Uuid) -> Result<Job> {
    let job: Job = visible(tx.scope()).filter(jobs::id.eq(id)).for_update().first(&mut tx.on()).await?;
    if matches!(job.state.as_str(), "queued" | "running") { Ok(job) } else { Err(Code::JobFinished.into()) }
}

/// Stops a queued job, or asks a running one to stop.
pub async fn cancel(tx: &mut Tx, job: &Job) -> Result<Job> {
    queue::cancel(tx, job.id).await?;
    find(tx, job.id).await
}
