//! Moves between villages through HTTP: offered by one, accepted by the other, and nobody drags a family out of another's list.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::family_events::rank;
use crate::support::{Answer, Call, Case, Client, Place, World};
use crate::verification::family_in;

/// A village of a place's subdistrict that is nobody's neighbour.
fn third(place: Place) -> &'static str {
    match place {
        Place::Home => "62.02.09.2003",
        Place::Foreign => "64.08.03.2003",
    }
}

fn offer(family: &str, to: &str) -> Value {
    json!({"beneficiary_id": family, "to_region_code": to, "reason": "Pindah mengikuti pekerjaan"})
}

/// A family of a village that is offered to another of the same place.
async fn offered(world: &World, place: Place, from: &str, to: &str) -> String {
    let family = family_in(world, place, from).await;
    world.role_in(place, Role::Coordinator).post("/family-moves", offer(&family, to)).await.expect(201).id()
}

/// One that waits for the place's village.
async fn incoming(world: &World, place: Place) -> String {
    offered(world, place, third(place), world.place(place).village).await
}

/// One that the place's village offered.
async fn outgoing(world: &World, place: Place) -> String {
    offered(world, place, world.place(place).village, third(place)).await
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("family_moves_list", |world, place| {
            Call::list("/family-moves?limit=200", [incoming(world, place).await, outgoing(world, place).await])
        }),
        case!("family_moves_create", |world, place| {
            let family = family_in(world, place, world.place(place).village).await;
            Call::send("/family-moves", offer(&family, third(place)))
        }),
        case!("family_moves_fetch", |world, place| Call::get(format!("/family-moves/{}", incoming(world, place).await))),
        case!("family_moves_accept", |world, place| Call::send(
            format!("/family-moves/{}/accept", incoming(world, place).await),
            json!({"address": "RT 05"})
        )),
        case!("family_moves_decline", |world, place| Call::send(
            format!("/family-moves/{}/decline", incoming(world, place).await),
            json!({"note": "Tidak dikenal di RT yang disebut"})
        )),
        case!("family_moves_withdraw", |world, place| Call::send(
            format!("/family-moves/{}/withdraw", outgoing(world, place).await),
            json!({"note": "Ternyata tidak jadi pindah"})
        )),
        case!("family_moves_history", |world, place| Call::get(format!("/family-moves/{}/history", outgoing(world, place).await))),
    ]
}

/// The operators of the first village, its neighbour and the third.
async fn operators(world: &mut World) -> [Client; 3] {
    let next = world.home.next_village;
    let second = world.hire("operator-2", Role::VillageOperator, next, None).await;
    let third = world.hire("operator-3", Role::VillageOperator, third(Place::Home), None).await;
    [world.role(Role::VillageOperator), second, third]
}

async fn accept(client: &Client, id: &str) -> Answer {
    client.step(&format!("/family-moves/{id}/accept")).await
}

#[actix_web::test]
async fn a_family_moves_when_its_new_village_accepts_it() {
    let mut world = World::new().await;
    let [here, neighbour, there] = operators(&mut world).await;
    let (to, from) = (world.home.village, third(Place::Home));
    let body = json!({"region_code": from, "address": "RT 02", "kk_number": "6202970101220001", "attributes": {"floor": "earth"},
        "members": [{"name": "Udin", "relation": "head"}, {"name": "Ani", "relation": "child"}]});
    let family = world.role(Role::SocialAffairs).post("/beneficiaries", body).await.expect(201).id();
    rank(&world, &family, 1, "2026-06-30").await;
    let path = format!("/beneficiaries/{family}");

    // Nobody offers a family of another village's list, neither to themselves nor to others.
    here.get(&path).await.refused(404, "not_found");
    here.post("/family-moves", offer(&family, to)).await.refused(404, "not_found");
    here.post("/family-moves", offer(&family, world.home.next_village)).await.refused(404, "not_found");
    for (region, status, code) in
        [(from, 422, "invalid"), ("62.02.09", 422, "invalid"), ("62.02", 422, "invalid"), ("62.02.09.2999", 404, "region_not_found")]
    {
        there.post("/family-moves", offer(&family, region)).await.refused(status, code);
    }
    for (field, value) in [("moved_on", json!("2999-01-01")), ("reason", json!("NIK 6202094107850001")), ("reason", json!("x"))] {
        let mut wrong = offer(&family, to);
        wrong[field] = value;
        there.post("/family-moves", wrong).await.refused(422, "invalid");
    }
    let mut right = offer(&family, to);
    right["moved_on"] = json!("2026-10-01");
    let offered = there.post("/family-moves", right).await.expect(201);
    assert_eq!((offered.body["state"].as_str(), offered.body["from_region_code"].as_str()), (Some("offered"), Some(from)));
    let id = offered.id();
    let step = format!("/family-moves/{id}");
    there.post("/family-moves", offer(&family, world.home.next_village)).await.refused(409, "move_stands");

    // The family stays where it is; the receiving village sees of it what lets it recognise it.
    there.get(&path).await.expect(200);
    here.get(&path).await.refused(404, "not_found");
    let seen = here.get(&step).await.expect(200);
    let known = json!({"village": "Bapinang Hilir Laut", "subdistrict": "Pulau Hanaut", "address": "RT 02",
        "kk_number_masked": "6202********0001", "head_name": "Udin", "member_count": 2});
    assert_eq!(seen.body["family"], known);
    world.flush_reads().await;
    let reads = "SELECT count(*) FROM reads WHERE resource = 'family-moves' AND action = 'fetch' AND resource_id = $1::text::uuid AND actor_id = $2";
    let read: i64 = world.sql().await.query_one(reads, &[&id, &world.actor_id("village_operator")]).await.unwrap().get(0);
    assert_eq!(read, 1, "looking is recorded");
    let ids = async |client: &Client, query: &str| {
        let rows = client.all(&format!("/family-moves{query}")).await;
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&here, "?direction=incoming&state=offered").await, std::slice::from_ref(&id));
    assert_eq!(ids(&there, &format!("?direction=outgoing&region={from}")).await, std::slice::from_ref(&id));
    for query in ["?direction=outgoing".to_owned(), "?state=accepted".to_owned(), format!("?direction=incoming&region={from}")] {
        assert!(ids(&here, &query).await.is_empty(), "{query}");
    }
    assert!(ids(&neighbour, "").await.is_empty());
    neighbour.get(&step).await.refused(404, "not_found");

    // Each side has its own steps.
    accept(&there, &id).await.refused(404, "not_found");
    there.post(&format!("{step}/decline"), json!({"note": "Tidak dikenal"})).await.refused(404, "not_found");
    here.step(&format!("{step}/withdraw")).await.refused(404, "not_found");
    accept(&neighbour, &id).await.refused(404, "not_found");
    let stale = [("if-match", "\"9\"")];
    here.send(reqwest::Method::POST, &format!("{step}/accept"), &stale, None).await.refused(412, "version_stale");
    let read = [("if-match", "\"1\"")];
    let body = json!({"address": "RT 07", "note": "Sudah menetap"}).to_string().into_bytes();
    let accepted = here.send(reqwest::Method::POST, &format!("{step}/accept"), &read, Some(body)).await.expect(200);
    assert_eq!((accepted.body["state"].as_str(), accepted.body["family"]["address"].as_str()), (Some("accepted"), Some("RT 07")));
    assert_eq!((accepted.body["version"].as_i64(), accepted.body["note"].as_str()), (Some(2), Some("Sudah menetap")));

    let moved = here.get(&path).await.expect(200).body;
    assert_eq!((moved["region_code"].as_str(), moved["address"].as_str()), (Some(to), Some("RT 07")));
    assert_eq!((&moved["welfare"]["decile"], &moved["welfare"]["needs"]), (&json!(1), &json!(["housing", "identity"])), "ranks stay");
    assert_eq!((moved["member_count"].as_i64(), moved["kk_number_masked"].as_str()), (Some(2), Some("6202********0001")));
    there.get(&path).await.refused(404, "not_found");
    let left = there.get(&step).await.expect(200).body;
    assert_eq!((left["state"].as_str(), &left["family"]), (Some("accepted"), &Value::Null), "what is gone is no longer seen");

    // Told in both villages.
    let told = "SELECT action, region_code FROM changes WHERE resource_id = $1::text::uuid AND action LIKE 'moved%' ORDER BY action";
    let told: Vec<(String, String)> =
        world.sql().await.query(told, &[&family]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(told, [("moved_away".to_owned(), from.to_owned()), ("moved_in".to_owned(), to.to_owned())]);
    for client in [&here, &there] {
        let history = client.all(&format!("{step}/history")).await;
        let told: Vec<_> = history.iter().map(|row| (row["action"].as_str().unwrap(), row["region_code"].as_str().unwrap())).collect();
        assert_eq!(told, [("created", from), ("offered", to), ("accepted", from), ("accepted", to)]);
    }

    // Answered once and for all; moving back is a move.
    accept(&here, &id).await.refused(409, "step_not_allowed");
    here.post(&format!("{step}/decline"), json!({"note": "Tidak dikenal"})).await.refused(409, "step_not_allowed");
    there.step(&format!("{step}/withdraw")).await.refused(409, "step_not_allowed");
    let back = here.post("/family-moves", offer(&family, from)).await.expect(201).id();
    accept(&there, &back).await.expect(200);
    assert_eq!(there.get(&path).await.expect(200).body["address"], Value::Null, "an address of another village says nothing");
}

#[actix_web::test]
async fn what_became_of_the_family_meanwhile_stops_an_acceptance() {
    let mut world = World::new().await;
    let [here, neighbour, there] = operators(&mut world).await;
    let dinsos = world.role(Role::SocialAffairs);
    let (to, from) = (world.home.village, third(Place::Home));

    // No longer served: neither accepted nor offered, but declined, and offered anew when it is served again.
    let family = family_in(&world, Place::Home, from).await;
    let id = there.post("/family-moves", offer(&family, to)).await.expect(201).id();
    dinsos.post(&format!("/beneficiaries/{family}/deactivate"), json!({"reason": "capable"})).await.expect(200);
    accept(&here, &id).await.refused(409, "beneficiary_inactive");
    let step = format!("/family-moves/{id}");
    here.post(&format!("{step}/decline"), json!({})).await.refused(422, "invalid");
    let declined = here.post(&format!("{step}/decline"), json!({"note": "Sudah mampu"})).await.expect(200);
    assert_eq!((declined.body["state"].as_str(), &declined.body["family"]), (Some("declined"), &Value::Null));
    assert_eq!(there.get(&step).await.expect(200).body["note"], "Sudah mampu");
    there.post("/family-moves", offer(&family, to)).await.refused(409, "beneficiary_inactive");
    dinsos.post(&format!("/beneficiaries/{family}/reactivate"), json!({})).await.expect(200);
    let id = there.post("/family-moves", offer(&family, to)).await.expect(201).id();

    // Another one on file.
    let kept = family_in(&world, Place::Home, from).await;
    let body = json!({"other_id": family, "reason": "Tercatat dua kali"});
    dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201);
    accept(&here, &id).await.refused(409, "record_merged");
    there.post("/family-moves", offer(&family, to)).await.refused(409, "record_merged");
    assert_eq!(there.step(&format!("/family-moves/{id}/withdraw")).await.expect(200).body["state"], "withdrawn");

    // Moved by an edit: what was offered is not seen through the old offer, which ends with the next.
    let id = there.post("/family-moves", offer(&kept, to)).await.expect(201).id();
    let path = format!("/beneficiaries/{kept}");
    let etag = dinsos.get(&path).await.expect(200).etag();
    dinsos.patch(&path, &etag, json!({"region_code": world.home.next_village})).await.expect(200);
    assert_eq!(here.get(&format!("/family-moves/{id}")).await.expect(200).body["family"], Value::Null);
    accept(&here, &id).await.refused(409, "step_not_allowed");
    assert_eq!(dinsos.get(&path).await.expect(200).body["region_code"], world.home.next_village);
    let next = neighbour.post("/family-moves", offer(&kept, to)).await.expect(201).id();
    assert_eq!(there.get(&format!("/family-moves/{id}")).await.expect(200).body["state"], "withdrawn");
    accept(&here, &id).await.refused(409, "step_not_allowed");
    accept(&here, &next).await.expect(200);
    assert_eq!(here.get(&path).await.expect(200).body["region_code"], to);
}

#[actix_web::test]
async fn a_family_that_comes_from_another_regency_is_looked_at_anew() {
    let world = World::new().await;
    let (here, coordinator) = (world.role(Role::VillageOperator), world.role_in(Place::Foreign, Role::Coordinator));
    let body = json!({"region_code": world.foreign.village, "members": [{"name": "Udin", "relation": "head", "nik": "6408030107850001"}]});
    let family = world.role_in(Place::Foreign, Role::SocialAffairs).post("/beneficiaries", body).await.expect(201).id();
    let id = coordinator.post("/family-moves", offer(&family, world.home.village)).await.expect(201).id();
    // Home's coordinator knows of it and decides nothing: that is the village's.
    world.role(Role::Coordinator).get(&format!("/family-moves/{id}")).await.expect(200);
    accept(&world.role(Role::Coordinator), &id).await.refused(403, "forbidden");
    accept(&here, &id).await.expect(200);
    let members = here.all(&format!("/beneficiaries/{family}/members")).await;
    assert_eq!(members[0]["warnings"], json!(["nik_region_differs"]));
    let left = "SELECT count(*) FROM changes WHERE resource_id = $1::text::uuid AND action = 'left_region' AND region_code = $2";
    let left: i64 = world.sql().await.query_one(left, &[&family, &world.foreign.village]).await.unwrap().get(0);
    assert_eq!(left, 1, "followers of the old regency are told that it left");
}

#[actix_web::test]
async fn of_two_answers_at_the_same_moment_one_counts() {
    let mut world = World::new().await;
    let [here, _, there] = operators(&mut world).await;
    let head = world.role(Role::VillageHead);
    let (to, from) = (world.home.village, third(Place::Home));
    for round in 0..12 {
        let family = family_in(&world, Place::Home, from).await;
        let body = offer(&family, to);
        let (one, two) = futures_util::join!(there.post("/family-moves", body.clone()), there.post("/family-moves", body));
        let (made, other) = if one.status == 201 { (one, two) } else { (two, one) };
        let id = made.expect(201).id();
        other.refused(409, "move_stands");

        let path = format!("/family-moves/{id}");
        let (accepting, declining, withdrawing) = (format!("{path}/accept"), format!("{path}/decline"), format!("{path}/withdraw"));
        let answers = match round % 3 {
            0 => futures_util::join!(here.step(&accepting), there.step(&withdrawing)),
            1 => futures_util::join!(there.step(&withdrawing), here.step(&accepting)),
            _ => futures_util::join!(head.post(&declining, json!({"note": "Tidak dikenal"})), here.step(&accepting)),
        };
        let (won, lost) = if answers.0.status == 200 { answers } else { (answers.1, answers.0) };
        let state = won.expect(200).body["state"].as_str().unwrap().to_owned();
        lost.refused(409, "step_not_allowed");
        assert_eq!(there.get(&path).await.expect(200).body["state"], state.as_str());
        let home = world.role(Role::SocialAffairs).get(&format!("/beneficiaries/{family}")).await.expect(200).body["region_code"].clone();
        assert_eq!(home, if state == "accepted" { to } else { from }, "{state}");
        let told = "SELECT count(DISTINCT action) FROM changes WHERE resource_id = $1 AND action IN ('accepted', 'declined', 'withdrawn')";
        let id: Uuid = id.parse().unwrap();
        assert_eq!(world.sql().await.query_one(told, &[&id]).await.unwrap().get::<_, i64>(0), 1, "one answer is told");
    }
}
