//! Reading a delivered file row by row: the kind is found from the content, memory stays bounded, errors never quote a cell.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::profile::{Delimiter, Field, Profile, SheetProfile, Unit};

mod cell;
mod csv;
mod error;
mod headers;
mod text;
mod weigh;
mod xlsx;

pub use cell::{Cell, Record, excel_date};
pub use error::ReadError;

/// What a file may cost at most; the defaults hold a whole province.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of data a sheet may have.
    pub rows: u32,
    /// Cells a row may have; Excel's own bound is 16,384.
    pub cells: usize,
    /// Bytes one cell may have; an Excel cell holds at most 32,767 characters.
    pub cell_bytes: usize,
    /// Bytes one row may have.
    pub row_bytes: usize,
    /// Bytes a workbook may unpack to, counted by unpacking it and not by what its directory claims.
    pub unpacked_bytes: u64,
    /// Bytes the shared texts of a workbook may unpack to; they are held in memory.
    pub part_bytes: u64,
    /// Bytes any other part than a worksheet may unpack to, a photograph say.
    pub other_bytes: u64,
    /// Bytes one cell of a workbook, one tag or one text may have with its markup; it is held in memory.
    pub piece_bytes: u64,
    /// Texts the cells of a workbook may share; each takes memory beyond its bytes.
    pub texts: u64,
    /// Tags in a part other than worksheets and shared texts; formats and sheets are held in memory.
    pub tags: u64,
    /// Files a workbook may consist of.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 5_000_000,
            cells: 1_024,
            cell_bytes: 64 * 1_024,
            row_bytes: 512 * 1_024,
            unpacked_bytes: 4 * 1_024 * 1_024 * 1_024,
            part_bytes: 512 * 1_024 * 1_024,
            other_bytes: 64 * 1_024 * 1_024,
            piece_bytes: 16 * 1_024 * 1_024,
            texts: 8_000_000,
            tags: 500_000,
            parts: 5_000,
        }
    }
}

/// What a file is, whatever its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An Excel workbook.
    Xlsx,
    /// Text with separators.
    Csv,
}

/// A sheet of the profile that was found in the file.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The profile's name for the sheet; the file's own name may be anything.
    pub name: Arc<str>,
    /// The place of the sheet in the profile.
    pub place: usize,
    /// What one row describes.
    pub unit: Unit,
    /// The row in which the headers were found, 1-based.
    pub header_row: u32,
    /// The first row read as data, 1-based.
    pub first_data_row: u32,
    /// Headers of the profile the file does not have; none of them is required.
    pub absent: Vec<String>,
    layout: headers::Layout,
    fields: Arc<[Field]>,
    /// For each of the profile's columns, whether the file has it.
    present: Arc<[bool]>,
}

enum Source {
    Xlsx { book: Box<xlsx::Book>, names: Vec<String> },
    Csv { path: PathBuf, encoding: text::Encoding, delimiter: Delimiter },
}

/// An opened file whose headers are understood; rows are then read sheet by sheet, as often as wanted.
pub struct Reader {
    source: Source,
    sheets: Vec<Sheet>,
    limits: Limits,
}

impl Reader {
    /// Opens a file and finds the profile's sheets and columns in it. Blocking, and slow for large workbooks.
    pub fn open(path: &Path, profile: &Profile, limits: Limits) -> Result<Self, ReadError> {
        let (source, sheets) = match sniff(path)? {
            Kind::Xlsx => {
                let (book, found) = xlsx::open(path, profile, &limits)?;
                let (sheets, names) = found.into_iter().unzip();
                (Source::Xlsx { book: Box::new(book), names }, sheets)
            }
            Kind::Csv => {
                let (encoding, delimiter, sheet) = csv::open(path, profile, &limits)?;
                (Source::Csv { path: path.to_owned(), encoding, delimiter }, vec![sheet])
            }
        };
        Ok(Self { source, sheets, limits })
    }

    /// What the file is.
    pub fn kind(&self) -> Kind {
        match self.source {
            Source::Xlsx { .. } => Kind::Xlsx,
            Source::Csv { .. } => Kind::Csv,
        }
    }

    /// The sheets found, in the profile's order.
    pub fn sheets(&self) -> &[Sheet] {
        &self.sheets
    }

    /// The rows of one of [`Reader::sheets`], from its first data row.
    pub fn rows(&mut self, sheet: usize) -> Result<Rows<'_>, ReadError> {
        let found = self.sheets.get(sheet).ok_or(ReadError::Unreadable)?;
        let origin = match &mut self.source {
            Source::Xlsx { book, names } => {
                let name = names.get(sheet).ok_or(ReadError::Unreadable)?;
                Origin::Xlsx(Box::new(xlsx::SheetRows::open(book, name)?))
            }
            Source::Csv { path, encoding, delimiter } => {
                Origin::Csv(Box::new(csv::CsvRows::open(path, *encoding, *delimiter, &self.limits)?))
            }
        };
        Ok(Rows { origin, sheet: found, limits: &self.limits, count: 0 })
    }
}

enum Origin<'a> {
    Xlsx(Box<xlsx::SheetRows<'a>>),
    Csv(Box<csv::CsvRows>),
}

/// The rows of one sheet, from top to bottom.
pub struct Rows<'a> {
    origin: Origin<'a>,
    sheet: &'a Sheet,
    limits: &'a Limits,
    count: u32,
}

impl Rows<'_> {
    /// Reads the next row that is not blank into `record`, whose buffers are used again; `false` at the end.
    pub fn read(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        loop {
            record.begin(self.sheet);
            let more = match &mut self.origin {
                Origin::Xlsx(rows) => rows.read(self.sheet, self.limits, record)?,
                Origin::Csv(rows) => rows.read(self.sheet, record)?,
            };
            if !more {
                return Ok(false);
            }
            let above = record.row() < self.sheet.first_data_row;
            // Officials' tables often number their columns right below the headers.
            if above || record.is_blank() || (self.count == 0 && record.numbers_columns()) {
                continue;
            }
            self.count = self.count.saturating_add(1);
            if self.count > self.limits.rows {
                return Err(ReadError::TooLarge { what: "rows", limit: u64::from(self.limits.rows) });
            }
            return Ok(true);
        }
    }
}

/// Workbooks are zip archives; those with a password and those of before 2007 are OLE files. All else is taken for text.
fn sniff(path: &Path) -> Result<Kind, ReadError> {
    const ZIP: &[u8] = b"PK\x03\x04";
    const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0];
    let mut head = Vec::with_capacity(8);
    File::open(path)?.take(8).read_to_end(&mut head)?;
    if head.is_empty() {
        return Err(ReadError::NotATable);
    }
    if head.starts_with(OLE) {
        return Err(xlsx::why_ole(path));
    }
    Ok(if head.starts_with(ZIP) { Kind::Xlsx } else { Kind::Csv })
}

fn reopen(path: &Path, skip: u64) -> Result<File, ReadError> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(skip))?;
    Ok(file)
}

impl Sheet {
    fn new(profile: &SheetProfile, place: usize, found: headers::Found) -> Self {
        let expected = found.row == profile.header_row;
        let absent = (0..)
            .zip(&profile.columns)
            .filter(|(place, column)| column.field != Field::Ignored && !found.layout.columns.contains(&Some(*place)));
        Self {
            name: profile.name.as_deref().unwrap_or("1").into(),
            place,
            unit: profile.unit,
            header_row: found.row,
            first_data_row: if expected { profile.first_data_row } else { found.row.saturating_add(1) },
            absent: absent.map(|(_, column)| column.header.clone()).collect(),
            fields: profile.columns.iter().map(|column| column.field).collect(),
            present: (0..profile.columns.len()).map(|place| found.layout.columns.contains(&Some(place))).collect(),
            layout: found.layout,
        }
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
