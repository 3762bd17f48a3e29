//! Where the fields of stored records come from.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Value, json};

use super::model::survivorship::{Origin, Provenance};
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

/// Everything stated by an officer, today.
pub(super) fn by_officer() -> Value {
    Provenance::whole(Origin::officer(Utc::now().date_naive())).to_store()
}

fn edited(provenance: &Value, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Value {
    let mut kept = Provenance::stored(provenance);
    let officer = Origin::officer(Utc::now().date_naive());
    for (field, _) in new.iter().filter(|(field, value)| old.get(*field) != Some(value)) {
        kept.assign(field, &officer);
    }
    kept.to_store()
}

/// What an officer changed comes from the officer now.
pub(super) fn after_edit_of_family(old: &Family, new: &Family) -> Value {
    edited(&old.provenance, &facts_of_family(old), &facts_of_family(new))
}

/// The same of a member.
pub(super) fn after_edit_of_member(old: &Member, new: &Member) -> Value {
    edited(&old.provenance, &facts_of_member(old), &facts_of_member(new))
}
