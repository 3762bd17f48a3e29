//! Verification over HTTP.

mod objections;
mod proposals;
mod results;
mod steps;
mod verdicts;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    results::operations(api);
    proposals::operations(api);
    objections::operations(api);
}
