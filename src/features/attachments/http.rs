//! Attachments over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::model::{AttachmentPurpose, MediaType};
use super::service::{self, Sent, hex};
use super::store::{self, Attachment, Sight};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Download, Found, Once, Page, Resource};
use crate::platform::api::{Api, BASE};
use crate::platform::changes::Tracked;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{AttachmentsRead, AttachmentsWrite, ObjectionsDecide};
use crate::platform::upload::Upload;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("attachments", "Photos and documents, as proof");
    mount!(api, list, create, fetch, content);
}

/// A photo or document.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentOut {
    /// Record id.
    pub id: Uuid,
    /// Whose it is; seen from there and from above, but for evidence of objections.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What it proves.
    #[schema(value_type = AttachmentPurpose)]
    pub purpose: String,
    /// What it is, found from its content.
    #[schema(value_type = MediaType)]
    pub media_type: String,
    /// Size of the content.
    pub bytes: i64,
    /// SHA-256 of the content as it was sent, hexadecimal.
    pub sha256: String,
    /// Who sent it.
    pub uploaded_by: Uuid,
    /// Where its content is.
    #[schema(example = "/api/v1/attachments/0192f0c1-2345-7abc-8def-0123456789ab/content")]
    pub content: String,
    /// The version that the ETag shows; it never changes.
    pub version: i32,
    /// Received at.
    pub created_at: DateTime<Utc>,
    /// The same.
    pub updated_at: DateTime<Utc>,
}

impl From<Attachment> for AttachmentOut {
    fn from(row: Attachment) -> Self {
        let Attachment { id, region_code, purpose, media_type, bytes, sha256, uploaded_by, version, created_at, updated_at, object: _ } =
            row;
        AttachmentOut {
            id,
            region_code,
            purpose,
            media_type,
            bytes,
            sha256: hex(&sha256),
            uploaded_by,
            content: format!("{BASE}/attachments/{id}/content"),
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for AttachmentOut {
    fn location(&self) -> String {
        format!("/attachments/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// What is said about a file; all of it before the part `file`.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentForm {
    /// A UUIDv7 of your own, for front ends that work offline: the same file sent again under it is kept once.
    id: Option<Uuid>,
    /// Whose it is; it is seen from there and from above, but for evidence of objections. A village's records name the village's own
    /// files.
    region_code: RegionCode,
    /// What it proves.
    purpose: AttachmentPurpose,
}

/// Which attachments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AttachmentFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// For this purpose.
    purpose: Option<AttachmentPurpose>,
}

fn sight(access: &Access<AttachmentsRead>) -> Sight {
    Sight { actor: access.actor().id, deciding: access.scope_of::<ObjectionsDecide>() }
}

/// List attachments
///
/// Oldest first; what they show is fetched one by one. Evidence of objections is there for those who decide objections and for who
/// sent it; for everybody else, the village and the camat included, it does not exist.
#[utoipa::path(get, path = "/attachments")]
async fn list(access: Access<AttachmentsRead>, list: List<AttachmentFilter>) -> Result<Page<AttachmentOut>> {
    let AttachmentFilter { region, purpose } = &list.filter;
    let rows = store::list(&access.read().await?, &sight(&access), region.as_ref(), *purpose, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, AttachmentOut::from))
}

/// Send a photo or document
///
/// JPEG, PNG or PDF, found from the content; the file's name and declared type count for nothing. Refused with
/// `attachment_kind` are other kinds, damaged and cut-off files, two kinds in one file, a photo with something appended (a motion
/// photo's video), PDF that runs scripts, starts programs, carries files or is encrypted. At most 10 MiB where the operator set
/// no other limit. The content rests encrypted. The same content under the same `id` from the same person answers 200 with what
/// is on file.
#[utoipa::path(post, path = "/attachments")]
async fn create(access: Access<AttachmentsWrite>, upload: Upload<AttachmentForm>) -> Result<Once<AttachmentOut>> {
    let platform = access.platform();
    let demand = |form: &AttachmentForm| access.scope().demand(&form.region_code);
    let (form, file) = upload.receive_if(&platform.config.spool_dir, platform.config.attachment_limit_bytes(), demand).await?;
    let AttachmentForm { id, region_code, purpose } = form;
    let sent = Sent { id: id.unwrap_or_else(new_id), region: region_code, purpose, by: access.actor().id };
    let (row, made) = service::keep(platform, sent, file, async || access.write().await).await?;
    Ok(if made { Once::Made(row.into()) } else { Once::Known(row.into()) })
}

/// Fetch what is known of an attachment
///
/// Everything but its content. Another's evidence of an objection is 404 unless you decide objections.
#[utoipa::path(get, path = "/attachments/{id}")]
async fn fetch(access: Access<AttachmentsRead>, Path(id): Path<Uuid>) -> Result<Found<AttachmentOut>> {
    Ok(Found(store::find(&access.read().await?, &sight(&access), id).await?.into()))
}

/// Download an attachment's content
///
/// Byte for byte what was sent; the ETag is its SHA-256. It may show a family card, so your name and the time are recorded. To
/// be saved and not to be run: browsers are told so. Another's evidence of an objection is 404 unless you decide objections.
#[utoipa::path(get, path = "/attachments/{id}/content")]
async fn content(access: Access<AttachmentsRead>, Path(id): Path<Uuid>) -> Result<Download> {
    let row = store::find(&access.read().await?, &sight(&access), id).await?;
    let bytes = service::content(access.platform(), &row).await?;
    access.record_in(row.region(), Attachment::RESOURCE, Some(id), "content", 1, None)?;
    Ok(Download { name: service::file_name(&row), tag: hex(&row.sha256), media_type: row.media_type, bytes })
}
