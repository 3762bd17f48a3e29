//! What a release states about one family, kept whole: the typed record and the cells it was read from.

use std::sync::Arc;

use chrono::NaiveDate;
use uuid::Uuid;

use super::model::{NikState, RegistryStatus};
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::ids::RegionCode;
use crate::platform::sensitive::{KkNumber, Nik, Sex};

mod content;
mod form;
mod packed;
mod people;

pub use packed::{Renewed, Renewer, Sealed, open, open_row, other_names, prepare, processors, renewed, renewed_row, seal_row};
pub use people::{PersonRead, SealedPeople, read_people};

/// A family as a release states it. Prints nothing personal.
pub struct Statement {
    /// Record id; ids of a release rise in the order of its file.
    pub id: Uuid,
    /// The source's key of the family; where that is a KK number or may hold one, its blind index.
    pub source_id: String,
    /// The village.
    pub region: RegionCode,
    /// 1 to 10.
    pub decile: Option<u8>,
    /// 1 to 100.
    pub percentile: Option<u8>,
    /// Address.
    pub address: Option<String>,
    /// The number of the family card.
    pub kk: Option<KkNumber>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// Its people, in the file's order.
    pub people: Vec<StatedPerson>,
    /// The cells of its rows as delivered, the family's own first.
    pub rows: Vec<RawRow>,
}

/// A person as a release states them. Prints nothing personal.
pub struct StatedPerson {
    /// The place among the family's people, from 0.
    pub ordinal: u16,
    /// The source's key of the person, its blind index where it may be a number, or one made of what is stated.
    pub source_id: String,
    /// The sheet of the row.
    pub sheet: String,
    /// The row, 1-based.
    pub row: u32,
    /// Name as written.
    pub name: String,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Born at.
    pub birth_place: Option<String>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// NIK, where it is one.
    pub nik: Option<Nik>,
    /// What stands where the NIK should, when that is none.
    pub nik_written: Option<String>,
    /// How the NIK was judged.
    pub nik_state: NikState,
    /// The number of the family card on the person's row.
    pub kk: Option<KkNumber>,
    /// Address on the person's row.
    pub address: Option<String>,
    /// Marital status.
    pub marital_status: Option<String>,
    /// Occupation.
    pub occupation: Option<String>,
    /// Education.
    pub education: Option<String>,
    /// The centre's verdict.
    pub dukcapil_match: Option<bool>,
    /// What a civil registry says of the person.
    pub registry_status: Option<RegistryStatus>,
}

/// The cells of one row as delivered, in the order of its profile's columns. Prints no cell.
#[derive(Clone)]
pub struct RawRow {
    /// The sheet.
    pub sheet: Arc<str>,
    /// The row, 1-based.
    pub row: u32,
    /// The cells, joined by [`RawRow::BETWEEN`].
    joined: Box<str>,
}

impl RawRow {
    /// Stands between cells.
    const BETWEEN: char = '\u{1f}';
    /// Stands before a cell that was a number and no text: a NIK that lost its digits must not come back as one that has them.
    pub const NUMBER: char = '\u{1e}';

    /// Of cells as the reader has them.
    pub fn new<T: AsRef<str>>(sheet: Arc<str>, row: u32, cells: impl Iterator<Item = T>) -> RawRow {
        let mut joined = String::with_capacity(256);
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                joined.push(RawRow::BETWEEN);
            }
            let cell = cell.as_ref();
            let (number, text) = cell.strip_prefix(RawRow::NUMBER).map_or((false, cell), |text| (true, text));
            if number {
                joined.push(RawRow::NUMBER);
            }
            // Our own marks inside a cell are taken for blanks, and so is NUL, which no workbook takes.
            if text.contains([RawRow::BETWEEN, RawRow::NUMBER, '\0']) {
                joined.extend(text.chars().map(|c| if matches!(c, RawRow::BETWEEN | RawRow::NUMBER | '\0') { ' ' } else { c }));
            } else {
                joined.push_str(text);
            }
        }
        RawRow { sheet, row, joined: joined.into() }
    }

    /// How much the cells take.
    pub fn bytes(&self) -> usize {
        self.joined.len()
    }

    /// The cells as texts.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.joined.split(RawRow::BETWEEN).map(|cell| cell.strip_prefix(RawRow::NUMBER).unwrap_or(cell))
    }

    /// The cells, each with its number where it was one.
    pub fn typed_cells(&self) -> impl Iterator<Item = (Option<f64>, &str)> {
        self.joined.split(RawRow::BETWEEN).map(|cell| match cell.strip_prefix(RawRow::NUMBER) {
            Some(number) => (number.parse().ok(), number),
            None => (None, cell),
        })
    }
}

macro_rules! silent {
    ($($type:ident { $($shown:ident),+ }),+) => {$(
        /// Only what tells nobody anything.
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))$(.field(stringify!($shown), &self.$shown))+.finish_non_exhaustive()
            }
        }
    )+};
}
silent!(Statement { id, region }, StatedPerson { ordinal, row }, RawRow { sheet, row });
