//! What a visit states, field by field, so that two visits of one family can be held against each other.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroize;

use super::store::visits::Visit;
use crate::features::beneficiaries::MemberStatus;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;

/// What corrected identifiers are sealed for.
pub const CORRECTIONS: &str = "visits.corrections";

/// What became of a member: death and leaving are facts about a person, the family stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonFound {
    /// The member.
    pub member_id: Uuid,
    /// `present`, `deceased` or `moved_out`.
    pub status: MemberStatus,
    /// Who heads the family from now on; needed where its head died or left others behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_head_id: Option<Uuid>,
}

/// Identifiers as they should be, kept beside those on file until the result is accepted. Of a member, or (without one) of the
/// family itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The member; none for the family's KK number.
    pub member_id: Option<Uuid>,
    /// NIK, sixteen digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nik: Option<String>,
    /// KK number, sixteen digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kk_number: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Born on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<NaiveDate>,
}

impl Drop for Correction {
    fn drop(&mut self) {
        self.nik.zeroize();
        self.kk_number.zeroize();
    }
}

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
        let masked = |number: &Option<String>| number.as_deref().map(mask);
        CorrectionOut {
            member_id: stated.member_id,
            nik: masked(&stated.nik),
            kk_number: masked(&stated.kk_number),
            name: stated.name.clone(),
            birth_date: stated.birth_date,
        }
    }
}

/// The first four and the last four digits.
fn mask(number: &str) -> String {
    format!("{}********{}", number.get(..4).unwrap_or_default(), number.get(12..).unwrap_or_default())
}

/// The corrections of a visit, opened.
pub fn corrections_of(keys: &KeyRing, visit: &Visit) -> Result<Vec<Correction>> {
    let Some(sealed) = &visit.corrections_sealed else { return Ok(Vec::new()) };
    let plain = keys.open(CORRECTIONS, visit.id, sealed)?;
    // The cause of a failure may quote what it read: it is dropped.
    serde_json::from_slice(&plain).map_err(|_| anyhow::anyhow!("the corrections of visit {} cannot be read", visit.id).into())
}

/// The corrections of a visit, sealed; nothing where there are none.
pub fn seal_corrections(keys: &KeyRing, visit: Uuid, stated: &[Correction]) -> Result<Option<Vec<u8>>> {
    if stated.is_empty() {
        return Ok(None);
    }
    let mut plain = serde_json::to_vec(stated).map_err(anyhow::Error::new)?;
    let sealed = keys.seal(CORRECTIONS, visit, &plain)?;
    plain.zeroize();
    Ok(Some(sealed))
}

/// One field in which two visits of a family differ. Numbers are masked, so two different ones may look the same.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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

fn facts(visit: &Visit, corrections: &[Correction]) -> BTreeMap<String, Stated> {
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
    for stated in corrections {
        let at = stated.member_id.map_or("corrections.family".to_owned(), |member| format!("corrections.{member}"));
        for (name, number) in [("nik", &stated.nik), ("kk_number", &stated.kk_number)] {
            if let Some(number) = number {
                facts.insert(format!("{at}.{name}"), (Value::from(number.as_str()), Value::from(mask(number))));
            }
        }
        if let Some(name) = &stated.name {
            facts.insert(format!("{at}.name"), plain(Value::from(name.as_str())));
        }
        if let Some(date) = stated.birth_date {
            facts.insert(format!("{at}.birth_date"), plain(Value::from(date.to_string())));
        }
    }
    facts
}

/// Every field in which a visit and the one that counts differ.
pub fn differences(keys: &KeyRing, this: &Visit, standing: &Visit) -> Result<Vec<Difference>> {
    let (these, those) = (facts(this, &corrections_of(keys, this)?), facts(standing, &corrections_of(keys, standing)?));
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
