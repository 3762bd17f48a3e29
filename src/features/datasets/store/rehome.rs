//! SQL of ranks that follow a family which was merged into another. The source's own keys stay with the records that they
//! named: a look-up follows these to the ones that are kept.

use diesel::prelude::*;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::import::settle_ranks;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;

#[derive(QueryableByName)]
struct Ranked {
    #[diesel(sql_type = SqlUuid)]
    release_id: Uuid,
}

/// Until the transaction ends, no import writes to what these families are known by: it would follow a key to a record that
/// leads elsewhere by then. Taken before the families themselves are locked, as an import does.
pub async fn lock_sources(tx: &Tx, families: &[Uuid]) -> Result<()> {
    diesel::sql_query(
        // With the records that lead to these families: their keys are followed too.
        "WITH RECURSIVE led AS (
            SELECT id FROM beneficiaries WHERE id = ANY($1) UNION SELECT b.id FROM led JOIN beneficiaries b ON b.merged_into = led.id),
         folk AS (
            SELECT m.id FROM led JOIN members m ON m.beneficiary_id = led.id
            UNION SELECT m.id FROM folk JOIN members m ON m.merged_into = folk.id)
         SELECT id FROM datasets WHERE id IN (
            SELECT s.dataset_id FROM led JOIN source_families s ON s.beneficiary_id = led.id
            UNION SELECT s.dataset_id FROM folk JOIN source_people s ON s.member_id = folk.id)
          ORDER BY id FOR NO KEY UPDATE",
    )
    .bind::<Array<SqlUuid>, _>(families)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// Moves the ranks of one family to another, but for releases that rank both. Gives the releases.
pub async fn move_ranks(tx: &mut Tx, from: Uuid, to: Uuid, of: Option<&[Uuid]>) -> Result<Vec<Uuid>> {
    let moved: Vec<Ranked> = diesel::sql_query(
        "UPDATE welfare_ranks w SET beneficiary_id = $2, current = false
          WHERE w.beneficiary_id = $1 AND ($3 IS NULL OR w.release_id = ANY($3))
            AND NOT EXISTS (SELECT 1 FROM welfare_ranks theirs WHERE theirs.beneficiary_id = $2 AND theirs.release_id = w.release_id)
         RETURNING w.release_id",
    )
    .bind::<SqlUuid, _>(from)
    .bind::<SqlUuid, _>(to)
    .bind::<diesel::sql_types::Nullable<Array<SqlUuid>>, _>(of.map(<[Uuid]>::to_vec))
    .load(&mut tx.on())
    .await?;
    settle_ranks(tx, &[from, to]).await?;
    Ok(moved.into_iter().map(|row| row.release_id).collect())
}
