//! Whole rows: from the file to the record, and what is said about them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::features::datasets::{
    reader::{Limits, Reader},
    test_files::{FAMILY, PERSON, Put, file, headers, strings, text, with, workbook},
};

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()
}

/// The outcomes of a workbook with one family and one person, as codes with their columns.
fn judge(family: Vec<Put>, person: Vec<Put>) -> (Outcome<FamilyRecord>, Outcome<PersonRecord>) {
    let profile = Profile::p3ke();
    let file = workbook(&[family], &[person]);
    let mut reader = Reader::open(file.path(), &profile, Limits::default()).unwrap();
    let values = Values::new(&profile, today());
    let mut record = Record::default();
    assert!(reader.rows(0).unwrap().read(&mut record).unwrap());
    let family = values.family(&record);
    assert_eq!(values.person(&record).unwrap_err()[0].code, "unit_differs");
    assert!(reader.rows(1).unwrap().read(&mut record).unwrap());
    (family, values.person(&record))
}

fn family(changes: &[(usize, Put)]) -> Outcome<FamilyRecord> {
    judge(with(&FAMILY, changes), with(&PERSON, &[])).0
}

fn warnings(changes: &[(usize, Put)]) -> Vec<(String, &'static str)> {
    family(changes).unwrap().1.into_iter().map(|warning| (warning.column, warning.code)).collect()
}

fn rejects(changes: &[(usize, Put)]) -> Vec<(String, &'static str)> {
    family(changes).unwrap_err().into_iter().map(|reject| (reject.column, reject.code)).collect()
}

fn at(column: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(column.to_owned(), code)]
}

#[test]
fn a_clean_family_and_person() {
    let (family, person) = judge(with(&FAMILY, &[]), with(&PERSON, &[]));
    let (family, warnings) = family.unwrap();
    assert_eq!(warnings, []);
    assert_eq!((family.row, family.source_family_id.as_str(), family.region_code.as_str()), (5, "6202092001000001", "62.02.09.2001"));
    assert_eq!((family.decile, family.percentile, family.stunting_risk), (Some(1), None, Some(2)));
    let head = &family.head;
    assert_eq!((head.name.as_str(), head.sex, head.dukcapil_match), ("BUDI CONTOH", Some(Sex::Male), Some(true)));
    assert_eq!(head.nik.as_ref().map(Nik::expose), Some("6202090107850001"));
    assert_eq!((head.birth_date, head.occupation, head.education), (NaiveDate::from_ymd_opt(1985, 7, 1), Some("farmer"), Some("primary")));
    assert_eq!(
        family.living,
        Living {
            house_ownership: Some("own"),
            savings: Some(false),
            roof: Some("thatch"),
            wall: Some("wood"),
            floor: Some("wood"),
            lighting: Some("no_electricity"),
            cooking_fuel: Some("charcoal_or_wood"),
            drinking_water: Some("surface_water"),
            toilet: Some("shared"),
        }
    );
    assert_eq!(family.aid, Aid { bpnt: Some(true), bpum: Some(false), bst: Some(false), pkh: Some(true), sembako: Some(false) });
    assert_eq!(format!("{family:?}"), "FamilyRecord { row: 5, .. }");

    let (person, warnings) = person.unwrap();
    assert_eq!(warnings, [Warning { column: "NIK".into(), code: "nik_missing" }]);
    assert_eq!((person.source_person_id.as_deref(), person.region_code.as_deref()), (Some("P-1"), Some("62.02.09.2001")));
    assert_eq!((person.relation, person.marital_status), (Relation::Spouse, Some("married")));
    assert_eq!((person.person.sex, person.person.education), (Some(Sex::Female), Some("lower_secondary")));
    assert_eq!(format!("{person:?} {:?}", person.person), "PersonRecord { row: 5, .. } Individual { .. }");
}

#[test]
fn numbers_of_persons_never_refuse_a_row() {
    for (put, code) in [
        (Put::Text(""), "nik_missing"),
        (Put::Text("-"), "nik_missing"),
        (Put::Text("620209010785"), "nik_invalid"),
        (Put::Text("9902090107850001"), "nik_invalid"),
        (Put::Text("6,20209E+15"), "nik_excel_rounded"),
        (Put::Number(6_202_090_107_850_000.0), "nik_excel_rounded"),
        (Put::Number(62.0), "nik_invalid"),
    ] {
        let (family, warnings) = family(&[(10, put)]).unwrap();
        assert_eq!(family.head.nik, None);
        assert_eq!(warnings, [Warning { column: "NIK".into(), code }]);
    }
    assert_eq!(warnings(&[(10, Put::Number(6_202_090_107_850_001.0))]), at("NIK", "nik_from_number"));
    assert_eq!(warnings(&[(10, Put::Text("'6202 0901 0785 0001"))]), []);
    assert_eq!(warnings(&[(10, Put::Text("6202094107850001"))]), at("NIK", "nik_sex_differs"));
    assert_eq!(warnings(&[(10, Put::Text("6402090107850001"))]), at("NIK", "nik_region_differs"));
    assert_eq!(warnings(&[(13, Put::Date(1985, 7, 2))]), at("NIK", "nik_birth_date_differs"));
}

#[test]
fn a_number_in_a_text_is_masked_and_told_and_refuses_nothing() {
    let (name, address, number) = (9, 8, "6202 0941 0785 0001");
    let text = Put::Text("JL. MAWAR 6202 0941 0785 0001 RT 2");
    let (family, told) = family(&[(address, text), (name, Put::Text("SITI '6202094107850001'"))]).unwrap();
    assert_eq!(family.address.as_deref(), Some("JL. MAWAR 6202********0001 RT 2"));
    assert_eq!(family.head.name, "SITI '6202********0001'");
    let told: Vec<_> = told.iter().map(|warning| (warning.column.as_str(), warning.code)).collect();
    assert_eq!(told, [("Alamat", "number_masked"), ("Kepala Keluarga", "number_masked")]);
    assert_eq!(rejects(&[(name, Put::Text(number))]), at("Kepala Keluarga", "name_missing"), "a number is nobody's name");
}

#[test]
fn what_cannot_be_trusted_refuses_the_row() {
    let (id, code, name, born, decile) = (1, 6, 9, 13, 7);
    assert_eq!(rejects(&[(id, Put::Text(""))]), at("ID Keluarga P3KE", "source_family_id_missing"));
    assert_eq!(rejects(&[(id, Put::Number(6.202e15))]), at("ID Keluarga P3KE", "source_id_rounded"));
    assert_eq!(rejects(&[(code, Put::Text(""))]), at("Kode Kemdagri", "region_code_missing"));
    assert_eq!(rejects(&[(code, Put::Text("62.02.09"))]), at("Kode Kemdagri", "region_code_invalid"));
    assert_eq!(rejects(&[(name, Put::Text("-"))]), at("Kepala Keluarga", "name_missing"));
    assert_eq!(rejects(&[(name, Put::Number(0.0))]), at("Kepala Keluarga", "name_missing"));
    assert_eq!(rejects(&[(born, Put::Text("31/12/1899 00:00:00"))]), at("Tanggal Lahir", "date_implausible"));
    assert_eq!(rejects(&[(born, Put::Date(2027, 1, 1))]), at("Tanggal Lahir", "date_implausible"));
    assert_eq!(rejects(&[(born, Put::Text("tidak tahu"))]), at("Tanggal Lahir", "date_invalid"));
    assert_eq!(rejects(&[(decile, Put::Number(11.0))]), at("Desil Kesejahteraan", "decile_invalid"));
    assert_eq!(rejects(&[(id, Put::Text("")), (name, Put::Text("")), (born, Put::Text("x"))]).len(), 3, "all reasons at once");
    let (_, person) = judge(with(&FAMILY, &[]), with(&PERSON, &[(9, Put::Text(""))]));
    assert_eq!(person.unwrap_err()[0].code, "source_person_id_missing");
}

#[test]
fn what_is_not_understood_is_said() {
    assert_eq!(warnings(&[(7, Put::Text("Desil 3"))]), []);
    assert_eq!(warnings(&[(7, Put::Text(""))]), at("Desil Kesejahteraan", "decile_missing"));
    assert_eq!(warnings(&[(13, Put::Text(""))]), at("Tanggal Lahir", "birth_date_missing"));
    assert_eq!(warnings(&[(18, Put::Text("Emas"))]), at("Jenis Atap", "code_unknown"));
    assert_eq!(family(&[(18, Put::Text("Emas"))]).unwrap().0.living.roof, Some("other"));
    assert_eq!(family(&[(18, Put::Text("-"))]).unwrap().0.living.roof, None);
    assert_eq!(warnings(&[(25, Put::Text("mungkin"))]), at("Penerima BPNT", "value_unknown"));
    assert_eq!(family(&[(25, Put::Number(1.0)), (26, Put::Text("0,0"))]).unwrap().0.aid.bpnt, Some(true));
    assert_eq!(warnings(&[(12, Put::Text("X"))]), at("Jenis Kelamin", "value_unknown"));
    assert_eq!(warnings(&[(30, Put::Text("tinggi"))]), at("Resiko Stunting", "value_unknown"));
    let (_, person) = judge(with(&FAMILY, &[]), with(&PERSON, &[(14, Put::Text("Tetangga"))]));
    let (person, warnings) = person.unwrap();
    assert_eq!((person.relation, warnings[1].code), (Relation::Other, "code_unknown"));
}

#[test]
fn shifted_rows_are_refused_whole() {
    let mut row = strings(&FAMILY);
    row.insert(9, "RT 02".into());
    let file = file(&text(b';', &[headers(Unit::Family), row]));
    let profile = Profile::p3ke();
    let mut reader = Reader::open(file.path(), &profile, Limits::default()).unwrap();
    let mut record = Record::default();
    assert!(reader.rows(0).unwrap().read(&mut record).unwrap());
    let rejects = Values::new(&profile, today()).family(&record).unwrap_err();
    assert_eq!((rejects.len(), rejects[0].code, rejects[0].column.as_str()), (1, "row_misaligned", ""));
}

#[test]
fn the_catalogue_has_each_code_once() {
    let codes: BTreeSet<_> = CATALOGUE.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes.len(), CATALOGUE.len());
    assert!(CATALOGUE.iter().all(|(_, _, sentence)| sentence.ends_with('.')));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_row_panics_and_no_reason_quotes_it(cells in proptest::collection::vec("(\\PC{0,12}|[0-9]{16}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})", 31)) {
        let profile = Profile::p3ke();
        let file = file(&text(b';', &[headers(Unit::Family), cells]));
        let mut reader = Reader::open(file.path(), &profile, Limits::default()).unwrap();
        let mut rows = reader.rows(0).unwrap();
        let mut record = Record::default();
        while rows.read(&mut record).unwrap() {
            match Values::new(&profile, today()).family(&record) {
                Ok((family, _)) => prop_assert!(!family.source_family_id.is_empty() && family.region_code.len() == 13),
                Err(rejects) => prop_assert!(rejects.iter().all(|r| CATALOGUE.iter().any(|(code, refuses, reason)| *refuses && *code == r.code && *reason == r.reason))),
            }
        }
    }
}
