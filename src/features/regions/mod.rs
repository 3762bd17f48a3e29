//! Regions (wilayah): the 91,599 Kemendagri codes that every other record hangs on.
//!
//! Read-only through the API; `entas migrate` loads `data/regions.csv`. A region is public knowledge, so it is the one
//! noun that is not scoped.

mod http;
mod load;
mod store;

pub use http::operations;
pub use load::load;
pub use store::{Region, children, villages_of};
