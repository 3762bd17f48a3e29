//! The demo accounts: one of each role in Kotawaringin Timur and a twin beside it, all with a known password.

use anyhow::Context;
use uuid::Uuid;

use super::model::{Kind, Secret};
use super::service::{self, Wish};
use super::{secrets, store};
use crate::features::{agencies, regions};
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::policy::{Agency, Role};

/// The password of every demo person; shorter than the rule, which guards real accounts.
pub const PASSWORD: &str = "entas-demo";
/// The demo service account and its secret.
pub const SERVICE: (&str, &str) = ("demo-aggregator", "entas-demo-secret");

/// Where the demo accounts act.
struct Places {
    province: [RegionCode; 2],
    regency: [RegionCode; 2],
    subdistrict: [RegionCode; 2],
    village: [RegionCode; 2],
    office: [Uuid; 2],
    company: [Uuid; 2],
}

/// Makes what is missing of the demo accounts and the agencies they need; may be repeated.
pub async fn demo(services: &Services) -> anyhow::Result<()> {
    let people = secrets::hash(&Secret::new(PASSWORD.into())).await?;
    let service = secrets::hash(&Secret::new(SERVICE.1.into())).await?;
    let mut tx = services.write_as_system(RegionCode::country()).await?;
    let mut changes = Vec::new();
    let places = places(&mut tx, &mut changes).await?;
    for role in Role::ALL {
        for (twin, name) in [role.name().to_owned(), format!("{}-2", role.name())].into_iter().enumerate() {
            let (region, agency) = place(&places, *role, twin).context("demo place")?;
            account(&mut tx, &mut changes, Kind::Person, &name, &people, *role, region, agency).await?;
        }
    }
    let [province, _] = places.province;
    account(&mut tx, &mut changes, Kind::Service, SERVICE.0, &service, Role::ProvinceObserver, province, None).await?;
    if !changes.is_empty() {
        tx.commit_all(changes).await?;
    }
    Ok(())
}

fn place(places: &Places, role: Role, twin: usize) -> Option<(RegionCode, Option<Uuid>)> {
    let agency = match (role, role.agency()) {
        (Role::Partner, _) => places.company.get(twin).copied(),
        (_, Agency::Required) => places.office.get(twin).copied(),
        (_, Agency::Never) => None,
    };
    let region = match role {
        Role::VillageOperator | Role::VillageHead => places.village.get(twin),
        Role::SubdistrictOfficer => places.subdistrict.get(twin),
        Role::ProvinceObserver => places.province.get(twin),
        // The twin of an agency's staff works for the agency next door, in the same regency.
        _ if agency.is_some() => places.regency.first(),
        _ => places.regency.get(twin),
    };
    Some((region?.clone(), agency))
}

async fn places(tx: &mut Tx, changes: &mut Vec<Change>) -> anyhow::Result<Places> {
    let code = |text: &str| RegionCode::parse(text).context("region code");
    let (regency, subdistrict) = (code("62.02")?, code("62.02.09")?);
    let codes = |rows: Vec<_>| rows.into_iter().map(|row: regions::Region| RegionCode::stored(&row.code)).collect::<Vec<_>>();
    let villages = codes(regions::children(tx, &subdistrict).await?);
    let subdistricts = codes(regions::children(tx, &regency).await?);
    let missing = "the region list is not loaded: run `entas migrate` first";
    let next = subdistricts.into_iter().find(|other| *other > subdistrict).context(missing)?;
    let mut villages = villages.into_iter();
    let village = [villages.next().context(missing)?, villages.next().context(missing)?];
    let mut agency = async |name: &str, kind: &str| agency(tx, changes, &regency, name, kind).await;
    Ok(Places {
        office: [
            agency("Dinas Sosial", "regional_office").await?,
            agency("Dinas Perumahan dan Kawasan Permukiman", "regional_office").await?,
        ],
        company: [agency("PT Contoh Mandiri", "company").await?, agency("PT Contoh Sejahtera", "company").await?],
        province: [code("62")?, code("64")?],
        regency: [regency.clone(), code("64.08")?],
        subdistrict: [subdistrict, next],
        village,
    })
}

async fn agency(tx: &mut Tx, changes: &mut Vec<Change>, region: &RegionCode, name: &str, kind: &str) -> Result<Uuid> {
    if let Some(known) = agencies::find_named(tx, region, name).await? {
        return Ok(known.id);
    }
    let now = chrono::Utc::now();
    let row = agencies::Agency {
        id: new_id(),
        region_code: region.clone().into(),
        name: name.into(),
        short_name: None,
        kind: kind.into(),
        status: "active".into(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = agencies::insert(tx, &row).await?;
    changes.push(Change::created(&row));
    Ok(row.id)
}

#[expect(clippy::too_many_arguments, reason = "one row of the demo's table of accounts")]
async fn account(
    tx: &mut Tx,
    changes: &mut Vec<Change>,
    kind: Kind,
    name: &str,
    hash: &str,
    role: Role,
    region: RegionCode,
    agency: Option<Uuid>,
) -> Result<()> {
    let account = match store::find_named(tx, kind, name).await? {
        Some(known) => known,
        None => {
            let row = service::new_account(None, kind, name.into(), format!("Demo {name}"), region.clone(), Some(hash.into()));
            let row = store::insert(tx, &row).await?;
            changes.push(row.created());
            row
        }
    };
    if !store::is_assigned(tx, account.id, role.name(), &region).await? {
        let wish = Wish { id: None, role, region, agency, valid_from: None, valid_to: None };
        changes.extend(service::assign(tx, &account, wish).await?.1);
    }
    Ok(())
}
