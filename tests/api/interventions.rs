//! Interventions: aid planned, weighed for overlap, delivered, cancelled; the story of a year with its totals counted again.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::action_plans::{activity, plan, planned, program};
use crate::case;
use crate::support::{Call, Case, Place, World};

/// A family in a village, with a head: the family, the head.
async fn family(world: &World, village: &str) -> (Uuid, Uuid) {
    let (family, head, sql) = (Uuid::now_v7(), Uuid::now_v7(), world.sql().await);
    sql.execute("INSERT INTO beneficiaries (id, region_code) VALUES ($1, $2)", &[&family, &village]).await.unwrap();
    let member = "INSERT INTO members (id, beneficiary_id, name, relation) VALUES ($1, $2, 'Contoh', 'head')";
    sql.execute(member, &[&head, &family]).await.unwrap();
    (family, head)
}

fn body(activity: &str, family: Uuid, quarter: &str) -> Value {
    json!({"activity_id": activity, "beneficiary_id": family, "quarter": quarter, "quantity": 2, "amount": 600_000})
}

/// An intervention planned in a place: it and its family.
async fn intervention(world: &World, place: Place) -> (String, Uuid) {
    let (_, activity, _) = planned(world, place, "approved").await;
    let (family, _) = family(world, world.place(place).village).await;
    let planner = world.role_in(place, Role::AgencyPlanner);
    (planner.post("/interventions", body(&activity, family, "2026-Q1")).await.expect(201).id(), family)
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("interventions_list", |world, place| Call::list("/interventions?limit=200", [intervention(world, place).await.0])),
        case!("interventions_create", |world, place| {
            let (_, activity, _) = planned(world, place, "approved").await;
            let (family, _) = family(world, world.place(place).village).await;
            Call::send("/interventions", body(&activity, family, "2026-Q1"))
        }),
        case!("interventions_fetch", |world, place| Call::get(format!("/interventions/{}", intervention(world, place).await.0))),
        case!("interventions_edit", |world, place| {
            Call::edit(format!("/interventions/{}", intervention(world, place).await.0), "\"1\"", json!({"quantity": 3}))
        }),
        case!("interventions_deliver", |world, place| {
            let (id, _) = intervention(world, place).await;
            Call::send(format!("/interventions/{id}/deliver"), json!({"delivered_on": "2026-03-01"}))
        }),
        case!("interventions_cancel", |world, place| {
            let (id, _) = intervention(world, place).await;
            Call::send(format!("/interventions/{id}/cancel"), json!({"reason": "Keluarga menolak"}))
        }),
        case!("interventions_history", |world, place| Call::get(format!("/interventions/{}/history", intervention(world, place).await.0))),
        case!("interventions_list_of_family", |world, place| {
            let (id, family) = intervention(world, place).await;
            Call::list(format!("/beneficiaries/{family}/interventions"), [id])
        }),
    ]
}

#[actix_web::test]
async fn a_year_of_aid_from_the_draft_to_the_delivery() {
    let mut world = World::new().await;
    let other: Uuid = super::agencies::agency(&world, Place::Home).await.0.parse().unwrap();
    let neighbour = world.hire("other-planner", Role::AgencyPlanner, "62.02", Some(other)).await;
    let (planner, head) = (world.role(Role::AgencyPlanner), world.role(Role::AgencyHead));
    let (program, _) = program(&world, Place::Home).await;

    let drafted = planner.post("/action-plans", json!({"agency_id": world.home.agency, "year": 2026, "title": "Rencana aksi 2026"})).await;
    let plan_path = format!("/action-plans/{}", drafted.expect(201).id());
    let written = json!({"program_id": program, "name": "Paket pangan", "indicator": "Keluarga penerima", "unit": "paket", "target_q1": 3,
        "target_q2": 3, "budget": 3_600_000, "fund_source": "apbd_regency", "spending_tag": "direct"});
    let activity = planner.post(&format!("{plan_path}/activities"), written).await.expect(201).id();
    let mut families = Vec::new();
    for _ in 0..5 {
        families.push(family(&world, world.home.village).await.0);
    }
    planner.post("/interventions", body(&activity, families[0], "2026-Q1")).await.refused(409, "plan_not_approved");
    head.step(&format!("{plan_path}/submit")).await.expect(200);
    world.role(Role::Coordinator).post(&format!("{plan_path}/return"), json!({"note": "Sebutkan lokasi"})).await.expect(200);
    let mended =
        planner.patch(&format!("{plan_path}/activities/{activity}"), "\"1\"", json!({"locations": [world.home.subdistrict]})).await;
    mended.expect(200);
    head.step(&format!("{plan_path}/submit")).await.expect(200);
    world.role(Role::Leadership).post(&format!("{plan_path}/approve"), json!({})).await.expect(200);

    let mut planned = Vec::new();
    for family in &families[..3] {
        let answer = planner.post("/interventions", body(&activity, *family, "2026-Q1")).await.expect(201);
        assert_eq!((answer.body["unit"].as_str(), answer.body["status"].as_str()), (Some("paket"), Some("planned")));
        assert_eq!((answer.body["warnings"].clone(), answer.body["agency_id"].clone()), (json!([]), json!(world.home.agency)));
        assert_eq!(answer.body["program_id"], program);
        planned.push(answer.id());
    }

    // The neighbour's aid of the same program, in the same quarter, for the same family.
    let theirs =
        neighbour.post("/action-plans", json!({"agency_id": other, "year": 2026, "title": "Rencana aksi lain"})).await.expect(201).id();
    let their_activity = super::action_plans::activity(&world, &theirs, &program).await;
    world.sql().await.execute("UPDATE action_plans SET state = 'locked' WHERE id = $1", &[&theirs.parse::<Uuid>().unwrap()]).await.unwrap();
    let refused =
        neighbour.post("/interventions", body(&their_activity, families[0], "2026-Q1")).await.refused(409, "intervention_overlap");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("1 intervention") && detail.contains("2026-Q1") && !detail.contains(&families[0].to_string()), "{detail}");
    let mut reasoned = body(&their_activity, families[0], "2026-Q1");
    reasoned["override_reason"] = json!("singkat");
    neighbour.post("/interventions", reasoned.clone()).await.refused(422, "invalid");
    reasoned["override_reason"] = json!("Dua anak di dua sekolah");
    let overridden = neighbour.post("/interventions", reasoned.clone()).await.expect(201);
    assert_eq!(overridden.body["warnings"], json!(["overlap"]));
    reasoned["quarter"] = json!("2026-Q2");
    let free = neighbour.post("/interventions", reasoned).await.expect(201);
    assert_eq!((free.body["warnings"].clone(), free.body["override_reason"].clone()), (json!([]), Value::Null));
    // Moving it into the full quarter is weighed like planning it there.
    let path = format!("/interventions/{}", free.id());
    let refused = neighbour.patch(&path, "\"1\"", json!({"quarter": "2026-Q1"})).await.refused(409, "intervention_overlap");
    assert!(refused.body["detail"].as_str().unwrap().contains("2 intervention"));
    neighbour.patch(&path, "\"1\"", json!({"quarter": "2027-Q1"})).await.refused(422, "quarter_outside_plan");
    let moved =
        neighbour.patch(&path, "\"1\"", json!({"quarter": "2026-Q1", "override_reason": "Panen gagal di desa ini"})).await.expect(200);
    assert_eq!(moved.body["warnings"], json!(["overlap"]));
    // The reason is needed as long as the overlap is there.
    neighbour.patch(&path, "\"2\"", json!({"override_reason": null})).await.refused(422, "invalid");
    let again = json!({"override_reason": "Panen gagal di desa ini"});
    assert_eq!(neighbour.patch(&path, "\"2\"", again).await.expect(200).etag(), "\"2\"");
    let back = neighbour.patch(&path, "\"2\"", json!({"quarter": "2026-Q3", "amount": null})).await.expect(200);
    assert_eq!((back.body["warnings"].clone(), back.body["amount"].clone()), (json!([]), Value::Null));

    // Each planner sees the other's aid and may not touch it.
    let seen = planner.get(&format!("/interventions/{}", overridden.id())).await.expect(200);
    assert_eq!(seen.body["agency_id"], json!(other));
    planner.patch(&format!("/interventions/{}", overridden.id()), "\"1\"", json!({"quantity": 1})).await.refused(404, "not_found");
    planner
        .post(&format!("/interventions/{}/cancel", overridden.id()), json!({"reason": "Bukan milik kami"}))
        .await
        .refused(404, "not_found");
    planner.post("/interventions", body(&their_activity, families[4], "2026-Q1")).await.refused(404, "not_found");

    for id in &planned[..2] {
        let delivery = json!({"delivered_on": "2026-03-30", "proof": "BAST 12/2026"});
        let delivered = planner.post(&format!("/interventions/{id}/deliver"), delivery.clone()).await.expect(200);
        assert_eq!((delivered.body["status"].as_str(), delivered.body["delivered_on"].as_str()), (Some("delivered"), Some("2026-03-30")));
        planner.post(&format!("/interventions/{id}/deliver"), delivery).await.refused(409, "step_not_allowed");
        planner.post(&format!("/interventions/{id}/cancel"), json!({"reason": "Terlambat"})).await.refused(409, "step_not_allowed");
        planner.patch(&format!("/interventions/{id}"), &delivered.etag(), json!({"quantity": 9})).await.refused(409, "step_not_allowed");
    }
    let cancelled = planner.post(&format!("/interventions/{}/cancel", planned[2]), json!({"reason": "Keluarga menolak"})).await.expect(200);
    assert_eq!(
        (cancelled.body["status"].as_str(), cancelled.body["cancel_reason"].as_str()),
        (Some("cancelled"), Some("Keluarga menolak"))
    );
    // What was given up stands in nobody's way.
    let again = planner.post("/interventions", body(&activity, families[2], "2026-Q1")).await.expect(201);
    assert_eq!(again.body["warnings"], json!([]));

    // Counted from the lists by hand, against what the tables hold.
    let operator = world.role(Role::VillageOperator);
    let all = operator.all("/interventions?limit=2").await;
    let delivered: Vec<&Value> = all.iter().filter(|row| row["status"] == "delivered").collect();
    let worth: i64 = delivered.iter().map(|row| row["amount"].as_i64().unwrap()).sum();
    let row = world
        .sql()
        .await
        .query_one("SELECT count(*), sum(amount)::bigint FROM interventions WHERE status = 'delivered'", &[])
        .await
        .unwrap();
    assert_eq!((delivered.len() as i64, worth), (row.get(0), row.get(1)));
    assert_eq!((all.len(), delivered.len(), worth), (6, 2, 1_200_000));
    assert_eq!(operator.all("/interventions?status=delivered&quarter=2026-Q1").await.len(), 2);
    assert_eq!(operator.all(&format!("/interventions?activity_id={their_activity}")).await.len(), 2);
    assert_eq!(operator.all(&format!("/interventions?agency_id={other}&quarter=2026-Q3")).await.len(), 1);
    assert_eq!(operator.all(&format!("/interventions?beneficiary_id={}", families[0])).await.len(), 3);
    assert_eq!(operator.all(&format!("/interventions?region={}", world.home.next_village)).await.len(), 0);
    assert_eq!(operator.all(&format!("/beneficiaries/{}/interventions?limit=1", families[0])).await.len(), 3);
    let without =
        families.iter().filter(|family| !all.iter().any(|row| row["beneficiary_id"] == json!(family) && row["status"] != "cancelled"));
    assert_eq!(without.copied().collect::<Vec<_>>(), families[3..]);

    let history = world.role(Role::Auditor).all(&format!("/interventions/{}/history", planned[0])).await;
    assert_eq!(history.iter().map(|change| change["action"].as_str().unwrap()).collect::<Vec<_>>(), ["created", "delivered"]);
    assert_eq!((&history[1]["fields"]["proof"], &history[1]["region_code"]), (&json!({"changed": true}), &json!(world.home.village)));
    let history = world.role(Role::Auditor).all(&format!("/interventions/{}/history", overridden.id())).await;
    assert_eq!(history[0]["reason"], "Dua anak di dua sekolah");
    world.flush_reads().await;
    let reads = "SELECT count(*) FROM reads WHERE resource = 'beneficiaries' AND resource_id = $1";
    assert!(
        world.sql().await.query_one(reads, &[&families[0]]).await.unwrap().get::<_, i64>(0) >= 3,
        "what aid a family gets is recorded when read"
    );
}

#[actix_web::test]
async fn aid_is_for_active_families_and_present_members_of_ones_own_regions() {
    let world = World::new().await;
    let planner = world.role(Role::AgencyPlanner);
    let (_, activity, _) = planned(&world, Place::Home, "locked").await;
    let (home, head) = family(&world, world.home.village).await;
    let (other, stranger) = family(&world, world.home.next_village).await;
    let (foreign, _) = family(&world, world.foreign.village).await;
    let for_member = |member: Uuid| {
        let mut body = body(&activity, home, "2026-Q2");
        body["member_id"] = json!(member);
        body
    };
    planner.post("/interventions", body(&activity, foreign, "2026-Q2")).await.refused(404, "not_found");
    planner.get(&format!("/beneficiaries/{foreign}/interventions")).await.refused(404, "not_found");
    planner.post("/interventions", body(&Uuid::now_v7().to_string(), home, "2026-Q2")).await.refused(404, "not_found");
    planner.post("/interventions", body(&activity, home, "2025-Q4")).await.refused(422, "quarter_outside_plan");
    planner.post("/interventions", for_member(stranger)).await.refused(422, "member_elsewhere");
    planner.post("/interventions", for_member(Uuid::now_v7())).await.refused(422, "member_elsewhere");
    let taken = planner.post("/interventions", for_member(head)).await.expect(201);
    assert_eq!(taken.body["member_id"], json!(head));
    let sql = world.sql().await;
    sql.execute("UPDATE members SET status = 'moved_out' WHERE id = $1", &[&stranger]).await.unwrap();
    let mut gone = body(&activity, other, "2026-Q2");
    gone["member_id"] = json!(stranger);
    planner.post("/interventions", gone).await.refused(422, "member_elsewhere");
    sql.execute("UPDATE beneficiaries SET status = 'inactive', inactive_reason = 'moved_out' WHERE id = $1", &[&other]).await.unwrap();
    planner.post("/interventions", body(&activity, other, "2026-Q2")).await.refused(409, "beneficiary_inactive");
    for (field, value) in [
        ("quarter", json!("2026-Q5")),
        ("quarter", json!("2026-q1")),
        ("quantity", json!(0)),
        ("quantity", json!(i64::MAX)),
        ("amount", json!(-1)),
        ("unit", json!("")),
        ("id", json!("1")),
        ("beneficiary_id", json!(7)),
    ] {
        let mut body = body(&activity, home, "2026-Q3");
        body[field] = value;
        planner.post("/interventions", body).await.refused(422, "invalid");
    }
    let path = format!("/interventions/{}", taken.id());
    for day in ["2026-13-01", "1999-12-31", "0206-01-01", "9999-01-01", "+262142-12-31", "2026-03-01T00:00:00Z", ""] {
        planner.post(&format!("{path}/deliver"), json!({"delivered_on": day})).await.refused(422, "invalid");
    }
    planner.post(&format!("{path}/cancel"), json!({"reason": "  "})).await.refused(422, "invalid");
    planner.patch(&path, "\"1\"", json!({"quantity": null})).await.refused(422, "invalid");
    planner.patch(&path, "\"1\"", json!({"status": "delivered"})).await.refused(422, "invalid");
    // A client that sends its own id twice is told so.
    let mut twice = body(&activity, home, "2026-Q4");
    twice["id"] = json!(Uuid::now_v7());
    planner.post("/interventions", twice.clone()).await.expect(201);
    planner.post("/interventions", twice).await.refused(409, "id_taken");
}

#[actix_web::test]
async fn a_family_outside_the_locations_is_planned_for_with_a_warning() {
    let world = World::new().await;
    let planner = world.role(Role::AgencyPlanner);
    let (plan_id, activity_id, _) = planned(&world, Place::Home, "approved").await;
    let sql = world.sql().await;
    let narrow = "UPDATE activities SET locations = ARRAY[$2::text] WHERE id = $1";
    sql.execute(narrow, &[&activity_id.parse::<Uuid>().unwrap(), &world.home.next_village]).await.unwrap();
    let (family, _) = family(&world, world.home.village).await;
    let warned = planner.post("/interventions", body(&activity_id, family, "2026-Q1")).await.expect(201);
    assert_eq!(warned.body["warnings"], json!(["outside_locations"]));
    // A revision leaves what was planned where it was: it can still be delivered, and new aid goes under the new activity.
    let revised = planner.step(&format!("/action-plans/{plan_id}/revise")).await.expect(201);
    let next = format!("/action-plans/{}", revised.id());
    let copy = planner.all(&format!("{next}/activities")).await[0]["id"].as_str().unwrap().to_owned();
    planner.post("/interventions", body(&copy, family, "2026-Q2")).await.refused(409, "plan_not_approved");
    world.role(Role::AgencyHead).step(&format!("{next}/submit")).await.expect(200);
    world.role(Role::Leadership).post(&format!("{next}/approve"), json!({})).await.expect(200);
    planner.post("/interventions", body(&activity_id, family, "2026-Q2")).await.refused(409, "plan_not_approved");
    planner.post("/interventions", body(&copy, family, "2026-Q1")).await.refused(409, "intervention_overlap");
    planner.post("/interventions", body(&copy, family, "2026-Q2")).await.expect(201);
    planner.post(&format!("/interventions/{}/deliver", warned.id()), json!({"delivered_on": "2026-02-01"})).await.expect(200);
    // The database has the last word where the state of a plan would let an activity go.
    sql.execute("UPDATE action_plans SET state = 'draft' WHERE id = $1", &[&revised.id().parse::<Uuid>().unwrap()]).await.unwrap();
    let strike = planner.send(reqwest::Method::DELETE, &format!("{next}/activities/{copy}"), &[("if-match", "\"1\"")], None).await;
    strike.refused(409, "activity_in_use");
}

#[actix_web::test]
async fn of_planners_at_the_same_moment_one_gets_through() {
    let world = World::new().await;
    let planner = world.role(Role::AgencyPlanner);
    let (program, _) = program(&world, Place::Home).await;
    let plan = plan(&world, Place::Home, "approved").await;
    let (first, second) = (activity(&world, &plan, &program).await, activity(&world, &plan, &program).await);
    for quarter in ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"] {
        let (family, _) = family(&world, world.home.village).await;
        let asked = (0..8).map(|at| planner.post("/interventions", body(if at % 2 == 0 { &first } else { &second }, family, quarter)));
        let requests: Vec<_> = asked.collect();
        let answers = futures_util::future::join_all(requests).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
        let stored = "SELECT count(*) FROM interventions WHERE beneficiary_id = $1";
        assert_eq!(world.sql().await.query_one(stored, &[&family]).await.unwrap().get::<_, i64>(0), 1);
    }
}

#[actix_web::test]
async fn a_planner_waits_for_the_other_one_of_the_same_family_and_then_sees_the_overlap() {
    let world = World::new().await;
    let planner = world.role(Role::AgencyPlanner);
    let (_, activity, _) = planned(&world, Place::Home, "approved").await;
    let (family, _) = family(&world, world.home.village).await;
    // The other planner, held still half-way: the family is locked, the aid written and not yet committed.
    let sql = world.sql().await;
    sql.batch_execute("BEGIN").await.unwrap();
    sql.execute("SELECT 1 FROM beneficiaries WHERE id = $1 FOR NO KEY UPDATE", &[&family]).await.unwrap();
    let other = "INSERT INTO interventions (id, activity_id, beneficiary_id, quarter, unit) VALUES ($1, $2, $3, '2026-Q1', 'paket')";
    sql.execute(other, &[&Uuid::now_v7(), &activity.parse::<Uuid>().unwrap(), &family]).await.unwrap();
    let asking = tokio::spawn({
        let (planner, body) = (planner.clone(), body(&activity, family, "2026-Q1"));
        async move { planner.post("/interventions", body).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!asking.is_finished(), "the second planner did not wait for the first");
    sql.batch_execute("COMMIT").await.unwrap();
    asking.await.unwrap().refused(409, "intervention_overlap");
}
