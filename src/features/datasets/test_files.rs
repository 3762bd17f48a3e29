//! Files for the tests, made of nobody's data.

use std::{io::Write, path::Path};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};
use tempfile::NamedTempFile;

use super::profile::{Profile, Unit};

/// What a test puts into a cell of a workbook.
#[derive(Clone, Debug)]
pub(super) enum Put {
    Text(&'static str),
    Number(f64),
    Date(u16, u8, u8),
}

/// The headers of one of the P3KE sheets.
pub(super) fn headers(unit: Unit) -> Vec<String> {
    let profile = Profile::p3ke();
    let sheet = profile.sheets.iter().find(|sheet| sheet.unit == unit).unwrap();
    sheet.columns.iter().map(|column| column.header.clone()).collect()
}

/// A row of the family sheet as the centre writes it.
pub(super) const FAMILY: [&str; 31] = [
    "1",
    "6202092001000001",
    "KALIMANTAN TENGAH",
    "KOTAWARINGIN TIMUR",
    "PULAU HANAUT",
    "BAPINANG HULU",
    "62.02.09.2001",
    "1",
    "JL. CONTOH RT 02",
    "BUDI CONTOH",
    "6202090107850001",
    "Ya",
    "Laki-laki",
    "01/07/1985 00:00:00",
    "Petani",
    "Tamat SD",
    "Milik Sendiri",
    "Tidak",
    "Jerami/Ijuk/Rumbia",
    "Kayu/Papan",
    "Kayu/Papan",
    "Bukan listrik",
    "Arang/Kayu",
    "Air Permukaan (Sungai, Danau, dll)",
    "Umum/Bersama",
    "Ya",
    "Tidak",
    "Tidak",
    "Ya",
    "Tidak",
    "2",
];

/// A row of the person sheet as the centre writes it.
pub(super) const PERSON: [&str; 32] = [
    "1",
    "6202092001000001",
    "KALIMANTAN TENGAH",
    "KOTAWARINGIN TIMUR",
    "PULAU HANAUT",
    "BAPINANG HULU",
    "6202092001",
    "1",
    "JL. CONTOH RT 02",
    "P-1",
    "SITI CONTOH",
    "",
    "Tidak",
    "Perempuan",
    "Istri",
    "02/03/1990 00:00:00",
    "Kawin",
    "Tidak/Belum Bekerja",
    "Tamat SLTP",
    "Tidak",
    "Tidak",
    "Tidak",
    "Tidak",
    "Tidak",
    "Ya",
    "Tidak",
    "Ya",
    "Tidak",
    "Tidak",
    "Ya",
    "Tidak",
    "2",
];

pub(super) fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file.flush().unwrap();
    file
}

/// A text table of the given rows.
pub(super) fn text(delimiter: u8, rows: &[Vec<String>]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

pub(super) fn strings(row: &[&str]) -> Vec<String> {
    row.iter().map(|&text| text.to_owned()).collect()
}

/// A row with some cells changed.
pub(super) fn with(row: &[&'static str], changes: &[(usize, Put)]) -> Vec<Put> {
    let mut row: Vec<Put> = row.iter().map(|&text| Put::Text(text)).collect();
    for (place, put) in changes {
        row[*place] = put.clone();
    }
    row
}

/// Writes a sheet with its headers in `header_row` (1-based) and the rows right below.
pub(super) fn fill(sheet: &mut Worksheet, header_row: u32, headers: &[String], rows: &[Vec<Put>]) {
    sheet.write(0, 0, "DATA CONTOH").unwrap();
    for (column, header) in (0..).zip(headers) {
        sheet.write(header_row - 1, column, header).unwrap();
    }
    let date = Format::new().set_num_format("dd/mm/yyyy hh:mm:ss");
    for (at, row) in (header_row..).zip(rows) {
        for (column, put) in (0..).zip(row) {
            match put {
                Put::Text("") => (),
                Put::Text(text) => drop(sheet.write_string(at, column, *text).unwrap()),
                Put::Number(number) => drop(sheet.write_number(at, column, *number).unwrap()),
                Put::Date(year, month, day) => {
                    let value = ExcelDateTime::from_ymd(*year, *month, *day).unwrap();
                    sheet.write_datetime_with_format(at, column, value, &date).unwrap();
                }
            }
        }
    }
}

/// A P3KE workbook with the given rows, headers in row 4.
pub(super) fn workbook(families: &[Vec<Put>], persons: &[Vec<Put>]) -> NamedTempFile {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Keluarga").unwrap();
    fill(sheet, 4, &headers(Unit::Family), families);
    let sheet = book.add_worksheet().set_name("Individu").unwrap();
    fill(sheet, 4, &headers(Unit::Person), persons);
    save(&mut book)
}

pub(super) fn save(book: &mut Workbook) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    save_to(book, file.path());
    file
}

fn save_to(book: &mut Workbook, path: &Path) {
    std::fs::write(path, book.save_to_buffer().unwrap()).unwrap();
}
