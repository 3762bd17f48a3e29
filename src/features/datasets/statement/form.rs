//! The forms in which a family's content is packed to be sealed, today's and those of before.

use std::borrow::Cow;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use postcard::take_from_bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::keys::KeyKind;
use super::content::{Content, Facts, Raw, Told, json};
use super::people::{HomeRead, PersonRead};
use crate::features::beneficiaries::Attributes;
use crate::platform::error::{Error, Result};

/// The first byte of what is sealed, where it is deflated JSON, the cells of the rows in it.
pub(super) const WHOLE: u8 = 1;
/// Deflated JSON without the rows, and behind it the rows. How long the first part is stands before both, in four bytes, the lowest first.
pub(super) const ROWS_LAST: u8 = 2;
/// What is compared, as [`HomeRead`] and its [`PersonRead`]s; behind it, deflated, the rest as JSON. How long the first part is stands before
/// both, as in [`ROWS_LAST`]. Whoever asks for people unpacks nothing, which was a third of the time that a run took to read them.
const PEOPLE_FIRST: u8 = 3;
/// Of the length of the first part.
pub(super) const LENGTH: usize = 4;
/// What one statement may unpack to: far above a family of a thousand, far below a bomb.
const UNPACKED: usize = 64 << 20;

/// What stands behind the people: only the family's record and corrections ask for it.
#[derive(Serialize, Deserialize)]
struct Rest<'a> {
    #[serde(rename = "j")]
    key: KeyKind,
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    numbered: Option<Cow<'a, str>>,
    #[serde(rename = "f")]
    attributes: Attributes,
    /// In the order of the people.
    #[serde(rename = "p")]
    people: Vec<Beside<'a>>,
    #[serde(rename = "r")]
    rows: Vec<Raw<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Beside<'a> {
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    made: bool,
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    numbered: Option<Cow<'a, str>>,
    #[serde(rename = "s")]
    sheet: Cow<'a, str>,
    #[serde(rename = "w")]
    row: u32,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    marital_status: Option<Cow<'a, str>>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    occupation: Option<Cow<'a, str>>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    education: Option<Cow<'a, str>>,
}

/// Packs one after another with one compressor: making one costs more than packing a family.
pub(super) struct Packer(Compress);

impl Packer {
    pub(super) fn new() -> Packer {
        Packer(Compress::new(Compression::fast(), false))
    }

    pub(super) fn statement(&mut self, content: Content<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let Content { key, numbered, address, kk, attributes, people, rows } = content;
        let count = u32::try_from(people.len()).map_err(|_| unwritten())?;
        let home = HomeRead { address: text(&address), kk: text(&kk), people: count };
        let mut packed = Zeroizing::new(Vec::with_capacity(256 * (people.len() + rows.len() + 1)));
        packed.extend_from_slice(&[PEOPLE_FIRST, 0, 0, 0, 0]);
        let start = packed.len();
        append(&mut packed, &home)?;
        let mut beside = Vec::with_capacity(people.len());
        for person in people {
            let Told { source_id, made, numbered, sheet, row, facts } = person;
            let birth_date = Zeroizing::new(facts.birth_date.map(|day| day.to_string()).unwrap_or_default());
            let compared = PersonRead {
                source_id: &source_id,
                name: &facts.name,
                relation: facts.relation,
                sex: facts.sex,
                birth_date: &birth_date,
                birth_place: text(&facts.birth_place),
                mother_name: text(&facts.mother_name),
                nik: text(&facts.nik),
                nik_written: text(&facts.nik_written),
                nik_state: facts.nik_state,
                kk: text(&facts.kk),
                address: text(&facts.address),
                dukcapil_match: facts.dukcapil_match,
                registry_status: facts.registry_status,
            };
            append(&mut packed, &compared)?;
            let Facts { marital_status, occupation, education, .. } = facts;
            beside.push(Beside { made, numbered, sheet, row, marital_status, occupation, education });
        }
        let length = u32::try_from(packed.len() - start).map_err(|_| unwritten())?;
        packed.get_mut(start - LENGTH..start).ok_or_else(unwritten)?.copy_from_slice(&length.to_le_bytes());
        let rest = Zeroizing::new(json(&Rest { key, numbered, attributes, people: beside, rows })?);
        self.deflate(&rest, &mut packed)?;
        Ok(packed)
    }

    /// Appends a text, deflated.
    pub(super) fn deflate(&mut self, text: &[u8], to: &mut Vec<u8>) -> Result<()> {
        self.0.reset();
        loop {
            to.reserve(text.len() / 2 + 64);
            let rest = text.get(usize::try_from(self.0.total_in()).unwrap_or(usize::MAX)..).unwrap_or_default();
            match self.0.compress_vec(rest, to, FlushCompress::Finish).map_err(|_| unwritten())? {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

fn text<'a>(text: &'a Option<Cow<'_, str>>) -> &'a str {
    text.as_deref().unwrap_or_default()
}

fn stated_text(text: &str) -> Option<Cow<'static, str>> {
    Some(text).filter(|text| !text.is_empty()).map(|text| Cow::Owned(text.to_owned()))
}

fn append<T: Serialize>(to: &mut Zeroizing<Vec<u8>>, value: &T) -> Result<()> {
    let before = std::mem::take(&mut **to);
    **to = postcard::to_extend(value, before).map_err(|_| unwritten())?;
    Ok(())
}

fn unwritten() -> Error {
    anyhow::anyhow!("a statement cannot be packed").into()
}

fn broken() -> Error {
    anyhow::anyhow!("a statement cannot be unpacked").into()
}

/// The two parts behind the length of the first.
fn halves(rest: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<LENGTH>().ok_or_else(broken)?;
    usize::try_from(u32::from_le_bytes(*length)).ok().and_then(|length| rest.split_at_checked(length)).ok_or_else(broken)
}

/// Inflates what one statement may be.
fn inflated(deflated: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut stream = Decompress::new(false);
    let mut text = Zeroizing::new(Vec::with_capacity(deflated.len() * 4 + 256));
    loop {
        let rest = deflated.get(usize::try_from(stream.total_in()).unwrap_or(usize::MAX)..).unwrap_or_default();
        let before = (stream.total_in(), text.len());
        let status = stream.decompress_vec(rest, &mut text, FlushDecompress::Finish).map_err(|_| broken())?;
        let full = text.len() == text.capacity();
        match status {
            Status::StreamEnd => return Ok(text),
            _ if full && text.len() < UNPACKED => {
                let more = text.len();
                text.reserve(more);
            }
            _ if before == (stream.total_in(), text.len()) => return Err(broken()),
            _ => {}
        }
    }
}

/// Hands over what is compared, person by person.
pub(super) fn each_person(packed: &[u8], take: impl for<'a> FnMut(&HomeRead<'a>, PersonRead<'a>)) -> Result<()> {
    let (form, rest) = packed.split_first().ok_or_else(broken)?;
    if *form == PEOPLE_FIRST {
        return compared(halves(rest)?.0, take).map(|_| ());
    }
    // Written before people stood first: brought into today's form, and then read.
    let renewed = Packer::new().statement(unpacked(packed)?)?;
    compared(halves(renewed.get(1..).unwrap_or_default())?.0, take).map(|_| ())
}

fn compared<'f>(first: &'f [u8], mut take: impl for<'a> FnMut(&HomeRead<'a>, PersonRead<'a>)) -> Result<HomeRead<'f>> {
    let broken = |_| broken();
    let (home, mut rest) = take_from_bytes::<HomeRead<'_>>(first).map_err(broken)?;
    for _ in 0..home.people {
        let (person, more) = take_from_bytes::<PersonRead<'_>>(rest).map_err(broken)?;
        rest = more;
        take(&home, person);
    }
    Ok(home)
}

/// Everything that was packed, in whichever form.
pub(super) fn unpacked(packed: &[u8]) -> Result<Content<'static>> {
    let strange = |_| broken();
    match packed.split_first().ok_or_else(broken)? {
        (&WHOLE, deflated) => serde_json::from_slice(&inflated(deflated)?).map_err(strange),
        (&ROWS_LAST, rest) => {
            let (length, deflated) = rest.split_first_chunk::<LENGTH>().ok_or_else(broken)?;
            let text = inflated(deflated)?;
            let first = usize::try_from(u32::from_le_bytes(*length)).ok().and_then(|length| text.split_at_checked(length));
            let (people, rows) = first.ok_or_else(broken)?;
            let content: Content<'_> = serde_json::from_slice(people).map_err(strange)?;
            Ok(Content { rows: serde_json::from_slice(rows).map_err(strange)?, ..content })
        }
        (&PEOPLE_FIRST, rest) => {
            let (first, deflated) = halves(rest)?;
            let Rest { key, numbered, attributes, people: beside, rows } = serde_json::from_slice(&inflated(deflated)?).map_err(strange)?;
            let mut people = Vec::with_capacity(beside.len());
            let mut beside = beside.into_iter();
            let home = compared(first, |_, person| people.push(beside.next().and_then(|beside| told(&person, beside)).ok_or_else(broken)))?;
            let people = people.into_iter().collect::<Result<_>>()?;
            if beside.next().is_some() {
                return Err(broken());
            }
            Ok(Content { key, numbered, address: stated_text(home.address), kk: stated_text(home.kk), attributes, people, rows })
        }
        _ => Err(broken()),
    }
}

/// None where it cannot be what was packed.
fn told(person: &PersonRead<'_>, beside: Beside<'static>) -> Option<Told<'static>> {
    let Beside { made, numbered, sheet, row, marital_status, occupation, education } = beside;
    let facts = Facts {
        name: Cow::Owned(person.name.to_owned()),
        relation: person.relation,
        sex: person.sex,
        birth_date: if person.birth_date.is_empty() { None } else { Some(person.birth_date.parse().ok()?) },
        birth_place: stated_text(person.birth_place),
        mother_name: stated_text(person.mother_name),
        nik: stated_text(person.nik),
        nik_written: stated_text(person.nik_written),
        nik_state: person.nik_state,
        kk: stated_text(person.kk),
        address: stated_text(person.address),
        marital_status,
        occupation,
        education,
        dukcapil_match: person.dukcapil_match,
        registry_status: person.registry_status,
    };
    Some(Told { source_id: Cow::Owned(person.source_id.to_owned()), made, numbered, sheet, row, facts })
}
