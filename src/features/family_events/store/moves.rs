//! SQL of moves between villages.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::super::model::{MoveDirection, MoveState};
use crate::platform::access::under;
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::family_moves;

/// Their name in the feed.
pub const RESOURCE: &str = "family-moves";

/// A move's row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = family_moves, check_for_backend(Pg))]
pub struct Move {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// The village that offers it.
    pub from_region_code: String,
    /// The village that receives it.
    pub to_region_code: String,
    /// Where it stands.
    pub state: String,
    /// Why it is offered.
    pub reason: String,
    /// When the family moved.
    pub moved_on: Option<NaiveDate>,
    /// What was said with the answer.
    pub note: Option<String>,
    /// Who offered it.
    pub offered_by: Uuid,
    /// Who answered, or took it back.
    pub decided_by: Option<Uuid>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Version.
    pub version: i32,
    /// Offered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Move {
    const RESOURCE: &'static str = RESOURCE;
    const SENSITIVE: &'static [&'static str] = &["reason", "moved_on", "note"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        self.from()
    }
}

impl Move {
    /// The village that offers the family.
    pub fn from(&self) -> RegionCode {
        RegionCode::stored(&self.from_region_code)
    }

    /// The village that receives it.
    pub fn to(&self) -> RegionCode {
        RegionCode::stored(&self.to_region_code)
    }

    /// What is told of a step in both villages.
    pub fn told(&self, action: &'static str, was: Option<&Move>) -> [Change; 2] {
        let here = was.map_or_else(|| Change::created(self), |was| Change::turned(action, was, self));
        let there = Change::new(RESOURCE, self.id, self.to(), action).with("state", self.state.as_str().into());
        [here, there]
    }
}

/// From which side a move is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// From either.
    Either,
    /// From the village that offers.
    Offering,
    /// From the village that receives.
    Receiving,
}

/// Which moves.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Into or out of the scope.
    pub direction: Option<MoveDirection>,
    /// In this state.
    pub state: Option<&'static str>,
    /// Out of or into this region, as the direction says.
    pub region: Option<RegionCode>,
}

/// A page in the order in which they were offered.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Move>> {
    let (from, to) = (family_moves::from_region_code, family_moves::to_region_code);
    let mut query = family_moves::table.select(Move::as_select()).order(family_moves::id).limit(limit).into_boxed();
    query = match wanted.direction {
        None => query.filter(db.scope().within(from).or(db.scope().within(to))),
        Some(MoveDirection::Outgoing) => query.filter(db.scope().within(from)),
        Some(MoveDirection::Incoming) => query.filter(db.scope().within(to)),
    };
    if let Some(region) = &wanted.region {
        query = match wanted.direction {
            None => query.filter(under(from, region).or(under(to, region))),
            Some(MoveDirection::Outgoing) => query.filter(under(from, region)),
            Some(MoveDirection::Incoming) => query.filter(under(to, region)),
        };
    }
    if let Some(state) = wanted.state {
        query = query.filter(family_moves::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(family_moves::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One move, seen from a side that lies in the scope.
pub async fn find(db: &impl Scoped, id: Uuid, side: Side) -> Result<Move> {
    let (from, to) = (family_moves::from_region_code, family_moves::to_region_code);
    let query = family_moves::table.select(Move::as_select()).filter(family_moves::id.eq(id)).into_boxed();
    let query = match side {
        Side::Either => query.filter(db.scope().within(from).or(db.scope().within(to))),
        Side::Offering => query.filter(db.scope().within(from)),
        Side::Receiving => query.filter(db.scope().within(to)),
    };
    Ok(query.first(&mut db.on()).await?)
}

/// Records an offer of a family of the scope. One at a time waits for an answer: the database sees to it.
pub async fn insert(tx: &mut Tx, row: &Move) -> Result<()> {
    tx.scope().demand(&row.from())?;
    diesel::insert_into(family_moves::table).values(row).execute(&mut tx.on()).await?;
    Ok(())
}

/// Ends the offer of a family that another village made before the family came to this one by an edit. The caller holds the family.
pub async fn end_outdated(tx: &mut Tx, family: Uuid, home: &RegionCode, by: Uuid) -> Result<Vec<(Move, Move)>> {
    let outdated = family_moves::table
        .filter(family_moves::beneficiary_id.eq(family))
        .filter(family_moves::state.eq(MoveState::Offered.name()))
        .filter(family_moves::from_region_code.ne(home.as_str()));
    let rows: Vec<Move> = outdated.select(Move::as_select()).load(&mut tx.on()).await?;
    let mut ended = Vec::new();
    for old in rows {
        // Somebody may answer it at this moment; then there is nothing left to end.
        if let Some(new) = answer(tx, &old, MoveState::Withdrawn, None, by).await? {
            ended.push((old, new));
        }
    }
    Ok(ended)
}

/// Stores the answer to an offer that was found, unless one was given since.
pub async fn answer(tx: &mut Tx, old: &Move, state: MoveState, note: Option<String>, by: Uuid) -> Result<Option<Move>> {
    let waiting = family_moves::table
        .filter(family_moves::id.eq(old.id))
        .filter(family_moves::version.eq(old.version))
        .filter(family_moves::state.eq(MoveState::Offered.name()));
    let now = Utc::now();
    Ok(diesel::update(waiting)
        .set((
            family_moves::state.eq(state.name()),
            family_moves::note.eq(note),
            family_moves::decided_by.eq(Some(by)),
            family_moves::decided_at.eq(Some(now)),
            family_moves::version.eq(family_moves::version + 1),
            family_moves::updated_at.eq(now),
        ))
        .returning(Move::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?)
}

/// The same where nothing else will do.
pub async fn answer_or_refuse(tx: &mut Tx, old: &Move, state: MoveState, note: Option<String>, by: Uuid) -> Result<Move> {
    answer(tx, old, state, note, by).await?.ok_or_else(|| Code::StepNotAllowed.into())
}
