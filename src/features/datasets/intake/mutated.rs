//! The readers fuzzed: sound files of every shipped layout, mutated, are read whole or refused; every row is answered for,
//! and the same file twice gives the same. `ENTAS_FUZZ_CASES` makes it longer.

use std::collections::{BTreeSet, HashSet};
use std::io::{Cursor, Read as _, Write as _};

use proptest::prelude::*;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::super::profile::{Field, SheetProfile, all};
use super::super::values::CATALOGUE;
use super::*;
use crate::features::datasets::test_files::{file, save, text};

fn cases(few: u32) -> ProptestConfig {
    let more = std::env::var("ENTAS_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(more.unwrap_or(few)) }
}

/// What a sound row says in a column.
fn sound(field: Field, family: usize, place: usize) -> String {
    let head = place == 0;
    match field {
        Field::SourceFamilyId => format!("F{family}"),
        Field::SourcePersonId => format!("P{family}.{place}"),
        Field::RegionCode => "62.02.09.2001".into(),
        Field::VillageName => "Bapinang Hulu".into(),
        Field::SubdistrictName => "Pulau Hanaut".into(),
        Field::Decile => "1".into(),
        Field::Percentile => "7".into(),
        Field::Name | Field::MotherName => ["SITI CONTOH", "BUDI", "ANI; \"A\"", "J", "ANDRÉ"][(family + place) % 5].into(),
        Field::Nik => format!("62020901078500{:02}", family * 5 + place + 1),
        Field::KkNumber => format!("62020901012000{:02}", family + 1),
        Field::Sex => if place.is_multiple_of(2) { "Laki-laki" } else { "Perempuan" }.into(),
        Field::BirthDate => format!("{:02}/07/1985", place + 1),
        Field::Relation => if head { "Kepala Keluarga" } else { "Anak" }.into(),
        Field::Address => "JL. CONTOH\nRT 2".into(),
        Field::RegistryStatus => "AKTIF".into(),
        Field::Occupation => "Petani".into(),
        Field::AidPkh => "Ya".into(),
        _ => String::new(),
    }
}

fn table(sheet: &SheetProfile) -> Vec<Vec<String>> {
    let row = |family, place| sheet.columns.iter().map(|column| sound(column.field, family, place)).collect();
    let mut rows = vec![sheet.columns.iter().map(|column| column.header.clone()).collect()];
    for family in 0..5 {
        let people = if sheet.unit == Unit::Family { 1 } else { 1 + family % 3 };
        rows.extend((0..people).map(|place| row(family, place)));
    }
    rows
}

/// Each sheet of each layout as a table, and each layout as a workbook.
fn tables() -> Vec<(&'static Profile, Vec<Vec<String>>)> {
    all().iter().flat_map(|shipped| shipped.profile.sheets.iter().map(|sheet| (&shipped.profile, table(sheet)))).collect()
}

fn workbook(profile: &Profile) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    for sheet in &profile.sheets {
        let page = book.add_worksheet();
        if let Some(name) = &sheet.name {
            page.set_name(name).unwrap();
        }
        for (row, cells) in (0..).zip(table(sheet)) {
            let row = if row == 0 { sheet.header_row - 1 } else { sheet.first_data_row - 2 + row };
            for (column, cell) in (0..).zip(cells) {
                page.write(row, column, cell).unwrap();
            }
        }
    }
    std::fs::read(save(&mut book).path()).unwrap()
}

fn standard(profile: &Profile) -> Standard {
    Standard {
        profile: profile.clone(),
        region: RegionCode::parse("62.02").unwrap(),
        villages: Villages::new([("62.02.09.2001", "Bapinang Hulu", "Pulau Hanaut")].into_iter()),
        keys: ring(),
        heads: !profile.register,
        today: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
        keep: KEPT,
        keep_bytes: KEPT_BYTES,
    }
}

/// One ring for the whole run: keys made of numbers are compared between two readings.
fn ring() -> KeyRing {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    KeyRing::parse(TEXT.get_or_init(|| KeyRing::generate().unwrap().to_string())).unwrap()
}

/// A family that left: key, village, people's keys with their rows, rows.
type Left = (String, String, Vec<(String, u32)>, usize);

/// All that a reading told, or the code of its refusal.
#[derive(Debug, PartialEq)]
struct Told {
    total: i64,
    rows: i64,
    rejected: i64,
    families: Vec<Left>,
    remarks: Vec<(u32, Option<String>, &'static str, bool)>,
}

fn told(bytes: &[u8], standard: &Standard, size: usize) -> Result<Told, &'static str> {
    let mut told = Told { total: 0, rows: 0, rejected: 0, families: Vec::new(), remarks: Vec::new() };
    let known: HashSet<&str> = CATALOGUE.iter().map(|(code, ..)| *code).collect();
    let file = file(bytes);
    let read = read(file.path(), standard, 0, size, &AtomicBool::new(false), &mut |news| {
        let batch = match news {
            News::Total(total) => {
                told.total = total;
                return true;
            }
            News::Batch(batch) | News::Last(batch) => batch,
        };
        told.rows = batch.rows_done;
        told.rejected += batch.rejected;
        assert_eq!(usize::try_from(batch.rejected).unwrap(), batch.rejected_rows.len());
        for family in batch.families {
            assert!(standard.villages.codes.contains(family.region.as_str()) && !family.source_id.is_empty());
            assert!(!family.people.is_empty() && family.people.iter().all(|person| !person.name.is_empty()));
            let people = family.people.iter().map(|person| (person.source_id.clone(), person.place.row)).collect();
            told.families.push((family.source_id, family.region.as_str().to_owned(), people, family.rows.len()));
        }
        for remark in batch.remarks {
            assert!(remark.place.row > 0 && !remark.reason.is_empty());
            let whole_file = ["region_", "family_", "person_", "people_", "head_", "kk_missing"];
            assert!(known.contains(remark.code) || whole_file.iter().any(|begin| remark.code.starts_with(begin)), "{}", remark.code);
            told.remarks.push((remark.place.row, remark.column, remark.code, remark.severity == Severity::Reject));
        }
        true
    });
    match read {
        Ok(()) => Ok(told),
        Err(Stop::File(cause)) => {
            assert!(told.families.is_empty() && told.remarks.is_empty(), "{}: nothing is told of a file that cannot be read", cause.code());
            Err(cause.code())
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// What must hold whatever the bytes are; gives how many rows were taken.
fn holds(bytes: &[u8], profile: &Profile) -> Result<usize, TestCaseError> {
    let standard = standard(profile);
    let first = told(bytes, &standard, 2);
    prop_assert_eq!(&first, &told(bytes, &standard, 1_000), "the size of the batches shows");
    let Ok(told) = first else { return Ok(0) };
    let taken: usize = told.families.iter().map(|(.., rows)| rows).sum();
    prop_assert_eq!(i64::try_from(taken).unwrap() + told.rejected, told.total, "a row is not answered for");
    prop_assert_eq!(told.rows, told.total);
    // Rows of two sheets may have one number, so no more places are named than rows refused.
    let refused: BTreeSet<_> = told.remarks.iter().filter(|(.., reject)| *reject).map(|(row, ..)| row).collect();
    prop_assert!(refused.len() <= usize::try_from(told.rejected).unwrap());
    prop_assert_eq!(refused.is_empty(), told.rejected == 0, "a row is refused without a reason");
    let keys: HashSet<_> = told.families.iter().map(|(key, ..)| key).collect();
    prop_assert_eq!(keys.len(), told.families.len(), "one family left twice");
    let people: Vec<_> = told.families.iter().flat_map(|(_, _, people, _)| people).collect();
    prop_assert_eq!(people.iter().map(|(key, _)| key).collect::<HashSet<_>>().len(), people.len(), "one person left twice");
    Ok(taken)
}

#[test]
fn sound_files_are_taken_whole() {
    for (profile, table) in tables() {
        let taken = holds(&text(b';', &table), profile).unwrap();
        assert_eq!(taken, table.len() - 1, "{}", profile.name);
    }
    for shipped in all() {
        let rows: usize = shipped.profile.sheets.iter().map(|sheet| table(sheet).len() - 1).sum();
        assert_eq!(holds(&workbook(&shipped.profile), &shipped.profile).unwrap(), rows, "{}", shipped.name);
    }
}

/// A change of bytes; places are parts of 65,536 of the whole.
#[derive(Debug, Clone)]
enum Change {
    Flip(u16, u8),
    Cut(u16),
    Double(u16, u16),
    Remove(u16, u16),
    Insert(u16, String),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = prop_oneof![
        4 => (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        1 => any::<u16>().prop_map(Change::Cut),
        2 => (any::<u16>(), 0u16..2_000).prop_map(|(at, size)| Change::Double(at, size)),
        2 => (any::<u16>(), 0u16..2_000).prop_map(|(at, size)| Change::Remove(at, size)),
        3 => (any::<u16>(), "([;,\t\"\r\n\0é<>&]{1,4}|\\PC{1,8})").prop_map(|(at, text)| Change::Insert(at, text)),
    ];
    proptest::collection::vec(one, 1..5)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let at = |part: u16| bytes.len() * usize::from(part) / 65_536;
        match change {
            Change::Flip(part, byte) => {
                let at = at(*part);
                if let Some(place) = bytes.get_mut(at) {
                    *place ^= byte;
                }
            }
            Change::Cut(part) => bytes.truncate(at(*part)),
            Change::Double(part, size) => {
                let (from, to) = (at(*part), (at(*part) + at(*size)).min(bytes.len()));
                let piece = bytes[from..to].to_vec();
                bytes.splice(to..to, piece);
            }
            Change::Remove(part, size) => {
                let (from, to) = (at(*part), (at(*part) + at(*size)).min(bytes.len()));
                bytes.drain(from..to);
            }
            Change::Insert(part, text) => {
                let at = at(*part);
                bytes.splice(at..at, text.bytes());
            }
        }
    }
    bytes
}

/// A workbook whose parts are changed and packed again, so that the change reaches the XML.
fn repacked(bytes: &[u8], changes: &[(u8, Change)]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for place in 0..archive.len() {
        let mut part = archive.by_index(place).unwrap();
        let (name, mut content) = (part.name().unwrap().to_string(), Vec::new());
        part.read_to_end(&mut content).unwrap();
        let read = name.ends_with("sheet1.xml") || name.ends_with("sharedStrings.xml") || name.ends_with("styles.xml");
        let ours: Vec<Change> =
            changes.iter().filter(|(to, _)| read && usize::from(*to) % 3 == place % 3).map(|(_, c)| c.clone()).collect();
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(&changed(content, &ours)).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn mutated_texts(which in any::<prop::sample::Index>(), changes in changes(), delimiter in prop::sample::select(vec![b';', b',', b'\t'])) {
        let tables = tables();
        let (profile, table) = which.get(&tables);
        holds(&changed(text(delimiter, table), &changes), profile)?;
    }

    #[test]
    fn mutated_tables(
        which in any::<prop::sample::Index>(),
        order in proptest::collection::vec(any::<u16>(), 40),
        cells in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "(\\PC{0,30}|[0-9]{16}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}|#REF!|.{0,9})"), 0..12),
        rows in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
    ) {
        let tables = tables();
        let (profile, table) = which.get(&tables);
        let mut table = table.clone();
        let mut columns: Vec<usize> = (0..table[0].len()).collect();
        columns.sort_by_key(|column| order[*column % order.len()]);
        for row in &mut table {
            *row = columns.iter().map(|column| row[*column].clone()).collect();
        }
        for (row, column, cell) in cells {
            let row = 1 + row.index(table.len() - 1);
            let column = column.index(table[row].len());
            table[row][column] = cell;
        }
        for (from, to) in rows {
            let (from, to) = (1 + from.index(table.len() - 1), 1 + to.index(table.len() - 1));
            let row = table[from].clone();
            table.insert(to, row);
        }
        holds(&text(b';', &table), profile)?;
    }

    #[test]
    fn mutated_workbooks(which in any::<prop::sample::Index>(), raw in any::<bool>(), changes in changes(), to in proptest::collection::vec(any::<u8>(), 5)) {
        static BOOKS: std::sync::OnceLock<Vec<(&'static Profile, Vec<u8>)>> = std::sync::OnceLock::new();
        let books = BOOKS.get_or_init(|| all().iter().map(|shipped| (&shipped.profile, workbook(&shipped.profile))).collect());
        let (profile, book) = which.get(books);
        let bytes = if raw {
            changed(book.clone(), &changes)
        } else {
            repacked(book, &to.into_iter().zip(changes).collect::<Vec<_>>())
        };
        holds(&bytes, profile)?;
    }
}
