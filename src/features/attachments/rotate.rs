//! `entas rotate-keys`, the part of the attachments: their contents.

use uuid::Uuid;

use super::service::CONTENT;
use super::store;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::error::{Code, Result};
use crate::platform::ids::{RegionCode, new_id};

/// How many records are read at a time.
const CHUNK: i64 = 500;

/// Brings every content under the first sealing key. The service may run meanwhile; started again, it goes on with what is left.
/// An object that is missing or damaged is named and passed over: nobody can read it under any key, and the others must not
/// wait for it.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let db = services.read_as_system().await?;
    let (mut last, mut read, mut written, mut unreadable) = (Uuid::nil(), 0, 0, 0);
    loop {
        let rows = store::objects(&db, last, CHUNK).await?;
        let Some((id, _)) = rows.last() else { break };
        last = *id;
        read += rows.len();
        for (id, object) in rows {
            match services.objects.reseal(CONTENT, id, object).await {
                Ok(renewed) => written += usize::from(renewed),
                Err(error) if error.code() == Code::Internal => {
                    unreadable += 1;
                    told(format!("attachment {id} cannot be read: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        told(format!("attachments: {read} read, {written} re-sealed, {unreadable} cannot be read"));
    }
    drop(db);
    let tx = services.write_as_system(RegionCode::country()).await?;
    let change = Change::new("keys", new_id(), RegionCode::country(), "rotated").with("attachments", written.into());
    tx.commit([change.with("attachments_unreadable", unreadable.into())]).await
}
