//! Which of our records the source's keys lead to, and which get new ids.

use std::collections::HashSet;

use uuid::Uuid;

use super::super::intake::{Family, Person, Remark};
use super::super::model::{Severity, faults};
use super::super::statement::RawRow;
use super::super::store::{self, Known, Ranked, Release, Sources};
use crate::features::beneficiaries::{ImportFamily, ImportMember};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::new_id;

/// What the keys of a batch lead to.
pub(super) async fn known(db: &impl Scoped, release: &Release, families: &[Family]) -> Result<Known> {
    let (mut family_keys, mut people_keys): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut older_families: Vec<(&str, &str)> = Vec::new();
    let mut older_people: Vec<(&str, &str)> = Vec::new();
    for family in families {
        family_keys.push(&family.source_id);
        for alias in &family.aliases {
            older_families.push((alias, &family.source_id));
        }
        for person in &family.people {
            people_keys.push(&person.source_id);
            for alias in &person.aliases {
                older_people.push((alias, &person.source_id));
            }
        }
    }
    family_keys.extend(older_families.iter().map(|older| older.0));
    people_keys.extend(older_people.iter().map(|older| older.0));
    let mut known = store::known(db, release.dataset_id, &family_keys, &people_keys).await?;
    // While index keys are changed, a record may still be known by the key that it had.
    for (alias, key) in older_families {
        if let Some(found) = known.families.remove(alias) {
            known.families.entry(key.to_owned()).or_insert(found);
        }
    }
    for (alias, key) in older_people {
        if let Some(found) = known.people.remove(alias) {
            known.people.entry(key.to_owned()).or_insert(found);
        }
    }
    Ok(known)
}

/// A batch with the ids of our records.
pub(super) struct Identified {
    pub families: Vec<ImportFamily>,
    pub sources: Sources,
    pub ranked: Ranked,
    pub remarks: Vec<Remark>,
}

pub(super) fn identify(families: &[Family], known: &Known) -> Identified {
    let mut out = Identified {
        families: Vec::with_capacity(families.len()),
        sources: Sources::default(),
        ranked: Ranked::default(),
        remarks: Vec::new(),
    };
    for family in families {
        let on_record = known.families.get(&family.source_id).copied();
        let id = on_record.unwrap_or_else(new_id);
        let members = family.people.iter().map(|person| member(person, id, known, &mut out.sources, &mut out.remarks)).collect();
        if let Some(decile) = family.decile {
            out.ranked.families.push(id);
            out.ranked.deciles.push(i16::from(decile));
            out.ranked.percentiles.push(family.percentile.map(i16::from));
        }
        out.sources.family_keys.push(family.source_id.clone());
        out.sources.families.push(id);
        let (region, address, attributes) = (family.region.clone(), family.address.clone(), family.attributes);
        out.families.push(ImportFamily { id, known: on_record.is_some(), region, address, attributes, members });
    }
    out
}

/// Leaves out the families that are another regency's by now, with their people, keys and ranks; gives what there is to say.
pub(super) fn leave_out(families: &[Family], elsewhere: &HashSet<Uuid>, sources: &mut Sources, ranked: &mut Ranked) -> Vec<Remark> {
    if elsewhere.is_empty() {
        return Vec::new();
    }
    let Sources { family_keys, families: ids, people_keys, people, dukcapil } = std::mem::take(sources);
    let mut people = people_keys.into_iter().zip(people).zip(dukcapil);
    let mut remarks = Vec::new();
    for ((family, key), id) in families.iter().zip(family_keys).zip(ids) {
        let theirs = people.by_ref().take(family.people.len());
        if elsewhere.contains(&id) {
            theirs.for_each(drop);
            let (code, reason) = faults::FAMILY_ELSEWHERE;
            let place = family.rows.first().map(RawRow::place);
            remarks.extend(place.map(|place| Remark { place, column: None, code, reason, severity: Severity::Warning }));
            continue;
        }
        for ((key, person), verdict) in theirs {
            sources.people_keys.push(key);
            sources.people.push(person);
            sources.dukcapil.push(verdict);
        }
        sources.family_keys.push(key);
        sources.families.push(id);
    }
    let Ranked { families: ids, deciles, percentiles } = std::mem::take(ranked);
    for ((id, decile), percentile) in ids.into_iter().zip(deciles).zip(percentiles).filter(|((id, _), _)| !elsewhere.contains(id)) {
        ranked.families.push(id);
        ranked.deciles.push(decile);
        ranked.percentiles.push(percentile);
    }
    remarks
}

fn member(person: &Person, family: Uuid, known: &Known, sources: &mut Sources, remarks: &mut Vec<Remark>) -> ImportMember {
    let on_record = known.people.get(&person.source_id).copied();
    let id = on_record.map_or_else(new_id, |(member, _)| member);
    if on_record.is_some_and(|(_, theirs)| theirs != family) {
        let (code, reason) = faults::PERSON_ELSEWHERE;
        remarks.push(Remark { place: person.place.clone(), column: None, code, reason, severity: Severity::Warning });
    }
    sources.people_keys.push(person.source_id.clone());
    sources.people.push(id);
    sources.dukcapil.push(person.dukcapil_match);
    ImportMember {
        id,
        known: on_record.is_some(),
        name: person.name.clone(),
        relation: person.relation,
        sex: person.sex,
        birth_date: person.birth_date,
        marital_status: person.marital_status.map(str::to_owned),
        occupation: person.occupation.map(str::to_owned),
        education: person.education.map(str::to_owned),
        nik: person.nik.clone(),
    }
}
