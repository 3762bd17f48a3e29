//! Attachments: photos of families' houses and cards, minutes of meetings, decrees; checked by their content, kept sealed.
//!
//! A file belongs to a region, which decides who sees it. Only JPEG, PNG and PDF are taken, recognised by their content and not
//! by what the sender says. The content is hashed while it is received, sealed under the installation's keys (a photo of a family
//! card shows numbers) and put into the object store under the record's id before the record is committed; a crash between the
//! two leaves an object that nothing mentions, which the sweep removes, and never a record without its content. An attachment
//! never changes.

mod store;

pub use store::{demand, known};

use crate::platform::api::Api;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("attachments", "Photos and documents, as proof");
}
