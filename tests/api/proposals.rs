//! Proposals: compared before anything else happens to them, told twice when proposed twice, registered by the acceptance and not before.

use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::results::{attachment, one, signed, village};
use crate::support::{Call, Case, Client, Place, World};

fn proposal(result: &str, family: Value) -> Value {
    let now = chrono::Utc::now().to_rfc3339();
    json!({"village_result_id": result, "family": family, "eligibility": "extreme_poor", "visited_at": now,
        "answers": {"no_own_toilet": true, "poor_floor": true, "food_worry": false}})
}

/// A proposal in a state, put there as a row: comparing is what the stories are about.
pub async fn row(world: &World, place: Place, result: &str, state: &str) -> String {
    let id = Uuid::now_v7();
    let told = json!({"address": null, "kk_number_masked": null, "attributes": {}, "members": []});
    world
        .sql()
        .await
        .execute(
            "INSERT INTO proposals (id, village_result_id, campaign_id, region_code, state, told, head_name, people, eligibility, visited_at, digest, recorded_by)
             SELECT $1, id, campaign_id, region_code, $3, $4, 'Ibu', 1, 'poor', now(), '\\x00', $5 FROM village_results WHERE id = $2",
            &[&id, &result.parse::<Uuid>().unwrap(), &state, &told, &world.actor_id(place_operator(place))],
        )
        .await
        .unwrap();
    id.to_string()
}

fn place_operator(place: Place) -> &'static str {
    if place == Place::Home { "village_operator" } else { "village_operator-foreign" }
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("proposals_list", |world, place| {
            let result = village(world, place).await;
            Call::list(format!("/proposals?village_result_id={result}"), [row(world, place, &result, "open").await])
        }),
        case!("proposals_create", |world, place| Call::send("/proposals", proposal(&village(world, place).await, one(world, place)))),
        case!("proposals_fetch", |world, place| {
            let result = village(world, place).await;
            Call::get(format!("/proposals/{}", row(world, place, &result, "open").await))
        }),
        case!("proposals_review", |world, place| {
            let result = village(world, place).await;
            let id = row(world, place, &result, "open").await;
            let family = world.role_in(place, Role::SocialAffairs).post("/beneficiaries", one(world, place)).await.expect(201).id();
            let body = json!({"outcome": "on_file", "beneficiary_id": family, "reason": "Keluarga yang sama"});
            Call::send(format!("/proposals/{id}/review"), body)
        }),
        case!("proposals_withdraw", |world, place| {
            let result = village(world, place).await;
            let id = row(world, place, &result, "open").await;
            Call::send(format!("/proposals/{id}/withdraw"), json!({"reason": "Pindah ke desa sebelah"}))
        }),
    ]
}

#[actix_web::test]
async fn a_family_is_proposed_confirmed_and_registered() {
    let world = World::new().await;
    let (operator, head, dinsos) = (world.role(Role::VillageOperator), world.role(Role::VillageHead), world.role(Role::SocialAffairs));
    let result = village(&world, Place::Home).await;
    let photo = attachment(&world, Place::Home).await;
    let family = json!({"region_code": world.home.village, "kk_number": "6202990101200701", "attributes": {"floor": "earth"},
        "members": [{"name": "Rusdiansyah", "relation": "head", "nik": "6202990201700701", "birth_date": "1970-01-02"}, {"name": "Noorhayati", "relation": "spouse"}]});
    let mut body = proposal(&result, family.clone());
    body["id"] = json!(Uuid::now_v7());
    body["attachment_ids"] = json!([photo]);
    let proposed = operator.post("/proposals", body.clone()).await.expect(201);
    assert_eq!(
        (proposed.body["state"].as_str(), proposed.body["needs_review"].as_bool()),
        (Some("open"), Some(false)),
        "{}",
        proposed.text
    );
    assert_eq!(proposed.body["criteria_met"], 2);
    assert!(!proposed.text.contains("6202990201700701") && !proposed.text.contains("6202990101200701"));
    assert_eq!(proposed.body["family"]["members"][0]["nik_masked"], "6202********0701");

    // Sent again it is the same; another one under its id is not.
    let changes = world.changes().await;
    let again = operator.post("/proposals", body.clone()).await.expect(201);
    assert_eq!((&again.body, world.changes().await), (&proposed.body, changes));
    let mut other = body.clone();
    other["eligibility"] = json!("poor");
    operator.post("/proposals", other).await.refused(409, "id_taken");
    for (field, value, at) in [
        ("answers", json!({"no_such": true}), "answers"),
        ("family", one(&world, Place::Foreign), "family.region_code"),
        ("family", json!({"region_code": world.home.village, "members": []}), "family.members"),
        ("visited_at", json!("1999-01-01T00:00:00Z"), "visited_at"),
        ("note", json!("NIK 6202990201700701"), "note"),
        ("officer_name", json!("Pak RT, NIK 6202990201700701"), "officer_name"),
    ] {
        let mut bad = proposal(&result, one(&world, Place::Home));
        bad[field] = value;
        let refused = operator.post("/proposals", bad).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], at, "{}", refused.text);
    }
    // Nothing of it rests in clear.
    let id: Uuid = proposed.id().parse().unwrap();
    let clear = "SELECT row_to_json(p)::text FROM proposals p WHERE id = $1";
    let stored: String = world.sql().await.query_one(clear, &[&id]).await.unwrap().get(0);
    assert!(!stored.contains("6202990201700701"), "{stored}");

    let left_out = operator.post("/proposals", proposal(&result, one(&world, Place::Home))).await.expect(201).id();
    let minutes = attachment(&world, Place::Home).await;
    let path = format!("/village-results/{result}");
    head.post(&format!("{path}/finalise"), signed(&minutes, 0)).await.refused(409, "proposals_open");
    let verdicts = json!({"items": [{"proposal_id": id, "eligibility": "extreme_poor", "confirmed": true},
        {"proposal_id": left_out, "eligibility": "capable", "confirmed": false, "reason": "Punya usaha"}]});
    head.post(&format!("{path}/verdicts"), verdicts).await.expect(200);
    head.post(&format!("{path}/finalise"), signed(&minutes, 0)).await.expect(200);
    operator.post("/proposals", proposal(&result, one(&world, Place::Home))).await.refused(409, "result_not_open");
    assert_eq!(
        operator.post("/proposals", body.clone()).await.expect(201).id(),
        proposed.id(),
        "sent again after a night without a network"
    );
    operator.post(&format!("/proposals/{id}/withdraw"), json!({"reason": "Keliru"})).await.refused(409, "result_not_open");
    world.role(Role::SubdistrictOfficer).post(&format!("{path}/forward"), json!({"letter_number": "1"})).await.expect(200);

    // Somebody with the same NIK comes on file meanwhile: nobody is registered unreviewed.
    let twin =
        json!({"region_code": world.home.next_village, "members": [{"name": "Orang Lain", "relation": "head", "nik": "6202990201700701"}]});
    dinsos.post("/beneficiaries", twin).await.expect(201);
    let refused = dinsos.step(&format!("{path}/accept")).await.refused(409, "proposal_review");
    assert!(refused.body["detail"].as_str().unwrap().contains(&id.to_string()));
    dinsos.post(&format!("/proposals/{id}/review"), json!({"outcome": "new", "reason": "NIK orang lain salah ketik"})).await.expect(200);
    let accepted = dinsos.step(&format!("{path}/accept")).await.expect(200);
    assert_eq!((&accepted.body["not_applied"], accepted.body["counts"]["registered"].as_i64()), (&json!([]), Some(1)), "{}", accepted.text);
    let now = operator.get(&format!("/proposals/{id}")).await.expect(200).body;
    assert_eq!(now["state"], "registered");
    let registered = now["on_file"]["beneficiary_id"].as_str().unwrap();
    let shown = dinsos.get(&format!("/beneficiaries/{registered}")).await.expect(200).body;
    assert_eq!((shown["head"]["name"].as_str(), shown["member_count"].as_i64()), (Some("Rusdiansyah"), Some(2)));
    let origins = dinsos.get(&format!("/beneficiaries/{registered}/provenance")).await.expect(200).body;
    assert!(origins["fields"].as_array().unwrap().iter().all(|field| field["source"] == "verified"), "{origins}");
    assert_eq!(operator.get(&format!("/proposals/{left_out}")).await.expect(200).body["state"], "rejected");
    let kept: bool = world.sql().await.query_one("SELECT bool_or(entry_sealed IS NOT NULL) FROM proposals", &[]).await.unwrap().get(0);
    assert!(!kept, "whole numbers of proposals rest only as long as they are needed");
}

#[actix_web::test]
async fn who_is_on_file_is_said_to_be_and_nothing_is_told_of_people_elsewhere() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let result = village(&world, Place::Home).await;
    let on_file = json!({"region_code": world.home.village, "kk_number": "6202990101200721",
        "members": [{"name": "Sabransyah Ilmi", "relation": "head", "sex": "male", "birth_date": "1964-05-17", "nik": "6202991705640721"},
            {"name": "Masliani", "relation": "spouse", "sex": "female", "birth_date": "1969-08-09"},
            {"name": "Yudhistira Ilmi", "relation": "child", "sex": "male", "birth_date": "1996-03-28", "nik": "6202992803960722"}]});
    let known = dinsos.post("/beneficiaries", on_file).await.expect(201).id();
    let far = json!({"region_code": world.foreign.village, "kk_number": "6408990101200723",
        "members": [{"name": "Kartolo Sastra", "relation": "head", "birth_date": "1975-11-23", "nik": "6408992311750723"}]});
    let far_id = world.role_in(Place::Foreign, Role::SocialAffairs).post("/beneficiaries", far).await.expect(201).id();
    let next = json!({"region_code": world.home.next_village,
        "members": [{"name": "Wahyuningtyas Pramesti", "relation": "head", "sex": "female", "birth_date": "1981-10-19", "mother_name": "Suratmi"}]});
    let next_id = dinsos.post("/beneficiaries", next).await.expect(201).id();
    let propose = async |members: Value, card: Option<&str>| {
        let family = json!({"region_code": world.home.village, "kk_number": card, "members": members});
        operator.post("/proposals", proposal(&result, family)).await.expect(201)
    };

    // The same head with the same NIK, a letter wrong in his name.
    let same =
        propose(json!([{"name": "Sabransah Ilmi", "relation": "head", "birth_date": "1964-05-17", "nik": "6202991705640721"}]), None).await;
    assert_eq!((same.body["state"].as_str(), &same.body["on_file"]["beneficiary_id"]), (Some("on_file"), &json!(known)), "{}", same.text);
    // The same card with other people on it.
    let card = propose(json!([{"name": "Siapa Saja", "relation": "head"}]), Some("6202990101200721")).await;
    assert_eq!(card.body["on_file"]["beneficiary_id"], json!(known), "{}", card.text);
    // The same people without any number.
    let people = propose(
        json!([{"name": "Sabransyah Ilmi", "relation": "head", "sex": "male", "birth_date": "1964-05-17"},
            {"name": "Masliani", "relation": "spouse", "sex": "female", "birth_date": "1969-08-09"}]),
        None,
    )
    .await;
    assert_ne!(people.body["candidates"], json!([]), "{}", people.text);
    assert!(people.body["state"] == "on_file" || people.body["needs_review"] == true, "{}", people.text);
    // The son with a household of his own is on file in his father's: somebody has to look, and says that it is a new family.
    let son = propose(
        json!([{"name": "Yudhistira Ilmi", "relation": "head", "sex": "male", "birth_date": "1996-03-28", "nik": "6202992803960722"},
            {"name": "Rahmaniah", "relation": "spouse", "sex": "female", "birth_date": "1999-02-11"}]),
        None,
    )
    .await;
    assert_eq!((son.body["state"].as_str(), son.body["needs_review"].as_bool()), (Some("open"), Some(true)), "{}", son.text);
    let why = &son.body["candidates"][0];
    assert_eq!((&why["beneficiary_id"], &why["because"][0], why["person"].as_i64()), (&json!(known), &json!("nik"), Some(0)), "{why}");
    let weighed = son.body["candidates"].as_array().unwrap().iter().find(|one| one["weight"].is_number()).expect("somebody weighed him");
    let sum: f64 = weighed["terms"].as_array().unwrap().iter().map(|term| term["weight"].as_f64().unwrap()).sum();
    assert!((sum - weighed["weight"].as_f64().unwrap()).abs() < 1e-6, "{weighed}");
    // A NIK that stands on somebody else contradicts.
    let wrong = propose(json!([{"name": "Paijan", "relation": "head", "birth_date": "1950-12-12", "nik": "6202991705640721"}]), None).await;
    assert_eq!((wrong.body["state"].as_str(), wrong.body["needs_review"].as_bool()), (Some("open"), Some(true)), "{}", wrong.text);

    // In another regency and in the next village: where, and nothing else.
    for (members, region, id, name) in [
        (
            json!([{"name": "Kartolo Sastra", "relation": "head", "birth_date": "1975-11-23", "nik": "6408992311750723"}]),
            world.foreign.village,
            &far_id,
            "because",
        ),
        (
            json!([{"name": "Wahyuningtyas Pramesti", "relation": "head", "sex": "female", "birth_date": "1981-10-19", "mother_name": "Suratmi"}]),
            world.home.next_village,
            &next_id,
            "because",
        ),
    ] {
        let told = propose(members, None).await;
        assert!(told.body["state"] == "on_file" || told.body["needs_review"] == true, "{}", told.text);
        let one = &told.body["candidates"][0];
        assert_eq!(one["region_code"], region, "{}", told.text);
        assert!(one[name].is_array() && !told.text.contains(id.as_str()), "{}", told.text);
        for hidden in ["member_id", "beneficiary_id", "proposal_id", "weight", "probability"] {
            assert!(one[hidden].is_null(), "{hidden}: {one}");
        }
        assert_eq!(one["terms"], json!([]));
        // Whoever sees the whole regency sees who it is, if it lies there.
        let seen = dinsos.get(&format!("/proposals/{}", told.id())).await.expect(200).text;
        assert_eq!(seen.contains(id.as_str()), region.starts_with("62.02"), "{seen}");
    }

    // Nobody finalises past a review; the reviewer's word is kept, and can be the opposite of what the comparison said.
    let queue = dinsos.all("/proposals?needs_review=true").await;
    assert!(queue.iter().any(|row| row["id"] == json!(son.id())), "{queue:?}");
    let review = |id: String| format!("/proposals/{id}/review");
    dinsos.post(&review(son.id()), json!({"outcome": "on_file", "reason": "Lupa"})).await.refused(422, "invalid");
    dinsos
        .post(&review(son.id()), json!({"outcome": "on_file", "beneficiary_id": Uuid::now_v7(), "reason": "Tidak ada"}))
        .await
        .refused(404, "not_found");
    let reviewed = dinsos.post(&review(son.id()), json!({"outcome": "new", "reason": "Pisah KK"})).await.expect(200);
    assert_eq!((reviewed.body["state"].as_str(), reviewed.body["needs_review"].as_bool()), (Some("open"), Some(false)));
    let back = dinsos.post(&review(same.id()), json!({"outcome": "new", "reason": "Dua orang, diperiksa"})).await.expect(200);
    assert_eq!((back.body["state"].as_str(), back.body["on_file"].is_null()), (Some("open"), true));
    dinsos.post(&review(card.id()), json!({"outcome": "new", "reason": "Kartu salah"})).await.refused(409, "family_card_taken");
    operator.post(&format!("/proposals/{}/withdraw", card.id()), json!({"reason": "Kartu salah ketik"})).await.expect(200);
    dinsos.post(&review(card.id()), json!({"outcome": "new", "reason": "Terlambat"})).await.refused(409, "step_not_allowed");
}

#[actix_web::test]
async fn two_operators_who_propose_one_family_are_told() {
    let mut world = World::new().await;
    let next = world.hire("next-operator", Role::VillageOperator, world.home.next_village, None).await;
    let operator = world.role(Role::VillageOperator);
    let result = village(&world, Place::Home).await;
    let here: Uuid = result.parse().unwrap();
    let there = Uuid::now_v7();
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO village_results (id, campaign_id, region_code) SELECT $1, campaign_id, $3 FROM village_results WHERE id = $2",
        &[&there, &here, &world.home.next_village],
    )
    .await
    .unwrap();
    let family = |village: &str| json!({"region_code": village, "members": [{"name": "Tarmiji", "relation": "head", "birth_date": "1977-07-07", "nik": "6202990707770741"}]});
    // At the very same moment, and each of them twice.
    let (mine, theirs) = (proposal(&result, family(world.home.village)), proposal(&there.to_string(), family(world.home.next_village)));
    let propose = |client: &Client, body: &Value| {
        let (client, body) = (client.clone(), body.to_string().into_bytes());
        async move { client.persist(Method::POST, "/proposals", &[], Some(body)).await }
    };
    let sides = [propose(&operator, &mine), propose(&next, &theirs), propose(&operator, &mine), propose(&next, &theirs)];
    let answers = futures_util::future::join_all(sides).await;
    let answers: Vec<Value> = answers.into_iter().map(|answer| answer.expect(201).body).collect();
    let alone: Vec<&Value> = answers.iter().filter(|answer| answer["needs_review"] == false).collect();
    assert_eq!(alone.len(), 1, "one was first, and everybody after it is told: {answers:?}");
    for told in answers.iter().filter(|answer| answer["needs_review"] == true) {
        assert!(told["candidates"].as_array().unwrap().iter().all(|one| one["because"][0] == "nik"), "{told}");
    }

    // The reviewer says which one stays.
    let dinsos = world.role(Role::SocialAffairs);
    let twin = answers.iter().find(|answer| answer["needs_review"] == true).unwrap()["id"].as_str().unwrap();
    let path = format!("/proposals/{twin}/review");
    let same = json!({"outcome": "proposed_already", "proposal_id": alone[0]["id"], "reason": "Keluarga yang sama"});
    let mut itself = same.clone();
    itself["proposal_id"] = json!(twin);
    dinsos.post(&path, itself).await.refused(422, "invalid");
    let reviewed = dinsos.post(&path, same).await.expect(200);
    assert_eq!(
        (reviewed.body["state"].as_str(), reviewed.body["reviewed_reason"].as_str()),
        (Some("rejected"), Some("Keluarga yang sama"))
    );
}

#[actix_web::test]
async fn entries_corrections_and_objectors_follow_the_keys() {
    use entas::features::verification::{Correction, open_corrections};

    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let result = village(&world, Place::Home).await;
    let mut family = one(&world, Place::Home);
    family["kk_number"] = json!("6202990101200761");
    let mut body = proposal(&result, family);
    body["id"] = json!(Uuid::now_v7());
    let proposed = operator.post("/proposals", body.clone()).await.expect(201);
    let (on_list, _) = crate::results::assigned(&world, Place::Home, &result, one(&world, Place::Home)).await;
    let correction = Correction { kk_number: Some("6202990101200762".into()), ..Correction::default() };
    let visit =
        crate::results::Visit { corrections: vec![correction], ..crate::results::Visit::found(&on_list) }.store(&world, &result).await;
    let objection = crate::objections::filed(&world, Place::Home).await;

    // With the newer keys alone everything opens, and the same proposal is known again.
    let alone = world.rotated().await;
    let sql = world.sql().await;
    let sealed: Vec<u8> =
        sql.query_one("SELECT corrections_sealed FROM visits WHERE id = $1", &[&visit.parse::<Uuid>().unwrap()]).await.unwrap().get(0);
    let opened = open_corrections(&alone.keys, visit.parse().unwrap(), Some(&sealed)).unwrap();
    assert_eq!(opened[0].kk_number.as_deref(), Some("6202990101200762"));
    let replica = world.serve_with(alone.clone(), &operator);
    assert_eq!(replica.post("/proposals", body).await.expect(201).id(), proposed.id());
    let twin =
        json!({"region_code": world.home.village, "kk_number": "6202990101200761", "members": [{"name": "Lain", "relation": "head"}]});
    let told = replica.post("/proposals", proposal(&result, twin)).await.expect(201).body;
    assert_eq!(told["candidates"][0]["proposal_id"], json!(proposed.id()), "{told}");
    let dinsos = world.serve_with(alone, &world.role(Role::SocialAffairs));
    assert_eq!(dinsos.get(&format!("/objections/{objection}")).await.expect(200).body["objector"]["name"], "Warga RT 2");
}
