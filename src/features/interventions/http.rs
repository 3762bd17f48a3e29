//! Interventions over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::model::{InterventionStatus, InterventionWarning, Step, Verdict, can_be_delivered_on, lies_in, warnings, weigh};
use super::store::{self, Family, Intervention, RESOURCE, Shown, Wanted};
use crate::features::action_plans::{Activity, MOST, find_own_activity};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter};
use crate::platform::db::Tx;
use crate::platform::edit::{Edit, IfGiven};
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Quarter, RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{Grant, InterventionsRead, InterventionsWrite};
use crate::platform::valid::{Valid, given, numberless, printable, unnumbered};

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("interventions", "Interventions: aid planned for families, delivered or cancelled, with overlap warnings");
    mount!(api, list, create, fetch, edit, deliver, cancel, history, list_of_family);
}

/// An intervention.
#[derive(Debug, Serialize, ToSchema)]
pub struct InterventionOut {
    /// Record id.
    pub id: Uuid,
    /// The activity it is planned under. It stays with the revision of the plan that it was planned under.
    pub activity_id: Uuid,
    /// The activity's name.
    pub activity_name: String,
    /// The activity's program.
    pub program_id: Uuid,
    /// The agency that gives the aid.
    pub agency_id: Uuid,
    /// The family it is for.
    pub beneficiary_id: Uuid,
    /// The member it is for, where it is for one.
    pub member_id: Option<Uuid>,
    /// The family's village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The quarter it is meant for.
    #[schema(value_type = Quarter)]
    pub quarter: String,
    /// Where it stands.
    #[schema(value_type = InterventionStatus)]
    pub status: String,
    /// How many units.
    pub quantity: i64,
    /// Of what.
    #[schema(example = "paket")]
    pub unit: String,
    /// Its worth, rupiah.
    pub amount: Option<i64>,
    /// The day the family received it.
    pub delivered_on: Option<NaiveDate>,
    /// What shows that they did: the number of a receipt, the address of a photo.
    pub proof: Option<String>,
    /// Why it was given up.
    pub cancel_reason: Option<String>,
    /// Why it is right beside another one of the same program and quarter.
    pub override_reason: Option<String>,
    /// What to know of it.
    #[schema(value_type = Vec<InterventionWarning>)]
    pub warnings: Vec<String>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Planned at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Shown> for InterventionOut {
    fn from(shown: Shown) -> Self {
        let Shown { row, region_code, activity_name, program_id, agency_id } = shown;
        let Intervention {
            id,
            activity_id,
            beneficiary_id,
            member_id,
            quarter,
            status,
            quantity,
            unit,
            amount,
            delivered_on,
            proof,
            cancel_reason,
            override_reason,
            warnings,
            version,
            created_at,
            updated_at,
        } = row;
        InterventionOut {
            id,
            activity_id,
            activity_name,
            program_id,
            agency_id,
            beneficiary_id,
            member_id,
            region_code,
            quarter,
            status,
            quantity,
            unit,
            amount,
            delivered_on,
            proof,
            cancel_reason,
            override_reason,
            warnings: warnings.into_iter().flatten().collect(),
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for InterventionOut {
    fn location(&self) -> String {
        format!("/interventions/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new intervention.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// An activity of your agency's plan in force.
    activity_id: Uuid,
    /// The family it is for.
    beneficiary_id: Uuid,
    /// One of its members who is present, where it is for one.
    member_id: Option<Uuid>,
    /// A quarter of the plan's year.
    quarter: Quarter,
    /// How many units.
    #[validate(range(min = 1, max = MOST))]
    #[schema(minimum = 1, maximum = 9_000_000_000_000_000_i64)]
    quantity: i64,
    /// Of what; the activity's unit when left out.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60)]
    unit: Option<String>,
    /// Its worth, rupiah.
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    amount: Option<i64>,
    /// Why it is right beside another one of the same program and quarter. Write no names here.
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300)]
    override_reason: Option<String>,
}

/// Changes to an intervention that is planned.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionUpdate {
    /// A quarter of the plan's year.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    quarter: Option<Quarter>,
    /// How many units.
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 1, max = MOST))]
    #[schema(minimum = 1, maximum = 9_000_000_000_000_000_i64, nullable = false)]
    quantity: Option<i64>,
    /// Of what.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60, nullable = false)]
    unit: Option<String>,
    /// Its worth, rupiah; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[validate(range(min = 0, max = MOST))]
    #[schema(minimum = 0, maximum = 9_000_000_000_000_000_i64)]
    amount: Option<Option<i64>>,
    /// Why it is right beside another one, when the new quarter has one. Write no names here. One that is needed is replaced and not
    /// cleared.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300)]
    override_reason: Option<Option<String>>,
}

/// That the family received it.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionDelivery {
    /// The day they received it; not in the future.
    delivered_on: NaiveDate,
    /// What shows it: the number of a receipt, the address of a photo; no NIK or KK number.
    #[validate(length(min = 1, max = 500), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 500)]
    proof: Option<String>,
}

/// Why it is given up.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionCancellation {
    /// The reason. Write no names here.
    #[validate(length(min = 1, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 300)]
    reason: String,
}

/// Which interventions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct InterventionFilter {
    /// Of families in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this family.
    beneficiary_id: Option<Uuid>,
    /// Under this activity.
    activity_id: Option<Uuid>,
    /// By this agency.
    agency_id: Option<Uuid>,
    /// In this quarter.
    #[param(value_type = Option<Quarter>)]
    quarter: Option<Quarter>,
    /// Of this status.
    status: Option<InterventionStatus>,
}

/// Shows one and records that it was read: what aid a family gets is personal data (UU 27/2022, personal finance).
fn shown<G: Grant>(access: &Access<G>, action: &'static str, row: Shown) -> Result<InterventionOut> {
    access.record_in(RegionCode::stored(&row.region_code), RESOURCE, Some(row.row.id), action, 1, None)?;
    Ok(row.into())
}

/// List interventions
///
/// Of the families of your regions, whichever agency gives the aid; oldest first.
#[utoipa::path(get, path = "/interventions")]
async fn list(access: Access<InterventionsRead>, list: List<InterventionFilter>) -> Result<Page<InterventionOut>> {
    let InterventionFilter { region, beneficiary_id, activity_id, agency_id, quarter, status } = &list.filter;
    let wanted = Wanted {
        id: None,
        region: region.clone(),
        beneficiary_id: *beneficiary_id,
        activity_id: *activity_id,
        agency_id: *agency_id,
        quarter: quarter.map(|quarter| quarter.to_string()),
        status: status.map(InterventionStatus::name),
    };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    let page = list.page(rows, |shown| shown.row.id, InterventionOut::from);
    access.record(RESOURCE, None, "list", page.items.len(), None)?;
    Ok(page)
}

/// List a family's interventions
///
/// By every agency, oldest first.
#[utoipa::path(get, path = "/beneficiaries/{id}/interventions")]
async fn list_of_family(access: Access<InterventionsRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<InterventionOut>> {
    let db = access.read().await?;
    let family = store::find_family(&db, id).await?;
    let wanted = Wanted { beneficiary_id: Some(family.id), ..Wanted::default() };
    let rows = store::list(&db, &wanted, list.after()?, list.fetch()).await?;
    let page = list.page(rows, |shown| shown.row.id, InterventionOut::from);
    access.record_in(RegionCode::stored(&family.region_code), "beneficiaries", Some(id), "list_interventions", page.items.len(), None)?;
    Ok(page)
}

/// Weighs overlap and place, with the family locked; writes what it found into the row.
async fn weigh_in(tx: &Tx, row: &mut Intervention, activity: &Activity, family: &Family) -> Result<()> {
    let others = store::count_others(tx, family, activity.program_id, &row.quarter, Some(row.id)).await?;
    let verdict = weigh(others, row.override_reason.as_deref());
    match verdict {
        Verdict::Refused => {
            let detail = format!(
                "The family already has {others} intervention(s) of the same program in {}. If both are right, say why in override_reason.",
                row.quarter
            );
            return Err(Error::RefusedBecause(Code::Overlap, detail));
        }
        // A reason against nothing would read later as if there had been an overlap.
        Verdict::Free => row.override_reason = None,
        Verdict::Overridden => {}
    }
    let locations: Vec<RegionCode> = activity.locations.iter().flatten().map(|code| RegionCode::stored(code)).collect();
    let found = warnings(verdict, &RegionCode::stored(&family.region_code), &locations);
    row.warnings = found.into_iter().map(|warning| Some(warning.name().to_owned())).collect();
    Ok(())
}

/// Plan an intervention
///
/// Under an activity of your own agency whose plan is in force, for an active family, in a quarter of the plan's year. When
/// the family has aid of the same program in the quarter, from any agency, it is refused with `intervention_overlap` unless
/// `override_reason` says why both are right; it then carries the warning `overlap`.
#[utoipa::path(post, path = "/interventions")]
async fn create(access: Access<InterventionsWrite>, Valid(body): Valid<InterventionCreate>) -> Result<Created<InterventionOut>> {
    let mut tx = access.write().await?;
    let family = store::find_family_to_aid(&tx, body.beneficiary_id).await?;
    let (activity, plan) = find_own_activity(&tx, body.activity_id).await?;
    if !plan.standing()?.is_in_force() {
        return Err(Code::PlanNotApproved.into());
    }
    if !lies_in(body.quarter, plan.year) {
        return Err(Code::QuarterOutsidePlan.into());
    }
    if family.status != "active" {
        return Err(Code::BeneficiaryInactive.into());
    }
    if let Some(member) = body.member_id {
        store::demand_member(&tx, &family, member).await?;
    }
    let now = Utc::now();
    let mut row = Intervention {
        id: body.id.unwrap_or_else(new_id),
        activity_id: activity.id,
        beneficiary_id: family.id,
        member_id: body.member_id,
        quarter: body.quarter.to_string(),
        status: InterventionStatus::Planned.name().into(),
        quantity: body.quantity,
        unit: body.unit.unwrap_or_else(|| activity.unit.clone()),
        amount: body.amount,
        delivered_on: None,
        proof: None,
        cancel_reason: None,
        override_reason: body.override_reason,
        warnings: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    weigh_in(&tx, &mut row, &activity, &family).await?;
    store::insert(&mut tx, &row).await?;
    let out = shown(&access, "create", store::find(&tx, row.id).await?)?;
    tx.commit([Change::created(&row.of(&family)).because(row.override_reason.clone())]).await?;
    Ok(Created(out))
}

/// Fetch an intervention
#[utoipa::path(get, path = "/interventions/{id}")]
async fn fetch(access: Access<InterventionsRead>, Path(id): Path<Uuid>) -> Result<Found<InterventionOut>> {
    Ok(Found(shown(&access, "fetch", store::find(&access.read().await?, id).await?)?))
}

/// One to change with its family, both locked: the family first, as everywhere, so that nobody waits in a circle.
async fn open(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<(Intervention, Family)> {
    let family = store::find_family_of(tx, id).await?;
    Ok((store::find_to_change(tx, id, expected).await?, family))
}

/// Stores a change of one.
async fn store_change(
    access: &Access<InterventionsWrite>,
    mut tx: Tx,
    (old, new, family): (Intervention, Intervention, Family),
    action: &'static str,
    reason: Option<String>,
) -> Result<Found<InterventionOut>> {
    let new = store::update(&mut tx, &new).await?;
    let out = shown(access, action, store::find(&tx, new.id).await?)?;
    tx.commit([Change::turned(action, &old.of(&family), &new.of(&family)).because(reason)]).await?;
    Ok(Found(out))
}

/// Edit an intervention
///
/// While it is planned; later `step_not_allowed`. A new quarter is weighed for overlap as at first.
#[utoipa::path(patch, path = "/interventions/{id}")]
async fn edit(access: Access<InterventionsWrite>, Path(id): Path<Uuid>, edit: Edit<InterventionUpdate>) -> Result<Found<InterventionOut>> {
    let tx = access.write().await?;
    let (old, family) = open(&tx, id, edit.expected.into()).await?;
    old.standing()?.after(Step::Edit).ok_or(Code::StepNotAllowed)?;
    let InterventionUpdate { quarter, quantity, unit, amount, override_reason } = edit.patch;
    let mut new = old.clone();
    new.quantity = quantity.unwrap_or(new.quantity);
    new.unit = unit.unwrap_or(new.unit);
    new.amount = amount.unwrap_or(new.amount);
    let moved = quarter.filter(|quarter| quarter.to_string() != old.quarter);
    let reason = override_reason.clone().flatten();
    if let Some(quarter) = moved {
        let (activity, plan) = find_own_activity(&tx, old.activity_id).await?;
        if !lies_in(quarter, plan.year) {
            return Err(Code::QuarterOutsidePlan.into());
        }
        new.quarter = quarter.to_string();
        // The old reason was given for the old quarter.
        new.override_reason = reason.clone();
        weigh_in(&tx, &mut new, &activity, &family).await?;
    } else if let (Some(stated), true) = (override_reason, old.override_reason.is_some()) {
        let kept =
            stated.ok_or_else(|| Error::field("override_reason", "required", "The other one stands still: say why, or leave it out."));
        new.override_reason = Some(kept?);
    }
    if new == old {
        return Ok(Found(shown(&access, "edited", store::find(&tx, id).await?)?));
    }
    store_change(&access, tx, (old, new, family), "edited", reason).await
}

/// Deliver an intervention
///
/// From planned: the family received it. Also when the plan has been revised since.
#[utoipa::path(post, path = "/interventions/{id}/deliver")]
async fn deliver(
    access: Access<InterventionsWrite>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<InterventionDelivery>,
) -> Result<Found<InterventionOut>> {
    let InterventionDelivery { delivered_on, proof } = body;
    if !can_be_delivered_on(delivered_on, Utc::now().date_naive()) {
        return Err(Error::field("delivered_on", "range", "The day of delivery lies between 2000-01-01 and today."));
    }
    let tx = access.write().await?;
    let (old, family) = open(&tx, id, read).await?;
    let status = old.standing()?.after(Step::Deliver).ok_or(Code::StepNotAllowed)?;
    let mut new = old.clone();
    new.status = status.name().into();
    new.delivered_on = Some(delivered_on);
    new.proof = proof;
    store_change(&access, tx, (old, new, family), "delivered", None).await
}

/// Cancel an intervention
///
/// From planned. It no longer counts as an overlap.
#[utoipa::path(post, path = "/interventions/{id}/cancel")]
async fn cancel(
    access: Access<InterventionsWrite>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<InterventionCancellation>,
) -> Result<Found<InterventionOut>> {
    let tx = access.write().await?;
    let (old, family) = open(&tx, id, read).await?;
    let status = old.standing()?.after(Step::Cancel).ok_or(Code::StepNotAllowed)?;
    let mut new = old.clone();
    new.status = status.name().into();
    new.cancel_reason = Some(body.reason.clone());
    store_change(&access, tx, (old, new, family), "cancelled", Some(body.reason)).await
}

/// List an intervention's history
///
/// Every change, oldest first.
#[utoipa::path(get, path = "/interventions/{id}/history")]
async fn history(access: Access<InterventionsRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find(&db, id).await?;
    changes::history(&db, RESOURCE, id, &list).await
}
