//! Accounts over HTTP.

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(_api: &mut Api) {}
