//! Taking a file into the books, handing it out, and clearing up.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::content::examine;
use super::model::{AttachmentPurpose, MediaType};
use super::store::{self, Attachment, Sight};
use crate::platform::Services;
use crate::platform::access::Scope;
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::upload::Spooled;

/// What contents are sealed for.
pub const CONTENT: &str = "attachments.content";
/// How old an object is that nobody will mention any more: no upload takes that long.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// So many objects without a record may be left by crashes; more mean that the store belongs to another database (a copy, a
/// restored back-up), whose photos are not ours to remove.
const PLAUSIBLE: usize = 50;

/// What is said about a file.
#[derive(Debug)]
pub struct Sent {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub region: RegionCode,
    /// What it proves.
    pub purpose: AttachmentPurpose,
    /// Who sends it.
    pub by: Uuid,
}

/// Checks and seals a file and takes it into the books; false says that it was there before. `begin` opens the transaction: a
/// store may be slow, and no connection waits for it.
pub async fn keep(services: &Services, sent: Sent, file: Spooled, begin: impl AsyncFnOnce() -> Result<Tx>) -> Result<(Attachment, bool)> {
    let turn = services.objects.turn().await?;
    let (sha256, bytes) = (file.sha256.clone(), i64::try_from(file.bytes).unwrap_or(i64::MAX));
    let plain = tokio::task::spawn_blocking(move || file.read()).await.context("spool")??;
    let (plain, kind) = tokio::task::spawn_blocking(move || examine(&plain).map(|kind| (plain, kind))).await.context("examination")??;
    let content = services.objects.seal(CONTENT, sent.id, plain).await?;
    let now = Utc::now();
    let row = Attachment {
        id: sent.id,
        region_code: sent.region.as_str().to_owned(),
        purpose: sent.purpose.name().into(),
        media_type: kind.name().into(),
        bytes,
        sha256,
        uploaded_by: sent.by,
        version: 1,
        created_at: now,
        updated_at: now,
        object: new_id(),
    };
    services.objects.put(row.object, content).await?;
    drop(turn);
    let recorded = match begin().await {
        Ok(tx) => record(tx, &row).await,
        Err(error) => Err(error),
    };
    let unmentioned = match &recorded {
        Ok((_, made)) => !made,
        // Whether a commit that broke off was stored is not known: the sweep will see.
        Err(error) => !matches!(error.code(), Code::Internal | Code::Unavailable),
    };
    if unmentioned && let Err(error) = services.objects.remove(row.object).await {
        tracing::warn!(%error, object = %row.object, "an object that no record mentions stays until the sweep");
    }
    recorded
}

async fn record(mut tx: Tx, row: &Attachment) -> Result<(Attachment, bool)> {
    if let Some(made) = store::insert(&mut tx, row).await? {
        let change = Change::created(&made).with("sha256", json!(hex(&made.sha256)));
        tx.commit([change]).await?;
        return Ok((made, true));
    }
    // Whoever lost the answer sends the same again; whatever else has this id is not theirs to learn about.
    let sight = Sight { actor: row.uploaded_by, deciding: Scope::default() };
    let known = store::find(&tx, &sight, row.id)
        .await
        .map_err(|error| if error.code() == Code::NotFound { Code::IdTaken.into() } else { error })?;
    let same = |row: &Attachment| (row.sha256.clone(), row.uploaded_by, row.region_code.clone(), row.purpose.clone());
    if same(&known) == same(row) { Ok((known, false)) } else { Err(Code::IdTaken.into()) }
}

/// The content of a record as it was sent, or nothing at all.
pub async fn content(services: &Services, row: &Attachment) -> Result<Vec<u8>> {
    let _turn = services.objects.turn().await?;
    let plain = services.objects.get(CONTENT, row.id, row.object).await?;
    let (sum, mut plain) = tokio::task::spawn_blocking(move || (Sha256::digest(&plain), plain)).await.context("content")?;
    if sum.as_slice() != row.sha256.as_slice() {
        return Err(anyhow::anyhow!("object {} is not what attachment {} was", row.object, row.id).into());
    }
    Ok(std::mem::take(&mut *plain))
}

/// Hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes objects that crashes left without a record. Says how many.
pub async fn sweep(services: &Services) -> Result<usize> {
    let old: Vec<Uuid> = services.objects.older_than(STALE).await?.into_iter().collect();
    let db = services.read_as_system().await?;
    let mut mentioned = HashSet::new();
    for part in old.chunks(5_000) {
        mentioned.extend(store::mentioned(&db, part).await?);
    }
    drop(db);
    let lost: Vec<Uuid> = old.iter().copied().filter(|object| !mentioned.contains(object)).collect();
    if lost.len() > PLAUSIBLE {
        return Err(Error::Internal(anyhow::anyhow!(
            "{} of {} objects have no record: is this the store of another database? nothing was removed",
            lost.len(),
            old.len()
        )));
    }
    for object in &lost {
        services.objects.remove(*object).await?;
    }
    Ok(lost.len())
}

/// What a saved file is called.
pub fn file_name(row: &Attachment) -> String {
    let extension = MediaType::parse(&row.media_type).map_or("bin", MediaType::extension);
    format!("{}-{}.{extension}", row.purpose, row.id())
}
