//! What villages have to check, and what they take along.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::model::{Criterion, Eligibility, Presence, ResultState};
use super::super::store::assignments::{self, Assignment, Packed, PacketMember, PacketVisit};
use super::super::store::{campaigns, criteria};
use crate::features::beneficiaries::{Attributes, MemberStatus, Relation};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Hashed, Page};
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{CampaignsRead, PacketsTake};
use crate::platform::sensitive::Sex;

/// Mounts assignments.
pub fn operations(api: &mut Api) {
    api.feature("verification_assignments", "What each village has to check, and the packet it takes along for days without a network");
    mount!(api, list, packet);
}

/// A village's part of a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct VillageAssignmentOut {
    /// Its id: that of the village's result, by which visits and proposals name it.
    pub village_result_id: Uuid,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The village's name.
    pub region_name: String,
    /// Where its result stands.
    #[schema(value_type = ResultState)]
    pub state: String,
    /// Visits begin on.
    pub starts_on: NaiveDate,
    /// The result is due on.
    pub finalise_by: NaiveDate,
    /// Families to visit.
    pub families_assigned: i64,
    /// Families visited.
    pub families_visited: i64,
    /// Visits that contradict the one that counts and wait to be settled.
    pub conflicts: i64,
}

impl From<(Assignment, String)> for VillageAssignmentOut {
    fn from((row, region_name): (Assignment, String)) -> Self {
        let Assignment { village_result_id, region_code, state, starts_on, finalise_by, assigned, visited, conflicts } = row;
        VillageAssignmentOut {
            village_result_id,
            region_code,
            region_name,
            state,
            starts_on,
            finalise_by,
            families_assigned: assigned,
            families_visited: visited,
            conflicts,
        }
    }
}

/// Which villages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AssignmentFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// What a village takes along. Numbers are masked; their last digits are enough to tell whether a card is the right one.
#[derive(Debug, Serialize, ToSchema)]
pub struct PacketOut {
    /// The village's part of the campaign; visits and proposals name it.
    pub village_result_id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The campaign's name.
    pub campaign: String,
    /// The village.
    pub region_code: RegionCode,
    /// Where its result stands; visits are taken while it is `open` or `returned`.
    pub state: ResultState,
    /// From how many met criteria on they suggest that a family is poor.
    pub threshold: i16,
    /// What is asked.
    pub criteria: Vec<Criterion>,
    /// The families to visit.
    pub families: Vec<PacketFamilyOut>,
}

/// A family to visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct PacketFamilyOut {
    /// Its id.
    pub beneficiary_id: Uuid,
    /// It lives in another village by now, whose business it is: nothing else is told of it. Visit it as `moved_within` or
    /// `moved_out`, unless it is `given_away`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub moved_away: bool,
    /// Another village visits it in this campaign, because it moved there: nothing is left to do here, and it counts there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub given_away: bool,
    /// Address below the village.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// KK number, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kk_number: Option<String>,
    /// 1 is the poorest tenth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decile: Option<i16>,
    /// Housing, means and aid, as far as known.
    #[schema(value_type = Attributes)]
    pub attributes: Value,
    /// What it lacks, as far as known.
    pub needs: Vec<String>,
    /// Its members; those who died or left too.
    pub members: Vec<PacketMemberOut>,
    /// The visit that counts: a further visit names it in `based_on_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing_visit: Option<PacketVisitOut>,
}

/// A member of a family to visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct PacketMemberOut {
    /// Their id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Relation to the head.
    #[schema(value_type = Relation)]
    pub relation: String,
    /// Sex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Sex>)]
    pub sex: Option<String>,
    /// Born on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<NaiveDate>,
    /// NIK, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nik: Option<String>,
    /// Whether they still belong to the family.
    #[schema(value_type = MemberStatus)]
    pub status: String,
}

/// The visit that counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct PacketVisitOut {
    /// Its id.
    pub id: Uuid,
    /// Presence.
    #[schema(value_type = Presence)]
    pub presence: String,
    /// Eligibility.
    #[schema(value_type = Eligibility)]
    pub eligibility: String,
    /// When, by the phone's clock.
    pub visited_at: DateTime<Utc>,
}

impl From<PacketMember> for PacketMemberOut {
    fn from(row: PacketMember) -> Self {
        let PacketMember { id, beneficiary_id: _, name, relation, sex, birth_date, nik_mask, status } = row;
        PacketMemberOut { id, name, relation, sex, birth_date, nik: nik_mask, status }
    }
}

impl From<PacketVisit> for PacketVisitOut {
    fn from(row: PacketVisit) -> Self {
        let PacketVisit { id, beneficiary_id: _, presence, eligibility, visited_at } = row;
        PacketVisitOut { id, presence, eligibility, visited_at }
    }
}

impl From<Packed> for PacketFamilyOut {
    fn from((family, decile, people, visit, given_away): Packed) -> Self {
        PacketFamilyOut {
            beneficiary_id: family.id,
            moved_away: false,
            given_away,
            address: family.address,
            kk_number: family.kk_mask,
            decile,
            attributes: family.attributes,
            needs: family.needs.into_iter().flatten().collect(),
            members: people.into_iter().map(PacketMemberOut::from).collect(),
            standing_visit: visit.map(PacketVisitOut::from),
        }
    }
}

/// A family as the village that checks it may see it.
fn seen_from(village: &RegionCode, packed: Packed) -> PacketFamilyOut {
    if packed.0.region_code == village.as_str() {
        return packed.into();
    }
    let (beneficiary_id, standing_visit, given_away) = (packed.0.id, packed.3.map(PacketVisitOut::from), packed.4);
    let nothing = (None, None, None, Value::Object(serde_json::Map::new()), Vec::new(), Vec::new());
    let (address, kk_number, decile, attributes, needs, members) = nothing;
    let moved_away = true;
    PacketFamilyOut { beneficiary_id, moved_away, given_away, address, kk_number, decile, attributes, needs, members, standing_visit }
}

/// List a campaign's assignments
///
/// One a village, those of your regions, in the order of their codes.
#[utoipa::path(get, path = "/verification-campaigns/{id}/assignments")]
async fn list(access: Access<CampaignsRead>, Path(id): Path<Uuid>, list: List<AssignmentFilter>) -> Result<Page<VillageAssignmentOut>> {
    let db = access.read().await?;
    campaigns::find(&db, id).await?;
    let rows = assignments::list(&db, id, list.filter.region.as_ref(), list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |(row, _)| row.region_code.clone(), VillageAssignmentOut::from))
}

/// Take a village's packet
///
/// Everything an operator needs for days without a network, whole and compressed (send Accept-Encoding: gzip). Ask again with the ETag
/// as If-None-Match: 304 where nothing changed. Every taking is recorded.
#[utoipa::path(get, path = "/village-results/{id}/packet")]
async fn packet(access: Access<PacketsTake>, Path(id): Path<Uuid>) -> Result<Hashed<PacketOut>> {
    let db = access.read_apart().await?;
    let part = assignments::find(&db, id).await?;
    let set = criteria::find(&db, part.criteria_set_id).await?;
    let families: Vec<PacketFamilyOut> =
        assignments::packet(&db, id).await?.into_iter().map(|packed| seen_from(&part.region, packed)).collect();
    access.record_in(part.region.clone(), "village-results", Some(id), "packet", families.len(), None)?;
    Ok(Hashed(PacketOut {
        village_result_id: part.id,
        campaign_id: part.campaign_id,
        campaign: part.campaign,
        region_code: part.region,
        state: part.state,
        threshold: set.threshold,
        criteria: Criterion::stored(&set.criteria),
        families,
    }))
}
