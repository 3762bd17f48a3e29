//! SQL of the interventions.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::model::InterventionStatus;
use crate::features::action_plans::own;
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{action_plans, activities, beneficiaries, interventions, members};

mod rehome;

pub use rehome::{Followed, Follows, follow};

/// Their name in the feed.
pub const RESOURCE: &str = "interventions";

/// A row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = interventions, check_for_backend(Pg))]
pub struct Intervention {
    /// Record id.
    pub id: Uuid,
    /// Under which activity.
    pub activity_id: Uuid,
    /// For which family.
    pub beneficiary_id: Uuid,
    /// For which of its members, where for one.
    pub member_id: Option<Uuid>,
    /// In which quarter.
    pub quarter: String,
    /// Where it stands.
    pub status: String,
    /// How many units.
    pub quantity: i64,
    /// Of what.
    pub unit: String,
    /// Rupiah.
    pub amount: Option<i64>,
    /// When received.
    pub delivered_on: Option<NaiveDate>,
    /// What shows it.
    pub proof: Option<String>,
    /// Why given up.
    pub cancel_reason: Option<String>,
    /// Why right beside another one.
    pub override_reason: Option<String>,
    /// What to know of it.
    pub warnings: Vec<Option<String>>,
    /// Version.
    pub version: i32,
    /// Planned at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Intervention {
    /// Where it stands, as the machine knows it.
    pub fn standing(&self) -> Result<InterventionStatus> {
        InterventionStatus::parse(&self.status).ok_or_else(|| Error::Internal(anyhow::anyhow!("an intervention in an unknown status")))
    }

    /// With the region of its family, as the change feed wants it.
    pub fn of(&self, family: &Family) -> Located<'_> {
        Located { intervention: self, region: RegionCode::stored(&family.region_code) }
    }
}

/// An intervention with the region of its family.
#[derive(Debug, Serialize)]
pub struct Located<'a> {
    #[serde(flatten)]
    intervention: &'a Intervention,
    #[serde(skip)]
    region: RegionCode,
}

impl Tracked for Located<'_> {
    const RESOURCE: &'static str = RESOURCE;
    // A reference to a receipt or a photo may carry a name.
    const SENSITIVE: &'static [&'static str] = &["proof"];
    fn id(&self) -> Uuid {
        self.intervention.id
    }
    fn region(&self) -> RegionCode {
        self.region.clone()
    }
}

/// An intervention with what stands around it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = interventions, check_for_backend(Pg))]
pub struct Shown {
    /// The row.
    #[diesel(embed)]
    pub row: Intervention,
    /// The family's village.
    #[diesel(select_expression = beneficiaries::region_code)]
    pub region_code: String,
    /// The activity's name.
    #[diesel(select_expression = activities::name)]
    pub activity_name: String,
    /// The activity's program.
    #[diesel(select_expression = activities::program_id)]
    pub program_id: Uuid,
    /// Whose aid it is.
    #[diesel(select_expression = action_plans::agency_id)]
    pub agency_id: Uuid,
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// This one.
    pub id: Option<Uuid>,
    /// Of families in or under this region.
    pub region: Option<RegionCode>,
    /// Of this family.
    pub beneficiary_id: Option<Uuid>,
    /// Under this activity.
    pub activity_id: Option<Uuid>,
    /// By this agency.
    pub agency_id: Option<Uuid>,
    /// In this quarter.
    pub quarter: Option<String>,
    /// Of this status.
    pub status: Option<&'static str>,
}

/// A page in id order: of the families in the scope, whichever agency gives the aid.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Shown>> {
    let mut query = interventions::table
        .inner_join(beneficiaries::table)
        .inner_join(activities::table.inner_join(action_plans::table))
        .filter(db.scope().within(beneficiaries::region_code))
        .select(Shown::as_select())
        .order(interventions::id)
        .limit(limit)
        .into_boxed();
    if let Some(id) = wanted.id {
        query = query.filter(interventions::id.eq(id));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(beneficiaries::region_code, region));
    }
    if let Some(family) = wanted.beneficiary_id {
        query = query.filter(interventions::beneficiary_id.eq(family));
    }
    if let Some(activity) = wanted.activity_id {
        query = query.filter(interventions::activity_id.eq(activity));
    }
    if let Some(agency) = wanted.agency_id {
        query = query.filter(action_plans::agency_id.eq(agency));
    }
    if let Some(quarter) = &wanted.quarter {
        query = query.filter(interventions::quarter.eq(quarter));
    }
    if let Some(status) = wanted.status {
        query = query.filter(interventions::status.eq(status));
    }
    if let Some(after) = after {
        query = query.filter(interventions::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One intervention.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Shown> {
    let wanted = Wanted { id: Some(id), ..Wanted::default() };
    list(db, &wanted, None, 1).await?.into_iter().next().ok_or_else(|| Code::NotFound.into())
}

/// Of a family, what planning needs to know.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = beneficiaries, check_for_backend(Pg))]
pub struct Family {
    /// Record id.
    pub id: Uuid,
    /// Its village.
    pub region_code: String,
    /// active or inactive.
    pub status: String,
}

/// A family in the scope.
pub async fn find_family(db: &impl Scoped, id: Uuid) -> Result<Family> {
    Ok(beneficiaries::table
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq(id))
        .select(Family::as_select())
        .first(&mut db.on())
        .await?)
}

/// A family to plan aid for. The lock makes planners of one family wait for each other: else two of them would each see no
/// overlap and both go on. It is the weakest that excludes itself, so rows that refer to the family are not held up.
pub async fn find_family_to_aid(tx: &Tx, id: Uuid) -> Result<Family> {
    Ok(beneficiaries::table
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq(id))
        .select(Family::as_select())
        .for_no_key_update()
        .first(&mut tx.on())
        .await?)
}

/// Refuses a member of another family, and one who is gone. The caller has found the family in its scope before.
pub async fn demand_member(tx: &Tx, family: &Family, id: Uuid) -> Result<()> {
    let status: Option<String> = members::table
        .filter(members::beneficiary_id.eq(family.id))
        .filter(members::id.eq(id))
        .select(members::status)
        .first(&mut tx.on())
        .await
        .optional()?;
    match status.as_deref() {
        Some("present") => Ok(()),
        Some(_) => Err(Error::RefusedBecause(Code::MemberElsewhere, "The member named has died or moved out of the family.".into())),
        None => Err(Code::MemberElsewhere.into()),
    }
}

/// How many other interventions of a program a family has in a quarter, by any agency. The caller holds the family's lock.
pub async fn count_others(tx: &Tx, family: &Family, program: Uuid, quarter: &str, except: Option<Uuid>) -> Result<i64> {
    let counting: Vec<&str> = InterventionStatus::ALL.iter().filter(|status| status.counts()).map(|status| status.name()).collect();
    let mut query = interventions::table
        .inner_join(activities::table)
        .filter(interventions::beneficiary_id.eq(family.id))
        .filter(activities::program_id.eq(program))
        .filter(interventions::quarter.eq(quarter))
        .filter(interventions::status.eq_any(counting))
        .count()
        .into_boxed();
    if let Some(id) = except {
        query = query.filter(interventions::id.ne(id));
    }
    Ok(query.get_result(&mut tx.on()).await?)
}

/// The family of an intervention, locked as [`find_family_to_aid`] locks it, before the intervention itself is.
pub async fn find_family_of(tx: &Tx, intervention: Uuid) -> Result<Family> {
    let whose = interventions::table.filter(interventions::id.eq(intervention)).select(interventions::beneficiary_id);
    Ok(beneficiaries::table
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq_any(whose))
        .select(Family::as_select())
        .for_no_key_update()
        .first(&mut tx.on())
        .await?)
}

/// One intervention to change: of a family in the scope, under an activity of the actor's own agency; locked, at the version
/// that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Intervention> {
    let families = beneficiaries::table.filter(tx.scope().within(beneficiaries::region_code)).select(beneficiaries::id);
    let plans = action_plans::table.filter(own(tx.scope())).select(action_plans::id);
    let under = activities::table.filter(activities::action_plan_id.eq_any(plans)).select(activities::id);
    let row: Intervention = interventions::table
        .filter(interventions::id.eq(id))
        .filter(interventions::beneficiary_id.eq_any(families))
        .filter(interventions::activity_id.eq_any(under))
        .select(Intervention::as_select())
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Plans one. The caller has found the family and the activity in its scope.
pub async fn insert(tx: &mut Tx, row: &Intervention) -> Result<()> {
    diesel::insert_into(interventions::table).values(row).execute(&mut tx.on()).await?;
    Ok(())
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Intervention) -> Result<Intervention> {
    let changed = diesel::update(interventions::table.filter(interventions::id.eq(row.id)).filter(interventions::version.eq(row.version)))
        .set((
            interventions::quarter.eq(&row.quarter),
            interventions::status.eq(&row.status),
            interventions::quantity.eq(row.quantity),
            interventions::unit.eq(&row.unit),
            interventions::amount.eq(row.amount),
            interventions::delivered_on.eq(row.delivered_on),
            interventions::proof.eq(&row.proof),
            interventions::cancel_reason.eq(&row.cancel_reason),
            interventions::override_reason.eq(&row.override_reason),
            interventions::warnings.eq(&row.warnings),
            interventions::version.eq(interventions::version + 1),
            interventions::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Intervention::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}
