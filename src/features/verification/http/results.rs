//! Village results over HTTP: where each village stands.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::acceptance::NotApplied;
use super::super::model::{Late, MeetingKind, ResultState};
use super::super::store::results::{self, Days, Progress, VillageResult};
use super::{steps, verdicts};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, ChangeOut, NoFilter, Tracked};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::VerificationRead;

/// Mounts the village results.
pub fn operations(api: &mut Api) {
    api.feature("village_results", "Village results: confirmed by the meeting, finalised, forwarded, accepted, or sent back");
    mount!(api, list, fetch, history);
    steps::operations(api);
    verdicts::operations(api);
}

/// A step's day, and whether it is or was late.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepDueOut {
    /// The day by which it is to be done.
    pub by: NaiveDate,
    /// When it was done; null where it was not, or was taken back.
    pub at: Option<DateTime<Utc>>,
    /// Whether it was done late, or is not done and its day has passed.
    pub late: bool,
}

/// What was found in a village so far.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct VillageCountsOut {
    /// Families to look at.
    pub assigned: i64,
    /// Families with a visit that stands.
    pub visited: i64,
    /// Found.
    pub found: i64,
    /// Not found.
    pub not_found: i64,
    /// Nobody of them lives.
    pub deceased: i64,
    /// Moved within the regency.
    pub moved_within: i64,
    /// Moved out of the regency.
    pub moved_out: i64,
    /// Stand on the list twice.
    pub duplicate: i64,
    /// Did not want to be asked.
    pub refused: i64,
    /// Of those found: extreme poor, by the meeting's verdict or else the visit's.
    pub extreme_poor: i64,
    /// Poor.
    pub poor: i64,
    /// Vulnerable.
    pub vulnerable: i64,
    /// Capable.
    pub capable: i64,
    /// Visits that contradict and wait to be settled.
    pub conflicts: i64,
    /// Proposals that were not withdrawn.
    pub proposed: i64,
    /// Proposals of families on file already.
    pub on_file: i64,
    /// Families on file because of a proposal.
    pub registered: i64,
}

impl From<Progress> for VillageCountsOut {
    fn from(row: Progress) -> Self {
        let Progress {
            assigned,
            visited,
            found,
            not_found,
            deceased,
            moved_within,
            moved_out,
            duplicate,
            refused,
            extreme_poor,
            poor,
            vulnerable,
            capable,
            conflicts,
            proposed,
            on_file,
            registered,
        } = row;
        VillageCountsOut {
            assigned,
            visited,
            found,
            not_found,
            deceased,
            moved_within,
            moved_out,
            duplicate,
            refused,
            extreme_poor,
            poor,
            vulnerable,
            capable,
            conflicts,
            proposed,
            on_file,
            registered,
        }
    }
}

/// How the village confirmed its result.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeetingOut {
    /// Meeting, or a letter instead of one.
    #[schema(value_type = MeetingKind)]
    pub kind: String,
    /// Number of the minutes (berita acara) or of the letter.
    pub number: Option<String>,
    /// Its day.
    pub held_on: Option<NaiveDate>,
    /// How many came.
    pub attendants: Option<i32>,
    /// Who chaired it.
    pub chair: Option<String>,
    /// The minutes.
    pub minutes_id: Option<Uuid>,
    /// The list of those who came.
    pub attendance_id: Option<Uuid>,
}

/// A village's result in a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct VillageResultOut {
    /// Record id.
    pub id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Where it stands.
    #[schema(value_type = ResultState)]
    pub state: String,
    /// The first day on which the subdistrict is at work.
    pub starts_on: NaiveDate,
    /// The village head's step.
    pub finalising: StepDueOut,
    /// The camat's step.
    pub forwarding: StepDueOut,
    /// The regency's step.
    pub accepting: StepDueOut,
    /// Whether the step that is to be taken now should have been taken.
    pub late: bool,
    /// How the village confirmed it last.
    pub meeting: Option<MeetingOut>,
    /// First day of the posting; null where nothing is posted.
    pub posted_from: Option<NaiveDate>,
    /// Last day of the posting.
    pub posted_until: Option<NaiveDate>,
    /// Who finalised it.
    pub finalised_by: Option<Uuid>,
    /// Who forwarded it.
    pub forwarded_by: Option<Uuid>,
    /// The letter it was forwarded with.
    pub forward_letter: Option<String>,
    /// Who accepted it.
    pub accepted_by: Option<Uuid>,
    /// When it last went back.
    pub returned_at: Option<DateTime<Utc>>,
    /// Who took or sent it back.
    pub returned_by: Option<Uuid>,
    /// Said with the last step.
    pub note: Option<String>,
    /// What the acceptance could not carry into the families' records, for somebody to see to.
    pub not_applied: Vec<NotApplied>,
    /// What was found so far.
    pub counts: VillageCountsOut,
    /// Version, as in the ETag.
    pub version: i32,
    /// Made at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl VillageResultOut {
    fn of((row, days): (VillageResult, Days), progress: Option<Progress>) -> Result<VillageResultOut> {
        let Late { finalise, forward, accept, now } = days.late(&row, Utc::now().date_naive())?;
        let state = row.standing()?;
        let VillageResult {
            id,
            campaign_id,
            region_code,
            state: state_name,
            meeting_kind,
            meeting_number,
            meeting_on,
            meeting_attendants,
            meeting_chair,
            minutes_id,
            attendance_id,
            posted_from,
            posted_until,
            finalised_at,
            finalised_by,
            forwarded_at,
            forwarded_by,
            forward_letter,
            accepted_at,
            accepted_by,
            returned_at,
            returned_by,
            note,
            not_applied,
            version,
            created_at,
            updated_at,
        } = row;
        let meeting = meeting_kind.map(|kind| MeetingOut {
            kind,
            number: meeting_number,
            held_on: meeting_on,
            attendants: meeting_attendants,
            chair: meeting_chair,
            minutes_id,
            attendance_id,
        });
        let counts = |at: Option<DateTime<Utc>>, states: &[ResultState]| at.filter(|_| states.contains(&state));
        use ResultState::{Accepted, Finalised, Forwarded};
        Ok(VillageResultOut {
            id,
            campaign_id,
            region_code,
            state: state_name,
            starts_on: days.starts_on,
            finalising: StepDueOut { by: days.finalise_by, at: counts(finalised_at, &[Finalised, Forwarded, Accepted]), late: finalise },
            forwarding: StepDueOut { by: days.forward_by, at: counts(forwarded_at, &[Forwarded, Accepted]), late: forward },
            accepting: StepDueOut { by: days.accept_by, at: counts(accepted_at, &[Accepted]), late: accept },
            late: now,
            meeting,
            posted_from,
            posted_until,
            finalised_by,
            forwarded_by,
            forward_letter,
            accepted_by,
            returned_at,
            returned_by,
            note,
            not_applied: serde_json::from_value(not_applied).context("what was not applied")?,
            counts: progress.map(VillageCountsOut::from).unwrap_or_default(),
            version,
            created_at,
            updated_at,
        })
    }
}

impl Resource for VillageResultOut {
    fn location(&self) -> String {
        format!("/village-results/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct VillageResultFilter {
    /// Of this campaign.
    campaign_id: Option<Uuid>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// In this state.
    state: Option<ResultState>,
    /// Those whose next step should have been taken by now, or the others.
    late: Option<bool>,
}

/// List village results
///
/// Where each village of your regions stands, with its days and what was found so far; the rakor's list.
#[utoipa::path(get, path = "/village-results")]
async fn list(access: Access<VerificationRead>, list: List<VillageResultFilter>) -> Result<Page<VillageResultOut>> {
    let VillageResultFilter { campaign_id, region, state, late } = &list.filter;
    let wanted =
        results::Wanted { id: None, campaign_id: *campaign_id, region: region.clone(), state: state.map(ResultState::name), late: *late };
    let db = access.read_apart().await?;
    let rows = results::list(&db, &wanted, list.after()?, list.fetch()).await?;
    let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
    let progress = results::progress(&db, &ids).await?;
    let rows = rows.into_iter().map(|row| told(row, &progress)).collect::<Result<Vec<_>>>()?;
    Ok(list.page(rows, |row| row.id, |row| row))
}

fn told(row: (VillageResult, Days), progress: &HashMap<Uuid, Progress>) -> Result<VillageResultOut> {
    let counts = progress.get(&row.0.id).copied();
    VillageResultOut::of(row, counts)
}

/// A result as it stands, to answer with.
pub(super) async fn shown(db: &impl Scoped, id: Uuid) -> Result<VillageResultOut> {
    let row = results::find(db, id).await?;
    told(row, &results::progress(db, &[id]).await?)
}

/// Fetch a village result
///
/// With its days, what is late, and what was found so far.
#[utoipa::path(get, path = "/village-results/{id}")]
async fn fetch(access: Access<VerificationRead>, Path(id): Path<Uuid>) -> Result<Found<VillageResultOut>> {
    Ok(Found(shown(&access.read().await?, id).await?))
}

/// List a village result's history
///
/// Every hand-over with who did it, when, and why; oldest first.
#[utoipa::path(get, path = "/village-results/{id}/history")]
async fn history(access: Access<VerificationRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    results::find(&db, id).await?;
    changes::history(&db, VillageResult::RESOURCE, id, &list).await
}
