//! SQL of attachments.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::dsl::SqlTypeOf;
use diesel::helper_types::AsSelect;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::model::AttachmentPurpose;
use crate::platform::access::{Scope, under};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::schema::attachments;

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = attachments, check_for_backend(Pg))]
pub struct Attachment {
    /// Record id.
    pub id: Uuid,
    /// Whose it is.
    pub region_code: String,
    /// What it proves.
    pub purpose: String,
    /// What it is.
    pub media_type: String,
    /// Size of the content as sent.
    pub bytes: i64,
    /// SHA-256 of the content as sent.
    pub sha256: Vec<u8>,
    /// Who sent it.
    pub uploaded_by: Uuid,
    /// Version.
    pub version: i32,
    /// Received at.
    pub created_at: DateTime<Utc>,
    /// The same, for it never changes.
    pub updated_at: DateTime<Utc>,
    /// Its name in the object store.
    pub object: Uuid,
}

impl Tracked for Attachment {
    const RESOURCE: &'static str = "attachments";
    // The hash is told as text, see the service.
    const SILENT: &'static [&'static str] = &["id", "version", "created_at", "updated_at", "object", "sha256"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// What of the files in their scope somebody may see: all but the evidence of objections, unless they sent it or decide there.
#[derive(Debug)]
pub struct Sight {
    /// Who.
    pub actor: Uuid,
    /// Where they decide objections.
    pub deciding: Scope,
}

fn visible<'a>(scope: &Scope, sight: &Sight) -> attachments::BoxedQuery<'a, Pg, SqlTypeOf<AsSelect<Attachment, Pg>>> {
    attachments::table
        .select(Attachment::as_select())
        .filter(scope.within(attachments::region_code))
        .filter(
            attachments::purpose
                .ne(AttachmentPurpose::ObjectionEvidence.name())
                .or(attachments::uploaded_by.eq(sight.actor))
                .or(sight.deciding.within(attachments::region_code)),
        )
        .into_boxed()
}

/// A page in id order.
pub async fn list(
    db: &impl Scoped,
    sight: &Sight,
    region: Option<&RegionCode>,
    purpose: Option<AttachmentPurpose>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Attachment>> {
    let mut query = visible(db.scope(), sight).order(attachments::id).limit(limit);
    if let Some(region) = region {
        query = query.filter(under(attachments::region_code, region));
    }
    if let Some(purpose) = purpose {
        query = query.filter(attachments::purpose.eq(purpose.name()));
    }
    if let Some(after) = after {
        query = query.filter(attachments::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One record.
pub async fn find(db: &impl Scoped, sight: &Sight, id: Uuid) -> Result<Attachment> {
    Ok(visible(db.scope(), sight).filter(attachments::id.eq(id)).first(&mut db.on()).await?)
}

/// A new record; `None` when its id is used.
pub async fn insert(tx: &mut Tx, row: &Attachment) -> Result<Option<Attachment>> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(attachments::table)
        .values(row)
        .on_conflict(attachments::id)
        .do_nothing()
        .returning(Attachment::as_select())
        .get_result(&mut tx.on())
        .await
        .optional()?)
}

/// Those of these attachments that are on file in this very region: a record of a village names the village's own files. Evidence
/// of objections is none of them: whoever may read the record could not see it.
pub async fn known(db: &impl Scoped, region: &RegionCode, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let known: Vec<Uuid> = attachments::table
        .filter(db.scope().within(attachments::region_code))
        .filter(attachments::region_code.eq(region.as_str()))
        .filter(attachments::id.eq_any(ids))
        .filter(attachments::purpose.ne(AttachmentPurpose::ObjectionEvidence.name()))
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

/// Refuses when one of these attachments is not evidence that somebody sent for this very region: what others use (a visit's photo,
/// the minutes) cannot be withheld from them by naming it in an objection.
pub async fn demand_evidence(db: &impl Scoped, region: &RegionCode, by: Uuid, ids: &[Uuid]) -> Result<()> {
    let known: Vec<Uuid> = attachments::table
        .filter(db.scope().within(attachments::region_code))
        .filter(attachments::region_code.eq(region.as_str()))
        .filter(attachments::id.eq_any(ids))
        .filter(attachments::purpose.eq(AttachmentPurpose::ObjectionEvidence.name()))
        .filter(attachments::uploaded_by.eq(by))
        .select(attachments::id)
        .load(&mut db.on())
        .await?;
    let detail = "Name files that you sent yourself for this village, with the purpose `objection_evidence`.";
    if ids.iter().all(|id| known.contains(id)) { Ok(()) } else { Err(Error::RefusedBecause(Code::AttachmentUnknown, detail.to_owned())) }
}

/// Which of these objects a record mentions, wherever it lies. For the sweep.
pub async fn mentioned(db: &impl Scoped, objects: &[Uuid]) -> Result<HashSet<Uuid>> {
    let known: Vec<Uuid> =
        attachments::table.filter(attachments::object.eq_any(objects)).select(attachments::object).load(&mut db.on()).await?;
    Ok(known.into_iter().collect())
}

/// Records and their objects after an id, in id order. For `entas rotate-keys`.
pub async fn objects(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Uuid)>> {
    Ok(attachments::table
        .filter(attachments::id.gt(after))
        .select((attachments::id, attachments::object))
        .order(attachments::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}
