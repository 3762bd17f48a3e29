//! The change feed for aggregators and partner systems, and the audit log for inspectors.
//!
//! The feed promises an order and completeness: whoever follows `next` gets every change of their regions exactly once,
//! also those of a transaction that took long to commit. Sequence numbers and clocks are given out before a commit and
//! become visible after it, so a reader that orders by them alone passes over the late ones for good (the test
//! `a_follower_by_sequence_loses_the_late_commit` shows it). A change therefore carries the number of its transaction, and
//! only those below every running transaction are delivered, ordered by (transaction, sequence).
//!
//! The feed goes to people who may not read families: values are told for the resources named in `model.rs` and for all
//! others the names of the fields only, so a new noun leaks nothing until somebody decides that it may.

mod http;
mod model;
mod store;

pub use http::operations;
