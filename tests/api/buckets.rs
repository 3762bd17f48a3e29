//! The S3-compatible store, spoken to over HTTP: a bucket of our own making that keeps what it is sent and checks who sends it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use entas::platform::error::Code;
use entas::platform::objects::Objects;
use entas::platform::seal::KeyRing;
use uuid::Uuid;

/// What lies in the bucket by its key, and the status that answers everything while it is set.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    failing: Mutex<Option<(u16, &'static str)>>,
}

async fn serve(request: HttpRequest, body: web::Bytes, bucket: web::Data<Arc<Bucket>>) -> HttpResponse {
    let signed =
        request.headers().get("authorization").is_some_and(|value| value.to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=KEY/"));
    if !signed {
        return HttpResponse::Forbidden().finish();
    }
    if let Some((status, code)) = *bucket.failing.lock().unwrap() {
        return HttpResponse::build(status.try_into().unwrap()).body(format!("<Error><Code>{code}</Code></Error>"));
    }
    let mut objects = bucket.objects.lock().unwrap();
    let path = request.path().strip_prefix("/photos").unwrap().trim_start_matches('/').to_owned();
    if request.query_string().contains("list-type=2") {
        let entry = |(key, content): (&String, &Vec<u8>)| {
            let length = content.len();
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>\"x\"</ETag><Size>{length}</Size></Contents>"
            )
        };
        let entries: String = objects.iter().filter(|(key, _)| key.starts_with("entas/proofs/")).map(entry).collect();
        return HttpResponse::Ok().body(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"));
    }
    match *request.method() {
        // DeleteObjects: one or many at a time.
        Method::POST => {
            assert_eq!(request.query_string(), "delete");
            let asked = String::from_utf8(body.to_vec()).unwrap();
            let keys = asked.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
            let mut told = String::new();
            for key in keys {
                objects.remove(key);
                told += &format!("<Deleted><Key>{key}</Key></Deleted>");
            }
            HttpResponse::Ok().body(format!("<DeleteResult>{told}</DeleteResult>"))
        }
        Method::PUT => {
            objects.insert(path, body.to_vec());
            HttpResponse::Ok().insert_header(("etag", "\"x\"")).finish()
        }
        _ => {
            let Some(content) = objects.get(&path) else { return HttpResponse::NotFound().body("<Error><Code>NoSuchKey</Code></Error>") };
            let mut response = HttpResponse::Ok();
            response.insert_header(("etag", "\"x\"")).insert_header(("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"));
            if request.headers().contains_key("range") {
                response.status(206.try_into().unwrap()).insert_header(("content-range", format!("bytes 0-1/{}", content.len())));
                return response.body(content[..2].to_vec());
            }
            response.body(content.clone())
        }
    }
}

fn open(address: std::net::SocketAddr, keys: KeyRing) -> Objects {
    let settings = [
        ("AWS_ACCESS_KEY_ID", "KEY".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "SECRET".to_owned()),
        ("AWS_REGION", "here".to_owned()),
        ("AWS_ENDPOINT", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("PATH", "/bin".to_owned()),
    ];
    Objects::open("s3://photos/entas/proofs", settings.map(|(name, value)| (name.to_owned(), value)), keys).unwrap()
}

#[actix_web::test]
async fn a_bucket_keeps_what_a_folder_keeps() {
    let bucket = Arc::new(Bucket::default());
    let shared = bucket.clone();
    let server = HttpServer::new(move || App::new().app_data(web::Data::new(shared.clone())).default_service(web::to(serve)))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    let text = KeyRing::generate().unwrap().to_string();
    let objects = open(address, KeyRing::parse(&text).unwrap());
    let (row, object) = (Uuid::now_v7(), Uuid::now_v7());
    let sealed = async || objects.seal("attachments.content", row, b"proof".to_vec().into()).await.unwrap();

    objects.put(object, sealed().await).await.unwrap();
    let key = format!("entas/proofs/{}/{object}", &object.to_string()[34..]);
    let lies = bucket.objects.lock().unwrap().get(&key).cloned().expect("under the prefix");
    assert!(!lies.windows(5).any(|window| window == b"proof"));
    assert_eq!(objects.get("attachments.content", row, object).await.unwrap().as_slice(), b"proof");
    assert_eq!(objects.older_than(Duration::from_secs(60)).await.unwrap(), HashSet::from([object]));
    assert!(!objects.reseal("attachments.content", row, object).await.unwrap());
    let fresh = KeyRing::generate().unwrap();
    let newer = fresh.lines().find(|line| line.starts_with("seal 1 ")).unwrap().replacen("seal 1 ", "seal 2 ", 1);
    let rotated = open(address, KeyRing::parse(&format!("{newer}\n{text}")).unwrap());
    assert!(rotated.reseal("attachments.content", row, object).await.unwrap());
    assert_eq!(rotated.get("attachments.content", row, object).await.unwrap().as_slice(), b"proof");

    *bucket.failing.lock().unwrap() = Some((507, "XMinioStorageFull"));
    assert_eq!(objects.put(Uuid::now_v7(), sealed().await).await.unwrap_err().code(), Code::StorageFull);
    *bucket.failing.lock().unwrap() = Some((503, "SlowDown"));
    assert_eq!(rotated.get("attachments.content", row, object).await.unwrap_err().code(), Code::Unavailable);
    *bucket.failing.lock().unwrap() = Some((403, "AccessDenied"));
    assert_eq!(rotated.get("attachments.content", row, object).await.unwrap_err().code(), Code::Internal);
    *bucket.failing.lock().unwrap() = None;
    objects.remove(object).await.unwrap();
    assert!(bucket.objects.lock().unwrap().is_empty());
    assert_eq!(rotated.get("attachments.content", row, object).await.unwrap_err().code(), Code::Internal);
    handle.stop(false).await;
    assert_eq!(objects.put(Uuid::now_v7(), sealed().await).await.unwrap_err().code(), Code::Unavailable);
}
