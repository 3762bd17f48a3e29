//! What statements say of people, read where it lies: a run reads half a million of them and keeps none of their texts.

use std::borrow::Cow;
use std::fmt;

use flate2::Decompress;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::model::{NikState, RegistryStatus};
use super::packed::{COLUMN, unpack_people};
use crate::features::beneficiaries::Relation;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Sex;

/// A row of the table, as far as it tells of people.
pub struct SealedPeople {
    /// Record id.
    pub id: Uuid,
    /// The village.
    pub region_code: String,
    /// How many people.
    pub people: i32,
    /// Everything.
    pub sealed: Vec<u8>,
}

/// A person as a release states them, borrowed from the opened statement. Prints nothing personal.
pub struct PersonRead<'a> {
    /// The place among the family's people, from 0.
    pub ordinal: i16,
    /// The source's key of the person, or one made of what is stated.
    pub source_id: &'a str,
    /// Name as written.
    pub name: &'a str,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on, as year-month-day; empty where it is not stated, like all that follow.
    pub birth_date: &'a str,
    /// Born at.
    pub birth_place: &'a str,
    /// The mother's maiden name.
    pub mother_name: &'a str,
    /// NIK, where it is one.
    pub nik: &'a str,
    /// What stands where the NIK should, when that is none.
    pub nik_written: &'a str,
    /// How the NIK was judged.
    pub nik_state: NikState,
    /// The number of the family card, on the person's row or else the family's.
    pub kk: &'a str,
    /// Address, on the person's row or else the family's.
    pub address: &'a str,
    /// The centre's verdict.
    pub dukcapil_match: Option<bool>,
    /// What a civil registry says of the person.
    pub registry_status: Option<RegistryStatus>,
}

/// A text that stays where it is, unless an escape in it had to be resolved.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Lying;
        impl<'de> Visitor<'de> for Lying {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> std::result::Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        from.deserialize_str(Lying).map(Text)
    }
}

/// What is sealed (see `packed`), without what only the family's record and corrections need.
#[derive(Deserialize)]
struct Content<'a> {
    #[serde(rename = "a", default, borrow)]
    address: Option<Text<'a>>,
    #[serde(rename = "k", default, borrow)]
    kk: Option<Text<'a>>,
    #[serde(rename = "p", borrow)]
    people: Vec<Told<'a>>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "i", borrow)]
    source_id: Text<'a>,
    #[serde(rename = "q", borrow)]
    facts: Facts<'a>,
}

#[derive(Deserialize)]
struct Facts<'a> {
    #[serde(rename = "n", borrow)]
    name: Text<'a>,
    #[serde(rename = "e")]
    relation: Relation,
    #[serde(rename = "x", default)]
    sex: Option<Sex>,
    #[serde(rename = "b", default, borrow)]
    birth_date: Option<Text<'a>>,
    #[serde(rename = "c", default, borrow)]
    birth_place: Option<Text<'a>>,
    #[serde(rename = "m", default, borrow)]
    mother_name: Option<Text<'a>>,
    #[serde(rename = "y", default, borrow)]
    nik: Option<Text<'a>>,
    #[serde(rename = "z", default, borrow)]
    nik_written: Option<Text<'a>>,
    #[serde(rename = "t")]
    nik_state: NikState,
    #[serde(rename = "k", default, borrow)]
    kk: Option<Text<'a>>,
    #[serde(rename = "a", default, borrow)]
    address: Option<Text<'a>>,
    #[serde(rename = "u", default)]
    dukcapil_match: Option<bool>,
    #[serde(rename = "v", default)]
    registry_status: Option<RegistryStatus>,
}

/// Opens statements one after another, in space that it uses again.
pub struct PeopleReader {
    stream: Decompress,
    text: Zeroizing<Vec<u8>>,
}

/// One for many statements, and for one thread.
impl Default for PeopleReader {
    fn default() -> Self {
        PeopleReader { stream: Decompress::new(false), text: Zeroizing::new(Vec::with_capacity(4_096)) }
    }
}

impl PeopleReader {
    /// Hands over the people of a statement, in its order.
    pub fn read(&mut self, keys: &KeyRing, row: &SealedPeople, mut take: impl FnMut(&PersonRead<'_>)) -> Result<()> {
        self.stream.reset(false);
        self.text.clear();
        unpack_people(&mut self.stream, &keys.open(COLUMN, row.id, &row.sealed)?, &mut self.text)?;
        let broken = |_| anyhow::anyhow!("statement {} holds something sealed that is no statement", row.id);
        let Content { address, kk, people } = serde_json::from_slice(&self.text).map_err(broken)?;
        for (ordinal, Told { source_id, facts }) in (0i16..).zip(&people) {
            take(&PersonRead {
                ordinal,
                source_id: &source_id.0,
                name: &facts.name.0,
                relation: facts.relation,
                sex: facts.sex,
                birth_date: text(facts.birth_date.as_ref()),
                birth_place: text(facts.birth_place.as_ref()),
                mother_name: text(facts.mother_name.as_ref()),
                nik: text(facts.nik.as_ref()),
                nik_written: text(facts.nik_written.as_ref()),
                nik_state: facts.nik_state,
                kk: text(facts.kk.as_ref().or(kk.as_ref())),
                address: text(facts.address.as_ref().or(address.as_ref())),
                dukcapil_match: facts.dukcapil_match,
                registry_status: facts.registry_status,
            });
        }
        Ok(())
    }
}

fn text<'a>(text: Option<&'a Text<'_>>) -> &'a str {
    text.map_or("", |text| &text.0)
}
