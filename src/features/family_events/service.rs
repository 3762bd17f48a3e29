//! What an event does: the families, their ranks and their aid in one transaction, and the way back.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::{FamilyEventKind, FamilyEventState};
use super::store::{self, Event};
use crate::features::beneficiaries::{self, FieldOf, Journal, Merge, NewMember, Relation, Restored, Split, Structured};
use crate::features::datasets;
use crate::features::interventions::{self, Followed, Follows, Intervention};
use crate::platform::access::Scope;
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::new_id;
use crate::platform::seal::KeyRing;

/// What journals are sealed for.
pub const JOURNAL: &str = "family_events.journal";

/// What was done, by ids and names of fields.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Members who are one person: the kept one, the merged one.
    pub people: Vec<(Uuid, Uuid)>,
    /// Members who changed the family.
    pub moved: Vec<Uuid>,
    /// Fields of kept records that came from merged ones.
    pub taken: Vec<FieldOf>,
    /// Interventions that followed.
    pub interventions: Vec<Uuid>,
    /// Who was born; who died, and who headed the family then; the new head and the former.
    #[serde(default)]
    pub concerned: Vec<Uuid>,
    /// How often the family and its members had been written when it was reported.
    #[serde(default)]
    pub stood: Vec<(Uuid, i32)>,
    /// Fields that an undo left as somebody had changed them since.
    #[serde(default)]
    pub left: Vec<FieldOf>,
    /// Members who came since an event that was undone, and stay.
    #[serde(default)]
    pub arrived: Vec<Uuid>,
}

/// What undoing needs.
#[derive(Serialize, Deserialize)]
struct Kept {
    families: Journal,
    followed: Vec<Followed>,
    /// Releases whose rank of the family followed it.
    ranks: Vec<Uuid>,
}

/// Who does it, and why.
#[derive(Debug)]
pub struct Decided {
    /// Who.
    pub by: Uuid,
    /// Why, or what was said.
    pub reason: Option<String>,
    /// Why in spite of what contradicts.
    pub override_reason: Option<String>,
    /// The day of a birth or death.
    pub happened_on: Option<NaiveDate>,
}

impl Decided {
    /// Somebody's step with their reason.
    pub fn because(by: Uuid, reason: String) -> Decided {
        Decided { by, reason: Some(reason), override_reason: None, happened_on: None }
    }
}

async fn record(
    tx: &mut Tx,
    keys: &KeyRing,
    (kind, families): (FamilyEventKind, (Uuid, Uuid)),
    (told, done, kept): (Told, Structured, (Vec<Followed>, Vec<Uuid>)),
    decided: Decided,
) -> Result<(Event, Vec<Change>)> {
    let Structured { mut changes, journal, region, .. } = done;
    let id = new_id();
    let plain = serde_json::to_vec(&Kept { families: journal, followed: kept.0, ranks: kept.1 }).context("journal of a family event")?;
    let plain = Zeroizing::new(plain);
    let now = Utc::now();
    let event = Event {
        id,
        region_code: region.into(),
        kind: kind.name().into(),
        state: FamilyEventState::InForce.name().into(),
        beneficiary_id: families.0,
        other_id: families.1,
        told: json!(told),
        journal: keys.seal(JOURNAL, id, &plain)?,
        reason: decided.reason,
        override_reason: decided.override_reason,
        undo_reason: None,
        decided_by: decided.by,
        undone_by: None,
        version: 1,
        created_at: now,
        updated_at: now,
        happened_on: decided.happened_on,
    };
    store::insert(tx, &event).await?;
    changes.push(Change::created(&event));
    Ok((event, changes))
}

/// Merges two families, or two members.
pub async fn merge(tx: &mut Tx, keys: &KeyRing, wanted: Merge, decided: Decided) -> Result<(Event, Vec<Change>)> {
    let other = wanted.other.unwrap_or(wanted.kept);
    let families = [wanted.kept, other];
    datasets::lock_sources(tx, &families).await?;
    let mut done = beneficiaries::merge(tx, keys, &wanted).await?;
    let merged: HashMap<Uuid, Uuid> = wanted.same.iter().map(|(kept, merged)| (*merged, *kept)).collect();
    let whole = other != wanted.kept && !wanted.people_only;
    let to = |aid: &Intervention| {
        let member = aid.member_id.map(|member| merged.get(&member).copied().unwrap_or(member));
        // Aid for a person follows the person; a family's own follows where the family does.
        let follows = (whole && aid.beneficiary_id == other) || member != aid.member_id;
        follows.then_some(Follows { family: wanted.kept, member })
    };
    let (followed, changes) = interventions::follow(tx, &families, to).await?;
    done.changes.extend(changes);
    let ranks = if whole { datasets::move_ranks(tx, other, wanted.kept, None).await? } else { Vec::new() };
    let told = Told {
        people: wanted.same,
        moved: done.moved.clone(),
        taken: done.taken.clone(),
        interventions: followed.iter().map(|aid| aid.id).collect(),
        ..Told::default()
    };
    record(tx, keys, (FamilyEventKind::Merge, (wanted.kept, other)), (told, done, (followed, ranks)), decided).await
}

/// Splits members off into a family of their own; aid meant for one of them goes along.
pub async fn split(tx: &mut Tx, keys: &KeyRing, wanted: Split, decided: Decided) -> Result<(Event, Vec<Change>)> {
    let (from, new) = (wanted.from, wanted.new_id);
    datasets::lock_sources(tx, &[from]).await?;
    let mut done = beneficiaries::split(tx, keys, wanted).await?;
    let leaves = |aid: &Intervention| aid.member_id.filter(|member| done.moved.contains(member));
    let (followed, changes) =
        interventions::follow(tx, &[from, new], |aid| leaves(aid).map(|member| Follows { family: new, member: Some(member) })).await?;
    done.changes.extend(changes);
    let told = Told { moved: done.moved.clone(), interventions: followed.iter().map(|aid| aid.id).collect(), ..Told::default() };
    record(tx, keys, (FamilyEventKind::Split, (from, new)), (told, done, (followed, Vec::new())), decided).await
}

/// Records a birth.
pub async fn birth(
    tx: &mut Tx,
    keys: &KeyRing,
    family: Uuid,
    member: NewMember,
    on: NaiveDate,
    decided: Decided,
) -> Result<(Event, Vec<Change>)> {
    let child = member.id;
    let done = beneficiaries::birth(tx, keys, family, member, on).await?;
    report(tx, keys, (FamilyEventKind::Birth, family), (done, vec![child]), decided).await
}

/// Records a death, and who heads the family since.
pub async fn death(
    tx: &mut Tx,
    keys: &KeyRing,
    family: Uuid,
    (member, new_head): (Uuid, Option<Uuid>),
    on: NaiveDate,
    decided: Decided,
) -> Result<(Event, Vec<Change>)> {
    let done = beneficiaries::death(tx, keys, family, (member, new_head), on).await?;
    report(tx, keys, (FamilyEventKind::Death, family), done, decided).await
}

/// Records that a family was handed over among the living.
pub async fn head_change(
    tx: &mut Tx,
    keys: &KeyRing,
    family: Uuid,
    (member, former): (Uuid, Relation),
    decided: Decided,
) -> Result<(Event, Vec<Change>)> {
    let reason = decided.reason.clone().unwrap_or_default();
    let done = beneficiaries::head_change(tx, keys, family, (member, former), reason).await?;
    report(tx, keys, (FamilyEventKind::HeadChange, family), done, decided).await
}

async fn report(
    tx: &mut Tx,
    keys: &KeyRing,
    (kind, family): (FamilyEventKind, Uuid),
    (done, concerned): (Structured, Vec<Uuid>),
    decided: Decided,
) -> Result<(Event, Vec<Change>)> {
    let told = Told { concerned, stood: done.stood.clone(), ..Told::default() };
    record(tx, keys, (kind, (family, family)), (told, done, (Vec::new(), Vec::new())), decided).await
}

/// Takes an event back. Whoever does not edit families (`edits`) takes back what they reported themselves, as long as nobody wrote on
/// the family since.
pub async fn undo(
    tx: &mut Tx,
    keys: &KeyRing,
    (id, expected): (Uuid, IfGiven),
    edits: &Scope,
    (by, reason): (Uuid, String),
) -> Result<(Event, Vec<Change>)> {
    let old = store::find_to_change(tx, id, expected).await?;
    let kind = FamilyEventKind::parse(&old.kind).context("kind of a family event")?;
    let own = !edits.covers(&old.region());
    if own && (old.decided_by != by || !kind.is_taken_back()) {
        let detail =
            "You take back deaths and changes of head that you reported yourself: ask whoever edits families (Dinsos) to undo this.";
        return Err(Error::RefusedBecause(Code::Forbidden, detail.into()));
    }
    let state = FamilyEventState::parse(&old.state).context("state of a family event")?;
    let state = state.after_undo().ok_or(Code::StepNotAllowed)?;
    if !kind.can_be_undone() {
        let detail = "A birth is not taken back, because no member is ever deleted: edit the member's record, or merge it into another.";
        return Err(Error::RefusedBecause(Code::StepNotAllowed, detail.into()));
    }
    let waits_for: Vec<&str> = FamilyEventKind::ALL.iter().filter(|later| kind.waits_for(**later)).map(|later| later.name()).collect();
    let (one, other) = (old.beneficiary_id, old.other_id);
    datasets::lock_sources(tx, &[one, other]).await?;
    let plain = keys.open(JOURNAL, id, &old.journal)?;
    // The cause of a failure may quote what it read: it is dropped.
    let kept: Kept = serde_json::from_slice(&plain).map_err(|_| anyhow::anyhow!("the journal of family event {id} cannot be read"))?;
    let mut told: Told = serde_json::from_value(old.told.clone()).context("what a family event did")?;
    let dissolved = kind == FamilyEventKind::Split;
    // Asked before, so that it is told as what it is; and once more when both families are locked.
    if store::is_overtaken(tx, &old, &waits_for).await? {
        return Err(Code::LaterEvent.into());
    }
    let Restored { mut changes, left, arrived, homes } =
        beneficiaries::restore(tx, keys, &kept.families, (one, other), dissolved, old.created_at, own.then_some(told.stood.as_slice()))
            .await?;
    // With both families locked nobody can begin another event on them.
    if store::is_overtaken(tx, &old, &waits_for).await? {
        return Err(Code::LaterEvent.into());
    }
    let before: HashMap<Uuid, &Followed> = kept.followed.iter().map(|aid| (aid.id, aid)).collect();
    let to = |aid: &Intervention| {
        if dissolved {
            return (aid.beneficiary_id == other).then_some(Follows { family: one, member: aid.member_id });
        }
        if let Some(back) = before.get(&aid.id).filter(|_| aid.beneficiary_id == one) {
            return Some(Follows { family: back.family, member: back.member });
        }
        // What was planned since for somebody goes where they go.
        let home = aid.member_id.and_then(|member| homes.get(&member).copied())?;
        (home != aid.beneficiary_id).then_some(Follows { family: home, member: aid.member_id })
    };
    let (_, followed) = interventions::follow(tx, &[one, other], to).await?;
    changes.extend(followed);
    if dissolved {
        datasets::move_ranks(tx, other, one, None).await?;
    } else if !kept.ranks.is_empty() {
        datasets::move_ranks(tx, one, other, Some(&kept.ranks)).await?;
    }
    (told.left, told.arrived) = (left, arrived);
    let wanted = Event { state: state.name().into(), told: json!(told), undo_reason: Some(reason), undone_by: Some(by), ..old.clone() };
    let new = store::update(tx, &wanted).await?;
    changes.push(Change::turned("undone", &old, &new));
    Ok((new, changes))
}
