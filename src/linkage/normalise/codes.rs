//! Numbers, dates, sexes and other codes as integers that are compared without looking at the text again.

use super::{codes, hash};

/// A number of up to 16 digits, one per half-byte (digit + 1, so that 0 means "no digit here"), the last digit lowest; anything longer or
/// with letters as an opaque hash, marked by the highest half-byte being 15. 0 when there is nothing.
pub fn number_code(cell: &str, structured: bool) -> u64 {
    let (mut packed, mut digits, mut letters, mut uniform, mut last) = (0u64, 0usize, false, true, None);
    for byte in cell.bytes() {
        match byte {
            b'0'..=b'9' => {
                packed = (packed << 4) | u64::from(byte - b'0' + 1);
                digits += 1;
                uniform &= last.is_none_or(|before| before == byte);
                last = Some(byte);
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
    let letters = codes(text);
    if letters.is_empty() { 0 } else { hash(&letters, 3) | (15 << 60) }
}

/// A whole number plus one, from the first digits of a cell; 0 when there are none or all are zero ("000" says nothing in an RT).
pub fn count_code(cell: &str) -> u64 {
    let digits = cell.bytes().skip_while(|byte| !byte.is_ascii_digit()).take_while(u8::is_ascii_digit).take(9);
    let value = digits.fold(0u64, |value, byte| value * 10 + u64::from(byte - b'0'));
    if value == 0 { 0 } else { value + 1 }
}
