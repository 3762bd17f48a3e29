//! Health, metrics and the catalogue of codes over HTTP.

use serde::Serialize;
use utoipa::ToSchema;

use crate::mount;
use crate::platform::access::Anyone;
use crate::platform::answers::{Item, PlainText};
use crate::platform::api::Api;
use crate::platform::error::{Code, Result};
use crate::platform::jobs;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("ops", "Health, metrics, codes");
    mount!(api, errors);
    api.at_root();
    mount!(api, live, ready, metrics);
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version that runs.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// One code of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorCode {
    /// What programs compare.
    code: &'static str,
    /// The HTTP status it comes with.
    status: u16,
    /// The kind in a few words.
    title: &'static str,
    /// What to do about it.
    detail: &'static str,
}

/// The catalogue of codes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorCatalogue {
    /// All codes.
    items: Vec<ErrorCode>,
}

/// List the error codes
///
/// Every `code` that a problem document can carry, with its status and what to do.
#[utoipa::path(get, path = "/errors")]
async fn errors(_: Anyone) -> Result<Item<ErrorCatalogue>> {
    let row = |code: &Code| ErrorCode { code: code.name(), status: code.status(), title: code.title(), detail: code.detail() };
    Ok(Item(ErrorCatalogue { items: Code::ALL.iter().map(row).collect() }))
}

/// Is the process alive
///
/// 200 as long as it can answer at all; restart it when this fails.
#[utoipa::path(get, path = "/health/live")]
async fn live(_: Anyone) -> Result<Item<Health>> {
    Ok(Item(OK))
}

/// Is the service ready
///
/// 200 when the database answers; send no traffic while it is 503.
#[utoipa::path(get, path = "/health/ready")]
async fn ready(anyone: Anyone) -> Result<Item<Health>> {
    if anyone.platform().db.answers().await { Ok(Item(OK)) } else { Err(Code::Unavailable.into()) }
}

/// Metrics for Prometheus
///
/// Requests by operation and status, times, connections, jobs. No path, id or name of anything.
#[utoipa::path(get, path = "/metrics")]
async fn metrics(anyone: Anyone) -> Result<PlainText> {
    let services = anyone.platform();
    let (in_use, size) = services.db.usage();
    // The rest is worth having while the database is away.
    let open = jobs::open(&services.db).await.unwrap_or_default();
    services.metrics.gauge(in_use, size, &open, services.reads.waiting());
    services.metrics.text().map(PlainText)
}
