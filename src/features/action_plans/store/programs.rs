//! SQL of the programs.

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
use crate::schema::programs;

/// A row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = programs, check_for_backend(Pg))]
pub struct Program {
    /// Record id.
    pub id: Uuid,
    /// The region that keeps it.
    pub region_code: String,
    /// A code of the region's own.
    pub code: Option<String>,
    /// Name.
    pub name: String,
    /// Strategy.
    pub strategy: String,
    /// Programme group.
    pub program_group: Option<String>,
    /// Sector.
    pub sector: String,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Program {
    const RESOURCE: &'static str = "programs";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

type Visible = Filter<Select<programs::table, AsSelect<Program, Pg>>, Reaching<programs::region_code>>;

fn visible(scope: &Scope) -> Visible {
    programs::table.select(Program::as_select()).filter(scope.reaching(programs::region_code))
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Kept in or under this region.
    pub region: Option<RegionCode>,
    /// Of this strategy.
    pub strategy: Option<&'static str>,
    /// Of this sector.
    pub sector: Option<&'static str>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Program>> {
    let mut query = visible(db.scope()).order(programs::id).limit(limit).into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(programs::region_code, region));
    }
    if let Some(strategy) = wanted.strategy {
        query = query.filter(programs::strategy.eq(strategy));
    }
    if let Some(sector) = wanted.sector {
        query = query.filter(programs::sector.eq(sector));
    }
    if let Some(after) = after {
        query = query.filter(programs::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One program.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Program> {
    Ok(visible(db.scope()).filter(programs::id.eq(id)).first(&mut db.on()).await?)
}

/// One program to change: in the scope proper, locked, at the version that was read.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfMatch) -> Result<Program> {
    let row: Program = programs::table
        .select(Program::as_select())
        .filter(tx.scope().within(programs::region_code))
        .filter(programs::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Registers one.
pub async fn insert(tx: &mut Tx, row: &Program) -> Result<Program> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(programs::table).values(row).returning(Program::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Program) -> Result<Program> {
    let changed = diesel::update(programs::table.filter(programs::id.eq(row.id)).filter(programs::version.eq(row.version)))
        .set((
            programs::code.eq(&row.code),
            programs::name.eq(&row.name),
            programs::strategy.eq(&row.strategy),
            programs::program_group.eq(&row.program_group),
            programs::sector.eq(&row.sector),
            programs::version.eq(programs::version + 1),
            programs::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Program::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}
