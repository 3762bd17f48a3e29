//! What docs/API.md promises of every answer, tried as a stranger would who has read the promise and not the code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entas::platform::Services;
use entas::platform::config::Config;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use reqwest::Method;
use serde_json::{Value, json};

use crate::datasets::dataset;
use crate::imports::Serving;
use crate::releases::{KEEP, deliver, family, list};
use crate::support::world::config;
use crate::support::{Answer, Client, Place, World};
use crate::verification::family_in;

fn cursor(answer: &Answer) -> (u32, Value) {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(answer.body["next"].as_str().unwrap()).unwrap()).unwrap()
}

fn written(cursor: &(u32, Value)) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap())
}

#[actix_web::test]
async fn a_cursor_belongs_to_its_list_and_holds_what_was_put_in_it() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let regions = coordinator.get("/regions?limit=1").await.expect(200);
    let (list, key) = cursor(&regions);
    assert_eq!(key, "11");
    coordinator.get(&format!("/regions?after={}", written(&(list, key.clone())))).await.expect(200);
    // The keys of both lists are texts: only the cursor can tell that it is not from here.
    for other in ["/profiles", "/monitoring/coverage", "/agencies"] {
        let refused = coordinator.get(&format!("{other}?after={}", regions.body["next"].as_str().unwrap())).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], "after");
    }
    // Nor does it open the list of another record.
    let (one, other) = (family_in(&world, Place::Home, world.home.village).await, family_in(&world, Place::Home, world.home.village).await);
    let members = coordinator.get(&format!("/beneficiaries/{one}/members?limit=1")).await.expect(200);
    let next = members.body["next"].as_str().unwrap();
    coordinator.get(&format!("/beneficiaries/{other}/members?after={next}")).await.refused(422, "invalid");
    assert_eq!(
        coordinator.get(&format!("/beneficiaries/{one}/members?after={next}")).await.expect(200).body["items"].as_array().unwrap().len(),
        1
    );
    for key in [json!("\0"), json!("11\0"), json!(["11"]), json!({}), json!(null), json!(11)] {
        coordinator.get(&format!("/regions?after={}", written(&(list, key)))).await.refused(422, "invalid");
    }
    coordinator.get(&format!("/regions?after={}", "A".repeat(5000))).await.refused(422, "invalid");
    for twice in ["limit=1&limit=2", "after=x&after=x"] {
        let refused = coordinator.get(&format!("/regions?{twice}")).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["code"], "duplicate", "{}", refused.text);
    }
}

/// A search text of ten thousand letters took five seconds of the database; the document said that a hundred are taken.
#[actix_web::test]
async fn a_query_takes_texts_as_long_as_the_document_says_and_no_longer() {
    let world = World::new().await;
    let mut tried = 0;
    for operation in entas::app::api().operations() {
        let parameters = operation.document["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
            let Some(longest) = parameter["schema"]["maxLength"].as_u64() else { continue };
            let row = entas::platform::policy::POLICY.iter().find(|row| Some(row.name) == operation.grant).unwrap();
            let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
            let path = operation.path.replace("{id}", &uuid::Uuid::now_v7().to_string());
            let name = parameter["name"].as_str().unwrap();
            let text = "é".repeat(usize::try_from(longest).unwrap());
            let refused = client.get(&format!("{path}?{name}={text}y")).await.refused(422, "invalid");
            let error = &refused.body["errors"][0];
            assert_eq!((error["path"].as_str(), error["code"].as_str()), (Some(name), Some("length")), "{operation:?}");
            let answer = client.get(&format!("{path}?{name}={text}")).await;
            assert!([200, 404].contains(&answer.status), "{operation:?}: {}", answer.text);
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried}");
}

#[actix_web::test]
async fn what_takes_no_query_refuses_one() {
    let world = World::new().await;
    let nobody = world.nobody();
    for query in ["?x=1", "?6202150901900001=1", "?%ff", "?limit=1"] {
        let refused = nobody.get(&format!("/errors{query}")).await.refused(422, "invalid");
        assert!(!refused.text.contains("6202150901900001"));
    }
    nobody.get("/errors?").await.expect(200);
    // Who may not call learns that first.
    nobody.get("/me?x=1").await.refused(401, "unauthenticated");
    world.role(Role::Administrator).get("/survivorship-rules?x=1").await.refused(403, "forbidden");
    // Probes and OAuth clients bring parameters of their own.
    nobody.get("/health/live?probe=1").await.expect(200);
    nobody.get("/.well-known/jwks.json?x=1").await.expect(200);
}

#[actix_web::test]
async fn the_first_answer_comes_again_with_its_headers() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let body = json!({"region_code": world.home.regency, "name": "Bedah rumah", "strategy": "increase_income", "sector": "economy"});
    let send = async || {
        let sent = Some(body.to_string().into_bytes());
        coordinator.send(Method::POST, "/programs", &[("idempotency-key", "headers")], sent).await.expect(201)
    };
    let (first, again) = (send().await, send().await);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let told = |answer: &Answer| {
        let mut headers: Vec<(String, String)> =
            answer.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        headers.retain(|(name, _)| !["date", "x-request-id", "idempotency-replayed"].contains(&name.as_str()));
        headers.sort();
        headers
    };
    assert_eq!(told(&again), told(&first));
    assert!(first.headers.contains_key("cache-control"));
    // Who asks for a token twice gets two: nobody's keys are kept, and the document says so.
    let form = Some(b"token=x".to_vec());
    let headers = [("idempotency-key", "headers"), ("content-type", "application/x-www-form-urlencoded")];
    for _ in 0..2 {
        let revoked = world.nobody().send(Method::POST, "/oauth/revoke", &headers, form.clone()).await.expect(200);
        assert!(!revoked.headers.contains_key("idempotency-replayed"));
    }
    for operation in entas::app::api().operations() {
        let parameters = operation.document["parameters"].as_array().cloned().unwrap_or_default();
        let takes = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(takes, operation.method == "POST" && operation.grant.is_some(), "{operation:?}");
    }
}

#[actix_web::test]
async fn refusals_below_the_handlers_are_problem_documents_too() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    for accepted in ["identity;q=0", "*;q=0"] {
        let refused = coordinator.send(Method::GET, "/me", &[("accept-encoding", accepted)], None).await.refused(406, "not_acceptable");
        assert!(refused.headers.contains_key("x-request-id"));
    }
    let refused = coordinator.send(Method::POST, "/openapi.json", &[], None).await.refused(405, "method_not_allowed");
    assert_eq!(refused.headers["allow"], "GET, HEAD");
    let head = coordinator.send(Method::HEAD, "/openapi.json", &[], None).await.expect(200);
    assert_eq!(head.headers["content-type"], "application/json");
    // A coding that nobody unpacks is not taken for JSON by luck.
    let search = Some(br#"{"name": "Siti"}"#.to_vec());
    for coding in ["br", "zstd", "gzip, br"] {
        coordinator
            .send(Method::POST, "/beneficiaries/search", &[("content-encoding", coding)], search.clone())
            .await
            .refused(415, "media_type");
    }
    coordinator.send(Method::POST, "/beneficiaries/search", &[("content-encoding", "identity")], search).await.expect(200);
    // RFC 6750 section 3.1: a library refreshes on this word, and on no other answer.
    let stranger = Client { token: Some("x.y.z".into()), ..world.nobody() };
    let refused = stranger.get("/me").await.refused(401, "token_invalid");
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"entas\", error=\"invalid_token\"");
    let refused = world.nobody().get("/me").await.refused(401, "unauthenticated");
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"entas\"");
    let me = coordinator.get("/agencies?limit=1").await.expect(200).body["items"][0]["id"].as_str().unwrap().to_owned();
    coordinator.send(Method::GET, &format!("/agencies/{me}"), &[("if-none-match", "*")], None).await.expect(304);
}

#[actix_web::test]
async fn nobody_fills_our_memory_by_inventing_methods() {
    let world = World::new().await;
    for method in ["INVENTED", "INVENTED2", "get"] {
        world.nobody().send(Method::from_bytes(method.as_bytes()).unwrap(), "/me", &[], None).await.refused(405, "method_not_allowed");
    }
    world.nobody().get("/me").await.refused(401, "unauthenticated");
    let metrics = world.nobody().get("/metrics").await.expect(200).text;
    assert!(!metrics.contains("INVENTED") && !metrics.contains("\"get "), "{metrics}");
    assert!(metrics.contains("operation=\"OTHER ") && metrics.contains("operation=\"GET /api/v1/me\""));
}

/// A number in the wrong field of a form would stand in clear in the database and in every answer.
#[actix_web::test]
async fn no_number_gets_on_file_by_the_wrong_field() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let family = |address: &str, name: &str, mother: &str| {
        json!({"region_code": world.home.village, "address": address,
            "members": [{"name": name, "relation": "head", "mother_name": mother}]})
    };
    let number = "6202 1509 0190 0001";
    for (body, path) in [
        (family(&format!("RT 3, KK {number}"), "Siti", "Aminah"), "address"),
        (family("RT 3", &format!("Siti {number}"), "Aminah"), "members[0].name"),
        (family("RT 3", "Siti", number), "members[0].mother_name"),
    ] {
        let refused = coordinator.post("/beneficiaries", body).await.refused(422, "invalid");
        let error = &refused.body["errors"][0];
        assert_eq!((error["path"].as_str(), error["code"].as_str()), (Some(path), Some("personal_number")), "{}", refused.text);
        assert!(!refused.text.contains(number));
    }
    let made =
        coordinator.post("/beneficiaries", family("Jl. H. M. Arsyad 12/3, RT 003 RW 001, 74361", "Siti", "Aminah")).await.expect(201);
    let edit = json!({"address": format!("KK {number}")});
    coordinator.patch(&format!("/beneficiaries/{}", made.id()), &made.etag(), edit).await.refused(422, "invalid");
}

/// The reference works where there is no Internet, and tells nobody on it where it stands.
#[actix_web::test]
async fn the_reference_asks_nobody_else() {
    let world = World::new().await;
    let page = world.nobody().get("/docs/").await.expect(200).text;
    let own = |link: &str| !link.starts_with("//") && !link.contains("://");
    for attribute in ["src=\"", "href=\""] {
        for link in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(own(link), "{link}");
            world.nobody().get(&format!("/docs/{}", link.trim_start_matches("./"))).await.expect(200);
        }
    }
    let settings = world.nobody().get("/docs/swagger-initializer.js").await.expect(200).text;
    assert!(settings.contains("\"validatorUrl\": \"none\""), "{settings}");
    // Whatever can be read answers HEAD as it answers GET, without a body.
    for path in ["/docs/", "/docs/swagger-ui.css", "/docs/swagger-initializer.js", "/openapi.json", "/docs/nothing-of-ours.js"] {
        let whole = world.nobody().get(path).await;
        let head = world.nobody().send(Method::HEAD, path, &[], None).await;
        assert_eq!((head.status, head.text.as_str()), (whole.status, ""), "{path}");
        assert_eq!(head.headers.get("content-type"), whole.headers.get("content-type"), "{path}");
    }
    world.nobody().get("/docs/nothing-of-ours.js").await.refused(404, "not_found");
}

/// RFC 9110 §13.1.1: one current tag in the list is enough; what names no version of ours matches nothing.
#[actix_web::test]
async fn one_of_several_versions_is_enough_for_a_change() {
    let world = World::new().await;
    let administrator = world.role(Role::Administrator);
    let path = format!("/agencies/{}", world.home.agency);
    let edit = async |tags: &str, name: &str| {
        let body = json!({"short_name": name}).to_string().into_bytes();
        administrator.send(Method::PATCH, &path, &[("if-match", tags)], Some(body)).await
    };
    for (tags, name) in [("\"7\", \"1\"", "A"), ("W/\"9\",\"2\",\"of, another\"", "B"), ("\"3\" , ,", "C")] {
        edit(tags, name).await.expect(200);
    }
    for tags in ["\"1\", \"3\"", "W/\"4\"", "*", "4", "", "\"\"", "\"4\"\"5\""] {
        edit(tags, "D").await.refused(412, "version_stale");
    }
    assert_eq!(administrator.get(&path).await.expect(200).etag(), "\"4\"");
}

/// Asks until it is told to wait; far longer than any limit of this test allows.
async fn ask_until_told_to_wait(client: &Client) -> Answer {
    for _ in 0..100 {
        let answer = client.get("/me").await;
        if answer.status == 429 {
            return answer.refused(429, "too_many_requests");
        }
    }
    panic!("{} is never told to wait", client.actor);
}

#[actix_web::test]
async fn whoever_asks_too_often_waits_and_nobody_else_does() {
    let world = World::new().await;
    let limits = Config { rate_limit: 1, ..config(&world.db.url) };
    let services = Services::new(limits, KeyRing::parse(&world.key_text).unwrap()).unwrap();
    let coordinator = world.serve_with(services, &world.role(Role::Coordinator));
    let waits = ask_until_told_to_wait(&coordinator).await;
    assert!(waits.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    // Another actor at the same address is not meant.
    Client { token: world.role(Role::Auditor).token, ..coordinator.clone() }.get("/me").await.expect(200);
    // Trying tokens is asking too.
    let stranger = Client { token: Some("x.y.z".into()), actor: "a stranger".into(), ..coordinator.clone() };
    ask_until_told_to_wait(&stranger).await;
    // And a probe from there still hears that we live.
    let probe = Client { token: None, ..stranger };
    for _ in 0..10 {
        probe.get("/health/live").await.expect(200);
        probe.get("/health/ready").await.expect(200);
    }
    // Nor does it keep anybody there from signing in.
    probe.get("/me").await.refused(401, "unauthenticated");
}

/// A client that puts a number into the address is refused, and the log is the last place where it may remain.
#[actix_web::test]
async fn no_address_gets_into_the_log_whatever_an_operator_asks_for() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let number = "6202150901900001";
    for filter in ["info,entas=debug", "trace"] {
        let serving = Serving::start_with(&world, folder.path(), &[("ENTAS_LOG_FILTER", filter), ("ENTAS_LOG", "json")]);
        let coordinator = serving.client(&world.role(Role::Coordinator));
        coordinator.get(&format!("/beneficiaries?nik={number}")).await.refused(422, "invalid");
        coordinator.get(&format!("/beneficiaries/{number}")).await.refused(404, "not_found");
        coordinator.get(&format!("/regions?q={number}")).await.expect(200);
        coordinator.post("/beneficiaries/search", json!({"nik": number, "name": number})).await.refused(422, "invalid");
        let log = serving.kill();
        assert!(log.contains("\"answered\""), "{filter}: nothing was logged: {log}");
        let line = log.lines().find(|line| line.contains(number));
        assert!(line.is_none(), "{filter}: {line:?}");
    }
}

#[actix_web::test]
async fn every_address_in_an_answer_can_be_followed_as_it_stands() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let release = deliver(&world, &coordinator, &dataset, &KEEP, &list(&[family(1, world.home.village)])).await;
    let job = coordinator.get(release["job"]["href"].as_str().unwrap()).await.expect(200);
    let result = job.body["result_path"].as_str().unwrap();
    assert!(result.starts_with("/api/v1/"), "{result}");
    assert_eq!(coordinator.get(result).await.expect(200).id(), release["id"].as_str().unwrap());
    let page = coordinator.get("/regions?limit=1&level=province").await.expect(200);
    let next = page.headers["link"].to_str().unwrap().split(['<', '>']).nth(1).unwrap();
    assert_ne!(coordinator.get(next).await.expect(200).body["items"][0], page.body["items"][0]);
}
