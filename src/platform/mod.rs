//! The platform knows no feature; each file keeps one promise.

/// Who asks and what they may see.
pub mod access;
/// What handlers return.
pub mod answers;
/// Operations and the document derived from them.
pub mod api;
/// The one table behind audit trail, feed and history.
pub mod changes;
/// Settings.
pub mod config;
/// Connections with a scope.
pub mod db;
/// Changes under `If-Match`.
pub mod edit;
/// Codes, problem documents.
pub mod error;
/// Form bodies of the OAuth endpoints.
pub mod form;
/// The same request twice.
pub mod idempotency;
/// Fixed SQL, kept prepared.
pub mod fixed;
/// Identifiers.
pub mod ids;
/// Long work.
pub mod jobs;
/// Rate limits.
pub mod limits;
/// Pages, filters, paths.
pub mod list;
/// What is too large for the database.
pub mod objects;
/// Bodies that do not arrive.
pub mod pace;
/// Grant → roles.
pub mod policy;
/// Records of reading.
pub mod reads;
/// Authenticated encryption and blind indexes.
pub mod seal;
/// NIK and KK numbers.
pub mod sensitive;
/// Tokens and sessions.
pub mod session;
/// SQL put together by hand, scope included.
pub mod statement;
/// Logs, metrics, problem documents for everything.
pub mod telemetry;
/// Files that are sent.
pub mod upload;
/// Bodies.
pub mod valid;
/// Closed vocabularies.
pub mod wire;

use std::sync::Arc;

use self::config::Config;

/// What all workers and jobs share.
#[derive(Debug)]
pub struct Services {
    /// The settings.
    pub config: Config,
    /// The database.
    pub db: db::Db,
    /// The sealing and index keys.
    pub keys: seal::KeyRing,
    /// Photos and documents.
    pub objects: objects::Objects,
    /// The signing keys.
    pub tokens: session::Tokens,
    /// Recently seen actors.
    pub actors: session::Actors,
    /// Records of reading that wait.
    pub reads: reads::Reads,
    /// Rate limits.
    pub limits: limits::Limits,
    /// Metrics.
    pub metrics: Arc<telemetry::Metrics>,
}

impl Services {
    /// Everything ready to be used; connects to nothing yet.
    pub fn new(config: Config, keys: seal::KeyRing) -> anyhow::Result<Arc<Services>> {
        config.check()?;
        Ok(Arc::new(Services {
            db: db::Db::new(&config.database_url, config.pool)?,
            tokens: session::Tokens::new(config.public_url.clone()),
            actors: session::Actors::default(),
            reads: reads::Reads::default(),
            limits: limits::Limits::new(config.rate_limit),
            metrics: telemetry::Metrics::new()?,
            objects: objects::Objects::open(&config.attachment_store, std::env::vars(), keys.clone())?,
            keys,
            config,
        }))
    }

    /// A transaction as the system itself, for commands and for what happens before anybody is signed in.
    pub async fn write_as_system(&self, region: ids::RegionCode) -> error::Result<db::Tx> {
        self.write_as(SYSTEM, None, region).await
    }

    /// A transaction of somebody who proves in this very request who they are: nobody is signed in yet.
    pub async fn write_as(&self, actor_id: uuid::Uuid, request_id: Option<uuid::Uuid>, region: ids::RegionCode) -> error::Result<db::Tx> {
        self.db.begin(access::Scope::of(region), db::Author { actor_id, request_id, claim: None }).await
    }

    /// A connection as the system itself.
    pub async fn read_as_system(&self) -> error::Result<db::Read> {
        self.db.apart(access::Scope::of(ids::RegionCode::country())).await
    }
}

/// The named system actor, created by the first migration.
pub const SYSTEM: uuid::Uuid = uuid::Uuid::from_u128(0x00000000_0000_7000_8000_000000000001);

/// One worker's view of the service: what is shared, and its own read connection.
#[derive(Debug)]
pub struct Platform {
    services: Arc<Services>,
    /// The shared pipelined connection for quick reads.
    pub reader: db::Reader,
}

impl Platform {
    /// For one worker.
    pub fn new(services: Arc<Services>) -> Platform {
        Platform { reader: db::Reader::new(services.db.clone()), services }
    }

    /// What all workers share.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }
}

impl std::ops::Deref for Platform {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}
