//! Issues NIK and family card numbers of the right form that belong, as far as can be, to nobody.
//!
//! A number consists of place, date and a serial that the civil registry counts up from 0001 for each place and date.
//! No subdistrict registers nine thousand births or cards in one day, so serials from 9001 on are valid in form and
//! practically never issued: a simulated list does not name the number of a living person.

use std::collections::HashSet;

use chrono::{Datelike, Days, NaiveDate};

use super::dice::Dice;
use super::model::Sex;

/// The serials handed out.
const SERIALS: std::ops::RangeInclusive<u32> = 9_001..=9_999;

/// First six digits of subdistricts elsewhere from which families of Kotawaringin Timur came.
const ELSEWHERE: [u32; 24] = [
    620_101, 620_105, 620_302, 620_308, 620_601, 620_703, 627_101, 627_102, 630_301, 630_405, 630_702, 630_804, 637_101, 637_104, 610_401,
    330_812, 331_203, 332_404, 350_217, 350_507, 352_605, 352_708, 530_702, 730_809,
];

/// What the digits of a NIK say, as against what is true.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registration {
    /// Subdistrict of the first registration, six digits.
    pub(super) area: u32,
    /// Birth date as registered.
    pub(super) birth: NaiveDate,
    /// Sex as registered.
    pub(super) sex: Sex,
}

/// All numbers of one run, so that none is issued twice.
#[derive(Debug, Default)]
pub(super) struct Registry {
    people: HashSet<u64>,
    cards: HashSet<u64>,
}

impl Registry {
    /// A NIK; a woman's day of birth is raised by forty.
    pub(super) fn person(&mut self, dice: &mut Dice, registration: Registration) -> Option<String> {
        let shift = if registration.sex == Sex::Female { 40 } else { 0 };
        issue(&mut self.people, dice, registration.area, registration.birth, shift)
    }

    /// The number of a family card issued on the given day.
    pub(super) fn card(&mut self, dice: &mut Dice, area: u32, issued: NaiveDate) -> Option<String> {
        issue(&mut self.cards, dice, area, issued, 0)
    }
}

/// A free serial of the place and date, beginning at a random one: numbers of one family rarely depend on another's.
fn issue(taken: &mut HashSet<u64>, dice: &mut Dice, area: u32, date: NaiveDate, shift: u32) -> Option<String> {
    let prefix = [area, date.day() + shift, date.month(), date.year().unsigned_abs() % 100];
    let prefix = prefix.iter().zip([1, 100, 100, 100]).fold(0, |number, (part, scale)| number * scale + u64::from(*part));
    let start = dice.between(*SERIALS.start(), *SERIALS.end());
    let number = (start..=*SERIALS.end())
        .chain(*SERIALS.start()..start)
        .map(|serial| prefix * 10_000 + u64::from(serial))
        .find(|number| taken.insert(*number))?;
    Some(format!("{number:016}"))
}

/// The first six digits of a village code.
pub(super) fn area(digits: &str) -> u32 {
    digits.get(..6).and_then(|area| area.parse().ok()).unwrap_or(0)
}

/// A subdistrict of another regency or province.
pub(super) fn elsewhere(dice: &mut Dice) -> u32 {
    dice.pick(&ELSEWHERE)
}

/// The registered birth date or sex where it contradicts the true one: the number is permanent and stays wrong.
pub(super) fn contradiction(dice: &mut Dice, truth: Registration, today: NaiveDate) -> Registration {
    let Registration { birth, sex, .. } = truth;
    let wrong = match dice.between(0, 5) {
        0 | 1 => {
            return Registration { sex: sex.other(), ..truth };
        }
        2 => birth.with_year(birth.year() - 1).or_else(|| birth.checked_sub_days(Days::new(365))),
        3 => birth.with_year(birth.year() - 10),
        // Day and month exchanged, where that makes a date.
        4 => NaiveDate::from_ymd_opt(birth.year(), birth.day(), birth.month()),
        _ => NaiveDate::from_ymd_opt(birth.year(), 7, 1),
    };
    let wrong = wrong.filter(|wrong| *wrong != birth && *wrong <= today).or_else(|| birth.checked_sub_days(Days::new(30)));
    Registration { birth: wrong.unwrap_or(birth), ..truth }
}
