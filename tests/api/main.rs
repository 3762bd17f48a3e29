//! The one integration binary: real PostgreSQL, the real middleware on a real port, real tokens, a real HTTP client.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

mod action_plans;
mod agencies;
mod architecture;
mod attachments;
mod bad_input;
mod beneficiaries;
mod bodies;
mod browsers;
#[cfg(feature = "s3")]
mod buckets;
mod contract;
mod database;
mod datasets;
mod decrees;
mod sessions;
mod family_events;
mod family_moves;
mod family_reports;
mod edits;
mod faults;
mod imports;
mod interventions;
mod keys;
mod durability;
mod feed;
mod jobs;
mod lists;
mod lookups;
mod matching;
mod meanwhile;
mod monitoring;
mod progress;
mod objections;
mod promises;
mod proposals;
mod releases;
mod results;
mod runs;
mod story;
mod story_kutim;
mod stories_matching;
mod sweeps;
mod target_lists;
mod twins;
mod users;
mod verification;
mod verification_steps;

/// The sweep cases of every feature: one for each operation, or the sweep fails.
fn cases() -> Vec<support::case::Case> {
    let mut cases = Vec::new();
    cases.extend(agencies::cases());
    cases.extend(users::cases());
    cases.extend(sessions::cases());
    cases.extend(action_plans::cases());
    cases.extend(interventions::cases());
    cases.extend(beneficiaries::cases());
    cases.extend(jobs::cases());
    cases.extend(feed::cases());
    cases.extend(monitoring::cases());
    cases.extend(datasets::cases());
    cases.extend(matching::cases());
    cases.extend(lists::cases());
    cases.extend(lookups::cases());
    cases.extend(releases::cases());
    cases.extend(family_events::cases());
    cases.extend(family_moves::cases());
    cases.extend(family_reports::cases());
    cases.extend(twins::cases());
    cases.extend(verification::cases());
    cases.extend(attachments::cases());
    cases.extend(target_lists::cases());
    cases.extend(progress::cases());
    cases.extend(results::cases());
    cases.extend(proposals::cases());
    cases.extend(objections::cases());
    cases
}
