//! Long work: a row that is enqueued in the transaction, taken with `SKIP LOCKED`, worked off in small fenced steps.
//!
//! A worker holds a job by a lease that every step renews. When its process dies the lease runs out and another worker
//! takes the job up from its cursor; the dead one's late write is refused, because each taking counts up `attempts`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName};
use diesel_async::RunQueryDsl;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

use super::Services;
use super::access::Scope;
use super::db::{Author, Db, Read, Scoped, Tx};
use super::error::{Error, Result};
use super::ids::{RegionCode, new_id};
use crate::schema::jobs;

/// A job that failed this often is given up.
const MAX_ATTEMPTS: i32 = 5;
const POLL: Duration = Duration::from_millis(500);

/// What a kind of job does.
pub type Work = fn(Step) -> BoxFuture<'static, Result<()>>;

/// The kinds of job the service knows, gathered by the composition root; the workers of a process share one.
#[derive(Debug, Default, Clone)]
pub struct Jobs {
    kinds: HashMap<&'static str, Kind>,
}

#[derive(Debug, Clone)]
struct Kind {
    work: Work,
    /// How many of it this process may work on at a time, where not all.
    seats: Option<Arc<Semaphore>>,
}

impl Jobs {
    /// Adds a kind.
    pub fn kind(&mut self, name: &'static str, work: Work) {
        self.kinds.insert(name, Kind { work, seats: None });
    }

    /// Adds a kind of which a process works on one at a time: it takes all processors for itself, and small jobs must not
    /// wait until two of it are done.
    pub fn one_at_a_time(&mut self, name: &'static str, work: Work) {
        self.kinds.insert(name, Kind { work, seats: Some(Arc::new(Semaphore::new(1))) });
    }

    /// Seats in the limited kinds that have a free one, and the kinds that have none.
    fn seats(&self) -> (HashMap<&'static str, OwnedSemaphorePermit>, Vec<&'static str>) {
        let (mut free, mut full) = (HashMap::new(), Vec::new());
        for (name, kind) in &self.kinds {
            match kind.seats.as_ref().map(|seats| seats.clone().try_acquire_owned()) {
                Some(Ok(seat)) => {
                    free.insert(*name, seat);
                }
                Some(Err(_)) => full.push(*name),
                None => {}
            }
        }
        (free, full)
    }
}

/// Puts a job into the queue, in the transaction that decides on it.
pub async fn enqueue(
    tx: &mut Tx,
    kind: &'static str,
    region: &RegionCode,
    payload: Value,
    unit: &'static str,
    result_path: Option<String>,
) -> Result<Uuid> {
    let id = new_id();
    diesel::insert_into(jobs::table)
        .values((
            jobs::id.eq(id),
            jobs::kind.eq(kind),
            jobs::region_code.eq(region.as_str()),
            jobs::actor_id.eq(tx.author().actor_id),
            jobs::payload.eq(payload),
            jobs::unit.eq(unit),
            jobs::result_path.eq(result_path),
        ))
        .execute(&mut tx.on())
        .await?;
    Ok(id)
}

/// Ends a job that waits, at once, or asks the worker that holds it to stop at its next step. The caller has found it in
/// its scope and locked it.
pub async fn cancel(tx: &mut Tx, id: Uuid) -> Result<()> {
    diesel::sql_query(
        "UPDATE jobs SET cancel_requested = true, version = version + 1,
                finished_at = CASE WHEN state = 'queued' THEN now() END,
                state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
          WHERE id = $1 AND state IN ('queued', 'running')",
    )
    .bind::<SqlUuid, _>(id)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// A job that this worker holds.
pub struct Step {
    services: Arc<Services>,
    /// Its id.
    pub id: Uuid,
    /// Who asked for it.
    pub actor_id: Uuid,
    /// Where it works.
    pub region: RegionCode,
    /// What was asked.
    pub payload: Value,
    /// How far an earlier attempt got.
    pub cursor: Option<Value>,
    attempt: i32,
    stop: watch::Receiver<bool>,
}

/// Tells work on a thread of its own to stop when the job's work ends, however it ends.
#[derive(Debug)]
pub struct Hangup(pub Arc<AtomicBool>);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How far a job is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Done so far, in the job's unit.
    pub done: i64,
    /// In all, where known.
    pub total: Option<i64>,
    /// Where to go on after a crash.
    pub cursor: Option<Value>,
}

/// Why a job stops before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// Somebody asked for it.
    Cancelled,
    /// The service is shutting down; the job goes on elsewhere or later.
    Stopping,
}

impl Step {
    /// The service: keys, settings.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// How long work may go on before its lease has to be renewed.
    pub fn heartbeat(&self) -> Duration {
        let lease = u64::try_from(self.services.config.job_lease_seconds).unwrap_or(1);
        Duration::from_millis(lease.saturating_mul(300))
    }

    /// A transaction in the job's region, on the account of whoever asked for the job.
    pub async fn write(&self) -> Result<Tx> {
        let by = Author { actor_id: self.actor_id, request_id: None, claim: None };
        self.services.db.begin(Scope::of(self.region.clone()), by).await
    }

    /// A connection in the job's region.
    pub async fn read(&self) -> Result<Read> {
        self.services.db.apart(Scope::of(self.region.clone())).await
    }

    /// The same, and every read sees the region as it was at the first: whoever moves from one family to another while families are
    /// read page by page is read once.
    pub async fn snapshot(&self) -> Result<impl Scoped + use<>> {
        let mut tx = self.write().await?;
        tx.say("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        Ok(tx)
    }

    /// Tells, inside the step's own transaction, how far the job is, and renews the lease. Says whether to halt; refuses
    /// when another worker has taken the job over, so that the step is not stored twice.
    pub async fn progress(&self, tx: &mut Tx, progress: Progress) -> Result<Option<Halt>> {
        #[derive(QueryableByName)]
        struct Told {
            #[diesel(sql_type = Bool)]
            cancel_requested: bool,
        }
        let told: Option<Told> = diesel::sql_query(
            "UPDATE jobs SET done = $1, total = $2, cursor = $3, lease_until = now() + make_interval(secs => $4), version = version + 1
              WHERE id = $5 AND attempts = $6 AND state = 'running' RETURNING cancel_requested",
        )
        .bind::<BigInt, _>(progress.done)
        .bind::<Nullable<BigInt>, _>(progress.total)
        .bind::<Nullable<Jsonb>, _>(progress.cursor)
        .bind::<Integer, _>(self.services.config.job_lease_seconds)
        .bind::<SqlUuid, _>(self.id)
        .bind::<Integer, _>(self.attempt)
        .get_result(&mut tx.on())
        .await
        .optional()?;
        match told {
            None => Err(anyhow::anyhow!("job {} was taken over by another worker", self.id).into()),
            Some(told) if told.cancel_requested => Ok(Some(Halt::Cancelled)),
            Some(_) if *self.stop.borrow() => Ok(Some(Halt::Stopping)),
            Some(_) => Ok(None),
        }
    }

    /// The step's transaction stored without an entry in the feed: progress of the job itself is not a change of a record.
    pub async fn store_progress(&self, progress: Progress) -> Result<Option<Halt>> {
        let mut tx = self.write().await?;
        let halt = self.progress(&mut tx, progress).await?;
        tx.commit_progress().await?;
        Ok(halt)
    }

    /// Ends the job well, inside the transaction of its last step.
    pub async fn succeed(&self, tx: &mut Tx) -> Result<()> {
        self.end(tx, "succeeded", None).await
    }

    /// Ends the job because it was cancelled.
    pub async fn cancelled(&self, tx: &mut Tx) -> Result<()> {
        self.end(tx, "cancelled", None).await
    }

    /// Ends the job for a reason that another try will not change.
    pub async fn fail(&self, tx: &mut Tx, code: &str, detail: &str) -> Result<()> {
        self.end(tx, "failed", Some((code, detail))).await
    }

    async fn end(&self, tx: &mut Tx, state: &str, error: Option<(&str, &str)>) -> Result<()> {
        let ended = diesel::update(
            jobs::table.filter(jobs::id.eq(self.id)).filter(jobs::attempts.eq(self.attempt)).filter(jobs::state.eq("running")),
        )
        .set((
            jobs::state.eq(state),
            jobs::finished_at.eq(Some(Utc::now())),
            jobs::lease_until.eq(None::<DateTime<Utc>>),
            jobs::error_code.eq(error.map(|(code, _)| code)),
            jobs::error_detail.eq(error.map(|(_, detail)| detail)),
            jobs::version.eq(jobs::version + 1),
        ))
        .execute(&mut tx.on())
        .await?;
        if ended == 1 { Ok(()) } else { Err(anyhow::anyhow!("job {} was taken over by another worker", self.id).into()) }
    }
}

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    region_code: String,
    #[diesel(sql_type = SqlUuid)]
    actor_id: Uuid,
    #[diesel(sql_type = Jsonb)]
    payload: Value,
    #[diesel(sql_type = Nullable<Jsonb>)]
    cursor: Option<Value>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

/// Takes the next job that is due or whose worker has died, of any kind but these.
async fn take(db: &Db, lease: i32, full: &[&str]) -> Result<Option<Taken>> {
    let mut conn = db.get().await?;
    Ok(diesel::sql_query(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
                lease_until = now() + make_interval(secs => $1), version = version + 1
          WHERE id = (SELECT id FROM jobs
                       WHERE ((state = 'queued' AND run_at <= now()) OR (state = 'running' AND lease_until < now())) AND kind <> ALL ($2)
                       ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, region_code, actor_id, payload, cursor, attempts",
    )
    .bind::<Integer, _>(lease)
    .bind::<Array<Text>, _>(full)
    .get_result::<Taken>(&mut *conn)
    .await
    .optional()?)
}

/// Runs one job if one is due. Tests call this; [`run`] calls it for ever.
pub async fn run_one(services: &Arc<Services>, kinds: &Jobs, stop: &watch::Receiver<bool>) -> Result<bool> {
    let (mut seats, full) = kinds.seats();
    let Some(taken) = take(&services.db, services.config.job_lease_seconds, &full).await? else { return Ok(false) };
    let (id, attempt, name) = (taken.id, taken.attempts, taken.kind.clone());
    // Until the job is over; the others are free again at once.
    let _seat = seats.remove(name.as_str());
    drop(seats);
    let failure = match (kinds.kinds.get(name.as_str()), RegionCode::parse(&taken.region_code)) {
        (Some(Kind { work, .. }), Some(region)) if attempt <= MAX_ATTEMPTS => {
            let step = Step {
                services: services.clone(),
                id,
                actor_id: taken.actor_id,
                region,
                payload: taken.payload,
                cursor: taken.cursor,
                attempt,
                stop: stop.clone(),
            };
            tracing::info!(job = %id, kind = %name, attempt, "job taken");
            // A task of its own: a panic ends the job's try and not the worker.
            match tokio::spawn(work(step)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(cause) => Some(Error::Internal(anyhow::anyhow!("job panicked: {cause}"))),
            }
        }
        _ => Some(Error::Internal(anyhow::anyhow!("job of unknown kind, or tried too often"))),
    };
    match failure {
        None => put_back_if_running(services, id, attempt).await?,
        Some(error) => {
            tracing::error!(job = %id, kind = %name, attempt, %error, "job failed");
            let ended = attempt >= MAX_ATTEMPTS
                || matches!(error, Error::Refused(code) if code.status() < 500)
                || matches!(error, Error::Invalid(_));
            let mut conn = services.db.get().await?;
            diesel::sql_query(
                "UPDATE jobs SET state = CASE WHEN $1 THEN 'failed' ELSE 'queued' END, lease_until = NULL, version = version + 1,
                        run_at = now() + make_interval(secs => power(2, attempts)::int), error_code = $2,
                        finished_at = CASE WHEN $1 THEN now() END
                  WHERE id = $3 AND attempts = $4 AND state = 'running'",
            )
            .bind::<Bool, _>(ended)
            .bind::<Text, _>(error.code().name())
            .bind::<SqlUuid, _>(id)
            .bind::<Integer, _>(attempt)
            .execute(&mut *conn)
            .await?;
        }
    }
    Ok(true)
}

/// Work that halted because the service stops goes back to the queue at once, without counting as a failed try.
async fn put_back_if_running(services: &Services, id: Uuid, attempt: i32) -> Result<()> {
    let mut conn = services.db.get().await?;
    diesel::update(jobs::table.filter(jobs::id.eq(id)).filter(jobs::attempts.eq(attempt)).filter(jobs::state.eq("running")))
        .set((jobs::state.eq("queued"), jobs::lease_until.eq(None::<DateTime<Utc>>), jobs::attempts.eq(jobs::attempts - 1)))
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Works off jobs until told to stop; the one in hand halts at its next step.
pub async fn run(services: Arc<Services>, kinds: Jobs, mut stop: watch::Receiver<bool>) {
    loop {
        if *stop.borrow() {
            return;
        }
        match run_one(&services, &kinds, &stop).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "job queue"),
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Jobs that have not ended, by kind and state, for the metrics.
pub async fn open(db: &Db) -> Result<Vec<(String, String, i64)>> {
    let mut conn = db.get().await?;
    Ok(jobs::table
        .filter(jobs::state.eq_any(["queued", "running"]))
        .group_by((jobs::kind, jobs::state))
        .select((jobs::kind, jobs::state, diesel::dsl::count_star()))
        .load(&mut *conn)
        .await?)
}
