//! What a visit states, field by field, so that two visits of one family can be held against each other.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::corrections::{self, Correction, PersonFound};
use super::store::visits::Visit;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

/// A correction as it is shown: numbers masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionOut {
    /// The member; null for the family's KK number.
    pub member_id: Option<Uuid>,
    /// NIK, masked.
    #[schema(example = "6202********0001")]
    pub nik: Option<String>,
    /// KK number, masked.
    pub kk_number: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
}

impl From<&Correction> for CorrectionOut {
    fn from(stated: &Correction) -> Self {
        CorrectionOut {
            member_id: stated.member_id,
            nik: stated.nik.as_deref().and_then(nik_mask),
            kk_number: stated.kk_number.as_deref().and_then(kk_mask),
            name: stated.name.clone(),
            birth_date: stated.birth_date,
        }
    }
}

fn nik_mask(number: &str) -> Option<String> {
    Nik::parse(number).ok().map(|nik| nik.mask())
}

fn kk_mask(number: &str) -> Option<String> {
    KkNumber::parse(number).ok().map(|kk| kk.mask())
}

/// One field in which two visits of a family differ. Numbers are masked, so two different ones may look the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The field, such as `presence`, `answers.no_own_toilet`, `attributes.floor`, `people.<member>.status`, `corrections.<member>.nik`.
    pub field: String,
    /// What this visit states; null where it is silent.
    #[schema(value_type = Object)]
    pub this: Value,
    /// What the visit that counts states; null where it is silent.
    #[schema(value_type = Object)]
    pub standing: Value,
}

/// A stated value: as compared, as shown.
type Stated = (Value, Value);

/// What a visit states in a correction: whole numbers as long as they are kept, and then their masks, which are compared with none.
struct Corrected {
    shown: CorrectionOut,
    nik: Option<String>,
    kk_number: Option<String>,
}

fn corrected(keys: &KeyRing, visit: &Visit) -> Result<Vec<Corrected>> {
    if visit.corrections_sealed.is_none() {
        let shown: Vec<CorrectionOut> = serde_json::from_value(visit.corrections.clone()).unwrap_or_default();
        return Ok(shown
            .into_iter()
            .map(|shown| Corrected { nik: shown.nik.clone(), kk_number: shown.kk_number.clone(), shown })
            .collect());
    }
    let whole = corrections::open(keys, visit.id, visit.corrections_sealed.as_deref())?;
    let corrected = |stated: Correction| Corrected { shown: CorrectionOut::from(&stated), nik: stated.nik, kk_number: stated.kk_number };
    Ok(whole.into_iter().map(corrected).collect())
}

fn facts(visit: &Visit, corrections: &[Corrected]) -> BTreeMap<String, Stated> {
    let plain = |value: Value| (value.clone(), value);
    let mut facts = BTreeMap::from([
        ("presence".to_owned(), plain(Value::from(visit.presence.as_str()))),
        ("eligibility".to_owned(), plain(Value::from(visit.eligibility.as_str()))),
    ]);
    for (group, value) in [("answers", &visit.answers), ("attributes", &visit.attributes)] {
        let fields = value.as_object().into_iter().flatten();
        facts.extend(fields.map(|(name, value)| (format!("{group}.{name}"), plain(value.clone()))));
    }
    let people: Vec<PersonFound> = serde_json::from_value(visit.people.clone()).unwrap_or_default();
    for person in people {
        let at = format!("people.{}", person.member_id);
        facts.insert(format!("{at}.status"), plain(Value::from(person.status.name())));
        if let Some(head) = person.new_head_id {
            facts.insert(format!("{at}.new_head_id"), plain(Value::from(head.to_string())));
        }
    }
    for Corrected { shown, nik, kk_number } in corrections {
        let at = shown.member_id.map_or("corrections.family".to_owned(), |member| format!("corrections.{member}"));
        for (name, number, mask) in [("nik", nik, &shown.nik), ("kk_number", kk_number, &shown.kk_number)] {
            if let Some(number) = number {
                facts.insert(format!("{at}.{name}"), (Value::from(number.as_str()), Value::from(mask.as_deref())));
            }
        }
        if let Some(name) = &shown.name {
            facts.insert(format!("{at}.name"), plain(Value::from(name.as_str())));
        }
        if let Some(date) = shown.birth_date {
            facts.insert(format!("{at}.birth_date"), plain(Value::from(date.to_string())));
        }
    }
    facts
}

/// Every field in which a visit and the one that counts differ.
pub fn differences(keys: &KeyRing, this: &Visit, standing: &Visit) -> Result<Vec<Difference>> {
    let (these, those) = (facts(this, &corrected(keys, this)?), facts(standing, &corrected(keys, standing)?));
    let mut names: Vec<&String> = these.keys().chain(those.keys()).collect();
    names.sort();
    names.dedup();
    let silent = (Value::Null, Value::Null);
    Ok(names
        .into_iter()
        .map(|name| (name, these.get(name).unwrap_or(&silent), those.get(name).unwrap_or(&silent)))
        .filter(|(_, this, that)| this.0 != that.0)
        .map(|(name, this, that)| Difference { field: name.clone(), this: this.1.clone(), standing: that.1.clone() })
        .collect())
}
