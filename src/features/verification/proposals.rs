//! Proposals: a family that is not on the list is compared with everybody on file, and with every other proposal, before anything else
//! happens to it.
//!
//! It **is on file** when another family has its KK number, when its head is the head of a family on file, or when more than half of
//! its people are of one family on file. People are one when the engine takes them for one, or when they have one NIK and name or birth
//! date do not contradict. Anything less (a son with a household of his own, a namesake, a number that stands on somebody else,
//! the same family proposed twice) stays open, names whom it may be, and waits for a review: it cannot be registered without one.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::{Criterion, Eligibility, ProposalState};
use super::store::{Proposal, VillageResult, campaigns, criteria, proposal};
use crate::features::beneficiaries::{
    self, Attributes, BeneficiaryCreate, KK_KIND, Like, MatchedMember, MemberStatus, NIK_KIND, NewFamily, Relation, Whole, demand_one_head,
    sex_name,
};
use crate::features::matching::{self, Resembled};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Nik;

/// What entries are sealed for.
pub const ENTRY: &str = "proposals.entry";
/// What the digest of an entry is keyed for.
const DIGEST: &str = "proposals.digest";
/// How many candidates are kept.
const MOST: usize = 20;

/// A proposal as it was sent.
pub struct Entry {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub family: BeneficiaryCreate,
    /// How poor.
    pub eligibility: Eligibility,
    /// Answers by criterion.
    pub answers: BTreeMap<String, bool>,
    /// When somebody was there.
    pub visited_at: DateTime<Utc>,
    /// Who was there.
    pub officer_name: Option<String>,
    /// In the officer's words.
    pub note: Option<String>,
    /// Photos and documents.
    pub attachment_ids: Vec<Uuid>,
}

#[derive(Serialize)]
struct Written<'a> {
    village_result_id: Uuid,
    family: Whole<'a>,
    eligibility: &'static str,
    answers: &'a BTreeMap<String, bool>,
    visited_at: DateTime<Utc>,
    officer_name: Option<&'a str>,
    note: Option<&'a str>,
    attachment_ids: &'a [Uuid],
}

/// An opened entry.
#[derive(Deserialize)]
pub struct Opened {
    /// The family as it was sent.
    pub family: BeneficiaryCreate,
}

impl Entry {
    /// All of it, in one order, to be sealed and to be known again by.
    pub fn written(&self, village_result_id: Uuid) -> Result<Zeroizing<Vec<u8>>> {
        let written = Written {
            village_result_id,
            family: Whole(&self.family),
            eligibility: self.eligibility.name(),
            answers: &self.answers,
            visited_at: self.visited_at,
            officer_name: self.officer_name.as_deref(),
            note: self.note.as_deref(),
            attachment_ids: &self.attachment_ids,
        };
        Ok(Zeroizing::new(serde_json::to_vec(&written).map_err(|_| anyhow::anyhow!("a proposal that cannot be written"))?))
    }
}

/// The keyed digest under the current key.
pub fn digest_of(keys: &KeyRing, written: &[u8]) -> Result<Vec<u8>> {
    Ok(keys.index(DIGEST, written)?)
}

/// Whether a stored proposal is this very one.
pub fn is_same(keys: &KeyRing, row: &Proposal, written: &[u8]) -> Result<bool> {
    Ok(keys.indexes(DIGEST, written)?.contains(&row.digest))
}

/// A sealed entry, opened.
pub fn open_entry(keys: &KeyRing, id: Uuid, sealed: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Opened)> {
    let plain = keys.open(ENTRY, id, sealed)?;
    // The cause of a failure may quote what it read: it is dropped.
    let opened = serde_json::from_slice(&plain).map_err(|_| anyhow::anyhow!("the entry of proposal {id} cannot be read"))?;
    Ok((plain, opened))
}

/// The entry of a stored proposal.
pub fn opened(keys: &KeyRing, row: &Proposal) -> Result<Opened> {
    let sealed = row.entry_sealed.as_deref().ok_or_else(|| anyhow::anyhow!("proposal {} has no entry any more", row.id))?;
    Ok(open_entry(keys, row.id, sealed)?.1)
}

/// The index entries of a family's numbers: under the current key to be stored, under every key to be looked for.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Of the NIKs.
    pub niks: Vec<Vec<u8>>,
    /// Of the KK number.
    pub cards: Vec<Vec<u8>>,
    /// To be stored.
    pub current: Vec<Vec<u8>>,
}

/// The numbers of a family.
pub fn numbers_of(keys: &KeyRing, family: &NewFamily) -> Result<Numbers> {
    let mut numbers = Numbers::default();
    for nik in family.members.iter().filter_map(|member| member.nik.as_ref()) {
        let digits = nik.expose().as_bytes();
        numbers.niks.extend(keys.indexes(NIK_KIND, digits)?);
        numbers.current.push(keys.index(NIK_KIND, digits)?);
    }
    if let Some(card) = &family.kk_number {
        let digits = card.expose().as_bytes();
        numbers.cards = keys.indexes(KK_KIND, digits)?;
        numbers.current.push(keys.index(KK_KIND, digits)?);
    }
    Ok(numbers)
}

/// A proposed family, numbers masked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProposedFamily {
    /// Address below the village.
    pub address: Option<String>,
    /// KK number, masked.
    pub kk_number_masked: Option<String>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// Its members.
    pub members: Vec<ProposedMember>,
}

/// A member of a proposed family, number masked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProposedMember {
    /// Name.
    pub name: String,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// NIK, masked.
    pub nik_masked: Option<String>,
}

/// A family as it may be shown.
fn masked(family: &NewFamily) -> ProposedFamily {
    let member = |member: &beneficiaries::NewMember| ProposedMember {
        name: member.name.clone(),
        relation: member.relation,
        sex: member.sex.map(|sex| sex_name(sex).to_owned()),
        birth_date: member.birth_date,
        mother_name: member.mother_name.clone(),
        nik_masked: member.nik.as_ref().map(|nik| nik.mask()),
    };
    ProposedFamily {
        address: family.address.clone(),
        kk_number_masked: family.kk_number.as_ref().map(|card| card.mask()),
        attributes: family.attributes,
        members: family.members.iter().map(member).collect(),
    }
}

/// Whom a proposed family, or one of its people, may be; as stored. What of it is shown depends on who looks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Candidate {
    /// The place among the proposal's members; none where it is about the family.
    pub person: Option<usize>,
    /// The member on file.
    pub member_id: Option<Uuid>,
    /// The family on file.
    pub beneficiary_id: Option<Uuid>,
    /// The other proposal.
    pub proposal_id: Option<Uuid>,
    /// Where they are.
    pub region_code: String,
    /// What says so: `nik`, `kk_number`, `people`, `review`.
    pub because: Vec<String>,
    /// Whether they are taken for one; else somebody has to look.
    pub is_match: bool,
    /// Logarithm to base 2 of the odds, where they were weighed.
    pub weight: Option<f64>,
    /// The probability.
    pub probability: Option<f64>,
    /// The terms that add up to the weight.
    pub terms: Value,
}

/// What is asked of somebody near.
struct Near {
    family: Uuid,
    region: RegionCode,
    heads: bool,
    proposal: bool,
    nik: Option<Nik>,
    birth_date: Option<NaiveDate>,
}

/// People of a family that is not on file, as the engine takes them in; the ids are made for the comparison.
fn newcomers(id: Uuid, family: &NewFamily) -> Vec<MatchedMember> {
    family
        .members
        .iter()
        .map(|member| MatchedMember {
            id: new_id(),
            family: id,
            region: family.region.clone(),
            name: member.name.clone(),
            relation: member.relation.name().into(),
            sex: member.sex,
            birth_date: member.birth_date,
            mother_name: member.mother_name.clone(),
            nik: member.nik.clone(),
            kk: family.kk_number.clone(),
            address: family.address.clone(),
            status: MemberStatus::Present,
        })
        .collect()
}

fn like(family: &NewFamily, numbers: &Numbers) -> Like {
    let letter = |name: &str| name.chars().next().map(|first| first.to_lowercase().collect::<String>());
    let born = family.members.iter().filter_map(|member| Some((member.birth_date?, letter(&member.name)?))).collect();
    Like { niks: numbers.niks.clone(), cards: numbers.cards.clone(), born }
}

/// Whom a proposed family may be, the surest first.
async fn candidates_of(tx: &Tx, keys: &KeyRing, id: Uuid, family: &NewFamily, numbers: &Numbers) -> Result<Vec<Candidate>> {
    let asking = newcomers(id, family);
    let mut near = beneficiaries::members_like(tx, keys, &family.region, &like(family, numbers)).await?;
    let looked_for: Vec<Vec<u8>> = numbers.niks.iter().chain(&numbers.cards).cloned().collect();
    let rivals = proposal::rivals(tx, &family.region, &looked_for, id).await?;
    let on_file = near.len();
    let mut found = Vec::new();
    for rival in &rivals {
        let theirs = NewFamily::from(opened(keys, rival)?.family);
        if family.kk_number.is_some() && family.kk_number == theirs.kk_number {
            found.push(of_family(None, Some(rival.id), &rival.region_code));
        }
        near.extend(newcomers(rival.id, &theirs));
    }
    if let Some((holder, region)) = beneficiaries::card_holder(tx, &numbers.cards).await? {
        found.push(of_family(Some(holder), None, region.as_str()));
    }
    let known: HashMap<Uuid, Near> = (0..)
        .zip(&near)
        .map(|(at, member): (usize, &MatchedMember)| {
            let near = Near {
                family: member.family,
                region: member.region.clone(),
                heads: member.relation == Relation::Head.name() && member.status == MemberStatus::Present,
                proposal: at >= on_file,
                nik: member.nik.clone(),
                birth_date: member.birth_date,
            };
            (member.id, near)
        })
        .collect();
    let ids: Vec<Uuid> = asking.iter().map(|member| member.id).collect();
    let facts: Vec<(Option<Nik>, Option<NaiveDate>)> = asking.iter().map(|member| (member.nik.clone(), member.birth_date)).collect();
    near.extend(asking);
    let weighed = matching::weigh_newcomers(near, ids.iter().copied().collect::<HashSet<Uuid>>()).await?;
    for (person, id) in ids.iter().enumerate() {
        let Some((nik, born)) = facts.get(person) else { continue };
        let resembled: HashMap<Uuid, &Resembled> = weighed.iter().filter(|one| one.newcomer == *id).map(|one| (one.other, one)).collect();
        for (other, near) in &known {
            let pair = resembled.get(other).copied();
            let same_nik = nik.is_some() && *nik == near.nik;
            if pair.is_none() && !same_nik {
                continue;
            }
            // One NIK is one person, unless what is said of them contradicts: then the number stands on the wrong one of two.
            let agrees = same_nik && (pair.is_some_and(|pair| pair.names_alike) || (born.is_some() && *born == near.birth_date));
            let because = [("nik", same_nik), ("people", pair.is_some())];
            found.push(Candidate {
                person: Some(person),
                member_id: (!near.proposal).then_some(*other),
                beneficiary_id: (!near.proposal).then_some(near.family),
                proposal_id: near.proposal.then_some(near.family),
                region_code: near.region.to_string(),
                because: because.into_iter().filter(|(_, says)| *says).map(|(word, _)| word.to_owned()).collect(),
                is_match: if same_nik { agrees } else { pair.is_some_and(|pair| pair.is_match) },
                weight: pair.map(|pair| pair.weight),
                probability: pair.map(|pair| pair.probability),
                terms: pair.map(|pair| serde_json::from_str(&pair.terms)).transpose().context("terms of a candidate")?.unwrap_or(json!([])),
            });
        }
    }
    found.sort_by(|a, b| {
        let rank = |one: &Candidate| (one.person.is_some(), !one.is_match);
        let weight = |one: &Candidate| one.weight.unwrap_or(f64::MAX);
        rank(a).cmp(&rank(b)).then_with(|| weight(b).total_cmp(&weight(a))).then_with(|| a.member_id.cmp(&b.member_id))
    });
    let heads: HashSet<Uuid> = known.iter().filter(|(_, near)| near.heads).map(|(id, _)| *id).collect();
    mark_heads(&mut found, &heads);
    found.truncate(MOST);
    Ok(found)
}

/// The same KK number.
fn of_family(beneficiary_id: Option<Uuid>, proposal_id: Option<Uuid>, region: &str) -> Candidate {
    Candidate {
        person: None,
        member_id: None,
        beneficiary_id,
        proposal_id,
        region_code: region.to_owned(),
        because: vec!["kk_number".into()],
        is_match: true,
        weight: None,
        probability: None,
        terms: json!([]),
    }
}

fn mark_heads(found: &mut [Candidate], heads: &HashSet<Uuid>) {
    for candidate in found.iter_mut().filter(|candidate| candidate.member_id.is_some_and(|id| heads.contains(&id))) {
        candidate.because.push("head".into());
    }
}

/// The family on file that a proposed one is, where that is sure: `people` are its members, by whether they head it.
pub fn on_file(people: &[bool], candidates: &[Candidate]) -> Option<Uuid> {
    let of_card = candidates.iter().find(|one| one.person.is_none() && one.is_match).and_then(|one| one.beneficiary_id);
    if of_card.is_some() {
        return of_card;
    }
    let mut alike: BTreeMap<Uuid, HashSet<usize>> = BTreeMap::new();
    for one in candidates.iter().filter(|one| one.is_match) {
        let (Some(person), Some(family)) = (one.person, one.beneficiary_id) else { continue };
        if people.get(person) == Some(&true) && one.because.iter().any(|word| word == "head") {
            return Some(family);
        }
        alike.entry(family).or_default().insert(person);
    }
    alike.into_iter().find(|(_, found)| found.len() * 2 > people.len()).map(|(family, _)| family)
}

/// Stores a proposal with what comparing it found.
pub async fn propose(tx: &mut Tx, keys: &KeyRing, row: &VillageResult, entry: Entry, by: Uuid) -> Result<(Proposal, Vec<Change>)> {
    let written = entry.written(row.id)?;
    let set = criteria::find(tx, campaigns::find(tx, row.campaign_id).await?.criteria_set_id).await?;
    let codes = Criterion::codes(&set.criteria);
    if entry.answers.keys().any(|code| !codes.contains(code)) {
        // The code is somebody's own text: it is not repeated.
        return Err(Error::field("answers", "unknown_value", "An answer is about one of the criteria of the campaign's set."));
    }
    let criteria_met = entry.answers.values().filter(|met| **met).count();
    let family = NewFamily::from(entry.family);
    demand_one_head(family.members.iter().map(|member| (member.relation, MemberStatus::Present))).map_err(|_| Code::HeadMissing)?;
    let numbers = numbers_of(keys, &family)?;
    proposal::hold(tx, &family.region).await?;
    let candidates = candidates_of(tx, keys, entry.id, &family, &numbers).await?;
    let people: Vec<bool> = family.members.iter().map(|member| member.relation == Relation::Head).collect();
    let known = on_file(&people, &candidates);
    let head = family.members.iter().find(|member| member.relation == Relation::Head);
    let now = Utc::now();
    let state = if known.is_some() { ProposalState::OnFile } else { ProposalState::Open };
    let new = Proposal {
        id: entry.id,
        village_result_id: row.id,
        campaign_id: row.campaign_id,
        region_code: row.region_code.clone(),
        state: state.name().into(),
        entry_sealed: Some(keys.seal(ENTRY, entry.id, &written)?),
        told: json!(masked(&family)),
        head_name: head.map(|head| head.name.clone()).unwrap_or_default(),
        people: i16::try_from(family.members.len()).unwrap_or(i16::MAX),
        eligibility: entry.eligibility.name().into(),
        answers: json!(entry.answers),
        criteria_met: i16::try_from(criteria_met).unwrap_or(i16::MAX),
        numbers: numbers.current.into_iter().map(Some).collect(),
        candidates: json!(candidates),
        visited_at: entry.visited_at,
        officer_name: entry.officer_name,
        reviewed_reason: None,
        reviewed_by: None,
        beneficiary_id: known,
        attachment_ids: entry.attachment_ids.into_iter().map(Some).collect(),
        note: entry.note,
        digest: digest_of(keys, &written)?,
        recorded_by: by,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let new = proposal::insert(tx, &new).await?;
    let mut changes = vec![Change::created(&new)];
    changes.extend(look_at_known(tx, row, known).await?);
    Ok((new, changes))
}

/// A family that was proposed and is on file already, in this very village, is given to the village to visit: that it was missing from
/// the release must not keep it off the list.
pub async fn look_at_known(tx: &mut Tx, row: &VillageResult, known: Option<Uuid>) -> Result<Option<Change>> {
    let Some(family) = known else { return Ok(None) };
    if !proposal::assign_known(tx, row, family).await? {
        return Ok(None);
    }
    Ok(Some(Change::new(VillageResult::RESOURCE, row.id, row.village(), "family_assigned").with("beneficiary_id", json!(family))))
}

/// The candidates of a stored proposal.
pub fn candidates(row: &Proposal) -> Result<Vec<Candidate>> {
    Ok(serde_json::from_value(row.candidates.clone()).context("candidates of a proposal")?)
}

/// Whether somebody has to say if the family is on file.
pub fn needs_review(row: &Proposal) -> bool {
    let some = row.candidates.as_array().is_some_and(|list| !list.is_empty());
    row.state == ProposalState::Open.name() && some && row.reviewed_reason.is_none()
}

/// Refuses while a proposal that would be registered was not reviewed: it resembles somebody, or one of its numbers came on file since it
/// was compared.
pub async fn demand_unknown(tx: &Tx, keys: &KeyRing, open: &[(Proposal, Option<bool>)]) -> Result<()> {
    for (row, _) in open.iter().filter(|(row, confirmed)| *confirmed == Some(true) && row.reviewed_reason.is_none()) {
        let numbers = numbers_of(keys, &NewFamily::from(opened(keys, row)?.family))?;
        let holders = beneficiaries::nik_holders(tx, &numbers.niks).await?;
        if needs_review(row) || !holders.is_empty() || beneficiaries::card_holder(tx, &numbers.cards).await?.is_some() {
            let told = format!(
                "Proposal {} resembles a family on file, or one of its numbers came on file since: review it by POST /proposals/{}/review.",
                row.id, row.id
            );
            return Err(Error::RefusedBecause(Code::ProposalReview, told));
        }
    }
    Ok(())
}

/// What a review says of a proposal.
#[derive(Debug)]
pub enum Review {
    /// It is this family on file.
    OnFile(Uuid),
    /// It is this other proposal's family.
    ProposedAlready(Uuid),
    /// It is a family of its own.
    New,
}

/// A proposal after a review, not yet stored. The caller has it locked.
pub async fn reviewed(tx: &Tx, keys: &KeyRing, old: &Proposal, review: Review, (by, reason): (Uuid, String)) -> Result<Proposal> {
    if ![ProposalState::Open, ProposalState::OnFile].iter().any(|state| state.name() == old.state) {
        return Err(Code::StepNotAllowed.into());
    }
    let mut new = Proposal { reviewed_reason: Some(reason), reviewed_by: Some(by), ..old.clone() };
    let mut found = candidates(old)?;
    match review {
        Review::OnFile(family) => {
            if !found.iter().any(|one| one.beneficiary_id == Some(family)) {
                let located = beneficiaries::find_family(tx, family).await?;
                let named = Candidate { because: vec!["review".into()], ..of_family(Some(family), None, located.region.as_str()) };
                found.push(named);
            }
            new.state = ProposalState::OnFile.name().into();
            new.beneficiary_id = Some(family);
        }
        Review::ProposedAlready(other) => {
            let other = if found.iter().any(|one| one.proposal_id == Some(other)) { other } else { proposal::find(tx, other).await?.id };
            if other == old.id {
                return Err(Error::field("proposal_id", "not_applicable", "Name the other proposal of this family."));
            }
            new.state = ProposalState::Rejected.name().into();
            new.beneficiary_id = None;
            new.entry_sealed = None;
            new.numbers = Vec::new();
        }
        Review::New => {
            let numbers = numbers_of(keys, &NewFamily::from(opened(keys, old)?.family))?;
            if beneficiaries::card_holder(tx, &numbers.cards).await?.is_some() {
                return Err(Code::FamilyCardTaken.into());
            }
            new.state = ProposalState::Open.name().into();
            new.beneficiary_id = None;
        }
    }
    new.candidates = json!(found);
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(person: usize, family: Uuid, head: bool) -> Candidate {
        let mut because = vec!["people".to_owned()];
        because.extend(head.then(|| "head".to_owned()));
        Candidate { person: Some(person), member_id: Some(new_id()), because, ..of_family(Some(family), None, "62.02.09.2001") }
    }

    #[test]
    fn a_family_is_on_file_by_its_card_its_head_or_most_of_its_people_and_by_nothing_less() {
        let (one, other) = (new_id(), new_id());
        let four = [true, false, false, false];
        assert_eq!(on_file(&four, &[]), None);
        assert_eq!(on_file(&four, &[of_family(Some(one), None, "64.08.03.2001")]), Some(one), "its card");
        assert_eq!(on_file(&four, &[of_family(None, Some(other), "64.08.03.2001")]), None, "another proposal is nobody on file");
        assert_eq!(on_file(&four, &[person(0, one, true)]), Some(one), "its head is the head");
        assert_eq!(on_file(&four, &[person(0, one, false)]), None, "a son with a household of his own");
        assert_eq!(on_file(&four, &[person(1, one, true)]), None, "the former head as somebody's parent");
        assert_eq!(on_file(&four, &[person(1, one, false), person(2, one, false)]), None, "half of them");
        assert_eq!(on_file(&four, &[person(1, one, false), person(2, one, false), person(3, other, false)]), None);
        assert_eq!(on_file(&four, &[person(1, one, false), person(2, one, false), person(3, one, false)]), Some(one));
        assert_eq!(on_file(&four, &[person(1, one, false), person(1, one, false), person(1, one, false)]), None, "one person thrice");
        let unsure = Candidate { is_match: false, ..person(0, one, true) };
        assert_eq!(on_file(&four, &[unsure]), None, "what somebody has to look at is not sure");
    }
}
