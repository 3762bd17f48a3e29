//! The shipped layouts over HTTP, so that a front end can show them and start a layout of its own from one.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::features::datasets::profile::{Profile, all};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Page;
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::list::List;
use crate::platform::policy::DatasetsRead;

pub(super) fn operations(api: &mut Api) {
    api.feature("profiles", "Column-mapping profiles: how the files of a source are laid out");
    mount!(api, list);
}

/// A shipped profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileOut {
    /// What a delivery calls it by.
    #[schema(example = "p3ke")]
    pub name: &'static str,
    /// What it says; copy it to begin a profile of your own.
    pub profile: &'static Profile,
}

/// The filters: none.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProfileFilter {}

/// List the shipped profiles
///
/// In the order of their names. `description` says where each layout is from and what was assumed about it.
#[utoipa::path(get, path = "/profiles")]
async fn list(_access: Access<DatasetsRead>, list: List<ProfileFilter>) -> Result<Page<ProfileOut>> {
    let after: Option<String> = list.after()?;
    let wanted = usize::try_from(list.fetch()).unwrap_or(usize::MAX);
    let mut rows: Vec<_> = all().iter().filter(|shipped| after.as_deref().is_none_or(|after| shipped.name > after)).collect();
    rows.sort_by_key(|shipped| shipped.name);
    rows.truncate(wanted);
    Ok(list.page(rows, |row| row.name, |row| ProfileOut { name: row.name, profile: &row.profile }))
}
