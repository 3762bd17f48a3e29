//! Objections over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{ObjectionKind, ObjectionState, ResultState, decide_by};
use super::super::objector::{self, Objector};
use super::super::store::objections::{self, Objection};
use super::super::store::results;
use crate::features::attachments;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{Change, Tracked};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{ObjectionsDecide, ObjectionsFile, ObjectionsWithdraw, VerificationRead};
use crate::platform::valid::{Valid, numberless, unnumbered};

/// Mounts the objections.
pub fn operations(api: &mut Api) {
    api.feature("objections", "Objections (usul, sanggah) while a village's result is posted");
    mount!(api, list, create, fetch, decide, withdraw);
}

/// An objection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionOut {
    /// Record id.
    pub id: Uuid,
    /// The village's result.
    pub village_result_id: Uuid,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What it is about.
    #[schema(value_type = ObjectionKind)]
    pub kind: String,
    /// The family, where one is named.
    pub beneficiary_id: Option<Uuid>,
    /// The proposal, where one is named.
    pub proposal_id: Option<Uuid>,
    /// What is objected.
    pub statement: String,
    /// Who objects; only in the answer to a single one, for those who decide objections. Never shown to the village or the camat.
    pub objector: Option<ObjectorOut>,
    /// Where it stands.
    #[schema(value_type = ObjectionState)]
    pub state: String,
    /// The last day for a decision.
    pub decide_by: NaiveDate,
    /// Whether that day has passed without one: it no longer keeps the result from being accepted.
    pub lapsed: bool,
    /// What was decided, in words.
    pub outcome: Option<String>,
    /// Who wrote it down.
    pub filed_by: Uuid,
    /// Who decided it.
    pub decided_by: Option<Uuid>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Photos and documents; the files themselves are only for those who decide objections and who filed it.
    pub attachment_ids: Vec<Uuid>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Filed at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Objection> for ObjectionOut {
    fn from(row: Objection) -> Self {
        let Objection {
            id,
            village_result_id,
            region_code,
            kind,
            beneficiary_id,
            proposal_id,
            statement,
            objector_sealed: _,
            state,
            decide_by,
            outcome,
            filed_by,
            decided_by,
            decided_at,
            attachment_ids,
            version,
            created_at,
            updated_at,
        } = row;
        ObjectionOut {
            id,
            village_result_id,
            region_code,
            kind,
            beneficiary_id,
            proposal_id,
            statement,
            objector: None,
            lapsed: state == ObjectionState::Filed.name() && decide_by < Utc::now().date_naive(),
            state,
            decide_by,
            outcome,
            filed_by,
            decided_by,
            decided_at,
            attachment_ids: attachment_ids.into_iter().flatten().collect(),
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for ObjectionOut {
    fn location(&self) -> String {
        format!("/objections/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// Who objects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectorOut {
    /// Name.
    pub name: String,
    /// Telephone, address or the like.
    pub contact: Option<String>,
}

/// Which objections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ObjectionFilter {
    /// Of this village result.
    village_result_id: Option<Uuid>,
    /// In this state.
    state: Option<ObjectionState>,
    /// Of this kind.
    kind: Option<ObjectionKind>,
    /// Those whose time for a decision has passed without one, or the others.
    lapsed: Option<bool>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List objections
///
/// In the order in which they were filed, without who objects.
#[utoipa::path(get, path = "/objections")]
async fn list(access: Access<VerificationRead>, list: List<ObjectionFilter>) -> Result<Page<ObjectionOut>> {
    let ObjectionFilter { village_result_id, state, kind, lapsed, region } = &list.filter;
    let wanted = objections::Wanted {
        village_result_id: *village_result_id,
        state: state.map(ObjectionState::name),
        kind: kind.map(ObjectionKind::name),
        lapsed: *lapsed,
        region: region.clone(),
    };
    let rows = objections::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, ObjectionOut::from))
}

/// Fetch an objection
///
/// Who objects is shown to those who decide objections; that reading is recorded.
#[utoipa::path(get, path = "/objections/{id}")]
async fn fetch(access: Access<VerificationRead>, Path(id): Path<Uuid>) -> Result<Found<ObjectionOut>> {
    let row = objections::find(&access.read().await?, id).await?;
    let objector = match &row.objector_sealed {
        Some(sealed) if access.scope_of::<ObjectionsDecide>().covers(&row.region()) => {
            access.record_in(row.region(), Objection::RESOURCE, Some(id), "fetch_objector", 1, None)?;
            let Objector { name, contact } = objector::open(&access.platform().keys, id, sealed)?;
            Some(ObjectorOut { name, contact })
        }
        _ => None,
    };
    Ok(Found(ObjectionOut { objector, ..row.into() }))
}

/// An objection to file.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionCreate {
    /// A UUIDv7 of your own.
    id: Option<Uuid>,
    /// The village's result.
    village_result_id: Uuid,
    /// What it is about.
    kind: ObjectionKind,
    /// The family, where it is one that was assigned.
    beneficiary_id: Option<Uuid>,
    /// The proposal, where it is about one; at most one of the two.
    proposal_id: Option<Uuid>,
    /// What is objected, without NIK or KK numbers: the village reads it.
    #[validate(length(min = 10, max = 2000), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 2000, example = "Keluarga ini mempunyai dua rumah dan toko")]
    statement: String,
    /// Who objects; a resident of the village. Rests sealed and is never shown to the village or the camat.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    objector_name: String,
    /// How to reach them.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    objector_contact: Option<String>,
    /// Photos and documents, sent by yourself for this village with the purpose `objection_evidence`. Like the objector they stay
    /// hidden from the village and the camat: only you and those who decide objections can open them.
    #[serde(default)]
    #[schema(max_items = 20)]
    attachment_ids: Vec<Uuid>,
}

/// File an objection
///
/// For a resident, while the village's result is posted; before and after that `posting_over`. The regency decides within 14 days.
#[utoipa::path(post, path = "/objections")]
async fn create(access: Access<ObjectionsFile>, Valid(body): Valid<ObjectionCreate>) -> Result<Created<ObjectionOut>> {
    let ObjectionCreate {
        id,
        village_result_id,
        kind,
        beneficiary_id,
        proposal_id,
        statement,
        objector_name,
        objector_contact,
        attachment_ids,
    } = body;
    if beneficiary_id.is_some() && proposal_id.is_some() {
        return Err(Error::field("proposal_id", "one_of", "An objection is about one family or one proposal, or names none."));
    }
    if attachment_ids.len() > 20 {
        return Err(Error::field("attachment_ids", "length", "Name at most 20 attachments."));
    }
    let mut tx = access.write().await?;
    let row = results::find_to_change(&tx, village_result_id, IfGiven::NOTHING).await?;
    let today = Utc::now().date_naive();
    let posted = row.posted_from.zip(row.posted_until).is_some_and(|(from, until)| (from..=until).contains(&today));
    if !posted || row.standing()? != ResultState::Finalised {
        return Err(Code::PostingOver.into());
    }
    let known = match (beneficiary_id, proposal_id) {
        (Some(family), _) => results::is_assigned(&tx, row.id, family).await?,
        (_, Some(proposal)) => results::is_proposed(&tx, row.id, proposal).await?,
        (None, None) => true,
    };
    if !known {
        return Err(Code::NotFound.into());
    }
    attachments::demand_evidence(&tx, &row.village(), access.actor().id, &attachment_ids).await?;
    let id = id.unwrap_or_else(new_id);
    let now = Utc::now();
    let objector = Objector { name: objector_name, contact: objector_contact };
    let new = Objection {
        id,
        village_result_id,
        region_code: row.region_code,
        kind: kind.name().into(),
        beneficiary_id,
        proposal_id,
        statement,
        objector_sealed: Some(objector::seal(&access.platform().keys, id, &objector)?),
        state: ObjectionState::Filed.name().into(),
        decide_by: decide_by(today),
        outcome: None,
        filed_by: access.actor().id,
        decided_by: None,
        decided_at: None,
        attachment_ids: attachment_ids.into_iter().map(Some).collect(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let new = objections::insert(&mut tx, &new).await?;
    tx.commit([Change::created(&new)]).await?;
    Ok(Created(new.into()))
}

/// What an objection comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectionDecision {
    /// It is right.
    Upheld,
    /// It is not.
    Dismissed,
}

/// A decision on an objection.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionDecide {
    /// What it comes to.
    decision: ObjectionDecision,
    /// Why, for the objector to be told; without NIK or KK numbers.
    #[validate(length(min = 3, max = 2000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 2000, example = "Sudah dicek ke rumah, keluarga tidak mampu")]
    outcome: String,
}

/// Decide an objection
///
/// An objection that is upheld changes nothing by itself: the result goes back to the village, which mends it. Until a visit, a verdict
/// or a proposal about its subject came since, the result is not accepted. One that has lapsed can still be decided.
#[utoipa::path(post, path = "/objections/{id}/decide")]
async fn decide(
    access: Access<ObjectionsDecide>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ObjectionDecide>,
) -> Result<Found<ObjectionOut>> {
    let ObjectionDecide { decision, outcome } = body;
    let (state, action) = match decision {
        ObjectionDecision::Upheld => (ObjectionState::Upheld, "upheld"),
        ObjectionDecision::Dismissed => (ObjectionState::Dismissed, "dismissed"),
    };
    let mut tx = access.write().await?;
    let old = objections::find_to_change(&tx, id, read).await?;
    if old.state != ObjectionState::Filed.name() {
        return Err(Code::StepNotAllowed.into());
    }
    let new = Objection {
        state: state.name().into(),
        outcome: Some(outcome),
        decided_by: Some(access.actor().id),
        decided_at: Some(Utc::now()),
        ..old.clone()
    };
    let new = objections::update(&mut tx, &new).await?;
    tx.commit([Change::turned(action, &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// Why an objection is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionWithdraw {
    /// Kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Warga mencabut sanggahannya")]
    reason: String,
}

/// Withdraw an objection
///
/// For whoever filed it, or for the regency, before it is decided; an objection that somebody else filed is not there for you to
/// take back: 404.
#[utoipa::path(post, path = "/objections/{id}/withdraw")]
async fn withdraw(
    access: Access<ObjectionsWithdraw>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ObjectionWithdraw>,
) -> Result<Found<ObjectionOut>> {
    let mut tx = access.write().await?;
    let old = objections::find_to_change(&tx, id, read).await?;
    // Nobody takes back what somebody else filed, least of all the village whose result it is about; the regency may.
    let regency = access.scope_of::<ObjectionsDecide>().covers(&old.region());
    if old.filed_by != access.actor().id && !regency {
        return Err(Code::NotFound.into());
    }
    if old.state != ObjectionState::Filed.name() {
        return Err(Code::StepNotAllowed.into());
    }
    let new = objections::update(&mut tx, &Objection { state: ObjectionState::Withdrawn.name().into(), ..old.clone() }).await?;
    tx.commit([Change::turned("withdrawn", &old, &new).because(Some(body.reason))]).await?;
    Ok(Found(new.into()))
}
