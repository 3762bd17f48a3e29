//! Packed, digested and sealed for its row, and opened again.
//!
//! The digest is an HMAC over what is stated in a canonical order, without rank, village, keys and places in the file: those
//! are compared as columns, or do not matter. A field that is not stated leaves no trace in it, so that a later version which
//! reads one field more finds the same digest where that field is empty.

use std::borrow::Cow;
use std::num::NonZero;

use chrono::NaiveDate;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::intake::{Family, Person};
use super::super::keys::KeyKind;
use super::super::model::{NikState, RegistryStatus};
use super::{RawRow, StatedPerson, Statement};
use crate::features::beneficiaries::{Attributes, Relation};
use crate::platform::error::{Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik, Sex};

mod renewed;

pub use renewed::{Renewed, Renewer, other_names, renewed};

/// The column that statements are sealed for.
pub(super) const COLUMN: &str = "statements.sealed";
/// The column that refused rows are sealed for.
const ROW_COLUMN: &str = "rejected_rows.sealed";
/// What digests are made of; they meet nothing else.
const CONTENT: &str = "statements.content";
/// The first byte of what is sealed: deflated JSON, the cells of the rows in it.
const WHOLE: u8 = 1;
/// Deflated JSON without the rows, and behind it the rows: whoever asks for people unpacks no cells, and these are half of it. How long the
/// first part is stands before both, in four bytes, the lowest first.
const ROWS_LAST: u8 = 2;
const LENGTH: usize = 4;
/// What one statement may unpack to: far above a family of a thousand, far below a bomb.
const UNPACKED: usize = 64 << 20;

/// A row of the table, made ready.
pub struct Sealed {
    /// Record id.
    pub id: Uuid,
    /// See [`Statement::source_id`].
    pub source_id: String,
    /// The village.
    pub region_code: String,
    /// 1 to 10.
    pub decile: Option<i16>,
    /// 1 to 100.
    pub percentile: Option<i16>,
    /// How many people.
    pub people: i32,
    /// What "changed" is told by.
    pub digest: Vec<u8>,
    /// Everything.
    pub sealed: Vec<u8>,
}

/// What is sealed. Names are short because each stands there once a person; they never change.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    #[serde(rename = "j")]
    key: KeyKind,
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    numbered: Option<Cow<'a, str>>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    address: Option<Cow<'a, str>>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    kk: Option<Cow<'a, str>>,
    #[serde(rename = "f")]
    attributes: Attributes,
    #[serde(rename = "p")]
    people: Vec<Told<'a>>,
    /// Stands behind the rest, see [`ROWS_LAST`]; in it only where it was packed [`WHOLE`].
    #[serde(rename = "r", default, skip_serializing)]
    rows: Vec<Raw<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Told<'a> {
    #[serde(rename = "i")]
    source_id: Cow<'a, str>,
    /// The key was made of what is stated.
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    made: bool,
    /// The source's key where that one holds a number.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    numbered: Option<Cow<'a, str>>,
    #[serde(rename = "s")]
    sheet: Cow<'a, str>,
    #[serde(rename = "w")]
    row: u32,
    #[serde(rename = "q")]
    facts: Facts<'a>,
}

/// What counts as a statement about a person.
#[derive(Serialize, Deserialize)]
struct Facts<'a> {
    #[serde(rename = "n")]
    name: Cow<'a, str>,
    #[serde(rename = "e")]
    relation: Relation,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    sex: Option<Sex>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    birth_date: Option<NaiveDate>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    birth_place: Option<Cow<'a, str>>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    mother_name: Option<Cow<'a, str>>,
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    nik: Option<Cow<'a, str>>,
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    nik_written: Option<Cow<'a, str>>,
    #[serde(rename = "t")]
    nik_state: NikState,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    kk: Option<Cow<'a, str>>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    address: Option<Cow<'a, str>>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    marital_status: Option<Cow<'a, str>>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    occupation: Option<Cow<'a, str>>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    education: Option<Cow<'a, str>>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    dukcapil_match: Option<bool>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    registry_status: Option<RegistryStatus>,
}

/// A row's cells as a list.
#[derive(Serialize, Deserialize)]
struct Raw<'a> {
    #[serde(rename = "s")]
    sheet: Cow<'a, str>,
    #[serde(rename = "w")]
    row: u32,
    #[serde(rename = "c")]
    cells: Cells<'a>,
}

struct Cells<'a>(Cow<'a, str>);

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
    fn digest(&self, keys: &KeyRing, ranked: bool) -> Result<Vec<u8>> {
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

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value).map_err(|_| anyhow::anyhow!("a statement cannot be written as JSON"))?)
}

/// Packs texts one after another with one compressor: making one costs more than packing a family.
struct Packer(Compress);

impl Packer {
    fn new() -> Packer {
        Packer(Compress::new(Compression::fast(), false))
    }

    fn statement(&mut self, content: &Content<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(json(content)?);
        let people = text.len();
        text.extend_from_slice(&Zeroizing::new(json(&content.rows)?));
        self.pack(&text, people)
    }

    /// Packs a text whose first part is so long.
    fn pack(&mut self, text: &[u8], first: usize) -> Result<Zeroizing<Vec<u8>>> {
        let first = u32::try_from(first).map_err(|_| anyhow::anyhow!("a statement is too long to be packed"))?;
        let mut packed = Zeroizing::new(Vec::with_capacity(text.len() / 2 + 64));
        packed.push(ROWS_LAST);
        packed.extend_from_slice(&first.to_le_bytes());
        self.0.reset();
        loop {
            let rest = text.get(usize::try_from(self.0.total_in()).unwrap_or(usize::MAX)..).unwrap_or_default();
            let status = self.0.compress_vec(rest, &mut packed, FlushCompress::Finish);
            match status.map_err(|_| anyhow::anyhow!("a statement cannot be packed"))? {
                Status::StreamEnd => return Ok(packed),
                Status::Ok | Status::BufError => packed.reserve(text.len() / 2 + 64),
            }
        }
    }
}

fn unpacked(packed: &[u8]) -> Result<(Zeroizing<Vec<u8>>, usize)> {
    let mut text = Zeroizing::new(Vec::with_capacity(packed.len() * 4 + 256));
    let first = unpack(&mut Decompress::new(false), packed, &mut text)?;
    Ok((text, first))
}

fn broken() -> Error {
    anyhow::anyhow!("a statement cannot be unpacked").into()
}

/// What is deflated, and how long its first part is; none where it is in one part.
fn parts(packed: &[u8]) -> Result<(&[u8], Option<usize>)> {
    match packed.split_first().ok_or_else(broken)? {
        (&WHOLE, deflated) => Ok((deflated, None)),
        (&ROWS_LAST, rest) => {
            let (length, deflated) = rest.split_first_chunk::<LENGTH>().ok_or_else(broken)?;
            let first = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|first| *first <= UNPACKED);
            Ok((deflated, Some(first.ok_or_else(broken)?)))
        }
        _ => Err(broken()),
    }
}

/// Unpacks into a text that is empty, by a stream that is new; says how long the first part is.
fn unpack(stream: &mut Decompress, packed: &[u8], text: &mut Vec<u8>) -> Result<usize> {
    let (deflated, first) = parts(packed)?;
    text.reserve(deflated.len() * 4 + 256);
    loop {
        let rest = deflated.get(usize::try_from(stream.total_in()).unwrap_or(usize::MAX)..).unwrap_or_default();
        let before = (stream.total_in(), text.len());
        let status = stream.decompress_vec(rest, text, FlushDecompress::Finish).map_err(|_| broken())?;
        let full = text.len() == text.capacity();
        match status {
            Status::StreamEnd => break,
            _ if full && text.len() < UNPACKED => {
                let more = text.len();
                text.reserve(more);
            }
            _ if before == (stream.total_in(), text.len()) => return Err(broken()),
            _ => {}
        }
    }
    match first {
        Some(first) if first > text.len() => Err(broken()),
        first => Ok(first.unwrap_or(text.len())),
    }
}

/// The same without the rows, where these stand last.
pub(super) fn unpack_people(stream: &mut Decompress, packed: &[u8], text: &mut Vec<u8>) -> Result<()> {
    let (deflated, Some(first)) = parts(packed)? else { return unpack(stream, packed, text).map(|_| ()) };
    // Beyond the end as far as one step of unpacking may reach: near the end of its room it goes byte by byte.
    text.resize(first + STEP, 0);
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let rest = deflated.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or_default();
        let room = text.get_mut(usize::try_from(written).unwrap_or(usize::MAX)..).unwrap_or_default();
        let status = stream.decompress(rest, room, FlushDecompress::None).map_err(|_| broken())?;
        if stream.total_out() >= first as u64 {
            text.truncate(first);
            return Ok(());
        }
        if status == Status::StreamEnd || (read, written) == (stream.total_in(), stream.total_out()) {
            return Err(broken());
        }
    }
}

/// More than the longest match of deflate (RFC 1951 section 3.2.5), twice.
const STEP: usize = 576;

/// Packs and seals what a batch states, on every processor; touches no database.
pub fn prepare(keys: &KeyRing, families: &[Family]) -> Result<Vec<Sealed>> {
    let share = families.len().div_ceil(processors()).max(1);
    // Ids rise in the order of the file, whichever thread is done first.
    let ids: Vec<Uuid> = families.iter().map(|_| new_id()).collect();
    let sealed: Vec<Result<Vec<Sealed>>> = std::thread::scope(|scope| {
        let parts: Vec<_> = families
            .chunks(share)
            .zip(ids.chunks(share))
            .map(|(families, ids)| {
                scope.spawn(move || {
                    let mut packer = Packer::new();
                    families.iter().zip(ids).map(|(family, id)| seal(keys, &mut packer, family, *id)).collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(anyhow::anyhow!("sealing panicked").into()))).collect()
    });
    Ok(sealed.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn seal(keys: &KeyRing, packer: &mut Packer, family: &Family, id: Uuid) -> Result<Sealed> {
    let content = Content::from(family);
    let packed = packer.statement(&content)?;
    Ok(Sealed {
        id,
        source_id: family.source_id.clone(),
        region_code: family.region.as_str().to_owned(),
        decile: family.decile.map(i16::from),
        percentile: family.percentile.map(i16::from),
        people: i32::try_from(family.people.len()).unwrap_or(i32::MAX),
        digest: content.digest(keys, family.decile.is_some())?,
        sealed: keys.seal(COLUMN, id, &packed)?,
    })
}

fn content(keys: &KeyRing, id: Uuid, sealed: &[u8]) -> Result<Content<'static>> {
    let (text, first) = unpacked(&keys.open(COLUMN, id, sealed)?)?;
    let strange = |_| anyhow::anyhow!("statement {id} holds something sealed that is no statement");
    let (people, rows) = text.split_at(first);
    let mut content: Content<'_> = serde_json::from_slice(people).map_err(strange)?;
    if !rows.is_empty() {
        content.rows = serde_json::from_slice(rows).map_err(strange)?;
    }
    Ok(content)
}

/// A row of the table with everything it says.
pub fn open(keys: &KeyRing, row: Sealed) -> Result<Statement> {
    let Sealed { id, source_id, region_code, decile, percentile, people: _, digest: _, sealed } = row;
    let Content { key: _, numbered: _, address, kk, attributes, people, rows } = content(keys, id, &sealed)?;
    let small = |number: Option<i16>| number.and_then(|number| u8::try_from(number).ok());
    Ok(Statement {
        id,
        source_id,
        region: RegionCode::stored(&region_code),
        decile: small(decile),
        percentile: small(percentile),
        address: address.map(Cow::into_owned),
        kk: kk.and_then(|kk| KkNumber::parse(&kk).ok()),
        attributes,
        people: people.into_iter().enumerate().map(|(at, told)| stated(at, told)).collect(),
        rows: rows.into_iter().map(RawRow::from).collect(),
    })
}

/// How many threads open or seal at a time.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(8)
}

fn stated(at: usize, told: Told<'_>) -> StatedPerson {
    let Told { source_id, made: _, numbered: _, sheet, row, facts } = told;
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    StatedPerson {
        ordinal: u16::try_from(at).unwrap_or(u16::MAX),
        source_id: source_id.into_owned(),
        sheet: sheet.into_owned(),
        row,
        name: facts.name.into_owned(),
        relation: facts.relation,
        sex: facts.sex,
        birth_date: facts.birth_date,
        birth_place: own(facts.birth_place),
        mother_name: own(facts.mother_name),
        nik: facts.nik.and_then(|nik| Nik::parse(&nik).ok()),
        nik_written: own(facts.nik_written),
        nik_state: facts.nik_state,
        kk: facts.kk.and_then(|kk| KkNumber::parse(&kk).ok()),
        address: own(facts.address),
        marital_status: own(facts.marital_status),
        occupation: own(facts.occupation),
        education: own(facts.education),
        dukcapil_match: facts.dukcapil_match,
        registry_status: facts.registry_status,
    }
}

/// Seals the cells of a refused row.
pub fn seal_row(keys: &KeyRing, id: Uuid, raw: &RawRow) -> Result<Vec<u8>> {
    Ok(keys.seal(ROW_COLUMN, id, &Zeroizing::new(json(&Raw::from(raw))?))?)
}

/// The cells of a refused row.
pub fn open_row(keys: &KeyRing, id: Uuid, sealed: &[u8]) -> Result<RawRow> {
    let text = keys.open(ROW_COLUMN, id, sealed)?;
    let raw: Raw<'_> = serde_json::from_slice(&text).map_err(|_| anyhow::anyhow!("row {id} holds something sealed that is no row"))?;
    Ok(raw.into())
}

/// A refused row under the current key; none where it rests under it already.
pub fn renewed_row(keys: &KeyRing, id: Uuid, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    if keys.is_current(sealed) {
        return Ok(None);
    }
    Ok(Some(keys.seal(ROW_COLUMN, id, &keys.open(ROW_COLUMN, id, sealed)?)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::intake::Place;
    use super::super::{PeopleReader, SealedPeople};
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::parse(&KeyRing::generate().unwrap()).unwrap()
    }

    pub fn person(name: &str, row: u32) -> Person {
        Person {
            source_id: format!("P{row}"),
            aliases: Vec::new(),
            made: false,
            numbered: None,
            place: Place { sheet: "Individu".into(), row },
            name: name.to_owned(),
            relation: Relation::Child,
            sex: Some(Sex::Female),
            birth_date: NaiveDate::from_ymd_opt(1990, 2, 3),
            marital_status: Some("married"),
            occupation: None,
            education: None,
            nik: Nik::parse("6202094107850001").ok(),
            nik_state: NikState::Valid,
            nik_written: None,
            birth_place: None,
            mother_name: None,
            kk: None,
            address: None,
            dukcapil_match: Some(true),
            registry_status: None,
        }
    }

    pub fn family(people: Vec<Person>) -> Family {
        let cells = ["", "SITI;\"CONTOH\"\u{1f}\0", "\u{1e}6202090107850000"];
        Family {
            source_id: "F1".into(),
            aliases: Vec::new(),
            key: KeyKind::Stated,
            numbered: None,
            kk: None,
            region: RegionCode::parse("62.02.09.2001").unwrap(),
            address: Some("RT 1".into()),
            decile: Some(2),
            percentile: None,
            attributes: Attributes::default(),
            people,
            rows: vec![RawRow::new("Individu".into(), 5, cells.into_iter())],
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_nothing_of_it_stands_beside() {
        let keys = ring();
        let sealed = prepare(&keys, &[family(vec![person("SITI", 5), person("ANI", 6)])]).unwrap().remove(0);
        assert_eq!((sealed.source_id.as_str(), sealed.people, sealed.decile), ("F1", 2, Some(2)));
        let statement = open(&keys, sealed).unwrap();
        assert_eq!(
            statement.people.iter().map(|person| (person.ordinal, person.name.as_str())).collect::<Vec<_>>(),
            [(0, "SITI"), (1, "ANI")]
        );
        assert_eq!(statement.people[1].nik.as_ref().unwrap().expose(), "6202094107850001");
        assert_eq!(statement.people[1].dukcapil_match, Some(true));
        let cells: Vec<_> = statement.rows[0].typed_cells().collect();
        assert_eq!(cells, [(None, ""), (None, "SITI;\"CONTOH\"  "), (Some(6_202_090_107_850_000.0), "6202090107850000")]);
    }

    #[test]
    fn the_digest_is_of_what_is_said_and_of_nothing_else() {
        let keys = ring();
        let digest = |family: Family| prepare(&keys, &[family]).unwrap().remove(0).digest;
        let first = digest(family(vec![person("SITI", 5), person("ANI", 6)]));
        let moved = Family {
            region: RegionCode::parse("62.02.09.2002").unwrap(),
            decile: Some(3),
            ..family(vec![person("ANI", 9), person("SITI", 7)])
        };
        assert_eq!(digest(moved), first, "order, place, rank and village are no content");
        assert_ne!(digest(family(vec![person("SITI", 5), person("ANY", 6)])), first);
        assert_ne!(digest(family(vec![person("SITI", 5)])), first);
        assert_ne!(digest(Family { decile: None, ..family(vec![person("SITI", 5), person("ANI", 6)]) }), first);
        let mut corrected = person("ANI", 6);
        corrected.nik_state = NikState::Missing;
        corrected.nik = None;
        assert_ne!(digest(family(vec![person("SITI", 5), corrected])), first);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_packed_is_unpacked(
            texts in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..5_000), proptest::collection::vec(0u8..4, 0..5_000)), 1..4),
        ) {
            let mut packer = Packer::new();
            let mut stream = Decompress::new(false);
            for (first, second) in texts {
                let whole = [first.as_slice(), &second].concat();
                let packed = packer.pack(&whole, first.len()).unwrap();
                let (text, length) = unpacked(&packed).unwrap();
                prop_assert!(text.as_slice() == whole.as_slice() && length == first.len());
                stream.reset(false);
                let mut people = Vec::new();
                unpack_people(&mut stream, &packed, &mut people).unwrap();
                prop_assert!(people == first);
                for cut in [0, 1, 3, 5, packed.len() / 2] {
                    prop_assert!(unpacked(packed.get(..cut).unwrap()).is_err());
                }
                // Cut before the end of the first part, or promising more than there is.
                stream.reset(false);
                let short = packed.get(..packed.len().min(4)).unwrap();
                prop_assert!(unpack_people(&mut stream, short, &mut Vec::new()).is_err());
                let mut lying = packed.to_vec();
                lying[1..5].copy_from_slice(&u32::try_from(whole.len() + 1).unwrap().to_le_bytes());
                prop_assert!(unpacked(&lying).is_err());
                stream.reset(false);
                prop_assert!(unpack_people(&mut stream, &lying, &mut Vec::new()).is_err());
                lying[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
                prop_assert!(unpacked(&lying).is_err());
            }
        }
    }

    #[test]
    fn what_was_packed_whole_is_still_read() {
        let keys = ring();
        let family = family(vec![person("SITI", 5), person("ANI", 6)]);
        let now = open(&keys, prepare(&keys, std::slice::from_ref(&family)).unwrap().remove(0)).unwrap();
        // As it was written until November 2026: the rows inside.
        let content = Content::from(&family);
        let mut text = serde_json::to_value(&content).unwrap();
        text["r"] = serde_json::to_value(&content.rows).unwrap();
        let mut packed = Packer::new().pack(text.to_string().as_bytes(), 0).unwrap().split_off(1 + LENGTH);
        packed.insert(0, WHOLE);
        let mut row = prepare(&keys, std::slice::from_ref(&family)).unwrap().remove(0);
        row.sealed = keys.seal(COLUMN, row.id, &packed).unwrap();
        let sealed = SealedPeople { id: row.id, region_code: row.region_code.clone(), people: 2, sealed: row.sealed.clone() };
        let then = open(&keys, row).unwrap();
        assert_eq!(then.people.len(), now.people.len());
        assert_eq!(then.rows[0].cells().collect::<Vec<_>>(), now.rows[0].cells().collect::<Vec<_>>());
        assert_eq!(then.people[0].nik.as_ref().unwrap().expose(), now.people[0].nik.as_ref().unwrap().expose());
        let mut names = Vec::new();
        PeopleReader::default().read(&keys, &sealed, |told| names.push(told.name.to_owned())).unwrap();
        assert_eq!(names, ["SITI", "ANI"]);
    }
}
