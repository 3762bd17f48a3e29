//! Accounts of partner systems.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::model::{AccountStatus, Kind, account_name};
use super::super::secrets;
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
    mount!(api, list, create, fetch, edit, disable, enable, unlock, rotate_secret, history);
}

/// The account of a partner system.
#[derive(Serialize, ToSchema)]
pub struct ServiceAccountOut {
    /// Record id.
    pub id: Uuid,
    /// What it signs in with: `client_id` at `POST /oauth/token`.
    #[schema(example = "simda-kotim")]
    pub client_id: String,
    /// The secret, in the answers of create and rotate-secret and never again. Keep it like a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// What people read.
    pub display_name: String,
    /// The home region: its administrators keep the account. What the system may do follows from the assignments.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Whether it may sign in.
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

impl From<Account> for ServiceAccountOut {
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
        ServiceAccountOut {
            id,
            client_id: name,
            client_secret: None,
            display_name,
            region_code,
            status,
            locked_until,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for ServiceAccountOut {
    fn location(&self) -> String {
        format!("/service-accounts/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A new partner system.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountCreate {
    /// A UUIDv7 of your own.
    id: Option<Uuid>,
    /// What it signs in with, unique in the whole installation, for ever; people's names count too.
    #[validate(custom(function = account_name))]
    #[schema(min_length = 3, max_length = 60, pattern = "^[a-z0-9._-]{3,60}$", example = "simda-kotim")]
    client_id: String,
    /// What people read: the system and who runs it.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    display_name: String,
    /// The home region, in your regions.
    region_code: RegionCode,
}

/// Changes to a partner system's account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountUpdate {
    /// What people read.
    #[serde(default, deserialize_with = "given")]
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    display_name: Option<String>,
    /// Whether it may sign in.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    status: Option<AccountStatus>,
}

/// List service accounts
///
/// Those whose home lies in your regions, oldest first.
#[utoipa::path(get, path = "/service-accounts")]
async fn list(access: Access<UsersRead>, list: List<AccountFilter>) -> Result<Page<ServiceAccountOut>> {
    list_of(&access, Kind::Service, &list, ServiceAccountOut::from).await
}

/// Register a service account
///
/// The answer tells the secret, once; repeating the request with the same `Idempotency-Key` within a day tells it again.
/// Assign a role next.
#[utoipa::path(post, path = "/service-accounts")]
async fn create(access: Access<UsersWrite>, Valid(body): Valid<ServiceAccountCreate>) -> Result<Created<ServiceAccountOut>> {
    let ServiceAccountCreate { id, client_id, display_name, region_code } = body;
    let secret = secrets::random()?;
    let wish = Wish { id, name: client_id, display_name, region: region_code };
    let row = create_of(&access, Kind::Service, wish, &secret).await?;
    Ok(Created(ServiceAccountOut { client_secret: Some(secret.into_text()), ..row.into() }))
}

/// Fetch a service account
#[utoipa::path(get, path = "/service-accounts/{id}")]
async fn fetch(access: Access<UsersRead>, Path(id): Path<Uuid>) -> Result<Found<ServiceAccountOut>> {
    Ok(Found(store::find(&access.read().await?, Kind::Service, id).await?.into()))
}

/// Edit a service account
///
/// Disabling it ends its sessions within a second, everywhere. Refused with `account_beyond` when the account also holds
/// assignments outside your regions.
#[utoipa::path(patch, path = "/service-accounts/{id}")]
async fn edit(access: Access<UsersWrite>, Path(id): Path<Uuid>, edit: Edit<ServiceAccountUpdate>) -> Result<Found<ServiceAccountOut>> {
    let ServiceAccountUpdate { display_name, status } = edit.patch;
    let change = Turn { display_name, status, ..Turn::of(EDITED, edit.expected) };
    Ok(Found(turn(&access, Kind::Service, id, change).await?.into()))
}

/// Disable a service account
///
/// Its sessions end within a second, everywhere. 409 when it is disabled already.
#[utoipa::path(post, path = "/service-accounts/{id}/disable")]
async fn disable(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<ServiceAccountOut>> {
    let change = Turn { status: Some(AccountStatus::Disabled), reason: body.reason, ..Turn::of("disabled", expected) };
    Ok(Found(turn(&access, Kind::Service, id, change).await?.into()))
}

/// Enable a service account
///
/// 409 when it is active already.
#[utoipa::path(post, path = "/service-accounts/{id}/enable")]
async fn enable(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<ServiceAccountOut>> {
    let change = Turn { status: Some(AccountStatus::Active), reason: body.reason, ..Turn::of("enabled", expected) };
    Ok(Found(turn(&access, Kind::Service, id, change).await?.into()))
}

/// Unlock a service account
///
/// Forgets failed sign-ins and ends the suspension they brought.
#[utoipa::path(post, path = "/service-accounts/{id}/unlock")]
async fn unlock(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<ServiceAccountOut>> {
    let change = Turn { unlock: true, reason: body.reason, ..Turn::of("unlocked", expected) };
    Ok(Found(turn(&access, Kind::Service, id, change).await?.into()))
}

/// Rotate a service account's secret
///
/// The answer tells the new secret, once. The old one stops at once and the account's sessions end.
#[utoipa::path(post, path = "/service-accounts/{id}/rotate-secret")]
async fn rotate_secret(
    access: Access<UsersWrite>,
    Path(id): Path<Uuid>,
    expected: IfGiven,
    Optional(body): Optional<Reason>,
) -> Result<Found<ServiceAccountOut>> {
    let secret = secrets::random()?;
    let change = Turn { secret: Some(&secret), reason: body.reason, ..Turn::of("secret_rotated", expected) };
    let row = turn(&access, Kind::Service, id, change).await?;
    Ok(Found(ServiceAccountOut { client_secret: Some(secret.into_text()), ..row.into() }))
}

/// List a service account's history
///
/// Every change of the account and its assignments, and every failed sign-in, oldest first.
#[utoipa::path(get, path = "/service-accounts/{id}/history")]
async fn history(access: Access<UsersRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    history_of(&access, Kind::Service, id, &list).await
}
