//! SQL of programs, action plans and activities.

mod activities;
mod plans;
mod programs;

pub use activities::{Activity, Located, find_own_activity};
pub use plans::{ActionPlan, Own, Totals, own};
pub use programs::Program;

pub mod activity {
    //! Activities of a plan.
    pub use super::activities::{copy_to, demand_known, find, find_to_change, insert, list, remove, update};
}
pub mod plan {
    //! Action plans.
    pub use super::plans::{Wanted, find, find_to_change, insert, list, supersede_others, totals, touch, update};
}
pub mod program {
    //! Programs.
    pub use super::programs::{Wanted, find, find_to_change, insert, list, update};
}
