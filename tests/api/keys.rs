//! Keys of people that are made of numbers: no number stands in clear, and nothing is lost when the keys of the installation change.

use std::sync::Arc;

use entas::features::{datasets, matching};
use entas::platform::Services;
use entas::platform::error::Code;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use serde_json::{Value, json};

use crate::datasets::{dataset, fetch, number, send};
use crate::imports::dump;
use crate::lists::work_off;
use crate::matching::{ran, statuses};
use crate::releases::{Family, KEEP, deliver, family, id, list as keyed_by_card};
use crate::support::world::config;
use crate::support::{Client, Place, World};

/// A list whose keys are numbers, under headers that do not say so.
fn keyed_by_numbers() -> String {
    let column = |header: &str, field: &str| json!({"header": header, "field": field, "required": true});
    let columns = [
        column("Kode Rumah", "source_family_id"),
        column("Kode Orang", "source_person_id"),
        column("NIK", "nik"),
        column("Nama", "name"),
        column("Tanggal Lahir", "birth_date"),
        column("Hubungan", "relation"),
        column("Jenis Kelamin", "sex"),
        column("Desa", "region_code"),
        column("Desil", "decile"),
    ];
    let sheet = json!({"unit": "person", "header_row": 1, "first_data_row": 2, "columns": columns});
    json!({"name": "Daftar desa", "sheets": [sheet]}).to_string()
}

/// Such a list: of every third family the key only holds the number of its card.
fn list(families: &[Family]) -> Vec<u8> {
    let mut text = String::from("Kode Rumah;Kode Orang;NIK;Nama;Tanggal Lahir;Hubungan;Jenis Kelamin;Desa;Desil\n");
    for (number, Family { card, village, decile, people }) in families.iter().enumerate() {
        let house = if number % 3 == 0 { format!("KK {card}/1") } else { card.clone() };
        for person in people {
            let (nik, name, born, relation) = (&person.nik, &person.name, person.born, person.relation);
            text += &format!("{house};{nik};{nik};{name};{born:02}/03/1985;{relation};L;{village};{decile}\n");
        }
    }
    text.into_bytes()
}

/// How often a number stands anywhere in the database where anybody with a dump could read it.
fn readable(world: &World, families: &[Family]) -> usize {
    let dump = dump(&world.db.url);
    assert!(families.iter().all(|family| dump.contains(&family.people[0].name)), "the control: names stand in clear");
    let niks = families.iter().flat_map(|family| &family.people).map(|person| &person.nik);
    families.iter().map(|family| &family.card).chain(niks).filter(|number| dump.contains(number.as_str())).count()
}

#[actix_web::test]
async fn a_key_that_is_a_number_stands_nowhere_in_clear_and_leads_to_the_same_person() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let ((left, _), (right, _)) = (dataset(&world, Place::Home).await, dataset(&world, Place::Home).await);
    let mut families: Vec<Family> = (0..30).map(|n| family(n, world.home.village)).collect();
    let people = families.iter().map(|family| family.people.len() as u64).sum::<u64>();
    let profile = keyed_by_numbers();
    let (commit, keep) = ([("mode", "commit"), ("profile", profile.as_str())], [("mode", "keep"), ("profile", profile.as_str())]);
    let first = deliver(&world, &coordinator, &left, &commit, &list(&families)).await;
    let counts = |release: &Value| {
        ["families", "families_new", "people", "people_new", "rows_rejected"].map(|count| release["counts"][count].as_u64().unwrap())
    };
    assert_eq!((first["state"].as_str(), counts(&first)), (Some("imported"), [30, 30, people, people, 0]), "{first}");
    let other = id(&deliver(&world, &coordinator, &right, &keep, &list(&families)).await);
    let run = ran(&world, &coordinator, json!({"left_release_id": id(&first), "against": "release", "right_release_id": other})).await;
    let pairs = coordinator.all(&format!("/matching-runs/{run}/pairs?limit=200&zone=match")).await;
    for pair in &pairs[..5] {
        coordinator
            .post(&format!("/match-pairs/{}/decision", pair["id"].as_str().unwrap()), json!({"outcome": "no_match"}))
            .await
            .expect(201);
    }
    let decided = statuses(&coordinator, &run).await;
    assert_eq!(decided["nik_duplicate"], 5);

    // The same people in the next release: one of them in another family.
    let mover = families[4].people.pop().unwrap();
    families[7].people.push(mover);
    let second = deliver(&world, &coordinator, &left, &commit, &list(&families)).await;
    assert_eq!((second["state"].as_str(), counts(&second)), (Some("imported"), [30, 0, people, 0, 0]), "{second}");
    let diff = coordinator.get(&format!("/releases/{}/diff?against={}", id(&second), id(&first))).await.expect(200);
    let compared = |kind: &str| diff.body["counts"][kind]["families"].as_u64().unwrap();
    assert_eq!((compared("unchanged"), compared("changed"), compared("entered"), compared("left")), (28, 2, 0, 0));
    let wish = json!({"left_release_id": id(&second), "against": "release", "right_release_id": other});
    let again = ran(&world, &coordinator, wish.clone()).await;
    assert_eq!(statuses(&coordinator, &again).await, decided, "what was decided holds for the next release");
    assert_eq!(readable(&world, &families), 0);

    let only = world.rotated().await;
    assert_eq!(readable(&world, &families), 0);
    let older = "SELECT (SELECT count(*) FROM source_people WHERE source_id !~ '^n-02') + (SELECT count(*) FROM match_pairs WHERE one_key !~ '/n-02')
                      + (SELECT count(*) FROM match_decisions WHERE one_key !~ '/n-02' OR other_key !~ '/n-02')";
    assert_eq!(number(&world, older).await, 0);
    let there = world.serve_with(only.clone(), &coordinator);
    for run in [&run, &again] {
        assert_eq!(statuses(&there, run).await, decided);
    }
    let begun = there.post("/matching-runs", wish).await.expect(202);
    work_off(&only).await;
    assert_eq!(statuses(&there, begun.body["run_id"].as_str().unwrap()).await, decided, "what was decided outlives the keys");
    families[2].decile += 1;
    let sent = send(&there, &left, &commit, &list(&families)).await.expect(202);
    work_off(&only).await;
    let third = fetch(&there, &sent.body["release_id"]).await;
    assert_eq!((third["state"].as_str(), counts(&third)), (Some("imported"), [30, 0, people, 0, 0]), "{third}");
    let diff = there.get(&format!("/releases/{}/diff?against={}", id(&third), id(&second))).await.expect(200);
    assert_eq!(diff.body["counts"]["decile_up"]["families"], 1);
    assert_eq!(readable(&world, &families), 0);
}

#[actix_web::test]
async fn a_person_whose_key_was_stored_in_clear_is_known() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let families: Vec<Family> = (0..6).map(|n| family(n, world.home.village)).collect();
    let profile = keyed_by_numbers();
    let commit = [("mode", "commit"), ("profile", profile.as_str())];
    deliver(&world, &coordinator, &dataset, &commit, &list(&families)).await;
    // As an earlier version stored them.
    let sql = world.sql().await;
    for family in &families[1..3] {
        for person in &family.people {
            let update = "UPDATE source_people SET source_id = $1 WHERE member_id = (SELECT id FROM members WHERE name = $2 AND birth_date = $3::text::date)";
            let born = format!("1985-03-{:02}", person.born);
            assert_eq!(sql.execute(update, &[&person.nik, &person.name, &born]).await.unwrap(), 1);
        }
    }
    assert!(readable(&world, &families) > 0, "the control");
    let mut next = families.clone();
    next.iter_mut().for_each(|family| family.decile += 1);
    let again = deliver(&world, &coordinator, &dataset, &commit, &list(&next)).await;
    assert_eq!((again["counts"]["families_new"].as_u64(), again["counts"]["people_new"].as_u64()), (Some(0), Some(0)), "{again}");
}

/// Renews one more statement and what follows from it, and breaks off before the next; says whether nothing was left.
async fn rotated_by_one(services: &Arc<Services>) -> bool {
    let mut renewed = false;
    let broken_off = datasets::rotate_keys(
        services,
        1,
        async |tx, people| {
            if std::mem::replace(&mut renewed, true) {
                return Err(Code::Unavailable.into());
            }
            matching::follow_keys(tx, people).await
        },
        drop,
    )
    .await;
    broken_off.is_ok()
}

/// The people whom decisions hold for in a run, by the names on both sides, with what was decided.
async fn known(client: &Client, run: &str) -> Vec<[Value; 3]> {
    let mut known = Vec::new();
    for pair in client.all(&format!("/matching-runs/{run}/pairs?limit=200&decided=true")).await {
        let seen = client.get(&format!("/match-pairs/{}", pair["id"].as_str().unwrap())).await.expect(200).body;
        known.push([seen["left"]["name"].clone(), seen["right"]["name"].clone(), pair["decision"]["outcome"].clone()]);
    }
    known.sort_by_key(|known| known[0].to_string());
    known
}

#[actix_web::test]
async fn decisions_hold_wherever_a_rotation_was_broken_off() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let ((left, _), (right, _)) = (dataset(&world, Place::Home).await, dataset(&world, Place::Home).await);
    let families: Vec<Family> = (0..4).map(|n| family(n, world.home.village)).collect();
    // The other list has one of them under another name, day of birth, card and village: the number alone speaks for them.
    let mut others = families.clone();
    others[0] = Family { card: family(70, "").card, village: world.home.next_village.into(), ..others[0].clone() };
    others[0].people[0].name = "WAWAN SETIAWAN".into();
    others[0].people[0].born = 9;
    let one = id(&deliver(&world, &coordinator, &left, &KEEP, &keyed_by_card(&families)).await);
    let other = id(&deliver(&world, &coordinator, &right, &KEEP, &keyed_by_card(&others)).await);
    // Later releases of both: without the number nothing is left that an engine could find those two by.
    let mut next = [families.clone(), others.clone()];
    next.iter_mut().flatten().for_each(|family| family.decile += 1);
    next[1][0].people[0].nik = String::new();
    let later = id(&deliver(&world, &coordinator, &left, &KEEP, &keyed_by_card(&next[0])).await);
    let latest = id(&deliver(&world, &coordinator, &right, &KEEP, &keyed_by_card(&next[1])).await);
    let wish = json!({"left_release_id": later, "against": "release", "right_release_id": latest});
    let blind = ran(&world, &coordinator, wish.clone()).await;
    let found = coordinator.all(&format!("/matching-runs/{blind}/pairs?limit=200")).await;
    assert!(found.iter().all(|pair| pair["nik_agrees"] == true), "the control: nobody else is found, {found:?}");

    let run = ran(&world, &coordinator, json!({"left_release_id": one, "against": "release", "right_release_id": other})).await;
    let mut wanted = Vec::new();
    for pair in coordinator.all(&format!("/matching-runs/{run}/pairs?limit=200")).await {
        let path = format!("/match-pairs/{}", pair["id"].as_str().unwrap());
        let seen = coordinator.get(&path).await.expect(200).body;
        let (name, right) = (seen["left"]["name"].clone(), seen["right"]["name"].clone());
        let outcome = match (name.as_str().unwrap(), right.as_str().unwrap()) {
            (one, "WAWAN SETIAWAN") if one == families[0].people[0].name => "match",
            (one, other) if one == families[1].people[0].name && other == one => "no_match",
            _ => continue,
        };
        coordinator.post(&format!("{path}/decision"), json!({"outcome": outcome})).await.expect(201);
        wanted.push([name, right, json!(outcome)]);
    }
    wanted.sort_by_key(|known| known[0].to_string());
    assert_eq!(wanted.len(), 2);
    let decided = statuses(&coordinator, &run).await;

    let newest = format!("seal 9 {}\nindex 9 {}\n", "AQEB".repeat(10) + "AQE=", "AgIC".repeat(10) + "AgI=");
    let both = Services::new(config(&world.db.url), KeyRing::parse(&format!("{newest}{}", world.key_text)).unwrap()).unwrap();
    let here = world.serve_with(both.clone(), &coordinator);
    let (mut then, mut runs) = (None, Vec::new());
    for broken_off in 0.. {
        let begun = here.post("/matching-runs", wish.clone()).await.expect(202);
        work_off(&both).await;
        let begun = begun.body["run_id"].as_str().unwrap().to_owned();
        assert_eq!(known(&here, &begun).await, wanted, "broken off after {broken_off} statements");
        let then = then.get_or_insert(statuses(&here, &begun).await).clone();
        assert_eq!(statuses(&here, &begun).await, then, "broken off after {broken_off} statements");
        assert_eq!(statuses(&here, &run).await, decided, "broken off after {broken_off} statements");
        runs.push(begun);
        if rotated_by_one(&both).await {
            assert_eq!(broken_off, 15, "a statement a family and release, and the last one ends it");
            break;
        }
    }
    for begun in &runs {
        assert_eq!((known(&here, begun).await, Some(&statuses(&here, begun).await)), (wanted.clone(), then.as_ref()), "in the end");
    }
    let stale = "SELECT (SELECT count(*) FROM statements WHERE get_byte(digest, 0) <> 9) + (SELECT count(*) FROM match_decisions d
                  WHERE NOT EXISTS (SELECT FROM match_pairs p WHERE p.one_key = d.one_key AND p.other_key = d.other_key))";
    assert_eq!(number(&world, stale).await, 0);
}
