//! SQL of attachments.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::attachments;

/// Refuses when one of these attachments is not on file in this very region: a record of a village names the village's own files.
pub async fn demand(db: &impl Scoped, region: &RegionCode, ids: &[Uuid]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let wanted: HashSet<Uuid> = ids.iter().copied().collect();
    let known: i64 = attachments::table
        .filter(db.scope().within(attachments::region_code))
        .filter(attachments::region_code.eq(region.as_str()))
        .filter(attachments::id.eq_any(&wanted))
        .count()
        .get_result(&mut db.on())
        .await?;
    if usize::try_from(known).is_ok_and(|known| known == wanted.len()) { Ok(()) } else { Err(Code::AttachmentUnknown.into()) }
}
