//! Families and members over HTTP.

use std::collections::HashMap;

use uuid::Uuid;

use super::disclose;
use super::model::{FamilyStatus, InactiveReason, Need};
use super::provenance;
use super::service::{self, KK_KIND, NIK_KIND};
use super::store::{self, Family, Member, Wanted};
use crate::mount;
use crate::platform::access::{Access, Scope};
use crate::platform::answers::{Created, Found, Item, Lasting, Page};
use crate::platform::api::Api;
use crate::platform::changes::{self, ChangeOut, NoFilter, Tracked};
use crate::platform::db::Tx;
use crate::platform::edit::Edit;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{BeneficiariesDisclose, BeneficiariesRead, BeneficiariesWrite, Grant, InterventionsRead, WelfareRead};
use crate::platform::valid::Valid;

mod origins;
mod shown;
mod wire;

pub use wire::{BeneficiaryCreate, MemberCreate, Whole};

pub use shown::MemberOut;
use shown::{BeneficiaryOut, DisclosureOut, SearchHit};
use wire::{
    BeneficiaryFilter, BeneficiarySearch, BeneficiaryUpdate, ChangeHead, Deactivate, DisclosedField, DisclosureCreate, MemberUpdate,
    Reactivate,
};

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("beneficiaries", "Families (keluarga penerima manfaat) and their members");
    mount!(api, list, create, search, fetch, edit, deactivate, reactivate, change_head, disclose, history);
    mount!(api, list_members, add_member, fetch_member, edit_member);
    origins::operations(api);
}

const RESOURCE: &str = Family::RESOURCE;

/// What a filter tells must be known to the actor: its scope joins the query, and none at all is a grant not held.
fn knowing<G: Grant, Other: Grant>(access: &Access<G>, within: &mut Vec<Scope>) -> Result<()> {
    let scope = access.scope_of::<Other>();
    if scope.roots().is_empty() {
        return Err(Code::Forbidden.into());
    }
    if scope.roots() != access.scope().roots() {
        within.push(scope);
    }
    Ok(())
}

/// The family as the actor of a write may see it.
async fn shown(access: &Access<BeneficiariesWrite>, tx: &Tx, id: Uuid) -> Result<BeneficiaryOut> {
    Ok(BeneficiaryOut::seen_by(&access.scope_of::<WelfareRead>())(store::find(tx, id).await?))
}

/// List families
///
/// Those of your regions in the order of their registration. Numbers are masked; every reading is recorded.
#[utoipa::path(get, path = "/beneficiaries")]
async fn list(access: Access<BeneficiariesRead>, list: List<BeneficiaryFilter>) -> Result<Page<BeneficiaryOut>> {
    let BeneficiaryFilter { region, status, decile, need, without_interventions } = &list.filter;
    if decile.is_some_and(|decile| !(1..=10).contains(&decile)) {
        return Err(Error::field("decile", "range", "A decile is 1 to 10."));
    }
    let mut wanted = Wanted {
        region: region.clone(),
        status: status.map(FamilyStatus::name),
        decile: *decile,
        need: need.map(Need::name),
        without_interventions: *without_interventions,
        ..Wanted::default()
    };
    if decile.is_some() || need.is_some() {
        knowing::<_, WelfareRead>(&access, &mut wanted.within)?;
    }
    if without_interventions.is_some() {
        knowing::<_, InterventionsRead>(&access, &mut wanted.within)?;
    }
    let rows = store::list(&access.read().await?, &wanted, list.after()?, list.fetch()).await?;
    let page = list.page(rows, |row| row.card.id, BeneficiaryOut::seen_by(&access.scope_of::<WelfareRead>()));
    access.record(RESOURCE, None, "list", page.items.len(), None)?;
    Ok(page)
}

/// Register a family
///
/// With its members, exactly one of them the head. Numbers may be unknown; what contradicts itself becomes a warning on
/// the member. Refused with `family_card_taken` when the KK number is on file in any region.
#[utoipa::path(post, path = "/beneficiaries")]
async fn create(access: Access<BeneficiariesWrite>, Valid(body): Valid<BeneficiaryCreate>) -> Result<Created<BeneficiaryOut>> {
    body.demand_members("members")?;
    let new = service::NewFamily::from(body);
    let id = new.id;
    let mut tx = access.write().await?;
    let changes = service::register(&mut tx, &access.platform().keys, new, &provenance::officer()).await?;
    let out = shown(&access, &tx, id).await?;
    tx.commit_all(changes).await?;
    Ok(Created(out))
}

/// Search families
///
/// By NIK, by KK number, or by name (like names are found too, the likest first). The numbers travel in the body and
/// never in a URL. At most 50 hits and no further page: ask more narrowly instead.
#[utoipa::path(post, path = "/beneficiaries/search")]
async fn search(access: Access<BeneficiariesRead>, Valid(body): Valid<BeneficiarySearch>) -> Result<Page<SearchHit>> {
    let BeneficiarySearch { nik, kk_number, name, region, birth_date, limit } = body;
    let limit = i64::from(limit);
    let keys = &access.platform().keys;
    if name.is_none() && (region.is_some() || birth_date.is_some()) {
        return Err(Error::field("name", "required", "`region` and `birth_date` narrow a search by name."));
    }
    let db = access.read_apart().await?;
    let see = access.scope_of::<WelfareRead>();
    let see = BeneficiaryOut::seen_by(&see);
    let hits = match (nik, kk_number, name) {
        (Some(nik), None, None) => store::by_nik(&db, keys.indexes(NIK_KIND, nik.expose().as_bytes())?, limit).await?,
        (None, Some(kk), None) => {
            let wanted = Wanted { kk: Some(keys.indexes(KK_KIND, kk.expose().as_bytes())?), ..Wanted::default() };
            let rows = store::list(&db, &wanted, None, limit).await?;
            access.record(RESOURCE, None, "search", rows.len(), None)?;
            let items = rows.into_iter().map(|row| SearchHit { beneficiary: see(row), member: None, similarity: None });
            return Ok(Page { items: items.collect(), next: None });
        }
        (None, None, Some(name)) => store::by_name(&db, &store::Named { name, region, birth_date }, limit).await?,
        _ => return Err(Error::field("", "one_of", "Send exactly one of `nik`, `kk_number` and `name`.")),
    };
    let ids = hits.iter().map(|hit| hit.member.beneficiary_id).collect();
    let families = store::list(&db, &Wanted { ids: Some(ids), ..Wanted::default() }, None, limit).await?;
    let families: HashMap<Uuid, store::Shown> = families.into_iter().map(|row| (row.card.id, row)).collect();
    let items: Vec<SearchHit> = hits
        .into_iter()
        .filter_map(|hit| families.get(&hit.member.beneficiary_id).cloned().map(|row| SearchHit::of(hit, see(row))))
        .collect();
    access.record(RESOURCE, None, "search", items.len(), None)?;
    Ok(Page { items, next: None })
}

/// Fetch a family
///
/// One that was merged into another redirects to the one that is kept, so ids that were handed out before stay valid.
#[utoipa::path(get, path = "/beneficiaries/{id}")]
async fn fetch(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>) -> Result<Lasting<BeneficiaryOut>> {
    let row = store::find(&access.read().await?, id).await?;
    if let Some(kept) = row.card.merged_into {
        return Ok(Lasting::At(format!("/beneficiaries/{kept}")));
    }
    let out = BeneficiaryOut::seen_by(&access.scope_of::<WelfareRead>())(row);
    access.record_in(RegionCode::stored(&out.region_code), RESOURCE, Some(id), "fetch", 1, None)?;
    Ok(Lasting::Here(out))
}

/// Edit a family
///
/// A family that moved gets the code of its new village; both must lie in your regions, else offer it by `POST /family-moves`.
/// An offer of the family that waits can be accepted no more. Needs follow from what is stated.
#[utoipa::path(patch, path = "/beneficiaries/{id}")]
async fn edit(access: Access<BeneficiariesWrite>, Path(id): Path<Uuid>, edit: Edit<BeneficiaryUpdate>) -> Result<Found<BeneficiaryOut>> {
    let mut tx = access.write().await?;
    let changes =
        service::edit(&mut tx, &access.platform().keys, id, edit.expected.into(), edit.patch.into(), &provenance::officer()).await?.changes;
    let out = shown(&access, &tx, id).await?;
    if changes.is_empty() {
        // Who only looked is on record like everybody who looks.
        access.record_in(RegionCode::stored(&out.region_code), RESOURCE, Some(id), "fetch", 1, None)?;
    } else {
        tx.commit_all(changes).await?;
    }
    Ok(Found(out))
}

/// End the service of a family
///
/// It keeps its record and history and gets no new interventions. Nobody is taken off by a score: a person says why.
#[utoipa::path(post, path = "/beneficiaries/{id}/deactivate")]
async fn deactivate(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<Deactivate>,
) -> Result<Found<BeneficiaryOut>> {
    let Deactivate { reason, note } = body;
    if reason == InactiveReason::Other && note.is_none() {
        return Err(Error::field("note", "required", "Say what the other reason is."));
    }
    turn(access, id, Some(reason), note).await
}

/// Serve a family again
#[utoipa::path(post, path = "/beneficiaries/{id}/reactivate")]
async fn reactivate(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<Reactivate>,
) -> Result<Found<BeneficiaryOut>> {
    turn(access, id, None, body.note).await
}

async fn turn(
    access: Access<BeneficiariesWrite>,
    id: Uuid,
    reason: Option<InactiveReason>,
    note: Option<String>,
) -> Result<Found<BeneficiaryOut>> {
    let mut tx = access.write().await?;
    let changes = service::turn(&mut tx, id, reason, note, &provenance::officer()).await?.changes;
    let out = shown(&access, &tx, id).await?;
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// Hand a family over to another head
///
/// Both remain members. When the head died or left, edit that member's status instead and name the new head there.
#[utoipa::path(post, path = "/beneficiaries/{id}/change-head")]
async fn change_head(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<ChangeHead>,
) -> Result<Found<BeneficiaryOut>> {
    let ChangeHead { member_id, former_head_relation, note } = body;
    let mut tx = access.write().await?;
    let changes = service::change_head(&mut tx, id, member_id, former_head_relation, note).await?;
    let out = shown(&access, &tx, id).await?;
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// Disclose full numbers of a family
///
/// The KK number and the NIKs of the present members. Your name, the purpose and the time are recorded for ever before
/// anything is answered.
#[utoipa::path(post, path = "/beneficiaries/{id}/disclosures")]
async fn disclose(
    access: Access<BeneficiariesDisclose>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<DisclosureCreate>,
) -> Result<Item<DisclosureOut>> {
    let DisclosureCreate { purpose, fields } = body;
    if fields.as_ref().is_some_and(|fields| !(1..=2).contains(&fields.len())) {
        return Err(Error::field("fields", "length", "Name one or both of `kk_number` and `niks`, or leave the field out."));
    }
    let asked = |field: DisclosedField| fields.as_ref().is_none_or(|fields| fields.contains(&field));
    let tx = access.write().await?;
    let (kk, niks) = (asked(DisclosedField::KkNumber), asked(DisclosedField::Niks));
    let (opened, change) = disclose::disclose(&tx, &access.platform().keys, id, &purpose, kk, niks).await?;
    tx.commit([change]).await?;
    Ok(Item(DisclosureOut::of(id, purpose, opened)))
}

/// List a family's history
///
/// Every change and disclosure, oldest first. What describes people is told by the field's name only.
#[utoipa::path(get, path = "/beneficiaries/{id}/history")]
async fn history(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<ChangeOut>> {
    let db = access.read().await?;
    store::find_family(&db, id).await?;
    changes::history(&db, RESOURCE, id, &list).await
}

/// List the members of a family
///
/// Those who died or moved out too.
#[utoipa::path(get, path = "/beneficiaries/{id}/members")]
async fn list_members(access: Access<BeneficiariesRead>, Path(id): Path<Uuid>, list: List<NoFilter>) -> Result<Page<MemberOut>> {
    let db = access.read().await?;
    let family = store::find_family(&db, id).await?;
    let rows = store::members_of(&db, id, list.after()?, list.fetch()).await?;
    let page = list.page(rows, |row| row.id, MemberOut::from);
    access.record_in(family.region, RESOURCE, Some(id), "list_members", page.items.len(), None)?;
    Ok(page)
}

/// Add a member to a family
///
/// Refused with `head_taken` when a second head is added.
#[utoipa::path(post, path = "/beneficiaries/{id}/members")]
async fn add_member(
    access: Access<BeneficiariesWrite>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<MemberCreate>,
) -> Result<Created<MemberOut>> {
    let new = service::NewMember::from(body);
    let member = new.id;
    let mut tx = access.write().await?;
    let changes = service::add_member(&mut tx, &access.platform().keys, id, new).await?;
    let (row, _) = store::find_member(&tx, id, member).await?;
    tx.commit_all(changes).await?;
    Ok(Created(row.into()))
}

/// Fetch a member
///
/// Somebody who was merged into another person, or went along when their family was merged into another one, is redirected to.
#[utoipa::path(get, path = "/beneficiaries/{id}/members/{member_id}")]
async fn fetch_member(access: Access<BeneficiariesRead>, Path((id, member)): Path<(Uuid, Uuid)>) -> Result<Lasting<MemberOut>> {
    let db = access.read().await?;
    let found = match store::find_member(&db, id, member).await {
        Err(error) if error.code() == Code::NotFound && store::find(&db, id).await?.card.merged_into.is_some() => None,
        found => Some(found?),
    };
    let leads = match &found {
        Some((Member { merged_into: Some(kept), .. }, _)) => Some(*kept),
        Some(_) => None,
        None => Some(member),
    };
    if let Some(kept) = leads {
        let family = store::home_of(&db, kept).await?.ok_or(Code::NotFound)?;
        return Ok(Lasting::At(format!("/beneficiaries/{family}/members/{kept}")));
    }
    let (row, region) = found.ok_or(Code::NotFound)?;
    access.record_in(region, "members", Some(member), "fetch", 1, None)?;
    Ok(Lasting::Here(row.into()))
}

/// Edit a member
///
/// A death or a move is a change of `status`; the family stays. When it is the head's and others remain, name the new head in
/// `new_head_id`. To hand the family over among the living use `change-head`.
#[utoipa::path(patch, path = "/beneficiaries/{id}/members/{member_id}")]
async fn edit_member(
    access: Access<BeneficiariesWrite>,
    Path((id, member)): Path<(Uuid, Uuid)>,
    edit: Edit<MemberUpdate>,
) -> Result<Found<MemberOut>> {
    let mut tx = access.write().await?;
    let keys = &access.platform().keys;
    let by = provenance::officer();
    let changes = service::edit_member(&mut tx, keys, (id, member), edit.expected.into(), edit.patch.into(), &by).await?.changes;
    let (row, region) = store::find_member(&tx, id, member).await?;
    if changes.is_empty() {
        access.record_in(region, "members", Some(member), "fetch", 1, None)?;
    } else {
        tx.commit_all(changes).await?;
    }
    Ok(Found(row.into()))
}
