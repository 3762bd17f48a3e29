//! Two releases compared: what the next delivery does to the list.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::features::datasets::model::DiffKind;
use crate::features::datasets::service::comparable;
use crate::features::datasets::store::{self, Compared};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Item, Page};
use crate::platform::api::Api;
use crate::platform::error::{Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path, Query};
use crate::platform::policy::DatasetsRead;

pub(super) fn operations(api: &mut Api) {
    mount!(api, diff, diff_villages, diff_families);
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffCount {
    /// Families.
    pub families: i64,
    /// People in them: as the release states them, of families that left as the other one does.
    pub people: i64,
}

/// What became of the families. One family may be changed, ranked otherwise and moved at once; who entered, left or is
/// unchanged is nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffCounts {
    /// In this release and not in the other.
    pub entered: DiffCount,
    /// In the other and not in this one.
    pub left: DiffCount,
    /// Something else is stated of the family or its people; rank and village are counted by themselves.
    pub changed: DiffCount,
    /// In a higher decile: ranked better off.
    pub decile_up: DiffCount,
    /// In a lower decile: ranked worse off.
    pub decile_down: DiffCount,
    /// In a higher percentile, where both releases state one.
    pub percentile_up: DiffCount,
    /// In a lower percentile, where both releases state one.
    pub percentile_down: DiffCount,
    /// In another village.
    pub moved_village: DiffCount,
    /// Stated as before.
    pub unchanged: DiffCount,
}

/// Two releases compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiffOut {
    /// The release.
    pub release_id: Uuid,
    /// What it is compared with.
    pub against_id: Uuid,
    /// What became of the families.
    pub counts: DiffCounts,
}

/// One village compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct VillageDiffOut {
    /// The village: where a family is now; of families that left, where they were.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What became of the families.
    pub counts: DiffCounts,
}

/// One family compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct FamilyDiffOut {
    /// What this release states of it; null when it left.
    pub statement_id: Option<Uuid>,
    /// What the other one states of it; null when it entered.
    pub against_statement_id: Option<Uuid>,
    /// Our family, where the source's key leads to one.
    pub beneficiary_id: Option<Uuid>,
    /// The village; where it was, when it left.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// The village before; null when it entered.
    #[schema(value_type = Option<RegionCode>)]
    pub region_code_before: Option<String>,
    /// The decile; null when it is not ranked, or left.
    pub decile: Option<i16>,
    /// The decile before.
    pub decile_before: Option<i16>,
    /// The percentile; null where the release states none.
    pub percentile: Option<i16>,
    /// The percentile before.
    pub percentile_before: Option<i16>,
    /// People in it.
    pub people: i32,
    /// What became of it.
    #[schema(value_type = Vec<DiffKind>)]
    pub kinds: Vec<String>,
}

impl From<Compared> for FamilyDiffOut {
    fn from(row: Compared) -> Self {
        let Compared { id: _, statement_id, against_id, beneficiary_id, region_code, region_before, .. } = row;
        let Compared { decile, decile_before, percentile, percentile_before, people, kinds, .. } = row;
        FamilyDiffOut {
            statement_id,
            against_statement_id: against_id,
            beneficiary_id,
            region_code,
            region_code_before: region_before,
            decile,
            decile_before,
            percentile,
            percentile_before,
            people,
            kinds,
        }
    }
}

/// Compared with what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DiffFilter {
    /// The release to compare with, usually the one before.
    against: Uuid,
}

/// Which villages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct VillageDiffFilter {
    /// The release to compare with, usually the one before.
    against: Uuid,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// Which families.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FamilyDiffFilter {
    /// The release to compare with, usually the one before.
    against: Uuid,
    /// Of whom this became.
    kind: Option<DiffKind>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

fn counted(counts: serde_json::Value) -> Result<DiffCounts> {
    serde_json::from_value(counts).map_err(|cause| Error::Internal(anyhow::Error::new(cause).context("counts of a comparison")))
}

/// Compare a release with another
///
/// Families are told apart by the source's key, so both must be of one dataset, or both keyed by KK number:
/// else 422 `releases_not_comparable`. Percentiles are compared where both state them. 409 `keys_rotating` while `entas
/// rotate-keys` has renewed one of the two and not yet the other.
#[utoipa::path(get, path = "/releases/{id}/diff")]
async fn diff(access: Access<DatasetsRead>, Path(id): Path<Uuid>, Query(filter): Query<DiffFilter>) -> Result<Item<DiffOut>> {
    let db = access.read_apart().await?;
    let (pair, _) = comparable(&db, id, filter.against).await?;
    let counts = counted(store::diff_totals(&db, pair).await?)?;
    Ok(Item(DiffOut { release_id: pair.release, against_id: pair.against, counts }))
}

/// Compare two releases village by village
///
/// In code order; villages without families in either release are left out.
#[utoipa::path(get, path = "/releases/{id}/diff/villages")]
async fn diff_villages(access: Access<DatasetsRead>, Path(id): Path<Uuid>, list: List<VillageDiffFilter>) -> Result<Page<VillageDiffOut>> {
    let after = list.after()?;
    let db = access.read_apart().await?;
    let (pair, _) = comparable(&db, id, list.filter.against).await?;
    let rows = store::diff_by_village(&db, pair, list.filter.region.as_ref(), after, list.fetch()).await?;
    let rows = rows.into_iter().map(|(code, counts)| Ok((code, counted(counts)?))).collect::<Result<Vec<_>>>()?;
    Ok(list.page(rows, |(code, _)| code.clone(), |(region_code, counts)| VillageDiffOut { region_code, counts }))
}

/// List families that two releases state
///
/// With what became of each: those of the release in the order of its file, then those that left. No names: fetch the
/// family, where the source's key leads to one of ours.
#[utoipa::path(get, path = "/releases/{id}/diff/families")]
async fn diff_families(access: Access<DatasetsRead>, Path(id): Path<Uuid>, list: List<FamilyDiffFilter>) -> Result<Page<FamilyDiffOut>> {
    let after = list.after()?;
    let db = access.read_apart().await?;
    let FamilyDiffFilter { against, kind, region } = &list.filter;
    let compared = comparable(&db, id, *against).await?;
    let rows = store::diff_families(&db, compared, *kind, region.as_ref(), after, list.fetch()).await?;
    let page = list.page(rows, |row| (row.statement_id.is_none(), row.id), FamilyDiffOut::from);
    access.record("releases", Some(id), "diff_families", page.items.len(), None)?;
    Ok(page)
}
