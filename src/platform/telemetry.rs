//! Logs, metrics and the last word on every answer: each failure leaves as a problem document with its request id.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, VARY};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse};
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use uuid::Uuid;

use super::Platform;
use super::error::{Cause, Code, Error, Result, answer};
use super::pace::Arriving;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts logging to standard error.
pub fn start_logging(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let mut filter = tracing_subscriber::EnvFilter::try_new(filter)?;
    // Whatever an operator asks for: at debug level these print statements with their parameters and cells of files,
    // which are names and birth dates; the request span prints the whole address, where a number stands that somebody put there
    // by mistake.
    for quiet in ["tokio_postgres=info", "calamine=off", "tracing_actix_web=warn", "tracing_actix_web::root_span_builder=warn"] {
        filter = filter.add_directive(quiet.parse()?);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Human => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|cause| anyhow::anyhow!("logging: {cause}"))
}

/// What Prometheus scrapes.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    connections: IntGaugeVec,
    jobs: IntGaugeVec,
    reads_waiting: IntGauge,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> anyhow::Result<Arc<Metrics>> {
        let metrics = Metrics {
            registry: Registry::new(),
            requests: IntCounterVec::new(Opts::new("entas_requests_total", "Requests by operation and status"), &["operation", "status"])?,
            seconds: HistogramVec::new(HistogramOpts::new("entas_request_seconds", "Time to answer, by operation"), &["operation"])?,
            connections: IntGaugeVec::new(Opts::new("entas_pool_connections", "Pool connections by state"), &["state"])?,
            jobs: IntGaugeVec::new(Opts::new("entas_jobs", "Jobs that have not ended, by kind and state"), &["kind", "state"])?,
            reads_waiting: IntGauge::new("entas_reads_waiting", "Records of reading that wait to be appended")?,
        };
        metrics.registry.register(Box::new(metrics.requests.clone()))?;
        metrics.registry.register(Box::new(metrics.seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.connections.clone()))?;
        metrics.registry.register(Box::new(metrics.jobs.clone()))?;
        metrics.registry.register(Box::new(metrics.reads_waiting.clone()))?;
        Ok(Arc::new(metrics))
    }

    /// Sets the gauges that are read when asked.
    pub fn gauge(&self, in_use: usize, size: usize, jobs: &[(String, String, i64)], reads_waiting: usize) {
        let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.connections.with_label_values(&["in_use"]).set(int(in_use));
        self.connections.with_label_values(&["open"]).set(int(size));
        self.reads_waiting.set(int(reads_waiting));
        self.jobs.reset();
        for (kind, state, count) in jobs {
            self.jobs.with_label_values(&[kind, state]).set(*count);
        }
    }

    /// The text exposition format.
    pub fn text(&self) -> Result<String> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out).map_err(|cause| anyhow::anyhow!("metrics: {cause}"))?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

/// The methods that are counted by name.
const KNOWN: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::OPTIONS];

/// The request's id, given by the tracing middleware; made here where that is not mounted.
pub fn request_id(request: &ServiceRequest) -> Uuid {
    request.extensions().get::<tracing_actix_web::RequestId>().map_or_else(super::ids::new_id, |id| **id)
}

/// The outermost layer of ours: counts, logs and makes a problem document of every failure, whoever made it.
pub async fn middleware(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<EitherBody<BoxBody, BoxBody>>, actix_web::Error> {
    let started = Instant::now();
    let id = request_id(&request).to_string();
    let method = request.method().clone();
    let metrics = request.app_data::<Data<Arc<Metrics>>>().cloned();
    let config = request.app_data::<Data<Rc<Platform>>>().map(|platform| platform.services().clone());
    let body = config.and_then(|services| Arriving::watch(&mut request, &services.config));
    // An error here is a middleware's own and rare; a handler's arrives as a response. (A clone of the request kept for
    // this case would stop the router from writing its match into it.)
    let mut response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    // Whoever read it was told of a body that broke off. What was done all the same stays done.
    if status.is_client_error() && body.as_ref().is_some_and(Arriving::is_overdue) {
        response = replaced(response, answer(&Code::BodyTooSlow.into(), Some(id.clone()), None));
    } else if status.is_client_error() || status.is_server_error() {
        response = as_problem(response, &id);
    }
    if let Some(body) = body {
        response = body.closing(response);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    // Whoever invents methods must not make us remember them.
    let method = KNOWN.iter().find(|known| **known == method).map_or("OTHER", Method::as_str);
    let operation = format!("{} {}", method, response.request().match_pattern().unwrap_or_else(|| "unknown".into()));
    if let Some(metrics) = metrics {
        metrics.requests.with_label_values(&[operation.as_str(), response.status().as_str()]).inc();
        metrics.seconds.with_label_values(&[operation.as_str()]).observe(started.elapsed().as_secs_f64());
    }
    let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
    match response.response().extensions().get::<Cause>() {
        Some(Cause(cause)) => tracing::error!(request_id = %id, %operation, status, ms, %cause, "failed"),
        None => tracing::debug!(request_id = %id, %operation, status, ms, "answered"),
    }
    Ok(response.map_into_left_body())
}

fn as_problem(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let ours = response.response().error().and_then(|error| error.as_error::<Error>());
    let already = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    let problem = match ours {
        Some(error) => answer(error, Some(id.to_owned()), None),
        None if already || response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json") => return response,
        None => {
            let code = match response.status().as_u16() {
                401 => Code::Unauthenticated,
                404 => Code::NotFound,
                405 => Code::MethodNotAllowed,
                406 => Code::NotAcceptable,
                413 => Code::BodyTooLarge,
                415 => Code::MediaType,
                400..=499 => Code::Invalid,
                _ => Code::Internal,
            };
            answer(&code.into(), Some(id.to_owned()), None)
        }
    };
    replaced(response, problem)
}

/// Another answer in the place of one, of which what it told the browser and the caches stays true.
fn replaced(response: ServiceResponse<BoxBody>, mut by: HttpResponse) -> ServiceResponse<BoxBody> {
    let (request, old) = response.into_parts();
    let stays = |name: &HeaderName| [ALLOW, VARY].contains(name) || name.as_str().starts_with("access-control-");
    for (name, value) in old.headers().iter().filter(|(name, _)| stays(name)) {
        by.headers_mut().append(name.clone(), value.clone());
    }
    ServiceResponse::new(request, by)
}
