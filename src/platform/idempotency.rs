//! `Idempotency-Key` on every POST: the same key and body get the first answer again, and nothing happens twice.
//!
//! The claim is a row of its own. [`super::db::Tx`] turns it to `committed` inside the very transaction that does the
//! work, so a crash can lose the answer but never repeat the work; a claim that outlived its process is taken over.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, EitherBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse, HttpResponseBuilder};
use diesel::sql_types::{Binary, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName};
use diesel_async::RunQueryDsl;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Platform;
use super::access::Asked;
use super::db::{Scoped, Tx};
use super::error::{Code, Error, Result, answer};
use super::ids::new_id;
use crate::schema::idempotency_keys as keys;

/// Answers larger than this are not kept; the key then answers `idempotency_answer_lost`.
const ANSWER_LIMIT: usize = 1 << 20;
/// A claim older than this whose work did not commit belongs to a process that died.
const TAKEOVER: &str = "60 seconds";
const HEADERS: [&str; 3] = ["content-type", "etag", "location"];
const PURPOSE: &str = "idempotency_keys.answer";

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
    let Some(key) = key.to_str().ok().filter(|key| (1..=200).contains(&key.len())).map(str::to_owned) else {
        let error = Error::field("Idempotency-Key", "length", "Send 1 to 200 visible ASCII characters.");
        return Ok(refuse(request, &asked, &error));
    };
    let operation = format!("POST {}", request.uri().path_and_query().map_or("", |path| path.as_str()));
    // The rights are part of it: an answer is not repeated to somebody who has lost the right to it since.
    let mut rights: Vec<String> = actor.held.iter().map(|held| format!("{held:?}")).collect();
    rights.sort();
    let operation = format!("{} {}", hex(operation.as_bytes()), hex(rights.join(";").as_bytes()));
    let claim = new_id();
    let known = match take(&asked.platform, actor.id, &key, claim, &operation).await {
        Ok(known) => known,
        Err(error) => return Ok(refuse(request, &asked, &error)),
    };
    // A step such as `approve` has no body, and its handler reads none: that is a body read to its end.
    let bodiless =
        request.headers().get("content-length").is_none_or(|length| length == "0") && !request.headers().contains_key("transfer-encoding");
    let hasher = Rc::new(RefCell::new(Hashing { ended: bodiless, ..Hashing::default() }));
    let payload = request.take_payload();
    let mut hashed = Box::pin(HashedPayload { payload, hasher: hasher.clone() });
    if known.claim != claim {
        if known.operation.split(' ').next() != operation.split(' ').next() {
            return Ok(refuse(request, &asked, &Code::KeyReused.into()));
        }
        if known.operation != operation {
            return Ok(refuse(request, &asked, &Code::KeyAnswerLost.into()));
        }
        if known.state == "running" {
            return Ok(refuse(request, &asked, &Code::KeyRunning.into()));
        }
        let limit = asked.platform.config.upload_limit_bytes();
        let mut seen = 0usize;
        while let Some(part) = hashed.next().await {
            seen = seen.saturating_add(part.map_or(limit, |bytes| bytes.len()));
            if seen > limit {
                return Ok(refuse(request, &asked, &Code::BodyTooLarge.into()));
            }
        }
        let same = known.body_hash.as_deref() == hasher.borrow().sum().as_deref();
        let replay = match (known.state.as_str(), known.status, same) {
            ("answered", _, false) => Err(Code::KeyReused.into()),
            ("answered", Some(status), true) => open(&asked.platform, &known, status),
            _ => Err(Code::KeyAnswerLost.into()),
        };
        return Ok(match replay {
            Ok(response) => request.into_response(response).map_into_right_body(),
            Err(error) => refuse(request, &asked, &error),
        });
    }
    asked.claim.set(Some(claim));
    request.set_payload(Payload::Stream { payload: hashed });
    let response = match next.call(request).await {
        Ok(response) => response,
        Err(error) => {
            release(&asked.platform, claim).await;
            return Err(error);
        }
    };
    let (head, response) = response.into_parts();
    let status = response.status();
    let (parts, body) = response.into_parts();
    let bytes = match to_bytes_limited(body, ANSWER_LIMIT).await {
        Ok(Ok(bytes)) => bytes,
        // Too large to keep or broken: the work stands as committed, the answer is not repeatable.
        _ => {
            let lost = answer(&Code::KeyAnswerLost.into(), Some(asked.request_id.to_string()), None);
            return Ok(ServiceResponse::new(head, lost.map_into_right_body()));
        }
    };
    let whole = hasher.borrow().sum();
    // Only a request that was read to its end can be recognised again, and our own failures deserve a new try.
    match whole.filter(|_| !status.is_server_error()) {
        Some(sum) => keep(&asked.platform, claim, status, parts.headers(), &bytes, &sum).await,
        None => release(&asked.platform, claim).await,
    }
    Ok(ServiceResponse::new(head, parts.set_body(BoxBody::new(bytes)).map_into_right_body()))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
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
            RETURNING claim, operation, state, body_hash, status, headers, answer_sealed)
         SELECT * FROM mine
         UNION ALL
         SELECT claim, operation, state, body_hash, status, headers, answer_sealed FROM idempotency_keys
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

async fn keep(platform: &Platform, claim: Uuid, status: StatusCode, headers: &HeaderMap, body: &Bytes, sum: &[u8]) {
    let kept: Value = HEADERS
        .iter()
        .filter_map(|name| headers.get(*name).and_then(|value| value.to_str().ok()).map(|value| ((*name).to_owned(), json!(value))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    // A disclosure's answer holds a full number: what is kept of any answer is sealed.
    let stored = async {
        let sealed = platform.keys.seal(PURPOSE, claim, body)?;
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

/// Gives the key back when nothing was committed under it.
async fn release(platform: &Platform, claim: Uuid) {
    let released = async {
        let mut conn = platform.db.get().await?;
        diesel::delete(keys::table.filter(keys::claim.eq(claim)).filter(keys::state.eq("running"))).execute(&mut *conn).await.optional()?;
        Ok::<_, Error>(())
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "an idempotency key was not released");
    }
}

fn open(platform: &Platform, known: &Known, status: i32) -> Result<HttpResponse> {
    let sealed = known.answer_sealed.as_deref().unwrap_or_default();
    let body = platform.keys.open(PURPOSE, known.claim, sealed).map_err(|cause| anyhow::anyhow!("kept answer: {cause}"))?;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = HttpResponseBuilder::new(status);
    if let Some(Value::Object(headers)) = &known.headers {
        for (name, value) in headers {
            if let (Ok(name), Some(Ok(value))) = (HeaderName::try_from(name.as_str()), value.as_str().map(HeaderValue::from_str)) {
                response.insert_header((name, value));
            }
        }
    }
    response.insert_header(("idempotency-replayed", "true"));
    Ok(response.body(body.to_vec()))
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

/// A running SHA-256 that knows whether the body came to its end.
#[derive(Default)]
struct Hashing {
    hash: Sha256,
    ended: bool,
}

impl Hashing {
    fn sum(&self) -> Option<Vec<u8>> {
        self.ended.then(|| self.hash.clone().finalize().to_vec())
    }
}

/// A request body that is hashed while it is read, so that an upload of 150 MB needs no second look.
struct HashedPayload {
    payload: Payload,
    hasher: Rc<RefCell<Hashing>>,
}

impl Stream for HashedPayload {
    type Item = std::result::Result<Bytes, actix_web::error::PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.payload).poll_next(context);
        if let Poll::Ready(item) = &next {
            let mut hasher = self.hasher.borrow_mut();
            match item {
                Some(Ok(bytes)) => hasher.hash.update(bytes),
                Some(Err(_)) => {}
                None => hasher.ended = true,
            }
        }
        next
    }
}
