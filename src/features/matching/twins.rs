//! Comparing at once: whoever is new on file, or was corrected, is compared with everybody who could be the same person.
//!
//! Whoever writes a member queues them (a trigger does). Village by village, the one where somebody was queued last first,
//! the queue is worked off: the members of the village, and those of the regency with the same NIK or the same birth date and
//! first letter, are taken into the engine's index, and each queued one is weighed against them by the shipped model. What it
//! finds waits for a person: nothing is merged here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use anyhow::Context;
use uuid::Uuid;

use super::people::Intake;
use super::store::{self, FoundTwins};
use super::{jobs, people};
use crate::features::beneficiaries;
use crate::linkage::index::Index;
use crate::linkage::model::Model;
use crate::linkage::run::Engine;
use crate::platform::Services;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode, new_id};

/// Members of one village that are compared in one transaction.
const AT_A_TIME: i64 = 500;

/// The shipped model was estimated between a list and a registry, where nineteen of twenty are found. Of those who are new on a
/// list one in ten may be on it already: in bits, the odds of 19 to 1 over those of 1 to 9.
const SELDOM: f64 = 7.418;

/// The engine and the model that weighs single records: estimated once on synthetic registers (docs/LINKAGE.md), so that two records
/// weigh the same today and next year.
static SHIPPED: LazyLock<std::result::Result<(Engine, Model), String>> = LazyLock::new(|| {
    let engine = jobs::engine().map_err(|error| error.to_string())?;
    let text = include_str!("../../../data/linkage/indonesian-model.json");
    let mut model: Model = serde_json::from_str(text).map_err(|error| error.to_string())?;
    model.calibration.offset -= SELDOM;
    Ok((engine, model))
});

fn shipped() -> Result<&'static (Engine, Model)> {
    SHIPPED.as_ref().map_err(|cause| anyhow::anyhow!("the shipped model: {cause}").into())
}

/// Works the queue off, and again whenever somebody is queued, until told to stop.
pub async fn run(services: Arc<Services>, mut stop: tokio::sync::watch::Receiver<bool>) {
    loop {
        match compare_queued(&services).await {
            Ok(0) => {}
            Ok(_) if !*stop.borrow() => continue,
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "members wait to be compared"),
        }
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Compares those who wait in one village; gives how many. None wait, or somebody else is at it: 0.
pub async fn compare_queued(services: &Services) -> Result<usize> {
    let Some(village) = store::next_village(&services.read_as_system().await?).await? else { return Ok(0) };
    let region = RegionCode::stored(&village);
    // Whom they are compared with lies anywhere in the regency.
    let mut tx = services.write_as_system(region.at(Level::Regency)).await?;
    if !store::lock_village(&tx, &village).await? {
        return Ok(0);
    }
    let waiting = store::queued(&tx, &village, AT_A_TIME).await?;
    let ids: Vec<Uuid> = waiting.iter().map(|(id, _)| *id).collect();
    let others = beneficiaries::members_near(&tx, &services.keys, &region, &ids).await?;
    let found = tokio::task::spawn_blocking({
        let ids: HashSet<Uuid> = ids.iter().copied().collect();
        move || compare(others, &ids)
    })
    .await
    .context("comparing")??;
    let (_, model) = shipped()?;
    let changes = store::record(&mut tx, &ids, &found, &model.version).await?;
    store::dequeue(&mut tx, &waiting).await?;
    // Who was compared and is nobody else leaves the queue, which is no change of a record.
    if changes.is_empty() {
        tx.commit_untold().await?
    } else {
        tx.commit_all(changes).await?
    }
    Ok(waiting.len())
}

fn compare(near: Vec<beneficiaries::MatchedMember>, queued: &HashSet<Uuid>) -> Result<Vec<FoundTwins>> {
    let (engine, model) = shipped()?;
    let mut intake = Intake::new(&engine.layout);
    near.iter().for_each(|member| intake.member(member));
    let people::People { people, register } = intake.into_people();
    let index = Index::new(engine, model.clone(), register).context("the shipped model is of another profile")?;
    let mut found: HashMap<(Uuid, Uuid), FoundTwins> = HashMap::new();
    for (row, person) in (0u32..).zip(&people) {
        let Some(id) = person.side.member().filter(|id| queued.contains(id)) else { continue };
        for candidate in index.candidates_of(row) {
            let Some(other) = usize::try_from(candidate.pair.right).ok().and_then(|at| people.get(at)) else { continue };
            let Some(other_id) = other.side.member() else { continue };
            let ((one_id, one), other_id) = if id < other_id { ((id, person), other_id) } else { ((other_id, other), id) };
            let terms = jobs::told(&engine.explain(model, &candidate.pair));
            let twins = FoundTwins {
                id: new_id(),
                region_code: one.region.to_string(),
                one_id,
                other_id,
                weight: candidate.pair.weight,
                probability: candidate.pair.probability,
                zone: candidate.pair.zone.name(),
                terms,
            };
            // Of two weights, seen from either one, the greater: a rival of the one need not be a rival of the other.
            match found.get(&(one_id, other_id)) {
                Some(known) if known.weight >= twins.weight => {}
                _ => drop(found.insert((one_id, other_id), twins)),
            }
        }
    }
    let mut found: Vec<FoundTwins> = found.into_values().collect();
    found.sort_by_key(|twins| (twins.one_id, twins.other_id));
    Ok(found)
}
