//! Joining: nothing is lost, nothing told twice, whatever the order of rows and wherever a reading resumes.

use std::collections::BTreeMap;

use super::*;
use crate::features::datasets::test_files::{FAMILY, PERSON, Put, file, headers, strings, text, with, workbook};

/// What a reading told, in few words.
#[derive(Debug, Default, PartialEq, Clone)]
struct Heard {
    total: i64,
    /// Family key and the people's keys.
    families: Vec<(String, Vec<String>)>,
    /// sheet:row:column:code.
    remarks: Vec<String>,
    rejected: i64,
    warned: i64,
    rows: i64,
    batches: Vec<usize>,
    /// How many families were done after each batch.
    marks: Vec<u64>,
}

fn standard() -> Standard {
    Standard {
        profile: Profile::p3ke(),
        region: RegionCode::parse("62.02").unwrap(),
        villages: Villages::new(
            [("62.02.09.2001", "Bapinang Hulu", "Pulau Hanaut"), ("62.02.09.2002", "Bapinang Hilir", "Pulau Hanaut")].into_iter(),
        ),
        keys: KeyRing::parse(&KeyRing::generate().unwrap()).unwrap(),
        heads: true,
        today: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
        keep: KEPT,
        keep_bytes: KEPT_BYTES,
    }
}

fn hear(path: &Path, standard: &Standard, skip: u64, size: usize) -> Heard {
    let mut heard = Heard::default();
    let on = AtomicBool::new(false);
    read(path, standard, skip, size, &on, &mut |news| {
        let batch = match news {
            News::Total(total) => {
                heard.total = total;
                return true;
            }
            News::Batch(batch) | News::Last(batch) => batch,
        };
        heard.batches.push(batch.families.len());
        heard.marks.push(batch.families_done);
        heard.rows = batch.rows_done;
        heard.rejected += batch.rejected;
        heard.warned += batch.warned;
        for family in batch.families {
            heard.families.push((family.source_id, family.people.into_iter().map(|person| person.source_id).collect()));
        }
        for remark in batch.remarks {
            let Place { sheet, row } = remark.place;
            heard.remarks.push(format!("{sheet}:{row}:{}:{}", remark.column.unwrap_or_default(), remark.code));
        }
        true
    })
    .unwrap();
    heard
}

fn word(text: String) -> Put {
    Put::Text(Box::leak(text.into_boxed_str()))
}

fn family_row(family: &str, changes: &[(usize, Put)]) -> Vec<Put> {
    let mut all = vec![(1, word(family.to_owned()))];
    all.extend(changes.iter().cloned());
    with(&FAMILY, &all)
}

fn person_row(family: &str, person: &str, relation: &'static str, changes: &[(usize, Put)]) -> Vec<Put> {
    let mut all = vec![
        (1, word(family.to_owned())),
        (9, word(person.to_owned())),
        (10, word(format!("NAMA {person}").replace(char::is_numeric, "A"))),
        (14, Put::Text(relation)),
    ];
    all.extend(changes.iter().cloned());
    with(&PERSON, &all)
}

const HEAD: &str = "Kepala Keluarga";
const CHILD: &str = "Anak";

/// Families F0… of three each, the rows in the order that `order` makes of it.
fn households(count: usize, order: impl Fn(&mut Vec<Vec<Put>>)) -> (Vec<Vec<Put>>, Vec<Vec<Put>>) {
    let families = (0..count).map(|n| family_row(&format!("F{n}"), &[])).collect();
    let mut people = (0..count)
        .flat_map(|n| {
            [HEAD, CHILD, CHILD]
                .into_iter()
                .zip(0..)
                .map(move |(relation, k)| person_row(&format!("F{n}"), &format!("P{n}-{k}"), relation, &[]))
        })
        .collect();
    order(&mut people);
    (families, people)
}

#[test]
fn families_are_whole_whatever_the_order_of_rows() {
    let sorted = households(20, |_| {});
    let mixed = households(20, |people| {
        // Far from sorted, and the same on every run.
        people.sort_by_key(|row| format!("{:?}", row[9]).bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())));
    });
    let whole = |(families, people): (Vec<Vec<Put>>, Vec<Vec<Put>>)| {
        let heard = hear(workbook(&families, &people).path(), &standard(), 0, 7);
        assert_eq!((heard.total, heard.rows, heard.rejected), (80, 80, 0), "{heard:?}");
        assert_eq!(heard.batches, [7, 7, 6]);
        let families: BTreeMap<String, BTreeMap<String, ()>> =
            heard.families.into_iter().map(|(family, people)| (family, people.into_iter().map(|person| (person, ())).collect())).collect();
        families
    };
    let (sorted, mixed) = (whole(sorted), whole(mixed));
    assert_eq!(sorted.len(), 20);
    assert!(sorted.values().all(|people| people.len() == 3));
    assert_eq!(sorted, mixed);
}

#[test]
fn a_resumed_reading_tells_the_rest_and_only_the_rest() {
    let (families, mut people) = households(9, |people| people.swap(1, 20));
    people.insert(2, person_row("F0", "P-BAD", CHILD, &[(15, Put::Text("kemarin"))]));
    people.insert(15, person_row("NOWHERE", "P-LOST", HEAD, &[]));
    people.push(person_row("F8", "P8-0", CHILD, &[]));
    let book = workbook(&families, &people);
    let whole = hear(book.path(), &standard(), 0, 1);
    assert_eq!(whole.marks.len(), 10, "nine batches of one family, and what is left");
    assert_eq!(whole.rejected, 3);
    for size in [1, 2, 4, 100] {
        let first = hear(book.path(), &standard(), 0, size);
        assert_eq!((&first.families, &first.remarks, first.rows), (&whole.families, &whole.remarks, whole.rows), "batches of {size}");
        for (at, mark) in first.marks.iter().enumerate().take(first.marks.len() - 1) {
            let done: usize = first.batches[..=at].iter().sum();
            // Resumed with another size of batches: the settings may change between two starts.
            let rest = hear(book.path(), &standard(), *mark, 3);
            assert_eq!(rest.families, whole.families[done..], "after {mark}");
            assert!(whole.remarks.ends_with(&rest.remarks), "after {mark}: {:?}", rest.remarks);
            assert_eq!((rest.rows, rest.total), (whole.rows, whole.total), "after {mark}");
        }
    }
}

#[test]
fn every_row_is_answered_for() {
    let families = [
        family_row("F1", &[]),
        family_row("F2", &[(6, Put::Text("64.08.03.2001"))]),
        family_row("F3", &[(6, Put::Text("62.02.09.2999"))]),
        family_row("F1", &[]),
        family_row("F4", &[]),
        family_row("F5", &[]),
        family_row("F6", &[(7, Put::Text("11"))]),
        family_row("F7", &[]),
    ];
    let people = [
        person_row("F1", "P1", HEAD, &[(6, Put::Text("62.02.09.2002"))]),
        person_row("F1", "P2", HEAD, &[]),
        person_row("F1", "P1", CHILD, &[]),
        person_row("F2", "P3", HEAD, &[]),
        person_row("F4", "P4", CHILD, &[]),
        person_row("F7", "P5", HEAD, &[(15, Put::Text("32/01/1990"))]),
        person_row("F7", "P6", CHILD, &[]),
    ];
    let heard = hear(workbook(&families, &people).path(), &standard(), 0, 10);
    assert_eq!(heard.families, [("F1".to_owned(), vec!["P1".to_owned(), "P2".to_owned()])]);
    let mut remarks: Vec<&str> = heard.remarks.iter().map(String::as_str).filter(|remark| !remark.contains(":NIK:")).collect();
    remarks.sort_unstable();
    assert_eq!(
        remarks,
        [
            "Individu:10:Tanggal Lahir:date_invalid",
            "Individu:11::head_missing",
            "Individu:5::region_differs",
            "Individu:6::head_disputed",
            "Individu:7::person_duplicate",
            "Individu:8::family_missing",
            "Individu:9::head_missing",
            "Keluarga:10::people_missing",
            "Keluarga:11:Desil Kesejahteraan:decile_invalid",
            "Keluarga:12::head_missing",
            "Keluarga:6::region_foreign",
            "Keluarga:7::region_unknown",
            "Keluarga:8::family_duplicate",
            "Keluarga:9::head_missing",
        ]
    );
    assert_eq!((heard.rejected, heard.rows, heard.total), (12, 15, 15));
}

#[test]
fn people_alone_make_families_and_families_alone_have_their_heads() {
    let row = |put: Vec<Put>| put.into_iter().map(|put| if let Put::Text(text) = put { text.to_owned() } else { unreachable!() }).collect();
    let people = [
        headers(Unit::Person),
        row(person_row("F1", "P2", CHILD, &[])),
        row(person_row("F2", "P3", CHILD, &[])),
        row(person_row("F1", "P1", HEAD, &[])),
        row(person_row("F3", "P4", HEAD, &[(6, Put::Text("64.08.03.2001"))])),
    ];
    let heard = hear(file(&text(b';', &people)).path(), &standard(), 0, 10);
    assert_eq!(heard.families, [("F1".to_owned(), vec!["P2".to_owned(), "P1".to_owned()])]);
    assert!(heard.remarks.iter().any(|remark| remark.ends_with(":3::head_missing")), "{:?}", heard.remarks);
    assert!(heard.remarks.iter().any(|remark| remark.ends_with(":5::region_foreign")), "{:?}", heard.remarks);
    assert_eq!((heard.rejected, heard.rows, heard.total), (2, 4, 4));

    let families = [headers(Unit::Family), strings(&FAMILY)];
    let heard = hear(file(&text(b';', &families)).path(), &standard(), 0, 10);
    let [(family, people)] = heard.families.as_slice() else { panic!("{heard:?}") };
    assert!(family.starts_with("n-") && people.len() == 1, "the key of this row reads as a card's number: {heard:?}");
    assert!(people[0].starts_with('~') && !people[0].contains("BUDI"), "a made key tells no name: {people:?}");
    assert_eq!((heard.rejected, heard.rows, heard.total), (0, 1, 1));
}

#[test]
fn of_too_many_remarks_the_first_are_kept_and_all_are_counted() {
    let (families, mut people) = households(2, |_| {});
    for n in 0..8 {
        people.push(person_row("NOWHERE", &format!("L{n}"), HEAD, &[]));
    }
    let standard = Standard { keep: 3, ..standard() };
    let heard = hear(workbook(&families, &people).path(), &standard, 0, 10);
    let kept: Vec<&str> =
        heard.remarks.iter().filter_map(|remark| remark.rsplit(':').next()).filter(|code| !code.starts_with("nik_")).collect();
    assert_eq!(kept.iter().filter(|code| **code == "family_missing").count(), 3);
    assert_eq!(kept.iter().filter(|code| **code == "too_many").count(), 2, "one for rejects, one for warnings: {kept:?}");
    assert_eq!(heard.rejected, 8);
}

#[test]
fn nobody_listening_ends_the_reading() {
    let (families, people) = households(5, |_| {});
    let book = workbook(&families, &people);
    let told = read(book.path(), &standard(), 0, 1, &AtomicBool::new(false), &mut |_| false);
    assert!(matches!(told, Err(Stop::Unheard)), "{told:?}");
    let told = read(book.path(), &standard(), 0, 1, &AtomicBool::new(true), &mut |_| true);
    assert!(matches!(told, Err(Stop::Unheard)), "{told:?}");
}

/// The rows of a DTSEN list: NIK, KK, name, birth date, mother, relation.
fn dtsen(rows: &[[&str; 6]]) -> Vec<u8> {
    let headers = [
        "nomor_induk_kependudukan",
        "nomor_kartu_keluarga",
        "nama",
        "tanggal_lahir",
        "nama_ibu_kandung",
        "status_hubungan_keluarga",
        "kode_kelurahan_desa",
    ];
    let row = |row: &[&str; 6]| row.iter().copied().chain(["62.02.09.2001"]).map(str::to_owned).collect();
    let mut table = vec![strings(&headers)];
    table.extend(rows.iter().map(row));
    text(b';', &table)
}

#[test]
fn namesakes_without_card_and_number_do_not_become_one() {
    let standard = Standard { profile: super::super::profile::shipped("dtsen_person").unwrap().clone(), ..standard() };
    let rows = [
        ["", "", "SITI", "", "AMINAH", "Kepala Keluarga"],
        ["", "", "SITI", "", "HALIMAH", "Kepala Keluarga"],
        ["", "", "SITI", "01/07/1985", "AMINAH", "Kepala Keluarga"],
        ["", "", "SITI", "", "", "Kepala Keluarga"],
        ["", "", "SITI", "", "AMINAH", "Kepala Keluarga"],
        ["6202094107850001", "", "SITI", "", "RAHMAH", "Kepala Keluarga"],
        ["6202094107850001", "", "SITI", "", "RUKMINI", "Kepala Keluarga"],
    ];
    let heard = hear(file(&dtsen(&rows)).path(), &standard, 0, 10);
    assert_eq!((heard.families.len(), heard.rejected, heard.total), (5, 2, 7), "{:?}", heard.remarks);
    // The same statement again, and the same number again, are the same person.
    let twice: Vec<_> = heard.remarks.iter().filter(|remark| remark.ends_with(":person_duplicate")).collect();
    assert_eq!(twice, ["1:6::person_duplicate", "1:8::person_duplicate"]);
    let again = hear(file(&dtsen(&rows)).path(), &standard, 0, 2);
    assert_eq!(again.families, heard.families, "the next delivery leads to the same families");
    let rest = hear(file(&dtsen(&rows)).path(), &standard, 2, 1);
    assert_eq!(rest.families, heard.families[2..], "and so does a reading that resumes");
    let mut turned = rows;
    turned[..5].reverse();
    let turned = hear(file(&dtsen(&turned)).path(), &standard, 0, 10);
    let keys = |heard: &Heard| heard.families.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(keys(&turned), keys(&heard), "in whatever order the rows come");
    // Whoever has no namesake has the key that they always had.
    let alone = hear(file(&dtsen(&rows[..1])).path(), &standard, 0, 10);
    assert_eq!((alone.families[0].0.matches('-').count(), heard.families[0].0.matches('-').count()), (1, 2));
}

#[test]
fn a_key_that_everybody_has_is_no_key() {
    let row = |n: usize| format!(";6202090101200001;ORANG {n};01/07/1985;;Anak;62.02.09.2001");
    let standard = Standard { profile: super::super::profile::shipped("dtsen_person").unwrap().clone(), heads: false, ..standard() };
    let header = String::from_utf8(dtsen(&[])).unwrap();
    let rows: Vec<String> = std::iter::once(header.trim().to_owned()).chain((0..MOST_PEOPLE + 7).map(row)).collect();
    let heard = hear(file(rows.join("\n").as_bytes()).path(), &standard, 0, 10);
    assert_eq!((heard.families.len(), heard.rejected), (1, 7));
    assert_eq!(heard.remarks.iter().filter(|remark| remark.ends_with(":family_too_large")).count(), 7);
}

/// A row of a workbook may be a few bytes in the file and half a megabyte in memory, for its cells may share one text.
#[test]
fn what_is_kept_and_what_leaves_at_once_is_bounded_in_bytes() {
    let long =
        |n: usize| format!(";{:016};ORANG {n};01/07/1985;;Kepala Keluarga;62.02.09.2001;{}", 6202090101200001 + n, "x".repeat(60_000));
    let profile = super::super::profile::shipped("dtsen_person").unwrap().clone();
    let standard = Standard { profile, keep_bytes: 1 << 20, ..standard() };
    let header = String::from_utf8(dtsen(&[])).unwrap().trim().to_owned() + ";rt_ktp";
    // The text is too long for its field: refused, and of 40 rows the cells of the first MiB are kept.
    let rows: Vec<String> = std::iter::once(header).chain((0..40).map(long)).collect();
    let (mut rejected, mut kept) = (0, 0);
    let file = file(rows.join("\n").as_bytes());
    read(file.path(), &standard, 0, 300, &AtomicBool::new(false), &mut |news| {
        if let News::Batch(batch) | News::Last(batch) = news {
            rejected += batch.rejected;
            kept += batch.rejected_rows.iter().map(RawRow::bytes).sum::<usize>();
        }
        true
    })
    .unwrap();
    assert_eq!(rejected, 40);
    assert!((1 << 20..(1 << 20) + 100_000).contains(&kept), "{kept}");
}
