//! Connections are only given with a scope: reads share one pipelined connection a worker, writes own one from the pool.
//!
//! A page of reads from a checked-out pool connection costs a third more (measured, see docs/BENCHMARKS.md); a slow read
//! would hold up the pipeline, so it goes through [`Db::apart`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::sync::Mutex;
use tokio_postgres::config::SslMode;
use uuid::Uuid;

use super::access::Scope;
use super::changes::Change;
use super::error::{Code, Error, Result};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Views and functions: dropped and recreated at every `migrate`, so that an edit is a diff and not one more migration.
const REPLACEABLE: &[&str] = &[
    include_str!("../../replaceable/audit_events.sql"),
    include_str!("../../replaceable/family_ranks.sql"),
    include_str!("../../replaceable/family_interventions.sql"),
    include_str!("../../replaceable/verified_families.sql"),
    include_str!("../../replaceable/verification_progress.sql"),
];
/// After a restore into another server its transaction numbers may lie below those of the changes on file. The leap is far
/// above what anybody can have been told since the dump was made, so that a follower's cursor lies below what comes next.
const CONTINUE_FEED: &str = "SELECT setval('changes_xid_base', (SELECT max(xid) FROM changes) + 1000000000)
    WHERE (SELECT max(xid) FROM changes) >= feed_horizon()";

/// The database as the platform sees it; features get [`Read`] and [`Tx`] only.
#[derive(Clone)]
pub struct Db {
    url: Arc<str>,
    pool: Pool<AsyncPgConnection>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("pool", &self.pool.status()).finish()
    }
}

impl Db {
    /// Prepares a pool of at most `size` connections; connects lazily, so a service may start before its database.
    pub fn new(url: &str, size: usize) -> anyhow::Result<Db> {
        let mut config = ManagerConfig::<AsyncPgConnection>::default();
        config.custom_setup = Box::new(|url| {
            let url = url.to_owned();
            Box::pin(async move {
                let (conn, _) = connect(&url).await.map_err(|cause| diesel::ConnectionError::BadConnection(format!("{cause:#}")))?;
                Ok(conn)
            })
        });
        config.recycling_method = RecyclingMethod::Fast;
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
        let pool = Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(Duration::from_secs(3)))
            .create_timeout(Some(Duration::from_secs(3)))
            .runtime(deadpool_runtime())
            .build()
            .context("connection pool")?;
        Ok(Db { url: url.into(), pool })
    }

    /// Connections in use and in all, for the metrics.
    pub fn usage(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size.saturating_sub(status.available), status.size)
    }

    pub(super) async fn get(&self) -> Result<Object<AsyncPgConnection>> {
        self.pool.get().await.map_err(|cause| {
            tracing::warn!(error = %cause, "no database connection");
            Code::Unavailable.into()
        })
    }

    /// Whether the database answers now.
    pub async fn answers(&self) -> bool {
        match self.get().await {
            Ok(mut conn) => conn.batch_execute("SELECT 1").await.is_ok(),
            Err(_) => false,
        }
    }

    pub(super) async fn apart(&self, scope: Scope) -> Result<Read> {
        Ok(Read { conn: Reading::Apart(self.get().await?), scope })
    }

    pub(super) async fn begin(&self, scope: Scope, by: Author) -> Result<Tx> {
        // The value first: a caller who goes away while BEGIN is under way drops it, and dropping it rolls back. A bare
        // connection would go back to the pool inside a transaction that nobody ends.
        let mut tx = Tx { conn: Some(self.get().await?), scope, by };
        if let Some(conn) = tx.conn.as_mut() {
            conn.batch_execute("BEGIN").await?;
        }
        Ok(tx)
    }

    /// Applies pending migrations and recreates the replaceable views and functions.
    pub async fn migrate(&self) -> anyhow::Result<usize> {
        let (conn, _) = connect(&self.url).await?;
        let mut harness = diesel_async::AsyncMigrationHarness::new(conn);
        // The harness blocks in place on a runtime of its own making, which needs a thread that may block.
        let applied = tokio::task::spawn_blocking(move || -> anyhow::Result<usize> {
            let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|cause| anyhow::anyhow!("migration: {cause}"))?;
            Ok(applied.len())
        })
        .await??;
        let (mut conn, _) = connect(&self.url).await?;
        for sql in REPLACEABLE {
            conn.batch_execute(sql).await?;
        }
        conn.batch_execute(CONTINUE_FEED).await?;
        Ok(applied)
    }

    /// Takes every migration back, the newest first; for the test that proves each `down.sql`.
    pub async fn revert_all(&self) -> anyhow::Result<usize> {
        let (mut conn, _) = connect(&self.url).await?;
        conn.batch_execute(
            "DROP VIEW IF EXISTS audit_events, family_ranks, family_interventions, verified_families, verification_progress",
        )
        .await?;
        let mut harness = diesel_async::AsyncMigrationHarness::new(conn);
        tokio::task::spawn_blocking(move || -> anyhow::Result<usize> {
            let reverted = harness.revert_all_migrations(MIGRATIONS).map_err(|cause| anyhow::anyhow!("migration: {cause}"))?;
            Ok(reverted.len())
        })
        .await?
    }
}

fn deadpool_runtime() -> deadpool::Runtime {
    deadpool::Runtime::Tokio1
}

/// Opens a connection; the flag becomes true when it is closed for whatever reason.
pub(super) async fn connect(url: &str) -> anyhow::Result<(AsyncPgConnection, Arc<AtomicBool>)> {
    let mut config: tokio_postgres::Config = url.parse().context("DATABASE_URL")?;
    config.application_name("entas").connect_timeout(Duration::from_secs(3));
    let closed = Arc::new(AtomicBool::new(false));
    let flag = closed.clone();
    let client = match config.get_ssl_mode() {
        SslMode::Require => {
            let (client, connection) = config.connect(tls()?).await.context("database")?;
            tokio::spawn(async move {
                let _ = connection.await;
                flag.store(true, Ordering::Release);
            });
            client
        }
        _ => {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.context("database")?;
            tokio::spawn(async move {
                let _ = connection.await;
                flag.store(true, Ordering::Release);
            });
            client
        }
    };
    // Compiling an aggregate takes longer than running it (a ranking: 220 ms to compile, 140 ms to run).
    client.batch_execute("SET jit = off").await.context("database")?;
    Ok((AsyncPgConnection::try_from(client).await?, closed))
}

/// `sslmode=require` verifies the server against the machine's roots: a database on another machine holds the poorest's data.
fn tls() -> anyhow::Result<tokio_postgres_rustls::MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_postgres_rustls::MakeRustlsConnect::new(config))
}

/// One worker's shared read connection, opened on first use and again after it broke.
#[derive(Debug)]
pub struct Reader {
    db: Db,
    shared: Mutex<Option<Shared>>,
}

struct Shared {
    conn: Arc<AsyncPgConnection>,
    closed: Arc<AtomicBool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("closed", &self.closed).finish()
    }
}

impl Reader {
    /// A reader for one worker.
    pub fn new(db: Db) -> Reader {
        Reader { db, shared: Mutex::new(None) }
    }

    pub(super) async fn get(&self) -> Result<Arc<AsyncPgConnection>> {
        let mut slot = self.shared.lock().await;
        if let Some(shared) = slot.as_ref().filter(|shared| !shared.closed.load(Ordering::Acquire)) {
            return Ok(shared.conn.clone());
        }
        match connect(&self.db.url).await {
            Ok((mut conn, closed)) => {
                // A pipeline is first come, first served: nothing slow may stand in it.
                conn.batch_execute("SET statement_timeout = '10s'; SET default_transaction_read_only = on").await?;
                let conn = Arc::new(conn);
                *slot = Some(Shared { conn: conn.clone(), closed });
                Ok(conn)
            }
            Err(cause) => {
                *slot = None;
                tracing::warn!(error = %format!("{cause:#}"), "no database connection");
                Err(Code::Unavailable.into())
            }
        }
    }

    pub(super) async fn read(&self, scope: Scope) -> Result<Read> {
        Ok(Read { conn: Reading::Shared(self.get().await?), scope })
    }
}

/// What a store needs: a connection and the scope that every query starts from.
pub trait Scoped {
    /// The regions (and agencies) that may be seen or written.
    fn scope(&self) -> &Scope;
    /// The connection; pass `&mut db.on()` to diesel.
    fn on(&self) -> &AsyncPgConnection;
}

/// A connection to read with, bound to a scope.
pub struct Read {
    conn: Reading,
    scope: Scope,
}

#[expect(clippy::large_enum_variant, reason = "it lives as long as one request; a box would cost each slow read an allocation")]
enum Reading {
    Shared(Arc<AsyncPgConnection>),
    Apart(Object<AsyncPgConnection>),
}

impl Scoped for Read {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn on(&self) -> &AsyncPgConnection {
        match &self.conn {
            Reading::Shared(conn) => conn,
            Reading::Apart(conn) => conn,
        }
    }
}

/// On whose account a transaction writes.
#[derive(Debug, Clone)]
pub struct Author {
    /// Who.
    pub actor_id: Uuid,
    /// In which request, where there is one.
    pub request_id: Option<Uuid>,
    /// The claim on an Idempotency-Key that this write fulfils.
    pub claim: Option<Uuid>,
}

/// An open transaction, bound to a scope and an author. Dropped without [`Tx::commit`], nothing is stored.
pub struct Tx {
    conn: Option<Object<AsyncPgConnection>>,
    scope: Scope,
    by: Author,
}

impl Scoped for Tx {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    #[expect(clippy::expect_used, reason = "the connection is only taken by commit and drop, which end the value")]
    fn on(&self) -> &AsyncPgConnection {
        self.conn.as_ref().expect("open until commit or drop")
    }
}

impl Tx {
    /// On whose account this writes.
    pub fn author(&self) -> &Author {
        &self.by
    }

    /// Stores everything together with the changes that say so; at least one, checked when compiled.
    pub async fn commit<const N: usize>(self, changes: [Change; N]) -> Result<()> {
        const { assert!(N > 0, "a commit names what it changed") }
        self.commit_all(changes.into()).await
    }

    /// The same for as many changes as a bulk write made.
    pub async fn commit_all(mut self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Err(anyhow::anyhow!("a commit without changes").into());
        }
        super::changes::append(&self, changes).await?;
        if let Some(claim) = self.by.claim {
            super::idempotency::mark_committed(&self, claim).await?;
        }
        self.store().await
    }
}

impl Tx {
    /// Tries a part of the work: where it is refused, what it wrote is taken back, the refusal is given and the transaction goes on.
    /// Our own failures end it all the same.
    pub async fn attempt<T>(&mut self, part: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<std::result::Result<T, Error>> {
        self.say("SAVEPOINT attempt").await?;
        match part(self).await {
            Ok(done) => {
                self.say("RELEASE SAVEPOINT attempt").await?;
                Ok(Ok(done))
            }
            Err(failure) if matches!(failure.code(), Code::Internal | Code::Unavailable) => Err(failure),
            Err(refusal) => {
                self.say("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await?;
                Ok(Err(refusal))
            }
        }
    }

    pub(super) async fn say(&mut self, sql: &str) -> Result<()> {
        if let Some(conn) = self.conn.as_mut() {
            conn.batch_execute(sql).await?;
        }
        Ok(())
    }

    /// Stores a job's progress, which is no change of a record; only the job queue may.
    pub(super) async fn commit_progress(mut self) -> Result<()> {
        self.store().await
    }

    /// Stores what is no change of a record: a refresh token in the place of another, the end of forgotten sessions,
    /// a queue that is worked off. For the slices `sessions` and `matching` only.
    pub async fn commit_untold(mut self) -> Result<()> {
        self.store().await
    }

    async fn store(&mut self) -> Result<()> {
        // It stays in its place until COMMIT has ended: a caller who goes away meanwhile drops it, and the ROLLBACK that
        // follows finds nothing to take back.
        let Some(conn) = self.conn.as_mut() else { return Ok(()) };
        let ended = conn.batch_execute("COMMIT").await;
        match (ended, self.conn.take()) {
            (Ok(()), _) => Ok(()),
            (Err(cause), conn) => {
                // Whether it was stored is unknown; the connection is not worth keeping.
                conn.map(Object::take);
                Err(cause.into())
            }
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        // A refused request is common: rolling back is cheaper than a new connection.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    if conn.batch_execute("ROLLBACK").await.is_err() {
                        drop(Object::take(conn));
                    }
                });
            }
            Err(_) => drop(Object::take(conn)),
        }
    }
}
