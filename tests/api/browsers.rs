//! Pages of other origins: none may call the API until the settings name them; then those and no others.

use std::collections::BTreeSet;

use entas::platform::policy::Role;
use reqwest::Method;

use crate::support::{Answer, Client, World};

const OURS: &str = "https://peta.example.go.id";
const THEIRS: &str = "https://peta.example.go.id.example";

/// What a browser asks before a page's request.
async fn preflight(client: &Client, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
    let asked = [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)];
    client.send(Method::OPTIONS, path, &asked, None).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

fn words(answer: &Answer, name: &str) -> BTreeSet<String> {
    header(answer, name).unwrap_or_default().split(',').map(|word| word.trim().to_ascii_lowercase()).collect()
}

/// What may be read means nothing to a browser that was not told who may.
fn allows_nothing(answer: &Answer) {
    let told: Vec<_> = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-allow")).collect();
    assert!(told.is_empty(), "{}: {told:?}", answer.asked);
}

fn says_nothing(answer: &Answer) {
    let told: Vec<_> = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
    assert!(told.is_empty(), "{}: {told:?}", answer.asked);
}

#[actix_web::test]
async fn pages_of_named_origins_may_call_and_others_may_not() {
    let world = World::new().await;
    let admin = world
        .replica_set(&world.role(Role::Administrator), |config| config.cors_origins = vec!["http://localhost:5173".into(), OURS.into()])
        .await;
    let nobody = Client { token: None, actor: "nobody".into(), ..admin.clone() };
    let path = format!("/agencies/{}", world.home.agency);
    let needed = "authorization,content-type,if-match,idempotency-key,if-none-match";
    for (origin, method) in [(OURS, "PATCH"), (OURS, "DELETE"), ("http://localhost:5173", "GET")] {
        // Browsers send neither token nor body.
        let allowed = preflight(&nobody, &path, origin, method, needed).await.expect(200);
        assert_eq!((header(&allowed, "access-control-allow-origin"), allowed.text.as_str()), (Some(origin), ""));
        assert!(words(&allowed, "access-control-allow-methods").contains(&method.to_ascii_lowercase()), "{:?}", allowed.headers);
        assert!(words(&allowed, "access-control-allow-headers").is_superset(&needed.split(',').map(str::to_owned).collect()));
        assert_eq!(
            (header(&allowed, "access-control-max-age"), header(&allowed, "access-control-allow-credentials")),
            (Some("7200"), None)
        );
        assert!(words(&allowed, "vary").contains("origin"), "{:?}", allowed.headers);
    }
    for (origin, method, headers) in
        [(THEIRS, "PATCH", "if-match"), ("null", "GET", "authorization"), (OURS, "PUT", ""), (OURS, "GET", "cookie")]
    {
        allows_nothing(&preflight(&nobody, &path, origin, method, headers).await.refused(422, "invalid"));
    }

    let from = async |client: &Client, origin: &str, path: &str| client.send(Method::GET, path, &[("origin", origin)], None).await;
    let read = from(&admin, OURS, &path).await.expect(200);
    assert_eq!(header(&read, "access-control-allow-origin"), Some(OURS));
    let exposed = words(&read, "access-control-expose-headers");
    let safe = ["cache-control", "content-length", "content-type", "date", "vary", "connection", "content-encoding", "transfer-encoding"];
    for answer in [&read, &from(&admin, OURS, "/regions?limit=1").await, &from(&nobody, OURS, &path).await] {
        // Whatever header an answer of ours has, the page can read it.
        for name in answer.headers.keys().map(reqwest::header::HeaderName::as_str) {
            assert!(exposed.contains(name) || safe.contains(&name) || name.starts_with("access-control-"), "{}: {name}", answer.asked);
        }
    }
    for name in ["etag", "link", "location", "retry-after", "x-request-id", "idempotency-replayed", "content-disposition"] {
        assert!(exposed.contains(name), "{name} of {exposed:?}");
    }
    assert_eq!(header(&read, "access-control-allow-credentials"), None);
    // A page reads refusals too, whoever made them.
    for (answer, status, code) in [
        (from(&nobody, OURS, &path).await, 401, "unauthenticated"),
        (from(&admin, OURS, "/agencies/nothing").await, 404, "not_found"),
        (from(&admin, OURS, "/nowhere").await, 404, "not_found"),
        (from(&admin, OURS, "/agencies?stauts=x").await, 422, "invalid"),
        (admin.send(Method::PUT, &path, &[("origin", OURS)], None).await, 405, "method_not_allowed"),
    ] {
        let refused = answer.refused(status, code);
        assert_eq!(header(&refused, "access-control-allow-origin"), Some(OURS), "{}", refused.asked);
    }
    let edited = [("origin", OURS), ("if-match", "\"1\"")];
    let edited = admin.send(Method::PATCH, &path, &edited, Some(br#"{"short_name": "Dinsos"}"#.to_vec())).await.expect(200);
    assert_eq!(header(&edited, "access-control-allow-origin"), Some(OURS));
    // Others are answered as any program is, and their browser keeps it from the page.
    allows_nothing(&from(&admin, THEIRS, &path).await.expect(200));
    // Asked by no browser, it is no preflight.
    admin.send(Method::OPTIONS, &path, &[], None).await.refused(405, "method_not_allowed");
}

#[actix_web::test]
async fn nobody_asks_twice_because_of_the_limits() {
    let world = World::new().await;
    let nobody = world
        .replica_set(&world.nobody(), |config| {
            config.cors_origins = vec![OURS.into()];
            config.rate_limit = 1;
        })
        .await;
    for _ in 0..30 {
        preflight(&nobody, "/me", OURS, "GET", "authorization").await.expect(200);
    }
    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer: &Answer| answer.status != 429) {
        answers.push(nobody.send(Method::GET, "/me", &[("origin", OURS)], None).await);
    }
    let last = answers.pop().unwrap().refused(429, "too_many_requests");
    assert_eq!(header(&last, "access-control-allow-origin"), Some(OURS));
    assert!(header(&last, "retry-after").is_some());
}

#[actix_web::test]
async fn with_no_origin_named_nothing_is_said_to_browsers() {
    let world = World::new().await;
    for setting in [vec![], vec![String::new()]] {
        let admin = world.replica_set(&world.role(Role::Administrator), |config| config.cors_origins = setting).await;
        let path = format!("/agencies/{}", world.home.agency);
        let refused = preflight(&admin, &path, OURS, "PATCH", "if-match").await.refused(405, "method_not_allowed");
        says_nothing(&refused);
        let read = admin.send(Method::GET, &path, &[("origin", OURS)], None).await.expect(200);
        says_nothing(&read);
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(names(&read), names(&admin.get(&path).await.expect(200)));
        assert_eq!(header(&read, "vary"), header(&admin.get(&path).await, "vary"));
    }
}
