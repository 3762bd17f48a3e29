//! The import of a release: read on a thread of its own, written by the batch, resumed where it was when its worker died.
//!
//! A batch is one transaction: families, members, the source's keys, ranks, remarks, counts and the place in the file.
//! Whatever kills the process, what is stored and the place to go on from agree; and a family that was stored before is
//! found by the source's key, so that not even a second reading of the file from its beginning makes two of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::intake::{self, Batch, KEPT, KEPT_BYTES, News, Remark, Standard, Stop, Villages};
use super::model::{Rejects, ReleaseMode, ReleaseState};
use super::service::{profile_of, spooled_file};
use super::statement::{self, RawRow, Sealed};
use super::store::{self, Counts, Known, Ranked, Release, Sources};
use crate::features::beneficiaries::{self, Origin};
use crate::features::regions;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::jobs::{Halt, Hangup, Jobs, Progress, Step};

mod identify;

use identify::{Identified, identify, known, leave_out};

/// The kind of job.
pub const KIND: &str = "release_import";
/// What its progress counts.
pub const UNIT: &str = "rows";

/// The feature's jobs.
pub fn jobs(jobs: &mut Jobs) {
    jobs.kind(KIND, |step| Box::pin(import(step)));
}

#[derive(Debug, Deserialize)]
struct Payload {
    release_id: Uuid,
}

/// How far the import is; the families' number is the place to go on from.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Cursor {
    families: u64,
    rows: i64,
    total: Option<i64>,
    /// The whole file was read and no row refused: what follows is to be written.
    #[serde(default)]
    sound: bool,
}

impl Cursor {
    fn progress(self) -> Progress {
        Progress { done: self.rows, total: self.total, cursor: Some(json!(self)) }
    }
}

async fn import(step: Step) -> Result<()> {
    let Payload { release_id } = serde_json::from_value(step.payload.clone()).context("payload of an import")?;
    let db = step.read().await?;
    let (release, _) = store::find_release(&db, release_id).await?;
    let source = store::find(&db, release.dataset_id).await?.code;
    let region = RegionCode::stored(&release.region_code);
    let villages = regions::villages_of(&db, &region).await?;
    let villages = Villages::new(villages.iter().map(|(code, village, subdistrict, ..)| (&**code, &**village, &**subdistrict)));
    // A connection is not kept through a long job.
    drop(db);
    let path = spooled_file(&step.services().config, release_id);
    if !path.exists() {
        return Err(anyhow::anyhow!("the file of release {release_id} is not in this machine's spool").into());
    }
    let profile = profile_of(&release.profile)?;
    let mut work = Work::new(step, release, source);
    let heads = match work.mode {
        ReleaseMode::Commit => true,
        ReleaseMode::Keep => false,
        ReleaseMode::Validate => !profile.register,
    };
    let keys = work.step.services().keys.clone();
    let today = work.release.created_at.date_naive();
    let standard = Standard { profile, region, villages, keys, heads, today, keep: KEPT, keep_bytes: KEPT_BYTES };
    let standard = Arc::new(standard);
    if work.whole_or_nothing() && !work.cursor.sound {
        // Read once to see that every row is right, and once more to write: a transaction over a whole file would hold
        // its locks for as long as the file takes.
        match work.read(path.clone(), standard.clone(), Purpose::Judge).await? {
            Ended::Read => {}
            Ended::Over => return Ok(()),
        }
        if work.judged.0.rejected > 0 {
            return work.refused().await;
        }
        work = work.sound().await?;
    }
    match work.read(path, standard, Purpose::Work).await? {
        Ended::Read => work.finish().await,
        Ended::Over => Ok(()),
    }
}

/// What a reading of the file is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To learn whether any row is refused.
    Judge,
    /// To do what the release is for.
    Work,
}

/// How a reading ended.
enum Ended {
    /// The file is read; the last batch waits.
    Read,
    /// The job is: stopped, cancelled or failed.
    Over,
}

struct Work {
    step: Step,
    release: Release,
    /// Where what it states comes from.
    origin: Origin,
    mode: ReleaseMode,
    cursor: Cursor,
    /// A dry run stores nothing before its end.
    judged: (Counts, Vec<Remark>, Vec<RawRow>),
    /// The batch to be written next.
    ahead: Option<Ready>,
    /// What is left at the end of the file.
    last: Option<Batch>,
}

/// A batch sealed under the ids that it will have: made ready while the database writes the batch before it.
struct Ready {
    batch: Batch,
    /// What the ids were chosen by.
    known: Known,
    taken: Option<Taken>,
    remarks: Vec<Remark>,
    statements: Vec<Sealed>,
}

/// What is to become of the families of a batch.
struct Taken {
    prepared: beneficiaries::Prepared,
    sources: Sources,
    ranked: Ranked,
}

impl Work {
    fn new(step: Step, release: Release, source: String) -> Work {
        let mode = ReleaseMode::parse(&release.mode).unwrap_or(ReleaseMode::Validate);
        let cursor: Option<Cursor> = step.cursor.clone().and_then(|cursor| serde_json::from_value(cursor).ok());
        let cursor = cursor.filter(|_| mode != ReleaseMode::Validate);
        let origin = Origin::release(source, release.id, release.reference_date.unwrap_or(release.received_on));
        let mut work = Work { step, release, origin, mode, cursor: Cursor::default(), judged: Default::default(), ahead: None, last: None };
        // A judgement that was broken off begins anew: nothing of it was stored.
        work.cursor = cursor.filter(|cursor| cursor.sound || !work.whole_or_nothing()).unwrap_or_default();
        work
    }

    fn whole_or_nothing(&self) -> bool {
        self.mode != ReleaseMode::Validate && Rejects::parse(&self.release.rejects) == Some(Rejects::Refuse)
    }

    /// Reads the file and hands its batches on.
    async fn read(&mut self, path: std::path::PathBuf, standard: Arc<Standard>, purpose: Purpose) -> Result<Ended> {
        let (tell, mut news) = mpsc::channel(1);
        let halted = Arc::new(AtomicBool::new(false));
        let _hangup = Hangup(halted.clone());
        let (skip, size) = (self.cursor.families, self.step.services().config.import_batch);
        let reading = tokio::task::spawn_blocking(move || {
            intake::read(&path, &standard, skip, size, &halted, &mut |told| tell.blocking_send(told).is_ok())
        });
        let pause = self.step.heartbeat();
        let mut ended = false;
        loop {
            let halt = match tokio::time::timeout(pause, news.recv()).await {
                // A large file takes longer to read than a lease lasts.
                Err(_) => self.step.store_progress(self.cursor.progress()).await?,
                Ok(None) => break,
                Ok(Some(News::Total(total))) => {
                    self.cursor.total = Some(total);
                    self.step.store_progress(self.cursor.progress()).await?
                }
                Ok(Some(News::Batch(batch))) => self.batch(batch, purpose).await?,
                Ok(Some(News::Last(batch))) => {
                    ended = true;
                    match purpose {
                        Purpose::Judge => {
                            self.judge(batch).await?;
                            self.step.store_progress(self.cursor.progress()).await?
                        }
                        Purpose::Work => {
                            self.last = Some(batch);
                            self.catch_up().await?
                        }
                    }
                }
            };
            match halt {
                None => {}
                Some(Halt::Stopping) => return Ok(Ended::Over),
                Some(Halt::Cancelled) => {
                    self.cancelled().await?;
                    return Ok(Ended::Over);
                }
            }
        }
        match reading.await.context("reading a release")? {
            Ok(()) if ended => Ok(Ended::Read),
            Err(Stop::File(cause)) => {
                self.failed(cause.code(), &cause.to_string()).await?;
                Ok(Ended::Over)
            }
            Err(Stop::Failed(cause)) => Err(cause),
            _ => Err(anyhow::anyhow!("the reading of release {} ended without an end", self.release.id).into()),
        }
    }

    /// No row is refused: from here on the file is written.
    async fn sound(mut self) -> Result<Work> {
        self.judged = Default::default();
        self.cursor = Cursor { total: self.cursor.total, sound: true, ..Cursor::default() };
        self.step.store_progress(self.cursor.progress()).await?;
        Ok(self)
    }

    async fn batch(&mut self, batch: Batch, purpose: Purpose) -> Result<Option<Halt>> {
        if purpose == Purpose::Judge || self.mode == ReleaseMode::Validate {
            let after = self.after(&batch);
            self.judge(batch).await?;
            // How far a judgement is shows in the job; it is never resumed.
            self.cursor.rows = after.rows;
            return self.step.store_progress(self.cursor.progress()).await;
        }
        let ahead = self.ahead.take();
        let (stored, ready) = tokio::join!(self.store(ahead), self.look_ahead(batch));
        let halt = self.advance(stored?);
        self.ahead = Some(ready?);
        Ok(halt)
    }

    /// Writes the batch that was made ready.
    async fn catch_up(&mut self) -> Result<Option<Halt>> {
        let ahead = self.ahead.take();
        let stored = self.store(ahead).await?;
        Ok(self.advance(stored))
    }

    fn after(&self, batch: &Batch) -> Cursor {
        Cursor { families: batch.families_done, rows: batch.rows_done, ..self.cursor }
    }

    fn advance(&mut self, (after, halt): (Cursor, Option<Halt>)) -> Option<Halt> {
        self.cursor = after;
        halt
    }

    async fn store(&self, ready: Option<Ready>) -> Result<(Cursor, Option<Halt>)> {
        let Some(ready) = ready else { return Ok((self.cursor, None)) };
        let after = self.after(&ready.batch);
        let mut tx = self.step.write().await?;
        let changes = self.take_over(&mut tx, ready).await?;
        let halt = self.step.progress(&mut tx, after.progress()).await?;
        tx.commit_all(changes).await?;
        Ok((after, halt))
    }

    async fn look_ahead(&self, batch: Batch) -> Result<Ready> {
        let known = match self.mode {
            ReleaseMode::Keep => Known::default(),
            _ => {
                let db = self.step.read().await?;
                known(&db, &self.release, &batch.families).await?
            }
        };
        self.ready(batch, known, None).await
    }

    /// Makes a batch ready; what it states does not depend on what is known, so that may be there already.
    async fn ready(&self, batch: Batch, known: Known, statements: Option<Vec<Sealed>>) -> Result<Ready> {
        let services = self.step.services().clone();
        let mode = self.mode;
        let sealing = tokio::task::spawn_blocking(move || {
            let statements = match statements {
                Some(statements) => statements,
                None => statement::prepare(&services.keys, &batch.families)?,
            };
            if mode == ReleaseMode::Keep {
                return Ok(Ready { batch, known, taken: None, remarks: Vec::new(), statements });
            }
            let Identified { families, sources, ranked, remarks } = identify(&batch.families, &known);
            let taken = Taken { prepared: beneficiaries::prepare(&services.keys, families)?, sources, ranked };
            Ok(Ready { batch, known, taken: Some(taken), remarks, statements })
        });
        sealing.await.context("sealing")?
    }

    /// Counts what a dry run would have written.
    async fn judge(&mut self, batch: Batch) -> Result<()> {
        let people = batch.families.iter().map(|family| family.people.len()).sum::<usize>();
        let (mut families_new, mut people_new) = (0, 0);
        if self.mode != ReleaseMode::Keep {
            let db = self.step.read().await?;
            let known = known(&db, &self.release, &batch.families).await?;
            families_new = batch.families.len().saturating_sub(known.families.len());
            people_new = people.saturating_sub(known.people.len());
        }
        let (counts, remarks, rows) = &mut self.judged;
        counts.families += long(batch.families.len());
        counts.people += long(people);
        counts.families_new += long(families_new);
        counts.people_new += long(people_new);
        counts.rejected += batch.rejected;
        counts.warnings += batch.warned;
        remarks.extend(batch.remarks);
        rows.extend(batch.rejected_rows);
        Ok(())
    }

    /// Writes a batch; gives the changes to be committed.
    async fn take_over(&self, tx: &mut crate::platform::db::Tx, mut ready: Ready) -> Result<Vec<Change>> {
        let release = &self.release;
        if self.mode == ReleaseMode::Commit {
            store::lock(tx, release.dataset_id).await?;
            // Somebody else may have imported the same families, or moved a person, since the batch was made ready.
            let known = known(tx, release, &ready.batch.families).await?;
            if known != ready.known {
                ready = self.ready(ready.batch, known, Some(ready.statements)).await?;
            }
        }
        let Ready { batch, known: _, taken, mut remarks, statements } = ready;
        let mut counts = Counts {
            families: long(batch.families.len()),
            people: long(batch.families.iter().map(|family| family.people.len()).sum()),
            rejected: batch.rejected,
            ..Counts::default()
        };
        let mut changes = Vec::new();
        match taken {
            Some(Taken { prepared, mut sources, mut ranked }) if !sources.families.is_empty() => {
                let written = beneficiaries::import_prepared(tx, prepared, self.origin.clone()).await?;
                counts.families_new = long(written.families_new);
                counts.people_new = long(written.people_new);
                changes = written.changes;
                remarks.extend(leave_out(&batch.families, &written.elsewhere, &mut sources, &mut ranked));
                store::keep_sources(tx, release, &sources).await?;
                store::insert_ranks(tx, release, &ranked).await?;
            }
            _ => {}
        }
        if changes.is_empty() && !statements.is_empty() {
            // Nobody's record changes; the release's does.
            let region = RegionCode::stored(&release.region_code);
            changes.push(Change::new("releases", release.id, region, "statements_kept").with("families", json!(statements.len())));
        }
        store::insert_statements(tx, release.id, &statements).await?;
        counts.warnings = batch.warned.saturating_add(long(remarks.len()));
        remarks.extend(batch.remarks);
        self.answer_for(tx, &remarks, &batch.rejected_rows).await?;
        store::count(tx, release.id, counts).await?;
        Ok(changes)
    }

    /// Keeps what there is to say about rows, and the refused ones themselves.
    async fn answer_for(&self, tx: &mut crate::platform::db::Tx, remarks: &[Remark], rows: &[RawRow]) -> Result<()> {
        store::insert_remarks(tx, self.release.id, remarks).await?;
        store::insert_rejected_rows(tx, &self.step.services().keys, self.release.id, rows).await
    }

    /// The last batch, the release's own change and the end of the job, all at once.
    async fn finish(mut self) -> Result<()> {
        let batch = self.last.take().context("the last batch of a release")?;
        let after = self.after(&batch);
        if self.mode == ReleaseMode::Validate {
            self.judge(batch).await?;
            let mut tx = self.step.write().await?;
            self.tell_judged(&mut tx).await?;
            let changes = self.end(&mut tx, ReleaseState::Validated).await?;
            return self.close(tx, changes, after).await;
        }
        let ready = self.look_ahead(batch).await?;
        let mut tx = self.step.write().await?;
        let mut changes = self.take_over(&mut tx, ready).await?;
        let state = if self.mode == ReleaseMode::Keep { ReleaseState::Kept } else { ReleaseState::Imported };
        changes.extend(self.end(&mut tx, state).await?);
        self.close(tx, changes, after).await
    }

    async fn tell_judged(&self, tx: &mut crate::platform::db::Tx) -> Result<()> {
        let (counts, remarks, rows) = &self.judged;
        self.answer_for(tx, remarks, rows).await?;
        store::count(tx, self.release.id, *counts).await
    }

    /// A row is refused, so none is taken over.
    async fn refused(self) -> Result<()> {
        let mut tx = self.step.write().await?;
        self.tell_judged(&mut tx).await?;
        let changes = self.end(&mut tx, ReleaseState::Failed).await?;
        self.step.progress(&mut tx, self.cursor.progress()).await?;
        let detail = "Rows were refused, and nothing was to be taken over unless all of them are right; see the rejects.";
        self.step.fail(&mut tx, "rows_rejected", detail).await?;
        tx.commit_all(changes).await?;
        self.remove_file();
        Ok(())
    }

    async fn close(self, mut tx: crate::platform::db::Tx, changes: Vec<Change>, after: Cursor) -> Result<()> {
        self.step.progress(&mut tx, after.progress()).await?;
        self.step.succeed(&mut tx).await?;
        tx.commit_all(changes).await?;
        self.remove_file();
        Ok(())
    }

    /// The release's last state. Told with what it was when it was received: its counts grew since, batch by batch.
    async fn end(&self, tx: &mut crate::platform::db::Tx, state: ReleaseState) -> Result<Vec<Change>> {
        let ended = store::end(tx, self.release.id, state).await?;
        let received = Release { families: 0, people: 0, families_new: 0, people_new: 0, rejected: 0, warnings: 0, ..self.release.clone() };
        Ok(vec![match ended {
            Some(new) => Change::turned(state.name(), &received, &new),
            None => Change::new("releases", self.release.id, RegionCode::stored(&self.release.region_code), state.name()),
        }])
    }

    async fn cancelled(&self) -> Result<()> {
        let mut tx = self.step.write().await?;
        let changes = self.end(&mut tx, ReleaseState::Cancelled).await?;
        self.step.cancelled(&mut tx).await?;
        tx.commit_all(changes).await?;
        self.remove_file();
        Ok(())
    }

    async fn failed(&self, code: &str, detail: &str) -> Result<()> {
        let mut tx = self.step.write().await?;
        let changes = self.end(&mut tx, ReleaseState::Failed).await?;
        self.step.fail(&mut tx, code, detail).await?;
        tx.commit_all(changes).await?;
        self.remove_file();
        Ok(())
    }

    fn remove_file(&self) {
        let path = spooled_file(&self.step.services().config, self.release.id);
        if let Err(cause) = std::fs::remove_file(path) {
            tracing::warn!(release = %self.release.id, %cause, "the file of an ended import was not removed");
        }
    }
}

fn long(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
