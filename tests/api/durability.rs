//! What the platform promises when clients go away, requests come twice and processes die: one effect, nothing left over.

use entas::platform::ids::RegionCode;
use entas::platform::policy::Role;
use futures_util::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::db::look;
use crate::support::{Answer, Client, World};

/// Connections of the service that sit in a transaction, after the server has seen everything sent to it.
async fn open_transactions(world: &World) -> i64 {
    let sql = "SELECT count(*) FILTER (WHERE state = 'idle in transaction'), count(*) FILTER (WHERE state LIKE 'active%')
                 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'entas' AND pid <> pg_backend_pid()";
    for _ in 0..500 {
        let row = world.sql().await.query_one(sql, &[]).await.unwrap();
        let (idle, active): (i64, i64) = (row.get(0), row.get(1));
        if idle == 0 && active == 0 {
            return 0;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.sql().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[actix_web::test]
async fn a_caller_who_goes_away_leaves_no_open_transaction() {
    let world = World::new().await;
    let region = RegionCode::country();
    drop(world.services.write_as_system(region.clone()).await.unwrap());
    assert_eq!(open_transactions(&world).await, 0);
    for _ in 0..10 {
        // Polled once: BEGIN is on its way, and then nobody waits for it.
        let mut begin = Box::pin(world.services.write_as_system(region.clone()));
        assert!((&mut begin).now_or_never().is_none(), "it was ready at once: the test proves nothing");
        drop(begin);
    }
    assert_eq!(open_transactions(&world).await, 0);
}

fn agency(name: &str) -> Value {
    json!({"region_code": "62.02", "name": name, "kind": "other"})
}

async fn post(client: &Client, key: &str, name: &str) -> Answer {
    client.persist(Method::POST, "/agencies", &[("idempotency-key", key)], Some(agency(name).to_string().into_bytes())).await
}

/// How often it was done, and how often it was told.
async fn done(world: &World, name: &str) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM agencies WHERE name = $1), (SELECT count(*) FROM changes WHERE fields -> 'name' ->> 'to' = $1)";
    let row = world.sql().await.query_one(sql, &[&name]).await.unwrap();
    (row.get(0), row.get(1))
}

/// Asks again as a client does that was told to try again in a few seconds.
async fn persist(client: &Client, key: &str, name: &str) -> Answer {
    for _ in 0..500 {
        let answer = post(client, key, name).await;
        if answer.body["code"] != "idempotency_key_running" {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the key stays in use");
}

#[actix_web::test]
async fn the_same_key_from_many_sides_at_once_has_one_effect() {
    let world = World::new().await;
    let here = world.role(Role::Administrator);
    let there = world.replica(&here).await;
    for round in 0..10 {
        let (key, name) = (format!("key-{round}"), format!("Dinas {round}"));
        let asked = (0..12).map(|n| post(if n % 2 == 0 { &here } else { &there }, &key, &name));
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(done(&world, &name).await, (1, 1));
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        let first = made.iter().filter(|answer| !answer.headers.contains_key("idempotency-replayed")).count();
        assert!(first <= 1 && !made.is_empty());
        assert!(made.iter().all(|answer| answer.text == made[0].text));
        for other in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((other.status, other.body["code"].as_str()), (409, Some("idempotency_key_running")));
        }
        assert_eq!(persist(&there, &key, &name).await.expect(201).text, made[0].text);
    }
}

/// Puts the state of a key to where a process that died would have left it.
async fn as_if(world: &World, state: &str, seconds_ago: i32) {
    let sql = "UPDATE idempotency_keys SET state = $1, status = NULL, headers = NULL, body_hash = NULL, answer_sealed = NULL,
                      claimed_at = now() - make_interval(secs => $2)";
    assert_eq!(world.sql().await.execute(sql, &[&state, &f64::from(seconds_ago)]).await.unwrap(), 1);
}

#[actix_web::test]
async fn a_process_that_dies_leaves_a_key_that_says_what_is_known() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    post(&admin, "k", "Once").await.expect(201);
    // It died between COMMIT and keeping the answer: for a moment nobody can tell it from one that still works.
    as_if(&world, "committed", 0).await;
    post(&admin, "k", "Once").await.refused(409, "idempotency_key_running");
    as_if(&world, "committed", 61).await;
    post(&admin, "k", "Once").await.refused(409, "idempotency_answer_lost");
    assert_eq!(done(&world, "Once").await, (1, 1));

    // It died before COMMIT: nothing was done, so after a while whoever comes may do it.
    world.sql().await.execute("DELETE FROM idempotency_keys", &[]).await.unwrap();
    post(&admin, "k2", "Taken over").await.expect(201);
    world.sql().await.execute("DELETE FROM agencies WHERE name = 'Taken over'", &[]).await.unwrap();
    as_if(&world, "running", 0).await;
    post(&admin, "k2", "Taken over").await.refused(409, "idempotency_key_running");
    as_if(&world, "running", 61).await;
    post(&admin, "k2", "Taken over").await.expect(201);
    assert_eq!(done(&world, "Taken over").await.0, 1);
}

/// Waits until that many requests of the service wait for a lock.
pub async fn waiting(world: &World, requests: i64) {
    for _ in 0..1_000 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let row = world.sql().await.query_one(sql, &[]).await.unwrap();
        if row.get::<_, i64>(0) == requests {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the requests do not wait as planned");
}

#[actix_web::test]
async fn a_claim_that_was_taken_over_cannot_commit_any_more() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let gate = look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE agencies IN SHARE MODE").await.unwrap();
    let slow = tokio::task::spawn_local({
        let admin = admin.clone();
        async move { post(&admin, "k", "Slow").await }
    });
    waiting(&world, 1).await;
    world.sql().await.execute("UPDATE idempotency_keys SET claimed_at = now() - interval '61 seconds'", &[]).await.unwrap();
    let second = tokio::task::spawn_local({
        let admin = admin.clone();
        async move { post(&admin, "k", "Slow").await }
    });
    waiting(&world, 2).await;
    gate.batch_execute("COMMIT").await.unwrap();
    // Whoever inserts first: the slow one finds its claim gone, or the name taken by the one that holds it.
    slow.await.unwrap().expect(409);
    second.await.unwrap().expect(201);
    assert_eq!(done(&world, "Slow").await, (1, 1));
}

#[actix_web::test]
async fn a_client_that_goes_away_may_come_back_with_its_key_at_once() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let gate = look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE agencies IN SHARE MODE").await.unwrap();
    let gone = tokio::task::spawn_local({
        let admin = Client { http: reqwest::Client::new(), ..admin.clone() };
        async move { post(&admin, "k", "Impatient").await }
    });
    waiting(&world, 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    gate.batch_execute("COMMIT").await.unwrap();
    // Whether the service noticed or finished the work: no waiting for the takeover, and one effect.
    persist(&admin, "k", "Impatient").await.expect(201);
    assert_eq!(done(&world, "Impatient").await, (1, 1));
}

#[actix_web::test]
async fn a_step_that_was_sent_a_body_is_known_again() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let job = crate::jobs::job(&world, crate::support::Place::Home, "queued").await;
    let path = format!("/jobs/{job}/cancel");
    let send = async |body: &str| {
        let body = Some(body.as_bytes().to_vec());
        coordinator.send(Method::POST, &path, &[("idempotency-key", "k")], body).await
    };
    let first = send("{}").await.expect(200);
    let again = send("{}").await.expect(200);
    assert_eq!((again.headers["idempotency-replayed"].as_bytes(), &again.text), (&b"true"[..], &first.text));
    send("{ }").await.refused(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn a_kept_answer_is_not_for_those_who_were_demoted_since() {
    let mut world = World::new().await;
    let admin = world.role(Role::Administrator);
    post(&admin, "k", "Kept").await.expect(201);
    assert!(post(&admin, "k", "Kept").await.expect(201).headers.contains_key("idempotency-replayed"));
    let demote = "UPDATE assignments SET role = 'auditor' WHERE actor_id = $1";
    world.sql().await.execute(demote, &[&world.actor_id("administrator")]).await.unwrap();
    // Another replica knows at once; this one within its second.
    post(&world.replica(&admin).await, "k", "Kept").await.refused(409, "idempotency_answer_lost");

    // What was refused for who asked is no answer to keep: the same request may succeed after a promotion.
    let hopeful = world.hire("hopeful", Role::Auditor, "62.02", None).await;
    post(&hopeful, "k", "Hoped for").await.refused(403, "forbidden");
    let promote = "UPDATE assignments SET role = 'administrator' WHERE actor_id = $1";
    world.sql().await.execute(promote, &[&world.actor_id("hopeful")]).await.unwrap();
    post(&world.replica(&hopeful).await, "k", "Hoped for").await.expect(201);
}

#[actix_web::test]
async fn keys_are_an_actors_own_and_visible_text() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    post(&admin, "k", "Mine").await.expect(201);
    post(&admin, "k", "Another").await.refused(422, "idempotency_key_reused");
    let foreign = world.named("administrator-foreign");
    let body = json!({"region_code": "64.08", "name": "Theirs", "kind": "other", "id": Uuid::now_v7()});
    foreign.send(Method::POST, "/agencies", &[("idempotency-key", "k")], Some(body.to_string().into_bytes())).await.expect(201);
    for key in ["", "with space", &"x".repeat(201)] {
        let refused = post(&admin, key, "Unseen").await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], "Idempotency-Key");
    }
    assert_eq!(done(&world, "Unseen").await, (0, 0));
    // A body that broke off is no request to recognise.
    let short = admin.send(Method::POST, "/agencies", &[("idempotency-key", "k3")], Some(b"{\"region_code\": ".to_vec())).await;
    short.refused(422, "invalid");
    post(&admin, "k3", "Whole").await.refused(422, "idempotency_key_reused");
}
