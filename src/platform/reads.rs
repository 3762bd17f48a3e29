//! Who read whose personal data: collected in memory and appended in batches off the request's path.
//!
//! At most one second of records is lost in a crash. When the database is away for long and the store is full, reading
//! is refused: what cannot be recorded is not shown.

use std::borrow::Cow;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::ExpressionMethods;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::db::Db;
use super::error::{Code, Result};
use super::ids::RegionCode;
use crate::schema::reads;

/// How many records wait at most.
const LIMIT: usize = 200_000;
/// How long a record waits at most while the database answers.
const PAUSE: Duration = Duration::from_millis(500);

/// One reading of personal data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// Record id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor_id: Uuid,
    /// Whose regulators may learn of it.
    pub region: RegionCode,
    /// What kind of record or list.
    pub resource: Cow<'static, str>,
    /// Which record, when it was one.
    pub resource_id: Option<Uuid>,
    /// By which operation.
    pub action: Cow<'static, str>,
    /// How many records were shown.
    pub rows: i32,
    /// Why, where it was asked.
    pub reason: Option<String>,
    /// In which request.
    pub request_id: Uuid,
}

/// The records that wait to be appended.
#[derive(Debug, Default)]
pub struct Reads {
    waiting: Mutex<Vec<Seen>>,
}

impl Reads {
    /// Takes one record; refuses when too many wait.
    pub fn push(&self, seen: Seen) -> Result<()> {
        let mut waiting = self.lock();
        if waiting.len() >= LIMIT {
            return Err(Code::Unavailable.into());
        }
        waiting.push(seen);
        Ok(())
    }

    /// How many records wait.
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Appends what waits; on failure it keeps waiting.
    pub async fn flush(&self, db: &Db) -> Result<usize> {
        let batch = std::mem::take(&mut *self.lock());
        if batch.is_empty() {
            return Ok(0);
        }
        match append(db, &batch).await {
            Ok(()) => Ok(batch.len()),
            Err(error) => {
                let mut waiting = self.lock();
                let newer = std::mem::replace(&mut *waiting, batch);
                waiting.extend(newer);
                Err(error)
            }
        }
    }

    /// Appends every half second until told to stop, then once more.
    pub async fn run(&self, db: &Db, mut stop: tokio::sync::watch::Receiver<bool>) {
        loop {
            let stopping = tokio::select! {
                () = tokio::time::sleep(PAUSE) => false,
                _ = stop.changed() => true,
            };
            if let Err(error) = self.flush(db).await {
                tracing::error!(%error, "reads could not be recorded yet");
            }
            if stopping {
                return;
            }
        }
    }
}

async fn append(db: &Db, batch: &[Seen]) -> Result<()> {
    let mut conn = db.get().await?;
    for part in batch.chunks(2_000) {
        match insert(&mut conn, part).await {
            Err(cause) if is_ours(&cause) => {
                // One impossible record must not keep all others waiting until reading is refused to everybody.
                for seen in part {
                    match insert(&mut conn, std::slice::from_ref(seen)).await {
                        Err(cause) if is_ours(&cause) => tracing::error!(
                            actor = %seen.actor_id, resource = %seen.resource, action = %seen.action, request_id = %seen.request_id,
                            "a reading cannot be recorded and is only told here"
                        ),
                        other => other?,
                    }
                }
            }
            other => other?,
        }
    }
    Ok(())
}

/// Whether the record itself is at fault and will be the next time too.
fn is_ours(cause: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind as Kind, Error};
    matches!(cause, Error::DatabaseError(Kind::ForeignKeyViolation | Kind::NotNullViolation | Kind::CheckViolation, _))
}

async fn insert(conn: &mut AsyncPgConnection, part: &[Seen]) -> std::result::Result<(), diesel::result::Error> {
    let rows: Vec<_> = part
        .iter()
        .map(|seen| {
            (
                reads::id.eq(seen.id),
                reads::at.eq(seen.at),
                reads::actor_id.eq(seen.actor_id),
                reads::region_code.eq(seen.region.as_str()),
                reads::resource.eq(seen.resource.as_ref()),
                reads::resource_id.eq(seen.resource_id),
                reads::action.eq(seen.action.as_ref()),
                reads::rows.eq(seen.rows),
                reads::reason.eq(seen.reason.as_deref()),
                reads::request_id.eq(Some(seen.request_id)),
            )
        })
        .collect();
    // A batch that failed half-way is sent again whole.
    diesel::insert_into(reads::table).values(rows).on_conflict_do_nothing().execute(conn).await.map(drop)
}
