//! The annex of a decree to take home: the families by name and address (BNBA), in Indonesian, as CSV or as a workbook.
//!
//! One sheet in the order of the villages' codes, which officials filter by subdistrict: a sheet for each would be seventeen in
//! Kotim and forty elsewhere. What is collected here may hold full numbers: it leaves only behind a committed disclosure.

use std::collections::HashMap;

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::store::{self, Annexed, TargetList};
use super::wording;
use crate::features::beneficiaries::{self, HeadNumbers, KK_KIND, NIK_KIND};
use crate::features::datasets::{spreadsheet_number, spreadsheet_safe};
use crate::platform::access::Scope;
use crate::platform::db::Scoped;
use crate::platform::error::{Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::seal::KeyRing;

/// How many families one file may have: a regency's poorest, in one workbook that a desk computer opens.
pub const MOST: i64 = 100_000;
/// How many rows are read at a time.
const PART: i64 = 2_000;

const HEADERS: [&str; 12] = [
    "No",
    "Kecamatan",
    "Desa/Kelurahan",
    "Kode Wilayah",
    "Nama Kepala Keluarga",
    "NIK",
    "Nomor KK",
    "Alamat",
    "Jumlah Anggota",
    "Desil",
    "Keterangan",
    "Rujukan",
];
/// Where full numbers stand: a spreadsheet that takes them for numbers would round them.
const NUMBERS: [usize; 2] = [5, 6];

type Row = [String; HEADERS.len()];

/// The annex, ready to be written.
pub struct Annex {
    /// What stands above the table.
    head: Vec<String>,
    rows: Vec<Row>,
}

/// What whoever takes the annex may see.
pub struct Sight {
    /// Full numbers for villages within this.
    pub full: Scope,
    /// Deciles for villages within this.
    pub welfare: Scope,
}

/// Collects the annex of a list that was found.
pub async fn collect(db: &impl Scoped, keys: &KeyRing, list: &TargetList, sight: &Sight) -> Result<Annex> {
    let (mut after, mut rows) = (None, Vec::new());
    loop {
        let part = store::annex(db, list.id, after.take(), PART).await?;
        let Some(last) = part.last() else { break };
        after = Some((last.region_code.clone(), last.beneficiary_id));
        let full: Vec<Uuid> =
            part.iter().filter(|row| sight.full.covers(&RegionCode::stored(&row.region_code))).map(|row| row.beneficiary_id).collect();
        let numbers = if full.is_empty() { HashMap::new() } else { beneficiaries::head_numbers(db, keys, &full).await? };
        for row in part {
            rows.push(line(rows.len() + 1, row, &numbers, keys, sight)?);
        }
    }
    Ok(Annex { head: head(list), rows })
}

fn head(list: &TargetList) -> Vec<String> {
    let mut head = vec![format!("DAFTAR SASARAN NOMOR {}: {}", list.number, list.title)];
    match (&list.sk_number, list.sk_date) {
        (Some(number), Some(day)) => {
            let signed = [&list.signatory_title, &list.signatory_name].into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
            head.push(format!("Lampiran Keputusan Nomor {number} tanggal {}", wording::day(day)));
            head.push(format!("Ditetapkan oleh {signed}"));
        }
        _ => head.push("RANCANGAN, belum ditetapkan".to_owned()),
    }
    if let Some(digest) = &list.digest {
        head.push(format!("SHA-256 {}", hex(digest)));
    }
    head
}

/// A digest as people write it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number of a kind as it was decreed: masked, and which one it was.
struct Decreed {
    kind: &'static str,
    mask: Option<String>,
    /// Its blind index entry, hexadecimal.
    index: Option<String>,
}

impl Decreed {
    /// The number in full, where the one on file is the one that was decreed: the family may have another head or card by now, and
    /// theirs were not. A mask leaves eight digits open, so the blind index decides; a list drawn before it was kept knows masks only.
    fn number(self, keys: &KeyRing, now: Option<&(Zeroizing<String>, String)>) -> Result<String> {
        let Some((full, _)) = now.filter(|(_, now)| self.mask.as_ref() == Some(now)) else { return Ok(self.mask.unwrap_or_default()) };
        let same = match &self.index {
            Some(index) => keys.indexes(self.kind, full.as_bytes())?.iter().any(|entry| hex(entry) == *index),
            None => true,
        };
        Ok(if same { full.to_string() } else { self.mask.unwrap_or_default() })
    }
}

fn line(at: usize, row: Annexed, numbers: &HashMap<Uuid, HeadNumbers>, keys: &KeyRing, sight: &Sight) -> Result<Row> {
    let Annexed { beneficiary_id, region_code, village, subdistrict, change, decile, head_name, people, address, .. } = row;
    // A number goes with the name that was decreed: a father's and his son's card is one.
    let known = numbers.get(&beneficiary_id).filter(|known| known.head_name == head_name);
    let nik = Decreed { kind: NIK_KIND, mask: row.head_nik_mask, index: row.head_nik_index };
    let kk = Decreed { kind: KK_KIND, mask: row.kk_mask, index: row.kk_index };
    let ranked = sight.welfare.covers(&RegionCode::stored(&region_code));
    Ok([
        at.to_string(),
        subdistrict.unwrap_or_default(),
        village.unwrap_or_default(),
        region_code,
        head_name.unwrap_or_default(),
        nik.number(keys, known.and_then(|known| known.nik.as_ref()))?,
        kk.number(keys, known.and_then(|known| known.kk.as_ref()))?,
        address.unwrap_or_default(),
        people.to_string(),
        decile.filter(|_| ranked).map(|decile| decile.to_string()).unwrap_or_default(),
        if change == "added" { "baru" } else { "tetap" }.to_owned(),
        beneficiary_id.to_string(),
    ])
}

impl Annex {
    /// How many families are in it.
    pub fn families(&self) -> usize {
        self.rows.len()
    }

    /// As CSV: what stands above the table first, one cell a line. Full numbers begin with an apostrophe, which keeps spreadsheets
    /// from rounding them and which our readers know; what would be taken for a formula is quoted.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let mut out = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        // The library's errors may quote what was to be written.
        let failed = |_| Error::Internal(anyhow::anyhow!("an annex cannot be written as CSV"));
        for line in &self.head {
            out.write_record([spreadsheet_safe(line)]).map_err(failed)?;
        }
        out.write_record(HEADERS).map_err(failed)?;
        for row in &self.rows {
            let cells = row.iter().enumerate().map(
                |(at, cell)| {
                    if NUMBERS.contains(&at) { spreadsheet_number(cell) } else { spreadsheet_safe(cell) }
                },
            );
            out.write_record(cells).map_err(failed)?;
        }
        out.into_inner().map_err(|_| Error::Internal(anyhow::anyhow!("an annex cannot be written as CSV")))
    }

    /// As a workbook. Blocking.
    pub fn workbook(&self) -> Result<Vec<u8>> {
        // The library's errors may quote what was to be written.
        self.written().map_err(|_| Error::Internal(anyhow::anyhow!("the workbook of an annex cannot be written")))
    }

    fn written(&self) -> std::result::Result<Vec<u8>, XlsxError> {
        let bold = Format::new().set_bold();
        let mut book = Workbook::new();
        let sheet = book.add_worksheet_with_constant_memory()?;
        sheet.set_name("Lampiran")?;
        let mut at = 0u32;
        for line in &self.head {
            sheet.write_string_with_format(at, 0, line, &bold)?;
            at += 1;
        }
        for (header, column) in HEADERS.iter().zip(0u16..) {
            sheet.write_with_format(at, column, *header, &bold)?;
        }
        at += 1;
        sheet.set_freeze_panes(at, 0)?;
        for row in &self.rows {
            for (cell, column) in row.iter().zip(0u16..).filter(|(cell, _)| !cell.is_empty()) {
                // Always a text: a NIK is no number, and no cell is a formula.
                sheet.write_string(at, column, cell)?;
            }
            at += 1;
        }
        book.save_to_buffer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        let mut row: Row = Default::default();
        row[4] = name.to_owned();
        row[5] = "6202091501900001".to_owned();
        row
    }

    #[test]
    fn no_cell_is_taken_for_a_formula() {
        let annex = Annex { head: vec!["=1+1".to_owned()], rows: ["=HYPERLINK(1)", "+6281", "-1", "@x", "Siti"].map(row).to_vec() };
        let text = String::from_utf8(annex.csv().unwrap()).unwrap();
        for line in text.lines() {
            assert!(!line.split(',').any(|cell| cell.trim_start_matches('"').starts_with(['=', '+', '-', '@'])), "{line}");
        }
        assert!(text.contains("'6202091501900001") && text.contains(",Siti,"), "{text}");
        assert!(annex.workbook().unwrap().starts_with(b"PK"));
    }

    #[test]
    fn a_number_that_was_not_decreed_stays_masked() {
        let keys = KeyRing::parse(&KeyRing::generate().unwrap()).unwrap();
        let (mask, decreed, other) = ("6202********0001", "6202091501900001", "6202990202910001");
        let given = |index: Option<&str>, now: Option<(&str, &str)>| {
            let index = index.map(|digits| hex(&keys.index(NIK_KIND, digits.as_bytes()).unwrap()));
            let now = now.map(|(full, mask)| (Zeroizing::new(full.to_owned()), mask.to_owned()));
            Decreed { kind: NIK_KIND, mask: Some(mask.to_owned()), index }.number(&keys, now.as_ref()).unwrap()
        };
        assert_eq!(given(Some(decreed), Some((decreed, mask))), decreed);
        assert_eq!(given(Some(decreed), Some((other, mask))), mask, "another number of the same mask");
        assert_eq!(given(Some(decreed), None), mask);
        // Before the index was kept: the mask alone.
        assert_eq!(given(None, Some((decreed, mask))), decreed);
        assert_eq!(given(None, Some((decreed, "6202********0002"))), mask);
        let unknown = Decreed { kind: NIK_KIND, mask: None, index: None };
        assert_eq!(unknown.number(&keys, Some(&(Zeroizing::new(decreed.to_owned()), mask.to_owned()))).unwrap(), "");
    }
}
