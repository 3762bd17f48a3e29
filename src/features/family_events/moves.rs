//! What is done to a move between villages. The family is locked before its offer, everywhere: two steps at once wait for each
//! other and never for ever.

use chrono::{NaiveDate, Utc};
use uuid::Uuid;

use super::model::MoveState;
use super::store::moves::{self, Move, Side};
use crate::features::beneficiaries;
use crate::platform::changes::Change;
use crate::platform::db::Tx;
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::seal::KeyRing;

/// A family to offer.
#[derive(Debug)]
pub struct Offer {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub family: Uuid,
    /// The village that it moved to.
    pub to: RegionCode,
    /// When it moved.
    pub moved_on: Option<NaiveDate>,
    /// Why it is offered.
    pub reason: String,
}

/// An answer to an offer, by either side.
#[derive(Debug)]
pub struct Answer {
    /// Which offer.
    pub id: Uuid,
    /// The version that was read, where one was sent.
    pub expected: IfGiven,
    /// What is said with it.
    pub note: Option<String>,
    /// By whom.
    pub by: Uuid,
}

/// Offers a family of the scope to the village that it moved to.
pub async fn offer(tx: &mut Tx, offer: Offer, by: Uuid) -> Result<(Move, Vec<Change>)> {
    let Offer { id, family, to, moved_on, reason } = offer;
    let home = beneficiaries::find_to_offer(tx, family).await?.region;
    if to.level() != Level::Village {
        return Err(Error::field("to_region_code", "village", "A family lives in a village: send a code of ten digits."));
    }
    if to == home {
        return Err(Error::field("to_region_code", "same_village", "The family is on file in this village: name another one."));
    }
    let mut changes = Vec::new();
    for (old, new) in moves::end_outdated(tx, family, &home, by).await? {
        changes.extend(new.told("withdrawn", Some(&old)));
    }
    let now = Utc::now();
    let new = Move {
        id,
        beneficiary_id: family,
        from_region_code: home.into(),
        to_region_code: to.into(),
        state: MoveState::Offered.name().into(),
        reason,
        moved_on,
        note: None,
        offered_by: by,
        decided_by: None,
        decided_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    moves::insert(tx, &new).await?;
    changes.extend(new.told("offered", None));
    Ok((new, changes))
}

/// An offer that waits, seen from the side that may give this answer.
async fn waiting(tx: &Tx, answer: &Answer, side: Side, state: MoveState) -> Result<Move> {
    let found = moves::find(tx, answer.id, side).await?;
    answer.expected.demand(found.version)?;
    MoveState::parse(&found.state).and_then(|now| now.after(state)).ok_or(Code::StepNotAllowed)?;
    Ok(found)
}

/// The receiving village takes the family in.
pub async fn accept(tx: &mut Tx, keys: &KeyRing, answer: Answer, address: Option<String>) -> Result<(Move, Vec<Change>)> {
    let old = waiting(tx, &answer, Side::Receiving, MoveState::Accepted).await?;
    let mut changes = beneficiaries::relocate(tx, keys, old.beneficiary_id, (&old.from(), old.to()), address).await?;
    let new = moves::answer_or_refuse(tx, &old, MoveState::Accepted, answer.note, answer.by).await?;
    changes.extend(new.told("accepted", Some(&old)));
    Ok((new, changes))
}

/// The receiving village does not know the family.
pub async fn decline(tx: &mut Tx, answer: Answer) -> Result<(Move, Vec<Change>)> {
    let old = waiting(tx, &answer, Side::Receiving, MoveState::Declined).await?;
    let new = moves::answer_or_refuse(tx, &old, MoveState::Declined, answer.note, answer.by).await?;
    let changes = new.told("declined", Some(&old));
    Ok((new, changes.into()))
}

/// The offering village takes its offer back.
pub async fn withdraw(tx: &mut Tx, answer: Answer) -> Result<(Move, Vec<Change>)> {
    let old = waiting(tx, &answer, Side::Offering, MoveState::Withdrawn).await?;
    let new = moves::answer_or_refuse(tx, &old, MoveState::Withdrawn, answer.note, answer.by).await?;
    let changes = new.told("withdrawn", Some(&old));
    Ok((new, changes.into()))
}
