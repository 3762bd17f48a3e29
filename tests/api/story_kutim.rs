//! Kutai Timur through HTTP alone: 5,000 families, two subdistricts verified first, proposals, returns, a decree, changes, a second
//! decree, and every difference explained. Each figure is counted again from what was sent, never from another answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entas::platform::policy::Role;
use entas::simulate::{Family, Village};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::attachments::attachment;
use crate::datasets::{List, dataset, send};
use crate::results::signed;
use crate::support::{Client, Place, World};
use crate::verification::{batch, visit};

const ANCALONG: &str = "64.08.01";
const BENGKAL: &str = "64.08.03";
/// Of Muara Bengkal 400 families, of Muara Ancalong 520, of 5,000 (article A1).
const FIRST: [(&str, usize); 2] = [(BENGKAL, 400), (ANCALONG, 520)];

/// What the story's officers find, by the number of the family in its village.
fn found(number: usize) -> (&'static str, &'static str) {
    match number % 20 {
        0 => ("not_found", "not_assessed"),
        1 => ("deceased", "not_assessed"),
        2 => ("moved_out", "not_assessed"),
        3 => ("duplicate", "not_assessed"),
        4 => ("moved_within", "extreme_poor"),
        5 | 6 => ("found", "capable"),
        7 | 8 => ("found", "poor"),
        9 => ("refused", "not_assessed"),
        _ => ("found", "extreme_poor"),
    }
}

/// Whether such a family comes on the list by the rules.
fn is_target((presence, eligibility): (&str, &str)) -> bool {
    matches!(presence, "found" | "moved_within") && eligibility == "extreme_poor"
}

/// The people who act in one village.
struct Officers {
    operator: Client,
    head: Client,
}

/// One village's part of the campaign, and what was found there.
struct Part {
    result: String,
    village: String,
    /// By family: the visit that counts, and what it says.
    found: BTreeMap<String, (Value, (&'static str, &'static str))>,
    minutes: String,
}

struct Story {
    world: World,
    officers: HashMap<String, Officers>,
    camat: HashMap<String, Client>,
    dinsos: Client,
    bappeda: Client,
    bupati: Client,
}

impl Story {
    async fn hire(&mut self, village: &str) {
        let hired = |role: Role| format!("{}-{village}", role.name());
        let operator = self.world.hire(&hired(Role::VillageOperator), Role::VillageOperator, village, None).await;
        let head = self.world.hire(&hired(Role::VillageHead), Role::VillageHead, village, None).await;
        self.officers.insert(village.to_owned(), Officers { operator, head });
    }

    /// Takes the packet, visits everybody, sends the day's work.
    async fn verify(&self, part: &mut Part) {
        let operator = &self.officers[&part.village].operator;
        let packet = operator.get(&format!("/village-results/{}/packet", part.result)).await.expect(200);
        let families: Vec<String> =
            packet.body["families"].as_array().unwrap().iter().map(|family| text(family, "beneficiary_id")).collect();
        let mut visits = Vec::new();
        for (number, family) in families.iter().enumerate() {
            let (presence, eligibility) = found(number);
            let mut one = visit(family);
            one["presence"] = json!(presence);
            one["eligibility"] = json!(eligibility);
            visits.push(one.clone());
            part.found.insert(family.clone(), (one, (presence, eligibility)));
        }
        let sent = operator.post("/visits", batch(&part.result, &visits)).await.expect(200);
        assert_eq!(sent.body["recorded"].as_u64(), Some(visits.len() as u64), "{}", &sent.text[..400.min(sent.text.len())]);
    }

    async fn finalise(&self, part: &Part) {
        let head = &self.officers[&part.village].head;
        head.post(&format!("/village-results/{}/finalise", part.result), signed(&part.minutes, 0)).await.expect(200);
    }

    async fn step(&self, who: &Client, part: &Part, step: &str, body: Value) -> String {
        text(&who.post(&format!("/village-results/{}/{step}", part.result), body).await.expect(200).body, "state")
    }

    fn camat_of(&self, part: &Part) -> &Client {
        &self.camat[&part.village[..8]]
    }

    /// From the meeting to the acceptance, with nothing in the way.
    async fn through(&self, part: &Part) {
        self.finalise(part).await;
        assert_eq!(self.step(self.camat_of(part), part, "forward", json!({"letter_number": "400.7/12/2026"})).await, "forwarded");
        assert_eq!(self.step(&self.dinsos, part, "accept", json!({})).await, "accepted");
    }

    /// Drafts a list, submits and decrees it.
    async fn decree(&self, number: i64) -> Value {
        let body = json!({"region_code": "64.08", "title": format!("Keluarga sasaran {number}")});
        let list = self.bappeda.post("/target-lists", body).await.expect(202).id();
        self.world.run_jobs().await;
        self.bappeda.step(&format!("/target-lists/{list}/submit")).await.expect(200);
        let decree = json!({"sk_number": format!("188.45-{number}"), "sk_date": chrono::Utc::now().date_naive(),
            "signatory_name": "Bupati Contoh", "signatory_title": "Bupati Kutai Timur"});
        self.bupati.post(&format!("/target-lists/{list}/decree"), decree).await.expect(200).body
    }

    async fn on(&self, list: &Value) -> BTreeSet<String> {
        let entries = self.bappeda.all(&format!("/target-lists/{}/entries?included=true&limit=200", text(list, "id"))).await;
        entries.iter().map(|entry| text(entry, "beneficiary_id")).collect()
    }

    async fn in_force(&self) -> Vec<String> {
        let lists = self.bappeda.all("/target-lists?region=64.08&state=decreed").await;
        lists.iter().map(|list| text(list, "id")).collect()
    }

    async fn progress(&self, campaign: &str) -> Value {
        self.bappeda.get(&format!("/monitoring/verification-progress?campaign={campaign}&by=subdistrict")).await.expect(200).body
    }

    /// The codes of the steps by which a list explains a family.
    async fn explained(&self, list: &Value, family: &str) -> Vec<Value> {
        let path = format!("/target-lists/{}/entries/{family}/explanation", text(list, "id"));
        self.bappeda.get(&path).await.expect(200).body["steps"].as_array().unwrap().clone()
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}

/// Places so many families in the villages of each of the two subdistricts, and nobody else there.
fn place(list: &mut List) {
    let of = |villages: &[Village], subdistrict: &str| -> Vec<usize> {
        (0..villages.len()).filter(|at| villages[*at].code.starts_with(subdistrict)).collect()
    };
    let elsewhere: Vec<usize> = (0..list.villages.len())
        .filter(|at| FIRST.iter().all(|(subdistrict, _)| !list.villages[*at].code.starts_with(subdistrict)))
        .collect();
    for (number, family) in list.families.iter_mut().enumerate() {
        family.village = elsewhere[number % elsewhere.len()];
    }
    let mut next = 0;
    for (subdistrict, families) in FIRST {
        let villages = of(&list.villages, subdistrict);
        for number in 0..families {
            list.families[next].village = villages[number % villages.len()];
            next += 1;
        }
    }
}

/// A family as a village proposes it.
fn proposal(part: &Part, family: Value) -> Value {
    json!({"id": Uuid::now_v7(), "village_result_id": part.result, "family": family, "eligibility": "extreme_poor",
        "visited_at": chrono::Utc::now(), "answers": {"poor_floor": true}})
}

fn somebody_new(village: &str, number: usize) -> Value {
    let name = ["Daeng Marewa", "Ngatmini Sukarti", "Petrus Lawai", "Rukiyah Basri", "Yohanes Ding", "Saodah Tamrin"][number % 6];
    json!({"region_code": village, "address": "Hulu sungai", "members": [{"name": name, "relation": "head",
        "birth_date": format!("19{:02}-{:02}-{:02}", 50 + number % 40, 1 + number % 12, 1 + number % 28)}]})
}

/// Somebody who stands in the list already, with the number that says so.
fn somebody_known(village: &str, family: &Family) -> Value {
    let head = &family.members[0];
    json!({"region_code": village, "members": [{"name": head.name, "relation": "head", "nik": head.nik, "birth_date": head.birth_date}]})
}

#[actix_web::test]
async fn from_the_national_list_to_the_regents_second_decree() {
    let world = World::new().await;
    let mut list = List::new(&world, "64.08", 2026, 5_000).await;
    place(&mut list);
    let (dinsos, bappeda) = (world.role_in(Place::Foreign, Role::SocialAffairs), world.role_in(Place::Foreign, Role::Coordinator));
    let bupati = world.role_in(Place::Foreign, Role::Leadership);
    let mut story = Story { world, officers: HashMap::new(), camat: HashMap::new(), dinsos, bappeda, bupati };

    // The list arrives whole.
    let (dataset, _) = dataset(&story.world, Place::Foreign).await;
    let release = send(&story.bappeda, &dataset, &[("mode", "commit")], list.csv().as_bytes()).await.expect(202);
    story.world.run_jobs().await;
    let release = text(&release.body, "release_id");
    assert_eq!(crate::datasets::number(&story.world, "SELECT count(*) FROM beneficiaries").await, 5_000);

    // Dinsos leads; Muara Bengkal and Muara Ancalong come first.
    let today = chrono::Utc::now().date_naive();
    let days = |subdistrict: &str| {
        json!({"region_code": subdistrict, "starts_on": today, "finalise_by": today + chrono::Days::new(20),
            "forward_by": today + chrono::Days::new(30), "accept_by": today + chrono::Days::new(40)})
    };
    let body = json!({"region_code": "64.08", "name": "Verval Kutim gelombang 1", "lead_agency_id": story.world.foreign.agency,
        "release_id": release, "subdistricts": [days(BENGKAL), days(ANCALONG)]});
    let campaign = story.dinsos.post("/verification-campaigns", body).await.expect(201).id();
    story.dinsos.step(&format!("/verification-campaigns/{campaign}/open")).await.expect(202);
    story.world.run_jobs().await;
    let assigned = story.dinsos.all(&format!("/verification-campaigns/{campaign}/assignments?limit=200")).await;
    for (subdistrict, families) in FIRST {
        let of = assigned.iter().filter(|part| text(part, "region_code").starts_with(subdistrict));
        assert_eq!(of.map(|part| part["families_assigned"].as_u64().unwrap()).sum::<u64>(), families as u64, "{subdistrict}");
        let camat = story.world.hire(&format!("camat-{subdistrict}"), Role::SubdistrictOfficer, subdistrict, None).await;
        story.camat.insert(subdistrict.to_owned(), camat);
    }
    let mut parts = Vec::new();
    for row in &assigned {
        let village = text(row, "region_code");
        story.hire(&village).await;
        let minutes = attachment(&story.officers[&village].head, &village, "minutes").await;
        parts.push(Part { result: text(row, "village_result_id"), village, found: BTreeMap::new(), minutes });
    }

    // Every village checks its families. Before that nothing can be finalised.
    let head = &story.officers[&parts[0].village].head;
    let finalise = format!("/village-results/{}/finalise", parts[0].result);
    head.post(&finalise, signed(&parts[0].minutes, 0)).await.refused(409, "visits_missing");
    for part in &mut parts {
        story.verify(part).await;
    }

    // Proposals: one new family a village; the first village also names somebody who is on file elsewhere.
    let mut proposed = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let operator = &story.officers[&part.village].operator;
        let sent = operator.post("/proposals", proposal(part, somebody_new(&part.village, number))).await.expect(201);
        assert_eq!((text(&sent.body, "state"), &sent.body["needs_review"]), ("open".to_owned(), &json!(false)), "{}", sent.text);
        proposed.push((part.village.clone(), sent.id()));
    }
    let elsewhere = list.families.iter().rev().find(|family| family.members[0].nik.is_some() && family.members[0].dukcapil_match).unwrap();
    let known = proposal(&parts[0], somebody_known(&parts[0].village, elsewhere));
    let operator = &story.officers[&parts[0].village].operator;
    let sent = operator.post("/proposals", known).await.expect(201);
    assert_eq!(text(&sent.body, "state"), "on_file", "{}", sent.text);
    assert_eq!(sent.body["on_file"]["beneficiary_id"], Value::Null, "who lives elsewhere is not told to a village: {}", sent.text);

    // The meeting takes up every proposal but the last.
    let (refused, taken) = proposed.split_last().unwrap();
    for (village, id) in &proposed {
        let part = parts.iter().find(|part| part.village == *village).unwrap();
        let verdict =
            json!({"items": [{"proposal_id": id, "eligibility": "extreme_poor", "confirmed": id != &refused.1, "reason": "Musyawarah"}]});
        let operator = &story.officers[village].operator;
        operator.post(&format!("/village-results/{}/verdicts", part.result), verdict).await.expect(200);
    }

    // The hand-overs: out of order and by the wrong side nothing moves.
    let (first, rest) = parts.split_first().unwrap();
    let (second, others) = rest.split_first().unwrap();
    story.dinsos.post(&format!("/village-results/{}/accept", first.result), json!({})).await.refused(409, "step_not_allowed");
    let stranger = &story.officers[&second.village].head;
    stranger.post(&format!("/village-results/{}/finalise", first.result), signed(&first.minutes, 0)).await.refused(404, "not_found");
    story.finalise(first).await;
    let late = batch(&first.result, &[visit(first.found.keys().next().unwrap())]);
    story.officers[&first.village].operator.post("/visits", late).await.refused(409, "result_not_open");
    // The camat returns the first one, Dinsos sends the second one back; both are mended and go through.
    let note = json!({"note": "Daftar hadir belum dilampirkan"});
    assert_eq!(story.step(story.camat_of(first), first, "return", note.clone()).await, "returned");
    story.finalise(second).await;
    assert_eq!(story.step(story.camat_of(second), second, "forward", json!({"letter_number": "400.7/11/2026"})).await, "forwarded");
    assert_eq!(story.step(&story.dinsos, second, "send-back", note).await, "returned");
    for part in [first, second].into_iter().chain(others) {
        story.through(part).await;
    }
    let history = story.dinsos.all(&format!("/village-results/{}/history?limit=200", second.result)).await;
    let steps: Vec<String> = history.iter().map(|change| text(change, "action")).filter(|action| action != "verdicts_recorded").collect();
    let actors: BTreeSet<String> = history.iter().map(|change| text(change, "actor_id")).collect();
    assert!(actors.len() >= 3, "village, camat and Dinsos stand in the history: {steps:?}");

    // Every figure of the rakor's board.
    let told = story.progress(&campaign).await;
    for (subdistrict, families) in FIRST {
        let row = told["items"].as_array().unwrap().iter().find(|row| row["region_code"] == subdistrict).unwrap();
        let of: Vec<_> = parts.iter().filter(|part| part.village.starts_with(subdistrict)).collect();
        let count = |wanted: &str| of.iter().flat_map(|part| part.found.values()).filter(|(_, (presence, _))| *presence == wanted).count();
        let counted = json!({"not_found": count("not_found"), "deceased": count("deceased"), "moved_out": count("moved_out"),
            "duplicate": count("duplicate"), "refused": count("refused")});
        assert_eq!(row["families"]["removed"], counted, "{subdistrict}");
        let figures = ["assigned", "visited", "accepted"].map(|name| row["families"][name].as_u64().unwrap());
        assert_eq!(figures, [families as u64; 3], "{subdistrict}: {row}");
        assert_eq!(row["families"]["found"].as_u64(), Some(count("found") as u64));
        let registered = taken.iter().filter(|(village, _)| village.starts_with(subdistrict)).count();
        assert_eq!(row["families"]["proposed_registered"].as_u64(), Some(registered as u64), "{row}");
        assert_eq!(row["villages"]["accepted"].as_u64(), Some(of.len() as u64));
    }

    // Decree 1: those found and judged so, and the families that the meetings took up.
    let decree1 = story.decree(377).await;
    let mut registered = BTreeMap::new();
    for (_, id) in taken {
        let row = story.dinsos.get(&format!("/proposals/{id}")).await.expect(200).body;
        assert_eq!(text(&row, "state"), "registered");
        registered.insert(id.clone(), text(&row["on_file"], "beneficiary_id"));
    }
    assert_eq!(text(&story.dinsos.get(&format!("/proposals/{}", refused.1)).await.expect(200).body, "state"), "rejected");
    let targets = |parts: &[Part]| -> BTreeSet<String> {
        let verified =
            parts.iter().flat_map(|part| &part.found).filter(|(_, (_, what))| is_target(*what)).map(|(family, _)| family.clone());
        verified.chain(registered.values().cloned()).collect()
    };
    let expected = targets(&parts);
    assert_eq!(story.on(&decree1).await, expected);
    assert_eq!(decree1["families"].as_u64(), Some(expected.len() as u64));
    assert_eq!((decree1["added"].as_u64(), decree1["removed"].as_u64()), (Some(expected.len() as u64), Some(0)));
    assert_eq!(story.in_force().await, [text(&decree1, "id")]);

    // Something changes: the first village's result is reopened; one family is better off by now, another one was found after all.
    assert_eq!(story.step(&story.dinsos, &parts[0], "reopen", json!({"note": "Laporan warga"})).await, "returned");
    let pick = |part: &Part, wanted: (&str, &str)| {
        part.found.iter().find(|(_, (_, what))| *what == wanted).map(|(family, _)| family.clone()).unwrap()
    };
    let (falls, rises) = (pick(&parts[0], ("found", "extreme_poor")), pick(&parts[0], ("not_found", "not_assessed")));
    let mut again = Vec::new();
    for (family, what) in [(&falls, ("found", "capable")), (&rises, ("found", "extreme_poor"))] {
        let mut one = visit(family);
        one["based_on_id"] = parts[0].found[family].0["id"].clone();
        one["presence"] = json!(what.0);
        one["eligibility"] = json!(what.1);
        again.push(one.clone());
        parts[0].found.insert(family.clone(), (one, what));
    }
    let sent = story.officers[&parts[0].village].operator.post("/visits", batch(&parts[0].result, &again)).await.expect(200);
    assert_eq!(sent.body["recorded"], 2, "{}", sent.text);
    story.through(&parts[0]).await;

    // Decree 2 takes the first one's place; the difference is the plan.
    let decree2 = story.decree(597).await;
    assert_eq!(story.in_force().await, [text(&decree2, "id")]);
    let (before, after) = (story.on(&decree1).await, story.on(&decree2).await);
    assert_eq!(before, expected, "a decreed list stays as it was");
    assert_eq!(after, targets(&parts));
    assert_eq!(before.difference(&after).collect::<Vec<_>>(), [&falls]);
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), [&rises]);
    let told = ["added", "removed", "unchanged"].map(|name| decree2[name].as_u64().unwrap());
    assert_eq!(told, [1, 1, expected.len() as u64 - 1]);

    // Why: in both tongues, with dates.
    for (list, family) in [(&decree2, &falls), (&decree2, &rises), (&decree1, &falls)] {
        let steps = story.explained(list, family).await;
        assert!(steps.len() >= 4, "{steps:?}");
        assert!(steps.iter().all(|step| step["at"].is_string() || step["at"].is_null()), "{steps:?}");
        assert!(steps.iter().all(|step| !text(step, "indonesian").is_empty() && !text(step, "english").is_empty()), "{steps:?}");
    }
    let why = story.explained(&decree2, &falls).await;
    let told = why.iter().map(|step| text(step, "indonesian")).collect::<Vec<_>>().join(" ");
    assert!(told.contains("mampu"), "{told}");
    let newcomer = registered.values().next().unwrap();
    let told = story.explained(&decree2, newcomer).await.iter().map(|step| text(step, "english")).collect::<Vec<_>>().join(" ");
    assert!(told.to_lowercase().contains("propos"), "{told}");
}
