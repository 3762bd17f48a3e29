//! Verdicts of the village meeting over HTTP.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::model::{Eligibility, Presence, ProposalState};
use super::super::store::results::{self, VillageResult};
use super::super::store::verdicts::{self, Judged, Verdict};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Item, Page};
use crate::platform::api::Api;
use crate::platform::changes::{Change, NoFilter, Tracked};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Error, FieldError, Result};
use crate::platform::list::{List, Path};
use crate::platform::policy::{MeetingsRecord, VerificationRead};
use crate::platform::valid::{Valid, unnumbered};

/// Mounts the verdicts.
pub fn operations(api: &mut Api) {
    mount!(api, list_verdicts, record_verdicts);
}

/// The most verdicts that are recorded at once.
const MOST: usize = 1_000;

/// What the meeting decided about a family or a proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeetingVerdictOut {
    /// The family, where it is about one that was assigned.
    pub beneficiary_id: Option<Uuid>,
    /// The proposal, where it is about one.
    pub proposal_id: Option<Uuid>,
    /// How poor the meeting judges them; it counts before the visit's.
    #[schema(value_type = Eligibility)]
    pub eligibility: String,
    /// Of a proposal: whether the meeting takes it up. Of a family always true.
    pub confirmed: bool,
    /// Why otherwise than the officer.
    pub reason: Option<String>,
    /// Who wrote it down.
    pub recorded_by: Uuid,
    /// Recorded at.
    pub updated_at: DateTime<Utc>,
}

impl From<Verdict> for MeetingVerdictOut {
    fn from(row: Verdict) -> Self {
        let Verdict { village_result_id: _, subject_id, subject, region_code: _, eligibility, confirmed, reason, recorded_by, updated_at } =
            row;
        let family = subject == "family";
        MeetingVerdictOut {
            beneficiary_id: family.then_some(subject_id),
            proposal_id: (!family).then_some(subject_id),
            eligibility,
            confirmed,
            reason,
            recorded_by,
            updated_at,
        }
    }
}

/// List the meeting's verdicts
///
/// Of one village. Where there is none, the visit's verdict counts.
#[utoipa::path(get, path = "/village-results/{id}/verdicts")]
async fn list_verdicts(access: Access<VerificationRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<MeetingVerdictOut>> {
    let db = access.read().await?;
    let (row, _) = results::find(&db, id).await?;
    let rows = verdicts::list(&db, id, list.after()?, list.fetch()).await?;
    let page = list.page(rows, |row| row.subject_id, MeetingVerdictOut::from);
    access.record_in(row.village(), VillageResult::RESOURCE, Some(id), "list_verdicts", page.items.len(), None)?;
    Ok(page)
}

/// A verdict to record.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeetingVerdict {
    /// The assigned family; or `proposal_id`.
    beneficiary_id: Option<Uuid>,
    /// The proposal; or `beneficiary_id`.
    proposal_id: Option<Uuid>,
    /// How poor the meeting judges them.
    eligibility: Eligibility,
    /// Of a proposal: whether the meeting takes it up.
    confirmed: Option<bool>,
    /// Why; required where the meeting sees it otherwise than the officer. Kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000)]
    reason: Option<String>,
}

/// Verdicts to record.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeetingVerdicts {
    /// At most 1,000; of each family or proposal one.
    // `length` would carry the items into validator's error: the handler counts them.
    #[validate(nested)]
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<MeetingVerdict>,
}

/// How many verdicts stand now.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerdictsRecordedOut {
    /// How many were recorded.
    pub recorded: usize,
    /// The version of the village's result, which counts its verdicts in.
    pub version: i32,
}

impl MeetingVerdict {
    /// What is wrong with it, given what is known of its subject.
    fn fault(&self, known: Option<&Judged>) -> Option<(&'static str, &'static str, &'static str)> {
        let Some(known) = known else {
            return Some(("", "not_found", "There is no such family or proposal among those of this village."));
        };
        let found = known.found.as_deref();
        if self.proposal_id.is_some() {
            if self.confirmed.is_none() {
                return Some(("confirmed", "required", "Say whether the meeting takes the proposal up."));
            }
            if found != Some(ProposalState::Open.name()) {
                return Some(("proposal_id", "step_not_allowed", "The proposal is not open."));
            }
        } else {
            if self.confirmed == Some(false) {
                return Some(("confirmed", "not_applicable", "A family on the list is not confirmed or refused: judge how poor it is."));
            }
            match found.and_then(Presence::parse) {
                None => {
                    return Some((
                        "beneficiary_id",
                        "visit_missing",
                        "Nobody has visited the family yet: the meeting judges what was found.",
                    ));
                }
                Some(Presence::Found) => {}
                Some(_) => {
                    return Some((
                        "beneficiary_id",
                        "presence",
                        "The visit did not find the family: send another visit where the meeting knows better.",
                    ));
                }
            }
        }
        let otherwise = known.eligibility.as_deref() != Some(self.eligibility.name()) || self.confirmed == Some(false);
        (otherwise && self.reason.is_none()).then_some(("reason", "required", "Say why the meeting sees it otherwise than the officer."))
    }
}

/// Record the meeting's verdicts
///
/// While the result is open or returned: where the meeting sees a family otherwise than its visit, and of every open proposal whether
/// it is taken up. A later verdict takes the place of an earlier one. Either all are recorded or none: `errors` names each that is at
/// fault, by its place.
#[utoipa::path(post, path = "/village-results/{id}/verdicts")]
async fn record_verdicts(
    access: Access<MeetingsRecord>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<MeetingVerdicts>,
) -> Result<Item<VerdictsRecordedOut>> {
    if !(1..=MOST).contains(&body.items.len()) {
        return Err(Error::field("items", "length", "Send 1 to 1,000 verdicts at a time."));
    }
    let mut tx = access.write().await?;
    let row = results::find_open_to_change(&tx, id, read).await?;
    let families: Vec<Uuid> = body.items.iter().filter_map(|item| item.beneficiary_id).collect();
    let proposals: Vec<Uuid> = body.items.iter().filter_map(|item| item.proposal_id).collect();
    let families = verdicts::families_of(&tx, id, &families).await?;
    let proposals = verdicts::of_proposals(&tx, id, &proposals).await?;
    let (mut rows, mut errors, mut named) = (Vec::new(), Vec::new(), HashSet::new());
    let now = Utc::now();
    for (at, item) in body.items.into_iter().enumerate() {
        let mut refuse = |field: &str, code: &str, message: &str| {
            let path = if field.is_empty() { format!("items[{at}]") } else { format!("items[{at}].{field}") };
            errors.push(FieldError::new(path, code, message));
        };
        let (subject, subject_id, known) = match (item.beneficiary_id, item.proposal_id) {
            (Some(family), None) => ("family", family, families.get(&family)),
            (None, Some(proposal)) => ("proposal", proposal, proposals.get(&proposal)),
            _ => {
                refuse("", "one_of", "Send exactly one of `beneficiary_id` and `proposal_id`.");
                continue;
            }
        };
        if !named.insert(subject_id) {
            refuse("", "duplicate", "This family or proposal stands in the list twice.");
        } else if let Some((field, code, message)) = item.fault(known) {
            refuse(field, code, message);
        } else {
            rows.push(Verdict {
                village_result_id: id,
                subject_id,
                subject: subject.into(),
                region_code: row.region_code.clone(),
                eligibility: item.eligibility.name().into(),
                confirmed: item.confirmed.unwrap_or(true),
                reason: item.reason,
                recorded_by: access.actor().id,
                updated_at: now,
            });
        }
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    verdicts::record(&mut tx, &rows).await?;
    results::touch(&mut tx, id).await?;
    // How poor somebody is judged to be is not for everybody who follows the feed: of whom there is a verdict, and why.
    let told = rows.iter().map(|verdict| {
        Change::new(VillageResult::RESOURCE, id, row.village(), "verdict_recorded")
            .with(if verdict.subject == "family" { "beneficiary_id" } else { "proposal_id" }, json!(verdict.subject_id))
            .because(verdict.reason.clone())
    });
    tx.commit_all(told.collect()).await?;
    Ok(Item(VerdictsRecordedOut { recorded: rows.len(), version: row.version + 1 }))
}
