//! The answers a handler may return; each brings its status, headers and schema into the document.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, LINK, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::api::{Answer, BASE, Description};
use super::error::{Error, answer};

mod files;

pub use files::{CsvFile, Download, PlainText, Table, Workbook};

/// A record that has an address and versions.
pub trait Resource: Serialize + ToSchema {
    /// Its path below the base, e.g. `/agencies/0192…`.
    fn location(&self) -> String;
    /// The version that its ETag shows.
    fn version(&self) -> i32;
}

fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

/// Whether the reader says to have what this tag stands for.
fn has(request: &HttpRequest, tag: &str) -> bool {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    request.method().is_safe()
        && known.is_some_and(|known| known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag))
}

fn json_of<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    let mut response = HttpResponse::build(status).json(body);
    // Records of people belong in no shared cache, and what one actor sees is not what another sees.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// 200 with an ETag; 304 when the reader has this version.
#[derive(Debug)]
pub struct Found<T>(pub T);

impl<T: Resource> Responder for Found<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let tag = etag(self.0.version());
        let mut response = if has(request, &tag) { HttpResponse::NotModified().finish() } else { json_of(StatusCode::OK, &self.0) };
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

impl<T: Resource> Answer for Found<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.response(
            200,
            "The record as it stands.",
            Some(("application/json", schema)),
            &[("ETag", "Its version; send it as If-Match to change it.")],
        );
        if !to.writes() {
            describe_known(to);
        }
    }
}

/// A record that may have been merged into another: 200 as [`Found`], or 307 to the one that is kept. Not 308: a merge can be undone.
#[derive(Debug)]
pub enum Lasting<T> {
    /// It stands.
    Here(T),
    /// It leads to the record at this path below the base.
    At(String),
}

impl<T: Resource> Responder for Lasting<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Lasting::Here(record) => Found(record).respond_to(request),
            Lasting::At(path) => {
                let mut response = located(HttpResponse::TemporaryRedirect().finish(), &path, None);
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
                response
            }
        }
    }
}

impl<T: Resource> Answer for Lasting<T> {
    fn describe(to: &mut Description<'_>) {
        Found::<T>::describe(to);
        to.response(
            307,
            "It was merged into another record, or went with one: follow Location.",
            None,
            &[("Location", "The record that is kept.")],
        );
    }
}

/// 200 with something that has no versions: a figure, a summary.
#[derive(Debug)]
pub struct Item<T>(pub T);

impl<T: Serialize + ToSchema> Responder for Item<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        json_of(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize + ToSchema> Answer for Item<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.response(200, "As asked.", Some(("application/json", schema)), &[]);
    }
}

/// 200 with something composed of many records, and an ETag over its content: whoever asks again over a slow network gets 304
/// where nothing changed.
#[derive(Debug)]
pub struct Hashed<T>(pub T);

impl<T: Serialize + ToSchema> Responder for Hashed<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let body = match serde_json::to_vec(&self.0) {
            Ok(body) => body,
            Err(cause) => return answer(&Error::Internal(cause.into()), None, None),
        };
        let tag: String = Sha256::digest(&body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let tag = format!("\"{tag}\"");
        let mut response = if has(request, &tag) {
            HttpResponse::NotModified().finish()
        } else {
            HttpResponse::Ok().content_type("application/json").insert_header((CACHE_CONTROL, "private, no-cache")).body(body)
        };
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

impl<T: Serialize + ToSchema> Answer for Hashed<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.response(200, "As it stands.", Some(("application/json", schema)), &[("ETag", "Of the content; send it as If-None-Match.")]);
        describe_known(to);
    }
}

fn describe_known(to: &mut Description<'_>) {
    to.parameter(json!({"name": "If-None-Match", "in": "header", "required": false, "schema": {"type": "string"}, "description": "The ETag you have; 304 when it is still right."}));
    to.response(304, "You have this version.", None, &[]);
}

/// 201 with the record's address and version.
#[derive(Debug)]
pub struct Created<T>(pub T);

impl<T: Resource> Responder for Created<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        located(json_of(StatusCode::CREATED, &self.0), &self.0.location(), Some(self.0.version()))
    }
}

impl<T: Resource> Answer for Created<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        let headers = [("Location", "Where the record lives."), ("ETag", "Its version.")];
        to.response(201, "Created.", Some(("application/json", schema)), &headers);
    }
}

/// 201 with a new record, or 200 with the one that the same request made before.
#[derive(Debug)]
pub enum Once<T> {
    /// It was made now.
    Made(T),
    /// It was made before; nothing is done twice.
    Known(T),
}

impl<T: Resource> Responder for Once<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Once::Made(record) => Created(record).respond_to(request),
            Once::Known(record) => located(json_of(StatusCode::OK, &record), &record.location(), Some(record.version())),
        }
    }
}

impl<T: Resource> Answer for Once<T> {
    fn describe(to: &mut Description<'_>) {
        Created::<T>::describe(to);
        let schema = to.schema::<T>();
        let headers = [("Location", "Where the record lives."), ("ETag", "Its version.")];
        to.response(200, "Sent before; this is what was made of it.", Some(("application/json", schema)), &headers);
    }
}

/// 202 with a record that long work has only begun on; its address tells how far it is.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

impl<T: Resource> Responder for Accepted<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        located(json_of(StatusCode::ACCEPTED, &self.0), &self.0.location(), None)
    }
}

impl<T: Resource> Answer for Accepted<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.response(202, "Accepted; the work goes on.", Some(("application/json", schema)), &[("Location", "Where to follow it.")]);
    }
}

/// 202 with what long work has only begun on, or 200 with what the same delivery began before.
#[derive(Debug)]
pub enum Delivered<T> {
    /// The work has begun.
    Begun(T),
    /// It was begun before; nothing is done twice.
    Known(T),
}

impl<T: Resource> Responder for Delivered<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let (status, body) = match self {
            Delivered::Begun(body) => (StatusCode::ACCEPTED, body),
            Delivered::Known(body) => (StatusCode::OK, body),
        };
        located(json_of(status, &body), &body.location(), None)
    }
}

impl<T: Resource> Answer for Delivered<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        let headers = [("Location", "Where to follow it.")];
        to.response(202, "Accepted; the work goes on.", Some(("application/json", schema.clone())), &headers);
        to.response(200, "Delivered before; this is what it began.", Some(("application/json", schema)), &headers);
    }
}

fn located(mut response: HttpResponse, location: &str, version: Option<i32>) -> HttpResponse {
    if let Ok(location) = HeaderValue::from_str(&format!("{BASE}{location}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    if let Some(Ok(tag)) = version.map(|version| HeaderValue::from_str(&etag(version))) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// 204.
#[derive(Debug)]
pub struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}

impl Answer for NoContent {
    fn describe(to: &mut Description<'_>) {
        to.response(204, "Done.", None, &[]);
    }
}

/// One page of a list, and where the next begins.
#[derive(Debug)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

#[derive(Serialize)]
struct PageBody<'a, T> {
    items: &'a [T],
    next: Option<&'a str>,
}

impl<T: Serialize> Responder for Page<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = json_of(StatusCode::OK, &PageBody { items: &self.items, next: self.next.as_deref() });
        if let Some(next) = &self.next {
            let link = next_link(request, next).and_then(|link| HeaderValue::from_str(&link).map_err(|cause| anyhow::anyhow!(cause)));
            match link {
                Ok(link) => {
                    response.headers_mut().insert(LINK, link);
                }
                Err(cause) => return answer(&Error::Internal(cause), None, None),
            }
        }
        response
    }
}

/// The same address with another `after` (RFC 8288).
fn next_link(request: &HttpRequest, next: &str) -> anyhow::Result<String> {
    let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(request.query_string())?;
    pairs.retain(|(name, _)| name != "after");
    pairs.push(("after".into(), next.into()));
    Ok(format!("<{}?{}>; rel=\"next\"", request.path(), serde_urlencoded::to_string(pairs)?))
}

impl<T: Serialize + ToSchema> Answer for Page<T> {
    fn describe(to: &mut Description<'_>) {
        let item = to.schema::<T>();
        let schema = json!({
            "type": "object", "title": format!("{}Page", T::name()), "required": ["items", "next"],
            "properties": {
                "items": {"type": "array", "items": item},
                "next": {"type": ["string", "null"], "description": "Send it as `after`; null on the last page."},
            },
        });
        to.response(200, "One page.", Some(("application/json", schema)), &[("Link", "The next page (RFC 8288), where there is one.")]);
    }
}

/// A part of a list that never ends: `next` is always there, because more may come later.
#[derive(Debug)]
pub struct Following<T> {
    /// The records.
    pub items: Vec<T>,
    /// The cursor to go on from.
    pub next: String,
    /// Whether there is more already.
    pub more: bool,
}

#[derive(Serialize)]
struct FollowingBody<'a, T> {
    items: &'a [T],
    next: &'a str,
    more: bool,
}

impl<T: Serialize> Responder for Following<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = json_of(StatusCode::OK, &FollowingBody { items: &self.items, next: &self.next, more: self.more });
        let link = next_link(request, &self.next).and_then(|link| HeaderValue::from_str(&link).map_err(|cause| anyhow::anyhow!(cause)));
        match link {
            Ok(link) => response.headers_mut().insert(LINK, link),
            Err(cause) => return answer(&Error::Internal(cause), None, None),
        };
        response
    }
}

impl<T: Serialize + ToSchema> Answer for Following<T> {
    fn describe(to: &mut Description<'_>) {
        let item = to.schema::<T>();
        let schema = json!({
            "type": "object", "title": format!("{}Part", T::name()), "required": ["items", "next", "more"],
            "properties": {
                "items": {"type": "array", "items": item},
                "next": {"type": "string", "description": "Keep it and send it as `after`, now or later. Never null: this list has no last page."},
                "more": {"type": "boolean", "description": "Whether more is waiting already: ask again at once. If not, ask again later."},
            },
        });
        to.response(200, "What came next.", Some(("application/json", schema)), &[("Link", "Where to go on (RFC 8288).")]);
    }
}
