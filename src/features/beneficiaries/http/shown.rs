//! What goes out over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::disclose::Disclosed;
use super::super::model::{
    Attributes, Education, FamilyStatus, InactiveReason, MaritalStatus, MemberStatus, MemberWarning, Need, Occupation, Relation,
};
use super::super::store::{Card, Head, Hit, Member, Shown, attributes_of};
use crate::platform::access::Scope;
use crate::platform::answers::Resource;
use crate::platform::ids::RegionCode;
use crate::platform::sensitive::Sex;

/// A family.
#[derive(Debug, Serialize, ToSchema)]
pub struct BeneficiaryOut {
    /// Record id.
    pub id: Uuid,
    /// The village it lives in.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The village's name (desa/kelurahan).
    #[schema(example = "Bapinang Hulu")]
    pub village: String,
    /// The subdistrict's name (kecamatan).
    #[schema(example = "Pulau Hanaut")]
    pub subdistrict: String,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number, masked; null where none is known.
    #[schema(example = "6202********0001")]
    pub kk_number_masked: Option<String>,
    /// The present head; null where nobody of the family is present, or a source named none.
    pub head: Option<HeadOut>,
    /// Members who are present.
    pub member_count: i64,
    /// Whether it is served.
    #[schema(value_type = FamilyStatus)]
    pub status: String,
    /// Why it is no longer served; null while it is.
    #[schema(value_type = Option<InactiveReason>)]
    pub inactive_reason: Option<String>,
    /// The family that this one turned out to be; null for every other.
    pub merged_into: Option<Uuid>,
    /// Rank, needs and living conditions; null for those who may not see them (grant `welfare_read`).
    pub welfare: Option<WelfareOut>,
    /// The version that the ETag shows; it moves with every change of the family or of a member.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

/// The head of a family.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeadOut {
    /// Record id of the member.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// NIK, masked; null where none is known.
    #[schema(example = "6202********0001")]
    pub nik_masked: Option<String>,
    /// Sex.
    #[schema(value_type = Option<Sex>)]
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
}

/// What is known of a family's welfare.
#[derive(Debug, Serialize, ToSchema)]
pub struct WelfareOut {
    /// Welfare decile, 1 the poorest; null where no release ranked the family.
    #[schema(minimum = 1, maximum = 10)]
    pub decile: Option<i16>,
    /// Welfare percentile, 1 the poorest; null where the source gives none.
    #[schema(minimum = 1, maximum = 100)]
    pub percentile: Option<i16>,
    /// The release whose rank this is.
    pub release_id: Option<Uuid>,
    /// What the family lacks as far as its record tells: suggestions, no verdicts.
    #[schema(value_type = Vec<Need>)]
    pub needs: Vec<String>,
    /// Housing, means and aid as stated.
    pub attributes: Attributes,
}

impl BeneficiaryOut {
    /// The family as those may see it whose welfare scope this is.
    pub fn seen_by(welfare: &Scope) -> impl Fn(Shown) -> BeneficiaryOut {
        move |row| {
            let Shown { card, village, subdistrict, head, rank, member_count } = row;
            let Card { id, region_code, address, kk_mask, status, inactive_reason, attributes, needs, merged_into, .. } = card;
            let (version, created_at, updated_at) = (card.version, card.created_at, card.updated_at);
            let welfare = welfare.covers(&RegionCode::stored(&region_code)).then(|| WelfareOut {
                decile: rank.as_ref().map(|rank| rank.decile),
                percentile: rank.as_ref().and_then(|rank| rank.percentile),
                release_id: rank.as_ref().map(|rank| rank.release_id),
                needs: needs.into_iter().flatten().collect(),
                attributes: attributes_of(&attributes),
            });
            BeneficiaryOut {
                id,
                region_code,
                village: village.unwrap_or_default(),
                subdistrict: subdistrict.unwrap_or_default(),
                address,
                kk_number_masked: kk_mask,
                head: head.map(HeadOut::from),
                member_count,
                status,
                inactive_reason,
                merged_into,
                welfare,
                version,
                created_at,
                updated_at,
            }
        }
    }
}

impl From<Head> for HeadOut {
    fn from(row: Head) -> Self {
        let Head { id, name, nik_mask, sex, birth_date } = row;
        HeadOut { id, name, nik_masked: nik_mask, sex, birth_date }
    }
}

impl Resource for BeneficiaryOut {
    fn location(&self) -> String {
        format!("/beneficiaries/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A member of a family.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberOut {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// Name as written.
    pub name: String,
    /// Relation to the head.
    #[schema(value_type = Relation)]
    pub relation: String,
    /// Sex.
    #[schema(value_type = Option<Sex>)]
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// The mother's maiden name (nama ibu kandung).
    pub mother_name: Option<String>,
    /// Marital status.
    #[schema(value_type = Option<MaritalStatus>)]
    pub marital_status: Option<String>,
    /// Occupation.
    #[schema(value_type = Option<Occupation>)]
    pub occupation: Option<String>,
    /// Education.
    #[schema(value_type = Option<Education>)]
    pub education: Option<String>,
    /// NIK, masked; null where none is known.
    #[schema(example = "6202********0001")]
    pub nik_masked: Option<String>,
    /// Whether they still belong to the family.
    #[schema(value_type = MemberStatus)]
    pub status: String,
    /// What is worth a look; nothing here was refused.
    #[schema(value_type = Vec<MemberWarning>)]
    pub warnings: Vec<String>,
    /// The person that this one turned out to be; null for every other.
    pub merged_into: Option<Uuid>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Member> for MemberOut {
    fn from(row: Member) -> Self {
        let Member {
            id,
            beneficiary_id,
            name,
            relation,
            sex,
            birth_date,
            mother_name,
            marital_status,
            occupation,
            education,
            nik_sealed: _,
            nik_index: _,
            nik_mask,
            status,
            warnings,
            merged_into,
            provenance: _,
            version,
            created_at,
            updated_at,
        } = row;
        MemberOut {
            id,
            beneficiary_id,
            name,
            relation,
            sex,
            birth_date,
            mother_name,
            marital_status,
            occupation,
            education,
            nik_masked: nik_mask,
            status,
            warnings: warnings.into_iter().flatten().collect(),
            merged_into,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for MemberOut {
    fn location(&self) -> String {
        format!("/beneficiaries/{}/members/{}", self.beneficiary_id, self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A family that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchHit {
    /// The family.
    pub beneficiary: BeneficiaryOut,
    /// The member who matches; null where the family was found by its KK number.
    pub member: Option<MemberOut>,
    /// How alike the names are: 1 for the very name; null where a number was looked for.
    pub similarity: Option<f32>,
}

impl SearchHit {
    /// A member found, with the family.
    pub fn of(hit: Hit, beneficiary: BeneficiaryOut) -> SearchHit {
        SearchHit { beneficiary, member: Some(hit.member.into()), similarity: hit.similarity }
    }
}

/// Full numbers of a family.
#[derive(Serialize, ToSchema)]
pub struct DisclosureOut {
    /// The family.
    pub beneficiary_id: Uuid,
    /// Its KK number; null where none is known or none was asked for.
    pub kk_number: Option<String>,
    /// The present members; empty where no NIKs were asked for.
    pub members: Vec<DisclosedMember>,
    /// The purpose as it was recorded.
    pub purpose: String,
    /// When it was recorded.
    pub disclosed_at: DateTime<Utc>,
}

/// A member with the full NIK.
#[derive(Serialize, ToSchema)]
pub struct DisclosedMember {
    /// Record id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// The NIK; null where none is known.
    pub nik: Option<String>,
}

impl DisclosureOut {
    /// What was opened, for that purpose.
    pub fn of(beneficiary_id: Uuid, purpose: String, opened: Disclosed) -> DisclosureOut {
        let Disclosed { kk_number, members } = opened;
        DisclosureOut {
            beneficiary_id,
            kk_number: kk_number.map(|number| number.to_string()),
            members: members.into_iter().map(|(id, name, nik)| DisclosedMember { id, name, nik: nik.map(|nik| nik.to_string()) }).collect(),
            purpose,
            disclosed_at: Utc::now(),
        }
    }
}
