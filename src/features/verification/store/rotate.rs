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

/// Visits' corrections in id order.
pub async fn corrections(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<Sealed>> {
    Ok(visits::table
        .select((visits::id, visits::corrections_sealed))
        .filter(db.scope().within(visits::region_code))
        .filter(visits::corrections_sealed.is_not_null())
        .filter(visits::id.gt(after))
        .order(visits::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}

/// Stores corrections under the current key.
pub async fn reseal_corrections(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8]) -> Result<usize> {
    Ok(diesel::update(visits::table.filter(visits::id.eq(id)).filter(visits::corrections_sealed.eq(old)))
        .set(visits::corrections_sealed.eq(new))
        .execute(&mut db.on())
        .await?)
}

/// Objectors in id order.
pub async fn objectors(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<Sealed>> {
    Ok(objections::table
        .select((objections::id, objections::objector_sealed))
        .filter(db.scope().within(objections::region_code))
        .filter(objections::objector_sealed.is_not_null())
        .filter(objections::id.gt(after))
        .order(objections::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}

/// Stores an objector under the current key.
pub async fn reseal_objector(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8]) -> Result<usize> {
    Ok(diesel::update(objections::table.filter(objections::id.eq(id)).filter(objections::objector_sealed.eq(old)))
        .set(objections::objector_sealed.eq(new))
        .execute(&mut db.on())
        .await?)
}

/// Visits' digests in id order.
pub async fn visits(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<Sealed>> {
    Ok(visits::table
        .select((visits::id, visits::digest.nullable()))
        .filter(db.scope().within(visits::region_code))
        .filter(visits::id.gt(after))
        .order(visits::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}

/// Stores a visit's digest under the current key.
pub async fn reseal_visit(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8]) -> Result<usize> {
    Ok(diesel::update(visits::table.filter(visits::id.eq(id)).filter(visits::digest.eq(old)))
        .set(visits::digest.eq(new))
        .execute(&mut db.on())
        .await?)
}

/// Proposals' digests in id order.
pub async fn proposals(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<Sealed>> {
    Ok(proposals::table
        .select((proposals::id, proposals::digest.nullable()))
        .filter(db.scope().within(proposals::region_code))
        .filter(proposals::id.gt(after))
        .order(proposals::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}

/// Stores a proposal's digest under the current key.
pub async fn reseal_proposal(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8]) -> Result<usize> {
    Ok(diesel::update(proposals::table.filter(proposals::id.eq(id)).filter(proposals::digest.eq(old)))
        .set(proposals::digest.eq(new))
        .execute(&mut db.on())
        .await?)
}
