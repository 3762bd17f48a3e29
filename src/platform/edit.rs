//! Edits: a merge patch (RFC 7396) under `If-Match`, so that nobody's change is overwritten unseen.

use actix_web::dev::Payload;
use actix_web::http::header::IF_MATCH;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::future::{Ready, ready};
use utoipa::ToSchema;
use validator::Validate;

use super::api::{Description, Parameter};
use super::error::{Code, Error, Result};
use super::valid::{describe_refusals, read_json};

/// The versions that the client would change, from `If-Match`: as a rule the one that it read.
#[derive(Debug, Clone)]
pub struct IfMatch(Vec<i32>);

impl IfMatch {
    /// Refuses when the record has moved on.
    pub fn demand(&self, version: i32) -> Result<()> {
        if self.0.contains(&version) { Ok(()) } else { Err(Code::VersionStale.into()) }
    }
}

fn expected(request: &HttpRequest) -> Result<IfMatch> {
    let lines: Vec<&str> = request.headers().get_all(IF_MATCH).map(|value| value.to_str().unwrap_or_default()).collect();
    if lines.is_empty() {
        return Err(Code::VersionRequired.into());
    }
    // One of a list is enough (RFC 9110 §13.1.1). A weak or foreign tag names no version of ours, so it cannot match; nor does `*`,
    // by which nobody's change would be seen.
    let tags = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    let versions: Vec<i32> =
        tags.filter_map(|tag| tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok())).collect();
    if versions.is_empty() { Err(Code::VersionStale.into()) } else { Ok(IfMatch(versions)) }
}

fn describe_match(to: &mut Description<'_>) {
    to.parameter(json!({"name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"}, "description": "Required: the ETag of the version you read; 428 without it."}));
    to.refusal(412, "The record has changed since you read it.");
    to.refusal(428, "If-Match is missing.");
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(expected(request))
    }
}

impl Parameter for IfMatch {
    fn describe(to: &mut Description<'_>) {
        describe_match(to);
    }
}

/// `If-Match` where it may be left out: a step (`submit`, `approve`) is guarded by the record's state, but whoever sends the
/// version they read is not made to vouch for another one (RFC 9110 §13.1.1: a condition that is sent must be kept).
#[derive(Debug, Clone)]
pub struct IfGiven(Option<IfMatch>);

impl IfGiven {
    /// For a lock that is taken for something else than an edit of the record.
    pub const NOTHING: IfGiven = IfGiven(None);

    /// Refuses when a version was sent and the record has moved on.
    pub fn demand(&self, version: i32) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |sent| sent.demand(version))
    }
}

impl From<IfMatch> for IfGiven {
    fn from(sent: IfMatch) -> Self {
        IfGiven(Some(sent))
    }
}

impl FromRequest for IfGiven {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let sent = request.headers().contains_key(IF_MATCH).then(|| expected(request)).transpose();
        ready(sent.map(IfGiven))
    }
}

impl Parameter for IfGiven {
    fn describe(to: &mut Description<'_>) {
        to.parameter(json!({"name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"}, "description": "The ETag of the version you read; sent, the step is refused when the record has changed since."}));
        to.refusal(412, "The record has changed since you read it.");
    }
}

/// The version that was read and the fields to change; an absent field stays, null clears.
#[derive(Debug)]
pub struct Edit<T> {
    /// The version that the client read.
    pub expected: IfMatch,
    /// The fields to change.
    pub patch: T,
}

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Edit<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let expected = expected(request);
        let read = read_json::<T>(request, payload, &["application/merge-patch+json", "application/json"]);
        Box::pin(async move { Ok(Edit { expected: expected?, patch: read.await? }) })
    }
}

impl<T: DeserializeOwned + Validate + ToSchema + 'static> Parameter for Edit<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.body(json!({"application/merge-patch+json": {"schema": schema.clone()}, "application/json": {"schema": schema}}));
        describe_refusals(to);
        describe_match(to);
    }
}
