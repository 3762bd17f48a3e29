//! Workbooks, read cell by cell through calamine after the archive has proved to be of bearable size.

use std::{
    fs::File,
    io::BufReader,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use calamine::{DataRef, Reader as _, Xlsx, XlsxCellReader, XlsxError};

use super::{
    Cell, Limits, Profile, ReadError, Record, Sheet, excel_date,
    headers::{self, SEARCHED_ROWS, Top},
    weigh::weigh,
};
use crate::features::datasets::profile::{SheetProfile, header_key};

pub(super) type Book = Xlsx<BufReader<File>>;

/// A cell of the workbook with its place, counted from 0.
type Placed<'a> = calamine::Cell<DataRef<'a>>;

/// Opens a workbook and finds the profile's sheets, each with the file's own name for it.
pub(super) fn open(path: &Path, profile: &Profile, limits: &Limits) -> Result<(Book, Vec<(Sheet, String)>), ReadError> {
    weigh(path, limits)?;
    let file = File::open(path)?;
    let mut book = guarded(|| Book::new(BufReader::new(file)))?;
    let mut free: Vec<String> = book.sheet_names();
    let mut sheets = Vec::new();
    for (place, sheet) in profile.sheets.iter().enumerate() {
        match find(&mut book, sheet, &mut free, limits)? {
            Some((found, name)) => sheets.push((Sheet::new(sheet, place, found), name)),
            None if sheet.optional => (),
            None => {
                let name = sheet.name.clone().unwrap_or_else(|| "1".to_owned());
                return Err(ReadError::SheetMissing(name));
            }
        }
    }
    if sheets.is_empty() { Err(ReadError::NotATable) } else { Ok((book, sheets)) }
}

/// A sheet with the profile's name must have its headers; without one, any sheet not yet taken that has them all will do.
fn find(
    book: &mut Book,
    sheet: &SheetProfile,
    free: &mut Vec<String>,
    limits: &Limits,
) -> Result<Option<(headers::Found, String)>, ReadError> {
    let wanted = sheet.name.as_deref().map(header_key);
    let named = wanted.and_then(|wanted| free.iter().position(|name| header_key(name) == wanted));
    if let Some(place) = named {
        let name = free.remove(place);
        let found = headers::find(sheet, &top(book, &name, limits)?).ok_or(ReadError::NotATable)?;
        return Ok(Some((found.accept()?, name)));
    }
    let mut best: Option<(headers::Found, usize)> = None;
    for (place, name) in free.iter().enumerate() {
        // Chart and macro sheets have no cells; they are no reason to refuse the others.
        let Ok(top) = top(book, name, limits) else {
            continue;
        };
        if let Some(found) = headers::find(sheet, &top)
            && found.is_complete()
            && best.as_ref().is_none_or(|(best, _)| headers::better(&found, best))
        {
            best = Some((found, place));
        }
    }
    Ok(best.map(|(found, place)| (found, free.remove(place))))
}

/// The first rows of a sheet as texts.
fn top(book: &mut Book, name: &str, limits: &Limits) -> Result<Top, ReadError> {
    let mut rows = SheetRows::open(book, name)?;
    let mut top = Top::new();
    while let Some(cell) = rows.next()? {
        let (row, column) = cell.get_position();
        if row >= SEARCHED_ROWS {
            break;
        }
        let (row, column) = (row.saturating_add(1), column as usize);
        if column >= limits.cells {
            continue;
        }
        if top.last().is_none_or(|(last, _)| *last != row) {
            top.push((row, Vec::new()));
        }
        let text = match cell.get_value() {
            DataRef::String(text) => text.as_str(),
            DataRef::SharedString(text) => text,
            _ => continue,
        };
        if let Some((_, cells)) = top.last_mut() {
            if cells.len() <= column {
                cells.resize(column.saturating_add(1), String::new());
            }
            if let Some(cell) = cells.get_mut(column) {
                text.clone_into(cell);
            }
        }
    }
    Ok(top)
}

/// One worksheet, row by row.
pub(super) struct SheetRows<'a> {
    cells: XlsxCellReader<'a, BufReader<File>>,
    from_1904: bool,
    /// The first cell of the next row, which was read to see that a row had ended.
    waiting: Option<Placed<'a>>,
    last: Option<u32>,
    /// calamine must not be asked again after the last cell: it would read on behind the table.
    done: bool,
}

impl<'a> SheetRows<'a> {
    pub(super) fn open(book: &'a mut Book, name: &str) -> Result<Self, ReadError> {
        let from_1904 = book.has_1904_epoch();
        let cells = guarded(|| book.worksheet_cells_reader(name))?;
        Ok(Self { cells, from_1904, waiting: None, last: None, done: false })
    }

    /// Reads a row into the profile's order; `false` at the end.
    pub(super) fn read(&mut self, sheet: &Sheet, limits: &Limits, record: &mut Record) -> Result<bool, ReadError> {
        let first = match self.waiting.take() {
            Some(cell) => Some(cell),
            None => self.next()?,
        };
        let Some(first) = first else { return Ok(false) };
        let row = first.get_position().0;
        // Spreadsheets write rows in order; a file that does not would give rows in pieces.
        if self.last.is_some_and(|last| last >= row) {
            return Err(ReadError::Unreadable);
        }
        self.last = Some(row);
        record.set_row(row.saturating_add(1));
        let mut next = Some(first);
        let mut bytes = 0usize;
        while let Some(cell) = next {
            let (at, column) = cell.get_position();
            if at != row {
                self.waiting = Some(cell);
                break;
            }
            let (column, value) = (column as usize, cell.get_value());
            if column >= limits.cells && !matches!(value, DataRef::Empty) {
                return Err(ReadError::RowTooWide { row: record.row(), limit: limits.cells as u64 });
            }
            if let Some(place) = sheet.layout.column(column) {
                bytes = bytes.saturating_add(self.put(place, value, limits, record)?);
                // A text that many cells share is small in the file and large in each row.
                if bytes > limits.row_bytes {
                    return Err(ReadError::FieldTooLong { row: record.row() });
                }
            }
            next = self.next()?;
        }
        Ok(true)
    }

    fn put(&self, place: usize, value: &DataRef<'_>, limits: &Limits, record: &mut Record) -> Result<usize, ReadError> {
        let cell = match value {
            DataRef::Empty => return Ok(0),
            DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(text),
            DataRef::SharedString(text) => Cell::Text(text),
            #[expect(clippy::cast_precision_loss, reason = "calamine reads no integers from XLSX")]
            DataRef::Int(number) => Cell::Number(*number as f64),
            // In a workbook that counts from 1904 a bare number would later be taken for a day four years early.
            DataRef::Float(number) if self.from_1904 && record.is_birth_date(place) => {
                excel_date(*number, true).map_or(Cell::Number(*number), Cell::Date)
            }
            DataRef::Float(number) => Cell::Number(*number),
            DataRef::Bool(bool) => Cell::Bool(*bool),
            DataRef::DateTime(time) if time.is_datetime() => {
                let serial = time.as_f64();
                excel_date(serial, self.from_1904).map_or(Cell::Number(serial), Cell::Date)
            }
            DataRef::DateTime(time) => Cell::Number(time.as_f64()),
            DataRef::Error(_) => Cell::Error,
        };
        let bytes = if let Cell::Text(text) = cell { text.len() } else { 0 };
        if bytes > limits.cell_bytes {
            return Err(ReadError::FieldTooLong { row: record.row() });
        }
        record.put(place, cell);
        Ok(bytes)
    }

    fn next(&mut self) -> Result<Option<Placed<'a>>, ReadError> {
        if self.done {
            return Ok(None);
        }
        let cell = guarded(|| self.cells.next_cell());
        // Nothing is asked of a reader that has failed.
        self.done = !matches!(cell, Ok(Some(_)));
        cell
    }
}

/// OLE files are either workbooks with a password or workbooks of before 2007.
pub(super) fn why_ole(path: &Path) -> ReadError {
    let opened = File::open(path).map(|file| Book::new(BufReader::new(file)));
    match opened {
        Ok(Err(XlsxError::Password)) => ReadError::Encrypted,
        Ok(_) => ReadError::OldWorkbook,
        Err(error) => error.into(),
    }
}

/// Asks calamine. Overflows and cuts within a character, found by the fuzzer in references that no spreadsheet writes, make it
/// panic: that is a damaged file, and no reason to try the job again.
fn guarded<T>(ask: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(ask)).map_or(Err(ReadError::Unreadable), |answer| answer.map_err(why))
}

/// calamine's messages may quote cells, so only the kind of trouble is kept.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn why(error: XlsxError) -> ReadError {
    match error {
        XlsxError::Password => ReadError::Encrypted,
        _ => ReadError::Unreadable,
    }
}
