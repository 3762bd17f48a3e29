//! Keys of families and people for sources that have none of their own.
//!
//! A list that is keyed by KK number is keyed by its blind index here: the same entry that our families' cards are found by,
//! so nobody who steals the tables learns a number. Somebody without a card is a family of one. A person's key is made of
//! the family's key and what is stated, so the same statement leads to the same record. A source's own key that may be a
//! number, or hold one, is a blind index too, whatever its column is called.
//!
//! Keys that were made of numbers are others under other index keys; of each kind all are told, the current one first.

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
/// The kind of a source's own keys that hold a number.
const NUMBERED: &str = "statements.numbered";

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

fn entries(keys: &KeyRing, prefix: &str, kind: &str, plain: &str) -> Result<Vec<String>> {
    Ok(keys.indexes(kind, plain.as_bytes())?.iter().map(|entry| hex(prefix, entry)).collect())
}

/// The keys of a family card.
pub fn of_card(keys: &KeyRing, kk: &KkNumber) -> Result<Vec<String>> {
    entries(keys, "kk-", CARD, kk.expose())
}

/// Whether a source's own key may not stand in clear: it has the digits of a NIK or a KK number. Every key that has as many, also the
/// centre's: nobody is shown keys, so it costs nothing, and a rule that looked closer would let one through (a card's number with the
/// place in the family behind it), or call the same family differently once it was made better.
pub fn may_be_number(stated: &str) -> bool {
    stated.chars().filter(|c| c.is_numeric()).count() >= 16
}

/// The keys that stand for a source's own one that holds a number; last the key itself, as which it was stored until November 2026.
pub fn of_numbered(keys: &KeyRing, stated: &str) -> Result<Vec<String>> {
    let mut all = entries(keys, "n-", NUMBERED, stated)?;
    all.push(stated.to_owned());
    Ok(all)
}

fn single(region: &str, nik: Option<&str>, name: &str, born: Option<NaiveDate>) -> String {
    let born = born.map(|date| date.to_string()).unwrap_or_default();
    format!("{region}\n{}\n{}\n{born}", nik.unwrap_or_default(), name.to_uppercase())
}

/// The keys of somebody without a card.
pub fn of_single(keys: &KeyRing, region: &str, nik: Option<&str>, name: &str, born: Option<NaiveDate>) -> Result<Vec<String>> {
    entries(keys, "p-", SINGLE, &single(region, nik, name, born))
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

/// A key for a person of a source that has none: the same statement leads to the same record, and tells nobody a name.
pub fn of_person(family: &str, name: &str, born: Option<NaiveDate>) -> String {
    let born = born.map(|date| date.to_string()).unwrap_or_default();
    let digest = Sha256::digest(format!("{family}\n{}\n{born}", name.to_uppercase()).as_bytes());
    digest.iter().take(16).fold(String::from("~"), |key, byte| key + &format!("{byte:02x}"))
}

/// A key of a family or a person, as it stands in tables.
#[derive(Default)]
pub struct Key {
    /// The key.
    pub id: String,
    /// The same one under older index keys.
    pub aliases: Vec<String>,
    /// What the source states, where that holds a number: it rests sealed, so that new index keys can be applied to it.
    pub numbered: Option<String>,
}

impl Key {
    /// Of all that it is and was, the current one first.
    pub fn made(all: Vec<String>) -> Key {
        let mut all = all.into_iter();
        Key { id: all.next().unwrap_or_default(), aliases: all.collect(), numbered: None }
    }

    /// A source's own.
    pub fn stated(keys: &KeyRing, stated: String) -> Result<Key> {
        if !may_be_number(&stated) {
            return Ok(Key { id: stated, ..Key::default() });
        }
        Ok(Key { numbered: Some(stated.clone()), ..Key::made(of_numbered(keys, &stated)?) })
    }
}
