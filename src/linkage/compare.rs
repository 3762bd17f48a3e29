//! A pair of records into a *pattern*: per comparison one cell, all cells packed into 64 bits.
//!
//! Each kind of field has a short list of *levels* from equal to different. Fields that depend on one another (NIK, birth date and sex) form
//! one comparison, whose cells are all combinations of their levels. Everything here is symmetric: swapping the records changes nothing.

mod agree;

use super::normalise::mix;
use super::profile::{Kind, ProfileError};
use super::record::{Column, Layout, Row};
pub use agree::jaro_winkler;
use agree::{count, date, family, kin, name, name_part, person, plain, region, swap, words};

/// One level of agreement, and what is presumed of it before the data speak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Its stable name in explanations.
    pub key: &'static str,
    /// Presumed share among pairs of one person.
    pub m: f64,
    /// Presumed share among pairs of two persons that share a blocking key.
    pub u: f64,
}

const fn level(key: &'static str, m: f64, u: f64) -> Level {
    Level { key, m, u }
}

/// How a pair agrees in one field, or in two that are looked at together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A national number of a person.
    Person {
        /// Built like a NIK.
        structured: bool,
    },
    /// A number of a family.
    Family {
        /// Built like a KK number.
        structured: bool,
    },
    /// A date.
    Date,
    /// Sex.
    Sex,
    /// A whole name of the person.
    Name,
    /// A whole name of a relative.
    Kin,
    /// One of several parts of a name.
    NamePart,
    /// Whether given name and surname stand in each other's column; the number is the surname's slot.
    Swap(usize),
    /// A place or an address.
    Words,
    /// A code with wider regions.
    Region,
    /// Any other code.
    Plain,
    /// A number.
    Count,
}

const PERSON: &[Level] = &[
    level("missing", 0.08, 0.10),
    level("equal", 0.80, 0.005),
    level("rounded", 0.03, 0.003),
    level("one_digit", 0.03, 0.002),
    level("serial_near", 0.01, 0.02),
    level("serial_other", 0.005, 0.08),
    level("two_digits", 0.01, 0.005),
    level("same_date", 0.015, 0.20),
    level("different", 0.02, 0.585),
];
const FAMILY: &[Level] = &[
    level("missing", 0.10, 0.10),
    level("equal", 0.60, 0.10),
    level("one_digit", 0.05, 0.01),
    level("same_day", 0.01, 0.02),
    level("different", 0.24, 0.77),
];
const DATE: &[Level] = &[
    level("missing", 0.03, 0.03),
    level("equal", 0.78, 0.15),
    level("equal_common_day", 0.04, 0.03),
    level("swapped", 0.02, 0.01),
    level("year_common_day", 0.04, 0.02),
    level("year_and_part", 0.03, 0.05),
    level("day_and_month", 0.02, 0.02),
    level("near_year_common_day", 0.015, 0.02),
    level("year", 0.01, 0.15),
    level("near_year", 0.01, 0.12),
    level("different", 0.005, 0.40),
];
const SEX: &[Level] = &[level("missing", 0.02, 0.02), level("equal", 0.97, 0.60), level("different", 0.01, 0.38)];
const NAME: &[Level] = &[
    level("missing", 0.01, 0.01),
    level("equal_unique", 0.30, 0.01),
    level("equal_rare", 0.15, 0.02),
    level("equal_uncommon", 0.10, 0.03),
    level("equal_common", 0.07, 0.04),
    level("equal_frequent", 0.03, 0.04),
    level("equal_most_frequent", 0.01, 0.03),
    level("spelling_rare", 0.06, 0.005),
    level("spelling_uncommon", 0.02, 0.01),
    level("spelling_frequent", 0.01, 0.01),
    level("near", 0.05, 0.01),
    level("words_missing", 0.04, 0.02),
    level("word_left", 0.03, 0.03),
    level("words_misspelt", 0.04, 0.03),
    level("similar", 0.03, 0.02),
    level("short_form", 0.01, 0.03),
    level("first_word", 0.01, 0.06),
    level("some_word", 0.01, 0.04),
    level("alike", 0.005, 0.06),
    level("little_alike", 0.005, 0.15),
    level("different", 0.005, 0.27),
];
const KIN: &[Level] = &[
    level("missing", 0.30, 0.30),
    level("equal_rare", 0.42, 0.02),
    level("equal_common", 0.10, 0.04),
    level("spelling", 0.06, 0.01),
    level("near", 0.06, 0.02),
    level("some_word", 0.04, 0.06),
    level("different", 0.02, 0.55),
];
const NAME_PART: &[Level] = &[
    level("missing", 0.02, 0.02),
    level("equal_rare", 0.40, 0.02),
    level("equal_uncommon", 0.25, 0.06),
    level("equal_common", 0.15, 0.12),
    level("near", 0.09, 0.02),
    level("alike", 0.05, 0.05),
    level("different", 0.04, 0.71),
];
const SWAP: &[Level] = &[level("in_place", 0.985, 0.994), level("half", 0.005, 0.004), level("swapped", 0.01, 0.002)];
const WORDS: &[Level] = &[
    level("missing", 0.15, 0.15),
    level("equal_rare", 0.35, 0.04),
    level("equal_common", 0.20, 0.10),
    level("similar", 0.15, 0.04),
    level("some_word", 0.07, 0.09),
    level("different", 0.08, 0.58),
];
const REGION: &[Level] = &[
    level("missing", 0.02, 0.02),
    level("equal", 0.84, 0.40),
    level("wider", 0.06, 0.20),
    level("widest", 0.05, 0.25),
    level("different", 0.03, 0.13),
];
const PLAIN: &[Level] =
    &[level("missing", 0.03, 0.03), level("equal", 0.85, 0.25), level("one_digit", 0.05, 0.02), level("different", 0.07, 0.70)];
const COUNT: &[Level] =
    &[level("missing", 0.12, 0.12), level("equal", 0.75, 0.12), level("one_digit", 0.04, 0.10), level("different", 0.09, 0.66)];

impl Rule {
    /// The levels, in the order of their numbers.
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::Person { .. } => PERSON,
            Self::Family { .. } => FAMILY,
            Self::Date => DATE,
            Self::Sex => SEX,
            Self::Name => NAME,
            Self::Kin => KIN,
            Self::NamePart => NAME_PART,
            Self::Swap(_) => SWAP,
            Self::Words => WORDS,
            Self::Region => REGION,
            Self::Plain => PLAIN,
            Self::Count => COUNT,
        }
    }
}

/// A field within a comparison.
#[derive(Debug, Clone)]
pub struct Part {
    /// The field's key.
    pub key: String,
    /// How it is compared.
    pub rule: Rule,
    slot: usize,
    hierarchy: Vec<u8>,
    /// What a level adds to a pattern: the place of the comparison, times the levels of the parts behind this one.
    unit: u64,
}

impl Part {
    fn new(key: &str, rule: Rule, slot: usize, hierarchy: &[u8]) -> Self {
        Self { key: key.to_owned(), rule, slot, hierarchy: hierarchy.to_vec(), unit: 0 }
    }
}

/// One piece of evidence: a field, or several that depend on one another.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The joint's or the field's key.
    pub key: String,
    /// Its fields.
    pub parts: Vec<Part>,
    /// Number of combinations of levels.
    pub cells: usize,
    shift: u32,
    mask: u64,
}

impl Comparison {
    /// The cell of this comparison in a pattern.
    pub fn cell(&self, pattern: u64) -> usize {
        ((pattern >> self.shift) & self.mask) as usize
    }

    /// Where its cell stands in a pattern: how far from the lowest bit, and which bits.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.shift, self.mask)
    }

    /// The level of each part in a cell, the last part varying fastest.
    pub fn levels_of(&self, cell: usize) -> Vec<usize> {
        levels_in(cell, self.parts.iter().map(|part| part.rule.levels().len()))
    }
}

/// The level of each part in a cell, by how many levels the parts have, the last part varying fastest.
pub(super) fn levels_in(cell: usize, counts: impl DoubleEndedIterator<Item = usize>) -> Vec<usize> {
    let mut rest = cell;
    let mut out = Vec::new();
    for count in counts.rev() {
        let count = count.max(1);
        out.push(rest % count);
        rest /= count;
    }
    out.reverse();
    out
}

/// All comparisons of a profile.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// In the order in which explanations list them.
    pub comparisons: Vec<Comparison>,
    /// Where rows say where their names are.
    names: Vec<usize>,
}

impl Scheme {
    /// The comparisons of a layout: joint fields together, the parts of a name together, all others alone.
    pub fn new(layout: &Layout) -> Result<Self, ProfileError> {
        let mut grouped: Vec<(String, Vec<Part>)> = Vec::new();
        let surname = layout.own(Kind::Surname).map(|column| column.slot);
        for column in layout.columns.iter().filter(|column| column.kind != Kind::FamilyGroup) {
            let rule = rule_of(column);
            let part = Part::new(&column.key, rule, column.slot, &column.hierarchy);
            let group = match (&column.joint, rule) {
                (Some(joint), _) => joint.clone(),
                (None, Rule::NamePart) => "name".to_owned(),
                (None, _) => column.key.clone(),
            };
            let mut parts = vec![part];
            if column.kind == Kind::GivenName
                && let Some(surname) = surname
            {
                parts.push(Part::new("swap", Rule::Swap(surname), column.slot, &[]));
            }
            match grouped.iter_mut().find(|(key, _)| *key == group) {
                Some((_, found)) => found.extend(parts),
                None => grouped.push((group, parts)),
            }
        }
        let mut comparisons = Vec::new();
        let mut shift = 0;
        for (key, mut parts) in grouped {
            let cells = parts.iter().map(|part| part.rule.levels().len()).try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX);
            if cells > 20_000 {
                return Err(ProfileError(format!("joint {key}: {cells} combinations of levels are too many; take a field out")));
            }
            let bits = usize::BITS - (cells - 1).leading_zeros();
            parts.iter_mut().rfold(1u64, |behind, part| {
                // Too many bits are told below.
                part.unit = behind.checked_shl(shift).unwrap_or_default();
                behind * part.rule.levels().len() as u64
            });
            comparisons.push(Comparison { key, parts, cells, shift, mask: (1 << bits) - 1 });
            shift += bits;
        }
        // Three bits are left for the family context.
        if shift > 61 {
            return Err(ProfileError(format!("too many fields: their levels take {shift} bits of 61")));
        }
        let named = |column: &&Column| matches!(column.kind, Kind::PersonName | Kind::GivenName | Kind::Surname);
        Ok(Self { comparisons, names: layout.columns.iter().filter(named).filter_map(Column::reference).collect() })
    }

    /// Whether the national numbers of a pair differ in nothing but the serial.
    pub fn differs_in_serial(&self, pattern: u64) -> bool {
        self.comparisons.iter().any(|comparison| {
            let levels = comparison.levels_of(comparison.cell(pattern));
            comparison.parts.iter().zip(levels).any(|(part, level)| matches!(part.rule, Rule::Person { .. }) && matches!(level, 4 | 5))
        })
    }

    /// Whether the names of a pair are the same, or spellings of one, in every part.
    pub fn names_alike(&self, pattern: u64) -> bool {
        let mut levels = self.comparisons.iter().flat_map(|comparison| {
            let levels = comparison.levels_of(comparison.cell(pattern));
            let named = |part: &Part| matches!(part.rule, Rule::Name | Rule::NamePart);
            comparison.parts.iter().zip(levels).filter(move |(part, _)| named(part))
        });
        levels.all(|(part, level)| {
            let key = part.rule.levels().get(level).map_or("", |level| level.key);
            key.starts_with("equal") || key.starts_with("spelling")
        })
    }

    /// The pattern of a pair.
    pub fn pattern(&self, a: Row<'_>, b: Row<'_>) -> u64 {
        self.pattern_with(a, b, &mut Memo::default())
    }

    /// The same, remembering how words compared; a memo serves rows of two registers, always in that order.
    pub fn pattern_with(&self, a: Row<'_>, b: Row<'_>, memo: &mut Memo) -> u64 {
        let mut pattern = 0;
        for comparison in &self.comparisons {
            for part in &comparison.parts {
                pattern += part.level(a, b, memo) as u64 * part.unit;
            }
        }
        pattern
    }
}

impl Scheme {
    /// Reads a little of the row's names, for no other purpose than that they are near when they are needed.
    pub fn touch(&self, row: Row<'_>) -> u64 {
        self.names.iter().fold(0, |sum, &slot| sum ^ row.first_byte(slot))
    }
}

/// How the words of two places or streets compared, for pairs met before: villages have few streets.
#[derive(Debug, Default)]
pub struct Memo {
    /// Per place the two cells and their level.
    known: Vec<(u64, u8)>,
    asked: usize,
}

/// Places of a memo, a power of two.
const KNOWN: usize = 1 << 13;
/// Pairs to ask for before it pays to remember any.
const FEW: usize = 256;

impl Memo {
    fn words(&mut self, a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
        let (at_a, at_b) = (a.slot(slot + 1) >> 8, b.slot(slot + 1) >> 8);
        if self.known.is_empty() {
            self.asked += 1;
            if self.asked > FEW {
                self.known = vec![(u64::MAX, 0); KNOWN];
            }
        }
        if (at_a | at_b) >> 32 != 0 {
            return words(a, b, slot);
        }
        // A cell's place in its arena is its own, whatever the column.
        let key = at_a << 32 | at_b;
        let Some(known) = self.known.get_mut(mix(key) as usize & (KNOWN - 1)) else { return words(a, b, slot) };
        if known.0 != key {
            *known = (key, u8::try_from(words(a, b, slot)).unwrap_or_default());
        }
        usize::from(known.1)
    }
}

fn rule_of(column: &Column) -> Rule {
    match column.kind {
        Kind::NationalId => Rule::Person { structured: column.structured },
        Kind::FamilyId => Rule::Family { structured: column.structured },
        Kind::PersonName if column.kin => Rule::Kin,
        Kind::PersonName => Rule::Name,
        Kind::GivenName | Kind::Surname => Rule::NamePart,
        Kind::Date => Rule::Date,
        Kind::Sex => Rule::Sex,
        Kind::Place | Kind::Text => Rule::Words,
        Kind::Code if !column.hierarchy.is_empty() => Rule::Region,
        Kind::Code | Kind::Id | Kind::FamilyGroup => Rule::Plain,
        Kind::Number => Rule::Count,
    }
}

impl Part {
    #[inline]
    fn level(&self, a: Row<'_>, b: Row<'_>, memo: &mut Memo) -> usize {
        let slot = self.slot;
        match self.rule {
            Rule::Person { structured } => person(a.slot(slot), b.slot(slot), structured),
            Rule::Family { structured } => family(a.slot(slot), b.slot(slot), structured),
            Rule::Date => date(a.slot(slot), b.slot(slot)),
            Rule::Sex => match (a.slot(slot), b.slot(slot)) {
                (0, _) | (_, 0) => 0,
                (x, y) => 1 + usize::from(x != y),
            },
            Rule::Name => name(a, b, slot),
            Rule::Kin => kin(a, b, slot),
            Rule::NamePart => name_part(a, b, slot, slot),
            Rule::Swap(surname) => swap(a, b, slot, surname),
            Rule::Words if a.slot(slot) == b.slot(slot) || a.slot(slot) == 0 || b.slot(slot) == 0 => words(a, b, slot),
            Rule::Words => memo.words(a, b, slot),
            Rule::Region => region(a.slot(slot), b.slot(slot), &self.hierarchy),
            Rule::Plain => plain(a.slot(slot), b.slot(slot)),
            Rule::Count => count(a.slot(slot), b.slot(slot)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::normalise::{date_code, number_code};
    use crate::linkage::record::COMMON_DAY;

    fn number(a: &str, b: &str) -> &'static str {
        let codes = (number_code(a, true), number_code(b, true));
        let there = person(codes.0, codes.1, true);
        assert_eq!(there, person(codes.1, codes.0, true), "{a} {b}");
        PERSON[there].key
    }

    #[test]
    fn levels_of_a_nik() {
        let nik = "6202014406130012";
        for (other, level) in [
            (nik, "equal"),
            ("6202014406130010", "rounded"),
            ("6202014406130013", "serial_near"),
            ("6202014406130371", "serial_other"),
            ("6202015406130012", "one_digit"),
            ("6202104406130012", "one_digit"),
            ("620201440613012", "one_digit"),
            ("6202014403150012", "two_digits"),
            ("3515084406130377", "same_date"),
            ("3515081203800001", "different"),
            ("-", "missing"),
        ] {
            assert_eq!(number(nik, other), level, "{other}");
        }
    }

    #[test]
    fn levels_of_a_date() {
        let check = |a: &str, b: &str, common: bool| {
            let mark = if common { COMMON_DAY } else { 0 };
            let (x, y) = (date_code(a), date_code(b) | mark);
            assert_eq!(date(x, y), date(y, x));
            DATE[date(x, y)].key
        };
        assert_eq!(check("1984-06-09", "1984-06-09", false), "equal");
        assert_eq!(check("1984-06-09", "1984-09-06", false), "swapped");
        assert_eq!(check("1984-06-09", "1984-01-01", true), "year_common_day");
        assert_eq!(check("1984-06-09", "1985-01-01", true), "near_year_common_day");
        assert_eq!(check("1984-06-09", "1984-06-19", false), "year_and_part");
        assert_eq!(check("1984-06-09", "1974-06-09", false), "day_and_month");
        assert_eq!(check("1984-06-09", "1984-02-17", false), "year");
        assert_eq!(check("1984-06-09", "1986-02-17", false), "near_year");
        assert_eq!(check("1984-06-09", "2010-02-17", false), "different");
    }

    #[test]
    fn levels_of_regions_and_counts() {
        let code = |text: &str| super::super::normalise::plain_code(text);
        let level = |a: &str, b: &str| REGION[region(code(a), code(b), &[2, 4, 6])].key;
        assert_eq!(level("6202012005", "6202012005"), "equal");
        assert_eq!(level("6202012005", "6202012009"), "wider");
        assert_eq!(level("6202012005", "6202072009"), "widest");
        assert_eq!(level("6202012005", "6402072009"), "different");
        assert_eq!(count(0, 5), 0);
        assert_eq!(COUNT[count(13, 13)].key, "equal");
        assert_eq!(COUNT[count(13, 15)].key, "one_digit");
        assert_eq!(COUNT[count(3, 90)].key, "different");
    }

    /// The similarity as it is defined, letter by letter.
    fn by_the_book(a: &[u8], b: &[u8]) -> f64 {
        let (a, b) = if (a.len(), a) <= (b.len(), b) { (a, b) } else { (b, a) };
        let reach = (b.len() / 2).saturating_sub(1);
        let mut taken = vec![false; b.len()];
        let mut common = Vec::new();
        for (n, x) in a.iter().enumerate() {
            let at = (n.saturating_sub(reach)..(n + reach + 1).min(b.len())).find(|&at| !taken[at] && b[at] == *x);
            if let Some(at) = at {
                taken[at] = true;
                common.push(*x);
            }
        }
        if common.is_empty() {
            return 0.0;
        }
        let others = b.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(x, _)| x);
        let misplaced = common.iter().zip(others).filter(|(x, y)| x != y).count();
        let m = common.len() as f64;
        let jaro = (m / a.len() as f64 + m / b.len() as f64 + (m - (misplaced / 2) as f64) / m) / 3.0;
        let prefix = a.iter().zip(b).take(4).take_while(|(x, y)| x == y).count();
        jaro + prefix as f64 * 0.1 * (1.0 - jaro)
    }

    proptest::proptest! {
        #[test]
        fn the_similarity_is_that_of_the_book(
            a in proptest::collection::vec(1u8..8, 0..64),
            b in proptest::collection::vec(1u8..8, 0..64),
            few in proptest::collection::vec(1u8..40, 0..12),
        ) {
            for (a, b) in [(&a, &b), (&few, &b), (&few, &a)] {
                proptest::prop_assert_eq!(jaro_winkler(a, b), by_the_book(a, b));
                proptest::prop_assert_eq!(jaro_winkler(a, b), jaro_winkler(b, a));
            }
        }
    }

    #[test]
    fn the_well_known_example_of_jaro_and_winkler() {
        let code = |text: &str| super::super::normalise::codes(text);
        let close = |a: &str, b: &str, value: f64| assert!((jaro_winkler(&code(a), &code(b)) - value).abs() < 1e-3, "{a} {b}");
        close("MARTHA", "MARHTA", 0.9611);
        close("DIXON", "DICKSONX", 0.8133);
        close("DWAYNE", "DUANE", 0.84);
        close("ABC", "XYZ", 0.0);
    }
}
