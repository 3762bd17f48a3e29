//! What an event changed, field by field, and how a field is set back.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::model::survivorship::Provenance;
use super::super::numbers::{kk_of, nik_of};
use super::super::store::{Family, Member};
use super::FieldOf;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

/// Of every row that an event touched what changed, before and after.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Journal {
    pub(super) families: Vec<Image>,
    pub(super) members: Vec<Image>,
}

impl Journal {
    /// What a step made of a family and its members. Whoever came with it stood nowhere before, so nothing of them is kept.
    pub(in crate::features::beneficiaries) fn between(
        keys: &KeyRing,
        (family, people): &(Family, Vec<Member>),
        (after, people_after): &(Family, Vec<Member>),
    ) -> Result<Journal> {
        let mut journal = Journal::default();
        journal.families.extend(Image::of(family.id, fields_of_family(keys, family)?, fields_of_family(keys, after)?));
        for member in people {
            if let Some(after) = people_after.iter().find(|after| after.id == member.id) {
                journal.members.extend(Image::of(member.id, fields_of_member(keys, member)?, fields_of_member(keys, after)?));
            }
        }
        Ok(journal)
    }
}

/// What changed of one row.
#[derive(Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) id: Uuid,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

/// Only what tells nobody anything.
impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Bookkeeping and what is derived: neither is restored.
const UNJOURNALLED: [&str; 6] = ["id", "version", "created_at", "updated_at", "needs", "warnings"];

fn fields_of(row: &impl Serialize, number: &str, digits: Option<&str>) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(row) else { return Map::new() };
    fields.retain(|name, _| !UNJOURNALLED.contains(&name.as_str()));
    // The index entry changes with the keys; the number does not.
    fields.insert(number.to_owned(), json!(digits));
    fields
}

pub(super) fn fields_of_family(keys: &KeyRing, family: &Family) -> Result<Map<String, Value>> {
    let mut fields = fields_of(family, "kk_number", kk_of(keys, family)?.as_ref().map(KkNumber::expose));
    // Each attribute by itself: an edit of one must not keep the others from being restored.
    if let Some(Value::Object(attributes)) = fields.remove(ATTRIBUTES) {
        fields.extend(attributes.into_iter().map(|(name, value)| (format!("{ATTRIBUTES}.{name}"), value)));
    }
    Ok(fields)
}

const ATTRIBUTES: &str = "attributes";
const PROVENANCE: &str = "provenance";

pub(super) fn fields_of_member(keys: &KeyRing, member: &Member) -> Result<Map<String, Value>> {
    Ok(fields_of(member, "nik", nik_of(keys, member)?.as_ref().map(Nik::expose)))
}

impl Image {
    /// Whether a field was this before the event.
    pub(super) fn was(&self, field: &str, value: &str) -> bool {
        self.before.get(field).and_then(Value::as_str) == Some(value)
    }

    /// The fields that differ; none where nothing does. One that is absent is unknown.
    pub(super) fn of(id: Uuid, before: Map<String, Value>, after: Map<String, Value>) -> Option<Image> {
        let mut image = Image { id, before: Map::new(), after: Map::new() };
        for field in before.keys().chain(after.keys()).cloned().collect::<BTreeSet<_>>() {
            let value = |of: &Map<String, Value>| of.get(&field).cloned().unwrap_or(Value::Null);
            let (was, is) = (value(&before), value(&after));
            if was != is {
                image.before.insert(field.clone(), was);
                image.after.insert(field, is);
            }
        }
        (!image.after.is_empty()).then_some(image)
    }

    /// The row with every field set back that still is what the event made of it, its number apart, and the fields that
    /// somebody changed since.
    pub(super) fn undone<T: Serialize + DeserializeOwned>(
        &self,
        row: &T,
        mut now: Map<String, Value>,
        number: &str,
    ) -> Result<(T, Option<String>, Vec<FieldOf>)> {
        let mut left = Vec::new();
        let mut origins = now.get(PROVENANCE).map(Provenance::stored).unwrap_or_default();
        let origins_before = self.before.get(PROVENANCE).map(Provenance::stored).unwrap_or_default();
        for (field, was) in self.before.iter().filter(|(field, _)| *field != PROVENANCE) {
            if now.get(field).unwrap_or(&Value::Null) == self.after.get(field).unwrap_or(&Value::Null) {
                now.insert(field.clone(), was.clone());
                if let Some(origin) = origins_before.of(field) {
                    origins.assign(field, origin);
                }
            } else {
                left.push(FieldOf { record_id: self.id, field: field.clone() });
            }
        }
        if let (Some(was), Some(is)) = (self.before.get(PROVENANCE), self.after.get(PROVENANCE)) {
            let untouched = now.get(PROVENANCE) == Some(is);
            now.insert(PROVENANCE.into(), if untouched { was.clone() } else { origins.to_store() });
        }
        let digits = now.insert(number.to_owned(), Value::Null).and_then(|digits| digits.as_str().map(str::to_owned));
        let mut attributes = Map::new();
        now.retain(|field, value| {
            let Some(name) = field.strip_prefix(ATTRIBUTES).and_then(|rest| rest.strip_prefix('.')) else { return true };
            if !value.is_null() {
                attributes.insert(name.to_owned(), value.take());
            }
            false
        });
        let mut whole = serde_json::to_value(row).unwrap_or_default();
        if let Value::Object(fields) = &mut whole {
            fields.extend(now);
            if fields.contains_key(ATTRIBUTES) {
                fields.insert(ATTRIBUTES.into(), Value::Object(attributes));
            }
        }
        let row = serde_json::from_value(whole).map_err(|_| anyhow::anyhow!("the journal of {} cannot be read", self.id))?;
        Ok((row, digits, left))
    }
}
