//! What arrives damaged, hostile, too large or too late, sent through HTTP: a clear answer, bounded memory, nothing half done.

use std::io::Write;

use entas::platform::policy::Role;
use entas::simulate;
use serde_json::Value;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::datasets::{List, dataset, fetch, number, send, stored};
use crate::imports::{Serving, wait};
use crate::support::{Call, Place, World};
use crate::sweeps::{method_of, paired, policy_of, send as call_of};

async fn deliver(world: &World, dataset: &str, texts: &[(&str, &str)], file: &[u8]) -> Value {
    let coordinator = world.role(Role::Coordinator);
    let sent = send(&coordinator, dataset, texts, file).await.expect(202);
    world.run_jobs().await;
    fetch(&coordinator, &sent.body["release_id"]).await
}

/// Since the last delivery a family was moved to another regency by the people there: this regency's list still names it, and
/// the rest of the list must not suffer for it.
#[actix_web::test]
async fn a_family_that_moved_away_is_left_where_it_is() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let mut list = List::new(&world, "62.02", 17, 30).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    deliver(&world, &dataset, &[("mode", "commit"), ("reference_date", "2023-01-01")], &list.workbook()).await;
    let sql = world.sql().await;
    let gone = "SELECT id FROM beneficiaries ORDER BY id LIMIT 1";
    sql.execute(&format!("UPDATE beneficiaries SET region_code = '64.08.03.2001' WHERE id = ({gone})"), &[]).await.unwrap();
    // One of another family lives with them there by now.
    let with_them = "SELECT m.id FROM members m WHERE m.relation <> 'head' AND m.beneficiary_id <> ";
    let moved = sql
        .execute(&format!("UPDATE members SET beneficiary_id = ({gone}) WHERE id = ({with_them} ({gone}) ORDER BY m.id LIMIT 1)"), &[])
        .await;
    assert_eq!(moved.unwrap(), 1);
    let theirs = format!(
        "SELECT b.version::text || ' ' || b.updated_at::text || ' ' || w.decile::text || ' ' || (SELECT string_agg(m.id::text || m.version, ',' ORDER BY m.id) FROM members m WHERE m.beneficiary_id = b.id)
           FROM beneficiaries b JOIN welfare_ranks w ON w.beneficiary_id = b.id AND w.current WHERE b.id = ({gone})"
    );
    let before: String = sql.query_one(&theirs, &[]).await.unwrap().get(0);
    let people = number(&world, "SELECT count(*) FROM members").await;
    for family in &mut list.families {
        family.decile = family.decile % 4 + 1;
    }
    let second = deliver(&world, &dataset, &[("mode", "commit"), ("reference_date", "2024-01-01")], &list.workbook()).await;
    assert_eq!(second["state"], "imported", "{second}");
    let counts = &second["counts"];
    assert_eq!((counts["families"].as_u64(), counts["families_new"].as_u64(), counts["people_new"].as_u64()), (Some(30), Some(0), Some(0)));
    assert_eq!(counts["rows_rejected"], 0);
    let path = format!("/releases/{}/rejects", second["id"].as_str().unwrap());
    for code in ["family_elsewhere", "person_elsewhere"] {
        let told = coordinator.all(&format!("{path}?code={code}")).await;
        assert_eq!((told.len(), told[0]["severity"].as_str()), (1, Some("warning")), "{code}");
    }
    assert_eq!(coordinator.all(&path).await.len() as u64, counts["warnings"].as_u64().unwrap(), "each warning is counted once");
    let after: String = sql.query_one(&theirs, &[]).await.unwrap().get(0);
    assert_eq!(after, before, "nothing of them was written");
    assert_eq!(number(&world, "SELECT count(*) FROM members").await, people);
    let ranked =
        "SELECT count(*) FROM welfare_ranks w JOIN releases r ON r.id = w.release_id WHERE r.reference_date = '2024-01-01' AND w.current";
    assert_eq!(number(&world, ranked).await, 29, "everybody else is ranked anew");
    // What the release states is kept whole: in it the family has not left.
    let release = second["id"].as_str().unwrap();
    assert_eq!(number(&world, &format!("SELECT count(*) FROM statements WHERE release_id = '{release}'")).await, 30);
    // Even where all have gone.
    list.families[0].decile = list.families[0].decile % 4 + 1;
    sql.execute("UPDATE beneficiaries SET region_code = '64.08.03.2001'", &[]).await.unwrap();
    let third =
        deliver(&world, &dataset, &[("mode", "commit"), ("rejects", "refuse"), ("reference_date", "2025-01-01")], &list.workbook()).await;
    assert_eq!((third["state"].as_str(), third["counts"]["families"].as_u64()), (Some("imported"), Some(30)), "{third}");
    let told = coordinator.all(&format!("/releases/{}/rejects?code=family_elsewhere", third["id"].as_str().unwrap())).await;
    assert_eq!(told.len(), 30);
}

#[actix_web::test]
async fn a_file_that_cannot_be_read_says_why_and_leaves_nothing() {
    let world = World::new().await;
    let list = List::new(&world, "62.02", 18, 40).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let (text, book) = (list.csv(), list.workbook());
    let rows = text.lines().count();
    let broken = |at: usize| {
        let lines = text.lines().enumerate().map(|(n, line)| if n == at { line.replacen(';', ";\"", 1) } else { line.to_owned() });
        (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes()
    };
    let row = |n: usize| format!("row {}", n + 1);
    let last_line = text.trim_end().rfind('\n').unwrap();
    let mut bomb = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("xl/sharedStrings.xml", SimpleFileOptions::default()).unwrap();
    bomb.write_all(b"<sst uniqueCount=\"100000000000\"><si><t>x</t></si></sst>").unwrap();
    let cases = [
        (broken(1), "quote_open", row(1)),
        (broken(rows / 2), "quote_open", row(rows / 2)),
        (broken(rows - 1), "quote_open", row(rows - 1)),
        (text.as_bytes()[..last_line + 40].to_vec(), "file_cut_short", row(rows - 1)),
        (book[..book.len() * 2 / 3].to_vec(), "unreadable_file", "damaged".into()),
        (text.replacen("Kalimantan", "Kali\0mantan", 1).replacen("KALIMANTAN", "KALI\0MANTAN", 1).into_bytes(), "nul_byte", "line".into()),
        ((text.clone() + &"x;".repeat(10_000) + "\n").into_bytes(), "too_large", row(rows)),
        (bomb.finish().unwrap().into_inner(), "too_large", "shared texts".into()),
        (b"\n \n".to_vec(), "not_a_table", "header".into()),
        (text.lines().next().unwrap().replace("NIK", "Nama").into_bytes(), "header_", "header".into()),
    ];
    let changes = number(&world, "SELECT count(*) FROM changes WHERE resource = 'beneficiaries'").await;
    for (file, code, word) in cases {
        for mode in ["commit", "keep", "validate"] {
            let release = deliver(&world, &dataset, &[("mode", mode)], &file).await;
            assert_eq!(release["state"], "failed", "{release}");
            let (told, detail) = (release["job"]["error_code"].as_str().unwrap(), release["job"]["error_detail"].as_str().unwrap());
            assert!(told.starts_with(code) && detail.contains(&word), "{code} {word}: {told} {detail}");
        }
    }
    let left = "SELECT (SELECT count(*) FROM beneficiaries) + (SELECT count(*) FROM statements) + (SELECT count(*) FROM release_rejects)";
    assert_eq!(number(&world, left).await, 0);
    assert_eq!(number(&world, "SELECT count(*) FROM changes WHERE resource = 'beneficiaries'").await, changes);
    assert_eq!(number(&world, "SELECT count(*) FROM jobs WHERE attempts > 1").await, 0, "nothing was tried twice");
    // The whole file is taken all the same.
    deliver(&world, &dataset, &[("mode", "commit")], text.as_bytes()).await;
    assert_eq!(stored(&world).await, list.totals());
}

/// How a job stands: state, whether the file was judged sound, families written.
async fn cursor(world: &World) -> (String, bool, i64, i64) {
    let sql = "SELECT state, coalesce((cursor->>'sound')::bool, false), coalesce((cursor->>'families')::bigint, 0), done FROM jobs";
    let row = world.sql().await.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

#[actix_web::test]
async fn all_or_none_holds_when_it_is_killed_while_it_judges_and_while_it_writes() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 14, 400).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let mut serving = Serving::start(&world, folder.path());
    let texts = [("mode", "commit"), ("rejects", "refuse")];
    let sent = send(&serving.client(&coordinator), &dataset, &texts, &list.workbook()).await.expect(202);
    wait("it judges", async || matches!(cursor(&world).await, (_, sound, _, done) if sound || done > 0)).await;
    assert!(!cursor(&world).await.1, "the file was judged before it could be killed");
    serving.kill();
    assert_eq!(number(&world, "SELECT count(*) FROM beneficiaries").await, 0, "nothing is written before all is judged");
    serving = Serving::start(&world, folder.path());
    let mut before = 0;
    for _ in 0..2 {
        wait("it writes", async || matches!(cursor(&world).await, (state, _, families, _) if families > before || state == "succeeded"))
            .await;
        assert_ne!(cursor(&world).await.0, "succeeded", "it was over before it could be killed");
        serving.kill();
        before = cursor(&world).await.2;
        assert_eq!(number(&world, "SELECT count(*) FROM beneficiaries").await, before, "what is stored and where to go on agree");
        serving = Serving::start(&world, folder.path());
    }
    wait("it ends", async || cursor(&world).await.0 == "succeeded").await;
    let release = fetch(&serving.client(&coordinator), &sent.body["release_id"]).await;
    assert_eq!((release["state"].as_str(), release["counts"]["families_new"].as_u64()), (Some("imported"), Some(400)), "{release}");
    assert_eq!(release["counts"]["people"].as_u64(), Some(list.people() as u64));
    crate::datasets::same_totals(&world, &list).await;
    assert_eq!(number(&world, "SELECT count(*) FROM statements").await, 400);
}

#[actix_web::test]
async fn a_refusal_that_is_killed_refuses_once_and_keeps_nothing() {
    for mode in ["commit", "keep"] {
        let world = World::new().await;
        let folder = tempfile::tempdir().unwrap();
        let coordinator = world.role(Role::Coordinator);
        let list = List::new(&world, "62.02", 15, 300).await;
        // The last row of all is the wrong one.
        let mut text = list.csv();
        let last = text.trim_end().rfind('\n').unwrap();
        let village = simulate::PERSON_HEADERS.iter().position(|header| *header == "Kode Kemdagri").unwrap();
        let mut cells: Vec<&str> = text[last..].split(';').collect();
        cells[village] = "64.08.03.2001";
        let wrong = cells.join(";");
        text.replace_range(last.., &wrong);
        let (dataset, _) = dataset(&world, Place::Home).await;
        let mut serving = Serving::start(&world, folder.path());
        let sent =
            send(&serving.client(&coordinator), &dataset, &[("mode", mode), ("rejects", "refuse")], text.as_bytes()).await.expect(202);
        wait("it judges", async || cursor(&world).await.3 > 0).await;
        serving.kill();
        serving = Serving::start(&world, folder.path());
        wait("it ends", async || matches!(cursor(&world).await.0.as_str(), "failed" | "succeeded")).await;
        let client = serving.client(&coordinator);
        let release = fetch(&client, &sent.body["release_id"]).await;
        assert_eq!(
            (release["state"].as_str(), release["job"]["error_code"].as_str()),
            (Some("failed"), Some("rows_rejected")),
            "{release}"
        );
        let rejects = client.all(&format!("/releases/{}/rejects?severity=reject", sent.body["release_id"].as_str().unwrap())).await;
        assert_eq!(rejects.iter().filter(|row| row["code"] == "region_foreign").count(), 1, "{rejects:?}");
        assert_eq!(release["counts"]["rows_rejected"].as_u64(), Some(rejects.len() as u64), "the reasons are kept once");
        let left = "SELECT (SELECT count(*) FROM beneficiaries) + (SELECT count(*) FROM statements) + (SELECT count(*) FROM welfare_ranks)";
        assert_eq!(number(&world, left).await, 0);
        assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 0, "the spool is empty");
    }
}

/// A number that looks random and is the same on every run, so that a file does not shrink when it is packed.
fn dice(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 11
}

const HEADERS: [&str; 7] = ["NIK", "No KK", "Nama Lengkap", "Tanggal Lahir", "Alamat", "SHDK", "Kode Wilayah"];

fn person(n: usize, card: usize, seed: &mut u64, long: usize) -> [String; 7] {
    let address: String = (0..long).map(|_| format!("{:08x}", dice(seed) & 0xffff_ffff)).collect();
    [
        format!("62020901{:02}85{:04}", n / 10_000 % 12 + 1, n % 10_000),
        format!("620209{:010}", 1_012_000_000 + card),
        format!("ORANG {:06x}", dice(seed) & 0xff_ffff),
        "01/07/1985".into(),
        format!("JL. {address}"),
        "Anak".into(),
        "62.02.09.2001".into(),
    ]
}

/// A workbook as Excel saves it, its texts shared, streamed to the disk.
fn large_workbook(rows: usize) -> Vec<u8> {
    let mut zip = ZipWriter::new(tempfile::NamedTempFile::new().unwrap());
    let (options, mut seed) = (SimpleFileOptions::default(), 7);
    for (name, text) in [
        ("[Content_Types].xml", r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#),
        (
            "_rels/.rels",
            r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Lembar" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
        ),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.start_file("xl/sharedStrings.xml", options).unwrap();
    let mut out = std::io::BufWriter::new(&mut zip);
    write!(out, "<sst uniqueCount=\"{}\">", rows * 5 + 9).unwrap();
    for header in HEADERS.iter().chain(&["Anak", "62.02.09.2001"]) {
        write!(out, "<si><t>{header}</t></si>").unwrap();
    }
    for n in 0..rows {
        for cell in &person(n, n / 4, &mut seed, 24)[..5] {
            write!(out, "<si><t>{cell}</t></si>").unwrap();
        }
    }
    out.write_all(b"</sst>").unwrap();
    drop(out);
    zip.start_file("xl/worksheets/sheet1.xml", options).unwrap();
    let mut out = std::io::BufWriter::new(&mut zip);
    out.write_all(b"<worksheet><sheetData>").unwrap();
    for n in 0..=rows {
        write!(out, "<row r=\"{}\">", n + 1).unwrap();
        for column in 0..7 {
            let text = match (n, column) {
                (0, column) => column,
                (_, 5) => 7,
                (_, 6) => 8,
                (n, column) => 9 + (n - 1) * 5 + column,
            };
            write!(out, "<c r=\"{}{}\" t=\"s\"><v>{text}</v></c>", char::from(b'A' + column as u8), n + 1).unwrap();
        }
        out.write_all(b"</row>").unwrap();
    }
    out.write_all(b"</sheetData></worksheet>").unwrap();
    drop(out);
    std::fs::read(zip.finish().unwrap().path()).unwrap()
}

fn large_text(rows: usize, card: impl Fn(usize) -> usize) -> Vec<u8> {
    let (mut text, mut seed) = (HEADERS.join(";") + "\n", 9);
    for n in 0..rows {
        text += &person(n, card(n), &mut seed, 3).join(";");
        text.push('\n');
    }
    text.into_bytes()
}

/// What docs/OPERATIONS.md promises. Takes minutes, and means something of a release build only: `make bench-files` runs it.
#[actix_web::test]
#[ignore = "make bench-files: minutes, and needs the program that is released"]
async fn the_largest_files_are_read_in_bounded_memory() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let rows = 1_000_000;
    type Make = fn(usize) -> Vec<u8>;
    let files: [(&str, usize, Make, &str, u64); 4] = [
        ("a million rows, sorted by family", rows, |rows| large_text(rows, |n| n / 4), "validated", 600),
        ("half a million rows in no order", rows / 2, |rows| large_text(rows, |n| n * 7_919 % 125_000), "validated", 1_200),
        (
            "a million rows, the last with a broken quotation mark",
            rows,
            |rows| {
                let mut text = large_text(rows, |n| n / 4);
                let last = text.len() - 40;
                let at = last + text[last..].iter().position(|byte| *byte == b';').unwrap() + 1;
                text.insert(at, b'"');
                text
            },
            "quote_open",
            300,
        ),
        ("a workbook of 150 MB", 1_050_000, large_workbook, "validated", 1_500),
    ];
    // As delivered: the last transaction, with a hundred thousand remarks, may take longer than the lease of the tests.
    let settings = [("ENTAS_IMPORT_BATCH", "300"), ("ENTAS_JOB_LEASE_SECONDS", "30"), ("ENTAS_LOG_FILTER", "info")];
    for (what, rows, make, end, most) in files {
        let folder = tempfile::tempdir().unwrap();
        let (dataset, _) = dataset(&world, Place::Home).await;
        let file = make(rows);
        let serving = Serving::start_with(&world, folder.path(), &settings);
        let client = serving.client(&coordinator);
        let started = std::time::Instant::now();
        let sent = send(&client, &dataset, &[("mode", "validate"), ("profile", "dukcapil")], &file).await.expect(202);
        let release = loop {
            let release = fetch(&client, &sent.body["release_id"]).await;
            if release["state"] != "received" {
                break release;
            }
            assert!(started.elapsed().as_secs() < 1_200, "{what}: {release}");
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        };
        let peak = serving.peak_mib();
        println!(
            "{what}: {} MiB, {} s, peak {peak} MiB; {} {} {}",
            file.len() >> 20,
            started.elapsed().as_secs(),
            release["state"],
            release["counts"],
            release["job"]
        );
        let told = release["job"]["error_code"].as_str().or(release["state"].as_str());
        assert_eq!(told, Some(end), "{what}: {release}");
        if end == "quote_open" {
            assert!(release["job"]["error_detail"].as_str().unwrap().contains(&format!("row {}", rows + 1)), "{release}");
        }
        assert!(peak < most, "{what}: {peak} MiB");
        serving.kill();
    }
}

/// What is no id at all and an id of nothing are one answer, so that clients handle one case and nobody learns which ids there are.
#[actix_web::test]
async fn a_malformed_id_and_an_unknown_one_are_the_same_nothing() {
    let world = World::new().await;
    let (mut tried, mut wrong) = (0, Vec::new());
    for (operation, case) in paired() {
        let row = policy_of(&operation).unwrap();
        let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
        let call = (case.make)(&world, Place::Home).await;
        let (path, query) =
            call.path.split_once('?').map_or((call.path.as_str(), String::new()), |(path, query)| (path, format!("?{query}")));
        let parts: Vec<&str> = path.split('/').collect();
        for at in (0..parts.len()).filter(|at| uuid::Uuid::parse_str(parts[*at]).is_ok()) {
            let mut answers = Vec::new();
            for id in [uuid::Uuid::now_v7().to_string(), "not-an-id".into(), format!("{}0", parts[at]), "6202094107850001".into()] {
                let mut parts = parts.clone();
                parts[at] = &id;
                let answer = call_of(&client, &method_of(&operation), &Call { path: parts.join("/") + &query, ..call.clone() }).await;
                let mut body = answer.body.clone();
                body.as_object_mut().map(|body| body.remove("request_id"));
                answers.push((answer.status, body, answer.headers.get("content-type").cloned()));
            }
            tried += 1;
            if answers[0].0 != 404 || answers.iter().any(|answer| *answer != answers[0]) {
                wrong.push(format!("{operation:?}: {answers:?}"));
            }
        }
    }
    assert!(tried > 60, "{tried} ids are too few to be all");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.run_jobs().await;
}
