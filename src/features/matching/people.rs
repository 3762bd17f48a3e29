//! The people of a side: what a release's statements or our records say of them, made ready to be compared or to be looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::http::MatchPersonOut;
use super::model::{Inactive, NikFault, nik_faults};
use super::store::{MatchResult, Pair};
use crate::features::beneficiaries::{self, MatchedMember, MemberStatus, sex_name};
use crate::features::datasets::{self, NikState, PeopleReader, RegistryStatus, SealedPeople, StatedPerson, Statement};
use crate::linkage::normalise::Normaliser;
use crate::linkage::profile::MOST_FIELDS;
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
/// How long nobody is told how far the reading is.
const TELL_AFTER: Duration = Duration::from_millis(500);

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

/// The fields of [`Values`], in the order of [`Values::all`].
const FIELDS: [&str; 11] =
    ["nik", "birth_date", "sex", "name", "mother", "family_card", "village", "address", "relation", "birth_place", "source_family"];

impl<'a> Values<'a> {
    /// By the places of [`FIELDS`], and last the field that nobody has.
    fn all(&self) -> [&'a str; FIELDS.len() + 1] {
        [
            self.nik,
            self.birth_date,
            self.sex,
            self.name,
            self.mother,
            self.family_card,
            self.village,
            self.address,
            self.relation,
            self.birth_place,
            self.source_family,
            "",
        ]
    }
}

/// Takes people in.
pub struct Intake<'a> {
    layout: &'a Layout,
    normaliser: Normaliser<'a>,
    people: People,
    /// Which of [`FIELDS`] each column of the layout is.
    places: Vec<usize>,
    /// Villages by the codes that rows have, as they are remembered and as they are compared.
    villages: HashMap<String, (Arc<RegionCode>, Arc<str>)>,
    /// The people of the pages taken in, in the order in which they were.
    pages: Vec<(usize, Vec<Person>)>,
}

impl<'a> Intake<'a> {
    /// For registers of this layout and people whose lasting keys begin so.
    fn new(layout: &'a Layout, prefix: String) -> Intake<'a> {
        Intake {
            layout,
            normaliser: Normaliser::new(&layout.spelling),
            people: People { people: Vec::new(), register: Register::new(layout), prefix },
            places: layout
                .columns
                .iter()
                .map(|column| FIELDS.iter().position(|field| *field == column.key).unwrap_or(FIELDS.len()))
                .collect(),
            villages: HashMap::new(),
            pages: Vec::new(),
        }
    }

    /// For our members.
    pub fn of_members(layout: &'a Layout) -> Intake<'a> {
        Intake::new(layout, MEMBER.into())
    }

    fn push(&mut self, id: &str, person: Person, values: &Values<'_>) {
        let all = values.all();
        let mut row = [""; MOST_FIELDS];
        for (value, place) in row.iter_mut().zip(&self.places) {
            *value = all.get(*place).copied().unwrap_or_default();
        }
        let row = row.get(..self.places.len()).unwrap_or_default();
        self.people.register.push(self.layout, &mut self.normaliser, id, row);
        self.people.people.push(person);
    }

    fn village(&mut self, code: &str) -> (Arc<RegionCode>, Arc<str>) {
        if let Some((region, digits)) = self.villages.get(code) {
            return (region.clone(), digits.clone());
        }
        let digits: String = code.chars().filter(char::is_ascii_digit).collect();
        let village = (Arc::new(RegionCode::stored(code)), Arc::from(digits));
        self.villages.insert(code.to_owned(), village.clone());
        village
    }

    fn statement(&mut self, keys: &KeyRing, reader: &mut PeopleReader, row: &SealedPeople) -> Result<()> {
        let (region, village) = self.village(&row.region_code);
        let mut buffer = Uuid::encode_buffer();
        let family: &str = row.id.hyphenated().encode_lower(&mut buffer);
        reader.read(keys, row, |told| {
            let person = Person {
                side: Side::Statement(row.id, told.ordinal),
                region: region.clone(),
                nik_state: told.nik_state,
                nik: Some(told.nik).filter(|_| told.nik_state == NikState::Valid).and_then(|nik| nik.parse().ok()),
                inactive: told.registry_status.and_then(|status| match status {
                    RegistryStatus::Active => None,
                    RegistryStatus::Deceased => Some(Inactive::Deceased),
                    RegistryStatus::Moved => Some(Inactive::MovedOut),
                }),
                dukcapil_match: told.dukcapil_match,
            };
            let values = Values {
                nik: if told.nik.is_empty() { told.nik_written } else { told.nik },
                birth_date: told.birth_date,
                sex: told.sex.map(sex_word).unwrap_or_default(),
                name: told.name,
                mother: told.mother_name,
                family_card: told.kk,
                village: &village,
                address: told.address,
                relation: told.relation.name(),
                birth_place: told.birth_place,
                source_family: family,
            };
            self.push(told.source_id, person, &values);
        })
    }

    fn page(&mut self, keys: &KeyRing, reader: &mut PeopleReader, number: usize, page: &[SealedPeople]) -> Result<()> {
        let count: usize = page.iter().filter_map(|row| usize::try_from(row.people).ok()).sum();
        self.people.people = Vec::with_capacity(count);
        for row in page {
            self.statement(keys, reader, row)?;
        }
        self.pages.push((number, std::mem::take(&mut self.people.people)));
        Ok(())
    }

    /// Everybody taken in.
    pub fn into_people(self) -> People {
        self.people
    }

    /// Takes one of our members in.
    pub fn member(&mut self, member: &MatchedMember) {
        let family = member.family.to_string();
        let (region, village) = self.village(member.region.as_str());
        let born = member.birth_date.map(|day| day.to_string()).unwrap_or_default();
        let person = Person {
            side: Side::Member(member.id),
            region,
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
        self.push(&member.id.to_string(), person, &values);
    }
}

fn sex_word(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "L",
        Sex::Female => "P",
    }
}

/// Pages of statements on their way from the one who fetches to those who open, each page with its number.
type Pages = Arc<Mutex<mpsc::Receiver<(usize, Vec<SealedPeople>)>>>;

/// Takes pages in until there are no more, or one does not open.
fn take_in<'a>(layout: &'a Layout, dataset: Uuid, keys: &KeyRing, pages: &Pages) -> Result<Intake<'a>> {
    let mut intake = Intake::new(layout, key(dataset, ""));
    let mut reader = PeopleReader::default();
    let closed = || anyhow::anyhow!("a thread that took people in panicked");
    loop {
        let next = pages.lock().map_err(|_| closed())?.blocking_recv();
        let Some((number, page)) = next else { return Ok(intake) };
        if let Err(error) = intake.page(keys, &mut reader, number, &page) {
            // Nobody needs what the others would still take in.
            pages.lock().map_err(|_| closed())?.close();
            return Err(error);
        }
    }
}

/// One side of what several threads took in, in the order of the pages.
fn joined(layout: &Layout, parts: Vec<Intake<'_>>) -> People {
    let mut prefix = String::new();
    let mut registers = Vec::new();
    let mut pages: Vec<(usize, Vec<Person>)> = Vec::new();
    for part in parts {
        prefix = part.people.prefix;
        let sizes = part.pages.iter().map(|(number, people)| (*number, u32::try_from(people.len()).unwrap_or(u32::MAX)));
        registers.push((part.people.register, sizes.collect()));
        pages.extend(part.pages);
    }
    pages.sort_unstable_by_key(|page| page.0);
    let mut people = Vec::with_capacity(pages.iter().map(|page| page.1.len()).sum());
    pages.into_iter().for_each(|page| people.extend(page.1));
    People { people, register: Register::joined(layout, registers), prefix }
}

/// Tells how far the reading is, but not at every page: each time is a transaction.
struct Telling {
    told: Option<Instant>,
}

impl Telling {
    async fn tell(&mut self, step: &Step, done: i64) -> Result<Option<Halt>> {
        if self.told.is_some_and(|told| told.elapsed() < TELL_AFTER) {
            return Ok(None);
        }
        self.told = Some(Instant::now());
        step.store_progress(Progress { done, total: None, cursor: None }).await
    }
}

/// The people of a release, or the halt that came in between. Counts what it has read onto `done`. While the next page is
/// fetched every processor opens one and takes its people in.
pub async fn of_release(
    step: &Step,
    engine: &Arc<Engine>,
    dataset: Uuid,
    release: Uuid,
    done: &mut i64,
) -> Result<std::result::Result<People, Halt>> {
    let (fetched, pages) = mpsc::channel(1);
    let pages: Pages = Arc::new(Mutex::new(pages));
    let keys = step.services().keys.clone();
    let reading = spawn_blocking({
        let engine = engine.clone();
        move || -> Result<People> {
            let layout = &engine.layout;
            let parts: Vec<Result<Intake<'_>>> = std::thread::scope(|scope| {
                let labour = || take_in(layout, dataset, &keys, &pages);
                let others: Vec<_> = (1..datasets::processors()).map(|_| scope.spawn(labour)).collect();
                let own = labour();
                let joined = others.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(anyhow::anyhow!("opening panicked").into())));
                std::iter::once(own).chain(joined).collect()
            });
            Ok(joined(layout, parts.into_iter().collect::<Result<_>>()?))
        }
    });
    let mut after = None;
    let mut telling = Telling { told: None };
    for number in 0.. {
        let db = step.read().await?;
        let page = datasets::sealed_people(&db, release, after, PAGE).await?;
        drop(db);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        *done += page.iter().map(|row| i64::from(row.people)).sum::<i64>();
        // Whoever does not listen any more has a reason that is told below.
        if fetched.send((number, page)).await.is_err() {
            break;
        }
        if let Some(halt) = telling.tell(step, *done).await? {
            return Ok(Err(halt));
        }
    }
    drop(fetched);
    Ok(Ok(reading.await.context("taking people in")??))
}

/// The members of our families in the job's region, or the halt that came in between.
pub async fn of_families(step: &Step, layout: &Layout, done: &mut i64) -> Result<std::result::Result<People, Halt>> {
    let mut intake = Intake::of_members(layout);
    let mut after = None;
    let mut telling = Telling { told: None };
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
        if let Some(halt) = telling.tell(step, *done).await? {
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
