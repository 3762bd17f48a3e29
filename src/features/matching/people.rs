//! The people of a side: what a release's statements or our records say of them, made ready to be compared or to be looked at.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::http::MatchPersonOut;
use super::model::{Inactive, NikFault, nik_faults};
use super::store::{MatchResult, Pair};
use crate::features::beneficiaries::{self, MatchedMember, MemberStatus, sex_name};
use crate::features::datasets::{self, NikState, RegistryStatus, StatedPerson, Statement};
use crate::linkage::normalise::Normaliser;
use crate::linkage::record::{Layout, Register};
use crate::linkage::run::Engine;
use crate::platform::db::Scoped;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::jobs::{Halt, Progress, Step};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Sex;

/// Statements, or families of ours, that are opened at a time.
const PAGE: i64 = 2_000;

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
    /// The key that outlives releases: dataset and the source's own key, or our member.
    pub key: String,
    /// The village.
    pub region: RegionCode,
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

/// The people of one side.
pub struct People {
    /// In the order of the register.
    pub people: Vec<Person>,
    /// What is compared.
    pub register: Register,
}

/// What is compared, by the fields of the shipped profile; empty where nothing is known.
struct Values<'a> {
    nik: &'a str,
    birth_date: &'a str,
    sex: &'a str,
    name: &'a str,
    mother: &'a str,
    family_card: &'a str,
    village: &'a str,
    address: &'a str,
    relation: &'a str,
    birth_place: &'a str,
    /// Who belongs together on this side; compared with nothing.
    source_family: &'a str,
}

impl Values<'_> {
    fn of(&self, field: &str) -> &str {
        match field {
            "nik" => self.nik,
            "birth_date" => self.birth_date,
            "sex" => self.sex,
            "name" => self.name,
            "mother" => self.mother,
            "family_card" => self.family_card,
            "village" => self.village,
            "address" => self.address,
            "relation" => self.relation,
            "birth_place" => self.birth_place,
            "source_family" => self.source_family,
            _ => "",
        }
    }
}

/// Takes people in.
pub struct Intake<'a> {
    layout: &'a Layout,
    normaliser: Normaliser<'a>,
    people: People,
}

impl<'a> Intake<'a> {
    /// For registers of this layout.
    pub fn new(layout: &'a Layout) -> Intake<'a> {
        Intake {
            layout,
            normaliser: Normaliser::new(&layout.spelling),
            people: People { people: Vec::new(), register: Register::new(layout) },
        }
    }

    fn push(&mut self, person: Person, values: &Values<'_>) {
        let row: Vec<&str> = self.layout.columns.iter().map(|column| values.of(&column.key)).collect();
        self.people.register.push(self.layout, &mut self.normaliser, &person.key, &row);
        self.people.people.push(person);
    }

    fn statement(&mut self, dataset: Uuid, statement: &Statement) {
        let family = statement.id.to_string();
        let village: String = statement.region.as_str().chars().filter(char::is_ascii_digit).collect();
        for stated in &statement.people {
            let StatedPerson { ordinal, source_id, name, relation, sex, birth_date, birth_place, mother_name, .. } = stated;
            let written = stated.nik.as_ref().map(|nik| nik.expose()).or(stated.nik_written.as_deref()).unwrap_or_default();
            let card = stated.kk.as_ref().or(statement.kk.as_ref()).map(|kk| kk.expose()).unwrap_or_default();
            let born = birth_date.map(|day| day.to_string()).unwrap_or_default();
            let person = Person {
                side: Side::Statement(statement.id, i16::try_from(*ordinal).unwrap_or(i16::MAX)),
                key: key(dataset, source_id),
                region: statement.region.clone(),
                nik_state: stated.nik_state,
                nik: stated.nik.as_ref().filter(|_| stated.nik_state == NikState::Valid).and_then(|nik| nik.expose().parse().ok()),
                inactive: stated.registry_status.and_then(|status| match status {
                    RegistryStatus::Active => None,
                    RegistryStatus::Deceased => Some(Inactive::Deceased),
                    RegistryStatus::Moved => Some(Inactive::MovedOut),
                }),
                dukcapil_match: stated.dukcapil_match,
            };
            let values = Values {
                nik: written,
                birth_date: &born,
                sex: sex.map(sex_word).unwrap_or_default(),
                name,
                mother: mother_name.as_deref().unwrap_or_default(),
                family_card: card,
                village: &village,
                address: stated.address.as_deref().or(statement.address.as_deref()).unwrap_or_default(),
                relation: relation.name(),
                birth_place: birth_place.as_deref().unwrap_or_default(),
                source_family: &family,
            };
            self.push(person, &values);
        }
    }

    /// Everybody taken in.
    pub fn into_people(self) -> People {
        self.people
    }

    /// Takes one of our members in.
    pub fn member(&mut self, member: &MatchedMember) {
        let family = member.family.to_string();
        let village: String = member.region.as_str().chars().filter(char::is_ascii_digit).collect();
        let born = member.birth_date.map(|day| day.to_string()).unwrap_or_default();
        let person = Person {
            side: Side::Member(member.id),
            key: format!("member/{}", member.id),
            region: member.region.clone(),
            nik_state: if member.nik.is_some() { NikState::Valid } else { NikState::Missing },
            nik: member.nik.as_ref().and_then(|nik| nik.expose().parse().ok()),
            inactive: match member.status {
                MemberStatus::Present | MemberStatus::Merged => None,
                MemberStatus::Deceased => Some(Inactive::Deceased),
                MemberStatus::MovedOut => Some(Inactive::MovedOut),
            },
            dukcapil_match: None,
        };
        let values = Values {
            nik: member.nik.as_ref().map(|nik| nik.expose()).unwrap_or_default(),
            birth_date: &born,
            sex: member.sex.map(sex_word).unwrap_or_default(),
            name: &member.name,
            mother: member.mother_name.as_deref().unwrap_or_default(),
            family_card: member.kk.as_ref().map(|kk| kk.expose()).unwrap_or_default(),
            village: &village,
            address: member.address.as_deref().unwrap_or_default(),
            relation: &member.relation,
            birth_place: "",
            source_family: &family,
        };
        self.push(person, &values);
    }
}

fn sex_word(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "L",
        Sex::Female => "P",
    }
}

/// The people of a release, or the halt that came in between. Counts what it has read onto `done`. One thread fetches, one
/// opens (on every processor), one takes in: the three are about equally slow.
pub async fn of_release(
    step: &Step,
    engine: &Arc<Engine>,
    dataset: Uuid,
    release: Uuid,
    done: &mut i64,
) -> Result<std::result::Result<People, Halt>> {
    let (pages, mut fetched) = mpsc::channel(1);
    let (open, mut opened) = mpsc::channel(1);
    let keys = step.services().keys.clone();
    let opening = spawn_blocking(move || -> Result<()> {
        while let Some(page) = fetched.blocking_recv() {
            if open.blocking_send(datasets::open_people(&keys, page)?).is_err() {
                break;
            }
        }
        Ok(())
    });
    let engine = engine.clone();
    let taking = spawn_blocking(move || {
        let mut intake = Intake::new(&engine.layout);
        while let Some(page) = opened.blocking_recv() {
            page.iter().for_each(|statement| intake.statement(dataset, statement));
        }
        intake.people
    });
    let mut after = None;
    loop {
        let db = step.read().await?;
        let page = datasets::sealed(&db, release, after, PAGE).await?;
        drop(db);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        *done += page.iter().map(|row| i64::from(row.people)).sum::<i64>();
        // Whoever does not listen any more has a reason that is told below.
        if pages.send(page).await.is_err() {
            break;
        }
        if let Some(halt) = step.store_progress(Progress { done: *done, total: None, cursor: None }).await? {
            return Ok(Err(halt));
        }
    }
    drop(pages);
    opening.await.context("opening statements")??;
    Ok(Ok(taking.await.context("taking people in")?))
}

/// The members of our families in the job's region, or the halt that came in between.
pub async fn of_families(step: &Step, layout: &Layout, done: &mut i64) -> Result<std::result::Result<People, Halt>> {
    let mut intake = Intake::new(layout);
    let mut after = None;
    loop {
        let db = step.read().await?;
        let page = beneficiaries::members_to_match(&db, &step.services().keys, after, PAGE * 2).await?;
        drop(db);
        for member in &page {
            intake.member(member);
            *done += 1;
        }
        let Some(last) = page.last() else { return Ok(Ok(intake.people)) };
        after = Some(last.id);
        if let Some(halt) = step.store_progress(Progress { done: *done, total: None, cursor: None }).await? {
            return Ok(Err(halt));
        }
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
