//! The import of a release: read on a thread of its own, written by the batch, resumed where it was when its worker died.
//!
//! A batch is one transaction: families, members, the source's keys, ranks, remarks, counts and the place in the file.
//! Whatever kills the process, what is stored and the place to go on from agree; and a family that was stored before is
//! found by the source's key, so that not even a second reading of the file from its beginning makes two of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::intake::{self, Batch, Family, KEPT, News, Person, Remark, Standard, Stop};
use super::model::{ReleaseMode, ReleaseState, Severity, faults};
use super::service::{profile_of, spooled_file};
use super::store::{self, Counts, Known, Ranked, Release, Sources};
use crate::features::beneficiaries::{self, ImportFamily, ImportMember};
use crate::features::regions;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::jobs::{Halt, Jobs, Progress, Step};

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
}

impl Cursor {
    fn progress(self) -> Progress {
        Progress { done: self.rows, total: self.total, cursor: Some(json!(self)) }
    }
}

/// Tells the reading thread to stop when the work ends, however it ends.
struct Listener(Arc<AtomicBool>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn import(step: Step) -> Result<()> {
    let Payload { release_id } = serde_json::from_value(step.payload.clone()).context("payload of an import")?;
    let db = step.read().await?;
    let (release, _) = store::find_release(&db, release_id).await?;
    let region = RegionCode::stored(&release.region_code);
    let villages = regions::villages_of(&db, &region).await?.into_iter().map(|(code, ..)| code).collect();
    // A connection is not kept through a long job.
    drop(db);
    let path = spooled_file(&step.services().config, release_id);
    if !path.exists() {
        return Err(anyhow::anyhow!("the file of release {release_id} is not in this machine's spool").into());
    }
    let standard =
        Standard { profile: profile_of(&release.profile)?, region, villages, today: release.created_at.date_naive(), keep: KEPT };
    let mut work = Work::new(step, release);
    let (tell, mut news) = mpsc::channel(1);
    let halted = Arc::new(AtomicBool::new(false));
    let _listener = Listener(halted.clone());
    let (skip, size) = (work.skip(), work.step.services().config.import_batch);
    let reading = tokio::task::spawn_blocking(move || {
        intake::read(&path, &standard, skip, size, &halted, &mut |told| tell.blocking_send(told).is_ok())
    });
    let lease = u64::try_from(work.step.services().config.job_lease_seconds).unwrap_or(1);
    let pause = Duration::from_millis(lease.saturating_mul(300));
    let mut last = None;
    loop {
        let halt = match tokio::time::timeout(pause, news.recv()).await {
            // A large file takes longer to read than a lease lasts.
            Err(_) => work.step.store_progress(work.cursor.progress()).await?,
            Ok(None) => break,
            Ok(Some(News::Total(total))) => {
                work.cursor.total = Some(total);
                work.step.store_progress(work.cursor.progress()).await?
            }
            Ok(Some(News::Batch(batch))) => work.batch(batch).await?,
            Ok(Some(News::Last(batch))) => {
                last = Some(batch);
                work.catch_up().await?
            }
        };
        match halt {
            None => {}
            Some(Halt::Stopping) => return Ok(()),
            Some(Halt::Cancelled) => return work.cancelled().await,
        }
    }
    match (reading.await.context("reading a release")?, last) {
        (Ok(()), Some(batch)) => work.finish(batch).await,
        (Err(Stop::File(cause)), _) => work.failed(cause.code(), &cause.to_string()).await,
        _ => Err(anyhow::anyhow!("the reading of release {release_id} ended without an end").into()),
    }
}

struct Work {
    step: Step,
    release: Release,
    mode: ReleaseMode,
    cursor: Cursor,
    /// A dry run stores nothing before its end.
    judged: (Counts, Vec<Remark>),
    /// The batch to be written next.
    ahead: Option<Ready>,
}

/// A batch sealed under the ids that it will have: made ready while the database writes the batch before it.
struct Ready {
    batch: Batch,
    /// What the ids were chosen by.
    known: Known,
    prepared: beneficiaries::Prepared,
    sources: Sources,
    ranked: Ranked,
    remarks: Vec<Remark>,
}

impl Work {
    fn new(step: Step, release: Release) -> Work {
        let mode = ReleaseMode::parse(&release.mode).unwrap_or(ReleaseMode::Validate);
        let cursor: Option<Cursor> = step.cursor.clone().and_then(|cursor| serde_json::from_value(cursor).ok());
        let cursor = cursor.filter(|_| mode == ReleaseMode::Commit).unwrap_or_default();
        Work { step, release, mode, cursor, judged: (Counts::default(), Vec::new()), ahead: None }
    }

    fn skip(&self) -> u64 {
        self.cursor.families
    }

    async fn batch(&mut self, batch: Batch) -> Result<Option<Halt>> {
        match self.mode {
            ReleaseMode::Validate => {
                let after = self.after(&batch);
                self.judge(batch).await?;
                self.cursor = after;
                self.step.store_progress(after.progress()).await
            }
            ReleaseMode::Commit => {
                let ahead = self.ahead.take();
                let (stored, ready) = tokio::join!(self.store(ahead), self.look_ahead(batch));
                let halt = self.advance(stored?);
                self.ahead = Some(ready?);
                Ok(halt)
            }
        }
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
        let db = self.step.read().await?;
        let known = known(&db, &self.release, &batch.families).await?;
        drop(db);
        self.ready(batch, known).await
    }

    async fn ready(&self, batch: Batch, known: Known) -> Result<Ready> {
        let services = self.step.services().clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let Identified { families, sources, ranked, remarks } = identify(&batch.families, &known);
            Ok(Ready { prepared: beneficiaries::prepare(&services.keys, families)?, batch, known, sources, ranked, remarks })
        });
        sealing.await.context("sealing")?
    }

    /// Counts what a dry run would have written.
    async fn judge(&mut self, batch: Batch) -> Result<()> {
        let db = self.step.read().await?;
        let known = known(&db, &self.release, &batch.families).await?;
        let (counts, remarks) = &mut self.judged;
        let people = batch.families.iter().map(|family| family.people.len()).sum::<usize>();
        counts.families += long(batch.families.len());
        counts.people += long(people);
        counts.families_new += long(batch.families.len().saturating_sub(known.families.len()));
        counts.people_new += long(people.saturating_sub(known.people.len()));
        counts.rejected += batch.rejected;
        counts.warnings += batch.warned;
        remarks.extend(batch.remarks);
        Ok(())
    }

    /// Writes a batch; gives the changes to be committed.
    async fn take_over(&self, tx: &mut crate::platform::db::Tx, mut ready: Ready) -> Result<Vec<Change>> {
        let release = &self.release;
        store::lock(tx, release.dataset_id).await?;
        // Somebody else may have imported the same families, or moved a person, since the batch was made ready.
        let known = known(tx, release, &ready.batch.families).await?;
        if known != ready.known {
            ready = self.ready(ready.batch, known).await?;
        }
        let Ready { batch, known: _, prepared, sources, ranked, mut remarks } = ready;
        let mut counts = Counts {
            families: long(sources.families.len()),
            people: long(sources.people.len()),
            rejected: batch.rejected,
            warnings: batch.warned.saturating_add(long(remarks.len())),
            ..Counts::default()
        };
        let mut changes = Vec::new();
        if !sources.families.is_empty() {
            let written = beneficiaries::import_prepared(tx, prepared).await?;
            counts.families_new = long(written.families_new);
            counts.people_new = long(written.people_new);
            changes = written.changes;
            store::keep_sources(tx, release, &sources).await?;
            store::insert_ranks(tx, release, &ranked).await?;
        }
        remarks.extend(batch.remarks);
        store::insert_remarks(tx, release.id, &remarks).await?;
        store::count(tx, release.id, counts).await?;
        Ok(changes)
    }

    /// The last batch, the release's own change and the end of the job, all at once.
    async fn finish(mut self, batch: Batch) -> Result<()> {
        let after = self.after(&batch);
        let state = match self.mode {
            ReleaseMode::Validate => {
                self.judge(batch).await?;
                ReleaseState::Validated
            }
            ReleaseMode::Commit => {
                let ready = self.look_ahead(batch).await?;
                let mut tx = self.step.write().await?;
                let mut changes = self.take_over(&mut tx, ready).await?;
                changes.extend(self.end(&mut tx, ReleaseState::Imported).await?);
                return self.close(tx, changes, after).await;
            }
        };
        let mut tx = self.step.write().await?;
        let (counts, remarks) = &self.judged;
        store::insert_remarks(&mut tx, self.release.id, remarks).await?;
        store::count(&mut tx, self.release.id, *counts).await?;
        let changes = self.end(&mut tx, state).await?;
        self.close(tx, changes, after).await
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

    async fn cancelled(self) -> Result<()> {
        let mut tx = self.step.write().await?;
        let changes = self.end(&mut tx, ReleaseState::Cancelled).await?;
        self.step.cancelled(&mut tx).await?;
        tx.commit_all(changes).await?;
        self.remove_file();
        Ok(())
    }

    async fn failed(self, code: &str, detail: &str) -> Result<()> {
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

async fn known(db: &impl crate::platform::db::Scoped, release: &Release, families: &[Family]) -> Result<Known> {
    let family_keys: Vec<&str> = families.iter().map(|family| family.source_id.as_str()).collect();
    let people_keys: Vec<&str> = families.iter().flat_map(|family| &family.people).map(|person| person.source_id.as_str()).collect();
    store::known(db, release.dataset_id, &family_keys, &people_keys).await
}

/// A batch with the ids of our records.
struct Identified {
    families: Vec<ImportFamily>,
    sources: Sources,
    ranked: Ranked,
    remarks: Vec<Remark>,
}

fn identify(families: &[Family], known: &Known) -> Identified {
    let mut out = Identified {
        families: Vec::with_capacity(families.len()),
        sources: Sources::default(),
        ranked: Ranked::default(),
        remarks: Vec::new(),
    };
    for family in families {
        let on_record = known.families.get(&family.source_id).copied();
        let id = on_record.unwrap_or_else(new_id);
        let members = family.people.iter().map(|person| member(person, id, known, &mut out.sources, &mut out.remarks)).collect();
        if let Some(decile) = family.decile {
            out.ranked.families.push(id);
            out.ranked.deciles.push(i16::from(decile));
            out.ranked.percentiles.push(family.percentile.map(i16::from));
        }
        out.sources.family_keys.push(family.source_id.clone());
        out.sources.families.push(id);
        let (region, address, attributes) = (family.region.clone(), family.address.clone(), family.attributes.clone());
        out.families.push(ImportFamily { id, known: on_record.is_some(), region, address, attributes, members });
    }
    out
}

fn member(person: &Person, family: Uuid, known: &Known, sources: &mut Sources, remarks: &mut Vec<Remark>) -> ImportMember {
    let on_record = known.people.get(&person.source_id).copied();
    let id = on_record.map_or_else(new_id, |(member, _)| member);
    if on_record.is_some_and(|(_, theirs)| theirs != family) {
        let (code, reason) = faults::PERSON_ELSEWHERE;
        remarks.push(Remark { place: person.place.clone(), column: None, code, reason, severity: Severity::Warning });
    }
    sources.people_keys.push(person.source_id.clone());
    sources.people.push(id);
    sources.dukcapil.push(person.dukcapil_match);
    ImportMember {
        id,
        known: on_record.is_some(),
        name: person.name.clone(),
        relation: person.relation,
        sex: person.sex,
        birth_date: person.birth_date,
        marital_status: person.marital_status.map(str::to_owned),
        occupation: person.occupation.map(str::to_owned),
        education: person.education.map(str::to_owned),
        nik: person.nik.clone(),
    }
}
