//! `entas rotate-keys`, the part of the target lists: by which index entries the decreed numbers are known again.

use super::store::{self, Indexed};
use crate::features::beneficiaries::{self, KK_KIND, NIK_KIND};
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};

/// How many entries are read at a time.
const CHUNK: i64 = 2_000;

/// Brings index entries under the first index key, where the family still has the number they are of; the numbers themselves are not
/// kept here. Of a family that has another number by now the old entry stays: it fits nothing, and the number stays masked. To be run
/// after the families' own numbers, so that no list drawn meanwhile copies an older entry.
pub async fn rotate_keys(services: &Services, mut told: impl FnMut(String)) -> Result<()> {
    let (db, keys) = (services.read_as_system().await?, &services.keys);
    let (mut last, mut read, mut written) = (None, 0, 0);
    loop {
        let rows = store::indexed(&db, last, CHUNK).await?;
        let Some(row) = rows.last() else { break };
        last = Some((row.target_list_id, row.beneficiary_id));
        read += rows.len();
        let older = |entry: &Option<Vec<u8>>| entry.as_ref().is_some_and(|entry| !keys.index_is_current(entry));
        let rows: Vec<Indexed> = rows.into_iter().filter(|row| older(&row.kk_index) || older(&row.head_nik_index)).collect();
        let families: Vec<_> = rows.iter().map(|row| row.beneficiary_id).collect();
        let numbers = beneficiaries::head_numbers(&db, keys, &families).await?;
        let mut renewed = Vec::new();
        for old in rows {
            let known = numbers.get(&old.beneficiary_id);
            let renew = |kind: &str, entry: &Option<Vec<u8>>, number: Option<&str>| -> Result<Option<Vec<u8>>> {
                let (Some(entry), Some(number)) = (entry, number) else { return Ok(entry.clone()) };
                let same = keys.indexes(kind, number.as_bytes())?.contains(entry);
                Ok(Some(if same { keys.index(kind, number.as_bytes())? } else { entry.clone() }))
            };
            let kk_index = renew(KK_KIND, &old.kk_index, known.and_then(|known| known.kk.as_ref()).map(|(full, _)| full.as_str()))?;
            let head_nik_index =
                renew(NIK_KIND, &old.head_nik_index, known.and_then(|known| known.nik.as_ref()).map(|(full, _)| full.as_str()))?;
            let new = Indexed { kk_index, head_nik_index, ..old };
            if new != old {
                renewed.push((old, new));
            }
        }
        written += store::reindex(&db, renewed).await?;
        told(format!("target lists: {read} entries read, {written} renewed"));
    }
    drop(db);
    let tx = services.write_as_system(RegionCode::country()).await?;
    tx.commit([Change::new("keys", new_id(), RegionCode::country(), "rotated").with("target_list_entries", written.into())]).await
}
