//! Releases over HTTP: deliver a file, follow its import, read what was refused.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use crate::features::datasets::corrections;
use crate::features::datasets::model::{Rejects, ReleaseMode, ReleaseState, Severity, spreadsheet_safe};
use crate::features::datasets::profile::shipped;
use crate::features::datasets::service::{self, Delivery, P3KE, profile_of};
use crate::features::datasets::store::{self, Job, Reject, Release};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{CsvFile, Delivered, Found, Page, Resource, Workbook};
use crate::platform::api::{Api, BASE};
use crate::platform::changes::{Change, Tracked};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::{DatasetsRead, DatasetsWrite, ReleasesDisclose};
use crate::platform::upload::Upload;
use crate::platform::valid::{Valid, printable, unnumbered};

pub(super) fn operations(api: &mut Api) {
    api.feature("releases", "Releases: delivered files of a dataset, and what became of their rows");
    mount!(api, list, create, fetch, withdraw, rejects, download, rejected_rows);
}

/// What became of the rows; each name carries the unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseCounts {
    /// Families accepted.
    pub families: i32,
    /// Of these, families that were not on record.
    pub families_new: i32,
    /// People accepted.
    pub people: i32,
    /// Of these, people who were not on record.
    pub people_new: i32,
    /// Rows refused; `/rejects?severity=reject` tells why.
    pub rows_rejected: i32,
    /// Warnings about rows that were accepted.
    pub warnings: i32,
}

/// The import of a release.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseJob {
    /// The job's address.
    #[schema(example = "/api/v1/jobs/0192f0c1-2d3e-7f40-8a5b-6c7d8e9fa0b1")]
    pub href: String,
    /// queued, running, succeeded, failed or cancelled.
    pub state: String,
    /// Rows done with.
    pub rows_done: i64,
    /// Rows in the file, once it was read through.
    pub rows_total: Option<i64>,
    /// Why it failed, as a stable word: what the file lacks, or `internal`.
    #[schema(example = "header_missing")]
    pub error_code: Option<String>,
    /// Why, as a sentence.
    pub error_detail: Option<String>,
}

/// A delivered file.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseOut {
    /// Record id.
    pub id: Uuid,
    /// Of which dataset.
    pub dataset_id: Uuid,
    /// The dataset's region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What is done with it.
    #[schema(value_type = ReleaseMode)]
    pub mode: String,
    /// What a refused row means for the others.
    #[schema(value_type = Rejects)]
    pub rejects: String,
    /// How far it is.
    pub state: ReleaseState,
    /// Why it was withdrawn, where it was.
    pub withdrawn_because: Option<String>,
    /// The column-mapping profile's name.
    pub profile: String,
    /// The number of the minutes of its handing over (BAST).
    pub bast_number: Option<String>,
    /// The day its statements are of.
    pub reference_date: Option<NaiveDate>,
    /// The day it was handed over.
    pub received_on: NaiveDate,
    /// What it covers.
    pub coverage: Option<String>,
    /// SHA-256 of the file, hexadecimal.
    pub file_sha256: String,
    /// Size of the file.
    pub file_bytes: i64,
    /// What became of its rows; they grow while the import runs.
    pub counts: ReleaseCounts,
    /// Its import.
    pub job: Option<ReleaseJob>,
    /// The version that the ETag shows.
    pub version: i32,
    /// Received at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<(Release, Option<Job>)> for ReleaseOut {
    fn from((row, job): (Release, Option<Job>)) -> Self {
        let state = row.state().beside(job.as_ref().map(|job| job.state.as_str()));
        let Release {
            id,
            dataset_id,
            region_code,
            mode,
            state: _,
            profile,
            bast_number,
            reference_date,
            received_on,
            coverage,
            file_hash,
            file_bytes,
            job_id,
            families,
            people,
            families_new,
            people_new,
            rejected,
            warnings,
            version,
            created_at,
            updated_at,
            rejects,
            withdrawn_because,
        } = row;
        let job = job_id.zip(job).map(|(id, job)| {
            let Job { state, done, total, error_code, error_detail } = job;
            ReleaseJob { href: format!("{BASE}/jobs/{id}"), state, rows_done: done, rows_total: total, error_code, error_detail }
        });
        ReleaseOut {
            id,
            dataset_id,
            region_code,
            mode,
            rejects,
            state,
            withdrawn_because,
            profile: if shipped(&profile).is_some() {
                profile
            } else {
                profile_of(&profile).map_or_else(|_| "?".into(), |profile| profile.name)
            },
            bast_number,
            reference_date,
            received_on,
            coverage,
            file_sha256: file_hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            file_bytes,
            counts: ReleaseCounts { families, families_new, people, people_new, rows_rejected: rejected, warnings },
            job,
            version,
            created_at,
            updated_at,
        }
    }
}

impl Resource for ReleaseOut {
    fn location(&self) -> String {
        format!("/releases/{}", self.id)
    }
    fn version(&self) -> i32 {
        self.version
    }
}

/// What a delivery began.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryOut {
    /// The release that the file is.
    pub release_id: Uuid,
    /// The job that imports it.
    pub job_id: Option<Uuid>,
    /// How far the release is.
    #[schema(value_type = ReleaseState)]
    pub state: String,
}

impl Resource for DeliveryOut {
    fn location(&self) -> String {
        match self.job_id {
            Some(job) => format!("/jobs/{job}"),
            None => format!("/releases/{}", self.release_id),
        }
    }
    fn version(&self) -> i32 {
        1
    }
}

/// What is said about the file; all of it before the part `file`.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseForm {
    /// `validate` reads and judges the file and takes nothing over; `keep` keeps what it states, to be compared and matched,
    /// and makes no family of it.
    mode: ReleaseMode,
    /// Whether a refused row leaves the others to be taken over (`skip`, the default) or fails the release (`refuse`).
    rejects: Option<Rejects>,
    /// How the file is laid out: a name of `GET /profiles` (`p3ke` where nothing is said), or a column-mapping profile of your own as JSON.
    #[validate(length(min = 1, max = 65536))]
    #[schema(min_length = 1, max_length = 65536, example = "p3ke")]
    profile: Option<String>,
    /// The number of the minutes of its handing over (BAST).
    #[validate(length(min = 1, max = 100), custom(function = printable))]
    #[schema(min_length = 1, max_length = 100)]
    bast_number: Option<String>,
    /// The day its statements are of. The newest release that ranks a family gives its current decile.
    #[validate(custom(function = plausible))]
    reference_date: Option<NaiveDate>,
    /// The day it was handed over; today where nothing is said.
    #[validate(custom(function = plausible))]
    received_on: Option<NaiveDate>,
    /// What it covers, in words.
    #[validate(length(min = 1, max = 200), custom(function = printable))]
    #[schema(min_length = 1, max_length = 200)]
    coverage: Option<String>,
}

fn plausible(date: &NaiveDate) -> std::result::Result<(), ValidationError> {
    use chrono::Datelike;
    if (1900..=2200).contains(&date.year()) {
        Ok(())
    } else {
        Err(ValidationError::new("range").with_message("The year is 1900 to 2200.".into()))
    }
}

/// Which releases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFilter {
    /// Of this mode.
    mode: Option<ReleaseMode>,
}

/// Which remarks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RejectFilter {
    /// Refused rows, or warnings about accepted ones.
    severity: Option<Severity>,
    /// Of this code.
    #[param(max_length = 60)]
    code: Option<String>,
}

/// Something about a row of a release. It never repeats what stands in the row.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectOut {
    /// Record id.
    pub id: Uuid,
    /// The sheet's name; `1` for a text file.
    #[schema(example = "Individu")]
    pub sheet: String,
    /// The row as a spreadsheet counts it.
    pub row: i32,
    /// The column's header; null when the whole row is meant.
    #[schema(example = "Tanggal Lahir")]
    pub column: Option<String>,
    /// What, as a stable word.
    #[schema(example = "date_invalid")]
    pub code: String,
    /// What, as a sentence.
    pub reason: String,
    /// Whether the row was refused.
    #[schema(value_type = Severity)]
    pub severity: String,
}

impl From<Reject> for RejectOut {
    fn from(row: Reject) -> Self {
        let Reject { id, sheet, row_number, column_header, code, reason, severity } = row;
        RejectOut { id, sheet, row: row_number, column: column_header, code, reason, severity }
    }
}

/// List a dataset's releases
///
/// Oldest first.
#[utoipa::path(get, path = "/datasets/{id}/releases")]
async fn list(access: Access<DatasetsRead>, Path(id): Path<Uuid>, list: List<ReleaseFilter>) -> Result<Page<ReleaseOut>> {
    let db = access.read().await?;
    store::find(&db, id).await?;
    let mode = list.filter.mode.map(ReleaseMode::name);
    let rows = store::releases_of(&db, id, mode, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |(row, _)| row.id, ReleaseOut::from))
}

/// Deliver a release
///
/// XLSX or CSV; what it is, is found from its content. Send the part `file` last: texts before it that are wrong refuse it
/// before it is received. 202 begins the import, which its job (`Location`) follows. The same file in the same mode
/// is one release: sent again it answers 200 with what it began the first time, unless that failed or was cancelled. A
/// family that an earlier release of the dataset named is found by the source's key and never made twice. What a release
/// does not state is not taken back; a cancelled import keeps what it had taken over.
#[utoipa::path(post, path = "/datasets/{id}/releases")]
async fn create(access: Access<DatasetsWrite>, Path(id): Path<Uuid>, upload: Upload<ReleaseForm>) -> Result<Delivered<DeliveryOut>> {
    let dataset = store::find(&access.read().await?, id).await?;
    let config = &access.platform().config;
    let (form, file) = upload.receive_if(&config.spool_dir, config.upload_limit_bytes(), demand_profile).await?;
    let ReleaseForm { mode, rejects, profile, bast_number, reference_date, received_on, coverage } = form;
    let profile = profile.unwrap_or_else(|| P3KE.into());
    let rejects = rejects.unwrap_or(Rejects::Skip);
    let delivery = Delivery { mode, rejects, profile, bast_number, reference_date, received_on, coverage };
    let (release, begun) = service::deliver(access.write().await?, &dataset, delivery, file).await?;
    let out = DeliveryOut { release_id: release.id, job_id: release.job_id, state: release.state };
    Ok(if begun { Delivered::Begun(out) } else { Delivered::Known(out) })
}

fn demand_profile(form: &ReleaseForm) -> Result<()> {
    service::demand_fit(form.mode, form.profile.as_deref())
}

/// Fetch a release
///
/// Its counts grow while the import runs.
#[utoipa::path(get, path = "/releases/{id}")]
async fn fetch(access: Access<DatasetsRead>, Path(id): Path<Uuid>) -> Result<Found<ReleaseOut>> {
    Ok(Found(store::find_release(&access.read().await?, id).await?.into()))
}

/// Why a release is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseWithdrawal {
    /// The reason. Write no names here.
    #[validate(length(min = 1, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 1, max_length = 300)]
    reason: String,
}

/// Withdraw a release
///
/// From imported, kept or validated. Its ranks no longer count: of each family the newest release that is left gives the
/// current decile, and the feed tells each family `reranked`. Families stay, and so do the statements, for those who audit.
/// The same file may then be sent again.
#[utoipa::path(post, path = "/releases/{id}/withdraw")]
async fn withdraw(
    access: Access<DatasetsWrite>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ReleaseWithdrawal>,
) -> Result<Found<ReleaseOut>> {
    Ok(Found(service::withdraw(access.write().await?, id, read, body.reason).await?.into()))
}

/// List a release's rejects and warnings
///
/// In the order of the file. Of each kind the first 100,000 are kept; then one `too_many` says so.
#[utoipa::path(get, path = "/releases/{id}/rejects")]
async fn rejects(access: Access<DatasetsRead>, Path(id): Path<Uuid>, list: List<RejectFilter>) -> Result<Page<RejectOut>> {
    let db = access.read().await?;
    store::find_release(&db, id).await?;
    let RejectFilter { severity, code } = &list.filter;
    let rows = store::rejects_of(&db, id, severity.map(Severity::name), code.as_deref(), list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, RejectOut::from))
}

/// Download a release's rejects and warnings
///
/// As CSV: sheet, row, column, code, reason, severity, to be opened beside the delivered file. It holds nothing that
/// stands in the file's cells.
#[utoipa::path(get, path = "/releases/{id}/rejects.csv")]
async fn download(access: Access<DatasetsRead>, Path(id): Path<Uuid>) -> Result<CsvFile> {
    const PART: i64 = 10_000;
    let db = access.read_apart().await?;
    store::find_release(&db, id).await?;
    let mut out = csv::Writer::from_writer(Vec::new());
    let written = |cause: csv::Error| Error::Internal(cause.into());
    out.write_record(["sheet", "row", "column", "code", "reason", "severity"]).map_err(written)?;
    let mut after = None;
    loop {
        let rows = store::rejects_of(&db, id, None, None, after, PART).await?;
        after = rows.last().map(|row| row.id);
        let more = i64::try_from(rows.len()).is_ok_and(|count| count == PART);
        for row in rows {
            let column = spreadsheet_safe(row.column_header.as_deref().unwrap_or_default());
            let sheet = spreadsheet_safe(&row.sheet);
            let number = row.row_number.to_string();
            out.write_record([&sheet, &number, &column, &row.code, &row.reason, &row.severity]).map_err(written)?;
        }
        if !more {
            break;
        }
    }
    let rows = out.into_inner().map_err(|cause| anyhow::anyhow!("rejects as CSV: {cause}"))?;
    Ok(CsvFile { name: format!("rejects-{id}.csv"), rows })
}

/// What refused rows are taken home for.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectedRowsDisclosure {
    /// What they are needed for; kept for ever with your name. Write no NIK or KK number here.
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300, example = "Perbaikan baris yang ditolak bersama desa")]
    purpose: String,
}

/// Take home a release's refused rows
///
/// As a workbook in the layout of the delivered file, with the accepted rows of the same families beside them and four
/// columns that say what is wrong: correct the cells and deliver it again under the same profile. Columns that the profile
/// does not name are not in it. Numbers stand in it in full, so your name, the purpose and the time are recorded for ever
/// before anything is answered.
#[utoipa::path(post, path = "/releases/{id}/rejected-rows")]
async fn rejected_rows(
    access: Access<ReleasesDisclose>,
    Path(id): Path<Uuid>,
    Valid(body): Valid<RejectedRowsDisclosure>,
) -> Result<Workbook> {
    let tx = access.write().await?;
    let (release, _) = store::find_release(&tx, id).await?;
    let found = corrections::collect(&tx, &access.platform().keys, &release).await?;
    let change = Change::new(Release::RESOURCE, id, release.region(), "rejected_rows_disclosed")
        .with("rows", found.disclosed().into())
        .with("refused", found.refused.into());
    tx.commit([change.because(Some(body.purpose))]).await?;
    let bytes = tokio::task::spawn_blocking(move || found.workbook()).await.map_err(|cause| Error::Internal(cause.into()))??;
    Ok(Workbook { name: format!("rejected-rows-{id}.xlsx"), bytes })
}
