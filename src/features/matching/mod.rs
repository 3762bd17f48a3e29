//! Matching (pemadanan): the people of two lists become one list, with reasons an official can sign.
//!
//! A **run** compares the people of a release with those of another release, with our members, or with each other. It is a
//! job: statements are opened, `crate::linkage` weighs them, and what it finds is stored at once, so that a run that was
//! killed starts anew and nobody sees half of one. Of each person on the left stands one **result** in the vocabulary of
//! domain.md section 2.6, beside the centre's own verdict; of each two people who may be one, a **pair** with the terms that
//! add up to its weight.
//!
//! A **decision** is about two people, each named by a lasting key (dataset and the source's own key, or our member), and not
//! about two rows: it holds for later runs and for later releases of the same record until it is undone. With four eyes it is
//! `proposed` until somebody else confirms it. What a decision changes is derived from what the run stored ([`model`]), so
//! undoing it restores what was there.
//!
//! Nothing is merged here: two people with one NIK who are certainly not one are `nik_duplicate`, whatever a weight says.

mod decided;
mod http;
mod jobs;
mod model;
mod newcomers;
mod people;
mod twins;
mod weighing;
mod quality;
mod rotate;
mod sampling;
mod store;
mod wording;
mod worklist;

pub use http::{MatchTermOut, in_words, operations};
pub use jobs::jobs;
pub use newcomers::{Resembled, weigh_newcomers};
pub use rotate::follow_keys;
pub use twins::{compare_queued, run as compare_at_once};
