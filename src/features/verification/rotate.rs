//! `entas rotate-keys`, the part of verification: entries of proposals, corrections of visits, objectors.

use uuid::Uuid;

use super::corrections::CORRECTIONS;
use super::objector::OBJECTOR;
use super::proposals::{self, ENTRY};
use super::store::rotation;
use crate::features::beneficiaries::NewFamily;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::db::Read;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};

/// How many rows are read at a time.
const CHUNK: i64 = 500;

/// Brings everything sealed under the first keys of the key file. What is written meanwhile is sealed under these already; started
/// again, it goes on with what is left.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let db = services.read_as_system().await?;
    let entries = entries(services, &db).await?;
    told(format!("proposals: {entries} re-sealed"));
    let corrections = corrections(services, &db).await?;
    told(format!("corrections of visits: {corrections} re-sealed"));
    let objectors = objectors(services, &db).await?;
    told(format!("objectors: {objectors} re-sealed"));
    drop(db);
    let tx = services.write_as_system(RegionCode::country()).await?;
    let change = Change::new("keys", new_id(), RegionCode::country(), "rotated")
        .with("proposals", entries.into())
        .with("corrections", corrections.into())
        .with("objectors", objectors.into());
    tx.commit([change]).await
}

/// An entry brings its digest and the index entries of its numbers along.
async fn entries(services: &Services, db: &Read) -> Result<usize> {
    let keys = &services.keys;
    let (mut last, mut written) = (Uuid::nil(), 0);
    loop {
        let rows = rotation::entries(db, last, CHUNK).await?;
        let Some((id, _)) = rows.last() else { return Ok(written) };
        last = *id;
        for (id, old) in &rows {
            let Some(old) = old else { continue };
            let (plain, opened) = proposals::open_entry(keys, *id, old)?;
            let numbers = proposals::numbers_of(keys, &NewFamily::from(opened.family))?.current;
            let digest = proposals::digest_of(keys, &plain)?;
            written += rotation::reseal_entry(db, *id, old, &keys.seal(ENTRY, *id, &plain)?, &digest, &numbers).await?;
        }
    }
}

async fn corrections(services: &Services, db: &Read) -> Result<usize> {
    let keys = &services.keys;
    let (mut last, mut written) = (Uuid::nil(), 0);
    loop {
        let rows = rotation::corrections(db, last, CHUNK).await?;
        let Some((id, _)) = rows.last() else { return Ok(written) };
        last = *id;
        for (id, old) in &rows {
            let Some(old) = old.as_deref().filter(|old| !keys.is_current(old)) else { continue };
            let new = keys.seal(CORRECTIONS, *id, &keys.open(CORRECTIONS, *id, old)?)?;
            written += rotation::reseal_corrections(db, *id, old, &new).await?;
        }
    }
}

async fn objectors(services: &Services, db: &Read) -> Result<usize> {
    let keys = &services.keys;
    let (mut last, mut written) = (Uuid::nil(), 0);
    loop {
        let rows = rotation::objectors(db, last, CHUNK).await?;
        let Some((id, _)) = rows.last() else { return Ok(written) };
        last = *id;
        for (id, old) in &rows {
            let Some(old) = old.as_deref().filter(|old| !keys.is_current(old)) else { continue };
            let new = keys.seal(OBJECTOR, *id, &keys.open(OBJECTOR, *id, old)?)?;
            written += rotation::reseal_objector(db, *id, old, &new).await?;
        }
    }
}
