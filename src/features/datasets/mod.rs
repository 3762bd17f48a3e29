//! Datasets: registered sources, their releases, and the import of a delivered file into families and members.
//!
//! A source is data: a row with a code, never a word in code. A release is one delivered file with its minutes (BAST),
//! dates and hash; the same file is one release. It is `received` until its job has `validated` or `imported` it, or it
//! `failed` or was `cancelled`; whatever ends it, its file leaves the spool. The source's own keys lead back to our
//! records, so that no number or order of deliveries makes a family twice. A rank belongs to a release; the newest
//! release that ranks a family gives its current one, until it is withdrawn. Of refused rows place, column and reason are
//! told, never a cell; the cells rest sealed, to be handed back by a disclosure.
//!
//! What a release states is kept whole (`statement`): one sealed row a family, with its place, rank, key and a keyed digest
//! in clear, by which two releases are compared without opening anything. A register is kept and nothing else.
//!
//! `profile`, `reader` and `values` turn rows into typed records, `intake` joins these to families; all of it is pure or
//! reads one local file. `jobs` stores them.

mod corrections;
mod demo;
mod http;
mod intake;
mod jobs;
mod keys;
mod model;
pub mod profile;
pub mod reader;
mod rotate;
mod service;
mod statement;
mod store;
pub mod values;

pub use demo::{Simulation, demo, simulate};
pub use http::operations;
pub use jobs::jobs;
pub use model::{NikState, RegistryStatus, spreadsheet_number, spreadsheet_safe};
pub use rotate::{CHUNK, rotate_keys};
pub use service::{find_kept, sweep};
pub use statement::{PersonRead, RawRow, SealedPeople, StatedPerson, Statement, processors, read_people};
pub use store::{
    Rekeyed, Release, between_keys, keyed, lock_sources, move_ranks, other_names, sealed_people, statements, statements_by_id, under_keys,
};

#[cfg(test)]
mod test_files;
