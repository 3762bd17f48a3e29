//! Bodies: JSON, parsed strictly, validated, refused with the place and the reason and never with the rejected value.

use actix_web::dev::{Decompress, Payload};
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use super::api::{Description, Parameter};
use super::error::{Code, Error, FieldError, Result};
use super::sensitive::{holds_number, numbers_masked};

/// A JSON body that keeps its limits.
#[derive(Debug)]
pub struct Valid<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Valid<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = read_json::<T>(request, payload, &["application/json"]);
        Box::pin(async move { read.await.map(Valid) })
    }
}

impl<T: DeserializeOwned + Validate + ToSchema + 'static> Parameter for Valid<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.body(json!({"application/json": {"schema": schema}}));
        describe_refusals(to);
    }
}

/// A JSON body that may be left out, for steps that take a reason; when there is one it keeps its limits.
#[derive(Debug)]
pub struct Optional<T>(pub T);

impl<T: DeserializeOwned + Validate + Default + 'static> FromRequest for Optional<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let none = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0") && !headers.contains_key(TRANSFER_ENCODING);
        if none && request.version() < Version::HTTP_2 {
            return Box::pin(async { Ok(Optional(T::default())) });
        }
        let typed = headers.contains_key(CONTENT_TYPE);
        let read = read_json::<T>(request, payload, &["application/json"]);
        Box::pin(async move {
            match read.await {
                // HTTP/2 need not tell beforehand whether a body follows.
                Err(Error::Refused(Code::MediaType)) if none && !typed => Ok(Optional(T::default())),
                read => read.map(Optional),
            }
        })
    }
}

impl<T: DeserializeOwned + Validate + Default + ToSchema + 'static> Parameter for Optional<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.optional_body(json!({"application/json": {"schema": schema}}));
        describe_refusals(to);
    }
}

/// The largest body of [`Large`], unpacked.
const LARGE: usize = 8 << 20;

/// A JSON body that may be large: what an offline front end gathered for days and sends at once. Packed bodies
/// (`Content-Encoding: gzip`) are unpacked within the same limit.
#[derive(Debug)]
pub struct Large<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Large<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = kind_of(request);
        let packed = packed_otherwise(request);
        let mut body = Decompress::from_headers(payload.take(), request.headers());
        Box::pin(async move {
            if kind != "application/json" || packed {
                return Err(Code::MediaType.into());
            }
            let mut bytes = Vec::new();
            while let Some(part) = body.next().await {
                bytes.extend_from_slice(&part.map_err(|_| cut())?);
                if bytes.len() > LARGE {
                    return Err(Code::BodyTooLarge.into());
                }
            }
            valid::<T>(&bytes).map(Large)
        })
    }
}

impl<T: DeserializeOwned + Validate + ToSchema + 'static> Parameter for Large<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.body(json!({"application/json": {"schema": schema}}));
        to.body_limit(LARGE);
        describe_refusals(to);
    }
}

fn kind_of(request: &HttpRequest) -> String {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the body is packed in a way that nobody here unpacks; read as it is, it would be taken for broken JSON.
pub(super) fn packed_otherwise(request: &HttpRequest) -> bool {
    let known = |coding: &str| ["", "identity", "gzip", "deflate"].iter().any(|known| coding.eq_ignore_ascii_case(known));
    request.headers().get_all(CONTENT_ENCODING).any(|coding| !coding.to_str().is_ok_and(|coding| known(coding.trim())))
}

fn cut() -> Error {
    Error::field("", "body", "The body ended too early or cannot be read.")
}

fn valid<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T> {
    let body: T = parse(bytes)?;
    body.validate().map_err(|errors| Error::Invalid(told(&errors)))?;
    Ok(body)
}

/// One element of a body that is judged element by element, because one bad element must not cost the good ones.
pub fn element<T: DeserializeOwned + Validate>(value: &serde_json::value::RawValue) -> Result<T> {
    valid(value.get().as_bytes())
}

pub(super) fn describe_refusals(to: &mut Description<'_>) {
    to.refusal(408, "The body did not arrive in time.");
    to.refusal(413, "The body is too large.");
    to.refusal(415, "The body is not JSON.");
}

/// Reads, parses and validates a JSON body.
pub(super) fn read_json<T: DeserializeOwned + Validate + 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    kinds: &'static [&'static str],
) -> impl Future<Output = Result<T>> + use<T> {
    let (kind, packed) = (kind_of(request), packed_otherwise(request));
    let bytes = Bytes::from_request(request, payload);
    async move {
        if !kinds.contains(&kind.as_str()) || packed {
            return Err(Code::MediaType.into());
        }
        let bytes = bytes.await.map_err(|cause| match cause.error_response().status().as_u16() {
            413 => Error::from(Code::BodyTooLarge),
            _ => cut(),
        })?;
        valid(&bytes)
    }
}

/// Parses JSON; the error tells place and reason.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // serde_json would pass over broken UTF-8 in skipped places.
    if std::str::from_utf8(bytes).is_err() {
        return Err(Error::field("", "utf8", "The body is not valid UTF-8."));
    }
    // serde would take an array for a structure, field by field.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first != b'{') {
        return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            Ok(_) => Error::field("", "type", "The body must be a JSON object."),
            Err(cause) => explained("", &cause),
        });
    }
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut from).map_err(|cause| {
        let path = harmless(&cause.path().to_string());
        explained(&path, cause.inner())
    })?;
    from.end().map_err(|_| Error::field("", "syntax", "Something follows the end of the JSON value."))?;
    Ok(parsed)
}

/// The path without any part that a client made up: an unknown key may hold anything, even a number of somebody's.
pub(super) fn harmless(path: &str) -> String {
    let plain = |part: &&str| {
        let name = part.split('[').next().unwrap_or_default();
        name.len() <= 40
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().filter(u8::is_ascii_digit).count() <= 3
    };
    path.split('.').filter(|part| !part.is_empty()).map(|part| if plain(&part) { part } else { "?" }).collect::<Vec<_>>().join(".")
}

/// What serde objects to, without the value it objects to.
fn explained(path: &str, cause: &serde_json::Error) -> Error {
    if cause.is_syntax() || cause.is_eof() {
        return Error::field("", "syntax", format!("The body is not JSON: see line {}, column {}.", cause.line(), cause.column()));
    }
    let text = cause.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let (code, message) = reason(text);
    Error::Invalid(vec![FieldError::new(path, code, message)])
}

/// A stable word and a sentence for one of serde's messages; only what we wrote ourselves is repeated.
pub(super) fn reason(text: &str) -> (&str, String) {
    let expected = text.rsplit_once("expected ").map(|(_, expected)| expected);
    if text.starts_with("missing field") {
        let name = text.split('`').nth(1).unwrap_or_default();
        return ("required", format!("The field `{name}` is required."));
    }
    if text.starts_with("unknown field") {
        return ("unknown_field", format!("This field is not known here; expected {}.", expected.unwrap_or("no fields")));
    }
    if text.starts_with("unknown variant") {
        return ("unknown_value", format!("This value is not known; expected {}.", expected.unwrap_or("another")));
    }
    if text.starts_with("duplicate field") {
        return ("duplicate_field", "The field is given twice.".into());
    }
    if text.starts_with("invalid ") || text.contains("out of range") {
        return ("type", format!("The value has the wrong type or range; expected {}.", expected.unwrap_or("another")));
    }
    // Our own types refuse with a bare word.
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()) {
        return (text, sentence(text));
    }
    // A foreign type's message (a date's, a UUID's) may repeat the value.
    ("format", "The value does not have the documented format.".into())
}

fn sentence(code: &str) -> String {
    match code {
        "region_code_shape" => "A region is a Kemendagri code such as 62.02.09.2001.".into(),
        "quarter_shape" => "A quarter is written 2026-Q3.".into(),
        _ if code.starts_with("nik_") => "A NIK has 16 digits: region, date of birth (women: day + 40), serial (domain.md §3.1).".into(),
        _ if code.starts_with("kk_") => "A KK number has 16 digits: region, date of issue, serial.".into(),
        _ => "The value does not have the documented format.".into(),
    }
}

/// validator's findings as ours: code and limits only, for its own text repeats the value.
pub(super) fn told(errors: &ValidationErrors) -> Vec<FieldError> {
    let mut list = Vec::new();
    collect("", errors, &mut list);
    list.sort_by(|a, b| a.path.cmp(&b.path));
    list
}

fn collect(prefix: &str, errors: &ValidationErrors, list: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        let path = match (prefix.is_empty(), name.as_ref()) {
            (_, "__all__") => prefix.to_owned(),
            (true, name) => name.to_owned(),
            (false, name) => format!("{prefix}.{name}"),
        };
        match kind {
            ValidationErrorsKind::Struct(inner) => collect(&path, inner, list),
            ValidationErrorsKind::List(inner) => {
                for (index, inner) in inner {
                    collect(&format!("{path}[{index}]"), inner, list);
                }
            }
            ValidationErrorsKind::Field(found) => {
                for error in found {
                    let limits: Vec<String> = ["min", "max", "equal"]
                        .iter()
                        .filter_map(|limit| error.params.get(*limit).map(|value| format!("{limit} {value}")))
                        .collect();
                    let message = match (&error.message, limits.is_empty()) {
                        (Some(ours), _) => ours.to_string(),
                        (None, false) => format!("The value breaks its limits: {}.", limits.join(", ")),
                        (None, true) => "The value does not have the documented format.".into(),
                    };
                    list.push(FieldError::new(path.clone(), error.code.to_string(), message));
                }
            }
        }
    }
}

/// For a field of a merge patch that may not be null: absent leaves it, a value sets it, null is refused.
pub fn given<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// For validator: a text that is not only white space and has no control characters.
pub fn printable(text: &str) -> std::result::Result<(), validator::ValidationError> {
    let good = !text.trim().is_empty() && !text.chars().any(|c| c.is_control() || c == '\u{feff}');
    if good {
        Ok(())
    } else {
        Err(validator::ValidationError::new("printable").with_message("The text is blank or has control characters.".into()))
    }
}

/// For validator: a text that is kept for ever and read by many holds no NIK or KK number.
pub fn unnumbered(text: &str) -> std::result::Result<(), validator::ValidationError> {
    printable(text)?;
    if holds_number(text) {
        Err(validator::ValidationError::new("personal_number")
            .with_message("No NIK or KK number may stand in this text: it is kept for ever.".into()))
    } else {
        Ok(())
    }
}

/// For validator: a name or an address holds no NIK or KK number, which would stand there in clear.
pub fn numberless(text: &str) -> std::result::Result<(), validator::ValidationError> {
    printable(text)?;
    if numbers_masked(text).is_some() {
        let message = "No NIK or KK number may stand here: it has a field of its own, in which it is kept encrypted.";
        Err(validator::ValidationError::new("personal_number").with_message(message.into()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, serde::Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[validate(length(max = 3))]
        name: String,
        #[expect(dead_code, reason = "parsed only")]
        count: Option<u8>,
    }

    fn text_of(error: &Error) -> String {
        format!("{error:?}")
    }

    proptest! {
        #[test]
        fn no_refusal_repeats_the_value(secret in "[0-9]{16}") {
            for body in [
                format!(r#"{{"name": {secret}}}"#),
                format!(r#"{{"name": "a", "count": "{secret}"}}"#),
                format!(r#"{{"name": "a", "{secret}": 1}}"#),
                format!(r#"{{"name": "a", "count": {secret}}}"#),
                format!(r#"{{"name": "{secret}""#),
            ] {
                let error = parse::<Body>(body.as_bytes()).unwrap_err();
                prop_assert!(!text_of(&error).contains(&secret), "{}", text_of(&error));
            }
            let long: Body = parse(format!(r#"{{"name": "{secret}"}}"#).as_bytes()).unwrap();
            let told = format!("{:?}", told(&long.validate().unwrap_err()));
            prop_assert!(told.contains("max 3") && !told.contains(&secret));
            prop_assert_eq!(&long.name, &secret);
        }
    }

    #[test]
    fn places_and_reasons_are_told() {
        let error = parse::<Body>(br#"{"name": "a", "count": 300}"#).unwrap_err();
        assert!(text_of(&error).contains("\"count\""), "{error:?}");
        assert!(text_of(&parse::<Body>(b"{}").unwrap_err()).contains("`name`"));
        assert!(text_of(&parse::<Body>(b"{\"name\": \"\xff\"}").unwrap_err()).contains("utf8"));
    }
}
