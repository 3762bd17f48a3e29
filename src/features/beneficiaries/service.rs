//! What is done to a family: each step locks the family and its members, keeps their rules and tells its changes.
//!
//! A change of a member is a change of its family too: head, number of members and needs are shown with the family, so
//! its version moves along and its history names the member.

use std::collections::HashMap;

use chrono::{NaiveDate, Utc};
use serde_json::json;
use uuid::Uuid;

use super::model::survivorship::{Origin, STATUS};
use super::model::{
    Attributes, AttributesUpdate, Education, FamilyStatus, InactiveReason, MaritalStatus, MemberStatus, MemberWarning, Need, Occupation,
    Relation, demand_one_head, may_become, needs_of, sex_name, sex_of, warnings_of,
};
use super::moving;
use super::numbers::{kk_of, nik_of};
use super::provenance;
use super::standing::{self, Edited};
use super::store::{self, Family, Member, TrackedMember, attributes_of};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik, Sex};

/// The columns that numbers are sealed for; a sealed value opens in no other.
pub const NIK_COLUMN: &str = "members.nik";
/// See [`NIK_COLUMN`].
pub const KK_COLUMN: &str = "beneficiaries.kk";
/// The kinds of number that are looked up.
pub const NIK_KIND: &str = "nik";
/// See [`NIK_KIND`].
pub const KK_KIND: &str = "kk";

/// A family to register.
#[derive(Debug)]
pub struct NewFamily {
    /// Record id.
    pub id: Uuid,
    /// Its village.
    pub region: RegionCode,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number.
    pub kk_number: Option<KkNumber>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// At least one, exactly one of them the head.
    pub members: Vec<NewMember>,
}

/// A member to register.
#[derive(Debug)]
pub struct NewMember {
    /// Record id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// Marital status.
    pub marital_status: Option<MaritalStatus>,
    /// Occupation.
    pub occupation: Option<Occupation>,
    /// Education.
    pub education: Option<Education>,
    /// NIK.
    pub nik: Option<Nik>,
}

/// Changes to a family; an outer `None` leaves a field, an inner one clears it.
#[derive(Debug, Default, PartialEq)]
pub struct FamilyPatch {
    /// Another village.
    pub region: Option<RegionCode>,
    /// Address.
    pub address: Option<Option<String>>,
    /// KK number.
    pub kk_number: Option<Option<KkNumber>>,
    /// Housing, means and aid.
    pub attributes: Option<AttributesUpdate>,
}

/// Changes to a member.
#[derive(Debug, Default, PartialEq)]
pub struct MemberPatch {
    /// Name.
    pub name: Option<String>,
    /// Relation to the head.
    pub relation: Option<Relation>,
    /// Sex.
    pub sex: Option<Option<Sex>>,
    /// Born on.
    pub birth_date: Option<Option<NaiveDate>>,
    /// The mother's maiden name.
    pub mother_name: Option<Option<String>>,
    /// Marital status.
    pub marital_status: Option<Option<MaritalStatus>>,
    /// Occupation.
    pub occupation: Option<Option<Occupation>>,
    /// Education.
    pub education: Option<Option<Education>>,
    /// NIK.
    pub nik: Option<Option<Nik>>,
    /// Whether they still belong to the family.
    pub status: Option<MemberStatus>,
    /// Who heads the family when its head dies or leaves.
    pub new_head: Option<Uuid>,
}

/// A number as it rests: encrypted, as found by, as shown.
pub(super) type Resting = (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>);

/// A NIK as it rests in a member's row.
pub(super) fn rest_nik(keys: &KeyRing, id: Uuid, nik: Option<&Nik>) -> Result<Resting> {
    let Some(nik) = nik else { return Ok((None, None, None)) };
    let digits = nik.expose().as_bytes();
    Ok((Some(keys.seal(NIK_COLUMN, id, digits)?), Some(keys.index(NIK_KIND, digits)?), Some(nik.mask())))
}

pub(super) fn rest_kk(keys: &KeyRing, id: Uuid, kk: Option<&KkNumber>) -> Result<Resting> {
    let Some(kk) = kk else { return Ok((None, None, None)) };
    let digits = kk.expose().as_bytes();
    Ok((Some(keys.seal(KK_COLUMN, id, digits)?), Some(keys.index(KK_KIND, digits)?), Some(kk.mask())))
}

/// A NIK's index entries under every live key, each with the entry that stands for the number.
pub(super) fn entries_of(keys: &KeyRing, nik: &Nik) -> Result<HashMap<Vec<u8>, Vec<u8>>> {
    let entries = keys.indexes(NIK_KIND, nik.expose().as_bytes())?;
    let number = entries.first().cloned().unwrap_or_default();
    Ok(entries.into_iter().map(|entry| (entry, number.clone())).collect())
}

/// Warnings as the database has them.
pub(super) fn warning_words(warnings: Vec<MemberWarning>) -> Vec<Option<String>> {
    warnings.into_iter().map(|warning| Some(warning.name().to_owned())).collect()
}

/// Needs as the database has them.
pub(super) fn need_words(needs: Vec<Need>) -> Vec<Option<String>> {
    needs.into_iter().map(|need| Some(need.name().to_owned())).collect()
}

fn has_warning(member: &Member, warning: MemberWarning) -> bool {
    member.warnings.iter().flatten().any(|known| known == warning.name())
}

/// A member's warnings as they are now; what only other records can tell stays as it was.
pub(super) fn reviewed(keys: &KeyRing, member: &Member, region: &RegionCode) -> Result<Vec<Option<String>>> {
    let nik = nik_of(keys, member)?;
    let sex = member.sex.as_deref().and_then(sex_of);
    let mut warnings = warnings_of(nik.as_ref(), member.birth_date, sex, region, has_warning(member, MemberWarning::NikDuplicate));
    if has_warning(member, MemberWarning::HeadDisputed) && !member.is_present_head() {
        warnings.push(MemberWarning::HeadDisputed);
    }
    Ok(warning_words(warnings))
}

fn member_row(keys: &KeyRing, family: Uuid, region: &RegionCode, new: NewMember, by: &Origin) -> Result<Member> {
    let NewMember { id, name, relation, sex, birth_date, mother_name, marital_status, occupation, education, nik } = new;
    let (nik_sealed, nik_index, nik_mask) = rest_nik(keys, id, nik.as_ref())?;
    let now = Utc::now();
    Ok(Member {
        id,
        beneficiary_id: family,
        name,
        relation: relation.name().into(),
        sex: sex.map(|sex| sex_name(sex).into()),
        birth_date,
        mother_name,
        marital_status: marital_status.map(|word| word.name().into()),
        occupation: occupation.map(|word| word.name().into()),
        education: education.map(|word| word.name().into()),
        nik_sealed,
        nik_index,
        nik_mask,
        status: MemberStatus::Present.name().into(),
        warnings: warning_words(warnings_of(nik.as_ref(), birth_date, sex, region, false)),
        merged_into: None,
        provenance: provenance::all_by(by),
        version: 1,
        created_at: now,
        updated_at: now,
    })
}

/// The family as the next version, its needs drawn from its members as they are now.
pub(super) fn next(old: &Family, people: &[Member]) -> Family {
    let persons: Vec<_> = people.iter().map(Member::person).collect();
    let mut new = old.clone();
    new.needs = need_words(needs_of(&attributes_of(&old.attributes), &persons, Utc::now().date_naive()));
    new.version += 1;
    new.updated_at = Utc::now();
    new
}

pub(super) fn touched(mut member: Member) -> Member {
    member.version += 1;
    member.updated_at = Utc::now();
    member
}

/// A family lives in a village of the scope. Whether the village exists, the reference decides.
pub(super) fn demand_village(tx: &Tx, region: &RegionCode) -> Result<()> {
    use crate::platform::db::Scoped;
    tx.scope().demand(region)?;
    if region.level() == Level::Village {
        Ok(())
    } else {
        Err(Error::field("region_code", "village", "A family lives in a village: send a code of ten digits."))
    }
}

/// Sets the KK number, unless another family has it.
pub(super) async fn set_family_card(tx: &Tx, keys: &KeyRing, family: &mut Family, kk: Option<&KkNumber>) -> Result<()> {
    (family.kk_sealed, family.kk_index, family.kk_mask) = rest_kk(keys, family.id, kk)?;
    let Some(kk) = kk else { return Ok(()) };
    let older: Vec<_> = keys.indexes(KK_KIND, kk.expose().as_bytes())?.into_iter().skip(1).collect();
    if !older.is_empty() && store::has_family_card(tx, older, &[family.id]).await? {
        return Err(Code::FamilyCardTaken.into());
    }
    Ok(())
}

/// A number that rests with a family merged into this one is this one's to have: the other gives it up. Undoing the merge leaves
/// it where it was given to, as it leaves every field that somebody changed since.
async fn pass_on_card(tx: &mut Tx, keys: &KeyRing, family: Uuid, kk: &KkNumber) -> Result<Option<Change>> {
    let entries = keys.indexes(KK_KIND, kk.expose().as_bytes())?;
    let Some(old) = store::merged_card_holder(tx, family, entries).await? else { return Ok(None) };
    let (kk_sealed, kk_index, kk_mask) = rest_kk(keys, old.id, None)?;
    let new = Family { kk_sealed, kk_index, kk_mask, version: old.version.saturating_add(1), updated_at: Utc::now(), ..old.clone() };
    store::update(tx, &new).await?;
    Ok(Some(Change::turned("card_passed_on", &old, &new)))
}

/// Registers a family with its members, as that source states them.
pub async fn register(tx: &mut Tx, keys: &KeyRing, new: NewFamily, by: &Origin) -> Result<Vec<Change>> {
    let NewFamily { id, region, address, kk_number, attributes, members } = new;
    demand_village(tx, &region)?;
    let places = members.iter().map(|member| (member.relation, MemberStatus::Present));
    if members.is_empty() || demand_one_head(places).is_err() {
        return Err(Code::HeadMissing.into());
    }
    let mut entries = HashMap::new();
    for nik in members.iter().filter_map(|member| member.nik.as_ref()) {
        entries.extend(entries_of(keys, nik)?);
    }
    let people = members.into_iter().map(|member| member_row(keys, id, &region, member, by)).collect::<Result<Vec<_>>>()?;
    let persons: Vec<_> = people.iter().map(Member::person).collect();
    let now = Utc::now();
    let mut family = Family {
        id,
        region_code: region.into(),
        address,
        kk_sealed: None,
        kk_index: None,
        kk_mask: None,
        status: FamilyStatus::Active.name().into(),
        inactive_reason: None,
        attributes: json!(attributes),
        needs: need_words(needs_of(&attributes, &persons, now.date_naive())),
        merged_into: None,
        provenance: provenance::all_by(by),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    set_family_card(tx, keys, &mut family, kk_number.as_ref()).await?;
    store::insert(tx, &family, &people).await?;
    let own: Vec<Uuid> = people.iter().map(|member| member.id).collect();
    let others = store::flag_duplicates(tx, entries, &own).await?;
    let (family, people) = store::find_to_change(tx, id).await?;
    let mut changes = vec![Change::created(&family)];
    changes.extend(people.iter().map(|member| Change::created(&TrackedMember::of(member, &family))));
    changes.extend(others);
    Ok(changes)
}

/// The fields that a patch states, as provenance names them.
fn patch_names(address: bool, kk_number: bool, attributes: Option<&AttributesUpdate>) -> Vec<String> {
    let mut names = Vec::new();
    names.extend(address.then(|| "address".to_owned()));
    names.extend(kk_number.then(|| "kk_number".to_owned()));
    if let Some(serde_json::Value::Object(facts)) = attributes.map(|patch| json!(Attributes::default().patched(*patch))) {
        names.extend(facts.keys().map(|name| format!("attributes.{name}")));
    }
    names
}

/// Edits a family, as that source states it. What comes out as it stood changes nothing, whatever was stated (RFC 7396).
pub async fn edit(tx: &mut Tx, keys: &KeyRing, id: Uuid, expected: IfGiven, patch: FamilyPatch, by: &Origin) -> Result<Edited> {
    let (old, people) = store::find_to_change(tx, id).await?;
    expected.demand(old.version)?;
    let FamilyPatch { region, address, kk_number, attributes } = patch;
    let mut draft = old.clone();
    let mut stated = patch_names(address.is_some(), kk_number.is_some(), attributes.as_ref());
    let standing = standing::of(&old.provenance, &stated, by);
    stated.retain(|field| !standing.contains(field));
    let mut left = Vec::new();
    draft.address = address.unwrap_or(draft.address);
    if let Some(patch) = attributes {
        let patched = json!(attributes_of(&draft.attributes).patched(patch));
        (draft.attributes, left) = standing::attributes(patched, &old.attributes, &standing);
    }
    let stays = standing.iter().any(|field| field == "kk_number");
    // Only another number is one: sealed anew, the same would look like another.
    let card = kk_number.map(|kk| Ok::<_, Error>((kk != kk_of(keys, &old)?).then_some(kk))).transpose()?.flatten();
    if stays && card.is_some() {
        left.push("kk_number".into());
    }
    let mut changes = Vec::new();
    if let Some(kk) = card.filter(|_| !stays) {
        if let Some(kk) = &kk {
            changes.extend(pass_on_card(tx, keys, id, kk).await?);
        }
        set_family_card(tx, keys, &mut draft, kk.as_ref()).await?;
    }
    draft.provenance = provenance::after_edit_of_family(&old, &draft, (by, &stated));
    let region = region.filter(|region| *region != old.region());
    if draft == old && region.is_none() {
        return Ok(Edited { changes: Vec::new(), left });
    }
    changes.splice(0..0, moving::settle(tx, keys, (&old, &people), draft, region, "edited").await?);
    Ok(Edited { changes, left })
}

/// Ends the service of a family, or takes it up again where `reason` is `None`, as that source states it.
pub async fn turn(tx: &mut Tx, id: Uuid, reason: Option<InactiveReason>, note: Option<String>, by: &Origin) -> Result<Edited> {
    let (old, people) = store::find_to_change(tx, id).await?;
    let from = FamilyStatus::parse(&old.status).ok_or_else(|| anyhow::anyhow!("unknown status of family {id}"))?;
    let (to, action) = match reason {
        Some(_) => (FamilyStatus::Inactive, "deactivated"),
        None => (FamilyStatus::Active, "reactivated"),
    };
    if !may_become(from, to) {
        return Err(Code::StepNotAllowed.into());
    }
    let left = standing::of(&old.provenance, &[STATUS.to_owned()], by);
    if !left.is_empty() {
        return Ok(Edited { changes: Vec::new(), left });
    }
    let mut new = next(&old, &people);
    new.status = to.name().into();
    new.inactive_reason = reason.map(|reason| reason.name().into());
    new.provenance = provenance::after_turn(&old, by);
    store::update(tx, &new).await?;
    Ok(Edited { changes: vec![Change::turned(action, &old, &new).because(note)], left })
}

/// Adds a member.
pub async fn add_member(tx: &mut Tx, keys: &KeyRing, family: Uuid, new: NewMember) -> Result<Vec<Change>> {
    let (old, mut people) = store::find_to_change(tx, family).await?;
    let (id, entries) = (new.id, new.nik.as_ref().map(|nik| entries_of(keys, nik)).transpose()?.unwrap_or_default());
    let member = member_row(keys, family, &old.region(), new, &provenance::officer())?;
    people.push(member.clone());
    demand_one_head(people.iter().map(Member::place))?;
    store::insert_members(tx, &[member]).await?;
    let others = store::flag_duplicates(tx, entries, &[id]).await?;
    let new = next(&old, &people);
    store::update(tx, &new).await?;
    let (member, _) = store::find_member(tx, family, id).await?;
    let mut changes =
        vec![Change::created(&TrackedMember::of(&member, &new)), Change::turned("member_added", &old, &new).with("member_id", json!(id))];
    changes.extend(others);
    Ok(changes)
}

/// Edits a member as that source states them, or records that they died or left. What comes out as it stood changes nothing.
pub async fn edit_member(
    tx: &mut Tx,
    keys: &KeyRing,
    (family, id): (Uuid, Uuid),
    expected: IfGiven,
    patch: MemberPatch,
    by: &Origin,
) -> Result<Edited> {
    let (old_family, old_people) = store::find_to_change(tx, family).await?;
    let old = old_people.iter().find(|member| member.id == id).ok_or(Code::NotFound)?;
    if old.merged_into.is_some() {
        return Err(Code::RecordMerged.into());
    }
    expected.demand(old.version)?;
    let mut new = old.clone();
    let (patch, stated, left) = standing::member(keys, old, patch, by)?;
    if stated.is_empty() && by.is_verified() {
        return Ok(Edited { changes: Vec::new(), left });
    }
    let MemberPatch { name, relation, sex, birth_date, mother_name, marital_status, occupation, education, nik, status, new_head } = patch;
    new.name = name.unwrap_or(new.name);
    new.relation = relation.map_or(new.relation, |word| word.name().into());
    new.sex = sex.map_or(new.sex, |sex| sex.map(|sex| sex_name(sex).into()));
    new.birth_date = birth_date.unwrap_or(new.birth_date);
    new.mother_name = mother_name.unwrap_or(new.mother_name);
    new.marital_status = marital_status.map_or(new.marital_status, |word| word.map(|word| word.name().into()));
    new.occupation = occupation.map_or(new.occupation, |word| word.map(|word| word.name().into()));
    new.education = education.map_or(new.education, |word| word.map(|word| word.name().into()));
    new.status = status.map_or(new.status, |word| word.name().into());
    let mut entries = HashMap::new();
    if nik.is_some() || new.status != old.status {
        let known = nik_of(keys, old)?;
        // Whoever shared the old number may share it no longer, and whoever has the new one now shares it.
        for number in known.iter().chain(nik.iter().flatten()) {
            entries.extend(entries_of(keys, number)?);
        }
        if let Some(nik) = nik.filter(|nik| *nik != known) {
            (new.nik_sealed, new.nik_index, new.nik_mask) = rest_nik(keys, id, nik.as_ref())?;
        }
    }
    new.provenance = provenance::after_edit_of_member(old, &new, (by, &stated));
    let successor = succession(&old_people, old, &new, new_head)?;
    if new == *old {
        return Ok(Edited { changes: Vec::new(), left });
    }
    new = touched(new);
    new.warnings = reviewed(keys, &new, &old_family.region())?;
    let mut people = old_people.clone();
    for member in &mut people {
        if member.id == id {
            *member = new.clone();
        } else if Some(member.id) == successor {
            *member = touched(Member { relation: Relation::Head.name().into(), ..member.clone() });
        }
    }
    demand_one_head(people.iter().map(Member::place))?;
    store::update_member(tx, &new).await?;
    if let Some(member) = people.iter().find(|member| Some(member.id) == successor) {
        store::update_member(tx, member).await?;
    }
    let others = store::flag_duplicates(tx, entries, &[id]).await?;
    let new_family = next(&old_family, &people);
    store::update(tx, &new_family).await?;
    let action = match new.place().1 {
        MemberStatus::Deceased if new.status != old.status => "died",
        MemberStatus::MovedOut if new.status != old.status => "moved_out",
        MemberStatus::Present if new.status != old.status => "returned",
        _ => "edited",
    };
    let (_, people) = store::find_to_change(tx, family).await?;
    let mut named = vec![(id, action)];
    named.extend(successor.map(|heir| (heir, "became_head")));
    let mut changes = turned_members(&named, (&old_people, &old_family), (&people, &new_family));
    changes.push(Change::turned("member_edited", &old_family, &new_family).with("member_id", json!(id)));
    changes.extend(others);
    Ok(Edited { changes, left })
}

/// Who heads the family after a member's edit: needed when the head dies or leaves others behind, out of place otherwise.
fn succession(people: &[Member], old: &Member, new: &Member, new_head: Option<Uuid>) -> Result<Option<Uuid>> {
    let head_goes = old.is_present_head() && new.place().1 != MemberStatus::Present;
    let heirs: Vec<Uuid> =
        people.iter().filter(|member| member.id != old.id && member.place().1 == MemberStatus::Present).map(|member| member.id).collect();
    match (head_goes, new_head) {
        (false, None) => Ok(None),
        (true, None) if heirs.is_empty() => Ok(None),
        (true, None) => Err(Error::field(
            "new_head_id",
            "required",
            "The head dies or leaves others behind: name the present member who heads the family now.",
        )),
        (true, Some(heir)) if heirs.contains(&heir) => Ok(Some(heir)),
        (true, Some(_)) => Err(Code::MemberElsewhere.into()),
        (false, Some(_)) => Err(Error::field("new_head_id", "not_applicable", "A new head is only named when the head dies or leaves.")),
    }
}

/// The changes of the members that a step turned, each with its own action.
fn turned_members(
    named: &[(Uuid, &'static str)],
    (old, old_family): (&[Member], &Family),
    (new, new_family): (&[Member], &Family),
) -> Vec<Change> {
    let of = |people: &[Member], id: Uuid| people.iter().find(|member| member.id == id).cloned();
    named
        .iter()
        .filter_map(|(id, action)| Some((of(old, *id)?, of(new, *id)?, *action)))
        .map(|(old, new, action)| Change::turned(action, &TrackedMember::of(&old, old_family), &TrackedMember::of(&new, new_family)))
        .collect()
}

/// Hands the family over from one present member to another.
pub async fn change_head(tx: &mut Tx, family: Uuid, id: Uuid, former: Relation, note: Option<String>) -> Result<Vec<Change>> {
    if former == Relation::Head {
        return Err(Error::field(
            "former_head_relation",
            "not_applicable",
            "The former head is no longer the head: say what they are to the new one.",
        ));
    }
    let (old_family, old_people) = store::find_to_change(tx, family).await?;
    let heir =
        old_people.iter().find(|member| member.id == id && member.place().1 == MemberStatus::Present).ok_or(Code::MemberElsewhere)?;
    if heir.is_present_head() {
        return Err(Code::StepNotAllowed.into());
    }
    let mut people = old_people.clone();
    // The former head first: two heads at a time break the constraint.
    for (of, to) in [(false, former), (true, Relation::Head)] {
        for member in people.iter_mut().filter(|member| if of { member.id == id } else { member.is_present_head() }) {
            *member = touched(Member { relation: to.name().into(), ..member.clone() });
            store::update_member(tx, member).await?;
        }
    }
    let new_family = next(&old_family, &people);
    store::update(tx, &new_family).await?;
    let mut named = vec![(id, "became_head")];
    named.extend(old_people.iter().filter(|member| member.is_present_head()).map(|member| (member.id, "handed_over")));
    let mut changes = turned_members(&named, (&old_people, &old_family), (&people, &new_family));
    changes.push(Change::turned("head_changed", &old_family, &new_family).with("member_id", json!(id)));
    Ok(changes.into_iter().map(|change| change.because(note.clone())).collect())
}
