//! Where the fields of stored records come from.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Value, json};

use super::model::survivorship::{Origin, Provenance, STATUS};
use super::store::{Family, Member};

/// What sources state of a family, field by field; a number by its index entry, an attribute by its own name.
pub(super) fn facts_of_family(family: &Family) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::from([("address".to_owned(), json!(family.address)), ("kk_number".to_owned(), json!(family.kk_index))]);
    if let Value::Object(attributes) = &family.attributes {
        facts.extend(attributes.iter().map(|(name, value)| (format!("attributes.{name}"), value.clone())));
    }
    facts.retain(|_, value| !value.is_null());
    facts
}

/// The same of a member.
pub(super) fn facts_of_member(member: &Member) -> BTreeMap<String, Value> {
    let mut facts: BTreeMap<String, Value> = [
        ("name", json!(member.name)),
        ("sex", json!(member.sex)),
        ("birth_date", json!(member.birth_date)),
        ("mother_name", json!(member.mother_name)),
        ("marital_status", json!(member.marital_status)),
        ("occupation", json!(member.occupation)),
        ("education", json!(member.education)),
        ("nik", json!(member.nik_index)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    facts.retain(|_, value| !value.is_null());
    facts
}

/// An officer, today.
pub(super) fn officer() -> Origin {
    Origin::officer(Utc::now())
}

/// Everything stated by one source.
pub(super) fn all_by(origin: &Origin) -> Value {
    Provenance::whole(origin.clone()).to_store()
}

/// What somebody changed comes from them now, cleared fields too; of what was found in the field also what it confirms.
fn edited(provenance: &Value, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>, (by, stated): (&Origin, &[String])) -> Value {
    let mut kept = Provenance::stored(provenance);
    let confirmed = |field: &String| by.is_verified() && stated.contains(field);
    let cleared = old.keys().filter(|field| !new.contains_key(*field));
    let set = new.iter().filter(|(field, value)| old.get(*field) != Some(value) || confirmed(field)).map(|(field, _)| field);
    for field in set.chain(cleared) {
        kept.assign(field, by);
    }
    kept.to_store()
}

/// The provenance of an edited family; `by` says who stated which fields.
pub(super) fn after_edit_of_family(old: &Family, new: &Family, by: (&Origin, &[String])) -> Value {
    edited(&old.provenance, &facts_of_family(old), &facts_of_family(new), by)
}

/// The provenance of a family whose service ended, or was taken up again.
pub(super) fn after_turn(old: &Family, by: &Origin) -> Value {
    let mut kept = Provenance::stored(&old.provenance);
    kept.assign(STATUS, by);
    kept.to_store()
}

/// The same of a member.
pub(super) fn after_edit_of_member(old: &Member, new: &Member, by: (&Origin, &[String])) -> Value {
    let facts = |member: &Member| {
        let mut facts = facts_of_member(member);
        facts.insert(STATUS.to_owned(), json!(member.status));
        facts
    };
    edited(&old.provenance, &facts(old), &facts(new), by)
}
