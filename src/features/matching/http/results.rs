//! Results: what became of each person of the left side, as a list and one by one.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::model::{MatchStatus, NikFault};
use super::super::people::{self, Side};
use super::super::store::{self, MatchResult, WantedResults};
use super::pairs::{MatchPairOut, MatchPersonOut};
use crate::features::datasets::{self, NikState};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Item, Page};
use crate::platform::api::Api;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::MatchingRead;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, results, person);
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
        let MatchResult { statement_id, ordinal, region_code, nik_state, nik_taken, status, pair_id, dukcapil_match, .. } = row;
        MatchResultOut { statement_id, ordinal, region_code, status, nik_state, nik_taken, pair_id, dukcapil_match }
    }
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchResultFilter {
    /// With this status: `nik_missing` is the work list of Disdukcapil.
    status: Option<MatchStatus>,
    /// Only those whose NIK certainly another person has, or only the others: `true` is the work list of contradictions.
    nik_taken: Option<bool>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List the results of a matching run
///
/// One for each person of the left side; by status it is a work list. Who somebody is, `GET
/// /matching-runs/{id}/results/{statement_id}/{ordinal}` shows. 409 `run_not_done` until the run's job has ended well.
#[utoipa::path(get, path = "/matching-runs/{id}/results")]
async fn results(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<MatchResultFilter>) -> Result<Page<MatchResultOut>> {
    let db = access.read().await?;
    store::find_done(&db, id).await?;
    let MatchResultFilter { status, nik_taken, region } = &list.filter;
    let wanted = WantedResults { status: status.map(MatchStatus::name), nik_taken: *nik_taken, region: region.clone() };
    let rows = store::results(&db, id, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| (row.statement_id, row.ordinal), MatchResultOut::from))
}

/// A person of the left side, and what became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchResultDetailOut {
    /// What became of them.
    pub result: MatchResultOut,
    /// Who they are as the release states them, numbers masked.
    pub person: MatchPersonOut,
    /// What is wrong with their NIK; empty where nothing is known to be.
    pub nik_faults: Vec<NikFault>,
    /// Somebody who has the same NIK and whom the run would not think of as the same person. Others who have it stand in
    /// `pairs`.
    pub same_nik: Option<MatchPersonOut>,
    /// The pairs in which they stand, whatever became of these.
    pub pairs: Vec<MatchPairOut>,
}

/// Show the person of a result
///
/// Also where nobody was found for them: who is on a work list, what is wrong with their NIK, and who else has it. Numbers
/// are masked. Looking is recorded. 409 `run_not_done` until the run's job has ended well.
#[utoipa::path(get, path = "/matching-runs/{id}/results/{statement_id}/{ordinal}")]
async fn person(
    access: Access<MatchingRead>,
    Path((run, statement_id, ordinal)): Path<(Uuid, Uuid, i16)>,
) -> Result<Item<MatchResultDetailOut>> {
    let db = access.read_apart().await?;
    store::find_done(&db, run).await?;
    let result = store::find_result(&db, run, statement_id, ordinal).await?;
    let keys = &access.platform().keys;
    let statements = datasets::statements_by_id(&db, keys, &[statement_id]).await?;
    let statement = statements.first().ok_or(Code::NotFound)?;
    let nik_faults = people::faults(people::stated(statement, ordinal)?, result.nik_taken);
    let same_nik = match Side::of_stranger(&result) {
        Some(side) => Some(people::look_at(&db, keys, side).await?),
        None => None,
    };
    let pairs = store::pairs_of(&db, run, statement_id, ordinal).await?.into_iter().map(MatchPairOut::from).collect();
    let shown = 1 + usize::from(same_nik.is_some());
    access.record_in(RegionCode::stored(&result.region_code), "statements", Some(statement_id), "fetch", shown, None)?;
    Ok(Item(MatchResultDetailOut { person: people::shown(statement, ordinal)?, result: result.into(), nik_faults, same_nik, pairs }))
}
