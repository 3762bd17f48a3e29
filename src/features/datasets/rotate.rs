//! `entas rotate-keys`, the part of the datasets: statements, refused rows, and the keys that were made of numbers.

use uuid::Uuid;

use super::statement::Renewer;
use super::store::{self, Rekeyed};
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};

/// How many statements are renewed in one transaction, where nobody says otherwise.
pub const CHUNK: i64 = 1_000;

/// Brings everything that releases state under the first keys of the key file. The service may run meanwhile, with the same
/// key file; started again, it goes on with what is left. `follow` gives people their new keys where later features
/// remember them, in the very transaction that renews their statements: whoever is found by a key is found by one and the
/// same everywhere. `size` statements at a time; `told` gets one line at a time.
pub async fn rotate_keys(
    services: &Services,
    size: i64,
    mut follow: impl AsyncFnMut(&mut Tx, &[Rekeyed]) -> Result<Vec<Change>>,
    mut told: impl FnMut(String),
) -> Result<()> {
    let db = services.read_as_system().await?;
    let (mut statements, mut rows) = (0, 0);
    // A second round finds what was written while the first one ran.
    loop {
        let (mut last, mut read, mut written) = (Uuid::nil(), 0, 0);
        let mut renewer = Renewer::new();
        while let Some((seen, chunk, end)) = store::older_statements(&db, &services.keys, &mut renewer, last, size).await? {
            last = end;
            read += seen;
            if !chunk.is_empty() {
                store::renew_source_keys(&db, &chunk).await?;
                let mut tx = services.write_as_system(RegionCode::country()).await?;
                let mut changes = follow(&mut tx, &store::rekeyed(&chunk)).await?;
                let renewed = store::renew_statements(&mut tx, &chunk).await?;
                let change = Change::new("keys", new_id(), RegionCode::country(), "statements_resealed");
                changes.push(change.with("statements", renewed.into()));
                tx.commit_all(changes).await?;
                written += renewed;
            }
            told(format!("statements: {read} read, {written} re-sealed"));
        }
        let also = store::reseal_rejected_rows(&db, &services.keys, |read, written| {
            told(format!("refused rows: {read} read, {written} re-sealed"));
        })
        .await?;
        statements += written;
        rows += also;
        if written + also == 0 {
            break;
        }
    }
    drop(db);
    let tx = services.write_as_system(RegionCode::country()).await?;
    let change = Change::new("keys", new_id(), RegionCode::country(), "rotated")
        .with("statements", statements.into())
        .with("rejected_rows", rows.into());
    tx.commit([change]).await
}
