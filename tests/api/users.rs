//! Accounts and assignments: who may make whom what, and what ends at once.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Call, Case, Client, Place, World};

pub const PASSWORD: &str = "tambun bungai 1957";

fn fresh() -> String {
    format!("u-{}", Uuid::now_v7().simple())
}

/// A person's account in a place, made by its administrator: path, ETag, name.
pub async fn person(world: &World, place: Place) -> (String, String, String) {
    let name = fresh();
    let body = json!({"user_name": name, "display_name": "Warga Contoh", "region_code": world.place(place).regency, "password": PASSWORD});
    let created = world.role_in(place, Role::Administrator).post("/users", body).await.expect(201);
    (format!("/users/{}", created.id()), created.etag(), name)
}

async fn service(world: &World, place: Place) -> (String, String, Value) {
    let body = json!({"client_id": fresh(), "display_name": "Sistem Contoh", "region_code": world.place(place).regency});
    let created = world.role_in(place, Role::Administrator).post("/service-accounts", body).await.expect(201);
    (format!("/service-accounts/{}", created.id()), created.etag(), created.body)
}

/// An account for the sweeps, put there without a secret: hashing one for each of a thousand questions takes minutes.
async fn account(world: &World, place: Place, kind: &str) -> (String, String) {
    let (id, name) = (Uuid::now_v7(), fresh());
    let word = if kind == "users" { "person" } else { "service" };
    let sql = "INSERT INTO actors (id, kind, name, display_name, region_code) VALUES ($1, $2, $3, $3, $4)";
    world.sql().await.execute(sql, &[&id, &word, &name, &world.place(place).regency]).await.unwrap();
    (format!("/{kind}/{id}"), "\"1\"".into())
}

async fn assignment(world: &World, place: Place, kind: &str) -> (String, String, String) {
    let (path, _) = account(world, place, kind).await;
    let body = json!({"role": "auditor", "region_code": world.place(place).regency});
    let created = world.role_in(place, Role::Administrator).post(&format!("{path}/assignments"), body).await.expect(201);
    (path, created.id(), created.etag())
}

fn id_in(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

macro_rules! account_cases {
    ($($tag:literal $kind:literal: $list:literal $fetch:literal $edit:literal $disable:literal $enable:literal $unlock:literal $history:literal
        $assignments:literal $assign:literal $assigned:literal $reassign:literal $end:literal;)+) => { vec![ $(
        case!($list, |world, place| Call::list(concat!("/", $kind, "?limit=200"), [id_in(&account(world, place, $kind).await.0)])),
        case!($fetch, |world, place| Call::get(account(world, place, $kind).await.0)),
        case!($edit, |world, place| {
            let (path, etag) = account(world, place, $kind).await;
            Call::edit(path, &etag, json!({"display_name": "Nama Baru"}))
        }),
        case!($disable, |world, place| {
            Call::send(format!("{}/disable", account(world, place, $kind).await.0), json!({"reason": "pindah tugas"}))
        }),
        case!($enable, |world, place| {
            let (path, etag) = account(world, place, $kind).await;
            world.role_in(place, Role::Administrator).patch(&path, &etag, json!({"status": "disabled"})).await.expect(200);
            Call { path: format!("{path}/enable"), ..Call::default() }
        }),
        case!($unlock, |world, place| Call { path: format!("{}/unlock", account(world, place, $kind).await.0), ..Call::default() }),
        case!($history, |world, place| Call::get(format!("{}/history", account(world, place, $kind).await.0))),
        case!($assignments, |world, place| {
            let (path, id, _) = assignment(world, place, $kind).await;
            Call::list(format!("{path}/assignments"), [id])
        }),
        case!($assign, |world, place| {
            let (path, _) = account(world, place, $kind).await;
            Call::send(format!("{path}/assignments"), json!({"role": "auditor", "region_code": world.place(place).regency}))
        }),
        case!($assigned, |world, place| {
            let (path, id, _) = assignment(world, place, $kind).await;
            Call::get(format!("{path}/assignments/{id}"))
        }),
        case!($reassign, |world, place| {
            let (path, id, etag) = assignment(world, place, $kind).await;
            Call::edit(format!("{path}/assignments/{id}"), &etag, json!({"valid_to": "2199-12-31"}))
        }),
        case!($end, |world, place| {
            let (path, id, _) = assignment(world, place, $kind).await;
            Call::get(format!("{path}/assignments/{id}"))
        }),
    )+ ] };
}

pub fn cases() -> Vec<Case> {
    let mut cases = account_cases! {
        "users" "users": "users_list" "users_fetch" "users_edit" "users_disable" "users_enable" "users_unlock" "users_history"
            "users_list_assignments" "users_create_assignment" "users_fetch_assignment" "users_edit_assignment" "users_end_assignment";
        "service_accounts" "service-accounts": "service_accounts_list" "service_accounts_fetch" "service_accounts_edit"
            "service_accounts_disable" "service_accounts_enable" "service_accounts_unlock" "service_accounts_history"
            "service_accounts_list_assignments" "service_accounts_create_assignment" "service_accounts_fetch_assignment"
            "service_accounts_edit_assignment" "service_accounts_end_assignment";
    };
    cases.extend([
        case!("users_create", |world, place| {
            let region = world.place(place).regency;
            Call::send("/users", json!({"user_name": fresh(), "display_name": "Baru", "region_code": region, "password": PASSWORD}))
        }),
        case!("service_accounts_create", |world, place| {
            Call::send(
                "/service-accounts",
                json!({"client_id": fresh(), "display_name": "Baru", "region_code": world.place(place).regency}),
            )
        }),
        case!("service_accounts_rotate_secret", |world, place| Call {
            path: format!("{}/rotate-secret", account(world, place, "service-accounts").await.0),
            ..Call::default()
        }),
    ]);
    cases
}

/// Signs in by name and password.
pub async fn sign_in(world: &World, name: &str, password: &str) -> Client {
    let answer = super::sessions::token(&world.nobody(), &[("grant_type", "password"), ("username", name), ("password", password)]).await;
    let token = answer.expect(200).body["access_token"].as_str().unwrap().to_owned();
    Client { actor: name.into(), token: Some(token), ..world.nobody() }
}

#[actix_web::test]
async fn a_person_is_registered_assigned_works_and_is_stopped_at_once() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let body = json!({"user_name": "siti.aminah", "display_name": "Siti", "region_code": "6202", "password": PASSWORD});
    let created = admin.post("/users", body.clone()).await.expect(201);
    assert_eq!(created.headers["location"].to_str().unwrap(), format!("/api/v1/users/{}", created.id()));
    assert!(!created.text.contains("argon2") && !created.text.contains(PASSWORD));
    admin.post("/users", body).await.refused(409, "user_name_taken");
    let path = format!("/users/{}", created.id());

    let siti = sign_in(&world, "siti.aminah", PASSWORD).await;
    siti.get("/agencies").await.refused(403, "forbidden");
    let assigned =
        admin.post(&format!("{path}/assignments"), json!({"role": "village_operator", "region_code": "62.02.09.2001"})).await.expect(201);
    assert_eq!(assigned.headers["location"].to_str().unwrap(), format!("/api/v1{path}/assignments/{}", assigned.id()));
    siti.get("/agencies").await.expect(200);
    let me = siti.get("/me").await.expect(200);
    assert_eq!(me.body["assignments"][0]["region_name"], "Bapinang Hulu");
    let grant = |name: &str| me.body["grants"].as_array().unwrap().iter().find(|row| row["grant"] == name).cloned();
    assert_eq!(grant("beneficiaries_read").unwrap()["regions"], json!(["62.02.09.2001"]));
    assert!(grant("users_read").is_none());

    // On this replica at once, on another within a second.
    let elsewhere = world.replica(&siti).await;
    elsewhere.get("/agencies").await.expect(200);
    admin.send(reqwest::Method::DELETE, &format!("{path}/assignments/{}", assigned.id()), &[], None).await.expect(204);
    siti.get("/agencies").await.refused(403, "forbidden");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    elsewhere.get("/agencies").await.refused(403, "forbidden");
    assert!(admin.all(&format!("{path}/assignments")).await.is_empty(), "it began today, so it is gone");

    admin.post(&format!("{path}/disable"), json!({"reason": "mutasi"})).await.expect(200);
    siti.get("/me").await.refused(401, "token_invalid");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    elsewhere.get("/me").await.refused(401, "token_invalid");
    admin.step(&format!("{path}/disable")).await.refused(409, "step_not_allowed");
    admin.step(&format!("{path}/enable")).await.expect(200);
    siti.get("/me").await.refused(401, "token_invalid");
    sign_in(&world, "siti.aminah", PASSWORD).await.get("/me").await.expect(200);

    let history = world.role(Role::Auditor).all(&format!("{path}/history")).await;
    let actions: Vec<_> = history.iter().map(|change| change["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["created", "assigned", "unassigned", "disabled", "enabled"]);
    assert_eq!((history[3]["reason"].as_str(), &history[3]["fields"]["sessions_ended"]), (Some("mutasi"), &json!(1)));
    assert!(!json!(history).to_string().contains("argon2"));
}

#[actix_web::test]
async fn an_assignment_that_counted_keeps_its_days() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let (path, _, _) = person(&world, Place::Home).await;
    let body = json!({"role": "auditor", "region_code": "62.02", "valid_from": "2026-01-01", "valid_to": "2199-01-01"});
    let assigned = admin.post(&format!("{path}/assignments"), body.clone()).await.expect(201);
    admin.post(&format!("{path}/assignments"), body).await.refused(409, "assignment_taken");
    let one = format!("{path}/assignments/{}", assigned.id());
    let edited = admin.patch(&one, &assigned.etag(), json!({"valid_to": null})).await.expect(200);
    assert!(edited.body["valid_to"].is_null());
    admin.patch(&one, &assigned.etag(), json!({"valid_to": null})).await.refused(412, "version_stale");
    let refused = admin.patch(&one, &edited.etag(), json!({"valid_to": "2025-12-31"})).await.refused(422, "invalid");
    assert_eq!(refused.body["errors"][0]["path"], "valid_to");
    for (field, value) in [("valid_from", json!(null)), ("valid_from", json!("1899-12-31")), ("role", json!("coordinator"))] {
        admin.patch(&one, &edited.etag(), json!({field: value})).await.refused(422, "invalid");
    }
    admin.send(reqwest::Method::DELETE, &one, &[("if-match", "\"1\"")], None).await.refused(412, "version_stale");
    admin.send(reqwest::Method::DELETE, &one, &[], None).await.expect(204);
    let ended = admin.get(&one).await.expect(200);
    let today: chrono::NaiveDate =
        world.sql().await.query_one("SELECT current_date::text", &[]).await.unwrap().get::<_, String>(0).parse().unwrap();
    assert_eq!(ended.body["valid_to"], today.pred_opt().unwrap().to_string());
    admin.send(reqwest::Method::DELETE, &one, &[], None).await.expect(204);
    assert_eq!(admin.get(&one).await.expect(200).etag(), ended.etag(), "the second time changes nothing");
}

#[actix_web::test]
async fn nobody_hands_out_what_lies_beyond_them() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let (path, etag, name) = person(&world, Place::Home).await;
    let assignments = format!("{path}/assignments");
    for (role, region) in [("administrator", "62"), ("administrator", "00"), ("coordinator", "64.08"), ("coordinator", "62.01")] {
        admin.post(&assignments, json!({"role": role, "region_code": region})).await.refused(404, "region_not_found");
    }
    // Well formed, in the scope, and in no list.
    admin.post(&assignments, json!({"role": "village_head", "region_code": "62.02.09.9999"})).await.refused(404, "region_not_found");
    admin
        .post("/users", json!({"user_name": fresh(), "display_name": "X", "region_code": "62.02.99", "password": PASSWORD}))
        .await
        .refused(404, "region_not_found");
    for (role, region, agency) in [
        ("coordinator", "62.02.09", None),
        ("village_head", "62.02", None),
        ("coordinator", "62.02", Some(world.home.agency)),
        ("agency_head", "62.02", None),
    ] {
        let body = json!({"role": role, "region_code": region, "agency_id": agency});
        admin.post(&assignments, body).await.refused(422, "role_level");
    }
    let foreign = json!({"role": "agency_head", "region_code": "62.02", "agency_id": world.foreign.agency});
    admin.post(&assignments, foreign).await.refused(404, "not_found");
    let own = json!({"role": "agency_head", "region_code": "62.02", "agency_id": world.home.agency});
    admin.post(&assignments, own).await.expect(201);

    // The province gives the same account a role of its own: from then on the regency may not take the account over.
    let mut world = world;
    let province = world.hire("province-admin", Role::Administrator, "62", None).await;
    let beyond = province.post(&assignments, json!({"role": "province_observer", "region_code": "62"})).await.expect(201);
    admin.patch(&path, &etag, json!({"password": PASSWORD})).await.refused(403, "account_beyond");
    for step in ["disable", "unlock"] {
        admin.step(&format!("{path}/{step}")).await.refused(403, "account_beyond");
    }
    let seen: Vec<_> = admin.all(&assignments).await.iter().map(|row| row["role"].clone()).collect();
    assert_eq!(seen, ["agency_head"], "an assignment beyond the scope is not shown");
    admin.get(&format!("{assignments}/{}", beyond.id())).await.refused(404, "not_found");
    let found = admin.get(&format!("/users?role=province_observer&name={name}")).await.expect(200);
    assert_eq!(found.body["items"], json!([]), "nor does a filter tell of it");
    province.patch(&path, &etag, json!({"password": PASSWORD})).await.expect(200);

    // One's own account.
    let me = format!("/users/{}", world.actor_id("administrator"));
    let etag = admin.get(&me).await.expect(200).etag();
    admin.step(&format!("{me}/disable")).await.refused(409, "own_account_kept");
    admin.patch(&me, &etag, json!({"password": PASSWORD})).await.refused(409, "own_account_kept");
    admin.post(&format!("{me}/assignments"), json!({"role": "coordinator", "region_code": "62.02"})).await.refused(409, "own_account_kept");
    // Neither kind answers for the other, and the system for nobody.
    admin.get(&path.replace("/users/", "/service-accounts/")).await.refused(404, "not_found");
    province.get("/users/00000000-0000-7000-8000-000000000001").await.refused(404, "not_found");
}

#[actix_web::test]
async fn names_and_passwords_keep_their_rules() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let body = |name: &str, password: &str| json!({"user_name": name, "display_name": "X", "region_code": "62.02", "password": password});
    for name in ["ab", "Siti", "siti aminah", "sïti", "a\u{0}bc", &"a".repeat(61)] {
        let refused = admin.post("/users", body(name, PASSWORD)).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], "user_name");
    }
    for password in ["pendek", "xx-siti.baru-xx"] {
        admin.post("/users", body("siti.baru", password)).await.refused(422, "password_weak");
    }
    admin.post("/users", body("siti.baru", &"x".repeat(201))).await.refused(422, "invalid");
    let (path, etag, name) = person(&world, Place::Home).await;
    admin.patch(&path, &etag, json!({"password": format!("{name} 123")})).await.refused(422, "password_weak");
    admin.patch(&path, &etag, json!({"password": null})).await.refused(422, "invalid");

    let before = sign_in(&world, &name, PASSWORD).await;
    let edited = admin.patch(&path, &etag, json!({"password": "kayu ulin tua 77"})).await.expect(200);
    assert!(!edited.text.contains("ulin"));
    before.get("/me").await.refused(401, "token_invalid");
    sign_in(&world, &name, "kayu ulin tua 77").await.get("/me").await.expect(200);
    let told = world.sql().await.query_one("SELECT string_agg(fields::text, ' ') FROM changes", &[]).await.unwrap().get::<_, String>(0);
    assert!(told.contains(r#""secret": {"changed": true}"#) && !told.contains("ulin") && !told.contains("argon2"));
}

#[actix_web::test]
async fn lists_are_filtered_by_what_an_administrator_looks_for() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    // Of the world's thirteen at home, one has the province as home.
    assert_eq!(admin.all("/users?limit=3").await.len(), 12);
    assert_eq!(admin.all("/users?role=village_head").await[0]["user_name"], "village_head");
    assert_eq!(admin.all("/users?name=coordinator").await.len(), 1);
    let (path, etag, name) = person(&world, Place::Home).await;
    admin.patch(&path, &etag, json!({"status": "disabled"})).await.expect(200);
    let disabled = admin.all("/users?status=disabled&region=62.02").await;
    assert_eq!((disabled.len(), disabled[0]["user_name"].as_str()), (1, Some(name.as_str())));
    assert!(admin.all("/users?region=64.08").await.is_empty());
    admin.get("/users?role=king").await.refused(422, "invalid");
}

#[actix_web::test]
async fn a_service_account_tells_its_secret_once_and_rotates_it() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let (path, _, body) = service(&world, Place::Home).await;
    let (id, secret) = (body["client_id"].as_str().unwrap(), body["client_secret"].as_str().unwrap());
    assert_eq!(secret.len(), 43);
    assert!(admin.get(&path).await.expect(200).body.get("client_secret").is_none());
    let credentials = |secret: &str| {
        [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)].map(|(name, value)| (name, value.to_owned()))
    };
    let form = credentials(secret);
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = super::sessions::token(&world.nobody(), &form).await.expect(200);
    assert!(answer.body.get("refresh_token").is_none());
    let system = Client { token: Some(answer.body["access_token"].as_str().unwrap().into()), actor: id.into(), ..world.nobody() };
    assert_eq!(system.get("/me").await.expect(200).body["kind"], "service");
    system.post("/me/password", json!({"current_password": secret, "new_password": PASSWORD})).await.refused(403, "forbidden");

    let rotated = admin.post(&format!("{path}/rotate-secret"), json!({})).await.expect(200);
    assert_ne!(rotated.body["client_secret"], secret);
    system.get("/me").await.refused(401, "token_invalid");
    super::sessions::token(&world.nobody(), &form).await.refused(401, "invalid_client");
    let form = credentials(rotated.body["client_secret"].as_str().unwrap());
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    super::sessions::token(&world.nobody(), &form).await.expect(200);
    // People and systems share one namespace.
    admin
        .post("/users", json!({"user_name": id, "display_name": "X", "region_code": "62.02", "password": PASSWORD}))
        .await
        .refused(409, "user_name_taken");
}

#[actix_web::test]
async fn the_demo_has_every_role_twice_and_may_be_made_again() {
    let world = World::new().await;
    // The world's own actors bear the names of the roles: the demo needs a database without them.
    let sql = world.sql().await;
    sql.batch_execute("DELETE FROM sessions; DELETE FROM assignments; DELETE FROM actors WHERE kind <> 'system'").await.unwrap();
    entas::features::users::demo(&world.services).await.unwrap();
    let count = "SELECT (SELECT count(*) FROM actors), (SELECT count(*) FROM assignments), (SELECT count(*) FROM changes)";
    let row = sql.query_one(count, &[]).await.unwrap();
    let made: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!((made.0, made.1), (1 + 2 * 13 + 1, 2 * 13 + 1));
    entas::features::users::demo(&world.services).await.unwrap();
    let row = sql.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), made, "nothing twice");
    for role in Role::ALL {
        let me = sign_in(&world, role.name(), "entas-demo").await.get("/me").await.expect(200);
        let twin = sign_in(&world, &format!("{}-2", role.name()), "entas-demo").await.get("/me").await.expect(200);
        let (me, twin) = (&me.body["assignments"][0], &twin.body["assignments"][0]);
        assert_eq!((&me["role"], &twin["role"]), (&json!(role.name()), &json!(role.name())));
        let next_door =
            if me["agency_id"].is_null() { me["region_code"] != twin["region_code"] } else { me["agency_id"] != twin["agency_id"] };
        assert!(next_door, "{} {} {}", role.name(), me, twin);
    }
}

#[actix_web::test]
async fn no_number_of_anybody_stands_in_an_account_or_in_why_it_was_changed() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let number = "6202-0941-0785-0001";
    let named = |key: &str| json!({key: fresh(), "display_name": format!("Siti {number}"), "region_code": world.home.regency});
    let mut user = named("user_name");
    user["password"] = json!(PASSWORD);
    let signed = |key: &str| json!({key: number, "display_name": "Siti", "region_code": world.home.regency, "password": PASSWORD});
    let mut system = signed("client_id");
    system.as_object_mut().unwrap().remove("password");
    let mut calls = vec![("/users".to_owned(), user), ("/service-accounts".to_owned(), named("client_id"))];
    calls.extend([("/users".to_owned(), signed("user_name")), ("/service-accounts".to_owned(), system)]);
    for kind in ["users", "service-accounts"] {
        let (path, etag) = account(&world, Place::Home, kind).await;
        let patched = admin.patch(&path, &etag, json!({"display_name": number})).await.refused(422, "invalid");
        assert_eq!(patched.body["errors"][0]["code"], "personal_number");
        calls.extend(["disable", "enable"].map(|step| (format!("{path}/{step}"), json!({"reason": format!("NIK {number}")}))));
    }
    let before = world.changes().await;
    for (path, body) in calls {
        let refused = admin.post(&path, body).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["code"], "personal_number", "{}", refused.asked);
        assert!(!refused.text.contains(number), "{}", refused.text);
    }
    assert_eq!(world.changes().await, before);
    // What only looks like one does no harm.
    let (path, etag) = account(&world, Place::Home, "users").await;
    admin.patch(&path, &etag, json!({"display_name": "Siti (SK 440/123/2026, 0812-3456-7890)"})).await.expect(200);
    admin.post(&format!("{path}/disable"), json!({"reason": "SK 440/123/2026 tanggal 12-08-2026"})).await.expect(200);
}
