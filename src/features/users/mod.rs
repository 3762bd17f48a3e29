//! Accounts: people and service accounts, their secrets, and their assignments (a role in a region, for a time).
//!
//! An account has a home region: its administrators keep it. Administration reaches as far as the administrator's own
//! regions and no further: nobody hands out a role above or beside them, and nobody resets the password of an account that
//! also acts elsewhere. An account is `active` or `disabled`; five failed sign-ins in a row suspend it for a while.

mod demo;
mod http;
mod model;
mod secrets;
mod service;
mod store;

pub use demo::{PASSWORD, demo};
pub use http::operations;
pub use model::{Kind, Secret, is_name};
pub use secrets::{hash, random};
pub use service::{Wish, add, prove};
pub use store::{Account, clear_failures, find_named, held, region_name, replace_secret};

use crate::platform::error::{Code, Error};

/// The one refusal of a sign-in, whatever was wrong (RFC 6749 section 5.2 names it by who signs in).
fn sign_in_refused(kind: Kind) -> Error {
    match kind {
        Kind::Person => Code::InvalidGrant.into(),
        Kind::Service => Code::InvalidClient.into(),
    }
}
