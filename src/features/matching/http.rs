//! Matching over HTTP: runs and their results; pairs and decisions below.

mod decisions;
mod pairs;
mod quality;
mod results;
mod twins;
mod worklists;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::jobs::{KIND, UNIT};
use super::model::{Against, MatchStatus, RunState};
use super::quality::is_found;
use super::store::{self, Run, Shown, Tally};
use crate::features::datasets;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Accepted, Found, Item, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter};
use crate::platform::error::{Error, Result};
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::jobs::enqueue;
use crate::platform::list::{List, Path, Query};
use crate::platform::policy::{MatchingRead, MatchingWrite};
use crate::platform::valid::Valid;
pub use pairs::{MatchPersonOut, MatchTermOut, in_words};

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("matching", "Matching (pemadanan): lists that disagree become one, with reasons, review and decisions that last");
    mount!(api, list, create, fetch, history, summary);
    results::operations(api);
    worklists::operations(api);
    quality::operations(api);
    pairs::operations(api);
    decisions::operations(api);
    twins::operations(api);
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingRunOut {
    /// Record id.
    pub id: Uuid,
    /// The left release's region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What the left release is compared with.
    #[schema(value_type = Against)]
    pub against: String,
    /// The left side.
    pub left_release_id: Uuid,
    /// The right side, where it is a release.
    pub right_release_id: Option<Uuid>,
    /// How it stands; how far it is, its job tells.
    #[schema(value_type = RunState)]
    pub state: String,
    /// Its job.
    pub job_id: Uuid,
    /// Whether a decision needs a second person.
    pub four_eyes: bool,
    /// Results can be read since.
    pub done_at: Option<DateTime<Utc>>,
    /// People on the left; 0 until it is done.
    pub left_people: i32,
    /// People on the right; 0 until it is done.
    pub right_people: i32,
    /// Pairs of people that were compared.
    pub pairs_compared: i64,
    /// The version of the model that gave the weights.
    pub model: Option<String>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Asked for at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Shown> for MatchingRunOut {
    fn from((row, job, moved): Shown) -> Self {
        let state = RunState::of(row.done_at.is_some(), &job).name().to_owned();
        let Run { id, region_code, against, left_release_id, right_release_id, job_id, done_at, four_eyes, .. } = row;
        let Run { left_people, right_people, pairs_compared, model, version, created_at, updated_at, .. } = row;
        MatchingRunOut {
            id,
            region_code,
            against,
            left_release_id,
            right_release_id,
            state,
            job_id,
            four_eyes,
            done_at,
            left_people,
            right_people,
            pairs_compared,
            model,
            // Its state is its job's, and whoever polls with the ETag of a run that waited has to learn that it runs.
            version: version.saturating_add(moved),
            created_at,
            updated_at,
        }
    }
}

impl Resource for MatchingRunOut {
    fn location(&self) -> String {
        format!("/matching-runs/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A run that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingRunBegun {
    /// The run.
    pub run_id: Uuid,
    /// The job to poll.
    pub job_id: Uuid,
}

impl Resource for MatchingRunBegun {
    fn location(&self) -> String {
        format!("/jobs/{}", self.job_id)
    }
    fn version(&self) -> i32 {
        1
    }
}

/// A run to begin.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchingRunCreate {
    /// An id of your own, UUIDv7.
    pub id: Option<Uuid>,
    /// The left side: a release that is imported or kept.
    pub left_release_id: Uuid,
    /// What it is compared with.
    pub against: Against,
    /// The right side, for `against: release`; the civil registry's extract, say.
    pub right_release_id: Option<Uuid>,
    /// Whether a decision needs a second person; no unless you say so.
    #[serde(default)]
    pub four_eyes: bool,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchingRunFilter {
    /// With this release on either side.
    release_id: Option<Uuid>,
    /// In this state.
    state: Option<RunState>,
}

/// List matching runs
///
/// The newest first.
#[utoipa::path(get, path = "/matching-runs")]
async fn list(access: Access<MatchingRead>, list: List<MatchingRunFilter>) -> Result<Page<MatchingRunOut>> {
    let MatchingRunFilter { release_id, state } = &list.filter;
    let rows = store::runs(&access.read().await?, *release_id, *state, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |(row, ..)| row.id, MatchingRunOut::from))
}

/// Begin a matching run
///
/// 202 with a job to poll. The people of the left release are compared with those of another release, with the members of
/// our families, or with each other; decisions that people took before hold. Runs don't disturb each other, and a run over
/// the same releases gives the same. 409 `release_not_kept` for a release that is not imported or kept yet, was withdrawn, or
/// was imported before statements were kept. One run at a time is worked off by each process of the service; the others wait.
#[utoipa::path(post, path = "/matching-runs")]
async fn create(access: Access<MatchingWrite>, Valid(body): Valid<MatchingRunCreate>) -> Result<Accepted<MatchingRunBegun>> {
    let MatchingRunCreate { id, left_release_id, against, right_release_id, four_eyes } = body;
    match (against, right_release_id) {
        (Against::Release, None) => return Err(Error::field("right_release_id", "required", "Name the release to compare with.")),
        (Against::Release, Some(right)) if right == left_release_id => {
            return Err(Error::field("right_release_id", "same", "To find who is on a list twice, send against: itself."));
        }
        (Against::Families | Against::Itself, Some(_)) => {
            return Err(Error::field("right_release_id", "unexpected", "Leave it out, or send against: release."));
        }
        _ => {}
    }
    let mut tx = access.write().await?;
    let left = datasets::find_kept(&tx, left_release_id).await?;
    if let Some(right) = right_release_id {
        let right = datasets::find_kept(&tx, right).await?;
        if !RegionCode::stored(&left.region_code).contains(&RegionCode::stored(&right.region_code)) {
            return Err(Error::field("right_release_id", "other_region", "Its region must lie in that of the left release."));
        }
    }
    let (id, now) = (id.unwrap_or_else(new_id), Utc::now());
    let region = RegionCode::stored(&left.region_code);
    let job = enqueue(&mut tx, KIND, &region, json!({"run_id": id}), UNIT, Some(format!("/matching-runs/{id}"))).await?;
    let run = store::insert_run(
        &mut tx,
        &Run {
            id,
            region_code: left.region_code,
            against: against.name().into(),
            left_release_id,
            right_release_id,
            job_id: job,
            done_at: None,
            four_eyes,
            left_people: 0,
            right_people: 0,
            pairs_compared: 0,
            model: None,
            version: 1,
            created_at: now,
            updated_at: now,
        },
    )
    .await?;
    tx.commit([Change::created(&run)]).await?;
    Ok(Accepted(MatchingRunBegun { run_id: id, job_id: job }))
}

/// Fetch a matching run
#[utoipa::path(get, path = "/matching-runs/{id}")]
async fn fetch(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Found<MatchingRunOut>> {
    Ok(Found(store::find_run(&access.read().await?, id).await?.into()))
}

/// List what happened to a matching run
#[utoipa::path(get, path = "/matching-runs/{id}/history")]
async fn history(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find_run(&db, id).await?;
    changes::history(&db, "matching-runs", id, &list).await
}

/// How many people of a region have a status.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchTallyOut {
    /// The region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Its name.
    pub name: Option<String>,
    /// What became of them.
    #[schema(value_type = MatchStatus)]
    pub status: String,
    /// How many people.
    pub people: i64,
}

/// A run in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingSummaryOut {
    /// The run.
    pub run_id: Uuid,
    /// People of the left side in your regions.
    pub people: i64,
    /// Found among them: matched, by NIK or by name, active or not.
    pub found: i64,
    /// By region and status.
    pub tallies: Vec<MatchTallyOut>,
}

/// At what level.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SummaryFilter {
    /// Regions of this level; `subdistrict` unless you say so.
    level: Option<Level>,
}

/// Sum up a matching run
///
/// People by region and status: the coverage report. 409 `run_not_done` until its job has ended well.
#[utoipa::path(get, path = "/matching-runs/{id}/summary")]
async fn summary(
    access: Access<MatchingRead>,
    Path(id): Path<Uuid>,
    Query(filter): Query<SummaryFilter>,
) -> Result<Item<MatchingSummaryOut>> {
    let db = access.read_apart().await?;
    store::find_done(&db, id).await?;
    let tallies = store::tally(&db, id, filter.level.unwrap_or(Level::Subdistrict)).await?;
    let people = tallies.iter().map(|(.., people)| people).sum();
    let found = tallies.iter().filter(|(_, _, status, _)| is_found(status)).map(|(.., people)| people).sum();
    let out = |(region_code, name, status, people): Tally| MatchTallyOut { region_code, name, status, people };
    Ok(Item(MatchingSummaryOut { run_id: id, people, found, tallies: tallies.into_iter().map(out).collect() }))
}
