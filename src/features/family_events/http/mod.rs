//! Family events over HTTP.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::model::{FamilyEventKind, FamilyEventState};
use super::service::{self, Decided, Told};
use super::store::{self, Event, RESOURCE, Wanted};
use crate::features::beneficiaries::{self, Contradiction, FieldOf, Merge, Relation, Split, SplitMember};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Item, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, ChangeOut, NoFilter};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{BeneficiariesRead, BeneficiariesWrite, FamilyEventsReport};
use crate::platform::sensitive::KkNumber;
use crate::platform::valid::{Valid, numberless, unnumbered};

mod moves;
mod reports;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("family_events", "Merges and splits of families, births, deaths and changes of head, and what undoes them");
    mount!(api, preview, merge, split, list, fetch, undo, history);
    reports::operations(api);
    moves::operations(api);
}

/// Two members who are one person.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SamePerson {
    /// The member who is kept.
    pub kept_member_id: Uuid,
    /// The member who is merged into them.
    pub merged_member_id: Uuid,
}

impl From<(Uuid, Uuid)> for SamePerson {
    fn from((kept_member_id, merged_member_id): (Uuid, Uuid)) -> Self {
        SamePerson { kept_member_id, merged_member_id }
    }
}

/// A merge, split, birth, death or change of head.
#[derive(Debug, Serialize, ToSchema)]
pub struct FamilyEventOut {
    /// Record id.
    pub id: Uuid,
    /// The village of the family that is kept, that was split, or that it happened in.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What happened.
    #[schema(value_type = FamilyEventKind)]
    pub kind: String,
    /// Where it stands.
    #[schema(value_type = FamilyEventState)]
    pub state: String,
    /// The family that is kept, that was split, or that it happened in.
    pub beneficiary_id: Uuid,
    /// The family that was merged into it, or that was split off; the same one where only one is concerned.
    pub other_id: Uuid,
    /// The day of a birth or death; null for all others.
    pub happened_on: Option<NaiveDate>,
    /// Of a birth who was born; of a death who died, and the new head where one was named; of a change of head the new one and the
    /// former.
    pub member_ids: Vec<Uuid>,
    /// Members who were taken for one person.
    pub people: Vec<SamePerson>,
    /// Members who changed the family.
    pub moved_member_ids: Vec<Uuid>,
    /// Fields of kept records that came from merged ones, by the rules of survivorship.
    pub fields_taken: Vec<FieldOf>,
    /// Interventions that followed.
    pub intervention_ids: Vec<Uuid>,
    /// After an undo: fields that somebody had changed since, and that stayed as they were left.
    pub fields_left: Vec<FieldOf>,
    /// After the undo of a merge: members who were registered in the kept family since, by people or by releases. They stay there;
    /// see whose they are.
    pub arrived_member_ids: Vec<Uuid>,
    /// Why; null for births and deaths of which nothing more was said.
    pub reason: Option<String>,
    /// Why in spite of what contradicts.
    pub override_reason: Option<String>,
    /// Why it was taken back.
    pub undo_reason: Option<String>,
    /// Who did it.
    pub decided_by: Uuid,
    /// Who took it back.
    pub undone_by: Option<Uuid>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Done at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<Event> for FamilyEventOut {
    type Error = Error;

    fn try_from(row: Event) -> Result<Self> {
        let Told { people, moved, taken, interventions, concerned, stood: _, left, arrived } =
            serde_json::from_value(row.told).context("what a family event did")?;
        Ok(FamilyEventOut {
            id: row.id,
            region_code: row.region_code,
            kind: row.kind,
            state: row.state,
            beneficiary_id: row.beneficiary_id,
            other_id: row.other_id,
            happened_on: row.happened_on,
            member_ids: concerned,
            people: people.into_iter().map(SamePerson::from).collect(),
            moved_member_ids: moved,
            fields_taken: taken,
            intervention_ids: interventions,
            fields_left: left,
            arrived_member_ids: arrived,
            reason: row.reason,
            override_reason: row.override_reason,
            undo_reason: row.undo_reason,
            decided_by: row.decided_by,
            undone_by: row.undone_by,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Resource for FamilyEventOut {
    fn location(&self) -> String {
        format!("/family-events/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// A merge to look at before it is done.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergePreviewCreate {
    /// The family that would be merged into the one of the address.
    pub other_id: Uuid,
}

/// Members who may be one person.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestedPerson {
    /// The member who would be kept.
    pub kept_member_id: Uuid,
    /// The member who would be merged.
    pub merged_member_id: Uuid,
    /// What says so: `nik`, or `name_and_birth_date`.
    #[schema(example = "nik")]
    pub because: &'static str,
}

/// What a merge with all suggested people would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergePreviewOut {
    /// Members who may be one person; send those that are as `people`.
    pub suggested: Vec<SuggestedPerson>,
    /// What speaks against it; such a merge needs `override_reason`.
    pub contradictions: Vec<Contradiction>,
    /// Fields that would come from the other records.
    pub fields_taken: Vec<FieldOf>,
    /// Members who would move over.
    pub moved_member_ids: Vec<Uuid>,
}

/// Look at a merge before doing it
///
/// Suggests who may be one person by NIK, or by name and birth date, says what contradicts, and which fields the rules of
/// survivorship would take from the other family. Writes nothing.
#[utoipa::path(post, path = "/beneficiaries/{id}/merge-preview")]
async fn preview(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<MergePreviewCreate>,
) -> Result<Item<MergePreviewOut>> {
    let tx = access.write().await?;
    let seen = beneficiaries::preview(&tx, &access.platform().keys, id, body.other_id).await?;
    access.record_in(seen.region.clone(), "beneficiaries", Some(id), "merge_preview", 2, None)?;
    let suggested = seen.suggested.into_iter();
    Ok(Item(MergePreviewOut {
        suggested: suggested
            .map(|(kept_member_id, merged_member_id, because)| SuggestedPerson { kept_member_id, merged_member_id, because })
            .collect(),
        contradictions: seen.contradictions,
        fields_taken: seen.taken,
        moved_member_ids: seen.moved,
    }))
}

/// A merge to do.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeCreate {
    /// The other family; absent where two members of this one are one person.
    pub other_id: Option<Uuid>,
    /// Members who are one person. Of a whole family those that are not named move over with their relation.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub people: Vec<SamePerson>,
    /// The other family stays, without the people named: they were on two lists, their families are two.
    #[serde(default)]
    pub people_only: bool,
    /// Why; kept for ever.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Satu keluarga tercatat dua kali, dipastikan kepala dusun")]
    pub reason: String,
    /// Why in spite of what contradicts (`people_contradict`); kept for ever.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000)]
    pub override_reason: Option<String>,
}

/// Merge a family into this one
///
/// This family is kept. The other one becomes inactive (`duplicate`) and leads here for ever: its address redirects, and later
/// releases that name it fill in this one. Field by field the rules of survivorship (`GET /survivorship-rules`) say whose value
/// stands; aid and ranks follow. Refused with `people_contradict` where people named as one are certainly two (other NIK, other
/// sex, birth years more than five apart, one present and the other not), or one NIK would stand twice. Everything is undone by `POST /family-events/{id}/undo`.
#[utoipa::path(post, path = "/beneficiaries/{id}/merge")]
async fn merge(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<MergeCreate>,
) -> Result<Created<FamilyEventOut>> {
    let MergeCreate { other_id, people, people_only, reason, override_reason } = body;
    if people.len() > 50 {
        return Err(Error::field("people", "length", "Name at most 50 people."));
    }
    let wanted = Merge {
        kept: id,
        other: other_id.filter(|other| *other != id),
        same: people.into_iter().map(|pair| (pair.kept_member_id, pair.merged_member_id)).collect(),
        people_only,
        overridden: override_reason.is_some(),
    };
    let mut tx = access.write().await?;
    let decided = Decided { override_reason, ..Decided::because(access.actor().id, reason) };
    let (event, changes) = service::merge(&mut tx, &access.platform().keys, wanted, decided).await?;
    tx.commit_all(changes).await?;
    Ok(Created(event.try_into()?))
}

/// A member who leaves with a split.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeavingMember {
    /// Who.
    pub member_id: Uuid,
    /// What they are to the head of the new family; exactly one present member is its `head`.
    pub relation: Relation,
}

/// A split to do.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitCreate {
    /// A UUIDv7 of your own for the new family.
    pub id: Option<Uuid>,
    /// Who leaves.
    #[schema(min_items = 1, max_items = 50)]
    pub members: Vec<LeavingMember>,
    /// Who heads those who stay; needed where their head leaves.
    pub new_head_id: Option<Uuid>,
    /// The new family's village; that of this one where absent.
    pub region_code: Option<RegionCode>,
    /// The new family's address below the village; unknown where absent.
    #[validate(length(min = 1, max = 1000), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 1000)]
    pub address: Option<String>,
    /// The new family's KK number; may be unknown.
    pub kk_number: Option<KkNumber>,
    /// Why; kept for ever.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Anak menikah dan pisah KK")]
    pub reason: String,
}

/// Split members off into a family of their own
///
/// Members keep their ids and take aid that is meant for them along; the family's own aid, rank and housing stay. Of the new
/// family's housing nothing is known until somebody states it. Its id is `other_id` in the answer.
#[utoipa::path(post, path = "/beneficiaries/{id}/split")]
async fn split(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<SplitCreate>,
) -> Result<Created<FamilyEventOut>> {
    let SplitCreate { id: new_id_wanted, members, new_head_id, region_code, address, kk_number, reason } = body;
    if !(1..=50).contains(&members.len()) {
        return Err(Error::field("members", "length", "Name 1 to 50 members who leave."));
    }
    let wanted = Split {
        from: id,
        new_id: new_id_wanted.unwrap_or_else(new_id),
        members: members.into_iter().map(|member| SplitMember { id: member.member_id, relation: member.relation }).collect(),
        new_head: new_head_id,
        region: region_code,
        address,
        kk_number,
    };
    let mut tx = access.write().await?;
    let decided = Decided::because(access.actor().id, reason);
    let (event, changes) = service::split(&mut tx, &access.platform().keys, wanted, decided).await?;
    tx.commit_all(changes).await?;
    Ok(Created(event.try_into()?))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FamilyEventFilter {
    /// That touched this family.
    beneficiary_id: Option<Uuid>,
    /// Of this kind.
    kind: Option<FamilyEventKind>,
    /// In this state.
    state: Option<FamilyEventState>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List family events
///
/// In the order in which they happened.
#[utoipa::path(get, path = "/family-events")]
async fn list(access: Access<BeneficiariesRead>, list: List<FamilyEventFilter>) -> Result<Page<FamilyEventOut>> {
    let wanted = Wanted {
        family: list.filter.beneficiary_id,
        kind: list.filter.kind.map(FamilyEventKind::name),
        state: list.filter.state.map(FamilyEventState::name),
        region: list.filter.region.clone(),
    };
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    let rows = rows.into_iter().map(FamilyEventOut::try_from).collect::<Result<Vec<_>>>()?;
    Ok(list.page(rows, |row| row.id, |row| row))
}

/// Fetch a family event
#[utoipa::path(get, path = "/family-events/{id}")]
async fn fetch(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>) -> Result<Found<FamilyEventOut>> {
    Ok(Found(store::find(&access.read().await?, id).await?.try_into()?))
}

/// Why an event is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FamilyEventUndo {
    /// Kept for ever.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Ternyata dua keluarga kakak beradik")]
    pub reason: String,
}

/// Undo a family event
///
/// Every field is as it was before, but for those that somebody changed since: these stay, and `fields_left` names them.
/// Members, aid and ranks go back. Refused with `later_event` while a later event stands on one of the families; merges and splits
/// wait for no birth, death or change of head. A family that a split had made leads to the one it came from. A birth is not taken
/// back (`step_not_allowed`): no member is ever deleted. A village takes back the deaths and changes of head that it reported
/// itself, by whoever reported them, and as long as nobody wrote on the family since; all else is undone by those who edit families.
#[utoipa::path(post, path = "/family-events/{id}/undo")]
async fn undo(
    access: Access<FamilyEventsReport>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<FamilyEventUndo>,
) -> Result<Found<FamilyEventOut>> {
    let mut tx = access.write().await?;
    let (event, changes) = service::undo(
        &mut tx,
        &access.platform().keys,
        (id, read),
        &access.scope_of::<BeneficiariesWrite>(),
        (access.actor().id, body.reason),
    )
    .await?;
    tx.commit_all(changes).await?;
    Ok(Found(event.try_into()?))
}

/// List what happened to a family event
#[utoipa::path(get, path = "/family-events/{id}/history")]
async fn history(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find(&db, id).await?;
    changes::history(&db, RESOURCE, id, &list).await
}
