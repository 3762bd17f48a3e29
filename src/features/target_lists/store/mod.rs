//! SQL of target lists: the lists, how one is drawn, its entries, and what tells why.

mod draw;
mod effects;
mod entries;
mod lists;
mod rotate;
mod steps;

pub use draw::{digest, draw, sources, unknown_campaigns};
pub use effects::{Effects, demand_imported, effects};
pub use entries::{
    Annexed, Differing, Entry, Summed, Tally, WantedEntries, annex, annexed, diff_counts, diff_entries, entries, moved, summary,
};
pub use lists::{
    TargetList, Wanted, clear, find, find_drafting, find_readable, find_to_change, has_lost, in_force, insert, is_job_over, list,
    next_number, update,
};
pub use rotate::{Indexed, indexed, reindex};
pub use steps::{Fact, explanation};
