//! The people of a side: what a release's statements or our records say of them, made ready to be compared or to be looked at.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::http::MatchPersonOut;
use super::model::{Inactive, NikFault, nik_faults};
use super::store::{MatchResult, Pair};
use crate::features::beneficiaries::{self, sex_name};
use crate::features::datasets::{self, NikState, StatedPerson, Statement};
use crate::linkage::record::Register;
use crate::platform::db::Scoped;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::seal::KeyRing;

mod reading;

pub use reading::{Intake, Source, of};

/// Where a person is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// In a statement, by their place among its people.
    Statement(Uuid, i16),
    /// Among our members.
    Member(Uuid),
}

impl Side {
    /// The right side of a pair.
    pub fn of_right(pair: &Pair) -> Result<Side> {
        match (pair.right_statement_id, pair.right_ordinal, pair.right_member_id) {
            (Some(statement), Some(ordinal), None) => Ok(Side::Statement(statement, ordinal)),
            (None, None, Some(member)) => Ok(Side::Member(member)),
            _ => Err(anyhow::anyhow!("pair {} has no right side", pair.id).into()),
        }
    }

    /// Somebody who has the same NIK as a person and makes no pair with them.
    pub fn of_stranger(result: &MatchResult) -> Option<Side> {
        match (result.stranger_statement_id, result.stranger_ordinal, result.stranger_member_id) {
            (Some(statement), Some(ordinal), _) => Some(Side::Statement(statement, ordinal)),
            (_, _, Some(member)) => Some(Side::Member(member)),
            _ => None,
        }
    }
}

/// What is remembered of a person beside the register that is compared. Prints nothing personal.
pub struct Person {
    /// Where they are.
    pub side: Side,
    /// The village.
    pub region: Arc<RegionCode>,
    /// What can be said of the NIK by itself.
    pub nik_state: NikState,
    /// The NIK as a number, where it can be one.
    pub nik: Option<u64>,
    /// Whether they are on file as no longer there.
    pub inactive: Option<Inactive>,
    /// The centre's own verdict.
    pub dukcapil_match: Option<bool>,
}

/// The lasting key of a person whom a source states.
pub fn key(dataset: Uuid, source_id: &str) -> String {
    format!("{dataset}/{source_id}")
}

/// The lasting key of a member of ours.
pub fn member_key(id: Uuid) -> String {
    format!("{MEMBER}{id}")
}

/// The member of ours whom a lasting key names.
pub fn member_of(key: &str) -> Option<Uuid> {
    key.strip_prefix(MEMBER)?.parse().ok()
}

/// The keys of two people in the one order in which a decision knows them.
pub fn ordered(one: String, other: String) -> (String, String) {
    if one <= other { (one, other) } else { (other, one) }
}

/// What the lasting keys of our members begin with.
const MEMBER: &str = "member/";

/// The people of one side.
pub struct People {
    /// In the order of the register.
    pub people: Vec<Person>,
    /// What is compared. Its ids are the lasting keys without what all of them begin with.
    pub register: Register,
    prefix: String,
}

impl People {
    /// A person's lasting key, which outlives releases: dataset and the source's own key, or our member.
    pub fn key(&self, at: u32) -> String {
        format!("{}{}", self.prefix, self.register.id(at))
    }

    /// Where the people with these keys are.
    pub fn find<'k>(&self, keys: impl Iterator<Item = &'k str>) -> HashMap<&'k str, u32> {
        let wanted: HashMap<&str, &'k str> = keys.filter_map(|key| Some((key.strip_prefix(self.prefix.as_str())?, key))).collect();
        let rows = 0..u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        rows.filter_map(|at| wanted.get(self.register.id(at)).map(|key| (*key, at))).collect()
    }

    /// A person.
    pub fn get(&self, at: u32) -> Option<&Person> {
        self.people.get(usize::try_from(at).ok()?)
    }
}

/// A person in an opened statement.
pub fn stated(statement: &Statement, ordinal: i16) -> Result<&StatedPerson> {
    let place = usize::try_from(ordinal).unwrap_or(usize::MAX);
    Ok(statement.people.get(place).ok_or(Code::NotFound)?)
}

/// What is wrong with the NIK of a person whom a source states.
pub fn faults(stated: &StatedPerson, taken: bool) -> Vec<NikFault> {
    nik_faults(stated.nik_state, stated.nik.as_ref(), taken, stated.birth_date, stated.sex)
}

/// A person whom a source states, to be looked at; numbers masked.
pub fn shown(statement: &Statement, ordinal: i16) -> Result<MatchPersonOut> {
    let stated = stated(statement, ordinal)?;
    let others = statement.people.iter().filter(|other| other.ordinal != stated.ordinal).map(|other| other.name.clone());
    Ok(MatchPersonOut {
        statement_id: Some(statement.id),
        member_id: None,
        region_code: statement.region.to_string(),
        name: stated.name.clone(),
        nik: stated.nik.as_ref().map(|nik| nik.mask()),
        kk: stated.kk.as_ref().or(statement.kk.as_ref()).map(|kk| kk.mask()),
        sex: stated.sex.map(|sex| sex_name(sex).to_owned()),
        birth_date: stated.birth_date,
        birth_place: stated.birth_place.clone(),
        mother_name: stated.mother_name.clone(),
        relation: Some(stated.relation.name().to_owned()),
        address: stated.address.clone().or_else(|| statement.address.clone()),
        family: others.collect(),
    })
}

/// One person, to be looked at; numbers masked.
pub async fn look_at(db: &impl Scoped, keys: &KeyRing, side: Side) -> Result<MatchPersonOut> {
    match side {
        Side::Statement(id, ordinal) => {
            let list = datasets::statements_by_id(db, keys, &[id]).await?;
            shown(list.first().ok_or(Code::NotFound)?, ordinal)
        }
        Side::Member(id) => {
            let (member, others) = beneficiaries::member_to_match(db, keys, id).await?;
            Ok(MatchPersonOut {
                statement_id: None,
                member_id: Some(id),
                region_code: member.region.to_string(),
                name: member.name,
                nik: member.nik.as_ref().map(|nik| nik.mask()),
                kk: member.kk.as_ref().map(|kk| kk.mask()),
                sex: member.sex.map(|sex| sex_name(sex).to_owned()),
                birth_date: member.birth_date,
                birth_place: None,
                mother_name: member.mother_name,
                relation: Some(member.relation),
                address: member.address,
                family: others,
            })
        }
    }
}
