//! What the simulation promises: published totals, one ranking, plausible people, the exact workbook.

mod files;
mod people;
mod totals;

use chrono::NaiveDate;

use super::{Family, Plan, Village, regency};

/// Subdistricts of Kotawaringin Timur with rural villages and wards; the names of villages are invented.
const KOTIM: [(&str, &str, u32, u32); 17] = [
    ("62.02.01", "Kota Besi", 10, 1),
    ("62.02.02", "Cempaga", 7, 1),
    ("62.02.03", "Mentaya Hulu", 15, 1),
    ("62.02.04", "Parenggean", 14, 1),
    ("62.02.05", "Baamang", 1, 5),
    ("62.02.06", "Mentawa Baru Ketapang", 6, 5),
    ("62.02.07", "Mentaya Hilir Utara", 7, 0),
    ("62.02.08", "Mentaya Hilir Selatan", 8, 2),
    ("62.02.09", "Pulau Hanaut", 14, 0),
    ("62.02.10", "Antang Kalang", 14, 0),
    ("62.02.11", "Teluk Sampit", 6, 0),
    ("62.02.12", "Seranau", 4, 1),
    ("62.02.13", "Cempaga Hulu", 11, 0),
    ("62.02.14", "Telawang", 6, 0),
    ("62.02.15", "Bukit Santuai", 14, 0),
    ("62.02.16", "Tualan Hulu", 11, 0),
    ("62.02.17", "Telaga Antang", 20, 0),
];

fn kotim() -> Vec<Village> {
    let villages = KOTIM.iter().flat_map(|(code, name, rural, wards)| {
        let numbers = (0..*rural).map(|n| 2001 + n).chain((0..*wards).map(|n| 1001 + n));
        numbers.map(move |number| village(&format!("{code}.{number}"), name))
    });
    villages.collect()
}

fn village(code: &str, subdistrict: &str) -> Village {
    Village {
        code: code.to_owned(),
        name: format!("Desa {}", code.rsplit('.').next().unwrap()),
        subdistrict: subdistrict.to_owned(),
        regency: "Kotawaringin Timur".to_owned(),
        province: "Kalimantan Tengah".to_owned(),
    }
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, 3, 16).unwrap()
}

fn plan(regency: &str, seed: u64, families: Option<u32>) -> Plan {
    Plan { regency: regency.to_owned(), seed, reference_date: today(), families }
}

fn small(seed: u64, families: u32) -> Vec<Family> {
    regency(&plan("62.02", seed, Some(families)), &kotim())
}
