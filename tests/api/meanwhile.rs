//! What happens to families between the visit and the acceptance: merges, splits, moves, deaths, corrections by officers; and what
//! happens to a village's result while others work on it. All through HTTP.

use std::collections::BTreeMap;

use entas::platform::Services;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::attachments::attachment;
use crate::datasets::number;
use crate::family_events::{member, people};
use crate::results::signed;
use crate::support::{Answer, Client, Place, World};
use crate::verification::{batch, campaign_body, family_in, release_of, visit};

/// An open campaign over families on file: its address, its release, and the part of each village.
struct Campaign {
    path: String,
    release: String,
    parts: BTreeMap<String, String>,
}

async fn campaign(world: &World, families: &[&str]) -> Campaign {
    let families: Vec<String> = families.iter().map(|id| (*id).to_owned()).collect();
    let release = release_of(world, Place::Home, &families).await;
    let coordinator = world.role(Role::Coordinator);
    let planned = coordinator.post("/verification-campaigns", campaign_body(world, Place::Home, &release)).await.expect(201);
    let path = format!("/verification-campaigns/{}", planned.id());
    coordinator.step(&format!("{path}/open")).await.expect(202);
    world.run_jobs().await;
    let parts = parts(&coordinator, &path).await;
    Campaign { path, release, parts }
}

async fn parts(coordinator: &Client, path: &str) -> BTreeMap<String, String> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = coordinator.all(&format!("{path}/assignments")).await;
    rows.iter().map(|row| (text(row, "region_code"), text(row, "village_result_id"))).collect()
}

/// A visit that finds a family, but for what is said otherwise.
fn seen(family: &str, otherwise: Value) -> Value {
    let mut visit = visit(family);
    visit.as_object_mut().unwrap().extend(otherwise.as_object().unwrap().clone());
    visit
}

async fn send(operator: &Client, result: &str, visits: &[Value]) {
    let sent = operator.post("/visits", batch(result, visits)).await.expect(200);
    assert_eq!(sent.body["recorded"].as_u64(), Some(visits.len() as u64), "{}", sent.text);
}

/// The village head signs, nothing is posted; the camat forwards.
async fn hand_over(world: &World, head: &Client, village: &str, result: &str) {
    let minutes = attachment(head, village, "minutes").await;
    let path = format!("/village-results/{result}");
    head.post(&format!("{path}/finalise"), signed(&minutes, 0)).await.expect(200);
    let letter = json!({"letter_number": "400/112"});
    world.role(Role::SubdistrictOfficer).post(&format!("{path}/forward"), letter).await.expect(200);
}

async fn accept(world: &World, result: &str) -> Answer {
    world.role(Role::SocialAffairs).step(&format!("/village-results/{result}/accept")).await.expect(200)
}

/// What an acceptance could not carry over: family, member, field, code.
fn left(accepted: &Answer) -> Vec<(String, Option<String>, String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().map(str::to_owned);
    let rows = accepted.body["not_applied"].as_array().unwrap();
    let mut left: Vec<_> = rows
        .iter()
        .map(|row| (text(row, "beneficiary_id").unwrap(), text(row, "member_id"), text(row, "field").unwrap(), text(row, "code").unwrap()))
        .collect();
    left.sort();
    left
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

async fn record(client: &Client, family: &str) -> Value {
    client.get(&format!("/beneficiaries/{family}")).await.expect(200).body
}

async fn status(client: &Client, family: &str, member: &str) -> Value {
    client.get(&format!("/beneficiaries/{family}/members/{member}")).await.expect(200).body["status"].clone()
}

/// A family of a mother and a child in the first village: itself, the mother, the child.
async fn household(world: &World) -> [String; 3] {
    let family = family_in(world, Place::Home, world.home.village).await;
    let members = people(&world.role(Role::SocialAffairs), &family).await;
    let head = members.iter().find(|row| row["relation"] == "head").unwrap()["id"].as_str().unwrap().to_owned();
    [family, head, member(&members, "Anak")]
}

/// Merges a family into another one, these people with those.
async fn merge(world: &World, (kept, other): (&str, &str), people: &[(&str, &str)], people_only: bool) {
    let people: Vec<Value> = people.iter().map(|(kept, merged)| json!({"kept_member_id": kept, "merged_member_id": merged})).collect();
    let body = json!({"other_id": other, "people": people, "people_only": people_only, "reason": "Tercatat dua kali",
        "override_reason": "Dipastikan kepala dusun"});
    world.role(Role::SocialAffairs).post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201);
}

async fn died(operator: &Client, family: &str, member: &str) {
    let body = json!({"beneficiary_id": family, "member_id": member, "on": "2026-10-05"});
    operator.post("/family-events/death", body).await.expect(201);
}

#[actix_web::test]
async fn what_a_visit_says_of_a_family_that_was_merged_since_ends_and_raises_nobody() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let [kept, kept_head, kept_child] = household(&world).await;
    let [gone, ..] = household(&world).await;
    let [buried, ..] = household(&world).await;
    let [alive, ..] = household(&world).await;
    let [dead, _, dead_child] = household(&world).await;
    let village = campaign(&world, &[&gone, &buried, &alive]).await;
    let result = &village.parts[world.home.village];
    let alive_people = people(&dinsos, &alive).await;
    let alive_child = member(&alive_people, "Anak");
    send(
        &operator,
        result,
        &[
            seen(&gone, json!({"presence": "moved_out", "eligibility": "not_assessed", "answers": {}, "attributes": {"floor": "tiles"}})),
            seen(&buried, json!({"presence": "deceased", "eligibility": "not_assessed", "answers": {}, "attributes": {}})),
            seen(&alive, json!({"people": [{"member_id": alive_child, "status": "present"}], "attributes": {}})),
        ],
    )
    .await;
    hand_over(&world, &world.role(Role::VillageHead), world.home.village, result).await;

    // Two of them turn out to be families that live; of the third the child is somebody who died.
    merge(&world, (&kept, &gone), &[], false).await;
    merge(&world, (&kept, &buried), &[], false).await;
    died(&operator, &dead, &dead_child).await;
    merge(&world, (&dead, &alive), &[(&dead_child, &alive_child)], false).await;
    let accepted = accept(&world, result).await;
    let presence = |family: &str| (family.to_owned(), None, "presence".to_owned(), "record_merged".to_owned());
    assert_eq!(left(&accepted), sorted(vec![presence(&kept), presence(&kept), presence(&dead)]), "{}", accepted.text);
    let now = record(&dinsos, &kept).await;
    assert_eq!((now["status"].as_str(), now["head"]["id"].as_str()), (Some("active"), Some(kept_head.as_str())));
    assert_eq!(now["welfare"]["attributes"]["floor"], "tiles", "what was seen of the house follows");
    assert!(people(&dinsos, &kept).await.iter().all(|row| row["status"] == "present"), "nobody died of a merge");
    assert_eq!(status(&dinsos, &kept, &kept_child).await, "present");
    assert_eq!(status(&dinsos, &dead, &dead_child).await, "deceased", "and nobody rose");
}

#[actix_web::test]
async fn what_a_visit_says_of_members_who_went_elsewhere_since_ends_and_raises_nobody() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let [one, _, leaver] = household(&world).await;
    let [two, _, twin] = household(&world).await;
    let [three, _, ghost] = household(&world).await;
    let [other, _, living] = household(&world).await;
    let [fourth, _, buried] = household(&world).await;
    let village = campaign(&world, &[&one, &two, &three]).await;
    let result = &village.parts[world.home.village];
    let said =
        |family: &str, member: &str, what: &str| seen(family, json!({"attributes": {}, "people": [{"member_id": member, "status": what}]}));
    let visits = [said(&one, &leaver, "moved_out"), said(&two, &twin, "deceased"), said(&three, &ghost, "present")];
    send(&operator, result, &visits).await;
    hand_over(&world, &world.role(Role::VillageHead), world.home.village, result).await;

    // The first heads a family of their own now; the second was somebody else's child on two lists; the third somebody who died.
    let body = json!({"members": [{"member_id": leaver, "relation": "head"}], "reason": "Menikah dan pisah KK"});
    let own = dinsos.post(&format!("/beneficiaries/{one}/split"), body).await.expect(201).body["other_id"].clone();
    merge(&world, (&other, &two), &[(&living, &twin)], true).await;
    died(&operator, &fourth, &buried).await;
    merge(&world, (&fourth, &three), &[(&buried, &ghost)], true).await;
    let accepted = accept(&world, result).await;
    let at = |family: &str, member: &str, code: &str| (family.to_owned(), Some(member.to_owned()), "status".to_owned(), code.to_owned());
    let expected = vec![at(&one, &leaver, "member_elsewhere"), at(&two, &twin, "record_merged"), at(&three, &ghost, "record_merged")];
    assert_eq!(left(&accepted), sorted(expected), "{}", accepted.text);
    let own = own.as_str().unwrap();
    assert_eq!((status(&dinsos, own, &leaver).await, record(&dinsos, own).await["head"]["id"].clone()), (json!("present"), json!(leaver)));
    assert_eq!(status(&dinsos, &other, &living).await, "present");
    assert_eq!(status(&dinsos, &fourth, &buried).await, "deceased");
}

#[actix_web::test]
async fn a_visit_that_found_nobody_alive_buries_nobody_who_joined_since() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let [empty, empty_head, empty_child] = household(&world).await;
    let [born, born_head, born_child] = household(&world).await;
    let [led, led_head, led_child] = household(&world).await;
    let [wed, wed_head, wed_child] = household(&world).await;
    let [met, met_head, met_child] = household(&world).await;
    let [from, from_head, from_child] = household(&world).await;
    let families = [&empty, &born, &led, &wed, &met];
    let village = campaign(&world, &families.map(String::as_str)).await;
    let result = &village.parts[world.home.village];
    let buried = families.map(|family| {
        let now = chrono::Utc::now();
        seen(family, json!({"visited_at": now, "presence": "deceased", "eligibility": "not_assessed", "answers": {}, "attributes": {}}))
    });
    send(&operator, result, &buried).await;

    // A child is registered in one family, and one in another, who heads it from then on; a third takes in a mother and her child, and of
    // the fourth somebody was met.
    let joins = async |family: &str| {
        let body = json!({"name": format!("Datang {}", Uuid::now_v7()), "relation": "other"});
        let known = people(&dinsos, family).await;
        dinsos.post(&format!("/beneficiaries/{family}/members"), body).await.expect(201);
        let new = people(&dinsos, family).await.into_iter().find(|row| known.iter().all(|old| old["id"] != row["id"])).unwrap();
        new["id"].as_str().unwrap().to_owned()
    };
    let (baby, heir) = (joins(&born).await, joins(&led).await);
    let step = json!({"member_id": heir, "former_head_relation": "parent"});
    dinsos.post(&format!("/beneficiaries/{led}/change-head"), step).await.expect(200);
    merge(&world, (&wed, &from), &[], false).await;
    for status in ["moved_out", "present"] {
        correct(&dinsos, &format!("/beneficiaries/{met}/members/{met_child}"), json!({"status": status})).await;
    }

    hand_over(&world, &world.role(Role::VillageHead), world.home.village, result).await;
    let accepted = accept(&world, result).await;
    let at = |family: &str, member: Option<&str>, field: &str, code: &str| {
        (family.to_owned(), member.map(str::to_owned), field.to_owned(), code.to_owned())
    };
    let lives = |family: &str, member: &str| at(family, Some(member), "status", "corrected_since");
    // Who heads those who are left, a visit of a dead family cannot tell.
    let heads = |family: &str, member: &str| at(family, Some(member), "status", "required");
    let stays = |family: &str| at(family, None, "presence", "corrected_since");
    let expected = vec![
        lives(&born, &baby),
        heads(&born, &born_head),
        stays(&born),
        lives(&led, &heir),
        stays(&led),
        lives(&wed, &from_head),
        lives(&wed, &from_child),
        heads(&wed, &wed_head),
        stays(&wed),
        lives(&met, &met_child),
        heads(&met, &met_head),
        stays(&met),
    ];
    assert_eq!(left(&accepted), sorted(expected), "{}", accepted.text);
    let ended = record(&dinsos, &empty).await;
    assert_eq!((ended["status"].as_str(), ended["inactive_reason"].as_str()), (Some("inactive"), Some("deceased")));
    for (family, gone, here) in [
        (&empty, vec![&empty_head, &empty_child], vec![]),
        (&born, vec![&born_child], vec![&baby]),
        (&led, vec![&led_head, &led_child], vec![&heir]),
        (&wed, vec![&wed_child], vec![&from_head, &from_child]),
        (&met, vec![], vec![&met_child]),
    ] {
        for (members, expected) in [(gone, "deceased"), (here, "present")] {
            for member in members {
                assert_eq!(status(&dinsos, family, member).await, expected);
            }
        }
        assert_eq!(record(&dinsos, family).await["status"] == "active", *family != empty);
    }
}

#[actix_web::test]
async fn nobody_who_died_is_made_present_by_an_older_visit() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let [family, head, child] = household(&world).await;
    let village = campaign(&world, &[&family]).await;
    let result = &village.parts[world.home.village];
    let both = json!([{"member_id": head, "status": "present"}, {"member_id": child, "status": "present"}]);
    send(&operator, result, &[seen(&family, json!({"people": both}))]).await;
    died(&operator, &family, &child).await;
    hand_over(&world, &world.role(Role::VillageHead), world.home.village, result).await;
    let accepted = accept(&world, result).await;
    assert_eq!(left(&accepted), [(family.clone(), Some(child.clone()), "status".into(), "step_not_allowed".into())]);
    assert_eq!(status(&dinsos, &family, &child).await, "deceased");
    assert_eq!(record(&dinsos, &family).await["member_count"], 1);
}

#[actix_web::test]
async fn a_family_that_a_wrong_visit_ended_comes_back_with_the_next_acceptance() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let [wrong, ..] = household(&world).await;
    let [ended, ..] = household(&world).await;
    let village = campaign(&world, &[&wrong, &ended]).await;
    let (head, result) = (world.role(Role::VillageHead), &village.parts[world.home.village]);
    let gone = json!({"presence": "moved_out", "eligibility": "not_assessed", "answers": {}});
    let first = [seen(&wrong, gone.clone()), seen(&ended, json!({}))];
    send(&operator, result, &first).await;
    hand_over(&world, &head, world.home.village, result).await;
    assert_eq!(left(&accept(&world, result).await), []);
    assert_eq!(record(&dinsos, &wrong).await["status"], "inactive");
    // Whom somebody of the office served no longer stays so, whatever the next visit finds.
    dinsos.post(&format!("/beneficiaries/{ended}/deactivate"), json!({"reason": "capable"})).await.expect(200);

    dinsos.post(&format!("/village-results/{result}/reopen"), json!({"note": "Keluarga ternyata masih ada"})).await.expect(200);
    let again: Vec<Value> = first
        .iter()
        .map(|visit| seen(visit["beneficiary_id"].as_str().unwrap(), json!({"based_on_id": visit["id"], "note": "Ditemukan"})))
        .collect();
    send(&operator, result, &again).await;
    hand_over(&world, &head, world.home.village, result).await;
    assert_eq!(left(&accept(&world, result).await), []);
    let back = record(&dinsos, &wrong).await;
    assert_eq!((back["status"].as_str(), &back["inactive_reason"], &back["member_count"]), (Some("active"), &Value::Null, &json!(2)));
    assert_eq!(record(&dinsos, &ended).await["inactive_reason"], "capable");
}

#[actix_web::test]
async fn a_campaign_waits_for_results_on_their_way() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let [family, ..] = household(&world).await;
    let village = campaign(&world, &[&family]).await;
    let result = &village.parts[world.home.village];
    send(&operator, result, &[seen(&family, json!({}))]).await;
    let coordinator = world.role(Role::Coordinator);
    let (path, close) = (format!("/village-results/{result}"), format!("{}/close", village.path));
    let minutes = attachment(&world.role(Role::VillageHead), world.home.village, "minutes").await;
    world.role(Role::VillageHead).post(&format!("{path}/finalise"), signed(&minutes, 0)).await.expect(200);
    let waits = coordinator.step(&close).await.refused(409, "step_not_allowed");
    assert!(waits.body["detail"].as_str().unwrap().starts_with("1 village results"), "{}", waits.text);
    let letter = json!({"letter_number": "400/112"});
    world.role(Role::SubdistrictOfficer).post(&format!("{path}/forward"), letter).await.expect(200);
    coordinator.step(&close).await.refused(409, "step_not_allowed");
    assert_eq!(coordinator.get(&village.path).await.expect(200).body["state"], "open");
    accept(&world, result).await;
    coordinator.step(&close).await.expect(200);
}

#[actix_web::test]
async fn a_campaign_is_closed_or_a_result_sets_out_and_never_both() {
    let world = World::new().await;
    let (coordinator, operator, head) = (world.role(Role::Coordinator), world.role(Role::VillageOperator), world.role(Role::VillageHead));
    let [family, ..] = household(&world).await;
    let stuck = "SELECT count(*) FROM village_results r JOIN verification_campaigns c ON c.id = r.campaign_id
                  WHERE c.state = 'closed' AND r.state IN ('finalised', 'forwarded')";
    // The first two rounds are certain: a third connection holds the result until one of the two waits for it, and then the other.
    // After them whoever is faster.
    for round in 0..16 {
        let village = campaign(&world, &[&family]).await;
        let result = &village.parts[world.home.village];
        send(&operator, result, &[seen(&family, json!({}))]).await;
        let minutes = attachment(&head, world.home.village, "minutes").await;
        let (path, close) = (format!("/village-results/{result}"), format!("{}/close", village.path));
        let gated = round < 2;
        let turn = async |place: i64| {
            if gated {
                waiting(&world, place).await;
            }
        };
        let gate = crate::support::db::look(&world.db.url).await;
        if gated {
            gate.batch_execute(&format!("BEGIN; SELECT FROM village_results WHERE id = '{result}' FOR UPDATE")).await.unwrap();
        }
        let finalise = async {
            turn(i64::from(round % 2 == 1)).await;
            head.post(&format!("{path}/finalise"), signed(&minutes, 0)).await
        };
        let closing = async {
            turn(i64::from(round % 2 == 0)).await;
            coordinator.step(&close).await
        };
        let open = async {
            turn(2).await;
            if gated {
                gate.batch_execute("COMMIT").await.unwrap();
            }
        };
        let (finalised, closed) = if round % 2 == 0 {
            let (finalised, closed, ()) = futures_util::join!(finalise, closing, open);
            (finalised, closed)
        } else {
            let (closed, finalised, ()) = futures_util::join!(closing, finalise, open);
            (finalised, closed)
        };
        let sets_out = finalised.status == 200;
        if sets_out {
            closed.refused(409, "step_not_allowed");
        } else {
            finalised.refused(409, "campaign_not_open");
            closed.expect(200);
        }
        assert!(!gated || sets_out == (round == 0), "whoever waited first");
        let state = |client: &Client, path: &str| {
            let (client, path) = (client.clone(), path.to_owned());
            async move { client.get(&path).await.expect(200).body["state"].as_str().unwrap().to_owned() }
        };
        let now = (state(&coordinator, &village.path).await, state(&operator, &path).await);
        let expected = if sets_out { ("open", "finalised") } else { ("closed", "open") };
        assert_eq!((now.0.as_str(), now.1.as_str()), expected, "round {round}");
        if !sets_out {
            continue;
        }
        // On its way it is taken back, or forwarded, while somebody tries to close once more.
        let letter = json!({"letter_number": "400/112"});
        if round % 4 < 2 {
            let why = json!({"note": "Daftar hadir menyusul"});
            let withdraw = format!("{path}/withdraw");
            let (withdrawn, closed) = futures_util::join!(head.post(&withdraw, why), coordinator.step(&close));
            // Back with the village before the campaign was closed, or refused to be closed; nothing comes back to a closed one.
            withdrawn.expect(200);
            assert!([200, 409].contains(&closed.status), "{}", closed.text);
        } else {
            let (camat, forward) = (world.role(Role::SubdistrictOfficer), format!("{path}/forward"));
            let (forwarded, closed) = futures_util::join!(camat.post(&forward, letter), coordinator.step(&close));
            forwarded.expect(200);
            closed.refused(409, "step_not_allowed");
        }
        assert_eq!(number(&world, stuck).await, 0, "round {round}");
    }
}

#[actix_web::test]
async fn whoever_closes_a_campaign_stands_in_no_batchs_way() {
    let world = World::new().await;
    let (coordinator, operator) = (world.role(Role::Coordinator), world.role(Role::VillageOperator));
    let [family, ..] = household(&world).await;
    let village = campaign(&world, &[&family]).await;
    let close = format!("{}/close", village.path);
    let visits = batch(&village.parts[world.home.village], &[seen(&family, json!({}))]);
    // The batch holds its result and may not write yet. Whoever closes holds the campaign and waits for the result. Then the batch
    // writes visits, which refer to the campaign.
    let gate = crate::support::db::look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE visits IN SHARE MODE").await.unwrap();
    let closing = async {
        waiting(&world, 1).await;
        coordinator.step(&close).await
    };
    let open = async {
        waiting(&world, 2).await;
        gate.batch_execute("COMMIT").await.unwrap();
    };
    let (sent, closed, ()) = futures_util::join!(operator.post("/visits", visits), closing, open);
    assert_eq!(sent.expect(200).body["recorded"], 1);
    closed.expect(200);
    assert_eq!(number(&world, "SELECT count(*) FROM visits").await, 1);
}

#[actix_web::test]
async fn corrected_numbers_that_nothing_carries_any_more_are_let_go_with_the_campaign() {
    let mut world = World::new().await;
    let (here, there) = (world.home.village, world.home.next_village);
    let neighbour = world.hire("operator-2", Role::VillageOperator, there, None).await;
    let (operator, head, dinsos) = (world.role(Role::VillageOperator), world.role(Role::VillageHead), world.role(Role::SocialAffairs));
    let coordinator = world.role(Role::Coordinator);
    let ([mover, mover_head, _], [back, back_head, _], [refused, ..]) =
        (household(&world).await, household(&world).await, household(&world).await);
    let theirs = family_in(&world, Place::Home, there).await;
    let Campaign { path, parts, .. } = campaign(&world, &[&mover, &back, &refused, &theirs]).await;
    let assign = async || {
        coordinator.step(&format!("{path}/assign")).await.expect(202);
        world.run_jobs().await;
    };
    let nik = |family: &str, member: &str, nik: &str| seen(family, json!({"corrections": [{"member_id": member, "nik": nik}]}));
    let card = seen(&refused, json!({"visited_at": chrono::Utc::now(), "corrections": [{"kk_number": "6202970101220071"}]}));
    let visits = [nik(&mover, &mover_head, "6202970107800071"), nik(&back, &back_head, "6202970107800072"), card];
    send(&operator, &parts[here], &visits).await;
    correct(&dinsos, &format!("/beneficiaries/{refused}"), json!({"kk_number": "6202970101220073"})).await;

    // Given to another village they rest: the family may come back, and what was seen of it counts again.
    for family in [&mover, &back] {
        moves(family, &operator, (&neighbour, there)).await;
    }
    assign().await;
    let sealed = "SELECT count(*) FROM visits WHERE corrections_sealed IS NOT NULL";
    assert_eq!(number(&world, sealed).await, 3);
    moves(&back, &neighbour, (&operator, here)).await;
    assign().await;
    hand_over(&world, &head, here, &parts[here]).await;
    let accepted = accept(&world, &parts[here]).await;
    assert_eq!(left(&accepted), [(refused.clone(), None, "kk_number".into(), "corrected_since".into())]);
    let nik = dinsos.get(&format!("/beneficiaries/{back}/members/{back_head}")).await.expect(200).body["nik_masked"].clone();
    assert_eq!(nik, "6202********0072", "what came back was carried");
    assert_eq!(number(&world, sealed).await, 2);

    coordinator.step(&format!("{path}/close")).await.expect(200);
    let rests: Uuid =
        world.sql().await.query_one("SELECT beneficiary_id FROM visits WHERE corrections_sealed IS NOT NULL", &[]).await.unwrap().get(0);
    assert_eq!(rests.to_string(), refused, "what an acceptance named as not applied waits for somebody");
    let kept = operator.get(&format!("/visits/{}", visits[0]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(kept.body["corrections"][0]["nik"], "6202********0071", "the mask stays: {}", kept.text);
}

/// How many connections wait for a row that another one holds.
async fn waiting(world: &World, expected: i64) {
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0";
    for _ in 0..5_000 {
        if number(world, blocked).await >= expected {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody waits for the row");
}

#[actix_web::test]
async fn a_family_is_given_to_a_village_or_its_result_is_finalised_and_never_both() {
    // Both orders, each for certain: a third connection holds the result until the first of the two waits in line, and the second too.
    for assigned_first in [false, true] {
        let world = World::new().await;
        let [family, ..] = household(&world).await;
        let village = campaign(&world, &[&family]).await;
        let result = &village.parts[world.home.village];
        send(&world.role(Role::VillageOperator), result, &[seen(&family, json!({}))]).await;
        let [late, ..] = household(&world).await;
        let stated = "WITH stated AS (INSERT INTO statements (id, release_id, source_id, region_code, people, digest, sealed)
                SELECT gen_random_uuid(), $1, $2::uuid::text, region_code, 2, '\\x00', '\\x00' FROM beneficiaries WHERE id = $2)
             INSERT INTO source_families (dataset_id, source_id, beneficiary_id, release_id) SELECT dataset_id, $2::uuid::text, $2, $1 FROM releases WHERE id = $1";
        let ids: (Uuid, Uuid) = (village.release.parse().unwrap(), late.parse().unwrap());
        world.sql().await.execute(stated, &[&ids.0, &ids.1]).await.unwrap();
        world.role(Role::Coordinator).step(&format!("{}/assign", village.path)).await.expect(202);
        let head = world.role(Role::VillageHead);
        let minutes = attachment(&head, world.home.village, "minutes").await;

        let gate = crate::support::db::look(&world.db.url).await;
        gate.batch_execute("BEGIN").await.unwrap();
        gate.execute("SELECT FROM village_results WHERE id = $1 FOR UPDATE", &[&result.parse::<Uuid>().unwrap()]).await.unwrap();
        let finalise = async {
            waiting(&world, i64::from(assigned_first)).await;
            head.post(&format!("/village-results/{result}/finalise"), signed(&minutes, 0)).await
        };
        let assign = async {
            waiting(&world, i64::from(!assigned_first)).await;
            world.run_jobs().await;
        };
        let open = async {
            waiting(&world, 2).await;
            gate.batch_execute("COMMIT").await.unwrap();
        };
        let (finalised, (), ()) = futures_util::join!(finalise, assign, open);
        let (given, state) = (number(&world, "SELECT count(*) FROM assigned_families").await, finalised.status);
        if assigned_first {
            finalised.refused(409, "visits_missing");
            assert_eq!(given, 2);
        } else {
            assert_eq!((given, state), (1, 200), "{}", finalised.text);
        }
        let unvisited = number(
            &world,
            "SELECT count(*) FROM village_results r JOIN assigned_families a ON a.village_result_id = r.id
              WHERE r.state = 'finalised' AND NOT EXISTS (SELECT FROM visits v WHERE v.beneficiary_id = a.beneficiary_id)",
        )
        .await;
        assert_eq!(unvisited, 0, "nothing that nobody visited is handed over");
    }
}

#[actix_web::test]
async fn of_a_family_that_moved_while_the_campaign_runs_its_old_village_learns_nothing_more() {
    let mut world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let neighbour = world.hire("operator-2", Role::VillageOperator, world.home.next_village, None).await;
    let body = json!({"region_code": world.home.village, "address": "RT 02", "kk_number": "6202970101220051", "attributes": {"floor": "earth"},
        "members": [{"name": "Udin", "relation": "head", "nik": "6202970107800051"}, {"name": "Ani", "relation": "spouse"}]});
    let family = dinsos.post("/beneficiaries", body).await.expect(201).id();
    let [stays, ..] = household(&world).await;
    let village = campaign(&world, &[&family, &stays]).await;
    let path = format!("/village-results/{}/packet", village.parts[world.home.village]);
    let packet = operator.get(&path).await.expect(200);
    assert!(packet.text.contains("Udin") && packet.text.contains("0051"), "{}", packet.text);

    let offer = json!({"beneficiary_id": family, "to_region_code": world.home.next_village, "reason": "Pindah mengikuti pekerjaan"});
    let offered = operator.post("/family-moves", offer).await.expect(201).id();
    neighbour.post(&format!("/family-moves/{offered}/accept"), json!({"address": "RT 09"})).await.expect(200);
    let packet = operator.get(&path).await.expect(200);
    let told = packet.body["families"].as_array().unwrap().iter().find(|row| row["beneficiary_id"] == family.as_str()).unwrap();
    assert_eq!(*told, json!({"beneficiary_id": family, "moved_away": true, "attributes": {}, "needs": [], "members": []}));
    for word in ["Udin", "Ani", "0051", "RT 09", world.home.next_village] {
        assert!(!packet.text.contains(word), "{word}: {}", packet.text);
    }
    assert!(packet.text.contains(&stays));
}

async fn correct(client: &Client, path: &str, change: Value) {
    let etag = client.get(path).await.expect(200).etag();
    client.patch(path, &etag, change).await.expect(200);
}

#[actix_web::test]
async fn what_an_officer_corrected_after_the_visit_stays_and_is_named() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let body = json!({"region_code": world.home.village, "kk_number": "6202970101220061", "attributes": {"floor": "earth", "roof": "thatch"},
        "members": [{"name": "Udin", "relation": "head", "nik": "6202970107800061"}, {"name": "Ani", "relation": "spouse"},
            {"name": "Budi", "relation": "child"}, {"name": "Citra", "relation": "child"}]});
    let family = dinsos.post("/beneficiaries", body).await.expect(201).id();
    let path = format!("/beneficiaries/{family}");
    let persons = people(&dinsos, &family).await;
    let [udin, ani, budi, citra] = ["Udin", "Ani", "Budi", "Citra"].map(|name| member(&persons, name));
    let at = |member: &str| format!("{path}/members/{member}");
    let village = campaign(&world, &[&family]).await;
    let result = &village.parts[world.home.village];

    // Corrected before the visit: the visit is the newer one, to the second, on the same day.
    correct(&dinsos, &path, json!({"attributes": {"floor": "cement"}})).await;
    correct(&dinsos, &at(&udin), json!({"birth_date": "1970-01-01"})).await;
    let found = json!({
        "visited_at": chrono::Utc::now(),
        "attributes": {"floor": "tiles", "roof": "zinc", "toilet": "none"},
        "corrections": [{"kk_number": "6202970101220062"},
            {"member_id": udin, "nik": "6202970107800062", "name": "Udin Karim", "birth_date": "1980-07-01"},
            {"member_id": ani, "name": "Ani Susanti"}],
        "people": [{"member_id": budi, "status": "deceased"}, {"member_id": citra, "status": "moved_out"}]});
    send(&operator, result, &[seen(&family, found)]).await;
    // And after it, before the result is accepted: the card, one attribute, a number, a name the same way, and a child who lives.
    correct(&dinsos, &path, json!({"kk_number": "6202970101220063", "attributes": {"roof": "tile", "toilet": "none"}})).await;
    correct(&dinsos, &at(&udin), json!({"nik": "6202970107800063"})).await;
    correct(&dinsos, &at(&ani), json!({"name": "Ani Susanti"})).await;
    correct(&dinsos, &at(&budi), json!({"status": "moved_out"})).await;
    correct(&dinsos, &at(&budi), json!({"status": "present"})).await;
    hand_over(&world, &world.role(Role::VillageHead), world.home.village, result).await;
    let accepted = accept(&world, result).await;

    let stays =
        |member: Option<&str>, field: &str| (family.clone(), member.map(str::to_owned), field.to_owned(), "corrected_since".to_owned());
    let expected = vec![stays(None, "kk_number"), stays(None, "attributes.roof"), stays(Some(&udin), "nik"), stays(Some(&budi), "status")];
    assert_eq!(left(&accepted), sorted(expected), "{}", accepted.text);
    assert!(!accepted.text.contains("620297010"), "no number is told: {}", accepted.text);
    let now = record(&dinsos, &family).await;
    let attributes = &now["welfare"]["attributes"];
    assert_eq!(*attributes, json!({"floor": "tiles", "roof": "tile", "toilet": "none"}), "{now}");
    assert_eq!(now["kk_number_masked"], "6202********0063");
    let told = |who: &str| {
        let path = at(who);
        let dinsos = dinsos.clone();
        async move { dinsos.get(&path).await.expect(200).body }
    };
    let head = told(&udin).await;
    assert_eq!((head["name"].as_str(), head["birth_date"].as_str()), (Some("Udin Karim"), Some("1980-07-01")), "{head}");
    assert_eq!(head["nik_masked"], "6202********0063");
    assert_eq!((told(&budi).await["status"].clone(), told(&citra).await["status"].clone()), (json!("present"), json!("moved_out")));
    let origins = dinsos.get(&format!("{path}/provenance")).await.expect(200).body;
    let source = |fields: &Value, name: &str| fields.as_array().unwrap().iter().find(|row| row["field"] == name).unwrap()["source"].clone();
    for (field, expected) in
        [("attributes.floor", "verified"), ("attributes.roof", "officer"), ("attributes.toilet", "officer"), ("kk_number", "officer")]
    {
        assert_eq!(source(&origins["fields"], field), expected, "{field}");
    }
    // The refused numbers wait for somebody in the visit.
    assert_eq!(number(&world, "SELECT count(*) FROM visits WHERE corrections_sealed IS NOT NULL").await, 1);
}

#[actix_web::test]
async fn an_older_visit_of_another_campaign_does_not_undo_a_newer_one() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let [family, _, child] = household(&world).await;
    let [met, left_since] = [household(&world).await[0].clone(), household(&world).await[0].clone()];
    let families = [family.as_str(), met.as_str(), left_since.as_str()];
    let (older, newer) = (campaign(&world, &families).await, campaign(&world, &families[..2]).await);
    let head = world.role(Role::VillageHead);
    let accepted = async |campaign: &Campaign, visits: Vec<Value>| {
        let result = &campaign.parts[world.home.village];
        send(&operator, result, &visits).await;
        hand_over(&world, &head, world.home.village, result).await;
        left(&accept(&world, result).await)
    };
    let later = |roof: &str| json!({"visited_at": "2026-10-20T02:00:00Z", "attributes": {"roof": roof}});
    assert_eq!(accepted(&newer, vec![seen(&family, later("tile")), seen(&met, later("tile"))]).await, []);
    // The officer's word, too, came after the older visit.
    dinsos.post(&format!("/beneficiaries/{left_since}/deactivate"), json!({"reason": "moved_out"})).await.expect(200);
    dinsos.post(&format!("/beneficiaries/{left_since}/reactivate"), json!({})).await.expect(200);

    let day = "2026-10-03T02:00:00Z";
    let gone = json!({"visited_at": day, "presence": "moved_out", "eligibility": "not_assessed", "answers": {}});
    let people = json!([{"member_id": child, "status": "moved_out"}]);
    let before = seen(&family, json!({"visited_at": day, "attributes": {"roof": "thatch"}, "people": people}));
    let stays = accepted(&older, vec![before, seen(&met, gone.clone()), seen(&left_since, gone)]).await;
    let since = |family: &str, field: &str| (family.to_owned(), None, field.to_owned(), "corrected_since".to_owned());
    let expected = [since(&family, "attributes.roof"), since(&family, "presence"), since(&met, "presence"), since(&left_since, "presence")];
    assert_eq!(stays, sorted(expected.to_vec()));
    assert_eq!(record(&dinsos, &family).await["welfare"]["attributes"]["roof"], "tile");
    assert_eq!(status(&dinsos, &family, &child).await, "present");
    for family in families {
        assert_eq!(record(&dinsos, family).await["status"], "active");
    }
}

#[actix_web::test]
async fn what_a_phone_sent_is_known_again_when_its_key_is_gone() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let [family, ..] = household(&world).await;
    let village = campaign(&world, &[&family]).await;
    let result = &village.parts[world.home.village];
    let first = seen(&family, json!({"note": "Rumah panggung"}));
    send(&operator, result, std::slice::from_ref(&first)).await;
    let family =
        json!({"region_code": world.home.village, "members": [{"name": format!("Ibu {}", Uuid::now_v7().simple()), "relation": "head"}]});
    let body = json!({"id": Uuid::now_v7(), "village_result_id": result, "family": family, "eligibility": "poor", "answers": {},
        "visited_at": chrono::Utc::now().to_rfc3339()});
    let proposed = operator.post("/proposals", body.clone()).await.expect(201).id();
    let why = json!({"reason": "Keluarga ini tinggal di desa sebelah"});
    operator.post(&format!("/proposals/{proposed}/withdraw"), why).await.expect(200);

    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let newer: Vec<String> = lines(&KeyRing::generate().unwrap()).iter().map(|line| line.replacen(" 1 ", " 2 ", 1)).collect();
    let both = KeyRing::parse(&[newer.clone(), lines(&world.key_text)].concat().join("\n")).unwrap();
    let config = || crate::support::world::config(&world.db.url);
    let turning = Services::new(config(), both).unwrap();
    let during = world.serve_with(turning.clone(), &operator);
    let second = seen(first["beneficiary_id"].as_str().unwrap(), json!({"based_on_id": first["id"]}));
    send(&during, result, std::slice::from_ref(&second)).await;
    let mut lines = Vec::new();
    for _ in 0..2 {
        entas::features::verification::rotate_keys(&turning, |line| lines.push(line)).await.unwrap();
        entas::features::beneficiaries::rotate_keys(&turning, drop).await.unwrap();
    }
    let told: Vec<&String> = lines.iter().filter(|line| line.starts_with("digests")).collect();
    let digests = |count: u8| format!("digests of visits and proposals: {count} re-sealed");
    assert_eq!(told, [&digests(2), &digests(0)], "the first visit and the proposal, once");
    let alone = Services::new(config(), KeyRing::parse(&newer.join("\n")).unwrap()).unwrap();
    let replica = world.serve_with(alone, &operator);
    let again = replica.post("/visits", batch(result, &[first.clone(), second])).await.expect(200);
    assert_eq!((again.body["known"].as_u64(), again.body["refused"].as_u64()), (Some(2), Some(0)), "{}", again.text);
    let mut other = first;
    other["note"] = json!("Rumah tembok");
    let refused = replica.post("/visits", batch(result, &[other])).await.expect(200);
    assert_eq!(refused.body["items"][0]["errors"][0]["code"], "id_taken", "{}", refused.text);
    assert_eq!(replica.post("/proposals", body).await.expect(201).id(), proposed);
}

/// A family moves from one village to another: offered by one operator, accepted by the other.
async fn moves(family: &str, from: &Client, (to, village): (&Client, &str)) {
    let offer = json!({"beneficiary_id": family, "to_region_code": village, "reason": "Pindah mengikuti pekerjaan"});
    let offered = from.post("/family-moves", offer).await.expect(201).id();
    to.step(&format!("/family-moves/{offered}/accept")).await.expect(200);
}

/// Assigned, visited and contradicting of each village, as the campaign's list tells, after it was held against a count of our own:
/// every family belongs to one village, and what hangs on a former assignment counts nowhere.
async fn counts(world: &World, path: &str) -> BTreeMap<String, [i64; 3]> {
    let coordinator = world.role(Role::Coordinator);
    let number = |row: &Value, field: &str| row[field].as_i64().unwrap();
    let village = |row: &Value| row["region_code"].as_str().unwrap().to_owned();
    let rows = coordinator.all(&format!("{path}/assignments")).await;
    let told: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (village(row), [number(row, "families_assigned"), number(row, "families_visited"), number(row, "conflicts")]))
        .collect();
    let families =
        world.sql().await.query("SELECT beneficiary_id, region_code, given_away_at IS NULL FROM assigned_families", &[]).await.unwrap();
    let visits = world.sql().await.query("SELECT beneficiary_id, region_code, state FROM visits", &[]).await.unwrap();
    let mut own: BTreeMap<String, [i64; 3]> = told.keys().map(|village| (village.clone(), [0; 3])).collect();
    let mut homes: BTreeMap<Uuid, String> = BTreeMap::new();
    for row in families.iter().filter(|row| row.get::<_, bool>(2)) {
        assert_eq!(homes.insert(row.get(0), row.get(1)), None, "a family is two villages' to visit");
        own.get_mut(&row.get::<_, String>(1)).unwrap()[0] += 1;
    }
    for row in visits.iter().filter(|row| homes[&row.get::<_, Uuid>(0)] == row.get::<_, String>(1)) {
        let place = ["assigned", "standing", "conflicting"].iter().position(|state| *state == row.get::<_, String>(2));
        own.get_mut(&row.get::<_, String>(1)).unwrap()[place.unwrap()] += 1;
    }
    assert_eq!(told, own);
    let campaign = path.rsplit('/').next().unwrap();
    let board = coordinator.get(&format!("/monitoring/verification-progress?by=village&campaign={campaign}")).await.expect(200).body;
    for row in board["items"].as_array().unwrap() {
        assert_eq!([number(&row["families"], "assigned"), number(&row["families"], "visited")], told[&village(row)][..2], "{row}");
    }
    let total = |at: usize| told.values().map(|counts| counts[at]).sum::<i64>();
    assert_eq!([number(&board["total"]["families"], "assigned"), number(&board["total"]["families"], "visited")], [total(0), total(1)]);
    told
}

#[actix_web::test]
async fn a_family_that_moved_is_visited_by_its_new_village_and_counts_there_alone() {
    let mut world = World::new().await;
    let (a, b) = (world.home.village, world.home.next_village);
    let there = world.hire("operator-2", Role::VillageOperator, b, None).await;
    let their_head = world.hire("head-2", Role::VillageHead, b, None).await;
    let (here, head) = (world.role(Role::VillageOperator), world.role(Role::VillageHead));
    let (coordinator, dinsos) = (world.role(Role::Coordinator), world.role(Role::SocialAffairs));
    let ([mover, ..], [back, ..], [stays, ..]) = (household(&world).await, household(&world).await, household(&world).await);
    let theirs = family_in(&world, Place::Home, b).await;
    let Campaign { path, parts, .. } = campaign(&world, &[&mover, &back, &stays, &theirs]).await;
    let assign = async || {
        coordinator.step(&format!("{path}/assign")).await.expect(202);
        world.run_jobs().await;
    };
    let gone = seen(&mover, json!({"presence": "moved_within", "attributes": {"roof": "thatch"}}));
    send(&here, &parts[a], &[gone.clone(), seen(&back, json!({})), seen(&stays, json!({}))]).await;
    let contradicts = here.post("/visits", batch(&parts[a], &[seen(&back, json!({"eligibility": "capable"}))])).await.expect(200);
    assert_eq!(contradicts.body["conflicting"], 1);
    let expect = |here: [i64; 3], there: [i64; 3]| BTreeMap::from([(a.to_owned(), here), (b.to_owned(), there)]);
    assert_eq!(counts(&world, &path).await, expect([3, 3, 1], [1, 0, 0]));

    for family in [&mover, &back] {
        moves(family, &here, (&there, b)).await;
    }
    assert_eq!(counts(&world, &path).await, expect([3, 3, 1], [1, 0, 0]), "nothing changes hands unseen");
    assign().await;
    assert_eq!(counts(&world, &path).await, expect([1, 1, 0], [3, 0, 0]));
    let packet = |client: &Client, part: &str| {
        let (client, path) = (client.clone(), format!("/village-results/{part}/packet"));
        async move { client.get(&path).await.expect(200).body["families"].as_array().unwrap().clone() }
    };
    let of = |rows: &[Value], family: &str| rows.iter().find(|row| row["beneficiary_id"] == family).unwrap().clone();
    let old = of(&packet(&here, &parts[a]).await, &mover);
    assert_eq!((&old["moved_away"], &old["given_away"], &old["members"]), (&json!(true), &json!(true), &json!([])));
    let new = of(&packet(&there, &parts[b]).await, &mover);
    assert_eq!((new.get("moved_away"), new.get("given_away"), new["members"].as_array().unwrap().len()), (None, None, 2));
    assert_eq!(new.get("standing_visit"), None, "the new village begins anew");
    // The old village is told so, and knows what it sent before.
    let again = here.post("/visits", batch(&parts[a], &[gone, seen(&mover, json!({}))])).await.expect(200);
    assert_eq!((again.body["known"].as_u64(), again.body["items"][1]["errors"][0]["code"].as_str()), (Some(1), Some("not_assigned")));
    let told = "SELECT string_agg(action || ' ' || region_code, ', ' ORDER BY seq) FROM changes
                 WHERE resource = 'village-results' AND action IN ('family_given_away', 'family_assigned')";
    let told: String = world.sql().await.query_one(told, &[]).await.unwrap().get(0);
    assert_eq!(told.matches("family_given_away 62.02.09.2001, family_assigned 62.02.09.2002").count(), 2, "{told}");

    // One comes back, with the visits that were made here.
    moves(&back, &there, (&here, a)).await;
    assign().await;
    assert_eq!(counts(&world, &path).await, expect([2, 2, 1], [2, 0, 0]));
    let minutes = attachment(&head, a, "minutes").await;
    head.post(&format!("/village-results/{}/finalise", parts[a]), signed(&minutes, 0)).await.refused(409, "conflicts_open");
    moves(&back, &here, (&there, b)).await;
    assign().await;
    assert_eq!(counts(&world, &path).await, expect([1, 1, 0], [3, 0, 0]));

    // What waits in the old village's visits of others stops nobody there, and is carried nowhere.
    hand_over(&world, &head, a, &parts[a]).await;
    assert_eq!(left(&accept(&world, &parts[a]).await), []);
    let before = record(&dinsos, &mover).await;
    assert_eq!((before["status"].as_str(), &before["welfare"]["attributes"]), (Some("active"), &json!({"floor": "earth"})));
    // Who moves away from a result that is accepted stays in it.
    moves(&stays, &here, (&there, b)).await;
    assign().await;
    assert_eq!(counts(&world, &path).await, expect([1, 1, 0], [3, 0, 0]));
    let missing =
        their_head.post(&format!("/village-results/{}/finalise", parts[b]), signed(&attachment(&their_head, b, "minutes").await, 0)).await;
    assert!(missing.refused(409, "visits_missing").body["detail"].as_str().unwrap().starts_with("3 "));
    send(&there, &parts[b], &[seen(&mover, json!({})), seen(&back, json!({})), seen(&theirs, json!({}))]).await;
    assert_eq!(counts(&world, &path).await, expect([1, 1, 0], [3, 3, 0]));
    hand_over(&world, &their_head, b, &parts[b]).await;
    assert_eq!(left(&accept(&world, &parts[b]).await), []);
    assert_eq!(record(&dinsos, &mover).await["welfare"]["attributes"], json!({"floor": "earth", "toilet": "none"}));

    // Each stands on the list once.
    let list = json!({"region_code": world.home.regency, "title": "Sasaran"});
    let list = coordinator.post("/target-lists", list).await.expect(202).id();
    world.run_jobs().await;
    let entries = coordinator.all(&format!("/target-lists/{list}/entries?included=true")).await;
    let on = sorted(entries.iter().map(|entry| entry["beneficiary_id"].as_str().unwrap().to_owned()).collect());
    assert_eq!(on, sorted(vec![mover, back, stays, theirs]), "{entries:?}");
}
