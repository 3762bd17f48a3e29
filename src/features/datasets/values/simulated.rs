//! A whole simulated regency, written by the simulator and read back: the profile, the tables and the speed must suffice for it.

use std::{collections::BTreeMap, path::Path, time::Instant};

use chrono::NaiveDate;

use super::*;
use crate::{
    features::datasets::reader::{Limits, Reader},
    simulate::{self, Plan, Village},
};

/// The villages of Kotawaringin Timur in the shipped region list.
fn villages() -> Vec<Village> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/regions.csv");
    let mut names = BTreeMap::new();
    for record in csv::Reader::from_path(path).unwrap().records() {
        let record = record.unwrap();
        names.insert(record[0].to_owned(), record[1].to_owned());
    }
    let name = |code: &str| names[code].clone();
    let village = |code: &String| Village {
        code: code.clone(),
        name: name(code),
        subdistrict: name(&code[..8]),
        regency: name(&code[..5]),
        province: name(&code[..2]),
    };
    names.keys().filter(|code| code.len() == 13 && code.starts_with("62.02.")).map(village).collect()
}

fn plan(families: Option<u32>) -> Plan {
    let reference_date = NaiveDate::from_ymd_opt(2023, 3, 16).unwrap();
    Plan { regency: "62.02".into(), seed: 1, reference_date, families }
}

/// Reads everything and counts records, rejects and warnings by code.
fn read(path: &Path) -> BTreeMap<&'static str, u32> {
    let profile = Profile::p3ke();
    let mut reader = Reader::open(path, &profile, Limits::default()).unwrap();
    let values = Values::new(&profile, NaiveDate::from_ymd_opt(2026, 11, 22).unwrap());
    let mut counts = BTreeMap::new();
    let mut record = Record::default();
    for sheet in 0..reader.sheets().len() {
        let mut rows = reader.rows(sheet).unwrap();
        while rows.read(&mut record).unwrap() {
            let (kind, outcome) = match record.unit() {
                Unit::Family => ("families", values.family(&record).map(|(_, warnings)| warnings)),
                Unit::Person => ("people", values.person(&record).map(|(_, warnings)| warnings)),
            };
            *counts.entry(kind).or_default() += 1;
            let codes: Vec<_> = match outcome {
                Ok(warnings) => warnings.iter().map(|warning| warning.code).collect(),
                Err(rejects) => rejects.iter().map(|reject| reject.code).collect(),
            };
            codes.into_iter().for_each(|code| *counts.entry(code).or_default() += 1);
        }
    }
    counts
}

#[test]
fn nothing_of_a_simulated_list_is_refused_or_unknown() {
    let villages = villages();
    let families = simulate::regency(&plan(Some(600)), &villages);
    let folder = tempfile::tempdir().unwrap();
    let (book, text) = (folder.path().join("list"), folder.path().join("people"));
    simulate::write_workbook(&book, &villages, &families).unwrap();
    simulate::write_csv(&text, &villages, &families).unwrap();
    let people: usize = families.iter().map(|family| family.members.len()).sum();
    let (from_book, from_text) = (read(&book), read(&text));
    assert_eq!((from_book["families"], from_book["people"] as usize), (600, people));
    assert_eq!(from_text["people"] as usize, people);
    let expected = ["families", "people", "nik_missing", "nik_region_differs", "nik_birth_date_differs", "nik_sex_differs"];
    let unexpected: Vec<_> = from_book.iter().chain(&from_text).filter(|(code, _)| !expected.contains(code)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
#[ignore = "a measurement: cargo test --release -- --ignored the_full_regency --nocapture"]
fn the_full_regency_is_read_in_seconds() {
    let villages = villages();
    let families = simulate::regency(&plan(None), &villages);
    let folder = tempfile::tempdir().unwrap();
    let (book, text) = (folder.path().join("list"), folder.path().join("people"));
    simulate::write_workbook(&book, &villages, &families).unwrap();
    simulate::write_csv(&text, &villages, &families).unwrap();
    for path in [book, text] {
        let start = Instant::now();
        Reader::open(&path, &Profile::p3ke(), Limits::default()).unwrap();
        let opened = start.elapsed();
        let counts = read(&path);
        println!("{} bytes: open {opened:?}, all {:?}, {counts:?}", path.metadata().unwrap().len(), start.elapsed() - opened);
    }
}
