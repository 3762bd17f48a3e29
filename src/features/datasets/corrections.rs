//! Refused rows as a workbook that can be corrected and delivered again, in the layout in which they came.
//!
//! Beside each refused row stand the rows of its family that were accepted: a family is taken over whole, so a file with
//! nothing but one corrected child would be refused for want of its head. Cells that were numbers stay numbers: a NIK that a
//! spreadsheet rounded must not come back as a text that looks right.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use uuid::Uuid;

use super::keys::{self, Key};
use super::profile::{FamilyKey, Field, Profile, SheetProfile, header_key};
use super::service::profile_of;
use super::statement::RawRow;
use super::store::{self, Reject, Release};
use crate::platform::db::Scoped;
use crate::platform::error::{Error, Result};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::KkNumber;

/// How many rows are read at a time.
const PART: i64 = 5_000;
/// What is said about each row, right of its cells; no source has such headers, so a delivery leaves them unread.
const NOTES: [&str; 4] = ["entas_row", "entas_columns", "entas_codes", "entas_reasons"];

/// The refused rows of a release with what is wrong, and the accepted rows of their families.
pub struct Corrections {
    profile: Profile,
    /// By sheet and row.
    rows: BTreeMap<(String, u32), RawRow>,
    wrong: HashMap<(String, u32), Vec<Reject>>,
    /// How many rows were refused.
    pub refused: usize,
}

/// Reads them. What it gives is full of numbers: the caller has recorded the disclosure before it is answered.
pub async fn collect(db: &impl Scoped, keys: &KeyRing, release: &Release) -> Result<Corrections> {
    let profile = profile_of(&release.profile)?;
    let mut rows = BTreeMap::new();
    let mut families = BTreeSet::new();
    let mut after: Option<Uuid> = None;
    loop {
        let part = store::rejected_rows(db, keys, release.id, after, PART).await?;
        let Some((last, _)) = part.last() else { break };
        after = Some(*last);
        for (_, raw) in part {
            families.extend(keys_of(&profile, keys, &raw)?);
            rows.insert((raw.sheet.to_string(), raw.row), raw);
        }
    }
    let refused = rows.len();
    let families: Vec<String> = families.into_iter().collect();
    for part in families.chunks(1_000) {
        for statement in store::statements_of(db, keys, release.id, part).await? {
            for raw in statement.rows {
                rows.entry((raw.sheet.to_string(), raw.row)).or_insert(raw);
            }
        }
    }
    let mut wrong: HashMap<(String, u32), Vec<Reject>> = HashMap::new();
    let mut after = None;
    loop {
        let part = store::rejects_of(db, release.id, Some("reject"), None, after, PART).await?;
        let Some(last) = part.last() else { break };
        after = Some(last.id);
        for reject in part {
            let row = u32::try_from(reject.row_number).unwrap_or_default();
            wrong.entry((reject.sheet.clone(), row)).or_default().push(reject);
        }
    }
    Ok(Corrections { profile, rows, wrong, refused })
}

fn sheet_of<'a>(profile: &'a Profile, raw: &RawRow) -> Option<&'a SheetProfile> {
    let cells = raw.cells().count();
    profile.sheets.iter().find(|sheet| sheet.name.as_deref().unwrap_or("1") == &*raw.sheet && sheet.columns.len() == cells)
}

/// The keys of the family that a row speaks of, where they can be read: under every index key, for a release rests under one of them.
fn keys_of(profile: &Profile, keys: &KeyRing, raw: &RawRow) -> Result<Vec<String>> {
    let Some(sheet) = sheet_of(profile, raw) else { return Ok(Vec::new()) };
    let cell = |field| sheet.position(field).and_then(|column| raw.cells().nth(column)).unwrap_or_default();
    let key = match profile.family_key {
        FamilyKey::Stated => match cell(Field::SourceFamilyId).trim() {
            "" => None,
            stated => Some(Key::stated(keys, stated.to_owned())?),
        },
        FamilyKey::KkNumber => match KkNumber::parse(cell(Field::KkNumber)) {
            Ok(kk) => Some(Key::made(keys::of_card(keys, &kk)?)),
            Err(_) => None,
        },
    };
    Ok(key.map(|key| std::iter::once(key.id).chain(key.aliases).collect()).unwrap_or_default())
}

impl Corrections {
    /// How many rows leave: the refused ones and those beside them.
    pub fn disclosed(&self) -> usize {
        self.rows.len()
    }

    /// The workbook. Blocking.
    pub fn workbook(&self) -> Result<Vec<u8>> {
        // The library's errors may quote what was to be written.
        self.written().map_err(|_| Error::Internal(anyhow::anyhow!("the workbook of refused rows cannot be written")))
    }

    fn written(&self) -> std::result::Result<Vec<u8>, XlsxError> {
        let bold = Format::new().set_bold();
        let mut book = Workbook::new();
        for (profile, number) in self.profile.sheets.iter().zip(1..) {
            let sheet = book.add_worksheet_with_constant_memory()?;
            let name = profile.name.clone().unwrap_or_else(|| "1".to_owned());
            let safe: String = name.chars().filter(|c| !r"[]:*?/\'".contains(*c)).take(28).collect();
            // Two names may become one; the reader finds a sheet by its headers, too.
            let unique = self.profile.sheets.iter().filter(|other| other.name == profile.name).count() == 1;
            sheet.set_name(if unique && !header_key(&safe).is_empty() { safe } else { format!("Sheet{number}") })?;
            let headers = profile.columns.iter().map(|column| column.header.as_str()).chain(NOTES);
            for (header, column) in headers.zip(0u16..) {
                sheet.write_with_format(profile.header_row.saturating_sub(1), column, header, &bold)?;
            }
            let mut line = profile.first_data_row.saturating_sub(1);
            let ours = self.rows.iter().filter(|((of, _), raw)| *of == name && raw.cells().count() == profile.columns.len());
            for (place, raw) in ours {
                for ((number, text), column) in raw.typed_cells().zip(0u16..) {
                    match number {
                        Some(number) => sheet.write_number(line, column, number)?,
                        None if text.is_empty() => continue,
                        None => sheet.write_string(line, column, text)?,
                    };
                }
                let notes = u16::try_from(profile.columns.len()).unwrap_or(u16::MAX);
                sheet.write_number(line, notes, place.1)?;
                if let Some(rejects) = self.wrong.get(place) {
                    let said = |what: fn(&Reject) -> &str| rejects.iter().map(what).collect::<Vec<_>>().join("; ");
                    let columns = said(|reject| reject.column_header.as_deref().unwrap_or_default());
                    for (text, column) in [columns, said(|reject| &reject.code), said(|reject| &reject.reason)].iter().zip(1..) {
                        sheet.write_string(line, notes.saturating_add(column), text.chars().take(32_000).collect::<String>())?;
                    }
                }
                line = line.saturating_add(1);
            }
        }
        book.save_to_buffer()
    }
}
