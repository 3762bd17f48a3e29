//! Families that move: what an edit of the village and an accepted offer have in common, and what the receiving village may
//! know before it accepts (`family_events` keeps the offers).

use serde_json::json;
use uuid::Uuid;

use super::model::FamilyStatus;
use super::provenance;
use super::service::{demand_village, next, reviewed, touched};
use super::store::{self, Family, Located, Member, TrackedMember};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::seal::KeyRing;

/// Stores a family as the next version, in another village where one is named: needs are derived anew, in another regency the
/// warnings of its members too, and the old village is told.
pub(super) async fn settle(
    tx: &mut Tx,
    keys: &KeyRing,
    (old, people): (&Family, &[Member]),
    mut draft: Family,
    to: Option<RegionCode>,
    action: &'static str,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    if let Some(region) = to.filter(|region| *region != old.region()) {
        demand_village(tx, &region)?;
        draft.region_code = region.into();
        // Whoever follows only the old village learns of the move there.
        let told = json!({"from": old.region_code, "to": draft.region_code});
        changes.push(Change::new(Family::RESOURCE, old.id, old.region(), "moved_away").with("region_code", told));
    }
    let new = next(&draft, people);
    store::update(tx, &new).await?;
    changes.insert(0, Change::turned(action, old, &new));
    if new.region().at(Level::Regency) != old.region().at(Level::Regency) {
        for member in people {
            let warnings = reviewed(keys, member, &new.region())?;
            if warnings != member.warnings {
                let reviewed = Member { warnings, ..touched(member.clone()) };
                store::update_member(tx, &reviewed).await?;
                changes.push(Change::turned("reviewed", &TrackedMember::of(member, old), &TrackedMember::of(&reviewed, &new)));
            }
        }
    }
    Ok(changes)
}

fn demand_served(family: &Family) -> Result<()> {
    if family.merged_into.is_some() {
        return Err(Code::RecordMerged.into());
    }
    if FamilyStatus::parse(&family.status) != Some(FamilyStatus::Active) {
        return Err(Code::BeneficiaryInactive.into());
    }
    Ok(())
}

/// A family of the scope that may be offered to another village: served, itself, and locked.
pub async fn find_to_offer(tx: &Tx, id: Uuid) -> Result<Located> {
    let (family, _) = store::find_to_change(tx, id).await?;
    demand_served(&family)?;
    Ok(Located { id, region: family.region(), status: FamilyStatus::Active })
}

/// Brings a family that was offered to its new village, which alone must lie in the scope: the caller has found the offer there.
/// Refused where the family is no longer as it was offered. An address below the old village says nothing in the new one.
pub async fn relocate(
    tx: &mut Tx,
    keys: &KeyRing,
    id: Uuid,
    (from, to): (&RegionCode, RegionCode),
    address: Option<String>,
) -> Result<Vec<Change>> {
    let (old, people) = store::find_offered(tx, id).await?;
    demand_served(&old)?;
    if old.region() != *from {
        let detail = "The family lives in another village by now than the one that offered it: decline, or wait for a new offer.";
        return Err(Error::RefusedBecause(Code::StepNotAllowed, detail.into()));
    }
    let mut draft = Family { address, ..old.clone() };
    draft.provenance = provenance::after_edit_of_family(&old, &draft, (&provenance::officer(), &[]));
    settle(tx, keys, (&old, &people), draft, Some(to), "moved_in").await
}
