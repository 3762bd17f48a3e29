//! Programs, action plans and activities over HTTP.

mod activities;
mod plans;
mod programs;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    programs::operations(api);
    plans::operations(api);
    activities::operations(api);
}
