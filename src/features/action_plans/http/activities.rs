//! The activities of an action plan over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::model::{FundSource, MOST, ProgramGroup, Sector, SpendingTag, Strategy, nomenclature_code};
use super::super::store::{ActionPlan, Activity, Located, activity, plan, program};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, NoContent, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{Change, NoFilter, Tracked};
use crate::platform::db::Tx;
use crate::platform::edit::{Edit, IfGiven, IfMatch};
use crate::platform::error::{Code, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{ActionPlansRead, ActionPlansWrite};
use crate::platform::valid::{Valid, given, printable};

/// Mounts the activities.
pub fn operations(api: &mut Api) {
    api.feature("activities", "Activities (sub kegiatan) of an action plan, with budget and quarterly targets");
    mount!(api, list, create, fetch, edit, remove);
}

/// An activity.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityOut {
    /// Record id.
    pub id: Uuid,
    /// The plan it stands in.
    pub action_plan_id: Uuid,
    /// The activity of the first revision that this one continues; null for one that is new. Sums over a year go by this.
    pub origin_id: Option<Uuid>,
    /// The program it serves.
    pub program_id: Uuid,
    /// Its name.
    pub name: String,
    /// Which strategy it serves.
    #[schema(value_type = Strategy)]
    pub strategy: String,
    /// Its programme group (klaster), where it is in one.
    #[schema(value_type = Option<ProgramGroup>)]
    pub program_group: Option<String>,
    /// Its sector.
    #[schema(value_type = Sector)]
    pub sector: String,
    /// Code of the national nomenclature; null for village funds, CSR and central programmes.
    #[schema(example = "1.06.05.2.02.0001")]
    pub subactivity_code: Option<String>,
    /// The edition of the nomenclature, for names change between editions.
    #[schema(example = "900.1.15.5-1317/2023")]
    pub nomenclature_version: Option<String>,
    /// What is counted.
    #[schema(example = "Keluarga yang menerima bantuan")]
    pub indicator: String,
    /// In what unit.
    #[schema(example = "keluarga")]
    pub unit: String,
    /// Target of the first quarter alone, not cumulative.
    pub target_q1: i64,
    /// Target of the second quarter alone.
    pub target_q2: i64,
    /// Target of the third quarter alone.
    pub target_q3: i64,
    /// Target of the fourth quarter alone.
    pub target_q4: i64,
    /// Rupiah (pagu).
    pub budget: i64,
    /// Where the money comes from.
    #[schema(value_type = FundSource)]
    pub fund_source: String,
    /// How the spending counts for the fiscal incentive.
    #[schema(value_type = SpendingTag)]
    pub spending_tag: String,
    /// Where it takes place; empty means everywhere in the plan's region.
    #[schema(value_type = Vec<RegionCode>)]
    pub locations: Vec<String>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Written at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Activity> for ActivityOut {
    fn from(row: Activity) -> Self {
        let Activity {
            id,
            action_plan_id,
            origin_id,
            program_id,
            name,
            strategy,
            program_group,
            sector,
            subactivity_code,
            nomenclature_version,
            indicator,
            unit,
            target_q1,
            target_q2,
            target_q3,
            target_q4,
            budget,
            fund_source,
            spending_tag,
            locations,
            version,
            created_at,
            updated_at,
        } = row;
        ActivityOut {
            id,
            action_plan_id,
            origin_id,
            program_id,
            name,
            strategy,
            program_group,
            sector,
            subactivity_code,
            nomenclature_version,
            indicator,
            unit,
            target_q1,
            target_q2,
            target_q3,
            target_q4,
            budget,
            fund_source,
            spending_tag,
            locations: locations.into_iter().flatten().collect(),
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for ActivityOut {
    fn location(&self) -> String {
        format!("/action-plans/{}/activities/{}", self.action_plan_id, self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new activity.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// The program it serves.
    program_id: Uuid,
    /// Its name.
    #[validate(length(min = 1, max = 300), custom(function = printable))]
    #[schema(min_length = 1, max_length = 300)]
    name: String,
    /// Which strategy it serves; the program's when left out.
    strategy: Option<Strategy>,
    /// Its programme group; the program's when left out, none when null.
    #[serde(default, deserialize_with = "given")]
    program_group: Option<Option<ProgramGroup>>,
    /// Its sector; the program's when left out.
    sector: Option<Sector>,
    /// Code of the national nomenclature: two to six dotted parts of one or two digits (or `X`), the last of up to four.
    #[validate(custom(function = nomenclature_code))]
    #[schema(pattern = r"^[0-9X]{1,2}(\.[0-9X]{1,2}){0,4}\.([0-9X]{1,2}|[0-9]{3,4})$", example = "1.06.05.2.02.0001")]
    subactivity_code: Option<String>,
    /// The edition of the nomenclature.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    nomenclature_version: Option<String>,
    /// What is counted.
    #[validate(length(min = 1, max = 300), custom(function = printable))]
    #[schema(min_length = 1, max_length = 300)]
    indicator: String,
    /// In what unit.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    unit: String,
    /// Target of the first quarter alone, not cumulative.
    #[serde(default)]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    target_q1: i64,
    /// Target of the second quarter alone.
    #[serde(default)]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    target_q2: i64,
    /// Target of the third quarter alone.
    #[serde(default)]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    target_q3: i64,
    /// Target of the fourth quarter alone.
    #[serde(default)]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    target_q4: i64,
    /// Rupiah (pagu).
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    budget: i64,
    /// Where the money comes from.
    fund_source: FundSource,
    /// How the spending counts for the fiscal incentive; travel spending never counts.
    spending_tag: SpendingTag,
    /// Where it takes place, inside the plan's region; none means everywhere in it.
    #[serde(default)]
    #[validate(length(max = 500))]
    #[schema(max_items = 500)]
    locations: Vec<RegionCode>,
}

/// Changes to an activity. A change of program leaves the classifications as they are.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityUpdate {
    /// The program it serves.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    program_id: Option<Uuid>,
    /// Its name.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 300), custom(function = printable))]
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    name: Option<String>,
    /// Which strategy it serves.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    strategy: Option<Strategy>,
    /// Its programme group; null takes it out of any.
    #[serde(default, deserialize_with = "given")]
    program_group: Option<Option<ProgramGroup>>,
    /// Its sector.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    sector: Option<Sector>,
    /// Code of the national nomenclature; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(custom(function = nomenclature_code))]
    #[schema(pattern = r"^[0-9X]{1,2}(\.[0-9X]{1,2}){0,4}\.([0-9X]{1,2}|[0-9]{3,4})$")]
    subactivity_code: Option<Option<String>>,
    /// The edition of the nomenclature; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    nomenclature_version: Option<Option<String>>,
    /// What is counted.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 300), custom(function = printable))]
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    indicator: Option<String>,
    /// In what unit.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60, nullable = false)]
    unit: Option<String>,
    /// Target of the first quarter alone, not cumulative.
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64, nullable = false)]
    target_q1: Option<i64>,
    /// Target of the second quarter alone.
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64, nullable = false)]
    target_q2: Option<i64>,
    /// Target of the third quarter alone.
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64, nullable = false)]
    target_q3: Option<i64>,
    /// Target of the fourth quarter alone.
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64, nullable = false)]
    target_q4: Option<i64>,
    /// Rupiah (pagu).
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64, nullable = false)]
    budget: Option<i64>,
    /// Where the money comes from.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    fund_source: Option<FundSource>,
    /// How the spending counts for the fiscal incentive.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    spending_tag: Option<SpendingTag>,
    /// Where it takes place, inside the plan's region; the list is replaced whole.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(max = 500))]
    #[schema(max_items = 500, nullable = false)]
    locations: Option<Vec<RegionCode>>,
}

/// The plan, locked, while it may change.
async fn open_plan(tx: &Tx, id: Uuid) -> Result<ActionPlan> {
    let plan = plan::find_to_change(tx, id, IfGiven::NOTHING).await?;
    if plan.standing()?.is_open() { Ok(plan) } else { Err(Code::PlanNotOpen.into()) }
}

/// The places once each, all of them in the plan's region.
async fn placed(tx: &Tx, plan: &ActionPlan, mut locations: Vec<RegionCode>) -> Result<Vec<Option<String>>> {
    locations.sort();
    locations.dedup();
    activity::demand_known(tx, plan, &locations).await?;
    Ok(locations.into_iter().map(|location| Some(location.into())).collect())
}

/// List a plan's activities
///
/// Oldest first.
#[utoipa::path(get, path = "/action-plans/{id}/activities")]
async fn list(access: Access<ActionPlansRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ActivityOut>> {
    let db = access.read().await?;
    let plan = plan::find(&db, id).await?;
    let rows = activity::list(&db, &plan, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, ActivityOut::from))
}

/// Write an activity into a plan
///
/// While the plan is a draft or returned. Strategy, programme group and sector are taken from the program where they are
/// left out; none of the three follows from another.
#[utoipa::path(post, path = "/action-plans/{id}/activities")]
async fn create(
    access: Access<ActionPlansWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<ActivityCreate>,
) -> Result<Created<ActivityOut>> {
    let mut tx = access.write().await?;
    let plan = open_plan(&tx, id).await?;
    let program = program::find(&tx, body.program_id).await?;
    let now = Utc::now();
    let row = Activity {
        id: body.id.unwrap_or_else(new_id),
        action_plan_id: plan.id,
        origin_id: None,
        program_id: program.id,
        name: body.name,
        strategy: body.strategy.map_or(program.strategy, |strategy| strategy.name().into()),
        program_group: body.program_group.map_or(program.program_group, |group| group.map(|group| group.name().into())),
        sector: body.sector.map_or(program.sector, |sector| sector.name().into()),
        subactivity_code: body.subactivity_code,
        nomenclature_version: body.nomenclature_version,
        indicator: body.indicator,
        unit: body.unit,
        target_q1: body.target_q1,
        target_q2: body.target_q2,
        target_q3: body.target_q3,
        target_q4: body.target_q4,
        budget: body.budget,
        fund_source: body.fund_source.name().into(),
        spending_tag: body.spending_tag.name().into(),
        locations: placed(&tx, &plan, body.locations).await?,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = activity::insert(&mut tx, &row).await?;
    plan::touch(&mut tx, plan.id).await?;
    tx.commit([Change::created(&row.of(&plan))]).await?;
    Ok(Created(row.into()))
}

/// Fetch an activity
#[utoipa::path(get, path = "/action-plans/{id}/activities/{activity_id}")]
async fn fetch(access: Access<ActionPlansRead>, Path((id, activity_id)): Path<(Uuid, Uuid)>) -> Result<Found<ActivityOut>> {
    let db = access.read().await?;
    let plan = plan::find(&db, id).await?;
    Ok(Found(activity::find(&db, &plan, activity_id).await?.into()))
}

/// Edit an activity
///
/// While its plan is a draft or returned; later `plan_not_open`.
#[utoipa::path(patch, path = "/action-plans/{id}/activities/{activity_id}")]
async fn edit(
    access: Access<ActionPlansWrite>,
    Path((id, activity_id)): Path<(Uuid, Uuid)>,
    edit: Edit<ActivityUpdate>,
) -> Result<Found<ActivityOut>> {
    let mut tx = access.write().await?;
    let plan = open_plan(&tx, id).await?;
    let old = activity::find_to_change(&tx, &plan, activity_id, edit.expected).await?;
    let patch = edit.patch;
    let mut new = old.clone();
    if let Some(program_id) = patch.program_id {
        new.program_id = program::find(&tx, program_id).await?.id;
    }
    if let Some(locations) = patch.locations {
        new.locations = placed(&tx, &plan, locations).await?;
    }
    new.name = patch.name.unwrap_or(new.name);
    new.strategy = patch.strategy.map_or(new.strategy, |strategy| strategy.name().into());
    new.program_group = patch.program_group.map_or(new.program_group, |group| group.map(|group| group.name().into()));
    new.sector = patch.sector.map_or(new.sector, |sector| sector.name().into());
    new.subactivity_code = patch.subactivity_code.unwrap_or(new.subactivity_code);
    new.nomenclature_version = patch.nomenclature_version.unwrap_or(new.nomenclature_version);
    new.indicator = patch.indicator.unwrap_or(new.indicator);
    new.unit = patch.unit.unwrap_or(new.unit);
    new.target_q1 = patch.target_q1.unwrap_or(new.target_q1);
    new.target_q2 = patch.target_q2.unwrap_or(new.target_q2);
    new.target_q3 = patch.target_q3.unwrap_or(new.target_q3);
    new.target_q4 = patch.target_q4.unwrap_or(new.target_q4);
    new.budget = patch.budget.unwrap_or(new.budget);
    new.fund_source = patch.fund_source.map_or(new.fund_source, |source| source.name().into());
    new.spending_tag = patch.spending_tag.map_or(new.spending_tag, |tag| tag.name().into());
    if new == old {
        return Ok(Found(old.into()));
    }
    let new = activity::update(&mut tx, &new).await?;
    plan::touch(&mut tx, plan.id).await?;
    tx.commit([Change::turned("edited", &old.of(&plan), &new.of(&plan))]).await?;
    Ok(Found(new.into()))
}

/// Strike an activity out of its plan
///
/// While the plan is a draft or returned. Refused with `activity_in_use` when interventions hang on it.
#[utoipa::path(delete, path = "/action-plans/{id}/activities/{activity_id}")]
async fn remove(access: Access<ActionPlansWrite>, Path((id, activity_id)): Path<(Uuid, Uuid)>, read: IfMatch) -> Result<NoContent> {
    let mut tx = access.write().await?;
    let plan = open_plan(&tx, id).await?;
    let old = activity::find_to_change(&tx, &plan, activity_id, read).await?;
    activity::remove(&mut tx, &old).await?;
    plan::touch(&mut tx, plan.id).await?;
    let gone = old.of(&plan);
    let change = Change::new(Located::RESOURCE, gone.id(), gone.region(), "removed");
    tx.commit([change.with("name", json!({"from": old.name, "to": null})).with("budget", json!({"from": old.budget, "to": null}))]).await?;
    Ok(NoContent)
}
