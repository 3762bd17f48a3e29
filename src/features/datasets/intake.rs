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
use sha2::{Digest, Sha256};

use super::model::{Severity, attributes_of, faults, relation_of};
use super::profile::{Profile, Unit};
use super::reader::{Limits, ReadError, Reader, Record};
use super::values::{CATALOGUE, FamilyRecord, Individual, Outcome, PersonRecord, Reject, Values, Warning};
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::ids::RegionCode;
use crate::platform::sensitive::{Nik, Sex};

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
    pub villages: HashSet<String>,
    /// The day that no birth date may pass: that of the delivery, so that a second reading finds the same.
    pub today: NaiveDate,
    /// How many remarks of each severity to keep.
    pub keep: u64,
}

/// A person of a family, ready for our records. Prints nothing: it is all personal data.
pub struct Person {
    /// The source's key, or one made of what is stated where the source has none.
    pub source_id: String,
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
    /// The centre's verdict.
    pub dukcapil_match: Option<bool>,
}

/// A family, ready for our records. Prints nothing.
pub struct Family {
    /// The source's key.
    pub source_id: String,
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
            let place = Place { sheet: sheet.clone(), row: record.row() };
            families_read.extend(join.family(place, values.family(&record), people.is_empty()));
        }
    }
    let mut last: HashMap<Box<str>, (usize, u32)> = HashMap::new();
    for (at, _, _) in &people {
        let mut rows = reader.rows(*at)?;
        while rows.read(&mut record)? {
            listening(halted)?;
            rows_in_all += 1;
            if let Ok((person, _)) = values.person(&record) {
                last.insert(person.source_family_id.into(), (*at, record.row()));
            }
        }
    }
    join.out.tell(News::Total(rows_in_all))?;
    for (at, _, sheet) in &people {
        let mut rows = reader.rows(*at)?;
        while rows.read(&mut record)? {
            listening(halted)?;
            let place = Place { sheet: sheet.clone(), row: record.row() };
            if let Some(family) = join.person(place, values.person(&record))
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

    fn refuse(&mut self, place: &Place, rejects: Vec<Reject>) {
        self.batch.rejected += 1;
        self.batch.rows_done += 1;
        for Reject { column, code, reason } in rejects {
            self.remark(place, Some(column).filter(|column| !column.is_empty()), (code, reason), Severity::Reject);
        }
    }

    fn refuse_row(&mut self, place: &Place, (code, reason): faults::Fault) {
        self.refuse(place, vec![Reject { column: String::new(), code, reason }]);
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
    stated: Option<Stated>,
    people: Vec<Person>,
}

/// What is stated about the family itself.
struct Stated {
    region: RegionCode,
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
        if self.standard.villages.contains(region.as_str()) { Ok(region) } else { Err(faults::REGION_UNKNOWN) }
    }

    /// Takes a family's row; gives its key when it was accepted.
    fn family(&mut self, place: Place, outcome: Outcome<FamilyRecord>, alone: bool) -> Option<String> {
        let (family, warnings) = match outcome {
            Ok(accepted) => accepted,
            Err(rejects) => {
                self.out.refuse(&place, rejects);
                return None;
            }
        };
        let region = match self.region(&family.region_code) {
            Ok(region) => region,
            Err(fault) => {
                self.out.refuse_row(&place, fault);
                return None;
            }
        };
        if self.open.contains_key(&family.source_family_id) {
            self.out.refuse_row(&place, faults::FAMILY_DUPLICATE);
            return None;
        }
        self.out.warn(&place, warnings);
        let id = family.source_family_id;
        // A list of families alone names one person of each: its head.
        let people = if alone { vec![head_of(&id, &place, family.head)] } else { Vec::new() };
        let stated = Stated {
            region,
            address: family.address,
            decile: family.decile,
            percentile: family.percentile,
            attributes: attributes_of(&family.living, family.aid, family.stunting_risk),
        };
        self.open.insert(id.clone(), Open { place: Some(place), stated: Some(stated), people });
        Some(id)
    }

    /// Takes a person's row; gives the key of the family that it speaks of, whatever became of the row.
    fn person(&mut self, place: Place, outcome: Outcome<PersonRecord>) -> Option<String> {
        let (person, warnings) = match outcome {
            Ok(accepted) => accepted,
            Err(rejects) => {
                self.out.refuse(&place, rejects);
                return None;
            }
        };
        let family = person.source_family_id.clone();
        match self.joined(&place, person) {
            Ok(()) => self.out.warn(&place, warnings),
            Err(fault) => self.out.refuse_row(&place, fault),
        }
        Some(family)
    }

    fn joined(&mut self, place: &Place, person: PersonRecord) -> Result<(), faults::Fault> {
        let stated_region = match &person.region_code {
            Some(code) if self.from_people => Some(self.region(code)?),
            _ => None,
        };
        let PersonRecord { source_family_id: family, source_person_id, person: who, relation, marital_status, .. } = person;
        if !self.from_people && !self.open.contains_key(&family) {
            return Err(faults::FAMILY_MISSING);
        }
        let source_id = source_person_id.unwrap_or_else(|| made_key(&family, &who));
        if !self.seen.insert(source_id.as_str().into()) {
            return Err(faults::PERSON_DUPLICATE);
        }
        let open = self.open.entry(family).or_default();
        let mut relation = relation_of(relation);
        if relation == Relation::Head && open.people.iter().any(|other| other.relation == Relation::Head) {
            self.out.warn_row(place, faults::HEAD_DISPUTED);
            relation = Relation::Other;
        }
        match (&open.stated, &person.region_code) {
            (Some(stated), Some(code)) if !self.from_people && stated.region.as_str() != code => {
                self.out.warn_row(place, faults::REGION_DIFFERS);
            }
            (None, _) if relation == Relation::Head => {
                open.stated = stated_region.map(|region| Stated {
                    region,
                    address: person.address,
                    decile: person.decile,
                    percentile: person.percentile,
                    attributes: attributes_of(&Default::default(), person.aid, person.stunting_risk),
                });
            }
            _ => {}
        }
        let Individual { name, nik, dukcapil_match, sex, birth_date, occupation, education } = who;
        let place = place.clone();
        let member =
            Person { source_id, place, name, relation, sex, birth_date, marital_status, occupation, education, nik, dukcapil_match };
        open.people.push(member);
        Ok(())
    }

    /// All rows of the family are read: it leaves, or its rows are refused.
    fn complete(&mut self, id: &str) -> Result<(), Stop> {
        let Some((source_id, open)) = self.open.remove_entry(id) else { return Ok(()) };
        let Open { place, stated, people } = open;
        let has_head = people.iter().any(|person| person.relation == Relation::Head);
        let own_row = i64::from(place.is_some() && people.iter().all(|person| Some(&person.place) != place.as_ref()));
        let fault = match (stated, has_head) {
            (Some(stated), true) => {
                let Stated { region, address, decile, percentile, attributes } = stated;
                let rows = own_row.saturating_add(i64::try_from(people.len()).unwrap_or(i64::MAX));
                let family = Family { source_id, region, address, decile, percentile, attributes, people };
                return self.out.family(family, rows);
            }
            _ if people.is_empty() => faults::PEOPLE_MISSING,
            (_, false) => faults::HEAD_MISSING,
            (None, true) => faults::REGION_UNKNOWN,
        };
        for place in place.iter().chain(people.iter().map(|person| &person.place)) {
            self.out.refuse_row(place, fault);
        }
        Ok(())
    }
}

fn head_of(family: &str, place: &Place, head: Individual) -> Person {
    let source_id = made_key(family, &head);
    let Individual { name, nik, dukcapil_match, sex, birth_date, occupation, education } = head;
    Person {
        source_id,
        place: place.clone(),
        name,
        relation: Relation::Head,
        sex,
        birth_date,
        marital_status: None,
        occupation,
        education,
        nik,
        dukcapil_match,
    }
}

/// A key for a person of a source that has none: the same statement leads to the same record, and tells nobody a name.
fn made_key(family: &str, person: &Individual) -> String {
    let born = person.birth_date.map(|date| date.to_string()).unwrap_or_default();
    let digest = Sha256::digest(format!("{family}\n{}\n{born}", person.name.to_uppercase()).as_bytes());
    digest.iter().take(16).fold(String::from("~"), |key, byte| key + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests;
