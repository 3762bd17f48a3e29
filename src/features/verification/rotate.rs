//! `entas rotate-keys`, the part of verification: entries of proposals, corrections of visits, objectors, and the digests by which
//! visits and proposals are known again.

use uuid::Uuid;

use super::corrections::CORRECTIONS;
use super::objector::OBJECTOR;
use super::proposals::{self, ENTRY};
use super::sent::{self, PROPOSAL, VISIT};
use super::store::rotate::{self as store, Sealed};
use crate::features::beneficiaries::NewFamily;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::db::Read;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::seal::SealError;

/// How many rows are read at a time.
const CHUNK: i64 = 500;

/// Brings everything sealed under the first keys of the key file. What is written meanwhile is sealed under these already; started
/// again, it goes on with what is left.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let db = &services.read_as_system().await?;
    let entries = entries(services, db).await?;
    told(format!("proposals: {entries} re-sealed"));
    let corrections = resealed(
        services,
        CORRECTIONS,
        async |after| store::corrections(db, after, CHUNK).await,
        async |id, old, new| store::reseal_corrections(db, id, old, new).await,
    )
    .await?;
    told(format!("corrections of visits: {corrections} re-sealed"));
    let objectors = resealed(
        services,
        OBJECTOR,
        async |after| store::objectors(db, after, CHUNK).await,
        async |id, old, new| store::reseal_objector(db, id, old, new).await,
    )
    .await?;
    told(format!("objectors: {objectors} re-sealed"));
    let visits = resealed(
        services,
        VISIT,
        async |after| store::visits(db, after, CHUNK).await,
        async |id, old, new| store::reseal_visit(db, id, old, new).await,
    )
    .await?;
    let proposals = resealed(
        services,
        PROPOSAL,
        async |after| store::proposals(db, after, CHUNK).await,
        async |id, old, new| store::reseal_proposal(db, id, old, new).await,
    )
    .await?;
    let digests = visits + proposals;
    told(format!("digests of visits and proposals: {digests} re-sealed"));
    let tx = services.write_as_system(RegionCode::country()).await?;
    let change = Change::new("keys", new_id(), RegionCode::country(), "rotated")
        .with("proposals", entries.into())
        .with("corrections", corrections.into())
        .with("objectors", objectors.into())
        .with("digests", digests.into());
    tx.commit([change]).await
}

/// An entry brings its digest and the index entries of its numbers along.
async fn entries(services: &Services, db: &Read) -> Result<usize> {
    let keys = &services.keys;
    let (mut last, mut written) = (Uuid::nil(), 0);
    loop {
        let rows = store::entries(db, last, CHUNK).await?;
        let Some((id, _)) = rows.last() else { return Ok(written) };
        last = *id;
        for (id, old) in &rows {
            let Some(old) = old else { continue };
            let (plain, opened) = proposals::open_entry(keys, *id, old)?;
            let numbers = proposals::numbers_of(keys, &NewFamily::from(opened.family))?.current;
            let digest = sent::seal(keys, PROPOSAL, *id, &plain)?;
            written += store::reseal_entry(db, *id, old, &keys.seal(ENTRY, *id, &plain)?, &digest, &numbers).await?;
        }
    }
}

/// One sealed column, page by page in id order.
async fn resealed(
    services: &Services,
    purpose: &str,
    page: impl AsyncFn(Uuid) -> Result<Vec<Sealed>>,
    keep: impl AsyncFn(Uuid, &[u8], &[u8]) -> Result<usize>,
) -> Result<usize> {
    let keys = &services.keys;
    let (mut last, mut written) = (Uuid::nil(), 0);
    loop {
        let rows = page(last).await?;
        let Some((id, _)) = rows.last() else { return Ok(written) };
        last = *id;
        for (id, old) in &rows {
            let Some(old) = old.as_deref().filter(|old| !keys.is_current(old)) else { continue };
            let plain = match keys.open(purpose, *id, old) {
                // A digest from before digests were sealed says nothing that could be sealed.
                Err(SealError::Malformed) if [VISIT, PROPOSAL].contains(&purpose) => continue,
                opened => opened?,
            };
            written += keep(*id, old, &keys.seal(purpose, *id, &plain)?).await?;
        }
    }
}
