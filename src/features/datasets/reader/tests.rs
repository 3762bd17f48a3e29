//! The files people really deliver, and those an attacker would.

use std::{io::Write as _, path::Path};

use proptest::prelude::*;
use rust_xlsxwriter::Workbook;

use super::*;
use crate::features::datasets::test_files::{FAMILY, PERSON, Put, file, fill, headers, save, strings, text, with, workbook};

fn open(path: &Path) -> Result<Reader, ReadError> {
    Reader::open(path, &Profile::p3ke(), Limits::default())
}

/// Every row with its number, cells as texts, and whether it is misaligned.
fn rows(reader: &mut Reader, sheet: usize) -> Result<Vec<(u32, Vec<String>, bool)>, ReadError> {
    let mut rows = reader.rows(sheet)?;
    let (mut record, mut out) = (Record::default(), Vec::new());
    while rows.read(&mut record)? {
        let cells = record.cells().map(|cell| match cell {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        });
        out.push((record.row(), cells.collect(), record.is_misaligned()));
    }
    Ok(out)
}

fn csv(delimiter: u8, more: &[Vec<String>]) -> Vec<u8> {
    text(delimiter, &[&[headers(Unit::Family)], more].concat())
}

fn code(bytes: &[u8]) -> &'static str {
    let file = file(bytes);
    match open(file.path()).and_then(|mut reader| rows(&mut reader, 0)) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

#[test]
fn a_workbook_comes_back_as_written() {
    let odd = with(&FAMILY, &[(10, Put::Number(6_202_090_107_850_001.0)), (13, Put::Date(1985, 7, 1)), (30, Put::Number(2.0))]);
    let file = workbook(&[with(&FAMILY, &[]), odd], &[with(&PERSON, &[])]);
    let mut reader = open(file.path()).unwrap();
    assert_eq!(reader.kind(), Kind::Xlsx);
    let found: Vec<_> = reader.sheets().iter().map(|s| (&*s.name, s.unit, s.header_row, s.first_data_row, s.absent.len())).collect();
    assert_eq!(found, [("Keluarga", Unit::Family, 4, 5, 0), ("Individu", Unit::Person, 4, 5, 0)]);
    let families = rows(&mut reader, 0).unwrap();
    assert_eq!(families.len(), 2);
    assert_eq!(families[0], (5, strings(&FAMILY), false));
    assert_eq!(families[1].1[10], "Number(6202090107850001.0)");
    assert_eq!(families[1].1[13], "Date(1985-07-01)");
    let persons = rows(&mut reader, 1).unwrap();
    assert_eq!(persons, [(5, strings(&PERSON), false)]);
    assert_eq!(rows(&mut reader, 0).unwrap().len(), 2, "sheets can be read again");
}

#[test]
fn blank_rows_and_column_numbers_are_no_data() {
    let mut numbers: Vec<Put> = (1..=31).map(|n| Put::Number(f64::from(n))).collect();
    let blank = vec![Put::Text(" ")];
    numbers.truncate(31);
    let file = workbook(&[numbers, blank, with(&FAMILY, &[])], &[]);
    let mut reader = open(file.path()).unwrap();
    assert_eq!(rows(&mut reader, 0).unwrap().iter().map(|row| row.0).collect::<Vec<_>>(), [7]);
    assert_eq!(rows(&mut reader, 1).unwrap(), []);
}

#[test]
fn sheets_are_found_by_name_or_by_headers_and_headers_where_they_stand() {
    let mut book = Workbook::new();
    fill(book.add_worksheet().set_name("Penjelasan").unwrap(), 3, &strings(&["No", "Catatan"]), &[]);
    let mut moved = headers(Unit::Person);
    moved.reverse();
    let mut row = with(&PERSON, &[]);
    row.reverse();
    fill(book.add_worksheet().set_name("Sheet2").unwrap(), 1, &moved, &[row]);
    let shouted: Vec<_> = headers(Unit::Family).iter().map(|header| header.to_uppercase().replace(' ', "_")).collect();
    fill(book.add_worksheet().set_name("KELUARGA ").unwrap(), 9, &shouted, &[with(&FAMILY, &[])]);
    let file = save(&mut book);
    let mut reader = open(file.path()).unwrap();
    assert_eq!(rows(&mut reader, 0).unwrap(), [(10, strings(&FAMILY), false)]);
    assert_eq!(rows(&mut reader, 1).unwrap(), [(2, strings(&PERSON), false)]);
}

#[test]
fn what_a_workbook_lacks_is_named() {
    let error = |change: &dyn Fn(&mut Vec<String>, &mut Vec<String>), name: &str| {
        let mut book = Workbook::new();
        let (mut families, mut persons) = (headers(Unit::Family), headers(Unit::Person));
        change(&mut families, &mut persons);
        fill(book.add_worksheet().set_name("Keluarga").unwrap(), 4, &families, &[]);
        fill(book.add_worksheet().set_name(name).unwrap(), 4, &persons, &[]);
        open(save(&mut book).path()).map(|_| ()).unwrap_err()
    };
    let header = |sheet: &str, header: &str| (sheet.to_owned(), header.to_owned());
    let (sheet, missing) = header("Keluarga", "NIK");
    assert_eq!(error(&|f, _| f[10] = "N I P".into(), "Individu"), ReadError::HeaderMissing { sheet, header: missing });
    let (sheet, twice) = header("Keluarga", "Alamat");
    assert_eq!(error(&|f, _| f[2] = "ALAMAT".into(), "Individu"), ReadError::HeaderDuplicate { sheet, header: twice });
    assert_eq!(error(&|_, p| p[9] = "x".into(), "Sheet2"), ReadError::SheetMissing("Individu".into()));
    assert_eq!(error(&|f, _| f.clear(), "Individu"), ReadError::NotATable);
}

#[test]
fn text_tables_of_every_make_are_read() {
    let mut accented = strings(&FAMILY);
    accented[9] = "ANDRÉ; \"CONTOH\"".into();
    for delimiter in [b';', b',', b'\t'] {
        let utf8 = csv(delimiter, &[accented.clone(), strings(&FAMILY)]);
        let string = String::from_utf8(utf8.clone()).unwrap();
        let marked = [b"\xef\xbb\xbf".as_slice(), &utf8].concat();
        let latin = encoding_rs::WINDOWS_1252.encode(&string).0.into_owned();
        let wide: Vec<u8> = [0xfeff].into_iter().chain(string.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let wide_be: Vec<u8> = [0xfeff].into_iter().chain(string.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        let unix = string.replace("\r\n", "\n").into_bytes();
        let mac = string.replace('\n', "\r").into_bytes();
        for bytes in [utf8, marked, latin, wide, wide_be, unix, mac] {
            let file = file(&bytes);
            let mut reader = open(file.path()).unwrap();
            assert_eq!(reader.kind(), Kind::Csv);
            assert_eq!(reader.sheets()[0].unit, Unit::Family);
            let rows = rows(&mut reader, 0).unwrap();
            assert_eq!(rows, [(2, accented.clone(), false), (3, strings(&FAMILY), false)]);
        }
    }
}

#[test]
fn a_text_table_of_persons_is_known_by_its_headers() {
    let file = file(&text(b',', &[headers(Unit::Person), strings(&PERSON)]));
    let mut reader = open(file.path()).unwrap();
    assert_eq!((reader.sheets()[0].unit, reader.sheets()[0].place), (Unit::Person, 1));
    assert_eq!(rows(&mut reader, 0).unwrap().len(), 1);
}

#[test]
fn rows_are_counted_as_a_spreadsheet_does() {
    for end in ["\n", "\r\n", "\r"] {
        let line = FAMILY.map(|cell| format!("\"{cell}\"")).join(";");
        let tall = line.replace("CONTOH RT", &format!("CONTOH{end}RT"));
        let head = headers(Unit::Family).join(";");
        let bytes = [end, "judul", end, end, &head, end, end, &tall, end, ";;;", end, &line, end, end, &line].concat();
        let file = file(bytes.as_bytes());
        let mut reader = open(file.path()).unwrap();
        assert_eq!(reader.sheets()[0].header_row, 4);
        let numbers: Vec<_> = rows(&mut reader, 0).unwrap().iter().map(|row| row.0).collect();
        assert_eq!(numbers, [6, 8, 10], "{end:?}");
    }
}

#[test]
fn shifted_columns_are_noticed() {
    let line = FAMILY.join(";");
    let head = headers(Unit::Family).join(";");
    let unquoted = line.replace("CONTOH RT", "CONTOH; RT");
    let short = FAMILY[..12].join(";");
    let swallowed = line.replace("JL.", "\"JL.") + "\n" + &line.replace("JL.", "JL.\"");
    let bytes = [&head, &unquoted, &short, &swallowed, &line].map(|line| format!("{line}\n")).concat();
    let file = file(bytes.as_bytes());
    let found: Vec<_> = rows(&mut open(file.path()).unwrap(), 0).unwrap().iter().map(|row| (row.0, row.2)).collect();
    assert_eq!(found, [(2, true), (3, false), (4, true), (5, false)]);
}

#[test]
fn an_open_quotation_mark_is_an_error_and_not_a_memory_problem() {
    let line = FAMILY.join(";") + "\n";
    let broken = FAMILY.join(";").replace("JL.", "\"JL.") + "\n";
    let bytes = [headers(Unit::Family).join(";"), "\n".into(), line.clone(), broken, line.repeat(50_000)].concat();
    let file = file(bytes.as_bytes());
    let mut reader = open(file.path()).unwrap();
    assert_eq!(rows(&mut reader, 0), Err(ReadError::QuoteOpen { row: 3 }));
}

#[test]
fn files_that_are_no_tables_are_refused() {
    assert_eq!(code(b""), "not_a_table");
    assert_eq!(code(b"\n\n\n"), "not_a_table");
    assert_eq!(code(b"<html><table><tr><td>NIK</td></tr></table></html>"), "not_a_table");
    assert_eq!(code(b"\x89PNG\r\n\x1a\n\0\0\0"), "not_a_table");
    assert_eq!(code(b"NIK;Nama\n1;2\n"), "header_missing");
    assert_eq!(code(b"PK\x03\x04 and then nothing"), "unreadable_file");
    assert_eq!(code(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "old_workbook");
    assert_eq!(code(&csv(b';', &[strings(&["x"; 2_000])])), "too_large");
    assert_eq!(code(&csv(b';', &[vec!["x".repeat(70_000)]])), "field_too_long");
    assert_eq!(code(&csv(b';', &[vec!["x".repeat(700_000)]])), "field_too_long");
    assert_eq!(code(&[csv(b';', &[]), b"ANDR\xc9;JOS\xc3\xa9\n".to_vec()].concat()), "bad_encoding", "mixed");
    assert_eq!(code(&[csv(b';', &[]), b"\x81\n".to_vec()].concat()), "bad_encoding", "in no code page");
    assert_eq!(code(b"\xff\xfe\x00\xd8\x00\xd8\n\0"), "bad_encoding", "broken UTF-16");
}

#[test]
fn limits_hold() {
    let profile = Profile::p3ke();
    let many = file(&csv(b';', &vec![strings(&FAMILY); 11]));
    let limits = Limits { rows: 10, ..Limits::default() };
    let mut reader = Reader::open(many.path(), &profile, limits).unwrap();
    assert_eq!(rows(&mut reader, 0).unwrap_err().code(), "too_large");

    let book = workbook(&vec![with(&FAMILY, &[]); 100], &[]);
    for limits in [
        Limits { unpacked_bytes: 10_000, ..Limits::default() },
        Limits { part_bytes: 1_000, ..Limits::default() },
        Limits { parts: 3, ..Limits::default() },
    ] {
        assert_eq!(Reader::open(book.path(), &profile, limits).err().unwrap().code(), "too_large");
    }
    for (limits, code) in
        [(Limits { cells: 20, ..Limits::default() }, "too_large"), (Limits { cell_bytes: 30, ..Limits::default() }, "field_too_long")]
    {
        let mut reader = Reader::open(book.path(), &profile, limits).unwrap();
        assert_eq!(rows(&mut reader, 0).unwrap_err().code(), code);
    }
}

#[test]
fn a_bomb_that_lies_about_its_size_is_weighed() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("xl/worksheets/sheet1.xml", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&vec![b' '; 3_000_000]).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    // Claim one byte, in the local header and in the directory.
    let claim = 3_000_000u32.to_le_bytes();
    let places: Vec<_> = (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == claim).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + 4].copy_from_slice(&1u32.to_le_bytes());
    }
    let file = file(&bytes);
    let limits = Limits { unpacked_bytes: 1_000_000, ..Limits::default() };
    let error = Reader::open(file.path(), &Profile::p3ke(), limits).err().unwrap();
    assert!(matches!(error.code(), "too_large" | "unreadable_file"), "{error:?}");
}

#[test]
fn excel_days() {
    let day = |serial, from_1904| excel_date(serial, from_1904).map(|date| date.to_string());
    assert_eq!(day(0.0, false).as_deref(), Some("1899-12-31"));
    assert_eq!(day(59.0, false).as_deref(), Some("1900-02-28"));
    assert_eq!(day(61.0, false).as_deref(), Some("1900-03-01"));
    assert_eq!(day(31_229.75, false).as_deref(), Some("1985-07-01"));
    assert_eq!(day(29_767.0, true).as_deref(), Some("1985-07-01"));
    assert_eq!((day(-1.0, false), day(f64::NAN, false), day(3e6, true)), (None, None, None));
}

#[test]
fn raw_rows_are_the_cells_as_delivered_and_print_none() {
    let file = file(&csv(b';', &[strings(&FAMILY)]));
    let mut reader = open(file.path()).unwrap();
    let mut record = Record::default();
    assert!(reader.rows(0).unwrap().read(&mut record).unwrap());
    assert_eq!(record.texts().collect::<Vec<_>>(), FAMILY);
    assert_eq!(format!("{record:?}"), r#"Record { sheet: "Keluarga", row: 2, .. }"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(head in any::<bool>(), bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let bytes = if head { [csv(b';', &[]), bytes].concat() } else { bytes };
        let _ = code(&bytes);
    }

    #[test]
    fn no_signs_panic(signs in "[;,\t\"\r\n aé\u{feff}0-9]{0,300}") {
        let bytes = [csv(b';', &[]), signs.into_bytes()].concat();
        let _ = code(&bytes);
    }

    #[test]
    fn what_is_written_is_read(cells in proptest::collection::vec("[ -~é\n;,\"]{0,20}", 31)) {
        let expected: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
        let file = file(&csv(b';', &[cells]));
        let rows = rows(&mut open(file.path()).unwrap(), 0).unwrap();
        let blank = expected.iter().all(String::is_empty);
        let numbers = expected.iter().all(|cell| cell.is_empty() || cell.trim_matches(['(', ')']).parse::<u16>().is_ok());
        if !blank && !numbers {
            prop_assert_eq!(rows, vec![(2, expected, false)]);
        }
    }
}
