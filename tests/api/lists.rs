//! What a matching run leaves behind: decisions that outlive keys, work lists, quality, and nothing half done.

use std::sync::Arc;

use entas::platform::Services;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use serde_json::json;
use tokio::sync::watch;

use crate::datasets::{dataset, number, send};
use crate::matching::{ran, statuses};
use crate::releases::{Family, KEEP, deliver, family, id, list};
use crate::support::world::config;
use crate::support::{Client, Place, World};

/// Works off jobs as another process would, with its own keys.
async fn work_off(services: &Arc<Services>) {
    let (_keep, stop) = watch::channel(false);
    while entas::platform::jobs::run_one(services, &entas::app::kinds(), &stop).await.unwrap() {}
}

/// The first pairs of a run in which the NIK agrees.
async fn sure(client: &Client, run: &str, count: usize) -> Vec<String> {
    let pairs = client.all(&format!("/matching-runs/{run}/pairs?limit=200&zone=match")).await;
    let sure = pairs.iter().filter(|pair| pair["nik_agrees"] == true);
    sure.take(count).map(|pair| pair["id"].as_str().unwrap().to_owned()).collect()
}

/// What tells the left person of a pair from the others of these lists.
async fn looks(client: &Client, pair: &str) -> Vec<serde_json::Value> {
    let left = client.get(&format!("/match-pairs/{pair}")).await.expect(200).body["left"].take();
    ["name", "nik", "kk", "birth_date"].iter().map(|field| left[field].clone()).collect()
}

#[actix_web::test]
async fn new_keys_keep_what_was_decided_about_people_without_keys_of_their_own() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let ((left, _), (right, _)) = (dataset(&world, Place::Home).await, dataset(&world, Place::Home).await);
    let families: Vec<Family> = (0..60).map(|n| family(n, world.home.village)).collect();
    let one = id(&deliver(&world, &coordinator, &left, &KEEP, &list(&families)).await);
    let other = id(&deliver(&world, &coordinator, &right, &KEEP, &list(&families)).await);
    let wish = json!({"left_release_id": one, "against": "release", "right_release_id": other});
    let run = ran(&world, &coordinator, wish.clone()).await;
    let before = statuses(&coordinator, &run).await;
    let pairs = sure(&coordinator, &run, 5).await;
    for pair in &pairs {
        coordinator.post(&format!("/match-pairs/{pair}/decision"), json!({"outcome": "no_match"})).await.expect(201);
    }
    let decided = statuses(&coordinator, &run).await;
    assert_eq!((decided["matched"], decided["nik_duplicate"]), (before["matched"] - 5, 5));

    // The new keys stand first, the old ones are still there: a delivery is keyed anew, and nobody knows its people yet.
    let newest = format!("seal 9 {}\nindex 9 {}\n", "AQEB".repeat(10) + "AQE=", "AgIC".repeat(10) + "AgI=");
    let both = Services::new(config(&world.db.url), KeyRing::parse(&format!("{newest}{}", world.key_text)).unwrap()).unwrap();
    let here = world.serve_with(both.clone(), &coordinator);
    let mut sent = Vec::new();
    for (dataset, decile) in [(&left, 1), (&right, 2)] {
        let mut next = families.clone();
        next.iter_mut().for_each(|family| family.decile = decile);
        let release = send(&here, dataset, &KEEP, &list(&next)).await.expect(202);
        work_off(&both).await;
        sent.push(release.body["release_id"].clone());
    }
    let begun = here.post("/matching-runs", json!({"left_release_id": sent[0], "against": "release", "right_release_id": sent[1]})).await;
    work_off(&both).await;
    let between = begun.expect(202).body["run_id"].as_str().unwrap().to_owned();
    assert_eq!(statuses(&here, &between).await, before, "keyed anew, the people are others to what was decided");
    // One is decided about once more, and one otherwise: of the two decisions the older stands.
    let (mut wanted, mut again) = (Vec::new(), Vec::new());
    for pair in &pairs[..2] {
        wanted.push(looks(&coordinator, pair).await);
    }
    for pair in sure(&here, &between, usize::MAX).await {
        if wanted.contains(&looks(&here, &pair).await) {
            again.push(pair);
        }
    }
    assert_eq!(again.len(), 2);
    here.post(&format!("/match-pairs/{}/decision", again[0]), json!({"outcome": "no_match"})).await.expect(201);
    here.post(&format!("/match-pairs/{}/decision", again[1]), json!({"outcome": "match"})).await.expect(201);

    entas::app::rotate_keys(&both, |_| {}).await.unwrap();
    let only = Services::new(config(&world.db.url), KeyRing::parse(&newest).unwrap()).unwrap();
    let there = world.serve_with(only.clone(), &coordinator);
    assert_eq!(statuses(&there, &run).await, decided);
    assert_eq!(statuses(&there, &between).await, decided, "what was decided before holds for the run in between");
    assert_eq!(number(&world, "SELECT count(*) FROM match_decisions WHERE state = 'in_force'").await, 5);
    assert_eq!(number(&world, "SELECT count(*) FROM match_decisions WHERE undo_reason LIKE 'Two decisions%'").await, 2);
    let undone = "SELECT count(*) FROM changes WHERE resource = 'match-decisions' AND action = 'undone'";
    assert_eq!(number(&world, undone).await, 2);
    let begun = there.post("/matching-runs", wish).await.expect(202);
    work_off(&only).await;
    let last = begun.body["run_id"].as_str().unwrap();
    assert_eq!(statuses(&there, last).await, decided);
    let known = there.all(&format!("/matching-runs/{last}/pairs?limit=200&decided=true")).await;
    assert_eq!(known.len(), 5);
    // Undone under the new keys, everything is as it was.
    for pair in known {
        let decision = pair["decision"]["id"].as_str().unwrap().to_owned();
        there.post(&format!("/match-decisions/{decision}/undo"), json!({"reason": "they are one after all"})).await.expect(200);
    }
    for run in [&run, &between, last] {
        assert_eq!(statuses(&there, run).await, before);
    }
}
