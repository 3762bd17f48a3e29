//! What people of a release are called under other keys than those that their statements rest under.

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::features::datasets::{keys::holds_number, statement};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::schema::{releases, statements};

/// How many statements are opened at a time.
const PAGE: i64 = 1_000;

/// Whether the statements of these releases' datasets rest under more than one index key: a rotation is under way or was broken
/// off, or the key file was changed and none has begun. It goes by id, so the first and the last statement of each release tell.
pub async fn between_keys(db: &impl Scoped, list: &[Uuid]) -> Result<bool> {
    let datasets = releases::table
        .filter(db.scope().within(releases::region_code))
        .filter(releases::id.eq_any(list))
        .select(releases::dataset_id)
        .load::<Uuid>(&mut db.on())
        .await?;
    let all = releases::table
        .filter(db.scope().within(releases::region_code))
        .filter(releases::dataset_id.eq_any(datasets))
        .select(releases::id)
        .load::<Uuid>(&mut db.on())
        .await?;
    let mut keys: Vec<u8> = Vec::new();
    for release in all {
        for backwards in [false, true] {
            let kept = statements::table
                .filter(db.scope().within(statements::region_code))
                .filter(statements::release_id.eq_any([release]))
                .select(statements::digest)
                .into_boxed();
            let kept = match backwards {
                false => kept.order((statements::release_id, statements::id)),
                true => kept.order((statements::release_id.desc(), statements::id.desc())),
            };
            let digest: Option<Vec<u8>> = kept.first(&mut db.on()).await.optional()?;
            keys.extend(digest.and_then(|digest| digest.as_slice().first().copied()));
        }
    }
    keys.dedup();
    Ok(keys.len() > 1)
}

/// Whether families of these releases go by keys that hold numbers, some in clear, as they were stored until November 2026, and some not:
/// the same family may be called differently in each.
pub async fn in_clear_and_blind(db: &impl Scoped, list: &[Uuid]) -> Result<bool> {
    let of_these = || {
        let kept = statements::table.filter(db.scope().within(statements::region_code)).filter(statements::release_id.eq_any(list));
        kept.select(statements::source_id)
    };
    let blind = of_these().filter(statements::source_id.like("n-%")).limit(1);
    if blind.first::<String>(&mut db.on()).await.optional()?.is_none() {
        return Ok(false);
    }
    // Keys of so many digits are few, or one of the first says what all are.
    let digits = diesel::dsl::sql::<Bool>("length(regexp_replace(source_id, '[^0-9]', '', 'g')) >= 16 AND source_id !~ '^(n|p|kk)-'");
    let long: Vec<String> = of_these().filter(digits).limit(PAGE).load(&mut db.on()).await?;
    Ok(long.iter().any(|key| holds_number(key)))
}

/// Hands over by which other names the key file's keys know the people of a release, each with the name in their statement.
pub async fn other_names(db: &impl Scoped, keys: &KeyRing, release: Uuid, mut take: impl FnMut(&str, &str)) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let rows: Vec<(Uuid, String, String, Vec<u8>)> = statements::table
            .select((statements::id, statements::source_id, statements::region_code, statements::sealed))
            .filter(db.scope().within(statements::region_code))
            .filter(statements::release_id.eq_any([release]))
            .filter(statements::id.gt(after))
            .order((statements::release_id, statements::id))
            .limit(PAGE)
            .load(&mut db.on())
            .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.0;
        for (id, family, region, sealed) in &rows {
            statement::other_names(keys, *id, family, region, sealed, &mut take)?;
        }
    }
}
