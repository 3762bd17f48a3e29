//! SQL of family events.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::family_events;

pub mod moves;

/// Their name in the feed.
pub const RESOURCE: &str = "family-events";

/// An event's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = family_events, check_for_backend(Pg))]
pub struct Event {
    /// Record id.
    pub id: Uuid,
    /// The village of the family that is kept, that was split, or that it happened in.
    pub region_code: String,
    /// What happened.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// The family that is kept, that was split, or that it happened in.
    pub beneficiary_id: Uuid,
    /// The family that was merged into it, or that was split off; the same one where only one is concerned.
    pub other_id: Uuid,
    /// What was done, by ids and names of fields.
    #[serde(skip)]
    pub told: Value,
    /// What undoing needs, sealed.
    #[serde(skip)]
    pub journal: Vec<u8>,
    /// Why; what was said of a birth or death, where anything was.
    pub reason: Option<String>,
    /// Why in spite of what contradicts.
    pub override_reason: Option<String>,
    /// Why it was taken back.
    pub undo_reason: Option<String>,
    /// Who did it.
    pub decided_by: Uuid,
    /// Who took it back.
    pub undone_by: Option<Uuid>,
    /// Version.
    pub version: i32,
    /// Done at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
    /// The day of a birth or death.
    pub happened_on: Option<NaiveDate>,
}

impl Tracked for Event {
    const RESOURCE: &'static str = RESOURCE;
    const SENSITIVE: &'static [&'static str] = &["reason", "override_reason", "undo_reason", "happened_on"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// Which events.
#[derive(Debug, Default)]
pub struct Wanted {
    /// That touched this family.
    pub family: Option<Uuid>,
    /// Of this kind.
    pub kind: Option<&'static str>,
    /// In this state.
    pub state: Option<&'static str>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

/// A page in the order in which they happened.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Event>> {
    let mut query = family_events::table
        .select(Event::as_select())
        .filter(db.scope().within(family_events::region_code))
        .order(family_events::id)
        .limit(limit)
        .into_boxed();
    if let Some(family) = wanted.family {
        query = query.filter(family_events::beneficiary_id.eq(family).or(family_events::other_id.eq(family)));
    }
    if let Some(kind) = wanted.kind {
        query = query.filter(family_events::kind.eq(kind));
    }
    if let Some(state) = wanted.state {
        query = query.filter(family_events::state.eq(state));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(family_events::region_code, region));
    }
    if let Some(after) = after {
        query = query.filter(family_events::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One event.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Event> {
    Ok(family_events::table
        .select(Event::as_select())
        .filter(db.scope().within(family_events::region_code))
        .filter(family_events::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One event to take back: locked, at the version that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Event> {
    let row: Event = family_events::table
        .select(Event::as_select())
        .filter(tx.scope().within(family_events::region_code))
        .filter(family_events::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Whether a later event of these kinds stands on one of these families, in whatever region it is told.
pub async fn is_overtaken(tx: &Tx, event: &Event, by: &[&str]) -> Result<bool> {
    let families = [event.beneficiary_id, event.other_id];
    let later = family_events::table
        .filter(family_events::beneficiary_id.eq_any(families).or(family_events::other_id.eq_any(families)))
        .filter(family_events::id.gt(event.id))
        .filter(family_events::kind.eq_any(by))
        .filter(family_events::state.eq("in_force"));
    Ok(diesel::select(diesel::dsl::exists(later)).get_result(&mut tx.on()).await?)
}

/// Records an event.
pub async fn insert(tx: &mut Tx, row: &Event) -> Result<()> {
    tx.scope().demand(&row.region())?;
    diesel::insert_into(family_events::table).values(row).execute(&mut tx.on()).await?;
    Ok(())
}

/// Stores an event that was found to change as the next version.
pub async fn update(tx: &mut Tx, row: &Event) -> Result<Event> {
    Ok(diesel::update(family_events::table.filter(family_events::id.eq(row.id)))
        .set((
            family_events::state.eq(&row.state),
            family_events::told.eq(&row.told),
            family_events::undo_reason.eq(&row.undo_reason),
            family_events::undone_by.eq(row.undone_by),
            family_events::version.eq(family_events::version + 1),
            family_events::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Event::as_returning())
        .get_result(&mut tx.on())
        .await?)
}

/// The journals in id order, for key rotation.
pub async fn journals(db: &impl Scoped, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Vec<u8>)>> {
    Ok(family_events::table
        .select((family_events::id, family_events::journal))
        .filter(db.scope().within(family_events::region_code))
        .filter(family_events::id.gt(after))
        .order(family_events::id)
        .limit(limit)
        .load(&mut db.on())
        .await?)
}

/// Stores a journal under the current key, where the old one still stands.
pub async fn reseal(db: &impl Scoped, id: Uuid, old: &[u8], new: &[u8]) -> Result<usize> {
    Ok(diesel::update(family_events::table.filter(family_events::id.eq(id)).filter(family_events::journal.eq(old)))
        .set(family_events::journal.eq(new))
        .execute(&mut db.on())
        .await?)
}
