//! SQL of verification.

pub mod assignments;
pub mod campaigns;
pub mod criteria;
pub mod visits;
