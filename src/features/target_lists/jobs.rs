//! Drawing a list: one transaction from the job's row to the last entry, so that a killed job leaves nothing behind.

use anyhow::Context;
use chrono::Utc;
use serde::Deserialize;
use uuid::Uuid;

use super::model::Step as ListStep;
use super::store::{self, TargetList};
use crate::platform::changes::{Change, Tracked};
use crate::platform::error::{Code, Result};
use crate::platform::jobs::{Halt, Jobs, Progress, Step};

/// The kind of job.
pub const KIND: &str = "target_list_draft";
/// What its progress counts.
pub const UNIT: &str = "families";

/// The feature's jobs.
pub fn jobs(jobs: &mut Jobs) {
    jobs.kind(KIND, |step| Box::pin(work(step)));
}

#[derive(Debug, Deserialize)]
struct Payload {
    list_id: Uuid,
}

async fn work(step: Step) -> Result<()> {
    let Payload { list_id } = serde_json::from_value(step.payload.clone()).context("payload of a target list's job")?;
    let mut tx = step.write().await?;
    // First: whoever has the job's row keeps the job, however long the statement takes.
    match step.progress(&mut tx, Progress { done: 0, total: None, cursor: None }).await? {
        Some(Halt::Stopping) => return Ok(()),
        Some(Halt::Cancelled) => return cancelled(&step, tx, list_id).await,
        None => {}
    }
    // Given up meanwhile, or drawn by a later job.
    let Some(old) = store::find_drafting(&tx, list_id, step.id).await? else { return cancelled(&step, tx, list_id).await };
    let rules = old.drawn_by()?;
    let before = store::in_force(&tx, &old.region_code).await?;
    // Before the entries: a result accepted in between makes the list out of date, never wrong.
    let drafted_at = Utc::now();
    let sources = store::sources(&tx, &old.region_code, &rules).await?;
    store::clear(&mut tx, list_id).await?;
    let drawn = store::draw(&mut tx, &old, &rules, before.as_ref()).await?;
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let mut new = old.clone();
    new.state = old.standing()?.after(ListStep::Drawn).ok_or(Code::StepNotAllowed)?.name().into();
    new.supersedes_id = before.map(|before| before.id);
    new.sources = Some(sources);
    new.drafted_at = Some(drafted_at);
    (new.families, new.people) = (count(drawn.families), count(drawn.people));
    (new.added, new.removed, new.unchanged) = (count(drawn.added), count(drawn.removed), count(drawn.unchanged));
    let new = store::update(&mut tx, &new).await?;
    step.progress(&mut tx, Progress { done: drawn.considered, total: Some(drawn.considered), cursor: None }).await?;
    step.succeed(&mut tx).await?;
    tx.commit([Change::turned("drawn", &old, &new)]).await
}

/// Ends a job that is not wanted any more. The list, where it still waits, can be drawn anew or given up.
async fn cancelled(step: &Step, mut tx: crate::platform::db::Tx, list: Uuid) -> Result<()> {
    step.cancelled(&mut tx).await?;
    tx.commit([Change::new(TargetList::RESOURCE, list, step.region.clone(), "drafting_cancelled")]).await
}
