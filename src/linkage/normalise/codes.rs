//! Numbers, dates, sexes and other codes as integers that are compared without looking at the text again.

use super::{ascii_code, codes, hash};

/// Eight digits, each plus one, in half-bytes; `None` when one of them is no digit.
#[inline]
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Read with the first digit highest; a digit has 3 in its upper half, also after six has been added to it.
    let text = u64::from_be_bytes(bytes);
    let upper = |x: u64| x & (ONES * 0xf0) == ONES * 0x30;
    if !(upper(text) && upper(text.wrapping_add(ONES * 6))) {
        return None;
    }
    let x = (text & (ONES * 0x0f)) + ONES;
    let x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
    let x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    Some((x | x >> 16) & 0xffff_ffff)
}

/// A cell of digits alone, of 8 to 16 of them, in half-bytes; `None` for any other.
#[inline]
fn plain_digits(cell: &str) -> Option<u64> {
    let (first, rest) = cell.as_bytes().split_first_chunk::<8>()?;
    let high = eight_digits(*first)?;
    if let Ok(last) = <[u8; 8]>::try_from(rest) {
        return Some(high << 32 | eight_digits(last)?);
    }
    if rest.len() > 8 {
        return None;
    }
    rest.iter().try_fold(high, |packed, byte| byte.is_ascii_digit().then(|| packed << 4 | u64::from(byte - b'0' + 1)))
}

/// A number of up to 16 digits, one per half-byte (digit + 1, so that 0 means "no digit here"), the last digit lowest; anything longer or
/// with letters as an opaque hash, marked by the highest half-byte being 15. 0 when there is nothing.
pub fn number_code(cell: &str, structured: bool) -> u64 {
    if let Some(packed) = plain_digits(cell) {
        return evidence(packed, structured);
    }
    let (mut packed, mut digits, mut letters) = (0u64, 0usize, false);
    for byte in cell.bytes() {
        match byte {
            b'0'..=b'9' => {
                packed = (packed << 4) | u64::from(byte - b'0' + 1);
                digits += 1;
            }
            b if b.is_ascii_alphabetic() || b >= 128 => letters = true,
            _ => {}
        }
    }
    if digits == 0 && !letters {
        return 0;
    }
    if letters || digits > 16 {
        // 6,20213E+15 is what a spreadsheet leaves of a NIK: no evidence.
        if structured {
            return 0;
        }
        let text = codes(cell);
        return if text.is_empty() { 0 } else { hash(&text, 2) | (15 << 60) };
    }
    evidence(packed, structured)
}

/// The digits of a number, or 0 where they say nothing.
fn evidence(packed: u64, structured: bool) -> u64 {
    let digits = digits_of(packed);
    // The same digit over and over.
    let uniform = packed ^ (packed >> 4) == packed & (15 << (4 * (digits.max(1) - 1)));
    if structured {
        // A serial of zeros is what a spreadsheet leaves of a serial below ten; a date of zeros is nobody's.
        let blank_date = digits == 16 && (packed >> 16) & 0xff_ffff == 0x11_1111;
        if uniform || digits < 10 || blank_date {
            return 0;
        }
    } else if uniform && digits > 5 {
        return 0;
    }
    packed
}

/// Number of digits of a code made by [`number_code`].
pub fn digits_of(code: u64) -> u32 {
    16 - code.leading_zeros() / 4
}

/// A date as year, month and day, packed `year << 16 | month << 8 | day`; 0 when it cannot be read. ISO, `dd/mm/yyyy`, `yyyymmdd`, each with
/// or without a time behind. Month and day are not checked: a typing error still agrees in its other parts.
pub fn date_code(cell: &str) -> u64 {
    // As registers write it: 1984-06-09.
    if let [a, b, c, d, b'-', e, f, b'-', g, h] = *cell.as_bytes()
        && [a, b, c, d, e, f, g, h].iter().all(u8::is_ascii_digit)
    {
        let number = |digits: &[u8]| digits.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        return date(number(&[a, b, c, d]), number(&[e, f]), number(&[g, h]));
    }
    let mut parts = [(0u64, 0usize); 3];
    let mut at = 0;
    for byte in cell.trim().bytes() {
        match byte {
            b'0'..=b'9' => {
                let Some((value, length)) = parts.get_mut(at) else { break };
                if *length >= 8 {
                    return 0;
                }
                *value = *value * 10 + u64::from(byte - b'0');
                *length += 1;
            }
            b'-' | b'/' | b'.' => at += 1,
            b' ' | b'T' if at == 2 || (at == 0 && parts.first().is_some_and(|part| part.1 == 8)) => break,
            b' ' => at += 1,
            b'\'' => {}
            _ => return 0,
        }
    }
    let (year, month, day) = match parts {
        [(ymd, 8), (_, 0), (_, 0)] => (ymd / 10_000, ymd / 100 % 100, ymd % 100),
        [(year, 4), (month, 1..=2), (day, 1..=2)] => (year, month, day),
        [(day, 1..=2), (month, 1..=2), (year, 4)] => (year, month, day),
        _ => return 0,
    };
    date(year, month, day)
}

fn date(year: u64, month: u64, day: u64) -> u64 {
    if year < 1000 || (month == 0 && day == 0) {
        return 0;
    }
    (year << 16) | (month << 8) | day
}

/// 1 for male, 2 for female, 0 for anything else.
pub fn sex_code(cell: &str) -> u64 {
    let word = cell.trim();
    match word.as_bytes() {
        [b'1'] => 1,
        [b'2'] => 2,
        [first, rest @ ..] => match first.to_ascii_uppercase() {
            b'L' => 1,
            b'M' if rest.is_empty() || word.eq_ignore_ascii_case("male") => 1,
            b'P' if word.eq_ignore_ascii_case("pria") => 1,
            b'P' | b'F' | b'W' => 2,
            _ => 0,
        },
        [] => 0,
    }
}

/// A code: digits as [`number_code`] gives them, words as an opaque hash.
pub fn plain_code(cell: &str) -> u64 {
    if cell.len() <= 15
        && let Some(packed) = plain_digits(cell)
    {
        return packed;
    }
    let text = cell.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' ' | b'\'' | b'-')) {
        let mut packed = 0u64;
        let mut digits = 0;
        for byte in text.bytes().filter(u8::is_ascii_digit) {
            packed = (packed << 4) | u64::from(byte - b'0' + 1);
            digits += 1;
        }
        if digits <= 15 {
            return packed;
        }
    }
    // Words like "ANAK" stand in every row, so their letters need no list of their own.
    let (mut space, mut length) = ([0u8; 16], 0);
    let letters: &[u8] = if text.len() <= space.len() && text.is_ascii() {
        for (to, code) in space.iter_mut().zip(text.bytes().filter_map(ascii_code)) {
            *to = code;
            length += 1;
        }
        space.get(..length).unwrap_or_default()
    } else {
        &codes(text)
    };
    if letters.is_empty() { 0 } else { hash(letters, 3) | (15 << 60) }
}

/// A whole number plus one, from the first digits of a cell; 0 when there are none or all are zero ("000" says nothing in an RT).
pub fn count_code(cell: &str) -> u64 {
    let digits = cell.bytes().skip_while(|byte| !byte.is_ascii_digit()).take_while(u8::is_ascii_digit).take(9);
    let value = digits.fold(0u64, |value, byte| value * 10 + u64::from(byte - b'0'));
    if value == 0 { 0 } else { value + 1 }
}
