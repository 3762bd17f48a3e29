//! Work lists taken home: recorded as disclosures before anything is answered.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::model::MatchStatus;
use super::super::store::{self, Run, WantedResults};
use super::super::worklist::{self, MOST, WorkList};
use crate::mount;
use crate::platform::access::{Access, Scope};
use crate::platform::answers::{CsvFile, Workbook};
use crate::platform::api::Api;
use crate::platform::changes::{Change, Tracked};
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::Path;
use crate::platform::policy::{BeneficiariesDisclose, WorkListsTake};
use crate::platform::valid::{Valid, unnumbered};

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, work_list, work_list_csv);
}

/// Which people of a run, and what for.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkListCreate {
    /// What the list is needed for; kept for ever with your name. Write no NIK or KK number here.
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300, example = "Perbaikan NIK kosong bersama Disdukcapil")]
    pub purpose: String,
    /// With this status, say `nik_missing`, `nik_invalid` or `unmatched`; every status where absent.
    pub status: Option<MatchStatus>,
    /// Only those whose NIK certainly another person has, or only the others.
    pub nik_taken: Option<bool>,
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// Numbers in full instead of masked; needs the grant `beneficiaries_disclose`. Ask for no more than you need.
    #[serde(default)]
    pub full_numbers: bool,
}

/// Collects the list and records that it is taken; nothing may be answered before this has returned.
async fn taken(access: &Access<WorkListsTake>, id: Uuid, body: WorkListCreate) -> Result<WorkList> {
    let WorkListCreate { purpose, status, nik_taken, region, full_numbers } = body;
    let full = if full_numbers { access.scope_of::<BeneficiariesDisclose>() } else { Scope::default() };
    if full_numbers && full.roots().is_empty() {
        return Err(Code::Forbidden.into());
    }
    let tx = access.write().await?;
    let run = store::find_done(&tx, id).await?;
    let wanted = WantedResults { status: status.map(MatchStatus::name), nik_taken, region: region.clone() };
    if store::count_results(&tx, id, &wanted).await? > MOST {
        return Err(Error::field("region", "too_many", format!("More than {MOST} people: name a status, or a region below.")));
    }
    let list = worklist::collect(&tx, &access.platform().keys, id, &wanted, &full).await?;
    let change = Change::new(Run::RESOURCE, id, run.region(), "work_list_disclosed")
        .with("people", json!(list.people()))
        .with("status", json!(status.map(MatchStatus::name)))
        .with("nik_taken", json!(nik_taken))
        .with("region", json!(region.map(|region| region.to_string())))
        .with("full_numbers", json!(full_numbers));
    tx.commit([change.because(Some(purpose))]).await?;
    Ok(list)
}

/// Take home a work list as a workbook
///
/// The people of a run with a status, for whoever has to put their data right: place, name, numbers, birth, mother, what is
/// wrong with the NIK, and who else has it. Your name, the purpose, the filters and the number of people are recorded for
/// ever before anything is answered. Numbers are masked unless you ask for full ones and hold the right to. At most 100,000
/// people. 409 `run_not_done` until the run's job has ended well.
#[utoipa::path(post, path = "/matching-runs/{id}/work-list")]
async fn work_list(access: Access<WorkListsTake>, Path(id): Path<Uuid>, Valid(body): Valid<WorkListCreate>) -> Result<Workbook> {
    let list = taken(&access, id, body).await?;
    let bytes = tokio::task::spawn_blocking(move || list.workbook()).await.map_err(|cause| Error::Internal(cause.into()))??;
    Ok(Workbook { name: format!("work-list-{id}.xlsx"), bytes })
}

/// Take home a work list as CSV
///
/// The same as the workbook, in UTF-8 with commas; full numbers begin with an apostrophe so that no spreadsheet rounds them.
/// 409 `run_not_done` until the run's job has ended well.
#[utoipa::path(post, path = "/matching-runs/{id}/work-list.csv")]
async fn work_list_csv(access: Access<WorkListsTake>, Path(id): Path<Uuid>, Valid(body): Valid<WorkListCreate>) -> Result<CsvFile> {
    let list = taken(&access, id, body).await?;
    Ok(CsvFile { name: format!("work-list-{id}.csv"), rows: list.csv()? })
}
