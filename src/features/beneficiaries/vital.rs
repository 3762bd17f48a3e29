//! Births, deaths and changes of head as events: the steps of `service`, each with the journal that undoes it.

use chrono::NaiveDate;
use uuid::Uuid;

use super::merging::{Journal, Structured, versions};
use super::model::{MemberStatus, Relation};
use super::provenance;
use super::service::{self, MemberPatch, NewMember};
use super::store::{self, Family, Member};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::seal::KeyRing;

/// What a step did to a family that stood as `before`.
async fn journalled(tx: &Tx, keys: &KeyRing, before: (Family, Vec<Member>), changes: Vec<Change>) -> Result<Structured> {
    let after = store::find_to_restructure(tx, before.0.id).await?;
    let journal = Journal::between(keys, &before, &after)?;
    let stood = versions(&[after]);
    Ok(Structured { changes, journal, region: before.0.region(), moved: Vec::new(), taken: Vec::new(), stood })
}

/// Somebody was born into a family.
pub async fn birth(tx: &mut Tx, keys: &KeyRing, family: Uuid, mut new: NewMember, on: NaiveDate) -> Result<Structured> {
    if !matches!(new.relation, Relation::Child | Relation::Grandchild | Relation::Other) {
        let message = "Somebody newborn is a child, a grandchild or something else to the head.";
        return Err(Error::field("member.relation", "not_applicable", message));
    }
    if new.birth_date.is_some_and(|day| day != on) {
        return Err(Error::field("member.birth_date", "contradicts", "Leave the birth date out, or send the day of `on`."));
    }
    new.birth_date = Some(on);
    let before = store::find_to_change(tx, family).await?;
    let changes = service::add_member(tx, keys, family, new).await?;
    journalled(tx, keys, before, changes).await
}

/// A member died. Gives whoever is concerned: them, and the new head where one is named.
pub async fn death(
    tx: &mut Tx,
    keys: &KeyRing,
    family: Uuid,
    (id, new_head): (Uuid, Option<Uuid>),
    on: NaiveDate,
) -> Result<(Structured, Vec<Uuid>)> {
    let before = store::find_to_change(tx, family).await?;
    let member = before.1.iter().find(|member| member.id == id).ok_or(Code::MemberElsewhere)?;
    if !matches!(member.place().1, MemberStatus::Present | MemberStatus::Merged) {
        return Err(Code::StepNotAllowed.into());
    }
    if member.birth_date.is_some_and(|born| on < born) {
        return Err(Error::field("on", "range", "Nobody dies before the birth date on file: correct whichever is wrong."));
    }
    let patch = MemberPatch { status: Some(MemberStatus::Deceased), new_head, ..MemberPatch::default() };
    let changes = service::edit_member(tx, keys, (family, id), IfGiven::NOTHING, patch, &provenance::officer()).await?.changes;
    Ok((journalled(tx, keys, before, changes).await?, [Some(id), new_head].into_iter().flatten().collect()))
}

/// The family was handed over to another of the living. Gives the new head and the former.
pub async fn head_change(
    tx: &mut Tx,
    keys: &KeyRing,
    family: Uuid,
    (id, former): (Uuid, Relation),
    reason: String,
) -> Result<(Structured, Vec<Uuid>)> {
    let before = store::find_to_change(tx, family).await?;
    let heads: Vec<Uuid> = before.1.iter().filter(|member| member.is_present_head()).map(|member| member.id).collect();
    let changes = service::change_head(tx, family, id, former, Some(reason)).await?;
    Ok((journalled(tx, keys, before, changes).await?, [id].into_iter().chain(heads).collect()))
}
