//! One row of cells in one buffer, so that a million rows need no million small allocations.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use super::{Field, Sheet, Unit};
use crate::features::datasets::statement::RawRow;
use chrono::{Days, NaiveDate};

/// A cell as the file has it. Text files have only texts; in a workbook a NIK stored as a number has lost digits,
/// so the difference must survive until the values are understood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing, or blanks.
    Empty,
    /// Text without blanks around it.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// A date; the time of day is dropped.
    Date(NaiveDate),
    /// True or false.
    Bool(bool),
    /// A formula's error such as `#REF!`.
    Error,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Empty,
    Text { start: usize, end: usize },
    Number(f64),
    Date(NaiveDate),
    Bool(bool),
    Error,
}

/// One row with its origin; cells stand in the order of the profile's columns.
#[derive(Clone)]
pub struct Record {
    sheet: Arc<str>,
    place: usize,
    unit: Unit,
    row: u32,
    misaligned: bool,
    text: String,
    slots: Vec<Slot>,
    fields: Arc<[Field]>,
    present: Arc<[bool]>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            sheet: Arc::from(""),
            place: 0,
            unit: Unit::Family,
            row: 0,
            misaligned: false,
            text: String::new(),
            slots: Vec::new(),
            fields: Arc::from([]),
            present: Arc::from([]),
        }
    }
}

/// Only the origin: the cells are personal data.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("sheet", &self.sheet).field("row", &self.row).finish_non_exhaustive()
    }
}

impl Record {
    /// The profile's name of the sheet.
    pub fn sheet(&self) -> &Arc<str> {
        &self.sheet
    }

    /// The place of the sheet in the profile.
    pub fn place(&self) -> usize {
        self.place
    }

    /// What the row describes.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The row as a spreadsheet shows it, 1-based.
    pub fn row(&self) -> u32 {
        self.row
    }

    /// Whether the row has cells beyond the headers, or lacks some after a line break within a cell: then an unquoted
    /// separator or a stray quotation mark has shifted the columns and no cell can be trusted.
    pub fn is_misaligned(&self) -> bool {
        self.misaligned
    }

    /// The cell of a profile column.
    pub fn cell(&self, column: usize) -> Cell<'_> {
        self.slots.get(column).map_or(Cell::Empty, |slot| self.view(*slot))
    }

    /// All cells, in the order of the profile's columns.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.slots.iter().map(|slot| self.view(*slot))
    }

    /// The cells of the columns that the file has, `None` for the others; in the order of the profile's columns.
    pub fn present_cells(&self) -> impl Iterator<Item = Option<Cell<'_>>> {
        self.cells().zip(self.present.iter()).map(|(cell, present)| present.then_some(cell))
    }

    /// The row as the source wrote it, to be sealed beside what was understood. A text that begins with the mark of
    /// numbers loses it.
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.cells().map(|cell| match cell {
            Cell::Empty => Cow::Borrowed(""),
            Cell::Text(text) => Cow::Borrowed(text.trim_start_matches(RawRow::NUMBER)),
            Cell::Number(number) => Cow::Owned(format!("{}{number}", RawRow::NUMBER)),
            Cell::Date(date) => Cow::Owned(date.to_string()),
            Cell::Bool(yes) => Cow::Borrowed(if yes { "TRUE" } else { "FALSE" }),
            Cell::Error => Cow::Borrowed("#ERROR"),
        })
    }

    fn view(&self, slot: Slot) -> Cell<'_> {
        match slot {
            Slot::Empty => Cell::Empty,
            Slot::Text { start, end } => self.text.get(start..end).map_or(Cell::Empty, Cell::Text),
            Slot::Number(number) => Cell::Number(number),
            Slot::Date(date) => Cell::Date(date),
            Slot::Bool(bool) => Cell::Bool(bool),
            Slot::Error => Cell::Error,
        }
    }

    pub(super) fn begin(&mut self, sheet: &Sheet) {
        if !Arc::ptr_eq(&self.fields, &sheet.fields) {
            self.sheet = Arc::clone(&sheet.name);
            self.fields = Arc::clone(&sheet.fields);
            self.present = Arc::clone(&sheet.present);
            self.place = sheet.place;
            self.unit = sheet.unit;
        }
        self.row = 0;
        self.misaligned = false;
        self.text.clear();
        self.slots.clear();
        self.slots.resize(sheet.fields.len(), Slot::Empty);
    }

    pub(super) fn set_row(&mut self, row: u32) {
        self.row = row;
    }

    pub(super) fn set_misaligned(&mut self) {
        self.misaligned = true;
    }

    pub(super) fn put(&mut self, column: usize, cell: Cell<'_>) {
        let slot = match cell {
            Cell::Empty => Slot::Empty,
            Cell::Text(text) => match text.trim() {
                "" => Slot::Empty,
                text => {
                    let start = self.text.len();
                    self.text.push_str(text);
                    Slot::Text { start, end: self.text.len() }
                }
            },
            Cell::Number(number) => Slot::Number(number),
            Cell::Date(date) => Slot::Date(date),
            Cell::Bool(bool) => Slot::Bool(bool),
            Cell::Error => Slot::Error,
        };
        if let Some(place) = self.slots.get_mut(column) {
            *place = slot;
        }
    }

    pub(super) fn is_birth_date(&self, column: usize) -> bool {
        self.fields.get(column) == Some(&Field::BirthDate)
    }

    pub(super) fn is_blank(&self) -> bool {
        !self.misaligned && self.slots.iter().all(|slot| matches!(slot, Slot::Empty))
    }

    /// Whether the row only numbers the columns: three or more different small whole numbers and nothing else.
    pub(super) fn numbers_columns(&self) -> bool {
        let mut seen = HashSet::new();
        for cell in self.cells() {
            let number = match cell {
                Cell::Empty => continue,
                Cell::Text(text) => text.trim_matches(['(', ')']).parse::<u16>().ok(),
                Cell::Number(number) => format!("{number}").parse::<u16>().ok(),
                _ => None,
            };
            match number {
                Some(number) if number < 1_000 && seen.insert(number) => (),
                _ => return false,
            }
        }
        seen.len() >= 3
    }
}

/// The day of an Excel serial number. Excel counts from 31 December 1899 and believes in a 29 February 1900;
/// workbooks from old Macs count from 1 January 1904.
pub fn excel_date(serial: f64, from_1904: bool) -> Option<NaiveDate> {
    const LAST: f64 = 2_958_465.0; // 31 December 9999
    if !(0.0..=LAST).contains(&serial) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the check above")]
    let days = serial.trunc() as u64;
    let (year, month, day) = match (from_1904, days) {
        (true, _) => (1904, 1, 1),
        (false, 0..60) => (1899, 12, 31),
        (false, _) => (1899, 12, 30),
    };
    NaiveDate::from_ymd_opt(year, month, day)?.checked_add_days(Days::new(days))
}
