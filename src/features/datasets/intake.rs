//! From a delivered file to whole families: sheets joined, every row answered for, always in the same order.
//!
//! A workbook's people are read twice: once to learn where each family's last row stands, once to build the families.
//! So a family leaves as soon as it is complete, and memory holds the family rows and, of a list sorted by family as
//! P3KE's is, the people of one family. Whoever resumes skips as many families as were stored: the order is the file's.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;

use super::keys::{self, KeyKind};
use super::model::{NikState, RegistryStatus, Severity, attributes_of, faults, relation_of};
use super::profile::{FamilyKey, Profile, Unit, header_key};
use super::reader::{Limits, ReadError, Reader, Record};
use super::statement::RawRow;
use super::values::{CATALOGUE, FamilyRecord, Individual, Outcome, PersonRecord, Reject, Values, VillageName, Warning};
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::error::Error;
use crate::platform::ids::RegionCode;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik, Sex};

/// What a workbook of the largest upload may unpack to: sheets compress some tenfold, bombs a thousandfold.
const UNPACKED: u64 = 8 << 30;

/// How many rejects, and how many warnings, are kept of one file.
pub const KEPT: u64 = 100_000;

/// What the file is judged by besides its own content.
#[derive(Debug)]
pub struct Standard {
    /// Its layout.
    pub profile: Profile,
    /// The region that it may speak of.
    pub region: RegionCode,
    /// The villages of that region.
    pub villages: Villages,
    /// What keys are made with where the source has none that may stand in clear.
    pub keys: KeyRing,
    /// Whether a family without a head is refused, because it is to become one of ours.
    pub heads: bool,
    /// The day that no birth date may pass: that of the delivery, so that a second reading finds the same.
    pub today: NaiveDate,
    /// How many remarks of each severity to keep.
    pub keep: u64,
}

/// The villages that a file may speak of: their codes, and what their names lead to.
#[derive(Debug, Default)]
pub struct Villages {
    codes: HashSet<String>,
    /// By village, and by subdistrict and village; `None` where several have the name.
    names: HashMap<(String, String), Option<RegionCode>>,
}

impl Villages {
    /// Of codes with the names of village and subdistrict.
    pub fn new<'a>(rows: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> Villages {
        let mut villages = Villages::default();
        for (code, village, subdistrict) in rows {
            let region = RegionCode::stored(code);
            for subdistrict in [String::new(), header_key(subdistrict)] {
                let known = villages.names.entry((subdistrict, header_key(village)));
                known.and_modify(|known| *known = None).or_insert_with(|| Some(region.clone()));
            }
            villages.codes.insert(code.to_owned());
        }
        villages
    }

    fn named(&self, name: &VillageName) -> Option<RegionCode> {
        let subdistrict = name.subdistrict.as_deref().map(header_key).unwrap_or_default();
        self.names.get(&(subdistrict, header_key(&name.village))).cloned().flatten()
    }
}

/// A person of a family, ready for our records. Prints nothing: it is all personal data.
pub struct Person {
    /// The source's key, or one made of what is stated where the source has none.
    pub source_id: String,
    /// The same key under older index keys.
    pub aliases: Vec<String>,
    /// Whether the key was made.
    pub made: bool,
    /// Where the row stands.
    pub place: Place,
    /// Name.
    pub name: String,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Marital status.
    pub marital_status: Option<&'static str>,
    /// Occupation.
    pub occupation: Option<&'static str>,
    /// Education.
    pub education: Option<&'static str>,
    /// NIK.
    pub nik: Option<Nik>,
    /// How what is stated was judged.
    pub nik_state: NikState,
    /// What is stated where it is no NIK.
    pub nik_written: Option<String>,
    /// Born at.
    pub birth_place: Option<String>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// The number of the family card on the row.
    pub kk: Option<KkNumber>,
    /// Address on the row.
    pub address: Option<String>,
    /// The centre's verdict.
    pub dukcapil_match: Option<bool>,
    /// What a civil registry says.
    pub registry_status: Option<RegistryStatus>,
}

/// A family, ready for our records. Prints nothing.
pub struct Family {
    /// The source's key.
    pub source_id: String,
    /// The same key under older index keys.
    pub aliases: Vec<String>,
    /// What the key is.
    pub key: KeyKind,
    /// The number of its card.
    pub kk: Option<KkNumber>,
    /// Its village.
    pub region: RegionCode,
    /// Address.
    pub address: Option<String>,
    /// 1 to 10.
    pub decile: Option<u8>,
    /// 1 to 100.
    pub percentile: Option<u8>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// Its people, in the file's order.
    pub people: Vec<Person>,
    /// The cells of its rows, its own row first.
    pub rows: Vec<RawRow>,
}

/// A row of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The sheet.
    pub sheet: Arc<str>,
    /// The row, 1-based.
    pub row: u32,
}

/// Something to say about a row, without anything that stands in it.
#[derive(Debug, Clone)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// The column's header; none when the whole row is meant.
    pub column: Option<String>,
    /// The stable code.
    pub code: &'static str,
    /// The sentence.
    pub reason: &'static str,
    /// Whether the row was refused.
    pub severity: Severity,
}

/// The families that were completed since the last batch, and what was remarked on the way.
#[derive(Default)]
pub struct Batch {
    /// The families.
    pub families: Vec<Family>,
    /// The remarks.
    pub remarks: Vec<Remark>,
    /// Rows refused since the last batch.
    pub rejected: i64,
    /// Their cells, of as many as remarks are kept.
    pub rejected_rows: Vec<RawRow>,
    /// Warnings since the last batch, kept or not.
    pub warned: i64,
    /// Families completed since the beginning of the file: where to go on.
    pub families_done: u64,
    /// Rows done with since the beginning of the file.
    pub rows_done: i64,
}

/// What the reading tells on its way.
pub enum News {
    /// How many rows there are.
    Total(i64),
    /// A batch; more may follow.
    Batch(Batch),
    /// What is left at the end of the file, fewer families than a batch.
    Last(Batch),
}

/// Why a reading ended early.
#[derive(Debug)]
pub enum Stop {
    /// The file cannot be read; another try will not change that.
    File(ReadError),
    /// Nobody listens any more.
    Unheard,
    /// Our own failure.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(cause: Error) -> Stop {
        Stop::Failed(cause)
    }
}

impl From<ReadError> for Stop {
    fn from(cause: ReadError) -> Stop {
        Stop::File(cause)
    }
}

/// Reads the whole file; `tell` says whether to go on. Blocking.
pub fn read(
    path: &Path,
    standard: &Standard,
    skip: u64,
    batch: usize,
    halted: &AtomicBool,
    tell: &mut dyn FnMut(News) -> bool,
) -> Result<(), Stop> {
    let limits = Limits { unpacked_bytes: UNPACKED, ..Limits::default() };
    let mut reader = Reader::open(path, &standard.profile, limits)?;
    let values = Values::new(&standard.profile, standard.today);
    let out =
        Out { skip, size: batch.max(1), keep: standard.keep, counted: [0; 2], batch: Batch::default(), reasons: warning_reasons(), tell };
    let mut join = Join { standard, out, open: HashMap::new(), seen: HashSet::new(), from_people: false };
    let sheets: Vec<(usize, Unit, Arc<str>)> =
        reader.sheets().iter().enumerate().map(|(at, sheet)| (at, sheet.unit, sheet.name.clone())).collect();
    let (families, people): (Vec<_>, Vec<_>) = sheets.into_iter().partition(|(_, unit, _)| *unit == Unit::Family);
    join.from_people = families.is_empty();
    let mut record = Record::default();
    let mut rows_in_all = 0i64;
    let mut families_read = Vec::new();
    for (at, _, sheet) in &families {
        let mut rows = reader.rows(*at)?;
        while rows.read(&mut record)? {
            listening(halted)?;
            rows_in_all += 1;
            let raw = RawRow::new(sheet.clone(), record.row(), record.texts());
            families_read.extend(join.family(raw, values.family(&record), people.is_empty())?);
        }
    }
    let mut last: HashMap<Box<str>, (usize, u32)> = HashMap::new();
    for (at, _, _) in &people {
        let mut rows = reader.rows(*at)?;
        while rows.read(&mut record)? {
            listening(halted)?;
            rows_in_all += 1;
            if let Ok((person, _)) = values.person(&record) {
                last.insert(join.key(&person)?.0.into(), (*at, record.row()));
            }
        }
    }
    join.out.tell(News::Total(rows_in_all))?;
    for (at, _, sheet) in &people {
        let mut rows = reader.rows(*at)?;
        while rows.read(&mut record)? {
            listening(halted)?;
            let raw = RawRow::new(sheet.clone(), record.row(), record.texts());
            if let Some(family) = join.person(raw, values.person(&record))?
                && last.get(family.as_str()) == Some(&(*at, record.row()))
            {
                join.complete(&family)?;
            }
        }
    }
    // What no person's row completed: families without people, or lists of families alone.
    for family in families_read {
        listening(halted)?;
        join.complete(&family)?;
    }
    let batch = std::mem::take(&mut join.out.batch);
    join.out.tell(News::Last(batch))
}

fn listening(halted: &AtomicBool) -> Result<(), Stop> {
    if halted.load(Ordering::Relaxed) { Err(Stop::Unheard) } else { Ok(()) }
}

fn warning_reasons() -> HashMap<&'static str, &'static str> {
    CATALOGUE.iter().filter(|(_, refuses, _)| !refuses).map(|(code, _, reason)| (*code, *reason)).collect()
}

/// What leaves: batches, in which nothing is told twice when a reading resumes.
struct Out<'a> {
    skip: u64,
    size: usize,
    keep: u64,
    /// Rejects and warnings since the beginning of the file, so that a resumed reading keeps the same ones.
    counted: [u64; 2],
    batch: Batch,
    reasons: HashMap<&'static str, &'static str>,
    tell: &'a mut dyn FnMut(News) -> bool,
}

impl Out<'_> {
    fn tell(&mut self, news: News) -> Result<(), Stop> {
        if (self.tell)(news) { Ok(()) } else { Err(Stop::Unheard) }
    }

    fn remark(&mut self, place: &Place, column: Option<String>, (code, reason): faults::Fault, severity: Severity) {
        let [rejects, warnings] = &mut self.counted;
        let counted = if severity == Severity::Reject { rejects } else { warnings };
        *counted += 1;
        let place = place.clone();
        if *counted <= self.keep {
            self.batch.remarks.push(Remark { place, column, code, reason, severity });
        } else if *counted == self.keep.saturating_add(1) {
            let (code, reason) = faults::TOO_MANY;
            self.batch.remarks.push(Remark { place, column: None, code, reason, severity });
        }
    }

    fn refuse(&mut self, raw: RawRow, rejects: Vec<Reject>) {
        let place = &raw.place();
        self.batch.rejected += 1;
        self.batch.rows_done += 1;
        let [remarked, _] = self.counted;
        if remarked < self.keep {
            self.batch.rejected_rows.push(raw);
        }
        for Reject { column, code, reason } in rejects {
            self.remark(place, Some(column).filter(|column| !column.is_empty()), (code, reason), Severity::Reject);
        }
    }

    fn refuse_row(&mut self, raw: RawRow, (code, reason): faults::Fault) {
        self.refuse(raw, vec![Reject { column: String::new(), code, reason }]);
    }

    fn warn(&mut self, place: &Place, warnings: Vec<Warning>) {
        for Warning { column, code } in warnings {
            let reason = self.reasons.get(code).copied().unwrap_or_default();
            self.batch.warned += 1;
            self.remark(place, Some(column), (code, reason), Severity::Warning);
        }
    }

    fn warn_row(&mut self, place: &Place, fault: faults::Fault) {
        self.batch.warned += 1;
        self.remark(place, None, fault, Severity::Warning);
    }

    fn family(&mut self, family: Family, rows: i64) -> Result<(), Stop> {
        self.batch.families_done += 1;
        self.batch.rows_done += rows;
        let done = self.batch.families_done;
        if done <= self.skip {
            // Everything up to here was stored with the batch that ended here.
            self.batch = Batch { families_done: done, rows_done: self.batch.rows_done, ..Batch::default() };
            return Ok(());
        }
        self.batch.families.push(family);
        if self.batch.families.len() < self.size {
            return Ok(());
        }
        let next = Batch { families_done: done, rows_done: self.batch.rows_done, ..Batch::default() };
        let full = std::mem::replace(&mut self.batch, next);
        self.tell(News::Batch(full))
    }
}

/// A family whose rows are not all read.
#[derive(Default)]
struct Open {
    /// Its own row, where the file has one.
    place: Option<Place>,
    key: Option<KeyKind>,
    aliases: Vec<String>,
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

struct Join<'a> {
    standard: &'a Standard,
    out: Out<'a>,
    open: HashMap<String, Open>,
    seen: HashSet<Box<str>>,
    /// The file has no rows of families: a family is what its head's row says.
    from_people: bool,
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

    /// The key of a person's family, with what it is and what it was under older index keys.
    fn key(&self, person: &PersonRecord) -> Result<(String, KeyKind, Vec<String>), Error> {
        let keys = &self.standard.keys;
        match (self.standard.profile.family_key, &person.kk_number) {
            (FamilyKey::Stated, _) => Ok((person.source_family_id.clone(), KeyKind::Stated, Vec::new())),
            (FamilyKey::KkNumber, Some(kk)) => Ok((keys::of_card(keys, kk)?, KeyKind::Card, keys::older_of_card(keys, kk)?)),
            (FamilyKey::KkNumber, None) => {
                let region = self.village(person.region_code.as_deref(), person.village.as_ref()).and_then(Result::ok);
                let region = region.as_ref().map(RegionCode::as_str).unwrap_or_default();
                let Individual { name, nik, birth_date, .. } = &person.person;
                let nik = nik.as_ref().map(Nik::expose);
                let key = keys::of_single(keys, region, nik, name, *birth_date)?;
                Ok((key, KeyKind::Single, keys::older_of_single(keys, region, nik, name, *birth_date)?))
            }
        }
    }

    /// Takes a family's row; gives its key when it was accepted.
    fn family(&mut self, raw: RawRow, outcome: Outcome<FamilyRecord>, alone: bool) -> Result<Option<String>, Stop> {
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
        let (id, key, aliases) = match (self.standard.profile.family_key, &family.kk_number) {
            (FamilyKey::Stated, _) => (family.source_family_id, KeyKind::Stated, Vec::new()),
            (FamilyKey::KkNumber, Some(kk)) => (keys::of_card(keys, kk)?, KeyKind::Card, keys::older_of_card(keys, kk)?),
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
        let open = Open { place: Some(place), key: Some(key), aliases, stated: Some(stated), settled: true, people, rows };
        self.open.insert(id.clone(), open);
        Ok(Some(id))
    }

    /// Takes a person's row; gives the key of the family that it speaks of, whatever became of the row.
    fn person(&mut self, raw: RawRow, outcome: Outcome<PersonRecord>) -> Result<Option<String>, Stop> {
        let (person, warnings) = match outcome {
            Ok(accepted) => accepted,
            Err(rejects) => {
                self.out.refuse(raw, rejects);
                return Ok(None);
            }
        };
        let place = raw.place();
        let (family, key, aliases) = self.key(&person)?;
        match self.joined(&place, &family, (key, aliases), person) {
            Ok(()) => {
                if let Some(open) = self.open.get_mut(&family) {
                    open.rows.push(raw);
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
        family: &str,
        (key, aliases): (KeyKind, Vec<String>),
        person: PersonRecord,
    ) -> Result<(), faults::Fault> {
        let named = self.village(person.region_code.as_deref(), person.village.as_ref());
        let stated_region = if self.from_people { named.transpose()? } else { None };
        let PersonRecord { source_person_id, person: who, relation, marital_status, mother_name, kk_number, address, .. } = person;
        if !self.from_people && !self.open.contains_key(family) {
            return Err(faults::FAMILY_MISSING);
        }
        let made = source_person_id.is_none();
        let person_key = |family: &str| keys::of_person(family, &who.name, who.birth_date);
        let source_id = source_person_id.unwrap_or_else(|| person_key(family));
        if !self.seen.insert(source_id.as_str().into()) {
            return Err(faults::PERSON_DUPLICATE);
        }
        let person_aliases = if made { aliases.iter().map(|alias| person_key(alias)).collect() } else { Vec::new() };
        let open = self.open.entry(family.to_owned()).or_default();
        let key = *open.key.get_or_insert(key);
        open.aliases = aliases;
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
        let mut member = person_of(source_id, place, relation, who);
        member.aliases = person_aliases;
        member.made = made;
        member.marital_status = marital_status;
        member.mother_name = mother_name;
        member.kk = kk_number;
        member.address = address;
        open.people.push(member);
        Ok(())
    }

    /// All rows of the family are read: it leaves, or its rows are refused.
    fn complete(&mut self, id: &str) -> Result<(), Stop> {
        let Some((source_id, open)) = self.open.remove_entry(id) else { return Ok(()) };
        let Open { place, key, aliases, stated, settled: _, people, rows } = open;
        let has_head = people.iter().any(|person| person.relation == Relation::Head) || !self.standard.heads;
        let own_row = i64::from(place.is_some() && people.iter().all(|person| Some(&person.place) != place.as_ref()));
        let fault = match (stated, has_head) {
            _ if people.is_empty() => faults::PEOPLE_MISSING,
            (Some(stated), true) => {
                let Stated { region, kk, address, decile, percentile, attributes } = stated;
                let done = own_row.saturating_add(i64::try_from(people.len()).unwrap_or(i64::MAX));
                let key = key.unwrap_or(KeyKind::Stated);
                let family = Family { source_id, aliases, key, kk, region, address, decile, percentile, attributes, people, rows };
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
    fn place(&self) -> Place {
        Place { sheet: self.sheet.clone(), row: self.row }
    }
}

fn person_of(source_id: String, place: &Place, relation: Relation, who: Individual) -> Person {
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
    Person {
        source_id,
        aliases: Vec::new(),
        made: false,
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
    let key = |family: &str| keys::of_person(family, &head.name, head.birth_date);
    let (source_id, aliases) = (key(family), aliases.iter().map(|alias| key(alias)).collect());
    Person { aliases, made: true, ..person_of(source_id, place, Relation::Head, head) }
}

#[cfg(test)]
mod tests;
