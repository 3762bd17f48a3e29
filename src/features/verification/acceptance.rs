//! What the acceptance of a village's result does to the families' records, in the acceptance's own transaction.
//!
//! Each visit that stands is carried over once. What it brings is tried piece by piece (the KK number, housing and means, one member's
//! identifiers, what became of one member): a piece that is refused is taken back and listed, and the next one is tried. A KK number
//! that is refused because another family still has it is tried again at the end, because that family may give it up in the same
//! acceptance. A family or member that was merged since is followed to the record that is kept.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::corrections::{self, Correction, PersonFound};
use super::model::{Presence, ProposalState, WhatBecame};
use super::proposals;
use super::store::proposals::{self as stored, Proposal};
use super::store::results::{self, Carried, CarriedVisit, VillageResult};
use crate::features::beneficiaries::{
    self, AttributesUpdate, Edited, FamilyPatch, FamilyStatus, InactiveReason, MemberPatch, MemberStatus, NewFamily, Origin, Placed,
};
use crate::platform::changes::Change;
use crate::platform::db::Tx;
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

/// Something that an acceptance could not carry into a record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NotApplied {
    /// The visit that brought it.
    pub visit_id: Option<Uuid>,
    /// The proposal that brought it.
    pub proposal_id: Option<Uuid>,
    /// The family.
    pub beneficiary_id: Option<Uuid>,
    /// The member.
    pub member_id: Option<Uuid>,
    /// `kk_number`, `attributes`, `identity` or `status` of a member, `presence` of the family, or `family` for one that was to be
    /// registered. Of what was corrected since the very field, such as `attributes.roof` or `nik`.
    #[schema(example = "kk_number")]
    pub field: String,
    /// The stable code of the refusal; `corrected_since` where an officer or a later visit stated it otherwise after this visit, or
    /// somebody joined the family since, and that stays.
    #[schema(example = "family_card_taken")]
    pub code: String,
}

/// What became of a member.
const STATUS: &str = "status";

/// What became of the family.
const PRESENCE: &str = "presence";

/// What was corrected after the visit stays as it is.
const CORRECTED_SINCE: &str = "corrected_since";

/// A stable word for a refusal: of an invalid field its own code says more.
fn word(refusal: &Error) -> String {
    match refusal {
        Error::Invalid(errors) => errors.first().map_or_else(|| Code::Invalid.name().to_owned(), |error| error.code.clone()),
        other => other.code().name().to_owned(),
    }
}

/// A piece of what a visit brings.
enum Piece {
    Card(KkNumber),
    Attributes(AttributesUpdate),
    Identity {
        member: Uuid,
        patch: Correction,
    },
    Became {
        member: Uuid,
        status: MemberStatus,
        heir: Option<Uuid>,
    },
    Ended(InactiveReason),
    /// A former visit ended the family; this one found it.
    Found,
}

impl Piece {
    fn field(&self) -> &'static str {
        match self {
            Piece::Card(_) => "kk_number",
            Piece::Attributes(_) => "attributes",
            Piece::Identity { .. } => "identity",
            Piece::Became { .. } => STATUS,
            Piece::Ended(_) | Piece::Found => PRESENCE,
        }
    }

    fn member(&self) -> Option<Uuid> {
        match self {
            Piece::Identity { member, .. } | Piece::Became { member, .. } => Some(*member),
            _ => None,
        }
    }
}

/// Where records lead that were merged since, and who is where.
#[derive(Default)]
struct Known {
    families: HashMap<Uuid, Uuid>,
    members: HashMap<Uuid, Uuid>,
    placed: Vec<Placed>,
    /// Where families live now.
    homes: HashMap<Uuid, String>,
    /// Families that a former visit ended.
    ended: HashSet<Uuid>,
    /// Visits after which another one, of another result, was made and carried over.
    overtaken: HashSet<Uuid>,
    /// Since when members are in families of which a visit says that nobody lives, where that is later than the family's record.
    joined: HashMap<Uuid, DateTime<Utc>>,
}

impl Known {
    async fn of(tx: &Tx, result: Uuid, visits: &[CarriedVisit], named: Vec<Uuid>) -> Result<Known> {
        let families: Vec<Uuid> = visits.iter().map(|visit| visit.beneficiary_id).collect();
        let carried = results::carried_elsewhere(tx, result, &families).await?;
        let leads = beneficiaries::kept_families(tx, families.clone()).await?;
        let kept = beneficiaries::kept_members(tx, named.clone()).await?;
        let members: HashMap<Uuid, Uuid> = kept.into_iter().map(|(id, (kept, _))| (id, kept)).collect();
        let ids: Vec<Uuid> = named.iter().map(|id| members.get(id).copied().unwrap_or(*id)).collect();
        let families: Vec<Uuid> = families.iter().map(|id| leads.get(id).copied().unwrap_or(*id)).collect();
        let placed = beneficiaries::placed(tx, &ids, &families).await?;
        let homes = results::homes(tx, &families).await?;
        let ended = results::ended(tx, &families).await?;
        let is_later = |visit: &&CarriedVisit| {
            carried.iter().any(|(family, other)| *family == visit.beneficiary_id && other.moment() > visit.made.moment())
        };
        let overtaken = visits.iter().filter(is_later).map(|visit| visit.id).collect();
        let died = |visit: &&CarriedVisit| visit.presence == Presence::Deceased.name();
        let buried: Vec<Uuid> = visits.iter().filter(died).map(|visit| visit.beneficiary_id).collect();
        let joined = beneficiaries::joined(tx, &buried).await?;
        Ok(Known { families: leads, members, placed, homes, ended, overtaken, joined })
    }

    fn family(&self, id: Uuid) -> Uuid {
        self.families.get(&id).copied().unwrap_or(id)
    }

    fn member(&self, id: Uuid) -> Uuid {
        self.members.get(&id).copied().unwrap_or(id)
    }

    fn place(&self, member: Uuid) -> Option<&Placed> {
        self.placed.iter().find(|place| place.id == member)
    }

    fn present_in(&self, family: Uuid) -> impl Iterator<Item = &Placed> {
        self.placed.iter().filter(move |place| place.family == family && place.status == MemberStatus::Present)
    }
}

/// What one visit brings.
struct Brought {
    visit: Uuid,
    family: Uuid,
    origin: Origin,
    pieces: Vec<Piece>,
    unread: Vec<NotApplied>,
}

fn people_of(visit: &CarriedVisit) -> Result<Vec<PersonFound>> {
    serde_json::from_value(visit.people.clone()).map_err(|_| anyhow::anyhow!("the people of visit {} cannot be read", visit.id).into())
}

fn not_applied(visit: Uuid, family: Uuid, member: Option<Uuid>, field: &str, code: String) -> NotApplied {
    NotApplied { visit_id: Some(visit), proposal_id: None, beneficiary_id: Some(family), member_id: member, field: field.into(), code }
}

impl Brought {
    fn of(visit: &CarriedVisit, corrections: Vec<Correction>, people: Vec<PersonFound>, known: &Known) -> Brought {
        let family = known.family(visit.beneficiary_id);
        let mut brought =
            Brought { visit: visit.id, family, origin: Origin::verified(visit.made.moment()), pieces: Vec::new(), unread: Vec::new() };
        for correction in corrections {
            if let Some(written) = &correction.kk_number {
                match KkNumber::parse(written) {
                    Ok(number) => brought.pieces.push(Piece::Card(number)),
                    Err(fault) => brought.unread.push(not_applied(visit.id, family, None, "kk_number", fault.code().into())),
                }
            }
            if let Some(member) = correction.member_id
                && (correction.nik.is_some() || correction.name.is_some() || correction.birth_date.is_some())
            {
                brought.pieces.push(Piece::Identity { member: known.member(member), patch: correction });
            }
        }
        if let Value::Object(facts) = &visit.attributes
            && !facts.is_empty()
        {
            match serde_json::from_value(visit.attributes.clone()) {
                Ok(patch) => brought.pieces.push(Piece::Attributes(patch)),
                Err(_) => brought.unread.push(not_applied(visit.id, family, None, "attributes", Code::Invalid.name().into())),
            }
        }
        // What became of a record that was merged since, or moved away, was said of the record and not of the family that is kept, or of
        // the village's family and not of the other one's: somebody has to look.
        // Nor does a visit tell what became of people whom a later one met.
        let code = if family != visit.beneficiary_id {
            Some(Code::RecordMerged.name())
        } else if known.homes.get(&family).is_some_and(|home| *home != visit.region_code) {
            Some(Code::MemberElsewhere.name())
        } else {
            known.overtaken.contains(&visit.id).then_some(CORRECTED_SINCE)
        };
        match code {
            None => brought.people(visit, people, known),
            Some(code) if visit.presence != Presence::Found.name() || !people.is_empty() => {
                brought.unread.push(not_applied(visit.id, family, None, PRESENCE, code.into()));
            }
            Some(_) => {}
        }
        brought
    }

    /// What became of members. The head goes last: whoever follows must still be there, and where nobody is left none is needed.
    fn people(&mut self, visit: &CarriedVisit, people: Vec<PersonFound>, known: &Known) {
        let presence = Presence::parse(&visit.presence);
        let mut became: Vec<(bool, Uuid, MemberStatus, Option<Uuid>)> = Vec::new();
        for PersonFound { member_id, status, new_head_id } in people {
            let member = known.member(member_id);
            let place = known.place(member);
            let status = match status {
                WhatBecame::Present => MemberStatus::Present,
                WhatBecame::Deceased => MemberStatus::Deceased,
                WhatBecame::MovedOut => MemberStatus::MovedOut,
            };
            if place.is_some_and(|place| place.status == status) {
                continue;
            }
            // What became of somebody who is another record by now, or in another family, was said of who they were; and whoever died
            // or left on file since is not brought back by an older visit that still met them. Somebody has to look.
            let code = if member != member_id {
                Some(Code::RecordMerged)
            } else if place.is_some_and(|place| place.family != self.family) {
                Some(Code::MemberElsewhere)
            } else {
                place.filter(|_| status == MemberStatus::Present).map(|_| Code::StepNotAllowed)
            };
            match code {
                Some(code) => self.unread.push(not_applied(self.visit, self.family, Some(member_id), STATUS, code.name().into())),
                None => became.push((place.is_some_and(|place| place.heads), member, status, new_head_id.map(|id| known.member(id)))),
            }
        }
        if presence == Some(Presence::Deceased) {
            for place in known.present_in(self.family) {
                if became.iter().any(|(_, member, ..)| *member == place.id) {
                    continue;
                }
                // Nobody lived there that day: whoever was born, moved in or was met since does.
                if known.joined.get(&place.id).is_some_and(|since| *since > visit.made.moment()) {
                    self.unread.push(not_applied(self.visit, self.family, Some(place.id), STATUS, CORRECTED_SINCE.into()));
                } else {
                    became.push((place.heads, place.id, MemberStatus::Deceased, None));
                }
            }
        }
        became.sort_by_key(|(heads, ..)| *heads);
        self.pieces.extend(became.into_iter().map(|(_, member, status, heir)| Piece::Became { member, status, heir }));
        match presence {
            Some(Presence::Deceased) => self.pieces.push(Piece::Ended(InactiveReason::Deceased)),
            Some(Presence::MovedOut) => self.pieces.push(Piece::Ended(InactiveReason::MovedOut)),
            Some(Presence::Found | Presence::MovedWithin) => self.pieces.push(Piece::Found),
            _ => {}
        }
    }
}

async fn apply(tx: &mut Tx, keys: &KeyRing, (family, by): (Uuid, &Origin), piece: &Piece, known: &Known) -> Result<Edited> {
    let home = |member: Uuid| (known.place(member).map_or(family, |place| place.family), member);
    match piece {
        Piece::Card(number) => {
            let patch = FamilyPatch { kk_number: Some(Some(number.clone())), ..FamilyPatch::default() };
            beneficiaries::edit(tx, keys, family, IfGiven::NOTHING, patch, by).await
        }
        Piece::Attributes(facts) => {
            let patch = FamilyPatch { attributes: Some(*facts), ..FamilyPatch::default() };
            beneficiaries::edit(tx, keys, family, IfGiven::NOTHING, patch, by).await
        }
        Piece::Identity { member, patch } => {
            let nik = patch.nik.as_deref().map(Nik::parse).transpose();
            let nik = nik.map_err(|fault| Error::field("nik", fault.code(), "The corrected NIK is none."))?;
            let patch = MemberPatch {
                name: patch.name.clone(),
                nik: nik.map(Some),
                birth_date: patch.birth_date.map(Some),
                ..MemberPatch::default()
            };
            beneficiaries::edit_member(tx, keys, home(*member), IfGiven::NOTHING, patch, by).await
        }
        Piece::Became { member, status, heir } => {
            let patch = MemberPatch { status: Some(*status), new_head: *heir, ..MemberPatch::default() };
            beneficiaries::edit_member(tx, keys, home(*member), IfGiven::NOTHING, patch, by).await
        }
        Piece::Ended(reason) => {
            if beneficiaries::find_family(tx, family).await?.status == FamilyStatus::Inactive {
                return Ok(Edited::default());
            }
            // Somebody stays of whom the visit said otherwise: their family is served on.
            let lives = |place: &Placed| place.status == MemberStatus::Present;
            if *reason == InactiveReason::Deceased && beneficiaries::placed(tx, &[], &[family]).await?.iter().any(lives) {
                return Ok(Edited { changes: Vec::new(), left: vec![PRESENCE.into()] });
            }
            Ok(turned(beneficiaries::turn(tx, family, Some(*reason), None, by).await?))
        }
        Piece::Found => {
            if known.ended.contains(&family) {
                return Ok(turned(beneficiaries::turn(tx, family, None, None, by).await?));
            }
            Ok(Edited::default())
        }
    }
}

/// What a visit says of the whole family is its presence.
fn turned(Edited { changes, left }: Edited) -> Edited {
    Edited { changes, left: left.into_iter().map(|_| PRESENCE.into()).collect() }
}

/// Carries what the visits of a village found, and its confirmed proposals, into the families' records. Gives what could not be, and
/// the changes, each naming the village's result it came of.
pub async fn carry(tx: &mut Tx, keys: &KeyRing, row: &VillageResult) -> Result<(Vec<NotApplied>, Vec<Change>)> {
    let open = stored::of_result(tx, row.id).await?;
    proposals::demand_unknown(tx, keys, &open).await?;
    let visits = results::standing(tx, row.id).await?;
    let mut read = Vec::new();
    let mut named = Vec::new();
    for visit in &visits {
        let corrections = corrections::open(keys, visit.id, visit.corrections_sealed.as_deref())?;
        let people = people_of(visit)?;
        named.extend(corrections.iter().filter_map(|correction| correction.member_id));
        named.extend(people.iter().flat_map(|person| [Some(person.member_id), person.new_head_id]).flatten());
        read.push((visit, corrections, people));
    }
    let known = Known::of(tx, row.id, &visits, named).await?;
    let mut left = Vec::new();
    let mut changes = Vec::new();
    let mut done = Carried::default();
    let mut later: Vec<(Uuid, Uuid, Origin, Piece)> = Vec::new();
    for (visit, corrections, people) in read {
        let Brought { visit: id, family, origin, pieces, unread } = Brought::of(visit, corrections, people, &known);
        done.all.push(id);
        left.extend(unread);
        for piece in pieces {
            match tx.attempt(async |tx| apply(tx, keys, (family, &origin), &piece, &known).await).await? {
                Ok(edited) => {
                    changes.extend(edited.changes);
                    left.extend(edited.left.iter().map(|field| not_applied(id, family, piece.member(), field, CORRECTED_SINCE.into())));
                }
                Err(refusal) if refusal.code() == Code::FamilyCardTaken => later.push((id, family, origin.clone(), piece)),
                Err(refusal) => left.push(not_applied(id, family, piece.member(), piece.field(), word(&refusal))),
            }
        }
    }
    // Each round that frees a number may free another one; two families that have each other's stay as they are and are listed.
    loop {
        let before = later.len();
        for (id, family, origin, piece) in std::mem::take(&mut later) {
            match tx.attempt(async |tx| apply(tx, keys, (family, &origin), &piece, &known).await).await? {
                Ok(edited) => changes.extend(edited.changes),
                Err(_) => later.push((id, family, origin, piece)),
            }
        }
        if later.len() == before || later.is_empty() {
            break;
        }
    }
    let taken = Code::FamilyCardTaken.name();
    left.extend(later.into_iter().map(|(id, family, _, piece)| not_applied(id, family, None, piece.field(), taken.into())));
    done.whole = done.all.iter().filter(|id| !left.iter().any(|one| one.visit_id == Some(**id))).copied().collect();
    results::carried(tx, &done).await?;
    changes.extend(done.all.iter().map(|id| Change::new("visits", *id, row.village(), "carried")));
    for (old, confirmed) in open {
        let told = settle(tx, keys, old, confirmed == Some(true), &mut left).await?;
        changes.extend(told);
    }
    let source = json!(row.id);
    Ok((left, changes.into_iter().map(|change| change.with("village_result_id", source.clone())).collect()))
}

/// Registers a confirmed proposal; one that was not confirmed is rejected. One that cannot be registered stays open.
async fn settle(tx: &mut Tx, keys: &KeyRing, old: Proposal, confirmed: bool, left: &mut Vec<NotApplied>) -> Result<Vec<Change>> {
    let mut new = Proposal { entry_sealed: None, numbers: Vec::new(), ..old.clone() };
    let mut changes = Vec::new();
    if confirmed {
        let family = NewFamily::from(proposals::opened(keys, &old)?.family);
        let (id, origin) = (family.id, Origin::verified(old.visited_at.min(old.created_at)));
        match tx.attempt(async |tx| beneficiaries::register(tx, keys, family, &origin).await).await? {
            Ok(told) => changes.extend(told),
            Err(refusal) => {
                left.push(NotApplied {
                    visit_id: None,
                    proposal_id: Some(old.id),
                    beneficiary_id: None,
                    member_id: None,
                    field: "family".into(),
                    code: word(&refusal),
                });
                return Ok(Vec::new());
            }
        }
        new.state = ProposalState::Registered.name().into();
        new.beneficiary_id = Some(id);
    } else {
        new.state = ProposalState::Rejected.name().into();
    }
    let action = if confirmed { "registered" } else { "rejected" };
    let new = stored::update(tx, &new).await?;
    changes.push(Change::turned(action, &old, &new));
    Ok(changes)
}
