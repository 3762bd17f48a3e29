//! Programs over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{ProgramGroup, Sector, Strategy};
use super::super::store::{Program, program};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter, Tracked};
use crate::platform::edit::Edit;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{ProgramsRead, ProgramsWrite};
use crate::platform::valid::{Valid, given, printable};

/// Mounts the programs.
pub fn operations(api: &mut Api) {
    api.feature("programs", "Programs (PKH, BLT-DD, RTLH …), which activities are made of");
    mount!(api, list, create, fetch, edit, history);
}

/// A program.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgramOut {
    /// Record id.
    pub id: Uuid,
    /// The region that keeps it; it is seen from there and from everywhere under it.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// A code of the region's own.
    pub code: Option<String>,
    /// Its name, unique in its region.
    #[schema(example = "Bantuan Langsung Tunai Dana Desa")]
    pub name: String,
    /// Which strategy it serves.
    #[schema(value_type = Strategy)]
    pub strategy: String,
    /// Its programme group (klaster), where it is in one.
    #[schema(value_type = Option<ProgramGroup>)]
    pub program_group: Option<String>,
    /// Its sector.
    #[schema(value_type = Sector)]
    pub sector: String,
    /// The version that the ETag shows.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Program> for ProgramOut {
    fn from(row: Program) -> Self {
        let Program { id, region_code, code, name, strategy, program_group, sector, version, created_at, updated_at } = row;
        ProgramOut { id, region_code, code, name, strategy, program_group, sector, version, created_at, updated_at }
    }
}

impl Resource for ProgramOut {
    fn location(&self) -> String {
        format!("/programs/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new program.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// The region that keeps it.
    region_code: RegionCode,
    /// A code of the region's own.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    code: Option<String>,
    /// Its name, unique in its region.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Which strategy it serves.
    strategy: Strategy,
    /// Its programme group (klaster), where it is in one.
    program_group: Option<ProgramGroup>,
    /// Its sector.
    sector: Sector,
}

/// Changes to a program.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramUpdate {
    /// A code of the region's own; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    code: Option<Option<String>>,
    /// Its name.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Which strategy it serves.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    strategy: Option<Strategy>,
    /// Its programme group; null takes it out of any.
    #[serde(default, deserialize_with = "given")]
    program_group: Option<Option<ProgramGroup>>,
    /// Its sector.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    sector: Option<Sector>,
}

/// Which programs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProgramFilter {
    /// Kept in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this strategy.
    strategy: Option<Strategy>,
    /// Of this sector.
    sector: Option<Sector>,
}

/// List programs
///
/// Those of your regions and of the regions above them, oldest first.
#[utoipa::path(get, path = "/programs")]
async fn list(access: Access<ProgramsRead>, list: List<ProgramFilter>) -> Result<Page<ProgramOut>> {
    let ProgramFilter { region, strategy, sector } = &list.filter;
    let wanted = program::Wanted { region: region.clone(), strategy: strategy.map(Strategy::name), sector: sector.map(Sector::name) };
    let rows = program::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, ProgramOut::from))
}

/// Register a program
///
/// Refused with `program_name_taken` when one of this name is on file in the region. Strategy, programme group and sector
/// are three classifications of their own; none follows from another.
#[utoipa::path(post, path = "/programs")]
async fn create(access: Access<ProgramsWrite>, Valid(body): Valid<ProgramCreate>) -> Result<Created<ProgramOut>> {
    let ProgramCreate { id, region_code, code, name, strategy, program_group, sector } = body;
    let now = Utc::now();
    let row = Program {
        id: id.unwrap_or_else(new_id),
        region_code: region_code.into(),
        code,
        name,
        strategy: strategy.name().into(),
        program_group: program_group.map(|group| group.name().into()),
        sector: sector.name().into(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = access.write().await?;
    let row = program::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Created(row.into()))
}

/// Fetch a program
#[utoipa::path(get, path = "/programs/{id}")]
async fn fetch(access: Access<ProgramsRead>, Path(id): Path<Uuid>) -> Result<Found<ProgramOut>> {
    Ok(Found(program::find(&access.read().await?, id).await?.into()))
}

/// Edit a program
///
/// Activities already written keep the classification they were written with.
#[utoipa::path(patch, path = "/programs/{id}")]
async fn edit(access: Access<ProgramsWrite>, Path(id): Path<Uuid>, edit: Edit<ProgramUpdate>) -> Result<Found<ProgramOut>> {
    let mut tx = access.write().await?;
    let old = program::find_to_change(&tx, id, edit.expected).await?;
    let ProgramUpdate { code, name, strategy, program_group, sector } = edit.patch;
    let mut new = old.clone();
    new.code = code.unwrap_or(new.code);
    new.name = name.unwrap_or(new.name);
    new.strategy = strategy.map_or(new.strategy, |strategy| strategy.name().into());
    new.program_group = program_group.map_or(new.program_group, |group| group.map(|group| group.name().into()));
    new.sector = sector.map_or(new.sector, |sector| sector.name().into());
    if new == old {
        return Ok(Found(old.into()));
    }
    let new = program::update(&mut tx, &new).await?;
    tx.commit([Change::turned("edited", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// List a program's history
///
/// Every change, oldest first.
#[utoipa::path(get, path = "/programs/{id}/history")]
async fn history(access: Access<ProgramsRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    program::find(&db, id).await?;
    changes::history(&db, Program::RESOURCE, id, &list).await
}
