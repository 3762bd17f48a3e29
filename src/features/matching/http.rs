//! Matching over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::jobs::{self, KIND, UNIT};
use super::model::{Against, DecisionState, MatchStatus, Outcome, RunState, Step, Zone};
use super::people::{self, Side};
use super::store::{self, DECISIONS, Decision, MatchResult, Pair, Run, Seen, Shown, Tally, WantedPairs, WantedResults};
use crate::features::datasets::{self, NikState};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Accepted, Created, Found, Item, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::jobs::enqueue;
use crate::platform::list::{List, Path, Query};
use crate::platform::policy::{MatchesDecide, MatchingRead, MatchingWrite};
use crate::platform::valid::{Valid, printable};

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("matching", "Matching (pemadanan): lists that disagree become one, with reasons, review and decisions that last");
    mount!(
        api,
        list,
        create,
        fetch,
        history,
        summary,
        results,
        pairs,
        fetch_pair,
        decide,
        list_decisions,
        fetch_decision,
        confirm,
        undo,
        history_of_decision
    );
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingRunOut {
    /// Record id.
    pub id: Uuid,
    /// The left release's region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What the left release is compared with.
    #[schema(value_type = Against)]
    pub against: String,
    /// The left side.
    pub left_release_id: Uuid,
    /// The right side, where it is a release.
    pub right_release_id: Option<Uuid>,
    /// How it stands; how far it is, its job tells.
    #[schema(value_type = RunState)]
    pub state: String,
    /// Its job.
    pub job_id: Uuid,
    /// Whether a decision needs a second person.
    pub four_eyes: bool,
    /// Results can be read since.
    pub done_at: Option<DateTime<Utc>>,
    /// People on the left; 0 until it is done.
    pub left_people: i32,
    /// People on the right; 0 until it is done.
    pub right_people: i32,
    /// Pairs of people that were compared.
    pub pairs_compared: i64,
    /// The version of the model that gave the weights.
    pub model: Option<String>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Asked for at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Shown> for MatchingRunOut {
    fn from((row, job): Shown) -> Self {
        let state = RunState::of(row.done_at.is_some(), &job).name().to_owned();
        let Run { id, region_code, against, left_release_id, right_release_id, job_id, done_at, four_eyes, .. } = row;
        let Run { left_people, right_people, pairs_compared, model, version, created_at, updated_at, .. } = row;
        MatchingRunOut {
            id,
            region_code,
            against,
            left_release_id,
            right_release_id,
            state,
            job_id,
            four_eyes,
            done_at,
            left_people,
            right_people,
            pairs_compared,
            model,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for MatchingRunOut {
    fn location(&self) -> String {
        format!("/matching-runs/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A run that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingRunBegun {
    /// The run.
    pub run_id: Uuid,
    /// The job to poll.
    pub job_id: Uuid,
}

impl Resource for MatchingRunBegun {
    fn location(&self) -> String {
        format!("/jobs/{}", self.job_id)
    }
    fn version(&self) -> i32 {
        1
    }
}

/// A run to begin.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchingRunCreate {
    /// An id of your own, UUIDv7.
    pub id: Option<Uuid>,
    /// The left side: a release that is imported or kept.
    pub left_release_id: Uuid,
    /// What it is compared with.
    pub against: Against,
    /// The right side, for `against: release`; the civil registry's extract, say.
    pub right_release_id: Option<Uuid>,
    /// Whether a decision needs a second person; no unless you say so.
    #[serde(default)]
    pub four_eyes: bool,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchingRunFilter {
    /// With this release on either side.
    release_id: Option<Uuid>,
    /// In this state.
    state: Option<RunState>,
}

/// List matching runs
///
/// The newest first.
#[utoipa::path(get, path = "/matching-runs")]
async fn list(access: Access<MatchingRead>, list: List<MatchingRunFilter>) -> Result<Page<MatchingRunOut>> {
    let MatchingRunFilter { release_id, state } = &list.filter;
    let rows = store::runs(&access.read().await?, *release_id, *state, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |(row, _)| row.id, MatchingRunOut::from))
}

/// Begin a matching run
///
/// 202 with a job to poll. The people of the left release are compared with those of another release, with the members of
/// our families, or with each other; decisions that people took before hold. Runs don't disturb each other, and a run over
/// the same releases gives the same.
#[utoipa::path(post, path = "/matching-runs")]
async fn create(access: Access<MatchingWrite>, Valid(body): Valid<MatchingRunCreate>) -> Result<Accepted<MatchingRunBegun>> {
    let MatchingRunCreate { id, left_release_id, against, right_release_id, four_eyes } = body;
    match (against, right_release_id) {
        (Against::Release, None) => return Err(Error::field("right_release_id", "required", "Name the release to compare with.")),
        (Against::Release, Some(right)) if right == left_release_id => {
            return Err(Error::field("right_release_id", "same", "To find who is on a list twice, send against: itself."));
        }
        (Against::Families | Against::Itself, Some(_)) => {
            return Err(Error::field("right_release_id", "unexpected", "Leave it out, or send against: release."));
        }
        _ => {}
    }
    let mut tx = access.write().await?;
    let left = datasets::find_kept(&tx, left_release_id).await?;
    if let Some(right) = right_release_id {
        datasets::find_kept(&tx, right).await?;
    }
    let (id, now) = (id.unwrap_or_else(new_id), Utc::now());
    let region = RegionCode::stored(&left.region_code);
    let job = enqueue(&mut tx, KIND, &region, json!({"run_id": id}), UNIT, Some(format!("/matching-runs/{id}"))).await?;
    let run = store::insert_run(
        &mut tx,
        &Run {
            id,
            region_code: left.region_code,
            against: against.name().into(),
            left_release_id,
            right_release_id,
            job_id: job,
            done_at: None,
            four_eyes,
            left_people: 0,
            right_people: 0,
            pairs_compared: 0,
            model: None,
            version: 1,
            created_at: now,
            updated_at: now,
        },
    )
    .await?;
    tx.commit([Change::created(&run)]).await?;
    Ok(Accepted(MatchingRunBegun { run_id: id, job_id: job }))
}

/// Fetch a matching run
#[utoipa::path(get, path = "/matching-runs/{id}")]
async fn fetch(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Found<MatchingRunOut>> {
    Ok(Found(store::find_run(&access.read().await?, id).await?.into()))
}

/// List what happened to a matching run
#[utoipa::path(get, path = "/matching-runs/{id}/history")]
async fn history(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find_run(&db, id).await?;
    changes::history(&db, "matching-runs", id, &list).await
}

/// How many people of a region have a status.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchTallyOut {
    /// The region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Its name.
    pub name: Option<String>,
    /// What became of them.
    #[schema(value_type = MatchStatus)]
    pub status: String,
    /// How many people.
    pub people: i64,
}

/// A run in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingSummaryOut {
    /// The run.
    pub run_id: Uuid,
    /// People of the left side in your regions.
    pub people: i64,
    /// Found among them: matched, by NIK or by name, active or not.
    pub found: i64,
    /// By region and status.
    pub tallies: Vec<MatchTallyOut>,
}

/// At what level.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SummaryFilter {
    /// Regions of this level; `subdistrict` unless you say so.
    level: Option<Level>,
}

/// Sum up a matching run
///
/// People by region and status: the coverage report. 409 `run_not_done` until its job has ended well.
#[utoipa::path(get, path = "/matching-runs/{id}/summary")]
async fn summary(
    access: Access<MatchingRead>,
    Path(id): Path<Uuid>,
    Query(filter): Query<SummaryFilter>,
) -> Result<Item<MatchingSummaryOut>> {
    let db = access.read_apart().await?;
    store::find_done(&db, id).await?;
    let tallies = store::tally(&db, id, filter.level.unwrap_or(Level::Subdistrict)).await?;
    let is_found = |status: &str| {
        use MatchStatus::{InactiveDeceased, InactiveMoved, Matched, MatchedByName, MatchedByNikOtherData};
        matches!(MatchStatus::parse(status), Some(Matched | MatchedByNikOtherData | MatchedByName | InactiveDeceased | InactiveMoved))
    };
    let people = tallies.iter().map(|(.., people)| people).sum();
    let found = tallies.iter().filter(|(_, _, status, _)| is_found(status)).map(|(.., people)| people).sum();
    let out = |(region_code, name, status, people): Tally| MatchTallyOut { region_code, name, status, people };
    Ok(Item(MatchingSummaryOut { run_id: id, people, found, tallies: tallies.into_iter().map(out).collect() }))
}

/// What became of a person of the left side.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchResultOut {
    /// The statement that names the person.
    pub statement_id: Uuid,
    /// The person's place in it, from 0.
    pub ordinal: i16,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What became of them; the local verdict.
    #[schema(value_type = MatchStatus)]
    pub status: String,
    /// What can be said of their NIK by itself.
    #[schema(value_type = NikState)]
    pub nik_state: String,
    /// Whether certainly another person has the same NIK.
    pub nik_taken: bool,
    /// The pair that holds.
    pub pair_id: Option<Uuid>,
    /// The centre's own verdict (Padan Dukcapil), never changed by ours; null where the source states none.
    pub dukcapil_match: Option<bool>,
}

impl From<MatchResult> for MatchResultOut {
    fn from(row: MatchResult) -> Self {
        let MatchResult { statement_id, ordinal, region_code, nik_state, nik_taken, status, pair_id, dukcapil_match } = row;
        MatchResultOut { statement_id, ordinal, region_code, status, nik_state, nik_taken, pair_id, dukcapil_match }
    }
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchResultFilter {
    /// With this status: `nik_missing` is the work list of Disdukcapil.
    status: Option<MatchStatus>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List the results of a matching run
///
/// One for each person of the left side; by status it is a work list.
#[utoipa::path(get, path = "/matching-runs/{id}/results")]
async fn results(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<MatchResultFilter>) -> Result<Page<MatchResultOut>> {
    let db = access.read().await?;
    store::find_done(&db, id).await?;
    let MatchResultFilter { status, region } = &list.filter;
    let wanted = WantedResults { status: status.map(MatchStatus::name), region: region.clone() };
    let rows = store::results(&db, id, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| (row.statement_id, row.ordinal), MatchResultOut::from))
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

/// Two people who may be one.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPairOut {
    /// Record id.
    pub id: Uuid,
    /// The run.
    pub run_id: Uuid,
    /// The left person's village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What the engine makes of it.
    #[schema(value_type = Zone)]
    pub zone: String,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// The probability that they are one.
    #[schema(minimum = 0, maximum = 1)]
    pub probability: f64,
    /// How many other people of the two families a decision helps to settle.
    pub unlocks: i16,
    /// Whether both have a NIK and it is the same; null where one has none.
    pub nik_agrees: Option<bool>,
    /// Whether name and birth date agree.
    pub data_agrees: bool,
    /// The decision that stands on it, in force or proposed.
    pub decision: Option<MatchDecisionOut>,
}

impl From<Seen> for MatchPairOut {
    fn from((row, decision): Seen) -> Self {
        let Pair { id, run_id, region_code, zone, weight, probability, unlocks, nik_agrees, data_agrees, .. } = row;
        let decision = decision.map(MatchDecisionOut::from);
        MatchPairOut { id, run_id, region_code, zone, weight, probability, unlocks, nik_agrees, data_agrees, decision }
    }
}

/// Which pairs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchPairFilter {
    /// In this zone: `review` is the queue.
    zone: Option<Zone>,
    /// Only those with a decision, or only those without one.
    decided: Option<bool>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List the pairs of a matching run
///
/// What a decision unlocks most comes first: `zone=review&decided=false` is the queue to work off.
#[utoipa::path(get, path = "/matching-runs/{id}/pairs")]
async fn pairs(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<MatchPairFilter>) -> Result<Page<MatchPairOut>> {
    let db = access.read().await?;
    store::find_done(&db, id).await?;
    let MatchPairFilter { zone, decided, region } = &list.filter;
    let wanted = WantedPairs { zone: zone.map(Zone::name), decided: *decided, region: region.clone() };
    let rows = store::pairs(&db, id, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |(pair, _)| (pair.unlocks, pair.id), MatchPairOut::from))
}

/// A person as one side states them, numbers masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPersonOut {
    /// The statement that names them; null where they are our member.
    pub statement_id: Option<Uuid>,
    /// Our member; null where a statement names them.
    pub member_id: Option<Uuid>,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Name as written.
    pub name: String,
    /// NIK, masked.
    pub nik: Option<String>,
    /// KK number, masked.
    pub kk: Option<String>,
    /// Sex.
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Born at.
    pub birth_place: Option<String>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// Relation to the head of the family.
    pub relation: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// The other members of the family, by name.
    pub family: Vec<String>,
}

/// A term of a weight.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MatchTermOut {
    /// Which comparison, as a stable word.
    pub key: String,
    /// Its fields and how far they agree, as stable words.
    pub levels: Vec<MatchLevelOut>,
    /// What it adds to the weight, in bits: positive speaks for one person, negative for two.
    pub weight: f64,
    /// In Indonesian.
    pub indonesian: String,
    /// In English.
    pub english: String,
}

/// How far a field agrees.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MatchLevelOut {
    /// The field.
    pub field: String,
    /// The level of agreement.
    pub level: String,
}

/// Two people side by side, with the reasons.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPairDetailOut {
    /// The pair.
    pub pair: MatchPairOut,
    /// The person of the left side.
    pub left: MatchPersonOut,
    /// The person of the right side.
    pub right: MatchPersonOut,
    /// The terms that add up to the weight, in their order.
    pub terms: Vec<MatchTermOut>,
}

/// Fetch a pair
///
/// Both people side by side, numbers masked, and the terms that add up to the weight. Looking is recorded.
#[utoipa::path(get, path = "/match-pairs/{id}")]
async fn fetch_pair(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Item<MatchPairDetailOut>> {
    let db = access.read_apart().await?;
    let (pair, decision) = store::find_pair(&db, id).await?;
    let keys = &access.platform().keys;
    let left = people::look_at(&db, keys, Side::Statement(pair.left_statement_id, pair.left_ordinal)).await?;
    let right = people::look_at(&db, keys, Side::of_right(&pair)?).await?;
    let terms = jobs::terms(&pair)?;
    access.record_in(RegionCode::stored(&pair.region_code), "match-pairs", Some(id), "fetch", 2, None)?;
    Ok(Item(MatchPairDetailOut { pair: (pair, decision).into(), left, right, terms }))
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
    #[validate(length(min = 1, max = 1000), custom(function = printable))]
    pub reason: Option<String>,
}

/// Decide about a pair
///
/// Remembered for ever: it holds for later runs and for later releases that name the same two people, until it is undone.
/// With four eyes it is `proposed` until somebody else confirms it. A pair with a decision that stands is refused: undo that
/// one first.
#[utoipa::path(post, path = "/match-pairs/{id}/decision")]
async fn decide(
    access: Access<MatchesDecide>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<MatchDecisionCreate>,
) -> Result<Created<MatchDecisionOut>> {
    let mut tx = access.write().await?;
    let (pair, decision) = store::find_pair(&tx, id).await?;
    if decision.is_some() {
        return Err(Code::DecisionStands.into());
    }
    let (run, _) = store::find_run(&tx, pair.run_id).await?;
    let state = if run.four_eyes { DecisionState::Proposed } else { DecisionState::InForce };
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
    store::derive(&mut tx, &row).await?;
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
/// By somebody else than who took it; from now on it holds.
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
    store::derive(&mut tx, &new).await?;
    tx.commit([Change::turned("confirmed", &old, &new)]).await?;
    Ok(Found(new.into()))
}

/// Why a decision is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchDecisionUndo {
    /// Kept for ever.
    #[validate(length(min = 1, max = 1000), custom(function = printable))]
    pub reason: String,
}

/// Undo a match decision
///
/// What it had changed is as it was before; the pair can be decided anew.
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
    let wanted = Decision { state: state.name().into(), undo_reason: Some(body.reason), ..old.clone() };
    let new = store::update_decision(&mut tx, &wanted).await?;
    store::derive(&mut tx, &new).await?;
    tx.commit([Change::turned("undone", &old, &new)]).await?;
    Ok(Found(new.into()))
}
