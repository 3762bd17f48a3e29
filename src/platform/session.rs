//! Tokens say who signed in; what they may do is read from the database, at most one second old on every replica.
//!
//! Access tokens follow RFC 9068 (EdDSA, `at+jwt`). They carry ids and an expiry and no roles, so that a demotion, a
//! disabled account or a logout works at once and not when the token ends.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use diesel::sql_types::{Jsonb, Text, Uuid as SqlUuid};
use diesel::{ExpressionMethods, QueryDsl, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::access::{Actor, Asked, Held};
use super::db::{Db, Scoped, Tx};
use super::error::{Code, Error, Result, answer};
use super::ids::{RegionCode, new_id};
use super::policy::Role;
use super::seal::KeyRing;
use super::{Platform, telemetry};
use crate::schema::{sessions, signing_keys};

/// How old what we know of an actor may be. Below the promised second, for the look-up takes time too.
const FRESH: Duration = Duration::from_millis(800);
/// How long an access token lives, seconds.
pub const ACCESS_SECONDS: i64 = 600;
/// Actors remembered at most; the oldest knowledge goes first.
const REMEMBERED: usize = 20_000;
/// How often signing keys are read again, so that a rotation elsewhere arrives before its first token does.
const KEYS_FRESH: Duration = Duration::from_secs(30);
const AUDIENCE: &str = "entas";
const PURPOSE: &str = "signing_keys.private";

/// What was found out a moment ago, and when.
type Recent<K, V> = HashMap<K, (Instant, V)>;

/// The claims of an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: the service's public URL.
    pub iss: String,
    /// The actor's id.
    pub sub: Uuid,
    /// For whom it is meant: `entas`.
    pub aud: String,
    /// When it ends, seconds since 1970.
    pub exp: i64,
    /// When it began.
    pub iat: i64,
    /// Its own id.
    pub jti: Uuid,
    /// The session it belongs to.
    pub sid: Uuid,
    /// The client that signed in.
    pub client_id: String,
}

struct Key {
    id: Uuid,
    public: Vec<u8>,
    decoding: DecodingKey,
    /// Only the newest key signs.
    encoding: Option<EncodingKey>,
    retired_at: Option<DateTime<Utc>>,
}

/// The signing keys, shared by all replicas through the database.
pub struct Tokens {
    issuer: String,
    keys: RwLock<(Option<Instant>, Vec<Arc<Key>>)>,
    /// Claims of tokens whose very bytes were verified a moment ago, by their SHA-256: a front end sends the same token
    /// with every request, and the signature costs more than all the rest of a small read (measured).
    verified: Mutex<Recent<[u8; 32], Arc<Claims>>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Tokens {
    /// No keys yet: they are read (or the first one made) on first use.
    pub fn new(issuer: String) -> Tokens {
        Tokens { issuer, keys: RwLock::new((None, Vec::new())), verified: Mutex::default() }
    }

    /// The issuer's name, as in every token.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs an access token for an actor's session.
    pub async fn issue(&self, db: &Db, ring: &KeyRing, actor: Uuid, session: Uuid, client_id: &str) -> Result<String> {
        let now = Utc::now().timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: actor,
            aud: AUDIENCE.into(),
            exp: now + ACCESS_SECONDS,
            iat: now,
            jti: new_id(),
            sid: session,
            client_id: client_id.to_owned(),
        };
        let keys = self.current(db, ring).await?;
        let (id, encoding) =
            keys.iter().find_map(|key| Some((key.id, key.encoding.as_ref()?))).ok_or_else(|| anyhow::anyhow!("no signing key"))?;
        let header = Header { typ: Some("at+jwt".into()), kid: Some(id.to_string()), ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, &claims, encoding).context("signing")?)
    }

    /// Verifies a token: signature, issuer, audience, expiry. Whether its session still stands is another question.
    pub async fn verify(&self, db: &Db, ring: &KeyRing, token: &str) -> Result<Arc<Claims>> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some((at, claims)) = known
            && at.elapsed() < FRESH
            && claims.exp > Utc::now().timestamp()
        {
            return Ok(claims);
        }
        let claims = Arc::new(self.verify_signature(db, ring, token).await?);
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        verified.insert(digest, (Instant::now(), claims.clone()));
        Ok(claims)
    }

    async fn verify_signature(&self, db: &Db, ring: &KeyRing, token: &str) -> Result<Claims> {
        let invalid = |_| Error::from(Code::TokenInvalid);
        let header = jsonwebtoken::decode_header(token).map_err(invalid)?;
        let id = header.kid.as_deref().and_then(|kid| Uuid::parse_str(kid).ok()).ok_or(Code::TokenInvalid)?;
        let key = match self.current(db, ring).await?.into_iter().find(|key| key.id == id) {
            Some(key) => key,
            // Another replica may sign with a key that was made since we looked.
            None => self.reread(db, ring).await?.into_iter().find(|key| key.id == id).ok_or(Code::TokenInvalid)?,
        };
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[&self.issuer]);
        rules.leeway = 0;
        if header.typ.as_deref().is_none_or(|typ| !typ.eq_ignore_ascii_case("at+jwt")) {
            return Err(Code::TokenInvalid.into());
        }
        jsonwebtoken::decode::<Claims>(token, &key.decoding, &rules).map(|token| token.claims).map_err(invalid)
    }

    /// The published keys (RFC 7517), the retired ones as long as a token of theirs may live.
    pub async fn jwks(&self, db: &Db, ring: &KeyRing) -> Result<Vec<(Uuid, String)>> {
        let keys = self.current(db, ring).await?;
        Ok(keys.iter().map(|key| (key.id, URL_SAFE_NO_PAD.encode(&key.public))).collect())
    }

    /// The keys as of at most a second ago: a made-up key id must not cost a query each time.
    async fn reread(&self, db: &Db, ring: &KeyRing) -> Result<Vec<Arc<Key>>> {
        {
            let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            if known.0.is_some_and(|at| at.elapsed() > Duration::from_secs(1)) {
                known.0 = None;
            }
        }
        self.current(db, ring).await
    }

    /// Whether the key file belongs to this database: every signing key in force must open.
    pub async fn check(&self, db: &Db, ring: &KeyRing) -> Result<()> {
        self.current(db, ring).await.map(|_| ())
    }

    async fn current(&self, db: &Db, ring: &KeyRing) -> Result<Vec<Arc<Key>>> {
        {
            let known = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            if known.0.is_some_and(|at| at.elapsed() < KEYS_FRESH) {
                return Ok(known.1.clone());
            }
        }
        let mut keys = load(db, ring).await?;
        if !keys.iter().any(|key| key.encoding.is_some()) {
            rotate(db, ring).await?;
            keys = load(db, ring).await?;
        }
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *known = (Some(Instant::now()), keys);
        Ok(known.1.clone())
    }
}

async fn load(db: &Db, ring: &KeyRing) -> Result<Vec<Arc<Key>>> {
    let mut conn = db.get().await?;
    type Row = (Uuid, Vec<u8>, Vec<u8>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = signing_keys::table
        .select((signing_keys::id, signing_keys::public_key, signing_keys::private_sealed, signing_keys::retired_at))
        .order(signing_keys::id.desc())
        .load(&mut *conn)
        .await?;
    let mut keys = Vec::new();
    for (id, public, sealed, retired_at) in rows {
        let dead = retired_at.is_some_and(|at| at + chrono::Duration::seconds(ACCESS_SECONDS) < Utc::now());
        if dead {
            continue;
        }
        let encoding = match retired_at {
            Some(_) => None,
            None => {
                let der = ring.open(PURPOSE, id, &sealed).map_err(|cause| anyhow::anyhow!("signing key {id}: {cause}"))?;
                Some(EncodingKey::from_ed_der(&der))
            }
        };
        keys.push(Arc::new(Key { id, decoding: DecodingKey::from_ed_der(&public), public, encoding, retired_at }));
    }
    keys.sort_by_key(|key| (key.retired_at.is_some(), std::cmp::Reverse(key.id)));
    Ok(keys)
}

/// Makes a new signing key and retires the others; their tokens stay valid until they expire.
pub async fn rotate(db: &Db, ring: &KeyRing) -> Result<Uuid> {
    let mut seed = zeroize::Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|cause| anyhow::anyhow!("random numbers: {cause}"))?;
    let key = SigningKey::from_bytes(&seed);
    let der = key.to_pkcs8_der().context("signing key")?;
    let id = new_id();
    let mut conn = db.get().await?;
    // Two replicas that start at once must not both make the first key.
    diesel::sql_query(
        "WITH lock AS (SELECT pg_advisory_xact_lock(7305))
        , retired AS (UPDATE signing_keys SET retired_at = now() WHERE retired_at IS NULL AND (SELECT count(*) FROM lock) = 1)
        INSERT INTO signing_keys (id, public_key, private_sealed) VALUES ($1, $2, $3)",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<diesel::sql_types::Binary, _>(key.verifying_key().as_bytes().to_vec())
    .bind::<diesel::sql_types::Binary, _>(ring.seal(PURPOSE, id, der.as_bytes())?)
    .execute(&mut *conn)
    .await?;
    Ok(id)
}

/// Brings the private halves under the current sealing key; says how many were not.
pub async fn reseal(db: &Db, ring: &KeyRing) -> Result<usize> {
    let mut conn = db.get().await?;
    let rows: Vec<(Uuid, Vec<u8>)> = signing_keys::table.select((signing_keys::id, signing_keys::private_sealed)).load(&mut *conn).await?;
    let mut resealed = 0;
    for (id, sealed) in rows.into_iter().filter(|(_, sealed)| !ring.is_current(sealed)) {
        let der = ring.open(PURPOSE, id, &sealed)?;
        let renewed = ring.seal(PURPOSE, id, &der)?;
        let still = signing_keys::table.filter(signing_keys::id.eq(id)).filter(signing_keys::private_sealed.eq(sealed));
        resealed += diesel::update(still).set(signing_keys::private_sealed.eq(renewed)).execute(&mut *conn).await?;
    }
    Ok(resealed)
}

/// What is known of the actors behind recent tokens, by session.
#[derive(Debug, Default)]
pub struct Actors {
    known: Mutex<Recent<Uuid, Option<Arc<Actor>>>>,
}

impl Actors {
    /// The actor of a session, when both still stand.
    pub async fn find(&self, conn: &AsyncPgConnection, session: Uuid, actor: Uuid) -> Result<Option<Arc<Actor>>> {
        // The age counts from before the look-up: what changed while it ran counts as unseen.
        let asked_at = Instant::now();
        if let Some((at, known)) = self.lock().get(&session)
            && at.elapsed() < FRESH
        {
            return Ok(known.clone().filter(|known| known.id == actor));
        }
        let found = look_up(conn, session, actor).await?.map(Arc::new);
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        known.insert(session, (asked_at, found.clone()));
        Ok(found)
    }

    /// Forgets a session that ended here, so that this replica need not wait for the second to pass.
    pub fn forget(&self, session: Uuid) {
        self.lock().remove(&session);
    }

    /// Forgets all sessions of an actor whose assignments or status changed here.
    pub fn forget_actor(&self, actor: Uuid) {
        self.lock().retain(|_, (_, known)| known.as_ref().is_none_or(|known| known.id != actor));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent<Uuid, Option<Arc<Actor>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends all of an actor's open sessions but one, in the transaction that gives the reason; answers how many there were.
/// It stands here and not with the sessions, because accounts, whose disabling ends them, come earlier in the order.
/// `reason` is one of the words that the table knows. The caller then forgets the actor ([`Actors::forget_actor`]).
pub async fn end_all(tx: &Tx, actor: Uuid, reason: &'static str, except: Option<Uuid>) -> Result<usize> {
    let open = sessions::table
        .filter(sessions::actor_id.eq(actor))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::id.ne(except.unwrap_or_default()));
    Ok(diesel::update(open)
        .set((sessions::revoked_at.eq(diesel::dsl::now), sessions::revoked_reason.eq(reason)))
        .execute(&mut tx.on())
        .await?)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    display_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    region_code: String,
    #[diesel(sql_type = Jsonb)]
    held: serde_json::Value,
}

async fn look_up(conn: &AsyncPgConnection, session: Uuid, actor: Uuid) -> Result<Option<Actor>> {
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT a.name, a.display_name, a.kind, a.region_code,
                coalesce((SELECT jsonb_agg(jsonb_build_array(g.role, g.region_code, g.agency_id)) FROM assignments g
                           WHERE g.actor_id = a.id AND g.valid_from <= current_date AND (g.valid_to IS NULL OR g.valid_to >= current_date)), '[]') AS held
           FROM sessions s JOIN actors a ON a.id = s.actor_id
          WHERE s.id = $1 AND a.id = $2 AND a.status = 'active' AND s.revoked_at IS NULL AND s.expires_at > now()",
    )
    .bind::<SqlUuid, _>(session)
    .bind::<SqlUuid, _>(actor)
    .load(&mut &*conn)
    .await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let held: Vec<(String, String, Option<Uuid>)> = serde_json::from_value(row.held).context("assignments")?;
    let held = held
        .into_iter()
        // A role or region that this version does not know grants nothing.
        .filter_map(|(role, region, agency)| Some(Held { role: Role::parse(&role)?, region: RegionCode::parse(&region)?, agency }))
        .collect();
    let region = RegionCode::parse(&row.region_code).context("home region")?;
    Ok(Some(Actor { id: actor, name: row.name, display_name: row.display_name, kind: row.kind, region, session, held }))
}

/// The middleware: a *bad* token is 401 at once, *no* token passes as nobody.
pub async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<EitherBody<BoxBody, BoxBody>>, actix_web::Error> {
    let Some(platform) = request.app_data::<web::Data<Rc<Platform>>>().map(|data| data.get_ref().clone()) else {
        return Err(Error::from(anyhow::anyhow!("no platform mounted")).into());
    };
    let request_id = telemetry::request_id(&request);
    let actor = match bearer(&request) {
        Ok(None) => Ok(None),
        Ok(Some(token)) => known(&platform, token).await.map(Some),
        Err(error) => Err(error),
    };
    // Trying tokens is limited as everything is, wherever they are sent. A probe that is told to wait would have us restarted.
    let address = request.peer_addr().map(|peer| peer.ip());
    let probe = matches!(request.path(), "/health/live" | "/health/ready");
    let pass = match &actor {
        Ok(None) if probe => Ok(()),
        Ok(actor) => platform.limits.check(actor.as_ref().map(|actor| actor.id), address),
        Err(error) if error.code() == Code::TokenInvalid => platform.limits.check_guess(address),
        Err(_) => Ok(()),
    };
    if let Err(wait) = pass {
        let refused = answer(&Code::TooManyRequests.into(), Some(request_id.to_string()), Some(wait));
        return Ok(request.into_response(refused).map_into_right_body());
    }
    let actor = match actor {
        Ok(actor) => actor,
        Err(error) => return Ok(request.into_response(answer(&error, Some(request_id.to_string()), None)).map_into_right_body()),
    };
    let (claim, seen) = Default::default();
    request.extensions_mut().insert(Rc::new(Asked { platform, request_id, actor, claim, seen }));
    Ok(next.call(request).await?.map_into_boxed_body().map_into_left_body())
}

fn bearer(request: &ServiceRequest) -> Result<Option<&str>> {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::from(Code::TokenInvalid))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        // Client authentication at the token endpoint (RFC 6749 §2.3.1) is not a session.
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("basic") && request.path().starts_with("/oauth/") => Ok(None),
        _ => Err(Code::TokenInvalid.into()),
    }
}

async fn known(platform: &Platform, token: &str) -> Result<Arc<Actor>> {
    let claims = platform.tokens.verify(&platform.db, &platform.keys, token).await?;
    let conn = platform.reader.get().await?;
    platform.actors.find(&conn, claims.sid, claims.sub).await?.ok_or_else(|| Code::TokenInvalid.into())
}
