//! The change feed misses nothing and repeats nothing, whatever commits when; the audit log tells who did and read what.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entas::platform::ids::RegionCode;
use entas::platform::list::{cursor, list_tag};
use entas::platform::policy::Role;
use entas::platform::reads::Seen;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::db::look;
use crate::support::{Call, Case, Client, Place, World};

/// The feed, as its cursors name it.
const CHANGES: &str = "/api/v1/changes";

/// The place up to which the feed stands now, so that a sweep's page shows what came after.
async fn here(world: &World) -> String {
    let row = world.sql().await.query_one("SELECT coalesce(max(xid), 0) FROM changes", &[]).await.unwrap();
    cursor(list_tag(CHANGES), &(row.get::<_, i64>(0), i64::MAX)).unwrap()
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("feed_changes", |world, place| {
            let after = here(world).await;
            let (id, _) = crate::agencies::agency(world, place).await;
            settled(world).await;
            Call::list(format!("/changes?limit=200&after={after}"), [id])
        }),
        case!("feed_audit_events", |world, place| {
            let (id, _) = crate::agencies::agency(world, place).await;
            Call::list("/audit-events?limit=200&kind=change", [id])
        }),
    ]
}

/// Waits until everything committed so far is below the horizon: other tests' databases share the cluster's transactions.
async fn settled(world: &World) {
    let sql = world.sql().await;
    for _ in 0..2_000 {
        let row = sql.query_one("SELECT coalesce(max(xid), 0) < feed_horizon() FROM changes", &[]).await.unwrap();
        if row.get(0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("a transaction somewhere in the cluster does not end");
}

/// Writes a change as the platform does: with the transaction's number and the next sequence number.
async fn tell(sql: &tokio_postgres::Client, actor: Uuid, region: &str) -> Uuid {
    let id = Uuid::now_v7();
    sql.execute(
        "INSERT INTO changes (id, actor_id, region_code, resource, resource_id, action, fields, reason)
         VALUES ($1, $2, $3, 'beneficiaries', $1, 'edited', '{\"address\": {\"from\": \"Jl. Lama\", \"to\": \"Jl. Baru\"}}', 'in somebody''s words')",
        &[&id, &actor, &region],
    )
    .await
    .unwrap();
    id
}

/// Follows the feed as an aggregator does.
struct Follower {
    client: Client,
    next: String,
    taken: Vec<Uuid>,
}

impl Follower {
    fn new(client: Client) -> Follower {
        Follower { client, next: String::new(), taken: Vec::new() }
    }

    /// Takes one part; tells whether more waits.
    async fn poll(&mut self, limit: usize) -> bool {
        let after = if self.next.is_empty() { String::new() } else { format!("&after={}", self.next) };
        let part = self.client.get(&format!("/changes?resource=beneficiaries&limit={limit}{after}")).await.expect(200);
        let items = part.body["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        self.taken.extend(items.iter().map(|item| item["id"].as_str().unwrap().parse::<Uuid>().unwrap()));
        self.next = part.body["next"].as_str().expect("`next` is never null").to_owned();
        part.body["more"].as_bool().unwrap()
    }
}

/// A reader that trusts the sequence alone, as feeds are often built.
struct BySequence {
    last: i64,
    taken: Vec<Uuid>,
}

impl BySequence {
    async fn poll(&mut self, sql: &tokio_postgres::Client) {
        let rows = sql.query("SELECT seq, id FROM changes WHERE resource = 'beneficiaries' AND seq > $1 ORDER BY seq", &[&self.last]).await;
        for row in rows.unwrap() {
            self.last = row.get(0);
            self.taken.push(row.get(1));
        }
    }
}

#[actix_web::test]
async fn a_late_commit_is_told_in_its_place_and_a_follower_by_sequence_loses_it() {
    let world = World::new().await;
    let actor = world.actor_id("coordinator");
    let mut follower = Follower::new(world.role(Role::Coordinator));
    let mut naive = BySequence { last: 0, taken: Vec::new() };
    let (slow, slower, fast) = (look(&world.db.url).await, look(&world.db.url).await, look(&world.db.url).await);

    // One takes its transaction and its sequence number first; one takes its transaction and writes last.
    slow.batch_execute("BEGIN").await.unwrap();
    let first = tell(&slow, actor, "62.02.09.2001").await;
    slower.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    let (third, fourth) = (tell(&fast, actor, "62.02").await, tell(&fast, actor, "62.02.10").await);
    tell(&fast, actor, "64.08").await;
    let second = tell(&slower, actor, "62.02").await;

    naive.poll(&fast).await;
    follower.poll(50).await;
    assert!(follower.taken.is_empty(), "what is committed waits for what began before it");
    slower.batch_execute("COMMIT").await.unwrap();
    naive.poll(&fast).await;
    follower.poll(50).await;
    assert!(follower.taken.is_empty());
    slow.batch_execute("COMMIT").await.unwrap();
    settled(&world).await;
    naive.poll(&fast).await;
    while follower.poll(1).await {}
    assert_eq!(follower.taken, [first, second, third, fourth], "in the order of transactions, the foreign one left out");
    assert!(!naive.taken.contains(&first), "by sequence alone the late commit is lost: the reason for all this");

    // An empty part moves on too, and later changes are found from there.
    let before = follower.next.clone();
    tell(&fast, actor, "64.08").await;
    settled(&world).await;
    follower.poll(50).await;
    assert_ne!(follower.next, before, "a foreign change need not be passed over again and again");
    let fifth = tell(&fast, actor, "62.02").await;
    settled(&world).await;
    follower.poll(50).await;
    assert_eq!(follower.taken.last(), Some(&fifth));
    assert_eq!(follower.taken.len(), 5);
}

#[actix_web::test]
async fn a_transaction_that_takes_back_what_it_did_is_passed_over() {
    let world = World::new().await;
    let actor = world.actor_id("coordinator");
    let mut follower = Follower::new(world.role(Role::Coordinator));
    let (undone, kept) = (look(&world.db.url).await, look(&world.db.url).await);
    undone.batch_execute("BEGIN").await.unwrap();
    tell(&undone, actor, "62.02").await;
    let told = tell(&kept, actor, "62.02").await;
    undone.batch_execute("ROLLBACK").await.unwrap();
    settled(&world).await;
    while follower.poll(1).await {}
    assert_eq!(follower.taken, [told]);
}

/// Numbers without a pattern, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[actix_web::test]
async fn followers_of_eight_hurried_writers_get_everything_once_and_in_order() {
    let world = World::new().await;
    let actor = world.actor_id("coordinator");
    let working = Arc::new(AtomicUsize::new(8));
    let mut writers = Vec::new();
    for seed in 0..8u64 {
        let (url, working) = (world.db.url.clone(), working.clone());
        writers.push(tokio::spawn(async move {
            let sql = look(&url).await;
            let mut dice = Dice(seed + 1);
            let mut kept = Vec::new();
            for _ in 0..100 {
                sql.batch_execute("BEGIN").await.unwrap();
                if dice.below(2) == 0 {
                    sql.batch_execute("SELECT pg_current_xact_id()").await.unwrap();
                }
                let mut mine = Vec::new();
                for _ in 0..=dice.below(3) {
                    // The pauses stir the order of events; what is asserted holds for every order.
                    tokio::time::sleep(std::time::Duration::from_micros(dice.below(4_000))).await;
                    let region = ["62.02", "62.02.09.2001", "64.08"][dice.below(3) as usize];
                    let id = tell(&sql, actor, region).await;
                    if region != "64.08" {
                        mine.push(id);
                    }
                }
                tokio::time::sleep(std::time::Duration::from_micros(dice.below(4_000))).await;
                if dice.below(10) == 0 {
                    sql.batch_execute("ROLLBACK").await.unwrap();
                } else {
                    sql.batch_execute("COMMIT").await.unwrap();
                    kept.append(&mut mine);
                }
            }
            working.fetch_sub(1, Ordering::SeqCst);
            kept
        }));
    }
    let mut followers = [Follower::new(world.role(Role::Coordinator)), Follower::new(world.role(Role::Auditor))];
    let mut naive = BySequence { last: 0, taken: Vec::new() };
    let sql = look(&world.db.url).await;
    let (mut dice, mut polls) = (Dice(99), 0);
    while working.load(Ordering::SeqCst) > 0 {
        for follower in &mut followers {
            follower.poll(1 + dice.below(9) as usize).await;
        }
        naive.poll(&sql).await;
        polls += 1;
    }
    let mut kept = BTreeSet::new();
    for writer in writers {
        kept.extend(writer.await.unwrap());
    }
    settled(&world).await;
    let order = "SELECT id FROM changes WHERE resource = 'beneficiaries' AND left(region_code, 5) = '62.02' ORDER BY xid, seq";
    let stored: Vec<Uuid> = sql.query(order, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(stored.iter().copied().collect::<BTreeSet<_>>(), kept);
    for mut follower in followers {
        while follower.poll(200).await {}
        assert_eq!(follower.taken, stored, "every change once, in order");
    }
    naive.poll(&sql).await;
    let all = sql.query("SELECT id FROM changes WHERE resource = 'beneficiaries'", &[]).await.unwrap().len();
    eprintln!("{polls} polls beside 8 writers; by sequence alone {} of {all} changes were lost", all - naive.taken.len());
}

#[actix_web::test]
async fn the_feed_goes_on_after_a_restore_into_another_server() {
    let world = World::new().await;
    let mut follower = Follower::new(world.role(Role::Coordinator));
    // A dump of a server whose transactions were further on: on file they are ahead of everything here.
    let (old, actor) = (Uuid::now_v7(), world.actor_id("coordinator"));
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO changes (id, xid, actor_id, region_code, resource, resource_id, action, fields)
         VALUES ($1, 5000000000, $2, '62.02', 'beneficiaries', $1, 'edited', '{}')",
        &[&old, &actor],
    )
    .await
    .unwrap();
    // Had read on after the dump was made.
    follower.next = cursor(list_tag(CHANGES), &(5_000_000_300_i64, 7)).unwrap();
    for _ in 0..2 {
        world.services.db.migrate().await.unwrap();
    }
    let new = tell(sql, actor, "62.02").await;
    settled(&world).await;
    while follower.poll(10).await {}
    assert_eq!(follower.taken, [new]);
    let mut newcomer = Follower::new(world.role(Role::Auditor));
    while newcomer.poll(10).await {}
    assert_eq!(newcomer.taken, [old, new]);
}

#[actix_web::test]
async fn a_cursor_that_the_feed_does_not_understand_is_told_and_opens_nothing() {
    let world = World::new().await;
    tell(world.sql().await, world.actor_id("coordinator"), "62.02").await;
    settled(&world).await;
    let coordinator = world.role(Role::Coordinator);
    // The place alone; of another list; of another shape; cut off; nothing at all.
    let place = URL_SAFE_NO_PAD.encode("[1,7]");
    let elsewhere = cursor(list_tag("/api/v1/agencies"), &(1, 7)).unwrap();
    let other = cursor(list_tag(CHANGES), &Uuid::nil()).unwrap();
    let whole = cursor(list_tag(CHANGES), &(1, 7)).unwrap();
    for unknown in [place.as_str(), &elsewhere, &other, &whole[..whole.len() - 2], ""] {
        let refused = coordinator.get(&format!("/changes?after={unknown}")).await.refused(422, "invalid");
        assert_eq!((&refused.body["errors"][0]["path"], &refused.body["errors"][0]["code"]), (&json!("after"), &json!("cursor")));
    }
    coordinator.get(&format!("/changes?after={whole}")).await.expect(200);
}

#[actix_web::test]
async fn the_feed_tells_plans_with_values_and_families_by_field_name() {
    let world = World::new().await;
    let (agency, _) = crate::agencies::agency(&world, Place::Home).await;
    let family = tell(world.sql().await, world.actor_id("coordinator"), "62.02.09.2001").await;
    settled(&world).await;
    let observer = world.role(Role::ProvinceObserver);
    let part = observer.get("/changes?region=62.02").await.expect(200);
    assert!(!part.text.contains("Jl. Baru") && !part.text.contains("somebody's words"), "{}", part.text);
    assert!(part.headers["link"].to_str().unwrap().contains("rel=\"next\""));
    let items = part.body["items"].as_array().unwrap();
    let of = |id: &str| items.iter().find(|item| item["resource_id"] == id).unwrap();
    assert_eq!(of(&family.to_string())["fields"], json!({"address": {"changed": true}}));
    assert_eq!(of(&agency)["fields"]["kind"], json!({"from": null, "to": "regional_office"}));
    let next = of(&agency)["cursor"].as_str().unwrap();
    let rest = observer.get(&format!("/changes?region=62.02&after={next}")).await.expect(200);
    assert_eq!(rest.body["items"].as_array().unwrap().len(), items.len() - 1, "an item's own cursor goes on behind it");
    assert_eq!(observer.get("/changes?region=64").await.expect(200).body["items"], json!([]));
    world.role(Role::AgencyPlanner).get("/changes").await.refused(403, "forbidden");
}

fn seen(actor: Uuid, region: &str, resource_id: Option<Uuid>) -> Seen {
    Seen {
        id: Uuid::now_v7(),
        at: chrono::Utc::now(),
        actor_id: actor,
        region: RegionCode::parse(region).unwrap(),
        resource: "beneficiaries".into(),
        resource_id,
        action: "listed".into(),
        rows: 50,
        reason: None,
        request_id: Uuid::now_v7(),
    }
}

#[actix_web::test]
async fn the_audit_log_joins_changes_and_readings_and_filters_them() {
    let world = World::new().await;
    let auditor = world.role(Role::Auditor);
    let (agency, _) = crate::agencies::agency(&world, Place::Home).await;
    let reader = world.actor_id("coordinator");
    let record = Uuid::now_v7();
    for (region, id) in [("62.02.09.2001", Some(record)), ("62.02", None), ("64.08", None)] {
        world.services.reads.push(seen(reader, region, id)).unwrap();
    }
    world.flush_reads().await;
    let count = async |query: &str| auditor.all(&format!("/audit-events?limit=1&{query}")).await.len();
    let all = auditor.all("/audit-events?limit=1").await;
    assert_eq!(all.iter().map(|row| row["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["read", "read", "change"], "the newest first");
    assert_eq!(
        (all[0]["rows"].as_i64(), all[0]["resource_id"].is_null(), all[1]["resource_id"].as_str()),
        (Some(50), true, Some(&*record.to_string()))
    );
    assert_eq!(all[2]["fields"]["kind"]["to"], "regional_office");
    assert_eq!((count("kind=read").await, count("kind=change").await), (2, 1));
    assert_eq!(count(&format!("resource_id={record}")).await, 1);
    assert_eq!((count("resource=agencies").await, count(&format!("resource_id={agency}")).await), (1, 1));
    assert_eq!((count(&format!("actor_id={reader}")).await, count("action=created").await), (2, 1));
    assert_eq!((count("region=62.02.09").await, count("region=64.08").await), (1, 0));
    let middle = all[1]["at"].as_str().unwrap();
    assert_eq!((count(&format!("from={middle}")).await, count(&format!("to={middle}")).await), (2, 1));
    auditor.get("/audit-events?from=yesterday").await.refused(422, "invalid");
    auditor.get("/audit-events?from=0001-01-01T00:00:00Z").await.refused(422, "invalid");
    world.role(Role::Coordinator).get("/audit-events").await.refused(403, "forbidden");
}

#[actix_web::test]
async fn one_impossible_reading_does_not_hold_up_the_others() {
    let world = World::new().await;
    let reader = world.actor_id("coordinator");
    for actor in [reader, Uuid::now_v7(), reader] {
        world.services.reads.push(seen(actor, "62.02", None)).unwrap();
    }
    world.flush_reads().await;
    assert_eq!(world.services.reads.waiting(), 0);
    let stored: Vec<Value> = world.role(Role::Auditor).all("/audit-events?kind=read").await;
    assert_eq!(stored.len(), 2);
}
