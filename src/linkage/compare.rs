//! A pair of records into a *pattern*: per comparison one cell, all cells packed into 64 bits.
//!
//! Each kind of field has a short list of *levels* from equal to different. Fields that depend on one another (NIK, birth date and sex) form
//! one comparison, whose cells are all combinations of their levels. Everything here is symmetric: swapping the records changes nothing.

use super::normalise::digits_of;
use super::profile::{Kind, ProfileError};
use super::record::{BUCKET, COMMON_DAY, Cell, Column, Layout, Row};

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

    /// The level of each part in a cell, the last part varying fastest.
    pub fn levels_of(&self, cell: usize) -> Vec<usize> {
        let mut rest = cell;
        let mut out: Vec<usize> = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter().rev() {
            let n = part.rule.levels().len();
            out.push(rest % n);
            rest /= n;
        }
        out.reverse();
        out
    }
}

/// All comparisons of a profile.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// In the order in which explanations list them.
    pub comparisons: Vec<Comparison>,
}

impl Scheme {
    /// The comparisons of a layout: joint fields together, the parts of a name together, all others alone.
    pub fn new(layout: &Layout) -> Result<Self, ProfileError> {
        let mut grouped: Vec<(String, Vec<Part>)> = Vec::new();
        let surname = layout.own(Kind::Surname).map(|column| column.slot);
        for column in &layout.columns {
            let rule = rule_of(column);
            let part = Part { key: column.key.clone(), rule, slot: column.slot, hierarchy: column.hierarchy.clone() };
            let group = match (&column.joint, rule) {
                (Some(joint), _) => joint.clone(),
                (None, Rule::NamePart) => "name".to_owned(),
                (None, _) => column.key.clone(),
            };
            let mut parts = vec![part];
            if column.kind == Kind::GivenName
                && let Some(surname) = surname
            {
                parts.push(Part { key: "swap".to_owned(), rule: Rule::Swap(surname), slot: column.slot, hierarchy: Vec::new() });
            }
            match grouped.iter_mut().find(|(key, _)| *key == group) {
                Some((_, found)) => found.extend(parts),
                None => grouped.push((group, parts)),
            }
        }
        let mut comparisons = Vec::new();
        let mut shift = 0;
        for (key, parts) in grouped {
            let cells = parts.iter().map(|part| part.rule.levels().len()).try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX);
            if cells > 20_000 {
                return Err(ProfileError(format!("joint {key}: {cells} combinations of levels are too many; take a field out")));
            }
            let bits = usize::BITS - (cells - 1).leading_zeros();
            comparisons.push(Comparison { key, parts, cells, shift, mask: (1 << bits) - 1 });
            shift += bits;
        }
        // Three bits are left for the family context.
        if shift > 61 {
            return Err(ProfileError(format!("too many fields: their levels take {shift} bits of 61")));
        }
        Ok(Self { comparisons })
    }

    /// Whether the national numbers of a pair differ in nothing but the serial.
    pub fn differs_in_serial(&self, pattern: u64) -> bool {
        self.comparisons.iter().any(|comparison| {
            let levels = comparison.levels_of(comparison.cell(pattern));
            comparison.parts.iter().zip(levels).any(|(part, level)| matches!(part.rule, Rule::Person { .. }) && matches!(level, 4 | 5))
        })
    }

    /// The pattern of a pair.
    pub fn pattern(&self, a: Row<'_>, b: Row<'_>) -> u64 {
        let mut pattern = 0;
        for comparison in &self.comparisons {
            let cell = match comparison.parts.as_slice() {
                [part] => part.level(a, b),
                parts => parts.iter().fold(0, |cell, part| cell * part.rule.levels().len() + part.level(a, b)),
            };
            pattern |= (cell as u64) << comparison.shift;
        }
        pattern
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
        Kind::Code | Kind::Id => Rule::Plain,
        Kind::Number => Rule::Count,
    }
}

impl Part {
    fn level(&self, a: Row<'_>, b: Row<'_>) -> usize {
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
            Rule::Words => words(a, b, slot),
            Rule::Region => region(a.slot(slot), b.slot(slot), &self.hierarchy),
            Rule::Plain => plain(a.slot(slot), b.slot(slot)),
            Rule::Count => count(a.slot(slot), b.slot(slot)),
        }
    }
}

/// How two digit strings differ: 0 equal, 1 one digit replaced, dropped, added or two neighbours swapped, 2 two digits replaced, 3 more.
fn digit_edits(a: u64, b: u64) -> u32 {
    let x = a ^ b;
    if x == 0 {
        return 0;
    }
    let (long, short) = (digits_of(a), digits_of(b));
    if long == short {
        // One bit per differing half-byte.
        let marks = (x | (x >> 1) | (x >> 2) | (x >> 3)) & 0x1111_1111_1111_1111;
        let differing = marks.count_ones();
        if differing == 2 {
            let at = marks.trailing_zeros();
            let neighbours = marks == 0x11 << at;
            let (low_a, high_a) = ((a >> at) & 15, (a >> (at + 4)) & 15);
            let (low_b, high_b) = ((b >> at) & 15, (b >> (at + 4)) & 15);
            return if neighbours && low_a == high_b && high_a == low_b { 1 } else { 2 };
        }
        return differing.min(3);
    }
    if long.abs_diff(short) != 1 {
        return 3;
    }
    let (longer, shorter) = if long > short { (a, b) } else { (b, a) };
    let digits = long.min(short);
    // Common digits from the left and from the right must cover the shorter one.
    let from_left = ((longer << (64 - 4 * long.max(short))) ^ (shorter << (64 - 4 * digits))).leading_zeros() / 4;
    let from_right = x.trailing_zeros() / 4;
    if from_left + from_right >= digits { 1 } else { 3 }
}

fn opaque(code: u64) -> bool {
    code >> 60 == 15
}

fn person(a: u64, b: u64, structured: bool) -> usize {
    if a == 0 || b == 0 {
        return 0;
    }
    if a == b {
        return 1;
    }
    if opaque(a) || opaque(b) {
        return 8;
    }
    if !structured || digits_of(a) != 16 || digits_of(b) != 16 {
        return match digit_edits(a, b) {
            1 => 3,
            2 => 6,
            _ => 8,
        };
    }
    let x = a ^ b;
    if x >> 4 == 0 && (a & 15 == 1 || b & 15 == 1) {
        return 2;
    }
    if x >> 16 == 0 {
        return if digit_edits(a, b) <= 1 { 4 } else { 5 };
    }
    match digit_edits(a, b) {
        1 => 3,
        2 => 6,
        _ if (x >> 16) & 0xff_ffff == 0 => 7,
        _ => 8,
    }
}

fn family(a: u64, b: u64, structured: bool) -> usize {
    if a == 0 || b == 0 {
        return 0;
    }
    if a == b {
        return 1;
    }
    if opaque(a) || opaque(b) {
        return 4;
    }
    let x = a ^ b;
    let serial_only = structured && digits_of(a) == 16 && digits_of(b) == 16 && x >> 16 == 0;
    let rounded = structured && x >> 4 == 0 && (a & 15 == 1 || b & 15 == 1);
    if rounded || (!serial_only && digit_edits(a, b) == 1) {
        2
    } else if serial_only {
        3
    } else {
        4
    }
}

fn date(a: u64, b: u64) -> usize {
    if a == 0 || b == 0 {
        return 0;
    }
    let common = (a | b) & COMMON_DAY != 0;
    let parts = |date: u64| ((date >> 16) & 0xffff, (date >> 8) & 0xff, date & 0xff);
    let ((ya, ma, da), (yb, mb, db)) = (parts(a), parts(b));
    if (ya, ma, da) == (yb, mb, db) {
        return if common { 2 } else { 1 };
    }
    let near = ya.abs_diff(yb) <= 2;
    if ya == yb {
        if ma == db && da == mb {
            return 3;
        }
        if common {
            return 4;
        }
        return if ma == mb || da == db { 5 } else { 8 };
    }
    if ma == mb && da == db && !common {
        return 6;
    }
    match (near, common) {
        (true, true) => 7,
        (true, false) => 9,
        _ => 10,
    }
}

fn region(a: u64, b: u64, hierarchy: &[u8]) -> usize {
    if a == 0 || b == 0 {
        return 0;
    }
    if a == b {
        return 1;
    }
    let (long, short) = (digits_of(a), digits_of(b));
    if opaque(a) || opaque(b) {
        return 4;
    }
    let shared = ((a << (64 - 4 * long)) ^ (b << (64 - 4 * short))).leading_zeros() / 4;
    let wider = hierarchy.iter().rev().take(2).position(|&length| shared >= u32::from(length) && short.min(long) >= u32::from(length));
    wider.map_or(4, |n| 2 + n)
}

fn plain(a: u64, b: u64) -> usize {
    match (a, b) {
        (0, _) | (_, 0) => 0,
        (a, b) if a == b => 1,
        (a, b) if !opaque(a) && !opaque(b) && digit_edits(a, b) == 1 => 2,
        _ => 3,
    }
}

fn count(a: u64, b: u64) -> usize {
    let packed = |mut value: u64| {
        let (mut out, mut at) = (0, 0);
        value -= 1;
        while value > 0 && at < 64 {
            out |= (value % 10 + 1) << at;
            value /= 10;
            at += 4;
        }
        out
    };
    match (a, b) {
        (0, _) | (_, 0) => 0,
        (a, b) if a == b => 1,
        (a, b) if a.max(b) > 10 && digit_edits(packed(a), packed(b)) == 1 => 2,
        _ => 3,
    }
}

/// The Jaro–Winkler similarity of two strings of letter codes, 64 at most being looked at, found bit-parallel: the letters of one string are
/// masks, the window of the other a range of bits.
pub fn jaro_winkler(a: &[u8], b: &[u8]) -> f64 {
    // The shorter one is walked; with equal lengths the smaller, so that the result does not depend on the order.
    let (a, b) = if (a.len(), a) <= (b.len(), b) { (a, b) } else { (b, a) };
    let (a, b) = (a.get(..64).unwrap_or(a), b.get(..64).unwrap_or(b));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let mut masks = [0u64; 64];
    for (n, &code) in b.iter().enumerate() {
        if let Some(mask) = masks.get_mut(usize::from(code & 63)) {
            *mask |= 1 << n;
        }
    }
    let reach = (b.len() / 2).saturating_sub(1);
    let (mut taken_a, mut taken_b) = (0u64, 0u64);
    for (n, &code) in a.iter().enumerate() {
        let low = n.saturating_sub(reach);
        let high = (n + reach).min(63);
        let window = (u64::MAX >> (63 - high)) & (u64::MAX << low);
        let free = masks.get(usize::from(code & 63)).copied().unwrap_or_default() & window & !taken_b;
        taken_b |= free & free.wrapping_neg();
        taken_a |= u64::from(free != 0) << n;
    }
    let common = taken_a.count_ones();
    if common == 0 {
        return 0.0;
    }
    let mut misplaced = 0u32;
    let (mut rest_a, mut rest_b) = (taken_a, taken_b);
    while rest_a != 0 {
        let (x, y) = (a.get(rest_a.trailing_zeros() as usize), b.get(rest_b.trailing_zeros() as usize));
        misplaced += u32::from(x != y);
        rest_a &= rest_a - 1;
        rest_b &= rest_b.wrapping_sub(1);
    }
    let m = f64::from(common);
    let jaro = (m / a.len() as f64 + m / b.len() as f64 + (m - f64::from(misplaced / 2)) / m) / 3.0;
    let prefix = a.iter().zip(b).take(4).take_while(|(x, y)| x == y).count();
    jaro + prefix as f64 * 0.1 * (1.0 - jaro)
}

/// What the words of two names have in common.
struct Shared {
    /// Words of the shorter name that the other has too.
    equal: usize,
    /// Initials of a word that the other has.
    initial: usize,
    /// Words with a similar one on the other side.
    similar: usize,
    /// A word that ends, or begins with at least three letters, a word of the other name.
    short_form: bool,
    /// Words of the shorter name.
    of: usize,
    /// Letters of the equal words.
    letters: usize,
}

/// `near` says whether misspelt words are looked for: hopeless where the whole names have little in common.
fn shared_words(a: Cell<'_>, b: Cell<'_>, near: bool) -> Shared {
    // The name with fewer words is walked; with equally many the smaller one, for symmetry.
    let (a, b) = if (a.len(), a.letters) <= (b.len(), b.letters) { (a, b) } else { (b, a) };
    let mut out = Shared { equal: 0, initial: 0, similar: 0, short_form: false, of: a.len(), letters: 0 };
    let mut taken = 0u32;
    let mut open = 0u32;
    for (n, word) in a.words().enumerate() {
        match b.words().enumerate().find(|(at, other)| taken & (1 << at) == 0 && same(other, word)) {
            Some((at, _)) => {
                taken |= 1 << at;
                out.equal += 1;
                out.letters += word.len();
            }
            None => open |= 1 << n,
        }
    }
    for (_, word) in a.words().enumerate().filter(|(n, _)| open & (1 << n) != 0) {
        let mut best: Option<(usize, u8)> = None;
        for (at, other) in b.words().enumerate().filter(|(at, _)| taken & (1 << at) == 0) {
            let (short, long) = if word.len() <= other.len() { (word, other) } else { (other, word) };
            if short.len() == 1 {
                if long.first() == short.first() && best.is_none_or(|(_, kind)| kind < 3) {
                    best = Some((at, 3));
                }
                continue;
            }
            if short.len() >= 3 && long.len() > short.len() && (long.ends_with(short) || long.starts_with(short)) {
                out.short_form = true;
            }
            if near && short.len() >= 3 && best.is_none_or(|(_, kind)| kind < 2) && jaro_winkler(word, other) >= 0.85 {
                best = Some((at, 2));
            }
        }
        if let Some((at, kind)) = best {
            taken |= 1 << at;
            if kind == 3 {
                out.initial += 1;
            } else {
                out.similar += 1;
            }
        }
    }
    out
}

/// Equality of short words, without the call that a comparison of slices is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.first() == b.first() && a.iter().zip(b).all(|(x, y)| x == y)
}

fn name(a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
    let (exact_a, exact_b) = (a.slot(slot), b.slot(slot));
    if exact_a == 0 || exact_b == 0 {
        return 0;
    }
    let (letters_a, letters_b) = (a.slot(slot + 1), b.slot(slot + 1));
    let class = (letters_a & BUCKET).clamp(1, 6) as usize;
    if exact_a == exact_b {
        return class;
    }
    if letters_a == letters_b {
        return 7 + (class - 1) / 2;
    }
    let (cell_a, cell_b) = (a.cell(slot + 2), b.cell(slot + 2));
    let whole = jaro_winkler(cell_a.letters, cell_b.letters);
    if whole >= 0.95 && cell_a.len() == cell_b.len() {
        return 10;
    }
    let shared = shared_words(cell_a, cell_b, whole >= 0.5);
    let first = || cell_a.words().next() == cell_b.words().next();
    if shared.equal + shared.initial == shared.of && shared.equal > 0 {
        return if shared.equal + shared.initial > 1 { 11 } else { 12 };
    }
    if shared.equal + shared.initial + shared.similar == shared.of && (shared.equal + shared.similar) > 0 {
        return 13;
    }
    if whole >= 0.88 {
        14
    } else if shared.short_form {
        15
    } else if shared.equal > 0 && first() {
        16
    } else if shared.equal > 0 && shared.letters > 1 {
        17
    } else if whole >= 0.80 {
        18
    } else if whole >= 0.68 {
        19
    } else {
        20
    }
}

fn kin(a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
    let (exact_a, exact_b) = (a.slot(slot), b.slot(slot));
    if exact_a == 0 || exact_b == 0 {
        return 0;
    }
    let (letters_a, letters_b) = (a.slot(slot + 1), b.slot(slot + 1));
    if exact_a == exact_b {
        return if letters_a & BUCKET <= 3 { 1 } else { 2 };
    }
    if letters_a == letters_b {
        return 3;
    }
    let (cell_a, cell_b) = (a.cell(slot + 2), b.cell(slot + 2));
    let whole = jaro_winkler(cell_a.letters, cell_b.letters);
    if whole >= 0.92 {
        return 4;
    }
    if whole < 0.5 {
        return 6;
    }
    let shared = shared_words(cell_a, cell_b, true);
    if shared.equal + shared.initial + shared.similar == shared.of && (shared.equal + shared.similar) > 0 {
        return 4;
    }
    if shared.equal > 0 || shared.short_form { 5 } else { 6 }
}

fn name_part(a: Row<'_>, b: Row<'_>, slot_a: usize, slot_b: usize) -> usize {
    let (exact_a, exact_b) = (a.slot(slot_a), b.slot(slot_b));
    if exact_a == 0 || exact_b == 0 {
        return 0;
    }
    if exact_a == exact_b {
        return match a.slot(slot_a + 1) & BUCKET {
            0..=2 => 1,
            3..=4 => 2,
            _ => 3,
        };
    }
    if a.slot(slot_a + 1) & !BUCKET == b.slot(slot_b + 1) & !BUCKET {
        return 4;
    }
    let (cell_a, cell_b) = (a.cell(slot_a + 2), b.cell(slot_b + 2));
    let whole = jaro_winkler(cell_a.letters, cell_b.letters);
    if whole >= 0.91 {
        return 4;
    }
    let (short, long) = if cell_a.letters.len() <= cell_b.letters.len() { (cell_a, cell_b) } else { (cell_b, cell_a) };
    if whole >= 0.80 || long.letters.starts_with(short.letters) || (short.letters.len() > 2 && long.letters.ends_with(short.letters)) {
        5
    } else {
        6
    }
}

fn swap(a: Row<'_>, b: Row<'_>, given: usize, surname: usize) -> usize {
    let agree = |x: Row<'_>, y: Row<'_>| {
        let (p, q) = (x.slot(given + 1) & !BUCKET, y.slot(surname + 1) & !BUCKET);
        p != 0 && (p == q || (q != 0 && jaro_winkler(x.cell(given + 2).letters, y.cell(surname + 2).letters) >= 0.9))
    };
    if a.slot(given + 1) & !BUCKET == b.slot(given + 1) & !BUCKET || a.slot(surname + 1) & !BUCKET == b.slot(surname + 1) & !BUCKET {
        return 0;
    }
    usize::from(agree(a, b)) + usize::from(agree(b, a))
}

fn words(a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
    let (letters_a, letters_b) = (a.slot(slot), b.slot(slot));
    if letters_a == 0 || letters_b == 0 {
        return 0;
    }
    if letters_a == letters_b {
        return if letters_a & BUCKET <= 3 { 1 } else { 2 };
    }
    let (cell_a, cell_b) = (a.cell(slot + 1), b.cell(slot + 1));
    let whole = jaro_winkler(cell_a.letters, cell_b.letters);
    if whole >= 0.92 {
        return 3;
    }
    let (fewer, more) = if (cell_a.len(), cell_a.letters) <= (cell_b.len(), cell_b.letters) { (cell_a, cell_b) } else { (cell_b, cell_a) };
    let mut equal = 0;
    let mut telling = false;
    for word in fewer.words() {
        if more.words().any(|other| same(other, word)) {
            equal += 1;
            telling |= word.len() >= 4;
        }
    }
    if equal == fewer.len() && telling {
        3
    } else if telling || whole >= 0.80 {
        4
    } else {
        5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::normalise::{date_code, number_code};

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
