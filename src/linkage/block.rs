//! Which pairs are looked at at all: those that share one of some twenty keys.
//!
//! A key is a 64-bit hash of one or more facts (the NIK without its last digit; the birth date and the first word of the name; …). Which keys
//! there are follows from the kinds of the profile's fields, so that any subset of columns works. The keys of the smaller register fill a
//! Bloom filter; the rows of the larger one are streamed past it, and only keys that somebody asked for are kept, sorted and joined.
//! Blocks that are too large to tell anything are skipped, counted on both sides alike, so that the order of the files does not matter.

mod join;

pub use join::{Candidates, candidates};

use super::normalise::{digits_of, mix};
use super::profile::Kind;
use super::record::{Cell, Column, Layout, Row};

/// The low bits of a key that hold its rule.
const RULES: u64 = 31;

/// Pairs that one rule may give per key value: below it a block is worth comparing in full.
fn limit(rule: u64) -> u64 {
    if rule >= BROAD { 40 } else { 300 }
}

/// Pairs per key value up to which people of different regencies are compared, by rules that know no region. In larger blocks only
/// neighbours are: a block grows with the register, and what it adds are strangers. So pairs grow as rows do when regions are added.
const AFAR: usize = 4;

/// The rules that know no region and whose blocks grow with the register.
const REGIONLESS: u32 = 1 << 4 | 1 << 6 | 1 << 7 | 1 << 14 | 1 << 17 | 1 << 18 | 1 << 23 | 1 << 24;

/// Whether two rows of a block are to be compared: everybody in a small one, neighbours in a large one; nobody knows where 0 is.
fn near(key: u64, pairs: usize, a: u32, b: u32) -> bool {
    pairs <= AFAR || a == b || a == 0 || b == 0 || REGIONLESS >> (key & RULES) & 1 == 0
}

/// Rules from this number on are broad: they reach records whose other keys are spoilt, and are cut off early.
const BROAD: u64 = 20;

/// What the keys are made of.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    person: Vec<(usize, bool)>,
    family: Vec<usize>,
    dates: Option<usize>,
    sex: Option<usize>,
    name: Option<usize>,
    given: Option<usize>,
    surname: Option<usize>,
    kin: Option<usize>,
    region: Option<(usize, u32)>,
    /// The length of the next wider region's code.
    wider: Option<u32>,
    /// Slots of further fields: plain codes, numbers and texts.
    codes: Vec<usize>,
    numbers: Vec<usize>,
    texts: Vec<usize>,
}

/// The facts of one record from which keys are made; 0 where unknown.
#[derive(Debug, Default)]
struct Facts {
    name: u64,
    sound: u64,
    first: u64,
    last: u64,
    day: u64,
    day_of_year: u64,
    year: u64,
    kin: u64,
    kin_first: u64,
    place: u64,
    district: u64,
    sex: u64,
}

impl Plan {
    /// The plan for rows of that shape.
    pub fn new(layout: &Layout) -> Self {
        let slots = |kind: Kind| layout.columns.iter().filter(move |column| column.kind == kind).map(|column| column.slot);
        let own = |kind: Kind| layout.own(kind).map(|column| column.slot);
        let regional = |column: &&Column| column.kind == Kind::Code && !column.hierarchy.is_empty();
        Self {
            person: layout.columns.iter().filter(|c| c.kind == Kind::NationalId).map(|c| (c.slot, c.structured)).collect(),
            family: slots(Kind::FamilyId).collect(),
            dates: own(Kind::Date),
            sex: own(Kind::Sex),
            name: own(Kind::PersonName),
            given: own(Kind::GivenName),
            surname: own(Kind::Surname),
            kin: layout.columns.iter().find(|column| column.kin).map(|column| column.slot),
            region: layout.columns.iter().find(regional).map(|column| (column.slot, column.hierarchy.last().copied().map_or(6, u32::from))),
            wider: layout.columns.iter().find(regional).and_then(|column| column.hierarchy.iter().rev().nth(1)).map(|&n| u32::from(n)),
            codes: layout.columns.iter().filter(|c| c.kind == Kind::Code && c.hierarchy.is_empty()).map(|c| c.slot).collect(),
            numbers: slots(Kind::Number).collect(),
            texts: slots(Kind::Text).collect(),
        }
    }

    fn facts(&self, row: Row<'_>) -> Facts {
        let mut facts = Facts::default();
        if let Some(slot) = self.dates {
            let date = row.slot(slot) & 0xffff_ffff;
            let (month, day) = ((date >> 8) & 0xff, date & 0xff);
            if date != 0 {
                facts.year = date >> 16;
                // The same key for a date with day and month exchanged.
                facts.day_of_year = (month.min(day) << 8 | month.max(day)) + 1;
                facts.day = (facts.year << 16 | facts.day_of_year) + 1;
            }
        }
        if let Some(slot) = self.sex {
            facts.sex = row.slot(slot);
        }
        if let Some(slot) = self.name {
            facts.name = row.slot(slot + 1) >> 4;
            let cell = row.cell(slot + 2);
            let telling = || cell.words().filter(|word| word.len() > 1);
            facts.first = telling().next().map_or(0, word_hash);
            facts.last = if cell.len() > 1 { telling().last().map_or(0, word_hash) } else { 0 };
            facts.sound = sound(cell);
        } else if let (Some(given), Some(surname)) = (self.given.or(self.surname), self.surname.or(self.given)) {
            facts.first = row.slot(given + 1) >> 4;
            facts.last = if given == surname { 0 } else { row.slot(surname + 1) >> 4 };
            // A sum, so that exchanged columns give the same key.
            facts.name = if facts.first == 0 || facts.last == 0 { 0 } else { mix(facts.first.wrapping_add(facts.last)) };
            let (a, b) = (sound(row.cell(given + 2)), sound(row.cell(surname + 2)));
            facts.sound = if a == 0 || b == 0 { 0 } else { a.wrapping_add(b) | 1 };
        }
        if let Some(slot) = self.kin {
            facts.kin = row.slot(slot + 1) >> 4;
            facts.kin_first = row.cell(slot + 2).words().find(|word| word.len() > 1).map_or(0, word_hash);
        }
        if let Some((slot, prefix)) = self.region {
            facts.place = row.slot(slot);
            let digits = digits_of(facts.place);
            facts.district = if facts.place == 0 || digits <= prefix { facts.place } else { facts.place >> (4 * (digits - prefix)) };
        }
        facts
    }

    /// The wider region of a record as a number; 0 where it is not known.
    fn area(&self, row: Row<'_>) -> u32 {
        let (Some((slot, _)), Some(wider)) = (self.region, self.wider) else { return 0 };
        let place = row.slot(slot);
        let digits = digits_of(place);
        if place == 0 || place >> 60 == 15 || digits < wider { 0 } else { (mix(place >> (4 * (digits - wider))) >> 32) as u32 | 1 }
    }

    /// The keys of a record.
    pub fn keys(&self, row: Row<'_>, out: &mut Vec<u64>) {
        out.clear();
        for &(slot, structured) in &self.person {
            let id = row.slot(slot);
            if id == 0 {
                continue;
            }
            let digits = digits_of(id);
            if !structured || digits != 16 {
                add(out, 0, [id]);
            }
            if structured && digits == 16 {
                // Without the last digit, and without the serial.
                add(out, 1, [id >> 4, 1]);
                add(out, 1, [id >> 16, 2]);
            } else if (6..=16).contains(&digits) && id >> 60 != 15 {
                // A slip spoils one half.
                let half = digits / 2;
                add(out, 20, [id >> (4 * half), 6]);
                add(out, 20, [id & ((1 << (4 * half)) - 1), 7]);
            }
            if structured && digits == 15 {
                // A digit of the serial was dropped.
                add(out, 1, [id >> 12, 2]);
            }
        }
        for &slot in &self.family {
            let family = row.slot(slot);
            add(out, 3, [family]);
        }
        let f = self.facts(row);
        add(out, 4, [f.day, f.first]);
        add(out, 4, [f.day, f.last]);
        add(out, 5, [f.day, f.place]);
        add(out, 6, [f.day, f.kin_first]);
        if f.sound == 0 {
            // With a sound these are covered by it.
            add(out, 7, [f.name, f.year]);
            add(out, 8, [f.name, f.place]);
        }
        add(out, 9, [f.first, f.year, f.place]);
        add(out, 9, [f.last, f.year, f.place]);
        add(out, 10, [f.first, f.kin_first, f.district]);
        add(out, 11, [f.first, f.day_of_year, f.district]);
        add(out, 12, [f.kin, f.place]);
        add(out, 13, [f.day, f.district, f.sex]);
        add(out, 14, [f.sound, f.year]);
        add(out, 15, [f.sound, f.place]);
        add(out, 16, [f.name, f.district]);
        add(out, 17, [f.name, f.kin_first]);
        add(out, 22, [f.name]);
        add(out, 23, [f.day, f.sound]);
        add(out, 24, [f.kin, f.year]);
        add(out, 18, [f.name, f.day_of_year]);
        if self.region.is_none() {
            add(out, 26, [f.day]);
            add(out, 27, [f.first, f.year]);
            add(out, 27, [f.last, f.year]);
            add(out, 28, [f.first, 1]);
            add(out, 28, [f.last, 1]);
            for slot in self.given.into_iter().chain(self.surname) {
                let cell = row.cell(slot + 2);
                add(out, 28, [sound(cell), 2]);
                let initial = cell.letters.first().map_or(0, |&letter| u64::from(letter));
                for (&code, &number) in self.codes.iter().flat_map(|code| self.numbers.iter().map(move |number| (code, number))) {
                    add(out, 31, [row.slot(code), row.slot(number), initial, code as u64 + 1]);
                }
            }
            for &slot in self.codes.iter().chain(&self.numbers) {
                let value = row.slot(slot);
                add(out, 29, [value, slot as u64 + 1, f.first]);
                add(out, 29, [value, slot as u64 + 1, f.last]);
                add(out, 29, [value, slot as u64 + 1, f.year]);
            }
            for &slot in &self.texts {
                let text = row.slot(slot) >> 4;
                add(out, 30, [text, slot as u64 + 1, f.first]);
                add(out, 30, [text, slot as u64 + 1, f.year]);
                for &number in &self.numbers {
                    add(out, 30, [text, slot as u64 + 1, row.slot(number)]);
                }
            }
        }
    }
}

/// Adds the key of a rule, if all its parts are known.
#[inline]
fn add<const PARTS: usize>(out: &mut Vec<u64>, rule: u64, parts: [u64; PARTS]) {
    if parts.iter().all(|&part| part != 0) {
        // Nearly every part is a hash, or spread by a multiplication; what is left is mixed at the end.
        let hash = parts.iter().fold(rule, |hash, &part| (hash.rotate_left(29) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        out.push((mix(hash) & !RULES) | rule);
    }
}

/// The keys of a register that grows: which rows have a key.
#[derive(Debug, Default)]
pub struct Keys {
    rows: std::collections::HashMap<u64, Vec<u32>, foldhash::fast::FixedState>,
}

impl Keys {
    /// Adds a row.
    pub fn add(&mut self, plan: &Plan, row: Row<'_>, number: u32) {
        let mut keys = Vec::new();
        plan.keys(row, &mut keys);
        for key in keys {
            self.rows.entry(key).or_default().push(number);
        }
    }

    /// The rows that share a key with a record, in ascending order. A key that more rows have than a run would compare is passed over.
    pub fn candidates(&self, plan: &Plan, row: Row<'_>) -> Vec<u32> {
        let mut keys = Vec::new();
        plan.keys(row, &mut keys);
        let mut out: Vec<u32> = Vec::new();
        for key in keys {
            if let Some(rows) = self.rows.get(&key).filter(|rows| rows.len() as u64 <= limit(key & RULES)) {
                out.extend_from_slice(rows);
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

fn word_hash(word: &[u8]) -> u64 {
    word.iter().fold(0x51ed, |hash: u64, &code| (hash.rotate_left(5) ^ u64::from(code)).wrapping_mul(0x517c_c1b7_2722_0a95)) | 1
}

/// A, E, H, I, O, U, W, Y come and go.
const SILENT: u64 = 1 << 1 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 15 | 1 << 21 | 1 << 23 | 1 << 25;

/// The consonants of the first two telling words, at most four each: survives most slips of the pen. 0 when there are fewer than three.
fn sound(cell: Cell<'_>) -> u64 {
    let mut packed = 0u64;
    let mut letters = 0;
    for word in cell.words().filter(|word| word.len() > 1).take(2) {
        let mut before = 0;
        let mut kept = 0;
        for &code in word {
            // Without branches: which letters stay is as good as random to the machine.
            let stays = u32::from(SILENT >> (code & 63) & 1 == 0 && code != before && kept < 4);
            packed = (packed << (6 * stays)) | (u64::from(code & 63) * u64::from(stays));
            kept += stays;
            before = code;
        }
        letters += kept;
        packed = packed << 6 | 63;
    }
    if letters < 3 { 0 } else { packed }
}

#[cfg(test)]
mod tests {
    use super::super::crew::Crew;
    use super::super::profile::Profile;
    use super::super::record::Register;
    use super::super::run::Engine;
    use super::*;

    const LAST: [&str; 24] = [
        "BADRIAH",
        "CAKRAWATI",
        "DEWANTI",
        "FATONAH",
        "GUNARTI",
        "KOMALA",
        "LESTARI",
        "MARDIKA",
        "NURJANAH",
        "PERTIWI",
        "RUKMANA",
        "SUSANTI",
        "TRISNOWATI",
        "WIJAYANTI",
        "ZUBAEDAH",
        "HARTATIK",
        "ANGGRAINI",
        "OKTAVIANI",
        "ISMAWATI",
        "ERLINDA",
        "YUDHISTIRA",
        "QOMARIAH",
        "VIDYANTI",
        "UTAMI",
    ];

    /// People who agree in nothing but the birth date and the first word of their names, so many in each of two regencies.
    fn born_on_one_day(engine: &Engine, each: usize, offset: usize) -> Register {
        let people: Vec<(String, Vec<String>)> = (0..2 * each)
            .map(|n| {
                let regency = if n < each { "6202" } else { "6301" };
                let village = format!("{regency}{:02}20{:02}", n % each + 1, offset + n % 90);
                let name = format!("YULIANA {}", LAST[(n + 12 * offset) % LAST.len()]);
                let values = ["", "1984-06-09", "", &name, "", "", &village].map(str::to_owned).to_vec();
                (format!("{offset}-{n}"), values)
            })
            .collect();
        engine.register(people.iter().map(|(id, values)| (id.as_str(), values.iter().map(String::as_str).collect::<Vec<_>>())))
    }

    #[test]
    fn large_blocks_without_a_region_hold_neighbours_only() {
        let engine = Engine::new(Profile::shipped("indonesian").unwrap().unwrap()).unwrap();
        let afar = |each: usize| {
            let (left, right) = (born_on_one_day(&engine, each, 0), born_on_one_day(&engine, each, 1));
            let found = candidates(&engine.plan, &left, Some(&right), &Crew::alone()).unwrap();
            let pairs: Vec<(u32, u32)> = (0..2 * each as u32).flat_map(|l| found.of(l).iter().map(move |&r| (l, r))).collect();
            let other_regency = pairs.iter().filter(|(l, r)| (*l < each as u32) != (*r < each as u32)).count();
            (pairs.len(), other_regency)
        };
        // Two people a side: everybody with everybody. Twelve a side: with those of the same regency.
        assert_eq!(afar(1), (4, 2));
        let (pairs, other_regency) = afar(6);
        assert!(pairs >= 2 * 6 * 6 && other_regency == 0, "{pairs} {other_regency}");
    }
}
