//! Proposals over HTTP.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{Eligibility, ProposalState, ResultState};
use super::super::proposals::{self, Candidate, Entry, ProposedFamily, Review};
use super::super::sent::{self, PROPOSAL};
use super::super::store::proposals::{self as stored, Proposal};
use super::super::store::results;
use crate::features::attachments;
use crate::features::beneficiaries::BeneficiaryCreate;
use crate::features::matching::{self, MatchTermOut};
use crate::mount;
use crate::platform::access::{Access, Scope};
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{Change, Tracked};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{BeneficiariesRead, Grant, ProposalsReview, ProposalsWrite, VerificationRead};
use crate::platform::valid::{Valid, unnumbered};

/// Mounts the proposals.
pub fn operations(api: &mut Api) {
    api.feature("proposals", "Proposals: families that are not on the list, compared with everybody on file");
    mount!(api, list, create, fetch, review, withdraw);
}

const RESOURCE: &str = Proposal::RESOURCE;

/// Whom a proposed family, or one of its people, may be.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalCandidateOut {
    /// Where they are. Of somebody outside your regions this is all that is said, with `because` and `is_match`.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What says so: `nik`, `kk_number`, `people` (weighed field by field), `head` (who heads that family), `review`.
    pub because: Vec<String>,
    /// Whether they are taken for one; else somebody has to look.
    pub is_match: bool,
    /// The place among the proposal's members, from 0; null where it is about the whole family.
    pub person: Option<usize>,
    /// The member on file.
    pub member_id: Option<Uuid>,
    /// The family on file.
    pub beneficiary_id: Option<Uuid>,
    /// The other proposal.
    pub proposal_id: Option<Uuid>,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: Option<f64>,
    /// The probability that they are one.
    pub probability: Option<f64>,
    /// The terms that add up to the weight.
    pub terms: Vec<MatchTermOut>,
}

impl ProposalCandidateOut {
    fn seen_by(scope: &Scope, one: Candidate) -> Result<ProposalCandidateOut> {
        let Candidate { person, member_id, beneficiary_id, proposal_id, region_code, because, is_match, weight, probability, terms } = one;
        let seen = scope.covers(&RegionCode::stored(&region_code));
        Ok(ProposalCandidateOut {
            because,
            is_match,
            person,
            member_id: member_id.filter(|_| seen),
            beneficiary_id: beneficiary_id.filter(|_| seen),
            proposal_id: proposal_id.filter(|_| seen),
            weight: weight.filter(|_| seen),
            probability: probability.filter(|_| seen),
            terms: if seen { matching::in_words(&terms.to_string())? } else { Vec::new() },
            region_code,
        })
    }
}

/// The family on file that a proposed one is, or became.
#[derive(Debug, Serialize, ToSchema)]
pub struct FamilyOnFileOut {
    /// Its village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The family; null where it lies outside your regions.
    pub beneficiary_id: Option<Uuid>,
}

/// A family that is not on the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalOut {
    /// Record id.
    pub id: Uuid,
    /// The village's result.
    pub village_result_id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Where it stands.
    #[schema(value_type = ProposalState)]
    pub state: String,
    /// Whether somebody has to say if it is a family on file; until then the village's result is not finalised.
    pub needs_review: bool,
    /// The family on file that it is, or became.
    pub on_file: Option<FamilyOnFileOut>,
    /// The family, numbers masked.
    pub family: ProposedFamily,
    /// How poor the officer judges it to be.
    #[schema(value_type = Eligibility)]
    pub eligibility: String,
    /// Answers by criterion.
    pub answers: BTreeMap<String, bool>,
    /// How many criteria are met.
    pub criteria_met: i16,
    /// When somebody was there, by the phone's clock.
    pub visited_at: DateTime<Utc>,
    /// Who was there.
    pub officer_name: Option<String>,
    /// In the officer's words.
    pub note: Option<String>,
    /// Photos and documents.
    pub attachment_ids: Vec<Uuid>,
    /// Whom it may be.
    pub candidates: Vec<ProposalCandidateOut>,
    /// Why it is, or is not, somebody on file.
    pub reviewed_reason: Option<String>,
    /// Who said so.
    pub reviewed_by: Option<Uuid>,
    /// Who sent it.
    pub recorded_by: Uuid,
    /// Version, as in the ETag.
    pub version: i32,
    /// Sent at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl ProposalOut {
    /// As somebody may see it whose families are these.
    fn seen_by(scope: &Scope, row: Proposal) -> Result<ProposalOut> {
        let found = proposals::candidates(&row)?;
        let on_file = row.beneficiary_id.map(|family| {
            let region = found.iter().find(|one| one.beneficiary_id == Some(family)).map_or(&row.region_code, |one| &one.region_code);
            let seen = scope.covers(&RegionCode::stored(region));
            FamilyOnFileOut { region_code: region.clone(), beneficiary_id: Some(family).filter(|_| seen) }
        });
        let candidates = found.into_iter().map(|one| ProposalCandidateOut::seen_by(scope, one)).collect::<Result<_>>()?;
        Ok(ProposalOut {
            needs_review: proposals::needs_review(&row),
            id: row.id,
            village_result_id: row.village_result_id,
            campaign_id: row.campaign_id,
            region_code: row.region_code,
            state: row.state,
            on_file,
            family: serde_json::from_value(row.told).context("a proposed family")?,
            eligibility: row.eligibility,
            answers: serde_json::from_value(row.answers).context("answers of a proposal")?,
            criteria_met: row.criteria_met,
            visited_at: row.visited_at,
            officer_name: row.officer_name,
            note: row.note,
            attachment_ids: row.attachment_ids.into_iter().flatten().collect(),
            candidates,
            reviewed_reason: row.reviewed_reason,
            reviewed_by: row.reviewed_by,
            recorded_by: row.recorded_by,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Resource for ProposalOut {
    fn location(&self) -> String {
        format!("/proposals/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

fn seen<G: Grant>(access: &Access<G>, row: Proposal) -> Result<ProposalOut> {
    ProposalOut::seen_by(&access.scope_of::<BeneficiariesRead>(), row)
}

/// Which proposals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProposalFilter {
    /// Of this village result.
    village_result_id: Option<Uuid>,
    /// Of this campaign.
    campaign_id: Option<Uuid>,
    /// In this state.
    state: Option<ProposalState>,
    /// `true` is the queue of those who review.
    needs_review: Option<bool>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List proposals
///
/// In the order in which they came. Numbers are masked; every reading is recorded.
#[utoipa::path(get, path = "/proposals")]
async fn list(access: Access<VerificationRead>, list: List<ProposalFilter>) -> Result<Page<ProposalOut>> {
    let ProposalFilter { village_result_id, campaign_id, state, needs_review, region } = &list.filter;
    let wanted = stored::Wanted {
        village_result_id: *village_result_id,
        campaign_id: *campaign_id,
        state: state.map(ProposalState::name),
        needs_review: *needs_review,
        region: region.clone(),
    };
    let rows = stored::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    let rows = rows.into_iter().map(|row| seen(&access, row)).collect::<Result<Vec<_>>>()?;
    let page = list.page(rows, |row| row.id, |row| row);
    access.record(RESOURCE, None, "list", page.items.len(), None)?;
    Ok(page)
}

/// Fetch a proposal
///
/// With whom it may be. Numbers are masked; the reading is recorded.
#[utoipa::path(get, path = "/proposals/{id}")]
async fn fetch(access: Access<VerificationRead>, Path(id): Path<Uuid>) -> Result<Found<ProposalOut>> {
    let row = stored::find(&access.read().await?, id).await?;
    access.record_in(row.region(), RESOURCE, Some(id), "fetch", 1, None)?;
    Ok(Found(seen(&access, row)?))
}

/// A family to propose.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalCreate {
    /// A UUIDv7 of your own: the same proposal sent again is known by it.
    id: Option<Uuid>,
    /// The village's result.
    village_result_id: Uuid,
    /// The family, as it would be registered; its region is the village of the result.
    #[validate(nested)]
    family: BeneficiaryCreate,
    /// How poor you judge it to be.
    eligibility: Eligibility,
    /// Answers by the codes of the campaign's criteria; `true` is met.
    #[serde(default)]
    answers: BTreeMap<String, bool>,
    /// When you were there, by your clock.
    visited_at: DateTime<Utc>,
    /// Who was there, where it was not you.
    #[validate(length(min = 1, max = 200), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 200)]
    officer_name: Option<String>,
    /// In your words, without NIK or KK numbers.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 1000)]
    note: Option<String>,
    /// Photos and documents of this village.
    #[serde(default)]
    #[schema(max_items = 20)]
    attachment_ids: Vec<Uuid>,
}

/// Propose a family
///
/// One that is not on the list. It is compared at once: by KK number and NIK with everybody on file in the country, by name, birth
/// date and all else with the people of the regency, and with other open proposals. A family that certainly stands on file becomes
/// `on_file`. One that resembles somebody stays `open` with `needs_review`. A family on file that lives in
/// this very village and is in nobody's hands yet is given to the village to visit. Of people outside your regions no more is told than where
/// they are. The same proposal under the same id gets its answer again; another one under that id `id_taken`.
#[utoipa::path(post, path = "/proposals")]
async fn create(access: Access<ProposalsWrite>, Valid(body): Valid<ProposalCreate>) -> Result<Created<ProposalOut>> {
    let ProposalCreate { id, village_result_id, family, eligibility, answers, visited_at, officer_name, note, attachment_ids } = body;
    family.demand_members("family.members")?;
    if attachment_ids.len() > 20 {
        return Err(Error::field("attachment_ids", "length", "Name at most 20 attachments."));
    }
    if visited_at > Utc::now() + TimeDelta::days(366) || visited_at < Utc::now() - TimeDelta::days(3_660) {
        return Err(Error::field(
            "visited_at",
            "range",
            "The clock of the phone is wrong by years: set it, and send the day of the visit.",
        ));
    }
    let id = id.unwrap_or_else(new_id);
    let mut entry = Entry { id, family, eligibility, answers, visited_at, officer_name, note, attachment_ids };
    let keys = &access.platform().keys;
    let written = entry.written(village_result_id)?;
    let mut tx = access.write().await?;
    let again = async |tx: &_| match stored::known(tx, id).await? {
        Some(row) if sent::is_same(keys, PROPOSAL, row.id, &row.digest, &written)? => Ok(Some(row)),
        Some(_) => Err(Error::from(Code::IdTaken)),
        None => Ok(None),
    };
    if let Some(row) = again(&tx).await? {
        return Ok(Created(seen(&access, row)?));
    }
    let row = results::find_open_to_change(&tx, village_result_id, IfGiven::NOTHING).await?;
    // Whoever sent it at the same moment has ended by now.
    if let Some(row) = again(&tx).await? {
        return Ok(Created(seen(&access, row)?));
    }
    if *entry.family.region() != row.village() {
        return Err(Error::field(
            "family.region_code",
            "not_applicable",
            "A village proposes families of its own: send the code of the result's village.",
        ));
    }
    entry.attachment_ids.dedup();
    attachments::demand(&tx, &row.village(), &entry.attachment_ids).await?;
    let (new, changes) = proposals::propose(&mut tx, keys, &row, entry, access.actor().id).await?;
    tx.commit_all(changes).await?;
    Ok(Created(seen(&access, new)?))
}

/// What a review comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// It is a family on file: name it in `beneficiary_id`.
    OnFile,
    /// Another proposal names the same family: name it in `proposal_id`. This one is rejected.
    ProposedAlready,
    /// It is a family of its own.
    New,
}

/// A review of a proposal.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalReviewCreate {
    /// What it comes to.
    outcome: ReviewOutcome,
    /// The family on file.
    beneficiary_id: Option<Uuid>,
    /// The other proposal.
    proposal_id: Option<Uuid>,
    /// Why; kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Anak yang sudah pisah KK, dipastikan kepala dusun")]
    reason: String,
}

/// Review a proposal
///
/// Says whether it is a family on file, however sure the comparison was: `new` also turns one that was `on_file` back to `open`, while
/// the village's result is open. Refused with `family_card_taken` where another family has its KK number: the village then withdraws it
/// and proposes it with the right one.
#[utoipa::path(post, path = "/proposals/{id}/review")]
async fn review(
    access: Access<ProposalsReview>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ProposalReviewCreate>,
) -> Result<Found<ProposalOut>> {
    let ProposalReviewCreate { outcome, beneficiary_id, proposal_id, reason } = body;
    let judged = match (outcome, beneficiary_id, proposal_id) {
        (ReviewOutcome::OnFile, Some(family), None) => Review::OnFile(family),
        (ReviewOutcome::ProposedAlready, None, Some(other)) => Review::ProposedAlready(other),
        (ReviewOutcome::New, None, None) => Review::New,
        _ => {
            return Err(Error::field(
                "outcome",
                "one_of",
                "`on_file` names a `beneficiary_id`, `proposed_already` a `proposal_id`, `new` neither.",
            ));
        }
    };
    let mut tx = access.write().await?;
    // The village's result first, like everybody who changes something of it.
    let found = stored::find(&tx, id).await?;
    let village = results::find_to_change(&tx, found.village_result_id, IfGiven::NOTHING).await?;
    let old = stored::find_to_change(&tx, id, read).await?;
    if outcome == ReviewOutcome::New {
        let state = village.standing()?;
        if state == ResultState::Accepted || (!state.is_open() && old.state == ProposalState::OnFile.name()) {
            return Err(Code::ResultNotOpen.into());
        }
    }
    let new = proposals::reviewed(&tx, &access.platform().keys, &old, judged, (access.actor().id, reason.clone())).await?;
    let new = stored::update(&mut tx, &new).await?;
    let mut changes = vec![Change::turned("reviewed", &old, &new).because(Some(reason))];
    if village.standing()?.is_open() && new.state == ProposalState::OnFile.name() {
        changes.extend(proposals::look_at_known(&mut tx, &village, new.beneficiary_id).await?);
    }
    tx.commit_all(changes).await?;
    Ok(Found(seen(&access, new)?))
}

/// Why a proposal is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalWithdraw {
    /// Kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Keluarga ini tinggal di desa sebelah")]
    reason: String,
}

/// Withdraw a proposal
///
/// By the village, while its result is open. What was entered is deleted but for what is shown.
#[utoipa::path(post, path = "/proposals/{id}/withdraw")]
async fn withdraw(
    access: Access<ProposalsWrite>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ProposalWithdraw>,
) -> Result<Found<ProposalOut>> {
    let mut tx = access.write().await?;
    let found = stored::find(&tx, id).await?;
    results::find_open_to_change(&tx, found.village_result_id, IfGiven::NOTHING).await?;
    let old = stored::find_to_change(&tx, id, read).await?;
    if ![ProposalState::Open, ProposalState::OnFile].iter().any(|state| state.name() == old.state) {
        return Err(Code::StepNotAllowed.into());
    }
    let new = Proposal { state: ProposalState::Withdrawn.name().into(), entry_sealed: None, numbers: Vec::new(), ..old.clone() };
    let new = stored::update(&mut tx, &new).await?;
    tx.commit([Change::turned("withdrawn", &old, &new).because(Some(body.reason))]).await?;
    Ok(Found(seen(&access, new)?))
}
