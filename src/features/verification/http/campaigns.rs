//! Campaigns over HTTP.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::jobs::{KIND, UNIT};
use super::super::model::CampaignState;
use super::super::store::campaigns::{self, Campaign, Days};
use super::super::store::criteria;
use super::super::visits::let_go;
use crate::features::agencies;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Accepted, Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::{Edit, IfGiven};
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::jobs::enqueue;
use crate::platform::list::{List, Path};
use crate::platform::policy::{CampaignsRead, CampaignsWrite};
use crate::platform::valid::{Valid, given, printable};

/// The criteria that a campaign asks for where it names none: Kepmensos 262/HUK/2022, shipped.
const SHIPPED_CRITERIA: Uuid = Uuid::from_u128(0x00000000_0000_7000_8000_000000000262);
/// More subdistricts than any regency has.
const MOST: usize = 100;

/// Mounts campaigns.
pub fn operations(api: &mut Api) {
    api.feature("verification_campaigns", "Verification campaigns (verval): which families are checked where, by whom, by when");
    mount!(api, list, create, fetch, edit, open, assign, close, history);
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignOut {
    /// Record id.
    pub id: Uuid,
    /// The regency.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Name.
    pub name: String,
    /// The agency that leads it: Bappeda or Dinsos.
    pub lead_agency_id: Uuid,
    /// The release whose families are checked.
    pub release_id: Option<Uuid>,
    /// Or the target list.
    pub target_list_id: Option<Uuid>,
    /// What is asked at a visit.
    pub criteria_set_id: Uuid,
    /// Where it stands.
    #[schema(value_type = CampaignState)]
    pub state: String,
    /// Its subdistricts, in the order in which they are checked.
    pub subdistricts: Vec<Days>,
    /// The job that gives villages their families; null before it is opened.
    pub job_id: Option<Uuid>,
    /// Opened at.
    pub opened_at: Option<DateTime<Utc>>,
    /// Closed at.
    pub closed_at: Option<DateTime<Utc>>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Planned at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl CampaignOut {
    fn of(row: Campaign, days: &mut HashMap<Uuid, Vec<Days>>) -> CampaignOut {
        let subdistricts = days.remove(&row.id).unwrap_or_default();
        let Campaign { id, region_code, name, lead_agency_id, release_id, target_list_id, criteria_set_id, state, .. } = row;
        let Campaign { job_id, opened_at, closed_at, version, created_at, updated_at, .. } = row;
        CampaignOut {
            id,
            region_code,
            name,
            lead_agency_id,
            release_id,
            target_list_id,
            criteria_set_id,
            state,
            subdistricts,
            job_id,
            opened_at,
            closed_at,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for CampaignOut {
    fn location(&self) -> String {
        format!("/verification-campaigns/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

async fn told(db: &impl Scoped, row: Campaign) -> Result<CampaignOut> {
    let mut days = campaigns::days(db, &[row.id]).await?;
    Ok(CampaignOut::of(row, &mut days))
}

/// A new campaign.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignCreate {
    /// A UUIDv7 of your own.
    id: Option<Uuid>,
    /// Your regency.
    region_code: RegionCode,
    /// Name; one of a kind in the regency.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, example = "Verval P3KE 2026, gelombang 1")]
    name: String,
    /// The agency that leads it; it must be active.
    lead_agency_id: Uuid,
    /// The release whose families are checked; it must be imported. This or `target_list_id`.
    release_id: Option<Uuid>,
    /// The target list in force whose families are checked once more. This or `release_id`.
    target_list_id: Option<Uuid>,
    /// What is asked at a visit; Kepmensos 262/HUK/2022 where absent.
    criteria_set_id: Option<Uuid>,
    /// Its subdistricts, in the order in which they are checked.
    #[schema(min_items = 1, max_items = 100)]
    subdistricts: Vec<Days>,
}

/// Changes to a campaign.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignUpdate {
    /// Name.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// The agency that leads it.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    lead_agency_id: Option<Uuid>,
    /// What is asked at a visit; only while the campaign is a draft.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    criteria_set_id: Option<Uuid>,
    /// All its subdistricts. Once it is open, days may move and subdistricts may be added (assign them then), but none goes.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    subdistricts: Option<Vec<Days>>,
}

/// Which campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CampaignFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// In this state.
    state: Option<CampaignState>,
}

fn demand_days(region: &RegionCode, days: &[Days]) -> Result<()> {
    if !(1..=MOST).contains(&days.len()) {
        return Err(Error::field("subdistricts", "length", "A campaign has 1 to 100 subdistricts."));
    }
    let mut seen = HashSet::new();
    for (at, day) in days.iter().enumerate() {
        let path = |name: &str| format!("subdistricts[{at}].{name}");
        if day.region_code.level() != Level::Subdistrict || !region.contains(&day.region_code) {
            return Err(Error::field(path("region_code"), "subdistrict", "Send the code of a subdistrict of the campaign's regency."));
        }
        if !seen.insert(&day.region_code) {
            return Err(Error::field(path("region_code"), "duplicate", "The subdistrict stands in the list twice."));
        }
        if !(day.starts_on <= day.finalise_by && day.finalise_by <= day.forward_by && day.forward_by <= day.accept_by) {
            let message = "Days come in the order starts_on, finalise_by, forward_by, accept_by.";
            return Err(Error::field(path("starts_on"), "order", message));
        }
    }
    Ok(())
}

async fn demand_agency(tx: &Tx, id: Uuid) -> Result<()> {
    agencies::find_active(tx, id).await.map(drop)
}

/// List campaigns
///
/// Those of your regency, also seen from its villages.
#[utoipa::path(get, path = "/verification-campaigns")]
async fn list(access: Access<CampaignsRead>, list: List<CampaignFilter>) -> Result<Page<CampaignOut>> {
    let CampaignFilter { region, state } = &list.filter;
    let db = access.read().await?;
    let rows = campaigns::list(&db, (region.as_ref(), state.map(CampaignState::name)), list.after()?, list.fetch()).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut days = campaigns::days(&db, &ids).await?;
    Ok(list.page(rows, |row| row.id, |row| CampaignOut::of(row, &mut days)))
}

/// Plan a campaign
///
/// A draft: nothing is assigned before it is opened.
#[utoipa::path(post, path = "/verification-campaigns")]
async fn create(access: Access<CampaignsWrite>, Valid(body): Valid<CampaignCreate>) -> Result<Created<CampaignOut>> {
    let CampaignCreate { id, region_code, name, lead_agency_id, release_id, target_list_id, criteria_set_id, subdistricts } = body;
    access.scope().demand(&region_code)?;
    if region_code.level() != Level::Regency {
        return Err(Error::field("region_code", "regency", "A campaign belongs to a regency: send a code of four digits."));
    }
    demand_days(&region_code, &subdistricts)?;
    let mut tx = access.write().await?;
    demand_agency(&tx, lead_agency_id).await?;
    match (release_id, target_list_id) {
        (Some(release), None) if campaigns::is_imported(&tx, release, &region_code).await? => {}
        (Some(_), None) => {
            return Err(Error::field("release_id", "not_imported", "Only a release whose families are on file can be checked."));
        }
        (None, Some(list)) if campaigns::is_in_force(&tx, list, &region_code).await? => {}
        (None, Some(_)) => return Err(Error::field("target_list_id", "not_in_force", "Only the target list in force can be checked.")),
        _ => return Err(Error::field("", "one_of", "Send exactly one of `release_id` and `target_list_id`.")),
    }
    let criteria_set_id = criteria::find(&tx, criteria_set_id.unwrap_or(SHIPPED_CRITERIA)).await?.id;
    let now = Utc::now();
    let row = Campaign {
        id: id.unwrap_or_else(new_id),
        region_code: region_code.into(),
        name,
        lead_agency_id,
        release_id,
        target_list_id,
        criteria_set_id,
        state: CampaignState::Draft.name().into(),
        job_id: None,
        opened_at: None,
        closed_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = campaigns::insert(&mut tx, &row, &subdistricts).await?;
    let out = told(&tx, row.clone()).await?;
    tx.commit([Change::created(&row).with("subdistricts", json!(subdistricts))]).await?;
    Ok(Created(out))
}

/// Fetch a campaign
#[utoipa::path(get, path = "/verification-campaigns/{id}")]
async fn fetch(access: Access<CampaignsRead>, Path(id): Path<Uuid>) -> Result<Found<CampaignOut>> {
    let db = access.read().await?;
    let row = campaigns::find(&db, id).await?;
    Ok(Found(told(&db, row).await?))
}

/// Edit a campaign
///
/// Once it is open, what is asked stays as it is, and no subdistrict is taken away: villages may be at work there.
#[utoipa::path(patch, path = "/verification-campaigns/{id}")]
async fn edit(access: Access<CampaignsWrite>, Path(id): Path<Uuid>, edit: Edit<CampaignUpdate>) -> Result<Found<CampaignOut>> {
    let CampaignUpdate { name, lead_agency_id, criteria_set_id, subdistricts } = edit.patch;
    let mut tx = access.write().await?;
    let old = campaigns::find_to_change(&tx, id, edit.expected.into()).await?;
    let state = old.standing()?;
    if state == CampaignState::Closed || (criteria_set_id.is_some() && !state.is_draft()) {
        return Err(Code::CampaignNotDraft.into());
    }
    let mut new = old.clone();
    new.name = name.unwrap_or(new.name);
    if let Some(agency) = lead_agency_id {
        demand_agency(&tx, agency).await?;
        new.lead_agency_id = agency;
    }
    if let Some(set) = criteria_set_id {
        new.criteria_set_id = criteria::find(&tx, set).await?.id;
    }
    let mut told_days = None;
    if let Some(days) = subdistricts {
        demand_days(&old.region(), &days)?;
        let before = campaigns::days(&tx, &[id]).await?.remove(&id).unwrap_or_default();
        let gone = before.iter().any(|day| !days.iter().any(|new| new.region_code == day.region_code));
        if gone && !state.is_draft() {
            return Err(Code::CampaignNotDraft.into());
        }
        if days != before {
            campaigns::set_days(&mut tx, id, &days).await?;
            told_days = Some(json!({"from": before, "to": days}));
        }
    }
    if new == old && told_days.is_none() {
        return Ok(Found(told(&tx, old).await?));
    }
    let new = campaigns::update(&mut tx, &new).await?;
    let out = told(&tx, new.clone()).await?;
    let mut change = Change::turned("edited", &old, &new);
    if let Some(days) = told_days {
        change = change.with("subdistricts", days);
    }
    tx.commit([change]).await?;
    Ok(Found(out))
}

/// Open a campaign
///
/// A job gives every village of its subdistricts the families that are served and live there; poll it in `job_id`. Refused with
/// `campaign_empty` where there are none.
#[utoipa::path(post, path = "/verification-campaigns/{id}/open")]
async fn open(access: Access<CampaignsWrite>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Accepted<CampaignOut>> {
    let tx = access.write().await?;
    let old = campaigns::find_to_change(&tx, id, read).await?;
    let state = old.standing()?.opened().ok_or(Code::StepNotAllowed)?;
    let new = Campaign { state: state.name().into(), opened_at: Some(Utc::now()), ..old.clone() };
    begin(tx, "opened", old, new).await
}

/// Assign again
///
/// Gives out what came since it was opened: subdistricts that were added, families that were registered, and families that moved to
/// another village of the campaign, which visits them from now on: in the packet of the old one they are `given_away`, and they
/// count in the new one alone. A village whose result is on its way keeps what it has, and gets nothing.
#[utoipa::path(post, path = "/verification-campaigns/{id}/assign")]
async fn assign(access: Access<CampaignsWrite>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Accepted<CampaignOut>> {
    let tx = access.write().await?;
    let old = campaigns::find_to_change(&tx, id, read).await?;
    if old.standing()? != CampaignState::Open {
        return Err(Code::CampaignNotOpen.into());
    }
    let new = old.clone();
    begin(tx, "assignment_asked", old, new).await
}

async fn begin(mut tx: Tx, action: &'static str, old: Campaign, mut new: Campaign) -> Result<Accepted<CampaignOut>> {
    if !campaigns::has_families(&tx, old.id).await? {
        return Err(Code::CampaignEmpty.into());
    }
    let path = format!("/verification-campaigns/{}/assignments", old.id);
    new.job_id = Some(enqueue(&mut tx, KIND, &old.region(), json!({"campaign_id": old.id}), UNIT, Some(path)).await?);
    let new = campaigns::update(&mut tx, &new).await?;
    let out = told(&tx, new.clone()).await?;
    tx.commit([Change::turned(action, &old, &new)]).await?;
    Ok(Accepted(out))
}

/// Close a campaign
///
/// No more visits or proposals, and nothing goes back to a village; what was accepted stays. Corrected numbers in visits that were
/// never carried over are let go; their masks stay, and so does what contradicted what. Refused with `step_not_allowed` while results are on their way: accept them or
/// send them back first.
#[utoipa::path(post, path = "/verification-campaigns/{id}/close")]
async fn close(access: Access<CampaignsWrite>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<CampaignOut>> {
    let mut tx = access.write().await?;
    let old = campaigns::find_to_change(&tx, id, read).await?;
    let state = old.standing()?.closed().ok_or(Code::StepNotAllowed)?;
    let waiting = campaigns::on_their_way(&tx, id).await?;
    if waiting > 0 {
        let told =
            format!("{waiting} village results are finalised or forwarded and wait: accept them or send them back before you close.");
        return Err(Error::RefusedBecause(Code::StepNotAllowed, told));
    }
    let new = Campaign { state: state.name().into(), closed_at: Some(Utc::now()), ..old.clone() };
    let new = campaigns::update(&mut tx, &new).await?;
    let let_go = let_go(&mut tx, &access.platform().keys, id).await?;
    let out = told(&tx, new.clone()).await?;
    tx.commit([Change::turned("closed", &old, &new).with("corrections_let_go", json!(let_go))]).await?;
    Ok(Found(out))
}

/// List a campaign's history
///
/// Oldest first.
#[utoipa::path(get, path = "/verification-campaigns/{id}/history")]
async fn history(access: Access<CampaignsRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    campaigns::find(&db, id).await?;
    changes::history(&db, Campaign::RESOURCE, id, &list).await
}
