//! Agencies over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::store::{self, Agency, Wanted};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter, Tracked};
use crate::platform::edit::Edit;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{AgenciesRead, AgenciesWrite};
use crate::platform::valid::{Valid, given, printable};
use crate::platform::wire::words;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("agencies", "Agencies (perangkat daerah, kecamatan, desa, companies)");
    mount!(api, list, create, fetch, edit, history);
}

words! {
    /// What an agency is.
    AgencyKind {
        /// Dinas, badan, kantor of a regency.
        RegionalOffice "regional_office",
        /// Kecamatan.
        SubdistrictOffice "subdistrict_office",
        /// Desa or kelurahan.
        VillageGovernment "village_government",
        /// A provincial body.
        ProvincialOffice "provincial_office",
        /// A company.
        Company "company",
        /// Something else.
        Other "other",
    }
}

words! {
    /// Whether an agency still works.
    AgencyStatus {
        /// It does.
        Active "active",
        /// It was dissolved or merged; it gets no new plans.
        Closed "closed",
    }
}

/// An agency.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgencyOut {
    /// Record id.
    pub id: Uuid,
    /// Where it lives; it is seen from there and from everywhere under it.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Full name.
    #[schema(example = "Dinas Sosial Kabupaten Kotawaringin Timur")]
    pub name: String,
    /// Short name.
    #[schema(example = "Dinsos")]
    pub short_name: Option<String>,
    /// What it is.
    #[schema(value_type = AgencyKind)]
    pub kind: String,
    /// Whether it still works.
    #[schema(value_type = AgencyStatus)]
    pub status: String,
    /// The version that the ETag shows.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Agency> for AgencyOut {
    fn from(row: Agency) -> Self {
        let Agency { id, region_code, name, short_name, kind, status, version, created_at, updated_at } = row;
        AgencyOut { id, region_code, name, short_name, kind, status, version, created_at, updated_at }
    }
}

impl Resource for AgencyOut {
    fn location(&self) -> String {
        format!("/agencies/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new agency.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgencyCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// Where it lives.
    region_code: RegionCode,
    /// Full name, unique in its region.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Short name.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    short_name: Option<String>,
    /// What it is.
    kind: AgencyKind,
}

/// Changes to an agency.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgencyUpdate {
    /// Full name.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Short name; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    short_name: Option<Option<String>>,
    /// What it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    kind: Option<AgencyKind>,
    /// Whether it still works.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    status: Option<AgencyStatus>,
}

/// Which agencies.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AgencyFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this kind.
    kind: Option<AgencyKind>,
    /// Of this status.
    status: Option<AgencyStatus>,
}

/// List agencies
///
/// Those of your regions and of the regions above them, oldest first.
#[utoipa::path(get, path = "/agencies")]
async fn list(access: Access<AgenciesRead>, list: List<AgencyFilter>) -> Result<Page<AgencyOut>> {
    let AgencyFilter { region, kind, status } = &list.filter;
    let wanted = Wanted { region: region.clone(), kind: kind.map(AgencyKind::name), status: status.map(AgencyStatus::name) };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, AgencyOut::from))
}

/// Register an agency
///
/// Refused with `agency_name_taken` when one of this name is on file in the region.
#[utoipa::path(post, path = "/agencies")]
async fn create(access: Access<AgenciesWrite>, Valid(body): Valid<AgencyCreate>) -> Result<Created<AgencyOut>> {
    let AgencyCreate { id, region_code, name, short_name, kind } = body;
    let now = Utc::now();
    let row = Agency {
        id: id.unwrap_or_else(new_id),
        region_code: region_code.into(),
        name,
        short_name,
        kind: kind.name().into(),
        status: AgencyStatus::Active.name().into(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = access.write().await?;
    let row = store::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Created(row.into()))
}

/// Fetch an agency
#[utoipa::path(get, path = "/agencies/{id}")]
async fn fetch(access: Access<AgenciesRead>, Path(id): Path<Uuid>) -> Result<Found<AgencyOut>> {
    Ok(Found(store::find(&access.read().await?, id).await?.into()))
}

/// Edit an agency
///
/// Closing one keeps its plans and history.
#[utoipa::path(patch, path = "/agencies/{id}")]
async fn edit(access: Access<AgenciesWrite>, Path(id): Path<Uuid>, edit: Edit<AgencyUpdate>) -> Result<Found<AgencyOut>> {
    let mut tx = access.write().await?;
    let old = store::find_to_change(&tx, id, edit.expected).await?;
    let AgencyUpdate { name, short_name, kind, status } = edit.patch;
    let mut new = old.clone();
    new.name = name.unwrap_or(new.name);
    new.short_name = short_name.unwrap_or(new.short_name);
    new.kind = kind.map_or(new.kind, |kind| kind.name().into());
    new.status = status.map_or(new.status, |status| status.name().into());
    if new == old {
        return Ok(Found(old.into()));
    }
    let new = store::update(&mut tx, &new).await?;
    tx.commit([Change::turned("edited", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// List an agency's history
///
/// Every change, oldest first.
#[utoipa::path(get, path = "/agencies/{id}/history")]
async fn history(access: Access<AgenciesRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find(&db, id).await?;
    changes::history(&db, Agency::RESOURCE, id, &list).await
}
