//! Comparing at once: whoever is registered, imported or corrected is found to be on file already, whoever wrote them.

use entas::features::matching::compare_queued;
use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::datasets::{List, dataset, send};
use crate::support::{Call, Case, Place, World};

/// Compares everybody who waits.
async fn compare(world: &World) -> usize {
    let mut compared = 0;
    loop {
        match compare_queued(&world.services).await.unwrap() {
            0 => return compared,
            some => compared += some,
        }
    }
}

fn letters(mut n: u128) -> String {
    let mut word = String::from("S");
    for _ in 0..9 {
        word.push(char::from(b'a' + u8::try_from(n % 26).unwrap()));
        n /= 26;
    }
    word
}

async fn register(world: &World, place: Place, village: &str, members: Value) -> String {
    let body = json!({"region_code": village, "members": members});
    world.role_in(place, Role::SocialAffairs).post("/beneficiaries", body).await.expect(201).id()
}

/// Two families of a place that name one person; the pair that is found.
async fn twins(world: &World, place: Place) -> String {
    let name = format!("{} {}", letters(Uuid::now_v7().as_u128()), letters(Uuid::now_v7().as_u128() >> 7));
    let person = json!([{"name": name, "relation": "head", "sex": "female", "birth_date": "1985-07-03"}]);
    // A village of their own, and nobody else who waits: the sweeps register thousands.
    let sql = world.sql().await;
    sql.execute("DELETE FROM match_queue", &[]).await.unwrap();
    let free = "SELECT code FROM regions r WHERE left(code, 5) = $1 AND length(code) = 13
                   AND NOT EXISTS (SELECT 1 FROM beneficiaries b WHERE b.region_code = r.code) ORDER BY code DESC LIMIT 1";
    let village = sql.query_opt(free, &[&world.place(place).regency]).await.unwrap();
    let village = village.map_or_else(|| world.place(place).next_village.to_owned(), |row| row.get(0));
    let family = register(world, place, &village, person.clone()).await;
    register(world, place, &village, person).await;
    compare(world).await;
    let coordinator = world.role_in(place, Role::Coordinator);
    let found = coordinator.get(&format!("/possible-duplicates?beneficiary_id={family}")).await.expect(200).body;
    found["items"][0]["id"].as_str().unwrap_or_else(|| panic!("nobody found: {found}")).to_owned()
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("matching_list_duplicates", |world, place| Call::list("/possible-duplicates?limit=200", [twins(world, place).await])),
        case!("matching_fetch_duplicate", |world, place| Call::get(format!("/possible-duplicates/{}", twins(world, place).await))),
        case!("matching_dismiss", |world, place| Call::send(
            format!("/possible-duplicates/{}/dismiss", twins(world, place).await),
            json!({"reason": "Dua orang dengan nama sama"})
        )),
        case!("matching_reopen", |world, place| {
            let path = format!("/possible-duplicates/{}", twins(world, place).await);
            let coordinator = world.role_in(place, Role::Coordinator);
            coordinator.post(&format!("{path}/dismiss"), json!({"reason": "Dua orang"})).await.expect(200);
            Call::get(format!("{path}/reopen"))
        }),
        case!("matching_history_of_duplicate", |world, place| Call::get(format!(
            "/possible-duplicates/{}/history",
            twins(world, place).await
        ))),
    ]
}

#[actix_web::test]
async fn who_is_on_file_already_is_found_at_once_whoever_wrote_them() {
    let world = World::new().await;
    let (coordinator, dinsos) = (world.role(Role::Coordinator), world.role(Role::SocialAffairs));
    let list = List::new(&world, "62.02", 5, 150).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    send(&coordinator, &dataset, &[("mode", "commit")], &list.workbook()).await.expect(202);
    world.run_jobs().await;
    assert_eq!(compare(&world).await, list.people(), "whoever was imported is compared");
    assert_eq!(compare(&world).await, 0);
    let before = coordinator.all("/possible-duplicates?limit=200").await;
    // The list names nobody twice, but it has twins and namesakes: few are to be looked at, and whoever one family names side by
    // side is two people.
    assert!(before.len() * 50 < list.people(), "{} of {} to be looked at", before.len(), list.people());
    for row in before.iter().filter(|row| row["zone"] == "match") {
        let shown = coordinator.get(&format!("/possible-duplicates/{}", row["id"].as_str().unwrap())).await.expect(200).body;
        let same = |field: &str| shown["one"][field] == shown["other"][field];
        assert!(same("birth_date") && !same("address"), "{shown}");
    }

    // Ten heads come again without a NIK: five in their village with a slip in the name, five in another village.
    let mut planted = Vec::new();
    for (n, family) in list.families.iter().take(10).enumerate() {
        let head = &family.members[0];
        let query = json!({"name": head.name, "birth_date": head.birth_date});
        let hit = dinsos.post("/beneficiaries/search", query).await.expect(200).body["items"][0].clone();
        let (mut name, mut village) = (head.name.clone(), world.home.next_village.to_owned());
        if n % 2 == 0 {
            name.remove(name.len() - 2);
            village = hit["beneficiary"]["region_code"].as_str().unwrap().to_owned();
        }
        let sex = hit["member"]["sex"].clone();
        let again = json!([{"name": name, "relation": "head", "sex": sex, "birth_date": head.birth_date}]);
        planted.push((hit["member"]["id"].clone(), register(&world, Place::Home, &village, again).await));
    }
    assert_eq!(compare(&world).await, 10);
    let mut found = 0;
    for (on_file, family) in &planted {
        let rows = coordinator.all(&format!("/possible-duplicates?beneficiary_id={family}")).await;
        found += usize::from(rows.iter().any(|row| row["one_id"] == *on_file || row["other_id"] == *on_file));
    }
    assert!(found >= 7, "{found} of 10 were found");

    // Somebody whose record becomes somebody's by a correction.
    let child = register(
        &world,
        Place::Home,
        world.home.village,
        json!([{"name": "Zulkarnaen Effendi", "relation": "head", "sex": "male", "birth_date": "1961-03-04"}]),
    )
    .await;
    let other = register(
        &world,
        Place::Home,
        world.home.village,
        json!([{"name": "Bahrudin", "relation": "head", "sex": "male", "birth_date": "1988-03-04"}]),
    )
    .await;
    compare(&world).await;
    let path = format!("/possible-duplicates?beneficiary_id={child}");
    assert!(coordinator.all(&path).await.is_empty());
    let members = dinsos.all(&format!("/beneficiaries/{other}/members")).await;
    let member = format!("/beneficiaries/{other}/members/{}", members[0]["id"].as_str().unwrap());
    dinsos.patch(&member, "\"1\"", json!({"name": "Zulkarnain Effendi", "birth_date": "1961-03-04"})).await.expect(200);
    assert_eq!(compare(&world).await, 1, "only who was corrected is compared");
    let rows = coordinator.all(&path).await;
    assert_eq!(rows.len(), 1, "{rows:?}");

    // Side by side, with terms that add up; dismissed it stays dismissed.
    let pair = format!("/possible-duplicates/{}", rows[0]["id"].as_str().unwrap());
    let shown = coordinator.get(&pair).await.expect(200).body;
    let sum: f64 = shown["terms"].as_array().unwrap().iter().map(|term| term["weight"].as_f64().unwrap()).sum();
    assert!((sum - shown["duplicate"]["weight"].as_f64().unwrap()).abs() < 1e-6, "{shown}");
    assert!(["Zulkarnaen Effendi", "Zulkarnain Effendi"].contains(&shown["one"]["name"].as_str().unwrap()));
    coordinator.post(&format!("{pair}/dismiss"), json!({"reason": "Dua orang, dipastikan RT"})).await.expect(200);
    coordinator.post(&format!("{pair}/dismiss"), json!({"reason": "Sekali lagi"})).await.refused(409, "step_not_allowed");
    dinsos.patch(&member, "\"2\"", json!({"mother_name": "Aminah"})).await.expect(200);
    compare(&world).await;
    let rows = coordinator.all(&format!("{path}&state=dismissed")).await;
    assert_eq!((rows.len(), rows[0]["reason"].as_str()), (1, Some("Dua orang, dipastikan RT")));
    coordinator.step(&format!("{pair}/reopen")).await.expect(200);

    // Corrected back, they are no longer alike; corrected again and merged, nothing is left to look at.
    dinsos.patch(&member, "\"3\"", json!({"name": "Bahrudin", "birth_date": "1988-03-04"})).await.expect(200);
    compare(&world).await;
    assert!(coordinator.all(&path).await.is_empty());
    dinsos.patch(&member, "\"4\"", json!({"name": "Zulkarnain Effendi", "birth_date": "1961-03-04"})).await.expect(200);
    compare(&world).await;
    assert_eq!(coordinator.all(&path).await.len(), 1);
    let ours = dinsos.all(&format!("/beneficiaries/{child}/members")).await;
    let people = json!([{"kept_member_id": ours[0]["id"], "merged_member_id": members[0]["id"]}]);
    dinsos
        .post(&format!("/beneficiaries/{child}/merge"), json!({"other_id": other, "people": people, "reason": "Orang yang sama"}))
        .await
        .expect(201);
    compare(&world).await;
    assert!(coordinator.all(&path).await.is_empty());
}
