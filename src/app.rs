//! The composition root: all operations, all jobs, the middleware; used by serve, openapi and tests alike.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use tokio::sync::watch;
use utoipa_swagger_ui::{Config as DocsConfig, SwaggerUi};

use crate::features;
use crate::platform::api::Api;
use crate::platform::error::{Code, Error};
use crate::platform::jobs::{self, Jobs};
use crate::platform::{Platform, Services, idempotency, session, telemetry};

/// Bodies that are read whole; uploads are streamed and have a limit of their own.
const BODY_LIMIT: usize = 1 << 20;

/// Every operation of the service.
pub fn api() -> Api {
    let mut api = Api::new();
    features::operations(&mut api);
    api
}

/// Every kind of job.
pub fn kinds() -> Jobs {
    let mut kinds = Jobs::default();
    features::jobs(&mut kinds);
    kinds
}

/// The OpenAPI document as it is served and checked in.
pub fn document() -> String {
    let mut text = serde_json::to_string_pretty(&api().document()).unwrap_or_default();
    text.push('\n');
    text
}

/// The application of one worker.
pub fn build(
    services: Arc<Services>,
    api: Arc<Api>,
    document: Arc<str>,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error, InitError = ()>,
> {
    let platform = Rc::new(Platform::new(services.clone()));
    App::new()
        .app_data(web::Data::new(platform))
        .app_data(web::Data::new(services.metrics.clone()))
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .configure(|service| api.mount(service))
        .route(
            "/openapi.json",
            web::get().to(move || {
                let document = document.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(document.to_string()) }
            }),
        )
        .route("/docs", web::get().to(|| async { HttpResponse::SeeOther().insert_header(("location", "/docs/")).finish() }))
        .service(
            SwaggerUi::new("/docs/{_:.*}").config(DocsConfig::from("/openapi.json").try_it_out_enabled(true).persist_authorization(false)),
        )
        .default_service(web::to(|| async { Err::<HttpResponse, Error>(Code::NotFound.into()) }))
        // The last one wrapped is the first to see a request.
        .wrap(from_fn(idempotency::middleware))
        .wrap(from_fn(session::middleware))
        .wrap(from_fn(telemetry::middleware))
        .wrap(Compress::default())
        .wrap(tracing_actix_web::TracingLogger::default())
}

/// Serves until told to stop, then finishes the requests and jobs in hand.
pub async fn serve(services: Arc<Services>, ready: impl FnOnce(std::net::SocketAddr)) -> anyhow::Result<()> {
    let config = services.config.clone();
    let (api, document) = (Arc::new(api()), Arc::<str>::from(document()));
    let shared = services.clone();
    let mut server = HttpServer::new(move || build(shared.clone(), api.clone(), document.clone()));
    if config.workers > 0 {
        server = server.workers(config.workers);
    }
    let server = server
        .shutdown_timeout(config.shutdown_seconds)
        .disable_signals()
        .bind(config.bind)
        .with_context(|| format!("listening on {}", config.bind))?;
    let address = server.addrs().first().copied().context("no address")?;
    let server = server.run();
    let handle = server.handle();
    let (stop, stopped) = watch::channel(false);
    let background = start_background(&services, &stopped);
    let serving = tokio::spawn(server);
    ready(address);
    wait_for_signal().await;
    tracing::info!("stopping: finishing what is in hand");
    handle.stop(true).await;
    serving.await.context("server")??;
    stop.send(true).ok();
    let grace = Duration::from_secs(config.shutdown_seconds);
    for task in background {
        if tokio::time::timeout(grace, task).await.is_err() {
            tracing::warn!("a background task did not stop in time; its lease will run out");
        }
    }
    Ok(())
}

fn start_background(services: &Arc<Services>, stopped: &watch::Receiver<bool>) -> Vec<tokio::task::JoinHandle<()>> {
    let reads = {
        let (services, stop) = (services.clone(), stopped.clone());
        async move { services.reads.run(&services.db, stop).await }
    };
    let queue = jobs::run(services.clone(), kinds(), stopped.clone());
    let sweeps = {
        let (services, stop) = (services.clone(), stopped.clone());
        async move { sweep(&services, stop).await }
    };
    vec![tokio::spawn(reads), tokio::spawn(queue), tokio::spawn(sweeps)]
}

/// Forgets old idempotency keys, old sessions and quiet callers.
async fn sweep(services: &Services, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
            _ = stop.changed() => return,
        }
        services.limits.sweep();
        if let Err(error) = idempotency::sweep(services).await {
            tracing::warn!(%error, "old idempotency keys were not swept");
        }
        if let Err(error) = session::sweep(services).await {
            tracing::warn!(%error, "old sessions were not swept");
        }
    }
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(cause) => {
            tracing::warn!(%cause, "SIGTERM cannot be watched");
            tokio::signal::ctrl_c().await.ok();
        }
    }
}
