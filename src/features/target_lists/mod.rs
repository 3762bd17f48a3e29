//! Target lists: the numbered lists of families that the regent decrees (SK Bupati with its BNBA annex); only they make a family a
//! *sasaran* (domain.md section 4.1, step 9).
//!
//! A list is `drafting` while a job draws it from accepted village results by its stated rules, then `draft`; the secretariat
//! submits it, the leadership returns it with a note or **decrees** it with number, date and signatory. From then on it is frozen:
//! its entries are the annex as it was when it was drawn, with a digest, and the database refuses to change them. The list that
//! was in force becomes `superseded` in the same transaction, so that of a regency's lists exactly one is in force from the first
//! decree on. A change is a new list.
//!
//! Every family that was considered has an entry, on the list or off it, with the change against the list before and the reason.
//! Drawing is one statement in one transaction: a job that was killed begins anew, and nobody sees half a list. A list whose
//! village results changed since it was drawn (another one was accepted, one was reopened) is neither submitted nor decreed.
//!
//! The feed tells the steps of a list, and with its decree one change of `beneficiaries` for each family that came on
//! (`target_list_added`) or went off (`target_list_removed`), because partners follow families; who stays is not told again.

mod annex;
mod http;
mod jobs;
mod model;
mod rotate;
mod store;
mod wording;

pub use http::operations;
pub use jobs::jobs;
pub use rotate::rotate_keys;
