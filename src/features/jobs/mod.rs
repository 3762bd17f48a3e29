//! Jobs: how far long work is, and a way to stop it.
//!
//! A job belongs to the region it works in and is seen by whoever may see jobs there. Its payload is never shown. A queued
//! job is cancelled at once; a running one is asked to stop and ends `cancelled` at its next step, keeping what it had
//! done in whole steps. The queue itself is `platform/jobs.rs`.

mod http;
mod store;

pub use http::operations;
