//! Interventions: aid that an agency plans for a family (or one of its members), delivers or cancels.
//!
//! Everybody who may read them sees those of the families of their regions, whichever agency gives the aid: that is how two
//! agencies learn of each other. Only the planner of the agency whose activity it is may write one. Two interventions of one
//! program for one family in one quarter overlap; that is refused unless the planner says why both are right.

mod http;
mod model;
mod store;

pub use http::operations;
pub use model::{InterventionStatus, InterventionWarning};
pub use store::{Followed, Follows, Intervention, RESOURCE, follow};
