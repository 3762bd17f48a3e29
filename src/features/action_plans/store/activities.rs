//! SQL of the activities.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::plans::{ActionPlan, own};
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfMatch;
use crate::platform::error::{Code, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::schema::{action_plans, activities, regions};

/// A row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = activities, check_for_backend(Pg))]
pub struct Activity {
    /// Record id.
    pub id: Uuid,
    /// Of which plan.
    pub action_plan_id: Uuid,
    /// The activity of the first revision that it continues.
    pub origin_id: Option<Uuid>,
    /// Under which program.
    pub program_id: Uuid,
    /// Name.
    pub name: String,
    /// Strategy.
    pub strategy: String,
    /// Programme group.
    pub program_group: Option<String>,
    /// Sector.
    pub sector: String,
    /// Code of the national nomenclature.
    pub subactivity_code: Option<String>,
    /// Which edition of it.
    pub nomenclature_version: Option<String>,
    /// Performance indicator.
    pub indicator: String,
    /// Unit of the targets.
    pub unit: String,
    /// Target of the first quarter.
    pub target_q1: i64,
    /// Of the second.
    pub target_q2: i64,
    /// Of the third.
    pub target_q3: i64,
    /// Of the fourth.
    pub target_q4: i64,
    /// Rupiah.
    pub budget: i64,
    /// Where the money comes from.
    pub fund_source: String,
    /// How the spending counts.
    pub spending_tag: String,
    /// Where it takes place.
    pub locations: Vec<Option<String>>,
    /// Version.
    pub version: i32,
    /// Written at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

/// An activity with the region of its plan, as the change feed wants it.
#[derive(Debug, Serialize)]
pub struct Located<'a> {
    #[serde(flatten)]
    activity: &'a Activity,
    #[serde(skip)]
    region: RegionCode,
}

impl Activity {
    /// With the region of its plan.
    pub fn of<'a>(&'a self, plan: &ActionPlan) -> Located<'a> {
        Located { activity: self, region: plan.region() }
    }
}

impl Tracked for Located<'_> {
    const RESOURCE: &'static str = "activities";
    fn id(&self) -> Uuid {
        self.activity.id
    }
    fn region(&self) -> RegionCode {
        self.region.clone()
    }
}

/// A page of a plan's activities in id order. The caller has found the plan in its scope before.
pub async fn list(db: &impl Scoped, plan: &ActionPlan, after: Option<Uuid>, limit: i64) -> Result<Vec<Activity>> {
    let mut query = activities::table
        .filter(activities::action_plan_id.eq(plan.id))
        .select(Activity::as_select())
        .order(activities::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(activities::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One activity of a plan that the caller has found in its scope.
pub async fn find(db: &impl Scoped, plan: &ActionPlan, id: Uuid) -> Result<Activity> {
    Ok(activities::table
        .filter(activities::action_plan_id.eq(plan.id))
        .filter(activities::id.eq(id))
        .select(Activity::as_select())
        .first(&mut db.on())
        .await?)
}

/// The same to change, at the version that was read. The lock on the plan guards its activities.
pub async fn find_to_change(tx: &Tx, plan: &ActionPlan, id: Uuid, expected: IfMatch) -> Result<Activity> {
    let row = find(tx, plan, id).await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// An activity of a plan in the scope, with the plan, which nobody supersedes while the transaction runs.
pub async fn find_own_activity(tx: &Tx, id: Uuid) -> Result<(Activity, ActionPlan)> {
    let activity: Activity = activities::table
        .filter(activities::id.eq(id))
        .filter(activities::action_plan_id.eq_any(action_plans::table.filter(own(tx.scope())).select(action_plans::id)))
        .select(Activity::as_select())
        .first(&mut tx.on())
        .await?;
    let plan = action_plans::table
        .filter(own(tx.scope()))
        .filter(action_plans::id.eq(activity.action_plan_id))
        .select(ActionPlan::as_select())
        .for_share()
        .first(&mut tx.on())
        .await?;
    Ok((activity, plan))
}

/// Refuses locations that lie outside the plan's region or are not in the region list.
pub async fn demand_known(tx: &Tx, plan: &ActionPlan, locations: &[RegionCode]) -> Result<()> {
    let codes: Vec<&str> = locations.iter().map(RegionCode::as_str).collect();
    let known: i64 = regions::table.filter(regions::code.eq_any(&codes)).count().get_result(&mut tx.on()).await?;
    let inside = locations.iter().all(|location| plan.region().contains(location));
    if inside && usize::try_from(known) == Ok(codes.len()) { Ok(()) } else { Err(Code::RegionNotFound.into()) }
}

/// Writes one.
pub async fn insert(tx: &mut Tx, row: &Activity) -> Result<Activity> {
    Ok(diesel::insert_into(activities::table).values(row).returning(Activity::as_returning()).get_result(&mut tx.on()).await?)
}

/// Copies the activities of a plan to its revision, as new records that remember what they continue.
pub async fn copy_to(tx: &mut Tx, from: &ActionPlan, to: &ActionPlan) -> Result<Vec<Activity>> {
    let old = list(tx, from, None, i64::MAX).await?;
    let copies: Vec<Activity> = old
        .into_iter()
        .map(|old| Activity {
            id: new_id(),
            action_plan_id: to.id,
            origin_id: Some(old.origin_id.unwrap_or(old.id)),
            version: 1,
            created_at: to.created_at,
            updated_at: to.created_at,
            ..old
        })
        .collect();
    // Parameters of one statement are counted in 16 bits; 23 a row.
    for part in copies.chunks(2_000) {
        diesel::insert_into(activities::table).values(part).execute(&mut tx.on()).await?;
    }
    Ok(copies)
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Activity) -> Result<Activity> {
    let changed = diesel::update(activities::table.filter(activities::id.eq(row.id)).filter(activities::version.eq(row.version)))
        .set((
            activities::program_id.eq(row.program_id),
            activities::name.eq(&row.name),
            activities::strategy.eq(&row.strategy),
            activities::program_group.eq(&row.program_group),
            activities::sector.eq(&row.sector),
            activities::subactivity_code.eq(&row.subactivity_code),
            activities::nomenclature_version.eq(&row.nomenclature_version),
            activities::indicator.eq(&row.indicator),
            activities::unit.eq(&row.unit),
            activities::target_q1.eq(row.target_q1),
            activities::target_q2.eq(row.target_q2),
            activities::target_q3.eq(row.target_q3),
            activities::target_q4.eq(row.target_q4),
            activities::budget.eq(row.budget),
            activities::fund_source.eq(&row.fund_source),
            activities::spending_tag.eq(&row.spending_tag),
            activities::locations.eq(&row.locations),
            activities::version.eq(activities::version + 1),
            activities::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Activity::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// Strikes one out of its plan; the database refuses while interventions hang on it.
pub async fn remove(tx: &mut Tx, row: &Activity) -> Result<()> {
    diesel::delete(activities::table.filter(activities::id.eq(row.id))).execute(&mut tx.on()).await?;
    Ok(())
}
