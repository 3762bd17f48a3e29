//! SQL of criteria sets.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::helper_types::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::model::Criterion;
use crate::platform::access::{Reaching, Scope, under};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::{criteria_sets, verification_campaigns};

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = criteria_sets, check_for_backend(Pg))]
pub struct CriteriaSet {
    /// Record id.
    pub id: Uuid,
    /// Whose it is: a regency, or the country.
    pub region_code: String,
    /// Short name that all editions share.
    pub code: String,
    /// Counting from 1.
    pub edition: i32,
    /// Name.
    pub name: String,
    /// The law or decree.
    pub legal_basis: Option<String>,
    /// From how many met criteria on.
    pub threshold: i16,
    /// The criteria in order.
    pub criteria: Value,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for CriteriaSet {
    const RESOURCE: &'static str = "criteria-sets";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

type Visible = Filter<Select<criteria_sets::table, AsSelect<CriteriaSet, Pg>>, Reaching<criteria_sets::region_code>>;

fn visible(scope: &Scope) -> Visible {
    criteria_sets::table.select(CriteriaSet::as_select()).filter(scope.reaching(criteria_sets::region_code))
}

/// A page in id order; the nation's sets are everybody's.
pub async fn list(db: &impl Scoped, region: Option<&RegionCode>, after: Option<Uuid>, limit: i64) -> Result<Vec<CriteriaSet>> {
    let mut query = visible(db.scope()).order(criteria_sets::id).limit(limit).into_boxed();
    if let Some(region) = region {
        query = query.filter(under(criteria_sets::region_code, region));
    }
    if let Some(after) = after {
        query = query.filter(criteria_sets::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One set.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<CriteriaSet> {
    Ok(visible(db.scope()).filter(criteria_sets::id.eq(id)).first(&mut db.on()).await?)
}

/// The codes of what a campaign asks.
pub async fn codes(db: &impl Scoped, campaign: Uuid) -> Result<HashSet<String>> {
    let set = verification_campaigns::table
        .filter(db.scope().reaching(verification_campaigns::region_code))
        .filter(verification_campaigns::id.eq(campaign))
        .select(verification_campaigns::criteria_set_id);
    let set: CriteriaSet = visible(db.scope()).filter(criteria_sets::id.eq_any(set)).first(&mut db.on()).await?;
    Ok(Criterion::stored(&set.criteria).into_iter().map(|criterion| criterion.code).collect())
}

/// Registers one.
pub async fn insert(tx: &mut Tx, row: &CriteriaSet) -> Result<CriteriaSet> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(criteria_sets::table).values(row).returning(CriteriaSet::as_returning()).get_result(&mut tx.on()).await?)
}
