//! The exact columns of the P3KE workbook: sheet Keluarga A..AE, sheet Individu A..AF.

use chrono::NaiveDate;

use super::model::{Aid, Family, Member, Village};

/// Headers of the sheet Keluarga, A to AE.
pub const FAMILY_HEADERS: [&str; 31] = [
    "No",
    "ID Keluarga P3KE",
    "Provinsi",
    "Kabupaten/Kota",
    "Kecamatan",
    "Desa/Kelurahan",
    "Kode Kemdagri",
    "Desil Kesejahteraan",
    "Alamat",
    "Kepala Keluarga",
    "NIK",
    "Padan Dukcapil",
    "Jenis Kelamin",
    "Tanggal Lahir",
    "Pekerjaan",
    "Pendidikan",
    "Kepemilikan Rumah",
    "Memiliki Simpanan Uang/Perhiasan/Ternak/Lainnya",
    "Jenis Atap",
    "Jenis Dinding",
    "Jenis Lantai",
    "Sumber Penerangan",
    "Bahan Bakar Memasak",
    "Sumber Air Minum",
    "Memiliki Fasilitas Buang Air Besar",
    "Penerima BPNT",
    "Penerima BPUM",
    "Penerima BST",
    "Penerima PKH",
    "Penerima SEMBAKO",
    "Resiko Stunting",
];

/// Headers of the sheet Individu, A to AF.
pub const PERSON_HEADERS: [&str; 32] = [
    "No",
    "ID Keluarga P3KE",
    "Provinsi",
    "Kabupaten/Kota",
    "Kecamatan",
    "Desa/Kelurahan",
    "Kode Kemdagri",
    "Desil Kesejahteraan",
    "Alamat",
    "ID Individu",
    "Nama",
    "NIK",
    "Padan Dukcapil",
    "Jenis Kelamin",
    "Hubungan dengan Kepala Keluarga",
    "Tanggal Lahir",
    "Status Kawin",
    "Pekerjaan",
    "Pendidikan",
    "Usia < 7 Tahun",
    "Usia 7-12 Tahun",
    "Usia 13-15 Tahun",
    "Usia 16-18 Tahun",
    "Usia 19-21 Tahun",
    "Usia 22-59 Tahun",
    "Usia 60+ Tahun",
    "Penerima BPNT",
    "Penerima BPUM",
    "Penerima BST",
    "Penerima PKH",
    "Penerima SEMBAKO",
    "Resiko Stunting",
];

/// One cell: a count, a text, or nothing at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Number(u32),
    Text(String),
    Word(&'static str),
    Empty,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Text(text) => out.write_str(text),
            Self::Word(word) => out.write_str(word),
            Self::Empty => Ok(()),
        }
    }
}

/// The row of a family, whose people are not listed; the head stands for it.
pub(super) fn family_row(number: u32, village: &Village, family: &Family) -> Option<[Cell; 31]> {
    let head = family.members.first()?;
    let [no, id, province, regency, subdistrict, place, code, decile, address] = location(number, village, family);
    let [bpnt, bpum, bst, pkh, sembako] = aid(family.aid);
    let housing = &family.housing;
    Some([
        no,
        id,
        province,
        regency,
        subdistrict,
        place,
        code,
        decile,
        address,
        Cell::Text(head.name.clone()),
        nik(head),
        yes(head.dukcapil_match),
        Cell::Word(head.sex.label()),
        date(head.birth_date),
        Cell::Word(head.occupation),
        Cell::Word(head.education),
        Cell::Word(housing.ownership),
        yes(housing.savings),
        Cell::Word(housing.roof),
        Cell::Word(housing.wall),
        Cell::Word(housing.floor),
        Cell::Word(housing.lighting),
        Cell::Word(housing.cooking_fuel),
        Cell::Word(housing.water),
        Cell::Word(housing.toilet),
        bpnt,
        bpum,
        bst,
        pkh,
        sembako,
        Cell::Number(u32::from(family.stunting_risk)),
    ])
}

/// The row of a person; aid and stunting risk are the family's, for P3KE asks them of families.
pub(super) fn person_row(number: u32, village: &Village, family: &Family, person: &Member) -> [Cell; 32] {
    let [no, id, province, regency, subdistrict, place, code, decile, address] = location(number, village, family);
    let [bpnt, bpum, bst, pkh, sembako] = aid(family.aid);
    let aged = |range: std::ops::RangeInclusive<u8>| yes(range.contains(&person.age));
    [
        no,
        id,
        province,
        regency,
        subdistrict,
        place,
        code,
        decile,
        address,
        Cell::Text(person.source_id.clone()),
        Cell::Text(person.name.clone()),
        nik(person),
        yes(person.dukcapil_match),
        Cell::Word(person.sex.label()),
        Cell::Word(person.relation.label()),
        date(person.birth_date),
        Cell::Word(person.marital_status.label()),
        Cell::Word(person.occupation),
        Cell::Word(person.education),
        aged(0..=6),
        aged(7..=12),
        aged(13..=15),
        aged(16..=18),
        aged(19..=21),
        aged(22..=59),
        aged(60..=u8::MAX),
        bpnt,
        bpum,
        bst,
        pkh,
        sembako,
        Cell::Number(u32::from(family.stunting_risk)),
    ]
}

fn location(number: u32, village: &Village, family: &Family) -> [Cell; 9] {
    let capitals = |text: &str| Cell::Text(text.to_uppercase());
    [
        Cell::Number(number),
        Cell::Text(family.source_id.clone()),
        capitals(&village.province),
        capitals(&village.regency),
        capitals(&village.subdistrict),
        capitals(&village.name),
        Cell::Text(village.digits()),
        Cell::Number(u32::from(family.decile)),
        Cell::Text(family.address.clone()),
    ]
}

fn aid(aid: Aid) -> [Cell; 5] {
    let Aid { bpnt, bpum, bst, pkh, sembako } = aid;
    [bpnt, bpum, bst, pkh, sembako].map(yes)
}

fn yes(fact: bool) -> Cell {
    Cell::Word(if fact { "Ya" } else { "Tidak" })
}

fn nik(person: &Member) -> Cell {
    person.nik.clone().map_or(Cell::Empty, Cell::Text)
}

fn date(date: NaiveDate) -> Cell {
    Cell::Text(date.format("%d/%m/%Y 00:00:00").to_string())
}
