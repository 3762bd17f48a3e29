//! SQL of attachments.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::attachments;

/// Those of these attachments that are on file in this very region: a record of a village names the village's own files.
pub async fn known(db: &impl Scoped, region: &RegionCode, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let known: Vec<Uuid> = attachments::table
        .filter(db.scope().within(attachments::region_code))
        .filter(attachments::region_code.eq(region.as_str()))
        .filter(attachments::id.eq_any(ids))
        .select(attachments::id)
        .load(&mut db.on())
        .await?;
    Ok(known.into_iter().collect())
}

/// Refuses when one of these attachments is not on file in this very region.
pub async fn demand(db: &impl Scoped, region: &RegionCode, ids: &[Uuid]) -> Result<()> {
    let known = known(db, region, ids).await?;
    if ids.iter().all(|id| known.contains(id)) { Ok(()) } else { Err(Code::AttachmentUnknown.into()) }
}
