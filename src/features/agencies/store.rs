//! SQL of the agencies.

use chrono::{DateTime, Utc};
use diesel::helper_types::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::platform::access::{Reaching, Scope, under};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfMatch;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::agencies;

/// A row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = agencies, check_for_backend(Pg))]
pub struct Agency {
    /// Record id.
    pub id: Uuid,
    /// Where it lives.
    pub region_code: String,
    /// Full name.
    pub name: String,
    /// Short name.
    pub short_name: Option<String>,
    /// Kind.
    pub kind: String,
    /// active or closed.
    pub status: String,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Agency {
    const RESOURCE: &'static str = "agencies";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

type Visible = Filter<Select<agencies::table, AsSelect<Agency, Pg>>, Reaching<agencies::region_code>>;

fn visible(scope: &Scope) -> Visible {
    agencies::table.select(Agency::as_select()).filter(scope.reaching(agencies::region_code))
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Of this kind.
    pub kind: Option<&'static str>,
    /// active or closed.
    pub status: Option<&'static str>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Agency>> {
    let mut query = visible(db.scope()).order(agencies::id).limit(limit).into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(agencies::region_code, region));
    }
    if let Some(kind) = wanted.kind {
        query = query.filter(agencies::kind.eq(kind));
    }
    if let Some(status) = wanted.status {
        query = query.filter(agencies::status.eq(status));
    }
    if let Some(after) = after {
        query = query.filter(agencies::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One agency.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Agency> {
    Ok(visible(db.scope()).filter(agencies::id.eq(id)).first(&mut db.on()).await?)
}

/// One agency that may still be given work.
pub async fn find_active(db: &impl Scoped, id: Uuid) -> Result<Agency> {
    Ok(visible(db.scope()).filter(agencies::id.eq(id)).filter(agencies::status.eq("active")).first(&mut db.on()).await?)
}

/// The agency of a name in a region.
pub async fn find_named(db: &impl Scoped, region: &RegionCode, name: &str) -> Result<Option<Agency>> {
    let found = visible(db.scope()).filter(agencies::region_code.eq(region.as_str())).filter(agencies::name.eq(name));
    Ok(found.first(&mut db.on()).await.optional()?)
}

/// One agency to change: in the scope proper, locked, at the version that was read.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfMatch) -> Result<Agency> {
    let row: Agency = agencies::table
        .select(Agency::as_select())
        .filter(tx.scope().within(agencies::region_code))
        .filter(agencies::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Registers one.
pub async fn insert(tx: &mut Tx, row: &Agency) -> Result<Agency> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(agencies::table).values(row).returning(Agency::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Agency) -> Result<Agency> {
    let changed = diesel::update(agencies::table.filter(agencies::id.eq(row.id)).filter(agencies::version.eq(row.version)))
        .set((
            agencies::name.eq(&row.name),
            agencies::short_name.eq(&row.short_name),
            agencies::kind.eq(&row.kind),
            agencies::status.eq(&row.status),
            agencies::version.eq(agencies::version + 1),
            agencies::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Agency::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}
