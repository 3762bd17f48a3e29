//! Rows joined to families: whose row it is, what it adds, and what the whole file says against it.

use std::collections::{HashMap, HashSet};

use super::super::keys::{self, Key, KeyKind};
use super::super::model::{attributes_of, faults, relation_of};
use super::super::profile::FamilyKey;
use super::super::reader::ReadError;
use super::super::statement::RawRow;
use super::super::values::{FamilyRecord, Individual, Outcome, PersonRecord, VillageName};
use super::{Family, HELD_BYTES, MOST_PEOPLE, Out, PERSON_BYTES, Person, Place, Standard, Stop};
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::error::Error;
use crate::platform::ids::RegionCode;
use crate::platform::sensitive::{KkNumber, Nik, Sex};

/// A family whose rows are not all read.
#[derive(Default)]
pub(super) struct Open {
    /// Its own row, where the file has one.
    place: Option<Place>,
    key: Option<KeyKind>,
    aliases: Vec<String>,
    numbered: Option<String>,
    stated: Option<Stated>,
    /// The head's row has spoken.
    settled: bool,
    people: Vec<Person>,
    rows: Vec<RawRow>,
}

/// What is stated about the family itself.
struct Stated {
    region: RegionCode,
    kk: Option<KkNumber>,
    address: Option<String>,
    decile: Option<u8>,
    percentile: Option<u8>,
    attributes: Attributes,
}

pub(super) struct Join<'a> {
    pub standard: &'a Standard,
    pub out: Out<'a>,
    pub open: HashMap<String, Open>,
    /// Bytes of the people who wait for the rest of their families.
    pub held: usize,
    pub seen: HashSet<Box<str>>,
    /// What else is stated of people without card and NIK who have name, birth date and village in common: marks by key.
    pub alike: HashMap<Box<str>, HashSet<String>>,
    /// The people are read for the first time.
    pub learning: bool,
    /// The file has no rows of families: a family is what its head's row says.
    pub from_people: bool,
}

impl Join<'_> {
    fn region(&self, code: &str) -> Result<RegionCode, faults::Fault> {
        let region = RegionCode::parse(code).ok_or(faults::REGION_UNKNOWN)?;
        if !self.standard.region.contains(&region) {
            return Err(faults::REGION_FOREIGN);
        }
        if self.standard.villages.codes.contains(region.as_str()) { Ok(region) } else { Err(faults::REGION_UNKNOWN) }
    }

    /// The village that a row names, by its code or its name.
    fn village(&self, code: Option<&str>, name: Option<&VillageName>) -> Option<Result<RegionCode, faults::Fault>> {
        match (code.filter(|code| !code.is_empty()), name) {
            (Some(code), _) => Some(self.region(code)),
            (None, Some(name)) => Some(self.standard.villages.named(name).ok_or(faults::REGION_UNCLEAR)),
            (None, None) => None,
        }
    }

    /// The key of a person's family, and what it is.
    pub fn key(&mut self, person: &PersonRecord) -> Result<(KeyKind, Key), Error> {
        let standard = self.standard;
        let keys = &standard.keys;
        match (standard.profile.family_key, &person.kk_number) {
            (FamilyKey::Stated, _) => Ok((KeyKind::Stated, Key::stated(keys, person.source_family_id.clone())?)),
            (FamilyKey::KkNumber, Some(kk)) => Ok((KeyKind::Card, Key::made(keys::of_card(keys, kk)?))),
            (FamilyKey::KkNumber, None) => {
                let region = self.village(person.region_code.as_deref(), person.village.as_ref()).and_then(Result::ok);
                let region = region.as_ref().map(RegionCode::as_str).unwrap_or_default();
                let Individual { name, nik, birth_date, .. } = &person.person;
                let nik = nik.as_ref().map(Nik::expose);
                let mut key = Key::made(keys::of_single(keys, region, nik, name, *birth_date)?);
                if nik.is_none() {
                    // A village has more than one SITI without card, number and birth date, and they must not become one.
                    let mark = keys::mark_of(&[
                        person.person.sex.map(|sex| if sex == Sex::Male { "L" } else { "P" }),
                        person.person.birth_place.as_deref(),
                        person.mother_name.as_deref(),
                        person.address.as_deref(),
                        person.person.nik_written.as_deref(),
                    ]);
                    if self.learning {
                        self.alike.entry(key.id.as_str().into()).or_default().insert(mark.clone());
                    }
                    if self.learning || self.alike.contains_key(key.id.as_str()) {
                        key.id = keys::marked(&key.id, &mark);
                        key.aliases = key.aliases.iter().map(|key| keys::marked(key, &mark)).collect();
                    }
                }
                Ok((KeyKind::Single, key))
            }
        }
    }

    /// The first reading has seen who is alike: whoever is not gets the key without what else is stated.
    pub fn learned<T>(&mut self, last: &mut HashMap<Box<str>, T>) {
        self.learning = false;
        self.alike.retain(|base, marks| match marks.iter().next() {
            Some(mark) if marks.len() == 1 => {
                if let Some(place) = last.remove(keys::marked(base, mark).as_str()) {
                    last.insert(base.clone(), place);
                }
                false
            }
            _ => true,
        });
    }

    /// Takes a family's row; gives its key when it was accepted.
    pub fn family(&mut self, raw: RawRow, outcome: Outcome<FamilyRecord>, alone: bool) -> Result<Option<String>, Stop> {
        let place = raw.place();
        let (family, warnings) = match outcome {
            Ok(accepted) => accepted,
            Err(rejects) => {
                self.out.refuse(raw, rejects);
                return Ok(None);
            }
        };
        let region = match self.village(Some(&family.region_code), family.village.as_ref()).unwrap_or(Err(faults::REGION_UNKNOWN)) {
            Ok(region) => region,
            Err(fault) => {
                self.out.refuse_row(raw, fault);
                return Ok(None);
            }
        };
        let keys = &self.standard.keys;
        let (key, Key { id, aliases, numbered }) = match (self.standard.profile.family_key, &family.kk_number) {
            (FamilyKey::Stated, _) => (KeyKind::Stated, Key::stated(keys, family.source_family_id)?),
            (FamilyKey::KkNumber, Some(kk)) => (KeyKind::Card, Key::made(keys::of_card(keys, kk)?)),
            // Without a card nothing tells this row's family from another's.
            (FamilyKey::KkNumber, None) => {
                self.out.refuse_row(raw, faults::CARD_MISSING);
                return Ok(None);
            }
        };
        if self.open.contains_key(&id) {
            self.out.refuse_row(raw, faults::FAMILY_DUPLICATE);
            return Ok(None);
        }
        self.out.warn(&place, warnings);
        // A list of families alone names one person of each: its head.
        let people = if alone { vec![head_of(&id, &aliases, &place, family.head)] } else { Vec::new() };
        let stated = Stated {
            region,
            kk: family.kk_number,
            address: family.address,
            decile: family.decile,
            percentile: family.percentile,
            attributes: attributes_of(&family.living, family.aid, family.stunting_risk),
        };
        let rows = vec![raw];
        let open = Open { place: Some(place), key: Some(key), aliases, numbered, stated: Some(stated), settled: true, people, rows };
        self.open.insert(id.clone(), open);
        Ok(Some(id))
    }

    /// Takes a person's row; gives the key of the family that it speaks of, whatever became of the row.
    pub fn person(&mut self, raw: RawRow, outcome: Outcome<PersonRecord>) -> Result<Option<String>, Stop> {
        let (mut person, warnings) = match outcome {
            Ok(accepted) => accepted,
            Err(rejects) => {
                self.out.refuse(raw, rejects);
                return Ok(None);
            }
        };
        let place = raw.place();
        let (kind, key) = self.key(&person)?;
        let family = key.id.clone();
        let own = person.source_person_id.take().map(|stated| Key::stated(&self.standard.keys, stated)).transpose()?;
        match self.joined(&place, (kind, key), own, person) {
            Ok(()) => {
                self.held = self.held.saturating_add(raw.bytes().saturating_add(PERSON_BYTES));
                if let Some(open) = self.open.get_mut(&family) {
                    open.rows.push(raw);
                }
                if self.held > HELD_BYTES {
                    return Err(ReadError::Scattered.into());
                }
                self.out.warn(&place, warnings);
            }
            Err(fault) => self.out.refuse_row(raw, fault),
        }
        Ok(Some(family))
    }

    fn joined(
        &mut self,
        place: &Place,
        (kind, Key { id: family, aliases, numbered }): (KeyKind, Key),
        own: Option<Key>,
        person: PersonRecord,
    ) -> Result<(), faults::Fault> {
        let family = family.as_str();
        let named = self.village(person.region_code.as_deref(), person.village.as_ref());
        let stated_region = if self.from_people { named.transpose()? } else { None };
        let PersonRecord { person: who, relation, marital_status, mother_name, kk_number, address, .. } = person;
        if !self.from_people && !self.open.contains_key(family) {
            return Err(faults::FAMILY_MISSING);
        }
        if self.open.get(family).is_some_and(|open| open.people.len() >= MOST_PEOPLE) {
            return Err(faults::FAMILY_TOO_LARGE);
        }
        let made = own.is_none();
        let person_key = |family: &str| keys::of_person(family, &who.name, who.birth_date);
        let of_family = || Key::made(std::iter::once(family).chain(aliases.iter().map(String::as_str)).map(person_key).collect());
        let own = own.unwrap_or_else(of_family);
        if !self.seen.insert(own.id.as_str().into()) {
            return Err(faults::PERSON_DUPLICATE);
        }
        let open = self.open.entry(family.to_owned()).or_default();
        let key = *open.key.get_or_insert(kind);
        open.aliases = aliases;
        open.numbered = numbered;
        let mut relation = if key == KeyKind::Single { Relation::Head } else { relation_of(relation) };
        if relation == Relation::Head && open.people.iter().any(|other| other.relation == Relation::Head) {
            self.out.warn_row(place, faults::HEAD_DISPUTED);
            relation = Relation::Other;
        }
        let heads = relation == Relation::Head;
        match (&open.stated, &person.region_code) {
            (Some(stated), Some(code)) if !self.from_people && stated.region.as_str() != code => {
                self.out.warn_row(place, faults::REGION_DIFFERS);
            }
            // What the head's row says counts; until it is read, what the first row says.
            (stated, _) if self.from_people && !open.settled && (heads || stated.is_none()) => {
                open.settled = heads;
                open.stated = stated_region.map(|region| Stated {
                    region,
                    kk: kk_number.clone(),
                    address: address.clone(),
                    decile: person.decile,
                    percentile: person.percentile,
                    attributes: attributes_of(&Default::default(), person.aid, person.stunting_risk),
                });
            }
            _ => {}
        }
        let mut member = person_of(own, place, relation, who);
        member.made = made;
        member.marital_status = marital_status;
        member.mother_name = mother_name;
        member.kk = kk_number;
        member.address = address;
        open.people.push(member);
        Ok(())
    }

    /// All rows of the family are read: it leaves, or its rows are refused.
    pub fn complete(&mut self, id: &str) -> Result<(), Stop> {
        let Some((source_id, open)) = self.open.remove_entry(id) else { return Ok(()) };
        let Open { place, key, aliases, numbered, stated, settled: _, people, rows } = open;
        let of_people = rows.iter().filter(|raw| Some(&raw.place()) != place.as_ref());
        let bytes = of_people.map(|raw| raw.bytes().saturating_add(PERSON_BYTES)).fold(0, usize::saturating_add);
        self.held = self.held.saturating_sub(bytes);
        let has_head = people.iter().any(|person| person.relation == Relation::Head) || !self.standard.heads;
        let own_row = i64::from(place.is_some() && people.iter().all(|person| Some(&person.place) != place.as_ref()));
        let fault = match (stated, has_head) {
            _ if people.is_empty() => faults::PEOPLE_MISSING,
            (Some(stated), true) => {
                let Stated { region, kk, address, decile, percentile, attributes } = stated;
                let done = own_row.saturating_add(i64::try_from(people.len()).unwrap_or(i64::MAX));
                let key = key.unwrap_or(KeyKind::Stated);
                let family =
                    Family { source_id, aliases, key, numbered, kk, region, address, decile, percentile, attributes, people, rows };
                return self.out.family(family, done);
            }
            (_, false) => faults::HEAD_MISSING,
            (None, true) => faults::REGION_UNKNOWN,
        };
        for raw in rows {
            self.out.refuse_row(raw, fault);
        }
        Ok(())
    }
}

impl RawRow {
    pub(in super::super) fn place(&self) -> Place {
        Place { sheet: self.sheet.clone(), row: self.row }
    }
}

fn person_of(key: Key, place: &Place, relation: Relation, who: Individual) -> Person {
    let Individual {
        name,
        nik,
        nik_state,
        nik_written,
        dukcapil_match,
        sex,
        birth_date,
        birth_place,
        registry_status,
        occupation,
        education,
    } = who;
    let Key { id: source_id, aliases, numbered } = key;
    Person {
        source_id,
        aliases,
        made: false,
        numbered,
        place: place.clone(),
        name,
        relation,
        sex,
        birth_date,
        marital_status: None,
        occupation,
        education,
        nik,
        nik_state,
        nik_written,
        birth_place,
        mother_name: None,
        kk: None,
        address: None,
        dukcapil_match,
        registry_status,
    }
}

fn head_of(family: &str, aliases: &[String], place: &Place, head: Individual) -> Person {
    let families = std::iter::once(family).chain(aliases.iter().map(String::as_str));
    let key = Key::made(families.map(|family| keys::of_person(family, &head.name, head.birth_date)).collect());
    Person { made: true, ..person_of(key, place, Relation::Head, head) }
}
