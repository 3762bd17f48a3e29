//! Action plans over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{PlanState, Step};
use super::super::store::{ActionPlan, Totals, activity, plan};
use crate::features::agencies;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::{Edit, IfGiven};
use crate::platform::error::{Code, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{ActionPlansApprove, ActionPlansLock, ActionPlansRead, ActionPlansSubmit, ActionPlansWrite};
use crate::platform::valid::{Valid, given, printable, unnumbered};

/// Mounts the plans.
pub fn operations(api: &mut Api) {
    api.feature("action_plans", "Action plans (rencana aksi): one per agency and year, drafted, submitted, approved, locked, revised");
    mount!(api, list, create, fetch, edit, submit, send_back, approve, lock, revise, history);
}

/// An action plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionPlanOut {
    /// Record id.
    pub id: Uuid,
    /// The agency's region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Whose plan it is.
    pub agency_id: Uuid,
    /// The fiscal year.
    #[schema(example = 2026)]
    pub year: i32,
    /// 0 for the first plan of the year, then counting.
    pub revision: i32,
    /// Its title.
    pub title: String,
    /// Where it stands. `approved` and `locked` are in force, and one plan a year is.
    #[schema(value_type = PlanState)]
    pub state: String,
    /// What the reviewers said last: why it was returned, or a word with the approval.
    pub note: Option<String>,
    /// When the agency last handed it in.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was approved.
    pub approved_at: Option<DateTime<Utc>>,
    /// When it was locked.
    pub locked_at: Option<DateTime<Utc>>,
    /// How many activities it has.
    pub activity_count: i64,
    /// What their budgets come to, rupiah.
    pub budget_total: i64,
    /// The version that the ETag shows; a change of an activity counts as a change of its plan.
    pub version: i32,
    /// Drafted at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<(ActionPlan, Totals)> for ActionPlanOut {
    fn from((row, totals): (ActionPlan, Totals)) -> Self {
        let ActionPlan {
            id,
            region_code,
            agency_id,
            year,
            revision,
            title,
            state,
            note,
            submitted_at,
            approved_at,
            locked_at,
            version,
            created_at,
            updated_at,
        } = row;
        let Totals { activities: activity_count, budget: budget_total } = totals;
        ActionPlanOut {
            id,
            region_code,
            agency_id,
            year,
            revision,
            title,
            state,
            note,
            submitted_at,
            approved_at,
            locked_at,
            activity_count,
            budget_total,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for ActionPlanOut {
    fn location(&self) -> String {
        format!("/action-plans/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new action plan.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionPlanCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// Your agency; it must be active.
    agency_id: Uuid,
    /// The fiscal year.
    #[validate(range(min = 2015, max = 2100))]
    #[schema(minimum = 2015, maximum = 2100, example = 2026)]
    year: i32,
    /// Its title.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    title: String,
}

/// Changes to an action plan.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionPlanUpdate {
    /// Its title.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    title: Option<String>,
}

/// Why a plan goes back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionPlanReturn {
    /// What to mend.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 1000)]
    note: String,
}

/// A word with an approval.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionPlanApproval {
    /// For the agency to read.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 1000)]
    note: Option<String>,
}

/// Which action plans.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ActionPlanFilter {
    /// Of agencies in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this agency.
    agency_id: Option<Uuid>,
    /// For this year.
    year: Option<i32>,
    /// In this state.
    state: Option<PlanState>,
}

/// A plan with its totals.
async fn told(db: &impl Scoped, row: ActionPlan) -> Result<ActionPlanOut> {
    let totals = plan::totals(db, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok((row, totals).into())
}

/// List action plans
///
/// Those of your regions, or of your agency where you act for one; oldest first, all revisions.
#[utoipa::path(get, path = "/action-plans")]
async fn list(access: Access<ActionPlansRead>, list: List<ActionPlanFilter>) -> Result<Page<ActionPlanOut>> {
    let ActionPlanFilter { region, agency_id, year, state } = &list.filter;
    let wanted = plan::Wanted { region: region.clone(), agency_id: *agency_id, year: *year, state: state.map(PlanState::name) };
    let db = access.read().await?;
    let rows = plan::list(&db, &wanted, list.after()?, list.fetch()).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut totals = plan::totals(&db, &ids).await?;
    Ok(list.page(
        rows,
        |row| row.id,
        |row| {
            let totals = totals.remove(&row.id).unwrap_or_default();
            (row, totals).into()
        },
    ))
}

/// Draft an action plan
///
/// One a year and agency: refused with `plan_exists` when there is one; revise that one. The plan takes its agency's region.
#[utoipa::path(post, path = "/action-plans")]
async fn create(access: Access<ActionPlansWrite>, Valid(body): Valid<ActionPlanCreate>) -> Result<Created<ActionPlanOut>> {
    let ActionPlanCreate { id, agency_id, year, title } = body;
    let mut tx = access.write().await?;
    let agency = agencies::find_active(&tx, agency_id).await?;
    let now = Utc::now();
    let row = ActionPlan {
        id: id.unwrap_or_else(new_id),
        region_code: agency.region_code,
        agency_id,
        year,
        revision: 0,
        title,
        state: PlanState::Draft.name().into(),
        note: None,
        submitted_at: None,
        approved_at: None,
        locked_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = plan::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Created((row, Totals::default()).into()))
}

/// Fetch an action plan
///
/// With the number of its activities and the sum of their budgets.
#[utoipa::path(get, path = "/action-plans/{id}")]
async fn fetch(access: Access<ActionPlansRead>, Path(id): Path<Uuid>) -> Result<Found<ActionPlanOut>> {
    let db = access.read().await?;
    let row = plan::find(&db, id).await?;
    Ok(Found(told(&db, row).await?))
}

/// Edit an action plan
///
/// While it is a draft or returned; later `plan_not_open`.
#[utoipa::path(patch, path = "/action-plans/{id}")]
async fn edit(access: Access<ActionPlansWrite>, Path(id): Path<Uuid>, edit: Edit<ActionPlanUpdate>) -> Result<Found<ActionPlanOut>> {
    let mut tx = access.write().await?;
    let old = plan::find_to_change(&tx, id, edit.expected.into()).await?;
    if !old.standing()?.is_open() {
        return Err(Code::PlanNotOpen.into());
    }
    let ActionPlanUpdate { title } = edit.patch;
    let mut new = old.clone();
    new.title = title.unwrap_or(new.title);
    if new == old {
        return Ok(Found(told(&tx, old).await?));
    }
    let new = plan::update(&mut tx, &new).await?;
    let out = told(&tx, new.clone()).await?;
    tx.commit([Change::turned("edited", &old, &new)]).await?;
    Ok(Found(out))
}

/// The row after a step, not yet stored.
fn stepped(old: &ActionPlan, step: Step, note: Option<String>) -> Result<ActionPlan> {
    let state = old.standing()?.after(step).ok_or(Code::StepNotAllowed)?;
    let now = Some(Utc::now());
    let mut new = old.clone();
    new.state = state.name().into();
    new.note = note;
    match step {
        Step::Submit => new.submitted_at = now,
        Step::Approve => new.approved_at = now,
        Step::Lock => new.locked_at = now,
        Step::Return | Step::Supersede => {}
    }
    Ok(new)
}

/// Stores a step and all the changes it made.
async fn store_step(mut tx: Tx, old: ActionPlan, new: ActionPlan, action: &'static str) -> Result<Found<ActionPlanOut>> {
    let new = plan::update(&mut tx, &new).await?;
    let out = told(&tx, new.clone()).await?;
    tx.commit([Change::turned(action, &old, &new).because(new.note.clone().filter(|_| new.note != old.note))]).await?;
    Ok(Found(out))
}

/// Submit an action plan
///
/// From draft or returned. Refused with `plan_empty` when it has no activity.
#[utoipa::path(post, path = "/action-plans/{id}/submit")]
async fn submit(access: Access<ActionPlansSubmit>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<ActionPlanOut>> {
    let tx = access.write().await?;
    let old = plan::find_to_change(&tx, id, read).await?;
    let new = stepped(&old, Step::Submit, None)?;
    if plan::totals(&tx, &[id]).await?.is_empty() {
        return Err(Code::PlanEmpty.into());
    }
    store_step(tx, old, new, "submitted").await
}

/// Return an action plan
///
/// From submitted, to the agency, which mends it and submits it again.
#[utoipa::path(post, path = "/action-plans/{id}/return")]
async fn send_back(
    access: Access<ActionPlansApprove>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ActionPlanReturn>,
) -> Result<Found<ActionPlanOut>> {
    let tx = access.write().await?;
    let old = plan::find_to_change(&tx, id, read).await?;
    let new = stepped(&old, Step::Return, Some(body.note))?;
    store_step(tx, old, new, "returned").await
}

/// Approve an action plan
///
/// From submitted. A revision takes the place of the plan in force, which becomes `superseded`. Send the ETag you read as
/// If-Match to approve nothing that you have not seen.
#[utoipa::path(post, path = "/action-plans/{id}/approve")]
async fn approve(
    access: Access<ActionPlansApprove>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ActionPlanApproval>,
) -> Result<Found<ActionPlanOut>> {
    let mut tx = access.write().await?;
    let old = plan::find_to_change(&tx, id, read).await?;
    let new = stepped(&old, Step::Approve, body.note)?;
    let superseded = plan::supersede_others(&mut tx, &old).await?;
    let new = plan::update(&mut tx, &new).await?;
    let out = told(&tx, new.clone()).await?;
    let mut changes = vec![Change::turned("approved", &old, &new).because(new.note.clone())];
    changes.extend(superseded.map(|(old, new)| Change::turned("superseded", &old, &new)));
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// Lock an action plan
///
/// From approved. It stays in force; a later change is a numbered revision.
#[utoipa::path(post, path = "/action-plans/{id}/lock")]
async fn lock(access: Access<ActionPlansLock>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<ActionPlanOut>> {
    let tx = access.write().await?;
    let old = plan::find_to_change(&tx, id, read).await?;
    let note = old.note.clone();
    let new = stepped(&old, Step::Lock, note)?;
    store_step(tx, old, new, "locked").await
}

/// Revise an action plan
///
/// Begins the next revision as a draft with a copy of every activity; each copy names the activity it continues in
/// `origin_id`. The plan stays in force until the revision is approved. One revision at a time: else `plan_exists`.
#[utoipa::path(post, path = "/action-plans/{id}/revise")]
async fn revise(access: Access<ActionPlansWrite>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Created<ActionPlanOut>> {
    let mut tx = access.write().await?;
    let old = plan::find_to_change(&tx, id, read).await?;
    if !old.standing()?.is_in_force() {
        return Err(Code::StepNotAllowed.into());
    }
    let now = Utc::now();
    let draft = ActionPlan {
        id: new_id(),
        revision: old.revision + 1,
        state: PlanState::Draft.name().into(),
        note: None,
        submitted_at: None,
        approved_at: None,
        locked_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
        ..old.clone()
    };
    // The number is unique: the database refuses a second open revision, however close two people press the button.
    let draft = plan::insert(&mut tx, &draft).await?;
    let copies = activity::copy_to(&mut tx, &old, &draft).await?;
    let out = told(&tx, draft.clone()).await?;
    let mut changes = vec![Change::created(&draft).with("revises", serde_json::json!(old.id))];
    changes.extend(copies.iter().map(|copy| Change::created(&copy.of(&draft))));
    tx.commit_all(changes).await?;
    Ok(Created(out))
}

/// List an action plan's history
///
/// Every change of the plan itself, oldest first.
#[utoipa::path(get, path = "/action-plans/{id}/history")]
async fn history(access: Access<ActionPlansRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    plan::find(&db, id).await?;
    changes::history(&db, ActionPlan::RESOURCE, id, &list).await
}
