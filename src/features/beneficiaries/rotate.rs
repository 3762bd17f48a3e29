//! `entas rotate-keys`: everything sealed comes under the first keys of the key file, so that the older can be removed.

use super::store;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::{Services, idempotency, session};

/// Re-seals numbers and signing keys, and lets go of kept answers under older keys. The service may run meanwhile, with
/// the same key file; started again, it goes on with what is left. `told` gets one line at a time.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let db = services.read_as_system().await?;
    let (mut niks, mut cards) = (0, 0);
    // A second round finds what was written while the first one ran; it ends when a whole round found nothing.
    loop {
        let written =
            store::reseal_niks(&db, &services.keys, |read, written| told(format!("members: {read} read, {written} re-sealed"))).await?;
        let also = store::reseal_family_cards(&db, &services.keys, |read, written| {
            told(format!("families: {read} read, {written} re-sealed"));
        })
        .await?;
        niks += written;
        cards += also;
        if written + also == 0 {
            break;
        }
    }
    drop(db);
    let signing = session::reseal(&services.db, &services.keys).await?;
    let answers = idempotency::forget_older(services).await?;
    let tx = services.write_as_system(RegionCode::country()).await?;
    // Keys have no record: each run is told under an id of its own.
    let change = Change::new("keys", new_id(), RegionCode::country(), "rotated")
        .with("niks", niks.into())
        .with("kk_numbers", cards.into())
        .with("signing_keys", signing.into())
        .with("answers", answers.into());
    tx.commit([change]).await?;
    told(format!("done: {niks} NIKs, {cards} KK numbers and {signing} signing keys re-sealed, {answers} kept answers forgotten"));
    Ok(())
}
