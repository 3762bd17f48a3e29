//! Taking visits: each judged by itself, placed beside the visit that counts, stored together.
//!
//! Whoever writes visits of a village holds its result, so that one batch after the other is placed. The same visit sent again changes
//! nothing, however the connection broke; a visit made in ignorance of the one that counts is kept beside it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::corrections::{self, Correction, PersonFound};
use super::model::{Eligibility, Presence, VisitState, WhatBecame};
use super::observations::{CorrectionOut, Difference, differences};
use super::sent::{self, VISIT};
use super::store::criteria;
use super::store::results::{self, VillageResult};
use super::store::visits::{self, MemberAt, Visit};
use crate::features::attachments;
use crate::features::beneficiaries::Attributes;
use crate::platform::changes::Change;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, FieldError, Result};
use crate::platform::seal::KeyRing;

/// A visit as a phone sends it.
#[derive(Debug)]
pub struct Stated {
    /// Made by the phone.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// The visit that the officer knew of.
    pub based_on_id: Option<Uuid>,
    /// By the phone's clock.
    pub visited_at: DateTime<Utc>,
    /// Who went there.
    pub officer_name: Option<String>,
    /// Presence.
    pub presence: Presence,
    /// Eligibility.
    pub eligibility: Eligibility,
    /// Who answered.
    pub informant: Option<String>,
    /// Latitude, longitude, accuracy in metres.
    pub place: Option<(f64, f64, Option<i32>)>,
    /// Answers to the criteria.
    pub answers: HashMap<String, bool>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// What became of members.
    pub people: Vec<PersonFound>,
    /// Corrected identifiers.
    pub corrections: Vec<Correction>,
    /// In words.
    pub note: Option<String>,
    /// Photos.
    pub attachment_ids: Vec<Uuid>,
}

/// A visit that could be read, and its content as it was sent, from which it is known again.
#[derive(Debug)]
pub struct Sent {
    /// What it states.
    pub stated: Stated,
    /// Its bytes, in one order of fields.
    pub content: Vec<u8>,
}

/// What became of one visit of a batch.
#[derive(Debug)]
pub enum Placed {
    /// It counts.
    Recorded,
    /// It is on file already, in this state.
    Known(String),
    /// It is kept beside the one that counts, from which it differs.
    Conflicting(Uuid, Vec<Difference>),
    /// It is not kept.
    Refused(Vec<FieldError>),
}

/// What the rules of a batch need to know.
struct Ground {
    codes: HashSet<String>,
    assigned: HashSet<Uuid>,
    people: HashMap<Uuid, Vec<MemberAt>>,
    attachments: HashSet<Uuid>,
}

fn refusal(path: impl Into<String>, code: &str, message: &str) -> FieldError {
    FieldError::new(path, code, message)
}

/// What is wrong with a visit.
fn faults(stated: &Stated, ground: &Ground) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if !ground.assigned.contains(&stated.beneficiary_id) {
        let message = "The family is not assigned to this village in this campaign; propose it, if it lives here.";
        faults.push(refusal("beneficiary_id", "not_assigned", message));
        return faults;
    }
    if stated.answers.keys().any(|code| !ground.codes.contains(code)) {
        faults.push(refusal("answers", "unknown_criterion", "An answer names no criterion of the campaign's set."));
    }
    let people = ground.people.get(&stated.beneficiary_id).map(Vec::as_slice).unwrap_or_default();
    let member = |id: Uuid| people.iter().find(|member| member.id == id);
    let mut seen = HashSet::new();
    let gone: HashSet<Uuid> =
        stated.people.iter().filter(|person| person.status != WhatBecame::Present).map(|person| person.member_id).collect();
    for (at, person) in stated.people.iter().enumerate() {
        let path = |name: &str| format!("people[{at}].{name}");
        let Some(known) = member(person.member_id) else {
            faults.push(refusal(path("member_id"), "member_elsewhere", "The member does not belong to this family."));
            continue;
        };
        if !seen.insert(person.member_id) {
            faults.push(refusal(path("member_id"), "duplicate", "The member stands in the list twice."));
        }
        let others_remain = people.iter().any(|other| other.present && !gone.contains(&other.id));
        match person.new_head_id {
            None if known.head && known.present && person.status != WhatBecame::Present && others_remain => {
                faults.push(refusal(path("new_head_id"), "required", "The family stays: name who heads it from now on."));
            }
            Some(head) if gone.contains(&head) || !member(head).is_some_and(|member| member.present) => {
                faults.push(refusal(path("new_head_id"), "not_present", "The new head must be a present member of the family."));
            }
            _ => {}
        }
    }
    for (at, correction) in stated.corrections.iter().enumerate() {
        match correction.member_id {
            Some(id) if member(id).is_none() => {
                faults.push(refusal(
                    format!("corrections[{at}].member_id"),
                    "member_elsewhere",
                    "The member does not belong to this family.",
                ));
            }
            None if correction.nik.is_some() || correction.name.is_some() || correction.birth_date.is_some() => {
                faults.push(refusal(format!("corrections[{at}].member_id"), "required", "Say whose NIK, name or birth date it is."));
            }
            Some(_) if correction.kk_number.is_some() => {
                let message = "The KK number is the family's: send it in a correction without `member_id`.";
                faults.push(refusal(format!("corrections[{at}].kk_number"), "not_applicable", message));
            }
            _ => {}
        }
    }
    if stated.attachment_ids.iter().any(|id| !ground.attachments.contains(id)) {
        faults.push(refusal("attachment_ids", "attachment_unknown", Code::AttachmentUnknown.detail()));
    }
    faults
}

fn row(keys: &KeyRing, part: &VillageResult, stated: &Stated, digest: Vec<u8>, (by, skew): (Uuid, i32)) -> Result<Visit> {
    let now = Utc::now();
    let shown: Vec<CorrectionOut> = stated.corrections.iter().map(CorrectionOut::from).collect();
    Ok(Visit {
        id: stated.id,
        village_result_id: part.id,
        beneficiary_id: stated.beneficiary_id,
        campaign_id: part.campaign_id,
        region_code: part.region_code.clone(),
        state: VisitState::Standing.name().into(),
        based_on_id: stated.based_on_id,
        visited_at: stated.visited_at,
        clock_skew_seconds: skew,
        recorded_by: by,
        officer_name: stated.officer_name.clone(),
        presence: stated.presence.name().into(),
        eligibility: stated.eligibility.name().into(),
        informant: stated.informant.clone(),
        latitude: stated.place.map(|(latitude, _, _)| latitude),
        longitude: stated.place.map(|(_, longitude, _)| longitude),
        accuracy_m: stated.place.and_then(|(_, _, accuracy)| accuracy),
        answers: json!(stated.answers),
        criteria_met: i16::try_from(stated.answers.values().filter(|met| **met).count()).unwrap_or(i16::MAX),
        attributes: json!(stated.attributes),
        people: json!(stated.people),
        corrections: json!(shown),
        corrections_sealed: corrections::seal(keys, stated.id, &stated.corrections)?,
        note: stated.note.clone(),
        attachment_ids: stated.attachment_ids.iter().copied().map(Some).collect(),
        digest,
        version: 1,
        created_at: now,
        updated_at: now,
    })
}

/// What a batch changes.
#[derive(Default)]
struct Batch {
    new: Vec<Visit>,
    /// Visits on file whose place a new one takes.
    superseded: Vec<Visit>,
}

/// Places every visit of a batch and stores those that are new. Gives what became of each, and the changes to commit; none where
/// everything was known or refused.
pub async fn take(
    tx: &mut Tx,
    keys: &KeyRing,
    result: Uuid,
    skew: i32,
    batch: Vec<std::result::Result<Sent, Vec<FieldError>>>,
) -> Result<(Vec<Placed>, Vec<Change>)> {
    let part = results::find_open_to_change(tx, result, IfGiven::NOTHING).await?;
    let sent: Vec<&Stated> = batch.iter().flatten().map(|sent| &sent.stated).collect();
    let families: Vec<Uuid> = sent.iter().map(|stated| stated.beneficiary_id).collect();
    let assigned = visits::assigned(tx, part.id, &families).await?;
    let ids: Vec<Uuid> = sent.iter().map(|stated| stated.id).collect();
    let photos: Vec<Uuid> = sent.iter().flat_map(|stated| stated.attachment_ids.iter().copied()).collect();
    let ground = Ground {
        codes: criteria::codes(tx, part.campaign_id).await?,
        people: visits::members_of(tx, &assigned).await?,
        attachments: attachments::known(tx, &part.village(), &photos).await?,
        assigned,
    };
    let bases = sent.iter().filter_map(|stated| stated.based_on_id);
    let mut known = visits::known(tx, &ids.iter().copied().chain(bases).collect::<Vec<_>>()).await?;
    let mut standing = visits::standing(tx, part.id, &families).await?;
    let by = tx.author().actor_id;
    let mut placed = Vec::with_capacity(batch.len());
    let mut done = Batch::default();
    for sent in batch {
        let Sent { stated, content } = match sent {
            Ok(sent) => sent,
            Err(faults) => {
                placed.push(Placed::Refused(faults));
                continue;
            }
        };
        if let Some((at, before, state)) = known.get(&stated.id) {
            let same = *at == part.id && sent::is_same(keys, VISIT, stated.id, before, &content)?;
            placed.push(if same {
                Placed::Known(state.clone())
            } else {
                Placed::Refused(vec![refusal("id", "id_taken", "Another visit is on file under this id; make a new one.")])
            });
            continue;
        }
        let mut faults = faults(&stated, &ground);
        if stated.based_on_id.is_some_and(|base| !known.contains_key(&base)) {
            faults.push(refusal("based_on_id", "unknown_visit", "It names no visit on file: send that one first, or leave it out."));
        }
        if !faults.is_empty() {
            placed.push(Placed::Refused(faults));
            continue;
        }
        let mut visit = row(keys, &part, &stated, sent::seal(keys, VISIT, stated.id, &content)?, (by, skew))?;
        let outcome = match standing.get(&stated.beneficiary_id) {
            None => Placed::Recorded,
            Some(counts) if stated.based_on_id == Some(counts.id) => Placed::Recorded,
            Some(counts) => {
                let differ = differences(keys, &visit, counts)?;
                if differ.is_empty() { Placed::Recorded } else { Placed::Conflicting(counts.id, differ) }
            }
        };
        if let Placed::Conflicting(..) = outcome {
            visit.state = VisitState::Conflicting.name().into();
        } else if let Some(before) = standing.insert(visit.beneficiary_id, visit.clone()) {
            match done.new.iter_mut().find(|new| new.id == before.id) {
                Some(new) => new.state = VisitState::Superseded.name().into(),
                None => done.superseded.push(before),
            }
        }
        known.insert(visit.id, (part.id, visit.digest.clone(), visit.state.clone()));
        done.new.push(visit);
        placed.push(outcome);
    }
    Ok((placed, store(tx, done).await?))
}

async fn store(tx: &mut Tx, done: Batch) -> Result<Vec<Change>> {
    let ids: Vec<Uuid> = done.superseded.iter().map(|visit| visit.id).collect();
    // First the old ones give way: one visit of a family counts at any moment.
    visits::turn(tx, &ids, VisitState::Superseded).await?;
    visits::insert(tx, &done.new).await?;
    let superseded = done.superseded.iter().map(|old| Change::turned("superseded", old, &turned(old, VisitState::Superseded)));
    Ok(superseded.chain(done.new.iter().map(Change::created)).collect())
}

fn turned(old: &Visit, state: VisitState) -> Visit {
    Visit { state: state.name().into(), version: old.version + 1, updated_at: Utc::now(), ..old.clone() }
}

/// Settles a visit that contradicts the one that counts: it takes its place, or is set aside.
pub async fn settle(tx: &mut Tx, id: Uuid, expected: IfGiven, stands: bool, reason: String) -> Result<(Visit, Vec<Change>)> {
    let part = results::find_open_to_change(tx, visits::find(tx, id).await?.village_result_id, IfGiven::NOTHING).await?;
    let old = visits::find_to_change(tx, id, expected).await?;
    if old.state != VisitState::Conflicting.name() {
        return Err(Code::StepNotAllowed.into());
    }
    let mut changes = Vec::new();
    let counts = if stands { visits::standing(tx, part.id, &[old.beneficiary_id]).await?.remove(&old.beneficiary_id) } else { None };
    if let Some(before) = counts {
        visits::turn(tx, &[before.id], VisitState::SetAside).await?;
        changes.push(Change::turned("set_aside", &before, &turned(&before, VisitState::SetAside)).because(Some(reason.clone())));
    }
    let state = if stands { VisitState::Standing } else { VisitState::SetAside };
    visits::turn(tx, &[id], state).await?;
    let new = visits::find(tx, id).await?;
    changes.insert(0, Change::turned("settled", &old, &new).because(Some(reason)));
    Ok((new, changes))
}

/// The fields in which a visit differs from the one that counts; none where it counts itself, or nothing does.
pub async fn contradictions(db: &impl Scoped, keys: &KeyRing, visit: &Visit) -> Result<(Option<Uuid>, Vec<Difference>)> {
    if visit.state != VisitState::Conflicting.name() {
        return Ok((None, Vec::new()));
    }
    match visits::standing(db, visit.village_result_id, &[visit.beneficiary_id]).await?.remove(&visit.beneficiary_id) {
        Some(counts) => {
            let kept = visits::contradictions(db, visit.id).await?.and_then(|kept| serde_json::from_value(kept).ok());
            Ok((Some(counts.id), kept.map_or_else(|| differences(keys, visit, &counts), Ok)?))
        }
        None => Ok((None, Vec::new())),
    }
}

/// Lets go of the whole numbers that no acceptance of a campaign carried; the caller holds all its results. What contradicts the visit
/// that counts is written down before, for of two masks that look the same nobody could tell any more that the numbers differed.
pub async fn let_go(tx: &mut Tx, keys: &KeyRing, campaign: Uuid) -> Result<usize> {
    let (mut ids, mut kept) = (Vec::new(), Vec::new());
    for visit in visits::conflicting(tx, campaign).await? {
        if let (Some(_), differ) = contradictions(tx, keys, &visit).await? {
            ids.push(visit.id);
            kept.push(json!(differ));
        }
    }
    visits::keep_contradictions(tx, &ids, &kept).await?;
    visits::let_go(tx, campaign).await
}

/// The content of a visit in one order of fields, however the phone ordered them.
pub fn content_of(text: &RawValue) -> Result<Vec<u8>> {
    // A map of serde_json keeps its names in order.
    let value: Value = serde_json::from_str(text.get()).map_err(anyhow::Error::new)?;
    Ok(serde_json::to_vec(&value).map_err(anyhow::Error::new)?)
}
