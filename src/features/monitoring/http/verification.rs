//! How far verification is, village by village, and how complete regencies are.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::store::verification::{self as store, Complete, InForce, RegionProgress, Steps};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Item;
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::platform::list::List;
use crate::platform::policy::MonitoringRead;
use crate::platform::wire::words;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, verification_progress, verification_completeness);
}

words! {
    /// By which regions progress is summed.
    ProgressLevel {
        /// Kecamatan.
        Subdistrict "subdistrict",
        /// Desa or kelurahan.
        Village "village",
    }
}

/// What progress is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProgressFilter {
    /// In this campaign, open or not; in all open ones where absent.
    campaign: Option<Uuid>,
    /// By which regions; default `subdistrict`.
    by: Option<ProgressLevel>,
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// How far villages are. Unit: village results; a village that takes part in two campaigns has two.
#[derive(Debug, Serialize, ToSchema)]
pub struct VillageSteps {
    /// In all.
    total: i64,
    /// Whose meeting was held.
    meetings_held: i64,
    /// Finalised by the village head, or further.
    finalised: i64,
    /// Forwarded by the camat, or further.
    forwarded: i64,
    /// Accepted.
    accepted: i64,
    /// Back with the village.
    returned: i64,
    /// Late: still with the village after the day by which it had to be finalised.
    late_to_finalise: i64,
    /// Late: with the camat after the day.
    late_to_forward: i64,
    /// Late: with Dinsos or Bappeda after the day.
    late_to_accept: i64,
}

/// Families that were visited and are not there to be served, by reason. Unit: families.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedFamilies {
    /// Tidak ditemukan.
    not_found: i64,
    /// Meninggal.
    deceased: i64,
    /// Pindah luar kabupaten.
    moved_out: i64,
    /// Ganda.
    duplicate: i64,
    /// Menolak.
    refused: i64,
}

/// How families that were found are judged. Unit: families.
#[derive(Debug, Serialize, ToSchema)]
pub struct JudgedFamilies {
    /// Miskin ekstrem.
    extreme_poor: i64,
    /// Miskin.
    poor: i64,
    /// Rentan.
    vulnerable: i64,
    /// Mampu.
    capable: i64,
}

/// What became of families. Unit: families; one that is assigned in two campaigns counts in both.
#[derive(Debug, Serialize, ToSchema)]
pub struct FamilySteps {
    /// Assigned.
    assigned: i64,
    /// With a visit that stands.
    visited: i64,
    /// Found.
    found: i64,
    /// Moved within the regency.
    moved_within: i64,
    /// Not there any more, by reason.
    removed: RemovedFamilies,
    /// Found and judged.
    judged: JudgedFamilies,
    /// Assigned, in results that are accepted.
    accepted: i64,
    /// Proposed and not taken back.
    proposed: i64,
    /// Of the proposed: on file already.
    proposed_on_file: i64,
    /// Of the proposed: registered.
    proposed_registered: i64,
}

/// How far a region is.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepsOut {
    /// Villages.
    villages: VillageSteps,
    /// Families.
    families: FamilySteps,
    /// Visits that contradict another one and wait to be settled. Unit: visits.
    conflicting_visits: i64,
}

impl From<Steps> for StepsOut {
    fn from(row: Steps) -> Self {
        let Steps { villages, meetings, finalised, forwarded, accepted, returned, late_to_finalise, late_to_forward, .. } = row;
        let Steps { late_to_accept, assigned, visited, accepted_families, found, moved_within, not_found, deceased, .. } = row;
        let Steps { moved_out, duplicate, refused, extreme_poor, poor, vulnerable, capable, conflicts, proposed, .. } = row;
        let Steps { on_file, registered, .. } = row;
        StepsOut {
            villages: VillageSteps {
                total: villages,
                meetings_held: meetings,
                finalised,
                forwarded,
                accepted,
                returned,
                late_to_finalise,
                late_to_forward,
                late_to_accept,
            },
            families: FamilySteps {
                assigned,
                visited,
                found,
                moved_within,
                removed: RemovedFamilies { not_found, deceased, moved_out, duplicate, refused },
                judged: JudgedFamilies { extreme_poor, poor, vulnerable, capable },
                accepted: accepted_families,
                proposed,
                proposed_on_file: on_file,
                proposed_registered: registered,
            },
            conflicting_visits: conflicts,
        }
    }
}

/// A region's progress.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionProgressOut {
    /// Its code.
    #[schema(value_type = RegionCode)]
    region_code: String,
    /// Its name.
    name: Option<String>,
    /// How far it is.
    #[serde(flatten)]
    steps: StepsOut,
}

impl From<RegionProgress> for RegionProgressOut {
    fn from(row: RegionProgress) -> Self {
        let RegionProgress { code, name, steps } = row;
        RegionProgressOut { region_code: code, name, steps: steps.into() }
    }
}

/// Progress and what it was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerificationProgressOut {
    /// The regions in code order; those that take part in no such campaign are left out.
    items: Vec<RegionProgressOut>,
    /// Send it as `after`; null on the last page.
    next: Option<String>,
    /// All regions, of all pages.
    total: StepsOut,
    /// The campaign; null for all open ones.
    campaign: Option<Uuid>,
    /// By which regions.
    by: ProgressLevel,
    /// The day that due days were compared with, in western Indonesian time.
    today: NaiveDate,
    /// When it was counted.
    generated_at: DateTime<Utc>,
}

/// Show how far verification is
///
/// By subdistrict or village: families assigned, visited, found, removed by reason and proposed; villages whose meeting was held,
/// finalised, forwarded, accepted, and late. Regions above your own are not in it. Small numbers are shown as they are: only
/// figures for the public suppress small cells.
#[utoipa::path(get, path = "/monitoring/verification-progress")]
async fn verification_progress(access: Access<MonitoringRead>, list: List<ProgressFilter>) -> Result<Item<VerificationProgressOut>> {
    let ProgressFilter { campaign, by, region } = &list.filter;
    let by = by.unwrap_or(ProgressLevel::Subdistrict);
    let level = match by {
        ProgressLevel::Subdistrict => Level::Subdistrict,
        ProgressLevel::Village => Level::Village,
    };
    let after = list.after()?;
    let db = access.read_apart().await?;
    let found = store::progress(&db, *campaign, level, region.as_ref(), after, list.fetch()).await?;
    let page = list.page(found.rows, |row| row.code.clone(), RegionProgressOut::from);
    Ok(Item(VerificationProgressOut {
        items: page.items,
        next: page.next,
        total: found.total.into(),
        campaign: *campaign,
        by,
        today: found.today,
        generated_at: found.at,
    }))
}

/// The list in force in a regency.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListInForce {
    /// Its id.
    id: Uuid,
    /// Its number.
    number: i32,
    /// The decree's number.
    sk_number: String,
    /// The decree's day.
    sk_date: NaiveDate,
    /// When it was decreed here.
    decreed_at: DateTime<Utc>,
    /// Families on it.
    families: i64,
    /// Their members when it was drawn.
    people: i64,
}

impl From<InForce> for ListInForce {
    fn from(row: InForce) -> Self {
        let InForce { id, number, sk_number, sk_date, decreed_at, families, people } = row;
        ListInForce { id, number, sk_number, sk_date, decreed_at, families, people }
    }
}

/// How complete a regency is.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletenessOut {
    /// Its code.
    #[schema(value_type = RegionCode)]
    region_code: String,
    /// Its name.
    name: String,
    /// Open campaigns.
    campaigns_open: i64,
    /// Village results in open campaigns.
    villages: i64,
    /// Of these accepted.
    villages_accepted: i64,
    /// Families assigned in open campaigns.
    families_assigned: i64,
    /// Of these visited.
    families_visited: i64,
    /// Of these in accepted results.
    families_accepted: i64,
    /// Visited in per cent of assigned; null where none is assigned.
    visited_percent: Option<f64>,
    /// Accepted in per cent of assigned; null where none is assigned.
    accepted_percent: Option<f64>,
    /// The list in force; null before the first decree. Its day is that of the regency's last decree.
    list_in_force: Option<ListInForce>,
}

impl From<Complete> for CompletenessOut {
    fn from(row: Complete) -> Self {
        let Complete { code, name, campaigns_open, villages, villages_accepted, assigned, visited, accepted, .. } = row;
        let Complete { visited_percent, accepted_percent, list, .. } = row;
        CompletenessOut {
            region_code: code,
            name,
            campaigns_open,
            villages,
            villages_accepted,
            families_assigned: assigned,
            families_visited: visited,
            families_accepted: accepted,
            visited_percent,
            accepted_percent,
            list_in_force: list.map(ListInForce::from),
        }
    }
}

/// Regencies beside each other.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerificationCompletenessOut {
    /// The regencies in code order.
    items: Vec<CompletenessOut>,
    /// Send it as `after`; null on the last page.
    next: Option<String>,
    /// When it was counted.
    generated_at: DateTime<Utc>,
}

/// Which regencies.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CompletenessFilter {
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// Show how complete the regencies are
///
/// For the province: of each regency its open campaigns, the families assigned, visited and accepted in them, and the target list
/// in force. Regions above your own are not in it: whoever holds a village or a subdistrict gets no row.
#[utoipa::path(get, path = "/monitoring/verification-completeness")]
async fn verification_completeness(
    access: Access<MonitoringRead>,
    list: List<CompletenessFilter>,
) -> Result<Item<VerificationCompletenessOut>> {
    let after = list.after()?;
    let db = access.read_apart().await?;
    let found = store::completeness(&db, list.filter.region.as_ref(), after, list.fetch()).await?;
    let page = list.page(found.rows, |row| row.code.clone(), CompletenessOut::from);
    Ok(Item(VerificationCompletenessOut { items: page.items, next: page.next, generated_at: found.at }))
}
