//! Work lists to take home: who of a run's people needs the civil registry's hand, and what is wrong with their NIK.
//!
//! Headers and words are Indonesian, as in the lists that the offices know. What is collected here may hold full numbers: it
//! leaves only behind a committed disclosure.

use std::collections::HashMap;

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use uuid::Uuid;

use super::people::{self, Side};
use super::store::{self, MatchResult, Names, WantedResults};
use super::wording;
use crate::features::datasets::{self, StatedPerson, Statement, spreadsheet_number, spreadsheet_safe};
use crate::platform::access::Scope;
use crate::platform::db::Scoped;
use crate::platform::error::{Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Sex;

/// How many people one list may have: a regency's poorest, in one workbook that a desk computer opens.
pub const MOST: i64 = 100_000;
/// How many results are read at a time.
const PART: i64 = 2_000;

const HEADERS: [&str; 19] = [
    "Kecamatan",
    "Desa/Kelurahan",
    "Kode Wilayah",
    "Nama",
    "NIK",
    "Nomor KK",
    "Jenis Kelamin",
    "Tempat Lahir",
    "Tanggal Lahir",
    "Nama Ibu Kandung",
    "Hubungan Keluarga",
    "Alamat",
    "Hasil Pemadanan",
    "Masalah NIK",
    "Padan Dukcapil",
    "NIK Sama: Nama",
    "NIK Sama: Tanggal Lahir",
    "NIK Sama: Kode Wilayah",
    "Rujukan",
];
/// Where full numbers stand: a spreadsheet that takes them for numbers would round them.
const NUMBERS: [usize; 2] = [4, 5];

type Row = [String; HEADERS.len()];

/// A work list, ready to be written.
pub struct WorkList {
    rows: Vec<Row>,
}

/// Reads a work list. Full numbers stand in it for villages within `full`, masked ones elsewhere.
pub async fn collect(db: &impl Scoped, keys: &KeyRing, run: Uuid, wanted: &WantedResults, full: &Scope) -> Result<WorkList> {
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let results = store::results(db, run, wanted, after, PART).await?;
        let Some(last) = results.last() else { break };
        after = Some((last.statement_id, last.ordinal));
        found.extend(part(db, keys, results, full).await?);
    }
    // By village, then in the order of the file.
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let villages = found.iter().map(|(village, _)| village);
    let codes: Vec<String> = villages.flat_map(|village| [village.to_string(), village.at(Level::Subdistrict).to_string()]).collect();
    let names = store::names(db, codes.iter().map(String::as_str)).await?;
    Ok(WorkList { rows: found.into_iter().map(|(village, row)| placed(&names, &village, row)).collect() })
}

fn placed(names: &Names, village: &RegionCode, mut row: Row) -> Row {
    let name = |region: &RegionCode| names.get(region.as_str()).cloned().unwrap_or_default();
    let [subdistrict, place, code, ..] = &mut row;
    (*subdistrict, *place, *code) = (name(&village.at(Level::Subdistrict)), name(village), village.to_string());
    row
}

async fn part(db: &impl Scoped, keys: &KeyRing, results: Vec<MatchResult>, full: &Scope) -> Result<Vec<(RegionCode, Row)>> {
    let mut ids: Vec<Uuid> =
        results.iter().flat_map(|result| [Some(result.statement_id), result.stranger_statement_id]).flatten().collect();
    ids.sort_unstable();
    ids.dedup();
    let opened = datasets::statements_by_id(db, keys, &ids).await?;
    let opened: HashMap<Uuid, &Statement> = opened.iter().map(|statement| (statement.id, statement)).collect();
    let mut rows = Vec::with_capacity(results.len());
    for result in results {
        let Some(statement) = opened.get(&result.statement_id) else { continue };
        let stated = people::stated(statement, result.ordinal)?;
        let other = match Side::of_stranger(&result) {
            Some(Side::Statement(id, ordinal)) => match opened.get(&id) {
                Some(other) => Some(people::shown(other, ordinal)?),
                None => None,
            },
            Some(member) => Some(people::look_at(db, keys, member).await?),
            None => None,
        };
        let other = other.map(|other| [other.name, other.birth_date.map(|day| day.to_string()).unwrap_or_default(), other.region_code]);
        let [other_name, other_born, other_region] = other.unwrap_or_default();
        let village = RegionCode::stored(&result.region_code);
        let faults = people::faults(stated, result.nik_taken);
        let [nik, kk] = numbers(statement, stated, full.covers(&village));
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let row = [
            String::new(),
            String::new(),
            String::new(),
            stated.name.clone(),
            nik,
            kk,
            stated.sex.map(|sex| if sex == Sex::Male { "L" } else { "P" }).unwrap_or_default().to_owned(),
            text(&stated.birth_place),
            stated.birth_date.map(|day| day.to_string()).unwrap_or_default(),
            text(&stated.mother_name),
            wording::relation(stated.relation).to_owned(),
            stated.address.clone().or_else(|| statement.address.clone()).unwrap_or_default(),
            wording::status(&result.status).to_owned(),
            faults.into_iter().map(wording::fault).collect::<Vec<_>>().join("; "),
            result.dukcapil_match.map(|is| if is { "ya" } else { "tidak" }).unwrap_or_default().to_owned(),
            other_name,
            other_born,
            other_region,
            format!("{}/{}", result.statement_id, result.ordinal),
        ];
        rows.push((village, row));
    }
    Ok(rows)
}

/// NIK and KK number as they may stand in the list. Of what is no NIK only its length is told where it is masked: a slip of
/// one digit would leave a number that is easily mended.
fn numbers(statement: &Statement, stated: &StatedPerson, full: bool) -> [String; 2] {
    let kk = stated.kk.as_ref().or(statement.kk.as_ref());
    let written = stated.nik_written.as_deref();
    if full {
        let nik = stated.nik.as_ref().map(|nik| nik.expose()).or(written);
        [nik.unwrap_or_default().to_owned(), kk.map(|kk| kk.expose().to_owned()).unwrap_or_default()]
    } else {
        let masked = |written: &str| "*".repeat(written.chars().count().min(40));
        let nik = stated.nik.as_ref().map(|nik| nik.mask()).or_else(|| written.map(masked));
        [nik.unwrap_or_default(), kk.map(|kk| kk.mask()).unwrap_or_default()]
    }
}

impl WorkList {
    /// How many people are on it.
    pub fn people(&self) -> usize {
        self.rows.len()
    }

    /// As CSV. Full numbers begin with an apostrophe, which keeps spreadsheets from rounding them and which our readers know.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        // The library's errors may quote what was to be written.
        let failed = |_| Error::Internal(anyhow::anyhow!("a work list cannot be written as CSV"));
        out.write_record(HEADERS).map_err(failed)?;
        for row in &self.rows {
            let cells = row.iter().enumerate().map(
                |(at, cell)| {
                    if NUMBERS.contains(&at) { spreadsheet_number(cell) } else { spreadsheet_safe(cell) }
                },
            );
            out.write_record(cells).map_err(failed)?;
        }
        out.into_inner().map_err(|_| Error::Internal(anyhow::anyhow!("a work list cannot be written as CSV")))
    }

    /// As a workbook. Blocking.
    pub fn workbook(&self) -> Result<Vec<u8>> {
        // The library's errors may quote what was to be written.
        self.written().map_err(|_| Error::Internal(anyhow::anyhow!("the workbook of a work list cannot be written")))
    }

    fn written(&self) -> std::result::Result<Vec<u8>, XlsxError> {
        let bold = Format::new().set_bold();
        let mut book = Workbook::new();
        let sheet = book.add_worksheet_with_constant_memory()?;
        sheet.set_name("Daftar Kerja")?;
        sheet.set_freeze_panes(1, 0)?;
        for (header, column) in HEADERS.iter().zip(0u16..) {
            sheet.write_with_format(0, column, *header, &bold)?;
        }
        for (row, line) in self.rows.iter().zip(1u32..) {
            for (cell, column) in row.iter().zip(0u16..).filter(|(cell, _)| !cell.is_empty()) {
                // Always a text: a NIK is no number.
                sheet.write_string(line, column, cell)?;
            }
        }
        book.save_to_buffer()
    }
}
