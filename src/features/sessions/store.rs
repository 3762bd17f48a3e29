//! SQL of the sessions and their refresh tokens.

use chrono::{DateTime, Utc};
use diesel::dsl::{now, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Timestamptz};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::model::{IDLE_HOURS, LONGEST_DAYS};
use crate::platform::changes::Change;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::schema::{actors, refresh_tokens, sessions};

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(Pg))]
pub struct Session {
    /// Record id, the tokens' `sid`.
    pub id: Uuid,
    /// Whose.
    pub actor_id: Uuid,
    /// Through which client.
    pub client_id: String,
    /// Signed in at.
    pub created_at: DateTime<Utc>,
    /// Ends unless refreshed.
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// A change of it, told to the auditors of the account's region; never with a token.
    pub fn told(&self, action: &'static str, region: RegionCode) -> Change {
        Change::new("sessions", self.id, region, action)
            .with("actor_id", serde_json::json!(self.actor_id))
            .with("client_id", serde_json::json!(self.client_id))
    }

    /// Its end and the reason, one of the words that the table knows.
    pub fn revoked(&self, region: RegionCode, reason: &'static str) -> Change {
        self.told("revoked", region).with("revoked_reason", serde_json::json!(reason))
    }
}

/// A session that stands, whose it is, and the region of that account.
pub struct Standing {
    /// The session.
    pub session: Session,
    /// The account's name.
    pub name: String,
    /// The account's region.
    pub region: RegionCode,
}

/// Opens one.
pub async fn open(tx: &mut Tx, row: &Session) -> Result<()> {
    diesel::insert_into(sessions::table).values(row).execute(&mut tx.on()).await?;
    Ok(())
}

/// Adds a refresh token to a session.
pub async fn add_token(tx: &mut Tx, hash: &[u8], session: Uuid) -> Result<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((refresh_tokens::token_hash.eq(hash), refresh_tokens::session_id.eq(session)))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// The standing session of a refresh token and whether the token was used. The token itself is the scope: whoever presents
/// it is nobody yet.
pub async fn of_token(db: &impl Scoped, hash: &[u8]) -> Result<Option<(Standing, bool)>> {
    let Some((session, used)) = refresh_tokens::table
        .find(hash)
        .select((refresh_tokens::session_id, refresh_tokens::used_at.is_not_null()))
        .first::<(Uuid, bool)>(&mut db.on())
        .await
        .optional()?
    else {
        return Ok(None);
    };
    Ok(standing(db, session).await?.map(|standing| (standing, used)))
}

/// A session that is neither revoked nor expired, of an account that may sign in.
pub async fn standing(db: &impl Scoped, session: Uuid) -> Result<Option<Standing>> {
    let found: Option<(Session, String, String)> = sessions::table
        .inner_join(actors::table)
        .filter(sessions::id.eq(session))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .filter(actors::status.eq("active"))
        .select((Session::as_select(), actors::name, actors::region_code))
        .first(&mut db.on())
        .await
        .optional()?;
    Ok(found.map(|(session, name, region)| Standing { session, name, region: RegionCode::stored(&region) }))
}

/// Prolongs a standing session and locks it; `false` when it has ended.
pub async fn prolong(tx: &mut Tx, session: Uuid) -> Result<bool> {
    let until = sql::<Timestamptz>("least(created_at + make_interval(days => ")
        .bind::<Integer, _>(i32::try_from(LONGEST_DAYS).unwrap_or(7))
        .sql("), now() + make_interval(hours => ")
        .bind::<Integer, _>(i32::try_from(IDLE_HOURS).unwrap_or(12))
        .sql("))");
    let standing =
        sessions::table.filter(sessions::id.eq(session)).filter(sessions::revoked_at.is_null()).filter(sessions::expires_at.gt(now));
    Ok(diesel::update(standing).set(sessions::expires_at.eq(until)).execute(&mut tx.on()).await? == 1)
}

/// Uses a refresh token up; `false` when it was used before, by whomever and however shortly.
pub async fn spend(tx: &mut Tx, hash: &[u8]) -> Result<bool> {
    let fresh = refresh_tokens::table.filter(refresh_tokens::token_hash.eq(hash)).filter(refresh_tokens::used_at.is_null());
    Ok(diesel::update(fresh).set(refresh_tokens::used_at.eq(now)).execute(&mut tx.on()).await? == 1)
}

/// Ends a session; `false` when it had ended.
pub async fn revoke(tx: &mut Tx, session: Uuid, reason: &'static str) -> Result<bool> {
    let standing = sessions::table.filter(sessions::id.eq(session)).filter(sessions::revoked_at.is_null());
    let ended =
        diesel::update(standing).set((sessions::revoked_at.eq(now), sessions::revoked_reason.eq(reason))).execute(&mut tx.on()).await?;
    Ok(ended == 1)
}

/// Ends all of an account's own standing sessions but one, and answers them. Whoever asks is the scope.
pub async fn revoke_others(tx: &mut Tx, actor: Uuid, but: Uuid, reason: &'static str) -> Result<Vec<Session>> {
    let standing = sessions::table
        .filter(sessions::actor_id.eq(actor))
        .filter(sessions::id.ne(but))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now));
    Ok(diesel::update(standing)
        .set((sessions::revoked_at.eq(now), sessions::revoked_reason.eq(reason)))
        .returning(Session::as_returning())
        .get_results(&mut tx.on())
        .await?)
}

/// A page of an account's own standing sessions in id order. Whoever asks is the scope.
pub async fn list(db: &impl Scoped, actor: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Session>> {
    let mut query = sessions::table
        .select(Session::as_select())
        .filter(sessions::actor_id.eq(actor))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .order(sessions::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(sessions::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// Deletes sessions, and with them their refresh tokens, a month after they ended; the changes keep who signed in when.
pub async fn forget_old(tx: &mut Tx) -> Result<usize> {
    let old = sessions::table.filter(sessions::expires_at.lt(sql::<Timestamptz>("now() - interval '30 days'")));
    Ok(diesel::delete(old).execute(&mut tx.on()).await?)
}
