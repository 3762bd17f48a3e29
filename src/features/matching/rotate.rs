//! `entas rotate-keys`, the part of matching: where a source has no keys of its own, people are named by numbers under the
//! installation's keys, and what was decided about them follows when these change.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::model::DecisionState;
use super::people;
use super::store::{self, Decision, Renamed};
use crate::features::datasets::{self, Rekeyed};
use crate::platform::changes::Change;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Why the second of two decisions about the same people stands no longer.
const TWICE: &str = "Two decisions about the same two people, taken under two keys: the other one stands.";

/// Gives people their new keys in pairs and decisions, inside the transaction that gives them to their statements.
pub async fn follow_keys(tx: &mut Tx, people: &[Rekeyed]) -> Result<Vec<Change>> {
    if people.is_empty() {
        return Ok(Vec::new());
    }
    // A run that is about to store pairs under the old keys has either stored them by now, or will find that they changed.
    store::hold_decisions(tx).await?;
    let mut renamed = Renamed::default();
    let mut families: BTreeMap<Uuid, BTreeSet<&str>> = BTreeMap::new();
    for person in people {
        families.entry(person.dataset).or_default().insert(&person.family);
        renamed.before.push(people::key(person.dataset, &person.before));
        renamed.after.push(people::key(person.dataset, &person.after));
    }
    // Of every release, so that a person has one name in all pairs and decisions at every moment.
    for (dataset, families) in families {
        renamed.statements.extend(datasets::keyed(tx, dataset, &families.into_iter().collect::<Vec<_>>()).await?);
    }
    let mut changes = Vec::new();
    for old in store::decided_twice(tx, &renamed).await? {
        let wanted = Decision { state: DecisionState::Undone.name().into(), undo_reason: Some(TWICE.into()), ..old.clone() };
        changes.push(Change::turned("undone", &old, &store::update_decision(tx, &wanted).await?));
    }
    for (one, other) in store::rename(tx, &renamed).await? {
        // A run between may know the people by their new names already, and nothing of the decision.
        store::derive(tx, (&one, &other)).await?;
    }
    Ok(changes)
}
