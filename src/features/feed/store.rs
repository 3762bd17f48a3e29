//! SQL of the feed and the audit log: reads `changes` and the view `audit_events`.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::platform::access::under;
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::changes;

diesel::table! {
    /// The view of `replaceable/audit_events.sql`.
    audit_events (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor_id -> Uuid,
        region_code -> Text,
        kind -> Text,
        resource -> Text,
        resource_id -> Nullable<Uuid>,
        action -> Text,
        fields -> Nullable<Jsonb>,
        rows -> Nullable<Integer>,
        reason -> Nullable<Text>,
        request_id -> Nullable<Uuid>,
    }
}

/// A place in the feed: transaction and sequence.
pub type Place = (i64, i64);

/// A change with its place. Its reason stays behind: it is in somebody's own words.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = changes)]
pub struct Told {
    /// Its transaction.
    pub xid: i64,
    /// Its number.
    pub seq: i64,
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor_id: Uuid,
    /// Where.
    pub region_code: String,
    /// What kind of record.
    pub resource: String,
    /// Which record.
    pub resource_id: Uuid,
    /// What was done.
    pub action: String,
    /// What changed.
    pub fields: Value,
}

/// What of the feed is asked for.
#[derive(Debug, Default)]
pub struct Followed {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Of this kind of record.
    pub resource: Option<String>,
}

/// What comes after a place, and the place up to which that is complete.
///
/// The horizon is read first: every transaction below it has ended by then, so the second statement sees all it wrote.
pub async fn follow(db: &impl Scoped, followed: &Followed, after: Option<Place>, limit: i64) -> Result<(Vec<Told>, Place)> {
    let horizon: i64 = diesel::select(sql::<BigInt>("feed_horizon()")).get_result(&mut db.on()).await?;
    let mut query = changes::table
        .filter(db.scope().within(changes::region_code))
        .filter(changes::xid.lt(horizon))
        .select(Told::as_select())
        .order((changes::xid, changes::seq))
        .limit(limit)
        .into_boxed();
    if let Some((xid, seq)) = after {
        // A row comparison is one range of the index; the same said with OR is not.
        let later = sql::<Bool>("(changes.xid, changes.seq) > (").bind::<BigInt, _>(xid).sql(", ").bind::<BigInt, _>(seq).sql(")");
        query = query.filter(later);
    }
    if let Some(region) = &followed.region {
        query = query.filter(under(changes::region_code, region));
    }
    if let Some(resource) = &followed.resource {
        query = query.filter(changes::resource.eq(resource));
    }
    let rows = query.load(&mut db.on()).await?;
    // Nothing is numbered 0: this is the place before the first change of the horizon's own transaction. A cursor from
    // elsewhere may lie beyond it; it must not fall back.
    Ok((rows, after.unwrap_or_default().max((horizon, 0))))
}

/// A change or a reading.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor_id: Uuid,
    /// Where.
    pub region_code: String,
    /// change or read.
    pub kind: String,
    /// What kind of record.
    pub resource: String,
    /// Which record.
    pub resource_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// What changed.
    pub fields: Option<Value>,
    /// How many records were shown.
    pub rows: Option<i32>,
    /// Why.
    pub reason: Option<String>,
    /// In which request.
    pub request_id: Option<Uuid>,
}

/// What of the audit log is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// change or read.
    pub kind: Option<&'static str>,
    /// Of this kind of record.
    pub resource: Option<String>,
    /// Of this record.
    pub resource_id: Option<Uuid>,
    /// By this actor.
    pub actor_id: Option<Uuid>,
    /// Of this action.
    pub action: Option<String>,
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// A page, the newest first.
pub async fn events(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Event>> {
    let mut query = audit_events::table
        .filter(db.scope().within(audit_events::region_code))
        .select(Event::as_select())
        .order(audit_events::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(kind) = wanted.kind {
        query = query.filter(audit_events::kind.eq(kind));
    }
    if let Some(resource) = &wanted.resource {
        query = query.filter(audit_events::resource.eq(resource));
    }
    if let Some(id) = wanted.resource_id {
        query = query.filter(audit_events::resource_id.eq(id));
    }
    if let Some(actor) = wanted.actor_id {
        query = query.filter(audit_events::actor_id.eq(actor));
    }
    if let Some(action) = &wanted.action {
        query = query.filter(audit_events::action.eq(action));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(audit_events::region_code, region));
    }
    // An id tells its time, give or take what clocks and long transactions differ by: a bound on it stops the scan.
    if let Some(from) = wanted.from {
        query = query.filter(audit_events::at.ge(from)).filter(audit_events::id.ge(id_at(from - SLACK)));
    }
    if let Some(to) = wanted.to {
        query = query.filter(audit_events::at.lt(to)).filter(audit_events::id.lt(id_at(to + SLACK)));
    }
    if let Some(after) = after {
        query = query.filter(audit_events::id.lt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

const SLACK: chrono::Duration = chrono::Duration::days(1);

/// The smallest UUIDv7 of that time.
fn id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_lies_behind_the_bound_of_its_time() {
        let now = Utc::now();
        let id = crate::platform::ids::new_id();
        assert!(id_at(now - SLACK) < id && id < id_at(now + SLACK));
        assert_eq!(id_at(DateTime::UNIX_EPOCH - SLACK), Uuid::nil());
    }
}
