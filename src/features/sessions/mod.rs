//! Sessions: signing in, staying signed in, signing out, and what the signed-in actor may do.
//!
//! A person's session lives while it is refreshed at least every 12 hours, and 7 days at most. A refresh token works once:
//! presented again, somebody has stolen it, and the whole session ends (RFC 9700 section 4.14.2). There is no grace, so a
//! front end refreshes from one place only. A service account gets no refresh token: it signs in again.
//!
//! The rows are read on every request by `platform::session`, which also ends them when an account is disabled.

mod http;
mod model;
mod store;

pub use http::operations;

use crate::platform::Services;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;

/// Forgets sessions that ended long ago; called from time to time.
pub async fn sweep(services: &Services) -> Result<usize> {
    let mut tx = services.write_as_system(RegionCode::country()).await?;
    let forgotten = store::forget_old(&mut tx).await?;
    tx.commit_untold().await?;
    Ok(forgotten)
}
