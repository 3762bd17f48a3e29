//! Files that were damaged on their way, and files that somebody made to do damage.

use std::io::{Seek, SeekFrom, Write as _};

use proptest::prelude::*;
use tempfile::NamedTempFile;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::features::datasets::profile::shipped;
use crate::features::datasets::test_files::{file, save};

const HEADERS: &str = "NIK;No KK;Nama Lengkap;Tanggal Lahir;Alamat;Kode Wilayah;Status";
const ROW: &str = "6202090107850001;6202090101200001;SITI CONTOH;01/07/1985;JL. CONTOH;62.02.09.2001;AKTIF";

fn registry() -> &'static Profile {
    shipped("dukcapil").unwrap()
}

fn read(path: &std::path::Path, limits: Limits) -> Result<Vec<(u32, bool, Vec<String>)>, ReadError> {
    let mut reader = Reader::open(path, registry(), limits)?;
    let mut rows = reader.rows(0)?;
    let (mut record, mut out) = (Record::default(), Vec::new());
    while rows.read(&mut record)? {
        let cells = record.present_cells().flatten().map(|cell| match cell {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.to_owned(),
            Cell::Date(date) => date.to_string(),
            Cell::Number(number) => number.to_string(),
            other => format!("{other:?}"),
        });
        out.push((record.row(), record.is_misaligned(), cells.collect()));
    }
    Ok(out)
}

fn text(lines: &[&str]) -> Result<Vec<(u32, bool, Vec<String>)>, ReadError> {
    read(file((lines.join("\n")).as_bytes()).path(), Limits::default())
}

/// A workbook by hand: what its one sheet, its shared texts and its styles say.
fn book(sheet: &[u8], texts: &[u8], styles: &[u8]) -> NamedTempFile {
    const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
    const RELS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Lembar" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    const OF_BOOK: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    let mut zip = ZipWriter::new(NamedTempFile::new().unwrap());
    for (name, content) in [
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("_rels/.rels", RELS.as_bytes()),
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", OF_BOOK.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", texts),
        ("xl/styles.xml", styles),
    ] {
        if !content.is_empty() {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap()
}

/// A sheet with the headers in row 1 and these rows of XML below.
fn sheet(rows: &str) -> Vec<u8> {
    let head: String = HEADERS.split(';').map(inline).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><worksheet><sheetData><row>{head}</row>{rows}</sheetData></worksheet>").into_bytes()
}

fn inline(text: &str) -> String {
    format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

fn good_row() -> String {
    format!("<row>{}</row>", ROW.split(';').map(inline).collect::<String>())
}

fn code(sheet: &[u8], texts: &[u8], styles: &[u8], limits: Limits) -> &'static str {
    read(book(sheet, texts, styles).path(), limits).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn a_workbook_by_hand_is_read() {
    let rows = read(book(&sheet(&good_row()), b"", b"").path(), Limits::default()).unwrap();
    let cells: Vec<String> = ROW.split(';').map(str::to_owned).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].2.iter().collect::<std::collections::BTreeSet<_>>(), cells.iter().collect());
}

#[test]
fn a_formula_is_what_it_last_gave() {
    let name = |cell: &str| {
        let cells: String = ROW.split(';').enumerate().map(|(at, text)| if at == 2 { cell.to_owned() } else { inline(text) }).collect();
        read(book(&sheet(&format!("<row>{cells}</row>")), b"", b"").path(), Limits::default()).unwrap()[0].2[2].clone()
    };
    assert_eq!(name(r#"<c t="str"><f>UPPER("siti")</f><v>SITI</v></c>"#), "SITI");
    assert_eq!(name(r#"<c><f>1+1</f><v>2</v></c>"#), "2");
    assert_eq!(name(r#"<c t="str"><f t="shared" si="0"/><v>A&amp;B</v></c>"#), "A&B");
    assert_eq!(name(r#"<c t="e"><f>VLOOKUP(1,A1:B2,2,0)</f><v>#N/A</v></c>"#), "Error");
    assert_eq!(name(r#"<c><f>NOW()</f></c>"#), "", "never calculated");
    assert_eq!(name("<c t=\"inlineStr\"><is><t><![CDATA[A > B]]></t></is></c>"), "A > B");
    assert_eq!(name("<!-- a > b --><c t=\"inlineStr\"><is><r><t>SI</t></r><r><t>TI</t></r></is></c>"), "SITI");
}

#[test]
fn what_one_piece_would_take_is_bounded() {
    let limits = || Limits { piece_bytes: 50_000, ..Limits::default() };
    let long = "x".repeat(60_000);
    let runs = format!("<r><t>{}</t></r>", "x".repeat(600)).repeat(100);
    let hidden = "<c/><c></c>".repeat(12_000);
    let bombs = [
        ("a text", inline(&long)),
        ("many runs of one text", format!("<c t=\"inlineStr\"><is>{runs}</is></c>")),
        ("cells that are none", format!("<c t=\"inlineStr\"><is>{hidden}<t>x</t></is></c>")),
        ("an attribute", format!("<c t=\"{long}\"><v>1</v></c>")),
        ("an attribute full of tags", format!("<c t='{hidden}'><v>1</v></c>")),
        ("a comment full of tags", format!("<!--{hidden}--><c><v>1</v></c>")),
        ("raw text full of tags", format!("<c><is><t><![CDATA[{hidden}]]></t></is></c>")),
        ("an instruction", format!("<?x {hidden}?><c><v>1</v></c>")),
        ("a value", format!("<c t=\"str\"><v>{long}</v></c>")),
        ("blanks between cells", " ".repeat(60_000)),
    ];
    for (what, cell) in bombs {
        assert_eq!(code(&sheet(&format!("<row>{cell}</row>")), b"", b"", limits()), "too_large", "{what}");
    }
    let texts = format!("<sst><si>{runs}</si></sst>");
    assert_eq!(code(&sheet(&good_row()), texts.as_bytes(), b"", limits()), "too_large");
    // Nothing of this is said of an ordinary one, however long it is.
    assert_eq!(code(&sheet(&good_row().repeat(500)), b"<sst><si><t>x</t></si></sst>", b"", limits()), "ok");
}

#[test]
fn markup_that_two_readers_could_see_differently_is_refused() {
    for (what, rows) in [
        ("an element that another one closes", "<row><c></row></c>".to_owned()),
        ("an element that nobody opened", format!("</row>{}", good_row())),
        ("a comment that ends at once", "<!--><row/>".to_owned()),
        ("a comment that ends almost at once", "<!---><row/>".to_owned()),
        ("a document type", "<!DOCTYPE x [<!ENTITY a \"b\">]><row/>".to_owned()),
        ("a bare mark", "<><row/>".to_owned()),
        ("tags without end", "<a>".repeat(500)),
    ] {
        assert_eq!(code(&sheet(&rows), b"", b"", Limits::default()), "unreadable_file", "{what}");
    }
    let declared = |name: &str| String::from_utf8(sheet(&good_row())).unwrap().replace("UTF-8", name).into_bytes();
    assert_eq!(code(&declared("utf-16"), b"", b"", Limits::default()), "unreadable_file");
    assert_eq!(code(&declared("iso-8859-1"), b"", b"", Limits::default()), "ok");
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(String::from_utf8(sheet("")).unwrap().encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(code(&wide, b"", b"", Limits::default()), "unreadable_file");
}

/// A workbook of a kilobyte that claims texts by the billion made the reader ask for that much memory, and the process end.
#[test]
fn claims_make_no_room() {
    for claim in ["9000001", "100000000000", "18446744073709551615", "99999999999999999999999"] {
        for tag in [format!("<sst count=\"1\" uniqueCount=\"{claim}\">"), format!("<x:sst a='uniqueCount' uniqueCount = '{claim}'>")] {
            let name = if tag.starts_with("<x") { "x:sst" } else { "sst" };
            let texts = format!("{tag}<si><t>x</t></si></{name}>");
            assert_eq!(code(&sheet(&good_row()), texts.as_bytes(), b"", Limits::default()), "too_large", "{tag}");
        }
    }
    // How often texts are used is no room.
    let texts = b"<sst count=\"99000000\" uniqueCount=\"1\"><si><t>x</t></si></sst>";
    assert_eq!(code(&sheet(&good_row()), texts, b"", Limits::default()), "ok");
    let many = format!("<sst>{}</sst>", "<si/>".repeat(2_000));
    let limits = Limits { texts: 1_000, ..Limits::default() };
    assert_eq!(code(&sheet(&good_row()), many.as_bytes(), b"", limits), "too_large");
    // A claim that is true is not counted beside what it claims.
    let limits = || Limits { texts: 1_000, ..Limits::default() };
    let told = |claim: usize, texts: usize| format!("<sst uniqueCount=\"{claim}\">{}</sst>", "<si/>".repeat(texts)).into_bytes();
    assert_eq!(code(&sheet(&good_row()), &told(1_000, 1_000), b"", limits()), "ok");
    assert_eq!(code(&sheet(&good_row()), &told(1_001, 1), b"", limits()), "too_large");
    assert_eq!(code(&sheet(&good_row()), &told(1, 1_001), b"", limits()), "too_large");
    let styles = format!("<styleSheet><cellXfs>{}</cellXfs></styleSheet>", "<xf/>".repeat(2_000));
    let limits = Limits { tags: 1_000, ..Limits::default() };
    assert_eq!(code(&sheet(&good_row()), b"", styles.as_bytes(), limits), "too_large");
}

#[test]
fn a_text_that_all_cells_share_is_counted_in_each() {
    let texts = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(60_000));
    let shared = "<c t=\"s\"><v>0</v></c>".repeat(7);
    let limits = Limits { row_bytes: 200_000, ..Limits::default() };
    let error = read(book(&sheet(&format!("<row>{shared}</row>")), texts.as_bytes(), b"").path(), limits);
    assert_eq!(error, Err(ReadError::FieldTooLong { row: 2 }));
}

/// A gigabyte of blanks packs into a megabyte: the default limits stop it at the first cell, and nothing of it is held.
#[test]
fn a_high_ratio_is_stopped() {
    let mut zip = ZipWriter::new(NamedTempFile::new().unwrap());
    zip.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"<worksheet><sheetData><row><c t=\"str\"><v>").unwrap();
    for _ in 0..24 {
        zip.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let error = Reader::open(zip.finish().unwrap().path(), registry(), Limits::default()).err().unwrap();
    assert_eq!(error, ReadError::TooLarge { what: "bytes in one cell", limit: 16 << 20 });
}

#[test]
fn a_directory_of_many_entries_is_not_even_read() {
    let mut bytes = Vec::new();
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a", SimpleFileOptions::default()).unwrap();
    let one = zip.finish().unwrap().into_inner();
    let directory = one.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let end = one.windows(4).position(|bytes| bytes == b"PK\x05\x06").unwrap();
    bytes.extend_from_slice(&one[..directory]);
    // Each entry names the same part of one byte; the directory alone is the bomb.
    bytes.extend(one[directory..end].repeat(20_000));
    bytes.extend_from_slice(&one[end..]);
    let error = Reader::open(file(&bytes).path(), registry(), Limits::default()).err().unwrap();
    assert_eq!(error, ReadError::TooLarge { what: "parts", limit: 5_000 });
}

#[test]
fn an_archive_of_workbooks_is_none() {
    let inner = std::fs::read(book(&sheet(&good_row()), b"", b"").path()).unwrap();
    let mut zip = ZipWriter::new(NamedTempFile::new().unwrap());
    for name in ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "data.xlsx"] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(&inner).unwrap();
    }
    let error = Reader::open(zip.finish().unwrap().path(), registry(), Limits::default()).err().unwrap();
    assert_eq!(error, ReadError::Unreadable);
}

#[test]
fn a_workbook_cut_short_is_unreadable() {
    let whole = std::fs::read(book(&sheet(&good_row().repeat(50)), b"", b"").path()).unwrap();
    for cut in (8..whole.len()).step_by(23) {
        let error = Reader::open(file(&whole[..cut]).path(), registry(), Limits::default()).err();
        assert_eq!(error, Some(ReadError::Unreadable), "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn headers_merged_over_two_rows_are_put_together() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let format = rust_xlsxwriter::Format::new();
    sheet.merge_range(0, 0, 0, 6, "DAFTAR PENDUDUK", &format).unwrap();
    for (column, header) in [(0, "NIK"), (1, "No KK"), (2, "Nama Lengkap"), (5, "Kode Wilayah"), (6, "Status")] {
        sheet.merge_range(2, column, 3, column, header, &format).unwrap();
    }
    sheet.merge_range(2, 3, 2, 4, "Keterangan lain", &format).unwrap();
    sheet.write(3, 3, "Tanggal Lahir").unwrap();
    sheet.write(3, 4, "Alamat").unwrap();
    for (column, cell) in (0..).zip(ROW.split(';')) {
        sheet.write_number(4, column, f64::from(column) + 1.0).unwrap();
        sheet.write_string(5, column, cell).unwrap();
    }
    let rows = read(save(&mut book).path(), Limits::default()).unwrap();
    assert_eq!(rows.len(), 1, "the numbers of the columns are no row: {rows:?}");
    assert_eq!((rows[0].0, rows[0].2.len()), (6, 7));
    assert!(rows[0].2.contains(&"01/07/1985".to_owned()) && rows[0].2.contains(&"AKTIF".to_owned()));
    // The same as text, and one that no other row completes.
    let upper = "NIK;No KK;Nama Lengkap;Keterangan lain;;Kode Wilayah;Status";
    assert_eq!(text(&[upper, ";;;Tanggal Lahir;Alamat;;", ROW, ""]).unwrap(), [(3, false, rows[0].2.clone())]);
    let lacking = text(&["NIK;No KK;Nama Lengkap;;;;", ";;;Tanggal Lahir;Alamat;;", ROW, ""]).unwrap_err();
    assert_eq!(lacking, ReadError::HeaderMissing { sheet: "1".into(), header: "Kode Wilayah".into() });
}

#[test]
fn an_open_quotation_mark_is_named_wherever_it_stands() {
    let broken = ROW.replace("JL.", "\"JL.");
    for rows in [1, 2, 15, 30, 400] {
        for at in [0, rows / 2, rows - 1] {
            for end in [None, Some("")] {
                let mut lines: Vec<&str> = (0..rows).map(|row| if row == at { broken.as_str() } else { ROW }).collect();
                lines.insert(0, HEADERS);
                lines.extend(end);
                let row = u32::try_from(at).unwrap() + 2;
                assert_eq!(text(&lines), Err(ReadError::QuoteOpen { row }), "row {at} of {rows}");
            }
        }
    }
    // At the beginning of the last cell, with nothing behind it.
    assert_eq!(text(&[HEADERS, ROW, "1;2;3;4;5;6;\""]), Err(ReadError::QuoteOpen { row: 3 }));
    assert_eq!(text(&[HEADERS, ROW, "1;2;3;4;5;6;\"\""]).unwrap().len(), 2, "closed again");
}

#[test]
fn a_text_that_ends_within_a_row_was_cut_off() {
    let whole = format!("{HEADERS}\n{ROW}\n{ROW}\n{ROW}");
    let last = whole.len() - ROW.len();
    for cut in last + 1..=whole.len() {
        let cells = whole[last..cut].matches(';').count() + 1;
        let read = read(file(&whole.as_bytes()[..cut]).path(), Limits::default());
        if cells < 7 {
            assert_eq!(read, Err(ReadError::CutShort { row: 4 }), "cut at {cut}");
        } else {
            assert_eq!(read.unwrap().len(), 3, "nothing tells that a last cell was longer");
        }
    }
    let short = "1;2;SITI";
    assert_eq!(text(&[HEADERS, ROW, short, ROW, short]).unwrap().len(), 4, "a program that leaves out empty cells");
    assert_eq!(text(&[HEADERS, ROW, short, ""]).unwrap().len(), 2, "a whole row");
    assert_eq!(text(&[HEADERS, ROW, "\u{1a}"]).unwrap().len(), 1, "the end as DOS writes it");
    assert_eq!(text(&[HEADERS, ROW, ";;"]).unwrap().len(), 1, "nothing is stated, so nothing is lost");
}

#[test]
fn damage_within_a_text_is_named() {
    assert_eq!(text(&[HEADERS, ROW, &ROW.replace("SITI", "SI\0TI"), ""]), Err(ReadError::NulByte { line: 3 }));
    let unmarked: Vec<u8> = format!("{HEADERS}\n{ROW}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(file(&unmarked).path(), Limits::default()), Err(ReadError::BadEncoding));
    let swapped: Vec<u8> = format!("{HEADERS}\n{ROW}\n").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(read(file(&swapped).path(), Limits::default()), Err(ReadError::BadEncoding));
    let odd = [&[0xff, 0xfe], &unmarked[..], b"x"].concat();
    assert_eq!(read(file(&odd).path(), Limits::default()), Err(ReadError::BadEncoding), "half a character at the end");
    // Windows-1252 in one row and UTF-8 in another.
    let mixed = [HEADERS.as_bytes(), b"\n", &ROW.replace("SITI", "ANDR\u{e9}").into_bytes(), b"\nANDR\xe9;;;;;;\n"].concat();
    assert_eq!(read(file(&mixed).path(), Limits::default()), Err(ReadError::BadEncoding));
}

#[test]
fn rows_too_wide_are_named() {
    let wide = ["x"; 10_000].join(";");
    assert_eq!(text(&[HEADERS, ROW, &wide, ""]), Err(ReadError::RowTooWide { row: 3, limit: 1_024 }));
    // Ten thousand columns with headers: none is known, or the row of the headers is named.
    assert_eq!(text(&[&wide, ROW, ""]), Err(ReadError::RowTooWide { row: 1, limit: 1_024 }));
    let cells: String = (0..10_000).map(|_| "<c><v>1</v></c>").collect();
    let error = read(book(&sheet(&format!("{}<row>{cells}</row>", good_row())), b"", b"").path(), Limits::default());
    assert_eq!(error, Err(ReadError::RowTooWide { row: 3, limit: 1_024 }));
}

#[test]
fn a_line_of_a_hundred_megabytes_is_named_and_not_held() {
    for (begin, code) in [("x", "field_too_long"), ("\"x", "field_too_long"), ("\"x\n", "quote_open")] {
        let mut file = file(format!("{HEADERS}\n{ROW}\n").as_bytes());
        file.seek(SeekFrom::End(0)).unwrap();
        let piece = begin[1..].repeat(1 << 20).into_bytes();
        let piece = if piece.is_empty() { vec![b'x'; 1 << 20] } else { piece };
        file.write_all(begin.as_bytes()).unwrap();
        for _ in 0..(100 << 20) / piece.len() {
            file.write_all(&piece).unwrap();
        }
        let error = read(file.path(), Limits::default()).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("row 3")), (code, true), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the scales let through, the parser reads without a panic; and what it held was weighed before.
    #[test]
    fn no_markup_panics(pieces in proptest::collection::vec("(<c r=\"[A-Z]{1,9}[0-9]{1,12}\">|</c>|<row r=\"[0-9]{0,12}\">|</row>|<v>|</v>|<is><t>|</t></is>|<f>|</f>|[0-9]{1,3}|é|&amp;|&#x0;|<dimension ref=\"[A-Z0-9:]{0,9}\"/>)", 0..40)) {
        let _ = code(&sheet(&pieces.concat()), b"", b"", Limits::default());
    }
}
