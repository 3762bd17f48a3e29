//! Why a family is on or off a list, as sentences that it can be told: in Indonesian and in English, all in this one place.
//! No numbers of people stand in them and nothing about other families.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

/// Steps: code, Indonesian, English. What stands in braces is a fact of the step; a part in brackets is left out where its fact
/// is unknown.
const STEPS: &[(&str, &str, &str)] = &[
    (
        "listed",
        "Keluarga tercantum dalam data {dataset}[, berita acara serah terima nomor {bast}].",
        "The family was listed in the data {dataset}[, hand-over minutes no. {bast}].",
    ),
    (
        "assigned",
        "Keluarga diserahkan kepada {village} untuk diperiksa dalam {campaign}.",
        "The family was assigned to {village} to be checked in {campaign}.",
    ),
    (
        "assigned_again",
        "Keluarga dari daftar sasaran yang berlaku diserahkan kepada {village} untuk diperiksa lagi dalam {campaign}.",
        "As a family of the target list in force it was assigned to {village} to be checked again in {campaign}.",
    ),
    ("proposed", "Keluarga diusulkan oleh {village} dalam {campaign}.", "The family was proposed by {village} in {campaign}."),
    (
        "visited",
        "Petugas {village} mengunjungi keluarga: {presence}, {eligibility}.",
        "An officer of {village} visited the family: {presence}, {eligibility}.",
    ),
    (
        "meeting",
        "Hasil pemeriksaan {village} dibahas dalam {meeting} nomor {number}.",
        "The result of {village} was discussed in {meeting} no. {number}.",
    ),
    (
        "meeting_judged",
        "Keluarga dibahas dalam {meeting} nomor {number} di {village} dan dinyatakan {eligibility}.",
        "The family was discussed in {meeting} no. {number} of {village} and judged {eligibility}.",
    ),
    ("finalised", "Hasil {village} disahkan kepala desa/lurah.", "The result of {village} was finalised by the village head."),
    ("forwarded", "Hasil {village} diteruskan camat.", "The result of {village} was forwarded by the camat."),
    ("returned", "Hasil {village} dikembalikan untuk diperbaiki.", "The result of {village} was returned to be mended."),
    ("accepted", "Hasil {village} diterima Dinas Sosial/Bappeda.", "The result of {village} was accepted by Dinsos or Bappeda."),
    (
        "rule",
        "Aturan daftar sasaran nomor {list}: yang masuk adalah keluarga yang dinyatakan {eligibilities}.",
        "The rule of target list no. {list}: families judged {eligibilities} are on it.",
    ),
    ("list_added", "Keluarga masuk daftar sasaran nomor {list}: {reason}.", "The family came onto target list no. {list}: {reason}."),
    (
        "list_unchanged",
        "Keluarga tetap dalam daftar sasaran nomor {list}: {reason}.",
        "The family stayed on target list no. {list}: {reason}.",
    ),
    (
        "list_removed",
        "Keluarga tidak lagi masuk daftar sasaran nomor {list}[ (sebelumnya dalam daftar nomor {before})]: {reason}.",
        "The family is no longer on target list no. {list}[ (it was on list no. {before})]: {reason}.",
    ),
    (
        "list_left_out",
        "Keluarga tidak masuk daftar sasaran nomor {list}: {reason}.",
        "The family is not on target list no. {list}: {reason}.",
    ),
    (
        "decreed_on",
        "Daftar nomor {list} dengan keluarga ini ditetapkan dengan SK nomor {sk} tanggal {day}.",
        "List no. {list} with this family was decreed by SK no. {sk} of {day}.",
    ),
    (
        "decreed_off",
        "Daftar nomor {list} tanpa keluarga ini ditetapkan dengan SK nomor {sk} tanggal {day}.",
        "List no. {list} without this family was decreed by SK no. {sk} of {day}.",
    ),
    (
        "not_considered",
        "Keluarga tidak dipertimbangkan untuk daftar sasaran nomor {list}: tidak tercantum dalam data yang diperiksa dan tidak diusulkan.",
        "The family was not considered for target list no. {list}: it is not on a release of a campaign and was not proposed.",
    ),
    (
        "not_accepted_yet",
        "Keluarga belum dipertimbangkan untuk daftar sasaran nomor {list}: hasil pemeriksaan desanya belum diterima saat daftar disusun.",
        "The family was not considered for target list no. {list} yet: its village's result was not accepted when the list was drawn.",
    ),
];

/// Words of the vocabularies: which fact, word, Indonesian, English.
const WORDS: &[(&str, &str, &str, &str)] = &[
    ("presence", "found", "ditemukan", "found"),
    ("presence", "not_found", "tidak ditemukan", "not found"),
    ("presence", "deceased", "meninggal", "deceased"),
    ("presence", "moved_within", "pindah dalam kabupaten/kota", "moved within the regency"),
    ("presence", "moved_out", "pindah ke luar kabupaten/kota", "moved out of the regency"),
    ("presence", "duplicate", "tercatat ganda", "listed twice"),
    ("presence", "refused", "menolak didata", "refused to be asked"),
    ("eligibility", "extreme_poor", "miskin ekstrem", "extremely poor"),
    ("eligibility", "poor", "miskin", "poor"),
    ("eligibility", "vulnerable", "rentan", "vulnerable"),
    ("eligibility", "capable", "mampu", "capable"),
    ("eligibility", "not_assessed", "belum dinilai", "not assessed"),
    ("meeting", "musdes", "musyawarah desa", "the village meeting (musdes)"),
    ("meeting", "muskel", "musyawarah kelurahan", "the village meeting (muskel)"),
    ("meeting", "sptjm", "surat pernyataan tanggung jawab mutlak", "the statement of full responsibility (SPTJM)"),
    ("reason", "verified", "diperiksa dan memenuhi aturan", "checked, and as the rules ask"),
    ("reason", "proposal", "diusulkan desa dan memenuhi aturan", "proposed by its village, and as the rules ask"),
    (
        "reason",
        "carried_over",
        "diteruskan dari daftar sebelumnya, belum ada hasil baru dari desanya",
        "carried over from the list before, no newer result of its village",
    ),
    ("reason", "not_found", "tidak ditemukan", "not found"),
    ("reason", "deceased", "seluruh keluarga meninggal", "nobody of the family is alive"),
    ("reason", "moved_out", "pindah ke luar kabupaten/kota", "moved out of the regency"),
    ("reason", "duplicate", "tercatat ganda", "listed twice"),
    ("reason", "refused", "menolak didata sehingga tidak dapat dinilai", "refused to be asked, so that nobody could judge it"),
    ("reason", "not_eligible", "dinyatakan lebih mampu daripada aturan", "judged better off than the rules ask"),
    ("reason", "not_assessed", "belum dinilai", "not assessed"),
    ("reason", "not_verified", "tidak ada hasil pemeriksaan yang diterima", "no accepted result tells of it"),
    ("reason", "merged", "catatannya digabungkan dengan catatan lain", "its record was merged into another one"),
    ("reason", "inactive", "tidak lagi dilayani menurut catatannya", "served no more, as its record says"),
    ("reason", "elsewhere", "kini tercatat di kabupaten/kota lain", "on file in another regency by now"),
];

const MONTHS: [&str; 12] =
    ["Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"];
const ENGLISH_MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

fn dated(day: NaiveDate, months: [&str; 12]) -> String {
    let month = usize::try_from(day.month0()).ok().and_then(|at| months.get(at).copied()).unwrap_or_default();
    format!("{} {month} {}", day.day(), day.year())
}

/// A day as officials write it: 10 Mei 2023.
pub fn day(day: NaiveDate) -> String {
    dated(day, MONTHS)
}

/// A fact in both languages.
fn fact(name: &str, value: &str) -> (String, String) {
    if name == "day" {
        return NaiveDate::parse_from_str(value, "%Y-%m-%d")
            .map_or_else(|_| (value.to_owned(), value.to_owned()), |day| (dated(day, MONTHS), dated(day, ENGLISH_MONTHS)));
    }
    if name == "eligibilities" {
        let words: Vec<(String, String)> = value.split(' ').map(|word| fact("eligibility", word)).collect();
        let (indonesian, english): (Vec<_>, Vec<_>) = words.into_iter().unzip();
        return (indonesian.join(" atau "), english.join(" or "));
    }
    let known = WORDS.iter().find(|(vocabulary, word, ..)| *vocabulary == name && *word == value);
    known
        .map_or_else(|| (value.to_owned(), value.to_owned()), |(.., indonesian, english)| ((*indonesian).to_owned(), (*english).to_owned()))
}

fn filled(template: &str, facts: &BTreeMap<String, Option<String>>, language: fn((String, String)) -> String) -> String {
    let fill = |part: &str| -> (String, bool) {
        let (mut out, mut whole, mut rest) = (String::new(), true, part);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(before);
            match facts.get(name).and_then(Option::as_deref) {
                Some(value) => out.push_str(&language(fact(name, value))),
                None => whole = false,
            }
            rest = tail;
        }
        out.push_str(rest);
        (out, whole)
    };
    let (mut out, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('[') {
        let (part, tail) = after.split_once(']').unwrap_or((after, ""));
        out.push_str(&fill(before).0);
        let (part, whole) = fill(part);
        if whole {
            out.push_str(&part);
        }
        rest = tail;
    }
    out.push_str(&fill(rest).0);
    out
}

/// A step in Indonesian and in English. A code that is not here speaks for itself.
pub fn of(code: &str, facts: &BTreeMap<String, Option<String>>) -> (String, String) {
    let Some((_, indonesian, english)) = STEPS.iter().find(|(known, ..)| *known == code) else { return (code.to_owned(), code.to_owned()) };
    (filled(indonesian, facts, |(indonesian, _)| indonesian), filled(english, facts, |(_, english)| english))
}

#[cfg(test)]
mod tests {
    use super::super::model::EntryReason;
    use super::*;
    use crate::features::verification::{Eligibility, MeetingKind, Presence};

    fn facts(given: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
        given.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn every_word_that_can_stand_in_a_sentence_has_one_in_both_languages() {
        let words = |name: &'static str, words: Vec<&'static str>| words.into_iter().map(move |word| (name, word));
        let all = words("reason", EntryReason::ALL.iter().map(|word| word.name()).collect())
            .chain(words("presence", Presence::ALL.iter().map(|word| word.name()).collect()))
            .chain(words("eligibility", Eligibility::ALL.iter().map(|word| word.name()).collect()))
            .chain(words("meeting", MeetingKind::ALL.iter().map(|word| word.name()).collect()));
        for (name, word) in all {
            assert!(WORDS.iter().any(|(vocabulary, known, ..)| *vocabulary == name && *known == word), "{name} {word}");
        }
        for (code, indonesian, english) in STEPS {
            let braces = |text: &str| {
                let mut names: Vec<String> = text.split('{').skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect();
                names.sort();
                names
            };
            assert_eq!(braces(indonesian), braces(english), "{code}");
        }
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let (indonesian, english) = of("listed", &facts(&[("dataset", Some("P3KE 2022")), ("bast", None)]));
        assert_eq!(indonesian, "Keluarga tercantum dalam data P3KE 2022.");
        assert_eq!(english, "The family was listed in the data P3KE 2022.");
        let (indonesian, _) = of("listed", &facts(&[("dataset", Some("P3KE 2022")), ("bast", Some("156/BAST/2022"))]));
        assert_eq!(indonesian, "Keluarga tercantum dalam data P3KE 2022, berita acara serah terima nomor 156/BAST/2022.");
        let (indonesian, english) =
            of("decreed_on", &facts(&[("list", Some("1")), ("sk", Some("188.45-377")), ("day", Some("2023-05-10"))]));
        assert_eq!(indonesian, "Daftar nomor 1 dengan keluarga ini ditetapkan dengan SK nomor 188.45-377 tanggal 10 Mei 2023.");
        assert_eq!(english, "List no. 1 with this family was decreed by SK no. 188.45-377 of 10 May 2023.");
        let (indonesian, english) = of("rule", &facts(&[("list", Some("2")), ("eligibilities", Some("extreme_poor poor"))]));
        assert!(
            indonesian.ends_with("miskin ekstrem atau miskin.") && english.contains("extremely poor or poor"),
            "{indonesian} {english}"
        );
    }
}
