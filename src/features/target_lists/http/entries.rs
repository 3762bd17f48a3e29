//! Entries of target lists: who is on, who is off and why, in numbers, beside another list, and explained.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::model::{EntryChange, EntryReason};
use super::super::store::{self, Differing, Entry, Fact, Summed, Tally, TargetList, WantedEntries};
use super::super::wording;
use crate::features::verification::Eligibility;
use crate::mount;
use crate::platform::access::{Access, Scope};
use crate::platform::answers::{Item, Page};
use crate::platform::api::Api;
use crate::platform::changes::Tracked;
use crate::platform::db::Scoped;
use crate::platform::error::{Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::list::{List, Path, Query};
use crate::platform::policy::{TargetEntriesRead, TargetListsRead, WelfareRead};
use crate::platform::wire::words;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, summary, diff);
    api.feature("target_entries", "Entries of target lists: the families, on or off, and why");
    mount!(api, list_entries, diff_entries, explain);
}

/// A family on a list or off it, as it was when the list was drawn.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetEntryOut {
    /// The family.
    pub beneficiary_id: Uuid,
    /// Its village; of a family elsewhere by now, where it was checked.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Whether it is on the list.
    pub included: bool,
    /// Beside the list that was in force.
    #[schema(value_type = EntryChange)]
    pub change: String,
    /// Why.
    #[schema(value_type = EntryReason)]
    pub reason: String,
    /// How it was judged: by the village meeting where that saw it otherwise. With `welfare_read`.
    #[schema(value_type = Option<Eligibility>)]
    pub eligibility: Option<String>,
    /// The accepted village result that decided.
    pub village_result_id: Option<Uuid>,
    /// The visit that counted there.
    pub visit_id: Option<Uuid>,
    /// The proposal that the family came by.
    pub proposal_id: Option<Uuid>,
    /// Its decile. With `welfare_read`.
    pub decile: Option<i16>,
    /// The head's name.
    pub head_name: Option<String>,
    /// The head's NIK, masked.
    #[schema(example = "6202********0001")]
    pub head_nik: Option<String>,
    /// The KK number, masked.
    #[schema(example = "6202********0001")]
    pub kk_number: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its present members.
    pub people: i16,
}

impl TargetEntryOut {
    fn seen_by(welfare: &Scope) -> impl Fn(Entry) -> TargetEntryOut + '_ {
        |row| {
            let Entry { beneficiary_id, region_code, included, change, reason, eligibility, village_result_id, visit_id, .. } = row;
            let Entry { proposal_id, decile, head_name, head_nik_mask, kk_mask, address, people, .. } = row;
            let known = welfare.covers(&RegionCode::stored(&region_code));
            TargetEntryOut {
                beneficiary_id,
                region_code,
                included,
                change,
                reason,
                eligibility: eligibility.filter(|_| known),
                village_result_id,
                visit_id,
                proposal_id,
                decile: decile.filter(|_| known),
                head_name,
                head_nik: head_nik_mask,
                kk_number: kk_mask,
                address,
                people,
            }
        }
    }
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TargetEntryFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// On the list, or off it; both where absent.
    included: Option<bool>,
    /// With this change.
    change: Option<EntryChange>,
    /// For this reason.
    reason: Option<EntryReason>,
}

/// List the families of a target list
///
/// Everybody who was considered, by village; `included=true` gives the annex. As they were when the list was drawn: what became
/// of a family since, its own record tells. Numbers are masked; every reading is recorded. 409 `target_list_not_ready` while the
/// list is being drawn.
#[utoipa::path(get, path = "/target-lists/{id}/entries")]
async fn list_entries(
    access: Access<TargetEntriesRead>,
    Path(id): Path<Uuid>,
    list: List<TargetEntryFilter>,
) -> Result<Page<TargetEntryOut>> {
    let TargetEntryFilter { region, included, change, reason } = &list.filter;
    let wanted = WantedEntries {
        region: region.clone(),
        included: *included,
        change: change.map(EntryChange::name),
        reason: reason.map(EntryReason::name),
    };
    let after = list.after()?;
    let db = access.read().await?;
    store::find_readable(&db, id).await?;
    let rows = store::entries(&db, id, &wanted, after, list.fetch()).await?;
    let page =
        list.page(rows, |row| (row.region_code.clone(), row.beneficiary_id), TargetEntryOut::seen_by(&access.scope_of::<WelfareRead>()));
    access.record(TargetList::RESOURCE, Some(id), "list_entries", page.items.len(), None)?;
    Ok(page)
}

words! {
    /// The level of the regions that are counted by.
    SummedLevel {
        /// Kecamatan.
        Subdistrict "subdistrict",
        /// Desa or kelurahan.
        Village "village",
    }
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetTally {
    /// Families.
    families: i64,
    /// Their present members.
    people: i64,
}

impl From<Tally> for TargetTally {
    fn from(row: Tally) -> Self {
        let Tally { families, people } = row;
        TargetTally { families, people }
    }
}

/// A region's part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetSummaryOut {
    /// Its code.
    #[schema(value_type = RegionCode)]
    region_code: String,
    /// Its name.
    name: Option<String>,
    /// On the list.
    on_list: TargetTally,
    /// On the list, and not on the one before.
    added: TargetTally,
    /// On the list, as before.
    unchanged: TargetTally,
    /// Off the list, and on the one before.
    removed: TargetTally,
    /// Off the list, as before.
    left_out: TargetTally,
    /// Removed families by reason.
    removed_by_reason: BTreeMap<String, i64>,
    /// Left out families by reason.
    left_out_by_reason: BTreeMap<String, i64>,
}

impl From<Summed> for TargetSummaryOut {
    fn from(row: Summed) -> Self {
        let Summed { code, name, on_list, added, unchanged, removed, left_out, removed_by_reason, left_out_by_reason } = row;
        TargetSummaryOut {
            region_code: code,
            name,
            on_list: on_list.into(),
            added: added.into(),
            unchanged: unchanged.into(),
            removed: removed.into(),
            left_out: left_out.into(),
            removed_by_reason,
            left_out_by_reason,
        }
    }
}

/// How a list is summed up.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TargetSummaryFilter {
    /// By which regions; default `subdistrict`.
    #[param(inline)]
    by: Option<SummedLevel>,
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// Sum up a target list
///
/// Families and people by region in code order: counts and no names. Regions without a family that was considered are left out,
/// and so is what lies outside your regions. 409 `target_list_not_ready` while the list is being drawn.
#[utoipa::path(get, path = "/target-lists/{id}/summary")]
async fn summary(access: Access<TargetListsRead>, Path(id): Path<Uuid>, list: List<TargetSummaryFilter>) -> Result<Page<TargetSummaryOut>> {
    let TargetSummaryFilter { by, region } = &list.filter;
    let after: Option<String> = list.after()?;
    let level = match by.unwrap_or(SummedLevel::Subdistrict) {
        SummedLevel::Subdistrict => Level::Subdistrict,
        SummedLevel::Village => Level::Village,
    };
    let db = access.read_apart().await?;
    store::find_readable(&db, id).await?;
    let rows = store::summary(&db, id, level, region.as_ref(), after, list.fetch()).await?;
    Ok(list.page(rows, |row| row.code.clone(), TargetSummaryOut::from))
}

/// Compared with what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TargetDiffFilter {
    /// The list to compare with, usually the one before.
    with: Uuid,
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// Two lists compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetDiffOut {
    /// The list.
    target_list_id: Uuid,
    /// Its number.
    number: i32,
    /// What it is compared with.
    with_id: Uuid,
    /// That one's number.
    with_number: i32,
    /// On this list and not on the other.
    added: TargetTally,
    /// On the other and not on this one.
    removed: TargetTally,
    /// On both.
    unchanged: TargetTally,
    /// Of the removed families: why they are off this list; `not_considered` where it does not know them.
    removed_by_reason: BTreeMap<String, i64>,
}

/// Two lists of one regency that can be compared.
async fn comparable(db: &impl Scoped, id: Uuid, with: Uuid) -> Result<(TargetList, TargetList)> {
    let list = store::find_readable(db, id).await?;
    let other = store::find_readable(db, with).await?;
    if list.region_code != other.region_code {
        return Err(Error::field("with", "other_region", "Compare two lists of one regency."));
    }
    Ok((list, other))
}

/// Compare two target lists
///
/// In families and people, within your regions.
#[utoipa::path(get, path = "/target-lists/{id}/diff")]
async fn diff(
    access: Access<TargetListsRead>,
    Path(id): Path<Uuid>,
    Query(filter): Query<TargetDiffFilter>,
) -> Result<Item<TargetDiffOut>> {
    let TargetDiffFilter { with, region } = filter;
    let db = access.read_apart().await?;
    let (list, other) = comparable(&db, id, with).await?;
    let (mut counts, removed_by_reason) = store::diff_counts(&db, id, with, region.as_ref()).await?;
    let mut of = |change: EntryChange| counts.remove(change.name()).unwrap_or_default().into();
    Ok(Item(TargetDiffOut {
        target_list_id: id,
        number: list.number,
        with_id: with,
        with_number: other.number,
        added: of(EntryChange::Added),
        removed: of(EntryChange::Removed),
        unchanged: of(EntryChange::Unchanged),
        removed_by_reason,
    }))
}

words! {
    /// In what two lists differ.
    ListDifference {
        /// On this list and not on the other.
        Added "added",
        /// On the other and not on this one.
        Removed "removed",
        /// On both.
        Unchanged "unchanged",
    }
}

/// Which families of two lists.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TargetDiffEntryFilter {
    /// The list to compare with, usually the one before.
    with: Uuid,
    /// Of whom this became.
    change: Option<ListDifference>,
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// One family on either of two lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetDiffEntryOut {
    /// The family.
    beneficiary_id: Uuid,
    /// Its village; where it was, when it is only on the other list.
    #[schema(value_type = RegionCode)]
    region_code: String,
    /// What became of it.
    #[schema(value_type = ListDifference)]
    change: String,
    /// Why it is on or off this list; null where this list did not consider it.
    #[schema(value_type = Option<EntryReason>)]
    reason: Option<String>,
    /// Why it is on or off the other list; null where that one did not consider it.
    #[schema(value_type = Option<EntryReason>)]
    reason_before: Option<String>,
    /// The head's name.
    head_name: Option<String>,
    /// Present members.
    people: i64,
}

impl From<Differing> for TargetDiffEntryOut {
    fn from(row: Differing) -> Self {
        let Differing { beneficiary_id, region_code, change, reason, reason_before, head_name, people } = row;
        TargetDiffEntryOut { beneficiary_id, region_code, change, reason, reason_before, head_name, people }
    }
}

/// List the families in which two target lists differ
///
/// Or agree, in the order of their ids, with the reasons of both; every reading is recorded.
#[utoipa::path(get, path = "/target-lists/{id}/diff/entries")]
async fn diff_entries(
    access: Access<TargetEntriesRead>,
    Path(id): Path<Uuid>,
    list: List<TargetDiffEntryFilter>,
) -> Result<Page<TargetDiffEntryOut>> {
    let TargetDiffEntryFilter { with, change, region } = &list.filter;
    let after = list.after()?;
    let db = access.read_apart().await?;
    comparable(&db, id, *with).await?;
    let change = change.map(ListDifference::name);
    let rows = store::diff_entries(&db, (id, *with), change, region.as_ref(), after, list.fetch()).await?;
    let page = list.page(rows, |row| row.beneficiary_id, TargetDiffEntryOut::from);
    access.record(TargetList::RESOURCE, Some(id), "diff_entries", page.items.len(), None)?;
    Ok(page)
}

/// One step of an explanation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplanationStepOut {
    /// The day, in western Indonesian time.
    pub at: NaiveDate,
    /// What happened, as a stable word.
    #[schema(example = "accepted")]
    pub code: String,
    /// In Indonesian.
    pub indonesian: String,
    /// In English.
    pub english: String,
}

impl From<Fact> for ExplanationStepOut {
    fn from(row: Fact) -> Self {
        let Fact { at, code, facts } = row;
        let (indonesian, english) = wording::of(&code, &facts);
        // Western Indonesian time has no summer.
        let at = (at + Duration::hours(7)).date_naive();
        ExplanationStepOut { at, code, indonesian, english }
    }
}

/// Why a family is on or off a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetExplanationOut {
    /// The list.
    pub target_list_id: Uuid,
    /// Its number.
    pub number: i32,
    /// The family.
    pub beneficiary_id: Uuid,
    /// Whether it is on the list; null where it was not considered, or where its entry stands in a village that is not yours.
    pub included: Option<bool>,
    /// Beside the list before; null as above.
    #[schema(value_type = Option<EntryChange>)]
    pub change: Option<String>,
    /// Why; null as above.
    #[schema(value_type = Option<EntryReason>)]
    pub reason: Option<String>,
    /// What happened, in order.
    pub steps: Vec<ExplanationStepOut>,
    /// How many steps more there are, in villages that are not yours: a family may have moved.
    #[schema(example = 0)]
    pub steps_withheld: i64,
}

/// Explain why a family is on or off a target list
///
/// As dated steps in plain Indonesian and English, up to this list: the data it was listed in, the visit, the meeting, the
/// hand-overs, the rule, the decrees. No numbers and nothing about other families. A family that was not considered is told so. Of
/// a family that moved you are told the steps of your own villages; the others are counted in `steps_withheld`. The reading is
/// recorded.
#[utoipa::path(get, path = "/target-lists/{id}/entries/{beneficiary_id}/explanation")]
async fn explain(access: Access<TargetEntriesRead>, Path((id, family)): Path<(Uuid, Uuid)>) -> Result<Item<TargetExplanationOut>> {
    let db = access.read_apart().await?;
    let list = store::find_readable(&db, id).await?;
    let explained = store::explanation(&db, &list, family).await?;
    access.record_in(RegionCode::stored(&explained.region), "beneficiaries", Some(family), "target_list_explanation", 1, None)?;
    let (included, change, reason) = explained
        .entry
        .map(|entry| (entry.included, entry.change, entry.reason))
        .map_or_else(|| (None, None, None), |(included, change, reason)| (Some(included), Some(change), Some(reason)));
    let steps = explained.steps.into_iter().map(ExplanationStepOut::from).collect();
    Ok(Item(TargetExplanationOut {
        target_list_id: id,
        number: list.number,
        beneficiary_id: family,
        included,
        change,
        reason,
        steps,
        steps_withheld: explained.withheld,
    }))
}
