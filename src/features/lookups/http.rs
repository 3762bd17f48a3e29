//! Look-ups over HTTP.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::store::{self, Aid, Hit};
use crate::features::beneficiaries::{FamilyStatus, KK_KIND, MemberStatus, NIK_KIND};
use crate::features::interventions::InterventionStatus;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Item;
use crate::platform::api::Api;
use crate::platform::changes::Change;
use crate::platform::error::{Error, FieldError, Result};
use crate::platform::ids::{Quarter, RegionCode, new_id};
use crate::platform::policy::{BeneficiariesDisclose, InterventionsRead};
use crate::platform::sensitive::{KkNumber, Nik};
use crate::platform::valid::{Valid, printable, unnumbered};

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("lookups", "Bulk look-up: which people of a list are on file, and which aid they get");
    mount!(api, create);
}

/// Somebody to look up: by `nik`, by `kk_number`, or by `name` and `birth_date`.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupItem {
    /// Your own reference; comes back with the answer. No number of a person.
    #[validate(length(min = 1, max = 100), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 100)]
    pub reference: String,
    /// The very NIK.
    pub nik: Option<Nik>,
    /// The very KK number.
    pub kk_number: Option<KkNumber>,
    /// The very name, in any case; with `birth_date`.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// The birth date; with `name`.
    pub birth_date: Option<NaiveDate>,
}

/// A list to look up, and why.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupCreate {
    /// What the answer is needed for; kept for ever with your name. Write no NIK or KK number here.
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300, example = "Seleksi penerima bedah rumah 2026")]
    pub purpose: String,
    /// Whom; up to 500 at a time.
    #[validate(nested)]
    #[schema(min_items = 1, max_items = 500)]
    pub items: Vec<LookupItem>,
}

/// Aid that is planned or was delivered.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupAid {
    /// The program.
    pub program_id: Uuid,
    /// Its name.
    pub program_name: String,
    /// The agency that gives it.
    pub agency_id: Uuid,
    /// For which quarter.
    #[schema(value_type = Quarter)]
    pub quarter: String,
    /// How it stands.
    #[schema(value_type = InterventionStatus)]
    pub status: String,
}

/// Somebody on file.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupHit {
    /// The family.
    pub beneficiary_id: Uuid,
    /// The member; null where a KK number was asked for.
    pub member_id: Option<Uuid>,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// How the family stands.
    #[schema(value_type = FamilyStatus)]
    pub status: String,
    /// How the member stands.
    #[schema(value_type = Option<MemberStatus>)]
    pub member_status: Option<String>,
    /// The aid of the family, and of the member where one was asked for; needs the grant `interventions_read`.
    pub aid: Vec<LookupAid>,
}

/// What is known of an item.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupAnswer {
    /// Your own reference.
    pub reference: String,
    /// Whether anybody in your regions is on file.
    pub known: bool,
    /// Who: more than one where a number or a name with its birth date is on file more than once.
    pub hits: Vec<LookupHit>,
}

/// The answer to a list, in its order.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupOut {
    /// As recorded.
    pub id: Uuid,
    /// Why, as recorded.
    pub purpose: String,
    /// How many of the items are on file.
    pub known: usize,
    /// One for each item.
    pub items: Vec<LookupAnswer>,
}

/// Look up a list of people
///
/// Which of them are on file in your regions, how they stand and which aid their families get. The numbers travel in the body
/// and never come back. As with a disclosure, your name, the purpose and the families found are recorded for ever before
/// anything is answered. 200 with one answer for each item, in the order of the list.
#[utoipa::path(post, path = "/lookups")]
async fn create(access: Access<BeneficiariesDisclose>, Valid(body): Valid<LookupCreate>) -> Result<Item<LookupOut>> {
    let LookupCreate { purpose, items } = body;
    if !(1..=500).contains(&items.len()) {
        return Err(Error::field("items", "length", "Look up 1 to 500 people at a time."));
    }
    let keys = &access.platform().keys;
    let (mut niks, mut cards) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut named = (Vec::new(), Vec::new(), Vec::new());
    let mut wrong = Vec::new();
    for (at, item) in (0i32..).zip(&items) {
        match (&item.nik, &item.kk_number, &item.name, item.birth_date) {
            (Some(nik), None, None, None) => {
                for entry in keys.indexes(NIK_KIND, nik.expose().as_bytes())? {
                    niks.0.push(entry);
                    niks.1.push(at);
                }
            }
            (None, Some(kk), None, None) => {
                for entry in keys.indexes(KK_KIND, kk.expose().as_bytes())? {
                    cards.0.push(entry);
                    cards.1.push(at);
                }
            }
            (None, None, Some(name), Some(birth_date)) => {
                named.0.push(literal(name));
                named.1.push(birth_date);
                named.2.push(at);
            }
            _ => wrong.push(FieldError::new(format!("items[{at}]"), "one_of", "Send `nik`, or `kk_number`, or `name` and `birth_date`.")),
        }
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let tx = access.write().await?;
    let mut hits = store::people(&tx, niks, named).await?;
    hits.extend(store::families(&tx, cards).await?);
    let families: BTreeSet<(Uuid, String)> = hits.iter().map(|(_, hit)| (hit.beneficiary_id, hit.region_code.clone())).collect();
    let ids: Vec<Uuid> = families.iter().map(|(id, _)| *id).collect();
    // Whoever may not read interventions learns who is on file and nothing of their aid.
    let aid = store::aid(&tx, &access.scope_of::<InterventionsRead>(), &ids).await?;
    let answers: Vec<LookupAnswer> = (0i32..)
        .zip(items)
        .map(|(at, item)| {
            let hits: Vec<LookupHit> = hits.iter().filter(|(of, _)| *of == at).map(|(_, hit)| told(hit, &aid)).collect();
            LookupAnswer { reference: item.reference, known: !hits.is_empty(), hits }
        })
        .collect();
    let (id, known) = (new_id(), answers.iter().filter(|answer| answer.known).count());
    let home = access.scope().roots().first().map_or_else(RegionCode::country, |root| root.region.clone());
    let asked = Change::new("lookups", id, home, "looked_up").with("asked", json!(answers.len())).with("known", json!(known));
    let mut changes = vec![asked.because(Some(purpose.clone()))];
    for (family, region) in families {
        let change = Change::new("beneficiaries", family, RegionCode::stored(&region), "looked_up");
        changes.push(change.with("lookup_id", json!(id)).because(Some(purpose.clone())));
    }
    tx.commit_all(changes).await?;
    Ok(Item(LookupOut { id, purpose, known, items: answers }))
}

/// A pattern that means the text itself.
fn literal(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for letter in name.trim().to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

fn told(hit: &Hit, aid: &[Aid]) -> LookupHit {
    let theirs = aid.iter().filter(|(family, member, ..)| {
        *family == hit.beneficiary_id && (hit.member_id.is_none() || member.is_none() || *member == hit.member_id)
    });
    LookupHit {
        beneficiary_id: hit.beneficiary_id,
        member_id: hit.member_id,
        region_code: hit.region_code.clone(),
        status: hit.status.clone(),
        member_status: hit.member_status.clone(),
        aid: theirs
            .map(|(_, _, program_id, program_name, agency_id, quarter, status)| LookupAid {
                program_id: *program_id,
                program_name: program_name.clone(),
                agency_id: *agency_id,
                quarter: quarter.clone(),
                status: status.clone(),
            })
            .collect(),
    }
}
