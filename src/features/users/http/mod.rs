//! Accounts over HTTP: people, service accounts, and the assignments of both.

mod assignments;
mod people;
mod services;

use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::model::{AccountStatus, Kind, Secret};
use super::store::{self, Account, Wanted};
use super::{secrets, service};
use crate::platform::access::Access;
use crate::platform::answers::Page;
use crate::platform::api::Api;
use crate::platform::changes::{self, ChangeOut, NoFilter};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::List;
use crate::platform::policy::{Role, UsersRead, UsersWrite};
use crate::platform::session;
use crate::platform::valid::unnumbered;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("users", "Accounts of people and their assignments");
    people::operations(api);
    assignments::of_people(api);
    api.feature("service_accounts", "Accounts of partner systems and their assignments");
    services::operations(api);
    assignments::of_services(api);
}

/// Why.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Kept in the history.
    #[validate(length(min = 1, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AccountFilter {
    /// Home in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this status.
    status: Option<AccountStatus>,
    /// With an assignment of this role in force, in your regions.
    role: Option<Role>,
    /// Of exactly this name.
    #[param(max_length = 60)]
    name: Option<String>,
}

async fn list_of<T>(access: &Access<UsersRead>, kind: Kind, list: &List<AccountFilter>, out: impl Fn(Account) -> T) -> Result<Page<T>> {
    let AccountFilter { region, status, role, name } = &list.filter;
    let wanted = Wanted { region: region.clone(), status: status.map(AccountStatus::name), role: role.map(Role::name), name: name.clone() };
    let rows = store::list(&access.read().await?, kind, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, out))
}

/// A new account as a client describes it.
struct Wish {
    id: Option<Uuid>,
    name: String,
    display_name: String,
    region: RegionCode,
}

async fn create_of(access: &Access<UsersWrite>, kind: Kind, wish: Wish, secret: &Secret) -> Result<Account> {
    let Wish { id, name, display_name, region } = wish;
    // Before the costly hash.
    access.scope().demand(&region)?;
    let hash = secrets::hash(secret).await?;
    let mut tx = access.write().await?;
    let row = store::insert(&mut tx, &service::new_account(id, kind, name, display_name, region, Some(hash))).await?;
    tx.commit([row.created()]).await?;
    Ok(row)
}

const EDITED: &str = "edited";

/// What a change of an account changes.
struct Turn<'a> {
    action: &'static str,
    expected: IfGiven,
    display_name: Option<String>,
    status: Option<AccountStatus>,
    secret: Option<&'a Secret>,
    unlock: bool,
    reason: Option<String>,
}

impl Turn<'_> {
    /// Nothing yet, told under this name.
    fn of(action: &'static str, expected: impl Into<IfGiven>) -> Self {
        Turn { action, expected: expected.into(), display_name: None, status: None, secret: None, unlock: false, reason: None }
    }
}

/// Changes an account and ends the sessions that it may not keep.
async fn turn(access: &Access<UsersWrite>, kind: Kind, id: Uuid, turn: Turn<'_>) -> Result<Account> {
    let own = access.actor().id == id;
    if own && (turn.secret.is_some() || turn.status.is_some()) {
        return Err(Code::OwnAccountKept.into());
    }
    let hash = match turn.secret {
        Some(secret) => {
            let account = store::find(&access.read().await?, kind, id).await?;
            secret.demand_strong(&account.name)?;
            Some(secrets::hash(secret).await?)
        }
        None => None,
    };
    let mut tx = access.write().await?;
    let old = store::find_to_change(&tx, kind, id, turn.expected).await?;
    let mut new = old.clone();
    new.display_name = turn.display_name.unwrap_or(new.display_name);
    new.status = turn.status.map_or(new.status, |status| status.name().into());
    // A step says what it does; an edit may say again what stands there.
    if turn.action != EDITED && turn.status.is_some() && new.status == old.status {
        return Err(Code::StepNotAllowed.into());
    }
    if turn.unlock || hash.is_some() {
        (new.failed_logins, new.locked_until) = (0, None);
    }
    let replaced = hash.is_some();
    new.secret_hash = hash.or(new.secret_hash);
    if turn.action == EDITED && new == old {
        return Ok(old);
    }
    let new = store::update(&mut tx, &new).await?;
    let why = match (new.status == AccountStatus::Disabled.name(), replaced) {
        (true, _) => Some("disabled"),
        (false, true) => Some("secret_changed"),
        (false, false) => None,
    };
    let mut change = old.turned(turn.action, &new).because(turn.reason);
    if replaced {
        change = change.with("secret", json!({"changed": true}));
    }
    if let Some(why) = why {
        let ended = session::end_all(&tx, id, why, None).await?;
        change = change.with("sessions_ended", json!(ended));
    }
    tx.commit([change]).await?;
    access.platform().actors.forget_actor(id);
    Ok(new)
}

async fn history_of(access: &Access<UsersRead>, kind: Kind, id: Uuid, list: &List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    let account = store::find(&db, kind, id).await?;
    changes::history(&db, account.resource(), id, list).await
}
