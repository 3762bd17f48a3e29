//! Sealed for its row, and opened again.

use std::borrow::Cow;
use std::num::NonZero;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::intake::Family;
use super::content::{Content, Raw, Told, json};
use super::form::{Packer, unpacked};
use super::{RawRow, StatedPerson, Statement};
use crate::platform::error::{Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

mod renewed;

pub use renewed::{Renewed, Renewer, other_names, renewed};

/// The column that statements are sealed for.
pub(super) const COLUMN: &str = "statements.sealed";
/// The column that refused rows are sealed for.
const ROW_COLUMN: &str = "rejected_rows.sealed";

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
    let digest = content.digest(keys, family.decile.is_some())?;
    let packed = packer.statement(content)?;
    Ok(Sealed {
        id,
        source_id: family.source_id.clone(),
        region_code: family.region.as_str().to_owned(),
        decile: family.decile.map(i16::from),
        percentile: family.percentile.map(i16::from),
        people: i32::try_from(family.people.len()).unwrap_or(i32::MAX),
        digest,
        sealed: keys.seal(COLUMN, id, &packed)?,
    })
}

/// What is told of a statement that does not open: which, and nothing of what it holds.
pub(super) fn unreadable(id: Uuid) -> Error {
    anyhow::anyhow!("statement {id} holds something sealed that is no statement").into()
}

fn content(keys: &KeyRing, id: Uuid, sealed: &[u8]) -> Result<Content<'static>> {
    unpacked(&keys.open(COLUMN, id, sealed)?).map_err(|_| unreadable(id))
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

    use chrono::NaiveDate;
    use serde::Serialize;

    use super::super::super::intake::{Person, Place};
    use super::super::super::keys::KeyKind;
    use super::super::super::model::{NikState, RegistryStatus};
    use super::super::form::{LENGTH, ROWS_LAST, WHOLE, each_person};
    use super::super::{SealedPeople, read_people};
    use super::*;
    use crate::features::beneficiaries::{Attributes, Relation};
    use crate::platform::sensitive::Sex;

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
        fn what_is_packed_is_unpacked_whole_or_only_its_people(
            texts in proptest::collection::vec(("\\PC{0,40}", "\\PC{0,9}", "\\PC{0,300}", 0u32..2_000_000), 0..5),
            cells in proptest::collection::vec("\\PC{0,2000}", 0..5),
        ) {
            let mut packer = Packer::new();
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let people = texts.iter().map(|(name, place, address, row)| Person {
                birth_place: some(place),
                address: some(address),
                ..person(name, *row)
            });
            let rows = vec![RawRow::new("Individu".into(), 7, cells.iter())];
            let family = Family { rows, ..family(people.collect()) };
            let keys = ring();
            let sealed = prepare(&keys, std::slice::from_ref(&family)).unwrap().remove(0);
            let packed = packer.statement(Content::from(&family)).unwrap();
            let content = unpacked(&packed).unwrap();
            prop_assert_eq!(content.digest(&keys, true).unwrap(), sealed.digest, "nothing that counts was lost");
            prop_assert_eq!(content.rows[0].cells.0.as_ref(), &*family.rows[0].joined);
            let places = |content: &Content<'_>| content.people.iter().map(|told| (told.source_id.to_string(), told.row)).collect::<Vec<_>>();
            prop_assert_eq!(places(&content), places(&Content::from(&family)));
            for cut in [0, 1, 3, 5, packed.len() / 2, packed.len() - 1] {
                prop_assert!(unpacked(packed.get(..cut).unwrap()).is_err());
            }
            // Promising more than there is, in whichever part.
            let mut lying = packed.to_vec();
            lying[1..1 + LENGTH].copy_from_slice(&u32::MAX.to_le_bytes());
            prop_assert!(unpacked(&lying).is_err());
            let refused = each_person(&lying, |_, _| {}).is_err();
            prop_assert!(refused);
            let half = packed.get(..(packed.len() / 3).max(1)).unwrap();
            let mut read = 0;
            let refused = each_person(half, |_, _| read += 1).is_err();
            prop_assert!(refused || read == family.people.len());
        }
    }

    #[test]
    fn words_are_written_by_their_places_which_never_change() {
        fn places<T: Serialize + Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> Vec<(Vec<u8>, &'static str)> {
            all.iter().map(|word| (postcard::to_allocvec(word).unwrap(), name(*word))).collect()
        }
        let expected = |words: &[&'static str]| -> Vec<_> { (0u8..).zip(words).map(|(place, word)| (vec![place], *word)).collect() };
        let relations = ["head", "spouse", "child", "child_in_law", "grandchild", "parent", "parent_in_law", "other"];
        assert_eq!(places(Relation::ALL, Relation::name), expected(&relations));
        assert_eq!(places(NikState::ALL, NikState::name), expected(&["valid", "missing", "invalid", "excel_rounded"]));
        assert_eq!(places(RegistryStatus::ALL, RegistryStatus::name), expected(&["active", "deceased", "moved"]));
        let sex_name = |sex| if sex == Sex::Male { "male" } else { "female" };
        assert_eq!(places(&[Sex::Male, Sex::Female], sex_name), expected(&["male", "female"]));
    }

    #[test]
    fn what_was_packed_as_one_json_is_still_read() {
        let keys = ring();
        let row = || prepare(&keys, &[family(vec![person("SITI", 5), person("ANI", 6)])]).unwrap().remove(0);
        let now = open(&keys, row()).unwrap();
        // As it was written in November 2026: the rows inside, and later behind.
        let one = |name: &str, row: u32| {
            format!(
                r#"{{"i":"P{row}","s":"Individu","w":{row},"q":{{"n":"{name}","e":"child","x":"female","b":"1990-02-03","y":"6202094107850001","t":"valid","u":true}}}}"#
            )
        };
        let people = format!(r#"{{"j":"s","a":"RT 1","f":{{}},"p":[{},{}]"#, one("SITI", 5), one("ANI", 6));
        let rows = r#"[{"s":"Individu","w":5,"c":["","SITI;\"CONTOH\"  ","\u001e6202090107850000"]}]"#;
        let deflated = |text: &str| {
            let mut to = Vec::new();
            Packer::new().deflate(text.as_bytes(), &mut to).unwrap();
            to
        };
        let whole = [vec![WHOLE], deflated(&format!(r#"{people},"r":{rows}}}"#))].concat();
        let first = u32::try_from(people.len() + 1).unwrap().to_le_bytes();
        let behind = [vec![ROWS_LAST], first.to_vec(), deflated(&format!("{people}}}{rows}"))].concat();
        for packed in [whole, behind] {
            let row = row();
            let sealed = keys.seal(COLUMN, row.id, &packed).unwrap();
            let then = open(&keys, Sealed { sealed: sealed.clone(), ..row }).unwrap();
            assert_eq!(then.address, now.address);
            assert_eq!(then.rows[0].cells().collect::<Vec<_>>(), now.rows[0].cells().collect::<Vec<_>>());
            let told = |statement: &Statement| {
                let told =
                    |one: &StatedPerson| (one.name.clone(), one.birth_date, one.row, one.nik.as_ref().map(|nik| nik.expose().to_owned()));
                statement.people.iter().map(told).collect::<Vec<_>>()
            };
            assert_eq!(told(&then), told(&now));
            let sealed = SealedPeople { id: then.id, region_code: then.region.to_string(), people: 2, sealed };
            let mut read = Vec::new();
            read_people(&keys, &sealed, |ordinal, told| read.push((ordinal, told.name.to_owned(), told.address.to_owned()))).unwrap();
            assert_eq!(read, [(0, "SITI".into(), "RT 1".into()), (1, "ANI".into(), "RT 1".to_owned())]);
        }
    }
}
