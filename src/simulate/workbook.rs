//! Writes the list as P3KE delivers it: an XLSX workbook of two sheets, or the people as CSV; memory stays bounded.

use std::path::Path;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::model::{Family, Member, Village};
use super::table::{Cell, FAMILY_HEADERS, PERSON_HEADERS, family_row, person_row};

/// Three title rows stand above the headers.
const HEADER_ROW: u32 = 3;

/// Why a list could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The workbook.
    #[error("writing the workbook: {0}")]
    Workbook(#[from] XlsxError),
    /// The CSV file.
    #[error("writing the CSV file: {0}")]
    Csv(#[from] csv::Error),
    /// A family refers to a village that is not in the list.
    #[error("family {0} has no village in the list")]
    Homeless(String),
}

/// Writes the P3KE workbook in its exact layout; the same families give the same bytes.
pub fn write_workbook(path: &Path, villages: &[Village], families: &[Family]) -> Result<(), WriteError> {
    let mut workbook = Workbook::new();
    // The moment of writing would make every file different.
    let written = ExcelDateTime::from_ymd(2023, 3, 16)?;
    let subject = "Data sintetis, bukan data penduduk";
    workbook.set_properties(&DocProperties::new().set_title("P3KE").set_subject(subject).set_creation_datetime(&written));

    let place = families.first().and_then(|family| villages.get(family.village));
    let place = place.map(|v| format!("{}, PROVINSI {}", v.regency, v.province).to_uppercase()).unwrap_or_default();
    let sheet = workbook.add_worksheet_with_constant_memory();
    let mut sheet = Sheet::open(sheet, "Keluarga", &place, &FAMILY_HEADERS)?;
    for (family, number) in families.iter().zip(1..) {
        if let Some(row) = family_row(number, home(villages, family)?, family) {
            sheet.append(&row)?;
        }
    }
    let sheet = workbook.add_worksheet_with_constant_memory();
    let mut sheet = Sheet::open(sheet, "Individu", &place, &PERSON_HEADERS)?;
    for ((family, person), number) in people(families).zip(1..) {
        sheet.append(&person_row(number, home(villages, family)?, family, person))?;
    }
    workbook.save(path)?;
    Ok(())
}

/// Writes the sheet Individu as CSV with semicolons, its headers in the first line.
pub fn write_csv(path: &Path, villages: &[Village], families: &[Family]) -> Result<(), WriteError> {
    let mut file = csv::WriterBuilder::new().delimiter(b';').from_path(path)?;
    file.write_record(PERSON_HEADERS)?;
    for ((family, person), number) in people(families).zip(1..) {
        let row = person_row(number, home(villages, family)?, family, person);
        file.write_record(row.iter().map(ToString::to_string))?;
    }
    file.flush().map_err(csv::Error::from)?;
    Ok(())
}

fn people(families: &[Family]) -> impl Iterator<Item = (&Family, &Member)> {
    families.iter().flat_map(|family| family.members.iter().map(move |person| (family, person)))
}

fn home<'a>(villages: &'a [Village], family: &Family) -> Result<&'a Village, WriteError> {
    villages.get(family.village).ok_or_else(|| WriteError::Homeless(family.source_id.clone()))
}

/// A sheet that takes its rows from top to bottom.
struct Sheet<'a> {
    sheet: &'a mut Worksheet,
    next: u32,
}

impl<'a> Sheet<'a> {
    fn open(sheet: Result<&'a mut Worksheet, XlsxError>, name: &str, place: &str, headers: &[&'static str]) -> Result<Self, WriteError> {
        let sheet = sheet?;
        let bold = Format::new().set_bold();
        sheet.set_name(name)?;
        let titles = ["DATA PENSASARAN PERCEPATAN PENGHAPUSAN KEMISKINAN EKSTREM (P3KE)", place, "DATA SINTETIS - BUKAN DATA PENDUDUK"];
        for (title, row) in titles.iter().zip(0..) {
            sheet.write_with_format(row, 0, *title, &bold)?;
        }
        for (header, column) in headers.iter().zip(0..) {
            sheet.write_with_format(HEADER_ROW, column, *header, &bold)?;
        }
        Ok(Self { sheet, next: HEADER_ROW + 1 })
    }

    fn append(&mut self, cells: &[Cell]) -> Result<(), WriteError> {
        for (cell, column) in cells.iter().zip(0..) {
            match cell {
                Cell::Number(number) => self.sheet.write_number(self.next, column, *number)?,
                Cell::Text(text) => self.sheet.write_string(self.next, column, text)?,
                Cell::Word(word) => self.sheet.write_string(self.next, column, *word)?,
                Cell::Empty => continue,
            };
        }
        self.next += 1;
        Ok(())
    }
}
