//! Merging and splitting families, and what undoes it.
//!
//! A merge keeps one family. Members of the other who are one person with a member of the kept one are merged into them, field
//! by field by the rules of survivorship; the others move over with their relation, a second head as `other` with a warning.
//! The merged rows stay as they were and lead to the kept ones. A split moves members into a new family.
//!
//! Either gives a **journal**: of every row it touched, what changed, before and after. Undoing sets each field back that
//! still is what the event made of it; one that somebody changed since stays as it is, and is told. What is derived (needs,
//! warnings) is derived anew. A KK number that stayed with the merged family may be given to the kept one by an edit; undoing
//! the merge leaves it there, and the restored family has none until somebody moves it back. The journal holds numbers in clear: whoever keeps it seals it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::survivorship::{Chooser, Occasion, Provenance};
use super::model::{Attributes, FamilyStatus, InactiveReason, MemberStatus, MemberWarning, Relation};
use super::numbers::{kk_of, nik_of};
use super::provenance;
use super::service::{KK_KIND, demand_village, rest_kk, rest_nik, set_family_card, warning_words};
use super::store::{self, Family, Member, attributes_of};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

mod draft;
mod heirs;
mod journal;

use draft::Draft;
use heirs::inherit;
pub use journal::Journal;
use journal::{fields_of_family, fields_of_member};

/// What is to be merged.
#[derive(Debug)]
pub struct Merge {
    /// The family that is kept.
    pub kept: Uuid,
    /// The other family; none where two members of one family are one person.
    pub other: Option<Uuid>,
    /// Members who are one person: the kept one, the merged one.
    pub same: Vec<(Uuid, Uuid)>,
    /// Whether the other family stays, without the people named.
    pub people_only: bool,
    /// Whether what contradicts itself is known and meant.
    pub overridden: bool,
}

/// A field that came from the merged record, or that an undo left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldOf {
    /// The family or member.
    pub record_id: Uuid,
    /// The field.
    #[schema(example = "birth_date")]
    pub field: String,
}

/// What says that two people named as one are two.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Contradiction {
    /// Of the kept family.
    pub kept_member_id: Uuid,
    /// Of the other family.
    pub merged_member_id: Uuid,
    /// `nik`, `sex`, `birth_date` or `status` differ; `nik_twice`: two members would stand with one NIK, not named as one person.
    #[schema(example = "nik")]
    pub because: &'static str,
}

/// What was done.
#[derive(Debug)]
pub struct Structured {
    /// To be committed.
    pub changes: Vec<Change>,
    /// What undoing needs; to be sealed.
    pub journal: Journal,
    /// Where the family that remains lives.
    pub region: RegionCode,
    /// Members who changed the family.
    pub moved: Vec<Uuid>,
    /// Fields of kept records that came from merged ones.
    pub taken: Vec<FieldOf>,
    /// Of what was reported of one family, its version and those of its members since: whether anybody wrote there after it.
    pub stood: Vec<(Uuid, i32)>,
}

/// What an undo did.
#[derive(Debug)]
pub struct Restored {
    /// To be committed.
    pub changes: Vec<Change>,
    /// Fields that somebody changed since, and that stay as they are.
    pub left: Vec<FieldOf>,
    /// Members who were registered in the family that is kept since, and who stay there.
    pub arrived: Vec<Uuid>,
    /// The family that everybody of both is in now.
    pub homes: HashMap<Uuid, Uuid>,
}

/// Both families, locked in one order whichever is which, so that two merges wait for each other and never for ever.
async fn both(tx: &Tx, one: Uuid, other: Option<Uuid>) -> Result<Vec<(Family, Vec<Member>)>> {
    let mut ids: Vec<Uuid> = [Some(one), other].into_iter().flatten().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(store::find_to_restructure(tx, id).await?);
    }
    found.sort_by_key(|(family, _)| family.id != one);
    Ok(found)
}

/// A second head of one family: they stay, as `other`, and somebody has a look.
fn disputed(member: &mut Member) {
    if member.is_present_head() {
        member.relation = Relation::Other.name().into();
        member.warnings = warning_words(vec![MemberWarning::HeadDisputed]);
    }
}

struct Planned {
    draft: Draft,
    moved: Vec<Uuid>,
    taken: Vec<FieldOf>,
    contradictions: Vec<Contradiction>,
}

fn contradictions(keys: &KeyRing, kept: &Member, merged: &Member) -> Result<Vec<&'static str>> {
    let differ = |a: Option<&str>, b: Option<&str>| a.zip(b).is_some_and(|(a, b)| a != b);
    let (nik, other_nik) = (nik_of(keys, kept)?, nik_of(keys, merged)?);
    let years = kept.birth_date.zip(merged.birth_date).map(|(a, b)| a.year().abs_diff(b.year()));
    let found = [
        ("nik", differ(nik.as_ref().map(Nik::expose), other_nik.as_ref().map(Nik::expose))),
        ("sex", differ(kept.sex.as_deref(), merged.sex.as_deref())),
        // The kept one's status stands: whoever is present in one family would be gone from both.
        ("status", kept.status != merged.status),
        // A slip of a digit or a rounded age is common; five years are not.
        ("birth_date", years.is_some_and(|years| years > 5)),
    ];
    Ok(found.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect())
}

/// One person of two records: the kept one with every field that the rules take from the other.
fn joined(keys: &KeyRing, kept: &Member, merged: &Member) -> Result<(Member, Vec<FieldOf>)> {
    let stated = Provenance::stored(&merged.provenance);
    let mut by = Chooser::new(Occasion::Merge, Provenance::stored(&kept.provenance), &stated);
    let mut new = kept.clone();
    if by.takes("name", Some(&kept.name), Some(&merged.name)) {
        new.name.clone_from(&merged.name);
    }
    new.sex = by.choose("sex", new.sex, merged.sex.clone());
    new.birth_date = by.choose("birth_date", new.birth_date, merged.birth_date);
    new.mother_name = by.choose("mother_name", new.mother_name, merged.mother_name.clone());
    new.marital_status = by.choose("marital_status", new.marital_status, merged.marital_status.clone());
    new.occupation = by.choose("occupation", new.occupation, merged.occupation.clone());
    new.education = by.choose("education", new.education, merged.education.clone());
    let (nik, other) = (nik_of(keys, kept)?, nik_of(keys, merged)?);
    if by.takes("nik", nik.as_ref().map(Nik::expose).as_ref(), other.as_ref().map(Nik::expose).as_ref()) {
        (new.nik_sealed, new.nik_index, new.nik_mask) = rest_nik(keys, new.id, other.as_ref())?;
    }
    new.provenance = by.known.to_store();
    let taken = by.taken.into_iter().map(|field| FieldOf { record_id: kept.id, field }).collect();
    Ok((new, taken))
}

fn plan(keys: &KeyRing, found: &[(Family, Vec<Member>)], wanted: &Merge) -> Result<Planned> {
    let (Some((kept, kept_people)), Some((other, other_people))) = (found.first(), found.last()) else { return Err(Code::NotFound.into()) };
    if kept.merged_into.is_some() || other.merged_into.is_some() {
        return Err(Code::RecordMerged.into());
    }
    let mut planned = Planned { draft: Draft::of(found), moved: Vec::new(), taken: Vec::new(), contradictions: Vec::new() };
    let mut named = HashSet::new();
    let mut merged_people = HashSet::new();
    for (one, two) in &wanted.same {
        let of = |people: &[Member], id: &Uuid| people.iter().find(|member| member.id == *id).cloned();
        let (Some(one), Some(two)) = (of(kept_people, one), of(other_people, two)) else { return Err(Code::MemberElsewhere.into()) };
        if one.id == two.id || !named.insert(one.id) || !named.insert(two.id) {
            return Err(Error::field("people", "unique", "Name every member once: as kept or as merged."));
        }
        if one.merged_into.is_some() || two.merged_into.is_some() {
            return Err(Code::RecordMerged.into());
        }
        let told = |because| Contradiction { kept_member_id: one.id, merged_member_id: two.id, because };
        planned.contradictions.extend(contradictions(keys, &one, &two)?.into_iter().map(told));
        let (new, taken) = joined(keys, &one, &two)?;
        planned.taken.extend(taken);
        planned.draft.members.insert(new.id, (new, "merged"));
        let merged = Member { status: MemberStatus::Merged.name().into(), merged_into: Some(one.id), ..two };
        merged_people.insert(merged.id);
        planned.draft.members.insert(merged.id, (merged, "merged_away"));
    }
    let whole = other.id != kept.id && !wanted.people_only;
    if !whole && wanted.same.is_empty() {
        return Err(Error::field("people", "length", "Name at least one pair of members who are one person."));
    }
    if whole {
        move_over(keys, (kept, kept_people), (other, other_people), &merged_people, &mut planned)?;
    }
    Ok(planned)
}

/// The family that is kept takes over what the rules take from the other, and those of its members who are nobody of ours yet.
fn move_over(
    keys: &KeyRing,
    (kept, kept_people): (&Family, &[Member]),
    (other, other_people): (&Family, &[Member]),
    merged_people: &HashSet<Uuid>,
    planned: &mut Planned,
) -> Result<()> {
    let has_head = kept_people.iter().any(Member::is_present_head);
    for member in other_people.iter().filter(|member| !merged_people.contains(&member.id) && member.merged_into.is_none()) {
        if let (MemberStatus::Present, Some(nik)) = (member.place().1, nik_of(keys, member)?) {
            for ours in kept_people.iter().filter(|ours| ours.place().1 == MemberStatus::Present) {
                if nik_of(keys, ours)?.is_some_and(|theirs| theirs.expose() == nik.expose()) {
                    let (kept_member_id, merged_member_id) = (ours.id, member.id);
                    planned.contradictions.push(Contradiction { kept_member_id, merged_member_id, because: "nik_twice" });
                }
            }
        }
        let mut moved = Member { beneficiary_id: kept.id, ..member.clone() };
        if has_head {
            disputed(&mut moved);
        }
        planned.moved.push(moved.id);
        planned.draft.members.insert(moved.id, (moved, "moved_family"));
    }
    let stated = Provenance::stored(&other.provenance);
    let mut by = Chooser::new(Occasion::Merge, Provenance::stored(&kept.provenance), &stated);
    let (mut new, mut away) = (kept.clone(), other.clone());
    if other.status == FamilyStatus::Active.name() {
        // Whoever is served stays served.
        (new.status, new.inactive_reason) = (other.status.clone(), None);
    }
    new.address = by.choose("address", new.address, other.address.clone());
    let attributes: Attributes = attributes_of(&kept.attributes).chosen(attributes_of(&other.attributes), &mut by);
    new.attributes = json!(attributes);
    let (kk, theirs) = (kk_of(keys, kept)?, kk_of(keys, other)?);
    if by.takes("kk_number", kk.as_ref().map(KkNumber::expose).as_ref(), theirs.as_ref().map(KkNumber::expose).as_ref()) {
        // The two change places: whoever looks for either number still finds the way here.
        (new.kk_sealed, new.kk_index, new.kk_mask) = rest_kk(keys, new.id, theirs.as_ref())?;
        (away.kk_sealed, away.kk_index, away.kk_mask) = rest_kk(keys, away.id, kk.as_ref())?;
    }
    new.provenance = by.known.to_store();
    planned.taken.extend(by.taken.into_iter().map(|field| FieldOf { record_id: kept.id, field }));
    away.status = FamilyStatus::Inactive.name().into();
    away.inactive_reason = Some(InactiveReason::Duplicate.name().into());
    away.merged_into = Some(kept.id);
    planned.draft.families.insert(new.id, (new, "merged"));
    planned.draft.families.insert(away.id, (away, "merged_away"));
    Ok(())
}

/// Merges. The caller keeps the journal and commits the changes.
pub async fn merge(tx: &mut Tx, keys: &KeyRing, wanted: &Merge) -> Result<Structured> {
    let found = both(tx, wanted.kept, wanted.other).await?;
    let Planned { draft, moved, taken, contradictions } = plan(keys, &found, wanted)?;
    if !contradictions.is_empty() && !wanted.overridden {
        let told: Vec<String> =
            contradictions.iter().map(|one| format!("{} ({} and {})", one.because, one.kept_member_id, one.merged_member_id)).collect();
        let detail = format!("{} What contradicts: {}.", Code::PeopleContradict.detail(), told.join(", "));
        return Err(Error::RefusedBecause(Code::PeopleContradict, detail));
    }
    let region = found.first().map(|(family, _)| family.region()).ok_or(Code::NotFound)?;
    let (changes, journal) = draft.write(tx, keys).await?;
    Ok(Structured { changes, journal, region, moved, taken, stood: Vec::new() })
}

/// What a merge would do, and who could be whom.
#[derive(Debug)]
pub struct Preview {
    /// Where the family that is kept lives.
    pub region: RegionCode,
    /// Members who may be one person, and what says so: `nik`, or `name_and_birth_date`.
    pub suggested: Vec<(Uuid, Uuid, &'static str)>,
    /// What speaks against these.
    pub contradictions: Vec<Contradiction>,
    /// Fields that would come from the other record.
    pub taken: Vec<FieldOf>,
    /// Members who would change the family.
    pub moved: Vec<Uuid>,
}

/// Looks what a merge with every suggested pair would do; writes nothing.
pub async fn preview(tx: &Tx, keys: &KeyRing, kept: Uuid, other: Uuid) -> Result<Preview> {
    let found = both(tx, kept, Some(other)).await?;
    let region = found.first().map(|(family, _)| family.region()).ok_or(Code::NotFound)?;
    let suggested = match found.as_slice() {
        [(_, ours), (_, theirs)] => suggested(keys, ours, theirs)?,
        _ => return Err(Error::field("other_id", "not_applicable", "Name another family than the one that is kept.")),
    };
    let same = suggested.iter().map(|(kept, merged, _)| (*kept, *merged)).collect();
    let wanted = Merge { kept, other: Some(other), same, people_only: false, overridden: false };
    let Planned { draft: _, moved, taken, contradictions } = plan(keys, &found, &wanted)?;
    Ok(Preview { region, suggested, contradictions, taken, moved })
}

fn suggested(keys: &KeyRing, ours: &[Member], theirs: &[Member]) -> Result<Vec<(Uuid, Uuid, &'static str)>> {
    let mut pairs = Vec::new();
    let mut used = HashSet::new();
    type Told = (Uuid, Option<Nik>, String, Option<NaiveDate>);
    let open = |people: &[Member]| -> Result<Vec<Told>> {
        let standing = people.iter().filter(|member| member.merged_into.is_none());
        standing.map(|member| Ok((member.id, nik_of(keys, member)?, member.name.to_lowercase(), member.birth_date))).collect()
    };
    let (ours, theirs) = (open(ours)?, open(theirs)?);
    for because in ["nik", "name_and_birth_date"] {
        for (our_id, our_nik, our_name, our_day) in &ours {
            for (their_id, their_nik, their_name, their_day) in &theirs {
                let alike = match because {
                    "nik" => our_nik.as_ref().zip(their_nik.as_ref()).is_some_and(|(a, b)| a.expose() == b.expose()),
                    _ => our_name == their_name && our_day.is_some() && our_day == their_day,
                };
                if alike && !used.contains(our_id) && !used.contains(their_id) {
                    used.extend([*our_id, *their_id]);
                    pairs.push((*our_id, *their_id, because));
                }
            }
        }
    }
    Ok(pairs)
}

/// A member who leaves with a split, and what they are to the head of the new family.
#[derive(Debug, Clone, Copy)]
pub struct SplitMember {
    /// Who.
    pub id: Uuid,
    /// Relation to the new head.
    pub relation: Relation,
}

/// What is to be split off.
#[derive(Debug)]
pub struct Split {
    /// From which family.
    pub from: Uuid,
    /// The new family's id.
    pub new_id: Uuid,
    /// Who leaves; exactly one of the present is the new head.
    pub members: Vec<SplitMember>,
    /// Who heads those who stay, where their head leaves.
    pub new_head: Option<Uuid>,
    /// The new family's village; that of the old one where none is named.
    pub region: Option<RegionCode>,
    /// The new family's address.
    pub address: Option<String>,
    /// The new family's KK number.
    pub kk_number: Option<KkNumber>,
}

/// Splits members off into a new family. The caller keeps the journal and commits the changes.
pub async fn split(tx: &mut Tx, keys: &KeyRing, wanted: Split) -> Result<Structured> {
    let Split { from, new_id, members, new_head, region, address, kk_number } = wanted;
    let (old, people) = store::find_to_change(tx, from).await?;
    let region = region.unwrap_or_else(|| old.region());
    demand_village(tx, &region)?;
    let leaving: HashMap<Uuid, Relation> = members.iter().map(|member| (member.id, member.relation)).collect();
    let stays = |member: &&Member| !leaving.contains_key(&member.id) && member.place().1 == MemberStatus::Present;
    if leaving.len() != members.len() {
        return Err(Error::field("members", "unique", "Name every member once."));
    }
    if people.iter().filter(stays).count() == 0 {
        return Err(Error::field(
            "members",
            "length",
            "At least one present member stays: a family that moves as a whole is edited, not split.",
        ));
    }
    let now = Utc::now();
    let mut family = Family {
        id: new_id,
        region_code: region.clone().into(),
        address,
        kk_sealed: None,
        kk_index: None,
        kk_mask: None,
        status: FamilyStatus::Active.name().into(),
        inactive_reason: None,
        attributes: json!({}),
        needs: Vec::new(),
        merged_into: None,
        provenance: provenance::all_by(&provenance::officer()),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    set_family_card(tx, keys, &mut family, kk_number.as_ref()).await?;
    store::insert(tx, &family, &[]).await?;
    let found = [(old.clone(), people.clone()), (family.clone(), Vec::new())];
    let mut draft = Draft::of(&found);
    draft.families.insert(old.id, (old.clone(), "split"));
    draft.families.insert(family.id, (family.clone(), "split_off"));
    for member in &members {
        let person = people.iter().find(|person| person.id == member.id && person.merged_into.is_none()).ok_or(Code::MemberElsewhere)?;
        let moved = Member { beneficiary_id: family.id, relation: member.relation.name().into(), ..person.clone() };
        draft.members.insert(moved.id, (moved, "moved_family"));
    }
    if let Some(heir) = new_head {
        let person = people.iter().filter(stays).find(|person| person.id == heir).ok_or(Code::MemberElsewhere)?;
        let head = Member { relation: Relation::Head.name().into(), ..person.clone() };
        draft.members.insert(heir, (head, "became_head"));
    }
    if !draft.people_of(family.id).iter().any(Member::is_present_head) {
        return Err(Code::HeadMissing.into());
    }
    let (mut changes, journal) = draft.write(tx, keys).await?;
    changes.insert(0, Change::created(&family));
    let moved = members.iter().map(|member| member.id).collect();
    Ok(Structured { changes, journal, region: old.region(), moved, taken: Vec::new(), stood: Vec::new() })
}

/// How often families and their members were written.
pub(super) fn versions(found: &[(Family, Vec<Member>)]) -> Vec<(Uuid, i32)> {
    let of = |(family, people): &(Family, Vec<Member>)| -> Vec<(Uuid, i32)> {
        [(family.id, family.version)].into_iter().chain(people.iter().map(|member| (member.id, member.version))).collect()
    };
    found.iter().flat_map(of).collect()
}

/// Undoes an event on two families, or on one that is named twice. `dissolved` is the family that a split had made: whoever is in it goes back, and it leads
/// to the one it came from. With `stood` it is refused where anybody wrote on the family since.
pub async fn restore(
    tx: &mut Tx,
    keys: &KeyRing,
    journal: &Journal,
    (one, other): (Uuid, Uuid),
    dissolved: bool,
    since: DateTime<Utc>,
    stood: Option<&[(Uuid, i32)]>,
) -> Result<Restored> {
    let found = both(tx, one, Some(other)).await?;
    if stood.is_some_and(|stood| versions(&found) != stood) {
        let detail = "Somebody wrote on the family since you reported it: ask whoever edits families (Dinsos) to undo it.";
        return Err(Error::RefusedBecause(Code::StepNotAllowed, detail.into()));
    }
    let mut draft = Draft::of(&found);
    let mut left = Vec::new();
    for image in &journal.families {
        let Some(family) = draft.before.0.get(&image.id) else { continue };
        if dissolved && image.id == other {
            continue;
        }
        let (mut was, digits, kept): (Family, _, _) = image.undone(family, fields_of_family(keys, family)?, "kk_number")?;
        let kk = digits.as_deref().and_then(|digits| KkNumber::parse(digits).ok());
        (was.kk_sealed, was.kk_index, was.kk_mask) = rest_kk(keys, was.id, kk.as_ref())?;
        left.extend(kept);
        draft.families.insert(was.id, (was, "restored"));
    }
    for image in &journal.members {
        let Some(member) = draft.before.1.get(&image.id) else {
            if one == other {
                let detail = "Somebody whom it concerns is in another family by now: edit their record there.";
                return Err(Error::RefusedBecause(Code::StepNotAllowed, detail.into()));
            }
            // Somebody who since went elsewhere stays there; a later event would have been undone first.
            continue;
        };
        let (mut was, digits, kept): (Member, _, _) = image.undone(member, fields_of_member(keys, member)?, "nik")?;
        let nik = digits.as_deref().and_then(|digits| Nik::parse(digits).ok());
        (was.nik_sealed, was.nik_index, was.nik_mask) = rest_nik(keys, was.id, nik.as_ref())?;
        left.extend(kept);
        draft.members.insert(was.id, (was, "restored"));
    }
    if dissolved {
        for mut member in draft.people_of(other) {
            member.beneficiary_id = one;
            disputed(&mut member);
            draft.members.insert(member.id, (member, "moved_family"));
        }
        let family = draft.before.0.get(&other).cloned().ok_or(Code::NotFound)?;
        let gone = Family {
            status: FamilyStatus::Inactive.name().into(),
            inactive_reason: Some(InactiveReason::Duplicate.name().into()),
            merged_into: Some(one),
            // The card is free for the family that is split off once more.
            kk_sealed: None,
            kk_index: None,
            kk_mask: None,
            ..family
        };
        draft.families.insert(other, (gone, "merged_away"));
    }
    let standing = if dissolved { vec![one] } else { vec![one, other] };
    left.extend(inherit(&mut draft, journal, &standing));
    for id in [one, other] {
        let heads = draft.people_of(id).iter().filter(|member| member.is_present_head()).count();
        if heads > 1 {
            let detail =
                "Undone, the family would have two heads: somebody was made its head since. Hand it over to the former head first.";
            return Err(Error::RefusedBecause(Code::HeadTaken, detail.into()));
        }
    }
    // The numbers that are set back may be somebody else's by now.
    for (family, _) in draft.families.values() {
        if let Some(kk) = kk_of(keys, family)? {
            let entries = keys.indexes(KK_KIND, kk.expose().as_bytes())?;
            let theirs = if family.id == one { other } else { one };
            if store::has_family_card(tx, entries, &[family.id, theirs]).await? {
                return Err(Code::FamilyCardTaken.into());
            }
        }
    }
    let people: Vec<Member> = [one, other].into_iter().flat_map(|id| draft.people_of(id)).collect();
    let arrived = |member: &&Member| !dissolved && one != other && member.beneficiary_id == one && member.created_at > since;
    let arrived = people.iter().filter(arrived).map(|member| member.id).collect();
    let homes = people.iter().map(|member| (member.id, member.beneficiary_id)).collect();
    let (changes, _) = draft.write(tx, keys).await?;
    Ok(Restored { changes, left, arrived, homes })
}
