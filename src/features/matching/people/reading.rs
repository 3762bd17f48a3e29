//! How the people of a side are read: fetched page by page, opened and taken in on every processor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{MEMBER, People, Person, Side, key};
use crate::features::beneficiaries::{self, MatchedMember, MemberStatus, SealedFamily};
use crate::features::datasets::{self, NikState, RegistryStatus, SealedPeople, read_people};
use crate::features::matching::model::Inactive;
use crate::linkage::normalise::Normaliser;
use crate::linkage::profile::MOST_FIELDS;
use crate::linkage::record::{Layout, Register};
use crate::linkage::run::Engine;
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::jobs::{Halt, Progress, Step};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Sex;

/// Statements, or families of ours, that are opened at a time.
const PAGE: i64 = 2_000;
/// How long nobody is told how far the reading is.
const TELL_AFTER: Duration = Duration::from_millis(500);

macro_rules! values {
    ($($(#[$doc:meta])* $field:ident),+ $(,)?) => {
        /// What is compared, by the fields of the shipped profile; empty where nothing is known.
        struct Values<'a> { $($(#[$doc])* $field: &'a str,)+ }

        /// The fields, in the order of [`Values::all`].
        const FIELDS: [&str; [$(stringify!($field)),+].len()] = [$(stringify!($field)),+];

        impl<'a> Values<'a> {
            /// By the places of [`FIELDS`], and last the field that nobody has.
            fn all(&self) -> [&'a str; FIELDS.len() + 1] {
                [$(self.$field,)+ ""]
            }
        }
    };
}
values! {
    nik,
    birth_date,
    sex,
    name,
    mother,
    family_card,
    village,
    address,
    relation,
    birth_place,
    /// Who belongs together on this side; compared with nothing.
    source_family,
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

    fn statement(&mut self, keys: &KeyRing, row: &SealedPeople) -> Result<()> {
        let (region, village) = self.village(&row.region_code);
        let mut buffer = Uuid::encode_buffer();
        let family: &str = row.id.hyphenated().encode_lower(&mut buffer);
        read_people(keys, row, |ordinal, told| {
            let person = Person {
                side: Side::Statement(row.id, ordinal),
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

    fn page(&mut self, keys: &KeyRing, number: usize, page: Page) -> Result<()> {
        self.people.people = Vec::with_capacity(page.people());
        match page {
            Page::Statements(rows) => rows.iter().try_for_each(|row| self.statement(keys, row))?,
            Page::Families(rows) => {
                for row in rows {
                    row.open(keys)?.iter().for_each(|member| self.member(member));
                }
            }
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

/// Where a side's people come from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// What a release of a dataset states.
    Release {
        /// The dataset, by which a source's keys last.
        dataset: Uuid,
        /// The release.
        release: Uuid,
    },
    /// Our families in the job's region.
    Families,
}

impl Source {
    /// What the lasting keys of its people begin with.
    fn prefix(self) -> String {
        match self {
            Source::Release { dataset, .. } => key(dataset, ""),
            Source::Families => MEMBER.into(),
        }
    }

    async fn page(self, db: &impl Scoped, after: Option<Uuid>) -> Result<Page> {
        Ok(match self {
            Source::Release { release, .. } => Page::Statements(datasets::sealed_people(db, release, after, PAGE).await?),
            Source::Families => Page::Families(beneficiaries::families_to_match(db, after, PAGE).await?),
        })
    }
}

/// What is fetched at a time, in id order and still sealed.
enum Page {
    Statements(Vec<SealedPeople>),
    Families(Vec<SealedFamily>),
}

impl Page {
    fn last(&self) -> Option<Uuid> {
        match self {
            Page::Statements(rows) => rows.last().map(|row| row.id),
            Page::Families(rows) => rows.last().map(SealedFamily::id),
        }
    }

    fn people(&self) -> usize {
        match self {
            Page::Statements(rows) => rows.iter().filter_map(|row| usize::try_from(row.people).ok()).sum(),
            Page::Families(rows) => rows.iter().map(SealedFamily::people).sum(),
        }
    }
}

/// Pages on their way from the one who fetches to those who open, each with its number.
type Pages = Arc<Mutex<mpsc::Receiver<(usize, Page)>>>;

/// Takes pages in until there are no more, or one does not open.
fn take_in<'a>(layout: &'a Layout, source: Source, keys: &KeyRing, pages: &Pages) -> Result<Intake<'a>> {
    let mut intake = Intake::new(layout, source.prefix());
    let closed = || anyhow::anyhow!("a thread that took people in panicked");
    loop {
        let next = pages.lock().map_err(|_| closed())?.blocking_recv();
        let Some((number, page)) = next else { return Ok(intake) };
        if let Err(error) = intake.page(keys, number, page) {
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

/// The people of a side, or the halt that came in between. Counts what it has read onto `done`. While the next page is fetched every
/// processor opens one and takes its people in.
pub async fn of(step: &Step, engine: &Arc<Engine>, source: Source, done: &mut i64) -> Result<std::result::Result<People, Halt>> {
    let (fetched, pages) = mpsc::channel(1);
    let pages: Pages = Arc::new(Mutex::new(pages));
    let keys = step.services().keys.clone();
    let reading = spawn_blocking({
        let engine = engine.clone();
        move || -> Result<People> {
            let layout = &engine.layout;
            let parts: Vec<Result<Intake<'_>>> = std::thread::scope(|scope| {
                let labour = || take_in(layout, source, &keys, &pages);
                let others: Vec<_> = (1..datasets::processors()).map(|_| scope.spawn(labour)).collect();
                let own = labour();
                let joined = others.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(anyhow::anyhow!("opening panicked").into())));
                std::iter::once(own).chain(joined).collect()
            });
            Ok(joined(layout, parts.into_iter().collect::<Result<_>>()?))
        }
    });
    let db = step.snapshot().await?;
    let mut after = None;
    let mut telling = Telling { told: None };
    for number in 0.. {
        let page = source.page(&db, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last);
        *done += i64::try_from(page.people()).unwrap_or(i64::MAX);
        // Whoever does not listen any more has a reason that is told below.
        if fetched.send((number, page)).await.is_err() {
            break;
        }
        if let Some(halt) = telling.tell(step, *done).await? {
            return Ok(Err(halt));
        }
    }
    drop((fetched, db));
    Ok(Ok(reading.await.context("taking people in")??))
}
