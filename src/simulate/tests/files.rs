//! The workbook and the CSV, read back cell by cell.

use std::path::Path;

use calamine::{Data, Reader, Xlsx, open_workbook};

use super::super::table::{Cell, family_row, person_row};
use super::super::{FAMILY_HEADERS, PERSON_HEADERS, WriteError, regency, write_csv, write_workbook};
use super::{kotim, plan, small, village};

fn read(path: &Path, sheet: &str) -> Vec<Vec<Data>> {
    let mut workbook: Xlsx<_> = open_workbook(path).unwrap();
    let range = workbook.worksheet_range(sheet).unwrap();
    assert_eq!(range.start(), Some((0, 0)));
    range.rows().map(<[Data]>::to_vec).collect()
}

fn expected(cells: &[Cell]) -> Vec<Data> {
    let data = cells.iter().map(|cell| match cell {
        Cell::Number(number) => Data::Float(f64::from(*number)),
        Cell::Empty => Data::Empty,
        text => Data::String(text.to_string()),
    });
    data.collect()
}

#[test]
fn the_workbook_reads_back_cell_by_cell() {
    let (villages, families) = (kotim(), small(5, 60));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p3ke.xlsx");
    write_workbook(&path, &villages, &families).unwrap();

    let sheet = read(&path, "Keluarga");
    assert_eq!(sheet[3], FAMILY_HEADERS.map(|header| Data::String(header.to_owned())));
    assert_eq!(sheet.len(), 4 + families.len());
    for ((family, row), number) in families.iter().zip(&sheet[4..]).zip(1..) {
        assert_eq!(*row, expected(&family_row(number, &villages[family.village], family).unwrap()));
    }
    let sheet = read(&path, "Individu");
    assert_eq!(sheet[3], PERSON_HEADERS.map(|header| Data::String(header.to_owned())));
    let people = families.iter().flat_map(|family| family.members.iter().map(move |person| (family, person)));
    assert_eq!(sheet.len(), 4 + people.clone().count());
    for (((family, person), row), number) in people.zip(&sheet[4..]).zip(1..) {
        assert_eq!(*row, expected(&person_row(number, &villages[family.village], family, person)));
        let born = person.birth_date.format("%d/%m/%Y 00:00:00").to_string();
        assert_eq!(row[15], Data::String(born));
        assert_eq!(row[19..26].iter().filter(|cell| **cell == Data::String("Ya".to_owned())).count(), 1);
        assert_eq!(row[6].to_string().len(), 10);
    }

    let again = folder.path().join("again.xlsx");
    write_workbook(&again, &villages, &families).unwrap();
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap(), "two writings differ");
}

#[test]
fn one_family_and_none_make_valid_workbooks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p3ke.xlsx");
    for (families, rows) in [(1, 5), (0, 4)] {
        write_workbook(&path, &kotim(), &small(1, families)).unwrap();
        assert_eq!(read(&path, "Keluarga").len(), rows);
    }
    let homeless = write_workbook(&path, &[], &small(1, 1));
    assert!(matches!(homeless, Err(WriteError::Homeless(_))));
}

#[test]
fn the_csv_holds_the_people_with_semicolons() {
    let (villages, families) = ([village("64.08.03.2001", "Muara; Bengkal")], 20);
    let families = regency(&plan("64.08", 2, Some(families)), &villages);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("individu.csv");
    write_csv(&path, &villages, &families).unwrap();
    let mut file = csv::ReaderBuilder::new().delimiter(b';').from_path(&path).unwrap();
    assert_eq!(file.headers().unwrap(), PERSON_HEADERS.as_slice());
    let rows: Vec<csv::StringRecord> = file.records().map(Result::unwrap).collect();
    let people: Vec<_> = families.iter().flat_map(|f| f.members.iter().map(move |p| (f, p))).collect();
    assert_eq!(rows.len(), people.len());
    for ((row, (family, person)), number) in rows.iter().zip(people).zip(1..) {
        let cells = person_row(number, &villages[0], family, person).map(|cell| cell.to_string());
        assert_eq!(row, cells.as_slice());
    }
}

/// Measures the full list: `cargo test --lib simulate -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of half a minute"]
fn the_full_workbook_is_written_in_bounded_time() {
    let villages = kotim();
    let families = regency(&plan("62.02", 1, None), &villages);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p3ke.xlsx");
    let started = std::time::Instant::now();
    write_workbook(&path, &villages, &families).unwrap();
    eprintln!("workbook: {:?}, {} bytes", started.elapsed(), std::fs::metadata(&path).unwrap().len());
    let started = std::time::Instant::now();
    let path = folder.path().join("individu.csv");
    write_csv(&path, &villages, &families).unwrap();
    eprintln!("csv: {:?}, {} bytes", started.elapsed(), std::fs::metadata(&path).unwrap().len());
}
