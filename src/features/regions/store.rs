//! SQL of the region list.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::{populations, regions};

/// A row of the list.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = regions)]
pub struct Region {
    /// Dotted code.
    pub code: String,
    /// Name as Kemendagri writes it.
    pub name: String,
    /// province, regency, subdistrict or village.
    pub level: String,
    /// kabupaten, kota, desa, kelurahan…
    pub kind: String,
    /// The region above.
    pub parent_code: Option<String>,
}

/// What a list of regions is asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Directly under this one.
    pub parent: Option<String>,
    /// Of this level.
    pub level: Option<&'static str>,
    /// Whose name contains this.
    pub q: Option<String>,
}

/// A page in code order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<String>, limit: i64) -> Result<Vec<Region>> {
    let mut query = regions::table.select(Region::as_select()).order(regions::code).limit(limit).into_boxed();
    match &wanted.parent {
        Some(parent) => query = query.filter(regions::parent_code.eq(parent)),
        // The country is no Kemendagri code: it is shown when asked for by level or code.
        None if wanted.level != Some("country") => query = query.filter(regions::level.ne("country")),
        None => {}
    }
    if let Some(level) = wanted.level {
        query = query.filter(regions::level.eq(level));
    }
    if let Some(q) = &wanted.q {
        let escaped: String = q.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect();
        query = query.filter(regions::name.ilike(format!("%{escaped}%")));
    }
    if let Some(after) = after {
        query = query.filter(regions::code.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One region.
pub async fn find(db: &impl Scoped, code: &RegionCode) -> Result<Region> {
    Ok(regions::table.find(code.as_str()).select(Region::as_select()).first(&mut db.on()).await?)
}

/// The regions directly under one, in code order.
pub async fn children(db: &impl Scoped, code: &RegionCode) -> Result<Vec<Region>> {
    Ok(regions::table
        .filter(regions::parent_code.eq(code.as_str()))
        .select(Region::as_select())
        .order(regions::code)
        .load(&mut db.on())
        .await?)
}

/// Every village under a region with the names above it: code, village, subdistrict, regency, province.
pub async fn villages_of(db: &impl Scoped, code: &RegionCode) -> Result<Vec<(String, String, String, String, String)>> {
    let (subdistricts, regencies, provinces) = diesel::alias!(regions as s, regions as r, regions as p);
    Ok(regions::table
        .inner_join(subdistricts.on(subdistricts.field(regions::code).nullable().eq(regions::parent_code)))
        .inner_join(regencies.on(regencies.field(regions::code).nullable().eq(subdistricts.field(regions::parent_code))))
        .inner_join(provinces.on(provinces.field(regions::code).nullable().eq(regencies.field(regions::parent_code))))
        .filter(regions::level.eq("village"))
        .filter(crate::platform::access::under(regions::code, code))
        .order(regions::code)
        .select((
            regions::code,
            regions::name,
            subdistricts.field(regions::name),
            regencies.field(regions::name),
            provinces.field(regions::name),
        ))
        .load(&mut db.on())
        .await?)
}

/// Whether this edition is loaded: its size is kept as the table's comment, which costs no table of its own.
pub async fn is_current(db: &impl Scoped, edition: usize) -> Result<bool> {
    let comment: Option<String> =
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>("obj_description('regions'::regclass)"))
            .get_result(&mut db.on())
            .await?;
    Ok(comment.is_some_and(|comment| comment.ends_with(&edition_mark(edition))))
}

fn edition_mark(edition: usize) -> String {
    format!("edition of {edition} bytes")
}

type Figure = (String, i32, Option<i64>, Option<i64>, String);

/// Writes the list: new codes appear, names follow the newest edition, nothing is deleted (records hang on old codes).
pub async fn write(db: &impl Scoped, rows: &[Region], figures: &[Figure], edition: usize) -> Result<usize> {
    use diesel::upsert::excluded;
    let mut written = 0;
    for part in rows.chunks(5_000) {
        written += diesel::insert_into(regions::table)
            .values(part)
            .on_conflict(regions::code)
            .do_update()
            .set((regions::name.eq(excluded(regions::name)), regions::kind.eq(excluded(regions::kind))))
            .execute(&mut db.on())
            .await?;
    }
    for (region, year, people, families, source) in figures {
        diesel::insert_into(populations::table)
            .values((
                populations::region_code.eq(region),
                populations::year.eq(year),
                populations::people.eq(people),
                populations::families.eq(families),
                populations::source.eq(source),
            ))
            .on_conflict_do_nothing()
            .execute(&mut db.on())
            .await?;
    }
    diesel::sql_query(format!(
        "COMMENT ON TABLE regions IS 'Kemendagri regions, dotted codes; 00 is the country. {}'",
        edition_mark(edition)
    ))
    .execute(&mut db.on())
    .await?;
    Ok(written)
}
