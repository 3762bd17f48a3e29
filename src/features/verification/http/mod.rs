//! Verification over HTTP.

mod assignments;
mod campaigns;
mod criteria;
mod visits;
mod objections;
mod proposals;
mod results;
mod steps;
mod verdicts;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    criteria::operations(api);
    campaigns::operations(api);
    assignments::operations(api);
    visits::operations(api);
    results::operations(api);
    proposals::operations(api);
    objections::operations(api);
}
