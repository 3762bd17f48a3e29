//! What the sweeps need to know of an operation: how to ask for it, at home and elsewhere.

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::world::World;

/// Whose rows an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first village of Pulau Hanaut in Kotim (62.02.09.…): every role of the world holds its assignment over it.
    Home,
    /// A village, subdistrict, regency and agency of Kutai Timur (64.08): nobody at home may see it.
    Foreign,
}

/// A request ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Call {
    pub path: String,
    /// The JSON body, where the operation has one.
    pub body: Option<Value>,
    /// Further headers; `If-Match` for edits.
    pub headers: Vec<(String, String)>,
    /// For lists: ids that a list at home must mention and nobody from elsewhere may see.
    pub mentions: Vec<String>,
    /// A body that is not JSON, with its content type (uploads, forms).
    pub raw: Option<(String, Vec<u8>)>,
    /// For operations that answer 404 to nobody at all about foreign rows (own account, reference data): skip the foreign question, with the reason.
    pub everywhere: Option<&'static str>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Call {
        Call { path: path.into(), ..Call::default() }
    }

    pub fn list(path: impl Into<String>, mentions: impl IntoIterator<Item = String>) -> Call {
        Call { path: path.into(), mentions: mentions.into_iter().collect(), ..Call::default() }
    }

    pub fn send(path: impl Into<String>, body: Value) -> Call {
        Call { path: path.into(), body: Some(body), ..Call::default() }
    }

    pub fn edit(path: impl Into<String>, etag: &str, body: Value) -> Call {
        Call { headers: vec![("if-match".into(), etag.into())], ..Call::send(path, body) }
    }

    pub fn everywhere(mut self, reason: &'static str) -> Call {
        self.everywhere = Some(reason);
        self
    }
}

/// One operation's case. `make` builds fresh rows in the place (through `world.builder()` or as a privileged actor) and
/// returns the call that asks for them; it is called again for every role.
pub struct Case {
    /// The operationId.
    pub operation: &'static str,
    pub make: for<'a> fn(&'a World, Place) -> LocalBoxFuture<'a, Call>,
}

/// `case!("agencies_fetch", |world, place| { … Call })`
#[macro_export]
macro_rules! case {
    ($operation:literal, |$world:ident, $place:ident| $body:expr) => {
        $crate::support::Case { operation: $operation, make: |$world, $place| Box::pin(async move { $body }) }
    };
}
