//! Rules of sessions: how long they live, and what a client presents. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::platform::error::{Code, Error, Result};

/// How long a person's session lives unrefreshed, hours: a working day.
pub const IDLE_HOURS: i64 = 12;
/// How long it lives at most, days: then the password again.
pub const LONGEST_DAYS: i64 = 7;
/// The client of people who name none: the service's own front ends.
pub const OWN_CLIENT: &str = "entas";

/// What the database keeps of a refresh token: 256 random bits need no salt and no slow hash.
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// A client's name and secret, where it presents any.
#[derive(Default, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub id: Option<String>,
    /// Its secret.
    pub secret: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The client of a request: from the body or from HTTP Basic, never from both (RFC 6749 section 2.3).
pub fn client(header: Option<&str>, id: Option<String>, secret: Option<String>) -> Result<Client> {
    let basic = match header {
        Some(header) => parse_basic(header)?,
        None => Client::default(),
    };
    let twice = (basic.secret.is_some() && secret.is_some()) || (basic.id.is_some() && id.is_some() && basic.id != id);
    if twice {
        return Err(Error::RefusedBecause(Code::InvalidRequest, "The client authenticates in the header and in the body; use one.".into()));
    }
    Ok(Client { id: basic.id.or(id), secret: basic.secret.or(secret) })
}

/// `Basic base64(form(id):form(secret))`; empty parts count as absent, for API consoles send them so.
fn parse_basic(header: &str) -> Result<Client> {
    let malformed = || Error::from(Code::InvalidClient);
    let Some((scheme, text)) = header.split_once(' ') else { return Err(malformed()) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(Client::default());
    }
    let bytes = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    let part = |part: &str| Some(form_decoded(part)).filter(|part| !part.is_empty());
    Ok(Client { id: part(id), secret: part(secret) })
}

fn form_decoded(part: &str) -> String {
    // One value and never a second pair, whatever a client forgot to encode.
    let pair = format!("v={}", part.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn clients_present_themselves_once() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(client(None, some("a"), some("b")).unwrap(), Client { id: some("a"), secret: some("b") });
        assert_eq!(client(Some(&basic("a:b%2B%26&+c")), None, None).unwrap(), Client { id: some("a"), secret: some("b+&& c") });
        assert_eq!(client(Some(&basic("a:b")), some("a"), None).unwrap(), Client { id: some("a"), secret: some("b") });
        assert_eq!(client(Some(&basic(":")), some("a"), None).unwrap(), Client { id: some("a"), secret: None });
        assert_eq!(client(Some("Bearer x"), None, None).unwrap(), Client::default());
        assert_eq!(client(Some(&basic("a:b")), None, some("c")).unwrap_err().code(), Code::InvalidRequest);
        assert_eq!(client(Some(&basic("a:b")), some("c"), None).unwrap_err().code(), Code::InvalidRequest);
        for wrong in ["Basic", "Basic !", &basic("no colon")] {
            assert_eq!(client(Some(wrong), None, None).unwrap_err().code(), Code::InvalidClient);
        }
    }
}
