//! Keys of families and people for sources that have none of their own.
//!
//! A list that is keyed by KK number is keyed by its blind index here: the same entry that our families' cards are found by,
//! so nobody who steals the tables learns a number. Somebody without a card is a family of one. A person's key is made of
//! the family's key and what is stated, so the same statement leads to the same record.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::KkNumber;

/// The kind under which beneficiaries find cards, too.
const CARD: &str = "kk";
/// The kind of families of one.
const SINGLE: &str = "statements.single";

/// What the key of a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// The source's own.
    #[serde(rename = "s")]
    Stated,
    /// The KK number's blind index.
    #[serde(rename = "k")]
    Card,
    /// Of somebody without a card: a blind index of what is stated.
    #[serde(rename = "p")]
    Single,
}

fn hex(prefix: &str, bytes: &[u8]) -> String {
    bytes.iter().fold(String::from(prefix), |text, byte| text + &format!("{byte:02x}"))
}

/// The key of a family card.
pub fn of_card(keys: &KeyRing, kk: &KkNumber) -> Result<String> {
    Ok(hex("kk-", &keys.index(CARD, kk.expose().as_bytes())?))
}

/// The keys that a family card had under older index keys.
pub fn older_of_card(keys: &KeyRing, kk: &KkNumber) -> Result<Vec<String>> {
    Ok(keys.indexes(CARD, kk.expose().as_bytes())?.iter().skip(1).map(|entry| hex("kk-", entry)).collect())
}

fn single(region: &str, nik: Option<&str>, name: &str, born: Option<NaiveDate>) -> String {
    let born = born.map(|date| date.to_string()).unwrap_or_default();
    format!("{region}\n{}\n{}\n{born}", nik.unwrap_or_default(), name.to_uppercase())
}

/// The key of somebody without a card.
pub fn of_single(keys: &KeyRing, region: &str, nik: Option<&str>, name: &str, born: Option<NaiveDate>) -> Result<String> {
    Ok(hex("p-", &keys.index(SINGLE, single(region, nik, name, born).as_bytes())?))
}

/// What tells people apart who have village, name and birth date in common, and neither card nor NIK: a few bits of what else
/// is stated, too few to lead back to it.
pub fn mark_of(stated: &[Option<&str>]) -> String {
    let text = stated.iter().map(|text| text.unwrap_or_default().to_uppercase()).collect::<Vec<_>>().join("\n");
    hex("", Sha256::digest(text.as_bytes()).get(..3).unwrap_or_default())
}

/// The key of one of several who are alike.
pub fn marked(key: &str, mark: &str) -> String {
    format!("{key}-{mark}")
}

/// What [`marked`] added to the key of somebody without a card.
pub fn mark_in(key: &str) -> &str {
    key.get(2..).and_then(|rest| rest.find('-').and_then(|at| rest.get(at..))).unwrap_or_default()
}

/// The keys that they had under older index keys.
pub fn older_of_single(keys: &KeyRing, region: &str, nik: Option<&str>, name: &str, born: Option<NaiveDate>) -> Result<Vec<String>> {
    Ok(keys.indexes(SINGLE, single(region, nik, name, born).as_bytes())?.iter().skip(1).map(|entry| hex("p-", entry)).collect())
}

/// A key for a person of a source that has none: the same statement leads to the same record, and tells nobody a name.
pub fn of_person(family: &str, name: &str, born: Option<NaiveDate>) -> String {
    let born = born.map(|date| date.to_string()).unwrap_or_default();
    let digest = Sha256::digest(format!("{family}\n{}\n{born}", name.to_uppercase()).as_bytes());
    digest.iter().take(16).fold(String::from("~"), |key, byte| key + &format!("{byte:02x}"))
}
