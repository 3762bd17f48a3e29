//! What people of a release are called under other keys than those that their statements rest under.

use anyhow::Context;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::features::datasets::statement;
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::schema::{releases, statements};

/// How many statements are opened at a time.
const PAGE: i64 = 1_000;

/// Whether the statements of these releases' datasets rest under more than one index key: a rotation is under way or was broken
/// off, or something was delivered under a new key before one began. It goes by id, so the first and the last statement of each release
/// tell; asked for one by one, because only a release named by itself is found through the index of releases (see `statements_under`).
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

/// Hands over by which other names the key file's keys know the people of a release, each with the name in their statement.
pub async fn other_names(db: &impl Scoped, keys: &KeyRing, release: Uuid, mut take: impl FnMut(String, &str)) -> Result<()> {
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
        let keys = keys.clone();
        // Opening a page takes as long as a processor has it: other work of the same thread goes on meanwhile.
        let opened = spawn_blocking(move || -> Result<Vec<(String, String)>> {
            let mut names = Vec::new();
            for (id, family, region, sealed) in &rows {
                let mut named = |other: &str, own: &str| names.push((other.to_owned(), own.to_owned()));
                statement::other_names(&keys, *id, family, region, sealed, &mut named)?;
            }
            Ok(names)
        });
        opened.await.context("opening statements")??.into_iter().for_each(|(other, own)| take(other, &own));
    }
}
