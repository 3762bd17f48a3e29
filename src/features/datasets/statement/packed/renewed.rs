//! Statements brought under other keys, and with them the keys of families and people that were made of numbers.

use std::borrow::Cow;

use uuid::Uuid;

use super::super::super::keys::{self, KeyKind};
use super::super::content::{Content, Told};
use super::super::form::Packer;
use super::{COLUMN, Sealed, content};
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::KkNumber;

/// A statement under the current keys, and where keys that were made of numbers lead to now.
pub struct Renewed {
    /// The row.
    pub row: Sealed,
    /// The family's key before and after.
    pub family: (String, String),
    /// The people's keys, made ones and those that hold numbers, before and after.
    pub people: Vec<(String, String)>,
}

/// Brings a statement under the current keys; none where it rests under them already.
pub fn renewed(keys: &KeyRing, packer: &mut Renewer, row: Sealed) -> Result<Option<Renewed>> {
    if keys.is_current(&row.sealed) && keys.index_is_current(&row.digest) {
        return Ok(None);
    }
    let mut content = content(keys, row.id, &row.sealed)?;
    let digest = content.digest(keys, row.decile.is_some())?;
    let before = row.source_id.clone();
    numbered(content.key == KeyKind::Stated, &before, &mut content.numbered);
    let families = content.family_keys(keys, &before, &row.region_code)?;
    let after = families.first().unwrap_or(&before).clone();
    let mut people = Vec::new();
    for told in &mut content.people {
        numbered(!told.made, &told.source_id, &mut told.numbered);
        // As long as the family's key stays, so does what was made under it, however it was.
        if told.made && after == before {
            continue;
        }
        let renewed = told.keys(keys, &families)?.into_iter().next();
        if let Some(renewed) = renewed.filter(|renewed| *renewed != told.source_id) {
            people.push((told.source_id.to_string(), renewed.clone()));
            told.source_id = renewed.into();
        }
    }
    let sealed = keys.seal(COLUMN, row.id, &packer.0.statement(content)?)?;
    let row = Sealed { source_id: after.clone(), digest, sealed, ..row };
    Ok(Some(Renewed { row, family: (before, after), people }))
}

/// Hands over by which other names the key file's keys know the people of a statement, each with the name that they have in it.
pub fn other_names(keys: &KeyRing, id: Uuid, family: &str, region: &str, sealed: &[u8], take: &mut impl FnMut(&str, &str)) -> Result<()> {
    let mut content = content(keys, id, sealed)?;
    numbered(content.key == KeyKind::Stated, family, &mut content.numbered);
    let families = content.family_keys(keys, family, region)?;
    for told in &mut content.people {
        numbered(!told.made, &told.source_id, &mut told.numbered);
        let names = told.keys(keys, &families)?;
        names.iter().filter(|name| **name != *told.source_id).for_each(|name| take(name, &told.source_id));
    }
    Ok(())
}

/// What [`renewed`] packs with.
pub struct Renewer(Packer);

impl Renewer {
    /// One for many statements.
    pub fn new() -> Renewer {
        Renewer(Packer::new())
    }
}

/// What was stored in clear until November 2026 and holds a number is no longer.
fn numbered(own: bool, key: &str, numbered: &mut Option<Cow<'_, str>>) {
    if own && numbered.is_none() && keys::may_be_number(key) {
        *numbered = Some(Cow::Owned(key.to_owned()));
    }
}

impl Content<'_> {
    /// The family's keys under each index key, the current one first; what was made of no number has one.
    fn family_keys(&self, keys: &KeyRing, own: &str, region: &str) -> Result<Vec<String>> {
        let kk = self.kk.as_deref().and_then(|kk| KkNumber::parse(kk).ok());
        match (self.key, &self.numbered, kk, self.people.first()) {
            (KeyKind::Card, _, Some(kk), _) => keys::of_card(keys, &kk),
            (KeyKind::Single, _, _, Some(one)) => {
                let facts = &one.facts;
                let all = keys::of_single(keys, region, facts.nik.as_deref(), &facts.name, facts.birth_date)?;
                Ok(all.into_iter().map(|key| key + keys::mark_in(own)).collect())
            }
            (KeyKind::Stated, Some(stated), ..) => keys::of_numbered(keys, stated),
            _ => Ok(vec![own.to_owned()]),
        }
    }
}

impl Told<'_> {
    /// The same of a person of a family that goes by these keys.
    fn keys(&self, keys: &KeyRing, families: &[String]) -> Result<Vec<String>> {
        match &self.numbered {
            Some(stated) if !self.made => keys::of_numbered(keys, stated),
            _ if self.made => Ok(families.iter().map(|family| keys::of_person(family, &self.facts.name, self.facts.birth_date)).collect()),
            _ => Ok(vec![self.source_id.to_string()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::intake::{Family, Person};
    use super::super::super::super::keys::Key;
    use super::super::tests::{family, person};
    use super::super::{open, prepare};
    use super::*;

    const CARD: &str = "6202090101200001";
    const NIK: &str = "6202094107850001";

    /// A ring whose newest keys have this id, and the same with another above.
    fn rings() -> (KeyRing, KeyRing) {
        let text = KeyRing::generate().unwrap();
        let newer = KeyRing::generate().unwrap().replace("seal 1", "seal 2").replace("index 1", "index 2");
        (KeyRing::parse(&text).unwrap(), KeyRing::parse(&format!("{newer}\n{}", text.as_str())).unwrap())
    }

    fn of(family: Family, key: Key, own: Option<Key>) -> Family {
        let people = family.people.into_iter().map(|person| match &own {
            Some(own) => Person { source_id: own.id.clone(), numbered: own.numbered.clone(), ..person },
            None => Person { source_id: keys::of_person(&key.id, &person.name, person.birth_date), made: true, ..person },
        });
        Family { people: people.collect(), source_id: key.id.clone(), numbered: key.numbered, ..family }
    }

    #[test]
    fn keys_that_hold_numbers_are_renewed_also_where_they_were_stored_in_clear() {
        let (old, both) = rings();
        let clear = |text: &str| Key { id: text.to_owned(), ..Key::default() };
        let blind = |text: &str| Key::stated(&old, text.to_owned()).unwrap();
        let now = |text: &str| Key::stated(&both, text.to_owned()).unwrap().id;
        for (card, own) in [(clear(CARD), clear(NIK)), (blind(CARD), blind(NIK)), (blind(CARD), clear("P1")), (clear("F1"), blind(NIK))] {
            let (stated_card, stated_own) =
                (card.numbered.clone().unwrap_or(card.id.clone()), own.numbered.clone().unwrap_or(own.id.clone()));
            let row = prepare(&old, &[of(family(vec![person("SITI", 5)]), card, Some(own))]).unwrap().remove(0);
            let renewed = renewed(&both, &mut Renewer::new(), row).unwrap().unwrap();
            assert_eq!(renewed.row.source_id, now(&stated_card));
            let statement = open(&both, renewed.row).unwrap();
            assert_eq!(statement.people[0].source_id, now(&stated_own));
            assert_eq!(renewed.people.len(), usize::from(stated_own == NIK));
        }
        // Made under a key that holds a number.
        let row = prepare(&old, &[of(family(vec![person("SITI", 5)]), blind(CARD), None)]).unwrap().remove(0);
        let before = row.source_id.clone();
        let mut names = Vec::new();
        other_names(&both, row.id, &row.source_id, &row.region_code, &row.sealed, &mut |other, own| {
            names.push((other.to_owned(), own.to_owned()));
        })
        .unwrap();
        let renewed = renewed(&both, &mut Renewer::new(), row).unwrap().unwrap();
        assert_eq!(renewed.family, (before, now(CARD)));
        assert_eq!(renewed.people.len(), 1);
        assert!(names.contains(&(renewed.people[0].1.clone(), renewed.people[0].0.clone())), "known by the other name before");
    }

    #[test]
    fn a_key_that_holds_no_number_stands_as_it_is() {
        for (key, holds) in [
            ("F1", false),
            ("62.02.09.2001-000123", true),
            ("62.02.09.2001-123", false),
            (CARD, true),
            (NIK, true),
            ("KK 6202 0901 0120 0001/2", true),
            ("62020901012000012", true),
        ] {
            assert_eq!(keys::may_be_number(key), holds, "{key}");
        }
    }
}
