//! The annex taken home: recorded as a disclosure before anything is answered.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::annex::{self, MOST, Sight};
use super::super::store::{self, TargetList};
use crate::mount;
use crate::platform::access::{Access, Scope};
use crate::platform::answers::{CsvFile, Table, Workbook};
use crate::platform::api::Api;
use crate::platform::changes::{Change, Tracked};
use crate::platform::error::{Code, Error, Result};
use crate::platform::list::Path;
use crate::platform::policy::{BeneficiariesDisclose, TargetListsExport, WelfareRead};
use crate::platform::valid::{Valid, unnumbered};
use crate::platform::wire::words;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, export);
}

words! {
    /// The kind of file.
    AnnexFormat {
        /// Text, UTF-8 with commas.
        Csv "csv",
        /// A workbook.
        Xlsx "xlsx",
    }
}

/// What the annex is taken home for, and how.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetListExport {
    /// The kind of file.
    format: AnnexFormat,
    /// Numbers in full instead of masked; needs the grant `beneficiaries_disclose`. Ask for no more than you need.
    #[serde(default)]
    full_numbers: bool,
    /// What the annex is needed for; kept for ever with your name. Write no NIK or KK number here.
    #[validate(length(min = 10, max = 300), custom(function = unnumbered))]
    #[schema(min_length = 10, max_length = 300, example = "Lampiran SK untuk penandatanganan")]
    purpose: String,
}

/// Take home the annex of a target list
///
/// The families on the list by name and address (BNBA), by village, with the decree's number and day above the table: a workbook
/// of one sheet, or CSV. Your name, the purpose and the number of families are recorded for ever before anything is answered.
/// Numbers are masked unless you ask for full ones and hold the right to; a full number is given where it is still the one that
/// stands on the list. At most 100,000 families. 409 `target_list_not_ready` while the list is being drawn.
#[utoipa::path(post, path = "/target-lists/{id}/exports")]
async fn export(access: Access<TargetListsExport>, Path(id): Path<Uuid>, Valid(body): Valid<TargetListExport>) -> Result<Table> {
    let TargetListExport { format, full_numbers, purpose } = body;
    let full = if full_numbers { access.scope_of::<BeneficiariesDisclose>() } else { Scope::default() };
    if full_numbers && full.roots().is_empty() {
        return Err(Code::Forbidden.into());
    }
    let sight = Sight { full, welfare: access.scope_of::<WelfareRead>() };
    let tx = access.write().await?;
    let list = store::find_readable(&tx, id).await?;
    if store::annexed(&tx, id).await? > MOST {
        return Err(Error::RefusedBecause(Code::BodyTooLarge, format!("More than {MOST} families: read them page by page instead.")));
    }
    let annex = annex::collect(&tx, &access.platform().keys, &list, &sight).await?;
    let change = Change::new(TargetList::RESOURCE, id, list.region(), "annex_disclosed")
        .with("families", json!(annex.families()))
        .with("format", json!(format.name()))
        .with("full_numbers", json!(full_numbers));
    tx.commit([change.because(Some(purpose))]).await?;
    let name = format!("daftar-sasaran-{}-{}", list.region_code, list.number);
    Ok(match format {
        AnnexFormat::Csv => Table::Csv(CsvFile { name: format!("{name}.csv"), rows: annex.csv()? }),
        AnnexFormat::Xlsx => {
            let bytes = tokio::task::spawn_blocking(move || annex.workbook()).await.map_err(|cause| Error::Internal(cause.into()))??;
            Table::Workbook(Workbook { name: format!("{name}.xlsx"), bytes })
        }
    })
}
