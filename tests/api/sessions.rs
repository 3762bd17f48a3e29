//! Signing in and out: what a client sees, what a thief gets, what an auditor reads.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entas::features::users::{Secret, hash};
use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::users::{PASSWORD, person, sign_in};
use crate::case;
use crate::support::{Answer, Call, Case, Client, Place, World};

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends a form to the token endpoint.
pub async fn token(client: &Client, form: &[(&str, &str)]) -> Answer {
    post(client, "/oauth/token", form).await
}

async fn post(client: &Client, path: &str, form: &[(&str, &str)]) -> Answer {
    let body = serde_urlencoded::to_string(form).unwrap().into_bytes();
    client.send(Method::POST, path, &[("content-type", FORM)], Some(body)).await
}

async fn refresh(client: &Client, token_text: &Value) -> Answer {
    token(client, &[("grant_type", "refresh_token"), ("refresh_token", token_text.as_str().unwrap())]).await
}

/// Gives every actor of the world the same password.
async fn with_passwords(world: &World) {
    let hash = hash(&Secret::new(PASSWORD.into())).await.unwrap();
    world.sql().await.execute("UPDATE actors SET secret_hash = $1 WHERE kind = 'person'", &[&hash]).await.unwrap();
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("sessions_me", |_world, _place| Call::get("/me").everywhere("one's own account")),
        case!("sessions_list", |_world, _place| Call::get("/me/sessions").everywhere("one's own sessions")),
        case!("sessions_revoke_others", |_world, _place| {
            Call { path: "/me/sessions/revoke-others".into(), ..Call::default() }.everywhere("one's own sessions")
        }),
        case!("sessions_change_password", |world, _place| {
            with_passwords(world).await;
            let body = json!({"current_password": PASSWORD, "new_password": "sungai mentaya 88"});
            Call::send("/me/password", body).everywhere("one's own account")
        }),
        case!("sessions_introspect", |_world, _place| {
            let raw = Some((FORM.to_owned(), b"token=unknown".to_vec()));
            Call { path: "/oauth/introspect".into(), raw, ..Call::default() }.everywhere("whoever holds a token may ask about it")
        }),
    ]
}

async fn told(world: &World, resource: &str) -> Vec<(String, Value, String)> {
    let sql = "SELECT action, fields, (SELECT name FROM actors WHERE id = actor_id) FROM changes WHERE resource = $1 ORDER BY id";
    let rows = world.sql().await.query(sql, &[&resource]).await.unwrap();
    rows.iter()
        .map(|row| {
            let fields: String = row.get::<_, serde_json::Value>(1).to_string();
            (row.get(0), serde_json::from_str(&fields).unwrap(), row.get(2))
        })
        .collect()
}

#[actix_web::test]
async fn tokens_are_given_refreshed_looked_at_and_ended() {
    let world = World::new().await;
    let nobody = world.nobody();
    let (_, _, name) = person(&world, Place::Home).await;
    let form = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD), ("scope", ""), ("client_id", "lapangan")];
    let first = token(&nobody, &form).await.expect(200);
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!((&first.body["token_type"], &first.body["expires_in"]), (&json!("Bearer"), &json!(600)));
    let access = first.body["access_token"].as_str().unwrap();
    let part =
        |at: usize| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(access.split('.').nth(at).unwrap()).unwrap()).unwrap() };
    let (header, claims) = (part(0), part(1));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    assert_eq!((&claims["aud"], &claims["client_id"]), (&json!("entas"), &json!("lapangan")));
    assert!(claims.get("roles").is_none() && claims.get("scope").is_none());
    let keys = nobody.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!((&keys.body["keys"][0]["kid"], &keys.body["keys"][0]["crv"]), (&header["kid"], &json!("Ed25519")));
    let metadata = nobody.get("/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(metadata.body["issuer"], claims["iss"]);
    assert!(metadata.body["token_endpoint"].as_str().unwrap().ends_with("/oauth/token"));

    // A refresh names the same client.
    refresh(&nobody, &first.body["refresh_token"]).await.refused(400, "invalid_grant");
    let next =
        [("grant_type", "refresh_token"), ("refresh_token", first.body["refresh_token"].as_str().unwrap()), ("client_id", "lapangan")];
    let second = token(&nobody, &next).await.expect(200);
    assert_ne!(second.body["refresh_token"], first.body["refresh_token"]);
    let signed_in = Client { token: Some(second.body["access_token"].as_str().unwrap().into()), actor: name.clone(), ..nobody.clone() };
    assert_eq!(signed_in.get("/me").await.expect(200).body["name"], name);

    let gateway = world.role(Role::Auditor);
    let known = post(&gateway, "/oauth/introspect", &[("token", second.body["access_token"].as_str().unwrap())]).await.expect(200);
    assert_eq!((&known.body["active"], &known.body["username"], &known.body["sid"]), (&json!(true), &json!(name), &claims["sid"]));
    let fresh = [("token", second.body["refresh_token"].as_str().unwrap()), ("token_type_hint", "refresh_token")];
    assert_eq!(post(&gateway, "/oauth/introspect", &fresh).await.expect(200).body["active"], true);
    let spent = [("token", first.body["refresh_token"].as_str().unwrap())];
    assert_eq!(post(&gateway, "/oauth/introspect", &spent).await.expect(200).body, json!({"active": false}));
    post(&nobody, "/oauth/introspect", &fresh).await.refused(401, "unauthenticated");

    let elsewhere = world.replica(&signed_in).await;
    elsewhere.get("/me").await.expect(200);
    for _ in 0..2 {
        post(&nobody, "/oauth/revoke", &fresh).await.expect(200);
    }
    post(&nobody, "/oauth/revoke", &[("token", "nobody's")]).await.expect(200);
    signed_in.get("/me").await.refused(401, "token_invalid");
    tokio::time::sleep(Duration::from_secs(1)).await;
    elsewhere.get("/me").await.refused(401, "token_invalid");
    refresh(&nobody, &second.body["refresh_token"]).await.refused(400, "invalid_grant");
    assert_eq!(post(&gateway, "/oauth/introspect", &fresh).await.expect(200).body, json!({"active": false}));

    let told = told(&world, "sessions").await;
    assert_eq!(
        told.iter().map(|row| (row.0.as_str(), row.2.as_str())).collect::<Vec<_>>(),
        [("created", name.as_str()), ("revoked", &name)]
    );
    let text = format!("{told:?}");
    for secret in [PASSWORD, "eyJ", second.body["refresh_token"].as_str().unwrap()] {
        assert!(!text.contains(secret));
    }
    let stored = world.sql().await.query("SELECT encode(token_hash, 'hex') FROM refresh_tokens", &[]).await.unwrap();
    assert!(stored.iter().all(|row| row.get::<_, String>(0).len() == 64));
}

#[actix_web::test]
async fn a_refresh_token_used_twice_ends_the_session_whoever_comes_first() {
    let world = World::new().await;
    let nobody = world.nobody();
    let (_, _, name) = person(&world, Place::Home).await;
    let form = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD)];
    let first = token(&nobody, &form).await.expect(200);
    let second = refresh(&nobody, &first.body["refresh_token"]).await.expect(200);
    let bystander = sign_in(&world, &name, PASSWORD).await;
    refresh(&nobody, &first.body["refresh_token"]).await.refused(400, "invalid_grant");
    refresh(&nobody, &second.body["refresh_token"]).await.refused(400, "invalid_grant");
    let stolen = Client { token: Some(second.body["access_token"].as_str().unwrap().into()), ..nobody.clone() };
    stolen.get("/me").await.refused(401, "token_invalid");
    bystander.get("/me").await.expect(200);
    let told = told(&world, "sessions").await;
    assert_eq!(told.last().unwrap().1["revoked_reason"], "reuse_detected");

    // Of twenty at once one wins, and the session ends all the same.
    let third = token(&nobody, &form).await.expect(200);
    let race = (0..20).map(|_| refresh(&nobody, &third.body["refresh_token"]));
    let answers = futures_util::future::join_all(race).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.body["code"] == "invalid_grant"), "{answers:?}");
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
    refresh(&nobody, &winner.body["refresh_token"]).await.refused(400, "invalid_grant");
}

#[actix_web::test]
async fn a_session_ends_when_it_is_idle_and_after_seven_days() {
    let world = World::new().await;
    let nobody = world.nobody();
    let (_, _, name) = person(&world, Place::Home).await;
    let form = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD)];
    let mut now = token(&nobody, &form).await.expect(200);
    let left = "SELECT extract(epoch FROM max(expires_at) - now())::float8 FROM sessions WHERE client_id = 'entas'";
    let hours = async || world.sql().await.query_one(left, &[]).await.unwrap().get::<_, f64>(0) / 3600.0;
    assert!((11.9..=12.0).contains(&hours().await));
    let age =
        "UPDATE sessions SET created_at = now() - interval '167 hours', expires_at = now() + interval '1 minute' WHERE client_id = 'entas'";
    world.sql().await.execute(age, &[]).await.unwrap();
    now = refresh(&nobody, &now.body["refresh_token"]).await.expect(200);
    assert!((0.9..=1.0).contains(&hours().await), "an hour is left of the seven days");
    world.sql().await.execute("UPDATE sessions SET expires_at = now() WHERE client_id = 'entas'", &[]).await.unwrap();
    refresh(&nobody, &now.body["refresh_token"]).await.refused(400, "invalid_grant");
}

#[actix_web::test]
async fn wrong_unknown_and_disabled_are_refused_alike_and_suspended_alike() {
    let world = World::new().await;
    let nobody = world.nobody();
    let admin = world.role(Role::Administrator);
    let (path, _, name) = person(&world, Place::Home).await;
    let (off, _, disabled) = person(&world, Place::Home).await;
    admin.step(&format!("{off}/disable")).await.expect(200);
    let unknown = format!("{name}-x");
    let mut seen = Vec::new();
    for (who, password) in [(name.as_str(), "salah salah salah"), (&unknown, PASSWORD), (&disabled, PASSWORD)] {
        for attempt in 1..=6 {
            let began = Instant::now();
            let answer = token(&nobody, &[("grant_type", "password"), ("username", who), ("password", password)]).await;
            let mut body = answer.body.clone();
            body["request_id"] = json!(null);
            assert!(began.elapsed() >= Duration::from_millis(300), "{who} {attempt}: {:?}", began.elapsed());
            let retry = answer.headers.get("retry-after").map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
            assert_eq!(retry.is_some(), attempt == 6, "{}", answer.text);
            assert!(retry.is_none_or(|seconds| (25..=30).contains(&seconds)), "{retry:?}");
            seen.push((attempt, answer.status, body));
        }
    }
    assert_eq!((seen[0].1, seen[5].1, &seen[5].2["code"]), (400, 429, &json!("locked_out")));
    assert_eq!((&seen[0].2["error"], &seen[0].2["error_description"]), (&json!("invalid_grant"), &seen[0].2["detail"]));
    for row in 0..6 {
        assert_eq!(seen[row], seen[row + 6]);
        assert_eq!(seen[row], seen[row + 12]);
    }
    // The right password does not help, until an administrator does.
    let right = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD)];
    token(&nobody, &right).await.refused(429, "locked_out");
    assert!(!admin.get(&path).await.expect(200).body["locked_until"].is_null());
    admin.step(&format!("{path}/unlock")).await.expect(200);
    token(&nobody, &right).await.expect(200);

    let history = world.role(Role::Auditor).all(&format!("{path}/history")).await;
    let actions: Vec<_> = history.iter().map(|change| change["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["created", "sign_in_failed", "sign_in_failed", "sign_in_failed", "sign_in_failed", "locked_out", "unlocked"]);
}

#[actix_web::test]
async fn the_database_suspends_as_long_as_the_model_says_and_success_forgets() {
    let world = World::new().await;
    let nobody = world.nobody();
    let (path, _, name) = person(&world, Place::Home).await;
    let id = path.rsplit('/').next().unwrap().parse::<uuid::Uuid>().unwrap();
    let wrong = [("grant_type", "password"), ("username", name.as_str()), ("password", "salah salah salah")];
    for (failed, seconds) in [(4, 30.0), (5, 60.0), (8, 480.0), (9, 900.0), (40, 900.0)] {
        let sql = world.sql().await;
        sql.execute("UPDATE actors SET failed_logins = $1, locked_until = now() WHERE id = $2", &[&failed, &id]).await.unwrap();
        token(&nobody, &wrong).await.refused(400, "invalid_grant");
        let row = sql
            .query_one("SELECT extract(epoch FROM locked_until - now())::float8, failed_logins FROM actors WHERE id = $1", &[&id])
            .await
            .unwrap();
        let left: f64 = row.get(0);
        assert!((seconds - 5.0..=seconds).contains(&left) && row.get::<_, i32>(1) == failed + 1, "{failed}: {left}");
    }
    world.sql().await.execute("UPDATE actors SET locked_until = now() WHERE id = $1", &[&id]).await.unwrap();
    token(&nobody, &[("grant_type", "password"), ("username", &name.to_uppercase()), ("password", PASSWORD)]).await.expect(200);
    let row = world.sql().await.query_one("SELECT failed_logins, locked_until IS NULL FROM actors WHERE id = $1", &[&id]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1)), (0, true));
}

#[actix_web::test]
async fn many_guesses_at_once_are_not_many_guesses() {
    let world = World::new().await;
    let nobody = world.nobody();
    let (path, _, name) = person(&world, Place::Home).await;
    let wrong = [("grant_type", "password"), ("username", name.as_str()), ("password", "salah salah salah")];
    let answers = futures_util::future::join_all((0..40).map(|_| token(&nobody, &wrong))).await;
    let checked = answers.iter().filter(|answer| answer.status == 400).count();
    // Two are checked at a time: the one beside the fifth may slip through.
    assert!((5..=6).contains(&checked), "{checked} guesses were checked");
    assert!(answers.iter().all(|answer| answer.status == 400 || answer.status == 429));
    assert!(!world.role(Role::Administrator).get(&path).await.expect(200).body["locked_until"].is_null());
}

#[actix_web::test]
async fn malformed_token_requests_are_told_in_both_languages() {
    let world = World::new().await;
    let nobody = world.nobody();
    for (form, status, code) in [
        (&[][..], 400, "invalid_request"),
        (&[("grant_type", "password")], 400, "invalid_request"),
        (&[("grant_type", "password"), ("username", "a"), ("username", "b"), ("password", "c")], 400, "invalid_request"),
        (&[("grant_type", "password"), ("username", "a"), ("password", "b"), ("surprise", "6202091501900001")], 400, "invalid_request"),
        (&[("grant_type", "implicit")], 400, "unsupported_grant_type"),
        (&[("grant_type", "refresh_token"), ("refresh_token", "unknown")], 400, "invalid_grant"),
        (&[("grant_type", "client_credentials")], 401, "invalid_client"),
        (&[("grant_type", "client_credentials"), ("client_id", "nobody"), ("client_secret", "x")], 401, "invalid_client"),
        (&[("grant_type", "password"), ("username", "\u{0}"), ("password", "x")], 400, "invalid_grant"),
    ] {
        let answer = token(&nobody, form).await.refused(status, code);
        assert_eq!((&answer.body["error"], answer.headers["cache-control"].as_bytes()), (&json!(code), &b"no-store"[..]), "{form:?}");
        assert!(!answer.text.contains("6202091501900001"));
        if status == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"entas\"");
        }
    }
    nobody
        .send(Method::POST, "/oauth/token", &[("content-type", "application/json")], Some(b"{}".to_vec()))
        .await
        .refused(415, "media_type");
    let broken = Some(b"grant_type=%ff".to_vec());
    nobody.send(Method::POST, "/oauth/token", &[("content-type", FORM)], broken).await.refused(400, "invalid_request");
    // Swagger's console sends an empty Basic header with a password.
    let (_, _, name) = person(&world, Place::Home).await;
    let basic = format!("Basic {}", STANDARD.encode(":"));
    let body = serde_urlencoded::to_string([("grant_type", "password"), ("username", &name), ("password", PASSWORD)]).unwrap().into_bytes();
    nobody.send(Method::POST, "/oauth/token", &[("content-type", FORM), ("authorization", &basic)], Some(body)).await.expect(200);
}

#[actix_web::test]
async fn a_password_is_changed_by_who_knows_it_and_ends_the_other_sessions() {
    let world = World::new().await;
    let (_, _, name) = person(&world, Place::Home).await;
    let (here, there) = (sign_in(&world, &name, PASSWORD).await, sign_in(&world, &name, PASSWORD).await);
    let mine = here.all("/me/sessions?limit=1").await;
    assert_eq!(mine.iter().map(|row| row["current"].as_bool().unwrap()).collect::<Vec<_>>(), [true, false]);
    let body = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let refused = here.post("/me/password", body("salah", "sungai mentaya 88")).await.refused(422, "invalid");
    assert_eq!((&refused.body["errors"][0]["path"], &refused.body["errors"][0]["code"]), (&json!("current_password"), &json!("wrong")));
    here.post("/me/password", body(PASSWORD, "pendek")).await.refused(422, "password_weak");
    here.post("/me/password", body(PASSWORD, "sungai mentaya 88")).await.expect(204);
    here.get("/me").await.expect(200);
    there.get("/me").await.refused(401, "token_invalid");
    let old = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD)];
    token(&world.nobody(), &old).await.refused(400, "invalid_grant");

    let again = sign_in(&world, &name, "sungai mentaya 88").await;
    assert_eq!(again.step("/me/sessions/revoke-others").await.expect(200).body, json!({"sessions": 1}));
    here.get("/me").await.refused(401, "token_invalid");
    assert_eq!(again.step("/me/sessions/revoke-others").await.expect(200).body, json!({"sessions": 0}));
}

#[actix_web::test]
async fn a_new_signing_key_keeps_the_old_ones_tokens_and_is_known_everywhere_at_once() {
    let world = World::new().await;
    let (_, _, name) = person(&world, Place::Home).await;
    let before = sign_in(&world, &name, PASSWORD).await;
    let elsewhere = world.replica(&before).await;
    elsewhere.get("/me").await.expect(200);
    entas::platform::session::rotate(&world.services.db, &world.services.keys).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // A replica that has just started signs with the new key.
    let newest = world.replica(&world.nobody()).await;
    let form = [("grant_type", "password"), ("username", name.as_str()), ("password", PASSWORD)];
    let fresh = token(&newest, &form).await.expect(200).body["access_token"].as_str().unwrap().to_owned();
    for client in [&before, &elsewhere, &newest] {
        Client { token: Some(fresh.clone()), ..client.clone() }.get("/me").await.expect(200);
    }
    before.get("/me").await.expect(200);
    assert_eq!(newest.get("/.well-known/jwks.json").await.expect(200).body["keys"].as_array().unwrap().len(), 2);
}
