//! Lists: keyset pages of at most 200, and a query string in which nothing is ignored.
//!
//! An unknown key is refused: ignoring `?stauts=closed` would hand out everything.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use utoipa::openapi::path::ParameterIn;

use super::answers::{Following, Page};
use super::api::{Description, Parameter};
use super::error::{Error, FieldError, Result};
use super::ids::RegionCode;
use super::valid::{harmless, reason};

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;
/// The longest cursor taken: many times the longest one given.
const LONGEST_CURSOR: usize = 2000;

/// What a list was asked for: a page size, a cursor and filters.
#[derive(Debug)]
pub struct List<F> {
    /// The filters.
    pub filter: F,
    limit: i64,
    after: Option<String>,
    list: u32,
}

impl<F> List<F> {
    /// How many rows to fetch: one more than the page, to learn whether there is a next one.
    pub fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// The key of the last row of the page before.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        let Some(text) = self.after.as_ref() else { return Ok(None) };
        let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice::<(u32, Value)>(&bytes).ok());
        let ours = place.filter(|(list, key)| *list == self.list && !holds_nul(key));
        let key = ours.and_then(|(_, key)| serde_json::from_value(key).ok());
        key.map(Some).ok_or_else(unknown_cursor)
    }

    /// A place in this list as clients send it back.
    pub fn cursor<K: Serialize>(&self, key: &K) -> Option<String> {
        cursor(self.list, key)
    }

    /// The page: the rows as they go out, and a cursor made of the last one's key.
    pub fn page<R, K: Serialize, T>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> K, out: impl FnMut(R) -> T) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).and_then(|row| self.cursor(&key(row)));
        Page { items: rows.into_iter().map(out).collect(), next }
    }

    /// A page of a list that grows at its end and never ends: the rows, and the cursor to go on from, now or later. On the
    /// last page that is `end`, the place up to which nothing more can appear.
    pub fn part<R, K: Serialize, T>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> K,
        end: K,
        out: impl FnMut(R) -> T,
    ) -> Result<Following<T>> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let key = rows.last().filter(|_| more).map_or(end, key);
        let next = self.cursor(&key).ok_or_else(|| anyhow::anyhow!("a cursor cannot be written"))?;
        Ok(Following { items: rows.into_iter().map(out).collect(), next, more })
    }
}

fn unknown_cursor() -> Error {
    Error::field("after", "cursor", "Send the cursor from `next` of the page before, unchanged.")
}

/// No text of ours holds it and PostgreSQL takes none that does.
fn holds_nul(key: &Value) -> bool {
    match key {
        Value::String(text) => text.contains('\0'),
        Value::Array(parts) => parts.iter().any(holds_nul),
        _ => false,
    }
}

/// A place in a list as clients send it back; it begins with [`list_tag`].
pub fn cursor<K: Serialize>(list: u32, key: &K) -> Option<String> {
    serde_json::to_vec(&(list, key)).ok().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// What tells one list from another, by its whole path (ids in it are the same in capitals): a cursor from elsewhere would open a page of no meaning.
pub fn list_tag(path: &str) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(path.to_ascii_lowercase()));
    u32::from_be_bytes([a, b, c, d])
}

/// A query string in which every key is known.
pub fn parse_query<F: DeserializeOwned>(pairs: &[(String, String)]) -> Result<F> {
    for (index, (name, _)) in pairs.iter().enumerate() {
        if pairs.iter().take(index).any(|(earlier, _)| earlier == name) {
            return Err(Error::field(harmless(name), "duplicate", "The parameter is given twice."));
        }
    }
    let text = serde_urlencoded::to_string(pairs).map_err(|cause| Error::Internal(cause.into()))?;
    let from = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(from).map_err(|cause| {
        let path = harmless(&cause.path().to_string());
        let text = cause.inner().to_string();
        let (code, message) = reason(&text);
        Error::Invalid(vec![FieldError::new(path, code, message)])
    })
}

impl<F: DeserializeOwned + IntoParams + 'static> FromRequest for List<F> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(split(request))
    }
}

fn split<F: DeserializeOwned + IntoParams + 'static>(request: &HttpRequest) -> Result<List<F>> {
    let mut pairs = pairs(request)?;
    let (mut limit, mut after) = (None, None);
    let mut rest = Vec::new();
    for (name, value) in pairs.drain(..) {
        match name.as_str() {
            "limit" if limit.is_none() => {
                let asked = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                limit = Some(asked.ok_or_else(|| Error::field("limit", "range", "The page size is 1 to 200."))?);
            }
            "after" if after.is_none() => {
                if value.len() > LONGEST_CURSOR {
                    return Err(unknown_cursor());
                }
                after = Some(value);
            }
            "limit" | "after" => return Err(Error::field(name, "duplicate", "The parameter is given twice.")),
            _ => rest.push((name, value)),
        }
    }
    demand_lengths::<F>(&rest)?;
    Ok(List { filter: parse_query(&rest)?, limit: limit.unwrap_or(DEFAULT_LIMIT), after, list: list_tag(request.path()) })
}

/// Parameters and how long their texts may be.
type Lengths = Rc<[(String, usize)]>;

thread_local! {
    /// The documented lengths of each filter.
    static LENGTHS: RefCell<HashMap<TypeId, Lengths>> = RefCell::default();
}

/// Refuses a text that is longer than the document says: the document is the rule, so that the two cannot differ.
fn demand_lengths<F: IntoParams + 'static>(pairs: &[(String, String)]) -> Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let lengths = LENGTHS.with_borrow_mut(|known| known.entry(TypeId::of::<F>()).or_insert_with(documented_lengths::<F>).clone());
    for (name, value) in pairs {
        let longest = lengths.iter().find(|(limited, _)| limited == name).map(|(_, longest)| *longest);
        if let Some(longest) = longest.filter(|longest| value.chars().count() > *longest) {
            return Err(Error::field(name.as_str(), "length", format!("The value breaks its limits: max {longest}.")));
        }
    }
    Ok(())
}

fn documented_lengths<F: IntoParams>() -> Lengths {
    let parameters = F::into_params(|| Some(ParameterIn::Query)).into_iter().filter_map(|parameter| serde_json::to_value(parameter).ok());
    let lengths = parameters.filter_map(|parameter| {
        let longest = usize::try_from(parameter.pointer("/schema/maxLength")?.as_u64()?).ok()?;
        Some((parameter.get("name")?.as_str()?.to_owned(), longest))
    });
    lengths.collect()
}

fn pairs(request: &HttpRequest) -> Result<Vec<(String, String)>> {
    let refuse = || Error::field("", "query", "The query string is not valid UTF-8 in percent encoding.");
    let query = request.query_string();
    // The form parser would replace broken UTF-8 silently.
    let bytes: Vec<u8> = percent_decoded(query.as_bytes());
    if std::str::from_utf8(&bytes).is_err() || bytes.contains(&0) {
        return Err(refuse());
    }
    serde_urlencoded::from_str(query).map_err(|_| refuse())
}

pub(super) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        match (*first, hex(tail.first()), hex(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(*first),
        }
    }
    out
}

impl<F: DeserializeOwned + IntoParams + 'static> Parameter for List<F> {
    fn describe(to: &mut Description<'_>) {
        describe_query::<F>(to);
        to.parameter(json!({"name": "limit", "in": "query", "required": false, "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "description": "Page size."}));
        to.parameter(json!({"name": "after", "in": "query", "required": false, "schema": {"type": "string"}, "description": "The cursor from `next` of the page before."}));
    }
}

fn describe_query<F: IntoParams>(to: &mut Description<'_>) {
    for parameter in F::into_params(|| Some(ParameterIn::Query)) {
        to.parameter(serde_json::to_value(parameter).unwrap_or_default());
    }
    to.refusal(422, "A parameter is unknown or not valid; `errors` names it.");
}

/// The query string of something that is not a list.
#[derive(Debug)]
pub struct Query<F>(pub F);

impl<F: DeserializeOwned + IntoParams + 'static> FromRequest for Query<F> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pairs(request).and_then(|pairs| demand_lengths::<F>(&pairs).and_then(|()| parse_query(&pairs))).map(Query))
    }
}

/// That there is no query string, where an operation takes none.
#[derive(Debug)]
pub struct NoQuery;

impl FromRequest for NoQuery {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pairs(request).and_then(|pairs| match pairs.first() {
            Some((name, _)) => Err(Error::field(harmless(name), "unknown_field", "This operation takes no query parameters.")),
            None => Ok(NoQuery),
        }))
    }
}

impl<F: DeserializeOwned + IntoParams + 'static> Parameter for Query<F> {
    fn describe(to: &mut Description<'_>) {
        describe_query::<F>(to);
    }
}

/// What stands in the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// A type that a path segment can hold.
pub trait Segment: Sized + 'static {
    /// Parses it; what does not parse names nothing, which is 404.
    fn parse(text: &str) -> Option<Self>;
    /// Its schema.
    fn schema() -> Value;
}

impl Segment for uuid::Uuid {
    fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::parse_str(text).ok()
    }
    fn schema() -> Value {
        json!({"type": "string", "format": "uuid"})
    }
}

/// A place in a short list.
impl Segment for i16 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number >= 0)
    }
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": i16::MAX})
    }
}

impl Segment for RegionCode {
    fn parse(text: &str) -> Option<Self> {
        RegionCode::parse(text)
    }
    fn schema() -> Value {
        super::api::schema_value::<RegionCode>()
    }
}

fn segment<T: Segment>(request: &HttpRequest, index: usize) -> Result<T> {
    let found = request.match_info().iter().nth(index).map(|(_, text)| text.to_owned());
    found.and_then(|text| T::parse(&text)).ok_or_else(|| super::error::Code::NotFound.into())
}

fn describe_segment(to: &mut Description<'_>, index: usize, schema: Value) {
    if let Some(name) = to.path_names().get(index) {
        to.parameter(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
}

impl<T: Segment> FromRequest for Path<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(segment(request, 0).map(Path))
    }
}

impl<T: Segment> Parameter for Path<T> {
    fn describe(to: &mut Description<'_>) {
        describe_segment(to, 0, T::schema());
        to.refusal(404, "There is no such thing, or it lies outside your regions.");
    }
}

impl<A: Segment, B: Segment> FromRequest for Path<(A, B)> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(segment(request, 0).and_then(|a| Ok(Path((a, segment(request, 1)?)))))
    }
}

impl<A: Segment, B: Segment, C: Segment> FromRequest for Path<(A, B, C)> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parts = || Ok(Path((segment(request, 0)?, segment(request, 1)?, segment(request, 2)?)));
        ready(parts())
    }
}

impl<A: Segment, B: Segment, C: Segment> Parameter for Path<(A, B, C)> {
    fn describe(to: &mut Description<'_>) {
        describe_segment(to, 0, A::schema());
        describe_segment(to, 1, B::schema());
        describe_segment(to, 2, C::schema());
        to.refusal(404, "There is no such thing, or it lies outside your regions.");
    }
}

impl<A: Segment, B: Segment> Parameter for Path<(A, B)> {
    fn describe(to: &mut Description<'_>) {
        describe_segment(to, 0, A::schema());
        describe_segment(to, 1, B::schema());
        to.refusal(404, "There is no such thing, or it lies outside your regions.");
    }
}
