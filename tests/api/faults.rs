//! Things that break: the database goes away and comes back, a replica learns of a demotion, two requests meet.

use std::time::{Duration, Instant};

use entas::platform::policy::Role;
use serde_json::json;

use crate::support::World;
use crate::support::db::look;

#[actix_web::test]
async fn the_database_goes_away_and_comes_back() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let body = |name: &str| json!({"region_code": "62.02", "name": name, "kind": "other"});
    admin.post("/agencies", body("Before")).await.expect(201);
    admin.get("/agencies").await.expect(200);
    world.db.cut().await;
    // Whichever connection finds out first: nothing but 503 with a code and a hint when to try again.
    for _ in 0..3 {
        let read = admin.get("/agencies").await.refused(503, "unavailable");
        assert!(read.headers.contains_key("retry-after"));
        let write = admin.post("/agencies", body("During")).await.refused(503, "unavailable");
        assert!(write.headers.contains_key("retry-after"));
    }
    world.nobody().get("/health/ready").await.refused(503, "unavailable");
    world.nobody().get("/health/live").await.expect(200);
    world.nobody().get("/metrics").await.expect(200);
    world.db.restore().await;
    // The first request may still find a dead connection; a healthy service needs no restart.
    let mut tries = 0;
    while admin.get("/agencies").await.status != 200 || admin.post("/agencies", body("After")).await.status != 201 {
        tries += 1;
        assert!(tries < 50, "the service did not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let sql = look(&world.db.url).await;
    let names: Vec<String> = sql
        .query("SELECT name FROM agencies WHERE name IN ('Before', 'During', 'After') ORDER BY name", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(names, ["After", "Before"], "what was refused was not half-written");
}

#[actix_web::test]
async fn a_demotion_reaches_every_replica_within_a_second() {
    let world = World::new().await;
    let here = world.role(Role::Administrator);
    let there = world.replica(&here).await;
    there.get("/users").await.expect(200);
    here.get("/users").await.expect(200);
    world.sql().await.execute("DELETE FROM assignments WHERE actor_id = $1", &[&world.actor_id("administrator")]).await.unwrap();
    let told = Instant::now();
    // One second is the promise (product.md), so it is what is measured.
    while here.get("/users").await.status != 403 || there.get("/users").await.status != 403 {
        assert!(told.elapsed() < Duration::from_secs(1), "a replica still grants what was taken away");
    }
}

#[actix_web::test]
async fn a_disabled_account_is_out_on_every_replica_within_a_second() {
    let world = World::new().await;
    let here = world.role(Role::Coordinator);
    let there = world.replica(&here).await;
    there.get("/regions").await.expect(200);
    world.sql().await.execute("UPDATE actors SET status = 'disabled' WHERE id = $1", &[&world.actor_id("coordinator")]).await.unwrap();
    let told = Instant::now();
    while here.get("/regions").await.status != 401 || there.get("/regions").await.status != 401 {
        assert!(told.elapsed() < Duration::from_secs(1), "a replica still lets a disabled account in");
    }
}

#[actix_web::test]
async fn a_commit_is_never_without_its_change() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let before = world.changes().await;
    let made = admin.post("/agencies", json!({"region_code": "62.02", "name": "Told", "kind": "other"})).await.expect(201);
    assert_eq!(world.changes().await, before + 1);
    let row = world
        .sql()
        .await
        .query_one("SELECT resource, action, actor_id::text, fields::text FROM changes ORDER BY seq DESC LIMIT 1", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("agencies", "created"));
    assert_eq!(row.get::<_, String>(2), world.actor_id("administrator").to_string());
    assert!(row.get::<_, String>(3).contains("Told"), "{}", made.id());
    let altered = world.sql().await.execute("UPDATE changes SET action = 'x'", &[]).await;
    assert!(altered.is_err(), "the audit trail is append-only");
}
