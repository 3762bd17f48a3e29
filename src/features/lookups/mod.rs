//! Bulk look-up: an office sends a list of people and learns which are on file, how they stand and which aid
//! they get. Nothing that was sent comes back but the caller's own references, and no number is ever answered. Rights and
//! records are those of a disclosure: who asked, why and about which families is committed before anything is answered.

mod http;
mod store;

pub use http::operations;
