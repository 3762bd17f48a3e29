//! Jobs over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::store::{self, Job, Wanted};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Found, Page, Resource};
use crate::platform::api::{Api, BASE};
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{JobsCancel, JobsRead};
use crate::platform::wire::words;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("jobs", "Long work: state, progress, result, cancel");
    mount!(api, list, fetch, cancel);
}

words! {
    /// How a job stands.
    JobState {
        /// It waits for a worker.
        Queued "queued",
        /// A worker has it in hand.
        Running "running",
        /// It ended well.
        Succeeded "succeeded",
        /// It ended badly; `error_code` says why.
        Failed "failed",
        /// It was stopped on request.
        Cancelled "cancelled",
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobOut {
    /// Record id.
    pub id: Uuid,
    /// What it does.
    #[schema(example = "release_import")]
    pub kind: String,
    /// The region it works in.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Who asked for it.
    pub actor_id: Uuid,
    /// How it stands. A failed try goes back to `queued` and is taken again after a pause.
    #[schema(value_type = JobState)]
    pub state: String,
    /// Done so far, in `unit`.
    pub done: i64,
    /// In all, in `unit`; null while unknown.
    pub total: Option<i64>,
    /// What `done` and `total` count.
    #[schema(example = "families")]
    pub unit: String,
    /// Done in per cent, 0 to 100; null while the total is unknown. 100 only when nothing is left to do.
    #[schema(minimum = 0, maximum = 100)]
    pub progress: Option<u8>,
    /// The address of what it works on: fetch it when the job has succeeded.
    #[schema(example = "/api/v1/releases/01970000-0000-7000-8000-000000000000")]
    pub result_path: Option<String>,
    /// Why it failed (or why the last try did), as in `GET /errors`.
    pub error_code: Option<String>,
    /// Whether somebody asked it to stop; a running job stops at its next step.
    pub cancel_requested: bool,
    /// Enqueued at.
    pub created_at: DateTime<Utc>,
    /// First taken by a worker at.
    pub started_at: Option<DateTime<Utc>>,
    /// Ended at; null while it has not.
    pub finished_at: Option<DateTime<Utc>>,
    /// The version that the ETag shows; poll with If-None-Match.
    pub version: i32,
}

fn progress(done: i64, total: Option<i64>) -> Option<u8> {
    let total = total?;
    if done >= total {
        return Some(100);
    }
    // Rounded down: 100 must not be shown before the end.
    u8::try_from(i128::from(done.max(0)) * 100 / i128::from(total.max(1))).ok()
}

impl From<Job> for JobOut {
    fn from(row: Job) -> Self {
        let Job { id, kind, region_code, actor_id, state, done, total, unit, result_path, error_code, .. } = row;
        let Job { cancel_requested, created_at, started_at, finished_at, version, .. } = row;
        let progress = progress(done, total);
        JobOut {
            id,
            kind,
            region_code,
            actor_id,
            state,
            done,
            total,
            unit,
            progress,
            result_path: result_path.map(|path| format!("{BASE}{path}")),
            error_code,
            cancel_requested,
            created_at,
            started_at,
            finished_at,
            version,
        }
    }
}

impl Resource for JobOut {
    fn location(&self) -> String {
        format!("/jobs/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct JobFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this kind.
    #[param(max_length = 100)]
    kind: Option<String>,
    /// In this state.
    state: Option<JobState>,
}

/// List jobs
///
/// Those of your regions, the newest first.
#[utoipa::path(get, path = "/jobs")]
async fn list(access: Access<JobsRead>, list: List<JobFilter>) -> Result<Page<JobOut>> {
    let JobFilter { region, kind, state } = &list.filter;
    let wanted = Wanted { region: region.clone(), kind: kind.clone(), state: state.map(JobState::name) };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, JobOut::from))
}

/// Fetch a job
///
/// Ask every second or two with `If-None-Match`: 304 means that nothing has moved.
#[utoipa::path(get, path = "/jobs/{id}")]
async fn fetch(access: Access<JobsRead>, Path(id): Path<Uuid>) -> Result<Found<JobOut>> {
    Ok(Found(store::find(&access.read().await?, id).await?.into()))
}

/// Cancel a job
///
/// A queued job is `cancelled` at once. A running one gets `cancel_requested` and stops at its next step; what it had
/// stored in whole steps stays. Asking twice changes nothing; a job that has ended is refused with `job_finished`.
#[utoipa::path(post, path = "/jobs/{id}/cancel")]
async fn cancel(access: Access<JobsCancel>, Path(id): Path<Uuid>) -> Result<Found<JobOut>> {
    let mut tx = access.write().await?;
    let old = store::find_to_cancel(&tx, id).await?;
    if old.state == "running" && old.cancel_requested {
        return Ok(Found(old.into()));
    }
    let new = store::cancel(&mut tx, &old).await?;
    let action = if new.state == "cancelled" { "cancelled" } else { "cancel_requested" };
    tx.commit([Change::turned(action, &old, &new)]).await?;
    Ok(Found(new.into()))
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn a_hundred_per_cent_means_nothing_is_left() {
        assert_eq!(progress(0, None), None);
        assert_eq!(progress(0, Some(0)), Some(100));
        assert_eq!(progress(999, Some(1_000)), Some(99));
        assert_eq!(progress(1_000, Some(1_000)), Some(100));
        assert_eq!(progress(i64::MAX - 1, Some(i64::MAX)), Some(99));
        assert_eq!(progress(-1, Some(10)), Some(0));
    }
}
