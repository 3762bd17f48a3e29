//! Sessions over HTTP: the OAuth endpoints at the root, one's own account under the versioned API.

mod me;
mod tokens;

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("sessions", "Signing in and out, one's own account");
    me::operations(api);
    api.at_root();
    tokens::operations(api);
}
