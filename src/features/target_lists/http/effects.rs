//! What a release says about the families on a list.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::store::{self, Effects};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Page;
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::DatasetsRead;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, release_effects);
}

/// What a release says about one village's families on a list. Unit: families.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseEffectsOut {
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The village's name.
    pub name: Option<String>,
    /// On the list.
    pub on_list: i64,
    /// Of them named by the release.
    pub named: i64,
    /// Of them named by the release before and by this one no more.
    pub left: i64,
    /// Of them named by this one and not by the one before.
    pub entered: i64,
    /// Of them in a poorer decile than before.
    pub poorer: i64,
    /// Of them in a better decile than before.
    pub better_off: i64,
    /// Not on the list, and of the poorest decile by this release: whom the next campaign should see.
    pub poorest_off_list: i64,
}

impl From<Effects> for ReleaseEffectsOut {
    fn from(row: Effects) -> Self {
        let Effects { code, name, on_list, named, left, entered, poorer, better_off, poorest_off_list } = row;
        ReleaseEffectsOut { region_code: code, name, on_list, named, left, entered, poorer, better_off, poorest_off_list }
    }
}

/// Which releases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ReleaseEffectsFilter {
    /// The new release; imported.
    release_id: Uuid,
    /// The release before; imported.
    with: Uuid,
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// Tell what a release does to a target list
///
/// Village by village: of the families on the list, whom the new release names no more, whom it ranks otherwise, and who of the poorest
/// decile is not on the list. It changes nothing: nobody leaves a list by a rank, a campaign and a decree decide. 409 `release_not_kept`
/// where the families of a release are not on file, 409 `target_list_not_ready` while the list is being drawn.
#[utoipa::path(get, path = "/target-lists/{id}/release-effects")]
async fn release_effects(
    access: Access<DatasetsRead>,
    Path(id): Path<Uuid>,
    list: List<ReleaseEffectsFilter>,
) -> Result<Page<ReleaseEffectsOut>> {
    let ReleaseEffectsFilter { release_id, with, region } = &list.filter;
    let after: Option<String> = list.after()?;
    let db = access.read_apart().await?;
    store::find_readable(&db, id).await?;
    for release in [*release_id, *with] {
        store::demand_imported(&db, release).await?;
    }
    let rows = store::effects(&db, (id, *release_id, *with), region.as_ref(), after, list.fetch()).await?;
    Ok(list.page(rows, |row| row.code.clone(), ReleaseEffectsOut::from))
}
