//! Family events: merges and splits of families on file, births, deaths and changes of head, each with what it did, by whom and
//! why, and undone as a whole; and moves between villages.
//!
//! Two records of one family, or of one person, are **merged**: one is kept, the other leads to it for ever (its address
//! redirects, the sources' keys are followed). Members are **split** off into a family of their own. An event is `in_force`
//! until it is `undone`; it is undone only while no later event that it waits for stands on either family, the latest first, so
//! that no undo can meet a record that is not there. What somebody changed since stays as they left it, and is named.
//!
//! **Births, deaths and changes of head** are reported by the village; they do what an edit of the family's members does, and keep
//! a journal beside it. A family whose last member died stays `active` without a head until somebody ends its service. A birth is
//! never undone, because no member is ever deleted: their record is edited. Merges and splits do not wait for these events to be
//! undone first, as they wait for no edit.
//!
//! A **move** is offered by the village where the family is on file and accepted or declined by the one it came to; until then the
//! family stays where it is, and the receiving village sees only what lets it recognise the family. One offer of a family waits at
//! a time. Ranks, aid and history go along; the address below the village does not. An accepted move is not undone: moving back is
//! a move, offered and accepted. An offer of a family that was merged, is no longer served or lives elsewhere by now cannot be
//! accepted; where it moved otherwise, a new offer ends the old one.
//!
//! The families are written by `beneficiaries`, ranks by `datasets`, aid by `interventions`; this feature calls them in one
//! transaction and keeps the journal, sealed.

mod http;
mod model;
mod moves;
mod rotate;
mod service;
mod store;

pub use http::operations;
pub use rotate::rotate_keys;
