//! What comes in over HTTP.

use chrono::{NaiveDate, Utc};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::super::model::{
    Attributes, AttributesUpdate, Education, FamilyStatus, InactiveReason, MaritalStatus, MemberStatus, Need, Occupation, Relation,
};
use super::super::service::{FamilyPatch, MemberPatch, NewFamily, NewMember};
use crate::platform::error::Error;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::sensitive::{KkNumber, Nik, Sex};
use crate::platform::valid::{given, numberless, printable, unnumbered};

/// For validator: a day on which somebody alive today may have been born.
fn born(date: &NaiveDate) -> Result<(), ValidationError> {
    let earliest = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
    if (earliest..=Utc::now().date_naive()).contains(date) {
        Ok(())
    } else {
        Err(ValidationError::new("range").with_message("A birth date lies between 1900-01-01 and today.".into()))
    }
}

/// For validator: nobody is merged by an edit.
fn unmerged(status: &MemberStatus) -> Result<(), ValidationError> {
    if *status == MemberStatus::Merged {
        let message = "Two records of one person are merged by POST /beneficiaries/{id}/merge.";
        return Err(ValidationError::new("not_applicable").with_message(message.into()));
    }
    Ok(())
}

/// A new family.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeneficiaryCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// The village it lives in (ten digits).
    region_code: RegionCode,
    /// Address below the village.
    #[validate(length(min = 1, max = 1000), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 1000)]
    address: Option<String>,
    /// KK number; may be unknown.
    kk_number: Option<KkNumber>,
    /// Housing, means and aid, as far as known.
    #[serde(default)]
    #[validate(nested)]
    attributes: Attributes,
    /// Its members, exactly one of them the head.
    // `length` would carry the members with their NIKs into validator's error: the handler counts them.
    #[validate(nested)]
    #[schema(min_items = 1, max_items = 50)]
    pub members: Vec<MemberCreate>,
}

impl From<BeneficiaryCreate> for NewFamily {
    fn from(body: BeneficiaryCreate) -> Self {
        let BeneficiaryCreate { id, region_code, address, kk_number, attributes, members } = body;
        NewFamily {
            id: id.unwrap_or_else(new_id),
            region: region_code,
            address,
            kk_number,
            attributes,
            members: members.into_iter().map(NewMember::from).collect(),
        }
    }
}

impl BeneficiaryCreate {
    /// Refuses a family of nobody, or of more than fifty.
    pub fn demand_members(&self, path: &str) -> Result<(), Error> {
        if (1..=50).contains(&self.members.len()) {
            return Ok(());
        }
        Err(Error::field(path, "length", "A family has 1 to 50 members."))
    }

    /// Its village.
    pub fn region(&self) -> &RegionCode {
        &self.region_code
    }
}

/// A family as it was sent, with whole numbers and in the same shape: to be sealed, and never to be answered.
pub struct Whole<'a>(pub &'a BeneficiaryCreate);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let BeneficiaryCreate { id, region_code, address, kk_number, attributes, members } = self.0;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("region_code", region_code)?;
        map.serialize_entry("address", address)?;
        map.serialize_entry("kk_number", &kk_number.as_ref().map(KkNumber::expose))?;
        map.serialize_entry("attributes", attributes)?;
        map.serialize_entry("members", &members.iter().map(WholeMember).collect::<Vec<_>>())?;
        map.end()
    }
}

struct WholeMember<'a>(&'a MemberCreate);

impl Serialize for WholeMember<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let MemberCreate { id, name, relation, sex, birth_date, mother_name, marital_status, occupation, education, nik } = self.0;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("name", name)?;
        map.serialize_entry("relation", relation)?;
        map.serialize_entry("sex", sex)?;
        map.serialize_entry("birth_date", birth_date)?;
        map.serialize_entry("mother_name", mother_name)?;
        map.serialize_entry("marital_status", marital_status)?;
        map.serialize_entry("occupation", occupation)?;
        map.serialize_entry("education", education)?;
        map.serialize_entry("nik", &nik.as_ref().map(Nik::expose))?;
        map.end()
    }
}

/// A new member.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// Name as on the identity card, or as the family says it.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Relation to the head.
    relation: Relation,
    /// Sex.
    sex: Option<Sex>,
    /// Born on; 1900-01-01 to today.
    #[validate(custom(function = born))]
    birth_date: Option<NaiveDate>,
    /// The mother's maiden name.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    mother_name: Option<String>,
    /// Marital status.
    marital_status: Option<MaritalStatus>,
    /// Occupation.
    occupation: Option<Occupation>,
    /// Education.
    education: Option<Education>,
    /// NIK; may be unknown. What disagrees with it becomes a warning.
    nik: Option<Nik>,
}

impl From<MemberCreate> for NewMember {
    fn from(body: MemberCreate) -> Self {
        let MemberCreate { id, name, relation, sex, birth_date, mother_name, marital_status, occupation, education, nik } = body;
        let id = id.unwrap_or_else(new_id);
        NewMember { id, name, relation, sex, birth_date, mother_name, marital_status, occupation, education, nik }
    }
}

/// Changes to a family.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeneficiaryUpdate {
    /// The village it lives in now; both villages must lie in your regions.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    region_code: Option<RegionCode>,
    /// Address below the village; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 1000), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 1000)]
    address: Option<Option<String>>,
    /// KK number; null clears it.
    #[serde(default, deserialize_with = "given")]
    kk_number: Option<Option<KkNumber>>,
    /// Housing, means and aid; a field that is absent stays, null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(nested)]
    #[schema(nullable = false)]
    attributes: Option<AttributesUpdate>,
}

impl From<BeneficiaryUpdate> for FamilyPatch {
    fn from(patch: BeneficiaryUpdate) -> Self {
        let BeneficiaryUpdate { region_code, address, kk_number, attributes } = patch;
        FamilyPatch { region: region_code, address, kk_number, attributes }
    }
}

/// Changes to a member.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberUpdate {
    /// Name.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Relation to the head; to hand the family over use `change-head`.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    relation: Option<Relation>,
    /// Sex; null clears it.
    #[serde(default, deserialize_with = "given")]
    sex: Option<Option<Sex>>,
    /// Born on, 1900-01-01 to today; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(custom(function = born))]
    birth_date: Option<Option<NaiveDate>>,
    /// The mother's maiden name; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    mother_name: Option<Option<String>>,
    /// Marital status; null clears it.
    #[serde(default, deserialize_with = "given")]
    marital_status: Option<Option<MaritalStatus>>,
    /// Occupation; null clears it.
    #[serde(default, deserialize_with = "given")]
    occupation: Option<Option<Occupation>>,
    /// Education; null clears it.
    #[serde(default, deserialize_with = "given")]
    education: Option<Option<Education>>,
    /// NIK; null clears it.
    #[serde(default, deserialize_with = "given")]
    nik: Option<Option<Nik>>,
    /// `deceased` or `moved_out` when they no longer belong to the family; `present` when they came back, or were recorded so by mistake.
    /// Never `merged`: that comes of a merge alone.
    #[serde(default, deserialize_with = "given")]
    #[validate(custom(function = unmerged))]
    #[schema(nullable = false)]
    status: Option<MemberStatus>,
    /// The present member who heads the family from now on; needed when the head dies or leaves others behind.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    new_head_id: Option<Uuid>,
}

impl From<MemberUpdate> for MemberPatch {
    fn from(patch: MemberUpdate) -> Self {
        let MemberUpdate { name, relation, sex, birth_date, mother_name, marital_status, occupation, education, nik, status, new_head_id } =
            patch;
        MemberPatch {
            name,
            relation,
            sex,
            birth_date,
            mother_name,
            marital_status,
            occupation,
            education,
            nik,
            status,
            new_head: new_head_id,
        }
    }
}

/// Which families.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct BeneficiaryFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    pub region: Option<RegionCode>,
    /// Of this status.
    pub status: Option<FamilyStatus>,
    /// Of this welfare decile; needs the grant `welfare_read`.
    #[param(minimum = 1, maximum = 10)]
    pub decile: Option<i16>,
    /// Lacking this; needs the grant `welfare_read`.
    pub need: Option<Need>,
    /// `true`: families for whom nothing is planned and to whom nothing was delivered; `false`: the others. Needs the grant `interventions_read`.
    pub without_interventions: Option<bool>,
}

/// Why a family is no longer served.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deactivate {
    /// Why.
    pub reason: InactiveReason,
    /// In your own words, without NIK or KK numbers; required where the reason is `other`.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500)]
    pub note: Option<String>,
}

/// Why a family is served again.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reactivate {
    /// In your own words, without NIK or KK numbers.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500)]
    pub note: Option<String>,
}

/// Who heads the family now.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeHead {
    /// A present member.
    pub member_id: Uuid,
    /// What the former head is to the new one; not `head`.
    pub former_head_relation: Relation,
    /// In your own words, without NIK or KK numbers.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500)]
    pub note: Option<String>,
}

/// Whom to look for: exactly one of `nik`, `kk_number` and `name`.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeneficiarySearch {
    /// The very NIK.
    pub nik: Option<Nik>,
    /// The very KK number.
    pub kk_number: Option<KkNumber>,
    /// A name or a part of it, in any case; like names are found too.
    #[validate(length(min = 3, max = 200), custom(function = printable))]
    #[schema(min_length = 3, max_length = 200)]
    pub name: Option<String>,
    /// With `name`: in or under this region.
    pub region: Option<RegionCode>,
    /// With `name`: born on this day.
    #[validate(custom(function = born))]
    pub birth_date: Option<NaiveDate>,
    /// How many to find at most.
    #[serde(default = "twenty")]
    #[validate(range(min = 1, max = 50))]
    #[schema(minimum = 1, maximum = 50, default = 20)]
    pub limit: u8,
}

fn twenty() -> u8 {
    20
}

/// What is disclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisclosedField {
    /// The family's KK number.
    KkNumber,
    /// The NIKs of the present members.
    Niks,
}

/// Why full numbers are needed, and which.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisclosureCreate {
    /// What the numbers are needed for; kept for ever with your name. Write no NIK or KK number here.
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300, example = "Pemadanan dengan Disdukcapil untuk penerbitan KTP-el")]
    pub purpose: String,
    /// Which numbers; all where absent. Ask for no more than you need.
    #[schema(min_items = 1, max_items = 2)]
    pub fields: Option<Vec<DisclosedField>>,
}
