//! Target lists: drawn from what villages found, decreed, frozen, superseded, explained. Totals are counted again by hand.

use std::collections::BTreeMap;

use entas::platform::policy::Role;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::case;
use crate::support::{Answer, Call, Case, Client, Place, World};
use crate::verification::{bare_campaign, release_of, wave};

/// How the service tells the village results apart that a list was drawn from.
const SOURCES: &str = "(SELECT sha256(convert_to(coalesce(string_agg(id::text || ' ' || extract(epoch FROM accepted_at)::text, E'\\n' ORDER BY id), ''), 'UTF8'))
                          FROM village_results WHERE state = 'accepted' AND left(region_code, 5) = $1)";

/// A family of a head and a child in a village, put there with masks and without numbers.
pub async fn family(world: &World, village: &str, name: &str) -> Uuid {
    let id = Uuid::now_v7();
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO beneficiaries (id, region_code, address, kk_sealed, kk_index, kk_mask)
         VALUES ($1, $2, 'RT 03 tepi sungai', '\\x00', uuid_send($1), '6202********0001')",
        &[&id, &village],
    )
    .await
    .unwrap();
    for (relation, name, mask) in [("head", name, Some("6202********0007")), ("child", "Anak", None)] {
        sql.execute(
            "INSERT INTO members (id, beneficiary_id, name, relation, status, nik_mask, nik_sealed, nik_index)
             VALUES ($1, $2, $3, $4, 'present', $5::text, CASE WHEN $5::text IS NOT NULL THEN '\\x00'::bytea END, CASE WHEN $5::text IS NOT NULL THEN uuid_send($1) END)",
            &[&Uuid::now_v7(), &id, &name, &relation, &mask],
        )
        .await
        .unwrap();
    }
    id
}

/// A campaign of a place that has nothing to check yet, at home over the subdistricts of 62.02.09 and 62.02.10.
pub async fn campaign(world: &World, place: Place, state: &str) -> Uuid {
    let days = [-30, -10, 10, 20];
    let mut waves = vec![wave(world.place(place).subdistrict, days)];
    if place == Place::Home {
        waves.push(wave("62.02.10", days));
    }
    let campaign = bare_campaign(world, place, &waves).await;
    if state == "closed" {
        world.role_in(place, Role::Coordinator).step(&format!("/verification-campaigns/{campaign}/close")).await.expect(200);
    }
    campaign
}

/// What a village has to check, in a state; accepted now where it is accepted.
pub async fn result(world: &World, campaign: Uuid, village: &str, state: &str) -> Uuid {
    let (id, minutes, actor) = (Uuid::now_v7(), Uuid::now_v7(), world.actor_id("coordinator"));
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO attachments (id, region_code, purpose, media_type, bytes, sha256, uploaded_by, object)
         VALUES ($1, $2, 'minutes', 'application/pdf', 1, '\\x00', $3, $1)",
        &[&minutes, &village, &actor],
    )
    .await
    .unwrap();
    sql.execute(
        "INSERT INTO village_results (id, campaign_id, region_code, state, meeting_kind, meeting_number, meeting_on, minutes_id, finalised_at, forwarded_at, accepted_at)
         VALUES ($1, $2, $3, $4::text, 'musdes', '140/12/2026', current_date, $5,
                 CASE WHEN $4::text <> 'open' THEN clock_timestamp() END, CASE WHEN $4::text IN ('forwarded', 'accepted') THEN clock_timestamp() END,
                 CASE WHEN $4::text = 'accepted' THEN clock_timestamp() END)",
        &[&id, &campaign, &village, &state, &minutes],
    )
    .await
    .unwrap();
    id
}

/// Turns a result to a state, accepted anew where it is accepted.
pub async fn turn(world: &World, result: Uuid, state: &str) {
    let sql = "UPDATE village_results SET state = $2::text, accepted_at = CASE WHEN $2::text = 'accepted' THEN clock_timestamp() ELSE accepted_at END WHERE id = $1";
    assert_eq!(world.sql().await.execute(sql, &[&result, &state]).await.unwrap(), 1);
}

/// Assigns a family to a result.
pub async fn assign(world: &World, result: Uuid, family: Uuid) {
    let sql = "INSERT INTO assigned_families (village_result_id, beneficiary_id, campaign_id, region_code)
               SELECT id, $2, campaign_id, region_code FROM village_results WHERE id = $1";
    assert_eq!(world.sql().await.execute(sql, &[&result, &family]).await.unwrap(), 1);
}

/// An assigned family with a visit that stands.
pub async fn visit(world: &World, result: Uuid, family: Uuid, presence: &str, eligibility: &str) {
    assign(world, result, family).await;
    let sql = "INSERT INTO visits (id, village_result_id, beneficiary_id, campaign_id, region_code, state, visited_at, clock_skew_seconds, recorded_by, presence, eligibility, digest)
               SELECT $3, id, $2, campaign_id, region_code, 'standing', now(), 0, $4, $5, $6, '\\x00' FROM village_results WHERE id = $1";
    let actor = world.actor_id("village_operator");
    assert_eq!(world.sql().await.execute(sql, &[&result, &family, &Uuid::now_v7(), &actor, &presence, &eligibility]).await.unwrap(), 1);
}

/// A family that a village proposed and that was registered.
pub async fn proposed(world: &World, result: Uuid, family: Uuid, eligibility: &str) {
    let sql = "INSERT INTO proposals (id, village_result_id, campaign_id, region_code, state, told, head_name, people, eligibility, beneficiary_id, visited_at, digest, recorded_by)
               SELECT $3, id, campaign_id, region_code, 'registered', '{}', 'Baru', 2, $5, $2, now(), '\\x00', $4 FROM village_results WHERE id = $1";
    let actor = world.actor_id("village_operator");
    assert_eq!(world.sql().await.execute(sql, &[&result, &family, &Uuid::now_v7(), &actor, &eligibility]).await.unwrap(), 1);
}

/// A list of a place in a state with one family of its village, put there so that any number of them fit; the family.
pub async fn list(world: &World, place: Place, state: &str) -> (Uuid, Uuid) {
    let (id, here) = (Uuid::now_v7(), world.place(place));
    let sql = world.sql().await;
    let family = family(world, here.village, "Ibu Contoh").await;
    for retire in [
        "UPDATE target_lists SET state = 'discarded' WHERE region_code = $1 AND state IN ('drafting', 'draft', 'submitted', 'returned')",
        "UPDATE target_lists SET state = 'superseded', superseded_at = now() WHERE region_code = $1 AND state = 'decreed'",
    ] {
        sql.execute(retire, &[&here.regency]).await.unwrap();
    }
    let insert = "INSERT INTO target_lists (id, region_code, number, title, state, rules, families, people, added, drafted_at, sources)
         SELECT $2, $1, coalesce(max(number), 0) + 1, 'Keluarga sasaran', 'draft', '{}', 1, 2, 1, now(), SOURCES FROM target_lists WHERE region_code = $1";
    sql.execute(&insert.replace("SOURCES", SOURCES), &[&here.regency, &id]).await.unwrap();
    sql.execute(
        "INSERT INTO target_list_entries (target_list_id, beneficiary_id, region_code, included, change, reason, eligibility, head_name, people)
         VALUES ($1, $2, $3, true, 'added', 'verified', 'extreme_poor', 'Ibu Contoh', 2)",
        &[&id, &family, &here.village],
    )
    .await
    .unwrap();
    if state != "draft" {
        sql.execute(
            "UPDATE target_lists SET state = $2::text, sk_number = 'SK ' || number, sk_date = current_date, signatory_name = 'X', digest = '\\x00', decreed_at = now()
              WHERE id = $1 AND $2::text IN ('decreed', 'superseded')",
            &[&id, &state],
        )
        .await
        .unwrap();
        sql.execute("UPDATE target_lists SET state = $2 WHERE id = $1", &[&id, &state]).await.unwrap();
    }
    (id, family)
}

pub fn decree_body() -> Value {
    json!({"sk_number": format!("188.45-{}", Uuid::now_v7()), "sk_date": "2026-11-20", "signatory_name": "Bupati Contoh", "signatory_title": "Bupati"})
}

/// Frees a place for another list.
async fn no_list(world: &World, place: Place) {
    let sql =
        "UPDATE target_lists SET state = 'discarded' WHERE region_code = $1 AND state IN ('drafting', 'draft', 'submitted', 'returned')";
    world.sql().await.execute(sql, &[&world.place(place).regency]).await.unwrap();
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("target_lists_list", |world, place| Call::list(
            "/target-lists?limit=200&state=draft",
            [list(world, place, "draft").await.0.to_string()]
        )),
        case!("target_lists_release_effects", |world, place| {
            let (list, family) = list(world, place, "decreed").await;
            let release = release_of(world, place, &[family.to_string()]).await;
            Call::list(
                format!("/target-lists/{list}/release-effects?release_id={release}&with={release}"),
                [world.place(place).village.to_owned()],
            )
        }),
        case!("target_lists_create", |world, place| {
            no_list(world, place).await;
            let rules = json!({"eligibilities": ["extreme_poor", "poor"], "carry_over": true});
            Call::send("/target-lists", json!({"region_code": world.place(place).regency, "title": "Keluarga sasaran", "rules": rules}))
        }),
        case!("target_lists_fetch", |world, place| Call::get(format!("/target-lists/{}", list(world, place, "draft").await.0))),
        case!("target_lists_history", |world, place| Call::get(format!("/target-lists/{}/history", list(world, place, "draft").await.0))),
        case!("target_lists_submit", |world, place| Call {
            path: format!("/target-lists/{}/submit", list(world, place, "draft").await.0),
            ..Call::default()
        }),
        case!("target_lists_send_back", |world, place| {
            Call::send(format!("/target-lists/{}/return", list(world, place, "submitted").await.0), json!({"note": "Periksa lagi"}))
        }),
        case!("target_lists_redraft", |world, place| {
            Call::send(format!("/target-lists/{}/redraft", list(world, place, "returned").await.0), json!({"rules": {"carry_over": false}}))
        }),
        case!("target_lists_discard", |world, place| Call {
            path: format!("/target-lists/{}/discard", list(world, place, "draft").await.0),
            ..Call::default()
        }),
        case!("target_lists_decree", |world, place| {
            Call::send(format!("/target-lists/{}/decree", list(world, place, "submitted").await.0), decree_body())
        }),
        case!("target_lists_export", |world, place| {
            let (list, _) = list(world, place, "decreed").await;
            Call::send(format!("/target-lists/{list}/exports"), json!({"format": "csv", "purpose": "Lampiran untuk camat"}))
        }),
        case!("target_lists_summary", |world, place| {
            let (list, _) = list(world, place, "draft").await;
            Call::list(format!("/target-lists/{list}/summary?by=village"), [world.place(place).village.to_owned()])
        }),
        case!("target_lists_diff", |world, place| {
            let (with, _) = list(world, place, "decreed").await;
            // Counts and no ids: whoever sees the village sees that there is a family.
            Call::list(format!("/target-lists/{}/diff?with={with}", list(world, place, "draft").await.0), ["\"families\":1".to_owned()])
        }),
        case!("target_entries_list_entries", |world, place| {
            let (list, family) = list(world, place, "draft").await;
            Call::list(format!("/target-lists/{list}/entries?limit=200"), [family.to_string()])
        }),
        case!("target_entries_diff_entries", |world, place| {
            let (with, family) = list(world, place, "decreed").await;
            let (list, new) = list(world, place, "draft").await;
            Call::list(format!("/target-lists/{list}/diff/entries?with={with}&limit=200"), [family.to_string(), new.to_string()])
        }),
        case!("target_entries_explain", |world, place| {
            let (list, family) = list(world, place, "draft").await;
            Call::get(format!("/target-lists/{list}/entries/{family}/explanation"))
        }),
    ]
}

/// A list drawn from what is on file: its path.
pub async fn drawn(world: &World, rules: Value) -> String {
    let body = json!({"region_code": "62.02", "title": "Keluarga sasaran PPKE", "rules": rules});
    let begun = world.role(Role::Coordinator).post("/target-lists", body).await.expect(202);
    assert_eq!(begun.body["state"], "drafting");
    let path = format!("/target-lists/{}", begun.id());
    assert_eq!(begun.headers["location"].to_str().unwrap(), format!("/api/v1{path}"));
    for asked in ["entries", "summary"] {
        world.role(Role::SocialAffairs).get(&format!("{path}/{asked}")).await.refused(409, "target_list_not_ready");
    }
    world.role(Role::Coordinator).step(&format!("{path}/submit")).await.refused(409, "target_list_not_ready");
    world.run_jobs().await;
    path
}

/// Submits and decrees a draft.
pub async fn decreed(world: &World, path: &str, sk: &str) -> Answer {
    world.role(Role::Coordinator).step(&format!("{path}/submit")).await.expect(200);
    let body = json!({"sk_number": sk, "sk_date": "2026-05-10", "signatory_name": "Bupati Contoh", "signatory_title": "Bupati"});
    world.role(Role::Leadership).post(&format!("{path}/decree"), body).await.expect(200)
}

/// What a list says of each family: on or off, change, reason.
pub async fn said(client: &Client, path: &str) -> BTreeMap<Uuid, (bool, String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = client.all(&format!("{path}/entries?limit=3")).await;
    rows.iter()
        .map(|row| {
            let id = text(row, "beneficiary_id").parse().unwrap();
            (id, (row["included"].as_bool().unwrap(), text(row, "change"), text(row, "reason")))
        })
        .collect()
}

/// The figures of a list, counted again from its entries.
fn counted(said: &BTreeMap<Uuid, (bool, String, String)>) -> Value {
    let of = |change: &str| said.values().filter(|(_, known, _)| known == change).count();
    let families = said.values().filter(|(on, ..)| *on).count();
    json!({"families": families, "people": families * 2, "added": of("added"), "removed": of("removed"), "unchanged": of("unchanged")})
}

fn figures(list: &Value) -> Value {
    let mut figures = json!({});
    for name in ["families", "people", "added", "removed", "unchanged"] {
        figures[name] = list[name].clone();
    }
    figures
}

pub fn codes(explained: &Answer) -> Vec<&str> {
    explained.body["steps"].as_array().unwrap().iter().map(|step| step["code"].as_str().unwrap()).collect()
}

fn sentence<'a>(explained: &'a Answer, code: &str, language: &str) -> &'a str {
    let steps = explained.body["steps"].as_array().unwrap();
    steps.iter().rev().find(|step| step["code"] == code).unwrap()[language].as_str().unwrap()
}

#[actix_web::test]
async fn two_lists_are_drawn_decreed_frozen_and_explained() {
    let world = World::new().await;
    let (coordinator, leader) = (world.role(Role::Coordinator), world.role(Role::Leadership));
    let sql = world.sql().await;
    let (here, next, far) = (world.home.village, world.home.next_village, "62.02.10.2001");
    let first = campaign(&world, Place::Home, "open").await;
    let (at_home, next_door, away) = (
        result(&world, first, here, "accepted").await,
        result(&world, first, next, "accepted").await,
        result(&world, first, far, "open").await,
    );
    let mut families = BTreeMap::new();
    let mut expected: BTreeMap<Uuid, (bool, String, String)> = BTreeMap::new();
    let entry = |on: bool, change: &str, reason: &str| (on, change.to_owned(), reason.to_owned());
    for (name, presence, eligibility, on, reason) in [
        ("poorest", "found", "extreme_poor", true, "verified"),
        ("poor", "found", "poor", false, "not_eligible"),
        ("unseen", "not_found", "extreme_poor", false, "not_found"),
        ("dead", "deceased", "not_assessed", false, "deceased"),
        ("gone", "moved_out", "extreme_poor", false, "moved_out"),
        ("twice", "duplicate", "extreme_poor", false, "duplicate"),
        ("unwilling", "refused", "extreme_poor", false, "refused"),
        ("moved", "moved_within", "extreme_poor", true, "verified"),
        ("unjudged", "found", "not_assessed", false, "not_assessed"),
        ("inactive", "found", "extreme_poor", false, "inactive"),
        ("elsewhere", "found", "extreme_poor", false, "elsewhere"),
        ("merged", "found", "extreme_poor", false, "merged"),
        ("raised", "found", "poor", true, "verified"),
    ] {
        let id = family(&world, here, name).await;
        visit(&world, at_home, id, presence, eligibility).await;
        families.insert(name, id);
        expected.insert(id, entry(on, if on { "added" } else { "left_out" }, reason));
    }
    let kept = family(&world, here, "kept").await;
    families.insert("kept", kept);
    expected.insert(kept, entry(true, "added", "verified"));
    let new = family(&world, here, "new").await;
    families.insert("new", new);
    proposed(&world, at_home, new, "extreme_poor").await;
    expected.insert(new, entry(true, "added", "proposal"));
    for name in ["next-poorest", "next-too"] {
        let id = family(&world, next, name).await;
        visit(&world, next_door, id, "found", "extreme_poor").await;
        families.insert(name, id);
        expected.insert(id, entry(true, "added", "verified"));
    }
    let waiting = family(&world, far, "waiting").await;
    visit(&world, away, waiting, "found", "extreme_poor").await;
    let stranger = family(&world, here, "stranger").await;
    sql.execute("UPDATE beneficiaries SET status = 'inactive', inactive_reason = 'capable' WHERE id = $1", &[&families["inactive"]])
        .await
        .unwrap();
    sql.execute("UPDATE beneficiaries SET region_code = '64.08.03.2001' WHERE id = $1", &[&families["elsewhere"]]).await.unwrap();
    sql.execute(
        "UPDATE beneficiaries SET status = 'inactive', inactive_reason = 'duplicate', merged_into = $2 WHERE id = $1",
        &[&families["merged"], &kept],
    )
    .await
    .unwrap();
    sql.execute(
        "INSERT INTO meeting_verdicts (village_result_id, subject_id, subject, region_code, eligibility, confirmed, recorded_by)
         VALUES ($1, $2, 'family', $3, 'extreme_poor', true, $4)",
        &[&at_home, &families["raised"], &here, &world.actor_id("village_head")],
    )
    .await
    .unwrap();

    let one = drawn(&world, json!({})).await;
    let draft = coordinator.get(&one).await.expect(200);
    assert_eq!((draft.body["state"].as_str(), draft.body["number"].as_i64()), (Some("draft"), Some(1)));
    assert_eq!(draft.body["rules"], json!({"eligibilities": ["extreme_poor"], "campaign_ids": null, "carry_over": true}));
    let entries = said(&coordinator, &one).await;
    assert_eq!(entries, expected);
    assert_eq!(figures(&draft.body), counted(&expected));
    assert_eq!(draft.body["families"], 7);
    // What lies elsewhere by now is told where it was checked, and not what its record says today.
    let moved = coordinator.all(&format!("{one}/entries?reason=elsewhere")).await;
    assert_eq!((moved[0]["region_code"].as_str(), moved[0]["head_name"].as_str()), (Some(here), None));
    let summary = coordinator.all(&format!("{one}/summary?by=village")).await;
    assert_eq!(summary.iter().map(|row| row["on_list"]["families"].as_i64().unwrap()).collect::<Vec<_>>(), [5, 2]);
    assert_eq!(summary[0]["left_out_by_reason"]["refused"], 1);
    assert_eq!(world.role(Role::VillageOperator).all(&format!("{one}/summary?by=village")).await, summary[..1]);

    coordinator.post("/target-lists", json!({"region_code": "62.02", "title": "Lain"})).await.refused(409, "target_list_under_way");
    coordinator.post("/target-lists", json!({"region_code": "62.02.09", "title": "Lain"})).await.refused(422, "invalid");
    leader.post(&format!("{one}/decree"), decree_body()).await.refused(409, "step_not_allowed");
    coordinator.step(&format!("{one}/submit")).await.expect(200);
    coordinator.step(&format!("{one}/redraft")).await.refused(409, "step_not_allowed");
    leader.post(&format!("{one}/return"), json!({"note": "Periksa Pulau Hanaut"})).await.expect(200);
    coordinator.step(&format!("{one}/redraft")).await.expect(202);
    coordinator.step(&format!("{one}/redraft")).await.refused(409, "target_list_not_ready");
    world.run_jobs().await;
    assert_eq!(said(&coordinator, &one).await, expected, "drawn anew it is the same");
    let mut future = decree_body();
    future["sk_date"] = json!("2099-01-01");
    coordinator.step(&format!("{one}/submit")).await.expect(200);
    leader.post(&format!("{one}/decree"), future).await.refused(422, "invalid");
    let mut unknown = decree_body();
    unknown["decree_id"] = json!(Uuid::now_v7());
    leader.post(&format!("{one}/decree"), unknown).await.refused(422, "attachment_unknown");
    leader.post(&format!("{one}/return"), json!({"note": "Sekali lagi"})).await.expect(200);
    let first_decree = decreed(&world, &one, "188.45-377").await;
    assert_eq!((first_decree.body["state"].as_str(), first_decree.body["sk_date"].as_str()), (Some("decreed"), Some("2026-05-10")));

    // The digest is what whoever holds the annex can count again.
    let mut annex = coordinator.all(&format!("{one}/entries?included=true")).await;
    annex.sort_by_key(|row| row["beneficiary_id"].as_str().unwrap().parse::<Uuid>().unwrap());
    let mut lines = String::new();
    for row in &annex {
        let cell =
            |name: &str| row[name].as_str().map_or_else(|| row[name].as_i64().map(|n| n.to_string()).unwrap_or_default(), str::to_owned);
        let names = ["beneficiary_id", "region_code", "head_name", "head_nik", "kk_number", "address", "people", "decile"];
        lines += &(names.map(cell).join("\t") + "\n");
    }
    let digest: String = Sha256::digest(lines.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(first_decree.body["digest"], digest);
    let told = "SELECT count(*) FROM changes WHERE resource = 'beneficiaries' AND action = 'target_list_added'";
    assert_eq!(sql.query_one(told, &[]).await.unwrap().get::<_, i64>(0), 7, "each family on the list is told once");
    let history = coordinator.all(&format!("/beneficiaries/{}/history", families["poorest"])).await;
    assert_eq!(history.last().unwrap()["action"], "target_list_added");

    // Another year: at home everybody is checked anew, the far village comes in, next door nothing is new.
    let second = campaign(&world, Place::Home, "open").await;
    let again = result(&world, second, here, "accepted").await;
    for (name, presence, eligibility, on, change, reason) in [
        ("poorest", "found", "capable", false, "removed", "not_eligible"),
        ("poor", "found", "extreme_poor", true, "added", "verified"),
        ("moved", "not_found", "not_assessed", false, "removed", "not_found"),
        ("unseen", "found", "extreme_poor", true, "added", "verified"),
    ] {
        visit(&world, again, families[name], presence, eligibility).await;
        expected.insert(families[name], entry(on, change, reason));
    }
    for (name, on, change, reason) in [
        ("raised", true, "unchanged", "verified"),
        ("kept", true, "unchanged", "verified"),
        ("new", true, "unchanged", "proposal"),
        ("next-poorest", true, "unchanged", "carried_over"),
        ("next-too", false, "removed", "merged"),
    ] {
        expected.insert(families[name], entry(on, change, reason));
    }
    // A family of the list in force is merged into one that is on no list: that one takes its place.
    sql.execute(
        "UPDATE beneficiaries SET status = 'inactive', inactive_reason = 'duplicate', merged_into = $2 WHERE id = $1",
        &[&families["next-too"], &stranger],
    )
    .await
    .unwrap();
    expected.insert(stranger, entry(true, "added", "carried_over"));
    let two = drawn(&world, json!({})).await;
    assert_eq!(said(&coordinator, &two).await, expected);
    turn(&world, away, "accepted").await;
    coordinator.step(&format!("{two}/submit")).await.refused(409, "target_list_outdated");
    expected.insert(waiting, entry(true, "added", "verified"));
    coordinator.step(&format!("{two}/redraft")).await.expect(202);
    world.run_jobs().await;
    assert_eq!(said(&coordinator, &two).await, expected);
    coordinator.step(&format!("{two}/submit")).await.expect(200);
    turn(&world, again, "forwarded").await;
    leader.post(&format!("{two}/decree"), decree_body()).await.refused(409, "target_list_outdated");
    leader.post(&format!("{two}/return"), json!({"note": "Desa dibuka lagi"})).await.expect(200);
    turn(&world, again, "accepted").await;
    coordinator.step(&format!("{two}/submit")).await.refused(409, "target_list_outdated");
    coordinator.step(&format!("{two}/redraft")).await.expect(202);
    world.run_jobs().await;
    coordinator.step(&format!("{two}/submit")).await.expect(200);
    let mut taken = decree_body();
    taken["sk_number"] = json!("188.45-377");
    leader.post(&format!("{two}/decree"), taken).await.refused(409, "decree_number_taken");
    leader.post(&format!("{two}/return"), json!({"note": "Nomor SK"})).await.expect(200);
    let second_decree = decreed(&world, &two, "188.45-597").await;
    assert_eq!(figures(&second_decree.body), counted(&expected));
    let superseded = coordinator.get(&one).await.expect(200);
    assert_eq!((superseded.body["state"].as_str(), &superseded.body["digest"]), (Some("superseded"), &first_decree.body["digest"]));
    let in_force = coordinator.all("/target-lists?state=decreed&region=62.02").await;
    assert_eq!(in_force.iter().map(|list| list["number"].as_i64().unwrap()).collect::<Vec<_>>(), [2]);
    let steps: Vec<String> =
        leader.all(&format!("{two}/history")).await.iter().map(|change| change["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        steps,
        [
            "created",
            "drawn",
            "redrafted",
            "drawn",
            "submitted",
            "returned",
            "redrafted",
            "drawn",
            "submitted",
            "returned",
            "submitted",
            "decreed"
        ]
    );

    // 7 + 4 - 3 = 8, and both ways of asking say the same.
    let diff = coordinator.get(&format!("{two}/diff?with={}", &one["/target-lists/".len()..])).await.expect(200);
    assert_eq!(
        (&diff.body["added"]["families"], &diff.body["removed"]["families"], &diff.body["unchanged"]["families"]),
        (&json!(4), &json!(3), &json!(4))
    );
    assert_eq!(diff.body["removed_by_reason"], json!({"not_eligible": 1, "not_found": 1, "merged": 1}));
    let differing = coordinator.all(&format!("{two}/diff/entries?with={}&limit=2", &one["/target-lists/".len()..])).await;
    assert_eq!(differing.len(), 11);
    for row in &differing {
        let (_, change, reason) = &expected[&row["beneficiary_id"].as_str().unwrap().parse::<Uuid>().unwrap()];
        assert_eq!((row["change"].as_str(), row["reason"].as_str()), (Some(change.as_str()), Some(reason.as_str())));
    }
    let removed = format!("{two}/diff/entries?with={}&change=removed", &one["/target-lists/".len()..]);
    assert_eq!(coordinator.all(&removed).await.len(), 3);

    // Why.
    let explain = async |path: &str, family: Uuid| coordinator.get(&format!("{path}/entries/{family}/explanation")).await.expect(200);
    let why = explain(&one, families["poorest"]).await;
    assert_eq!((why.body["included"].as_bool(), why.body["reason"].as_str()), (Some(true), Some("verified")));
    for code in ["listed", "assigned", "visited", "meeting", "finalised", "forwarded", "accepted", "rule", "list_added", "decreed_on"] {
        assert_eq!(codes(&why).iter().filter(|known| **known == code).count(), 1, "{code}: {}", why.text);
    }
    assert_eq!(codes(&why)[0], "listed");
    assert_eq!(sentence(&why, "listed", "english"), "The family was listed in the data P3KE, hand-over minutes no. 156/BAST/2026.");
    assert!(sentence(&why, "visited", "indonesian").ends_with("ditemukan, miskin ekstrem."), "{}", why.text);
    assert!(sentence(&why, "decreed_on", "indonesian").ends_with("SK nomor 188.45-377 tanggal 10 Mei 2026."), "{}", why.text);
    let why = explain(&two, families["poorest"]).await;
    assert_eq!(
        sentence(&why, "list_removed", "english"),
        "The family is no longer on target list no. 2 (it was on list no. 1): judged better off than the rules ask."
    );
    assert!(codes(&why).contains(&"decreed_on") && codes(&why).contains(&"decreed_off"), "{}", why.text);
    assert!(sentence(&explain(&one, families["raised"]).await, "meeting_judged", "indonesian").ends_with("dinyatakan miskin ekstrem."));
    assert!(codes(&explain(&one, new).await).contains(&"proposed"));
    let why = explain(&one, waiting).await;
    assert_eq!((codes(&why).last().copied(), why.body["included"].is_null()), (Some("not_accepted_yet"), true), "{}", why.text);
    let unheard_of = family(&world, here, "unheard").await;
    assert_eq!(codes(&explain(&two, unheard_of).await), ["not_considered"]);
    let answers = [explain(&two, families["merged"]).await.text, explain(&two, stranger).await.text, why.text];
    for text in answers {
        assert!(!text.contains("6202***") && !text.contains("Ibu") && !text.contains(&kept.to_string()), "{text}");
    }
    let elsewhere = family(&world, "64.08.03.2001", "foreign").await;
    coordinator.get(&format!("{two}/entries/{elsewhere}/explanation")).await.refused(404, "not_found");
    world.role(Role::VillageHead).get(&format!("{two}/entries/{waiting}/explanation")).await.refused(404, "not_found");
    world.role(Role::Leadership).get(&format!("{two}/entries")).await.refused(403, "forbidden");
    world.flush_reads().await;
    let read = "SELECT count(*) FILTER (WHERE action = 'list_entries'), count(*) FILTER (WHERE action = 'diff_entries'),
                       count(*) FILTER (WHERE action = 'target_list_explanation') FROM reads";
    let row = sql.query_one(read, &[]).await.unwrap();
    assert!((0..3).all(|at| row.get::<_, i64>(at) > 0), "every reading is recorded");
}

#[actix_web::test]
async fn without_carrying_over_only_what_the_named_campaigns_tell_counts() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (here, next) = (world.home.village, world.home.next_village);
    let first = campaign(&world, Place::Home, "closed").await;
    let (at_home, next_door) = (result(&world, first, here, "accepted").await, result(&world, first, next, "accepted").await);
    let (mine, theirs) = (family(&world, here, "mine").await, family(&world, next, "theirs").await);
    visit(&world, at_home, mine, "found", "extreme_poor").await;
    visit(&world, next_door, theirs, "found", "extreme_poor").await;
    let one = drawn(&world, json!({})).await;
    decreed(&world, &one, "1").await;
    let second = campaign(&world, Place::Home, "open").await;
    let again = result(&world, second, here, "accepted").await;
    visit(&world, again, mine, "found", "poor").await;
    let reason = async |path: &str, family: Uuid| said(&coordinator, path).await[&family].2.clone();
    let cases = [
        (json!({"eligibilities": ["poor", "extreme_poor"], "campaign_ids": [second], "carry_over": false}), ["verified", "not_verified"]),
        (json!({"eligibilities": ["poor", "extreme_poor"], "campaign_ids": [second]}), ["verified", "carried_over"]),
        (json!({"campaign_ids": [second]}), ["not_eligible", "carried_over"]),
        // What the second campaign found is newer than what the list in force rests on, whether this list names it or not.
        (json!({"campaign_ids": [first]}), ["not_eligible", "carried_over"]),
        (json!({"carry_over": false}), ["not_eligible", "verified"]),
    ];
    for (rules, expected) in cases {
        let path = drawn(&world, rules.clone()).await;
        assert_eq!([reason(&path, mine).await, reason(&path, theirs).await], expected, "{rules}");
        coordinator.step(&format!("{path}/discard")).await.expect(200);
        assert!(said(&coordinator, &path).await.is_empty(), "what nobody decreed is forgotten");
    }
    let foreign = campaign(&world, Place::Foreign, "open").await;
    for rules in [
        json!({"campaign_ids": [foreign]}),
        json!({"campaign_ids": []}),
        json!({"eligibilities": ["not_assessed"]}),
        json!({"eligibilities": []}),
    ] {
        let body = json!({"region_code": "62.02", "title": "Keluarga sasaran", "rules": rules});
        coordinator.post("/target-lists", body).await.refused(422, "invalid");
    }
}

#[actix_web::test]
async fn a_decreed_list_cannot_be_changed_by_anybody() {
    let world = World::new().await;
    let (one, family) = list(&world, Place::Home, "decreed").await;
    let (draft, _) = list(&world, Place::Foreign, "draft").await;
    let sql = world.sql().await;
    for attempt in [
        "UPDATE target_list_entries SET included = false, change = 'removed' WHERE target_list_id = $1".to_owned(),
        "UPDATE target_list_entries SET people = 99 WHERE target_list_id = $1".to_owned(),
        format!("UPDATE target_list_entries SET target_list_id = '{draft}' WHERE target_list_id = $1"),
        format!("UPDATE target_list_entries SET target_list_id = $1 WHERE target_list_id = '{draft}'"),
        "DELETE FROM target_list_entries WHERE target_list_id = $1".to_owned(),
        "INSERT INTO target_list_entries SELECT e.target_list_id, b.id, e.region_code, included, change, reason, eligibility, village_result_id,
                visit_id, proposal_id, decile, head_name, head_nik_mask, e.kk_mask, e.address, people
           FROM target_list_entries e JOIN beneficiaries b ON b.id <> e.beneficiary_id WHERE target_list_id = $1"
            .to_owned(),
        "UPDATE target_lists SET title = 'Lain' WHERE id = $1".to_owned(),
        "UPDATE target_lists SET sk_number = 'Lain' WHERE id = $1".to_owned(),
        "UPDATE target_lists SET digest = '\\x01' WHERE id = $1".to_owned(),
        "UPDATE target_lists SET families = 99 WHERE id = $1".to_owned(),
        "UPDATE target_lists SET state = 'draft' WHERE id = $1".to_owned(),
        "DELETE FROM target_lists WHERE id = $1".to_owned(),
    ] {
        let refused = sql.execute(&attempt, &[&one]).await.unwrap_err();
        let cause = refused.as_db_error().unwrap();
        let frozen = cause.constraint().is_some_and(|name| name.ends_with("_frozen"));
        assert!(frozen, "{attempt}: {cause:?}");
    }
    assert!(sql.batch_execute("TRUNCATE target_list_entries").await.is_err());
    let row = sql.query_one("SELECT people, included FROM target_list_entries WHERE beneficiary_id = $1", &[&family]).await.unwrap();
    assert_eq!((row.get::<_, i16>(0), row.get::<_, bool>(1)), (2, true));
    sql.execute("UPDATE target_lists SET state = 'superseded', superseded_at = now() WHERE id = $1", &[&one]).await.unwrap();
    assert!(
        sql.execute("UPDATE target_lists SET state = 'decreed' WHERE id = $1", &[&one]).await.is_err(),
        "nothing comes back into force"
    );
    assert!(sql.execute("DELETE FROM target_list_entries WHERE target_list_id = $1", &[&one]).await.is_err());
}

#[actix_web::test]
async fn the_annex_is_taken_home_with_a_record_and_without_formulas() {
    let world = World::new().await;
    let (coordinator, social) = (world.role(Role::Coordinator), world.role(Role::SocialAffairs));
    let body = json!({"region_code": world.home.village, "address": "=HYPERLINK(1)", "kk_number": "6202990101200001",
        "members": [{"name": "Siti Contoh", "relation": "head", "nik": "6202994107850001"}, {"name": "Anak", "relation": "child"}]});
    let registered: Uuid = social.post("/beneficiaries", body).await.expect(201).id().parse().unwrap();
    let campaign = campaign(&world, Place::Home, "open").await;
    let result = result(&world, campaign, world.home.village, "accepted").await;
    visit(&world, result, registered, "found", "extreme_poor").await;
    let body = json!({"region_code": world.home.village, "members": [{"name": "+Rumus", "relation": "head"}]});
    let other: Uuid = social.post("/beneficiaries", body).await.expect(201).id().parse().unwrap();
    visit(&world, result, other, "found", "extreme_poor").await;
    let off = family(&world, world.home.village, "Mampu").await;
    visit(&world, result, off, "found", "capable").await;
    let path = drawn(&world, json!({})).await;
    let take = |full: bool, format: &str| json!({"format": format, "full_numbers": full, "purpose": "Lampiran SK untuk Bupati"});
    let draft = coordinator.post(&format!("{path}/exports"), take(false, "csv")).await.expect(200);
    assert!(draft.text.contains("RANCANGAN"), "{}", draft.text);
    decreed(&world, &path, "188.45-377").await;

    let masked = social.post(&format!("{path}/exports"), take(false, "csv")).await.expect(200);
    assert_eq!(masked.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(masked.headers["cache-control"], "private, no-store");
    assert!(
        masked.text.contains("188.45-377 tanggal 10 Mei 2026") && masked.text.contains("Siti Contoh,6202********0001"),
        "{}",
        masked.text
    );
    assert!(masked.text.contains("'=HYPERLINK(1)") && masked.text.contains("'+Rumus"), "{}", masked.text);
    assert!(!masked.text.contains("Mampu") && !masked.text.contains("6202994107850001"), "{}", masked.text);
    assert_eq!(masked.text.lines().filter(|line| line.contains(world.home.village)).count(), 2);
    let full = social.post(&format!("{path}/exports"), take(true, "csv")).await.expect(200);
    assert!(full.text.contains("'6202994107850001,'6202990101200001"), "{}", full.text);
    // A card that was changed since is not the decreed one: its number stays with its family.
    let etag = social.get(&format!("/beneficiaries/{registered}")).await.expect(200).etag();
    social.patch(&format!("/beneficiaries/{registered}"), &etag, json!({"kk_number": "6202990101200002"})).await.expect(200);
    let later = social.post(&format!("{path}/exports"), take(true, "csv")).await.expect(200);
    assert!(later.text.contains("'6202994107850001,6202********0001") && !later.text.contains("6202990101200002"), "{}", later.text);
    let book = coordinator.post(&format!("{path}/exports"), take(true, "xlsx")).await.expect(200);
    assert_eq!(book.headers["content-disposition"], "attachment; filename=\"daftar-sasaran-62.02-1.xlsx\"");

    coordinator
        .post(&format!("{path}/exports"), json!({"format": "csv", "purpose": "KK 6202990101200001 ini"}))
        .await
        .refused(422, "invalid");
    world.role(Role::VillageHead).post(&format!("{path}/exports"), take(false, "csv")).await.refused(403, "forbidden");
    let history = coordinator.all(&format!("{path}/history")).await;
    let taken: Vec<&Value> = history.iter().filter(|change| change["action"] == "annex_disclosed").collect();
    assert_eq!(taken.len(), 5);
    assert!(taken.iter().all(|change| change["reason"] == "Lampiran SK untuk Bupati" && change["fields"]["families"] == 2));
    assert_eq!(taken.iter().filter(|change| change["fields"]["full_numbers"] == true).count(), 3);
}

#[actix_web::test]
async fn a_job_that_is_killed_leaves_nothing_and_begins_anew() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let campaign = campaign(&world, Place::Home, "open").await;
    let result = result(&world, campaign, world.home.village, "accepted").await;
    for number in 0..20 {
        let family = family(&world, world.home.village, &format!("Ibu {number}")).await;
        visit(&world, result, family, "found", if number % 2 == 0 { "extreme_poor" } else { "capable" }).await;
    }
    let begun = coordinator.post("/target-lists", json!({"region_code": "62.02", "title": "Keluarga sasaran"})).await.expect(202);
    let path = format!("/target-lists/{}", begun.id());
    // The job stands before the table of entries when its process dies.
    let gate = crate::support::db::look(&world.db.url).await;
    gate.batch_execute("BEGIN; LOCK TABLE target_list_entries IN SHARE MODE").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let serving = crate::imports::Serving::start(&world, folder.path());
    crate::durability::waiting(&world, 1).await;
    serving.kill();
    gate.batch_execute("COMMIT").await.unwrap();
    assert_eq!(coordinator.get(&path).await.expect(200).body["state"], "drafting");
    coordinator.get(&format!("{path}/entries")).await.refused(409, "target_list_not_ready");
    let sql = world.sql().await;
    for _ in 0..2_000 {
        // Its server process notices that nobody listens any more, and takes back what it did.
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'entas' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()";
        if sql.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(sql.query_one("SELECT count(*) FROM target_list_entries", &[]).await.unwrap().get::<_, i64>(0), 0);
    sql.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'", &[]).await.unwrap();
    world.run_jobs().await;
    let drawn = coordinator.get(&path).await.expect(200);
    assert_eq!((drawn.body["state"].as_str(), drawn.body["families"].as_i64()), (Some("draft"), Some(10)));
    assert_eq!(said(&coordinator, &path).await.len(), 20);
    let job = coordinator.get(&format!("/jobs/{}", drawn.body["job_id"].as_str().unwrap())).await.expect(200);
    assert_eq!((job.body["state"].as_str(), job.body["done"].as_i64()), (Some("succeeded"), Some(20)));
}

#[actix_web::test]
async fn a_list_whose_job_was_cancelled_is_drawn_anew_or_given_up() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let begun = coordinator.post("/target-lists", json!({"region_code": "62.02", "title": "Keluarga sasaran"})).await.expect(202);
    let path = format!("/target-lists/{}", begun.id());
    coordinator.step(&format!("/jobs/{}/cancel", begun.body["job_id"].as_str().unwrap())).await.expect(200);
    coordinator.step(&format!("{path}/redraft")).await.expect(202);
    coordinator.step(&format!("{path}/discard")).await.expect(200);
    world.run_jobs().await;
    assert_eq!(coordinator.get(&path).await.expect(200).body["state"], "discarded");
    let path = drawn(&world, json!({})).await;
    let list = coordinator.get(&path).await.expect(200);
    assert_eq!(
        (list.body["number"].as_i64(), list.body["families"].as_i64()),
        (Some(1), Some(0)),
        "a discarded list gives its number back"
    );
}

/// Random steps, legal and not, by all roles: nothing leaves the machine, and from the first decree on one list is in force.
#[actix_web::test]
async fn no_sequence_of_requests_leaves_a_regency_with_two_lists_in_force() {
    use rand::{RngExt, SeedableRng};
    let world = World::new().await;
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let campaign = campaign(&world, Place::Home, "open").await;
    let village = result(&world, campaign, world.home.village, "accepted").await;
    let family = family(&world, world.home.village, "Ibu Contoh").await;
    visit(&world, village, family, "found", "extreme_poor").await;
    let roles = [Role::Coordinator, Role::Leadership, Role::SocialAffairs, Role::VillageHead];
    let sql = world.sql().await;
    let (mut known, mut began, mut done) = (BTreeMap::<String, String>::new(), false, 0);
    for _ in 0..160 {
        // Mostly whoever may: else hardly any sequence gets far.
        let act = dice.random_range(0..7);
        let right = if matches!(act, 2 | 3) { Role::Leadership } else { Role::Coordinator };
        let role = if dice.random_bool(0.8) { right } else { roles[dice.random_range(0..roles.len())] };
        let client = world.role(role);
        if act == 0 {
            let open = known.values().any(|state| ["drafting", "draft", "submitted", "returned"].contains(&state.as_str()));
            let answer = client.post("/target-lists", json!({"region_code": "62.02", "title": "Acak"})).await;
            let expected = if role != Role::Coordinator {
                403
            } else if open {
                409
            } else {
                202
            };
            assert_eq!(answer.status, expected, "{} {}", answer.asked, answer.text);
            if answer.status == 202 {
                known.insert(answer.id(), "drafting".into());
            }
        } else {
            let Some(id) = known.keys().nth(dice.random_range(0..known.len().max(1))).cloned() else { continue };
            // The newest one mostly.
            let id = if dice.random_bool(0.7) { known.keys().next_back().cloned().unwrap() } else { id };
            let (step, body, may) = match act {
                1 => ("submit", None, Role::Coordinator),
                2 => ("return", Some(json!({"note": "Periksa"})), Role::Leadership),
                3 => ("decree", Some(decree_body()), Role::Leadership),
                4 => ("redraft", None, Role::Coordinator),
                5 if dice.random_bool(0.3) => ("discard", None, Role::Coordinator),
                _ => {
                    world.run_jobs().await;
                    for state in known.values_mut().filter(|state| *state == "drafting") {
                        *state = "draft".into();
                    }
                    continue;
                }
            };
            let path = format!("/target-lists/{id}/{step}");
            let answer = match body {
                Some(body) => client.post(&path, body).await,
                None => client.step(&path).await,
            };
            let after = match (known[&id].as_str(), step) {
                ("draft" | "returned", "submit") => Some("submitted"),
                ("submitted", "return") => Some("returned"),
                ("submitted", "decree") => Some("decreed"),
                ("draft" | "returned", "redraft") => Some("drafting"),
                ("drafting" | "draft" | "returned", "discard") => Some("discarded"),
                _ => None,
            };
            match after {
                _ if role != may => assert_eq!(answer.status, 403, "{} {}", answer.asked, answer.text),
                None => assert_eq!(answer.status, 409, "{} from {}: {}", answer.asked, known[&id], answer.text),
                Some(after) => {
                    assert!([200, 202].contains(&answer.status), "{} from {}: {}", answer.asked, known[&id], answer.text);
                    if after == "decreed" {
                        began = true;
                        done += 1;
                        known.values_mut().filter(|state| *state == "decreed").for_each(|state| *state = "superseded".into());
                    }
                    known.insert(id, after.into());
                }
            }
        }
        let rows = sql.query("SELECT id::text, state FROM target_lists", &[]).await.unwrap();
        let stored: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(stored, known);
        assert_eq!(known.values().filter(|state| *state == "decreed").count(), usize::from(began));
    }
    assert!(done >= 3, "only {done} decrees: the dice prove nothing");
    world.run_jobs().await;
}

#[actix_web::test]
async fn a_new_release_tells_what_it_means_for_the_list_in_force() {
    let world = World::new().await;
    let (list, on) = list(&world, Place::Home, "decreed").await;
    let off = family(&world, world.home.village, "Di luar daftar").await;
    let names = |families: &[Uuid]| families.iter().map(Uuid::to_string).collect::<Vec<_>>();
    let before = release_of(&world, Place::Home, &names(&[on])).await;
    let after = release_of(&world, Place::Home, &names(&[on, off])).await;
    let without = release_of(&world, Place::Home, &names(&[off])).await;
    let sql = world.sql().await;
    for (release, decile) in [(&before, 2i16), (&after, 1), (&without, 1)] {
        sql.execute("UPDATE statements SET decile = $2 WHERE release_id = $1", &[&release.parse::<Uuid>().unwrap(), &decile])
            .await
            .unwrap();
    }
    let coordinator = world.role(Role::Coordinator);
    let told = async |new: &str, old: &str| {
        let rows = coordinator.all(&format!("/target-lists/{list}/release-effects?release_id={new}&with={old}")).await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        ["on_list", "named", "left", "entered", "poorer", "better_off", "poorest_off_list"].map(|name| rows[0][name].as_i64().unwrap())
    };
    assert_eq!(told(&after, &before).await, [1, 1, 0, 0, 1, 0, 1]);
    assert_eq!(told(&before, &after).await, [1, 1, 0, 0, 0, 1, 0], "seen the other way round it is better off");
    assert_eq!(told(&without, &before).await, [1, 0, 1, 0, 0, 0, 1]);
    assert_eq!(told(&before, &without).await, [1, 1, 0, 1, 0, 0, 0]);
    let foreign = world.named("coordinator-foreign");
    foreign.get(&format!("/target-lists/{list}/release-effects?release_id={after}&with={before}")).await.refused(404, "not_found");
}
