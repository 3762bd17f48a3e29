//! Monitoring: rankings and coverage, counted from the list as it stands when asked.
//!
//! Everything here is an aggregate for signed-in roles: no name, number or family appears, so no reading is recorded and
//! small cells are shown as they are (a village head must see that one family is left). Only published figures suppress
//! small cells. Families and people are never mixed: each count names its unit. Every answer states what it was asked,
//! what it rests on and when it was counted, because a figure without its source ends every meeting (domain.md §8.3, §10).

mod http;
mod store;

pub use http::operations;
