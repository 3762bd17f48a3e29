//! Members on file who may be one person.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{TwinState, Zone};
use super::super::people::{self, Side};
use super::super::store::{self, TWINS, Twins, WantedTwins};
use super::pairs::{MatchPersonOut, MatchTermOut, in_words};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Found, Item, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{MatchesDecide, MatchingRead};
use crate::platform::valid::{Valid, unnumbered};

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, list_duplicates, fetch_duplicate, dismiss, reopen, history_of_duplicate);
}

/// Two members who may be one person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PossibleDuplicateOut {
    /// Record id.
    pub id: Uuid,
    /// The village of the one.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// One member.
    pub one_id: Uuid,
    /// The other member.
    pub other_id: Uuid,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// Probability that they are one.
    #[schema(minimum = 0, maximum = 1)]
    pub probability: f64,
    /// What the engine makes of it; nothing is merged by itself.
    #[schema(value_type = Zone)]
    pub zone: String,
    /// Where it stands.
    #[schema(value_type = TwinState)]
    pub state: String,
    /// Why it was dismissed.
    pub reason: Option<String>,
    /// Who dismissed it.
    pub dismissed_by: Option<Uuid>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Found at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Twins> for PossibleDuplicateOut {
    fn from(row: Twins) -> Self {
        PossibleDuplicateOut {
            id: row.id,
            region_code: row.region_code,
            one_id: row.one_id,
            other_id: row.other_id,
            weight: row.weight,
            probability: row.probability,
            zone: row.zone,
            state: row.state,
            reason: row.reason,
            dismissed_by: row.dismissed_by,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Resource for PossibleDuplicateOut {
    fn location(&self) -> String {
        format!("/possible-duplicates/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PossibleDuplicateFilter {
    /// Of a member of this family.
    beneficiary_id: Option<Uuid>,
    /// In this state.
    state: Option<TwinState>,
    /// In this zone: the surest first with `match`.
    zone: Option<Zone>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List possible duplicates
///
/// Members on file who may be one person, in the order in which they were found. Whoever is registered, imported or corrected is
/// compared within seconds with everybody of the regency who could be the same. Merge them by `POST /beneficiaries/{id}/merge`, or
/// dismiss them.
#[utoipa::path(get, path = "/possible-duplicates")]
async fn list_duplicates(access: Access<MatchingRead>, list: List<PossibleDuplicateFilter>) -> Result<Page<PossibleDuplicateOut>> {
    let wanted = WantedTwins {
        family: list.filter.beneficiary_id,
        state: list.filter.state.map(TwinState::name),
        zone: list.filter.zone.map(Zone::name),
        region: list.filter.region.clone(),
    };
    let rows = store::list_twins(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, PossibleDuplicateOut::from))
}

/// Two members side by side, with the reasons.
#[derive(Debug, Serialize, ToSchema)]
pub struct PossibleDuplicateDetailOut {
    /// What was found.
    pub duplicate: PossibleDuplicateOut,
    /// One member.
    pub one: MatchPersonOut,
    /// The other member.
    pub other: MatchPersonOut,
    /// The terms that add up to the weight, in their order.
    pub terms: Vec<MatchTermOut>,
}

/// Fetch a possible duplicate
///
/// Both people side by side, numbers masked, and the terms that add up to the weight. Looking is recorded.
#[utoipa::path(get, path = "/possible-duplicates/{id}")]
async fn fetch_duplicate(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Item<PossibleDuplicateDetailOut>> {
    let db = access.read_apart().await?;
    let row = store::find_twins(&db, id).await?;
    let keys = &access.platform().keys;
    let one = people::look_at(&db, keys, Side::Member(row.one_id)).await?;
    let other = people::look_at(&db, keys, Side::Member(row.other_id)).await?;
    let terms = in_words(&row.terms)?;
    access.record_in(RegionCode::stored(&row.region_code), TWINS, Some(id), "fetch", 2, None)?;
    Ok(Item(PossibleDuplicateDetailOut { duplicate: row.into(), one, other, terms }))
}

/// Why they are two.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dismissal {
    /// Kept for ever.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Saudara kembar, dua akta kelahiran")]
    pub reason: String,
}

/// Dismiss a possible duplicate
///
/// They are two people. It stays dismissed however often they are compared again, until somebody reopens it.
#[utoipa::path(post, path = "/possible-duplicates/{id}/dismiss")]
async fn dismiss(
    access: Access<MatchesDecide>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<Dismissal>,
) -> Result<Found<PossibleDuplicateOut>> {
    let mut tx = access.write().await?;
    let old = store::find_twins_to_change(&tx, id, read).await?;
    if TwinState::parse(&old.state) != Some(TwinState::Open) {
        return Err(Code::StepNotAllowed.into());
    }
    let new = store::turn_twins(&mut tx, id, TwinState::Dismissed, Some(&body.reason), Some(access.actor().id)).await?;
    tx.commit([Change::turned("dismissed", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// Reopen a possible duplicate
#[utoipa::path(post, path = "/possible-duplicates/{id}/reopen")]
async fn reopen(access: Access<MatchesDecide>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<PossibleDuplicateOut>> {
    let mut tx = access.write().await?;
    let old = store::find_twins_to_change(&tx, id, read).await?;
    if TwinState::parse(&old.state) != Some(TwinState::Dismissed) {
        return Err(Code::StepNotAllowed.into());
    }
    let new = store::turn_twins(&mut tx, id, TwinState::Open, None, None).await?;
    tx.commit([Change::turned("reopened", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// List what happened to a possible duplicate
#[utoipa::path(get, path = "/possible-duplicates/{id}/history")]
async fn history_of_duplicate(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find_twins(&db, id).await?;
    changes::history(&db, TWINS, id, &list).await
}
