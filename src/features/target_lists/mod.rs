//! Target lists: the numbered lists of families that the regent decrees (SK Bupati with its BNBA annex); only they make a family a
//! *sasaran* (domain.md section 4.1, step 9).
//!
//! A list is `drafting` while a job draws it from accepted village results by its stated rules, then `draft`; the secretariat
//! submits it, the leadership returns it with a note or **decrees** it with number, date and signatory. From then on it is frozen:
//! its entries are the annex as it was that day, with a digest. The list that was in force becomes `superseded` in the same
//! transaction, so that of a regency's lists exactly one is in force from the first decree on. A change is a new list.
//!
//! Every family that was considered has an entry, on the list or off it, with the change against the list before and the reason.

use crate::platform::api::Api;
use crate::platform::jobs::Jobs;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("target_lists", "Target lists: drafted, decreed, frozen, superseded");
}

/// The jobs of the feature.
pub fn jobs(_: &mut Jobs) {}
