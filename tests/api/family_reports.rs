//! Births, deaths and changes of head through HTTP: what villages report, and what undoes it.

use entas::platform::policy::Role;
use serde_json::{Value, json};

use crate::case;
use crate::family_events::{member, people, said};
use crate::support::{Call, Case, Client, Place, World};
use crate::verification::family_in;

/// A family of a place's village: a head and their child.
async fn family(world: &World, place: Place) -> (String, String, String) {
    let family = family_in(world, place, world.place(place).village).await;
    let members = people(&world.role_in(place, Role::SocialAffairs), &family).await;
    let head = members.iter().find(|row| row["relation"] == "head").unwrap()["id"].as_str().unwrap().to_owned();
    (family, head, member(&members, "Anak"))
}

fn death(family: &str, member: &str) -> Value {
    json!({"beneficiary_id": family, "member_id": member, "on": "2026-10-01"})
}

fn handed(family: &str, member: &str) -> Value {
    json!({"beneficiary_id": family, "member_id": member, "former_head_relation": "parent", "reason": "Kepala keluarga merantau"})
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("family_events_birth", |world, place| {
            let (family, ..) = family(world, place).await;
            let body = json!({"beneficiary_id": family, "member": {"name": "Bayi", "relation": "child"}, "on": "2026-10-01"});
            Call::send("/family-events/birth", body)
        }),
        case!("family_events_death", |world, place| {
            let (family, _, child) = family(world, place).await;
            Call::send("/family-events/death", death(&family, &child))
        }),
        case!("family_events_head_change", |world, place| {
            let (family, _, child) = family(world, place).await;
            Call::send("/family-events/head-change", handed(&family, &child))
        }),
    ]
}

/// A family and its members, without what counts how often they were written.
async fn seen(client: &Client, family: &str) -> Value {
    let members: Vec<Value> = people(client, family).await.into_iter().map(said).collect();
    json!([said(client.get(&format!("/beneficiaries/{family}")).await.expect(200).body), members])
}

#[actix_web::test]
async fn a_village_reports_a_birth() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let (family, ..) = family(&world, Place::Home).await;
    let birth = |member: Value, on: &str| json!({"beneficiary_id": family, "member": member, "on": on});
    let baby = json!({"name": "Bayi", "relation": "child", "sex": "female"});
    for (wrong, on) in [
        (json!({"name": "Bayi", "relation": "head"}), "2026-10-01"),
        (json!({"name": "Bayi", "relation": "parent"}), "2026-10-01"),
        (json!({"name": "Bayi", "relation": "child", "birth_date": "2026-10-02"}), "2026-10-01"),
        (baby.clone(), "2999-01-01"),
        (baby.clone(), "1999-12-31"),
    ] {
        operator.post("/family-events/birth", birth(wrong, on)).await.refused(422, "invalid");
    }
    let event = operator.post("/family-events/birth", birth(baby, "2026-10-01")).await.expect(201);
    assert_eq!((event.body["kind"].as_str(), event.body["happened_on"].as_str()), (Some("birth"), Some("2026-10-01")));
    assert_eq!((&event.body["beneficiary_id"], &event.body["other_id"]), (&json!(family), &json!(family)));
    let members = people(&operator, &family).await;
    let born = members.iter().find(|row| row["name"] == "Bayi").unwrap();
    assert_eq!((born["birth_date"].as_str(), &event.body["member_ids"]), (Some("2026-10-01"), &json!([born["id"]])));
    let shown = operator.get(&format!("/beneficiaries/{family}")).await.expect(200).body;
    assert_eq!(shown["member_count"], 3);
    assert!(shown["welfare"]["needs"].as_array().unwrap().contains(&json!("nutrition")), "a child under five");

    // Members are never deleted: a birth is not taken back, and says what to do instead.
    let undo = format!("/family-events/{}/undo", event.id());
    operator.post(&undo, json!({"reason": "Keliru"})).await.refused(403, "forbidden");
    let refused = world.role(Role::SocialAffairs).post(&undo, json!({"reason": "Keliru"})).await.refused(409, "step_not_allowed");
    assert!(refused.body["detail"].as_str().unwrap().contains("edit the member's record"), "{}", refused.text);
    assert_eq!(operator.get(&format!("/family-events/{}", event.id())).await.expect(200).body["state"], "in_force");
}

#[actix_web::test]
async fn a_death_and_a_change_of_head_are_reported_and_undone() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let body = json!({"region_code": world.home.village, "members": [
        {"name": "Udin", "relation": "head", "birth_date": "1960-01-01"}, {"name": "Ani", "relation": "spouse"},
        {"name": "Budi", "relation": "child", "birth_date": "2005-01-01"}]});
    let family = dinsos.post("/beneficiaries", body).await.expect(201).id();
    let members = people(&dinsos, &family).await;
    let [udin, ani, budi] = ["Udin", "Ani", "Budi"].map(|name| member(&members, name));
    let before = seen(&dinsos, &family).await;

    let refused = operator.post("/family-events/death", death(&family, &udin)).await.refused(422, "invalid");
    assert_eq!(refused.body["errors"][0]["path"], "new_head_id");
    let mut body = death(&family, &udin);
    body["new_head_id"] = json!(ani);
    for (field, value) in [("on", json!("2999-01-01")), ("reason", json!("NIK 6202094107850001"))] {
        let mut wrong = body.clone();
        wrong[field] = value;
        operator.post("/family-events/death", wrong).await.refused(422, "invalid");
    }
    let mut unborn = death(&family, &budi);
    unborn["on"] = json!("2004-01-01");
    operator.post("/family-events/death", unborn).await.refused(422, "invalid");
    let stranger = family_in(&world, Place::Home, world.home.village).await;
    operator.post("/family-events/death", death(&stranger, &udin)).await.refused(422, "member_elsewhere");
    let died = operator.post("/family-events/death", body.clone()).await.expect(201);
    assert_eq!((&died.body["member_ids"], died.body["happened_on"].as_str()), (&json!([udin, ani]), Some("2026-10-01")));
    assert_eq!(died.body["reason"], Value::Null);
    let widowed = operator.get(&format!("/beneficiaries/{family}")).await.expect(200).body;
    assert_eq!((widowed["head"]["id"].as_str(), widowed["member_count"].as_i64()), (Some(ani.as_str()), Some(2)));
    operator.post("/family-events/death", body).await.refused(409, "step_not_allowed");

    let after_death = seen(&dinsos, &family).await;
    operator.post("/family-events/head-change", handed(&family, &ani)).await.refused(409, "step_not_allowed");
    let handed_over = operator.post("/family-events/head-change", handed(&family, &budi)).await.expect(201);
    assert_eq!(handed_over.body["member_ids"], json!([budi, ani]));
    assert_eq!(operator.get(&format!("/beneficiaries/{family}")).await.expect(200).body["head"]["id"], budi.as_str());

    // The latest first.
    let undo = |event: &str| format!("/family-events/{event}/undo");
    let why = json!({"reason": "Salah orang"});
    dinsos.post(&undo(&died.id()), why.clone()).await.refused(409, "later_event");
    let undone = dinsos.post(&undo(&handed_over.id()), why.clone()).await.expect(200).body;
    assert_eq!((undone["state"].as_str(), &undone["fields_left"]), (Some("undone"), &json!([])));
    assert_eq!(seen(&dinsos, &family).await, after_death);
    // What somebody wrote since stays, whoever was born since stays, and is not told as having arrived.
    let etag = dinsos.get(&format!("/beneficiaries/{family}/members/{budi}")).await.expect(200).etag();
    dinsos.patch(&format!("/beneficiaries/{family}/members/{budi}"), &etag, json!({"occupation": "fisher"})).await.expect(200);
    let undone = dinsos.post(&undo(&died.id()), why.clone()).await.expect(200).body;
    assert_eq!((&undone["fields_left"], &undone["arrived_member_ids"]), (&json!([]), &json!([])));
    let mut expected = before;
    expected[1].as_array_mut().unwrap().iter_mut().find(|row| row["id"] == budi.as_str()).unwrap()["occupation"] = json!("fisher");
    assert_eq!(seen(&dinsos, &family).await, expected);
    dinsos.post(&undo(&died.id()), why).await.refused(409, "step_not_allowed");
}

#[actix_web::test]
async fn whose_last_member_died_waits_for_somebody_to_end_its_service() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let (family, head, child) = family(&world, Place::Home).await;
    operator.post("/family-events/death", death(&family, &child)).await.expect(201);
    let last = operator.post("/family-events/death", death(&family, &head)).await.expect(201);
    let path = format!("/beneficiaries/{family}");
    let left = operator.get(&path).await.expect(200).body;
    assert_eq!((left["status"].as_str(), &left["head"], left["member_count"].as_i64()), (Some("active"), &Value::Null, Some(0)));
    let undone = dinsos.post(&format!("/family-events/{}/undo", last.id()), json!({"reason": "Masih hidup"})).await.expect(200).body;
    assert_eq!(undone["fields_left"], json!([]));
    assert_eq!(dinsos.get(&path).await.expect(200).body["head"]["id"], head.as_str());
}

#[actix_web::test]
async fn a_merge_waits_for_no_death_and_a_death_for_every_merge() {
    let world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let ((kept, ..), (other, _, child)) = (family(&world, Place::Home).await, family(&world, Place::Home).await);
    let merge = async || {
        let body = json!({"other_id": other, "reason": "Tercatat dua kali"});
        dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201).id()
    };
    let undo = async |event: &str| dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Keliru"})).await;
    let merged = merge().await;
    operator.post("/family-events/death", death(&other, &child)).await.refused(409, "record_merged");
    let died = operator.post("/family-events/death", death(&kept, &child)).await.expect(201).id();
    undo(&merged).await.expect(200);
    let home = people(&dinsos, &other).await;
    assert_eq!(home.iter().find(|row| row["id"] == child.as_str()).unwrap()["status"], "deceased", "what happened since stays");
    // They are in another family now: the death is corrected there, not undone here.
    let refused = undo(&died).await.refused(409, "step_not_allowed");
    assert!(refused.body["detail"].as_str().unwrap().contains("another family"), "{}", refused.text);

    let (third, _, anak) = family(&world, Place::Home).await;
    let died = operator.post("/family-events/death", death(&third, &anak)).await.expect(201).id();
    let body = json!({"other_id": third, "reason": "Tercatat dua kali"});
    let merged = dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201).id();
    undo(&died).await.refused(409, "later_event");
    undo(&merged).await.expect(200);
    undo(&died).await.expect(200);
    assert_eq!(people(&dinsos, &third).await.iter().find(|row| row["id"] == anak.as_str()).unwrap()["status"], "present");
}

#[actix_web::test]
async fn a_village_takes_back_its_own_report_until_somebody_acts_on_it() {
    let mut world = World::new().await;
    let (operator, dinsos) = (world.role(Role::VillageOperator), world.role(Role::SocialAffairs));
    let colleague = world.hire("second-operator", Role::VillageOperator, world.home.village, None).await;
    let why = json!({"reason": "Salah orang"});
    let undo = |event: &str| format!("/family-events/{event}/undo");
    let ((one, head, child), (other, _, theirs)) = (family(&world, Place::Home).await, family(&world, Place::Home).await);
    let before = seen(&dinsos, &one).await;

    // One's own, and only what a village may take back.
    let died = operator.post("/family-events/death", death(&one, &child)).await.expect(201).id();
    colleague.post(&undo(&died), why.clone()).await.refused(403, "forbidden");
    let undone = operator.post(&undo(&died), why.clone()).await.expect(200).body;
    assert_eq!((undone["state"].as_str(), &undone["fields_left"]), (Some("undone"), &json!([])));
    assert_eq!(seen(&dinsos, &one).await, before);
    operator.post(&undo(&died), why.clone()).await.refused(409, "step_not_allowed");
    let handed_over = operator.post("/family-events/head-change", handed(&one, &child)).await.expect(201).id();
    operator.post(&undo(&handed_over), why.clone()).await.expect(200);
    assert_eq!(seen(&dinsos, &one).await, before);
    let birth = json!({"beneficiary_id": one, "member": {"name": "Bayi", "relation": "child"}, "on": "2026-10-01"});
    let born = operator.post("/family-events/birth", birth).await.expect(201).id();
    operator.post(&undo(&born), why.clone()).await.refused(403, "forbidden");
    let merge = json!({"other_id": other, "reason": "Tercatat dua kali"});
    let merged = dinsos.post(&format!("/beneficiaries/{one}/merge"), merge).await.expect(201).id();
    operator.post(&undo(&merged), why.clone()).await.refused(403, "forbidden");
    dinsos.post(&undo(&merged), why.clone()).await.expect(200);

    // Whoever writes on the family in between: an edit of a member, of the family, a later report.
    let members = format!("/beneficiaries/{other}/members");
    for act in ["member", "family", "birth"] {
        let died = operator.post("/family-events/death", death(&other, &theirs)).await.expect(201).id();
        match act {
            "member" => {
                let path = format!("{members}/{}", people(&dinsos, &other).await[0]["id"].as_str().unwrap());
                dinsos.patch(&path, &dinsos.get(&path).await.etag(), json!({"occupation": "fisher"})).await.expect(200);
            }
            "family" => {
                let path = format!("/beneficiaries/{other}");
                dinsos.patch(&path, &dinsos.get(&path).await.etag(), json!({"address": "RT 08"})).await.expect(200);
            }
            _ => {
                let birth = json!({"beneficiary_id": other, "member": {"name": "Bayi", "relation": "child"}, "on": "2026-10-01"});
                colleague.post("/family-events/birth", birth).await.expect(201);
            }
        }
        let refused = operator.post(&undo(&died), why.clone()).await.refused(409, "step_not_allowed");
        assert!(refused.body["detail"].as_str().unwrap().starts_with("Somebody wrote"), "{act}: {}", refused.text);
        dinsos.post(&undo(&died), why.clone()).await.expect(200);
    }
    assert_eq!(operator.get(&format!("{members}/{theirs}")).await.expect(200).body["status"], "present");
    assert_eq!(operator.get(&format!("/beneficiaries/{one}")).await.expect(200).body["head"]["id"], head.as_str());
}
