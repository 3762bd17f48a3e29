//! Regions over HTTP.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store::{self, Region, Wanted};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Item, Page};
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::platform::list::{List, Path};
use crate::platform::policy::RegionsRead;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("regions", "The Kemendagri region list (wilayah)");
    mount!(api, list, fetch);
}

/// A region.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionOut {
    /// Kemendagri code, dotted.
    #[schema(example = "62.02.09")]
    pub code: String,
    /// Its name.
    #[schema(example = "Pulau Hanaut")]
    pub name: String,
    /// Its level.
    #[schema(value_type = Level)]
    pub level: String,
    /// province, kabupaten, kota, kecamatan, desa, kelurahan or desa_adat.
    pub kind: String,
    /// The region above; null for the country.
    pub parent: Option<String>,
}

impl From<Region> for RegionOut {
    fn from(row: Region) -> Self {
        let Region { code, name, level, kind, parent_code } = row;
        RegionOut { code, name, level, kind, parent: parent_code }
    }
}

/// Which regions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RegionFilter {
    /// Directly under this region; `00` lists the provinces.
    #[param(value_type = Option<RegionCode>)]
    parent: Option<RegionCode>,
    /// Of this level.
    level: Option<Level>,
    /// Whose name contains this, in any case.
    #[param(max_length = 100)]
    q: Option<String>,
}

/// List regions
///
/// In code order. Codes are Kemendagri's; BPS codes look alike and mean other places.
#[utoipa::path(get, path = "/regions")]
async fn list(access: Access<RegionsRead>, list: List<RegionFilter>) -> Result<Page<RegionOut>> {
    let RegionFilter { parent, level, q } = &list.filter;
    let wanted = Wanted { parent: parent.clone().map(String::from), level: level.map(Level::name), q: q.clone() };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.code.clone(), RegionOut::from))
}

/// Fetch a region
///
/// By its code, with or without dots.
#[utoipa::path(get, path = "/regions/{code}")]
async fn fetch(access: Access<RegionsRead>, Path(code): Path<RegionCode>) -> Result<Item<RegionOut>> {
    Ok(Item(store::find(&access.read().await?, &code).await?.into()))
}
