//! Family events: merges and splits of families on file, each with what it did, by whom and why, and undone as a whole.
//!
//! Two records of one family, or of one person, are **merged**: one is kept, the other leads to it for ever (its address
//! redirects, the sources' keys are followed). Members are **split** off into a family of their own. An event is `in_force`
//! until it is `undone`; it is undone only while no later event stands on either family, the latest first, so that no undo
//! can meet a record that is not there. What somebody changed since stays as they left it, and is named.
//!
//! The families are written by `beneficiaries`, ranks by `datasets`, aid by `interventions`; this feature calls them in one
//! transaction and keeps the journal, sealed.

mod http;
mod model;
mod rotate;
mod service;
mod store;

pub use http::operations;
pub use rotate::rotate_keys;
