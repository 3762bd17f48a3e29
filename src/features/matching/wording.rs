//! Words for officials: the terms of a weight in Indonesian and English, and in Indonesian what stands in work lists.

use super::model::{MatchStatus, NikFault};
use crate::features::beneficiaries::Relation;

/// Fields and whole terms: key, Indonesian, English.
const FIELDS: &[(&str, &str, &str)] = &[
    (
        "prior",
        "perbandingan awal (dua orang sembarang jarang orang yang sama)",
        "the starting point (two people picked at random are rarely one)",
    ),
    ("left_rivals", "calon lain di sisi kanan", "other candidates on the right"),
    ("right_rivals", "calon lain di sisi kiri", "other candidates on the left"),
    ("chain", "keterkaitan antarbaris", "links through other rows"),
    ("calibration", "penyetelan peluang", "calibration of the probability"),
    ("family", "anggota keluarga yang lain", "other members of the family"),
    ("nik", "NIK", "NIK"),
    ("birth_date", "tanggal lahir", "birth date"),
    ("sex", "jenis kelamin", "sex"),
    ("name", "nama", "name"),
    ("mother", "nama ibu kandung", "mother's name"),
    ("family_card", "nomor KK", "family card number"),
    ("village", "desa", "village"),
    ("rt", "RT", "RT"),
    ("rw", "RW", "RW"),
    ("address", "alamat", "address"),
    ("relation", "hubungan dalam keluarga", "relation to the head"),
    ("birth_place", "tempat lahir", "birth place"),
];

/// Levels of agreement: key, Indonesian, English. A key that is not here speaks for itself.
const LEVELS: &[(&str, &str, &str)] = &[
    ("missing", "tidak ada", "missing"),
    ("equal", "sama", "equal"),
    ("equal_unique", "sama, satu-satunya di daftar", "equal, and nobody else's on the lists"),
    ("equal_rare", "sama, jarang dijumpai", "equal, and rare"),
    ("equal_uncommon", "sama, tidak umum", "equal, and uncommon"),
    ("equal_common", "sama, umum dijumpai", "equal, and common"),
    ("equal_frequent", "sama, sering dijumpai", "equal, and frequent"),
    ("equal_most_frequent", "sama, sangat sering dijumpai", "equal, and most frequent"),
    ("equal_common_day", "sama, tanggal baku", "equal, a default day"),
    ("spelling", "sama menurut ejaan lain", "equal in another spelling"),
    ("spelling_rare", "sama menurut ejaan lain, jarang dijumpai", "equal in another spelling, and rare"),
    ("spelling_uncommon", "sama menurut ejaan lain, tidak umum", "equal in another spelling, and uncommon"),
    ("spelling_frequent", "sama menurut ejaan lain, sering dijumpai", "equal in another spelling, and frequent"),
    ("rounded", "dibulatkan oleh lembar sebar", "rounded by a spreadsheet"),
    ("one_digit", "beda satu angka", "one digit differs"),
    ("two_digits", "beda dua angka", "two digits differ"),
    ("serial_near", "nomor urut berdekatan (mungkin kerabat)", "neighbouring serial (perhaps a relative)"),
    ("serial_other", "tempat dan tanggal sama, nomor urut lain", "same place and date, another serial"),
    ("same_date", "hanya tanggal yang sama", "only the date agrees"),
    ("same_day", "tanggal terbit sama", "issued on the same day"),
    ("swapped", "tertukar", "swapped"),
    ("year_common_day", "tahun sama, tanggal baku", "same year, a default day"),
    ("year_and_part", "tahun dan satu bagian sama", "year and one part agree"),
    ("day_and_month", "hari dan bulan sama, tahun lain", "day and month agree, another year"),
    ("near_year_common_day", "tahun berdekatan, tanggal baku", "a year nearby, a default day"),
    ("year", "hanya tahun yang sama", "only the year agrees"),
    ("near_year", "tahun berdekatan", "a year nearby"),
    ("near", "hampir sama", "nearly equal"),
    ("words_missing", "ada kata yang hilang atau disingkat", "words missing or shortened"),
    ("word_left", "satu kata tersisa", "one word left"),
    ("words_misspelt", "ada kata yang salah tulis", "words misspelt"),
    ("similar", "mirip", "similar"),
    ("short_form", "nama panggilan", "a short form"),
    ("first_word", "kata pertama sama", "the first word agrees"),
    ("some_word", "ada kata yang sama", "some word agrees"),
    ("alike", "agak mirip", "somewhat alike"),
    ("little_alike", "sedikit mirip", "a little alike"),
    ("wider", "sama di tingkat yang lebih luas", "agrees one level up"),
    ("widest", "sama di tingkat terluas", "agrees at the widest level"),
    ("different", "berbeda", "different"),
    ("unknown", "tidak diketahui", "unknown"),
    ("linked_elsewhere", "cocok dengan keluarga lain", "matched with another family"),
    ("one_supports", "satu anggota lain cocok dengan keluarga ini", "one other member is matched with this family"),
    ("several_support", "beberapa anggota lain cocok dengan keluarga ini", "several other members are matched with this family"),
];

fn words<'a>(table: &[(&'static str, &'static str, &'static str)], key: &'a str) -> (&'a str, &'a str) {
    table.iter().find(|(known, ..)| *known == key).map_or((key, key), |(_, indonesian, english)| (indonesian, english))
}

/// A term in Indonesian and in English: its key, and its fields with how far they agree.
pub fn of<T: AsRef<str>>(key: &str, levels: &[(T, T)]) -> (String, String) {
    if levels.is_empty() {
        let (indonesian, english) = words(FIELDS, key);
        return (indonesian.to_owned(), english.to_owned());
    }
    let parts = levels.iter().map(|(field, level)| {
        let (field, level) = (words(FIELDS, field.as_ref()), words(LEVELS, level.as_ref()));
        (format!("{}: {}", field.0, level.0), format!("{}: {}", field.1, level.1))
    });
    let (indonesian, english): (Vec<_>, Vec<_>) = parts.unzip();
    (indonesian.join("; "), english.join("; "))
}

/// A status in Indonesian.
pub fn status(status: &str) -> &'static str {
    match MatchStatus::parse(status) {
        Some(MatchStatus::Matched) => "padan",
        Some(MatchStatus::MatchedByNikOtherData) => "padan NIK, beda data",
        Some(MatchStatus::MatchedByName) => "padan nama",
        Some(MatchStatus::Unmatched) | None => "tidak padan",
        Some(MatchStatus::NikMissing) => "NIK kosong",
        Some(MatchStatus::NikInvalid) => "NIK tidak valid",
        Some(MatchStatus::NikDuplicate) => "NIK ganda",
        Some(MatchStatus::InactiveDeceased) => "nonaktif (meninggal)",
        Some(MatchStatus::InactiveMoved) => "nonaktif (pindah)",
    }
}

/// What is wrong with a NIK, in Indonesian.
pub fn fault(fault: NikFault) -> &'static str {
    match fault {
        NikFault::Missing => "NIK kosong",
        NikFault::Invalid => "NIK tidak valid",
        NikFault::ExcelRounded => "NIK dibulatkan oleh lembar sebar",
        NikFault::Taken => "NIK juga dipakai orang lain",
        NikFault::BirthDateDiffers => "tanggal lahir dalam NIK berbeda",
        NikFault::SexDiffers => "jenis kelamin dalam NIK berbeda",
    }
}

/// A relation to the head of the family, in Indonesian.
pub fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Head => "kepala keluarga",
        Relation::Spouse => "istri/suami",
        Relation::Child => "anak",
        Relation::ChildInLaw => "menantu",
        Relation::Grandchild => "cucu",
        Relation::Parent => "orang tua",
        Relation::ParentInLaw => "mertua",
        Relation::Other => "lainnya",
    }
}
