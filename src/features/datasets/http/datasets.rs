//! Datasets over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::features::datasets::model::DatasetUnit;
use crate::features::datasets::store::{self, Dataset, Wanted};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter, Tracked};
use crate::platform::edit::Edit;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{DatasetsRead, DatasetsWrite};
use crate::platform::valid::{Valid, given, printable};

pub(super) fn operations(api: &mut Api) {
    api.feature("datasets", "Registered sources (P3KE, DTKS, DTSEN…)");
    mount!(api, list, create, fetch, edit, history);
}

/// A registered source.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetOut {
    /// Record id.
    pub id: Uuid,
    /// Whose data it holds: releases speak of the villages under this region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Short name, unique in its region.
    #[schema(example = "P3KE")]
    pub code: String,
    /// Full name.
    pub name: String,
    /// Who makes it.
    #[schema(example = "Kemenko PMK")]
    pub owner: String,
    /// What one record of it describes.
    #[schema(value_type = DatasetUnit)]
    pub unit: String,
    /// How it ranks welfare.
    #[schema(example = "desil nasional 1-10")]
    pub ranking_scheme: Option<String>,
    /// By which right it is used.
    pub legal_basis: Option<String>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Dataset> for DatasetOut {
    fn from(row: Dataset) -> Self {
        let Dataset { id, region_code, code, name, owner, unit, ranking_scheme, legal_basis, version, created_at, updated_at } = row;
        DatasetOut { id, region_code, code, name, owner, unit, ranking_scheme, legal_basis, version, created_at, updated_at }
    }
}

impl Resource for DatasetOut {
    fn location(&self) -> String {
        format!("/datasets/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new source.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// Whose data it holds; stays for good.
    region_code: RegionCode,
    /// Short name, unique in its region; stays for good.
    #[validate(length(min = 1, max = 40), custom(function = printable))]
    #[schema(min_length = 1, max_length = 40, example = "P3KE")]
    code: String,
    /// Full name.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Who makes it.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, example = "Kemenko PMK")]
    owner: String,
    /// What one record of it describes; stays for good.
    unit: DatasetUnit,
    /// How it ranks welfare.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, example = "desil nasional 1-10")]
    ranking_scheme: Option<String>,
    /// By which right it is used.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, example = "Kepmenko PMK 30/2022")]
    legal_basis: Option<String>,
}

/// Changes to a source.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetUpdate {
    /// Full name.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Who makes it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    owner: Option<String>,
    /// How it ranks welfare; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    ranking_scheme: Option<Option<String>>,
    /// By which right it is used; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    legal_basis: Option<Option<String>>,
}

/// Which sources.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DatasetFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this code.
    #[param(max_length = 40)]
    code: Option<String>,
}

/// List datasets
///
/// Those of your regions, oldest first.
#[utoipa::path(get, path = "/datasets")]
async fn list(access: Access<DatasetsRead>, list: List<DatasetFilter>) -> Result<Page<DatasetOut>> {
    let DatasetFilter { region, code } = &list.filter;
    let wanted = Wanted { region: region.clone(), code: code.clone() };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, DatasetOut::from))
}

/// Register a dataset
///
/// A source is data: register P3KE, DTKS, DTSEN or a list of your own. Refused with `dataset_code_taken` when one of
/// this code is on file in the region.
#[utoipa::path(post, path = "/datasets")]
async fn create(access: Access<DatasetsWrite>, Valid(body): Valid<DatasetCreate>) -> Result<Created<DatasetOut>> {
    let DatasetCreate { id, region_code, code, name, owner, unit, ranking_scheme, legal_basis } = body;
    let now = Utc::now();
    let row = Dataset {
        id: id.unwrap_or_else(new_id),
        region_code: region_code.into(),
        code,
        name,
        owner,
        unit: unit.name().into(),
        ranking_scheme,
        legal_basis,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = access.write().await?;
    let row = store::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Created(row.into()))
}

/// Fetch a dataset
#[utoipa::path(get, path = "/datasets/{id}")]
async fn fetch(access: Access<DatasetsRead>, Path(id): Path<Uuid>) -> Result<Found<DatasetOut>> {
    Ok(Found(store::find(&access.read().await?, id).await?.into()))
}

/// Edit a dataset
///
/// Its code, region and unit stay: its releases hang on them.
#[utoipa::path(patch, path = "/datasets/{id}")]
async fn edit(access: Access<DatasetsWrite>, Path(id): Path<Uuid>, edit: Edit<DatasetUpdate>) -> Result<Found<DatasetOut>> {
    let mut tx = access.write().await?;
    let old = store::find_to_change(&tx, id, edit.expected).await?;
    let DatasetUpdate { name, owner, ranking_scheme, legal_basis } = edit.patch;
    let mut new = old.clone();
    new.name = name.unwrap_or(new.name);
    new.owner = owner.unwrap_or(new.owner);
    new.ranking_scheme = ranking_scheme.unwrap_or(new.ranking_scheme);
    new.legal_basis = legal_basis.unwrap_or(new.legal_basis);
    if new == old {
        return Ok(Found(old.into()));
    }
    let new = store::update(&mut tx, &new).await?;
    tx.commit([Change::turned("edited", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// List a dataset's history
///
/// Every change, oldest first.
#[utoipa::path(get, path = "/datasets/{id}/history")]
async fn history(access: Access<DatasetsRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find(&db, id).await?;
    changes::history(&db, Dataset::RESOURCE, id, &list).await
}
