//! Workbooks, read cell by cell through calamine after the archive has proved to be of bearable size.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use calamine::{DataRef, Reader as _, Xlsx, XlsxCellReader, XlsxError};
use zip::{ZipArchive, result::ZipError};

use super::{
    Cell, Limits, Profile, ReadError, Record, Sheet, excel_date,
    headers::{self, SEARCHED_ROWS, Top},
};
use crate::features::datasets::profile::{SheetProfile, header_key};

pub(super) type Book = Xlsx<BufReader<File>>;

/// A cell of the workbook with its place, counted from 0.
type Placed<'a> = calamine::Cell<DataRef<'a>>;

/// Opens a workbook and finds the profile's sheets, each with the file's own name for it.
pub(super) fn open(path: &Path, profile: &Profile, limits: &Limits) -> Result<(Book, Vec<(Sheet, String)>), ReadError> {
    weigh(path, limits)?;
    let mut book = Book::new(BufReader::new(File::open(path)?)).map_err(why)?;
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
        let cells = book.worksheet_cells_reader(name).map_err(why)?;
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
        while let Some(cell) = next {
            let (at, column) = cell.get_position();
            if at != row {
                self.waiting = Some(cell);
                break;
            }
            let (column, value) = (column as usize, cell.get_value());
            if column >= limits.cells && !matches!(value, DataRef::Empty) {
                return Err(ReadError::TooLarge { what: "cells in a row", limit: limits.cells as u64 });
            }
            if let Some(place) = sheet.layout.column(column) {
                self.put(place, value, limits, record)?;
            }
            next = self.next()?;
        }
        Ok(true)
    }

    fn put(&self, place: usize, value: &DataRef<'_>, limits: &Limits, record: &mut Record) -> Result<(), ReadError> {
        let cell = match value {
            DataRef::Empty => return Ok(()),
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
        if let Cell::Text(text) = cell
            && text.len() > limits.cell_bytes
        {
            return Err(ReadError::FieldTooLong { row: record.row() });
        }
        record.put(place, cell);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Placed<'a>>, ReadError> {
        if self.done {
            return Ok(None);
        }
        let cell = self.cells.next_cell().map_err(why)?;
        self.done = cell.is_none();
        Ok(cell)
    }
}

/// Unpacks the whole archive once into nothing: the sizes in its directory are only a claim, and the 0.3 s this costs a
/// large workbook are cheaper than a bomb.
fn weigh(path: &Path, limits: &Limits) -> Result<(), ReadError> {
    let unpacked = ReadError::TooLarge { what: "unpacked bytes", limit: limits.unpacked_bytes };
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(why_zip)?;
    if archive.len() > limits.parts {
        return Err(ReadError::TooLarge { what: "parts", limit: limits.parts as u64 });
    }
    if archive.decompressed_size().is_some_and(|size| size > u128::from(limits.unpacked_bytes)) {
        return Err(unpacked);
    }
    let mut total = 0u64;
    let mut names = HashSet::new();
    for place in 0..archive.len() {
        let part = archive.by_index(place).map_err(why_zip)?;
        let name = part.name().map_err(why_zip)?.to_ascii_lowercase();
        let left = limits.unpacked_bytes.saturating_sub(total);
        let bound = if name.contains("worksheets/") { left } else { left.min(limits.part_bytes) };
        // Readers disagree which of two parts of one name counts, and that is how checks are evaded.
        if !names.insert(name) {
            return Err(ReadError::Unreadable);
        }
        let size = io::copy(&mut part.take(bound.saturating_add(1)), &mut io::sink()).map_err(|_| ReadError::Unreadable)?;
        if size > bound {
            return Err(if bound == left { unpacked } else { ReadError::TooLarge { what: "unpacked bytes in one part", limit: bound } });
        }
        total = total.saturating_add(size);
    }
    Ok(())
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

/// calamine's messages may quote cells, so only the kind of trouble is kept.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn why(error: XlsxError) -> ReadError {
    match error {
        XlsxError::Password => ReadError::Encrypted,
        _ => ReadError::Unreadable,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn why_zip(error: ZipError) -> ReadError {
    match error {
        ZipError::InvalidPassword => ReadError::Encrypted,
        ZipError::UnsupportedArchive(text) if text == ZipError::PASSWORD_REQUIRED => ReadError::Encrypted,
        _ => ReadError::Unreadable,
    }
}
