//! What a release states, family by family, as it was delivered and numbers masked.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::features::beneficiaries::{Attributes, Relation};
use crate::features::datasets::model::{NikState, RegistryStatus};
use crate::features::datasets::service::find_kept;
use crate::features::datasets::statement::{StatedPerson, Statement};
use crate::features::datasets::store;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Page;
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::DatasetsRead;
use crate::platform::sensitive::Sex;

pub(super) fn operations(api: &mut Api) {
    mount!(api, records);
}

/// A person as a release states them, numbers masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatedPersonOut {
    /// The place among the family's people, from 0.
    pub ordinal: u16,
    /// The sheet of the row.
    pub sheet: String,
    /// The row, counted from 1.
    pub row: u32,
    /// Name as written.
    pub name: String,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Born at.
    pub birth_place: Option<String>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// NIK, masked; null where what is written is none.
    pub nik_masked: Option<String>,
    /// How the NIK was judged.
    pub nik_state: NikState,
    /// KK number on the person's row, masked.
    pub kk_number_masked: Option<String>,
    /// Marital status.
    pub marital_status: Option<String>,
    /// Occupation.
    pub occupation: Option<String>,
    /// Education.
    pub education: Option<String>,
    /// The centre's verdict on the NIK, where the source states one.
    pub dukcapil_match: Option<bool>,
    /// What a civil registry says of the person.
    pub registry_status: Option<RegistryStatus>,
}

impl From<StatedPerson> for StatedPersonOut {
    fn from(stated: StatedPerson) -> Self {
        let StatedPerson { ordinal, source_id: _, sheet, row, name, relation, sex, birth_date, birth_place, .. } = stated;
        let StatedPerson { mother_name, nik, nik_written: _, nik_state, kk, address: _, marital_status, .. } = stated;
        let StatedPerson { occupation, education, dukcapil_match, registry_status, .. } = stated;
        StatedPersonOut {
            ordinal,
            sheet,
            row,
            name,
            relation,
            sex,
            birth_date,
            birth_place,
            mother_name,
            nik_masked: nik.map(|nik| nik.mask()),
            nik_state,
            kk_number_masked: kk.map(|kk| kk.mask()),
            marital_status,
            occupation,
            education,
            dukcapil_match,
            registry_status,
        }
    }
}

/// A family as a release states it, numbers masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseRecordOut {
    /// The statement's id, as comparisons and matching runs name it.
    pub id: Uuid,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// 1 to 10; null where the release does not rank it.
    pub decile: Option<u8>,
    /// 1 to 100; null where the release states none.
    pub percentile: Option<u8>,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number, masked.
    pub kk_number_masked: Option<String>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// Its people, in the order of the file.
    pub people: Vec<StatedPersonOut>,
}

impl From<Statement> for ReleaseRecordOut {
    fn from(stated: Statement) -> Self {
        let Statement { id, source_id: _, region, decile, percentile, address, kk, attributes, people, rows: _ } = stated;
        ReleaseRecordOut {
            id,
            region_code: region.into(),
            decile,
            percentile,
            address,
            kk_number_masked: kk.map(|kk| kk.mask()),
            attributes,
            people: people.into_iter().map(StatedPersonOut::from).collect(),
        }
    }
}

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RecordFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List what a release states
///
/// Family by family in the order of the file, as delivered: what became of a family of ours since does not change it.
/// Numbers are masked; the reading is recorded. 409 `release_not_kept` where no statements are kept: while the import
/// runs, after mode `validate`, or when it failed.
#[utoipa::path(get, path = "/releases/{id}/records")]
async fn records(access: Access<DatasetsRead>, Path(id): Path<Uuid>, list: List<RecordFilter>) -> Result<Page<ReleaseRecordOut>> {
    let after = list.after()?;
    let db = access.read_apart().await?;
    let release = find_kept(&db, id).await?;
    let stated = store::statements_under(&db, &access.platform().keys, id, list.filter.region.as_ref(), after, list.fetch()).await?;
    let page = list.page(stated, |stated| stated.id, ReleaseRecordOut::from);
    access.record_in(RegionCode::stored(&release.region_code), "releases", Some(id), "records", page.items.len(), None)?;
    Ok(page)
}
