//! SQL of verification.

pub mod assignments;
pub mod campaigns;
pub mod criteria;
pub mod visits;
mod objections;
mod proposals;
mod results;
mod rotate;
mod verdicts;

pub use objections::Objection;
pub use proposals::Proposal;
pub use results::{Days, Progress, VillageResult};
pub use verdicts::Verdict;

pub mod objection {
    //! Usul and sanggah.
    pub use super::objections::{Wanted, find, find_to_change, insert, list, open, unmended, update};
}
pub mod proposal {
    //! Families that are not on the list.
    pub use super::proposals::{Wanted, assign_known, find, find_to_change, hold, insert, known, list, of_result, rivals, update};
}
pub mod result {
    //! Village results.
    pub use super::results::{
        Carried, CarriedVisit, Wanted, carried, demand_campaign_open, ended, find, find_open_to_change, find_to_change, homes, is_assigned,
        is_proposed, list, open_work, progress, stale_verdicts, standing, standing_ids, touch, update,
    };
}
pub mod verdict {
    //! What the meeting decided.
    pub use super::verdicts::{Judged, families_of, list, of_proposals, record};
}
pub mod rotation {
    //! What rests sealed.
    pub use super::rotate::{corrections, entries, objectors, reseal_corrections, reseal_entry, reseal_objector};
}
