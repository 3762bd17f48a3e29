//! Target lists over HTTP: the lists and their steps, their entries, the annex to take home.

mod entries;
mod exports;
mod lists;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    lists::operations(api);
    exports::operations(api);
    entries::operations(api);
}
