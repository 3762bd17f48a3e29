//! Accounts of people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::model::{AccountStatus, Kind, Secret, account_name};
use super::super::store::{self, Account};
use super::{AccountFilter, EDITED, Reason, Turn, Wish, create_of, history_of, list_of, turn};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{ChangeOut, NoFilter};
use crate::platform::edit::{Edit, IfGiven};
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{UsersRead, UsersWrite};
use crate::platform::valid::{Optional, Valid, given, numberless};

pub(super) fn operations(api: &mut Api) {
    mount!(api, list, create, fetch, edit, disable, enable, unlock, history);
}

/// The account of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserOut {
    /// Record id.
    pub id: Uuid,
    /// What the person signs in with.
    #[schema(example = "siti.aminah")]
    pub user_name: String,
    /// What people read.
    pub display_name: String,
    /// The home region: its administrators keep the account. What the person may do follows from the assignments.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Whether the person may sign in.
    #[schema(value_type = AccountStatus)]
    pub status: String,
    /// After too many failures: signing in is suspended until then. Null otherwise.
    pub locked_until: Option<DateTime<Utc>>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Account> for UserOut {
    fn from(row: Account) -> Self {
        let Account {
            id,
            kind: _,
            name,
            display_name,
            region_code,
            secret_hash: _,
            status,
            failed_logins: _,
            locked_until,
            version,
            created_at,
            updated_at,
        } = row;
        let locked_until = locked_until.filter(|until| *until > Utc::now());
        UserOut { id, user_name: name, display_name, region_code, status, locked_until, version, created_at, updated_at }
    }
}

impl Resource for UserOut {
    fn location(&self) -> String {
        format!("/users/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new person.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// What the person signs in with, unique in the whole installation, for ever.
    #[validate(custom(function = account_name))]
    #[schema(min_length = 3, max_length = 60, pattern = "^[a-z0-9._-]{3,60}$", example = "siti.aminah")]
    user_name: String,
    /// What people read.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    display_name: String,
    /// The home region, in your regions.
    region_code: RegionCode,
    /// The first password.
    password: Secret,
}

/// Changes to a person's account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// What people read.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    display_name: Option<String>,
    /// Whether the person may sign in.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    status: Option<AccountStatus>,
    /// A new password; ends the person's sessions and a suspension.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    password: Option<Secret>,
}

/// List people's accounts
///
/// Those whose home lies in your regions, oldest first.
#[utoipa::path(get, path = "/users")]
async fn list(access: Access<UsersRead>, list: List<AccountFilter>) -> Result<Page<UserOut>> {
    list_of(&access, Kind::Person, &list, UserOut::from).await
}

/// Register a person
///
/// An account without an assignment may sign in and sees nothing: assign a role next. Refused with `user_name_taken` when any
/// account, of a person or a system, has the name; with `password_weak` when the password is.
#[utoipa::path(post, path = "/users")]
async fn create(access: Access<UsersWrite>, Valid(body): Valid<UserCreate>) -> Result<Created<UserOut>> {
    let UserCreate { id, user_name, display_name, region_code, password } = body;
    password.demand_strong(&user_name)?;
    let wish = Wish { id, name: user_name, display_name, region: region_code };
    Ok(Created(create_of(&access, Kind::Person, wish, &password).await?.into()))
}

/// Fetch a person's account
#[utoipa::path(get, path = "/users/{id}")]
async fn fetch(access: Access<UsersRead>, Path(id): Path<Uuid>) -> Result<Found<UserOut>> {
    Ok(Found(store::find(&access.read().await?, Kind::Person, id).await?.into()))
}

/// Edit a person's account
///
/// Disabling it or giving it a new password ends its sessions within a second, everywhere. Refused with `account_beyond` when
/// the account also holds assignments outside your regions.
#[utoipa::path(patch, path = "/users/{id}")]
async fn edit(access: Access<UsersWrite>, Path(id): Path<Uuid>, edit: Edit<UserUpdate>) -> Result<Found<UserOut>> {
    let UserUpdate { display_name, status, password } = edit.patch;
    let change = Turn { display_name, status, secret: password.as_ref(), ..Turn::of(EDITED, edit.expected) };
    Ok(Found(turn(&access, Kind::Person, id, change).await?.into()))
}

/// Disable a person's account
///
/// Its sessions end within a second, everywhere; its history stays. 409 when it is disabled already.
#[utoipa::path(post, path = "/users/{id}/disable")]
async fn disable(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<UserOut>> {
    let change = Turn { status: Some(AccountStatus::Disabled), reason: body.reason, ..Turn::of("disabled", expected) };
    Ok(Found(turn(&access, Kind::Person, id, change).await?.into()))
}

/// Enable a person's account
///
/// The person signs in anew. 409 when it is active already.
#[utoipa::path(post, path = "/users/{id}/enable")]
async fn enable(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<UserOut>> {
    let change = Turn { status: Some(AccountStatus::Active), reason: body.reason, ..Turn::of("enabled", expected) };
    Ok(Found(turn(&access, Kind::Person, id, change).await?.into()))
}

/// Unlock a person's account
///
/// Forgets failed sign-ins and ends the suspension they brought.
#[utoipa::path(post, path = "/users/{id}/unlock")]
async fn unlock(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<UserOut>> {
    let change = Turn { unlock: true, reason: body.reason, ..Turn::of("unlocked", expected) };
    Ok(Found(turn(&access, Kind::Person, id, change).await?.into()))
}

/// List an account's history
///
/// Every change of the account and its assignments, and every failed sign-in, oldest first.
#[utoipa::path(get, path = "/users/{id}/history")]
async fn history(access: Access<UsersRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    history_of(&access, Kind::Person, id, &list).await
}
