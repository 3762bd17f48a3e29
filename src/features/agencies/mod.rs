//! Agencies: perangkat daerah, kecamatan, desa, provincial bodies and companies — who plans, verifies, delivers, pays.
//!
//! An agency lives in a region and is seen from there and from everywhere under it. It is `active` or `closed`; a closed
//! one keeps its history and gets no new plans.

mod http;
mod store;

pub use http::operations;
pub use store::{Agency, find, find_active, find_named, insert};
