//! Comparing at once: whoever is new on file, or was corrected, is compared with everybody who could be the same person.
//!
//! Whoever writes a member queues them (a trigger does). Village by village, the one where somebody was queued last first,
//! the queue is worked off: the members of the village, and those of the regency with the same NIK or the same birth date and
//! first letter, are taken into the engine's index, and each queued one is weighed against them by the shipped model. What it
//! finds waits for a person: nothing is merged here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use uuid::Uuid;

use super::store::{self, FoundTwins};
use super::weighing::{shipped, weigh};
use crate::features::beneficiaries;
use crate::platform::Services;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode, new_id};

/// Members of one village that are compared in one transaction.
const AT_A_TIME: i64 = 500;
/// For how long a village that failed is set aside.
const ASIDE: Duration = Duration::from_secs(600);

/// Works the queue off, and again whenever somebody is queued, until told to stop.
pub async fn run(services: Arc<Services>, mut stop: tokio::sync::watch::Receiver<bool>) {
    // A village that cannot be compared (a record that does not open, say) must not keep the others waiting.
    let mut aside: Vec<String> = Vec::new();
    let mut since = Instant::now();
    loop {
        if since.elapsed() > ASIDE {
            aside.clear();
            since = Instant::now();
        }
        match next(&services, &aside).await {
            Ok(None) => {}
            Ok(Some(village)) => match compare_in(&services, &village).await {
                Ok(0) => {}
                Ok(_) if !*stop.borrow() => continue,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, village, "members wait to be compared");
                    aside.push(village);
                }
            },
            Err(error) => tracing::warn!(%error, "members wait to be compared"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn next(services: &Services, aside: &[String]) -> Result<Option<String>> {
    store::next_village(&services.read_as_system().await?, aside).await
}

/// Compares those who wait in the next village; gives how many. None wait, or somebody else is at it: 0.
pub async fn compare_queued(services: &Services) -> Result<usize> {
    match next(services, &[]).await? {
        Some(village) => compare_in(services, &village).await,
        None => Ok(0),
    }
}

async fn compare_in(services: &Services, village: &str) -> Result<usize> {
    let region = RegionCode::stored(village);
    // Whom they are compared with lies anywhere in the regency.
    let mut tx = services.write_as_system(region.at(Level::Regency)).await?;
    if !store::lock_village(&tx, village).await? {
        return Ok(0);
    }
    let waiting = store::queued(&tx, village, AT_A_TIME).await?;
    let ids: Vec<Uuid> = waiting.iter().map(|(id, _)| *id).collect();
    let others = beneficiaries::members_near(&tx, &services.keys, &region, &ids).await?;
    let partners = store::open_partners(&tx, &ids).await?;
    let found = tokio::task::spawn_blocking({
        let ids: HashSet<Uuid> = ids.iter().copied().collect();
        move || compare(others, &ids, &partners)
    })
    .await
    .context("comparing")??;
    let changes = store::record(&mut tx, &ids, &found, &shipped()?.model.version).await?;
    let compared = store::dequeue(&mut tx, &waiting).await?;
    // Who was compared and is nobody else leaves the queue, which is no change of a record.
    if changes.is_empty() {
        tx.commit_untold().await?
    } else {
        tx.commit_all(changes).await?
    }
    Ok(compared)
}

/// A pair is asked for from both sides: a rival of the one need not be a rival of the other, and what was found from the one
/// side must not go because only the other was asked again.
fn compare(near: Vec<beneficiaries::MatchedMember>, queued: &HashSet<Uuid>, partners: &[Uuid]) -> Result<Vec<FoundTwins>> {
    let asking: HashSet<Uuid> = queued.iter().chain(partners).copied().collect();
    let mut found: HashMap<(Uuid, Uuid), FoundTwins> = HashMap::new();
    let asks = |member: &beneficiaries::MatchedMember| asking.contains(&member.id);
    let meets =
        |one: &beneficiaries::MatchedMember, other: &beneficiaries::MatchedMember| queued.contains(&one.id) || queued.contains(&other.id);
    weigh(&near, asks, meets, |weighed| {
        let (one, other) = if weighed.one.id < weighed.other.id { (weighed.one, weighed.other) } else { (weighed.other, weighed.one) };
        let twins = FoundTwins {
            id: new_id(),
            region_code: one.region.to_string(),
            one_id: one.id,
            other_id: other.id,
            weight: weighed.weight,
            probability: weighed.probability,
            zone: weighed.zone.name(),
            terms: weighed.terms,
        };
        // Of two weights, seen from either one, the greater: a rival of the one need not be a rival of the other.
        match found.get(&(one.id, other.id)) {
            Some(known) if known.weight >= twins.weight => {}
            _ => drop(found.insert((one.id, other.id), twins)),
        }
    })?;
    let mut found: Vec<FoundTwins> = found.into_values().collect();
    found.sort_by_key(|twins| (twins.one_id, twins.other_id));
    Ok(found)
}
