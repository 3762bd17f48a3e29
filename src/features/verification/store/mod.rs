//! SQL of verification.

pub mod assignments;
pub mod campaigns;
pub mod criteria;
pub mod objections;
mod progress;
pub mod proposals;
pub mod results;
pub mod rotate;
pub mod verdicts;
pub mod visits;
