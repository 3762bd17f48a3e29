//! Decisions about pairs: taken, confirmed, undone, remembered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{DecisionState, Outcome, Step};
use super::super::store::{self, DECISIONS, Decision};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{MatchesDecide, MatchingRead};
use crate::platform::valid::{Valid, unnumbered};

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, decide, list_decisions, fetch_decision, confirm, undo, history_of_decision);
}

/// A decision about two people.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchDecisionOut {
    /// Record id.
    pub id: Uuid,
    /// The left person's village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The pair that was looked at; the decision holds for every later one of the same two people.
    pub pair_id: Uuid,
    /// What was decided.
    #[schema(value_type = Outcome)]
    pub outcome: String,
    /// Where it stands.
    #[schema(value_type = DecisionState)]
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Why it was taken back.
    pub undo_reason: Option<String>,
    /// Who decided.
    pub decided_by: Uuid,
    /// Who confirmed, with four eyes.
    pub confirmed_by: Option<Uuid>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Decided at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Decision> for MatchDecisionOut {
    fn from(row: Decision) -> Self {
        let Decision { id, region_code, pair_id, outcome, state, reason, undo_reason, decided_by, confirmed_by, .. } = row;
        let Decision { version, created_at, updated_at, .. } = row;
        MatchDecisionOut {
            id,
            region_code,
            pair_id,
            outcome,
            state,
            reason,
            undo_reason,
            decided_by,
            confirmed_by,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for MatchDecisionOut {
    fn location(&self) -> String {
        format!("/match-decisions/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A decision to take.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchDecisionCreate {
    /// An id of your own, UUIDv7.
    pub id: Option<Uuid>,
    /// What they are.
    pub outcome: Outcome,
    /// Why; kept for ever.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    pub reason: Option<String>,
}

/// Decide about a pair
///
/// Remembered for ever: it holds for later runs and for later releases that name the same two people, until it is undone.
/// Where any run over these two people asked for four eyes it is `proposed` until somebody else confirms it. Whoever is
/// decided to be one with a person on the right takes that person away from others, unless these are judged one with them.
/// 409 `decision_stands` for a pair with a decision that stands, perhaps from an earlier run: undo that one first.
#[utoipa::path(post, path = "/match-pairs/{id}/decision")]
async fn decide(
    access: Access<MatchesDecide>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<MatchDecisionCreate>,
) -> Result<Created<MatchDecisionOut>> {
    let mut tx = access.write().await?;
    store::about_to_decide(&tx).await?;
    let (pair, decision) = store::find_pair(&tx, id).await?;
    if decision.is_some() {
        return Err(Code::DecisionStands.into());
    }
    let state = if store::needs_two(&tx, &pair).await? { DecisionState::Proposed } else { DecisionState::InForce };
    let now = Utc::now();
    let row = Decision {
        id: body.id.unwrap_or_else(new_id),
        region_code: pair.region_code,
        pair_id: pair.id,
        one_key: pair.one_key,
        other_key: pair.other_key,
        outcome: body.outcome.name().into(),
        state: state.name().into(),
        reason: body.reason,
        undo_reason: None,
        decided_by: access.actor().id,
        confirmed_by: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = store::insert_decision(&mut tx, &row).await?;
    store::derive(&mut tx, (&row.one_key, &row.other_key)).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Created(row.into()))
}

/// Which decisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchDecisionFilter {
    /// In this state: `proposed` waits for a second person.
    state: Option<DecisionState>,
}

/// List match decisions
///
/// The newest first.
#[utoipa::path(get, path = "/match-decisions")]
async fn list_decisions(access: Access<MatchingRead>, list: List<MatchDecisionFilter>) -> Result<Page<MatchDecisionOut>> {
    let state = list.filter.state.map(DecisionState::name);
    let rows = store::decisions(&access.read().await?, state, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, MatchDecisionOut::from))
}

/// Fetch a match decision
#[utoipa::path(get, path = "/match-decisions/{id}")]
async fn fetch_decision(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Found<MatchDecisionOut>> {
    Ok(Found(store::find_decision(&access.read().await?, id).await?.into()))
}

/// List what happened to a match decision
#[utoipa::path(get, path = "/match-decisions/{id}/history")]
async fn history_of_decision(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find_decision(&db, id).await?;
    changes::history(&db, DECISIONS, id, &list).await
}

/// Confirm a match decision
///
/// By somebody else than who took it (409 `four_eyes`); from now on it holds. 409 `step_not_allowed` for one that is not
/// `proposed`. If-Match is heeded where it is sent.
#[utoipa::path(post, path = "/match-decisions/{id}/confirm")]
async fn confirm(access: Access<MatchesDecide>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<MatchDecisionOut>> {
    let mut tx = access.write().await?;
    let old = store::find_decision_to_change(&tx, id, read).await?;
    let state = old.standing()?.after(Step::Confirm).ok_or(Code::StepNotAllowed)?;
    if old.decided_by == access.actor().id {
        return Err(Code::FourEyes.into());
    }
    let wanted = Decision { state: state.name().into(), confirmed_by: Some(access.actor().id), ..old.clone() };
    let new = store::update_decision(&mut tx, &wanted).await?;
    store::derive(&mut tx, (&new.one_key, &new.other_key)).await?;
    tx.commit([Change::turned("confirmed", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// Why a decision is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchDecisionUndo {
    /// Kept for ever.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    pub reason: String,
}

/// Undo a match decision
///
/// What it had changed is as it was before; the pair can be decided anew. A decision that somebody confirmed is undone by
/// somebody else than who took it (409 `four_eyes`). 409 `step_not_allowed` for one that is undone already.
#[utoipa::path(post, path = "/match-decisions/{id}/undo")]
async fn undo(
    access: Access<MatchesDecide>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<MatchDecisionUndo>,
) -> Result<Found<MatchDecisionOut>> {
    let mut tx = access.write().await?;
    let old = store::find_decision_to_change(&tx, id, read).await?;
    let state = old.standing()?.after(Step::Undo).ok_or(Code::StepNotAllowed)?;
    // What two people hold, neither its taker alone may take back.
    if old.confirmed_by.is_some() && old.decided_by == access.actor().id {
        return Err(Code::FourEyes.into());
    }
    let wanted = Decision { state: state.name().into(), undo_reason: Some(body.reason), ..old.clone() };
    let new = store::update_decision(&mut tx, &wanted).await?;
    store::derive(&mut tx, (&new.one_key, &new.other_key)).await?;
    tx.commit([Change::turned("undone", &old, &new)]).await?;
    Ok(Found(new.into()))
}
