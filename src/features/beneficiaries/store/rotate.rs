//! Numbers that rest under older keys come under the current ones, while the service goes on.
//!
//! Each chunk is one statement that writes a value only where the old one still stands, so nobody's edit is undone, no
//! lock is held between chunks, and an interrupted run is simply started again.

use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::super::service::{KK_COLUMN, KK_KIND, NIK_COLUMN, NIK_KIND};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::schema::{beneficiaries, members};

/// How many rows are read at a time.
const CHUNK: i64 = 2_000;

type Sealed = (Uuid, Option<Vec<u8>>, Option<Vec<u8>>);

/// The values of a chunk that are to be written: ids, what stands there, what shall stand there, index entries.
#[derive(Default)]
struct Renewed {
    ids: Vec<Uuid>,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
    index: Vec<Vec<u8>>,
}

fn renewed(keys: &KeyRing, column: &str, kind: &str, rows: &[Sealed]) -> Result<Renewed> {
    let mut renewed = Renewed::default();
    for (id, sealed, index) in rows {
        let (Some(sealed), Some(index)) = (sealed, index) else { continue };
        if keys.is_current(sealed) && keys.index_is_current(index) {
            continue;
        }
        let digits = keys.open(column, *id, sealed)?;
        renewed.ids.push(*id);
        renewed.old.push(sealed.clone());
        renewed.new.push(keys.seal(column, *id, &digits)?);
        renewed.index.push(keys.index(kind, &digits)?);
    }
    Ok(renewed)
}

/// Brings the members' NIKs under the current keys; tells after each chunk how many rows were read and written.
pub async fn reseal_niks(db: &impl Scoped, keys: &KeyRing, mut told: impl FnMut(usize, usize)) -> Result<usize> {
    let (mut last, mut read, mut written) = (Uuid::nil(), 0, 0);
    loop {
        let rows: Vec<Sealed> = members::table
            .filter(members::nik_sealed.is_not_null())
            .filter(members::id.gt(last))
            .select((members::id, members::nik_sealed, members::nik_index))
            .order(members::id)
            .limit(CHUNK)
            .load(&mut db.on())
            .await?;
        let Some((id, _, _)) = rows.last() else { return Ok(written) };
        last = *id;
        let Renewed { ids, old, new, index } = renewed(keys, NIK_COLUMN, NIK_KIND, &rows)?;
        if !ids.is_empty() {
            written += diesel::sql_query(
                "UPDATE members m SET nik_sealed = n.new, nik_index = n.entry FROM unnest($1, $2, $3, $4) AS n (id, old, new, entry)
                  WHERE m.id = n.id AND m.nik_sealed = n.old",
            )
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Array<Binary>, _>(old)
            .bind::<Array<Binary>, _>(new)
            .bind::<Array<Binary>, _>(index)
            .execute(&mut db.on())
            .await?;
        }
        read += rows.len();
        told(read, written);
    }
}

/// The same for the families' KK numbers.
pub async fn reseal_family_cards(db: &impl Scoped, keys: &KeyRing, mut told: impl FnMut(usize, usize)) -> Result<usize> {
    let (mut last, mut read, mut written) = (Uuid::nil(), 0, 0);
    loop {
        let rows: Vec<Sealed> = beneficiaries::table
            .filter(beneficiaries::kk_sealed.is_not_null())
            .filter(beneficiaries::id.gt(last))
            .select((beneficiaries::id, beneficiaries::kk_sealed, beneficiaries::kk_index))
            .order(beneficiaries::id)
            .limit(CHUNK)
            .load(&mut db.on())
            .await?;
        let Some((id, _, _)) = rows.last() else { return Ok(written) };
        last = *id;
        let Renewed { ids, old, new, index } = renewed(keys, KK_COLUMN, KK_KIND, &rows)?;
        if !ids.is_empty() {
            written += diesel::sql_query(
                "UPDATE beneficiaries b SET kk_sealed = n.new, kk_index = n.entry FROM unnest($1, $2, $3, $4) AS n (id, old, new, entry)
                  WHERE b.id = n.id AND b.kk_sealed = n.old",
            )
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Array<Binary>, _>(old)
            .bind::<Array<Binary>, _>(new)
            .bind::<Array<Binary>, _>(index)
            .execute(&mut db.on())
            .await?;
        }
        read += rows.len();
        told(read, written);
    }
}
