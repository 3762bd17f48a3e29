//! Programs, action plans and activities: the machine through HTTP, whose plan is whose, totals counted again by hand.

use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Answer, Call, Case, Client, Place, World};

/// A program of a place's regency.
pub async fn program(world: &World, place: Place) -> (String, String) {
    let created = world.role_in(place, Role::Coordinator).post("/programs", program_body(world, place)).await.expect(201);
    (created.id(), created.etag())
}

fn program_body(world: &World, place: Place) -> Value {
    json!({"region_code": world.place(place).regency, "name": format!("Program {}", Uuid::now_v7()),
        "strategy": "reduce_expenditure", "program_group": "social_assistance", "sector": "economy"})
}

/// A plan of the place's agency in a state, put there as the next revision of 2026 so that any number of them fit.
pub async fn plan(world: &World, place: Place, state: &str) -> String {
    let (id, here) = (Uuid::now_v7(), world.place(place));
    let sql = world.sql().await;
    let retire = "UPDATE action_plans SET state = 'superseded' WHERE agency_id = $1 AND year = 2026 AND state IN ('approved', 'locked')";
    sql.execute(retire, &[&here.agency]).await.unwrap();
    sql.execute(
        "INSERT INTO action_plans (id, region_code, agency_id, year, title, state, revision)
         SELECT $1, $2, $3, 2026, 'Rencana aksi', $4, count(*) FROM action_plans WHERE agency_id = $3 AND year = 2026",
        &[&id, &here.regency, &here.agency, &state],
    )
    .await
    .unwrap();
    id.to_string()
}

/// An activity in a plan, under a program.
pub async fn activity(world: &World, plan: &str, program: &str) -> String {
    let id = Uuid::now_v7();
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO activities (id, action_plan_id, program_id, name, strategy, sector, indicator, unit, budget, fund_source, spending_tag)
         VALUES ($1, $2, $3, 'Bantuan pangan', 'reduce_expenditure', 'economy', 'Keluarga penerima', 'paket', 1000000, 'apbd_regency', 'direct')",
        &[&id, &plan.parse::<Uuid>().unwrap(), &program.parse::<Uuid>().unwrap()],
    )
    .await
    .unwrap();
    id.to_string()
}

/// A plan in a state with one activity: the plan, the activity, its program.
pub async fn planned(world: &World, place: Place, state: &str) -> (String, String, String) {
    let (program, _) = program(world, place).await;
    let plan = plan(world, place, state).await;
    let activity = activity(world, &plan, &program).await;
    (plan, activity, program)
}

fn activity_body(program: &str) -> Value {
    json!({"program_id": program, "name": "Bantuan pangan", "indicator": "Keluarga penerima", "unit": "paket", "target_q1": 10,
        "budget": 1_500_000, "fund_source": "apbd_regency", "spending_tag": "direct"})
}

/// A year of the agency's in which no plan stands.
async fn free_year(world: &World, place: Place) -> i32 {
    let free = "SELECT min(year) FROM generate_series(2015, 2025) AS year
                 WHERE NOT EXISTS (SELECT FROM action_plans p WHERE p.agency_id = $1 AND p.year = year.year)";
    world.sql().await.query_one(free, &[&world.place(place).agency]).await.unwrap().get(0)
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("programs_list", |world, place| Call::list("/programs?limit=200", [program(world, place).await.0])),
        case!("programs_create", |world, place| Call::send("/programs", program_body(world, place))),
        case!("programs_fetch", |world, place| Call::get(format!("/programs/{}", program(world, place).await.0))),
        case!("programs_edit", |world, place| {
            let (id, etag) = program(world, place).await;
            Call::edit(format!("/programs/{id}"), &etag, json!({"sector": "health"}))
        }),
        case!("programs_history", |world, place| Call::get(format!("/programs/{}/history", program(world, place).await.0))),
        case!("action_plans_list", |world, place| Call::list("/action-plans?limit=200&year=2026", [plan(world, place, "draft").await])),
        case!("action_plans_create", |world, place| {
            let year = free_year(world, place).await;
            Call::send("/action-plans", json!({"agency_id": world.place(place).agency, "year": year, "title": "Rencana aksi"}))
        }),
        case!("action_plans_fetch", |world, place| Call::get(format!("/action-plans/{}", plan(world, place, "draft").await))),
        case!("action_plans_edit", |world, place| {
            Call::edit(format!("/action-plans/{}", plan(world, place, "draft").await), "\"1\"", json!({"title": "Rencana aksi II"}))
        }),
        case!("action_plans_submit", |world, place| Call {
            path: format!("/action-plans/{}/submit", planned(world, place, "draft").await.0),
            ..Call::default()
        }),
        case!("action_plans_send_back", |world, place| {
            Call::send(format!("/action-plans/{}/return", plan(world, place, "submitted").await), json!({"note": "Target terlalu rendah"}))
        }),
        case!("action_plans_approve", |world, place| {
            Call::send(format!("/action-plans/{}/approve", plan(world, place, "submitted").await), json!({"note": "Setuju"}))
        }),
        case!("action_plans_lock", |world, place| Call {
            path: format!("/action-plans/{}/lock", plan(world, place, "approved").await),
            ..Call::default()
        }),
        case!("action_plans_revise", |world, place| Call {
            path: format!("/action-plans/{}/revise", planned(world, place, "locked").await.0),
            ..Call::default()
        }),
        case!("action_plans_history", |world, place| Call::get(format!("/action-plans/{}/history", plan(world, place, "draft").await))),
        case!("activities_list", |world, place| {
            let (plan, activity, _) = planned(world, place, "draft").await;
            Call::list(format!("/action-plans/{plan}/activities"), [activity])
        }),
        case!("activities_create", |world, place| {
            let (program, _) = program(world, place).await;
            Call::send(format!("/action-plans/{}/activities", plan(world, place, "draft").await), activity_body(&program))
        }),
        case!("activities_fetch", |world, place| {
            let (plan, activity, _) = planned(world, place, "draft").await;
            Call::get(format!("/action-plans/{plan}/activities/{activity}"))
        }),
        case!("activities_edit", |world, place| {
            let (plan, activity, _) = planned(world, place, "draft").await;
            Call::edit(format!("/action-plans/{plan}/activities/{activity}"), "\"1\"", json!({"budget": 2_000_000}))
        }),
        case!("activities_remove", |world, place| {
            let (plan, activity, _) = planned(world, place, "draft").await;
            let headers = vec![("if-match".to_owned(), "\"1\"".to_owned())];
            Call { path: format!("/action-plans/{plan}/activities/{activity}"), headers, ..Call::default() }
        }),
    ]
}

async fn delete(client: &Client, path: &str, etag: &str) -> Answer {
    client.send(Method::DELETE, path, &[("if-match", etag)], None).await
}

#[actix_web::test]
async fn a_plan_goes_from_draft_to_locked_and_is_revised() {
    let world = World::new().await;
    let (planner, head) = (world.role(Role::AgencyPlanner), world.role(Role::AgencyHead));
    let (coordinator, leader) = (world.role(Role::Coordinator), world.role(Role::Leadership));
    let (program, _) = program(&world, Place::Home).await;

    let body = json!({"agency_id": world.home.agency, "year": 2027, "title": "Rencana aksi 2027"});
    let drafted = planner.post("/action-plans", body.clone()).await.expect(201);
    assert_eq!((drafted.body["state"].as_str(), drafted.body["revision"].as_i64()), (Some("draft"), Some(0)));
    assert_eq!(drafted.body["region_code"], "62.02");
    head.post("/action-plans", body).await.refused(409, "plan_exists");
    let path = format!("/action-plans/{}", drafted.id());
    head.step(&format!("{path}/submit")).await.refused(409, "plan_empty");
    leader.post(&format!("{path}/approve"), json!({})).await.refused(409, "step_not_allowed");

    let budgets = [1_500_000_i64, 250_000, 7];
    for budget in budgets {
        let mut body = activity_body(&program);
        body["budget"] = json!(budget);
        planner.post(&format!("{path}/activities"), body).await.expect(201);
    }
    let fetched = planner.get(&path).await.expect(200);
    assert_eq!(fetched.body["activity_count"], budgets.len());
    assert_eq!(fetched.body["budget_total"], budgets.iter().sum::<i64>());
    assert_eq!(fetched.etag(), "\"4\"", "a change of an activity is a change of its plan");

    head.step(&format!("{path}/submit")).await.expect(200);
    planner.patch(&path, "\"5\"", json!({"title": "Lain"})).await.refused(409, "plan_not_open");
    planner.post(&format!("{path}/activities"), activity_body(&program)).await.refused(409, "plan_not_open");
    coordinator.post(&format!("{path}/return"), json!({})).await.refused(422, "invalid");
    let returned = coordinator.post(&format!("{path}/return"), json!({"note": "Sebutkan lokasi"})).await.expect(200);
    assert_eq!((returned.body["state"].as_str(), returned.body["note"].as_str()), (Some("returned"), Some("Sebutkan lokasi")));

    let first = planner.all(&format!("{path}/activities")).await[0].clone();
    let one = format!("{path}/activities/{}", first["id"].as_str().unwrap());
    let mended = planner.patch(&one, "\"1\"", json!({"locations": ["62.02.09", "6202092001", "62.02.09"]})).await.expect(200);
    assert_eq!(mended.body["locations"], json!(["62.02.09", "62.02.09.2001"]));
    planner.patch(&one, "\"1\"", json!({"budget": 1})).await.refused(412, "version_stale");
    let resubmitted = head.step(&format!("{path}/submit")).await.expect(200);
    assert!(resubmitted.body["note"].is_null());

    // Whoever sends the version they read approves that one and no other.
    let stale = leader.send(Method::POST, &format!("{path}/approve"), &[("if-match", "\"5\"")], Some(b"{}".to_vec())).await;
    stale.refused(412, "version_stale");
    let garbled = leader.send(Method::POST, &format!("{path}/approve"), &[("if-match", "x")], Some(b"{}".to_vec())).await;
    garbled.refused(412, "version_stale");
    let etag = resubmitted.etag();
    let approved = leader.send(Method::POST, &format!("{path}/approve"), &[("if-match", &etag)], Some(b"{}".to_vec())).await.expect(200);
    assert_eq!(approved.body["state"], "approved");
    assert!(approved.body["approved_at"].is_string() && approved.body["submitted_at"].is_string());
    coordinator.post(&format!("{path}/return"), json!({"note": "Terlambat"})).await.refused(409, "step_not_allowed");

    let revised = planner.step(&format!("{path}/revise")).await.expect(201);
    assert_eq!((revised.body["revision"].as_i64(), revised.body["state"].as_str()), (Some(1), Some("draft")));
    assert_eq!(revised.body["budget_total"], budgets.iter().sum::<i64>());
    head.step(&format!("{path}/revise")).await.refused(409, "plan_exists");
    let next = format!("/action-plans/{}", revised.id());
    let (old, new) = (planner.all(&format!("{path}/activities")).await, planner.all(&format!("{next}/activities")).await);
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(new["origin_id"], old["id"]);
        for same in ["name", "budget", "target_q1", "locations", "program_id", "strategy", "program_group", "sector", "unit", "indicator"] {
            assert_eq!(new[same], old[same], "{same}");
        }
        assert_ne!(new["id"], old["id"]);
    }
    assert_eq!((old.len(), new.len()), (3, 3));
    coordinator.step(&format!("{path}/lock")).await.expect(200);
    assert_eq!(planner.get(&path).await.expect(200).body["state"], "locked", "in force until the revision is approved");
    head.step(&format!("{next}/submit")).await.expect(200);
    coordinator.post(&format!("{next}/approve"), json!({"note": "Perubahan APBD"})).await.expect(200);
    assert_eq!(planner.get(&path).await.expect(200).body["state"], "superseded");
    assert_eq!(planner.get(&next).await.expect(200).body["state"], "approved");
    planner.step(&format!("{path}/revise")).await.refused(409, "step_not_allowed");
    coordinator.step(&format!("{path}/lock")).await.refused(409, "step_not_allowed");
    let third = planner.step(&format!("{next}/revise")).await.expect(201);
    let third = planner.all(&format!("/action-plans/{}/activities", third.id())).await;
    assert_eq!(third[0]["origin_id"], old[0]["id"], "the origin is the first one, however many revisions");

    let history = world.role(Role::Auditor).all(&format!("{path}/history")).await;
    let actions: Vec<&str> = history.iter().map(|change| change["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["created", "submitted", "returned", "submitted", "approved", "locked", "superseded"]);
    assert_eq!(history[2]["reason"], "Sebutkan lokasi");
    assert!(history[5]["reason"].is_null());
    let listed = leader.all("/action-plans?year=2027&state=superseded&limit=1").await;
    assert_eq!(listed.iter().map(|plan| plan["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), [drafted.id()]);
    assert_eq!(listed[0]["activity_count"], 3);
}

#[actix_web::test]
async fn an_agency_sees_and_writes_its_own_plans_and_no_others_next_door() {
    let mut world = World::new().await;
    let other: Uuid = super::agencies::agency(&world, Place::Home).await.0.parse().unwrap();
    let stranger = world.hire("other-planner", Role::AgencyPlanner, "62.02", Some(other)).await;
    let (plan, activity, program) = planned(&world, Place::Home, "draft").await;
    let path = format!("/action-plans/{plan}");

    stranger.get(&path).await.refused(404, "not_found");
    stranger.get(&format!("{path}/activities")).await.refused(404, "not_found");
    stranger.get(&format!("{path}/activities/{activity}")).await.refused(404, "not_found");
    stranger.patch(&path, "\"1\"", json!({"title": "Milik kami"})).await.refused(404, "not_found");
    stranger.post(&format!("{path}/activities"), activity_body(&program)).await.refused(404, "not_found");
    delete(&stranger, &format!("{path}/activities/{activity}"), "\"1\"").await.refused(404, "not_found");
    assert!(stranger.all("/action-plans").await.is_empty());
    let theirs = json!({"agency_id": world.home.agency, "year": 2030, "title": "Milik orang"});
    stranger.post("/action-plans", theirs).await.refused(404, "not_found");

    let own = stranger.post("/action-plans", json!({"agency_id": other, "year": 2030, "title": "Milik sendiri"})).await.expect(201);
    assert_eq!(stranger.all("/action-plans").await.len(), 1);
    world.role(Role::AgencyHead).step(&format!("/action-plans/{}/submit", own.id())).await.refused(404, "not_found");
    assert_eq!(world.role(Role::Coordinator).all("/action-plans").await.len(), 2, "the secretariat sees every agency's");
    // An activity is found under its own plan only.
    stranger.get(&format!("/action-plans/{}/activities/{activity}", own.id())).await.refused(404, "not_found");
    // Two hats: as planner of one agency here and coordinator there, each counts for itself.
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO assignments (id, actor_id, role, region_code) VALUES ($1, $2, 'coordinator', '64.08')",
        &[&Uuid::now_v7(), &world.actor_id("other-planner")],
    )
    .await
    .unwrap();
    let far = self::plan(&world, Place::Foreign, "submitted").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
    stranger.get(&format!("/action-plans/{far}")).await.expect(200);
    stranger.get(&path).await.refused(404, "not_found");
    stranger.patch(&format!("/action-plans/{far}"), "\"1\"", json!({"title": "x"})).await.refused(404, "not_found");
    stranger.post(&format!("/action-plans/{far}/approve"), json!({})).await.expect(200);

    // A closed agency gets no new plans.
    let closing = world.role(Role::Administrator).patch(&format!("/agencies/{other}"), "\"1\"", json!({"status": "closed"})).await;
    closing.expect(200);
    stranger.post("/action-plans", json!({"agency_id": other, "year": 2031, "title": "Terlambat"})).await.refused(404, "not_found");
}

#[actix_web::test]
async fn an_activity_takes_what_is_left_out_from_its_program_and_is_held_to_its_limits() {
    let world = World::new().await;
    let planner = world.role(Role::AgencyPlanner);
    let (program, _) = program(&world, Place::Home).await;
    let (foreign_program, _) = self::program(&world, Place::Foreign).await;
    let plan = plan(&world, Place::Home, "draft").await;
    let path = format!("/action-plans/{plan}/activities");

    let taken = planner.post(&path, activity_body(&program)).await.expect(201);
    assert_eq!(taken.headers["location"].to_str().unwrap(), format!("/api/v1{path}/{}", taken.id()));
    let three = |answer: &Answer| ["strategy", "program_group", "sector"].map(|name| answer.body[name].clone());
    assert_eq!(three(&taken), [json!("reduce_expenditure"), json!("social_assistance"), json!("economy")]);
    let mut own = activity_body(&program);
    own["strategy"] = json!("increase_income");
    own["program_group"] = Value::Null;
    own["sector"] = json!("education");
    own["subactivity_code"] = json!("X.XX.01.2.06.0004");
    own["budget"] = json!(9_000_000_000_000_000_i64);
    let own = planner.post(&path, own).await.expect(201);
    assert_eq!(three(&own), [json!("increase_income"), Value::Null, json!("education")]);
    assert_eq!(planner.get(&format!("/action-plans/{plan}")).await.expect(200).body["budget_total"], 9_000_000_001_500_000_i64);

    for (field, value, at) in [
        ("budget", json!(-1), "budget"),
        ("budget", json!(9_000_000_000_000_001_i64), "budget"),
        ("budget", json!(1e3), "budget"),
        ("target_q4", json!(-1), "target_q4"),
        ("subactivity_code", json!("1,06"), "subactivity_code"),
        ("name", json!(" "), "name"),
        ("name", json!("x".repeat(301)), "name"),
        ("unit", json!("pa\u{0}ket"), "unit"),
        ("fund_source", json!("korupsi"), "fund_source"),
        ("locations", json!(["Kotim"]), "locations[0]"),
        ("strategy", json!("win"), "strategy"),
    ] {
        let mut body = activity_body(&program);
        body[field] = value;
        let refused = planner.post(&path, body).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], at, "{}", refused.text);
    }
    for place in ["64.08", "62", "62.02.99", "64.08.03.2001"] {
        let mut body = activity_body(&program);
        body["locations"] = json!(["62.02.09", place]);
        planner.post(&path, body).await.refused(404, "region_not_found");
    }
    planner.post(&path, activity_body(&foreign_program)).await.refused(404, "not_found");
    planner.post(&path, activity_body(&Uuid::now_v7().to_string())).await.refused(404, "not_found");

    let one = format!("{path}/{}", taken.id());
    planner.patch(&one, "\"1\"", json!({"program_id": foreign_program})).await.refused(404, "not_found");
    planner.patch(&one, "\"1\"", json!({"sector": null})).await.refused(422, "invalid");
    let edited =
        planner.patch(&one, "\"1\"", json!({"program_group": null, "target_q3": 4, "subactivity_code": "1.06.05.2.02.0001"})).await;
    let edited = edited.expect(200);
    assert_eq!((edited.body["target_q1"].as_i64(), edited.body["target_q3"].as_i64()), (Some(10), Some(4)));
    assert_eq!(three(&edited), [json!("reduce_expenditure"), Value::Null, json!("economy")]);
    delete(&planner, &one, "\"1\"").await.refused(412, "version_stale");
    delete(&planner, &one, "\"2\"").await.expect(204);
    planner.get(&one).await.refused(404, "not_found");
    assert_eq!(planner.get(&format!("/action-plans/{plan}")).await.expect(200).body["activity_count"], 1);
    let removed = "SELECT count(*) FROM changes WHERE resource = 'activities' AND action = 'removed' AND resource_id = $1";
    let told: i64 = world.sql().await.query_one(removed, &[&taken.id().parse::<Uuid>().unwrap()]).await.unwrap().get(0);
    assert_eq!(told, 1);
    planner.post("/action-plans", json!({"agency_id": world.home.agency, "year": 2014, "title": "x"})).await.refused(422, "invalid");
}

#[actix_web::test]
async fn two_people_revise_at_once_and_one_draft_comes_of_it() {
    let world = World::new().await;
    let (plan, ..) = planned(&world, Place::Home, "approved").await;
    let path = format!("/action-plans/{plan}/revise");
    let (planner, head) = (world.role(Role::AgencyPlanner), world.role(Role::AgencyHead));
    let answers = futures_util::future::join_all([planner.step(&path), head.step(&path), planner.step(&path)]).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
    assert_eq!(planner.all("/action-plans?state=draft").await.len(), 1);
}

#[actix_web::test]
async fn a_program_is_known_once_a_region_and_seen_from_below() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let body =
        json!({"region_code": "62.02", "code": "BLT", "name": "BLT Dana Desa", "strategy": "reduce_expenditure", "sector": "economy"});
    let created = coordinator.post("/programs", body.clone()).await.expect(201);
    assert!(created.body["program_group"].is_null(), "no group follows from a strategy");
    coordinator.post("/programs", body).await.refused(409, "program_name_taken");
    let foreign = json!({"region_code": "64.08", "name": "BLT", "strategy": "reduce_expenditure", "sector": "economy"});
    coordinator.post("/programs", foreign).await.refused(404, "region_not_found");
    let above = json!({"region_code": "62", "name": "BLT", "strategy": "reduce_expenditure", "sector": "economy"});
    coordinator.post("/programs", above).await.refused(404, "region_not_found");
    let path = format!("/programs/{}", created.id());
    world.role(Role::VillageOperator).get(&path).await.expect(200);
    let edited = coordinator.patch(&path, "\"1\"", json!({"program_group": "social_assistance", "code": null})).await.expect(200);
    assert_eq!((edited.body["program_group"].as_str(), edited.body["code"].is_null()), (Some("social_assistance"), true));
    let (health, _) = program(&world, Place::Home).await;
    coordinator.patch(&format!("/programs/{health}"), "\"1\"", json!({"sector": "health"})).await.expect(200);
    let ids = |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(coordinator.all("/programs?sector=health").await), [health]);
    assert_eq!(ids(coordinator.all("/programs?sector=economy&strategy=reduce_expenditure&region=62.02").await), [created.id()]);
    assert!(coordinator.all("/programs?strategy=increase_income").await.is_empty());
}
