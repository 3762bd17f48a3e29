//! Village results: the chain from the village to the regency through HTTP, what it refuses, and what the acceptance carries over.

use entas::features::verification::{Correction, seal_corrections};
use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Call, Case, Place, World};
use crate::verification::{bare_campaign, wave};

/// An attachment of a place's village, put there as a row.
pub async fn attachment(world: &World, place: Place) -> String {
    let id = Uuid::now_v7();
    let actor = world.actor_id(if place == Place::Home { "village_operator" } else { "village_operator-foreign" });
    world
        .sql()
        .await
        .execute(
            "INSERT INTO attachments (id, region_code, purpose, media_type, bytes, sha256, uploaded_by, object)
             VALUES ($1, $2, 'minutes', 'application/pdf', 10, '\\x00', $3, $1)",
            &[&id, &world.place(place).village, &actor],
        )
        .await
        .unwrap();
    id.to_string()
}

/// An open campaign of a place's regency with its first village's result in it, which has nothing to check yet.
pub async fn village(world: &World, place: Place) -> String {
    let here = world.place(place);
    let campaign = bare_campaign(world, place, &[wave(here.subdistrict, [-20, 10, 20, 30])]).await;
    let result = Uuid::now_v7();
    let sql = "INSERT INTO village_results (id, campaign_id, region_code) VALUES ($1, $2, $3)";
    world.sql().await.execute(sql, &[&result, &campaign, &here.village]).await.unwrap();
    result.to_string()
}

/// A result in a state, as the machine would have left it.
pub async fn standing(world: &World, place: Place, state: &str) -> String {
    let result = village(world, place).await;
    let minutes: Uuid = attachment(world, place).await.parse().unwrap();
    world
        .sql()
        .await
        .execute(
            "UPDATE village_results SET state = $2, meeting_kind = 'musdes', meeting_number = '1', meeting_on = current_date, minutes_id = $3,
                    finalised_at = now() WHERE id = $1",
            &[&result.parse::<Uuid>().unwrap(), &state, &minutes],
        )
        .await
        .unwrap();
    result
}

/// A registered family that is assigned to a village: the family and its members' ids by name.
pub async fn assigned(world: &World, place: Place, result: &str, family: Value) -> (String, Vec<(String, String)>) {
    let dinsos = world.role_in(place, Role::SocialAffairs);
    let id = dinsos.post("/beneficiaries", family).await.expect(201).id();
    let people = dinsos.all(&format!("/beneficiaries/{id}/members")).await;
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    assign(world, result, &id).await;
    (id, people.iter().map(|row| (text(row, "name"), text(row, "id"))).collect())
}

/// Assigns a family on file to a village.
pub async fn assign(world: &World, result: &str, family: &str) {
    world
        .sql()
        .await
        .execute(
            "INSERT INTO assigned_families (village_result_id, beneficiary_id, campaign_id, region_code)
             SELECT id, $2, campaign_id, region_code FROM village_results WHERE id = $1",
            &[&result.parse::<Uuid>().unwrap(), &family.parse::<Uuid>().unwrap()],
        )
        .await
        .unwrap();
}

/// What a visit brought, as the upload would have stored it.
pub struct Visit<'a> {
    pub family: &'a str,
    pub presence: &'a str,
    pub eligibility: &'a str,
    pub attributes: Value,
    pub people: Value,
    pub corrections: Vec<Correction>,
    pub state: &'a str,
}

impl<'a> Visit<'a> {
    pub fn found(family: &'a str) -> Visit<'a> {
        let (attributes, people) = (json!({}), json!([]));
        Visit { family, presence: "found", eligibility: "poor", attributes, people, corrections: Vec::new(), state: "standing" }
    }

    pub async fn store(self, world: &World, result: &str) -> String {
        let id = Uuid::now_v7();
        let sealed = seal_corrections(&world.services.keys, id, &self.corrections).unwrap();
        world
            .sql()
            .await
            .execute(
                "INSERT INTO visits (id, village_result_id, beneficiary_id, campaign_id, region_code, state, visited_at, clock_skew_seconds,
                        recorded_by, presence, eligibility, attributes, people, corrections_sealed, digest)
                 SELECT $1, id, $3, campaign_id, region_code, $4, now() - interval '3 days', 0, $5, $6, $7, $8, $9, $10, '\\x00'
                   FROM village_results WHERE id = $2",
                &[
                    &id,
                    &result.parse::<Uuid>().unwrap(),
                    &self.family.parse::<Uuid>().unwrap(),
                    &self.state,
                    &world.actor_id("village_operator"),
                    &self.presence,
                    &self.eligibility,
                    &self.attributes,
                    &self.people,
                    &sealed,
                ],
            )
            .await
            .unwrap();
        id.to_string()
    }
}

/// What the village head sends after the meeting.
pub fn signed(minutes: &str, days: u16) -> Value {
    let day = chrono::Utc::now().date_naive().to_string();
    json!({"meeting": {"kind": "musdes", "number": "140/07/BA-MD/2026", "held_on": day, "attendants": 31, "chair": "Haji Mahmud",
        "minutes_id": minutes}, "posting_days": days})
}

fn word() -> Value {
    json!({"note": "Daftar hadir belum lengkap"})
}

async fn stepping(world: &World, place: Place, state: &str, step: &str, body: Value) -> Call {
    Call::send(format!("/village-results/{}/{step}", standing(world, place, state).await), body)
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("village_results_list", |world, place| {
            let result = village(world, place).await;
            Call::list(format!("/village-results?limit=200&region={}", world.place(place).village), [result])
        }),
        case!("village_results_fetch", |world, place| Call::get(format!("/village-results/{}", village(world, place).await))),
        case!("village_results_history", |world, place| Call::get(format!("/village-results/{}/history", village(world, place).await))),
        case!("village_results_finalise", |world, place| {
            let minutes = attachment(world, place).await;
            Call::send(format!("/village-results/{}/finalise", village(world, place).await), signed(&minutes, 7))
        }),
        case!("village_results_withdraw", |world, place| stepping(world, place, "finalised", "withdraw", word()).await),
        case!("village_results_forward", |world, place| {
            stepping(world, place, "finalised", "forward", json!({"letter_number": "400/112/Kec-PH/2026"})).await
        }),
        case!("village_results_give_back", |world, place| stepping(world, place, "finalised", "return", word()).await),
        case!("village_results_recall", |world, place| stepping(world, place, "forwarded", "recall", word()).await),
        case!("village_results_send_back", |world, place| stepping(world, place, "forwarded", "send-back", word()).await),
        case!("village_results_accept", |world, place| stepping(world, place, "forwarded", "accept", json!({})).await),
        case!("village_results_reopen", |world, place| stepping(world, place, "accepted", "reopen", word()).await),
        case!("village_results_list_verdicts", |world, place| {
            let result = village(world, place).await;
            let (family, _) = assigned(world, place, &result, one(world, place)).await;
            Visit::found(&family).store(world, &result).await;
            let body = json!({"items": [{"beneficiary_id": family, "eligibility": "poor"}]});
            let path = format!("/village-results/{result}/verdicts");
            world.role_in(place, Role::VillageHead).post(&path, body).await.expect(200);
            Call::list(path, [family])
        }),
        case!("village_results_record_verdicts", |world, place| {
            let result = village(world, place).await;
            let (family, _) = assigned(world, place, &result, one(world, place)).await;
            Visit::found(&family).store(world, &result).await;
            let item = json!({"beneficiary_id": family, "eligibility": "capable", "reason": "Punya dua rumah"});
            Call::send(format!("/village-results/{result}/verdicts"), json!({"items": [item]}))
        }),
    ]
}

/// A family of one whom nobody resembles.
pub fn one(world: &World, place: Place) -> Value {
    json!({"region_code": world.place(place).village, "members": [{"name": format!("Ibu {}", Uuid::now_v7().simple()), "relation": "head"}]})
}

#[actix_web::test]
async fn a_village_result_goes_up_and_comes_back_and_every_hand_over_is_told() {
    let world = World::new().await;
    let (head, operator) = (world.role(Role::VillageHead), world.role(Role::VillageOperator));
    let (camat, dinsos) = (world.role(Role::SubdistrictOfficer), world.role(Role::SocialAffairs));
    let result = village(&world, Place::Home).await;
    let path = format!("/village-results/{result}");
    let step = |name: &str| format!("{path}/{name}");
    let minutes = attachment(&world, Place::Home).await;
    let (one_family, _) = assigned(&world, Place::Home, &result, one(&world, Place::Home)).await;
    let (other, _) = assigned(&world, Place::Home, &result, one(&world, Place::Home)).await;

    // What is undone is named with how much of it.
    let missing = head.post(&step("finalise"), signed(&minutes, 7)).await.refused(409, "visits_missing");
    assert!(missing.body["detail"].as_str().unwrap().starts_with("2 "), "{}", missing.text);
    Visit::found(&one_family).store(&world, &result).await;
    Visit::found(&other).store(&world, &result).await;
    let conflicting = Visit { state: "conflicting", ..Visit::found(&other) }.store(&world, &result).await;
    head.post(&step("finalise"), signed(&minutes, 7)).await.refused(409, "conflicts_open");
    let settle = "UPDATE visits SET state = 'set_aside' WHERE id = $1";
    world.sql().await.execute(settle, &[&conflicting.parse::<Uuid>().unwrap()]).await.unwrap();

    // The meeting: bad items are all named by their places, and nothing is recorded of such a list.
    let stranger = Uuid::now_v7();
    let bad = json!({"items": [{"beneficiary_id": one_family, "eligibility": "capable"}, {"beneficiary_id": stranger, "eligibility": "poor"},
        {"eligibility": "poor"}, {"beneficiary_id": other, "eligibility": "poor"}, {"beneficiary_id": other, "eligibility": "poor"}]});
    let refused = head.post(&step("verdicts"), bad).await.refused(422, "invalid");
    let places: Vec<&str> = refused.body["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    assert_eq!(places, ["items[0].reason", "items[1]", "items[2]", "items[4]"], "{}", refused.text);
    assert!(operator.all(&step("verdicts")).await.is_empty());
    let good = json!({"items": [{"beneficiary_id": one_family, "eligibility": "capable", "reason": "Sudah punya toko"}]});
    let recorded = operator.post(&step("verdicts"), good).await.expect(200);
    let shown = head.get(&path).await.expect(200);
    assert_eq!(recorded.body["version"], shown.body["version"]);
    let counts = &shown.body["counts"];
    assert_eq!(
        (counts["assigned"].as_i64(), counts["visited"].as_i64(), counts["capable"].as_i64()),
        (Some(2), Some(2), Some(1)),
        "{counts}"
    );

    // Somebody else's minutes, a meeting in the future, a meeting without people.
    let foreign = attachment(&world, Place::Foreign).await;
    head.post(&step("finalise"), signed(&foreign, 7)).await.refused(422, "attachment_unknown");
    for (field, value) in [("held_on", json!("2199-01-01")), ("attendants", Value::Null), ("number", json!(" "))] {
        let mut body = signed(&minutes, 7);
        body["meeting"][field] = value;
        let refused = head.post(&step("finalise"), body).await.refused(422, "invalid");
        assert_eq!(refused.body["errors"][0]["path"], format!("meeting.{field}"), "{}", refused.text);
    }
    let finalised = head.post(&step("finalise"), signed(&minutes, 7)).await.expect(200);
    assert_eq!((finalised.body["state"].as_str(), finalised.body["finalising"]["late"].as_bool()), (Some("finalised"), Some(false)));
    let today = chrono::Utc::now().date_naive();
    assert_eq!(finalised.body["posted_until"], (today + chrono::TimeDelta::days(6)).to_string());
    let late = json!({"items": [{"beneficiary_id": other, "eligibility": "poor"}]});
    operator.post(&step("verdicts"), late).await.refused(409, "result_not_open");

    // The camat waits for the posting, returns, gets it again, forwards it, takes it back, forwards it.
    let letter = json!({"letter_number": "400/112"});
    camat.post(&step("forward"), letter.clone()).await.refused(409, "posting_running");
    dinsos.post(&step("accept"), json!({})).await.refused(409, "step_not_allowed");
    camat.post(&step("return"), json!({})).await.refused(422, "invalid");
    let returned = camat.post(&step("return"), word()).await.expect(200);
    assert_eq!((returned.body["state"].as_str(), returned.body["note"].as_str()), (Some("returned"), Some("Daftar hadir belum lengkap")));
    let (at, etag) = (step("finalise"), finalised.etag());
    let body = Some(signed(&minutes, 0).to_string().into_bytes());
    let stale = head.send(reqwest::Method::POST, &at, &[("if-match", &etag)], body).await;
    stale.refused(412, "version_stale");
    // What residents were promised is not taken back by signing anew.
    head.post(&step("finalise"), signed(&minutes, 0)).await.expect(200);
    head.post(&step("withdraw"), word()).await.expect(200);
    let again = head.post(&step("finalise"), signed(&minutes, 0)).await.expect(200);
    assert_eq!(again.body["posted_until"], finalised.body["posted_until"]);
    camat.post(&step("forward"), letter.clone()).await.refused(409, "posting_running");
    let a_month_later = "UPDATE village_results SET posted_from = posted_from - 30, posted_until = posted_until - 30 WHERE id = $1";
    world.sql().await.execute(a_month_later, &[&result.parse::<Uuid>().unwrap()]).await.unwrap();
    camat.post(&step("forward"), letter.clone()).await.expect(200);
    head.post(&step("withdraw"), word()).await.refused(409, "step_not_allowed");
    camat.post(&step("recall"), word()).await.expect(200);
    camat.post(&step("forward"), letter.clone()).await.expect(200);
    dinsos.post(&step("send-back"), word()).await.expect(200);
    head.post(&step("finalise"), signed(&minutes, 0)).await.expect(200);
    camat.post(&step("forward"), letter).await.expect(200);
    let accepted = dinsos.step(&step("accept")).await.expect(200);
    assert_eq!((accepted.body["state"].as_str(), &accepted.body["not_applied"]), (Some("accepted"), &json!([])));
    dinsos.post(&step("reopen"), word()).await.expect(200);

    let told = world.role(Role::Auditor).all(&step("history")).await;
    let actions: Vec<&str> = told.iter().map(|change| change["action"].as_str().unwrap()).collect();
    let way = [
        "verdict_recorded",
        "finalised",
        "returned",
        "finalised",
        "withdrawn",
        "finalised",
        "forwarded",
        "recalled",
        "forwarded",
        "sent_back",
        "finalised",
        "forwarded",
        "accepted",
        "reopened",
    ];
    assert_eq!(actions, way);
    assert!(told.iter().all(|change| change["actor_id"].is_string() && change["at"].is_string()));
    assert_eq!(told[2]["reason"], "Daftar hadir belum lengkap");

    // What is late follows from the days; in a campaign that is over nothing goes back to the village.
    let campaign: Uuid = accepted.body["campaign_id"].as_str().unwrap().parse().unwrap();
    let days = "UPDATE campaign_subdistricts SET starts_on = current_date - 40, finalise_by = current_date - 30 WHERE campaign_id = $1";
    world.sql().await.execute(days, &[&campaign]).await.unwrap();
    let mine = format!("/village-results?campaign_id={campaign}");
    let overdue = camat.all(&format!("{mine}&late=true&state=returned")).await;
    assert_eq!((overdue.len(), overdue[0]["late"].as_bool(), overdue[0]["finalising"]["late"].as_bool()), (1, Some(true), Some(true)));
    assert!(camat.all(&format!("{mine}&late=false")).await.is_empty());
    world.sql().await.execute("UPDATE verification_campaigns SET state = 'closed' WHERE id = $1", &[&campaign]).await.unwrap();
    head.post(&step("finalise"), signed(&minutes, 0)).await.refused(409, "campaign_not_open");
}

#[actix_web::test]
async fn two_accept_at_once_and_it_is_accepted_once() {
    let world = World::new().await;
    let result = standing(&world, Place::Home, "forwarded").await;
    let path = format!("/village-results/{result}/accept");
    let (dinsos, bappeda) = (world.role(Role::SocialAffairs), world.role(Role::Coordinator));
    let answers = futures_util::future::join_all([dinsos.step(&path), bappeda.step(&path), dinsos.step(&path)]).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409]);
}

#[actix_web::test]
async fn the_acceptance_carries_what_was_found_and_names_what_it_could_not() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let result = standing(&world, Place::Home, "forwarded").await;
    let family = |name: &str, card: Option<&str>| {
        json!({"region_code": world.home.village, "kk_number": card, "attributes": {"floor": "earth", "roof": "thatch"},
            "members": [{"name": name, "relation": "head", "birth_date": "1970-01-02"}, {"name": format!("Istri {name}"), "relation": "spouse"}]})
    };
    let (a, people_a) = assigned(&world, Place::Home, &result, family("Asnawi", Some("6202990101200901"))).await;
    let (b, people_b) = assigned(&world, Place::Home, &result, family("Bahrun", Some("6202990101200902"))).await;
    let (gone, people_gone) = assigned(&world, Place::Home, &result, family("Cahya", None)).await;
    let (left, _) = assigned(&world, Place::Home, &result, family("Darman", None)).await;
    let (lost, _) = assigned(&world, Place::Home, &result, family("Effendi", None)).await;
    let (kept, _) = assigned(&world, Place::Home, &result, family("Fahri", None)).await;
    let (merged, _) = assigned(&world, Place::Home, &result, family("Gunawan", None)).await;
    let id = |people: &[(String, String)], at: usize| -> Uuid { people[at].1.parse().unwrap() };

    // A gets B's card, and B a new one: each is possible because the other one gives its number up in the same acceptance.
    let nik = "6202990201700931";
    let person =
        Correction { member_id: Some(id(&people_a, 0)), nik: Some(nik.into()), name: Some("Asnawi Karim".into()), ..Correction::default() };
    let card = |number: &str| Correction { kk_number: Some(number.into()), ..Correction::default() };
    let visit_a = Visit {
        attributes: json!({"floor": "earth", "roof": "zinc"}),
        corrections: vec![card("6202990101200902"), person],
        ..Visit::found(&a)
    };
    visit_a.store(&world, &result).await;
    // B's head died and his wife heads the family; somebody who is no member of anything cannot be corrected.
    let people = json!([{"member_id": people_b[0].1, "status": "deceased", "new_head_id": people_b[1].1}]);
    let stranger = Correction { member_id: Some(Uuid::now_v7()), name: Some("Siapa".into()), ..Correction::default() };
    let visit_b = Visit { people, corrections: vec![card("6202990101200903"), stranger], ..Visit::found(&b) }.store(&world, &result).await;
    Visit { presence: "deceased", eligibility: "not_assessed", ..Visit::found(&gone) }.store(&world, &result).await;
    Visit { presence: "moved_out", eligibility: "not_assessed", ..Visit::found(&left) }.store(&world, &result).await;
    Visit { presence: "not_found", eligibility: "not_assessed", ..Visit::found(&lost) }.store(&world, &result).await;
    Visit::found(&kept).store(&world, &result).await;
    // This one turns out to be another one between the visit and the acceptance: what was found follows.
    Visit { attributes: json!({"toilet": "none"}), ..Visit::found(&merged) }.store(&world, &result).await;
    let merge = json!({"other_id": merged, "reason": "Tercatat dua kali"});
    dinsos.post(&format!("/beneficiaries/{kept}/merge"), merge).await.expect(201);

    let accepted = dinsos.post(&format!("/village-results/{result}/accept"), json!({"note": "Lengkap"})).await.expect(200);
    let not_applied = accepted.body["not_applied"].as_array().unwrap();
    assert_eq!(not_applied.len(), 1, "{}", accepted.text);
    assert_eq!((&not_applied[0]["visit_id"], &not_applied[0]["field"]), (&json!(visit_b), &json!("identity")));
    assert_eq!(not_applied[0]["code"], "not_found");

    let shown = |id: &str| {
        let path = format!("/beneficiaries/{id}");
        let dinsos = dinsos.clone();
        async move { dinsos.get(&path).await.expect(200).body }
    };
    let now = shown(&a).await;
    assert_eq!((now["kk_number_masked"].as_str(), now["head"]["name"].as_str()), (Some("6202********0902"), Some("Asnawi Karim")), "{now}");
    assert_eq!((&now["welfare"]["attributes"]["roof"], &now["welfare"]["attributes"]["floor"]), (&json!("zinc"), &json!("earth")));
    assert_eq!(now["head"]["nik_masked"], "6202********0931", "{now}");
    let origins = dinsos.get(&format!("/beneficiaries/{a}/provenance")).await.expect(200).body;
    let source = |field: &str| {
        let fields = origins["fields"].as_array().unwrap();
        fields.iter().find(|row| row["field"] == field).unwrap_or_else(|| panic!("{field}: {origins}"))["source"].clone()
    };
    assert_eq!(
        (source("attributes.roof"), source("attributes.floor"), source("kk_number")),
        (json!("verified"), json!("verified"), json!("verified"))
    );
    let now = shown(&b).await;
    assert_eq!((now["kk_number_masked"].as_str(), now["head"]["name"].as_str()), (Some("6202********0903"), Some("Istri Bahrun")), "{now}");
    let now = shown(&gone).await;
    assert_eq!(
        (now["status"].as_str(), now["inactive_reason"].as_str(), now["member_count"].as_i64()),
        (Some("inactive"), Some("deceased"), Some(0))
    );
    let dead = dinsos.get(&format!("/beneficiaries/{gone}/members/{}", people_gone[0].1)).await.expect(200).body;
    assert_eq!(dead["status"], "deceased");
    let now = shown(&left).await;
    assert_eq!((now["status"].as_str(), now["inactive_reason"].as_str()), (Some("inactive"), Some("moved_out")));
    assert_eq!(shown(&lost).await["status"], "active", "who was not found may turn up");
    assert_eq!(shown(&kept).await["welfare"]["attributes"]["toilet"], "none", "what was found of the merged family follows");
    let told = dinsos.all(&format!("/beneficiaries/{a}/history")).await;
    assert!(told.iter().any(|change| change["fields"]["village_result_id"] == json!(result)), "{told:?}");

    // The numbers rest in the records now and nowhere else; what could not be carried over waits for somebody.
    let sealed = "SELECT count(*) FILTER (WHERE corrections_sealed IS NOT NULL), count(*) FILTER (WHERE carried_at IS NULL) FROM visits WHERE village_result_id = $1";
    let row = world.sql().await.query_one(sealed, &[&result.parse::<Uuid>().unwrap()]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 0));

    // Carried over once: what somebody corrects later is not undone by accepting the village again.
    dinsos
        .patch(
            &format!("/beneficiaries/{a}"),
            &dinsos.get(&format!("/beneficiaries/{a}")).await.etag(),
            json!({"attributes": {"roof": "tile"}}),
        )
        .await;
    dinsos.post(&format!("/village-results/{result}/reopen"), word()).await.expect(200);
    assert_eq!(shown(&a).await["kk_number_masked"], "6202********0902", "reopening takes nothing back");
    world
        .sql()
        .await
        .execute("UPDATE village_results SET state = 'forwarded' WHERE id = $1", &[&result.parse::<Uuid>().unwrap()])
        .await
        .unwrap();
    let before = shown(&a).await["version"].clone();
    dinsos.step(&format!("/village-results/{result}/accept")).await.expect(200);
    assert_eq!(shown(&a).await["version"], before);
}

#[actix_web::test]
async fn two_families_that_have_each_others_cards_stay_as_they_are_and_stop_nothing() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let result = standing(&world, Place::Home, "forwarded").await;
    let cards = ["6202990101200911", "6202990101200912"];
    let mut families = Vec::new();
    for card in cards {
        let mut family = one(&world, Place::Home);
        family["kk_number"] = json!(card);
        families.push(assigned(&world, Place::Home, &result, family).await.0);
    }
    for (family, card) in families.iter().zip([cards[1], cards[0]]) {
        let correction = Correction { kk_number: Some(card.into()), ..Correction::default() };
        let visit = Visit { attributes: json!({"floor": "tiles"}), corrections: vec![correction], ..Visit::found(family) };
        visit.store(&world, &result).await;
    }
    let accepted = dinsos.step(&format!("/village-results/{result}/accept")).await.expect(200);
    let codes: Vec<&str> = accepted.body["not_applied"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["family_card_taken", "family_card_taken"], "{}", accepted.text);
    assert_eq!(dinsos.get(&format!("/village-results/{result}")).await.body["not_applied"], accepted.body["not_applied"]);
    for (family, card) in families.iter().zip(["0911", "0912"]) {
        let now = dinsos.get(&format!("/beneficiaries/{family}")).await.expect(200).body;
        assert!(now["kk_number_masked"].as_str().unwrap().ends_with(card) && now["welfare"]["attributes"]["floor"] == "tiles", "{now}");
    }
}
