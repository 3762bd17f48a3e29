//! Text tables. csv-core writes into buffers of fixed size, so a quotation mark that is never closed ends in an error and not in memory.

use std::{io::Read, path::Path};

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::{
    Cell, Delimiter, Limits, Profile, ReadError, Record, Sheet,
    headers::{self, Found, SEARCHED_ROWS, Top},
    text::{self, Encoding},
};

const CHUNK: usize = 64 * 1_024;

/// More line breaks than a cell with an address needs; beyond it a quotation mark was left open.
const BREAKS: usize = 20;

/// Finds encoding, separator and sheet: the separator is the one under which most headers are understood.
pub(super) fn open(path: &Path, profile: &Profile, limits: &Limits) -> Result<(Encoding, Delimiter, Sheet), ReadError> {
    let encoding = text::detect(path)?;
    let hinted = profile.format.delimiter.map(|delimiter| vec![delimiter]);
    let mut best: Option<(Delimiter, usize, Found)> = None;
    let mut trouble = ReadError::NotATable;
    for delimiter in hinted.unwrap_or_else(|| Delimiter::ALL.to_vec()) {
        let (top, error) = top(path, encoding, delimiter, limits)?;
        if let Some(error) = error {
            trouble = error;
        }
        if let Some((place, found)) = headers::find_any(profile, &top)
            && best.as_ref().is_none_or(|(_, _, best)| headers::better(&found, best))
        {
            best = Some((delimiter, place, found));
        }
    }
    let (delimiter, place, found) = best.ok_or(trouble)?;
    let sheet = profile.sheets.get(place).ok_or(ReadError::NotATable)?;
    Ok((encoding, delimiter, Sheet::new(sheet, place, found.accept()?)))
}

/// The first rows; an error among them only matters if no headers were found before it.
fn top(path: &Path, encoding: Encoding, delimiter: Delimiter, limits: &Limits) -> Result<(Top, Option<ReadError>), ReadError> {
    let mut rows = CsvRows::open(path, encoding, delimiter, limits)?;
    let mut top = Top::new();
    loop {
        match rows.next() {
            Ok(true) if rows.row <= SEARCHED_ROWS => {
                let cells = rows.fields().map(|field| String::from_utf8_lossy(field).into_owned());
                top.push((rows.row, cells.collect()));
            }
            Ok(_) => return Ok((top, None)),
            Err(error) => return Ok((top, Some(error))),
        }
    }
}

/// A text table row by row.
pub(super) struct CsvRows {
    source: Box<dyn Read + Send>,
    delimiter: u8,
    core: csv_core::Reader,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    ended: bool,
    after_return: bool,
    output: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
    cell_bytes: usize,
    row: u32,
    /// The row was ended by the file's end and by no line break.
    unfinished: bool,
    /// The fewest cells of any row so far, from the headers on.
    narrowest: usize,
}

impl CsvRows {
    pub(super) fn open(path: &Path, encoding: Encoding, delimiter: Delimiter, limits: &Limits) -> Result<Self, ReadError> {
        Ok(Self {
            source: text::reader(path, encoding)?,
            delimiter: delimiter.byte(),
            core: ReaderBuilder::new().delimiter(delimiter.byte()).build(),
            buffer: vec![0; CHUNK],
            from: 0,
            to: 0,
            ended: false,
            after_return: false,
            output: vec![0; limits.row_bytes],
            // One more than allowed, since csv-core reports "full" as soon as no room is left.
            ends: vec![0; limits.cells.saturating_add(1)],
            count: 0,
            cell_bytes: limits.cell_bytes,
            row: 0,
            unfinished: false,
            narrowest: usize::MAX,
        })
    }

    /// Reads a row into the profile's order; `false` at the end.
    pub(super) fn read(&mut self, sheet: &Sheet, record: &mut Record) -> Result<bool, ReadError> {
        if !self.next()? {
            return Ok(false);
        }
        record.set_row(self.row);
        let width = sheet.layout.width();
        let (mut beyond, mut breaks, mut swallowed) = (false, false, false);
        for (place, field) in self.fields().enumerate() {
            if field.contains(&b'\n') || field.contains(&b'\r') {
                breaks = true;
                // Two stray quotation marks in the same column of two rows leave a row of the right width, with the
                // separators of a whole row inside one cell.
                swallowed |= width > 2 && count(field, self.delimiter) >= width.saturating_sub(1);
            }
            if place >= width {
                beyond |= !field.trim_ascii().is_empty();
            } else if let Some(column) = sheet.layout.column(place) {
                let text = str::from_utf8(field).map_err(|_| ReadError::BadEncoding)?;
                record.put(column, Cell::Text(text));
            }
        }
        if beyond || swallowed || (breaks && self.count < width) {
            record.set_misaligned();
        }
        if self.row > sheet.header_row {
            // Programs leave out empty cells at the end of rows, but not in the last one alone.
            let narrowest = self.narrowest.min(width);
            if self.unfinished && self.count < narrowest {
                return Err(ReadError::CutShort { row: self.row });
            }
            self.narrowest = narrowest.min(self.count);
        }
        Ok(true)
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().take(self.count).map(move |&end| {
            let field = self.output.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }

    /// Reads the next row that is not an empty line; `false` at the end.
    fn next(&mut self) -> Result<bool, ReadError> {
        self.skip_empty_lines()?;
        self.row = self.row.saturating_add(1);
        self.count = 0;
        let mut written = 0usize;
        loop {
            if self.from == self.to && !self.ended {
                self.fill()?;
            }
            // At the end of the file a line break of our own shows where the text stands: it ends a row, it is skipped
            // between rows, and it is taken into a cell whose quotation mark is still open.
            let ending = self.ended && self.from == self.to;
            let (input, output, ends) = (
                if ending { b"\n" } else { self.buffer.get(self.from..self.to).unwrap_or_default() },
                self.output.get_mut(written..).unwrap_or_default(),
                self.ends.get_mut(self.count..).unwrap_or_default(),
            );
            let (result, read, wrote, ended) = self.core.read_record(input, output, ends);
            self.after_return = match read.checked_sub(1) {
                Some(last) => input.get(last) == Some(&b'\r'),
                None => self.after_return,
            };
            if !ending {
                self.from = self.from.saturating_add(read);
            }
            written = written.saturating_add(wrote);
            self.count = self.count.saturating_add(ended);
            match result {
                ReadRecordResult::InputEmpty if ending && wrote > 0 => return Err(ReadError::QuoteOpen { row: self.row }),
                ReadRecordResult::InputEmpty if ending => return Ok(false),
                ReadRecordResult::InputEmpty => (),
                ReadRecordResult::OutputFull => return Err(self.too_long(self.output.as_slice())),
                ReadRecordResult::OutputEndsFull => {
                    let limit = self.ends.len().saturating_sub(1);
                    return Err(ReadError::RowTooWide { row: self.row, limit: limit as u64 });
                }
                ReadRecordResult::Record => {
                    self.unfinished = ending;
                    break;
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
        // DOS programs end a file with a sign of its own, which is no row.
        if self.unfinished && self.fields().all(|field| field.iter().all(|byte| byte.is_ascii_control())) {
            return Ok(false);
        }
        match self.fields().find(|field| field.len() > self.cell_bytes || breaks(field) > BREAKS) {
            Some(field) => Err(self.too_long(field)),
            None => Ok(true),
        }
    }

    fn too_long(&self, text: &[u8]) -> ReadError {
        let row = self.row;
        if breaks(text) > BREAKS { ReadError::QuoteOpen { row } } else { ReadError::FieldTooLong { row } }
    }

    /// csv-core passes over empty lines silently, but a spreadsheet counts them.
    fn skip_empty_lines(&mut self) -> Result<(), ReadError> {
        loop {
            if self.from == self.to && !self.ended {
                self.fill()?;
            }
            match self.buffer.get(self.from..self.to).and_then(<[u8]>::first) {
                Some(b'\n') if self.after_return => self.after_return = false,
                Some(b'\n') => self.row = self.row.saturating_add(1),
                Some(b'\r') => {
                    self.after_return = true;
                    self.row = self.row.saturating_add(1);
                }
                _ => return Ok(()),
            }
            self.from = self.from.saturating_add(1);
        }
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        self.from = 0;
        self.to = loop {
            match self.source.read(&mut self.buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                read => break read?,
            }
        };
        self.ended = self.to == 0;
        Ok(())
    }
}

/// Line breaks of any make.
fn breaks(text: &[u8]) -> usize {
    count(text, b'\n').max(count(text, b'\r'))
}

fn count(text: &[u8], wanted: u8) -> usize {
    text.iter().filter(|byte| **byte == wanted).count()
}
