//! Datasets and releases: delivered, imported, refused, repeated, cut off, cancelled. Totals are counted from the
//! simulator's own families and never from what the import says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;
use entas::platform::ids::RegionCode;
use entas::platform::policy::Role;
use entas::simulate::{self, Family, Plan, Village};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Answer, Call, Case, Client, Place, World};

const BOUNDARY: &str = "entas-test-boundary-7d1f";

/// A form: text parts, then the file.
pub fn form(texts: &[(&str, &str)], file: &[u8]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, text) in texts {
        body.extend(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").bytes());
    }
    body.extend(file_part(file));
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

fn file_part(file: &[u8]) -> Vec<u8> {
    let head = "content-disposition: form-data; name=\"file\"; filename=\"P3KE.xlsx\"\r\ncontent-type: application/octet-stream";
    let mut part = format!("--{BOUNDARY}\r\n{head}\r\n\r\n").into_bytes();
    part.extend(file);
    part.extend(b"\r\n");
    part
}

pub async fn send(client: &Client, dataset: &str, texts: &[(&str, &str)], file: &[u8]) -> Answer {
    let (kind, body) = form(texts, file);
    client.send(reqwest::Method::POST, &format!("/datasets/{dataset}/releases"), &[("content-type", &kind)], Some(body)).await
}

/// A dataset in a place, registered by its coordinator.
pub async fn dataset(world: &World, place: Place) -> (String, String) {
    let code = format!("D-{}", &Uuid::now_v7().simple().to_string()[20..]);
    let body = json!({"region_code": world.place(place).regency, "code": code, "name": "P3KE", "owner": "Kemenko PMK", "unit": "family"});
    let created = world.role_in(place, Role::Coordinator).post("/datasets", body).await.expect(201);
    (created.id(), created.etag())
}

/// A file that nobody sent before, with nothing to read in it.
fn fresh_file() -> Vec<u8> {
    format!("not a table {}\n", Uuid::now_v7()).into_bytes()
}

/// A release in a place, whose job is still to do.
async fn release(world: &World, place: Place) -> (String, String) {
    let (dataset, _) = dataset(world, place).await;
    let sent = send(&world.role_in(place, Role::Coordinator), &dataset, &[("mode", "validate")], &fresh_file()).await.expect(202);
    (dataset, sent.body["release_id"].as_str().unwrap().to_owned())
}

/// A release in a place with one row refused.
async fn refused(world: &World, place: Place) -> (String, String) {
    let (dataset, _) = dataset(world, place).await;
    let file = format!("{}\n1;F1;;;;;nowhere;1;;P1;{};;;;Anak;;;;;;;;;;;;;;;;;\n", simulate::PERSON_HEADERS.join(";"), Uuid::now_v7());
    let sent = send(&world.role_in(place, Role::Coordinator), &dataset, &[("mode", "validate")], file.as_bytes()).await.expect(202);
    world.run_jobs().await;
    let release = sent.body["release_id"].as_str().unwrap().to_owned();
    let rejects = world.role_in(place, Role::Coordinator).all(&format!("/releases/{release}/rejects")).await;
    (release, rejects[0]["id"].as_str().unwrap().to_owned())
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("datasets_list", |world, place| Call::list("/datasets?limit=200", [dataset(world, place).await.0])),
        case!("datasets_create", |world, place| {
            let code = Uuid::now_v7().to_string();
            Call::send(
                "/datasets",
                json!({"region_code": world.place(place).regency, "code": code, "name": "DTKS", "owner": "Kemensos", "unit": "household"}),
            )
        }),
        case!("datasets_fetch", |world, place| Call::get(format!("/datasets/{}", dataset(world, place).await.0))),
        case!("datasets_edit", |world, place| {
            let (id, etag) = dataset(world, place).await;
            Call::edit(format!("/datasets/{id}"), &etag, json!({"owner": "BPS"}))
        }),
        case!("datasets_history", |world, place| Call::get(format!("/datasets/{}/history", dataset(world, place).await.0))),
        case!("releases_list", |world, place| {
            let (dataset, release) = release(world, place).await;
            Call::list(format!("/datasets/{dataset}/releases"), [release])
        }),
        case!("releases_create", |world, place| {
            let (dataset, _) = dataset(world, place).await;
            Call {
                path: format!("/datasets/{dataset}/releases"),
                raw: Some(form(&[("mode", "validate")], &fresh_file())),
                ..Call::default()
            }
        }),
        case!("releases_fetch", |world, place| Call::get(format!("/releases/{}", release(world, place).await.1))),
        case!("releases_rejects", |world, place| {
            let (release, reject) = refused(world, place).await;
            Call::list(format!("/releases/{release}/rejects"), [reject])
        }),
        case!("releases_download", |world, place| Call::get(format!("/releases/{}/rejects.csv", refused(world, place).await.0))),
    ]
}

/// A simulated regency and its list as the files in which it arrives.
pub struct List {
    pub villages: Vec<Village>,
    pub families: Vec<Family>,
}

impl List {
    pub async fn new(world: &World, region: &str, seed: u64, families: u32) -> List {
        let code = RegionCode::parse(region).unwrap();
        let rows = entas::features::regions::villages_of(&world.services.read_as_system().await.unwrap(), &code).await.unwrap();
        let village = |(code, name, subdistrict, regency, province)| Village { code, name, subdistrict, regency, province };
        let villages: Vec<Village> = rows.into_iter().map(village).collect();
        let reference_date = NaiveDate::from_ymd_opt(2023, 3, 16).unwrap();
        let plan = Plan { regency: region.into(), seed, reference_date, families: Some(families) };
        let families = simulate::regency(&plan, &villages);
        List { villages, families }
    }

    fn written(&self, write: impl FnOnce(&Path)) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        write(&path);
        std::fs::read(&path).unwrap()
    }

    pub fn workbook(&self) -> Vec<u8> {
        self.written(|path| simulate::write_workbook(path, &self.villages, &self.families).unwrap())
    }

    pub fn csv(&self) -> String {
        String::from_utf8(self.written(|path| simulate::write_csv(path, &self.villages, &self.families).unwrap())).unwrap()
    }

    pub fn people(&self) -> usize {
        self.families.iter().map(|family| family.members.len()).sum()
    }

    pub fn niks(&self) -> impl Iterator<Item = &str> {
        self.families.iter().flat_map(|family| &family.members).filter_map(|member| member.nik.as_deref())
    }

    /// Families and people by village and decile.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::new();
        for family in &self.families {
            let place = (self.villages[family.village].code.clone(), i64::from(family.decile));
            let (families, people) = totals.entry(place).or_default();
            *families += 1;
            *people += family.members.len() as i64;
        }
        totals
    }
}

pub type Totals = BTreeMap<(String, i64), (i64, i64)>;

/// What stands in the tables, by village and current decile.
pub async fn stored(world: &World) -> Totals {
    let rows = world
        .sql()
        .await
        .query(
            "SELECT b.region_code, w.decile::bigint, count(DISTINCT b.id), count(m.id)
               FROM beneficiaries b JOIN welfare_ranks w ON w.beneficiary_id = b.id AND w.current JOIN members m ON m.beneficiary_id = b.id
              GROUP BY 1, 2",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect()
}

/// That what stands in the tables is the list, whole and once.
pub async fn same_totals(world: &World, list: &List) {
    assert_eq!(stored(world).await, list.totals());
}

/// The same as the API tells it.
async fn told(client: &Client) -> Totals {
    let mut totals = Totals::new();
    for family in client.all("/beneficiaries?limit=200").await {
        let decile = family["welfare"]["decile"].as_i64().unwrap_or_else(|| panic!("no decile: {family}"));
        let (families, people) = totals.entry((family["region_code"].as_str().unwrap().to_owned(), decile)).or_default();
        *families += 1;
        *people += family["member_count"].as_i64().unwrap_or_else(|| panic!("no member count: {family}"));
    }
    totals
}

pub async fn number(world: &World, sql: &str) -> i64 {
    world.sql().await.query_one(sql, &[]).await.unwrap().get(0)
}

pub async fn fetch(client: &Client, release: &Value) -> Value {
    client.get(&format!("/releases/{}", release.as_str().unwrap())).await.expect(200).body
}

fn spooled(world: &World, release: &Value) -> bool {
    world.services.config.spool_dir.join(release.as_str().unwrap()).exists()
}

#[actix_web::test]
async fn a_workbook_is_taken_over_whole() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 7, 300).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let texts = [("mode", "commit"), ("bast_number", "BAST-01/2023"), ("reference_date", "2023-01-01"), ("coverage", "Kotim")];
    let sent = send(&coordinator, &dataset, &texts, &list.workbook()).await.expect(202);
    let job = sent.body["job_id"].as_str().unwrap();
    assert_eq!(sent.headers["location"].to_str().unwrap(), format!("/api/v1/jobs/{job}"));
    let before = fetch(&coordinator, &sent.body["release_id"]).await;
    assert_eq!((before["state"].as_str(), before["job"]["state"].as_str()), (Some("received"), Some("queued")));
    assert!(spooled(&world, &sent.body["release_id"]));
    world.run_jobs().await;

    assert_eq!(stored(&world).await, list.totals());
    assert_eq!(told(&coordinator).await, list.totals());
    let release = fetch(&coordinator, &sent.body["release_id"]).await;
    assert_eq!(release["state"], "imported");
    assert_eq!(release["bast_number"], "BAST-01/2023");
    let people = list.people();
    let counts = &release["counts"];
    assert_eq!((counts["families"].as_u64(), counts["families_new"].as_u64()), (Some(300), Some(300)));
    assert_eq!((counts["people"].as_u64(), counts["people_new"].as_u64()), (Some(people as u64), Some(people as u64)));
    assert_eq!(counts["rows_rejected"], 0);
    let rows = (300 + people) as u64;
    assert_eq!((release["job"]["rows_done"].as_u64(), release["job"]["rows_total"].as_u64()), (Some(rows), Some(rows)));
    assert!(!spooled(&world, &sent.body["release_id"]), "the file is gone from the spool");

    let has = |test: fn(&Family) -> bool| list.families.iter().filter(|family| test(family)).count() as i64;
    let attributes = "SELECT count(*) FROM beneficiaries WHERE attributes";
    assert_eq!(number(&world, &format!("{attributes}->'aid'->>'pkh' = 'true'")).await, has(|family| family.aid.pkh));
    assert_eq!(number(&world, &format!("{attributes}->>'savings' = 'true'")).await, has(|family| family.housing.savings));
    assert_eq!(number(&world, "SELECT count(*) FROM members WHERE nik_index IS NOT NULL").await, list.niks().count() as i64);
    assert_eq!(number(&world, "SELECT count(*) FROM members WHERE relation = 'head'").await, 300);
    let names: BTreeSet<String> =
        world.sql().await.query("SELECT name FROM members", &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected: BTreeSet<String> = list.families.iter().flat_map(|family| &family.members).map(|member| member.name.clone()).collect();
    assert_eq!(names, expected);
    // One number, sealed and found again.
    let somebody = list.families.iter().flat_map(|family| &family.members).find(|member| member.nik.is_some()).unwrap();
    let found = coordinator.post("/beneficiaries/search", json!({"nik": somebody.nik})).await.expect(200);
    assert!(found.text.contains(&somebody.name) && !found.text.contains(somebody.nik.as_deref().unwrap()), "{}", found.text);
    // The feed knows every family and the release.
    assert_eq!(number(&world, "SELECT count(*) FROM changes WHERE resource = 'beneficiaries' AND action = 'imported'").await, 300);
    assert_eq!(number(&world, "SELECT count(*) FROM changes WHERE resource = 'releases'").await, 2);
}

#[actix_web::test]
async fn the_same_file_is_one_release() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 1, 40).await;
    let book = list.workbook();
    let (dataset, _) = dataset(&world, Place::Home).await;
    let first = send(&coordinator, &dataset, &[("mode", "commit")], &book).await.expect(202);
    let second = send(&coordinator, &dataset, &[("mode", "commit")], &book).await.expect(200);
    assert_eq!((&second.body, &second.headers["location"]), (&first.body, &first.headers["location"]));
    world.run_jobs().await;
    let third = send(&coordinator, &dataset, &[("mode", "commit"), ("bast_number", "other")], &book).await.expect(200);
    assert_eq!(third.body["release_id"], first.body["release_id"]);
    assert_eq!(third.body["state"], "imported");
    // A dry run of the same file is another release, and writes no family.
    let dry = send(&coordinator, &dataset, &[("mode", "validate")], &book).await.expect(202);
    world.run_jobs().await;
    let dry = fetch(&coordinator, &dry.body["release_id"]).await;
    assert_eq!((dry["state"].as_str(), dry["counts"]["families"].as_u64()), (Some("validated"), Some(40)));
    assert_eq!((dry["counts"]["families_new"].as_u64(), dry["counts"]["people_new"].as_u64()), (Some(0), Some(0)));
    assert_eq!(stored(&world).await, list.totals());
    assert_eq!(coordinator.all(&format!("/datasets/{dataset}/releases")).await.len(), 2);
    assert_eq!(coordinator.all(&format!("/datasets/{dataset}/releases?mode=commit")).await.len(), 1);

    // Five at once: the unique index decides.
    let other = List::new(&world, "62.02", 2, 5).await.workbook();
    let sent = join_all((0..5).map(|_| send(&coordinator, &dataset, &[("mode", "commit")], &other))).await;
    let ids: BTreeSet<&str> =
        sent.iter().map(|answer| answer.body["release_id"].as_str().unwrap_or_else(|| panic!("{}", answer.text))).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(sent.iter().filter(|answer| answer.status == 202).count(), 1);
    assert_eq!(number(&world, "SELECT count(*) FROM jobs WHERE state = 'queued'").await, 1, "no job without a release");
    world.run_jobs().await;
}

#[actix_web::test]
async fn the_next_release_makes_nobody_twice_and_ranks_anew() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let mut list = List::new(&world, "62.02", 3, 60).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let deliver = async |list: &List, day: &str| {
        let sent = send(&coordinator, &dataset, &[("mode", "commit"), ("reference_date", day)], &list.workbook()).await.expect(202);
        world.run_jobs().await;
        fetch(&coordinator, &sent.body["release_id"]).await
    };
    deliver(&list, "2023-01-01").await;
    assert_eq!(stored(&world).await, list.totals());
    for family in &mut list.families {
        family.decile = family.decile % 4 + 1;
    }
    let second = deliver(&list, "2024-01-01").await;
    assert_eq!((second["counts"]["families"].as_u64(), second["counts"]["families_new"].as_u64()), (Some(60), Some(0)));
    assert_eq!(second["counts"]["people_new"], 0);
    assert_eq!(stored(&world).await, list.totals(), "the newer release ranks");
    assert_eq!(number(&world, "SELECT count(*) FROM welfare_ranks").await, 120, "the older ranks are kept beside");
    let current = list.totals();
    for family in &mut list.families {
        family.decile = 4;
    }
    deliver(&list, "2022-01-01").await;
    assert_eq!(stored(&world).await, current, "an older release that comes late ranks nobody anew");
    assert_eq!(number(&world, "SELECT count(*) FROM beneficiaries").await, 60);
    assert_eq!(number(&world, "SELECT count(*) FROM members").await, list.people() as i64);
}

#[actix_web::test]
async fn people_as_text_make_the_same_families() {
    let world = World::new().await;
    let list = List::new(&world, "62.02", 4, 80).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    send(&world.role(Role::Coordinator), &dataset, &[("mode", "commit")], list.csv().as_bytes()).await.expect(202);
    world.run_jobs().await;
    assert_eq!(stored(&world).await, list.totals());
}

#[actix_web::test]
async fn what_is_refused_is_told_by_row_and_column_and_never_quoted() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 5, 30).await;
    let mut rows: Vec<Vec<String>> = list.csv().lines().map(|line| line.split(';').map(str::to_owned).collect()).collect();
    let column = |name: &str| simulate::PERSON_HEADERS.iter().position(|header| *header == name).unwrap();
    // Members who are no heads, so that their families stay whole without them.
    let others: Vec<usize> =
        (1..rows.len()).filter(|at| rows[*at][column("Hubungan dengan Kepala Keluarga")] != "Kepala Keluarga").take(4).collect();
    rows[others[0]][column("Tanggal Lahir")] = "31/02/1990".into();
    rows[others[1]][column("Desil Kesejahteraan")] = "77".into();
    rows[others[2]][column("Kode Kemdagri")] = "64.08.03.2001".into();
    rows[others[3]][column("NIK")] = "6202XX8877665544".into();
    let secret_name = "BUDI YANG TIDAK BOLEH DIKUTIP";
    rows[others[0]][column("Nama")] = secret_name.into();
    let text = rows.iter().map(|row| row.join(";")).collect::<Vec<_>>().join("\n");
    let (dataset, _) = dataset(&world, Place::Home).await;
    let sent = send(&coordinator, &dataset, &[("mode", "commit")], text.as_bytes()).await.expect(202);
    world.run_jobs().await;
    let release = fetch(&coordinator, &sent.body["release_id"]).await;
    assert_eq!((release["state"].as_str(), release["counts"]["rows_rejected"].as_u64()), (Some("imported"), Some(3)));
    assert_eq!(release["counts"]["people"].as_u64(), Some(list.people() as u64 - 3));
    assert_eq!(number(&world, "SELECT count(*) FROM members").await, list.people() as i64 - 3);

    let path = format!("/releases/{}/rejects", sent.body["release_id"].as_str().unwrap());
    let rejects = coordinator.all(&format!("{path}?severity=reject&limit=2")).await;
    let told: BTreeSet<(u64, &str, &str)> = rejects
        .iter()
        .map(|row| (row["row"].as_u64().unwrap(), row["column"].as_str().unwrap_or_default(), row["code"].as_str().unwrap()))
        .collect();
    // The file's first line is row 1, as in a spreadsheet.
    let at = |index: usize| others[index] as u64 + 1;
    let expected =
        [(at(0), "Tanggal Lahir", "date_invalid"), (at(1), "Desil Kesejahteraan", "decile_invalid"), (at(2), "", "region_foreign")];
    assert_eq!(told, expected.into());
    let invalid = coordinator.all(&format!("{path}?code=nik_invalid")).await;
    assert_eq!((invalid.len(), invalid[0]["row"].as_u64(), invalid[0]["severity"].as_str()), (1, Some(at(3)), Some("warning")));

    let file = world.role(Role::Auditor).get(&format!("{path}.csv")).await.expect(200);
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["sheet", "row", "column", "code", "reason", "severity"]);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), coordinator.all(&path).await.len());
    for (row, column, code) in expected {
        assert!(records.iter().any(|record| record[1] == row.to_string() && &record[2] == column && &record[3] == code), "{code}");
    }
    let listed = coordinator.get(&format!("{path}?limit=200")).await.expect(200).text;
    for text in [&file.text, &listed] {
        for secret in [secret_name, "31/02/1990", "6202XX8877665544"] {
            assert!(!text.contains(secret), "{secret} is quoted");
        }
        assert!(list.niks().all(|nik| !text.contains(nik)));
    }
}

#[actix_web::test]
async fn a_form_cut_off_or_with_nonsense_is_refused_with_the_part() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let path = format!("/datasets/{dataset}/releases");
    let refused = async |texts: &[(&str, &str)]| {
        let answer = send(&coordinator, &dataset, texts, b"x").await.refused(422, "invalid");
        let error = &answer.body["errors"][0];
        (error["path"].as_str().unwrap().to_owned(), error["code"].as_str().unwrap().to_owned())
    };
    for (texts, at, code) in [
        (&[][..], "", "required"),
        (&[("mode", "commit"), ("mode", "validate")], "mode", "duplicate"),
        (&[("mode", "import")], "mode", "unknown_value"),
        (&[("mode", "commit"), ("stray", "1")], "stray", "unknown_field"),
        (&[("mode", "commit"), ("reference_date", "01/02/2023")], "reference_date", "format"),
        (&[("mode", "commit"), ("received_on", "1066-10-14")], "received_on", "range"),
        (&[("mode", "commit"), ("bast_number", "a\u{7}b")], "bast_number", "printable"),
        (&[("mode", "commit"), ("profile", "regsosek")], "profile", "unknown_value"),
        (&[("mode", "commit"), ("rejects", "some")], "rejects", "unknown_value"),
        (&[("mode", "commit"), ("profile", "dukcapil")], "mode", "register"),
        (&[("mode", "commit"), ("profile", r#"{"name":"x","sheets":[]}"#)], "profile.sheets", "sheets_empty"),
        (&[("mode", "commit"), ("profile", r#"{"name":"x","sheets":[],"y":1}"#)], "profile.y", "unknown_field"),
    ] {
        let told = refused(texts).await;
        assert_eq!((told.0.as_str(), told.1.as_str()), (at, code), "{texts:?}");
    }
    let raw = async |body: Vec<u8>, kind: &str| coordinator.send(reqwest::Method::POST, &path, &[("content-type", kind)], Some(body)).await;
    let (kind, whole) = form(&[("mode", "commit")], b"x");
    // The file before what is said about it.
    let (head, tail) =
        (format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"mode\"\r\n\r\ncommit\r\n"), format!("--{BOUNDARY}--\r\n"));
    let early = [file_part(b"x"), head.clone().into_bytes(), tail.clone().into_bytes()].concat();
    // A console sends parts in an order of its own: everything is judged when it is there.
    raw(early, &kind).await.expect(202);
    world.run_jobs().await;
    let (changes, jobs) = (world.changes().await, number(&world, "SELECT count(*) FROM jobs").await);
    let without = [file_part(b"y"), tail.clone().into_bytes()].concat();
    assert_eq!(raw(without, &kind).await.refused(422, "invalid").body["errors"][0]["code"], "required");
    let late = [
        head.clone().into_bytes(),
        file_part(b"x"),
        b"--".to_vec(),
        BOUNDARY.into(),
        b"\r\ncontent-disposition: form-data; name=\"stray\"\r\n\r\nx\r\n".to_vec(),
        tail.clone().into_bytes(),
    ]
    .concat();
    let told = raw(late, &kind).await.refused(422, "invalid");
    assert_eq!((told.body["errors"][0]["path"].as_str(), told.body["errors"][0]["code"].as_str()), (Some("stray"), Some("unknown_field")));
    let none = [head.into_bytes(), tail.into_bytes()].concat();
    assert_eq!(raw(none, &kind).await.refused(422, "invalid").body["errors"][0]["path"], "file");
    assert_eq!(send(&coordinator, &dataset, &[("mode", "commit")], b"").await.refused(422, "invalid").body["errors"][0]["code"], "empty");
    raw(whole[..whole.len() - 8].to_vec(), &kind).await.refused(422, "invalid");
    raw(whole.clone(), "multipart/form-data").await.refused(422, "invalid");
    raw(whole.clone(), "multipart/mixed; boundary=x").await.refused(415, "media_type");
    raw(whole, "text/csv").await.refused(415, "media_type");
    assert_eq!(world.changes().await, changes);
    assert_eq!(number(&world, "SELECT count(*) FROM jobs").await, jobs);
}

#[actix_web::test]
async fn a_profile_of_ones_own_reads_another_list() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let profile = json!({"name": "Daftar dinas", "sheets": [{
        "unit": "family", "header_row": 1, "first_data_row": 2,
        "columns": [
            {"header": "Nomor", "field": "source_family_id", "required": true},
            {"header": "Desa", "field": "region_code", "required": true, "values": {"Bapinang": "62.02.09.2001"}},
            {"header": "Nama KK", "field": "name", "required": true},
            {"header": "Desil", "field": "decile"},
        ],
    }]});
    let file = b"Nomor,Desa,Nama KK,Desil\nA-1,Bapinang,SITI CONTOH,2\nA-2,62.02.09.2002,BUDI CONTOH,3\nA-3,Entah,ANI CONTOH,1\n";
    let sent = send(&coordinator, &dataset, &[("mode", "commit"), ("profile", &profile.to_string())], file).await.expect(202);
    world.run_jobs().await;
    let release = fetch(&coordinator, &sent.body["release_id"]).await;
    assert_eq!((release["state"].as_str(), release["profile"].as_str()), (Some("imported"), Some("Daftar dinas")));
    assert_eq!((release["counts"]["families"].as_u64(), release["counts"]["rows_rejected"].as_u64()), (Some(2), Some(1)));
    let expected: Totals = [(("62.02.09.2001".to_owned(), 2), (1, 1)), (("62.02.09.2002".to_owned(), 3), (1, 1))].into();
    assert_eq!(stored(&world).await, expected);
    // The heads are found again although the list has no keys of people.
    let more = [&file[..], b"A-4,Bapinang,BARU CONTOH,1\n"].concat();
    send(&coordinator, &dataset, &[("mode", "commit"), ("profile", &profile.to_string())], &more).await.expect(202);
    world.run_jobs().await;
    assert_eq!(number(&world, "SELECT count(*) FROM members").await, 3);
}

#[actix_web::test]
async fn an_unreadable_file_fails_and_may_be_sent_again() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let book = List::new(&world, "62.02", 1, 5).await.workbook();
    for (file, code) in [(&b"a;b;c\n1;2;3\n"[..], "not_a_table"), (&book[..book.len() / 2], "unreadable_file")] {
        let sent = send(&coordinator, &dataset, &[("mode", "commit")], file).await.expect(202);
        world.run_jobs().await;
        let release = fetch(&coordinator, &sent.body["release_id"]).await;
        assert_eq!((release["state"].as_str(), release["job"]["error_code"].as_str()), (Some("failed"), Some(code)), "{release}");
        assert!(!spooled(&world, &sent.body["release_id"]));
        send(&coordinator, &dataset, &[("mode", "commit")], file).await.expect(202);
        world.run_jobs().await;
    }
}

#[actix_web::test]
async fn a_cancelled_import_keeps_nothing_waiting() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let list = List::new(&world, "62.02", 6, 30).await;
    let book = list.workbook();
    for how in ["cancel_requested = true", "state = 'cancelled', finished_at = now()", "state = 'failed', error_code = 'internal'"] {
        let sent = send(&coordinator, &dataset, &[("mode", "commit")], &book).await.expect(202);
        world.sql().await.execute(&format!("UPDATE jobs SET {how} WHERE state = 'queued'"), &[]).await.unwrap();
        world.run_jobs().await;
        let state = fetch(&coordinator, &sent.body["release_id"]).await["state"].as_str().unwrap().to_owned();
        assert_eq!(state, if how.contains("'failed'") { "failed" } else { "cancelled" }, "{how}");
    }
    let left = coordinator.all(&format!("/datasets/{dataset}/releases")).await;
    let sent = send(&coordinator, &dataset, &[("mode", "commit")], &book).await.expect(202);
    assert!(left.iter().all(|release| !spooled(&world, &release["id"])), "what was left of the others is cleared away");
    world.run_jobs().await;
    assert_eq!(fetch(&coordinator, &sent.body["release_id"]).await["state"], "imported");
    assert_eq!(stored(&world).await, list.totals());
}

#[actix_web::test]
async fn datasets_are_registered_once_a_region_and_edited() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let body = json!({"region_code": "6202", "code": "P3KE", "name": "P3KE", "owner": "Kemenko PMK", "unit": "family", "ranking_scheme": "desil nasional 1-10"});
    let created = coordinator.post("/datasets", body.clone()).await.expect(201);
    coordinator.post("/datasets", body.clone()).await.refused(409, "dataset_code_taken");
    let mut elsewhere = body;
    elsewhere["region_code"] = json!("64.08");
    coordinator.post("/datasets", elsewhere.clone()).await.refused(404, "region_not_found");
    world.role_in(Place::Foreign, Role::Coordinator).post("/datasets", elsewhere.clone()).await.expect(201);
    elsewhere["region_code"] = json!("62.02.99");
    coordinator.post("/datasets", elsewhere).await.refused(404, "region_not_found");
    let path = format!("/datasets/{}", created.id());
    let edited =
        coordinator.patch(&path, "\"1\"", json!({"ranking_scheme": null, "legal_basis": "Kepmenko PMK 30/2022"})).await.expect(200);
    assert_eq!((edited.body["ranking_scheme"].is_null(), edited.body["code"].as_str()), (true, Some("P3KE")));
    coordinator.patch(&path, "\"1\"", json!({"owner": "x"})).await.refused(412, "version_stale");
    coordinator.patch(&path, "\"2\"", json!({"code": "x"})).await.refused(422, "invalid");
    assert_eq!(coordinator.all("/datasets?code=P3KE").await.len(), 1);
    assert_eq!(world.role(Role::Auditor).all(&format!("{path}/history")).await.len(), 2);
}

#[actix_web::test]
async fn what_nobody_will_finish_is_cleared_up_and_what_waits_stays() {
    let world = World::new().await;
    let spool = &world.services.config.spool_dir;
    let (given_up, given_up_in) = release(&world, Place::Home).await;
    let (_, waits) = release(&world, Place::Foreign).await;
    let aged = |name: &str| {
        let file = std::fs::File::options().append(true).create(true).open(spool.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3700)).unwrap();
    };
    let (orphan, young) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
    for name in [&given_up_in, &waits, &orphan] {
        aged(name);
    }
    std::fs::write(spool.join(&young), b"x").unwrap();
    let id: Uuid = given_up_in.parse().unwrap();
    let sql = "UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = (SELECT job_id FROM releases WHERE id = $1)";
    assert_eq!(world.sql().await.execute(sql, &[&id]).await.unwrap(), 1);
    assert_eq!(entas::features::datasets::sweep(&world.services).await.unwrap(), (1, 2));
    let left = |name: &str| spool.join(name).exists();
    assert_eq!([&given_up_in, &orphan, &waits, &young].map(|name| left(name)), [false, false, true, true]);
    let coordinator = world.role(Role::Coordinator);
    assert_eq!(coordinator.get(&format!("/releases/{given_up_in}")).await.expect(200).body["state"], "failed");
    let told = coordinator.all(&format!("/datasets/{given_up}/releases")).await;
    assert_eq!(told.len(), 1);
    assert_eq!(entas::features::datasets::sweep(&world.services).await.unwrap(), (0, 0));
    world.run_jobs().await;
    std::fs::remove_file(spool.join(young)).unwrap();
}
