//! `entas rotate-keys`, the part of the datasets: statements, refused rows, and the keys that were made of numbers.

use super::store;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};

/// Brings everything that releases state under the first keys of the key file. The service may run meanwhile, with the same
/// key file; started again, it goes on with what is left. `told` gets one line at a time.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let db = services.read_as_system().await?;
    let (mut statements, mut rows) = (0, 0);
    // A second round finds what was written while the first one ran.
    loop {
        let written = store::reseal_statements(&db, &services.keys, |read, written| {
            told(format!("statements: {read} read, {written} re-sealed"));
        })
        .await?;
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
