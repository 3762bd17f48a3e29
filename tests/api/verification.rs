//! Campaigns, packets and visits: families are given out, batches arrive broken, twice, late and from two sides, and nothing is lost.

use std::collections::BTreeMap;

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::datasets::{dataset, number};
use crate::support::{Answer, Call, Case, Place, World};

/// A family of a mother and a child in a village.
pub async fn family_in(world: &World, place: Place, village: &str) -> String {
    let body = json!({"region_code": village, "address": "RT 02", "attributes": {"floor": "earth"},
        "members": [{"name": format!("Ibu {}", Uuid::now_v7()), "relation": "head"}, {"name": "Anak", "relation": "child"}]});
    world.role_in(place, Role::SocialAffairs).post("/beneficiaries", body).await.expect(201).id()
}

/// A release on file as imported, that names these families: what an import leaves behind, without the file.
pub async fn release_of(world: &World, place: Place, families: &[String]) -> String {
    let (dataset, _) = dataset(world, place).await;
    let (dataset, release) = (dataset.parse::<Uuid>().unwrap(), Uuid::now_v7());
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO releases (id, dataset_id, region_code, mode, state, profile, bast_number, received_on, file_hash, file_bytes)
         VALUES ($1, $2, $3, 'commit', 'imported', 'p3ke', '156/BAST/2026', '2026-03-16', $4, 1)",
        &[&release, &dataset, &world.place(place).regency, &release.as_bytes().as_slice()],
    )
    .await
    .unwrap();
    for family in families {
        let family: Uuid = family.parse().unwrap();
        sql.execute(
            "WITH stated AS (INSERT INTO statements (id, release_id, source_id, region_code, people, digest, sealed)
                SELECT gen_random_uuid(), $2, $3::uuid::text, region_code, 2, '\\x00', '\\x00' FROM beneficiaries WHERE id = $3)
             INSERT INTO source_families (dataset_id, source_id, beneficiary_id, release_id) VALUES ($1, $3::uuid::text, $3, $2)",
            &[&dataset, &release, &family],
        )
        .await
        .unwrap();
    }
    release.to_string()
}

/// A campaign's body over a place's subdistrict.
pub fn campaign_body(world: &World, place: Place, release: &str) -> Value {
    let here = world.place(place);
    json!({"region_code": here.regency, "name": format!("Verval {}", Uuid::now_v7()), "lead_agency_id": here.agency, "release_id": release,
        "subdistricts": [{"region_code": here.subdistrict, "starts_on": "2026-10-01", "finalise_by": "2026-10-31",
            "forward_by": "2026-11-15", "accept_by": "2026-12-15"}]})
}

/// A campaign that is a draft, with one family to check.
pub async fn planned(world: &World, place: Place) -> (Answer, String) {
    let family = family_in(world, place, world.place(place).village).await;
    let release = release_of(world, place, std::slice::from_ref(&family)).await;
    let body = campaign_body(world, place, &release);
    (world.role_in(place, Role::Coordinator).post("/verification-campaigns", body).await.expect(201), family)
}

/// A subdistrict of a campaign: from, and until when for village, camat and regency, in days from today.
pub fn wave(subdistrict: &str, days: [i64; 4]) -> Value {
    let [starts_on, finalise_by, forward_by, accept_by] = days.map(|days| chrono::Utc::now().date_naive() + chrono::TimeDelta::days(days));
    json!({"region_code": subdistrict, "starts_on": starts_on, "finalise_by": finalise_by, "forward_by": forward_by, "accept_by": accept_by})
}

/// An open campaign on a release that names these families, given out where they live.
pub async fn campaign(world: &World, place: Place, families: &[String], waves: &[Value]) -> String {
    let mut body = campaign_body(world, place, &release_of(world, place, families).await);
    body["subdistricts"] = json!(waves);
    let campaign = world.role_in(place, Role::Coordinator).post("/verification-campaigns", body).await.expect(201).id();
    open(world, place, &campaign).await;
    campaign
}

/// The same with nobody given out: without a family no campaign is opened, so it is opened with one of another village of the
/// subdistrict, which is taken out again with all that its release said.
pub async fn bare_campaign(world: &World, place: Place, waves: &[Value]) -> Uuid {
    let village = format!("{}.2003", world.place(place).subdistrict);
    let family = family_in(world, place, &village).await;
    let campaign: Uuid = campaign(world, place, &[family], waves).await.parse().unwrap();
    let release = "release_id = (SELECT release_id FROM verification_campaigns WHERE id = $1)";
    for (table, of) in [
        ("assigned_families", "campaign_id = $1"),
        ("village_results", "campaign_id = $1"),
        ("source_families", release),
        ("statements", release),
    ] {
        let sql = format!("DELETE FROM {table} WHERE {of}");
        assert_eq!(world.sql().await.execute(&sql, &[&campaign]).await.unwrap(), 1, "{table}");
    }
    campaign
}

async fn open(world: &World, place: Place, campaign: &str) {
    world.role_in(place, Role::Coordinator).step(&format!("/verification-campaigns/{campaign}/open")).await.expect(202);
    world.run_jobs().await;
}

/// The part of a campaign that was given to a village.
pub async fn part(world: &World, place: Place, campaign: &str, village: &str) -> String {
    let parts = world.role_in(place, Role::Coordinator).all(&format!("/verification-campaigns/{campaign}/assignments?limit=200")).await;
    let result = &parts.iter().find(|part| part["region_code"] == village).unwrap()["village_result_id"];
    result.as_str().unwrap().to_owned()
}

/// An open campaign with one family of the place's village.
pub struct Opened {
    pub campaign: String,
    /// The village's part.
    pub result: String,
    pub family: String,
}

pub async fn opened(world: &World, place: Place) -> Opened {
    let (planned, family) = planned(world, place).await;
    let campaign = planned.id();
    open(world, place, &campaign).await;
    let result = part(world, place, &campaign, world.place(place).village).await;
    Opened { campaign, result, family }
}

/// A visit as a phone makes it.
pub fn visit(family: &str) -> Value {
    json!({"id": Uuid::now_v7(), "beneficiary_id": family, "visited_at": "2026-10-03T02:15:00Z", "presence": "found",
        "eligibility": "extreme_poor", "answers": {"poor_floor": true, "no_own_toilet": true, "no_clothes": false},
        "attributes": {"floor": "earth", "toilet": "none"}, "latitude": -2.9, "longitude": 113.02, "accuracy_m": 12})
}

pub fn batch(result: &str, visits: &[Value]) -> Value {
    json!({"village_result_id": result, "sent_at": chrono::Utc::now(), "visits": visits})
}

/// A visit that was sent.
pub async fn visited(world: &World, place: Place, opened: &Opened) -> String {
    let visit = visit(&opened.family);
    let operator = world.role_in(place, Role::VillageOperator);
    let sent = operator.post("/visits", batch(&opened.result, std::slice::from_ref(&visit))).await.expect(200);
    assert_eq!(sent.body["recorded"], 1, "{}", sent.text);
    visit["id"].as_str().unwrap().to_owned()
}

/// A visit that contradicts another one.
async fn conflicting(world: &World, place: Place) -> String {
    let opened = opened(world, place).await;
    visited(world, place, &opened).await;
    let mut second = visit(&opened.family);
    second["eligibility"] = json!("capable");
    let operator = world.role_in(place, Role::VillageOperator);
    let sent = operator.post("/visits", batch(&opened.result, &[second.clone()])).await.expect(200);
    assert_eq!(sent.body["conflicting"], 1, "{}", sent.text);
    second["id"].as_str().unwrap().to_owned()
}

fn criteria(world: &World, place: Place) -> Value {
    json!({"region_code": world.place(place).regency, "code": format!("daerah-{}", Uuid::now_v7()), "edition": 1, "name": "Kriteria daerah",
        "threshold": 1, "criteria": [{"code": "no_land", "question": "Tidak mempunyai lahan"}]})
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("criteria_sets_list", |world, place| {
            let created = world.role_in(place, Role::Coordinator).post("/criteria-sets", criteria(world, place)).await.expect(201);
            Call::list("/criteria-sets?limit=200", [created.id()])
        }),
        case!("criteria_sets_create", |world, place| Call::send("/criteria-sets", criteria(world, place))),
        case!("criteria_sets_fetch", |world, place| {
            let created = world.role_in(place, Role::Coordinator).post("/criteria-sets", criteria(world, place)).await.expect(201);
            Call::get(format!("/criteria-sets/{}", created.id()))
        }),
        case!("verification_campaigns_list", |world, place| {
            Call::list("/verification-campaigns?limit=200", [planned(world, place).await.0.id()])
        }),
        case!("verification_campaigns_create", |world, place| {
            let family = family_in(world, place, world.place(place).village).await;
            let release = release_of(world, place, &[family]).await;
            Call::send("/verification-campaigns", campaign_body(world, place, &release))
        }),
        case!("verification_campaigns_fetch", |world, place| Call::get(format!(
            "/verification-campaigns/{}",
            planned(world, place).await.0.id()
        ))),
        case!("verification_campaigns_edit", |world, place| {
            let (planned, _) = planned(world, place).await;
            let name = format!("Verval {}", Uuid::now_v7());
            Call::edit(format!("/verification-campaigns/{}", planned.id()), &planned.etag(), json!({"name": name}))
        }),
        case!("verification_campaigns_open", |world, place| Call {
            path: format!("/verification-campaigns/{}/open", planned(world, place).await.0.id()),
            ..Call::default()
        }),
        case!("verification_campaigns_assign", |world, place| Call {
            path: format!("/verification-campaigns/{}/assign", opened(world, place).await.campaign),
            ..Call::default()
        }),
        case!("verification_campaigns_close", |world, place| Call {
            path: format!("/verification-campaigns/{}/close", opened(world, place).await.campaign),
            ..Call::default()
        }),
        case!("verification_campaigns_history", |world, place| Call::get(format!(
            "/verification-campaigns/{}/history",
            planned(world, place).await.0.id()
        ))),
        case!("verification_assignments_list", |world, place| {
            let opened = opened(world, place).await;
            Call::list(format!("/verification-campaigns/{}/assignments", opened.campaign), [opened.result])
        }),
        case!("verification_assignments_packet", |world, place| Call::get(format!(
            "/village-results/{}/packet",
            opened(world, place).await.result
        ))),
        case!("visits_list", |world, place| {
            let opened = opened(world, place).await;
            let visit = visited(world, place, &opened).await;
            Call::list(format!("/visits?beneficiary_id={}", opened.family), [visit])
        }),
        case!("visits_send", |world, place| {
            let opened = opened(world, place).await;
            Call::send("/visits", batch(&opened.result, &[visit(&opened.family)]))
        }),
        case!("visits_fetch", |world, place| {
            let opened = opened(world, place).await;
            Call::get(format!("/visits/{}", visited(world, place, &opened).await))
        }),
        case!("visits_settle", |world, place| Call::send(
            format!("/visits/{}/settle", conflicting(world, place).await),
            json!({"stands": true, "reason": "Dikunjungi ulang bersama RT"})
        )),
        case!("visits_history", |world, place| {
            let opened = opened(world, place).await;
            Call::get(format!("/visits/{}/history", visited(world, place, &opened).await))
        }),
    ]
}

#[actix_web::test]
async fn a_campaign_gives_each_village_its_own_families() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (one, two) = (world.home.village, world.home.next_village);
    let mut families = Vec::new();
    for village in [one, one, one, two] {
        families.push(family_in(&world, Place::Home, village).await);
    }
    // Of the first village one is merged into another, one is served no longer; another subdistrict's is not asked for.
    let merge = json!({"kept_id": families[0], "merged_id": families[1], "people_only": false, "reason": "Keluarga yang sama", "same": []});
    let merged = coordinator.post("/family-events/merge", merge.clone()).await;
    let merged = if merged.status == 404 { None } else { Some(merged) };
    let other = "62.02.10.2001";
    families.push(family_in(&world, Place::Home, other).await);
    let release = release_of(&world, Place::Home, &families).await;
    let gone =
        world.role(Role::SocialAffairs).post(&format!("/beneficiaries/{}/deactivate", families[2]), json!({"reason": "moved_out"})).await;
    gone.expect(200);
    let campaign = coordinator.post("/verification-campaigns", campaign_body(&world, Place::Home, &release)).await.expect(201);
    let path = format!("/verification-campaigns/{}", campaign.id());
    assert!(coordinator.all(&format!("{path}/assignments")).await.is_empty(), "a draft gives nothing out");
    coordinator.step(&format!("{path}/assign")).await.refused(409, "campaign_not_open");
    coordinator.step(&format!("{path}/open")).await.expect(202);
    coordinator.step(&format!("{path}/open")).await.refused(409, "step_not_allowed");
    world.run_jobs().await;
    let merged = usize::from(merged.is_some_and(|answer| answer.status < 300));
    let parts = coordinator.all(&format!("{path}/assignments")).await;
    let counts: BTreeMap<_, _> =
        parts.iter().map(|part| (part["region_code"].as_str().unwrap().to_owned(), part["families_assigned"].as_u64().unwrap())).collect();
    assert_eq!(counts, BTreeMap::from([(one.to_owned(), 2 - merged as u64), (two.to_owned(), 1)]), "{parts:?}");

    // The next subdistrict is added while villages are at work; nobody gets a family twice.
    let fetched = coordinator.get(&path).await.expect(200);
    let mut days = fetched.body["subdistricts"].clone();
    let mut more = days[0].clone();
    more["region_code"] = json!("62.02.10");
    days.as_array_mut().unwrap().push(more.clone());
    coordinator.patch(&path, &fetched.etag(), json!({"subdistricts": [more]})).await.refused(409, "campaign_not_draft");
    coordinator.patch(&path, &fetched.etag(), json!({"subdistricts": days})).await.expect(200);
    coordinator.step(&format!("{path}/assign")).await.expect(202);
    world.run_jobs().await;
    let parts = coordinator.all(&format!("{path}/assignments")).await;
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert_eq!(number(&world, "SELECT count(*) FROM assigned_families").await, 4 - merged as i64);

    // A village sees its own part only.
    let own = world.role(Role::VillageOperator).all(&format!("{path}/assignments")).await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["region_code"], one);
    coordinator.step(&format!("{path}/close")).await.expect(200);
    let late = batch(own[0]["village_result_id"].as_str().unwrap(), &[visit(&families[0])]);
    world.role(Role::VillageOperator).post("/visits", late).await.refused(409, "campaign_not_open");
}

#[actix_web::test]
async fn a_packet_tells_what_is_needed_and_no_number_and_is_sent_once() {
    let world = World::new().await;
    let opened = opened(&world, Place::Home).await;
    let operator = world.role(Role::VillageOperator);
    let path = format!("/village-results/{}/packet", opened.result);
    let packet = operator.get(&path).await.expect(200);
    assert_eq!(packet.body["families"].as_array().unwrap().len(), 1);
    assert_eq!(packet.body["families"][0]["members"].as_array().unwrap().len(), 2);
    assert_eq!(packet.body["criteria"].as_array().unwrap().len(), 9);
    assert_eq!(packet.body["threshold"], 6);
    let same = operator.send(reqwest::Method::GET, &path, &[("if-none-match", &packet.etag())], None).await;
    assert_eq!((same.status, same.text.as_str()), (304, ""));
    let visit = visited(&world, Place::Home, &opened).await;
    let again = operator.send(reqwest::Method::GET, &path, &[("if-none-match", &packet.etag())], None).await.expect(200);
    assert_eq!(again.body["families"][0]["standing_visit"]["id"], json!(visit));
    world.flush_reads().await;
    assert_eq!(number(&world, "SELECT count(*) FROM reads WHERE action = 'packet'").await, 3, "each taking is on record");
}

#[actix_web::test]
async fn one_bad_visit_does_not_cost_the_good_ones_and_the_same_batch_changes_nothing() {
    let world = World::new().await;
    let opened = opened(&world, Place::Home).await;
    let operator = world.role(Role::VillageOperator);
    let elsewhere = family_in(&world, Place::Home, world.home.village).await;
    let people = world.role(Role::Coordinator).all(&format!("/beneficiaries/{}/members", opened.family)).await;
    let head = people.iter().find(|member| member["relation"] == "head").unwrap()["id"].clone();
    let nik = "6202995507850001";
    let with = |change: Value| {
        let mut visit = visit(&opened.family);
        visit.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        visit
    };
    let good = with(json!({"corrections": [{"member_id": head, "nik": nik}]}));
    let visits = [
        with(json!({"presence": "lost"})),
        good.clone(),
        with(json!({"beneficiary_id": elsewhere})),
        with(json!({"answers": {"no_such": true}})),
        with(json!({"people": [{"member_id": head, "status": "deceased"}]})),
        with(json!({"people": [{"member_id": Uuid::now_v7(), "status": "deceased"}]})),
        with(json!({"corrections": [{"nik": nik}]})),
        with(json!({"note": "NIK 6202995507850001"})),
        with(json!({"latitude": null})),
        with(json!({"attachment_ids": [Uuid::now_v7()]})),
        with(json!({"based_on_id": Uuid::now_v7()})),
        with(json!({"surprise": nik})),
        json!("nothing"),
    ];
    let body = batch(&opened.result, &visits);
    let sent = operator.post("/visits", body.clone()).await.expect(200);
    assert_eq!((sent.body["recorded"].as_u64(), sent.body["refused"].as_u64()), (Some(1), Some(12)), "{}", sent.text);
    assert!(!sent.text.contains(nik), "no number is repeated: {}", sent.text);
    let codes: Vec<(u64, String, String)> = sent.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["outcome"] == "refused")
        .map(|item| {
            let error = &item["errors"][0];
            (item["index"].as_u64().unwrap(), error["path"].as_str().unwrap().into(), error["code"].as_str().unwrap().into())
        })
        .collect();
    let expected: Vec<(u64, String, String)> = [
        (0, "presence", "unknown_value"),
        (2, "beneficiary_id", "not_assigned"),
        (3, "answers", "unknown_criterion"),
        (4, "people[0].new_head_id", "required"),
        (5, "people[0].member_id", "member_elsewhere"),
        (6, "corrections[0].member_id", "required"),
        (7, "note", "personal_number"),
        (8, "latitude", "pair"),
        (9, "attachment_ids", "attachment_unknown"),
        (10, "based_on_id", "unknown_visit"),
        (11, "surprise", "unknown_field"),
        (12, "", "type"),
    ]
    .map(|(index, path, code)| (index, path.to_owned(), code.to_owned()))
    .into();
    assert_eq!(codes, expected);

    let before = (world.changes().await, number(&world, "SELECT count(*) FROM visits").await);
    let again = operator.post("/visits", body).await.expect(200);
    assert_eq!((again.body["known"].as_u64(), again.body["recorded"].as_u64()), (Some(1), Some(0)), "{}", again.text);
    assert_eq!((world.changes().await, number(&world, "SELECT count(*) FROM visits").await), before);
    let mut other = good;
    other["eligibility"] = json!("poor");
    let taken = operator.post("/visits", batch(&opened.result, &[other])).await.expect(200);
    assert_eq!(taken.body["items"][0]["errors"][0]["code"], "id_taken", "{}", taken.text);

    // The number rests sealed; the list shows its mask.
    let kept = world.sql().await.query_one("SELECT corrections::text, corrections_sealed FROM visits", &[]).await.unwrap();
    assert!(kept.get::<_, String>(0).contains("6202********0001"));
    assert!(!kept.get::<_, Vec<u8>>(1).windows(16).any(|part| part == nik.as_bytes()));
    let dump: String = world.sql().await.query_one("SELECT string_agg(v::text, '') FROM visits v", &[]).await.unwrap().get(0);
    assert!(!dump.contains(nik));
}

#[actix_web::test]
async fn two_operators_on_one_family_see_both_values_and_somebody_settles() {
    let mut world = World::new().await;
    let opened = opened(&world, Place::Home).await;
    let first = world.role(Role::VillageOperator);
    let second = world.hire("second-operator", Role::VillageOperator, world.home.village, None).await;
    let one = visit(&opened.family);
    first.post("/visits", batch(&opened.result, std::slice::from_ref(&one))).await.expect(200);
    let mut two = visit(&opened.family);
    two["presence"] = json!("moved_out");
    two["eligibility"] = json!("not_assessed");
    two["answers"] = json!({});
    let sent = second.post("/visits", batch(&opened.result, &[two.clone()])).await.expect(200);
    let item = &sent.body["items"][0];
    assert_eq!((item["outcome"].as_str(), item["standing_visit_id"].as_str()), (Some("conflicting"), one["id"].as_str()), "{}", sent.text);
    let conflict = |name: &str| item["conflicts"].as_array().unwrap().iter().find(|conflict| conflict["field"] == name).cloned().unwrap();
    assert_eq!(conflict("presence"), json!({"field": "presence", "this": "moved_out", "standing": "found"}));
    assert_eq!(conflict("answers.poor_floor"), json!({"field": "answers.poor_floor", "this": null, "standing": true}));
    // Both are on file; one counts.
    let fetched = first.get(&format!("/visits/{}", two["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(fetched.body["conflicts"], item["conflicts"]);
    let standing = first.all(&format!("/visits?village_result_id={}&state=standing", opened.result)).await;
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0]["id"], one["id"]);
    // Whoever says what both say contradicts nobody; a visit on the ground of the standing one takes its place.
    let mut three = one.clone();
    three["id"] = json!(Uuid::now_v7());
    three["based_on_id"] = one["id"].clone();
    three["eligibility"] = json!("poor");
    assert_eq!(first.post("/visits", batch(&opened.result, &[three.clone()])).await.expect(200).body["recorded"], 1);

    let settle = format!("/visits/{}/settle", two["id"].as_str().unwrap());
    let reason = json!({"stands": true, "reason": "RT membenarkan keluarga sudah pindah"});
    first.post(&settle, reason.clone()).await.refused(403, "forbidden");
    let settled = world.role(Role::VillageHead).post(&settle, reason.clone()).await.expect(200);
    assert_eq!(settled.body["state"], "standing");
    world.role(Role::VillageHead).post(&settle, reason).await.refused(409, "step_not_allowed");
    let states: BTreeMap<String, String> = first
        .all(&format!("/visits?beneficiary_id={}", opened.family))
        .await
        .iter()
        .map(|visit| (visit["id"].as_str().unwrap().to_owned(), visit["state"].as_str().unwrap().to_owned()))
        .collect();
    let of = |visit: &Value| states[visit["id"].as_str().unwrap()].as_str();
    assert_eq!((of(&one), of(&two), of(&three)), ("superseded", "standing", "set_aside"));
}

#[actix_web::test]
async fn what_visits_contradict_stays_readable_when_the_campaign_has_let_go_of_the_numbers() {
    let mut world = World::new().await;
    let opened = opened(&world, Place::Home).await;
    let first = world.role(Role::VillageOperator);
    let second = world.hire("second-operator", Role::VillageOperator, world.home.village, None).await;
    let members = first.all(&format!("/beneficiaries/{}/members", opened.family)).await;
    let head = members.iter().find(|member| member["relation"] == "head").unwrap()["id"].as_str().unwrap().to_owned();
    // The two NIKs look the same when they are masked, the two cards do not.
    let stating = |nik: &str, card: &str| {
        let mut visit = visit(&opened.family);
        visit["corrections"] = json!([{"member_id": head, "nik": nik}, {"kk_number": card}]);
        visit
    };
    let (one, two) = (stating("6202970107800071", "6202970101220071"), stating("6202970207800071", "6202970101220072"));
    first.post("/visits", batch(&opened.result, &[one])).await.expect(200);
    let sent = second.post("/visits", batch(&opened.result, std::slice::from_ref(&two))).await.expect(200);
    let mask = "6202********0071";
    let of_card = json!({"field": "corrections.family.kk_number", "this": "6202********0072", "standing": mask});
    let of_nik = json!({"field": format!("corrections.{head}.nik"), "this": mask, "standing": mask});
    let mut told = [of_nik.clone(), of_card.clone()];
    told.sort_by_key(|told| told["field"].to_string());
    assert_eq!(sent.body["items"][0]["conflicts"], json!(told), "{}", sent.text);

    world.role(Role::Coordinator).step(&format!("/verification-campaigns/{}/close", opened.campaign)).await.expect(200);
    assert_eq!(number(&world, "SELECT count(*) FROM visits WHERE corrections_sealed IS NOT NULL").await, 0);
    let path = format!("/visits/{}", two["id"].as_str().unwrap());
    let read = world.role(Role::Auditor).get(&path).await.expect(200);
    assert_eq!(read.body["conflicts"], json!(told), "{}", read.text);
    // Of a campaign that was closed before contradictions were written down, the masks tell what they can.
    world.sql().await.execute("UPDATE visits SET contradictions = NULL", &[]).await.unwrap();
    assert_eq!(world.role(Role::Auditor).get(&path).await.expect(200).body["conflicts"], json!([of_card]));
}

#[actix_web::test]
async fn a_phones_clock_is_recorded_and_decides_nothing() {
    let world = World::new().await;
    let opened = opened(&world, Place::Home).await;
    let operator = world.role(Role::VillageOperator);
    let first = visit(&opened.family);
    operator.post("/visits", batch(&opened.result, std::slice::from_ref(&first))).await.expect(200);
    // This phone lives a day ahead; its visit claims to be later and counts no more for that.
    let mut ahead = visit(&opened.family);
    ahead["visited_at"] = json!("2026-12-24T00:00:00Z");
    ahead["presence"] = json!("not_found");
    let mut body = batch(&opened.result, &[ahead]);
    body["sent_at"] = json!(chrono::Utc::now() + chrono::Duration::days(1));
    let sent = operator.post("/visits", body).await.expect(200);
    let skew = sent.body["clock_skew_seconds"].as_i64().unwrap();
    assert!((86_390..=86_410).contains(&skew), "{skew}");
    assert_eq!(sent.body["items"][0]["outcome"], "conflicting");
    let kept = number(&world, "SELECT clock_skew_seconds::bigint FROM visits WHERE state = 'conflicting'").await;
    assert_eq!(kept, skew);
}

/// An operator's whole village in the tables, made quickly and alike in every world: families of one head each.
async fn village_of(world: &World, opened: &Opened, families: i64) {
    let sql = world.sql().await;
    let id = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
    for statement in [
        format!("INSERT INTO beneficiaries (id, region_code, status) SELECT {id}, $2, 'active' FROM generate_series(1, $1::bigint) n"),
        format!(
            "INSERT INTO members (id, beneficiary_id, name, relation, status) SELECT {id}, {id}, 'Kepala ' || n, 'head', 'present' FROM generate_series(1, $1::bigint) n WHERE $2::text IS NOT NULL"
        ),
    ] {
        sql.execute(&statement, &[&families, &world.home.village]).await.unwrap();
    }
    sql.execute(
        &format!(
            "INSERT INTO assigned_families (village_result_id, beneficiary_id, campaign_id, region_code)
             SELECT $2, {id}, $3, $4 FROM generate_series(1, $1::bigint) n"
        ),
        &[&families, &opened.result.parse::<Uuid>().unwrap(), &opened.campaign.parse::<Uuid>().unwrap(), &world.home.village],
    )
    .await
    .unwrap();
}

/// Everything that is kept of visits, but for what differs from one run to the next: who and when.
async fn kept(world: &World) -> Vec<String> {
    let rows = world
        .sql()
        .await
        .query(
            "SELECT concat_ws('|', id, beneficiary_id, state, based_on_id, visited_at, presence, eligibility, answers, attributes, criteria_met)
               FROM visits ORDER BY id",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A connection that lets only so many bytes through in each direction and is then cut, without a word, as on a river.
async fn cut_line(to: std::net::SocketAddr, up: usize, down: usize) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    async fn pass(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, mut left: usize) {
        let mut part = [0u8; 4096];
        while left > 0 {
            let most = left.min(part.len());
            let Ok(read @ 1..) = from.read(&mut part[..most]).await else { return };
            if to.write_all(&part[..read]).await.is_err() {
                return;
            }
            left -= read;
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = tokio::net::TcpStream::connect(to).await.unwrap();
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        // Whichever direction ends first takes the other along.
        tokio::select! {
            () = pass(near_in, far_out, up) => {}
            () = pass(far_in, near_out, down) => {}
        }
    });
    address
}

#[actix_web::test]
async fn an_upload_that_is_cut_again_and_again_ends_as_if_it_had_never_been() {
    const VISITS: i64 = 2_000;
    // The same village twice: one batch arrives at once, one over a line that breaks at random points.
    let mut visits = Vec::new();
    let mut dice: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut roll = |most: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        usize::try_from(dice % u64::try_from(most).unwrap()).unwrap()
    };
    for n in 1..=VISITS {
        let mut one = visit(&format!("00000000-0000-7000-8000-{n:012x}"));
        one["presence"] = json!(["found", "not_found", "moved_out", "refused"][roll(4)]);
        one["eligibility"] = json!(["extreme_poor", "poor", "not_assessed"][roll(3)]);
        visits.push(one.clone());
        // Nobody was at home: some come again the next day.
        if roll(10) == 0 {
            one["based_on_id"] = one["id"].clone();
            one["id"] = json!(Uuid::now_v7());
            one["presence"] = json!("found");
            visits.push(one);
        }
    }
    let clean = World::new().await;
    let at = opened(&clean, Place::Home).await;
    village_of(&clean, &at, VISITS).await;
    let sent = clean.role(Role::VillageOperator).post("/visits", batch(&at.result, &visits)).await.expect(200);
    assert_eq!(sent.body["recorded"].as_u64(), Some(visits.len() as u64), "{}", &sent.text[..500.min(sent.text.len())]);
    let expected = kept(&clean).await;
    assert_eq!(expected.iter().filter(|row| row.contains("|standing|")).count(), usize::try_from(VISITS).unwrap());

    let world = World::new().await;
    let at = opened(&world, Place::Home).await;
    village_of(&world, &at, VISITS).await;
    let operator = world.role(Role::VillageOperator);
    let body = batch(&at.result, &visits).to_string().into_bytes();
    let server: std::net::SocketAddr = operator.base.trim_start_matches("http://").parse().unwrap();
    let (mut cuts, mut arrived) = (0, 0);
    let last = loop {
        // Some lines break while the batch goes up, some while the answer comes down, some hold.
        let (up, down) = match cuts {
            0..6 => (roll(body.len()), 1 << 30),
            6..12 => (1 << 30, roll(200_000)),
            _ => (1 << 30, 1 << 30),
        };
        let line = cut_line(server, up, down).await;
        let sent = reqwest::Client::new()
            .post(format!("http://{line}/api/v1/visits"))
            .bearer_auth(operator.token.as_ref().unwrap())
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await;
        // What went up whole is stored, answered or not.
        match sent {
            Ok(answer) if cuts >= 12 => break answer.json::<Value>().await.unwrap(),
            Ok(answer) => drop(answer.bytes().await),
            Err(_) => {}
        }
        cuts += 1;
        arrived = arrived.max(number(&world, "SELECT count(*) FROM visits").await);
    };
    assert_eq!(
        (last["known"].as_u64(), last["recorded"].as_u64()),
        (Some(visits.len() as u64), Some(0)),
        "it was stored before the line held"
    );
    assert_eq!(arrived as usize, visits.len(), "never a part of it");
    assert_eq!(kept(&world).await, expected);
}
