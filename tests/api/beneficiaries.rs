//! Families and members: registered, edited, handed over, found, disclosed, imported, re-keyed.

use std::sync::atomic::{AtomicU32, Ordering};

use entas::features::beneficiaries::{
    Attributes, Floor, ImportCounts, ImportFamily, ImportMember, Origin, Relation, import_prepared, prepare, rotate_keys,
};
use entas::platform::Services;
use entas::platform::db::Tx;
use entas::platform::error::Result;
use entas::platform::ids::RegionCode;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use entas::platform::sensitive::{Nik, Sex};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::world::config;
use crate::support::{Call, Case, Client, Place, World};

static SERIAL: AtomicU32 = AtomicU32::new(1);

/// A number nobody has: issued in a place that keeps no such serials, for the birth date given.
fn nik(birth: &str, woman: bool) -> String {
    let (year, month, day) = (&birth[2..4], &birth[5..7], birth[8..10].parse::<u32>().unwrap() + if woman { 40 } else { 0 });
    format!("620299{day:02}{month}{year}{:04}", SERIAL.fetch_add(1, Ordering::Relaxed))
}

fn kk() -> String {
    format!("620299010120{:04}", SERIAL.fetch_add(1, Ordering::Relaxed))
}

fn person(name: &str, relation: &str) -> Value {
    json!({"name": name, "relation": relation})
}

/// Who may write in a place.
fn writer(world: &World, place: Place) -> Client {
    world.role_in(place, Role::SocialAffairs)
}

/// A family of a head and a child in a place's village: its answer.
async fn family(world: &World, place: Place) -> crate::support::Answer {
    let mut body = json!({
        "region_code": world.place(place).village,
        "address": "RT 03 tepi sungai",
        "kk_number": kk(),
        "attributes": {"floor": "earth", "toilet": "own"},
        "members": [person(&format!("Ibu {}", Uuid::now_v7()), "head"), person("Anak", "child")],
    });
    body["members"][0]["nik"] = json!(nik("1985-07-01", true));
    writer(world, place).post("/beneficiaries", body).await.expect(201)
}

async fn members(world: &World, place: Place, family: &str) -> Vec<Value> {
    writer(world, place).all(&format!("/beneficiaries/{family}/members")).await
}

fn at(members: &[Value], relation: &str) -> String {
    members.iter().find(|row| row["relation"] == relation).unwrap()["id"].as_str().unwrap().to_owned()
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("beneficiaries_list", |world, place| {
            let family = family(world, place).await;
            Call::list(format!("/beneficiaries?limit=200&region={}", world.place(place).village), [family.id()])
        }),
        case!("beneficiaries_create", |world, place| Call::send(
            "/beneficiaries",
            json!({"region_code": world.place(place).village, "members": [person("Siti", "head")]})
        )),
        case!("beneficiaries_fetch", |world, place| Call::get(format!("/beneficiaries/{}", family(world, place).await.id()))),
        case!("beneficiaries_edit", |world, place| {
            let family = family(world, place).await;
            Call::edit(format!("/beneficiaries/{}", family.id()), &family.etag(), json!({"address": "RT 04"}))
        }),
        case!("beneficiaries_search", |world, place| {
            let family = family(world, place).await;
            let name = family.body["head"]["name"].clone();
            Call { mentions: vec![family.id()], ..Call::send("/beneficiaries/search", json!({"name": name, "limit": 5})) }
        }),
        case!("beneficiaries_deactivate", |world, place| Call::send(
            format!("/beneficiaries/{}/deactivate", family(world, place).await.id()),
            json!({"reason": "moved_out", "note": "Pindah ke luar kabupaten"})
        )),
        case!("beneficiaries_reactivate", |world, place| {
            let path = format!("/beneficiaries/{}", family(world, place).await.id());
            writer(world, place).post(&format!("{path}/deactivate"), json!({"reason": "not_found"})).await.expect(200);
            Call::send(format!("{path}/reactivate"), json!({"note": "Ditemukan kembali"}))
        }),
        case!("beneficiaries_change_head", |world, place| {
            let id = family(world, place).await.id();
            let child = at(&members(world, place, &id).await, "child");
            Call::send(format!("/beneficiaries/{id}/change-head"), json!({"member_id": child, "former_head_relation": "parent"}))
        }),
        case!("beneficiaries_disclose", |world, place| Call::send(
            format!("/beneficiaries/{}/disclosures", family(world, place).await.id()),
            json!({"purpose": "Pemadanan dengan Disdukcapil"})
        )),
        case!("beneficiaries_history", |world, place| Call::get(format!("/beneficiaries/{}/history", family(world, place).await.id()))),
        case!("beneficiaries_list_members", |world, place| {
            let id = family(world, place).await.id();
            let people = members(world, place, &id).await;
            let ids: Vec<String> = people.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
            Call::list(format!("/beneficiaries/{id}/members"), ids)
        }),
        case!("beneficiaries_add_member", |world, place| Call::send(
            format!("/beneficiaries/{}/members", family(world, place).await.id()),
            person("Bayi", "child")
        )),
        case!("beneficiaries_fetch_member", |world, place| {
            let family = family(world, place).await;
            Call::get(format!("/beneficiaries/{}/members/{}", family.id(), family.body["head"]["id"].as_str().unwrap()))
        }),
        case!("beneficiaries_edit_member", |world, place| {
            let family = family(world, place).await;
            let path = format!("/beneficiaries/{}/members/{}", family.id(), family.body["head"]["id"].as_str().unwrap());
            let etag = writer(world, place).get(&path).await.expect(200).etag();
            Call::edit(path, &etag, json!({"occupation": "fisher"}))
        }),
    ]
}

fn actions(history: &[Value]) -> Vec<&str> {
    history.iter().map(|change| change["action"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_family_is_registered_edited_moved_and_its_history_told() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let (id, head_id) = (Uuid::now_v7(), Uuid::now_v7());
    let (number, card) = (nik("1985-07-01", true), kk());
    let body = json!({
        "id": id, "region_code": world.home.village.replace('.', ""), "kk_number": card,
        "attributes": {"floor": "earth", "drinking_water": "surface_water", "aid": {"pkh": true}},
        "members": [
            {"id": head_id, "name": "Siti Aminah", "relation": "head", "sex": "female", "birth_date": "1985-07-01", "nik": number},
            {"name": "Rahmat", "relation": "child", "sex": "male", "birth_date": "2014-05-01", "education": "primary_incomplete"},
        ],
    });
    let created = dinsos.post("/beneficiaries", body.clone()).await.expect(201);
    assert_eq!((created.id(), created.etag()), (id.to_string(), "\"1\"".into()));
    assert_eq!(created.body["kk_number_masked"], format!("6202********{}", &card[12..]));
    assert_eq!(created.body["head"]["id"], head_id.to_string());
    assert_eq!(created.body["head"]["nik_masked"], format!("6202********{}", &number[12..]));
    assert_eq!((created.body["subdistrict"].as_str(), created.body["member_count"].as_i64()), (Some("Pulau Hanaut"), Some(2)));
    assert_eq!(created.body["welfare"]["needs"], json!(["housing", "water", "school", "identity"]));
    assert!(created.body["welfare"]["decile"].is_null());
    dinsos.post("/beneficiaries", body).await.refused(409, "id_taken");
    let same_card = |region: &str| json!({"region_code": region, "kk_number": card, "members": [person("Budi", "head")]});
    dinsos.post("/beneficiaries", same_card(world.home.village)).await.refused(409, "family_card_taken");
    writer(&world, Place::Foreign).post("/beneficiaries", same_card(world.foreign.village)).await.refused(409, "family_card_taken");

    let path = format!("/beneficiaries/{id}");
    let patch = json!({"attributes": {"floor": "cement", "drinking_water": null, "aid": {"bpnt": false}}, "address": "RT 01"});
    let edited = dinsos.patch(&path, "\"1\"", patch).await.expect(200);
    assert_eq!(edited.body["welfare"]["attributes"], json!({"floor": "cement", "aid": {"pkh": true, "bpnt": false}}));
    assert_eq!(edited.body["welfare"]["needs"], json!(["school", "identity"]));
    dinsos.patch(&path, "\"1\"", json!({"address": null})).await.refused(412, "version_stale");

    let moved = dinsos.patch(&path, "\"2\"", json!({"region_code": world.home.next_village})).await.expect(200);
    assert_eq!(moved.body["region_code"], world.home.next_village);
    world.role(Role::VillageOperator).get(&path).await.refused(404, "not_found");
    for (region, status, code) in
        [(world.foreign.village, 404, "region_not_found"), ("62.02.09.2999", 404, "region_not_found"), ("62.02.09", 422, "invalid")]
    {
        dinsos.patch(&path, "\"3\"", json!({"region_code": region})).await.refused(status, code);
    }

    // A change of a member shows with the family, so the family's ETag moves too.
    let member = format!("{path}/members/{head_id}");
    let renamed = dinsos.patch(&member, "\"1\"", json!({"name": "Siti Aminah binti Ali", "birth_date": "1985-07-02"})).await.expect(200);
    assert_eq!(renamed.body["warnings"], json!(["nik_birth_date_differs"]));
    dinsos.send(reqwest::Method::GET, &path, &[("if-none-match", "\"3\"")], None).await.expect(200);
    assert_eq!(dinsos.get(&path).await.expect(200).body["head"]["name"], "Siti Aminah binti Ali");

    let history = dinsos.all(&format!("{path}/history")).await;
    assert_eq!(actions(&history), ["created", "edited", "edited", "moved_away", "member_edited"]);
    assert_eq!(history[1]["fields"]["address"], json!({"changed": true}));
    assert_eq!(history[2]["fields"]["region_code"], json!({"from": world.home.village, "to": world.home.next_village}));
    assert_eq!(
        (history[3]["region_code"].as_str(), history[2]["region_code"].as_str()),
        (Some(world.home.village), Some(world.home.next_village))
    );
    let told: String = world.sql().await.query_one("SELECT string_agg(c::text, ' ') FROM changes c", &[]).await.unwrap().get(0);
    for secret in [number.as_str(), card.as_str(), "Aminah", "1985-07-01", "RT 01"] {
        assert!(!told.contains(secret), "the changes tell {secret}");
    }
    world.flush_reads().await;
    let reads: i64 = world.sql().await.query_one("SELECT count(*) FROM reads WHERE resource_id = $1", &[&id]).await.unwrap().get(0);
    assert!(reads >= 2, "readings of the family are recorded");
}

#[actix_web::test]
async fn bad_bodies_are_refused_without_repeating_numbers() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let village = world.home.village;
    let heads = |relations: &[&str]| relations.iter().map(|relation| person("A", relation)).collect::<Vec<_>>();
    for relations in [&["child"][..], &["head", "head"]] {
        let body = json!({"region_code": village, "members": heads(relations)});
        dinsos.post("/beneficiaries", body).await.refused(422, "head_missing");
    }
    let with = |member: Value| json!({"region_code": village, "members": [member]});
    let long = "x".repeat(201);
    for (body, path) in [
        (json!({"region_code": village, "members": []}), "members"),
        (json!({"region_code": village, "members": vec![person("A", "head"); 51]}), "members"),
        (json!({"region_code": "62.02.09", "members": [person("A", "head")]}), "region_code"),
        (with(json!({"name": " ", "relation": "head"})), "members[0].name"),
        (with(json!({"name": long, "relation": "head"})), "members[0].name"),
        (with(json!({"name": "A", "relation": "kepala"})), "members[0].relation"),
        (with(json!({"name": "A", "relation": "head", "birth_date": "1899-12-31"})), "members[0].birth_date"),
        (with(json!({"name": "A", "relation": "head", "birth_date": "2199-12-31"})), "members[0].birth_date"),
        (with(json!({"name": "A", "relation": "head", "nik": "6202990107850000"})), "members[0].nik"),
        (with(json!({"name": "A", "relation": "head", "nik": 6202990107850001_i64})), "members[0].nik"),
        (json!({"region_code": village, "attributes": {"roof": "gold"}, "members": [person("A", "head")]}), "attributes.roof"),
        (
            json!({"region_code": village, "attributes": {"stunting_risk": 100}, "members": [person("A", "head")]}),
            "attributes.stunting_risk",
        ),
    ] {
        let refused = dinsos.post("/beneficiaries", body).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], path, "{}", refused.text);
        assert!(!refused.text.contains("620299010785"), "{}", refused.text);
    }
    dinsos.get("/beneficiaries?decile=11").await.refused(422, "invalid");
    dinsos.get("/beneficiaries?need=money").await.refused(422, "invalid");
    let count: i64 = world.sql().await.query_one("SELECT count(*) FROM beneficiaries", &[]).await.unwrap().get(0);
    assert_eq!(count, 0, "nothing refused was kept");
}

#[actix_web::test]
async fn the_head_dies_and_the_family_stays() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let family = family(&world, Place::Home).await;
    let path = format!("/beneficiaries/{}", family.id());
    let people = members(&world, Place::Home, &family.id()).await;
    let (mother, child) = (at(&people, "head"), at(&people, "child"));
    let (mother_path, child_path) = (format!("{path}/members/{mother}"), format!("{path}/members/{child}"));

    dinsos.patch(&child_path, "\"1\"", json!({"relation": "head"})).await.refused(409, "head_taken");
    dinsos.post(&format!("{path}/members"), person("Ayah", "head")).await.refused(409, "head_taken");
    dinsos.patch(&mother_path, "\"1\"", json!({"relation": "parent"})).await.refused(422, "head_missing");
    let refused = dinsos.patch(&mother_path, "\"1\"", json!({"status": "deceased"})).await.refused(422, "invalid");
    assert_eq!(refused.body["errors"][0]["path"], "new_head_id");
    let stranger = Uuid::now_v7();
    dinsos.patch(&mother_path, "\"1\"", json!({"status": "deceased", "new_head_id": stranger})).await.refused(422, "member_elsewhere");
    dinsos.patch(&child_path, "\"1\"", json!({"status": "moved_out", "new_head_id": mother})).await.refused(422, "invalid");

    dinsos.patch(&mother_path, "\"1\"", json!({"status": "deceased", "new_head_id": child})).await.expect(200);
    let now = dinsos.get(&path).await.expect(200);
    assert_eq!((now.body["head"]["id"].as_str(), now.body["member_count"].as_i64()), (Some(child.as_str()), Some(1)));
    // Two heads at a time are refused also when the dead return.
    dinsos.patch(&mother_path, "\"2\"", json!({"status": "present"})).await.refused(409, "head_taken");
    let back = dinsos.patch(&mother_path, "\"2\"", json!({"status": "present", "relation": "parent"})).await.expect(200);
    assert_eq!(back.body["status"], "present");

    let step = json!({"member_id": mother, "former_head_relation": "child"});
    let handed = dinsos.post(&format!("{path}/change-head"), step.clone()).await.expect(200);
    assert_eq!(handed.body["head"]["id"], mother);
    dinsos.post(&format!("{path}/change-head"), step).await.refused(409, "step_not_allowed");
    dinsos.post(&format!("{path}/change-head"), json!({"member_id": child, "former_head_relation": "head"})).await.refused(422, "invalid");

    let child_now = dinsos.get(&child_path).await.expect(200);
    dinsos.patch(&child_path, &child_now.etag(), json!({"status": "moved_out"})).await.expect(200);
    let mother_now = dinsos.get(&mother_path).await.expect(200);
    dinsos.patch(&mother_path, &mother_now.etag(), json!({"status": "deceased"})).await.expect(200);
    let empty = dinsos.get(&path).await.expect(200);
    assert_eq!((empty.body["head"].is_null(), empty.body["member_count"].as_i64()), (true, Some(0)));
    assert_eq!(empty.body["status"], "active", "whether it is still served is for people to say");
    dinsos.post(&format!("{path}/members"), person("Sepupu", "other")).await.refused(422, "head_missing");

    dinsos.post(&format!("{path}/deactivate"), json!({"reason": "other"})).await.refused(422, "invalid");
    let off = dinsos.post(&format!("{path}/deactivate"), json!({"reason": "deceased", "note": "Semua meninggal"})).await.expect(200);
    assert_eq!((off.body["status"].as_str(), off.body["inactive_reason"].as_str()), (Some("inactive"), Some("deceased")));
    dinsos.post(&format!("{path}/deactivate"), json!({"reason": "capable"})).await.refused(409, "step_not_allowed");
    dinsos.post(&format!("{path}/reactivate"), json!({"note": "6202 9901 0785 0001"})).await.refused(422, "invalid");
    let on = dinsos.post(&format!("{path}/reactivate"), json!({})).await.expect(200);
    assert!(on.body["inactive_reason"].is_null());
    let history = dinsos.all(&format!("{path}/history")).await;
    assert_eq!(
        actions(&history),
        ["created", "member_edited", "member_edited", "head_changed", "member_edited", "member_edited", "deactivated", "reactivated"]
    );
    assert_eq!(history[6]["reason"], "Semua meninggal");
}

#[actix_web::test]
async fn two_persons_on_one_nik_are_a_warning_until_one_is_corrected() {
    let world = World::new().await;
    let (home, elsewhere) = (writer(&world, Place::Home), writer(&world, Place::Foreign));
    let number = nik("1990-01-02", false);
    let body = |region: &str| json!({"region_code": region, "members": [{"name": "Budi", "relation": "head", "nik": number}]});
    let first = home.post("/beneficiaries", body(world.home.village)).await.expect(201);
    let first = format!("/beneficiaries/{}/members/{}", first.id(), first.body["head"]["id"].as_str().unwrap());
    assert_eq!(home.get(&first).await.expect(200).body["warnings"], json!([]));
    let second = elsewhere.post("/beneficiaries", body(world.foreign.village)).await.expect(201);
    let second = format!("/beneficiaries/{}/members/{}", second.id(), second.body["head"]["id"].as_str().unwrap());
    let flagged = elsewhere.get(&second).await.expect(200);
    assert_eq!(flagged.body["warnings"], json!(["nik_region_differs", "nik_duplicate"]));
    assert_eq!((home.get(&first).await.expect(200).body["warnings"].clone(), flagged.etag()), (json!(["nik_duplicate"]), "\"1\"".into()));
    elsewhere.patch(&second, "\"1\"", json!({"nik": null})).await.expect(200);
    assert_eq!(home.get(&first).await.expect(200).body["warnings"], json!([]));
    assert_eq!(elsewhere.get(&second).await.expect(200).body["warnings"], json!(["nik_missing"]));
    // Whoever moved from one family to another stands in both and is no duplicate.
    elsewhere.patch(&second, "\"2\"", json!({"nik": number})).await.expect(200);
    assert_eq!(home.get(&first).await.expect(200).body["warnings"], json!(["nik_duplicate"]));
    elsewhere.patch(&second, "\"3\"", json!({"status": "moved_out"})).await.expect(200);
    assert_eq!(home.get(&first).await.expect(200).body["warnings"], json!([]));
}

/// Ranks families as a release would.
async fn rank(world: &World, ranks: &[(Uuid, i16)]) {
    let (dataset, release) = (Uuid::now_v7(), Uuid::now_v7());
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO datasets (id, region_code, code, name, owner, unit) VALUES ($1, '62.02', 'P3KE', 'P3KE', 'Kemenko PMK', 'family')",
        &[&dataset],
    )
    .await
    .unwrap();
    sql.execute(
        "INSERT INTO releases (id, dataset_id, region_code, mode, state, profile, received_on, file_hash, file_bytes)
         VALUES ($1, $2, '62.02', 'commit', 'imported', 'p3ke', '2026-01-05', 'x', 1)",
        &[&release, &dataset],
    )
    .await
    .unwrap();
    for (family, decile) in ranks {
        sql.execute("INSERT INTO welfare_ranks (release_id, beneficiary_id, decile) VALUES ($1, $2, $3)", &[&release, family, decile])
            .await
            .unwrap();
    }
}

#[actix_web::test]
async fn lists_are_filtered_and_paged_and_welfare_is_for_some() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let mut expected = Vec::new();
    for n in 0..7_u8 {
        let village = if n % 2 == 0 { world.home.village } else { world.home.next_village };
        let toilet = if n % 3 == 0 { "none" } else { "own" };
        let mut head = person("Kepala", "head");
        head["nik"] = json!(nik("1980-01-01", false));
        let body = json!({"region_code": village, "attributes": {"toilet": toilet}, "members": [head]});
        let id: Uuid = dinsos.post("/beneficiaries", body).await.expect(201).id().parse().unwrap();
        expected.push((n, id));
    }
    rank(&world, &expected.iter().map(|(n, id)| (*id, 1 + i16::from(*n) % 2)).collect::<Vec<_>>()).await;
    dinsos.post(&format!("/beneficiaries/{}/deactivate", expected[6].1), json!({"reason": "capable"})).await.expect(200);
    let want = |rule: &dyn Fn(u8) -> bool| expected.iter().filter(|(n, _)| rule(*n)).map(|(_, id)| id.to_string()).collect::<Vec<_>>();
    for (query, rule) in [
        ("limit=2", &(|_| true) as &dyn Fn(u8) -> bool),
        ("limit=1&region=62.02.09.2001", &|n| n % 2 == 0),
        ("region=62.02.09", &|_| true),
        ("region=62.02.10", &|_| false),
        ("limit=2&decile=1", &|n| n % 2 == 0),
        ("decile=3", &|_| false),
        ("limit=1&need=toilet", &|n| n % 3 == 0),
        ("status=inactive", &|n| n == 6),
        ("status=active&decile=1&need=toilet", &|n| n == 0),
        ("limit=3&without_interventions=true", &|_| true),
        ("without_interventions=false", &|_| false),
    ] {
        let rows = dinsos.all(&format!("/beneficiaries?{query}")).await;
        let ids: Vec<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, want(rule), "{query}");
    }
    let shown = dinsos.get(&format!("/beneficiaries/{}", expected[1].1)).await.expect(200);
    assert_eq!(shown.body["welfare"]["decile"], 2);
    assert!(shown.body["welfare"]["release_id"].is_string());

    let registry = world.role(Role::CivilRegistry);
    for row in registry.all("/beneficiaries").await {
        assert!(row["welfare"].is_null() && row["head"]["name"] == "Kepala");
    }
    for query in ["decile=1", "need=toilet", "without_interventions=true"] {
        registry.get(&format!("/beneficiaries?{query}")).await.refused(403, "forbidden");
    }
    let village = world.role(Role::VillageOperator).all("/beneficiaries").await;
    assert_eq!(village.len(), 4, "its own village's only");
}

#[actix_web::test]
async fn families_are_found_by_number_and_by_name_within_ones_regions() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let (number, card) = (nik("1979-03-04", false), kk());
    let body = json!({"region_code": world.home.village, "kk_number": card, "members": [
        {"name": "Muhammad Yusuf Hidayat", "relation": "head", "nik": number, "birth_date": "1979-03-04"},
        {"name": "Nurul Huda", "relation": "spouse"},
    ]});
    let family = dinsos.post("/beneficiaries", body).await.expect(201);
    let foreign = json!({"region_code": world.foreign.village, "members": [{"name": "Muhammad Yusuf", "relation": "head"}]});
    writer(&world, Place::Foreign).post("/beneficiaries", foreign).await.expect(201);
    let search = async |body: Value| dinsos.post("/beneficiaries/search", body).await.expect(200).body["items"].as_array().unwrap().clone();
    for body in [
        json!({"nik": number}),
        json!({"nik": format!("{} {}", &number[..4], &number[4..])}),
        json!({"kk_number": card}),
        json!({"name": "muhamad yusuf hidayat"}),
        json!({"name": "yusuf", "region": world.home.subdistrict}),
        json!({"name": "yusuf", "birth_date": "1979-03-04"}),
    ] {
        let hits = search(body.clone()).await;
        assert_eq!(hits.len(), 1, "{body}: {hits:?}");
        assert_eq!(hits[0]["beneficiary"]["id"], family.id());
        assert_eq!(hits[0]["member"].is_null(), body.get("kk_number").is_some());
    }
    assert_eq!(search(json!({"name": "Nurul Huda"})).await[0]["similarity"], 1.0);
    for body in [
        json!({"name": "yusuf", "region": world.foreign.village}),
        json!({"name": "yusuf", "birth_date": "1979-03-05"}),
        json!({"name": "Bartholomew"}),
        json!({"nik": nik("1979-03-04", false)}),
    ] {
        assert!(search(body.clone()).await.is_empty(), "{body}");
    }
    for body in [
        json!({}),
        json!({"nik": number, "name": "Yusuf"}),
        json!({"region": "62.02"}),
        json!({"name": "ab"}),
        json!({"name": "abc", "limit": 51}),
    ] {
        let refused = dinsos.post("/beneficiaries/search", body).await.refused(422, "invalid");
        assert!(!refused.text.contains(&number));
    }
    let other_village = World::role_in(&world, Place::Foreign, Role::SocialAffairs);
    let hits = other_village.post("/beneficiaries/search", json!({"nik": number})).await.expect(200);
    assert_eq!(hits.body["items"], json!([]), "not in their regions");
}

#[actix_web::test]
async fn full_numbers_are_told_to_few_and_recorded_for_ever() {
    let world = World::new().await;
    let (number, card) = (nik("1979-03-04", false), kk());
    let body = json!({"region_code": world.home.village, "kk_number": card, "members": [
        {"name": "Yusuf", "relation": "head", "nik": number}, {"name": "Nurul", "relation": "spouse"},
    ]});
    let family = world.role(Role::Coordinator).post("/beneficiaries", body).await.expect(201);
    let path = format!("/beneficiaries/{}/disclosures", family.id());
    let registry = world.role(Role::CivilRegistry);
    let purpose = "Penerbitan KTP-el untuk kepala keluarga";
    let told = registry.post(&path, json!({"purpose": purpose})).await.expect(200);
    assert_eq!((told.body["kk_number"].as_str(), told.body["members"][0]["nik"].as_str()), (Some(card.as_str()), Some(number.as_str())));
    assert!(told.body["members"][1]["nik"].is_null());
    let only = registry.post(&path, json!({"purpose": purpose, "fields": ["kk_number"]})).await.expect(200);
    assert_eq!((only.body["kk_number"].as_str(), only.body["members"].clone()), (Some(card.as_str()), json!([])));
    for body in
        [json!({"purpose": "kurang"}), json!({"purpose": format!("NIK {number} diminta")}), json!({"purpose": purpose, "fields": []})]
    {
        let refused = registry.post(&path, body).await.refused(422, "invalid");
        assert!(!refused.text.contains(&number));
    }
    let history = registry.all(&format!("/beneficiaries/{}/history", family.id())).await;
    assert_eq!(actions(&history), ["created", "disclosed", "disclosed"]);
    assert_eq!(history[1]["reason"], purpose);
    assert_eq!(history[1]["actor_id"], world.actor_id("civil_registry").to_string());
    assert_eq!(history[1]["fields"]["kk_number"], true);
    // At rest neither number stands anywhere.
    let dump: String = world
        .sql()
        .await
        .query_one(
            "SELECT concat((SELECT string_agg(b::text, ' ') FROM beneficiaries b), (SELECT string_agg(m::text, ' ') FROM members m),
                           (SELECT string_agg(c::text, ' ') FROM changes c), (SELECT string_agg(k::text, ' ') FROM idempotency_keys k))",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    let hex: String = number.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!dump.contains(&number) && !dump.contains(&card) && !dump.contains(&hex));
}

fn stated(name: &str, relation: Relation, number: Option<&str>) -> ImportMember {
    ImportMember {
        id: Uuid::now_v7(),
        known: false,
        name: name.into(),
        relation,
        sex: Some(Sex::Female),
        birth_date: None,
        marital_status: Some("married".into()),
        occupation: Some("no such word".into()),
        education: None,
        nik: number.map(|number| Nik::parse(number).unwrap()),
    }
}

fn household(village: &str, members: Vec<ImportMember>) -> ImportFamily {
    ImportFamily {
        id: Uuid::now_v7(),
        known: false,
        region: RegionCode::parse(village).unwrap(),
        address: Some("RT 01".into()),
        attributes: Attributes { floor: Some(Floor::Earth), ..Attributes::default() },
        members,
    }
}

/// As a source of today states it.
async fn import(tx: &mut Tx, keys: &KeyRing, families: Vec<ImportFamily>) -> Result<ImportCounts> {
    let origin = Origin { source: "p3ke".into(), release_id: None, on: chrono::Utc::now().date_naive(), at: None };
    import_prepared(tx, prepare(keys, families)?, origin).await
}

#[actix_web::test]
async fn a_source_fills_in_and_takes_nothing_back() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let (village, number) = (world.home.village, nik("1990-01-01", true));
    let first = household(
        village,
        vec![stated("Siti", Relation::Head, Some(&number)), stated("Aminah", Relation::Head, None), stated("Anak", Relation::Child, None)],
    );
    let second = household(village, vec![stated("Siti juga", Relation::Head, Some(&number))]);
    let (id, siti, anak, other) = (first.id, first.members[0].id, first.members[2].id, second.id);
    let services = &world.services;
    let mut tx = services.write_as_system(RegionCode::country()).await.unwrap();
    let counts = import(&mut tx, &services.keys, vec![first, second]).await.unwrap();
    assert_eq!((counts.families_new, counts.families_known, counts.people_new, counts.people_changed), (2, 0, 4, 0));
    assert_eq!(counts.changes.len(), 2, "one change a family");
    tx.commit_all(counts.changes).await.unwrap();

    let path = format!("/beneficiaries/{id}");
    let shown = dinsos.get(&path).await.expect(200);
    assert_eq!(shown.body["head"]["name"], "Siti");
    assert_eq!(shown.body["welfare"]["needs"], json!(["housing", "identity"]));
    let people = members(&world, Place::Home, &id.to_string()).await;
    let warnings = |name: &str| people.iter().find(|row| row["name"] == name).unwrap()["warnings"].clone();
    assert_eq!(warnings("Siti"), json!(["nik_duplicate"]));
    assert_eq!(warnings("Aminah"), json!(["nik_missing", "head_disputed"]));
    assert!(people.iter().all(|row| row["occupation"].is_null() && row["marital_status"] == "married"));

    // People correct the name and the village; the source comes again with the old ones and with something new.
    dinsos.patch(&path, "\"1\"", json!({"region_code": world.home.next_village, "kk_number": kk()})).await.expect(200);
    dinsos.patch(&format!("{path}/members/{siti}"), "\"1\"", json!({"name": "Siti Aminah"})).await.expect(200);
    let anak_number = nik("2010-01-01", false);
    let mut again = household(
        village,
        vec![
            ImportMember {
                id: siti,
                known: true,
                education: Some("primary".into()),
                ..stated("Siti", Relation::Head, Some(&nik("1990-01-01", true)))
            },
            ImportMember { id: anak, known: true, ..stated("Anak", Relation::Child, Some(&anak_number)) },
            stated("Bayi", Relation::Child, None),
        ],
    );
    (again.id, again.known, again.address) = (id, true, None);
    again.attributes = Attributes { savings: Some(true), ..Attributes::default() };
    let before = dinsos.get(&path).await.expect(200);
    let mut tx = services.write_as_system(RegionCode::country()).await.unwrap();
    let counts = import(&mut tx, &services.keys, vec![again]).await.unwrap();
    assert_eq!((counts.families_new, counts.families_known, counts.people_new, counts.people_changed), (0, 1, 1, 2));
    tx.commit_all(counts.changes).await.unwrap();
    let after = dinsos.get(&path).await.expect(200);
    assert_ne!(after.etag(), before.etag());
    for kept in ["region_code", "address", "kk_number_masked"] {
        assert_eq!(after.body[kept], before.body[kept], "{kept}");
    }
    assert_eq!(after.body["welfare"]["attributes"], json!({"floor": "earth", "savings": true}));
    assert_eq!((after.body["head"]["name"].as_str(), after.body["member_count"].as_i64()), (Some("Siti Aminah"), Some(4)));
    assert_eq!(after.body["head"]["nik_masked"], format!("6202********{}", &number[12..]), "a number on record stays");
    let found = dinsos.post("/beneficiaries/search", json!({"nik": anak_number})).await.expect(200);
    assert_eq!(found.body["items"][0]["member"]["id"], anak.to_string());

    // Out of scope: nothing is written.
    let mut tx = services.write_as_system(RegionCode::parse("64.08").unwrap()).await.unwrap();
    assert!(import(&mut tx, &services.keys, vec![household(village, vec![])]).await.is_err());
    let mut unknown = household(village, vec![]);
    (unknown.id, unknown.known) = (other, true);
    let counts = import(&mut tx, &services.keys, vec![unknown]).await.unwrap();
    assert!(counts.elsewhere.contains(&other) && counts.changes.is_empty() && counts.families_known == 0);
}

#[actix_web::test]
async fn keys_are_rotated_under_a_running_service() {
    let world = World::new().await;
    let (number, card) = (nik("1979-03-04", false), kk());
    let body =
        json!({"region_code": world.home.village, "kk_number": card, "members": [{"name": "Yusuf", "relation": "head", "nik": number}]});
    let dinsos = world.role(Role::SocialAffairs);
    let key = [("idempotency-key", "before-the-rotation")];
    let sent = body.to_string().into_bytes();
    let family = dinsos.send(reqwest::Method::POST, "/beneficiaries", &key, Some(sent.clone())).await.expect(201);
    let crowd: Vec<ImportMember> = (0..2_300)
        .map(|n| stated("Orang", if n == 0 { Relation::Head } else { Relation::Other }, Some(&format!("620298010190{:04}", n + 1))))
        .collect();
    let mut tx = world.services.write_as_system(RegionCode::country()).await.unwrap();
    let counts = import(&mut tx, &world.services.keys, vec![household(world.home.village, crowd)]).await.unwrap();
    tx.commit_all(counts.changes).await.unwrap();

    let (seal, index) = ("AQEB".repeat(10) + "AQE=", "AgIC".repeat(10) + "AgI=");
    let newest = format!("seal 9 {seal}\nindex 9 {index}\n");
    let both = KeyRing::parse(&format!("{newest}{}", world.key_text)).unwrap();
    let services = Services::new(config(&world.db.url), both).unwrap();
    let both = world.serve_with(services.clone(), &dinsos);
    // Before anything is re-sealed the new ring finds what is old, and the old card is still taken.
    both.post("/beneficiaries", body.clone()).await.refused(409, "family_card_taken");
    assert_eq!(
        both.post("/beneficiaries/search", json!({"nik": number})).await.expect(200).body["items"][0]["beneficiary"]["id"],
        family.id()
    );
    let mut lines = Vec::new();
    rotate_keys(&services, |line| lines.push(line)).await.unwrap();
    assert!(lines.last().unwrap().contains("2301 NIKs, 1 KK numbers"), "{lines:?}");
    let old: i64 = world
        .sql()
        .await
        .query_one("SELECT count(*) FROM members WHERE get_byte(nik_sealed, 1) <> 9 OR get_byte(nik_index, 0) <> 9", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(old, 0);
    lines.clear();
    rotate_keys(&services, |line| lines.push(line)).await.unwrap();
    assert!(lines.last().unwrap().contains("0 NIKs, 0 KK numbers and 0 signing keys"), "{lines:?}");

    // The old keys are gone, and nothing is lost but the kept answer.
    let only = world.serve_with(Services::new(config(&world.db.url), KeyRing::parse(&newest).unwrap()).unwrap(), &dinsos);
    let found = only.post("/beneficiaries/search", json!({"nik": number})).await.expect(200);
    assert_eq!(found.body["items"][0]["beneficiary"]["id"], family.id());
    only.post("/beneficiaries", body).await.refused(409, "family_card_taken");
    let told =
        only.post(&format!("/beneficiaries/{}/disclosures", family.id()), json!({"purpose": "Uji setelah rotasi"})).await.expect(200);
    assert_eq!((told.body["kk_number"].as_str(), told.body["members"][0]["nik"].as_str()), (Some(card.as_str()), Some(number.as_str())));
    only.send(reqwest::Method::POST, "/beneficiaries", &key, Some(sent)).await.refused(409, "idempotency_answer_lost");
}
