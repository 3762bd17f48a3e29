//! What is sealed of a family, and the digest that "changed" is told by.
//!
//! The digest is an HMAC over what is stated in a canonical order, without rank, village, keys and places in the file: those
//! are compared as columns, or do not matter. A field that is not stated leaves no trace in it, so that a later version which
//! reads one field more finds the same digest where that field is empty.

use std::borrow::Cow;

use chrono::NaiveDate;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::super::intake::{Family, Person};
use super::super::keys::KeyKind;
use super::super::model::{NikState, RegistryStatus};
use super::RawRow;
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Sex;

/// What digests are made of; they meet nothing else.
const CONTENT: &str = "statements.content";

/// What is sealed; read as it stands here where it was packed as one JSON. Names are short because each stands there once a person; they
/// never change.
#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(rename = "j")]
    pub(super) key: KeyKind,
    /// The source's key where that one holds a number.
    #[serde(rename = "h", default)]
    pub(super) numbered: Option<Cow<'a, str>>,
    #[serde(rename = "a", default)]
    pub(super) address: Option<Cow<'a, str>>,
    #[serde(rename = "k", default)]
    pub(super) kk: Option<Cow<'a, str>>,
    #[serde(rename = "f")]
    pub(super) attributes: Attributes,
    #[serde(rename = "p")]
    pub(super) people: Vec<Told<'a>>,
    #[serde(rename = "r", default)]
    pub(super) rows: Vec<Raw<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Told<'a> {
    #[serde(rename = "i")]
    pub(super) source_id: Cow<'a, str>,
    /// The key was made of what is stated.
    #[serde(rename = "l", default)]
    pub(super) made: bool,
    /// As [`Content::numbered`].
    #[serde(rename = "h", default)]
    pub(super) numbered: Option<Cow<'a, str>>,
    #[serde(rename = "s")]
    pub(super) sheet: Cow<'a, str>,
    #[serde(rename = "w")]
    pub(super) row: u32,
    #[serde(rename = "q")]
    pub(super) facts: Facts<'a>,
}

/// What counts as a statement about a person, and what its digest is made of.
#[derive(Serialize, Deserialize)]
pub(super) struct Facts<'a> {
    #[serde(rename = "n")]
    pub(super) name: Cow<'a, str>,
    #[serde(rename = "e")]
    pub(super) relation: Relation,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(super) sex: Option<Sex>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(super) birth_date: Option<NaiveDate>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) birth_place: Option<Cow<'a, str>>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(super) mother_name: Option<Cow<'a, str>>,
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub(super) nik: Option<Cow<'a, str>>,
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub(super) nik_written: Option<Cow<'a, str>>,
    #[serde(rename = "t")]
    pub(super) nik_state: NikState,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(super) kk: Option<Cow<'a, str>>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<Cow<'a, str>>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(super) marital_status: Option<Cow<'a, str>>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(super) occupation: Option<Cow<'a, str>>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(super) education: Option<Cow<'a, str>>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(super) dukcapil_match: Option<bool>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(super) registry_status: Option<RegistryStatus>,
}

/// A row's cells as a list.
#[derive(Serialize, Deserialize)]
pub(super) struct Raw<'a> {
    #[serde(rename = "s")]
    pub(super) sheet: Cow<'a, str>,
    #[serde(rename = "w")]
    pub(super) row: u32,
    #[serde(rename = "c")]
    pub(super) cells: Cells<'a>,
}

pub(super) struct Cells<'a>(pub(super) Cow<'a, str>);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(None)?;
        for cell in self.0.split(RawRow::BETWEEN) {
            list.serialize_element(cell)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Cells<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let cells = Vec::<Cow<'_, str>>::deserialize(from)?;
        Ok(Cells(cells.join(&*RawRow::BETWEEN.to_string()).into()))
    }
}

impl<'a> From<&'a RawRow> for Raw<'a> {
    fn from(raw: &'a RawRow) -> Self {
        Raw { sheet: Cow::Borrowed(&raw.sheet), row: raw.row, cells: Cells(Cow::Borrowed(&raw.joined)) }
    }
}

impl From<Raw<'_>> for RawRow {
    fn from(raw: Raw<'_>) -> Self {
        RawRow { sheet: raw.sheet.as_ref().into(), row: raw.row, joined: raw.cells.0.as_ref().into() }
    }
}

impl<'a> From<&'a Person> for Told<'a> {
    fn from(person: &'a Person) -> Self {
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        let facts = Facts {
            name: Cow::Borrowed(&person.name),
            relation: person.relation,
            sex: person.sex,
            birth_date: person.birth_date,
            birth_place: text(&person.birth_place),
            mother_name: text(&person.mother_name),
            nik: person.nik.as_ref().map(|nik| Cow::Borrowed(nik.expose())),
            nik_written: text(&person.nik_written),
            nik_state: person.nik_state,
            kk: person.kk.as_ref().map(|kk| Cow::Borrowed(kk.expose())),
            address: text(&person.address),
            marital_status: person.marital_status.map(Cow::Borrowed),
            occupation: person.occupation.map(Cow::Borrowed),
            education: person.education.map(Cow::Borrowed),
            dukcapil_match: person.dukcapil_match,
            registry_status: person.registry_status,
        };
        Told {
            source_id: Cow::Borrowed(&person.source_id),
            made: person.made,
            numbered: text(&person.numbered),
            sheet: Cow::Borrowed(&person.place.sheet),
            row: person.place.row,
            facts,
        }
    }
}

impl<'a> From<&'a Family> for Content<'a> {
    fn from(family: &'a Family) -> Self {
        Content {
            key: family.key,
            numbered: family.numbered.as_deref().map(Cow::Borrowed),
            address: family.address.as_deref().map(Cow::Borrowed),
            kk: family.kk.as_ref().map(|kk| Cow::Borrowed(kk.expose())),
            attributes: family.attributes,
            people: family.people.iter().map(Told::from).collect(),
            rows: family.rows.iter().map(Raw::from).collect(),
        }
    }
}

impl Content<'_> {
    /// The order of rows in a file says nothing, so people stand here in the order of what is said of them.
    pub(super) fn digest(&self, keys: &KeyRing, ranked: bool) -> Result<Vec<u8>> {
        let mut people = Vec::with_capacity(self.people.len());
        for person in &self.people {
            people.push(Zeroizing::new(json(&person.facts)?));
        }
        people.sort_unstable_by(|one, other| one.as_slice().cmp(other.as_slice()));
        // A family that was not ranked before is a change; another rank is told by itself.
        let mut text = Zeroizing::new(json(&(ranked, &self.address, &self.kk, self.attributes))?);
        for person in people {
            text.extend_from_slice(&person);
        }
        Ok(keys.index(CONTENT, &text)?)
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value).map_err(|_| anyhow::anyhow!("a statement cannot be written as JSON"))?)
}
