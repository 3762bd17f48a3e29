//! SQL of statements: written by the batch, read by the page within the scope, brought under new keys.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Integer, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::features::datasets::statement::{self, RawRow, Renewed, Renewer, Sealed, SealedPeople, Statement};
use crate::platform::access::under;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::seal::KeyRing;
use crate::schema::{rejected_rows, releases, statements};

#[derive(Queryable, Selectable)]
#[diesel(table_name = statements, check_for_backend(Pg))]
struct Row {
    id: Uuid,
    source_id: String,
    region_code: String,
    decile: Option<i16>,
    percentile: Option<i16>,
    people: i32,
    digest: Vec<u8>,
    sealed: Vec<u8>,
}

impl From<Row> for Sealed {
    fn from(row: Row) -> Self {
        let Row { id, source_id, region_code, decile, percentile, people, digest, sealed } = row;
        Sealed { id, source_id, region_code, decile, percentile, people, digest, sealed }
    }
}

/// What a release states, in id order, which is the order of its file; only within the scope. What a caller reads here it
/// answers for: nothing of it may leave unmasked without a disclosure.
pub async fn statements(db: &impl Scoped, keys: &KeyRing, release: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Statement>> {
    statements_under(db, keys, release, None, after, limit).await
}

/// The same of one region and what lies under it, where one is named.
///
/// "Any of these releases", and by release first, so that only the index of releases gives this order: told that it is one release, the
/// server may walk the ids of all others first (0.45 s to the first page of a second release of a regency).
pub async fn statements_under(
    db: &impl Scoped,
    keys: &KeyRing,
    release: Uuid,
    region: Option<&RegionCode>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Statement>> {
    let mut query = statements::table
        .select(Row::as_select())
        .filter(db.scope().within(statements::region_code))
        .filter(statements::release_id.eq_any([release]))
        .filter(statements::id.gt(after.unwrap_or(Uuid::nil())))
        .order((statements::release_id, statements::id))
        .limit(limit)
        .into_boxed();
    if let Some(region) = region {
        query = query.filter(under(statements::region_code, region));
    }
    let rows: Vec<Row> = query.load(&mut db.on()).await?;
    rows.into_iter().map(|row| statement::open(keys, row.into())).collect()
}

/// What it states of people, still sealed and found like [`statements_under`]: whoever reads many opens them with
/// [`statement::read_people`] while the next are on their way.
pub async fn sealed_people(db: &impl Scoped, release: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<SealedPeople>> {
    let rows: Vec<(Uuid, String, i32, Vec<u8>)> = statements::table
        .select((statements::id, statements::region_code, statements::people, statements::sealed))
        .filter(db.scope().within(statements::region_code))
        .filter(statements::release_id.eq_any([release]))
        .filter(statements::id.gt(after.unwrap_or(Uuid::nil())))
        .order((statements::release_id, statements::id))
        .limit(limit)
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().map(|(id, region_code, people, sealed)| SealedPeople { id, region_code, people, sealed }).collect())
}

/// Whether anything of what a release states was kept; only within the scope.
pub async fn states(db: &impl Scoped, release: Uuid) -> Result<bool> {
    let kept = statements::table.filter(db.scope().within(statements::region_code)).filter(statements::release_id.eq(release));
    Ok(diesel::select(diesel::dsl::exists(kept)).get_result(&mut db.on()).await?)
}

/// Some of a release's statements, by id; only within the scope.
pub async fn statements_by_id(db: &impl Scoped, keys: &KeyRing, ids: &[Uuid]) -> Result<Vec<Statement>> {
    let rows: Vec<Row> = statements::table
        .select(Row::as_select())
        .filter(db.scope().within(statements::region_code))
        .filter(statements::id.eq_any(ids))
        .order(statements::id)
        .load(&mut db.on())
        .await?;
    rows.into_iter().map(|row| statement::open(keys, row.into())).collect()
}

/// A release's statements of these keys; only within the scope.
pub async fn statements_of(db: &impl Scoped, keys: &KeyRing, release: Uuid, source_ids: &[String]) -> Result<Vec<Statement>> {
    let rows: Vec<Row> = statements::table
        .select(Row::as_select())
        .filter(db.scope().within(statements::region_code))
        .filter(statements::release_id.eq(release))
        .filter(statements::source_id.eq_any(source_ids))
        .order(statements::id)
        .load(&mut db.on())
        .await?;
    rows.into_iter().map(|row| statement::open(keys, row.into())).collect()
}

/// Keeps what a batch states. A statement that is kept already stays.
pub async fn insert_statements(tx: &mut Tx, release: Uuid, rows: &[Sealed]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "INSERT INTO statements (id, release_id, source_id, region_code, decile, percentile, people, digest, sealed)
         SELECT id, $1, source_id, region_code, decile, percentile, people, digest, sealed
           FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
             AS n (id, source_id, region_code, decile, percentile, people, digest, sealed)
         ON CONFLICT (release_id, source_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(release)
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.source_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.region_code.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SmallInt>>, _>(rows.iter().map(|row| row.decile).collect::<Vec<_>>())
    .bind::<Array<Nullable<SmallInt>>, _>(rows.iter().map(|row| row.percentile).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(rows.iter().map(|row| row.people).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(rows.iter().map(|row| row.digest.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(rows.iter().map(|row| row.sealed.as_slice()).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// Keeps the cells of refused rows, sealed.
pub async fn insert_rejected_rows(tx: &mut Tx, keys: &KeyRing, release: Uuid, rows: &[RawRow]) -> Result<()> {
    for part in rows.chunks(5_000) {
        let ids: Vec<Uuid> = part.iter().map(|_| new_id()).collect();
        let sealed: Vec<Vec<u8>> = part.iter().zip(&ids).map(|(row, id)| statement::seal_row(keys, *id, row)).collect::<Result<_>>()?;
        diesel::sql_query(
            "INSERT INTO rejected_rows (id, release_id, sheet, row_number, sealed)
             SELECT id, $1, sheet, row_number, sealed FROM unnest($2, $3, $4, $5) AS n (id, sheet, row_number, sealed)
             ON CONFLICT (release_id, sheet, row_number) DO NOTHING",
        )
        .bind::<SqlUuid, _>(release)
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Text>, _>(part.iter().map(|row| &*row.sheet).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(part.iter().map(|row| i32::try_from(row.row).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(sealed)
        .execute(&mut tx.on())
        .await?;
    }
    Ok(())
}

/// A page of the refused rows of a release, opened, in id order. The caller answers for them as for a disclosure.
pub async fn rejected_rows(
    db: &impl Scoped,
    keys: &KeyRing,
    release: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Uuid, RawRow)>> {
    let rows: Vec<(Uuid, Vec<u8>)> = rejected_rows::table
        .inner_join(releases::table)
        .select((rejected_rows::id, rejected_rows::sealed))
        .filter(db.scope().within(releases::region_code))
        .filter(rejected_rows::release_id.eq(release))
        .filter(rejected_rows::id.gt(after.unwrap_or(Uuid::nil())))
        .order(rejected_rows::id)
        .limit(limit)
        .load(&mut db.on())
        .await?;
    rows.into_iter().map(|(id, sealed)| Ok((id, statement::open_row(keys, id, &sealed)?))).collect()
}

/// How many refused rows are read at a time by a rotation.
const CHUNK: i64 = 1_000;

/// A statement that waits to be brought under the current keys.
pub struct Older {
    dataset: Uuid,
    sealed: Vec<u8>,
    renewed: Renewed,
}

/// A person whose key was made of a number: it changes with the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// Of which dataset.
    pub dataset: Uuid,
    /// The key that their family had.
    pub family: String,
    /// The key that they had.
    pub before: String,
    /// The key that they have from now on.
    pub after: String,
}

/// The people of these statements whose keys change.
pub fn rekeyed(chunk: &[Older]) -> Vec<Rekeyed> {
    let people = |older: &Older| {
        let (dataset, family, people) = (older.dataset, older.renewed.family.0.clone(), older.renewed.people.clone());
        people.into_iter().map(move |(before, after)| Rekeyed { dataset, family: family.clone(), before, after })
    };
    chunk.iter().flat_map(people).collect()
}

/// The statements of a dataset, whichever release's, that still have these keys.
pub async fn keyed(db: &impl Scoped, dataset: Uuid, families: &[&str]) -> Result<Vec<Uuid>> {
    Ok(statements::table
        .inner_join(releases::table)
        .filter(db.scope().within(statements::region_code))
        .filter(releases::dataset_id.eq(dataset))
        .filter(statements::source_id.eq_any(families))
        .select(statements::id)
        .load(&mut db.on())
        .await?)
}

/// The next statements behind `last`: how many were read, those that rest under older keys, and where to go on.
pub async fn older_statements(
    db: &impl Scoped,
    keys: &KeyRing,
    renewer: &mut Renewer,
    last: Uuid,
    limit: i64,
) -> Result<Option<(usize, Vec<Older>, Uuid)>> {
    let rows: Vec<(Uuid, Row)> = statements::table
        .inner_join(releases::table)
        .select((releases::dataset_id, Row::as_select()))
        .filter(db.scope().within(statements::region_code))
        .filter(statements::id.gt(last))
        .order(statements::id)
        .limit(limit)
        .load(&mut db.on())
        .await?;
    let Some(last) = rows.last().map(|(_, row)| row.id) else { return Ok(None) };
    let read = rows.len();
    let mut chunk = Vec::new();
    for (dataset, row) in rows {
        let sealed = row.sealed.clone();
        if let Some(renewed) = statement::renewed(keys, renewer, row.into())? {
            chunk.push(Older { dataset, sealed, renewed });
        }
    }
    Ok(Some((read, chunk, last)))
}

/// Brings the source's keys that were made of numbers under the current keys, one table after the other: while both keys
/// stand, an import finds a family by either.
pub async fn renew_source_keys(db: &impl Scoped, chunk: &[Older]) -> Result<()> {
    let families = chunk.iter().map(|older| (older.dataset, &older.renewed.family)).filter(|(_, keys)| keys.0 != keys.1);
    let (mut datasets, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
    for (dataset, (before, after)) in families {
        datasets.push(dataset);
        from.push(before.as_str());
        to.push(after.as_str());
    }
    let people = chunk.iter().flat_map(|older| older.renewed.people.iter().map(move |keys| (older.dataset, keys)));
    let (mut people_datasets, mut people_from, mut people_to) = (Vec::new(), Vec::new(), Vec::new());
    for (dataset, (before, after)) in people {
        people_datasets.push(dataset);
        people_from.push(before.as_str());
        people_to.push(after.as_str());
    }
    for (sql, datasets, from, to) in [
        (
            "INSERT INTO source_families (dataset_id, source_id, beneficiary_id, release_id)
             SELECT s.dataset_id, n.after, s.beneficiary_id, s.release_id FROM unnest($1, $2, $3) AS n (dataset_id, before, after)
               JOIN source_families s ON s.dataset_id = n.dataset_id AND s.source_id = n.before
             ON CONFLICT (dataset_id, source_id) DO NOTHING",
            &datasets,
            &from,
            &to,
        ),
        (
            "INSERT INTO source_people (dataset_id, source_id, member_id, release_id, dukcapil_match)
             SELECT s.dataset_id, n.after, s.member_id, s.release_id, s.dukcapil_match
               FROM unnest($1, $2, $3) AS n (dataset_id, before, after)
               JOIN source_people s ON s.dataset_id = n.dataset_id AND s.source_id = n.before
             ON CONFLICT (dataset_id, source_id) DO NOTHING",
            &people_datasets,
            &people_from,
            &people_to,
        ),
        (
            "DELETE FROM source_families s USING unnest($1, $2, $3) AS n (dataset_id, before, after)
              WHERE s.dataset_id = n.dataset_id AND s.source_id = n.before AND n.after <> n.before",
            &datasets,
            &from,
            &to,
        ),
        (
            "DELETE FROM source_people s USING unnest($1, $2, $3) AS n (dataset_id, before, after)
              WHERE s.dataset_id = n.dataset_id AND s.source_id = n.before AND n.after <> n.before",
            &people_datasets,
            &people_from,
            &people_to,
        ),
    ] {
        if !datasets.is_empty() {
            diesel::sql_query(sql)
                .bind::<Array<SqlUuid>, _>(datasets)
                .bind::<Array<Text>, _>(from)
                .bind::<Array<Text>, _>(to)
                .execute(&mut db.on())
                .await?;
        }
    }
    Ok(())
}

/// Brings statements under the current keys; each is written only where the old one stands.
pub async fn renew_statements(tx: &mut Tx, chunk: &[Older]) -> Result<usize> {
    Ok(diesel::sql_query(
        "UPDATE statements s SET source_id = n.source_id, digest = n.digest, sealed = n.new
           FROM unnest($1, $2, $3, $4, $5) AS n (id, source_id, digest, old, new) WHERE s.id = n.id AND s.sealed = n.old",
    )
    .bind::<Array<SqlUuid>, _>(chunk.iter().map(|older| older.renewed.row.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(chunk.iter().map(|older| older.renewed.row.source_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(chunk.iter().map(|older| older.renewed.row.digest.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(chunk.iter().map(|older| older.sealed.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(chunk.iter().map(|older| older.renewed.row.sealed.as_slice()).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?)
}

/// How many statements of these releases rest under which index key: nothing but a rotation writes them, so equal counts mean
/// that nobody's key changed in between. Of all of them, since people may be keyed by a number where their families are not.
pub async fn under_keys(db: &impl Scoped, releases: &[Uuid]) -> Result<Vec<(i32, i64)>> {
    let key = diesel::dsl::sql::<Integer>("get_byte(digest, 0)");
    Ok(statements::table
        .filter(db.scope().within(statements::region_code))
        .filter(statements::release_id.eq_any(releases))
        .group_by(key.clone())
        .select((key.clone(), diesel::dsl::count_star()))
        .order(key)
        .load(&mut db.on())
        .await?)
}

/// The same for the cells of refused rows.
pub async fn reseal_rejected_rows(db: &impl Scoped, keys: &KeyRing, mut told: impl FnMut(usize, usize)) -> Result<usize> {
    let (mut last, mut read, mut written) = (Uuid::nil(), 0, 0);
    loop {
        let rows: Vec<(Uuid, Vec<u8>)> = rejected_rows::table
            .inner_join(releases::table)
            .select((rejected_rows::id, rejected_rows::sealed))
            .filter(db.scope().within(releases::region_code))
            .filter(rejected_rows::id.gt(last))
            .order(rejected_rows::id)
            .limit(CHUNK)
            .load(&mut db.on())
            .await?;
        let Some((id, _)) = rows.last() else { return Ok(written) };
        last = *id;
        read += rows.len();
        let (mut ids, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (id, sealed) in rows {
            if let Some(renewed) = statement::renewed_row(keys, id, &sealed)? {
                ids.push(id);
                old.push(sealed);
                new.push(renewed);
            }
        }
        if !ids.is_empty() {
            written += diesel::sql_query(
                "UPDATE rejected_rows r SET sealed = n.new FROM unnest($1, $2, $3) AS n (id, old, new) WHERE r.id = n.id AND r.sealed = n.old",
            )
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Array<Binary>, _>(old)
            .bind::<Array<Binary>, _>(new)
            .execute(&mut db.on())
            .await?;
        }
        told(read, written);
    }
}
