//! Names people the way Kotawaringin Timur's communities do: by community, faith, sex and year of birth.

use super::dice::Dice;
use super::lexicon::{Lexicon, Stock};
use super::model::Sex;

/// A community of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Community {
    Dayak,
    Banjar,
    Javanese,
    Madurese,
    Bugis,
}

/// What a person inherits from a family as to names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descent {
    community: Community,
    muslim: bool,
    family_name: &'static str,
}

/// Whom to name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bearer<'a> {
    /// Sex.
    pub(super) sex: Sex,
    /// Year of birth.
    pub(super) year: i32,
    /// Completed years.
    pub(super) age: u8,
    /// The father's name, for a few who carry it after `BIN` or `BINTI`.
    pub(super) father: Option<&'a str>,
}

/// Spellings of the most frequent first name of all.
const MUHAMMAD: [&str; 8] = ["MUHAMMAD", "M.", "MUHAMAD", "AHMAD", "MUH.", "MOHAMMAD", "AKHMAD", "MOH."];

/// The communities of the regency's poor; shares are the simulation's own assumption.
pub(super) fn descent(dice: &mut Dice, lexicon: &Lexicon) -> Descent {
    let (community, muslim) = match dice.between(1, 100) {
        1..=32 => (Community::Banjar, true),
        33..=62 => (Community::Dayak, dice.chance(0.4)),
        63..=86 => (Community::Javanese, !dice.chance(0.04)),
        87..=96 => (Community::Madurese, true),
        _ => (Community::Bugis, true),
    };
    let bears_family_name = community == Community::Dayak && !muslim && dice.chance(0.3);
    let family_name = if bears_family_name { dice.common(&lexicon.dayak_families) } else { "" };
    Descent { community, muslim, family_name }
}

/// The partner's descent: usually the same community, always the same faith.
pub(super) fn partner(dice: &mut Dice, lexicon: &Lexicon, own: Descent) -> Descent {
    let community = if dice.chance(0.15) { descent(dice, lexicon).community } else { own.community };
    let family_name = if own.family_name.is_empty() { "" } else { dice.pick(&lexicon.dayak_families) };
    Descent { community, family_name, ..own }
}

/// A full name in capitals.
pub(super) fn name(dice: &mut Dice, lexicon: &Lexicon, descent: Descent, bearer: Bearer<'_>) -> String {
    let Bearer { sex, year, age, father } = bearer;
    let mut words = if year >= 2000 && dice.chance(0.8) {
        youth(dice, lexicon, descent, sex, year)
    } else {
        traditional(dice, lexicon, descent, sex, year)
    };
    if !descent.family_name.is_empty() {
        words.truncate(2);
        words.push(descent.family_name.to_owned());
    }
    words.dedup();
    if descent.muslim && dice.chance(if age >= 35 { 0.03 } else { 0.006 }) {
        let stranger = traditional(dice, lexicon, Descent { family_name: "", ..descent }, Sex::Male, 1940);
        let father = father.filter(|_| age < 35).and_then(|name| name.split(' ').find(|word| !word.ends_with('.')));
        let father = father.map(str::to_owned).or(stranger.into_iter().next()).unwrap_or_default();
        words.truncate(2);
        words.push(if sex == Sex::Male { "BIN" } else { "BINTI" }.to_owned());
        words.push(father);
    }
    let pilgrim = descent.muslim && age >= 45 && dice.chance(0.02);
    if pilgrim {
        words.insert(0, if sex == Sex::Male { "H." } else { "HJ." }.to_owned());
    }
    words.join(" ")
}

/// Children born since 2000 bear two or three names that no longer tell the community.
fn youth(dice: &mut Dice, lexicon: &Lexicon, descent: Descent, sex: Sex, year: i32) -> Vec<String> {
    let stock = if descent.muslim { &lexicon.muslim_youth } else { &lexicon.christian_youth };
    let (first, second) = lists(stock, sex, false);
    let mut words = Vec::new();
    if descent.muslim && sex == Sex::Male && dice.chance(0.36) {
        words.push(dice.common(&MUHAMMAD).to_owned());
    }
    words.push(dice.common(first).to_owned());
    if dice.chance(if year >= 2012 { 0.35 } else { 0.1 }) {
        words.push(dice.pick(first).to_owned());
    }
    let bare = needs_second(words.last()) || words.len() < 2 && dice.chance(0.9);
    if bare || dice.chance(0.4) {
        words.push(dice.common(second).to_owned());
    }
    words
}

/// Names of the community, more often a single word the older the bearer.
fn traditional(dice: &mut Dice, lexicon: &Lexicon, descent: Descent, sex: Sex, year: i32) -> Vec<String> {
    let old = dice.chance(f64::from((1_995 - year).clamp(2, 38)) / 40.0);
    // Dayak families of Muslim faith take Banjar names.
    let community = match descent.community {
        Community::Dayak if descent.muslim && dice.chance(0.75) => Community::Banjar,
        community => community,
    };
    let stock = match community {
        Community::Dayak => &lexicon.dayak,
        Community::Banjar => &lexicon.banjar,
        Community::Javanese => &lexicon.javanese,
        Community::Madurese => &lexicon.madurese,
        Community::Bugis => &lexicon.bugis,
    };
    let (first, second) = lists(stock, sex, old);
    if let Some(compound) = compound(dice, lexicon, community, sex, old) {
        let alone = dice.chance(if old { 0.9 } else { 0.7 });
        return if alone { vec![compound] } else { vec![compound, dice.common(second).to_owned()] };
    }
    let mut words = vec![dice.common(first).to_owned()];
    if descent.muslim && sex == Sex::Male && dice.chance(if old { 0.05 } else { 0.14 }) {
        words.insert(0, dice.common(&MUHAMMAD).to_owned());
    }
    let bare = needs_second(words.last());
    if bare || words.len() < 2 && dice.chance(if old { 0.22 } else { 0.68 }) {
        words.push(dice.common(second).to_owned());
    }
    words
}

/// Words that nobody bears alone.
fn needs_second(word: Option<&String>) -> bool {
    word.is_some_and(|word| {
        matches!(
            word.as_str(),
            "ABDUL"
                | "MOH"
                | "DWI"
                | "TRI"
                | "SITI"
                | "NUR"
                | "ROHMATUL"
                | "FATIMATUS"
                | "IMROATUL"
                | "MARIATUL"
                | "RABIATUL"
                | "RAUDATUL"
                | "HALIMATUS"
                | "KHAIRUN"
                | "NURUL"
        )
    })
}

/// A one-word name put together from its parts, as Javanese and Banjar names are.
fn compound(dice: &mut Dice, lexicon: &Lexicon, community: Community, sex: Sex, old: bool) -> Option<String> {
    let (parts, probability) = match (community, sex) {
        (Community::Javanese, Sex::Male) => (&lexicon.javanese_men, if old { 0.6 } else { 0.25 }),
        (Community::Javanese, Sex::Female) => (&lexicon.javanese_women, if old { 0.55 } else { 0.15 }),
        (Community::Banjar, Sex::Male) => (&lexicon.banjar_men, if old { 0.15 } else { 0.35 }),
        (Community::Banjar, Sex::Female) => (&lexicon.banjar_women, if old { 0.15 } else { 0.3 }),
        _ => return None,
    };
    let [beginnings, ends] = parts;
    dice.chance(probability).then(|| format!("{}{}", dice.pick(beginnings), dice.common(ends)))
}

fn lists(stock: &Stock, sex: Sex, old: bool) -> (&[&'static str], &[&'static str]) {
    match (sex, old) {
        (Sex::Male, true) => (&stock.older_men, &stock.second_men),
        (Sex::Male, false) => (&stock.younger_men, &stock.second_men),
        (Sex::Female, true) => (&stock.older_women, &stock.second_women),
        (Sex::Female, false) => (&stock.younger_women, &stock.second_women),
    }
}
