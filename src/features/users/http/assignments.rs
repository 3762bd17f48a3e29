//! Assignments of people and of service accounts.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::model::{Kind, calendar_day};
use super::super::service::{self, demand_order, told};
use super::super::store::{self, Account, Assignment};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, NoContent, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{Change, NoFilter, Tracked};
use crate::platform::db::Tx;
use crate::platform::edit::{Edit, IfGiven};
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{Role, UsersRead, UsersWrite};
use crate::platform::valid::{Valid, given};

pub(super) fn of_people(api: &mut Api) {
    use people::*;
    mount!(api, list_assignments, create_assignment, fetch_assignment, edit_assignment, end_assignment);
}

pub(super) fn of_services(api: &mut Api) {
    use services::*;
    mount!(api, list_assignments, create_assignment, fetch_assignment, edit_assignment, end_assignment);
}

/// A role in a region, for a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssignmentOut {
    /// Record id.
    pub id: Uuid,
    /// Whose.
    pub account_id: Uuid,
    /// As what.
    #[schema(value_type = Role)]
    pub role: String,
    /// Where, and everywhere under it.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// For which agency, where the role acts for one.
    pub agency_id: Option<Uuid>,
    /// It counts from this day (UTC).
    pub valid_from: NaiveDate,
    /// It counts to the end of this day (UTC); null: until ended.
    pub valid_to: Option<NaiveDate>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
    #[serde(skip)]
    #[schema(ignore)]
    parent: &'static str,
}

impl AssignmentOut {
    fn of(kind: Kind, row: Assignment) -> Self {
        let Assignment { id, actor_id, role, region_code, agency_id, valid_from, valid_to, version, created_at, updated_at } = row;
        let parent = match kind {
            Kind::Person => "users",
            Kind::Service => "service-accounts",
        };
        AssignmentOut {
            id,
            account_id: actor_id,
            role,
            region_code,
            agency_id,
            valid_from,
            valid_to,
            version,
            created_at,
            updated_at,
            parent,
        }
    }
}

impl Resource for AssignmentOut {
    fn location(&self) -> String {
        format!("/{}/{}/assignments/{}", self.parent, self.account_id, self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new assignment.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignmentCreate {
    /// A UUIDv7 of your own.
    id: Option<Uuid>,
    /// As what; see docs/ROLES.md for the levels of region at which each role is held.
    role: Role,
    /// Where, in your regions.
    region_code: RegionCode,
    /// For which agency: required for agency_planner, agency_head and partner, refused for all others.
    agency_id: Option<Uuid>,
    /// It counts from this day (UTC); today when absent.
    #[validate(custom(function = calendar_day))]
    valid_from: Option<NaiveDate>,
    /// It counts to the end of this day (UTC); until ended when absent.
    #[validate(custom(function = calendar_day))]
    valid_to: Option<NaiveDate>,
}

/// Changes to an assignment's period. For another role, region or agency, end it and make a new one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignmentUpdate {
    /// It counts from this day (UTC).
    #[serde(default, deserialize_with = "given")]
    #[validate(custom(function = calendar_day))]
    #[schema(nullable = false)]
    valid_from: Option<NaiveDate>,
    /// It counts to the end of this day (UTC); null: until ended.
    #[serde(default, deserialize_with = "given")]
    #[validate(custom(function = calendar_day))]
    valid_to: Option<Option<NaiveDate>>,
}

async fn list_of(access: &Access<UsersRead>, kind: Kind, account: Uuid, list: &List<NoFilter>) -> Result<Page<AssignmentOut>> {
    let db = access.read().await?;
    store::find(&db, kind, account).await?;
    let rows = store::assignments(&db, account, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, |row| AssignmentOut::of(kind, row)))
}

/// The account whose assignments change: in the scope and not one's own, or whoever is appointed for a year could stay for ever.
async fn appointee(access: &Access<UsersWrite>, tx: &Tx, kind: Kind, account: Uuid) -> Result<Account> {
    let found = store::find(tx, kind, account).await?;
    if access.actor().id == account { Err(Code::OwnAccountKept.into()) } else { Ok(found) }
}

async fn create_of(access: &Access<UsersWrite>, kind: Kind, account: Uuid, body: AssignmentCreate) -> Result<Created<AssignmentOut>> {
    let AssignmentCreate { id, role, region_code, agency_id, valid_from, valid_to } = body;
    let mut tx = access.write().await?;
    let account = appointee(access, &tx, kind, account).await?;
    let wish = service::Wish { id, role, region: region_code, agency: agency_id, valid_from, valid_to };
    let (row, changes) = service::assign(&mut tx, &account, wish).await?;
    tx.commit(changes).await?;
    access.platform().actors.forget_actor(account.id);
    Ok(Created(AssignmentOut::of(kind, row)))
}

async fn fetch_of(access: &Access<UsersRead>, kind: Kind, account: Uuid, id: Uuid) -> Result<Found<AssignmentOut>> {
    let db = access.read().await?;
    store::find(&db, kind, account).await?;
    Ok(Found(AssignmentOut::of(kind, store::assignment(&db, account, id).await?)))
}

async fn edit_of(
    access: &Access<UsersWrite>,
    kind: Kind,
    account: Uuid,
    id: Uuid,
    edit: Edit<AssignmentUpdate>,
) -> Result<Found<AssignmentOut>> {
    let mut tx = access.write().await?;
    let account = appointee(access, &tx, kind, account).await?;
    let old = store::assignment_to_change(&tx, account.id, id).await?;
    edit.expected.demand(old.version)?;
    let AssignmentUpdate { valid_from, valid_to } = edit.patch;
    let mut new = old.clone();
    new.valid_from = valid_from.unwrap_or(new.valid_from);
    new.valid_to = valid_to.unwrap_or(new.valid_to);
    demand_order(new.valid_from, new.valid_to)?;
    if new == old {
        return Ok(Found(AssignmentOut::of(kind, old)));
    }
    let new = store::reassign(&mut tx, &new).await?;
    tx.commit([Change::turned("edited", &old, &new), told(&account, "assignment_edited", &new)]).await?;
    access.platform().actors.forget_actor(account.id);
    Ok(Found(AssignmentOut::of(kind, new)))
}

async fn end_of(access: &Access<UsersWrite>, kind: Kind, account: Uuid, id: Uuid, expected: IfGiven) -> Result<NoContent> {
    let mut tx = access.write().await?;
    let account = appointee(access, &tx, kind, account).await?;
    let old = store::assignment_to_change(&tx, account.id, id).await?;
    expected.demand(old.version)?;
    let today = store::today(&tx).await?;
    let Some(yesterday) = today.pred_opt() else { return Err(Code::StepNotAllowed.into()) };
    if old.valid_to.is_some_and(|last| last <= yesterday) {
        // It has ended: asking twice is no fault.
        return Ok(NoContent);
    }
    let ended = if old.valid_from > yesterday {
        // It counted for no whole day, and a period cannot end before it begins: the changes remember it.
        store::unassign(&mut tx, id).await?;
        Change::new(Assignment::RESOURCE, id, old.region(), "removed")
    } else {
        let new = store::reassign(&mut tx, &Assignment { valid_to: Some(yesterday), ..old.clone() }).await?;
        Change::turned("ended", &old, &new)
    };
    tx.commit([ended, told(&account, "unassigned", &old)]).await?;
    access.platform().actors.forget_actor(account.id);
    Ok(NoContent)
}

mod people {
    use super::*;

    /// List a person's assignments
    ///
    /// Those in your regions, oldest first; past ones included.
    #[utoipa::path(get, path = "/users/{id}/assignments")]
    pub async fn list_assignments(access: Access<UsersRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<AssignmentOut>> {
        list_of(&access, Kind::Person, id, &list).await
    }

    /// Assign a role to a person
    ///
    /// In your own regions only. Counts within a second, everywhere. Refused with `role_level` when the role is not held at that
    /// level of region, or needs an agency, or may have none; with `own_account_kept` for your own account.
    #[utoipa::path(post, path = "/users/{id}/assignments")]
    pub async fn create_assignment(
        access: Access<UsersWrite>,
        Path(id): Path<Uuid>,
        Valid(body): Valid<AssignmentCreate>,
    ) -> Result<Created<AssignmentOut>> {
        create_of(&access, Kind::Person, id, body).await
    }

    /// Fetch one of a person's assignments
    #[utoipa::path(get, path = "/users/{id}/assignments/{assignment_id}")]
    pub async fn fetch_assignment(access: Access<UsersRead>, Path((account, id)): Path<(Uuid, Uuid)>) -> Result<Found<AssignmentOut>> {
        fetch_of(&access, Kind::Person, account, id).await
    }

    /// Change the period of one of a person's assignments
    ///
    /// Counts within a second, everywhere.
    #[utoipa::path(patch, path = "/users/{id}/assignments/{assignment_id}")]
    pub async fn edit_assignment(
        access: Access<UsersWrite>,
        Path((account, id)): Path<(Uuid, Uuid)>,
        edit: Edit<AssignmentUpdate>,
    ) -> Result<Found<AssignmentOut>> {
        edit_of(&access, Kind::Person, account, id, edit).await
    }

    /// End one of a person's assignments
    ///
    /// At once: it stops within a second, everywhere, and stays in the list with yesterday as its last day. One that began today
    /// or later is removed. Ending it twice is no fault.
    #[utoipa::path(delete, path = "/users/{id}/assignments/{assignment_id}")]
    pub async fn end_assignment(
        access: Access<UsersWrite>,
        Path((account, id)): Path<(Uuid, Uuid)>,
        expected: IfGiven,
    ) -> Result<NoContent> {
        end_of(&access, Kind::Person, account, id, expected).await
    }
}

mod services {
    use super::*;

    /// List a service account's assignments
    ///
    /// Those in your regions, oldest first; past ones included.
    #[utoipa::path(get, path = "/service-accounts/{id}/assignments")]
    pub async fn list_assignments(access: Access<UsersRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<AssignmentOut>> {
        list_of(&access, Kind::Service, id, &list).await
    }

    /// Assign a role to a service account
    ///
    /// In your own regions only. Counts within a second, everywhere. Refused with `role_level` when the role is not held at that
    /// level of region, or needs an agency, or may have none; with `own_account_kept` for your own account.
    #[utoipa::path(post, path = "/service-accounts/{id}/assignments")]
    pub async fn create_assignment(
        access: Access<UsersWrite>,
        Path(id): Path<Uuid>,
        Valid(body): Valid<AssignmentCreate>,
    ) -> Result<Created<AssignmentOut>> {
        create_of(&access, Kind::Service, id, body).await
    }

    /// Fetch one of a service account's assignments
    #[utoipa::path(get, path = "/service-accounts/{id}/assignments/{assignment_id}")]
    pub async fn fetch_assignment(access: Access<UsersRead>, Path((account, id)): Path<(Uuid, Uuid)>) -> Result<Found<AssignmentOut>> {
        fetch_of(&access, Kind::Service, account, id).await
    }

    /// Change the period of one of a service account's assignments
    ///
    /// Counts within a second, everywhere.
    #[utoipa::path(patch, path = "/service-accounts/{id}/assignments/{assignment_id}")]
    pub async fn edit_assignment(
        access: Access<UsersWrite>,
        Path((account, id)): Path<(Uuid, Uuid)>,
        edit: Edit<AssignmentUpdate>,
    ) -> Result<Found<AssignmentOut>> {
        edit_of(&access, Kind::Service, account, id, edit).await
    }

    /// End one of a service account's assignments
    ///
    /// At once: it stops within a second, everywhere, and stays in the list with yesterday as its last day. One that began today
    /// or later is removed. Ending it twice is no fault.
    #[utoipa::path(delete, path = "/service-accounts/{id}/assignments/{assignment_id}")]
    pub async fn end_assignment(
        access: Access<UsersWrite>,
        Path((account, id)): Path<(Uuid, Uuid)>,
        expected: IfGiven,
    ) -> Result<NoContent> {
        end_of(&access, Kind::Service, account, id, expected).await
    }
}
