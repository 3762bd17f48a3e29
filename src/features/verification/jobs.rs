//! The job that gives every village its families. One transaction: a killed one leaves nothing and begins anew.

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::model::CampaignState;
use super::store::campaigns;
use crate::platform::changes::{Change, Tracked};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Result};
use crate::platform::jobs::{Jobs, Progress, Step};

/// The kind of job.
pub const KIND: &str = "verification_assignment";
/// What its progress counts.
pub const UNIT: &str = "families";

/// The feature's jobs.
pub fn jobs(jobs: &mut Jobs) {
    jobs.kind(KIND, |step| Box::pin(work(step)));
}

#[derive(Debug, Deserialize)]
struct Payload {
    campaign_id: Uuid,
}

async fn work(step: Step) -> Result<()> {
    let Payload { campaign_id } = serde_json::from_value(step.payload.clone()).context("payload of an assignment")?;
    let mut tx = step.write().await?;
    let campaign = campaigns::find_to_change(&tx, campaign_id, IfGiven::NOTHING).await?;
    if campaign.standing()? != CampaignState::Open {
        return Err(Code::CampaignNotOpen.into());
    }
    let (mut changes, families) = campaigns::assign(&mut tx, &campaign).await?;
    changes.insert(
        0,
        Change::new(campaigns::Campaign::RESOURCE, campaign.id, campaign.region(), "assigned").with("families", json!(families)),
    );
    step.progress(&mut tx, Progress { done: families, total: Some(families), cursor: None }).await?;
    step.succeed(&mut tx).await?;
    tx.commit_all(changes).await
}
