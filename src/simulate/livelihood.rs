//! Schooling and work, in the value lists of P3KE, following age, sex, decile and coast or inland.

use super::dice::{Choices, Dice};
use super::household::Person;
use super::model::{Relation, Sex};

/// What people without work are called, housewives included.
pub(super) const NO_WORK: &str = "Tidak/Belum Bekerja";

const NO_SCHOOL: &str = "Tidak/Belum Sekolah";

const AGED_TEN: &Choices = &[("Siswa SD", [955, 970, 980]), ("Tidak Tamat SD", [20, 15, 10]), (NO_SCHOOL, [25, 15, 10])];
const AGED_THIRTEEN: &Choices =
    &[("Siswa SMP", [78, 84, 89]), ("Siswa SD", [7, 6, 5]), ("Tamat SD", [11, 8, 5]), ("Tidak Tamat SD", [4, 2, 1])];
const AGED_SIXTEEN: &Choices = &[
    ("Siswa SMA", [54, 64, 74]),
    ("Siswa SMP", [6, 6, 5]),
    ("Tamat SLTP", [22, 18, 14]),
    ("Tamat SD", [14, 10, 6]),
    ("Tidak Tamat SD", [4, 2, 1]),
];
const AGED_NINETEEN: &Choices = &[
    ("Mahasiswa", [2, 4, 8]),
    ("Tamat SLTA", [34, 42, 50]),
    ("Tamat SLTP", [28, 26, 22]),
    ("Tamat SD", [26, 20, 14]),
    ("Tidak Tamat SD", [6, 4, 2]),
];
const ADULT: &Choices = &[
    ("Tamat PT", [0, 2, 4]),
    ("Tamat SLTA", [13, 20, 28]),
    ("Tamat SLTP", [22, 24, 25]),
    ("Tamat SD", [44, 40, 33]),
    ("Tidak Tamat SD", [17, 12, 8]),
    (NO_SCHOOL, [4, 2, 2]),
];
const ELDER: &Choices = &[
    ("Tamat PT", [0, 1, 1]),
    ("Tamat SLTA", [2, 4, 7]),
    ("Tamat SLTP", [5, 7, 10]),
    ("Tamat SD", [38, 42, 44]),
    ("Tidak Tamat SD", [32, 28, 24]),
    (NO_SCHOOL, [23, 18, 14]),
];

const MEN_INLAND: &Choices = &[
    ("PNS/TNI/Polri", [0, 1, 1]),
    ("Pegawai Swasta", [9, 15, 22]),
    ("Wiraswasta", [6, 8, 10]),
    ("Pedagang", [3, 4, 5]),
    ("Petani", [38, 36, 32]),
    ("Nelayan", [3, 3, 2]),
    ("Pekerja Lepas", [34, 27, 22]),
    ("Lainnya", [3, 3, 3]),
    (NO_WORK, [4, 3, 3]),
];
const MEN_COAST: &Choices = &[
    ("PNS/TNI/Polri", [0, 1, 1]),
    ("Pegawai Swasta", [4, 6, 9]),
    ("Wiraswasta", [5, 7, 9]),
    ("Pedagang", [3, 5, 6]),
    ("Petani", [42, 41, 40]),
    ("Nelayan", [22, 20, 18]),
    ("Pekerja Lepas", [18, 15, 12]),
    ("Lainnya", [2, 2, 2]),
    (NO_WORK, [4, 3, 3]),
];
const WOMEN: &Choices = &[
    ("PNS/TNI/Polri", [0, 1, 1]),
    ("Pegawai Swasta", [3, 5, 7]),
    ("Wiraswasta", [4, 5, 6]),
    ("Pedagang", [5, 6, 7]),
    ("Petani", [15, 14, 12]),
    ("Pekerja Lepas", [9, 7, 5]),
    ("Lainnya", [2, 2, 2]),
    (NO_WORK, [62, 60, 60]),
];
/// A woman who heads a family earns its living.
const BREADWINNERS: &Choices = &[
    ("Pegawai Swasta", [5, 7, 9]),
    ("Wiraswasta", [7, 8, 9]),
    ("Pedagang", [14, 16, 18]),
    ("Petani", [36, 35, 33]),
    ("Pekerja Lepas", [24, 20, 17]),
    ("Lainnya", [4, 4, 4]),
    (NO_WORK, [10, 10, 10]),
];

/// Schooling of a person of that age.
pub(super) fn education(dice: &mut Dice, person: &Person, decile: u8) -> &'static str {
    match person.age {
        0..=6 => NO_SCHOOL,
        // Nobody has left primary school before having been there for a while.
        7..=9 if dice.chance(0.975) => "Siswa SD",
        7..=9 => NO_SCHOOL,
        10..=12 => dice.choose(AGED_TEN, decile),
        13..=15 => dice.choose(AGED_THIRTEEN, decile),
        16..=18 => dice.choose(AGED_SIXTEEN, decile),
        19..=22 => dice.choose(AGED_NINETEEN, decile),
        23..=54 => dice.choose(ADULT, decile),
        _ => dice.choose(ELDER, decile),
    }
}

/// Work of a person with that schooling; pupils and children do not work, the old less and less.
pub(super) fn occupation(dice: &mut Dice, person: &Person, education: &str, decile: u8, coast: bool) -> &'static str {
    let pupil = education.starts_with("Siswa") || education == "Mahasiswa";
    let resting = match person.age {
        0..=15 => 1.0,
        16..=21 => 0.35,
        22..=59 => 0.0,
        60..=69 => 0.25,
        _ => 0.65,
    };
    if pupil || dice.chance(resting) {
        let pension = person.age >= 58 && decile > 1 && dice.chance(0.03);
        return if pension { "Pensiunan" } else { NO_WORK };
    }
    let table = match person.sex {
        Sex::Male if coast => MEN_COAST,
        Sex::Male => MEN_INLAND,
        Sex::Female if person.relation == Relation::Head => BREADWINNERS,
        Sex::Female => WOMEN,
    };
    match dice.choose(table, decile) {
        // The civil service asks for a school certificate and ends at sixty.
        "PNS/TNI/Polri" if person.age >= 60 || !matches!(education, "Tamat SLTA" | "Tamat PT") => "Pekerja Lepas",
        "Pegawai Swasta" if person.age >= 60 => "Petani",
        work => work,
    }
}
