//! `entas rotate-keys`, the part of the family events: their journals.

use uuid::Uuid;

use super::service::JOURNAL;
use super::store;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};

/// How many journals are read at a time.
const CHUNK: i64 = 500;

/// Brings every journal under the first keys of the key file. Events that are recorded meanwhile are sealed under these
/// already; started again, it goes on with what is left.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let db = services.read_as_system().await?;
    let (mut last, mut read, mut written) = (Uuid::nil(), 0, 0);
    loop {
        let rows = store::journals(&db, last, CHUNK).await?;
        let Some((id, _)) = rows.last() else { break };
        last = *id;
        read += rows.len();
        for (id, old) in rows.iter().filter(|(_, old)| !services.keys.is_current(old)) {
            let new = services.keys.seal(JOURNAL, *id, &services.keys.open(JOURNAL, *id, old)?)?;
            written += store::reseal(&db, *id, old, &new).await?;
        }
        told(format!("family events: {read} read, {written} re-sealed"));
    }
    drop(db);
    let tx = services.write_as_system(RegionCode::country()).await?;
    tx.commit([Change::new("keys", new_id(), RegionCode::country(), "rotated").with("family_events", written.into())]).await
}
