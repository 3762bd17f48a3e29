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

use super::keys::KeyKind;
use super::model::{NikState, RegistryStatus, Severity, faults};
use super::profile::{Profile, Unit, header_key};
use super::reader::{Limits, ReadError, Reader, Record};
use super::statement::RawRow;
use super::values::{CATALOGUE, Reject, Values, VillageName, Warning};
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::error::Error;
use crate::platform::ids::RegionCode;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik, Sex};

/// How many rejects, and how many warnings, are kept of one file.
pub const KEPT: u64 = 100_000;
/// How many bytes of refused rows' cells are kept: a dry run holds them to its end.
pub const KEPT_BYTES: usize = 64 << 20;
/// A batch leaves when its rows have this many bytes, however few families they are.
const BATCH_BYTES: usize = 16 << 20;
/// What the people of families that are not complete may take: half a million rows of a list in no order.
const HELD_BYTES: usize = 640 << 20;
/// What a person takes besides the cells of the row.
const PERSON_BYTES: usize = 900;
/// More people than live under one card: the column is none that tells families apart.
const MOST_PEOPLE: usize = 500;

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
    /// How many bytes of refused rows to keep.
    pub keep_bytes: usize,
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
    /// The source's key where it holds a number and stands nowhere in clear.
    pub numbered: Option<String>,
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
    /// The source's key where it holds a number and stands nowhere in clear.
    pub numbered: Option<String>,
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
    let mut reader = Reader::open(path, &standard.profile, Limits::default())?;
    let values = Values::new(&standard.profile, standard.today);
    let out = Out {
        skip,
        size: batch.max(1),
        keep: standard.keep,
        keep_bytes: standard.keep_bytes,
        counted: [0; 2],
        kept: 0,
        bytes: 0,
        batch: Batch::default(),
        reasons: warning_reasons(),
        tell,
    };
    let mut join = Join {
        standard,
        out,
        open: HashMap::new(),
        held: 0,
        seen: HashSet::new(),
        alike: HashMap::new(),
        learning: true,
        from_people: false,
    };
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
    // A sheet of families with nothing in it says as little as none.
    join.from_people |= rows_in_all == 0;
    let mut last: HashMap<Box<str>, (usize, u32)> = HashMap::new();
    for (at, _, _) in &people {
        let mut rows = reader.rows(*at)?;
        while rows.read(&mut record)? {
            listening(halted)?;
            rows_in_all += 1;
            if let Ok((person, _)) = values.person(&record) {
                last.insert(join.key(&person)?.1.id.into(), (*at, record.row()));
            }
        }
    }
    join.learned(&mut last);
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
    keep_bytes: usize,
    /// Rejects and warnings since the beginning of the file, so that a resumed reading keeps the same ones.
    counted: [u64; 2],
    /// Bytes of refused rows that were kept since the beginning of the file.
    kept: usize,
    /// Bytes of the batch's rows.
    bytes: usize,
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
        if remarked < self.keep && self.kept < self.keep_bytes {
            self.kept = self.kept.saturating_add(raw.bytes());
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
        self.bytes = self.bytes.saturating_add(family.rows.iter().map(RawRow::bytes).sum());
        self.batch.families.push(family);
        if self.batch.families.len() < self.size && self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.bytes = 0;
        let next = Batch { families_done: done, rows_done: self.batch.rows_done, ..Batch::default() };
        let full = std::mem::replace(&mut self.batch, next);
        self.tell(News::Batch(full))
    }
}

mod join;
use join::Join;

#[cfg(test)]
mod mutated;
#[cfg(test)]
mod tests;
