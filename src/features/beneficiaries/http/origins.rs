//! Where fields come from, and by which rules they stand.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::model::survivorship::{self, Provenance, SurvivorshipRule, Tie};
use super::super::provenance::{facts_of_family, facts_of_member};
use super::super::store::{self, Family};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Item;
use crate::platform::api::Api;
use crate::platform::changes::Tracked;
use crate::platform::error::Result;
use crate::platform::list::Path;
use crate::platform::policy::{BeneficiariesRead, WelfareRead};

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, provenance, survivorship_rules);
}

/// Where a field's value comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldOrigin {
    /// The field; an attribute as `attributes.roof`.
    #[schema(example = "birth_date")]
    pub field: String,
    /// `verified` (checked in the field), `officer` (entered or corrected here), a dataset's code, or `unknown`.
    #[schema(example = "p3ke")]
    pub source: String,
    /// The release that stated it; null where none did.
    pub release_id: Option<Uuid>,
    /// The day the statement is of; null where that is not on record.
    pub on: Option<NaiveDate>,
}

/// Where a member's fields come from.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberOrigins {
    /// The member.
    pub member_id: Uuid,
    /// Fields that are known, by name.
    pub fields: Vec<FieldOrigin>,
}

/// Where a family's fields come from.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvenanceOut {
    /// The family's own fields that are known, by name.
    pub fields: Vec<FieldOrigin>,
    /// Its members.
    pub members: Vec<MemberOrigins>,
}

fn origins(provenance: &serde_json::Value, fields: impl Iterator<Item = String>) -> Vec<FieldOrigin> {
    let provenance = Provenance::stored(provenance);
    let told = |field: String| match provenance.of(&field) {
        Some(origin) if *origin != survivorship::Origin::unknown() => {
            FieldOrigin { field, source: origin.source.clone(), release_id: origin.release_id, on: Some(origin.on) }
        }
        _ => FieldOrigin { field, source: survivorship::Origin::unknown().source, release_id: None, on: None },
    };
    fields.map(told).collect()
}

/// See where a family's fields come from
///
/// For each known field of the family and of its members the source that stated the value that stands, and as of which day. No
/// values. Attributes are named to those who may see them (grant `welfare_read`).
#[utoipa::path(get, path = "/beneficiaries/{id}/provenance")]
async fn provenance(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>) -> Result<Item<ProvenanceOut>> {
    let db = access.read().await?;
    let (family, people) = store::whole(&db, id).await?;
    let welfare = access.scope_of::<WelfareRead>().covers(&family.region());
    let own = facts_of_family(&family).into_keys().filter(|field| welfare || !field.starts_with("attributes."));
    let members = people
        .iter()
        .map(|member| MemberOrigins { member_id: member.id, fields: origins(&member.provenance, facts_of_member(member).into_keys()) });
    let out = ProvenanceOut { fields: origins(&family.provenance, own), members: members.collect() };
    access.record_in(family.region(), Family::RESOURCE, Some(id), "provenance", 1, None)?;
    Ok(Item(out))
}

/// A rule of survivorship.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldRule {
    /// The field; `attributes` stands for each of them.
    #[schema(example = "occupation")]
    pub field: String,
    /// Sources whose statement goes before others', the strongest first: `verified`, `officer`, or the code of a dataset. All others
    /// rank alike, behind them.
    pub prefer: Vec<String>,
    /// Between sources of one rank.
    pub tie: Tie,
    /// Whether a release only fills the field in and never replaces it.
    pub held: bool,
}

/// The rules of survivorship.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurvivorshipOut {
    /// By field.
    pub rules: Vec<FieldRule>,
}

/// See the rules of survivorship
///
/// Which of several statements of a field stands: in an import, when two records are merged, and when a visit is accepted (what
/// people stated after the visit stays). An unknown value never replaces a known one; a field without a rule here (village,
/// relation) is changed by people alone.
#[utoipa::path(get, path = "/survivorship-rules")]
async fn survivorship_rules(_access: Access<BeneficiariesRead>) -> Result<Item<SurvivorshipOut>> {
    let rules = survivorship::rules().iter().map(|(field, SurvivorshipRule { prefer, tie, held })| FieldRule {
        field: field.clone(),
        prefer: prefer.clone(),
        tie: *tie,
        held: *held,
    });
    Ok(Item(SurvivorshipOut { rules: rules.collect() }))
}
