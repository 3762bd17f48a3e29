//! Programs, and the action plans (rencana aksi) that agencies make of them: one plan per agency and year, with activities.
//!
//! A program is a reference record that a regency keeps: seen from there and from everywhere under it. A plan belongs to an
//! agency; planners and heads see their own agency's plans, everybody else those of their regions. Its states are one table
//! in `model.rs`; who may take which step is in `policy.rs` and nowhere else. A plan changes while it is a draft or returned;
//! after approval only a numbered revision changes it, and the plan in force stays so until its revision is approved.

mod http;
mod model;
mod store;

pub use http::operations;
pub use model::{FundSource, MOST, PlanState, ProgramGroup, Sector, SpendingTag, Strategy};
pub use store::{ActionPlan, Activity, Own, Program, find_own_activity, own};
