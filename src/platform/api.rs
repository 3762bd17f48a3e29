//! Operations: mounted with a guard or not at all, and described by their own types, so the document cannot disagree.
//!
//! grant → security, 401, 403; [`Path`] → parameters, 404; [`List`] → parameters, 422; [`Valid`] → body, 413, 415, 422;
//! [`Edit`] → body, `If-Match`, 412, 428; the return type → status, headers, schema; the doc comment → the prose.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::guard;
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route, web};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::access::{Access, Anyone};
use super::error::{Error, Problem};
use super::list::NoQuery;
use super::policy::Grant;

/// Where the versioned API begins.
pub const BASE: &str = "/api/v1";

/// What an operation is, gathered from its types.
pub struct Description<'a> {
    operation: Map<String, Value>,
    path: String,
    grant: Option<&'static str>,
    writes: bool,
    schemas: &'a mut Schemas,
}

/// Named schemas; two different types of one name are remembered as a conflict, which a test refuses.
#[derive(Debug, Default, Clone)]
pub struct Schemas {
    named: BTreeMap<String, Value>,
    conflicts: Vec<String>,
}

impl Schemas {
    fn insert(&mut self, name: String, schema: &RefOr<Schema>) {
        let schema = serde_json::to_value(schema).unwrap_or_default();
        match self.named.get(&name) {
            Some(known) if *known != schema => self.conflicts.push(name),
            Some(_) => {}
            None => {
                self.named.insert(name, schema);
            }
        }
    }

    /// A reference to the schema of `T`, which is registered with all that it mentions.
    fn of<T: ToSchema>(&mut self) -> Value {
        let mut mentioned = Vec::new();
        T::schemas(&mut mentioned);
        for (name, schema) in &mentioned {
            self.insert(name.clone(), schema);
        }
        self.insert(T::name().into_owned(), &T::schema());
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }
}

impl Description<'_> {
    /// Declares an answer.
    pub fn response(&mut self, status: u16, description: &str, content: Option<(&str, Value)>, headers: &[(&str, &str)]) {
        let mut response = Map::from_iter([("description".to_owned(), json!(description))]);
        if let Some((kind, schema)) = content {
            // Declared again for another content type, the answer has both.
            let known = self.operation.get("responses").and_then(|known| known.get(status.to_string())?.get("content")?.as_object());
            let mut content = known.cloned().unwrap_or_default();
            content.insert(kind.to_owned(), json!({"schema": schema}));
            response.insert("content".into(), Value::Object(content));
        }
        if !headers.is_empty() {
            let headers: Map<_, _> = headers
                .iter()
                .map(|(name, what)| ((*name).to_owned(), json!({"description": what, "schema": {"type": "string"}})))
                .collect();
            response.insert("headers".into(), Value::Object(headers));
        }
        if let Value::Object(responses) = self.operation.entry("responses").or_insert_with(|| json!({})) {
            responses.insert(status.to_string(), Value::Object(response));
        }
    }

    /// Declares a refusal.
    pub fn refusal(&mut self, status: u16, description: &str) {
        let schema = self.schemas.of::<Problem>();
        self.response(status, description, Some(("application/problem+json", schema)), &[]);
    }

    /// Declares a parameter.
    pub fn parameter(&mut self, parameter: Value) {
        let list = self.operation.entry("parameters").or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(parameter);
        }
    }

    /// Declares the body.
    pub fn body(&mut self, content: Value) {
        self.operation.insert("requestBody".into(), json!({"required": true, "content": content}));
    }

    /// Declares how large the body may be, where not a megabyte as everywhere.
    pub fn body_limit(&mut self, bytes: usize) {
        if let Some(Value::Object(body)) = self.operation.get_mut("requestBody") {
            body.insert("x-max-bytes".into(), json!(bytes));
        }
    }

    /// Declares a body that may be left out.
    pub fn optional_body(&mut self, content: Value) {
        self.operation.insert("requestBody".into(), json!({"required": false, "content": content}));
    }

    /// A reference to a schema.
    pub fn schema<T: ToSchema>(&mut self) -> Value {
        self.schemas.of::<T>()
    }

    /// Whether the operation is not a GET.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// The names of the path's parameters, in order.
    pub fn path_names(&self) -> Vec<String> {
        self.path.split('{').skip(1).filter_map(|part| part.split('}').next()).map(str::to_owned).collect()
    }
}

/// A first parameter: it decides who may call.
#[diagnostic::on_unimplemented(
    message = "an operation's first parameter says who may call it: `Access<Grant>` or `Anyone`",
    label = "this is neither `Access<_>` nor `Anyone`"
)]
pub trait Guarding: FromRequest {
    /// Says so in the document.
    fn describe(to: &mut Description<'_>);
}

impl<G: Grant> Guarding for Access<G> {
    fn describe(to: &mut Description<'_>) {
        to.grant = Some(G::NAME);
        to.operation.insert("security".into(), json!([{"token": []}]));
        to.operation.insert("x-grant".into(), json!(G::NAME));
        let roles = match G::ROLES {
            None => "every signed-in actor".to_owned(),
            Some(roles) => roles.iter().map(|role| format!("`{}`", role.name())).collect::<Vec<_>>().join(", "),
        };
        let held = format!("Grant `{}`, held by: {roles}.", G::NAME);
        let text = match to.operation.get("description").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => format!("{text}\n\n{held}"),
            _ => held,
        };
        to.operation.insert("description".into(), json!(text));
        to.refusal(401, "Nobody is signed in, or the token is not valid.");
        to.refusal(403, "No assignment carries the grant.");
    }
}

impl Guarding for Anyone {
    fn describe(to: &mut Description<'_>) {
        to.operation.insert("security".into(), json!([]));
        to.refusal(401, "The token that was sent along is not valid.");
    }
}

/// Any further parameter of a handler.
#[diagnostic::on_unimplemented(
    message = "a handler's parameter must describe itself: `Path`, `List`, `Valid`, `Edit` or another `Parameter`"
)]
pub trait Parameter: FromRequest {
    /// Says so in the document.
    fn describe(to: &mut Description<'_>);
}

/// All parameters of a handler, the guard first.
#[diagnostic::on_unimplemented(
    message = "an operation's first parameter says who may call it: `Access<Grant>` or `Anyone`; the others must be `Parameter`s"
)]
pub trait Parameters: FromRequest + 'static {
    /// Says so in the document.
    fn describe(to: &mut Description<'_>);
}

macro_rules! parameters {
    ($($p:ident),*) => {
        impl<G: Guarding + 'static, $($p: Parameter + 'static),*> Parameters for (G, $($p,)*) {
            fn describe(to: &mut Description<'_>) {
                G::describe(to);
                $( $p::describe(to); )*
            }
        }
    };
}
parameters!();
parameters!(A);
parameters!(A, B);
parameters!(A, B, C);

/// What a handler returns.
#[diagnostic::on_unimplemented(
    message = "a handler returns `Result<_>` of an answer that describes itself: `Found`, `Item`, `Created`, `Page`, `Accepted`, `NoContent`…"
)]
pub trait Answer: Responder {
    /// Says so in the document.
    fn describe(to: &mut Description<'_>);
}

impl<T: Answer> Answer for Result<T, Error> {
    fn describe(to: &mut Description<'_>) {
        T::describe(to);
    }
}

/// A handler that no query string belongs to.
#[derive(Clone)]
struct Unasked<F>(F);

impl<F: Handler<A>, A> Handler<(A, NoQuery)> for Unasked<F> {
    type Output = F::Output;
    type Future = F::Future;

    fn call(&self, (parameters, _): (A, NoQuery)) -> Self::Future {
        self.0.call(parameters)
    }
}

const INVALID: &str = "What was sent is not valid; `errors` names the fields.";

type MakeRoute = Arc<dyn Fn() -> Route + Send + Sync>;

/// One mounted operation.
#[derive(Clone)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its whole path.
    pub path: String,
    /// Its description as OpenAPI has it.
    pub document: Value,
    /// The grant it demands; `None` for anyone.
    pub grant: Option<&'static str>,
    route: MakeRoute,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The operations of the service, gathered once and mounted by every worker.
#[derive(Debug, Default, Clone)]
pub struct Api {
    operations: Vec<Operation>,
    schemas: Schemas,
    tags: Vec<(&'static str, &'static str)>,
    base: &'static str,
}

impl Api {
    /// Nothing mounted yet.
    pub fn new() -> Api {
        Api { base: BASE, ..Api::default() }
    }

    /// What follows belongs to this feature.
    pub fn feature(&mut self, tag: &'static str, what: &'static str) {
        self.tags.push((tag, what));
        self.base = BASE;
    }

    /// What follows stands outside the versioned API, at the root.
    pub fn at_root(&mut self) {
        self.base = "";
    }

    /// Mounts a handler under the method and path of its annotation. Called through [`crate::mount!`].
    pub fn operation<P, F, A>(&mut self, function: &str, handler: F)
    where
        P: utoipa::Path,
        A: Parameters,
        F: Handler<A> + Send + Sync,
        F::Output: Answer + 'static,
    {
        let tag = self.tags.last().map_or("", |(tag, _)| tag);
        let method = match P::methods().first() {
            Some(HttpMethod::Post) => Method::POST,
            Some(HttpMethod::Put) => Method::PUT,
            Some(HttpMethod::Patch) => Method::PATCH,
            Some(HttpMethod::Delete) => Method::DELETE,
            _ => Method::GET,
        };
        let path = format!("{}{}", self.base, P::path());
        let Ok(Value::Object(mut operation)) = serde_json::to_value(P::operation()) else { return };
        operation.insert("tags".into(), json!([tag]));
        operation.insert("operationId".into(), json!(format!("{tag}_{function}")));
        operation.insert("responses".into(), json!({}));
        let mut to = Description { operation, path: path.clone(), grant: None, writes: method != Method::GET, schemas: &mut self.schemas };
        A::describe(&mut to);
        F::Output::describe(&mut to);
        if to.writes {
            to.refusal(404, "There is no such thing, or it (or a region or record that the body names) lies outside your regions.");
            to.refusal(409, "The state of things does not allow it, or the Idempotency-Key is in use.");
            to.refusal(422, INVALID);
        }
        // A reading that depends on a state says so in its prose.
        let says = to.operation.get("description").and_then(Value::as_str).is_some_and(|text| text.contains("409 `"));
        if !to.writes && says {
            to.refusal(409, "It cannot be read in the state it is in; the description names the code.");
        }
        // Keys belong to actors: an answer kept for nobody would be anybody's.
        if method == Method::POST && to.grant.is_some() {
            to.parameter(json!({"name": "Idempotency-Key", "in": "header", "required": false, "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
                "description": "Repeat a request safely: the same key and body get the first answer again."}));
        }
        to.refusal(429, "Too many requests; see Retry-After.");
        to.refusal(503, "The database is away; see Retry-After.");
        // Probes and OAuth clients, which call what stands at the root, add parameters of their own.
        let parameters = to.operation.get("parameters").and_then(Value::as_array);
        let asks = parameters.is_some_and(|list| list.iter().any(|parameter| parameter.get("in") == Some(&json!("query"))));
        let unasked = self.base == BASE && !asks;
        if unasked {
            to.refusal(422, if to.writes { INVALID } else { "A query parameter was sent; this operation takes none." });
        }
        let (document, grant) = (Value::Object(to.operation), to.grant);
        let on = method.clone();
        let route: MakeRoute = Arc::new(move || {
            let route = match on {
                // HEAD is GET without its body (RFC 9110 §9.3.2).
                Method::GET => Route::new().guard(guard::Any(guard::Get()).or(guard::Head())),
                ref other => Route::new().guard(guard::Method(other.clone())),
            };
            let handler = handler.clone();
            if unasked { route.to(Unasked(handler)) } else { route.to(handler) }
        });
        self.operations.push(Operation { method, path, document, grant, route });
    }

    /// All operations, for the sweeps.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Names that two different types share; must be empty.
    pub fn conflicts(&self) -> &[String] {
        &self.schemas.conflicts
    }

    /// Mounts everything: the methods of one path into one resource, so that a wrong method is 405 and not 404.
    pub fn mount(&self, service: &mut web::ServiceConfig) {
        let mut paths: Vec<&str> = self.operations.iter().map(|operation| operation.path.as_str()).collect();
        // Literal segments win over parameters: `/beneficiaries/search` is no id.
        paths.sort_by_key(|path| path.split('/').map(|part| (part.starts_with('{'), part.to_owned())).collect::<Vec<_>>());
        paths.dedup();
        for path in paths {
            let mut resource = web::resource(path.to_owned());
            for operation in self.operations.iter().filter(|operation| operation.path == path) {
                resource = resource.route((operation.route)());
            }
            service.service(resource);
        }
    }

    /// The OpenAPI 3.1 document.
    pub fn document(&self) -> Value {
        let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for operation in &self.operations {
            paths.entry(&operation.path).or_default().insert(operation.method.as_str().to_lowercase(), operation.document.clone());
        }
        let tags: Vec<Value> = self.tags.iter().map(|(name, what)| json!({"name": name, "description": what})).collect();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Entas",
                "version": env!("CARGO_PKG_VERSION"),
                "description": include_str!("../../docs/openapi-intro.md"),
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": tags,
            "paths": paths,
            "components": {
                "schemas": self.schemas.named,
                "securitySchemes": {"token": {
                    "type": "oauth2",
                    "description": "RFC 9068 access token as `Authorization: Bearer …`.",
                    "flows": {
                        "password": {"tokenUrl": "/oauth/token", "refreshUrl": "/oauth/token", "scopes": {}},
                        "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}},
                    },
                }},
            },
        })
    }
}

/// Mounts handlers: `mount!(api, list, create, find)`.
#[macro_export]
macro_rules! mount {
    ($api:expr, $($function:ident),+ $(,)?) => {
        pastey::paste! { $( $api.operation::<[<__path_ $function>], _, _>(stringify!($function), $function); )+ }
    };
}

/// The schema of a type as JSON, for parameters.
pub fn schema_value<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap_or_default()
}
