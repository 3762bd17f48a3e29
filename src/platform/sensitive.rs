//! Civil registration numbers that cannot leak by accident: printed only masked, never serialised, wiped when dropped.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};
use zeroize::Zeroize;

/// The first two digits of Kemendagri codes of the 38 provinces (Kepmendagri 300.2.2-2138/2025).
const PROVINCES: [&str; 38] = [
    "11", "12", "13", "14", "15", "16", "17", "18", "19", "21", // Sumatera
    "31", "32", "33", "34", "35", "36", // Jawa
    "51", "52", "53", // Bali, Nusa Tenggara
    "61", "62", "63", "64", "65", // Kalimantan
    "71", "72", "73", "74", "75", "76", // Sulawesi
    "81", "82", // Maluku
    "91", "92", "93", "94", "95", "96", // Papua
];

/// Codes no province carries today but that living people may carry, since a number never changes:
/// 09 (Jakarta) and 10 (Jawa Barat) from cards issued before the codes were renumbered, 54 (Timor Timur until 1999).
const HISTORIC_PROVINCES: [&str; 3] = ["09", "10", "54"];

const PATTERN: &str = "^[0-9]{16}$";

/// Whether a province code, today's or a historic one, may begin a civil registration number.
pub fn province_known(code: &str) -> bool {
    PROVINCES.contains(&code) || HISTORIC_PROVINCES.contains(&code)
}

/// Why a text is no NIK or KK number; it knows the rule that was broken and never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberError(&'static str);

impl NumberError {
    /// The stable code, such as `nik_length` or `kk_month`.
    pub fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NumberError {}

/// The sex stated for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Laki-laki.
    Male,
    /// Perempuan.
    Female,
}

/// Something in a NIK that does not agree with what is stated beside it; worth a look, never a refusal, because a NIK
/// stays as issued even when it was issued with a wrong birth date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NikWarning {
    /// Day, month or year in the number differ from the stated birth date.
    BirthDateDiffers,
    /// The number was issued for the other sex.
    SexDiffers,
    /// The number was issued in another regency; for information only, people move.
    RegionDiffers,
}

/// Sixteen ASCII digits, wiped on drop.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Digits([u8; 16]);

enum Shape {
    Digits,
    Length,
}

impl Digits {
    /// Collects sixteen digits; spaces, dots and apostrophes (what Excel and people put around numbers) do not count.
    fn parse(text: &str) -> Result<Self, Shape> {
        let mut digits = Self([b'0'; 16]);
        let mut count = 0usize;
        for c in text.chars().filter(|c| !is_filler(*c)) {
            let digit = u8::try_from(c).ok().filter(u8::is_ascii_digit).ok_or(Shape::Digits)?;
            if let Some(place) = digits.0.get_mut(count) {
                *place = digit;
            }
            count = count.saturating_add(1);
        }
        if count == 16 { Ok(digits) } else { Err(Shape::Length) }
    }

    fn text(&self) -> &str {
        // Only ASCII digits are ever stored, so the fallback is never taken.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        self.text().get(range).unwrap_or_default()
    }

    fn number(&self, range: std::ops::Range<usize>) -> u32 {
        self.part(range).parse().unwrap_or_default()
    }

    fn mask(&self) -> String {
        format!("{}********{}", self.part(0..4), self.part(12..16))
    }
}

impl Drop for Digits {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Whether a character between two digits of a number leaves it one: blanks, dots, apostrophes of all kinds, what cannot be seen.
pub fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '.' | '\'' | '`' | '\u{2018}' | '\u{2019}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
}

/// A NIK (Nomor Induk Kependudukan), the number of a person in the civil registry: `PPKKCC DDMMYY SSSS`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nik(Digits);

impl Nik {
    /// Reads a NIK written with or without spaces, dots and apostrophes.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let digits = Digits::parse(text).map_err(|shape| match shape {
            Shape::Digits => NumberError("nik_digits"),
            Shape::Length => NumberError("nik_length"),
        })?;
        if !province_known(digits.part(0..2)) {
            return Err(NumberError("nik_province"));
        }
        if !matches!(digits.number(6..8), 1..=31 | 41..=71) {
            return Err(NumberError("nik_day"));
        }
        if !matches!(digits.number(8..10), 1..=12) {
            return Err(NumberError("nik_month"));
        }
        if digits.number(12..16) == 0 {
            return Err(NumberError("nik_serial"));
        }
        Ok(Self(digits))
    }

    /// The sixteen digits; every caller of this is a place where personal data may leave.
    pub fn expose(&self) -> &str {
        self.0.text()
    }

    /// The form that may be shown: `6202********0001`.
    pub fn mask(&self) -> String {
        self.0.mask()
    }

    /// Compares the number with what is stated about the person; what is not stated is not compared.
    pub fn warnings(&self, birth_date: Option<NaiveDate>, sex: Option<Sex>, region_code: Option<&str>) -> Vec<NikWarning> {
        let day = self.0.number(6..8);
        // Women's numbers carry the day of birth plus forty.
        let (issued_sex, day) = if day > 40 { (Sex::Female, day.saturating_sub(40)) } else { (Sex::Male, day) };
        let mut warnings = Vec::new();
        if let Some(date) = birth_date {
            // The century is not in the number.
            let stated = (date.day(), date.month(), date.year().rem_euclid(100));
            let issued = (day, self.0.number(8..10), i32::try_from(self.0.number(10..12)).unwrap_or_default());
            if stated != issued {
                warnings.push(NikWarning::BirthDateDiffers);
            }
        }
        if sex.is_some_and(|sex| sex != issued_sex) {
            warnings.push(NikWarning::SexDiffers);
        }
        if let Some(code) = region_code {
            // Below the regency the codes change too often to mean anything.
            let stated = code.bytes().filter(u8::is_ascii_digit).take(4);
            if !stated.eq(self.0.part(0..4).bytes()) {
                warnings.push(NikWarning::RegionDiffers);
            }
        }
        warnings
    }
}

/// A KK number (nomor kartu keluarga), the number of a family card: region and date of issue, then a serial.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KkNumber(Digits);

impl KkNumber {
    /// Reads a KK number written with or without spaces, dots and apostrophes.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let digits = Digits::parse(text).map_err(|shape| match shape {
            Shape::Digits => NumberError("kk_digits"),
            Shape::Length => NumberError("kk_length"),
        })?;
        // A card has a day of issue, so nothing is added for women.
        if !matches!(digits.number(6..8), 1..=31) {
            return Err(NumberError("kk_day"));
        }
        if !matches!(digits.number(8..10), 1..=12) {
            return Err(NumberError("kk_month"));
        }
        Ok(Self(digits))
    }

    /// The sixteen digits; every caller of this is a place where personal data may leave.
    pub fn expose(&self) -> &str {
        self.0.text()
    }

    /// The form that may be shown: `6202********0001`.
    pub fn mask(&self) -> String {
        self.0.mask()
    }
}

/// Whether a character joins the groups of a number that somebody writes in a text; in a field of its own it does not stand.
fn is_joiner(c: char) -> bool {
    matches!(c, '-' | '/' | '\u{2010}'..='\u{2015}')
}

/// Whether a text holds sixteen digits in a row, however they are grouped: reasons and notes are kept for ever and go
/// to partners, so no NIK or KK number may stand in them.
pub fn holds_number(text: &str) -> bool {
    let mut run = 0u32;
    for c in text.chars() {
        if c.is_numeric() {
            run = run.saturating_add(1);
            if run >= 16 {
                return true;
            }
        } else if !is_filler(c) && !is_joiner(c) {
            run = 0;
        }
    }
    false
}

/// The text with each NIK and KK number in it masked, however it is grouped; `None` where it holds none. What joins digits in
/// their own fields joins them here, and so do hyphens and slashes in the groups that people write. Other numbers, of houses, plots,
/// series, decisions and days, stand in texts rightly.
pub fn numbers_masked(text: &str) -> Option<String> {
    if text.bytes().filter(u8::is_ascii_digit).count() < 16 {
        return None;
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let (mut found, mut within) = (false, false);
    while let Some(c) = rest.chars().next() {
        if let Some(id) = rest.get(..36).filter(|id| uuid::Uuid::parse_str(id).is_ok()) {
            // Whatever digits the groups of an id have.
            out.push_str(id);
            rest = rest.get(36..).unwrap_or_default();
            continue;
        }
        let number = if c.is_ascii_digit() && !within { leading_number(rest) } else { None };
        let taken = match &number {
            Some((taken, mask)) => {
                out.push_str(mask);
                *taken
            }
            None => {
                out.push(c);
                c.len_utf8()
            }
        };
        found |= number.is_some();
        within = c.is_ascii_digit();
        rest = rest.get(taken..).unwrap_or_default();
    }
    found.then_some(out)
}

/// How many bytes the number takes that a text begins with, and its mask. A group of digits belongs to it whole or not at all.
fn leading_number(text: &str) -> Option<(usize, String)> {
    // Room for the one too many: what grows leaves a copy behind.
    let (mut digits, mut end) = (String::with_capacity(17), 0usize);
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            digits.push(c);
            end = at.saturating_add(1);
        }
        if digits.len() > 16 || (!c.is_ascii_digit() && (digits.len() == 16 || !(is_filler(c) || is_joiner(c)))) {
            break;
        }
    }
    let number = text.get(..end).filter(|number| digits.len() == 16 && (!number.contains(is_joiner) || is_grouped_as_one(number)));
    // Of two numbers side by side, of coordinates too, one in twenty-five reads as a card of no province.
    let mask = number.filter(|_| digits.get(..2).is_some_and(province_known)).and_then(|_| {
        let nik = Nik::parse(&digits).map(|nik| nik.mask());
        nik.or_else(|_| KkNumber::parse(&digits).map(|kk| kk.mask())).ok()
    });
    digits.zeroize();
    Some((end, mask?))
}

/// Whether sixteen digits with hyphens or slashes among them are grouped as the numbers are: by pairs, the serial whole. Two days
/// (`12-08-2024/05-09-2025`) are; telephones, coordinates and decisions (`440/123/2026`) are not.
fn is_grouped_as_one(number: &str) -> bool {
    let groups: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let paired = groups.iter().all(|group| group.len() % 2 == 0) && groups.last().is_some_and(|group| group.len() >= 4);
    let is_in = |text: &str, range: std::ops::RangeInclusive<u16>| text.parse().is_ok_and(|number| range.contains(&number));
    let is_day = |part: &[&str]| match part {
        [day, month, year] => day.len() == 2 && is_in(day, 1..=31) && month.len() == 2 && is_in(month, 1..=12) && is_in(year, 1900..=2100),
        _ => false,
    };
    paired && !groups.windows(3).any(is_day)
}

/// Accepts JSON strings only. serde's own messages quote the offending value, so every scalar is caught here.
struct TextVisitor {
    not_text: &'static str,
}

impl de::Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of 16 digits")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_string<E: de::Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
    fn visit_i128<E: de::Error>(self, _: i128) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
    fn visit_u128<E: de::Error>(self, _: u128) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<String, E> {
        Err(E::custom(self.not_text))
    }
}

/// What both numbers share: masked printing, reading from strings, the OpenAPI schema.
macro_rules! number {
    ($type:ident, $not_text:literal, $description:literal) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.mask())
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.mask())
            }
        }
        impl FromStr for $type {
            type Err = NumberError;
            fn from_str(text: &str) -> Result<Self, NumberError> {
                Self::parse(text)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // `deserialize_str` would let serde_json answer a number with "invalid type: integer `6202…`".
                let mut text = deserializer.deserialize_any(TextVisitor { not_text: $not_text })?;
                let number = Self::parse(&text).map_err(de::Error::custom);
                text.zeroize();
                number
            }
        }
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(PATTERN))
                    .min_length(Some(16))
                    .max_length(Some(16))
                    .write_only(true)
                    .description(Some($description))
                    .into()
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($type))
            }
        }
    };
}

number!(Nik, "nik_digits", "A NIK: 16 digits, as text. Accepted on the way in, answered only masked.");
number!(KkNumber, "kk_digits", "A KK number: 16 digits, as text. Accepted on the way in, answered only masked.");

#[cfg(test)]
mod tests;
