//! `Idempotency-Key` on every POST: the same key and body get the first answer again, and nothing happens twice.
//!
//! The claim is a row of its own. [`super::db::Tx`] turns it to `committed` inside the very transaction that does the
//! work, so a crash can lose the answer but never repeat the work; a claim that outlived its process is taken over.
//!
//! A kept answer is shown again only to an actor who stands as they stood then, and what it showed of people is recorded
//! again: a key must not outlive a demotion, nor be a way to read without a trace.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, EitherBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse, HttpResponseBuilder};
use diesel::sql_types::{Binary, Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel::{ExpressionMethods, QueryDsl, QueryableByName};
use diesel_async::RunQueryDsl;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroize;

use super::access::{Actor, Asked};
use super::db::{Scoped, Tx};
use super::error::{Code, Error, Result, answer};
use super::ids::new_id;
use super::reads::Seen;
use super::{Platform, Services};
use crate::schema::idempotency_keys as keys;

/// Answers larger than this are not kept; the key then answers `idempotency_answer_lost`.
const ANSWER_LIMIT: usize = 1 << 20;
/// A claim older than this whose work did not commit belongs to a process that died.
const TAKEOVER: &str = "60 seconds";
const HEADERS: [&str; 5] = ["content-type", "etag", "location", "cache-control", "content-disposition"];
const PURPOSE: &str = "idempotency_keys.answer";
/// How much of a body that its handler did not read is read after it, and for how long, to know the request again.
const REST_LIMIT: usize = 1 << 20;
const REST_TIME: std::time::Duration = std::time::Duration::from_secs(5);

/// Marks the claim as fulfilled, in the transaction that fulfils it. A claim that was taken over refuses the commit.
pub(super) async fn mark_committed(tx: &Tx, claim: Uuid) -> Result<()> {
    let marked = diesel::update(keys::table.filter(keys::claim.eq(claim)).filter(keys::state.eq("running")))
        .set(keys::state.eq("committed"))
        .execute(&mut tx.on())
        .await?;
    // A handler that commits twice finds its own mark.
    let ours = marked == 1 || keys::table.filter(keys::claim.eq(claim)).count().get_result::<i64>(&mut tx.on()).await? == 1;
    if ours { Ok(()) } else { Err(Code::KeyRunning.into()) }
}

#[derive(QueryableByName)]
struct Known {
    #[diesel(sql_type = SqlUuid)]
    claim: Uuid,
    #[diesel(sql_type = Text)]
    operation: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Bool)]
    fresh: bool,
    #[diesel(sql_type = Nullable<Binary>)]
    body_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Integer>)]
    status: Option<i32>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    headers: Option<Value>,
    #[diesel(sql_type = Nullable<Binary>)]
    answer_sealed: Option<Vec<u8>>,
}

/// The middleware; sits behind the session and passes everything that is not a keyed POST of somebody known.
pub async fn middleware(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<EitherBody<BoxBody, BoxBody>>, actix_web::Error> {
    let asked = request.extensions().get::<Rc<Asked>>().cloned();
    let key = request.headers().get("idempotency-key").cloned();
    let (Some(asked), Some(key), &Method::POST) = (asked, key, request.method()) else {
        return Ok(next.call(request).await?.map_into_boxed_body().map_into_left_body());
    };
    let Some(actor) = asked.actor.clone() else {
        return Ok(next.call(request).await?.map_into_boxed_body().map_into_left_body());
    };
    let visible = |key: &str| (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(key) = key.to_str().ok().filter(|key| visible(key)).map(str::to_owned) else {
        let error = Error::field("Idempotency-Key", "length", "Send 1 to 200 visible ASCII characters.");
        return Ok(refuse(request, &asked, &error));
    };
    let operation = format!("POST {}", request.uri().path_and_query().map_or("", |path| path.as_str()));
    let operation = Sha256::digest(operation.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let claim = new_id();
    let known = match take(&asked.platform, actor.id, &key, claim, &operation).await {
        Ok(known) => known,
        Err(error) => return Ok(refuse(request, &asked, &error)),
    };
    let body = Rc::new(RefCell::new(Body { payload: request.take_payload(), hash: Sha256::default(), end: End::NotYet, read: 0 }));
    let mut hashed = HashedPayload(body.clone());
    if known.claim != claim {
        if known.operation != operation {
            return Ok(refuse(request, &asked, &Code::KeyReused.into()));
        }
        // Committed a moment ago: its answer is about to be kept.
        if known.state == "running" || (known.state == "committed" && known.fresh) {
            return Ok(refuse(request, &asked, &Code::KeyRunning.into()));
        }
        if !hashed.read_to_end(asked.platform.config.upload_limit_bytes()).await {
            return Ok(refuse(request, &asked, &Code::BodyTooLarge.into()));
        }
        let same = known.body_hash.as_deref() == body.borrow().sum().as_deref();
        let replay = match (known.state.as_str(), known.status, same) {
            ("answered", _, false) => Err(Code::KeyReused.into()),
            ("answered", Some(status), true) => open(&asked, &actor, &known, status),
            _ => Err(Code::KeyAnswerLost.into()),
        };
        return Ok(match replay {
            Ok(response) => request.into_response(response).map_into_right_body(),
            Err(error) => refuse(request, &asked, &error),
        });
    }
    asked.claim.set(Some(claim));
    request.set_payload(Payload::Stream { payload: Box::pin(HashedPayload(body.clone())) });
    // Whatever drops this half-way (a client that goes away, a shutdown): who comes back with the key need not wait.
    let mut held = Held { services: Some(asked.platform.services().clone()), claim };
    let (head, response) = next.call(request).await?.into_parts();
    let status = response.status();
    let (parts, answer_body) = response.into_parts();
    let bytes = match to_bytes_limited(answer_body, ANSWER_LIMIT).await {
        Ok(Ok(bytes)) => bytes,
        // Too large to keep or broken: the work stands as committed, the answer is not repeatable.
        _ => {
            held.release().await;
            let lost = answer(&Code::KeyAnswerLost.into(), Some(asked.request_id.to_string()), None);
            return Ok(ServiceResponse::new(head, lost.map_into_right_body()));
        }
    };
    // Our own failures deserve a new try, and so does what was refused for who asks and not for what was asked.
    let worth_keeping = !status.is_server_error() && !matches!(status.as_u16(), 401 | 403 | 429);
    // Only a request that was read to its end can be recognised again. A step such as `approve` reads no body; some
    // clients send it one nevertheless.
    if worth_keeping {
        tokio::time::timeout(REST_TIME, hashed.read_to_end(REST_LIMIT)).await.ok();
    }
    let whole = body.borrow().sum();
    match whole.filter(|_| worth_keeping) {
        Some(sum) => {
            keep(&asked, &actor, claim, status, parts.headers(), &bytes, &sum).await;
            held.settled();
        }
        None => held.release().await,
    }
    Ok(ServiceResponse::new(head, parts.set_body(BoxBody::new(bytes)).map_into_right_body()))
}

/// A claim in hand: given back when the request is dropped before its answer is kept.
struct Held {
    services: Option<Arc<Services>>,
    claim: Uuid,
}

impl Held {
    fn settled(&mut self) {
        self.services = None;
    }

    async fn release(&mut self) {
        if let Some(services) = self.services.take() {
            release(&services, self.claim).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let claim = self.claim;
        if let (Some(services), Ok(runtime)) = (self.services.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { release(&services, claim).await });
        }
    }
}

fn refuse(request: ServiceRequest, asked: &Asked, error: &Error) -> ServiceResponse<EitherBody<BoxBody, BoxBody>> {
    request.into_response(answer(error, Some(asked.request_id.to_string()), None)).map_into_right_body()
}

async fn take(platform: &Platform, actor: Uuid, key: &str, claim: Uuid, operation: &str) -> Result<Known> {
    let mut conn = platform.db.get().await?;
    // One statement: a new claim, or the takeover of a dead one, or what is known.
    let rows: Vec<Known> = diesel::sql_query(format!(
        "WITH mine AS (
            INSERT INTO idempotency_keys AS k (actor_id, key, claim, operation) VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
                SET claim = excluded.claim, operation = excluded.operation, claimed_at = now()
                WHERE k.state = 'running' AND k.claimed_at < now() - interval '{TAKEOVER}'
            RETURNING claim, operation, state, true AS fresh, body_hash, status, headers, answer_sealed)
         SELECT * FROM mine
         UNION ALL
         SELECT claim, operation, state, body_hash IS NULL AND claimed_at > now() - interval '{TAKEOVER}', body_hash, status, headers, answer_sealed
           FROM idempotency_keys
          WHERE actor_id = $1 AND key = $2 AND NOT EXISTS (SELECT 1 FROM mine)"
    ))
    .bind::<SqlUuid, _>(actor)
    .bind::<Text, _>(key)
    .bind::<SqlUuid, _>(claim)
    .bind::<Text, _>(operation)
    .load(&mut *conn)
    .await?;
    // No row at all: the other claim appeared between snapshot and insert, so it is running now.
    rows.into_iter().next().ok_or_else(|| Code::KeyRunning.into())
}

/// What an actor may do, as text: whoever was demoted since gets no answer of before.
fn standing(actor: &Actor, status: StatusCode) -> String {
    if status.is_client_error() {
        // A refusal holds nothing of anybody.
        return PURPOSE.into();
    }
    let mut held: Vec<String> = actor.held.iter().map(|held| format!("{}|{}|{:?}", held.role.name(), held.region, held.agency)).collect();
    held.sort();
    format!("{PURPOSE} for {}", held.join(";"))
}

async fn keep(asked: &Asked, actor: &Actor, claim: Uuid, status: StatusCode, headers: &HeaderMap, body: &Bytes, sum: &[u8]) {
    let platform = &asked.platform;
    let kept: Value = HEADERS
        .iter()
        .filter_map(|name| headers.get(*name).and_then(|value| value.to_str().ok()).map(|value| ((*name).to_owned(), json!(value))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    // A disclosure's answer holds a full number: what is kept of any answer is sealed, for the standing it was given to.
    let stored = async {
        let mut plain = serde_json::to_vec(&*asked.seen.borrow()).map_err(anyhow::Error::new)?;
        plain.push(0);
        plain.extend_from_slice(body);
        let sealed = platform.keys.seal(&standing(actor, status), claim, &plain)?;
        plain.zeroize();
        let mut conn = platform.db.get().await?;
        diesel::update(keys::table.filter(keys::claim.eq(claim)))
            .set((
                keys::state.eq("answered"),
                keys::status.eq(Some(i32::from(status.as_u16()))),
                keys::headers.eq(Some(kept)),
                keys::answer_sealed.eq(Some(sealed)),
                keys::body_hash.eq(Some(sum)),
            ))
            .execute(&mut *conn)
            .await?;
        Ok::<_, Error>(())
    };
    if let Err(error) = stored.await {
        tracing::warn!(%error, "the answer to a keyed request was not kept");
    }
}

/// Gives the key back when nothing was committed under it; else says that no answer will come any more.
async fn release(services: &Services, claim: Uuid) {
    let released = async {
        let mut conn = services.db.get().await?;
        // A COMMIT that is still under way holds the row, so its outcome is waited for.
        diesel::delete(keys::table.filter(keys::claim.eq(claim)).filter(keys::state.eq("running"))).execute(&mut *conn).await?;
        diesel::sql_query(format!(
            "UPDATE idempotency_keys SET claimed_at = least(claimed_at, now() - interval '{TAKEOVER}') WHERE claim = $1 AND state = 'committed'"
        ))
        .bind::<SqlUuid, _>(claim)
        .execute(&mut *conn)
        .await?;
        Ok::<_, Error>(())
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "an idempotency key was not released");
    }
}

fn open(asked: &Asked, actor: &Actor, known: &Known, status: i32) -> Result<HttpResponse> {
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let sealed = known.answer_sealed.as_deref().unwrap_or_default();
    let plain = asked.platform.keys.open(&standing(actor, status), known.claim, sealed).map_err(|cause| {
        tracing::info!(%cause, "a kept answer is not for this actor any more, or its sealing key is gone");
        Error::from(Code::KeyAnswerLost)
    })?;
    // JSON has no byte 0.
    let cut = plain.iter().position(|byte| *byte == 0).ok_or_else(|| anyhow::anyhow!("kept answer without its head"))?;
    let (seen, body) = plain.split_at(cut);
    for seen in serde_json::from_slice::<Vec<Seen>>(seen).map_err(anyhow::Error::new)? {
        asked.platform.reads.push(Seen { id: new_id(), at: chrono::Utc::now(), request_id: asked.request_id, ..seen })?;
    }
    let mut response = HttpResponseBuilder::new(status);
    if let Some(Value::Object(headers)) = &known.headers {
        for (name, value) in headers {
            if let (Ok(name), Some(Ok(value))) = (HeaderName::try_from(name.as_str()), value.as_str().map(HeaderValue::from_str)) {
                response.insert_header((name, value));
            }
        }
    }
    response.insert_header(("idempotency-replayed", "true"));
    Ok(response.body(body.get(1..).unwrap_or_default().to_vec()))
}

/// Lets go of answers sealed under older keys. Their keys stay: a repeated request is still known to be done, and only
/// its answer is lost.
pub async fn forget_older(platform: &super::Services) -> Result<usize> {
    let mut conn = platform.db.get().await?;
    // The first two bytes tell the key; an answer may be a megabyte.
    let header = diesel::dsl::sql::<Binary>("substring(answer_sealed FROM 1 FOR 2)");
    let kept: Vec<(Uuid, Vec<u8>)> =
        keys::table.filter(keys::answer_sealed.is_not_null()).select((keys::claim, header)).load(&mut *conn).await?;
    let older: Vec<Uuid> = kept.into_iter().filter(|(_, header)| !platform.keys.is_current(header)).map(|(claim, _)| claim).collect();
    let forgotten = diesel::update(keys::table.filter(keys::claim.eq_any(older)))
        .set((keys::state.eq("committed"), keys::answer_sealed.eq(None::<Vec<u8>>)))
        .execute(&mut *conn)
        .await?;
    Ok(forgotten)
}

/// Deletes keys after a day: a retry comes within minutes, an offline front end's within hours.
pub async fn sweep(platform: &super::Services) -> Result<usize> {
    let mut conn = platform.db.get().await?;
    Ok(diesel::sql_query("DELETE FROM idempotency_keys WHERE claimed_at < now() - interval '24 hours'").execute(&mut *conn).await?)
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Whole,
    /// It broke off: what came of it is no request to recognise.
    Broken,
}

/// A request's body and a running SHA-256 of what was read of it, by whomever.
struct Body {
    payload: Payload,
    hash: Sha256,
    end: End,
    read: usize,
}

impl Body {
    fn sum(&self) -> Option<Vec<u8>> {
        (self.end == End::Whole).then(|| self.hash.clone().finalize().to_vec())
    }
}

/// A request body that is hashed while it is read, so that an upload of 150 MB needs no second look.
struct HashedPayload(Rc<RefCell<Body>>);

impl HashedPayload {
    /// Reads what is left, at most so many bytes; tells whether that was all.
    async fn read_to_end(&mut self, limit: usize) -> bool {
        let before = self.0.borrow().read;
        while self.0.borrow().end == End::NotYet {
            if self.0.borrow().read - before > limit {
                return false;
            }
            self.next().await;
        }
        true
    }
}

impl Stream for HashedPayload {
    type Item = std::result::Result<Bytes, actix_web::error::PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        if body.end != End::NotYet {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut body.payload).poll_next(context);
        if let Poll::Ready(item) = &next {
            match item {
                Some(Ok(bytes)) => {
                    body.hash.update(bytes);
                    body.read += bytes.len();
                }
                Some(Err(_)) => body.end = End::Broken,
                None => body.end = End::Whole,
            }
        }
        next
    }
}
