//! Form bodies, which OAuth speaks: every key known and given once, refused as RFC 6749 refuses and without the value.

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::ToSchema;

use super::api::{Description, Parameter};
use super::error::{Code, Error, Result};
use super::list::{parse_query, percent_decoded};
use super::valid::packed_otherwise;

const KIND: &str = "application/x-www-form-urlencoded";

/// A form body.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let known = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(KIND) && !packed_otherwise(request);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            if !known {
                return Err(Code::MediaType.into());
            }
            let bytes = bytes.await.map_err(|cause| match cause.error_response().status().as_u16() {
                413 => Error::from(Code::BodyTooLarge),
                _ => Error::RefusedBecause(Code::InvalidRequest, "The body ended too early or cannot be read.".into()),
            })?;
            parse(&bytes).map(Form)
        })
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // The form parser would replace broken UTF-8 silently.
    if std::str::from_utf8(&percent_decoded(bytes)).is_err() {
        return Err(Error::RefusedBecause(Code::InvalidRequest, "The body is not valid UTF-8 in percent encoding.".into()));
    }
    // RFC 6749 section 3.2: a parameter without a value counts as omitted.
    let pairs: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().filter(|(_, value)| !value.is_empty()).collect();
    parse_query(&pairs).map_err(|error| match error {
        // Not the path: an unknown key may be a secret in the wrong place.
        Error::Invalid(errors) => {
            let sentence = errors.into_iter().next().map_or_else(String::new, |error| error.message);
            Error::RefusedBecause(Code::InvalidRequest, sentence)
        }
        other => other,
    })
}

impl<T: DeserializeOwned + ToSchema + 'static> Parameter for Form<T> {
    fn describe(to: &mut Description<'_>) {
        let schema = to.schema::<T>();
        to.body(json!({KIND: {"schema": schema}}));
        to.refusal(
            400,
            "A parameter is missing, unknown or given twice, or what was presented is refused; `error` tells which (RFC 6749 section 5.2).",
        );
        to.refusal(408, "The body did not arrive in time.");
        to.refusal(413, "The body is too large.");
        to.refusal(415, "The body is not a form.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        secret: Option<String>,
    }

    #[test]
    fn every_key_is_known_and_given_once() {
        let body: Body = parse(b"name=a+b%2Fc&secret=").unwrap();
        assert_eq!((body.name.as_str(), body.secret), ("a b/c", None));
        for wrong in ["", "secret=s3cret", "name=a&name=s3cret", "name=a&s3cret=1", "name=%ff"] {
            let Err(Error::RefusedBecause(Code::InvalidRequest, sentence)) = parse::<Body>(wrong.as_bytes()) else { panic!("{wrong}") };
            assert!(!sentence.is_empty() && !sentence.contains("s3cret"), "{sentence}");
        }
    }
}
