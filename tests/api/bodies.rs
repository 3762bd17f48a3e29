//! Bodies that stop arriving: their senders are told (408) and let go, and nothing of what was begun stands.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::datasets::dataset;
use crate::support::{Client, Place, World};

/// Sends the beginning of a request and waits until the server has closed the connection: status, head and problem of its answer.
async fn begin(client: &Client, line: &str, headers: &str, body: &str) -> (u16, String, Value) {
    let address = client.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = client.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let sent = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{token}{headers}\r\n\r\n{body}");
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: no answer: {text:?}"));
    let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    (head[9..12].parse().unwrap(), head.to_lowercase(), serde_json::from_str(body).unwrap())
}

#[actix_web::test]
async fn a_body_that_stops_half_way_is_not_awaited_for_ever() {
    let world = World::new().await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let impatient = async |client: &Client| world.replica_set(client, |config| config.body_patience_seconds = 1).await;
    let dinsos = impatient(&world.role(Role::SocialAffairs)).await;
    let coordinator = impatient(&world.role(Role::Coordinator)).await;
    let nobody = impatient(&world.nobody()).await;
    let before = world.changes().await;
    let json = "Content-Type: application/json\r\n";
    let key = "Idempotency-Key: half-of-it\r\n";
    let family = json!({"region_code": world.home.village, "members": [{"name": "Ibu Utuh", "relation": "head"}]});
    let half = &family.to_string()[..30];
    let part = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nNIK;NAMA\r\n";
    let releases = format!("POST /api/v1/datasets/{dataset}/releases");
    let edit = format!("PATCH /api/v1/datasets/{dataset}");
    for (client, line, headers, body) in [
        (&dinsos, "POST /api/v1/beneficiaries", format!("{json}Content-Length: 200"), half),
        (&dinsos, "POST /api/v1/beneficiaries", format!("{json}{key}Content-Length: 200"), half),
        (&dinsos, "POST /api/v1/beneficiaries/search", format!("{json}Transfer-Encoding: chunked"), "5\r\n{\"nam\r\n"),
        (&dinsos, "POST /api/v1/beneficiaries/search", format!("{json}Content-Length: 50"), ""),
        (&coordinator, &edit, format!("{json}If-Match: \"1\"\r\nTransfer-Encoding: chunked"), "a\r\n{\"name\": \"\r\n"),
        (&coordinator, &releases, "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000".into(), part),
        (&nobody, "POST /oauth/token", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 90".into(), "grant_type=pass"),
    ] {
        let (status, head, problem) = begin(client, line, &headers, body).await;
        assert_eq!((status, problem["code"].as_str()), (408, Some("body_too_slow")), "{line} {headers}: {head} {problem}");
        assert!(head.contains("content-type: application/problem+json") && problem["request_id"].is_string(), "{line}: {head}");
        assert!(head.contains("connection: close"), "{line}: {head}");
    }
    assert_eq!(world.changes().await, before, "nothing is half done");
    // The key is free for who sends the whole.
    let whole =
        dinsos.send(reqwest::Method::POST, "/beneficiaries", &[("idempotency-key", "half-of-it")], Some(family.to_string().into_bytes()));
    whole.await.expect(201);
}

/// What is refused before its body is read ends the connection too: nobody reads on for as long as something comes.
#[actix_web::test]
async fn who_is_refused_at_the_door_does_not_keep_it_open() {
    let world = World::new().await;
    for (client, status, code) in [(world.nobody(), 401, "unauthenticated"), (world.role(Role::Partner), 403, "forbidden")] {
        for headers in
            ["Content-Type: application/json\r\nTransfer-Encoding: chunked", "Content-Type: application/json\r\nContent-Length: 90"]
        {
            let body = if headers.contains("chunked") { "5\r\n{\"nam\r\n" } else { "{\"nam" };
            let (was, head, problem) = begin(&client, "POST /api/v1/beneficiaries", headers, body).await;
            assert_eq!((was, problem["code"].as_str()), (status, Some(code)), "{headers}: {head}");
            assert!(head.contains("connection: close"), "{headers}: {head}");
        }
    }
}
