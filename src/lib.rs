//! Entas: the API with which a regency, a province or the nation coordinates the eradication of extreme poverty.
//!
//! The module list is the map; ARCHITECTURE.md walks through it.

/// The composition root: all operations, all jobs, the middleware; used by serve, openapi and tests alike.
pub mod app;
/// The command line.
pub mod commands;
/// The vertical slices.
pub mod features;
/// Record linkage: which rows of two registers are one person; pure.
pub mod linkage;
/// What knows no feature.
pub mod platform;
#[rustfmt::skip]
#[expect(missing_docs, reason = "written by diesel print-schema")]
pub mod schema;
/// Synthetic regencies for the demo, the tests and the benchmarks.
pub mod simulate;
