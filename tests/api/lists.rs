//! What a matching run leaves behind: decisions that outlive keys, work lists, quality, and nothing half done.

use std::sync::Arc;

use entas::platform::Services;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::case;
use crate::datasets::{dataset, number, send};
use crate::matching::{ran, run, statuses};
use crate::releases::{Family, KEEP, deliver, family, id, list};
use crate::support::world::config;
use crate::support::{Call, Case, Client, Place, World};

pub fn cases() -> Vec<Case> {
    vec![
        case!("matching_person", |world, place| {
            let (run, _) = run(world, place).await;
            let list = world.role_in(place, Role::Coordinator).get(&format!("/matching-runs/{run}/results?limit=1")).await.expect(200);
            let somebody = &list.body["items"][0];
            Call::get(format!("/matching-runs/{run}/results/{}/{}", somebody["statement_id"].as_str().unwrap(), somebody["ordinal"]))
        }),
        case!("matching_work_list", |world, place| {
            let (run, _) = run(world, place).await;
            Call::send(format!("/matching-runs/{run}/work-list"), json!({"purpose": "Perbaikan bersama desa", "status": "nik_missing"}))
        }),
        case!("matching_work_list_csv", |world, place| {
            let (run, _) = run(world, place).await;
            let body = json!({"purpose": "Perbaikan bersama desa", "full_numbers": true});
            Call::send(format!("/matching-runs/{run}/work-list.csv"), body)
        }),
        case!("matching_quality", |world, place| Call::get(format!("/matching-runs/{}/quality", run(world, place).await.0))),
        case!("matching_draw_sample", |world, place| {
            Call::send(format!("/matching-runs/{}/samples", run(world, place).await.0), json!({"size": 5}))
        }),
        case!("matching_fetch_sample", |world, place| Call::get(format!("/match-samples/{}", sample(world, place).await))),
        case!("matching_sample_pairs", |world, place| {
            let sample = sample(world, place).await;
            let pairs = world.role_in(place, Role::Coordinator).all(&format!("/match-samples/{sample}/pairs")).await;
            Call::list(format!("/match-samples/{sample}/pairs"), [pairs[0]["id"].as_str().unwrap().to_owned()])
        }),
    ]
}

/// Works off jobs as another process would, with its own keys.
pub async fn work_off(services: &Arc<Services>) {
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
async fn looks(client: &Client, pair: &str) -> Vec<Value> {
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

    // The new keys stand first, the old ones are still there: a delivery is keyed anew.
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
    assert_eq!(statuses(&here, &between).await, decided, "keyed anew, the people are the same to what was decided");
    // Two more are decided about under the new keys and then under the old ones, one of them otherwise: the older decisions stand.
    let (mut wanted, mut again) = (Vec::new(), Vec::new());
    for pair in &sure(&coordinator, &run, 7).await[5..] {
        wanted.push(looks(&coordinator, pair).await);
        again.push(pair.clone());
    }
    let mut twins = Vec::new();
    for pair in sure(&here, &between, usize::MAX).await {
        if wanted.contains(&looks(&here, &pair).await) {
            twins.push(pair);
        }
    }
    assert_eq!(twins.len(), 2);
    for pair in &twins {
        here.post(&format!("/match-pairs/{pair}/decision"), json!({"outcome": "no_match"})).await.expect(201);
    }
    let decided = statuses(&here, &between).await;
    assert_eq!((decided["matched"], decided["nik_duplicate"]), (before["matched"] - 7, 7));
    here.post(&format!("/match-pairs/{}/decision", again[0]), json!({"outcome": "no_match"})).await.expect(201);
    here.post(&format!("/match-pairs/{}/decision", again[1]), json!({"outcome": "match"})).await.expect(201);

    entas::app::rotate_keys(&both, |_| {}).await.unwrap();
    let only = Services::new(config(&world.db.url), KeyRing::parse(&newest).unwrap()).unwrap();
    let there = world.serve_with(only.clone(), &coordinator);
    assert_eq!(statuses(&there, &run).await, decided);
    assert_eq!(statuses(&there, &between).await, decided, "what was decided before holds for the run in between");
    assert_eq!(number(&world, "SELECT count(*) FROM match_decisions WHERE state = 'in_force'").await, 7);
    assert_eq!(number(&world, "SELECT count(*) FROM match_decisions WHERE undo_reason LIKE 'Two decisions%'").await, 2);
    let undone = "SELECT count(*) FROM changes WHERE resource = 'match-decisions' AND action = 'undone'";
    assert_eq!(number(&world, undone).await, 2);
    let begun = there.post("/matching-runs", wish).await.expect(202);
    work_off(&only).await;
    let last = begun.body["run_id"].as_str().unwrap();
    assert_eq!(statuses(&there, last).await, decided);
    let known = there.all(&format!("/matching-runs/{last}/pairs?limit=200&decided=true")).await;
    assert_eq!(known.len(), 7);
    // Undone under the new keys, everything is as it was.
    for pair in known {
        let decision = pair["decision"]["id"].as_str().unwrap().to_owned();
        there.post(&format!("/match-decisions/{decision}/undo"), json!({"reason": "they are one after all"})).await.expect(200);
    }
    for run in [&run, &between, last] {
        assert_eq!(statuses(&there, run).await, before);
    }
}

/// Two lists of families keyed by KK number, kept and matched; gives the run and the releases.
pub async fn matched(world: &World, client: &Client, left: &[Family], right: &[Family]) -> (String, [String; 2]) {
    let mut releases = Vec::new();
    for families in [left, right] {
        let (dataset, _) = dataset(world, Place::Home).await;
        releases.push(id(&deliver(world, client, &dataset, &KEEP, &list(families)).await));
    }
    let [left, right] = <[String; 2]>::try_from(releases).unwrap();
    let run = ran(world, client, json!({"left_release_id": left, "against": "release", "right_release_id": right})).await;
    (run, [left, right])
}

async fn opened(client: &Client, run: &str, result: &Value) -> Value {
    let (statement, ordinal) = (result["statement_id"].as_str().unwrap(), &result["ordinal"]);
    client.get(&format!("/matching-runs/{run}/results/{statement}/{ordinal}")).await.expect(200).body
}

#[actix_web::test]
async fn whoever_is_on_a_work_list_can_be_looked_at_and_taken_home() {
    let world = World::new().await;
    let (coordinator, officer) = (world.role(Role::Coordinator), world.role(Role::CivilRegistry));
    let right: Vec<Family> = (0..80).map(|n| family(n, world.home.village)).collect();
    let mut left = right.clone();
    // A stranger who lives elsewhere with the NIK of somebody in the register, and one without any.
    let holder = right[10].people[0].clone();
    let mut stranger = family(300, world.home.next_village);
    stranger.people.truncate(1);
    (stranger.people[0].nik, stranger.people[0].name, stranger.people[0].born) = (holder.nik.clone(), "WAHYUDI PRANOTO".into(), 27);
    let mut nameless = family(301, world.home.next_village);
    nameless.people.truncate(1);
    (nameless.people[0].nik, nameless.people[0].name, nameless.people[0].born) = (String::new(), "KARTIKA DEWANTI".into(), 26);
    left.extend([stranger.clone(), nameless.clone()]);
    let (run, _) = matched(&world, &coordinator, &left, &right).await;
    let counts = statuses(&officer, &run).await;
    assert_eq!((counts["nik_duplicate"], counts["nik_missing"]), (1, 1), "{counts:?}");

    let taken = officer.all(&format!("/matching-runs/{run}/results?nik_taken=true")).await;
    assert_eq!((taken.len(), taken[0]["status"].as_str()), (1, Some("nik_duplicate")));
    let others = officer.all(&format!("/matching-runs/{run}/results?nik_taken=false&limit=200")).await;
    assert_eq!(others.len() + 1, counts.values().sum::<usize>());
    let seen = opened(&officer, &run, &taken[0]).await;
    assert_eq!((seen["person"]["name"].as_str(), seen["same_nik"]["name"].as_str()), (Some("WAHYUDI PRANOTO"), Some(holder.name.as_str())));
    assert_eq!(seen["nik_faults"], json!(["taken", "birth_date_differs"]));
    assert_eq!(seen["pairs"], json!([]));
    assert!(!seen.to_string().contains(&holder.nik) && !seen.to_string().contains(&stranger.card), "{seen}");
    let missing = officer.all(&format!("/matching-runs/{run}/results?status=nik_missing")).await;
    let seen = opened(&officer, &run, &missing[0]).await;
    assert_eq!((seen["person"]["name"].as_str(), &seen["nik_faults"]), (Some("KARTIKA DEWANTI"), &json!(["missing"])));
    let found = others.iter().find(|result| result["status"] == "matched").unwrap();
    assert_eq!(opened(&officer, &run, found).await["pairs"][0]["id"], found["pair_id"]);
    let nobody = format!("/matching-runs/{run}/results/{}/99", missing[0]["statement_id"].as_str().unwrap());
    officer.get(&nobody).await.refused(404, "not_found");
    officer.get(&format!("/matching-runs/{run}/results/x/0")).await.refused(404, "not_found");
    world.flush_reads().await;
    let reads = "SELECT sum(rows)::bigint FROM reads WHERE resource = 'statements' AND action = 'fetch'";
    assert_eq!(number(&world, reads).await, 4, "two for the contradiction, one for each of the others");

    // Taken home: masked unless asked for otherwise, and never without a record.
    let path = format!("/matching-runs/{run}/work-list.csv");
    let wish = json!({"purpose": "Perbaikan bersama Disdukcapil", "nik_taken": true});
    let masked = officer.post(&path, wish.clone()).await.expect(200).text;
    assert!(
        masked.contains("WAHYUDI PRANOTO") && masked.contains(&holder.name) && masked.contains("NIK juga dipakai orang lain"),
        "{masked}"
    );
    assert!(!masked.contains(&holder.nik) && !masked.contains(&stranger.card), "{masked}");
    let mut full = wish.clone();
    full["full_numbers"] = json!(true);
    let told = officer.post(&path, full).await.expect(200).text;
    assert!(told.contains(&format!(",'{},'{},", holder.nik, stranger.card)), "{told}");
    let all = json!({"purpose": "Perbaikan bersama desa", "region": world.home.next_village, "full_numbers": true});
    let url = format!("{}/api/v1/matching-runs/{run}/work-list", officer.base);
    let answer = officer.http.post(url).bearer_auth(officer.token.as_ref().unwrap()).json(&all).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let rows = sheet(&answer.bytes().await.unwrap());
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!((rows[0][3].as_str(), rows[0][4].as_str(), rows[0][13].as_str()), ("Nama", "NIK", "Masalah NIK"));
    let theirs = rows.iter().find(|row| row[3] == "WAHYUDI PRANOTO").unwrap();
    assert_eq!((theirs[2].as_str(), &theirs[4], &theirs[5]), (world.home.next_village, &holder.nik, &stranger.card));
    let told = "SELECT string_agg(concat_ws('|', reason, fields ->> 'people', fields ->> 'full_numbers'), '; ' ORDER BY seq)
                  FROM changes WHERE action = 'work_list_disclosed'";
    let told: String = world.sql().await.query_one(told, &[]).await.unwrap().get(0);
    let purpose = "Perbaikan bersama Disdukcapil|1";
    assert_eq!(told, format!("{purpose}|false; {purpose}|true; Perbaikan bersama desa|2|true"));
    officer.post(&path, json!({"purpose": "kurang"})).await.refused(422, "invalid");
    officer.post(&path, json!({"purpose": "Untuk NIK 6202094101900001"})).await.refused(422, "invalid");
    world.role(Role::Auditor).post(&path, wish).await.refused(403, "forbidden");
}

/// The cells of a workbook's only sheet.
fn sheet(book: &[u8]) -> Vec<Vec<String>> {
    use calamine::Reader;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(book)).unwrap();
    let range = book.worksheet_range_at(0).unwrap().unwrap();
    range.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

/// A sample of the matches of a place's run.
async fn sample(world: &World, place: Place) -> String {
    let (run, _) = run(world, place).await;
    let coordinator = world.role_in(place, Role::Coordinator);
    coordinator.post(&format!("/matching-runs/{run}/samples"), json!({"size": 3, "seed": 7})).await.expect(201).id()
}

fn ids(pairs: &[Value]) -> Vec<&str> {
    pairs.iter().map(|pair| pair["id"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_sample_says_how_many_matches_are_right() {
    let world = World::new().await;
    let (coordinator, officer) = (world.role(Role::Coordinator), world.role(Role::SocialAffairs));
    let right: Vec<Family> = (0..60).map(|n| family(n, world.home.village)).collect();
    let mut left = right.clone();
    // Some are less sure: another day of birth, no NIK, a name cut short; and three whom nobody knows.
    for (n, family) in left.iter_mut().enumerate() {
        let person = &mut family.people[0];
        match n % 6 {
            0 => person.nik = String::new(),
            1 => (person.nik, person.born) = (String::new(), person.born + 9),
            2 => person.name = person.name.split(' ').next().unwrap().to_owned(),
            _ => {}
        }
    }
    left.extend((400..403).map(|n| Family { village: world.home.next_village.into(), ..family(n, world.home.village) }));
    let (run, _) = matched(&world, &coordinator, &left, &right).await;
    let path = format!("/matching-runs/{run}/quality");
    let quality = async |level: &str| officer.get(&format!("{path}?level={level}")).await.expect(200).body;

    // What is covered, recounted from the lists.
    let report = quality("village").await;
    let results = officer.all(&format!("/matching-runs/{run}/results?limit=200")).await;
    let found = |result: &&Value| result["status"].as_str().unwrap().starts_with("matched");
    let people = left.iter().map(|family| family.people.len()).sum::<usize>();
    assert_eq!(
        (report["people"].as_u64(), report["found"].as_u64()),
        (Some(people as u64), Some(results.iter().filter(found).count() as u64))
    );
    let told = report["statuses"].as_array().unwrap().iter().map(|row| (row["status"].as_str().unwrap(), row["people"].as_u64().unwrap()));
    for (status, people) in told {
        assert_eq!(results.iter().filter(|result| result["status"] == status).count() as u64, people, "{status}");
    }
    for region in report["regions"].as_array().unwrap() {
        let there = results.iter().filter(|result| result["region_code"] == region["region_code"]);
        assert_eq!(region["people"].as_u64(), Some(there.clone().count() as u64));
        assert_eq!(region["found"].as_u64(), Some(there.filter(found).count() as u64));
    }
    assert_eq!(report["regions"].as_array().unwrap().len(), 2);
    assert_eq!(quality("regency").await["regions"][0]["people"].as_u64(), Some(people as u64));
    let matches = officer.all(&format!("/matching-runs/{run}/pairs?limit=200&zone=match")).await;
    let review = officer.all(&format!("/matching-runs/{run}/pairs?limit=200&zone=review")).await;
    assert_eq!(
        (report["pairs"]["matches"].as_u64(), report["pairs"]["review"].as_u64()),
        (Some(matches.len() as u64), Some(review.len() as u64))
    );
    let lacking: f64 = matches.iter().map(|pair| 1.0 - pair["probability"].as_f64().unwrap()).sum();
    assert!((report["expected_errors"].as_f64().unwrap() - lacking).abs() < 1e-9);
    assert_eq!(report["centre"]["unstated"].as_u64(), Some(people as u64));
    assert_eq!((&report["centre"]["agreement"], &report["samples"]), (&Value::Null, &json!([])));

    // The same seed draws the same pairs; another one others; nobody draws more than there are.
    let draw = async |body: Value| officer.post(&format!("/matching-runs/{run}/samples"), body).await.expect(201);
    let drawn = draw(json!({"size": 24, "seed": 11})).await;
    let sample = drawn.id();
    assert_eq!(
        (drawn.body["drawn"].as_u64(), drawn.body["undecided"].as_u64(), &drawn.body["estimate"]),
        (Some(24), Some(24), &Value::Null)
    );
    let pairs = officer.all(&format!("/match-samples/{sample}/pairs?limit=7")).await;
    let same = draw(json!({"size": 24, "seed": 11})).await.id();
    assert_eq!(ids(&pairs), ids(&officer.all(&format!("/match-samples/{same}/pairs")).await));
    let other = draw(json!({"size": 24})).await.id();
    assert_ne!(ids(&pairs), ids(&officer.all(&format!("/match-samples/{other}/pairs")).await));
    let all = draw(json!({"size": 2000})).await;
    assert_eq!(all.body["drawn"].as_u64(), Some(matches.len() as u64));
    officer.post(&format!("/matching-runs/{run}/samples"), json!({"size": 0})).await.refused(422, "invalid");
    world.role(Role::Auditor).post(&format!("/matching-runs/{run}/samples"), json!({})).await.refused(403, "forbidden");
    assert!(pairs.iter().all(|pair| pair["zone"] == "match"));

    // Judged: two are wrong, of one nobody can tell, one is left.
    for (n, pair) in pairs.iter().enumerate().take(23) {
        let outcome = ["no_match", "no_match", "cannot_tell", "match"][n.min(3)];
        officer.post(&format!("/match-pairs/{}/decision", pair["id"].as_str().unwrap()), json!({"outcome": outcome})).await.expect(201);
    }
    let judged = officer.get(&format!("/match-samples/{sample}")).await.expect(200).body;
    let counts = ["right", "wrong", "cannot_tell", "undecided"].map(|name| judged[name].as_u64().unwrap());
    assert_eq!(counts, [20, 2, 1, 1], "{judged}");
    assert_eq!(ids(&officer.all(&format!("/match-samples/{sample}/pairs?decided=false")).await), [pairs[23]["id"].as_str().unwrap()]);
    // The estimate, by hand from what each band's pairs are.
    let within = |pair: &Value, band: &Value| {
        let probability = pair["probability"].as_f64().unwrap();
        let (from, to) = (band["from"].as_f64().unwrap(), band["to"].as_f64().unwrap());
        probability >= from && (probability < to || to == 1.0)
    };
    let mut share = 0.0;
    for band in judged["bands"].as_array().unwrap() {
        let size = matches.iter().filter(|pair| within(pair, band)).count();
        assert_eq!(band["matches"].as_u64(), Some(size as u64));
        let places: Vec<usize> = (0..23).filter(|n| *n != 2 && within(&pairs[*n], band)).collect();
        let right = places.iter().filter(|n| **n > 2).count();
        assert_eq!((band["right"].as_u64(), band["wrong"].as_u64()), (Some(right as u64), Some((places.len() - right) as u64)));
        if size > 0 {
            share += size as f64 / matches.len() as f64 * right as f64 / places.len() as f64;
        }
    }
    let estimate = &judged["estimate"];
    assert!((estimate["precision"].as_f64().unwrap() - share).abs() < 1e-12, "{judged}");
    assert!(estimate["low"].as_f64().unwrap() < share && estimate["high"].as_f64().unwrap() > share, "{judged}");
    let report = quality("subdistrict").await;
    assert_eq!(report["samples"].as_array().unwrap().len(), 4);
    assert_eq!((&report["samples"][0], report["pairs"]["decided"].as_u64()), (&judged, Some(23)));
}
