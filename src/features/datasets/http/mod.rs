//! Datasets and releases over HTTP.

mod datasets;
mod diff;
mod profiles;
mod records;
mod releases;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    datasets::operations(api);
    releases::operations(api);
    records::operations(api);
    diff::operations(api);
    profiles::operations(api);
}
