//! How far two cells of a field agree: each function gives the place of the level in its rule's list.

use super::super::normalise::digits_of;
use super::super::record::{BUCKET, COMMON_DAY, Cell, Row};

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

pub(super) fn person(a: u64, b: u64, structured: bool) -> usize {
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

pub(super) fn family(a: u64, b: u64, structured: bool) -> usize {
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

pub(super) fn date(a: u64, b: u64) -> usize {
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

pub(super) fn region(a: u64, b: u64, hierarchy: &[u8]) -> usize {
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

pub(super) fn plain(a: u64, b: u64) -> usize {
    match (a, b) {
        (0, _) | (_, 0) => 0,
        (a, b) if a == b => 1,
        (a, b) if !opaque(a) && !opaque(b) && digit_edits(a, b) == 1 => 2,
        _ => 3,
    }
}

pub(super) fn count(a: u64, b: u64) -> usize {
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
    let mut bit = 1u64;
    for &code in b {
        if let Some(mask) = masks.get_mut(usize::from(code & 63)) {
            *mask |= bit;
        }
        bit <<= 1;
    }
    let mask = |code: u8| masks.get(usize::from(code & 63)).copied().unwrap_or_default();
    let reach = (b.len() / 2).saturating_sub(1);
    // The letters within reach: the window widens until it is full, then it moves.
    let mut window = (2u64 << reach) - 1;
    let (mut taken_a, mut taken_b) = (0u64, 0u64);
    for (n, &code) in a.iter().enumerate() {
        let free = mask(code) & window & !taken_b;
        taken_b |= free & free.wrapping_neg();
        taken_a |= u64::from(free != 0) << n;
        window = window << 1 | u64::from(n < reach);
    }
    let common = taken_a.count_ones();
    if common == 0 {
        return 0.0;
    }
    // The letters taken on one side and on the other, in their orders: where they differ, they are misplaced.
    let mut misplaced = 0u32;
    let (mut rest_a, mut rest_b) = (taken_a, taken_b);
    while rest_a != 0 {
        let code = a.get(rest_a.trailing_zeros() as usize).copied().unwrap_or_default();
        let first = rest_b & rest_b.wrapping_neg();
        misplaced += u32::from(mask(code) & first == 0);
        rest_a &= rest_a - 1;
        rest_b ^= first;
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
            if near && short.len() >= 3 && best.is_none_or(|(_, kind)| kind < 2) && alike(short, long) {
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

/// Whether two words have a similarity of at least 0.85. Nearly all have not, for want of common letters, which is seen at a glance.
fn alike(short: &[u8], long: &[u8]) -> bool {
    const LIMIT: f64 = 0.85;
    let letters = long.iter().fold(0u64, |set, &code| set | 1 << (code & 63));
    let most = short.iter().filter(|&&code| letters >> (code & 63) & 1 == 1).count();
    let jaro = (most as f64 / short.len() as f64 + most as f64 / long.len() as f64 + 1.0) / 3.0;
    let prefix = short.iter().zip(long).take(4).take_while(|(x, y)| x == y).count();
    jaro + prefix as f64 * 0.1 * (1.0 - jaro) >= LIMIT - 1e-9 && jaro_winkler(short, long) >= LIMIT
}

/// Equality of short words, without the call that a comparison of slices is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.first() == b.first() && a.iter().zip(b).all(|(x, y)| x == y)
}

pub(super) fn name(a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
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

pub(super) fn kin(a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
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

pub(super) fn name_part(a: Row<'_>, b: Row<'_>, slot_a: usize, slot_b: usize) -> usize {
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

pub(super) fn swap(a: Row<'_>, b: Row<'_>, given: usize, surname: usize) -> usize {
    let agree = |x: Row<'_>, y: Row<'_>| {
        let (p, q) = (x.slot(given + 1) & !BUCKET, y.slot(surname + 1) & !BUCKET);
        p != 0 && (p == q || (q != 0 && jaro_winkler(x.cell(given + 2).letters, y.cell(surname + 2).letters) >= 0.9))
    };
    if a.slot(given + 1) & !BUCKET == b.slot(given + 1) & !BUCKET || a.slot(surname + 1) & !BUCKET == b.slot(surname + 1) & !BUCKET {
        return 0;
    }
    usize::from(agree(a, b)) + usize::from(agree(b, a))
}

pub(super) fn words(a: Row<'_>, b: Row<'_>, slot: usize) -> usize {
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
