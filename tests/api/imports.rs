//! Imports under bad luck: kill -9, uploads cut off or too large; and the scan that finds no NIK anywhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use entas::platform::Services;
use entas::platform::policy::Role;

use crate::datasets::{List, dataset, form, send};
use crate::support::world::config;
use crate::support::{Client, Place, World};

/// The built program, serving on the world's database and keys; killed with it.
pub struct Serving {
    child: Child,
    base: String,
    log: Arc<Mutex<String>>,
    reading: Option<std::thread::JoinHandle<()>>,
}

/// The built program with the world's database and the key file in this folder.
pub fn program(command: &str, world: &World, folder: &Path) -> Command {
    // Another build of the program, such as the one to be released, may be put to the same test.
    let program = std::env::var("ENTAS_TEST_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_entas").to_owned());
    let mut program = Command::new(program);
    program.arg(command).env("DATABASE_URL", &world.db.url).env("ENTAS_KEY_FILE", folder.join("keys")).env_remove("ENTAS_DEMO");
    program
}

impl Serving {
    pub fn start(world: &World, folder: &Path) -> Serving {
        Serving::start_with(world, folder, &[])
    }

    /// With further settings, which go before those of the tests.
    pub fn start_with(world: &World, folder: &Path, settings: &[(&str, &str)]) -> Serving {
        Serving::start_as(program("serve", world, folder), world, folder, settings)
    }

    /// By a command that becomes the program.
    pub fn start_as(mut command: Command, world: &World, folder: &Path, settings: &[(&str, &str)]) -> Serving {
        std::fs::write(folder.join("keys"), &world.key_text).unwrap();
        let mut child = command
            .env("ENTAS_BIND", "127.0.0.1:0")
            .env("ENTAS_SPOOL_DIR", folder.join("spool"))
            .env("ENTAS_ATTACHMENT_STORE", folder.join("attachments"))
            .env("ENTAS_IMPORT_BATCH", "20")
            .env("ENTAS_JOB_LEASE_SECONDS", "2")
            .env("ENTAS_RATE_LIMIT", "0")
            .env("ENTAS_WORKERS", "1")
            .env("ENTAS_LOG_FILTER", "debug")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut base = None;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(at) = line.split("listening on ").nth(1) {
                base = Some(at.trim().to_owned());
                break;
            }
            log.lock().unwrap().push_str(&line);
        }
        let kept = log.clone();
        let reading = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Serving {
            child,
            base: base.unwrap_or_else(|| panic!("the program did not start: {}", log.lock().unwrap())),
            log,
            reading: Some(reading),
        }
    }

    pub fn client(&self, like: &Client) -> Client {
        Client { base: self.base.clone(), ..like.clone() }
    }

    /// Where its files are as it sees them.
    pub fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.child.id()).into()
    }

    /// The most memory that it has held.
    pub fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    }

    /// kill -9, and all it has logged.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn job(world: &World) -> (String, i64) {
    let row = world.sql().await.query_one("SELECT state, done FROM jobs", &[]).await.unwrap();
    (row.get(0), row.get(1))
}

pub async fn wait(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < Duration::from_secs(120), "{what}: not within two minutes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn killed_again_and_again_an_import_ends_exact_and_no_nik_is_anywhere() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 11, 400).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let mut serving = Serving::start(&world, folder.path());
    let mut logs = String::new();
    let sent = send(&serving.client(&coordinator), &dataset, &[("mode", "commit")], &list.workbook()).await.expect(202);
    let (mut killed, mut before) = (0, 0);
    while killed < 3 {
        wait("the import moves on", async || job(&world).await.1 > before || job(&world).await.0 == "succeeded").await;
        if job(&world).await.0 == "succeeded" {
            break;
        }
        logs += &serving.kill();
        killed += 1;
        before = job(&world).await.1;
        serving = Serving::start(&world, folder.path());
    }
    assert!(killed >= 2, "the import was over before it could be killed twice");
    wait("the import ends", async || job(&world).await.0 == "succeeded").await;
    let client = serving.client(&coordinator);
    let release = client.get(&format!("/releases/{}", sent.body["release_id"].as_str().unwrap())).await.expect(200).body;
    let people = list.people() as u64;
    let counts = &release["counts"];
    assert_eq!(release["state"], "imported");
    assert_eq!((counts["families"].as_u64(), counts["families_new"].as_u64()), (Some(400), Some(400)));
    assert_eq!((counts["people"].as_u64(), counts["people_new"].as_u64()), (Some(people), Some(people)));
    assert_eq!(release["job"]["rows_done"], 400 + people);
    crate::datasets::same_totals(&world, &list).await;
    let left: i64 = world
        .sql()
        .await
        .query_one("SELECT count(*) FROM changes WHERE action = 'imported' AND resource = 'beneficiaries'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 400, "each family is told once");
    let warned = client.all(&format!("/releases/{}/rejects?limit=200", sent.body["release_id"].as_str().unwrap())).await;
    assert_eq!(warned.len() as u64, counts["warnings"].as_u64().unwrap(), "each remark is kept once");
    assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 0, "the spool is empty");

    // Everything that a thief of the database, a log shipper or Prometheus would see.
    let metrics = client.get("/metrics").await.expect(200).text;
    logs += &serving.kill();
    assert!(logs.contains("job taken"), "the log was read");
    let dump = dump(&world.db.url);
    assert!(list.families.iter().flat_map(|family| &family.members).all(|member| dump.contains(&member.name)), "the dump is whole");
    for (place, text) in [("the dump", &dump), ("the log", &logs), ("the metrics", &metrics)] {
        let found = list.niks().find(|nik| text.contains(nik));
        assert!(found.is_none(), "a NIK stands in {place}");
    }
    assert!(list.families.iter().flat_map(|family| &family.members).all(|member| !logs.contains(&member.name)), "a name stands in the log");
}

#[actix_web::test]
async fn a_number_in_a_name_or_an_address_is_masked_and_kept_only_sealed() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 31, 20).await;
    let mut rows: Vec<Vec<String>> = list.csv().lines().map(|line| line.split(';').map(str::to_owned).collect()).collect();
    let headers = rows[0].clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (relation, name, address) = (column("Hubungan dengan Kepala Keluarga"), column("Nama"), column("Alamat"));
    let heads: Vec<usize> = (1..rows.len()).filter(|at| rows[*at][relation] == "Kepala Keluarga").take(2).collect();
    rows[heads[0]][address] = "JL MAWAR 6202'0941'0785'0001 RT 2".into();
    rows[heads[1]][name] = "ZULAIKHA CONTOH 6202.0901.1215.0003".into();
    let written = ["6202'0941'0785'0001", "6202.0901.1215.0003", "6202094107850001", "6202090112150003"];
    let text = rows.iter().map(|row| row.join(";")).collect::<Vec<_>>().join("\n");
    let (dataset, _) = dataset(&world, Place::Home).await;
    let sent = send(&coordinator, &dataset, &[("mode", "commit")], text.as_bytes()).await.expect(202);
    world.run_jobs().await;
    let release = sent.body["release_id"].as_str().unwrap().to_owned();
    let done = coordinator.get(&format!("/releases/{release}")).await.expect(200).body;
    assert_eq!((done["counts"]["families"].as_u64(), done["counts"]["rows_rejected"].as_u64()), (Some(20), Some(0)), "nobody is lost");
    let told = coordinator.all(&format!("/releases/{release}/rejects?code=number_masked")).await;
    let told: Vec<_> = told.iter().map(|row| (row["row"].as_u64().unwrap(), row["column"].as_str().unwrap())).collect();
    assert_eq!(told, [(heads[0] as u64 + 1, "Alamat"), (heads[1] as u64 + 1, "Nama")]);

    // Wherever it is shown, masked; and nowhere whole.
    let found = coordinator.post("/beneficiaries/search", serde_json::json!({"name": "Zulaikha Contoh"})).await.expect(200);
    let id = found.body["items"][0]["beneficiary"]["id"].as_str().unwrap_or_else(|| panic!("{}", found.text)).to_owned();
    let mut shown = vec![found.text];
    for path in [
        "/beneficiaries?limit=200".to_owned(),
        format!("/beneficiaries/{id}"),
        format!("/beneficiaries/{id}/members"),
        format!("/beneficiaries/{id}/history"),
        format!("/releases/{release}/records?limit=200"),
        format!("/releases/{release}/rejects?limit=200"),
        format!("/releases/{release}/rejects.csv"),
    ] {
        shown.push(coordinator.get(&path).await.expect(200).text);
    }
    shown.push(world.role(Role::ProvinceObserver).get("/changes?limit=200").await.expect(200).text);
    let shown = shown.join("\n");
    for masked in ["JL MAWAR 6202********0001 RT 2", "ZULAIKHA CONTOH 6202********0003"] {
        assert!(shown.matches(masked).count() >= 2, "{masked} in lists and in what the release states");
    }
    let dump = dump(&world.db.url);
    assert!(dump.contains("ZULAIKHA CONTOH 6202********0003"), "the dump is whole");
    for number in written {
        assert!(!shown.contains(number) && !dump.contains(number), "{number}");
    }
    // What was delivered rests as it was, sealed.
    let db = world.services.read_as_system().await.unwrap();
    let kept = entas::features::datasets::statements(&db, &world.services.keys, release.parse().unwrap(), None, 100).await.unwrap();
    for (at, cell) in [(0, address), (1, name)] {
        let delivered = &rows[heads[at]][cell];
        assert!(kept.iter().flat_map(|family| &family.rows).any(|row| row.cells().nth(cell) == Some(delivered)), "{delivered}");
    }
}

/// The database as text, sealed bytes both as they are printed and as they are.
pub fn dump(url: &str) -> String {
    let out = Command::new("pg_dump").args(["--no-owner", "--inserts", "--exclude-table=regions", url]).output().expect("pg_dump");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut raw = Vec::new();
    for hex in text.split("\\x").skip(1) {
        let digits: Vec<u8> = hex.bytes().take_while(u8::is_ascii_hexdigit).collect();
        raw.extend(digits.chunks_exact(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()));
        raw.push(b'\n');
    }
    text + &String::from_utf8_lossy(&raw)
}

#[actix_web::test]
async fn an_upload_that_is_cut_off_leaves_nothing() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let folder = tempfile::tempdir().unwrap();
    let here = served(&world, &coordinator, folder.path(), 150);
    let changes = world.changes().await;
    let address = here.base.strip_prefix("http://").unwrap().to_owned();
    let (kind, body) = form(&[("mode", "commit")], &vec![b'x'; 3 << 20]);
    let head = format!(
        "POST /api/v1/datasets/{dataset}/releases HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        here.token.as_deref().unwrap(),
        body.len()
    );
    let spool = folder.path().to_owned();
    let waiting = || std::fs::read_dir(&spool).map(|entries| entries.count()).unwrap_or(0);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..2 << 20]).unwrap();
    wait("the upload is being received", async || waiting() == 1).await;
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    drop(stream);
    wait("the cut upload is removed", async || waiting() == 0).await;
    assert_eq!(world.changes().await, changes);
    let left: i64 =
        world.sql().await.query_one("SELECT (SELECT count(*) FROM releases) + (SELECT count(*) FROM jobs)", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
}

#[actix_web::test]
async fn an_upload_that_is_too_large_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let folder = tempfile::tempdir().unwrap();
    let here = served(&world, &coordinator, folder.path(), 1);
    let changes = world.changes().await;
    // Just above the limit: found while it is received; far above it: found by its declared length.
    for size in [(1 << 20) + 1, 12 << 20] {
        send(&here, &dataset, &[("mode", "commit")], &vec![b'x'; size]).await.refused(413, "body_too_large");
    }
    // Without a declared length it is found while it is received.
    let address = here.base.strip_prefix("http://").unwrap().to_owned();
    let (kind, body) = form(&[("mode", "commit")], &vec![b'x'; 2 << 20]);
    let head = format!(
        "POST /api/v1/datasets/{dataset}/releases HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        here.token.as_deref().unwrap()
    );
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        for part in body.chunks(64 << 10) {
            // The server may close once it has answered.
            let sent =
                write!(stream, "{:x}\r\n", part.len()).and_then(|()| stream.write_all(part)).and_then(|()| stream.write_all(b"\r\n"));
            if sent.is_err() {
                break;
            }
        }
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    })
    .await
    .unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    wait("nothing is left in the spool", async || std::fs::read_dir(folder.path()).unwrap().count() == 0).await;
    assert_eq!(world.changes().await, changes);
    // One that fits is taken.
    send(&here, &dataset, &[("mode", "validate")], &vec![b'x'; 1 << 20]).await.expect(202);
    let elsewhere = Services::new(with(&world, folder.path(), 1), world.services.keys.clone()).unwrap();
    let (_keep, stop) = tokio::sync::watch::channel(false);
    while entas::platform::jobs::run_one(&elsewhere, &entas::app::kinds(), &stop).await.unwrap() {}
}

fn with(world: &World, folder: &Path, limit: usize) -> entas::platform::config::Config {
    let mut config = config(&world.db.url);
    config.public_url = world.services.config.public_url.clone();
    config.spool_dir = folder.to_owned();
    config.upload_limit_mb = limit;
    config
}

/// The same service with a spool and a limit of its own.
fn served(world: &World, client: &Client, folder: &Path, limit: usize) -> Client {
    let services = Services::new(with(world, folder, limit), world.services.keys.clone()).unwrap();
    world.serve_with(services, client)
}

/// A worker that died in the middle holds its lease; whoever takes the job later goes on from the cursor.
#[actix_web::test]
async fn a_worker_that_stops_hands_its_import_on() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 12, 200).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    send(&coordinator, &dataset, &[("mode", "commit")], &list.workbook()).await.expect(202);
    let mut config = config(&world.db.url);
    config.import_batch = 25;
    let services = Services::new(config, world.services.keys.clone()).unwrap();
    let mut tries = 0;
    loop {
        tries += 1;
        let (tell, stop) = tokio::sync::watch::channel(false);
        let kinds = entas::app::kinds();
        let running = entas::platform::jobs::run_one(&services, &kinds, &stop);
        let before = job(&world).await.1;
        let stopping = async {
            wait("a batch is stored", async || job(&world).await.1 > before || job(&world).await.0 == "succeeded").await;
            tell.send(true).unwrap();
        };
        let (worked, ()) = futures_util::future::join(running, stopping).await;
        assert!(worked.unwrap());
        let (state, _) = job(&world).await;
        if state == "succeeded" {
            break;
        }
        assert_eq!(state, "queued", "a stopped job goes back into the queue");
    }
    assert!(tries >= 3, "stopped only {tries} times");
    crate::datasets::same_totals(&world, &list).await;
}

#[actix_web::test]
async fn keys_of_another_database_are_refused_at_the_start() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    world.role(Role::Auditor).get("/me").await.expect(200);
    let made = program("keys-new", &world, folder.path()).arg(folder.path().join("keys")).output().unwrap();
    assert!(made.status.success());
    let person = ["--name", "somebody", "--display-name", "Somebody", "--region", "62.02", "--role", "administrator"];
    for (command, arguments) in [
        ("serve", &[][..]),
        ("migrate", &[]),
        ("rotate-keys", &[]),
        ("user-add", &person),
        ("simulate", &["--region", "62.02", "--families", "3", "--load"]),
    ] {
        let mut tried = program(command, &world, folder.path());
        let tried =
            tried.args(arguments).env("ENTAS_BIND", "127.0.0.1:0").env("ENTAS_PASSWORD", "a password long enough").output().unwrap();
        let told = String::from_utf8(tried.stderr).unwrap();
        assert!(!tried.status.success() && told.contains("does not fit this database"), "{command}: {told}");
        assert!(!told.contains("listening"), "{told}");
    }
    let written = "SELECT (SELECT count(*) FROM actors WHERE name = 'somebody') + (SELECT count(*) FROM releases)";
    assert_eq!(world.sql().await.query_one(written, &[]).await.unwrap().get::<_, i64>(0), 0);
}
