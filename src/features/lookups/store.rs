//! SQL of look-ups: people by keyed index or by name and birth date, and their families' aid.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Date, Integer, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::access::Scope;
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::schema::{action_plans, activities, beneficiaries, interventions, members, programs};

/// Somebody found: for which item, and who.
#[derive(Debug, Clone, Queryable)]
pub struct Hit {
    /// The family.
    pub beneficiary_id: Uuid,
    /// The member; none where the family was found by its KK number.
    pub member_id: Option<Uuid>,
    /// The family's village.
    pub region_code: String,
    /// active or inactive.
    pub status: String,
    /// present, deceased or moved_out.
    pub member_status: Option<String>,
}

/// The key entries of one kind of item, each with the item's place.
pub type Entries = (Vec<Vec<u8>>, Vec<i32>);

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Integer)]
    item: i32,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

type Row = (Uuid, Uuid, String, String, String);

/// Members by NIK and by name and birth date: item and hit.
pub async fn people(db: &impl Scoped, niks: Entries, named: (Vec<String>, Vec<NaiveDate>, Vec<i32>)) -> Result<Vec<(i32, Hit)>> {
    let by_nik: Vec<Found> = diesel::sql_query(
        "SELECT n.item, m.id FROM unnest($1, $2) AS n (entry, item) CROSS JOIN LATERAL (SELECT id FROM members WHERE nik_index = n.entry AND status <> 'merged' OFFSET 0) m",
    )
    .bind::<Array<Binary>, _>(niks.0)
    .bind::<Array<Integer>, _>(niks.1)
    .load(&mut db.on())
    .await?;
    // The trigram index finds equal names too; a comparison of the lower-case name alone would read the whole table.
    let by_name: Vec<Found> = diesel::sql_query(
        "SELECT n.item, m.id FROM unnest($1, $2, $3) AS n (name, birth_date, item)
          CROSS JOIN LATERAL (SELECT id FROM members WHERE lower(name) LIKE n.name AND birth_date = n.birth_date AND status <> 'merged' OFFSET 0) m",
    )
    .bind::<Array<Text>, _>(named.0)
    .bind::<Array<Date>, _>(named.1)
    .bind::<Array<Integer>, _>(named.2)
    .load(&mut db.on())
    .await?;
    let found: Vec<Found> = by_nik.into_iter().chain(by_name).collect();
    let ids: Vec<Uuid> = found.iter().map(|found| found.id).collect();
    let rows: Vec<Row> = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::id.eq_any(ids))
        .select((members::id, beneficiaries::id, beneficiaries::region_code, beneficiaries::status, members::status))
        .load(&mut db.on())
        .await?;
    Ok(found
        .into_iter()
        .flat_map(|found| {
            let row = rows.iter().find(|(id, ..)| *id == found.id);
            row.map(|(member, family, region, status, member_status)| {
                let hit = Hit {
                    beneficiary_id: *family,
                    member_id: Some(*member),
                    region_code: region.clone(),
                    status: status.clone(),
                    member_status: Some(member_status.clone()),
                };
                (found.item, hit)
            })
        })
        .collect())
}

/// Families by KK number: item and hit.
pub async fn families(db: &impl Scoped, (entries, items): Entries) -> Result<Vec<(i32, Hit)>> {
    let rows: Vec<(Uuid, String, String, Option<Vec<u8>>)> = beneficiaries::table
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::kk_index.eq_any(&entries))
        .select((beneficiaries::id, beneficiaries::region_code, beneficiaries::status, beneficiaries::kk_index))
        .load(&mut db.on())
        .await?;
    let mut hits = Vec::new();
    for (id, region_code, status, index) in rows {
        let asked = entries.iter().zip(&items).filter(|(entry, _)| Some(*entry) == index.as_ref());
        for (_, item) in asked {
            let hit =
                Hit { beneficiary_id: id, member_id: None, region_code: region_code.clone(), status: status.clone(), member_status: None };
            hits.push((*item, hit));
        }
    }
    Ok(hits)
}

/// Aid of a family: family, member, program, its name, agency, quarter, status.
pub type Aid = (Uuid, Option<Uuid>, Uuid, String, Uuid, String, String);

/// The aid that is planned for these families or was delivered to them.
pub async fn aid(db: &impl Scoped, seen: &Scope, families: &[Uuid]) -> Result<Vec<Aid>> {
    Ok(interventions::table
        .inner_join(activities::table.inner_join(programs::table).inner_join(action_plans::table))
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(seen.within(beneficiaries::region_code))
        .filter(interventions::beneficiary_id.eq_any(families))
        .filter(interventions::status.ne("cancelled"))
        .order((interventions::quarter, interventions::id))
        .select((
            interventions::beneficiary_id,
            interventions::member_id,
            programs::id,
            programs::name,
            action_plans::agency_id,
            interventions::quarter,
            interventions::status,
        ))
        .load(&mut db.on())
        .await?)
}
