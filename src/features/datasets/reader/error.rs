//! Why a file cannot be read: a stable code and a sentence; headers are quoted from the profile, cells never.

use std::io;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The file is damaged, or not what its first bytes promise.
    #[error("the file cannot be read: it is damaged or not a complete XLSX or CSV file")]
    Unreadable,
    /// The workbook is protected with a password.
    #[error("the workbook is protected with a password: open it, save it without one and upload it again")]
    Encrypted,
    /// The workbook is in the format of before 2007.
    #[error("the file is an old Excel workbook (.xls): save it as .xlsx or CSV")]
    OldWorkbook,
    /// No sheet has the name, nor the headers, the profile asks for.
    #[error("the workbook has no sheet `{0}` and none with its headers")]
    SheetMissing(String),
    /// A required header is nowhere near the top.
    #[error("the header `{header}` is missing on sheet `{sheet}`")]
    HeaderMissing {
        /// The profile's name of the sheet.
        sheet: String,
        /// The header as the profile writes it.
        header: String,
    },
    /// Two columns of the file mean the same.
    #[error("the header `{header}` stands on sheet `{sheet}` more than once")]
    HeaderDuplicate {
        /// The profile's name of the sheet.
        sheet: String,
        /// The header as the profile writes it.
        header: String,
    },
    /// A limit is passed.
    #[error("the file has too many {what}: at most {limit} are read")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A row has more cells than any table needs.
    #[error("row {row} has too many cells: at most {limit} are read")]
    RowTooWide {
        /// The row, 1-based.
        row: u32,
        /// The limit.
        limit: u64,
    },
    /// No header of the profile was found at all.
    #[error("no known header was found near the top: this is not a table of the expected kind")]
    NotATable,
    /// The text is neither UTF-8 nor UTF-16 nor Windows-1252, or a mixture.
    #[error("the text's encoding is unknown or mixed: save it as CSV UTF-8")]
    BadEncoding,
    /// A cell or row is longer than any table needs.
    #[error("row {row} has a cell or is a row that is too long")]
    FieldTooLong {
        /// The row, 1-based.
        row: u32,
    },
    /// A quotation mark is opened and not closed, so that rows ran together.
    #[error("row {row} has a quotation mark that is not closed")]
    QuoteOpen {
        /// The row, 1-based.
        row: u32,
    },
    /// The text ends within a row.
    #[error("the file ends in the middle of row {row}: it was cut off; send the whole file")]
    CutShort {
        /// The row, 1-based.
        row: u32,
    },
    /// A byte that no text has stands in an otherwise readable one.
    #[error("line {line} has a NUL byte: the file is damaged, or a program wrote it wrongly; export it again")]
    NulByte {
        /// The line of the text, 1-based.
        line: u32,
    },
    /// Families cannot leave as they are read, for their rows lie far apart, and they are too many to be held.
    #[error("the rows of the families lie too far apart: sort the file by the key of the family and send it again")]
    Scattered,
}

impl ReadError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable_file",
            Self::Encrypted => "encrypted_file",
            Self::OldWorkbook => "old_workbook",
            Self::SheetMissing(_) => "sheet_missing",
            Self::HeaderMissing { .. } => "header_missing",
            Self::HeaderDuplicate { .. } => "header_duplicate",
            Self::TooLarge { .. } | Self::RowTooWide { .. } => "too_large",
            Self::NotATable => "not_a_table",
            Self::BadEncoding => "bad_encoding",
            Self::FieldTooLong { .. } => "field_too_long",
            Self::QuoteOpen { .. } => "quote_open",
            Self::CutShort { .. } => "file_cut_short",
            Self::NulByte { .. } => "nul_byte",
            Self::Scattered => "rows_scattered",
        }
    }
}

/// The transcoder reports undecodable bytes as `InvalidData`; everything else is the file itself.
impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::BadEncoding } else { Self::Unreadable }
    }
}
