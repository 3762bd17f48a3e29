//! Matching through HTTP: two lists compared, decided about, run again; what should come out is planned beforehand.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::datasets::{List, dataset, send};
use crate::support::{Call, Case, Client, Place, World};

/// Delivers a list into a new dataset; gives the release.
pub async fn delivered(world: &World, place: Place, list: &List, mode: &str) -> String {
    let (dataset, _) = dataset(world, place).await;
    delivered_to(world, place, &dataset, list, mode).await
}

pub async fn delivered_to(world: &World, place: Place, dataset: &str, list: &List, mode: &str) -> String {
    let coordinator = world.role_in(place, Role::Coordinator);
    let sent = send(&coordinator, dataset, &[("mode", mode)], list.csv().as_bytes()).await.expect(202);
    world.run_jobs().await;
    let release = sent.body["release_id"].as_str().unwrap().to_owned();
    let state = coordinator.get(&format!("/releases/{release}")).await.expect(200).body["state"].clone();
    assert_eq!(state, if mode == "keep" { "kept" } else { "imported" });
    release
}

/// Begins a run and works it off; gives its id.
pub async fn ran(world: &World, client: &Client, body: Value) -> String {
    let begun = client.post("/matching-runs", body).await.expect(202);
    world.run_jobs().await;
    let id = begun.body["run_id"].as_str().unwrap().to_owned();
    let run = client.get(&format!("/matching-runs/{id}")).await.expect(200).body;
    assert_eq!((run["state"].as_str(), run["job_id"].as_str()), (Some("done"), begun.body["job_id"].as_str()), "{run}");
    id
}

pub async fn statuses(client: &Client, run: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for result in client.all(&format!("/matching-runs/{run}/results?limit=200")).await {
        *counts.entry(result["status"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// Runs that the cases look at: they change nothing of them but decisions, and each takes a fresh pair for one.
static RUNS: Mutex<Option<Runs>> = Mutex::new(None);

/// By database and whether at home: the run, its left release.
type Runs = HashMap<(String, bool), (String, String)>;

/// A run of a place that is done, and the release on its left.
pub async fn run(world: &World, place: Place) -> (String, String) {
    let key = (world.db.url.clone(), place == Place::Home);
    let known = RUNS.lock().unwrap().as_ref().and_then(|runs| runs.get(&key).cloned());
    if let Some(known) = known {
        return known;
    }
    let list = List::new(world, world.place(place).regency, 31, 60).await;
    let (left, right) = (delivered(world, place, &list, "keep").await, delivered(world, place, &list, "keep").await);
    let coordinator = world.role_in(place, Role::Coordinator);
    let body = json!({"left_release_id": left, "against": "release", "right_release_id": right, "four_eyes": true});
    let made = (ran(world, &coordinator, body).await, left);
    RUNS.lock().unwrap().get_or_insert_default().insert(key, made.clone());
    made
}

/// A pair that nobody has decided about.
async fn pair(world: &World, place: Place) -> String {
    let (run, _) = run(world, place).await;
    let coordinator = world.role_in(place, Role::Coordinator);
    let open = coordinator.get(&format!("/matching-runs/{run}/pairs?decided=false&limit=1")).await.expect(200).body;
    open["items"][0]["id"].as_str().unwrap_or_else(|| panic!("no pair is left: {open}")).to_owned()
}

/// A proposed decision of a place, taken by the coordinator of the twin there.
async fn proposed(world: &World, place: Place) -> String {
    let pair = pair(world, place).await;
    let path = format!("/match-pairs/{pair}/decision");
    world.role_in(place, Role::SocialAffairs).post(&path, json!({"outcome": "match"})).await.expect(201).id()
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("matching_list", |world, place| Call::list("/matching-runs?limit=200", [run(world, place).await.0])),
        case!("matching_create", |world, place| {
            let (_, left) = run(world, place).await;
            Call::send("/matching-runs", json!({"left_release_id": left, "against": "itself"}))
        }),
        case!("matching_fetch", |world, place| Call::get(format!("/matching-runs/{}", run(world, place).await.0))),
        case!("matching_history", |world, place| Call::get(format!("/matching-runs/{}/history", run(world, place).await.0))),
        case!("matching_summary", |world, place| Call::get(format!("/matching-runs/{}/summary", run(world, place).await.0))),
        case!("matching_results", |world, place| {
            let (run, _) = run(world, place).await;
            Call::get(format!("/matching-runs/{run}/results"))
        }),
        case!("matching_pairs", |world, place| {
            let pair = pair(world, place).await;
            Call::list(format!("/matching-runs/{}/pairs?limit=200&decided=false", run(world, place).await.0), [pair])
        }),
        case!("matching_fetch_pair", |world, place| Call::get(format!("/match-pairs/{}", pair(world, place).await))),
        case!("matching_decide", |world, place| {
            Call::send(
                format!("/match-pairs/{}/decision", pair(world, place).await),
                json!({"outcome": "no_match", "reason": "two people"}),
            )
        }),
        case!("matching_list_decisions", |world, place| Call::list("/match-decisions?limit=200", [proposed(world, place).await])),
        case!("matching_fetch_decision", |world, place| Call::get(format!("/match-decisions/{}", proposed(world, place).await))),
        case!("matching_history_of_decision", |world, place| Call::get(format!(
            "/match-decisions/{}/history",
            proposed(world, place).await
        ))),
        case!("matching_confirm", |world, place| {
            // Taken by nobody of those who are asked to confirm it.
            let id = proposed(world, place).await;
            let sql = "UPDATE match_decisions SET decided_by = $1 WHERE id = $2";
            world.sql().await.execute(sql, &[&entas::platform::SYSTEM, &Uuid::parse_str(&id).unwrap()]).await.unwrap();
            Call { path: format!("/match-decisions/{id}/confirm"), ..Call::default() }
        }),
        case!("matching_undo", |world, place| {
            Call::send(format!("/match-decisions/{}/undo", proposed(world, place).await), json!({"reason": "a slip"}))
        }),
    ]
}

/// The list with planted changes, and what a comparison of the changed list (left) with the true one (right) has to say of
/// each person: by the person's place among all.
async fn planted(world: &World) -> (List, List, Vec<&'static str>) {
    let truth = List::new(world, "62.02", 5, 220).await;
    let mut left = List::new(world, "62.02", 5, 220).await;
    let mut expected = Vec::new();
    let mut n = 0usize;
    for family in &mut left.families {
        for member in &mut family.members {
            n += 1;
            let had = member.nik.is_some();
            expected.push(match n % 10 {
                // The NIK is lost: found by name, birth date, place and family.
                1 => {
                    member.nik = None;
                    "matched_by_name"
                }
                _ if had => "matched",
                _ => "matched_by_name",
            });
        }
    }
    (left, truth, expected)
}

#[actix_web::test]
async fn two_lists_are_matched_as_planned_and_decisions_outlive_runs() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (left, truth, expected) = planted(&world).await;
    let (of_left, _) = dataset(&world, Place::Home).await;
    let one = delivered_to(&world, Place::Home, &of_left, &left, "keep").await;
    let other = delivered(&world, Place::Home, &truth, "keep").await;
    assert_eq!(world.sql().await.query_one("SELECT count(*) FROM beneficiaries", &[]).await.unwrap().get::<_, i64>(0), 0);
    let wish = json!({"left_release_id": one, "against": "release", "right_release_id": other});
    let run = ran(&world, &coordinator, wish.clone()).await;
    let counts = statuses(&coordinator, &run).await;
    let mut planned: BTreeMap<String, usize> = BTreeMap::new();
    for status in &expected {
        *planned.entry((*status).to_owned()).or_default() += 1;
    }
    assert_eq!(counts, planned);
    let summary = coordinator.get(&format!("/matching-runs/{run}/summary?level=regency")).await.expect(200).body;
    assert_eq!((summary["people"].as_u64(), summary["found"].as_u64()), (Some(left.people() as u64), Some(left.people() as u64)));
    // Terms add up to the weight, and nobody's number is in the answer.
    let pairs = coordinator.all(&format!("/matching-runs/{run}/pairs?limit=200")).await;
    let niks: Vec<&str> = truth.niks().collect();
    for pair in pairs.iter().take(40) {
        let seen = coordinator.get(&format!("/match-pairs/{}", pair["id"].as_str().unwrap())).await.expect(200).body;
        let sum: f64 = seen["terms"].as_array().unwrap().iter().map(|term| term["weight"].as_f64().unwrap()).sum();
        assert!((sum - seen["pair"]["weight"].as_f64().unwrap()).abs() < 1e-6, "{seen}");
        let text = seen.to_string();
        assert!(niks.iter().all(|nik| !text.contains(nik)));
        assert_eq!(seen["left"]["name"], seen["right"]["name"]);
    }
    world.flush_reads().await;
    let reads = "SELECT count(*) FROM reads WHERE resource = 'match-pairs'";
    assert_eq!(world.sql().await.query_one(reads, &[]).await.unwrap().get::<_, i64>(0), 40);
    // A pair of a run from before codebooks keeps its words; one that nobody weighed has none.
    let [spelt, unweighed] = [&pairs[0], &pairs[1]].map(|pair| pair["id"].as_str().unwrap().to_owned());
    let unset = "pattern = NULL, left_rivals = NULL, right_rivals = NULL, chain = NULL, calibration = NULL";
    let words = r#"[["prior",[],1.5],["name",[["name","equal_rare"]],2.25]]"#;
    let old = format!(
        "UPDATE match_pairs SET {unset}, terms = '{words}' WHERE id = '{spelt}'; UPDATE match_pairs SET {unset} WHERE id = '{unweighed}'"
    );
    world.sql().await.batch_execute(&old).await.unwrap();
    let terms = coordinator.get(&format!("/match-pairs/{spelt}")).await.expect(200).body["terms"].clone();
    assert_eq!(
        (terms[0]["key"].as_str(), terms[1]["weight"].as_f64(), terms[1]["levels"][0]["level"].as_str()),
        (Some("prior"), Some(2.25), Some("equal_rare"))
    );
    assert_eq!(coordinator.get(&format!("/match-pairs/{unweighed}")).await.expect(200).body["terms"], json!([]));
    // Twenty decisions against the engine; they hold at once, in a new run, and for a new release of the same record.
    let officer = world.role(Role::CivilRegistry);
    let mut decisions = Vec::new();
    for pair in pairs.iter().filter(|pair| pair["nik_agrees"] == true).take(20) {
        let path = format!("/match-pairs/{}/decision", pair["id"].as_str().unwrap());
        let decided = officer.post(&path, json!({"outcome": "no_match", "reason": "the office knows both"})).await.expect(201);
        assert_eq!(decided.body["state"], "in_force");
        officer.post(&path, json!({"outcome": "match"})).await.refused(409, "decision_stands");
        decisions.push(decided.id());
    }
    let after = statuses(&coordinator, &run).await;
    let mut expected = planned.clone();
    *expected.get_mut("matched").unwrap() -= 20;
    expected.insert("nik_duplicate".into(), 20);
    let counts = after.clone();
    assert_eq!((counts["matched"], counts["nik_duplicate"]), (expected["matched"], 20), "{counts:?}");
    let mut changed = List::new(&world, "62.02", 5, 220).await;
    changed.families.clone_from(&left.families);
    changed.families[0].address = "Jalan Baru 1".into();
    let next = delivered_to(&world, Place::Home, &of_left, &changed, "keep").await;
    for wish in [wish, json!({"left_release_id": next, "against": "release", "right_release_id": other})] {
        let again = ran(&world, &coordinator, wish).await;
        let again = statuses(&coordinator, &again).await;
        assert_eq!(again["matched"], expected["matched"], "{again:?}");
        assert_eq!(again["nik_duplicate"], 20, "{again:?}");
    }
    // Taken back, everything is as it was.
    for decision in decisions {
        officer.post(&format!("/match-decisions/{decision}/undo"), json!({"reason": "they are one after all"})).await.expect(200);
        officer.post(&format!("/match-decisions/{decision}/undo"), json!({"reason": "again"})).await.refused(409, "step_not_allowed");
    }
    assert_eq!(statuses(&coordinator, &run).await, planned);
}

#[actix_web::test]
async fn four_eyes_means_two_people() {
    let world = World::new().await;
    let (run, _) = run(&world, Place::Home).await;
    let (one, other) = (world.role(Role::SocialAffairs), world.role(Role::Coordinator));
    let before = statuses(&other, &run).await;
    let pair = pair(&world, Place::Home).await;
    let decided = one.post(&format!("/match-pairs/{pair}/decision"), json!({"outcome": "no_match"})).await.expect(201);
    assert_eq!(decided.body["state"], "proposed");
    assert_eq!(statuses(&other, &run).await, before, "what is only proposed changes nothing");
    let path = format!("/match-decisions/{}/confirm", decided.id());
    one.post(&path, json!(null)).await.refused(409, "four_eyes");
    assert_eq!(other.post(&path, json!(null)).await.expect(200).body["state"], "in_force");
    other.post(&path, json!(null)).await.refused(409, "step_not_allowed");
    assert_ne!(statuses(&other, &run).await, before);
    let undo = format!("/match-decisions/{}/undo", decided.id());
    one.post(&undo, json!({"reason": "on second thoughts"})).await.refused(409, "four_eyes");
    // A run without four eyes over the same people is no way around them.
    let (_, left) = self::run(&world, Place::Home).await;
    let right = other.get(&format!("/matching-runs/{run}")).await.expect(200).body["right_release_id"].clone();
    let alone = ran(&world, &other, json!({"left_release_id": left, "against": "release", "right_release_id": right})).await;
    let open = other.get(&format!("/matching-runs/{alone}/pairs?decided=false&limit=1")).await.expect(200).body["items"][0]["id"].clone();
    let path = format!("/match-pairs/{}/decision", open.as_str().unwrap());
    assert_eq!(
        other.post(&path, json!({"outcome": "match", "reason": "NIK 6202094101900001"})).await.refused(422, "invalid").body["errors"][0]["path"],
        "reason"
    );
    assert_eq!(other.post(&path, json!({"outcome": "match"})).await.expect(201).body["state"], "proposed");
    other.post(&format!("/match-decisions/{}/undo", decided.id()), json!({"reason": "wrong pair"})).await.expect(200);
    assert_eq!(statuses(&other, &run).await, before);
}

#[actix_web::test]
async fn a_list_finds_its_families_and_who_is_on_it_twice() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 8, 150).await;
    let release = delivered(&world, Place::Home, &list, "commit").await;
    let run = ran(&world, &coordinator, json!({"left_release_id": release, "against": "families"})).await;
    let counts = statuses(&coordinator, &run).await;
    let found: usize = counts.iter().filter(|(status, _)| status.starts_with("matched")).map(|(_, people)| people).sum();
    assert_eq!(found, list.people(), "{counts:?}");
    // Ten families are on the list a second time, under another key.
    let mut twice = List::new(&world, "62.02", 8, 150).await;
    let copies: Vec<_> = twice.families.iter().take(10).cloned().collect();
    let mut people = 0;
    for (n, mut copy) in copies.into_iter().enumerate() {
        copy.source_id = format!("COPY{n}");
        for (m, member) in copy.members.iter_mut().enumerate() {
            member.source_id = format!("COPY{n}.{m}");
            people += 1;
        }
        twice.families.push(copy);
    }
    let release = delivered(&world, Place::Home, &twice, "keep").await;
    let run = ran(&world, &coordinator, json!({"left_release_id": release, "against": "itself"})).await;
    let pairs = coordinator.all(&format!("/matching-runs/{run}/pairs?limit=200")).await;
    let mut planted = 0;
    for pair in pairs.iter().filter(|pair| pair["zone"] == "match") {
        let seen = coordinator.get(&format!("/match-pairs/{}", pair["id"].as_str().unwrap())).await.expect(200).body;
        let (left, right) = (&seen["left"], &seen["right"]);
        assert!(left["name"] == right["name"] && left["birth_date"] == right["birth_date"], "not one person: {seen:#}");
        planted += usize::from(left["family"] == right["family"]);
    }
    assert_eq!(planted, people);
    // Both places of each of them say so.
    let counts = statuses(&coordinator, &run).await;
    let found: usize = counts.iter().filter(|(status, _)| status.starts_with("matched")).map(|(_, people)| people).sum();
    assert!(found >= 2 * people, "{counts:?}");
}

#[actix_web::test]
async fn nonsense_is_refused_and_results_wait_for_the_job() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 3, 12).await;
    let release = delivered(&world, Place::Home, &list, "keep").await;
    for (body, at) in [
        (json!({"left_release_id": release, "against": "release"}), "right_release_id"),
        (json!({"left_release_id": release, "against": "release", "right_release_id": release}), "right_release_id"),
        (json!({"left_release_id": release, "against": "itself", "right_release_id": release}), "right_release_id"),
        (json!({"left_release_id": release, "against": "everybody"}), "against"),
    ] {
        assert_eq!(coordinator.post("/matching-runs", body).await.refused(422, "invalid").body["errors"][0]["path"], at);
    }
    coordinator.post("/matching-runs", json!({"left_release_id": Uuid::now_v7(), "against": "itself"})).await.refused(404, "not_found");
    let (dataset, _) = dataset(&world, Place::Home).await;
    let waiting = send(&coordinator, &dataset, &[("mode", "keep")], list.csv().as_bytes()).await.expect(202).body["release_id"].clone();
    coordinator.post("/matching-runs", json!({"left_release_id": waiting, "against": "itself"})).await.refused(409, "release_not_kept");
    let begun = coordinator.post("/matching-runs", json!({"left_release_id": release, "against": "itself"})).await.expect(202).body;
    let run = begun["run_id"].as_str().unwrap();
    let queued = coordinator.get(&format!("/matching-runs/{run}")).await.expect(200);
    let known = queued.etag();
    let poll = async || coordinator.send(Method::GET, &format!("/matching-runs/{run}"), &[("if-none-match", &known)], None).await;
    poll().await.expect(304);
    for part in ["results", "pairs", "summary"] {
        coordinator.get(&format!("/matching-runs/{run}/{part}")).await.refused(409, "run_not_done");
    }
    coordinator.post(&format!("/jobs/{}/cancel", begun["job_id"].as_str().unwrap()), json!(null)).await.expect(200);
    world.run_jobs().await;
    assert_eq!(poll().await.expect(200).body["state"], "cancelled", "whoever polls with what they know learns of it");
    coordinator.get(&format!("/matching-runs/{run}/results")).await.refused(409, "run_not_done");
}

#[actix_web::test]
async fn what_was_decided_about_a_member_holds_for_whom_they_turned_out_to_be() {
    let world = World::new().await;
    let (coordinator, dinsos) = (world.role(Role::Coordinator), world.role(Role::SocialAffairs));
    let list = List::new(&world, "62.02", 9, 40).await;
    let release = delivered(&world, Place::Home, &list, "commit").await;
    let body = json!({"left_release_id": release, "against": "families"});
    let first = ran(&world, &coordinator, body.clone()).await;
    // Somebody who is found among our members, and is no head there.
    let found = "SELECT p.id::text, p.right_member_id::text, m.beneficiary_id::text, p.left_statement_id::text, p.left_ordinal
                   FROM match_pairs p JOIN members m ON m.id = p.right_member_id
                  WHERE p.run_id = $1::text::uuid AND p.zone = 'match' AND m.relation <> 'head' AND m.birth_date IS NOT NULL
                  ORDER BY p.id LIMIT 1";
    let row = world.sql().await.query_one(found, &[&first]).await.unwrap();
    let [pair, member, home, statement]: [String; 4] = [0, 1, 2, 3].map(|column| row.get(column));
    let ordinal: i16 = row.get(4);
    let reason = json!({"outcome": "no_match", "reason": "Diperiksa di desa"});
    let decision = coordinator.post(&format!("/match-pairs/{pair}/decision"), reason).await.expect(201).id();
    // What a run says of the person on the list, and which of our members their pairs lead to, with the decision on each.
    let told = async |run: &str| {
        let results = coordinator.all(&format!("/matching-runs/{run}/results?limit=200")).await;
        let own = |result: &&Value| result["statement_id"] == statement.as_str() && result["ordinal"] == ordinal;
        let status = results.iter().find(own).unwrap()["status"].as_str().unwrap().to_owned();
        let ids = "SELECT id::text FROM match_pairs
                    WHERE run_id = $1::text::uuid AND left_statement_id = $2::text::uuid AND left_ordinal = $3 ORDER BY id";
        let mut pairs = BTreeMap::new();
        for row in world.sql().await.query(ids, &[&run, &statement, &ordinal]).await.unwrap() {
            let seen = coordinator.get(&format!("/match-pairs/{}", row.get::<_, String>(0))).await.expect(200).body;
            pairs.insert(seen["right"]["member_id"].as_str().unwrap().to_owned(), seen["pair"]["decision"]["id"].clone());
        }
        (status, pairs)
    };
    let (status, pairs) = told(&first).await;
    assert_eq!((status.starts_with("matched"), &pairs[&member]), (false, &json!(decision)));

    // The same person was registered once more, and that record is kept.
    let known = dinsos.get(&format!("/beneficiaries/{home}/members/{member}")).await.expect(200).body;
    let head = json!({"name": known["name"], "relation": "head", "sex": known["sex"], "birth_date": known["birth_date"]});
    let new = json!({"region_code": world.home.village, "members": [head]});
    let family = dinsos.post("/beneficiaries", new).await.expect(201).id();
    let kept = dinsos.all(&format!("/beneficiaries/{family}/members")).await[0]["id"].as_str().unwrap().to_owned();
    let named = json!([{"kept_member_id": kept, "merged_member_id": member}]);
    let merge = json!({"other_id": home, "people": named, "people_only": true, "reason": "Satu orang", "override_reason": "Diuji"});
    let event = dinsos.post(&format!("/beneficiaries/{family}/merge"), merge).await.expect(201).id();
    let second = ran(&world, &coordinator, body.clone()).await;
    let (status, pairs) = told(&second).await;
    assert!(!pairs.contains_key(&member), "who was merged away is found no more: {pairs:?}");
    assert_eq!((status.starts_with("matched"), pairs.get(&kept)), (false, Some(&json!(decision))), "{status}");
    let again = world.sql().await.query_one("SELECT count(*) FROM match_decisions", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(again, 1, "carried, not taken a second time");

    // Two again: what was decided is about the one it was decided about.
    dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Dua orang"})).await.expect(200);
    let third = ran(&world, &coordinator, body).await;
    let (_, pairs) = told(&third).await;
    assert_eq!(pairs.get(&member), Some(&json!(decision)), "{pairs:?}");
    assert!(pairs.get(&kept).is_none_or(Value::is_null), "{pairs:?}");
    // Taken back, it is taken back wherever it was carried to.
    coordinator.post(&format!("/match-decisions/{decision}/undo"), json!({"reason": "Keliru"})).await.expect(200);
    let (status, pairs) = told(&second).await;
    assert_eq!((status.starts_with("matched"), pairs.get(&kept)), (true, Some(&Value::Null)), "{status}");
}
