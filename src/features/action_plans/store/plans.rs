//! SQL of the action plans.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, sql};
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::helper_types::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::super::model::PlanState;
use crate::platform::access::{Scope, Within, under};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{action_plans, activities};

/// A row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = action_plans, check_for_backend(Pg))]
pub struct ActionPlan {
    /// Record id.
    pub id: Uuid,
    /// The agency's region.
    pub region_code: String,
    /// Whose plan.
    pub agency_id: Uuid,
    /// Fiscal year.
    pub year: i32,
    /// 0 for the first, then counting.
    pub revision: i32,
    /// Title.
    pub title: String,
    /// Where it stands.
    pub state: String,
    /// The reviewers' last word.
    pub note: Option<String>,
    /// When last handed in.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When approved.
    pub approved_at: Option<DateTime<Utc>>,
    /// When locked.
    pub locked_at: Option<DateTime<Utc>>,
    /// Version.
    pub version: i32,
    /// Drafted at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl ActionPlan {
    /// Where it stands, as the machine knows it.
    pub fn standing(&self) -> Result<PlanState> {
        PlanState::parse(&self.state).ok_or_else(|| Error::Internal(anyhow::anyhow!("an action plan in an unknown state")))
    }
}

impl Tracked for ActionPlan {
    const RESOURCE: &'static str = "action_plans";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// SQL: the plan lies in one of the scope's roots, and is its agency's own where the root is narrowed to one.
///
/// The pair decides, root by root: a head of one agency who coordinates another regency sees that regency whole and of their
/// own only the agency's plans.
pub fn own(scope: &Scope) -> Own {
    Own { roots: scope.roots().iter().map(|root| (under(action_plans::region_code, &root.region), root.agency)).collect() }
}

/// See [`own`].
#[derive(Debug, Clone)]
pub struct Own {
    roots: Vec<(Within<action_plans::region_code>, Option<Uuid>)>,
}

impl QueryFragment<Pg> for Own {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(FALSE");
        for (region, agency) in &self.roots {
            out.push_sql(" OR (");
            region.walk_ast(out.reborrow())?;
            if let Some(agency) = agency {
                out.push_sql(" AND ");
                action_plans::agency_id.walk_ast(out.reborrow())?;
                out.push_sql(" = ");
                out.push_bind_param::<SqlUuid, Uuid>(agency)?;
            }
            out.push_sql(")");
        }
        out.push_sql(")");
        Ok(())
    }
}

impl Expression for Own {
    type SqlType = Bool;
}

impl<QS> AppearsOnTable<QS> for Own where Within<action_plans::region_code>: AppearsOnTable<QS> {}

impl<QS> SelectableExpression<QS> for Own where Within<action_plans::region_code>: SelectableExpression<QS> {}

impl<G> ValidGrouping<G> for Own {
    type IsAggregate = is_aggregate::No;
}

// The text depends on the roots.
impl QueryId for Own {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

type Visible = Filter<Select<action_plans::table, AsSelect<ActionPlan, Pg>>, Own>;

fn visible(scope: &Scope) -> Visible {
    action_plans::table.select(ActionPlan::as_select()).filter(own(scope))
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Of this agency.
    pub agency_id: Option<Uuid>,
    /// For this year.
    pub year: Option<i32>,
    /// In this state.
    pub state: Option<&'static str>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<ActionPlan>> {
    let mut query = visible(db.scope()).order(action_plans::id).limit(limit).into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(action_plans::region_code, region));
    }
    if let Some(agency) = wanted.agency_id {
        query = query.filter(action_plans::agency_id.eq(agency));
    }
    if let Some(year) = wanted.year {
        query = query.filter(action_plans::year.eq(year));
    }
    if let Some(state) = wanted.state {
        query = query.filter(action_plans::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(action_plans::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One plan.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<ActionPlan> {
    Ok(visible(db.scope()).filter(action_plans::id.eq(id)).first(&mut db.on()).await?)
}

/// One plan to change: locked, at the version that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<ActionPlan> {
    let row: ActionPlan = visible(tx.scope()).filter(action_plans::id.eq(id)).for_update().first(&mut tx.on()).await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Drafts one.
pub async fn insert(tx: &mut Tx, row: &ActionPlan) -> Result<ActionPlan> {
    // Another agency's plan does not exist for whoever acts for one agency.
    if !tx.scope().covers_agency(&row.region(), row.agency_id) {
        return Err(Code::NotFound.into());
    }
    Ok(diesel::insert_into(action_plans::table).values(row).returning(ActionPlan::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &ActionPlan) -> Result<ActionPlan> {
    let changed = diesel::update(action_plans::table.filter(action_plans::id.eq(row.id)).filter(action_plans::version.eq(row.version)))
        .set((
            action_plans::title.eq(&row.title),
            action_plans::state.eq(&row.state),
            action_plans::note.eq(&row.note),
            action_plans::submitted_at.eq(row.submitted_at),
            action_plans::approved_at.eq(row.approved_at),
            action_plans::locked_at.eq(row.locked_at),
            action_plans::version.eq(action_plans::version + 1),
            action_plans::updated_at.eq(diesel::dsl::now),
        ))
        .returning(ActionPlan::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// Counts up the version because the activities changed: the plan's answer shows their totals, and whoever approves the
/// version they read approves its activities. The row is locked already.
pub async fn touch(tx: &mut Tx, id: Uuid) -> Result<()> {
    diesel::update(action_plans::table.filter(action_plans::id.eq(id)))
        .set((action_plans::version.eq(action_plans::version + 1), action_plans::updated_at.eq(diesel::dsl::now)))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// The plan that was in force before this one is approved, as it was and as it is now superseded.
pub async fn supersede_others(tx: &mut Tx, by: &ActionPlan) -> Result<Option<(ActionPlan, ActionPlan)>> {
    let old: Option<ActionPlan> = visible(tx.scope())
        .filter(action_plans::agency_id.eq(by.agency_id))
        .filter(action_plans::year.eq(by.year))
        .filter(action_plans::id.ne(by.id))
        .filter(action_plans::state.eq_any([PlanState::Approved.name(), PlanState::Locked.name()]))
        .for_update()
        .first(&mut tx.on())
        .await
        .optional()?;
    let Some(old) = old else { return Ok(None) };
    let mut new = old.clone();
    new.state = PlanState::Superseded.name().into();
    Ok(Some((old, update(tx, &new).await?)))
}

/// What a plan's activities come to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// How many activities.
    pub activities: i64,
    /// Their budgets, rupiah.
    pub budget: i64,
}

/// The totals of some plans; a plan without activities is absent.
pub async fn totals(db: &impl Scoped, plans: &[Uuid]) -> Result<HashMap<Uuid, Totals>> {
    let rows: Vec<(Uuid, i64, i64)> = activities::table
        .inner_join(action_plans::table)
        .filter(own(db.scope()))
        .filter(activities::action_plan_id.eq_any(plans))
        .group_by(activities::action_plan_id)
        .select((
            activities::action_plan_id,
            count_star(),
            // A sum of bigint is numeric; one beyond bigint is nobody's budget and must not fail the list.
            sql::<BigInt>("least(sum(activities.budget), 9223372036854775807)::bigint"),
        ))
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().map(|(id, activities, budget)| (id, Totals { activities, budget })).collect())
}
