//! Verification (verval): from a release to what each village found, confirmed and handed over (domain.md section 4).
//!
//! A **campaign** names a lead agency, the release or target list to check, a criteria set, and subdistricts with their order and
//! days. It is `draft`, then `open`: a job makes, village by village, one **village result** and assigns to it the families that
//! live there. It is `closed` at the end.
//!
//! A village works without a network: it takes a **packet** (its families, numbers masked) and sends **visits** in batches. Of the
//! visits of one family in one campaign one stands. A visit that was made on the ground of the standing one (or of none, where none
//! stands) takes its place; one that was made in ignorance of it is kept as `conflicting` with every field in which the two differ,
//! until somebody settles which one stands. Nothing is lost, nothing is overwritten unseen. The same visit sent again is known by
//! its id and the sealed digest of its content.
//!
//! **Proposals** are families that are not on the list: compared with everybody on file before they can be registered.
//!
//! A **village result** moves `open → finalised` (the village head, after the meeting) `→ forwarded` (camat) `→ accepted` (Dinsos or
//! Bappeda), and back with a reason: `withdraw`, `return`, `recall`, `send-back`, `reopen`. Visits are taken while it is open or
//! returned. While it is posted, residents object. Acceptance carries what the visits corrected into the families' records, with
//! `verified` as its origin, registers confirmed proposals, and is what target lists are drafted from.

mod acceptance;
mod corrections;
mod http;
mod jobs;
mod model;
mod objector;
mod observations;
mod proposals;
mod rotate;
mod sent;
mod store;
mod visits;

pub use corrections::{Correction, open as open_corrections, seal as seal_corrections};
pub use http::operations;
pub use jobs::jobs;
pub use model::{
    CampaignState, Due, Eligibility, Late, MeetingKind, ObjectionKind, ObjectionState, Presence, ProposalState, ResultState, ResultStep,
    Taken, VisitState, WhatBecame, decide_by, posted_until,
};
pub use rotate::rotate_keys;
