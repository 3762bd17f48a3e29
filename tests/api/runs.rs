//! Matching runs under bad luck and side by side: killed, taken over, doubled, cancelled; and what a decision takes away.

use entas::platform::Services;
use entas::platform::jobs::run_one;
use entas::platform::policy::Role;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::datasets::{List, dataset, number, send};
use crate::durability::waiting;
use crate::imports::Serving;
use crate::lists::matched;
use crate::matching::{delivered, delivered_to, ran};
use crate::releases::{Family, KEEP, deliver, family, id, list};
use crate::support::db::look;
use crate::support::world::config;
use crate::support::{Client, Place, World};

/// Rows that a run left.
async fn rows(world: &World, run: &str) -> (i64, i64) {
    let count = |table: &str| format!("SELECT count(*) FROM {table} WHERE run_id = '{run}'");
    (number(world, &count("match_pairs")).await, number(world, &count("match_results")).await)
}

/// What a run gave, without ids.
async fn told(client: &Client, run: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for result in client.all(&format!("/matching-runs/{run}/results?limit=200")).await {
        told.push(format!("{}/{} {} {}", result["statement_id"], result["ordinal"], result["status"], result["nik_taken"]));
    }
    for pair in client.all(&format!("/matching-runs/{run}/pairs?limit=200")).await {
        told.push(format!("{} {} {}", pair["zone"], pair["weight"], pair["probability"]));
    }
    told.sort();
    told
}

/// How many people of those told were found.
fn right_ones(told: &[String]) -> i64 {
    i64::try_from(told.iter().filter(|row| row.contains("matched") && !row.contains("unmatched")).count()).unwrap()
}

fn families(world: &World) -> Vec<Family> {
    (0..70).map(|n| family(n, world.home.village)).collect()
}

/// A run that is begun and waits for a worker.
async fn begun(client: &Client, [left, right]: &[String; 2]) -> (String, String) {
    let body = json!({"left_release_id": left, "against": "release", "right_release_id": right});
    let begun = client.post("/matching-runs", body).await.expect(202).body;
    (begun["run_id"].as_str().unwrap().to_owned(), begun["job_id"].as_str().unwrap().to_owned())
}

/// As if the lease of whoever works had run out.
async fn lose_lease(world: &World) {
    let lost = "UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'";
    assert_eq!(world.sql().await.execute(lost, &[]).await.unwrap(), 1);
}

#[actix_web::test]
async fn a_run_that_was_killed_begins_anew_and_ends_exact() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (undisturbed, releases) = matched(&world, &coordinator, &families(&world), &families(&world)).await;
    let right = told(&coordinator, &undisturbed).await;
    // The tables trust what a run writes: every reference leads somewhere, and a person's pair is their own.
    let astray = "SELECT (SELECT count(*) FROM match_pairs p
                           WHERE NOT EXISTS (SELECT FROM statements s JOIN regions r ON r.code = p.region_code
                                              WHERE s.id = p.left_statement_id AND s.region_code = p.region_code AND p.left_ordinal < s.people)
                              OR NOT EXISTS (SELECT FROM matching_runs m WHERE m.id = p.run_id AND m.done_at IS NOT NULL)
                              OR p.right_statement_id IS NOT NULL AND NOT EXISTS (SELECT FROM statements s
                                              WHERE s.id = p.right_statement_id AND p.right_ordinal < s.people))
                       + (SELECT count(*) FROM match_results r
                           WHERE NOT EXISTS (SELECT FROM statements s WHERE s.id = r.statement_id AND r.ordinal < s.people)
                              OR r.pair_id IS NOT NULL AND NOT EXISTS (SELECT FROM match_pairs p WHERE p.id = r.pair_id AND p.run_id = r.run_id
                                              AND p.left_statement_id = r.statement_id AND p.left_ordinal = r.ordinal))";
    assert_eq!(number(&world, astray).await, 0);
    assert_eq!(number(&world, "SELECT count(*) FROM match_results WHERE pair_id IS NOT NULL").await, right_ones(&right));
    let folder = tempfile::tempdir().unwrap();
    // Killed while it reads, and while it stores.
    for table in ["statements", "match_results"] {
        let (run, job) = begun(&coordinator, &releases).await;
        let gate = look(&world.db.url).await;
        gate.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
        let serving = Serving::start(&world, folder.path());
        waiting(&world, 1).await;
        serving.kill();
        gate.batch_execute("COMMIT").await.unwrap();
        waiting(&world, 0).await;
        lose_lease(&world).await;
        assert_eq!(rows(&world, &run).await, (0, 0), "{table}: nobody sees half of a run");
        coordinator.get(&format!("/matching-runs/{run}/results")).await.refused(409, "run_not_done");
        world.run_jobs().await;
        assert_eq!(told(&coordinator, &run).await, right, "{table}");
        let tries = format!("SELECT attempts::bigint FROM jobs WHERE id = '{job}' AND state = 'succeeded'");
        assert_eq!(number(&world, &tries).await, 2);
    }
}

#[actix_web::test]
async fn a_worker_that_was_thought_dead_stores_nothing() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (undisturbed, releases) = matched(&world, &coordinator, &families(&world), &families(&world)).await;
    let (run, job) = begun(&coordinator, &releases).await;
    let gate = look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE statements IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let work = |services: std::sync::Arc<Services>| {
        tokio::task::spawn_local(async move {
            let (_keep, stop) = watch::channel(false);
            run_one(&services, &entas::app::kinds(), &stop).await.unwrap()
        })
    };
    let slow = work(world.services.clone());
    waiting(&world, 1).await;
    lose_lease(&world).await;
    let other = Services::new(config(&world.db.url), world.services.keys.clone()).unwrap();
    let second = work(other);
    waiting(&world, 2).await;
    gate.batch_execute("COMMIT").await.unwrap();
    assert!(slow.await.unwrap() && second.await.unwrap());
    assert_eq!(told(&coordinator, &run).await, told(&coordinator, &undisturbed).await);
    let ended = format!("SELECT attempts::bigint FROM jobs WHERE id = '{job}' AND state = 'succeeded'");
    assert_eq!(number(&world, &ended).await, 2);
    let done = format!("SELECT count(*) FROM changes WHERE resource_id = '{run}' AND action = 'done'");
    assert_eq!(number(&world, &done).await, 1);
}

#[actix_web::test]
async fn two_runs_at_once_give_what_each_gives_alone() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (alone, releases) = matched(&world, &coordinator, &families(&world), &families(&world)).await;
    let (one, other) = (begun(&coordinator, &releases).await.0, begun(&coordinator, &releases).await.0);
    let elsewhere = Services::new(config(&world.db.url), world.services.keys.clone()).unwrap();
    let (_keep, stop) = watch::channel(false);
    let kinds = [entas::app::kinds(), entas::app::kinds()];
    // Both hold their findings at once: neither may store before the other is there.
    let gate = look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE match_pairs IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let opened = async {
        waiting(&world, 2).await;
        gate.batch_execute("COMMIT").await.unwrap();
    };
    let (first, second, ()) =
        futures_util::future::join3(run_one(&world.services, &kinds[0], &stop), run_one(&elsewhere, &kinds[1], &stop), opened).await;
    assert!(first.unwrap() && second.unwrap());
    let right = told(&coordinator, &alone).await;
    assert_eq!(told(&coordinator, &one).await, right);
    assert_eq!(told(&coordinator, &other).await, right);
    assert_eq!(told(&coordinator, &alone).await, right);
}

#[actix_web::test]
async fn a_run_cancelled_in_the_middle_leaves_nothing() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (_, releases) = matched(&world, &coordinator, &families(&world), &families(&world)).await;
    let (run, job) = begun(&coordinator, &releases).await;
    let gate = look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE statements IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let cancelled = async {
        waiting(&world, 1).await;
        coordinator.post(&format!("/jobs/{job}/cancel"), json!(null)).await.expect(200);
        gate.batch_execute("COMMIT").await.unwrap();
    };
    futures_util::future::join(world.run_jobs(), cancelled).await;
    assert_eq!(rows(&world, &run).await, (0, 0));
    assert_eq!(coordinator.get(&format!("/matching-runs/{run}")).await.expect(200).body["state"], "cancelled");
    let told = format!("SELECT string_agg(action, ' ' ORDER BY seq) FROM changes WHERE resource_id = '{run}'");
    assert_eq!(world.sql().await.query_one(&told, &[]).await.unwrap().get::<_, &str>(0), "created cancelled");
    let (again, _) = begun(&coordinator, &releases).await;
    world.run_jobs().await;
    assert!(rows(&world, &again).await.1 > 0);
}

/// Waits as long as it takes until so many wait for a lock.
async fn at_the_gate(world: &World, count: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while number(world, waiting).await < count {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_process_works_on_one_run_at_a_time_and_imports_go_on() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (_, releases) = matched(&world, &coordinator, &families(&world), &families(&world)).await;
    let (first, second) = (begun(&coordinator, &releases).await.0, begun(&coordinator, &releases).await.0);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let sent = send(&coordinator, &dataset, &KEEP, &list(&families(&world)[..3])).await.expect(202);
    let release = sent.body["release_id"].as_str().unwrap().to_owned();
    let gate = look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE match_results IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // Two workers of one process share their kinds, as `serve` has it.
    let kinds = entas::app::kinds();
    let (_keep, stop) = watch::channel(false);
    let beside = async {
        waiting(&world, 1).await;
        // Younger than the second run and yet next: whoever takes that one stands at the gate, too.
        tokio::select! {
            worked = run_one(&world.services, &kinds, &stop) => assert!(worked.unwrap()),
            () = at_the_gate(&world, 2) => panic!("the process works on two runs at a time"),
        }
        assert_eq!(coordinator.get(&format!("/releases/{release}")).await.expect(200).body["state"], "kept");
        assert!(!run_one(&world.services, &kinds, &stop).await.unwrap(), "nothing else may be taken");
        let state = coordinator.get(&format!("/matching-runs/{second}")).await.expect(200).body["state"].clone();
        assert_eq!(state, "queued");
        gate.batch_execute("COMMIT").await.unwrap();
    };
    let (worked, ()) = futures_util::future::join(run_one(&world.services, &kinds, &stop), beside).await;
    assert!(worked.unwrap());
    assert!(run_one(&world.services, &kinds, &stop).await.unwrap(), "the seat is free again");
    for run in [first, second] {
        assert_eq!(coordinator.get(&format!("/matching-runs/{run}")).await.expect(200).body["state"], "done");
    }
}

/// Whether somebody was found for whom a run knows under this name, and what it shows of them.
async fn person(client: &Client, run: &str, name: &str) -> (bool, Value) {
    let list = client.post(&format!("/matching-runs/{run}/work-list.csv"), json!({"purpose": "Pemeriksaan hasil"})).await.expect(200).text;
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(list.as_bytes()).records().map(Result::unwrap).collect();
    let mut named = rows.iter().filter(|row| &row[3] == name);
    let (Some(row), None) = (named.next(), named.next()) else { panic!("nobody, or several, are called {name}") };
    let seen = client.get(&format!("/matching-runs/{run}/results/{}", &row[18])).await.expect(200).body;
    (!seen["result"]["pair_id"].is_null(), seen)
}

#[actix_web::test]
async fn who_was_given_to_somebody_is_not_found_for_another() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let truth = List::new(&world, "62.02", 21, 120).await;
    let mut left = List::new(&world, "62.02", 21, 120).await;
    let right = delivered(&world, Place::Home, &truth, "keep").await;
    let (of_left, _) = dataset(&world, Place::Home).await;
    let names: Vec<&str> = truth.families.iter().flat_map(|family| &family.members).map(|member| member.name.as_str()).collect();
    let is_known = |family: &entas::simulate::Family| {
        let alone = names.iter().filter(|name| family.members.get(1).is_some_and(|member| member.name == **name)).count() == 1;
        alone && family.members.len() > 2 && family.members.iter().all(|member| member.nik.is_some())
    };
    let at = truth.families.iter().position(is_known).unwrap();
    let name = truth.families[at].members[1].name.clone();
    let one = delivered_to(&world, Place::Home, &of_left, &left, "keep").await;
    let run = ran(&world, &coordinator, json!({"left_release_id": one, "against": "release", "right_release_id": right})).await;
    let (found, seen) = person(&coordinator, &run, &name).await;
    assert!(found);
    let path = format!("/match-pairs/{}/decision", seen["result"]["pair_id"].as_str().unwrap());
    let decision = coordinator.post(&path, json!({"outcome": "match"})).await.expect(201).id();

    // In the next release nobody would know them again, and somebody else looks just like them.
    let mut copy = left.families[at].clone();
    copy.source_id = "COPY".into();
    for (n, member) in copy.members.iter_mut().enumerate() {
        member.source_id = format!("COPY.{n}");
    }
    let family = &mut left.families[at];
    family.members.iter_mut().for_each(|member| member.nik = None);
    let changed = &mut family.members[1];
    changed.name = "PAIMIN SUWITO".into();
    changed.birth_date = changed.birth_date.checked_sub_days(chrono::Days::new(9_999)).unwrap();
    left.families.push(copy);
    let next = delivered_to(&world, Place::Home, &of_left, &left, "keep").await;
    let run = ran(&world, &coordinator, json!({"left_release_id": next, "against": "release", "right_release_id": right})).await;
    let both = async || (person(&coordinator, &run, "PAIMIN SUWITO").await.0, person(&coordinator, &run, &name).await.0);
    assert_eq!(both().await, (true, false), "decided before the run");
    let them = person(&coordinator, &run, "PAIMIN SUWITO").await.1;
    // Undone, the engine has its way; decided anew, it has not.
    coordinator.post(&format!("/match-decisions/{decision}/undo"), json!({"reason": "wrong one"})).await.expect(200);
    assert_eq!(both().await, (false, true), "undone");
    let path = format!("/match-pairs/{}/decision", them["result"]["pair_id"].as_str().unwrap());
    coordinator.post(&path, json!({"outcome": "match"})).await.expect(201);
    assert_eq!(both().await, (true, false), "decided after the run");
}

#[actix_web::test]
async fn a_release_without_statements_is_no_empty_list() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let release = id(&deliver(&world, &coordinator, &dataset, &KEEP, &list(&families(&world)[..5])).await);
    world.sql().await.execute("DELETE FROM statements", &[]).await.unwrap();
    let body = json!({"left_release_id": release, "against": "itself"});
    coordinator.post("/matching-runs", body).await.refused(409, "release_not_kept");
}

#[actix_web::test]
async fn every_row_that_leaves_is_counted() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let whole = family(3, world.home.village);
    assert_eq!(whole.people.len(), 4);
    let text = String::from_utf8(list(&[whole])).unwrap();
    let text = text.replacen("02/03/1985", "31/02/1985", 1);
    let release = id(&deliver(&world, &coordinator, &dataset, &KEEP, text.as_bytes()).await);
    coordinator.post(&format!("/releases/{release}/rejected-rows"), json!({"purpose": "Perbaikan bersama desa"})).await.expect(200);
    let told = "SELECT fields::text FROM changes WHERE action = 'rejected_rows_disclosed'";
    let told: Value = serde_json::from_str(world.sql().await.query_one(told, &[]).await.unwrap().get(0)).unwrap();
    assert_eq!(told, json!({"rows": 4, "refused": 1}), "three accepted rows of the family leave beside the refused one");
}

#[actix_web::test]
async fn percentiles_are_compared_where_both_releases_state_them() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let headers = "nomor_kartu_keluarga;nama_kepala_keluarga;kode_kelurahan_desa;desil_nasional;persentil_nasional";
    let file = |percentiles: [&str; 5]| {
        let row =
            |(n, percentile): (usize, &str)| format!("62020901012000{n:02};KEPALA CONTOH {n};{};1;{percentile}\n", world.home.village);
        format!("{headers}\n{}", percentiles.into_iter().enumerate().map(|(n, percentile)| row((n + 1, percentile))).collect::<String>())
    };
    let texts = [("mode", "keep"), ("profile", "dtsen_family")];
    let before = id(&deliver(&world, &coordinator, &dataset, &texts, file(["3", "4", "5", "", "7"]).as_bytes()).await);
    let after = id(&deliver(&world, &coordinator, &dataset, &texts, file(["9", "2", "5", "6", ""]).as_bytes()).await);
    let diff = coordinator.get(&format!("/releases/{after}/diff?against={before}")).await.expect(200).body;
    let told = ["percentile_up", "percentile_down", "unchanged", "changed", "decile_up"];
    assert_eq!(told.map(|kind| diff["counts"][kind]["families"].as_i64().unwrap()), [1, 1, 3, 0, 0], "{diff}");
    let up = coordinator.all(&format!("/releases/{after}/diff/families?against={before}&kind=percentile_up")).await;
    assert_eq!((&up[0]["percentile_before"], &up[0]["percentile"], &up[0]["kinds"]), (&json!(3), &json!(9), &json!(["percentile_up"])));
}
