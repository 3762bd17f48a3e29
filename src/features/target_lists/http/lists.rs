//! Target lists: drawn, submitted, returned, decreed.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::annex::hex;
use super::super::jobs::{KIND, UNIT};
use super::super::model::{ListState, Step, TargetListRules};
use super::super::store::{self, TargetList, Wanted};
use crate::features::attachments;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Accepted, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, Change, ChangeOut, NoFilter, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::jobs;
use crate::platform::list::{List, Path};
use crate::platform::policy::{TargetListsDecree, TargetListsRead, TargetListsWrite};
use crate::platform::valid::{Optional, Valid, printable, unnumbered};

/// Mounts the lists.
pub fn operations(api: &mut Api) {
    api.feature("target_lists", "Target lists: drafted, decreed, frozen, superseded");
    mount!(api, list, create, fetch, history, submit, send_back, redraft, discard, decree);
}

/// A target list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetListOut {
    /// Record id.
    pub id: Uuid,
    /// The regency.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Counting in the regency; a discarded list gives its number back.
    pub number: i32,
    /// Its title.
    pub title: String,
    /// Where it stands. Of a regency's lists one is `decreed`, from its first decree on.
    #[schema(value_type = ListState)]
    pub state: String,
    /// The rules it is drawn by.
    #[schema(value_type = TargetListRules)]
    pub rules: serde_json::Value,
    /// The list that was in force when it was drawn, with which it is compared.
    pub supersedes_id: Option<Uuid>,
    /// The job that draws it.
    pub job_id: Option<Uuid>,
    /// Families on it.
    pub families: i32,
    /// Their present members.
    pub people: i32,
    /// Families that were not on the list before.
    pub added: i32,
    /// Families that were on the list before and are not on this one.
    pub removed: i32,
    /// Families on both.
    pub unchanged: i32,
    /// What the leadership said with the last step.
    pub note: Option<String>,
    /// The number of the decree (SK).
    pub sk_number: Option<String>,
    /// The day of the decree.
    pub sk_date: Option<NaiveDate>,
    /// Who signed it.
    pub signatory_name: Option<String>,
    /// As what.
    pub signatory_title: Option<String>,
    /// The decree itself, an attachment of the regency.
    pub decree_id: Option<Uuid>,
    /// SHA-256 over the annex, hexadecimal: of each family on the list, in the order of their ids, one line of id, village, name
    /// of the head, its NIK and the KK number as masked, address, people, decile; tabs between, nothing where unknown, each line
    /// ended by LF; UTF-8.
    pub digest: Option<String>,
    /// When it was drawn.
    pub drafted_at: Option<DateTime<Utc>>,
    /// When it was last handed in.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was decreed.
    pub decreed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub decreed_by: Option<Uuid>,
    /// When the next one took its place.
    pub superseded_at: Option<DateTime<Utc>>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Begun at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<TargetList> for TargetListOut {
    fn from(row: TargetList) -> Self {
        let TargetList { id, region_code, number, title, state, rules, supersedes_id, job_id, families, people, .. } = row;
        let TargetList { added, removed, unchanged, note, sk_number, sk_date, signatory_name, signatory_title, .. } = row;
        let TargetList { decree_id, digest, sources: _, drafted_at, submitted_at, decreed_at, decreed_by, superseded_at, .. } = row;
        let TargetList { version, created_at, updated_at, .. } = row;
        TargetListOut {
            id,
            region_code,
            number,
            title,
            state,
            rules,
            supersedes_id,
            job_id,
            families,
            people,
            added,
            removed,
            unchanged,
            note,
            sk_number,
            sk_date,
            signatory_name,
            signatory_title,
            decree_id,
            digest: digest.map(|digest| hex(&digest)),
            drafted_at,
            submitted_at,
            decreed_at,
            decreed_by,
            superseded_at,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for TargetListOut {
    fn location(&self) -> String {
        format!("/target-lists/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A list to draw.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetListCreate {
    /// A UUIDv7 of your own.
    id: Option<Uuid>,
    /// The regency.
    #[schema(value_type = RegionCode, example = "62.02")]
    region_code: RegionCode,
    /// Its title.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, example = "Keluarga sasaran PPKE 2026")]
    title: String,
    /// The rules; those of a regency's first list where absent.
    #[serde(default)]
    rules: TargetListRules,
}

/// A list to draw anew.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetListRedraft {
    /// Other rules; the list's own where absent.
    rules: Option<TargetListRules>,
}

/// Why a list goes back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetListReturn {
    /// What to mend; read by many and kept for ever, so without NIK or KK numbers and without names of families.
    #[validate(length(min = 1, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 1000)]
    note: String,
}

/// The decree.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetListDecree {
    /// Its number; no other list of the regency has it.
    #[validate(length(min = 1, max = 100), custom(function = printable))]
    #[schema(min_length = 1, max_length = 100, example = "188.45-377 Tahun 2026")]
    sk_number: String,
    /// Its day; not in the future.
    sk_date: NaiveDate,
    /// Who signed it.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    signatory_name: String,
    /// As what.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200, example = "Bupati")]
    signatory_title: String,
    /// The decree itself: an attachment that was sent for this regency.
    decree_id: Option<Uuid>,
}

/// Which lists.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TargetListFilter {
    /// Of regencies in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// In this state; `decreed` gives the lists in force.
    state: Option<ListState>,
}

/// List target lists
///
/// Those of your regencies, oldest first. A village sees the lists of its regency; of their entries only its own.
#[utoipa::path(get, path = "/target-lists")]
async fn list(access: Access<TargetListsRead>, list: List<TargetListFilter>) -> Result<Page<TargetListOut>> {
    let TargetListFilter { region, state } = &list.filter;
    let wanted = Wanted { region: region.clone(), state: state.map(ListState::name) };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, TargetListOut::from))
}

/// Has a list drawn by a job of its own.
async fn enqueue(tx: &mut Tx, region: &RegionCode, id: Uuid) -> Result<Uuid> {
    jobs::enqueue(tx, KIND, region, json!({"list_id": id}), UNIT, Some(format!("/target-lists/{id}"))).await
}

async fn demand_campaigns(tx: &Tx, region: &str, rules: &TargetListRules) -> Result<()> {
    rules.demand()?;
    if store::unknown_campaigns(tx, region, rules).await? {
        return Err(Error::field("rules.campaign_ids", "unknown", "Name campaigns of this regency."));
    }
    Ok(())
}

/// Draft a target list
///
/// 202 with the list in state `drafting`; its job draws it from the accepted village results by the rules, and it is `draft`
/// when the job has ended well. One list at a time is under way in a regency: else 409 `target_list_under_way`.
#[utoipa::path(post, path = "/target-lists")]
async fn create(access: Access<TargetListsWrite>, Valid(body): Valid<TargetListCreate>) -> Result<Accepted<TargetListOut>> {
    let TargetListCreate { id, region_code, title, rules } = body;
    let mut tx = access.write().await?;
    tx.scope().demand(&region_code)?;
    if region_code.level() != Level::Regency {
        return Err(Error::field("region_code", "level", "A target list is a regency's: send the code of a kabupaten or kota."));
    }
    demand_campaigns(&tx, region_code.as_str(), &rules).await?;
    let (id, now) = (id.unwrap_or_else(new_id), Utc::now());
    let job = enqueue(&mut tx, &region_code, id).await?;
    let row = TargetList {
        id,
        number: store::next_number(&tx, region_code.as_str()).await?,
        region_code: region_code.into(),
        title,
        state: ListState::Drafting.name().into(),
        rules: serde_json::to_value(&rules).map_err(anyhow::Error::new)?,
        supersedes_id: None,
        job_id: Some(job),
        families: 0,
        people: 0,
        added: 0,
        removed: 0,
        unchanged: 0,
        note: None,
        sk_number: None,
        sk_date: None,
        signatory_name: None,
        signatory_title: None,
        decree_id: None,
        digest: None,
        sources: None,
        drafted_at: None,
        submitted_at: None,
        decreed_at: None,
        decreed_by: None,
        superseded_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = store::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(Accepted(row.into()))
}

/// Fetch a target list
#[utoipa::path(get, path = "/target-lists/{id}")]
async fn fetch(access: Access<TargetListsRead>, Path(id): Path<Uuid>) -> Result<Found<TargetListOut>> {
    Ok(Found(store::find(&access.read().await?, id).await?.into()))
}

/// List a target list's history
///
/// Every step, oldest first.
#[utoipa::path(get, path = "/target-lists/{id}/history")]
async fn history(access: Access<TargetListsRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find(&db, id).await?;
    changes::history(&db, TargetList::RESOURCE, id, &list).await
}

/// The row after a step, not yet stored.
fn stepped(old: &TargetList, step: Step) -> Result<TargetList> {
    let standing = old.standing()?;
    let after = standing.after(step).ok_or(match standing {
        ListState::Drafting => Code::ListNotReady,
        _ => Code::StepNotAllowed,
    })?;
    let mut new = old.clone();
    new.state = after.name().into();
    Ok(new)
}

/// Refuses a list that was drawn from other village results than are accepted now, or on which somebody stands who was merged, is
/// served no more or left the regency since.
async fn demand_current(tx: &Tx, list: &TargetList) -> Result<()> {
    let now = store::sources(tx, &list.region_code, &list.drawn_by()?).await?;
    if list.sources.as_ref() != Some(&now) || store::has_lost(tx, list).await? { Err(Code::ListOutdated.into()) } else { Ok(()) }
}

async fn store_step(mut tx: Tx, old: TargetList, new: TargetList, action: &'static str) -> Result<Found<TargetListOut>> {
    let new = store::update(&mut tx, &new).await?;
    tx.commit([Change::turned(action, &old, &new).because(new.note.clone().filter(|_| new.note != old.note))]).await?;
    Ok(Found(new.into()))
}

/// Submit a target list
///
/// From draft or returned. 409 `target_list_outdated` when a village result was accepted or reopened since it was drawn: have
/// it drawn anew.
#[utoipa::path(post, path = "/target-lists/{id}/submit")]
async fn submit(access: Access<TargetListsWrite>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<TargetListOut>> {
    let tx = access.write().await?;
    let old = store::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, Step::Submit)?;
    demand_current(&tx, &old).await?;
    new.submitted_at = Some(Utc::now());
    new.note = None;
    store_step(tx, old, new, "submitted").await
}

/// Return a target list
///
/// From submitted, to the secretariat, with a note.
#[utoipa::path(post, path = "/target-lists/{id}/return")]
async fn send_back(
    access: Access<TargetListsDecree>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<TargetListReturn>,
) -> Result<Found<TargetListOut>> {
    let tx = access.write().await?;
    let old = store::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, Step::Return)?;
    new.note = Some(body.note);
    store_step(tx, old, new, "returned").await
}

/// Draw a target list anew
///
/// From draft or returned, by the same rules or by others; from drafting where its job failed or was cancelled, else 409
/// `target_list_not_ready`. 202: the list is `drafting` until the job has ended well.
#[utoipa::path(post, path = "/target-lists/{id}/redraft")]
async fn redraft(
    access: Access<TargetListsWrite>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Optional(body): Optional<TargetListRedraft>,
) -> Result<Accepted<TargetListOut>> {
    let mut tx = access.write().await?;
    let old = store::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, Step::Redraft)?;
    if old.standing()? == ListState::Drafting && !store::is_job_over(&tx, old.job_id).await? {
        return Err(Code::ListNotReady.into());
    }
    let rules = body.rules.map_or_else(|| old.drawn_by(), Ok)?;
    demand_campaigns(&tx, &old.region_code, &rules).await?;
    new.rules = serde_json::to_value(&rules).map_err(anyhow::Error::new)?;
    new.job_id = Some(enqueue(&mut tx, &old.region(), id).await?);
    let new = store::update(&mut tx, &new).await?;
    tx.commit([Change::turned("redrafted", &old, &new)]).await?;
    Ok(Accepted(new.into()))
}

/// Discard a target list
///
/// From draft or returned, or while it is being drawn. Its entries are forgotten: what nobody decreed is nobody's list.
#[utoipa::path(post, path = "/target-lists/{id}/discard")]
async fn discard(access: Access<TargetListsWrite>, Path(id): Path<Uuid>, read: IfGiven) -> Result<Found<TargetListOut>> {
    let mut tx = access.write().await?;
    let old = store::find_to_change(&tx, id, read).await?;
    let new = stepped(&old, Step::Discard)?;
    if let Some(job) = old.job_id.filter(|_| old.state == ListState::Drafting.name()) {
        jobs::cancel(&mut tx, job).await?;
    }
    store::clear(&mut tx, id).await?;
    store_step(tx, old, new, "discarded").await
}

/// Decree a target list
///
/// From submitted, with the decree's number, day and signatory. The list is frozen with a digest of its annex, and the one that
/// was in force is superseded at once. 409 `target_list_outdated` when a village result was accepted or reopened since it was
/// drawn: return it. Send the ETag you read as If-Match to decree nothing that you have not seen.
#[utoipa::path(post, path = "/target-lists/{id}/decree")]
async fn decree(
    access: Access<TargetListsDecree>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<TargetListDecree>,
) -> Result<Found<TargetListOut>> {
    let TargetListDecree { sk_number, sk_date, signatory_name, signatory_title, decree_id } = body;
    let now = Utc::now();
    // Where the country's day begins earlier than ours.
    if now.date_naive().checked_add_days(Days::new(1)).is_some_and(|tomorrow| sk_date > tomorrow) {
        return Err(Error::field("sk_date", "future", "A decree is of today or an earlier day."));
    }
    let mut tx = access.write().await?;
    let old = store::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, Step::Decree)?;
    if let Some(decree) = decree_id {
        attachments::demand(&tx, &old.region(), &[decree]).await?;
    }
    demand_current(&tx, &old).await?;
    let mut changes = Vec::new();
    let before = store::in_force(&tx, &old.region_code).await?;
    // One list at a time is under way, so the one that was in force when it was drawn still is.
    if before.as_ref().map(|before| before.id) != old.supersedes_id {
        return Err(Code::ListOutdated.into());
    }
    if let Some(before) = before {
        let mut after = stepped(&before, Step::Supersede)?;
        after.superseded_at = Some(now);
        let after = store::update(&mut tx, &after).await?;
        changes.push(Change::turned("superseded", &before, &after));
    }
    new.digest = Some(store::digest(&tx, id).await?);
    new.decreed_at = Some(now);
    new.decreed_by = Some(access.actor().id);
    new.note = None;
    (new.sk_number, new.sk_date) = (Some(sk_number), Some(sk_date));
    (new.signatory_name, new.signatory_title, new.decree_id) = (Some(signatory_name), Some(signatory_title), decree_id);
    let new = store::update(&mut tx, &new).await?;
    let digest = new.digest.as_deref().map(hex);
    changes.push(Change::turned("decreed", &old, &new).with("digest", json!({"from": null, "to": digest})));
    changes.extend(store::moved(&tx, id).await?.into_iter().map(|(family, region, added)| {
        let action = if added { "target_list_added" } else { "target_list_removed" };
        Change::new("beneficiaries", family, RegionCode::stored(&region), action).with("target_list_id", json!(id))
    }));
    tx.commit_all(changes).await?;
    Ok(Found(new.into()))
}
