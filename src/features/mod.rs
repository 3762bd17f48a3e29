//! The vertical slices in their one order: a feature uses only those above it. Two lists: operations and jobs.

use crate::platform::api::Api;
use crate::platform::jobs::Jobs;

/// Programs, action plans, activities.
pub mod action_plans;
/// Agencies: who plans, verifies, delivers, pays.
pub mod agencies;
/// Families and their members.
pub mod beneficiaries;
/// Registered sources and their releases.
pub mod datasets;
/// Aid planned for families, delivered or cancelled.
pub mod interventions;
/// Health, metrics, the catalogue of codes.
pub mod ops;
/// The Kemendagri region list.
pub mod regions;
/// Signing in and out, one's own account.
pub mod sessions;
/// Accounts and assignments.
pub mod users;

/// The operations of every feature.
pub fn operations(api: &mut Api) {
    regions::operations(api);
    agencies::operations(api);
    users::operations(api);
    sessions::operations(api);
    action_plans::operations(api);
    interventions::operations(api);
    beneficiaries::operations(api);
    datasets::operations(api);
    ops::operations(api);
}

/// The jobs of every feature.
pub fn jobs(jobs: &mut Jobs) {
    datasets::jobs(jobs);
}
