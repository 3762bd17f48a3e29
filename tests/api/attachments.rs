//! Photos and documents: kept as sent and sealed, refused where they are something else, seen where they belong, cleared up after.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use entas::features::attachments::sweep;
use entas::platform::Services;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::case;
use crate::datasets::form;
use crate::imports::{Serving, program};
use crate::support::world::config;
use crate::support::{Answer, Call, Case, Client, Place, World};

/// One grey dot, as a camera would write it, with room for a word and as much picture as is asked for.
pub fn jpeg(word: &[u8], picture: usize) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker][..], &length, content].concat()
    };
    let mut dictionary = vec![0u8];
    dictionary.extend([16; 64]);
    [
        vec![0xff, 0xd8],
        segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        segment(0xfe, word),
        segment(0xdb, &dictionary),
        segment(0xc0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        segment(0xc4, &[0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        segment(0xc4, &[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        segment(0xda, &[1, 1, 0, 0, 63, 0]),
        vec![0x3f; picture.max(1)],
        vec![0xff, 0xd9],
    ]
    .concat()
}

/// One page with nothing on it but a title.
pub fn pdf(title: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>".to_owned(),
        format!("<< /Title ({title}) >>"),
    ];
    let mut text = String::from("%PDF-1.7\n");
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(text.len());
        text += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let table = text.len();
    text += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        text += &format!("{place:010} 00000 n \n");
    }
    text += &format!("trailer\n<< /Size {} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    text.into_bytes()
}

/// A file that fits a purpose, and that nobody sent before.
fn fitting(purpose: &str) -> Vec<u8> {
    let word = Uuid::now_v7().to_string();
    if ["minutes", "attendance", "decree"].contains(&purpose) { pdf(&word) } else { jpeg(word.as_bytes(), 1) }
}

async fn send(client: &Client, texts: &[(&str, &str)], file: &[u8]) -> Answer {
    let (kind, body) = form(texts, file);
    client.send(Method::POST, "/attachments", &[("content-type", &kind)], Some(body)).await
}

/// A photo or document of a region, for whatever purpose; its id.
pub async fn attachment(client: &Client, region: &str, purpose: &str) -> String {
    send(client, &[("region_code", region), ("purpose", purpose)], &fitting(purpose)).await.expect(201).id()
}

async fn one(world: &World, place: Place) -> String {
    attachment(&world.role_in(place, Role::VillageOperator), world.place(place).village, "house_front").await
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("attachments_list", |world, place| Call::list("/attachments?limit=200", [one(world, place).await])),
        case!("attachments_create", |world, place| {
            let texts = [("region_code", world.place(place).village), ("purpose", "minutes")];
            Call { path: "/attachments".into(), raw: Some(form(&texts, &fitting("minutes"))), ..Call::default() }
        }),
        case!("attachments_fetch", |world, place| Call::get(format!("/attachments/{}", one(world, place).await))),
        case!("attachments_content", |world, place| Call::get(format!("/attachments/{}/content", one(world, place).await))),
    ]
}

/// The content as bytes, with its answer's headers.
async fn download(client: &Client, id: &str) -> reqwest::Response {
    let asked = client.http.get(format!("{}/api/v1/attachments/{id}/content", client.base));
    asked.bearer_auth(client.token.as_ref().unwrap()).send().await.unwrap()
}

/// Every file of the store with its content, by its path.
fn stored(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { drop(found.insert(path.clone(), std::fs::read(path).unwrap())) }
        }
    }
    found
}

fn store(world: &World) -> PathBuf {
    PathBuf::from(&world.services.config.attachment_store)
}

/// Where the content of an attachment lies.
async fn file_of(world: &World, id: &str) -> PathBuf {
    let id: Uuid = id.parse().unwrap();
    let row = world.sql().await.query_one("SELECT object::text FROM attachments WHERE id = $1", &[&id]).await.unwrap();
    let object: String = row.get(0);
    store(world).join(&object[34..]).join(object)
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

#[actix_web::test]
async fn a_photo_comes_back_as_it_was_sent_and_lies_sealed() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let photo = jpeg(b"KARTU KELUARGA No. 6202091501900001", 3000);
    let texts = [("region_code", world.home.village), ("purpose", "family_card")];
    let sent = send(&operator, &texts, &photo).await.expect(201);
    let id = sent.id();
    assert_eq!(sent.headers["location"], format!("/api/v1/attachments/{id}").as_str());
    assert_eq!((sent.etag().as_str(), sent.body["media_type"].as_str()), ("\"1\"", Some("image/jpeg")));
    assert_eq!(sent.body["bytes"].as_u64(), Some(photo.len() as u64));
    let known = operator.get(&format!("/attachments/{id}")).await.expect(200);
    assert_eq!(known.text, sent.text);

    let got = download(&operator, &id).await;
    let header = |name: &str| got.headers()[name].to_str().unwrap().to_owned();
    let tag = format!("\"{}\"", sent.body["sha256"].as_str().unwrap());
    assert_eq!((header("content-type").as_str(), header("etag")), ("image/jpeg", tag.clone()));
    assert_eq!((header("x-content-type-options").as_str(), header("cache-control").as_str()), ("nosniff", "private, no-cache"));
    assert!(header("content-security-policy").starts_with("sandbox"));
    assert_eq!(header("content-disposition"), format!("attachment; filename=\"family_card-{id}.jpg\""));
    assert_eq!(got.bytes().await.unwrap(), photo);
    let again = operator.send(Method::GET, &format!("/attachments/{id}/content"), &[("if-none-match", &tag)], None).await.expect(304);
    assert!(again.text.is_empty());
    world.flush_reads().await;
    let sql = "SELECT count(*) FROM reads WHERE resource = 'attachments' AND action = 'content' AND resource_id = $1 AND region_code = $2";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&id.parse::<Uuid>().unwrap(), &world.home.village];
    let recorded: i64 = world.sql().await.query_one(sql, &parameters).await.unwrap().get(0);
    assert_eq!(recorded, 2, "every reading is recorded");

    let files = stored(&store(&world));
    assert_eq!(files.len(), 1);
    for (path, content) in &files {
        assert!(!contains(content, b"JFIF") && !contains(content, b"6202091501900001") && !contains(content, &[0x3f; 16]));
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        for folder in path.ancestors().skip(1).take(2) {
            assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        }
    }
    let change = world.sql().await.query_one("SELECT fields::text FROM changes WHERE resource = 'attachments'", &[]).await.unwrap();
    assert!(change.get::<_, String>(0).contains(sent.body["sha256"].as_str().unwrap()));
}

#[actix_web::test]
async fn what_is_no_photo_or_document_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let village = world.home.village;
    let before = world.changes().await;
    let photo = jpeg(b"Rumah", 100);
    let behind = |tail: &[u8]| [&photo[..], tail].concat();
    let scripted = String::from_utf8(pdf("Berita acara")).unwrap();
    let scripted = |what: &str| scripted.replace("/Count 1", &format!("/Count 1 {what}")).into_bytes();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("a script", b"<?php system($_GET['c']); ?>".to_vec()),
        ("a shell script", b"#!/bin/sh\nrm -rf /\n".to_vec()),
        ("a page", b"<!DOCTYPE html><script>alert(1)</script>".to_vec()),
        ("a drawing with a script", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec()),
        ("an archive", b"PK\x03\x04\x14\0\0\0\0\0".to_vec()),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec()),
        ("another picture format", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;".to_vec()),
        ("a script that begins like a photo", b"\xff\xd8\xff<?php system($_GET['c']); ?>".to_vec()),
        ("a photo with a script as its comment", jpeg(b"<?php system($_GET['c']); ?>", 100)),
        ("a photo with a page behind it", behind(b"<html><script>alert(1)</script></html>")),
        ("a photo with an archive behind it", behind(b"PK\x03\x04 PK\x05\x06\0\0\0\0\x01\0\x01\0\x46\0\0\0\x30\0\0\0\0\0")),
        ("a photo with a document behind it", behind(&pdf("x"))),
        ("a photo with a film behind it", behind(b"\0\0\0\x18ftypmp42\0\0\0\0")),
        ("a photo that ends too early", photo[..photo.len() - 2].to_vec()),
        ("half a photo", photo[..photo.len() / 2].to_vec()),
        ("a document that runs a script", scripted("/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>")),
        ("one that hides it", scripted("/OpenAction << /S /J#61vaScript >>")),
        ("one that starts a program", scripted("/OpenAction << /S /Launch /F (cmd.exe) >>")),
        ("one that carries a file", scripted("/Names << /EmbeddedFiles 5 0 R >>")),
        ("one that is encrypted", scripted("/Encrypt 5 0 R")),
        ("half a document", pdf("x")[..200].to_vec()),
        ("a document behind a script", [&b"<?php 1; ?>"[..], &pdf("x")].concat()),
    ];
    for (what, file) in files {
        let answer = send(&operator, &[("region_code", village), ("purpose", "house_front")], &file).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (422, Some("attachment_kind")), "{what}: {}", answer.text);
    }
    let texts = [("region_code", village), ("purpose", "house_front")];
    send(&operator, &texts, b"").await.refused(422, "invalid");
    let (kind, whole) = form(&texts, &photo);
    operator
        .send(Method::POST, "/attachments", &[("content-type", &kind)], Some(whole[..whole.len() - 60].to_vec()))
        .await
        .refused(422, "invalid");
    let limit = world.services.config.attachment_limit_bytes();
    let large = jpeg(b"", limit);
    send(&operator, &texts, &large).await.refused(413, "body_too_large");
    send(&operator, &[("region_code", village), ("purpose", "selfie")], &photo).await.refused(422, "invalid");
    send(&operator, &[("region_code", village)], &photo).await.refused(422, "invalid");
    send(&operator, &[("purpose", "other"), ("region_code", village), ("name", "x")], &photo).await.refused(422, "invalid");
    assert_eq!(stored(&store(&world)).len(), 0, "nothing of what was refused is kept");
    assert_eq!(world.changes().await, before);
    // One byte less is taken, and what the client calls it plays no part: the form says octet-stream and .xlsx.
    let fits = jpeg(b"", limit - (large.len() - limit));
    assert_eq!(fits.len(), limit);
    send(&operator, &texts, &fits).await.expect(201);
    send(&operator, &texts, &pdf("Berita acara")).await.expect(201);
}

#[actix_web::test]
async fn the_same_sent_again_is_kept_once() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let id = Uuid::now_v7().to_string();
    let photo = jpeg(b"Rumah", 100);
    let texts = [("id", id.as_str()), ("region_code", world.home.village), ("purpose", "house_front")];
    let at_once = join_all((0..8).map(|_| send(&operator, &texts, &photo))).await;
    let made = at_once.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, at_once.iter().filter(|answer| answer.status == 200).count()), (1, 7));
    assert!(at_once.iter().all(|answer| answer.text == at_once[0].text && answer.etag() == "\"1\"" && answer.id() == id));
    let changes = world.changes().await;

    send(&operator, &texts, &jpeg(b"Rumah lain", 100)).await.refused(409, "id_taken");
    send(&operator, &[texts[0], texts[1], ("purpose", "house_side")], &photo).await.refused(409, "id_taken");
    send(&world.role(Role::VillageHead), &texts, &photo).await.refused(409, "id_taken");
    let elsewhere = [texts[0], ("region_code", world.foreign.village), texts[2]];
    send(&world.role_in(Place::Foreign, Role::VillageOperator), &elsewhere, &photo).await.refused(409, "id_taken");
    assert_eq!(stored(&store(&world)).len(), 1, "what was refused or known leaves no object");
    assert_eq!(world.changes().await, changes);
    assert_eq!(download(&operator, &id).await.bytes().await.unwrap(), photo, "nobody wrote over it");
}

#[actix_web::test]
async fn the_region_decides_who_sends_and_who_sees() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let home = &world.home;
    for region in [home.next_village, home.subdistrict, home.regency, world.foreign.village, "62.02.09.9999"] {
        let texts = [("region_code", region), ("purpose", "minutes")];
        send(&operator, &texts, &pdf("x")).await.refused(404, "region_not_found");
    }
    let coordinator = world.role(Role::Coordinator);
    send(&coordinator, &[("region_code", "62.02.09.9999"), ("purpose", "minutes")], &pdf("x")).await.refused(404, "region_not_found");
    assert_eq!(stored(&store(&world)).len(), 0, "a region that is not on the list leaves no object");
    let village = attachment(&operator, home.village, "minutes").await;
    let subdistrict = attachment(&world.role(Role::SubdistrictOfficer), home.subdistrict, "attendance").await;
    let regency = attachment(&world.role(Role::Leadership), home.regency, "decree").await;
    let ids = |items: Vec<Value>| items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(operator.all("/attachments?limit=1").await), std::slice::from_ref(&village));
    assert_eq!(ids(coordinator.all("/attachments?limit=1").await), [village.clone(), subdistrict.clone(), regency.clone()]);
    assert_eq!(ids(coordinator.all(&format!("/attachments?region={}", home.subdistrict)).await), [village.clone(), subdistrict.clone()]);
    assert_eq!(ids(coordinator.all("/attachments?purpose=decree").await), std::slice::from_ref(&regency));
    operator.get(&format!("/attachments/{regency}")).await.refused(404, "not_found");
    operator.get(&format!("/attachments/{subdistrict}/content")).await.refused(404, "not_found");
    world.flush_reads().await;
    let told: i64 = world.sql().await.query_one("SELECT count(*) FROM reads WHERE action = 'content'", &[]).await.unwrap().get(0);
    assert_eq!(told, 0);
}

#[actix_web::test]
async fn damaged_missing_and_exchanged_objects_are_not_handed_out() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(attachment(&operator, world.home.village, "house_front").await);
    }
    let mut files = Vec::new();
    for id in &ids {
        files.push(file_of(&world, id).await);
    }
    let mut content = std::fs::read(&files[0]).unwrap();
    let at = content.len() / 2;
    content[at] ^= 1;
    std::fs::write(&files[0], content).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    std::fs::copy(&files[3], &files[2]).unwrap();
    std::fs::write(&files[4], b"").unwrap();
    for id in [&ids[0], &ids[1], &ids[2], &ids[4]] {
        let answer = operator.get(&format!("/attachments/{id}/content")).await.refused(500, "internal");
        assert!(!answer.text.contains("object"), "the cause is for the log: {}", answer.text);
        operator.get(&format!("/attachments/{id}")).await.expect(200);
    }
    assert_eq!(download(&operator, &ids[3]).await.status(), 200);
    // Sealed anew for the right row, but not what was sent.
    let (row, object): (Uuid, Uuid) = (ids[3].parse().unwrap(), files[3].file_name().unwrap().to_str().unwrap().parse().unwrap());
    let other = world.services.objects.seal("attachments.content", row, jpeg(b"", 1).into()).await.unwrap();
    world.services.objects.put(object, other).await.unwrap();
    operator.get(&format!("/attachments/{}/content", ids[3])).await.refused(500, "internal");
}

#[actix_web::test]
async fn keys_are_rotated_and_what_is_broken_is_passed_over() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(attachment(&operator, world.home.village, "family_card").await);
    }
    let whole = download(&operator, &ids[0]).await.bytes().await.unwrap();
    std::fs::remove_file(file_of(&world, &ids[2]).await).unwrap();
    let fresh = KeyRing::generate().unwrap();
    let line = |text: &str, kind: &str| text.lines().find(|line| line.starts_with(kind)).unwrap().to_owned();
    let newer = ["seal", "index"].map(|kind| line(&fresh, kind).replacen(&format!("{kind} 1 "), &format!("{kind} 2 "), 1)).join("\n");
    let services = |text: &str| {
        let mut config = config(&world.db.url);
        config.public_url.clone_from(&world.services.config.public_url);
        Services::new(config, KeyRing::parse(text).unwrap()).unwrap()
    };
    let both = services(&format!("{newer}\n{}", world.key_text));
    let heads = async || {
        let mut heads = Vec::new();
        for id in &ids[..2] {
            heads.push(std::fs::read(file_of(&world, id).await).unwrap()[1]);
        }
        heads
    };
    assert_eq!(heads().await, [1, 1]);
    let mut lines = Vec::new();
    entas::app::rotate_keys(&both, |line| lines.push(line)).await.unwrap();
    assert_eq!(heads().await, [2, 2]);
    assert!(lines.iter().any(|line| line == "attachments: 3 read, 2 re-sealed, 1 cannot be read"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(&ids[2])), "{lines:?}");
    lines.clear();
    entas::app::rotate_keys(&both, |line| lines.push(line)).await.unwrap();
    assert!(lines.iter().any(|line| line == "attachments: 3 read, 0 re-sealed, 1 cannot be read"), "{lines:?}");
    // The older key is gone, and the content is what it was.
    let after = world.serve_with(services(&newer), &operator);
    assert_eq!(download(&after, &ids[0]).await.bytes().await.unwrap(), whole);
    assert_eq!(stored(&store(&world)).len(), 2);
}

#[actix_web::test]
async fn what_crashes_left_is_swept_and_nothing_else() {
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let kept = file_of(&world, &attachment(&operator, world.home.village, "house_front").await).await;
    let folder = store(&world);
    let put = |name: &str, days: u64| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"sealed").unwrap();
        let at = SystemTime::now() - Duration::from_secs(days * 24 * 3600 + 60);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    };
    let name = || {
        let id = Uuid::now_v7().to_string();
        format!("{}/{id}", &id[34..])
    };
    let old = put(&name(), 1);
    let half = put(&format!("{}#1", name()), 1);
    let young = put(&name(), 0);
    let stranger = put("notes.txt", 9);
    let two_days_ago = SystemTime::now() - Duration::from_secs(48 * 3600);
    std::fs::File::options().write(true).open(&kept).unwrap().set_modified(two_days_ago).unwrap();
    assert_eq!(sweep(&world.services).await.unwrap(), 1);
    assert_eq!([&old, &half, &young, &stranger, &kept].map(|path| path.exists()), [false, false, true, true, true]);
    // So many cannot be left by crashes: it is the store of another database, whose photos they are.
    let others: Vec<_> = (0..51).map(|_| put(&name(), 1)).collect();
    assert!(sweep(&world.services).await.is_err());
    assert!(others.iter().all(|path| path.exists()));
}

#[actix_web::test]
async fn a_full_disk_refuses_the_upload_and_keeps_nothing() {
    // A file system of its own, seen by the program alone, so that it can really be full.
    if !Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("this machine allows no mount namespaces: the full disk is only shown by platform::objects::tests");
        return;
    }
    let world = World::new().await;
    let operator = world.role(Role::VillageOperator);
    let texts = [("region_code", world.home.village), ("purpose", "house_front")];
    for full in ["attachments", "spool"] {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join(full);
        std::fs::create_dir(&small).unwrap();
        let plain = program("serve", &world, folder.path());
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", "mount -t tmpfs -o size=512k,mode=700 tmpfs \"$0\" && exec \"$@\""]).arg(&small);
        command.arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            value.map(|value| command.env(name, value));
        }
        let serving = Serving::start_as(command, &world, folder.path(), &[("ENTAS_PUBLIC_URL", &world.services.config.public_url)]);
        let client = serving.client(&operator);
        let seen = serving.root().join(small.strip_prefix("/").unwrap());
        let before = world.changes().await;
        let first = attachment(&client, world.home.village, "house_front").await;
        let kept = stored(&seen);
        for _ in 0..3 {
            let sent = send(&client, &texts, &jpeg(b"Rumah", 700 << 10)).await.refused(507, "storage_full");
            assert!(!sent.text.contains("tmp"), "{}", sent.text);
            assert_eq!(stored(&seen), kept, "{full}: nothing of what was refused is left");
        }
        assert_eq!(world.changes().await, before + 1);
        // What is on file stays readable, and what fits is taken.
        assert_eq!(download(&client, &first).await.status(), 200);
        attachment(&client, world.home.village, "house_front").await;
        drop(serving);
    }
}
