//! SQL of what villages have to check: the list of villages, and what a village takes along.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, SmallInt};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use super::super::model::{ResultState, VisitState};
use super::progress::verification_progress;
use crate::platform::access::under;
use crate::platform::db::Scoped;
use crate::platform::error::{Error, Result};
use crate::platform::fixed::fixed;
use crate::platform::ids::RegionCode;
use crate::schema::{assigned_families, beneficiaries, members, regions, verification_campaigns, village_results, visits};

/// A village's part of a campaign, as a list shows it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = verification_progress, check_for_backend(Pg))]
pub struct Assignment {
    /// Its id, which is that of the village's result.
    pub village_result_id: Uuid,
    /// The village.
    pub region_code: String,
    /// Where its result stands.
    pub state: String,
    /// Visits begin on.
    pub starts_on: NaiveDate,
    /// The result is due on.
    pub finalise_by: NaiveDate,
    /// Families to visit.
    pub assigned: i64,
    /// Families visited.
    pub visited: i64,
    /// Visits that contradict and wait.
    pub conflicts: i64,
}

/// A page of a campaign's villages in the order of their codes, with their names.
pub async fn list(
    db: &impl Scoped,
    campaign: Uuid,
    region: Option<&RegionCode>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<(Assignment, String)>> {
    let mut query = verification_progress::table
        .inner_join(regions::table.on(regions::code.eq(verification_progress::region_code)))
        .select((Assignment::as_select(), regions::name))
        .filter(db.scope().within(verification_progress::region_code))
        .filter(verification_progress::campaign_id.eq(campaign))
        .order(verification_progress::region_code)
        .limit(limit)
        .into_boxed();
    if let Some(region) = region {
        query = query.filter(under(verification_progress::region_code, region));
    }
    if let Some(after) = after {
        query = query.filter(verification_progress::region_code.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// A village's part of a campaign, as packets need it.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its id.
    pub id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The campaign's name.
    pub campaign: String,
    /// The campaign's criteria.
    pub criteria_set_id: Uuid,
    /// The village.
    pub region: RegionCode,
    /// Where the result stands.
    pub state: ResultState,
}

/// A village's part.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Part> {
    type Row = (Uuid, String, Uuid, String, String);
    let (campaign_id, campaign, criteria_set_id, region, state): Row = village_results::table
        .inner_join(verification_campaigns::table)
        .filter(db.scope().within(village_results::region_code))
        .filter(village_results::id.eq(id))
        .select((
            village_results::campaign_id,
            verification_campaigns::name,
            verification_campaigns::criteria_set_id,
            village_results::region_code,
            village_results::state,
        ))
        .first(&mut db.on())
        .await?;
    let state = ResultState::parse(&state).ok_or_else(|| Error::Internal(anyhow::anyhow!("a village result in an unknown state")))?;
    let region = RegionCode::stored(&region);
    Ok(Part { id, campaign_id, campaign, criteria_set_id, region, state })
}

/// A family as a village takes it along.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = beneficiaries, check_for_backend(Pg))]
pub struct PacketFamily {
    /// Record id.
    pub id: Uuid,
    /// Where it lives now.
    pub region_code: String,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number, masked.
    pub kk_mask: Option<String>,
    /// Housing, means and aid as far as known.
    pub attributes: Value,
    /// What it lacks.
    pub needs: Vec<Option<String>>,
}

/// A member as a village takes them along.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = members, check_for_backend(Pg))]
pub struct PacketMember {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// Name.
    pub name: String,
    /// Relation to the head.
    pub relation: String,
    /// Sex.
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// NIK, masked.
    pub nik_mask: Option<String>,
    /// Whether they still belong to it.
    pub status: String,
}

/// The visit that counts, as a village takes it along.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = visits, check_for_backend(Pg))]
pub struct PacketVisit {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// Presence.
    pub presence: String,
    /// Eligibility.
    pub eligibility: String,
    /// When, by the phone's clock.
    pub visited_at: DateTime<Utc>,
}

/// A family with its decile, its members and the visit that counts; whether it was given to another village to visit.
pub type Packed = (PacketFamily, Option<i16>, Vec<PacketMember>, Option<PacketVisit>, bool);

/// Everything a village takes along, family by family.
pub async fn packet(db: &impl Scoped, result: Uuid) -> Result<Vec<Packed>> {
    let families: Vec<(PacketFamily, Option<i16>, bool)> = assigned_families::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(assigned_families::region_code))
        .filter(assigned_families::village_result_id.eq(result))
        .select((
            PacketFamily::as_select(),
            fixed::<Nullable<SmallInt>>("(SELECT decile FROM family_ranks AS rank WHERE rank.beneficiary_id = beneficiaries.id)"),
            assigned_families::given_away_at.is_not_null(),
        ))
        .order(beneficiaries::id)
        .load(&mut db.on())
        .await?;
    let of_result = assigned_families::table
        .filter(db.scope().within(assigned_families::region_code))
        .filter(assigned_families::village_result_id.eq(result))
        .select(assigned_families::beneficiary_id);
    let people: Vec<PacketMember> = members::table
        .filter(members::beneficiary_id.eq_any(of_result))
        .filter(members::status.ne("merged"))
        .select(PacketMember::as_select())
        .order(members::id)
        .load(&mut db.on())
        .await?;
    let seen: Vec<PacketVisit> = visits::table
        .filter(db.scope().within(visits::region_code))
        .filter(visits::village_result_id.eq(result))
        .filter(visits::state.eq(VisitState::Standing.name()))
        .select(PacketVisit::as_select())
        .load(&mut db.on())
        .await?;
    let mut seen: HashMap<Uuid, PacketVisit> = seen.into_iter().map(|visit| (visit.beneficiary_id, visit)).collect();
    let mut people_of: HashMap<Uuid, Vec<PacketMember>> = HashMap::new();
    for member in people {
        people_of.entry(member.beneficiary_id).or_default().push(member);
    }
    Ok(families
        .into_iter()
        .map(|(family, decile, given_away)| {
            let (people, visit) = (people_of.remove(&family.id).unwrap_or_default(), seen.remove(&family.id));
            (family, decile, people, visit, given_away)
        })
        .collect())
}
