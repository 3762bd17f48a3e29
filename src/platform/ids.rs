//! Identifiers: UUIDv7 record ids and Kemendagri region codes, parsed once and trusted afterwards.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema, openapi::RefOr};
use uuid::Uuid;

/// A new record id, ordered by time (RFC 9562 UUIDv7).
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// The level of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The nation, code `00`.
    Country,
    /// Provinsi.
    Province,
    /// Kabupaten or kota.
    Regency,
    /// Kecamatan (distrik in Papua).
    Subdistrict,
    /// Desa, kelurahan or desa adat.
    Village,
}

impl Level {
    /// Its name on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Level::Country => "country",
            Level::Province => "province",
            Level::Regency => "regency",
            Level::Subdistrict => "subdistrict",
            Level::Village => "village",
        }
    }

    /// How many characters of a dotted code name a region of this level; the country's is the empty prefix of every code.
    pub fn prefix_length(self) -> usize {
        match self {
            Level::Country => 0,
            Level::Province => 2,
            Level::Regency => 5,
            Level::Subdistrict => 8,
            Level::Village => 13,
        }
    }
}

/// A Kemendagri region code in dotted notation, `PP.KK.CC.VVVV`, or `00` for the country (domain.md §3.3).
///
/// Written with or without dots; kept with dots. BPS codes look alike and mean other places: they are never converted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionCode(String);

impl RegionCode {
    /// Parses either notation.
    pub fn parse(text: &str) -> Option<RegionCode> {
        let text = text.trim();
        if text.contains('.') {
            let shape = text.split('.').map(str::len).collect::<Vec<_>>();
            let known: [&[usize]; 3] = [&[2, 2], &[2, 2, 2], &[2, 2, 2, 4]];
            if !known.contains(&shape.as_slice()) {
                return None;
            }
        }
        let digits: String = text.chars().filter(|c| *c != '.').collect();
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let cuts: &[(usize, usize)] = match digits.len() {
            2 => &[(0, 2)],
            4 => &[(0, 2), (2, 4)],
            6 => &[(0, 2), (2, 4), (4, 6)],
            10 => &[(0, 2), (2, 4), (4, 6), (6, 10)],
            _ => return None,
        };
        let parts: Vec<&str> = cuts.iter().filter_map(|(from, to)| digits.get(*from..*to)).collect();
        Some(RegionCode(parts.join(".")))
    }

    /// A code as the database holds it, which was parsed when it was written.
    pub fn stored(code: &str) -> RegionCode {
        RegionCode(code.to_owned())
    }

    /// The country, root of every code.
    pub fn country() -> RegionCode {
        RegionCode("00".into())
    }

    /// The code as stored, dotted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its level, which its length tells.
    pub fn level(&self) -> Level {
        match (self.0.as_str(), self.0.len()) {
            ("00", _) => Level::Country,
            (_, 2) => Level::Province,
            (_, 5) => Level::Regency,
            (_, 8) => Level::Subdistrict,
            _ => Level::Village,
        }
    }

    /// What every code under it (itself included) begins with.
    pub fn prefix(&self) -> &str {
        if self.level() == Level::Country { "" } else { &self.0 }
    }

    /// Whether the other lies in it or is it.
    pub fn contains(&self, other: &RegionCode) -> bool {
        let prefix = self.prefix();
        match other.0.strip_prefix(prefix) {
            Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }

    /// The regions above it, the country first.
    pub fn ancestors(&self) -> Vec<RegionCode> {
        let mut above = Vec::new();
        if self.level() == Level::Country {
            return above;
        }
        above.push(RegionCode::country());
        for length in [2, 5, 8] {
            if let Some(part) = self.0.get(..length).filter(|_| self.0.len() > length) {
                above.push(RegionCode(part.to_owned()));
            }
        }
        above
    }

    /// The part of it at a higher level, e.g. the regency of a village; itself where it is no deeper than that.
    pub fn at(&self, level: Level) -> RegionCode {
        match self.0.get(..level.prefix_length()) {
            Some(part) if level != Level::Country => RegionCode(part.to_owned()),
            Some(_) => RegionCode::country(),
            None => self.clone(),
        }
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RegionCode> for String {
    fn from(code: RegionCode) -> String {
        code.0
    }
}

impl Serialize for RegionCode {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RegionCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        RegionCode::parse(&text).ok_or_else(|| serde::de::Error::custom("region_code_shape"))
    }
}

impl PartialSchema for RegionCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .pattern(Some(r"^(\d{2}|\d{2}\.?\d{2}|\d{2}\.?\d{2}\.?\d{2}|\d{2}\.?\d{2}\.?\d{2}\.?\d{4})$"))
            .description(Some("Kemendagri code, dotted (`62.02.09.2001`) or not; answers are always dotted. `00` is the country."))
            .examples([serde_json::json!("62.02.09.2001")])
            .into()
    }
}

impl ToSchema for RegionCode {}

/// A quarter of a year, `2026-Q3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quarter {
    /// The calendar and fiscal year.
    pub year: i32,
    /// 1 to 4 (triwulan).
    pub number: u8,
}

impl Quarter {
    /// Parses `2026-Q3`.
    pub fn parse(text: &str) -> Option<Quarter> {
        let (year, number) = text.split_once("-Q")?;
        if year.len() != 4 || !year.bytes().all(|b| b.is_ascii_digit()) || number.len() != 1 {
            return None;
        }
        let number = number.parse().ok().filter(|n| (1..=4).contains(n))?;
        Some(Quarter { year: year.parse().ok()?, number })
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.number)
    }
}

impl Serialize for Quarter {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quarter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Quarter::parse(&text).ok_or_else(|| serde::de::Error::custom("quarter_shape"))
    }
}

impl PartialSchema for Quarter {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .pattern(Some(r"^\d{4}-Q[1-4]$"))
            .description(Some("A quarter (triwulan)."))
            .examples([serde_json::json!("2026-Q3")])
            .into()
    }
}

impl ToSchema for Quarter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_one_code() {
        for text in ["62.02.09.2001", "6202092001", " 62.02.09.2001 "] {
            assert_eq!(RegionCode::parse(text).unwrap().as_str(), "62.02.09.2001");
        }
        for text in ["", "6", "620", "62.2", "62020920011", "62.02.09.20O1", "6.2", "62..02", "62.020"] {
            assert!(RegionCode::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_region_contains_what_lies_under_it_and_nothing_beside() {
        let regency = RegionCode::parse("62.02").unwrap();
        let village = RegionCode::parse("62.02.09.2001").unwrap();
        assert!(regency.contains(&village) && regency.contains(&regency) && RegionCode::country().contains(&village));
        assert!(!village.contains(&regency) && !RegionCode::parse("62.03").unwrap().contains(&village));
        assert_eq!(village.ancestors().iter().map(RegionCode::as_str).collect::<Vec<_>>(), ["00", "62", "62.02", "62.02.09"]);
        assert_eq!(village.at(Level::Regency), regency);
        assert_eq!(village.at(Level::Country), RegionCode::country());
    }

    #[test]
    fn quarters_round_trip() {
        assert_eq!(Quarter::parse("2026-Q3").unwrap().to_string(), "2026-Q3");
        for text in ["2026-Q5", "2026-Q0", "26-Q1", "2026Q1", "2026-Q11", "+026-Q1"] {
            assert!(Quarter::parse(text).is_none(), "{text}");
        }
    }
}
