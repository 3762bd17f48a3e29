//! Rankings and coverage over HTTP.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::store::{self, By, Counts, Covered, Ranked, Release, Wanted};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Item;
use crate::platform::api::Api;
use crate::platform::error::{Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::list::List;
use crate::platform::policy::MonitoringRead;
use crate::platform::wire::words;

mod verification;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("monitoring", "Rankings, coverage, verification; aggregates only");
    mount!(api, ranking, coverage);
    verification::operations(api);
}

words! {
    /// The level of the regions that are compared.
    ComparedLevel {
        /// Kabupaten or kota.
        Regency "regency",
        /// Kecamatan.
        Subdistrict "subdistrict",
        /// Desa or kelurahan.
        Village "village",
    }
}

impl ComparedLevel {
    fn level(self) -> Level {
        match self {
            ComparedLevel::Regency => Level::Regency,
            ComparedLevel::Subdistrict => Level::Subdistrict,
            ComparedLevel::Village => Level::Village,
        }
    }
}

words! {
    /// What is counted.
    Unit {
        /// Families (KK).
        Families "families",
        /// Present members of these families (jiwa).
        People "people",
    }
}

words! {
    /// Which families are counted.
    Basis {
        /// The list as it stands, after whatever corrections were made to it.
        List "list",
    }
}

words! {
    /// By what is ranked.
    Measure {
        /// The number.
        Count "count",
        /// Per cent of all who live there; regions whose population is not known come last, without a rank.
        Share "share",
    }
}

words! {
    /// The status of the families counted.
    CountedStatus {
        /// On the list.
        Active "active",
        /// Taken off it with a reason.
        Inactive "inactive",
    }
}

/// What a ranking is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RankingFilter {
    /// Which regions are ranked; default `subdistrict`.
    level: Option<ComparedLevel>,
    /// What is counted and ranked by; default `families`. Each row has both numbers.
    unit: Option<Unit>,
    /// Only families of this decile (1 = the poorest tenth of the nation).
    #[param(minimum = 1, maximum = 10)]
    decile: Option<i64>,
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Only families of this status; default `active`.
    status: Option<CountedStatus>,
    /// Which families; default `list`.
    basis: Option<Basis>,
    /// Ranked by number or by share; default `count`.
    measure: Option<Measure>,
}

/// What the figures were asked for; a default stands here as if it had been sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankingParameters {
    level: ComparedLevel,
    unit: Unit,
    decile: Option<i64>,
    #[schema(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    status: CountedStatus,
    basis: Basis,
    measure: Measure,
}

/// Families and their present members.
#[derive(Debug, Default, Clone, Copy, Serialize, ToSchema)]
pub struct FamiliesAndPeople {
    /// Families.
    families: i64,
    /// Their present members.
    people: i64,
}

/// All who live in a region.
#[derive(Debug, Serialize, ToSchema)]
pub struct Denominator {
    /// People, where known.
    people: Option<i64>,
    /// Families, where known.
    families: Option<i64>,
    /// Of which year.
    year: i32,
    /// From where: statistics and civil registry give different numbers.
    source: String,
}

/// A region in its place.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankedRegion {
    /// Its place; the same value has the same rank and the next rank is skipped (1, 2, 2, 4). Null when the share is asked
    /// for and the population is not known.
    rank: Option<i64>,
    /// Its code.
    #[schema(value_type = RegionCode)]
    region_code: String,
    /// Its name.
    name: String,
    /// Families.
    families: i64,
    /// Their present members.
    people: i64,
    /// The same by decile, `1` to `10`.
    #[schema(value_type = BTreeMap<String, FamiliesAndPeople>)]
    by_decile: BTreeMap<u8, FamiliesAndPeople>,
    /// Families that no release has ranked; they stand in no decile.
    unranked: FamiliesAndPeople,
    /// All who live there; null where no figure is on file.
    population: Option<Denominator>,
    /// `people` in per cent of the population's people; null where that is not known. A share of listed people, not a
    /// poverty rate: the list is not a census of the poor.
    share_percent: Option<f64>,
    /// `families` in per cent of the population's families; null where that is not known.
    families_share_percent: Option<f64>,
}

impl From<Ranked> for RankedRegion {
    fn from(row: Ranked) -> Self {
        let Ranked { place, valued, code, name, families, people, cells, .. } = row;
        let Ranked { all_people, all_families, year, source, families_share, people_share, .. } = row;
        let mut by_decile: BTreeMap<u8, FamiliesAndPeople> = (1..=10).map(|decile| (decile, FamiliesAndPeople::default())).collect();
        let mut unranked = FamiliesAndPeople::default();
        for (decile, families, people) in cells {
            match decile {
                Some(decile) => by_decile.insert(decile, FamiliesAndPeople { families, people }),
                None => Some(std::mem::replace(&mut unranked, FamiliesAndPeople { families, people })),
            };
        }
        let population = year.zip(source).map(|(year, source)| Denominator { people: all_people, families: all_families, year, source });
        RankedRegion {
            rank: valued.then_some(place),
            region_code: code,
            name,
            families,
            people,
            by_decile,
            unranked,
            population,
            share_percent: people_share,
            families_share_percent: families_share,
        }
    }
}

/// A release that the deciles rest on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseUsed {
    /// Its id.
    id: Uuid,
    /// Its dataset's code.
    #[schema(example = "P3KE")]
    dataset: String,
    /// Its dataset's name.
    dataset_name: String,
    /// The number of the hand-over protocol (BAST), where one was entered.
    bast_number: Option<String>,
    /// The day it describes, where known.
    reference_date: Option<NaiveDate>,
    /// The day it was handed over.
    received_on: NaiveDate,
    /// How many of the families counted have their decile from it.
    families: i64,
}

impl From<Release> for ReleaseUsed {
    fn from(row: Release) -> Self {
        let Release { id, dataset, name, bast_number, reference_date, received_on, families } = row;
        ReleaseUsed { id, dataset, dataset_name: name, bast_number, reference_date, received_on, families }
    }
}

/// A ranking and what it rests on.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankingOut {
    /// The regions, the highest value first, equal ones by code.
    items: Vec<RankedRegion>,
    /// Send it as `after`; null on the last page.
    next: Option<String>,
    /// All families and people counted, of all pages.
    total: FamiliesAndPeople,
    /// What was asked for.
    parameters: RankingParameters,
    /// The releases that the deciles rest on.
    releases: Vec<ReleaseUsed>,
    /// When it was counted.
    generated_at: DateTime<Utc>,
}

fn below(region: Option<&RegionCode>, level: Level) -> Result<()> {
    match region {
        Some(region) if region.level() > level => {
            Err(Error::field("level", "above_region", "The level compared must not lie above the region asked for."))
        }
        _ => Ok(()),
    }
}

/// Rank regions
///
/// By the number of listed families or people, or by their share of the population, the highest first. Regions without
/// a listed family have their row too. Counted when asked, so the last page may differ from the first by what happened in
/// between. Regions above your own (the subdistrict of your village) are not in it.
///
/// Small numbers are shown as they are: only figures for the public suppress small cells.
#[utoipa::path(get, path = "/monitoring/ranking")]
async fn ranking(access: Access<MonitoringRead>, list: List<RankingFilter>) -> Result<Item<RankingOut>> {
    let RankingFilter { level, unit, decile, region, status, basis, measure } = &list.filter;
    let parameters = RankingParameters {
        level: level.unwrap_or(ComparedLevel::Subdistrict),
        unit: unit.unwrap_or(Unit::Families),
        decile: *decile,
        region: region.clone(),
        status: status.unwrap_or(CountedStatus::Active),
        basis: basis.unwrap_or(Basis::List),
        measure: measure.unwrap_or(Measure::Count),
    };
    if parameters.decile.is_some_and(|decile| !(1..=10).contains(&decile)) {
        return Err(Error::field("decile", "range", "A decile is 1 to 10."));
    }
    below(region.as_ref(), parameters.level.level())?;
    let by = match (parameters.unit, parameters.measure) {
        (Unit::Families, Measure::Count) => By::Families,
        (Unit::People, Measure::Count) => By::People,
        (Unit::Families, Measure::Share) => By::FamiliesShare,
        (Unit::People, Measure::Share) => By::PeopleShare,
    };
    let wanted = Wanted {
        level: parameters.level.level(),
        by,
        decile: parameters.decile,
        region: parameters.region.clone(),
        status: parameters.status.name(),
    };
    let found = store::ranking(&access.read_apart().await?, &wanted, list.after()?, list.fetch()).await?;
    let page = list.page(found.rows, |row| (row.place, row.code.clone()), RankedRegion::from);
    Ok(Item(RankingOut {
        items: page.items,
        next: page.next,
        total: FamiliesAndPeople { families: found.families, people: found.people },
        parameters,
        releases: found.releases.into_iter().map(ReleaseUsed::from).collect(),
        generated_at: found.at,
    }))
}

/// What coverage is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CoverageFilter {
    /// Only in or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// By which regions; default `subdistrict`.
    level: Option<ComparedLevel>,
}

/// Families by the number of their interventions, planned and delivered; cancelled ones do not count.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageCounts {
    /// All active families.
    families: i64,
    /// Families without any intervention.
    none: i64,
    /// Families with one.
    one: i64,
    /// Families with two.
    two: i64,
    /// Families with three or more.
    three_or_more: i64,
}

impl From<Counts> for CoverageCounts {
    fn from(row: Counts) -> Self {
        let Counts { families, none, one, two, more } = row;
        CoverageCounts { families, none, one, two, three_or_more: more }
    }
}

/// A region's coverage.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoveredRegion {
    /// Its code.
    #[schema(value_type = RegionCode)]
    region_code: String,
    /// Its name.
    name: String,
    /// Its families by the number of their interventions.
    #[serde(flatten)]
    counts: CoverageCounts,
}

impl From<Covered> for CoveredRegion {
    fn from(row: Covered) -> Self {
        let Covered { code, name, counts } = row;
        CoveredRegion { region_code: code, name, counts: counts.into() }
    }
}

/// How many families have a need that nothing is planned or delivered for.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenNeed {
    /// The need.
    need: String,
    /// Families without any intervention that have it.
    families: i64,
}

/// Coverage and what it was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageOut {
    /// The regions in code order.
    items: Vec<CoveredRegion>,
    /// Send it as `after`; null on the last page.
    next: Option<String>,
    /// All families counted, of all pages.
    total: CoverageCounts,
    /// The needs of families without any intervention, the most frequent first; a family may have several.
    needs_without_intervention: Vec<OpenNeed>,
    /// By which regions.
    level: ComparedLevel,
    /// In or under which region, where one was asked for.
    #[schema(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// What all numbers count.
    unit: Unit,
    /// When it was counted.
    generated_at: DateTime<Utc>,
}

/// Show who is reached
///
/// Active families by the number of their interventions, region by region: whom several agencies help and whom none. The
/// families themselves are listed by `GET /beneficiaries?without_interventions=true`. Small numbers are shown as they are:
/// only figures for the public suppress small cells.
#[utoipa::path(get, path = "/monitoring/coverage")]
async fn coverage(access: Access<MonitoringRead>, list: List<CoverageFilter>) -> Result<Item<CoverageOut>> {
    let CoverageFilter { region, level } = &list.filter;
    let level = level.unwrap_or(ComparedLevel::Subdistrict);
    below(region.as_ref(), level.level())?;
    let db = access.read_apart().await?;
    let found = store::coverage(&db, level.level(), region.as_ref(), list.after()?, list.fetch()).await?;
    let page = list.page(found.rows, |row| row.code.clone(), CoveredRegion::from);
    Ok(Item(CoverageOut {
        items: page.items,
        next: page.next,
        total: found.total.into(),
        needs_without_intervention: found.needs.into_iter().map(|(need, families)| OpenNeed { need, families }).collect(),
        level,
        region: region.clone(),
        unit: Unit::Families,
        generated_at: found.at,
    }))
}
