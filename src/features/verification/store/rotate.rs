//! What rests sealed, for key rotation: each value is written only where the old one still stands.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::schema::{objections, proposals, visits};

/// Row and sealed value.
pub type Sealed = (Uuid, Option<Vec<u8>>);

/// Proposals' entries in id order.
pub async fn entries(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<Sealed>> {
    Ok(proposals::table
        .select((proposals::id, proposals::entry_sealed))
        .filter(db.scope().within(proposals::region_code))
        .filter(proposals::entry_sealed.is_not_null())
        .filter(proposals::id.gt(after))
        .order(proposals::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}

/// Stores an entry under the current key, with what is found by keys.
pub async fn reseal_entry(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8], digest: &[u8], numbers: &[Vec<u8>]) -> Result<usize> {
    Ok(diesel::update(proposals::table.filter(proposals::id.eq(id)).filter(proposals::entry_sealed.eq(old)))
        .set((proposals::entry_sealed.eq(new), proposals::digest.eq(digest), proposals::numbers.eq(numbers)))
        .execute(&mut db.on())
        .await?)
}

/// What brings one sealed column under the current key: a page of it in id order, and what stores one value.
macro_rules! sealed {
    ($page:ident, $reseal:ident, $table:ident . $column:ident, $what:literal) => {
        #[doc = concat!($what, ", in id order.")]
        pub async fn $page(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<Sealed>> {
            Ok($table::table
                .select(($table::id, $table::$column.nullable()))
                .filter(db.scope().within($table::region_code))
                .filter($table::$column.is_not_null())
                .filter($table::id.gt(after))
                .order($table::id)
                .limit(limit)
                .load(&mut db.on())
                .await?)
        }

        #[doc = concat!($what, ": stores one under the current key.")]
        pub async fn $reseal(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8]) -> Result<usize> {
            Ok(diesel::update($table::table.filter($table::id.eq(id)).filter($table::$column.eq(old)))
                .set($table::$column.eq(new))
                .execute(&mut db.on())
                .await?)
        }
    };
}

sealed!(corrections, reseal_corrections, visits.corrections_sealed, "Visits' corrections");
sealed!(objectors, reseal_objector, objections.objector_sealed, "Objectors");
sealed!(visits, reseal_visit, visits.digest, "Visits' digests");
sealed!(proposals, reseal_proposal, proposals.digest, "Proposals' digests");
