//! Criteria sets over HTTP.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::Criterion;
use super::super::store::criteria::{self, CriteriaSet};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::Change;
use crate::platform::error::{Error, Result};
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{CampaignsRead, CampaignsWrite};
use crate::platform::valid::{Valid, printable};

/// Mounts criteria sets.
pub fn operations(api: &mut Api) {
    api.feature("criteria_sets", "Criteria by which a visit judges a family: versioned, the nation's or a regency's own, with a threshold");
    mount!(api, list, create, fetch);
}

/// A set of criteria. It never changes: a change is the next edition.
#[derive(Debug, Serialize, ToSchema)]
pub struct CriteriaSetOut {
    /// Record id.
    pub id: Uuid,
    /// Whose it is: a regency's, or the nation's (`00`).
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Short name that all editions share.
    #[schema(example = "kepmensos-262-2022")]
    pub code: String,
    /// Counting from 1.
    pub edition: i32,
    /// Name.
    pub name: String,
    /// The law or decree it stands on.
    pub legal_basis: Option<String>,
    /// From how many met criteria on it suggests that a family is poor. A person decides.
    pub threshold: i16,
    /// The criteria, in the order in which they are asked.
    pub criteria: Vec<Criterion>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<CriteriaSet> for CriteriaSetOut {
    fn from(row: CriteriaSet) -> Self {
        let criteria = Criterion::stored(&row.criteria);
        let CriteriaSet { id, region_code, code, edition, name, legal_basis, threshold, version, created_at, updated_at, .. } = row;
        CriteriaSetOut { id, region_code, code, edition, name, legal_basis, threshold, criteria, version, created_at, updated_at }
    }
}

impl Resource for CriteriaSetOut {
    fn location(&self) -> String {
        format!("/criteria-sets/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new set, or a new edition of one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CriteriaSetCreate {
    /// A UUIDv7 of your own.
    id: Option<Uuid>,
    /// Your regency.
    region_code: RegionCode,
    /// Short name that all editions share.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60, example = "kriteria-daerah")]
    code: String,
    /// Counting from 1.
    #[validate(range(min = 1, max = 1000))]
    #[schema(minimum = 1, maximum = 1000)]
    edition: i32,
    /// Name.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The law or decree it stands on.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    legal_basis: Option<String>,
    /// From how many met criteria on; at most as many as there are.
    #[validate(range(min = 1, max = 100))]
    #[schema(minimum = 1, maximum = 100)]
    threshold: i16,
    /// The criteria, in the order in which they are asked.
    #[validate(nested, length(min = 1, max = 100))]
    #[schema(min_items = 1, max_items = 100)]
    criteria: Vec<Criterion>,
}

/// Which sets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CriteriaSetFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List criteria sets
///
/// The nation's and those of your regency.
#[utoipa::path(get, path = "/criteria-sets")]
async fn list(access: Access<CampaignsRead>, list: List<CriteriaSetFilter>) -> Result<Page<CriteriaSetOut>> {
    let rows = criteria::list(&access.read().await?, list.filter.region.as_ref(), list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, CriteriaSetOut::from))
}

/// Register a criteria set
///
/// A set never changes, so that what was asked two years ago can still be read: a change is the next edition.
#[utoipa::path(post, path = "/criteria-sets")]
async fn create(access: Access<CampaignsWrite>, Valid(body): Valid<CriteriaSetCreate>) -> Result<Created<CriteriaSetOut>> {
    let CriteriaSetCreate { id, region_code, code, edition, name, legal_basis, threshold, criteria } = body;
    access.scope().demand(&region_code)?;
    if region_code.level() != Level::Regency {
        return Err(Error::field("region_code", "regency", "A regency registers criteria: send a code of four digits."));
    }
    let codes: HashSet<&str> = criteria.iter().map(|criterion| criterion.code.as_str()).collect();
    if codes.len() != criteria.len() {
        return Err(Error::field("criteria", "duplicate", "Two criteria have the same code."));
    }
    if usize::try_from(threshold).is_ok_and(|threshold| threshold > criteria.len()) {
        return Err(Error::field("threshold", "range", "The threshold is at most the number of criteria."));
    }
    let now = Utc::now();
    let row = CriteriaSet {
        id: id.unwrap_or_else(new_id),
        region_code: region_code.into(),
        code,
        edition,
        name,
        legal_basis,
        threshold,
        criteria: json!(criteria),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = access.write().await?;
    let row = criteria::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Created(row.into()))
}

/// Fetch a criteria set
#[utoipa::path(get, path = "/criteria-sets/{id}")]
async fn fetch(access: Access<CampaignsRead>, Path(id): Path<Uuid>) -> Result<Found<CriteriaSetOut>> {
    Ok(Found(criteria::find(&access.read().await?, id).await?.into()))
}
