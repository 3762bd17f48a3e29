//! From a cell to a value: every way of writing that was seen in real files, and nothing repaired by guess.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate};

use super::{codes, fault::Fault};
use crate::{
    features::datasets::{
        profile::Column,
        reader::{Cell, excel_date},
    },
    platform::sensitive::province_known,
};

/// What a conversion gives: a value, nothing stated, or what is wrong.
pub(super) type Converted<T> = Result<Option<T>, Fault>;

/// A registration number as far as the cell still has it.
pub(super) enum Number<'a> {
    Missing,
    /// Digits are lost for good.
    Rounded,
    Text(Cow<'a, str>),
    /// All digits may be there, but a number cell is no place for them.
    Numeric(String),
}

/// From here on a double no longer holds every whole number (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Excel keeps fifteen digits.
const FIFTEEN_DIGITS: f64 = 1e15;

/// The cell's text after the profile's own words are replaced and its prefixes cut.
pub(super) fn text<'a>(cell: Cell<'a>, column: &'a Column) -> Option<Cow<'a, str>> {
    let text = match cell {
        Cell::Empty | Cell::Error => return None,
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Number(number) => Cow::Owned(number.to_string()),
        Cell::Date(date) => Cow::Owned(date.to_string()),
        Cell::Bool(yes) => Cow::Borrowed(if yes { "yes" } else { "no" }),
    };
    if column.values.is_empty() && column.strip.is_empty() {
        return Some(text);
    }
    if let Some(value) = replacement(&text, column) {
        return Some(Cow::Borrowed(value));
    }
    let cut = column.strip.iter().find_map(|prefix| {
        let head = text.get(..prefix.len()).filter(|head| !head.is_empty() && head.eq_ignore_ascii_case(prefix))?;
        text.get(head.len()..).map(|rest| rest.trim().to_owned())
    });
    Some(cut.map_or(text, Cow::Owned))
}

/// `1`, `"1"` and `01` arrive side by side in one file, so numbers are compared without leading zeros.
fn replacement<'a>(text: &str, column: &'a Column) -> Option<&'a str> {
    let bare = |text: &str| text.parse::<u32>().ok();
    let by_text = || column.values.iter().find(|(from, _)| codes::same(from, text));
    let by_number = || column.values.iter().find(|(from, _)| bare(text).is_some() && bare(from) == bare(text));
    by_text().or_else(by_number).map(|(_, to)| to.as_str())
}

/// Text for people: one space between words, nothing invisible.
pub(super) fn words(text: &str, longest: usize) -> Converted<String> {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let visible = word.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}'));
        let before = out.len();
        if !out.is_empty() {
            out.push(' ');
        }
        let start = out.len();
        out.extend(visible);
        if out.len() == start {
            out.truncate(before);
        }
    }
    if out.chars().count() > longest {
        return Err(Fault::TextTooLong);
    }
    Ok(Some(out).filter(|out| out.chars().any(char::is_alphanumeric) && !is_null(out)))
}

/// What exports write for nothing. "Nan" and "None" are not among them for names' sake.
pub(super) fn is_null(text: &str) -> bool {
    ["NULL", "#N/A", "N/A"].iter().any(|null| text.eq_ignore_ascii_case(null))
}

/// A source's key. Two keys that were rounded to one would merge two families, so a rounded one is refused.
pub(super) fn id(cell: Cell<'_>, text: &str) -> Converted<String> {
    match cell {
        Cell::Number(number) if number.fract() != 0.0 || number.abs() >= FIFTEEN_DIGITS => Err(Fault::IdRounded),
        _ if is_scientific(text) => Err(Fault::IdRounded),
        _ => words(without_point_zero(text), 100),
    }
}

/// A NIK or KK number in whatever cell it stands.
pub(super) fn number<'a>(cell: Cell<'a>, text: Cow<'a, str>) -> Number<'a> {
    if !text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        // Dashes, zeros, "tidak ada"; other scripts' digits are for the number's own rules to refuse.
        let nothing = text.is_ascii();
        return if nothing { Number::Missing } else { Number::Text(text) };
    }
    if let Cell::Number(number) = cell {
        let exact = number.fract() == 0.0 && number < EXACT;
        let digits = format!("{number:.0}");
        // Excel turns the sixteenth digit into 0; one time in ten it was one, but nobody can tell which.
        let cut = digits.len() >= 16 && digits.ends_with('0');
        return if exact && !cut { Number::Numeric(digits) } else { Number::Rounded };
    }
    if is_scientific(&text) {
        return Number::Rounded;
    }
    // Written by a program that held it as a floating-point number.
    let whole = without_point_zero(&text);
    if whole.len() != text.len() {
        let cut = whole.ends_with('0') || whole.parse::<f64>().is_ok_and(|number| number >= EXACT);
        return if cut { Number::Rounded } else { Number::Numeric(whole.to_owned()) };
    }
    Number::Text(text)
}

/// `6,20209E+15`: what Excel shows and exports for a long number.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.strip_prefix('+').is_some_and(digits);
    exponent_fits && mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
}

/// `123.0` and `123,0` without what a floating-point column added.
fn without_point_zero(text: &str) -> &str {
    let whole = text.strip_suffix(".0").or_else(|| text.strip_suffix(",0"));
    whole.filter(|whole| !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(text)
}

/// A village's Kemendagri code, dotted or not, as dotted text. Whether the village exists is for the region table to say.
pub(super) fn region(text: &str) -> Converted<String> {
    let text = without_point_zero(text.trim_matches(['\'', ' ']));
    if text.is_empty() || text == "-" || is_null(text) {
        return Ok(None);
    }
    let digits: String = text.chars().filter(|c| !matches!(c, '.' | ' ' | '\u{a0}')).collect();
    if digits.len() != 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::RegionCodeInvalid);
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    let (province, regency, subdistrict, village) = (part(0..2), part(2..4), part(4..6), part(6..10));
    // Villages begin with 1 (kelurahan), 2 (desa) or 3 (desa adat).
    let possible = province_known(province)
        && regency != "00"
        && subdistrict != "00"
        && village.starts_with(['1', '2', '3'])
        && !village.ends_with("000");
    if possible { Ok(Some(format!("{province}.{regency}.{subdistrict}.{village}"))) } else { Err(Fault::RegionCodeInvalid) }
}

/// A number as people here write it: `1.234,5`, `1234,5`, `1234.5`.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-')) {
        return None;
    }
    let plain = match (text.rfind(','), text.rfind('.')) {
        (Some(comma), Some(point)) if comma < point => text.replace(',', ""),
        (Some(_), _) => text.replace('.', "").replace(',', "."),
        (None, _) => text,
    };
    plain.parse().ok()
}

/// A whole number within bounds.
pub(super) fn whole(text: &str, bounds: std::ops::RangeInclusive<u8>) -> Option<u8> {
    let number = decimal(text).filter(|number| number.fract() == 0.0)?;
    bounds.into_iter().find(|whole| f64::from(*whole) == number)
}

/// A birth date; `today` bounds it.
pub(super) fn date(cell: Cell<'_>, text: &str, today: NaiveDate) -> Converted<NaiveDate> {
    let date = match cell {
        Cell::Date(date) => Some(date),
        Cell::Number(number) => serial(number),
        _ if !text.bytes().any(|byte| byte.is_ascii_alphanumeric()) || is_null(text) => {
            return Ok(None);
        }
        _ => written(text).or_else(|| {
            let digits = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits).and_then(serial)
        }),
    };
    let date = date.ok_or(Fault::DateInvalid)?;
    // 31/12/1899 is Excel's zero. Nobody on record lived past 122 years.
    let age = today.year().saturating_sub(date.year());
    if date.year() < 1900 || age > 125 || date > today {
        return Err(Fault::DateImplausible);
    }
    Ok(Some(date))
}

/// A lone `1985` is a year somebody typed, not the Excel day in 1905.
fn serial(number: f64) -> Option<NaiveDate> {
    if (1900.0..2101.0).contains(&number) { None } else { excel_date(number, false) }
}

/// `dd/mm/yyyy` or `yyyy-mm-dd`, with or without a time of day, which is dropped. Two-digit years are not guessed.
fn written(text: &str) -> Option<NaiveDate> {
    let (day, time) = match text.find([' ', 'T']) {
        Some(at) => (text.get(..at)?, text.get(at.saturating_add(1)..)?),
        None => (text, ""),
    };
    if !time.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b':' | b'.' | b' ' | b'Z' | b'+' | b'-' | b'A' | b'P' | b'M')) {
        return None;
    }
    let mut parts = day.split(['/', '-', '.']);
    let (Some(first), Some(month), Some(last), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let (year, day) = match (first.len(), last.len()) {
        (4, 1 | 2) => (first, last),
        (1 | 2, 4) => (last, first),
        _ => return None,
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    NaiveDate::from_ymd_opt(i32::try_from(digits(year)?).ok()?, digits(month)?, digits(day)?)
}

#[cfg(test)]
mod tests;
