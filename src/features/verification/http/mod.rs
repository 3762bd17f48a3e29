//! Verification over HTTP.

mod assignments;
mod campaigns;
mod criteria;
mod visits;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    criteria::operations(api);
    campaigns::operations(api);
    assignments::operations(api);
    visits::operations(api);
}
