//! Visits over HTTP: one batch after days without a network, each visit judged by itself.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::super::corrections::{Correction, PersonFound};
use super::super::model::{Eligibility, Presence, VisitState};
use super::super::observations::{CorrectionOut, Difference};
use super::super::store::visits::{self, Visit, Wanted};
use super::super::visits::{Placed, Sent, Stated, content_of, contradictions, settle as settled, take};
use crate::features::beneficiaries::Attributes;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Found, Item, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, ChangeOut, NoFilter, Tracked};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Error, FieldError, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{VerificationRead, VisitsSettle, VisitsWrite};
use crate::platform::sensitive::{KkNumber, Nik};
use crate::platform::valid::{Large, Valid, element, numberless, unnumbered};

const RESOURCE: &str = Visit::RESOURCE;
/// Visits of one batch; an operator makes some forty a day.
const MOST: usize = 2_500;

/// Mounts visits.
pub fn operations(api: &mut Api) {
    api.feature("visits", "Visits: what officers found at families, sent in batches, never overwritten unseen");
    mount!(api, list, send, fetch, settle, history);
}

/// For validator: a day in this century's third decade or later, so that a phone whose clock was reset is told at once.
fn sane(at: &DateTime<Utc>) -> std::result::Result<(), ValidationError> {
    let from = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap_or_default();
    let until = NaiveDate::from_ymd_opt(2100, 1, 1).unwrap_or_default();
    if (from..until).contains(&at.date_naive()) {
        Ok(())
    } else {
        Err(ValidationError::new("range").with_message("The time lies before 2020 or after 2099: set the phone's clock.".into()))
    }
}

/// Identifiers as they should be, of a member or (without one) of the family itself.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionIn {
    /// The member; leave it out for the family's KK number.
    member_id: Option<Uuid>,
    /// NIK.
    nik: Option<Nik>,
    /// KK number; without `member_id`.
    kk_number: Option<KkNumber>,
    /// Name.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Born on.
    birth_date: Option<NaiveDate>,
}

impl From<CorrectionIn> for Correction {
    fn from(stated: CorrectionIn) -> Self {
        let CorrectionIn { member_id, nik, kk_number, name, birth_date } = stated;
        let (nik, kk_number) = (nik.map(|nik| nik.expose().to_owned()), kk_number.map(|kk| kk.expose().to_owned()));
        Correction { member_id, nik, kk_number, name, birth_date }
    }
}

/// One visit.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitCreate {
    /// Made by the phone, once; the same visit sent again is known by it.
    id: Uuid,
    /// The family, as the packet names it.
    beneficiary_id: Uuid,
    /// The visit that the officer knew of: `standing_visit` of the packet, or an own earlier one. Where another one counts by now and
    /// says something else, this one is kept as conflicting.
    based_on_id: Option<Uuid>,
    /// When, by the phone's clock.
    #[validate(custom(function = sane))]
    visited_at: DateTime<Utc>,
    /// Who went there, where it was not the one who sends it.
    #[validate(length(min = 1, max = 200), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 200)]
    officer_name: Option<String>,
    /// What became of the family.
    presence: Presence,
    /// How poor it is judged to be.
    eligibility: Eligibility,
    /// Who answered: a name, or what they are to the family.
    #[validate(length(min = 1, max = 200), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 200)]
    informant: Option<String>,
    /// Degrees, WGS 84.
    #[validate(range(min = -90.0, max = 90.0))]
    #[schema(minimum = -90, maximum = 90)]
    latitude: Option<f64>,
    /// Degrees, WGS 84.
    #[validate(range(min = -180.0, max = 180.0))]
    #[schema(minimum = -180, maximum = 180)]
    longitude: Option<f64>,
    /// How exactly, in metres.
    #[validate(range(min = 0, max = 100_000))]
    #[schema(minimum = 0, maximum = 100_000)]
    accuracy_m: Option<i32>,
    /// Answers to the campaign's criteria, by their codes; what was not asked is left out.
    #[serde(default)]
    answers: HashMap<String, bool>,
    /// Housing, means and aid, as far as seen.
    #[serde(default)]
    #[validate(nested)]
    attributes: Attributes,
    /// What became of members; those who are there as on file may be left out.
    #[serde(default)]
    #[schema(max_items = 50)]
    people: Vec<PersonFound>,
    /// Corrected identifiers, kept beside those on file.
    #[serde(default)]
    #[validate(nested)]
    #[schema(max_items = 50)]
    corrections: Vec<CorrectionIn>,
    /// In words, without NIK or KK numbers.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 1000)]
    note: Option<String>,
    /// Photos, uploaded before by POST /attachments for this village.
    #[serde(default)]
    #[schema(max_items = 20)]
    attachment_ids: Vec<Uuid>,
}

/// Of a visit that may be wrong in everything else: which it is.
#[derive(Deserialize)]
struct Named {
    id: Option<Uuid>,
}

fn sent(value: &RawValue) -> std::result::Result<Sent, Vec<FieldError>> {
    let faults = |error: Error| match error {
        Error::Invalid(errors) => errors,
        other => vec![FieldError::new("", other.code().name(), other.code().detail())],
    };
    let visit: VisitCreate = element(value).map_err(faults)?;
    let content = content_of(value).map_err(faults)?;
    let refuse = |path: &str, code: &str, message: &str| Err(vec![FieldError::new(path, code, message)]);
    if visit.people.len() > 50 || visit.corrections.len() > 50 {
        return refuse("people", "length", "A family has at most 50 members.");
    }
    if visit.attachment_ids.len() > 20 {
        return refuse("attachment_ids", "length", "A visit has at most 20 photos.");
    }
    let place = match (visit.latitude, visit.longitude) {
        (Some(latitude), Some(longitude)) => Some((latitude, longitude, visit.accuracy_m)),
        (None, None) => None,
        _ => return refuse("latitude", "pair", "Send both `latitude` and `longitude`, or neither."),
    };
    Ok(Sent {
        content,
        stated: Stated {
            id: visit.id,
            beneficiary_id: visit.beneficiary_id,
            based_on_id: visit.based_on_id,
            visited_at: visit.visited_at,
            officer_name: visit.officer_name,
            presence: visit.presence,
            eligibility: visit.eligibility,
            informant: visit.informant,
            place,
            answers: visit.answers,
            attributes: visit.attributes,
            people: visit.people,
            corrections: visit.corrections.into_iter().map(Correction::from).collect(),
            note: visit.note,
            attachment_ids: visit.attachment_ids,
        },
    })
}

/// Visits of one village.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitBatch {
    /// The village's part of the campaign, as its packet names it.
    village_result_id: Uuid,
    /// The phone's clock at this moment. How far it is off is recorded with each visit; nothing is decided by it.
    #[validate(custom(function = sane))]
    sent_at: DateTime<Utc>,
    /// At most 2,500, in the order in which they were made. Each is judged by itself: a bad one does not cost the good ones.
    #[schema(value_type = Vec<VisitCreate>, min_items = 1, max_items = 2500)]
    // As text until each is judged: as values eight MiB of braces would take a hundred times as much memory.
    visits: Vec<Box<RawValue>>,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisitOutcome {
    /// It is on file and counts.
    Recorded,
    /// It was on file already; nothing changed.
    Known,
    /// It is on file beside the visit that counts, and waits to be settled.
    Conflicting,
    /// It is not on file; see `errors`, mend it and send it again.
    Refused,
}

/// What became of one visit of the batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitPlaced {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Its id, where it could be read.
    pub id: Option<Uuid>,
    /// What became of it.
    pub outcome: VisitOutcome,
    /// Where it stands now; null where it was refused.
    #[schema(value_type = Option<VisitState>)]
    pub state: Option<String>,
    /// The visit that counts in its stead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing_visit_id: Option<Uuid>,
    /// The fields in which it differs from that one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Difference>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What became of a batch, in its order.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitBatchOut {
    /// How far the phone's clock is ahead of ours, in seconds.
    pub clock_skew_seconds: i32,
    /// Visits that are on file now and were not before.
    pub recorded: usize,
    /// Visits that were on file.
    pub known: usize,
    /// Visits on file beside the one that counts.
    pub conflicting: usize,
    /// Visits that are not on file.
    pub refused: usize,
    /// One by one.
    pub items: Vec<VisitPlaced>,
}

/// A visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitOut {
    /// Record id, made by the phone.
    pub id: Uuid,
    /// The village's part of the campaign.
    pub village_result_id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Whether it counts.
    #[schema(value_type = VisitState)]
    pub state: String,
    /// The visit that the officer knew of.
    pub based_on_id: Option<Uuid>,
    /// When, by the phone's clock.
    pub visited_at: DateTime<Utc>,
    /// How far the phone was ahead of us when it was sent, seconds.
    pub clock_skew_seconds: i32,
    /// Who sent it.
    pub recorded_by: Uuid,
    /// Who went there.
    pub officer_name: Option<String>,
    /// What became of the family.
    #[schema(value_type = Presence)]
    pub presence: String,
    /// How poor it is judged to be.
    #[schema(value_type = Eligibility)]
    pub eligibility: String,
    /// Who answered.
    pub informant: Option<String>,
    /// Degrees, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees, WGS 84.
    pub longitude: Option<f64>,
    /// How exactly, in metres.
    pub accuracy_m: Option<i32>,
    /// Answers to the criteria.
    #[schema(value_type = HashMap<String, bool>)]
    pub answers: Value,
    /// How many are met.
    pub criteria_met: i16,
    /// Housing, means and aid, as far as seen.
    #[schema(value_type = Attributes)]
    pub attributes: Value,
    /// What became of members.
    #[schema(value_type = Vec<PersonFound>)]
    pub people: Value,
    /// Corrected identifiers, numbers masked.
    #[schema(value_type = Vec<CorrectionOut>)]
    pub corrections: Value,
    /// In words.
    pub note: Option<String>,
    /// Photos.
    pub attachment_ids: Vec<Uuid>,
    /// Of a conflicting visit: the one that counts.
    pub standing_visit_id: Option<Uuid>,
    /// Of a conflicting visit: the fields in which it differs from that one. In lists they are left out: fetch the visit.
    pub conflicts: Vec<Difference>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Received at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<(Visit, (Option<Uuid>, Vec<Difference>))> for VisitOut {
    fn from((row, (standing_visit_id, conflicts)): (Visit, (Option<Uuid>, Vec<Difference>))) -> Self {
        VisitOut {
            id: row.id,
            village_result_id: row.village_result_id,
            campaign_id: row.campaign_id,
            beneficiary_id: row.beneficiary_id,
            region_code: row.region_code,
            state: row.state,
            based_on_id: row.based_on_id,
            visited_at: row.visited_at,
            clock_skew_seconds: row.clock_skew_seconds,
            recorded_by: row.recorded_by,
            officer_name: row.officer_name,
            presence: row.presence,
            eligibility: row.eligibility,
            informant: row.informant,
            latitude: row.latitude,
            longitude: row.longitude,
            accuracy_m: row.accuracy_m,
            answers: row.answers,
            criteria_met: row.criteria_met,
            attributes: row.attributes,
            people: row.people,
            corrections: row.corrections,
            note: row.note,
            attachment_ids: row.attachment_ids.into_iter().flatten().collect(),
            standing_visit_id,
            conflicts,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Resource for VisitOut {
    fn location(&self) -> String {
        format!("/visits/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// Which visits.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct VisitFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this campaign.
    campaign_id: Option<Uuid>,
    /// Of this village's part of one.
    village_result_id: Option<Uuid>,
    /// Of this family.
    beneficiary_id: Option<Uuid>,
    /// In this state; `conflicting` ones wait to be settled.
    state: Option<VisitState>,
}

/// How a contradiction is settled.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitSettle {
    /// `true`: this visit counts from now on, and the other one is set aside; `false`: this one is set aside.
    stands: bool,
    /// Why, without NIK or KK numbers.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500)]
    reason: String,
}

/// List visits
///
/// Those of your regions in the order in which phones made them. Every reading is recorded.
#[utoipa::path(get, path = "/visits")]
async fn list(access: Access<VerificationRead>, list: List<VisitFilter>) -> Result<Page<VisitOut>> {
    let VisitFilter { region, campaign_id, village_result_id, beneficiary_id, state } = &list.filter;
    let wanted = Wanted {
        region: region.clone(),
        campaign: *campaign_id,
        result: *village_result_id,
        family: *beneficiary_id,
        state: state.map(VisitState::name),
    };
    let rows = visits::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    let page = list.page(rows, |row| row.id, |row| VisitOut::from((row, (None, Vec::new()))));
    access.record(RESOURCE, None, "list", page.items.len(), None)?;
    Ok(page)
}

/// Send visits
///
/// A batch of one village, up to 8 MiB unpacked (Content-Encoding: gzip is welcome). Each visit is judged by itself and answered in
/// order; after a broken connection send the same batch again: what arrived is `known`. Refused as a whole with `result_not_open` where
/// the village head has finalised the result, and with `campaign_not_open`.
#[utoipa::path(post, path = "/visits")]
async fn send(access: Access<VisitsWrite>, Large(body): Large<VisitBatch>) -> Result<Item<VisitBatchOut>> {
    let VisitBatch { village_result_id, sent_at, visits } = body;
    if !(1..=MOST).contains(&visits.len()) {
        return Err(Error::field("visits", "length", "A batch has 1 to 2,500 visits."));
    }
    let skew = (sent_at - Utc::now()).num_seconds();
    let skew = i32::try_from(skew).unwrap_or(if skew < 0 { i32::MIN } else { i32::MAX });
    let ids: Vec<Option<Uuid>> = visits.iter().map(|visit| serde_json::from_str(visit.get()).ok().and_then(|Named { id }| id)).collect();
    let batch = visits.iter().map(|visit| sent(visit)).collect();
    let mut tx = access.write().await?;
    let (placed, changes) = take(&mut tx, &access.platform().keys, village_result_id, skew, batch).await?;
    if !changes.is_empty() {
        tx.commit_all(changes).await?;
    }
    let items: Vec<VisitPlaced> = placed.into_iter().zip(ids).enumerate().map(|(index, (placed, id))| told(index, id, placed)).collect();
    let count = |outcome: VisitOutcome| items.iter().filter(|item| item.outcome == outcome).count();
    Ok(Item(VisitBatchOut {
        clock_skew_seconds: skew,
        recorded: count(VisitOutcome::Recorded),
        known: count(VisitOutcome::Known),
        conflicting: count(VisitOutcome::Conflicting),
        refused: count(VisitOutcome::Refused),
        items,
    }))
}

fn told(index: usize, id: Option<Uuid>, placed: Placed) -> VisitPlaced {
    let told = |outcome, state: Option<String>| VisitPlaced {
        index,
        id,
        outcome,
        state,
        standing_visit_id: None,
        conflicts: Vec::new(),
        errors: Vec::new(),
    };
    match placed {
        Placed::Recorded => told(VisitOutcome::Recorded, Some(VisitState::Standing.name().into())),
        Placed::Known(state) => told(VisitOutcome::Known, Some(state)),
        Placed::Conflicting(standing, conflicts) => VisitPlaced {
            standing_visit_id: Some(standing),
            conflicts,
            ..told(VisitOutcome::Conflicting, Some(VisitState::Conflicting.name().into()))
        },
        Placed::Refused(errors) => VisitPlaced { errors, ..told(VisitOutcome::Refused, None) },
    }
}

/// Fetch a visit
///
/// A conflicting one with every field in which it differs from the visit that counts, both values side by side.
#[utoipa::path(get, path = "/visits/{id}")]
async fn fetch(access: Access<VerificationRead>, Path(id): Path<Uuid>) -> Result<Found<VisitOut>> {
    let db = access.read().await?;
    let row = visits::find(&db, id).await?;
    let contradictions = contradictions(&db, &access.platform().keys, &row).await?;
    access.record_in(row.region(), RESOURCE, Some(id), "fetch", 1, None)?;
    Ok(Found(VisitOut::from((row, contradictions))))
}

/// Settle contradicting visits
///
/// Of a conflicting visit, while the village's result is open. Both stay on file; one counts.
#[utoipa::path(post, path = "/visits/{id}/settle")]
async fn settle(
    access: Access<VisitsSettle>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<VisitSettle>,
) -> Result<Found<VisitOut>> {
    let mut tx = access.write().await?;
    let (row, changes) = settled(&mut tx, id, read, body.stands, body.reason).await?;
    tx.commit_all(changes).await?;
    Ok(Found(VisitOut::from((row, (None, Vec::new())))))
}

/// List a visit's history
///
/// Oldest first. What it states about people is not told here.
#[utoipa::path(get, path = "/visits/{id}/history")]
async fn history(access: Access<VerificationRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    visits::find(&db, id).await?;
    changes::history(&db, RESOURCE, id, &list).await
}
