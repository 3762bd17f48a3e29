//! The vertical slices in their one order: a feature uses only those above it. Two lists: operations and jobs.

use crate::platform::api::Api;
use crate::platform::jobs::Jobs;

/// The Kemendagri region list.
pub mod regions;
/// Agencies: who plans, verifies, delivers, pays.
pub mod agencies;
/// Accounts and assignments.
pub mod users;
/// Signing in and out, one's own account.
pub mod sessions;
/// Families and their members.
pub mod beneficiaries;
/// Registered sources and their releases.
pub mod datasets;
/// Runs, pairs and decisions of matching.
pub mod matching;
/// Programs, action plans, activities.
pub mod action_plans;
/// Aid planned for families, delivered or cancelled.
pub mod interventions;
/// Merges and splits of families, births, deaths, changes of head; moves between villages.
pub mod family_events;
/// Photos and documents.
pub mod attachments;
/// Campaigns, visits, proposals, village results, objections.
pub mod verification;
/// The lists that the regent decrees.
pub mod target_lists;
/// Bulk look-up.
pub mod lookups;
/// Long work, how far it is.
pub mod jobs;
/// The change feed and the audit log.
pub mod feed;
/// Rankings and coverage.
pub mod monitoring;
/// Health, metrics, the catalogue of codes.
pub mod ops;

/// The operations of every feature.
pub fn operations(api: &mut Api) {
    regions::operations(api);
    agencies::operations(api);
    users::operations(api);
    sessions::operations(api);
    beneficiaries::operations(api);
    datasets::operations(api);
    matching::operations(api);
    action_plans::operations(api);
    interventions::operations(api);
    family_events::operations(api);
    attachments::operations(api);
    verification::operations(api);
    target_lists::operations(api);
    lookups::operations(api);
    jobs::operations(api);
    feed::operations(api);
    monitoring::operations(api);
    ops::operations(api);
}

/// The jobs of every feature.
pub fn jobs(jobs: &mut Jobs) {
    datasets::jobs(jobs);
    matching::jobs(jobs);
    verification::jobs(jobs);
    target_lists::jobs(jobs);
}
