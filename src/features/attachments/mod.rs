//! Attachments: photos of families' houses and cards, minutes of meetings, decrees; checked by their content, kept sealed.
//!
//! A file belongs to a region, which decides who sees it. Evidence of an objection is seen by those who decide objections and by who
//! sent it, and by nobody else: the village and its camat are whom the objection is about (domain.md section 7), and a photo may show
//! where its objector lives. It is a purpose and not what objections happen to name, so that it is withheld from the first moment,
//! and nothing else becomes withheld by being named. Only JPEG, PNG and PDF are taken, recognised by their content and not
//! by what the sender says (`content.rs` tells how far that goes). The content is hashed while it is received, sealed under the
//! installation's keys (a photo of a family card shows numbers) and put into the object store under a fresh name before the
//! record that mentions it is committed; a crash between the two leaves an object that nothing mentions, which the sweep removes
//! after a day, and never a record without its content. An attachment never changes.

mod content;
mod http;
mod model;
mod rotate;
mod service;
mod store;

pub use http::operations;
pub use rotate::rotate_keys;
pub use service::sweep;
pub use store::{demand, demand_evidence, known};
