//! Moves between villages over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::{MoveDirection, MoveState};
use super::super::moves::{self, Answer, Offer};
use super::super::store::moves::{self as store, Move, RESOURCE, Side, Wanted};
use super::reports::happened;
use crate::features::beneficiaries::{self, Introduced};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Found, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::{self, ChangeOut, NoFilter};
use crate::platform::db::Scoped;
use crate::platform::edit::IfGiven;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::list::{List, Path};
use crate::platform::policy::{BeneficiariesRead, MovesDecide, MovesOffer};
use crate::platform::valid::{Optional, Valid, numberless, unnumbered};

/// Mounts the moves.
pub fn operations(api: &mut Api) {
    api.feature("family_moves", "Moves of families between villages, offered and accepted");
    mount!(api, list, create, fetch, accept, decline, withdraw, history);
}

/// By what a family is recognised before it is taken in.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovingFamily {
    /// The name of the village where it is on file.
    #[schema(example = "Bapinang Hulu")]
    pub village: String,
    /// The subdistrict's name.
    #[schema(example = "Pulau Hanaut")]
    pub subdistrict: String,
    /// Address below that village.
    pub address: Option<String>,
    /// KK number, masked; null where none is known.
    #[schema(example = "6202********0001")]
    pub kk_number_masked: Option<String>,
    /// The head's name; null where nobody of the family is present.
    pub head_name: Option<String>,
    /// Members who are present.
    pub member_count: i64,
}

impl From<Introduced> for MovingFamily {
    fn from(row: Introduced) -> Self {
        let Introduced { region: _, village, subdistrict, address, kk_mask, head_name, member_count } = row;
        MovingFamily {
            village: village.unwrap_or_default(),
            subdistrict: subdistrict.unwrap_or_default(),
            address,
            kk_number_masked: kk_mask,
            head_name,
            member_count,
        }
    }
}

/// A move of a family from one village to another.
#[derive(Debug, Serialize, ToSchema)]
pub struct FamilyMoveOut {
    /// Record id.
    pub id: Uuid,
    /// The family; only those in whose regions it lives can fetch its record.
    pub beneficiary_id: Uuid,
    /// The village that offers it.
    #[schema(value_type = RegionCode)]
    pub from_region_code: String,
    /// The village that receives it.
    #[schema(value_type = RegionCode)]
    pub to_region_code: String,
    /// Where it stands.
    #[schema(value_type = MoveState)]
    pub state: String,
    /// By what the family is recognised: for the village where it lives, and for the receiving one as long as the offer can be
    /// accepted; else null.
    pub family: Option<MovingFamily>,
    /// When it moved, as far as is known.
    pub moved_on: Option<NaiveDate>,
    /// Why it is offered.
    pub reason: String,
    /// What was said with the answer.
    pub note: Option<String>,
    /// Who offered it.
    pub offered_by: Uuid,
    /// Who answered, or took it back; null while it waits.
    pub decided_by: Option<Uuid>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Version, as in the ETag.
    pub version: i32,
    /// Offered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Resource for FamilyMoveOut {
    fn location(&self) -> String {
        format!("/family-moves/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// Whether the family is shown with its move: it lives in the scope, or waits at its door.
fn may_recognise(db: &impl Scoped, row: &Move, family: &Introduced) -> bool {
    let waits = row.state == MoveState::Offered.name() && family.region == row.from();
    db.scope().covers(&family.region) || (waits && db.scope().covers(&row.to()))
}

async fn shown(db: &impl Scoped, rows: Vec<Move>) -> Result<Vec<FamilyMoveOut>> {
    let known = beneficiaries::introduced(db, rows.iter().map(|row| row.beneficiary_id).collect()).await?;
    let out = |row: Move| {
        let family = known.get(&row.beneficiary_id).filter(|family| may_recognise(db, &row, family)).cloned();
        FamilyMoveOut {
            id: row.id,
            beneficiary_id: row.beneficiary_id,
            from_region_code: row.from_region_code,
            to_region_code: row.to_region_code,
            state: row.state,
            family: family.map(MovingFamily::from),
            moved_on: row.moved_on,
            reason: row.reason,
            note: row.note,
            offered_by: row.offered_by,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    };
    Ok(rows.into_iter().map(out).collect())
}

async fn shown_one(db: &impl Scoped, row: Move) -> Result<FamilyMoveOut> {
    let out = shown(db, vec![row]).await?.pop();
    out.ok_or_else(|| anyhow::anyhow!("a move that was found is not shown").into())
}

/// Which moves.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FamilyMoveFilter {
    /// Into your regions, or out of them; both where absent.
    #[param(inline)]
    direction: Option<MoveDirection>,
    /// In this state.
    state: Option<MoveState>,
    /// Into or out of this region or one under it, as `direction` says.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List moves of families
///
/// Into and out of your regions, in the order in which they were offered. What waits for you is
/// `direction=incoming&state=offered`. Reading is recorded.
#[utoipa::path(get, path = "/family-moves")]
async fn list(access: Access<BeneficiariesRead>, list: List<FamilyMoveFilter>) -> Result<Page<FamilyMoveOut>> {
    let FamilyMoveFilter { direction, state, region } = &list.filter;
    let wanted = Wanted { direction: *direction, state: state.map(MoveState::name), region: region.clone() };
    let db = access.read().await?;
    let rows = store::list(&db, &wanted, list.after()?, list.fetch()).await?;
    let page = list.page(shown(&db, rows).await?, |row| row.id, |row| row);
    access.record(RESOURCE, None, "list", page.items.len(), None)?;
    Ok(page)
}

/// A family to offer to the village that it moved to.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FamilyMoveCreate {
    /// A UUIDv7 of your own, for front ends that work offline.
    id: Option<Uuid>,
    /// The family; it is on file in your regions.
    beneficiary_id: Uuid,
    /// The village that it moved to, anywhere in the country.
    to_region_code: RegionCode,
    /// When it moved, as far as is known; 2000-01-01 to today.
    #[validate(custom(function = happened))]
    moved_on: Option<NaiveDate>,
    /// Why; the receiving village reads it, and it is kept for ever. Write no NIK or KK number here.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Pindah mengikuti pekerjaan di kebun, dilaporkan ketua RT")]
    reason: String,
}

/// Offer a family to its new village
///
/// The family stays where it is on file until the receiving village accepts; you see nothing of that village but its answer.
/// Refused with `move_stands` while an offer of the family waits, with `beneficiary_inactive` and `record_merged` where it is no
/// longer served or is another one. An offer that was made before the family's village was edited ends with a new one.
#[utoipa::path(post, path = "/family-moves")]
async fn create(access: Access<MovesOffer>, Valid(body): Valid<FamilyMoveCreate>) -> Result<Created<FamilyMoveOut>> {
    let FamilyMoveCreate { id, beneficiary_id, to_region_code, moved_on, reason } = body;
    let offer = Offer { id: id.unwrap_or_else(new_id), family: beneficiary_id, to: to_region_code, moved_on, reason };
    let mut tx = access.write().await?;
    let (row, changes) = moves::offer(&mut tx, offer, access.actor().id).await?;
    let out = shown_one(&tx, row).await?;
    tx.commit_all(changes).await?;
    Ok(Created(out))
}

/// Fetch a move
///
/// With what lets the receiving village recognise the family. Reading is recorded.
#[utoipa::path(get, path = "/family-moves/{id}")]
async fn fetch(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>) -> Result<Found<FamilyMoveOut>> {
    let db = access.read().await?;
    let row = store::find(&db, id, Side::Either).await?;
    access.record_in(row.from(), RESOURCE, Some(id), "fetch", 1, None)?;
    Ok(Found(shown_one(&db, row).await?))
}

/// What is known of the family in its new village.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FamilyMoveAccept {
    /// Its address below the new village; unknown where absent, for that of the old village says nothing here.
    #[validate(length(min = 1, max = 1000), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 1000, example = "RT 03 Dusun Hilir")]
    address: Option<String>,
    /// What the offering village should know; kept for ever.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500)]
    note: Option<String>,
}

/// Accept a family that moved here
///
/// It is on file in your village from now on, with its members, ranks, aid and history. Refused with `step_not_allowed` where the
/// move was answered before or the family lives elsewhere by now, with `record_merged` and `beneficiary_inactive` where it is
/// another one or is no longer served. Not undone: a family that moves back is offered back.
#[utoipa::path(post, path = "/family-moves/{id}/accept")]
async fn accept(
    access: Access<MovesDecide>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Optional(body): Optional<FamilyMoveAccept>,
) -> Result<Found<FamilyMoveOut>> {
    let FamilyMoveAccept { address, note } = body;
    let answer = Answer { id, expected: read, note, by: access.actor().id };
    let mut tx = access.write().await?;
    let (row, changes) = moves::accept(&mut tx, &access.platform().keys, answer, address).await?;
    let out = shown_one(&tx, row).await?;
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// Why a family is not taken in.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FamilyMoveDecline {
    /// Why; the offering village reads it, and it is kept for ever.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500, example = "Tidak dikenal di RT yang disebut")]
    note: String,
}

/// Decline a family that is offered
///
/// It stays where it is on file, and may be offered again.
#[utoipa::path(post, path = "/family-moves/{id}/decline")]
async fn decline(
    access: Access<MovesDecide>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<FamilyMoveDecline>,
) -> Result<Found<FamilyMoveOut>> {
    let answer = Answer { id, expected: read, note: Some(body.note), by: access.actor().id };
    let mut tx = access.write().await?;
    let (row, changes) = moves::decline(&mut tx, answer).await?;
    let out = shown_one(&tx, row).await?;
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// Why an offer is taken back.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FamilyMoveWithdraw {
    /// In your own words; kept for ever.
    #[validate(length(min = 3, max = 500), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 500)]
    note: Option<String>,
}

/// Withdraw an offer
///
/// Only by the side that offered, and only while it waits.
#[utoipa::path(post, path = "/family-moves/{id}/withdraw")]
async fn withdraw(
    access: Access<MovesOffer>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Optional(body): Optional<FamilyMoveWithdraw>,
) -> Result<Found<FamilyMoveOut>> {
    let answer = Answer { id, expected: read, note: body.note, by: access.actor().id };
    let mut tx = access.write().await?;
    let (row, changes) = moves::withdraw(&mut tx, answer).await?;
    let out = shown_one(&tx, row).await?;
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// List what happened to a move
///
/// Each step is told in both villages.
#[utoipa::path(get, path = "/family-moves/{id}/history")]
async fn history(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find(&db, id, Side::Either).await?;
    changes::history(&db, RESOURCE, id, &list).await
}
