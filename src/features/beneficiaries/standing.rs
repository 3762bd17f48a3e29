//! What stays of a record when somebody states it otherwise: what people stated after a visit outlives the visit's acceptance.

use serde_json::Value;

use super::model::survivorship::{Occasion, Origin, Provenance, STATUS, replaces};
use super::numbers::nik_of;
use super::service::MemberPatch;
use super::store::Member;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Nik;

/// What an edit did.
#[derive(Debug, Default)]
pub struct Edited {
    /// To be committed.
    pub changes: Vec<Change>,
    /// Fields that a visit states otherwise, and that stay as people stated them after it.
    pub left: Vec<String>,
}

/// Of the fields that somebody states those that stay as they are: an officer's word is always taken, a visit's by the rules.
pub(super) fn of(provenance: &Value, stated: &[String], by: &Origin) -> Vec<String> {
    if !by.is_verified() {
        return Vec::new();
    }
    let kept = Provenance::stored(provenance);
    stated.iter().filter(|field| !replaces(field, Occasion::Acceptance, kept.since(field), by)).cloned().collect()
}

/// What an edit makes of a family's attributes, but for those that stay as they are. Gives the ones that were stated otherwise.
pub(super) fn attributes(patched: Value, old: &Value, standing: &[String]) -> (Value, Vec<String>) {
    let mut facts = patched;
    let mut left = Vec::new();
    for (field, name) in standing.iter().filter_map(|field| Some((field, field.strip_prefix("attributes.")?))) {
        if facts.get(name) == old.get(name) {
            continue;
        }
        left.push(field.clone());
        if let Value::Object(facts) = &mut facts {
            match old.get(name) {
                Some(value) => facts.insert(name.to_owned(), value.clone()),
                None => facts.remove(name),
            };
        }
    }
    (facts, left)
}

/// An edit of a member without the fields that stay as they are, what it still states of those that visits state, and what it stated
/// otherwise.
pub(super) fn member(keys: &KeyRing, old: &Member, mut patch: MemberPatch, by: &Origin) -> Result<(MemberPatch, Vec<String>, Vec<String>)> {
    let nik = nik_of(keys, old)?;
    let fields = [
        ("name", patch.name.as_ref().map(|name| *name != old.name)),
        ("birth_date", patch.birth_date.map(|day| day != old.birth_date)),
        ("nik", patch.nik.as_ref().map(|stated| stated.as_ref().map(Nik::expose) != nik.as_ref().map(Nik::expose))),
        (STATUS, patch.status.map(|status| status.name() != old.status)),
    ];
    let mut stated: Vec<String> = fields.iter().filter(|(_, differs)| differs.is_some()).map(|(field, _)| (*field).to_owned()).collect();
    let standing = of(&old.provenance, &stated, by);
    let stands = |field: &str| standing.iter().any(|name| name == field);
    patch.name = patch.name.filter(|_| !stands("name"));
    patch.birth_date = patch.birth_date.filter(|_| !stands("birth_date"));
    patch.nik = patch.nik.filter(|_| !stands("nik"));
    if stands(STATUS) {
        (patch.status, patch.new_head) = (None, None);
    }
    let differ = fields.iter().filter(|(field, differs)| *differs == Some(true) && stands(field));
    let left = differ.map(|(field, _)| (*field).to_owned()).collect();
    stated.retain(|field| !standing.contains(field));
    Ok((patch, stated, left))
}
