//! The OAuth endpoints: token (RFC 6749), revocation (7009), introspection (7662), keys (7517), metadata (8414).

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use chrono::{Duration, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::model::{Client, IDLE_HOURS, OWN_CLIENT, client, token_hash};
use super::super::store::{self, Session, Standing};
use crate::features::users::{self, Account, Kind, Secret};
use crate::mount;
use crate::platform::access::{Access, Anyone};
use crate::platform::answers::Item;
use crate::platform::api::{Answer, Api, Description, Parameter};
use crate::platform::error::{Code, Error, Result};
use crate::platform::form::Form;
use crate::platform::ids::new_id;
use crate::platform::policy::OwnAccount;
use crate::platform::session::ACCESS_SECONDS;
use crate::platform::wire::words;

pub(super) fn operations(api: &mut Api) {
    mount!(api, token, revoke, introspect, jwks, metadata);
}

words! {
    /// How a token is asked for.
    GrantType {
        /// A person's name and password.
        Password "password",
        /// The refresh token of the answer before.
        RefreshToken "refresh_token",
        /// A service account's name and secret.
        ClientCredentials "client_credentials",
    }
}

/// A request for tokens. Parameters that the grant type does not use are left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// How the token is asked for.
    #[schema(value_type = GrantType)]
    grant_type: String,
    /// `password`: the user name.
    #[schema(max_length = 60)]
    username: Option<String>,
    /// `password`: the password.
    #[schema(value_type = Option<String>, format = Password, max_length = 200)]
    password: Option<Secret>,
    /// `refresh_token`: the token from the answer before; it works once.
    refresh_token: Option<String>,
    /// People: the name of the front end, `entas` when absent; a refresh names the same one. Service accounts: their name.
    #[schema(max_length = 60)]
    client_id: Option<String>,
    /// Service accounts: the secret, here or by HTTP Basic.
    #[schema(value_type = Option<String>, format = Password, max_length = 200)]
    client_secret: Option<String>,
    /// Accepted and without effect: what an actor may do is decided by assignments, see `GET /api/v1/me`.
    #[expect(dead_code, reason = "OAuth clients send it")]
    scope: Option<String>,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub struct TokenOut {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token ends.
    #[schema(example = 600)]
    expires_in: i64,
    /// Exchange it for the next pair; it works once. Absent for service accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// 200 with tokens that no cache keeps.
pub struct Tokens(TokenOut);

impl Responder for Tokens {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(self.0)
    }
}

impl Answer for Tokens {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<TokenOut>();
        to.response(200, "Tokens.", Some(("application/json", schema)), &[("Cache-Control", "`no-store`.")]);
        to.refusal(401, "`invalid_client`: the service account or its secret is not right.");
        to.refusal(429, "`locked_out`: too many failures; wait as long as Retry-After says.");
    }
}

/// HTTP Basic, by which a client may authenticate (RFC 6749 section 2.3.1).
pub struct Basic(Option<String>);

impl FromRequest for Basic {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        ready(Ok(Basic(value.map(str::to_owned))))
    }
}

impl Parameter for Basic {
    // OpenAPI leaves the Authorization header to security schemes; the prose tells of it.
    fn describe(_: &mut Description<'_>) {}
}

/// Get tokens
///
/// `password`: `username`, `password`, optionally `client_id`. `refresh_token`: the token of the answer before, which works
/// once; a second use ends the whole session, so refresh from one place only. `client_credentials`: a service account's
/// name and secret, in the body or by HTTP Basic.
///
/// A session lives 12 hours from its last refresh and 7 days at most. Five failures in a row suspend signing in under that
/// name for 30 seconds, each further one for twice as long, up to 15 minutes. An unknown name, a wrong password and a
/// disabled account are refused alike.
#[utoipa::path(post, path = "/oauth/token")]
async fn token(anyone: Anyone, Basic(header): Basic, Form(body): Form<TokenRequest>) -> Result<Tokens> {
    let TokenRequest { grant_type, username, password, refresh_token, client_id, client_secret, scope: _ } = body;
    let client = client(header.as_deref(), client_id, client_secret)?;
    let missing = |what: &str| Error::RefusedBecause(Code::InvalidRequest, format!("The parameter `{what}` is missing."));
    match GrantType::parse(&grant_type).ok_or(Code::UnsupportedGrant)? {
        GrantType::Password => {
            let client_id = public(client)?;
            let name = username.ok_or_else(|| missing("username"))?.trim().to_ascii_lowercase();
            let secret = password.ok_or_else(|| missing("password"))?;
            let account = users::prove(anyone.platform(), Kind::Person, &name, &secret, anyone.request_id()).await?;
            sign_in(&anyone, &account, client_id, true).await
        }
        GrantType::RefreshToken => {
            let client_id = public(client)?;
            refresh(&anyone, &refresh_token.ok_or_else(|| missing("refresh_token"))?, &client_id).await
        }
        GrantType::ClientCredentials => {
            let (Some(name), Some(secret)) = (client.id, client.secret) else { return Err(Code::InvalidClient.into()) };
            let account = users::prove(anyone.platform(), Kind::Service, &name, &Secret::new(secret), anyone.request_id()).await?;
            sign_in(&anyone, &account, name, false).await
        }
    }
}

/// The name of a front end, which has no secret to keep.
fn public(client: Client) -> Result<String> {
    match client {
        // A secret here is a mix-up of grant types; passing over it would let it look checked.
        Client { secret: Some(_), .. } => Err(Code::InvalidClient.into()),
        Client { id: None, .. } => Ok(OWN_CLIENT.into()),
        Client { id: Some(id), .. } if users::is_name(&id) => Ok(id),
        Client { .. } => Err(Code::InvalidClient.into()),
    }
}

async fn sign_in(anyone: &Anyone, account: &Account, client_id: String, refreshable: bool) -> Result<Tokens> {
    let platform = anyone.platform();
    let now = Utc::now();
    let lifetime = if refreshable { Duration::hours(IDLE_HOURS) } else { Duration::seconds(ACCESS_SECONDS) };
    let session = Session { id: new_id(), actor_id: account.id, client_id, created_at: now, expires_at: now + lifetime };
    let mut tx = platform.write_as(account.id, Some(anyone.request_id()), account.region()).await?;
    // Locks the account: whoever disables it now waits and then ends this session too.
    if !users::clear_failures(&mut tx, account).await? {
        return Err(if refreshable { Code::InvalidGrant.into() } else { Code::InvalidClient.into() });
    }
    store::open(&mut tx, &session).await?;
    let refresh_token = match refreshable {
        true => Some(new_token(&mut tx, session.id).await?),
        false => None,
    };
    let change = session.told("created", account.region());
    tx.commit([change]).await?;
    tokens(anyone, &session, refresh_token).await
}

async fn new_token(tx: &mut crate::platform::db::Tx, session: Uuid) -> Result<String> {
    let token = users::random()?.into_text();
    store::add_token(tx, &token_hash(&token), session).await?;
    Ok(token)
}

async fn tokens(anyone: &Anyone, session: &Session, refresh_token: Option<String>) -> Result<Tokens> {
    let platform = anyone.platform();
    let access_token = platform.tokens.issue(&platform.db, &platform.keys, session.actor_id, session.id, &session.client_id).await?;
    Ok(Tokens(TokenOut { access_token, token_type: "Bearer", expires_in: ACCESS_SECONDS, refresh_token }))
}

async fn refresh(anyone: &Anyone, token: &str, client_id: &str) -> Result<Tokens> {
    let platform = anyone.platform();
    let hash = token_hash(token);
    let found = store::of_token(&platform.read_as_system().await?, &hash).await?;
    let Some((Standing { session, region, .. }, _)) = found else { return Err(Code::InvalidGrant.into()) };
    // RFC 6749 section 6: a refresh token belongs to the client that got it.
    if session.client_id != client_id {
        return Err(Code::InvalidGrant.into());
    }
    let mut tx = platform.write_as(session.actor_id, Some(anyone.request_id()), region.clone()).await?;
    if !store::prolong(&mut tx, session.id).await? {
        return Err(Code::InvalidGrant.into());
    }
    if !store::spend(&mut tx, &hash).await? {
        store::revoke(&mut tx, session.id, "reuse_detected").await?;
        let change = session.revoked(region, "reuse_detected");
        tx.commit([change]).await?;
        platform.actors.forget(session.id);
        return Err(Code::InvalidGrant.into());
    }
    let next = new_token(&mut tx, session.id).await?;
    tx.commit_untold().await?;
    tokens(anyone, &session, Some(next)).await
}

/// A token to look at or to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenForm {
    /// An access token or a refresh token.
    token: String,
    /// `access_token` or `refresh_token`; accepted and not needed.
    #[expect(dead_code, reason = "OAuth clients send it")]
    token_type_hint: Option<String>,
    /// Accepted and not needed: whoever holds the token may end it.
    #[expect(dead_code, reason = "OAuth clients send it")]
    client_id: Option<String>,
    /// Accepted and not needed.
    #[expect(dead_code, reason = "OAuth clients send it")]
    #[schema(format = Password)]
    client_secret: Option<String>,
}

/// 200 without content.
pub struct Ended;

impl Responder for Ended {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish()
    }
}

impl Answer for Ended {
    fn describe(to: &mut Description<'_>) {
        to.response(200, "The session has ended, or the token was nobody's.", None, &[]);
    }
}

/// Sign out
///
/// Ends the whole session of an access token or a refresh token (RFC 7009): all its tokens stop within a second, everywhere.
/// A token that is not known answers 200 too.
#[utoipa::path(post, path = "/oauth/revoke")]
async fn revoke(anyone: Anyone, Form(body): Form<TokenForm>) -> Result<Ended> {
    let platform = anyone.platform();
    let Some((Standing { session, region, .. }, _)) = look_at(platform, &body.token).await? else { return Ok(Ended) };
    let mut tx = platform.write_as(session.actor_id, Some(anyone.request_id()), region.clone()).await?;
    if store::revoke(&mut tx, session.id, "logout").await? {
        let change = session.revoked(region, "logout");
        tx.commit([change]).await?;
    }
    platform.actors.forget(session.id);
    Ok(Ended)
}

/// What kind of token it is, with its claims if it is an access token.
enum Presented {
    Access(std::sync::Arc<crate::platform::session::Claims>),
    Refresh { used: bool },
}

/// The standing session of either kind of token.
async fn look_at(platform: &crate::platform::Services, token: &str) -> Result<Option<(Standing, Presented)>> {
    let db = platform.read_as_system().await?;
    match platform.tokens.verify(&platform.db, &platform.keys, token).await {
        Ok(claims) => Ok(store::standing(&db, claims.sid).await?.map(|standing| (standing, Presented::Access(claims)))),
        Err(Error::Refused(Code::TokenInvalid)) => {
            let found = store::of_token(&db, &token_hash(token)).await?;
            Ok(found.map(|(standing, used)| (standing, Presented::Refresh { used })))
        }
        Err(error) => Err(error),
    }
}

/// What a token is worth now.
#[derive(Serialize, ToSchema, Default)]
pub struct Introspection {
    /// Whether it works now. When false, nothing else is told.
    active: bool,
    /// The actor's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Uuid>,
    /// The actor's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The client that signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// `Bearer` for an access token; absent for a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// When it ends, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    /// Its own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
}

/// Ask what a token is worth
///
/// For gateways and partner systems that are handed a token (RFC 7662). Expired, revoked, unknown: `{"active": false}`.
#[utoipa::path(post, path = "/oauth/introspect")]
async fn introspect(access: Access<OwnAccount>, Form(body): Form<TokenForm>) -> Result<Item<Introspection>> {
    let Some((Standing { session, name, .. }, presented)) = look_at(access.platform(), &body.token).await? else {
        return Ok(Item(Introspection::default()));
    };
    let common = Introspection {
        active: true,
        sub: Some(session.actor_id),
        username: Some(name),
        client_id: Some(session.client_id),
        sid: Some(session.id),
        ..Introspection::default()
    };
    Ok(Item(match presented {
        Presented::Access(claims) => Introspection {
            token_type: Some("Bearer"),
            exp: Some(claims.exp),
            iat: Some(claims.iat),
            iss: Some(claims.iss.clone()),
            aud: Some(claims.aud.clone()),
            jti: Some(claims.jti),
            ..common
        },
        Presented::Refresh { used: false } => Introspection { exp: Some(session.expires_at.timestamp()), ..common },
        Presented::Refresh { used: true } => Introspection::default(),
    }))
}

/// A public key.
#[derive(Serialize, ToSchema)]
pub struct Jwk {
    /// `OKP`.
    kty: &'static str,
    /// `Ed25519`.
    crv: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    usage: &'static str,
    /// `EdDSA`.
    alg: &'static str,
    /// The key's id, as in a token's header.
    kid: Uuid,
    /// The key, base64url.
    x: String,
}

/// The public keys of the service.
#[derive(Serialize, ToSchema)]
pub struct Jwks {
    /// The newest, which signs, and those whose tokens may still live.
    keys: Vec<Jwk>,
}

/// Fetch the signing keys
///
/// By which others verify access tokens without asking (RFC 7517, RFC 8037). Whether a session was ended meanwhile only
/// `POST /oauth/introspect` tells.
#[utoipa::path(get, path = "/.well-known/jwks.json")]
async fn jwks(anyone: Anyone) -> Result<Item<Jwks>> {
    let platform = anyone.platform();
    let keys = platform.tokens.jwks(&platform.db, &platform.keys).await?;
    let jwk = |(kid, x)| Jwk { kty: "OKP", crv: "Ed25519", usage: "sig", alg: "EdDSA", kid, x };
    Ok(Item(Jwks { keys: keys.into_iter().map(jwk).collect() }))
}

/// Where and how to get tokens.
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    /// The issuer of all tokens.
    issuer: String,
    /// `POST /oauth/token`.
    token_endpoint: String,
    /// `POST /oauth/revoke`.
    revocation_endpoint: String,
    /// `POST /oauth/introspect`.
    introspection_endpoint: String,
    /// The signing keys.
    jwks_uri: String,
    /// `password`, `refresh_token`, `client_credentials`.
    grant_types_supported: Vec<&'static str>,
    /// None: there is no authorization endpoint.
    response_types_supported: Vec<&'static str>,
    /// How service accounts may authenticate; front ends do not (`none`).
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// None needed.
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// An access token.
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// For people.
    service_documentation: String,
}

/// Fetch the authorization server's metadata
///
/// So that OAuth libraries configure themselves (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server")]
async fn metadata(anyone: Anyone) -> Result<Item<Metadata>> {
    let issuer = anyone.platform().tokens.issuer().to_owned();
    let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
    Ok(Item(Metadata {
        token_endpoint: at("/oauth/token"),
        revocation_endpoint: at("/oauth/revoke"),
        introspection_endpoint: at("/oauth/introspect"),
        jwks_uri: at("/.well-known/jwks.json"),
        service_documentation: at("/docs/"),
        grant_types_supported: GrantType::ALL.iter().map(|grant| grant.name()).collect(),
        response_types_supported: Vec::new(),
        token_endpoint_auth_methods_supported: vec!["none", "client_secret_basic", "client_secret_post"],
        revocation_endpoint_auth_methods_supported: vec!["none"],
        introspection_endpoint_auth_methods_supported: vec!["Bearer"],
        issuer,
    }))
}
