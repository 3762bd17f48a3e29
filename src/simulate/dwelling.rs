//! Dwelling, belongings, aid and stunting risk, in the value lists of P3KE and worse the lower the decile.

use super::dice::{Choices, Dice, at_quantile};
use super::household::Person;
use super::model::{Aid, Housing, Relation, Sex};

/// How often a trait follows the general standing of the family instead of chance of its own.
const COHERENCE: f64 = 0.4;

const OWNERSHIP: &Choices = &[
    ("Milik Sendiri", [68, 76, 82]),
    ("Dinas", [0, 1, 2]),
    ("Kontrak/Sewa", [6, 6, 6]),
    ("Bebas Sewa", [8, 6, 4]),
    ("Menumpang", [17, 10, 5]),
    ("Lainnya", [1, 1, 1]),
];
const ROOF: &Choices = &[
    ("Beton", [0, 1, 2]),
    ("Genteng", [3, 6, 9]),
    ("Seng", [57, 66, 71]),
    ("Asbes", [6, 7, 8]),
    ("Kayu/Sirap", [12, 11, 7]),
    ("Bambu", [1, 0, 0]),
    ("Jerami/Ijuk/Rumbia", [20, 8, 2]),
    ("Lainnya", [1, 1, 1]),
];
const WALL: &Choices = &[
    ("Tembok", [6, 13, 24]),
    ("Plesteran Anyaman Bambu", [1, 1, 1]),
    ("Kayu/Papan", [82, 80, 72]),
    ("Anyaman Bambu", [3, 2, 1]),
    ("Bambu", [3, 1, 0]),
    ("Lainnya", [5, 3, 2]),
];
const FLOOR: &Choices = &[
    ("Keramik/Granit/Marmer/Ubin/Tegel/Teraso", [2, 6, 14]),
    ("Semen", [12, 19, 26]),
    ("Kayu/Papan", [75, 70, 58]),
    ("Bambu", [3, 1, 0]),
    ("Tanah", [8, 4, 2]),
];
const LIGHTING: &Choices = &[
    ("Listrik PLN Meteran", [52, 68, 81]),
    ("Listrik PLN Non Meteran", [22, 17, 11]),
    ("Listrik Non-PLN", [14, 10, 6]),
    ("Bukan Listrik", [12, 5, 2]),
];
const COOKING: &Choices = &[
    ("Listrik", [0, 1, 1]),
    ("Elpiji 12 kg", [0, 1, 2]),
    ("Elpiji 5,5 kg", [1, 1, 2]),
    ("Elpiji 3 kg", [54, 68, 80]),
    ("Minyak Tanah", [4, 4, 3]),
    ("Arang", [2, 1, 1]),
    ("Kayu Bakar", [39, 24, 11]),
];
const WATER: &Choices = &[
    ("Air Kemasan/Isi Ulang", [9, 15, 25]),
    ("Ledeng", [5, 8, 12]),
    ("Sumur Bor", [18, 22, 24]),
    ("Sumur Terlindung", [11, 12, 11]),
    ("Sumur Tidak Terlindung", [12, 10, 7]),
    ("Air Hujan", [15, 13, 10]),
    ("Air Permukaan (Sungai, Danau, dll)", [30, 20, 11]),
];
const TOILET: &Choices = &[("Milik Sendiri", [44, 60, 76]), ("Umum/Bersama", [31, 25, 17]), ("Tidak Ada", [25, 15, 7])];

/// The dwelling of a family of the decile.
pub(super) fn housing(dice: &mut Dice, decile: u8) -> Housing {
    let standing = dice.unit();
    let mut fact = |table: &Choices| {
        let own = dice.unit();
        let quantile = if dice.chance(COHERENCE) { standing } else { own };
        at_quantile(table, decile, quantile)
    };
    Housing {
        ownership: fact(OWNERSHIP),
        roof: fact(ROOF),
        wall: fact(WALL),
        floor: fact(FLOOR),
        lighting: fact(LIGHTING),
        cooking_fuel: fact(COOKING),
        water: fact(WATER),
        toilet: fact(TOILET),
        savings: dice.chance(by_decile(decile, [0.08, 0.17, 0.29])),
    }
}

/// Aid as it reached families: more in the lower deciles, but neither only there nor to all of them.
pub(super) fn aid(dice: &mut Dice, decile: u8, people: &[Person], trader: bool) -> Aid {
    let eligible = people.iter().any(|p| p.age <= 18 || p.age >= 60);
    let pkh = eligible && dice.chance(by_decile(decile, [0.36, 0.25, 0.14]));
    let food = if pkh { 0.82 } else { by_decile(decile, [0.30, 0.22, 0.13]) };
    let bpnt = dice.chance(food);
    // Sembako continued BPNT under a new name; lists caught families on both sides of the change.
    let sembako = dice.chance(if bpnt { 0.85 } else { 0.05 });
    let bst = !pkh && !bpnt && dice.chance(by_decile(decile, [0.22, 0.17, 0.11]));
    let bpum = dice.chance(if trader { 0.18 } else { 0.02 });
    Aid { bpnt, bpum, bst, pkh, sembako }
}

/// Risk factors of a family with a child under five or a wife of childbearing age; 0 for all others.
pub(super) fn stunting_risk(people: &[Person], housing: &Housing) -> u8 {
    let wife = people.iter().find(|p| p.sex == Sex::Female && matches!(p.relation, Relation::Head | Relation::Spouse));
    let infants = people.iter().filter(|p| p.age < 5).count();
    let fertile = wife.is_some_and(|wife| (15..=45).contains(&wife.age));
    if infants == 0 && !fertile {
        return 0;
    }
    let factors = [
        housing.toilet != "Milik Sendiri",
        matches!(housing.water, "Sumur Tidak Terlindung" | "Air Hujan" | "Air Permukaan (Sungai, Danau, dll)"),
        infants > 1,
        infants > 0 && wife.is_some_and(|wife| wife.age < 21 || wife.age > 35),
        people.iter().filter(|p| p.relation == Relation::Child).count() > 3,
    ];
    factors.into_iter().map(u8::from).sum()
}

fn by_decile(decile: u8, [first, second, third]: [f64; 3]) -> f64 {
    match decile {
        1 => first,
        2 => second,
        _ => third,
    }
}
