//! The vertical slices in their one order: a feature uses only those above it. Two lists: operations and jobs.

use crate::platform::api::Api;
use crate::platform::jobs::Jobs;

/// Agencies: who plans, verifies, delivers, pays.
pub mod agencies;
/// Families and their members.
pub mod beneficiaries;
/// Registered sources and their releases.
pub mod datasets;
/// Health, metrics, the catalogue of codes.
pub mod ops;
/// The Kemendagri region list.
pub mod regions;

/// The operations of every feature.
pub fn operations(api: &mut Api) {
    regions::operations(api);
    agencies::operations(api);
    beneficiaries::operations(api);
    datasets::operations(api);
    ops::operations(api);
}

/// The jobs of every feature.
pub fn jobs(jobs: &mut Jobs) {
    datasets::jobs(jobs);
}
