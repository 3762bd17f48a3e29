//! Jobs: seen in their region, polled by ETag, cancelled once.

use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Call, Case, Place, World};

/// A job in a place and a state, put there without the queue: no worker of a test knows the kind. A queued one has used
/// up its tries, so that `run_jobs` ends what a sweep leaves behind.
pub async fn job(world: &World, place: Place, state: &str) -> String {
    let id = Uuid::now_v7();
    let actor = world.actor_id("coordinator");
    let region = world.place(place).regency;
    world
        .sql()
        .await
        .execute(
            "INSERT INTO jobs (id, kind, region_code, actor_id, state, payload, done, total, unit, attempts, result_path)
             VALUES ($1, 'sleep', $2, $3, $4, '{\"secret\": \"6202091501900001\"}', 999, 1000, 'families', 4, '/releases/x')",
            &[&id, &region, &actor, &state],
        )
        .await
        .unwrap();
    id.to_string()
}

async fn set(world: &World, id: &str, state: &str) {
    let id: Uuid = id.parse().unwrap();
    world.sql().await.execute("UPDATE jobs SET state = $1, version = version + 1 WHERE id = $2", &[&state, &id]).await.unwrap();
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("jobs_list", |world, place| Call::list("/jobs?limit=200", [job(world, place, "succeeded").await])),
        case!("jobs_fetch", |world, place| Call::get(format!("/jobs/{}", job(world, place, "failed").await))),
        case!("jobs_cancel", |world, place| Call {
            path: format!("/jobs/{}/cancel", job(world, place, "queued").await),
            ..Call::default()
        }),
    ]
}

#[actix_web::test]
async fn a_job_is_polled_filtered_and_cancelled_once() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let queued = job(&world, Place::Home, "queued").await;
    let running = job(&world, Place::Home, "running").await;
    let ended = job(&world, Place::Home, "succeeded").await;
    let foreign = job(&world, Place::Foreign, "queued").await;

    let ids = |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(coordinator.all("/jobs?limit=1").await), [ended.as_str(), &running, &queued], "the newest first");
    assert_eq!(ids(coordinator.all("/jobs?state=running&kind=sleep&region=62.02").await), [running.as_str()]);
    assert_eq!(coordinator.all("/jobs?kind=other").await.len() + coordinator.all("/jobs?region=64.08").await.len(), 0);
    coordinator.get("/jobs?state=asleep").await.refused(422, "invalid");

    let path = format!("/jobs/{queued}");
    let fetched = coordinator.get(&path).await.expect(200);
    assert_eq!((fetched.body["progress"].as_i64(), fetched.body["unit"].as_str()), (Some(99), Some("families")));
    assert!(!fetched.text.contains("6202091501900001"), "a payload is nobody's business");
    coordinator.send(Method::GET, &path, &[("if-none-match", &fetched.etag())], None).await.expect(304);
    let head = coordinator.send(Method::HEAD, &path, &[], None).await.expect(200);
    assert_eq!((head.etag(), head.text.as_str()), (fetched.etag(), ""));

    let before = world.changes().await;
    let cancelled = coordinator.step(&format!("{path}/cancel")).await.expect(200);
    assert_eq!((cancelled.body["state"].as_str(), cancelled.body["cancel_requested"].as_bool()), (Some("cancelled"), Some(true)));
    assert!(cancelled.body["finished_at"].is_string() && cancelled.etag() != fetched.etag());
    coordinator.step(&format!("{path}/cancel")).await.refused(409, "job_finished");
    coordinator.step(&format!("/jobs/{ended}/cancel")).await.refused(409, "job_finished");
    assert_eq!(world.changes().await, before + 1);

    for _ in 0..2 {
        let asked = coordinator.step(&format!("/jobs/{running}/cancel")).await.expect(200);
        assert_eq!((asked.body["state"].as_str(), asked.body["cancel_requested"].as_bool()), (Some("running"), Some(true)));
        assert!(asked.body["finished_at"].is_null());
    }
    assert_eq!(world.changes().await, before + 2, "asking twice is one change");

    world.role(Role::SocialAffairs).step(&format!("/jobs/{running}/cancel")).await.refused(403, "forbidden");
    coordinator.step(&format!("/jobs/{foreign}/cancel")).await.refused(404, "not_found");
    let told = world.sql().await.query_one("SELECT fields::text FROM changes WHERE resource = 'jobs' ORDER BY seq LIMIT 1", &[]).await;
    let told: Value = serde_json::from_str(told.unwrap().get(0)).unwrap();
    assert_eq!(told["state"], json!({"from": "queued", "to": "cancelled"}));
    set(&world, &running, "cancelled").await;
    set(&world, &foreign, "cancelled").await;
}
