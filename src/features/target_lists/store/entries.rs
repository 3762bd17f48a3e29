//! Entries of lists: read, counted, compared, taken home.

use std::collections::BTreeMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use uuid::Uuid;

use crate::platform::access::under;
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::platform::statement::Statement;
use crate::schema::target_list_entries;

/// A family on a list or off it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = target_list_entries, check_for_backend(Pg))]
pub struct Entry {
    /// The family.
    pub beneficiary_id: Uuid,
    /// Its village.
    pub region_code: String,
    /// Whether it is on the list.
    pub included: bool,
    /// Beside the list before.
    pub change: String,
    /// Why.
    pub reason: String,
    /// How it was judged.
    pub eligibility: Option<String>,
    /// The accepted result that decided.
    pub village_result_id: Option<Uuid>,
    /// The visit that counted there.
    pub visit_id: Option<Uuid>,
    /// The proposal that it came by.
    pub proposal_id: Option<Uuid>,
    /// Decile.
    pub decile: Option<i16>,
    /// Name of the head.
    pub head_name: Option<String>,
    /// NIK of the head, masked.
    pub head_nik_mask: Option<String>,
    /// KK number, masked.
    pub kk_mask: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Present members.
    pub people: i16,
}

/// What entries are asked for.
#[derive(Debug, Default)]
pub struct WantedEntries {
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// On the list, or off it.
    pub included: Option<bool>,
    /// With this change.
    pub change: Option<&'static str>,
    /// For this reason.
    pub reason: Option<&'static str>,
}

/// A page of a list that was found, by village.
pub async fn entries(
    db: &impl Scoped,
    list: Uuid,
    wanted: &WantedEntries,
    after: Option<(String, Uuid)>,
    limit: i64,
) -> Result<Vec<Entry>> {
    use target_list_entries as e;
    let mut query = e::table
        .select(Entry::as_select())
        .filter(e::target_list_id.eq(list))
        .filter(db.scope().within(e::region_code))
        .order((e::region_code, e::beneficiary_id))
        .limit(limit)
        .into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(under(e::region_code, region));
    }
    if let Some(included) = wanted.included {
        query = query.filter(e::included.eq(included));
    }
    if let Some(change) = wanted.change {
        query = query.filter(e::change.eq(change));
    }
    if let Some(reason) = wanted.reason {
        query = query.filter(e::reason.eq(reason));
    }
    if let Some((region, id)) = after {
        query = query.filter(e::region_code.gt(region.clone()).or(e::region_code.eq(region).and(e::beneficiary_id.gt(id))));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// Whom a list added or removed: the family, its village, whether it was added.
pub async fn moved(db: &impl Scoped, list: Uuid) -> Result<Vec<(Uuid, String, bool)>> {
    use target_list_entries as e;
    Ok(e::table
        .filter(db.scope().within(e::region_code))
        .filter(e::target_list_id.eq(list))
        .filter(e::change.eq_any(["added", "removed"]))
        .order(e::beneficiary_id)
        .select((e::beneficiary_id, e::region_code, e::included))
        .load(&mut db.on())
        .await?)
}

/// Families and people.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct Tally {
    /// Families.
    pub families: i64,
    /// Their present members.
    pub people: i64,
}

/// A region's part of a list.
#[derive(Debug, Deserialize)]
pub struct Summed {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// On the list.
    pub on_list: Tally,
    /// Added.
    pub added: Tally,
    /// Unchanged.
    pub unchanged: Tally,
    /// Removed.
    pub removed: Tally,
    /// Left out.
    pub left_out: Tally,
    /// Removed families by reason.
    pub removed_by_reason: BTreeMap<String, i64>,
    /// Left out families by reason.
    pub left_out_by_reason: BTreeMap<String, i64>,
}

/// A page of regions of a level in code order, each with its part of a list that was found.
pub async fn summary(
    db: &impl Scoped,
    list: Uuid,
    level: Level,
    region: Option<&RegionCode>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<Summed>> {
    Statement::default()
        .sql("WITH counted AS (SELECT ")
        .sql(if level == Level::Subdistrict { "left(e.region_code, 8)" } else { "e.region_code" })
        .sql(
            " AS code, change, reason, count(*) AS families, sum(people) AS people FROM target_list_entries e WHERE target_list_id = ",
        )
        .id(list)
        .sql(" AND ")
        .regions(db, "e.region_code", region)
        .sql(
            " GROUP BY 1, 2, 3), changes AS (
                SELECT code, change, sum(families) AS families, sum(people) AS people, jsonb_object_agg(reason, families) AS reasons
                  FROM counted GROUP BY code, change
            ), page AS (SELECT DISTINCT code FROM counted WHERE code > ",
        )
        .text(after.unwrap_or_default())
        .sql(" ORDER BY code LIMIT ")
        .number(Some(limit))
        .sql(
            ") SELECT coalesce(jsonb_agg(jsonb_build_object('code', p.code, 'name', g.name,
                    'on_list', jsonb_build_object('families', coalesce(a.families, 0) + coalesce(u.families, 0),
                                                  'people', coalesce(a.people, 0) + coalesce(u.people, 0)),
                    'added', jsonb_build_object('families', coalesce(a.families, 0), 'people', coalesce(a.people, 0)),
                    'unchanged', jsonb_build_object('families', coalesce(u.families, 0), 'people', coalesce(u.people, 0)),
                    'removed', jsonb_build_object('families', coalesce(r.families, 0), 'people', coalesce(r.people, 0)),
                    'left_out', jsonb_build_object('families', coalesce(l.families, 0), 'people', coalesce(l.people, 0)),
                    'removed_by_reason', coalesce(r.reasons, '{}'), 'left_out_by_reason', coalesce(l.reasons, '{}')) ORDER BY p.code),
                    '[]') AS answer
                FROM page p LEFT JOIN regions g ON g.code = p.code
                LEFT JOIN changes a ON a.code = p.code AND a.change = 'added' LEFT JOIN changes u ON u.code = p.code AND u.change = 'unchanged'
                LEFT JOIN changes r ON r.code = p.code AND r.change = 'removed' LEFT JOIN changes l ON l.code = p.code AND l.change = 'left_out'",
        )
        .answer(db)
        .await
}

/// A family that one of two lists has, or both.
#[derive(Debug, Deserialize)]
pub struct Differing {
    /// The family.
    pub beneficiary_id: Uuid,
    /// Its village; where it was, when it is only on the other list.
    pub region_code: String,
    /// added, removed or unchanged.
    pub change: String,
    /// Why it is on this list, or off it; null where this list never considered it.
    pub reason: Option<String>,
    /// Why it was on the other list, or off it; null where that list never considered it.
    pub reason_before: Option<String>,
    /// Name of the head.
    pub head_name: Option<String>,
    /// Present members.
    pub people: i64,
}

/// `WITH pairs AS (…)`: the families on either of two lists.
fn pairs(db: &impl Scoped, list: Uuid, with: Uuid, region: Option<&RegionCode>) -> Statement {
    Statement::default()
        .sql(
            "WITH pairs AS (SELECT coalesce(n.beneficiary_id, o.beneficiary_id) AS beneficiary_id,
                    coalesce(CASE WHEN n.included THEN n.region_code END, o.region_code) AS region_code,
                    CASE WHEN coalesce(n.included, false) AND coalesce(o.included, false) THEN 'unchanged'
                         WHEN coalesce(n.included, false) THEN 'added' ELSE 'removed' END AS change,
                    n.reason, o.reason AS reason_before, coalesce(CASE WHEN n.included THEN n.head_name END, o.head_name) AS head_name,
                    coalesce(CASE WHEN n.included THEN n.people END, o.people) AS people
               FROM (SELECT * FROM target_list_entries a WHERE target_list_id = ",
        )
        .id(list)
        .sql(" AND ")
        .regions(db, "a.region_code", region)
        .sql(") n FULL JOIN (SELECT * FROM target_list_entries b WHERE target_list_id = ")
        .id(with)
        .sql(" AND ")
        .regions(db, "b.region_code", region)
        .sql(") o ON o.beneficiary_id = n.beneficiary_id WHERE coalesce(n.included, false) OR coalesce(o.included, false))")
}

/// How two lists differ: families and people by change, and of those removed the reasons.
pub async fn diff_counts(
    db: &impl Scoped,
    list: Uuid,
    with: Uuid,
    region: Option<&RegionCode>,
) -> Result<(BTreeMap<String, Tally>, BTreeMap<String, i64>)> {
    pairs(db, list, with, region)
        .sql(
            " SELECT jsonb_build_array(
                coalesce((SELECT jsonb_object_agg(change, jsonb_build_object('families', families, 'people', people))
                            FROM (SELECT change, count(*) AS families, sum(people) AS people FROM pairs GROUP BY change) c), '{}'),
                coalesce((SELECT jsonb_object_agg(reason, families)
                            FROM (SELECT coalesce(reason, 'not_considered') AS reason, count(*) AS families
                                    FROM pairs WHERE change = 'removed' GROUP BY 1) r), '{}')) AS answer",
        )
        .answer(db)
        .await
}

/// A page of the families in which two lists differ, or agree.
pub async fn diff_entries(
    db: &impl Scoped,
    (list, with): (Uuid, Uuid),
    change: Option<&'static str>,
    region: Option<&RegionCode>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Differing>> {
    pairs(db, list, with, region)
        .sql(" SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY beneficiary_id), '[]') AS answer FROM (SELECT * FROM pairs WHERE beneficiary_id > ")
        .id(after.unwrap_or(Uuid::nil()))
        .sql(" AND change = coalesce(")
        .maybe_text(change.map(str::to_owned))
        .sql(", change) ORDER BY beneficiary_id LIMIT ")
        .number(Some(limit))
        .sql(") p")
        .answer(db)
        .await
}

/// A row of the annex.
#[derive(Debug, Deserialize)]
pub struct Annexed {
    /// The family.
    pub beneficiary_id: Uuid,
    /// Its village's code.
    pub region_code: String,
    /// Its village's name.
    pub village: Option<String>,
    /// Its subdistrict's name.
    pub subdistrict: Option<String>,
    /// added or unchanged.
    pub change: String,
    /// Decile.
    pub decile: Option<i16>,
    /// Name of the head.
    pub head_name: Option<String>,
    /// NIK of the head, masked.
    pub head_nik_mask: Option<String>,
    /// Blind index entry of the same, hexadecimal; none in lists drawn before it was kept.
    pub head_nik_index: Option<String>,
    /// KK number, masked.
    pub kk_mask: Option<String>,
    /// Blind index entry of the same.
    pub kk_index: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Present members.
    pub people: i16,
}

/// How many families the annex of a list that was found has in the scope.
pub async fn annexed(db: &impl Scoped, list: Uuid) -> Result<i64> {
    use target_list_entries as e;
    Ok(e::table
        .filter(db.scope().within(e::region_code))
        .filter(e::target_list_id.eq(list))
        .filter(e::included)
        .count()
        .get_result(&mut db.on())
        .await?)
}

/// A part of the annex of a list that was found: by village, in the order of ids.
pub async fn annex(db: &impl Scoped, list: Uuid, after: Option<(String, Uuid)>, limit: i64) -> Result<Vec<Annexed>> {
    let (region, id) = after.unwrap_or_default();
    Statement::default()
        .sql(
            "SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY region_code, beneficiary_id), '[]') AS answer FROM (
               SELECT e.beneficiary_id, e.region_code, v.name AS village, s.name AS subdistrict, e.change, e.decile, e.head_name,
                      e.head_nik_mask, encode(e.head_nik_index, 'hex') AS head_nik_index,
                      e.kk_mask, encode(e.kk_index, 'hex') AS kk_index, e.address, e.people
                 FROM target_list_entries e LEFT JOIN regions v ON v.code = e.region_code LEFT JOIN regions s ON s.code = left(e.region_code, 8)
                WHERE e.included AND e.target_list_id = ",
        )
        .id(list)
        .sql(" AND (e.region_code, e.beneficiary_id) > (")
        .text(region)
        .sql(", ")
        .id(id)
        .sql(") AND ")
        .regions(db, "e.region_code", None)
        .sql(" ORDER BY e.region_code, e.beneficiary_id LIMIT ")
        .number(Some(limit))
        .sql(") p")
        .answer(db)
        .await
}
