//! One's own account: who am I, what may I do, where am I signed in.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::store::{self, Session};
use crate::features::users::{self, Kind, Secret};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Item, NoContent, Page};
use crate::platform::api::Api;
use crate::platform::changes::NoFilter;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::List;
use crate::platform::policy::{OwnAccount, POLICY, Role};
use crate::platform::session;
use crate::platform::valid::Valid;

pub(super) fn operations(api: &mut Api) {
    mount!(api, me, change_password, list, revoke_others);
}

/// A region by code and name.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedRegion {
    /// Kemendagri code.
    #[schema(value_type = RegionCode)]
    code: String,
    /// Its name.
    #[schema(example = "Kabupaten Kotawaringin Timur")]
    name: String,
}

/// One of my assignments in force today.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyAssignment {
    /// As what.
    #[schema(value_type = Role)]
    role: String,
    /// Where, and everywhere under it.
    region_code: String,
    /// The region's name.
    region_name: String,
    /// For which agency, where the role acts for one.
    agency_id: Option<Uuid>,
    /// The agency's name.
    agency_name: Option<String>,
}

/// A grant and where I hold it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyGrant {
    /// Its name, as `x-grant` of the operations in `/openapi.json`.
    #[schema(example = "beneficiaries_read")]
    grant: &'static str,
    /// The regions in which (and everywhere under which) I hold it.
    regions: Vec<RegionCode>,
}

/// Who I am and what I may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeOut {
    /// My record id.
    id: Uuid,
    /// The name I sign in with.
    name: String,
    /// The name people read.
    display_name: String,
    /// person or service.
    #[schema(value_type = Kind)]
    kind: String,
    /// My home region, whose administrators keep my account.
    region: NamedRegion,
    /// My assignments in force today.
    assignments: Vec<MyAssignment>,
    /// What I may do and where: show what is listed, hide the rest.
    grants: Vec<MyGrant>,
}

/// Who am I
///
/// The account behind the token, its assignments in force and the grants that follow from them. Front ends build their menus
/// from `grants`: an operation whose `x-grant` is not listed answers 403.
#[utoipa::path(get, path = "/me")]
async fn me(access: Access<OwnAccount>) -> Result<Item<MeOut>> {
    let actor = access.actor();
    let db = access.read().await?;
    let assignments = users::held(&db, actor.id).await?.into_iter().map(|(role, region_code, region_name, agency_id, agency_name)| {
        MyAssignment { role, region_code, region_name, agency_id, agency_name }
    });
    let grants = POLICY.iter().filter_map(|row| {
        let mut regions: Vec<RegionCode> = match row.roles {
            None => vec![actor.region.clone()],
            Some(_) => actor.held.iter().filter(|held| row.allows(held.role)).map(|held| held.region.clone()).collect(),
        };
        regions.sort();
        regions.dedup();
        (!regions.is_empty()).then_some(MyGrant { grant: row.name, regions })
    });
    Ok(Item(MeOut {
        id: actor.id,
        name: actor.name.clone(),
        display_name: actor.display_name.clone(),
        kind: actor.kind.clone(),
        region: NamedRegion { code: actor.region.as_str().to_owned(), name: users::region_name(&db, &actor.region).await? },
        assignments: assignments.collect(),
        grants: grants.collect(),
    }))
}

/// The old password and the new one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password as it is.
    #[schema(value_type = String, format = Password, max_length = 200)]
    current_password: Secret,
    /// The password as it shall be.
    new_password: Secret,
}

/// Change my password
///
/// Ends my sessions on all other devices. Wrong guesses of the current password count like failed sign-ins. For people:
/// a service account's secret is rotated by an administrator.
#[utoipa::path(post, path = "/me/password")]
async fn change_password(access: Access<OwnAccount>, Valid(body): Valid<PasswordChange>) -> Result<NoContent> {
    let (actor, platform) = (access.actor(), access.platform());
    if actor.kind != Kind::Person.name() {
        return Err(Error::RefusedBecause(Code::Forbidden, "A service account's secret is rotated by an administrator.".into()));
    }
    body.new_password.demand_strong(&actor.name)?;
    let proved = users::prove(platform, Kind::Person, &actor.name, &body.current_password, access.request_id()).await;
    let account = proved.map_err(|error| match error.code() {
        Code::InvalidGrant => Error::field("current_password", "wrong", "This is not your current password."),
        _ => error,
    })?;
    let hash = users::hash(&body.new_password).await?;
    let mut tx = access.write().await?;
    users::replace_secret(&mut tx, &account, &hash).await?;
    let ended = session::end_all(&tx, account.id, "secret_changed", Some(actor.session)).await?;
    tx.commit([account.told("password_changed").with("sessions_ended", serde_json::json!(ended))]).await?;
    platform.actors.forget_actor(account.id);
    Ok(NoContent)
}

/// Where I am signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionOut {
    /// The session's id.
    id: Uuid,
    /// The front end.
    #[schema(example = "entas")]
    client_id: String,
    /// Signed in at.
    created_at: DateTime<Utc>,
    /// Ends then, unless refreshed before.
    expires_at: DateTime<Utc>,
    /// Whether it is the session of this request.
    current: bool,
}

/// List my sessions
///
/// Those that stand, oldest first.
#[utoipa::path(get, path = "/me/sessions")]
async fn list(access: Access<OwnAccount>, list: List<NoFilter>) -> Result<Page<SessionOut>> {
    let current = access.actor().session;
    let rows = store::list(&access.read().await?, access.actor().id, list.after()?, list.fetch()).await?;
    Ok(list.page(
        rows,
        |row| row.id,
        |row| {
            let Session { id, actor_id: _, client_id, created_at, expires_at } = row;
            SessionOut { id, client_id, created_at, expires_at, current: id == current }
        },
    ))
}

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct OthersEnded {
    /// So many sessions.
    sessions: usize,
}

/// End my other sessions
///
/// For a lost telephone: all tokens but those of this session stop within a second, everywhere.
#[utoipa::path(post, path = "/me/sessions/revoke-others")]
async fn revoke_others(access: Access<OwnAccount>) -> Result<Item<OthersEnded>> {
    let (actor, mut tx) = (access.actor(), access.write().await?);
    let ended = store::revoke_others(&mut tx, actor.id, actor.session, "logout").await?;
    let told = |session: &Session| session.revoked(actor.region.clone(), "logout");
    let changes: Vec<_> = ended.iter().map(told).collect();
    if !changes.is_empty() {
        tx.commit_all(changes).await?;
    }
    for session in &ended {
        access.platform().actors.forget(session.id);
    }
    Ok(Item(OthersEnded { sessions: ended.len() }))
}
