//! Lists drawn from what went the whole way through HTTP: which verdict counts, who may read which step, what a list is worth when
//! families changed since, and whose numbers the annex gives.

use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::attachments::attachment;
use crate::durability::waiting;
use crate::results::signed;
use crate::support::db::look;
use crate::support::{Answer, Client, Place, World};
use crate::target_lists::{codes, decree_body, decreed, drawn, said};
use crate::verification::{batch, campaign, family_in, part, visit, wave};

/// Has the village at home check families in a campaign of their own, from the visits to the acceptance; the campaign.
async fn checked(world: &World, found: &[(&str, &str)]) -> String {
    let (operator, head) = (world.role(Role::VillageOperator), world.role(Role::VillageHead));
    let families: Vec<String> = found.iter().map(|(family, _)| (*family).to_owned()).collect();
    let campaign = campaign(world, Place::Home, &families, &[wave(world.home.subdistrict, [-20, 10, 20, 30])]).await;
    let result = part(world, Place::Home, &campaign, world.home.village).await;
    let visits: Vec<Value> = found
        .iter()
        .map(|(family, eligibility)| {
            let mut one = visit(family);
            one["eligibility"] = json!(eligibility);
            one
        })
        .collect();
    let sent = operator.post("/visits", batch(&result, &visits)).await.expect(200);
    assert_eq!(sent.body["recorded"].as_u64(), Some(visits.len() as u64), "{}", sent.text);
    let minutes = attachment(&head, world.home.village, "minutes").await;
    let step = |name: &str| format!("/village-results/{result}/{name}");
    head.post(&step("finalise"), signed(&minutes, 0)).await.expect(200);
    world.role(Role::SubdistrictOfficer).post(&step("forward"), json!({"letter_number": "400/112"})).await.expect(200);
    world.role(Role::SocialAffairs).step(&step("accept")).await.expect(200);
    campaign
}

/// Who works in a village.
struct Village<'a> {
    code: &'a str,
    operator: Client,
    head: Client,
}

impl Village<'_> {
    fn home(world: &World) -> Village<'static> {
        Village { code: world.home.village, operator: world.role(Role::VillageOperator), head: world.role(Role::VillageHead) }
    }

    /// Has families checked in a campaign of their own and the result accepted: visits and meeting so many days ago. The campaign and
    /// the village's part.
    async fn checks(&self, world: &World, found: &[(&str, &str)], (visited, met): (i64, i64)) -> [String; 2] {
        let families: Vec<String> = found.iter().map(|(family, _)| (*family).to_owned()).collect();
        let campaign = campaign(world, Place::Home, &families, &[wave(world.home.subdistrict, [-60, 10, 20, 30])]).await;
        let result = part(world, Place::Home, &campaign, self.code).await;
        let visits: Vec<Value> = found.iter().map(|(family, eligibility)| seen(family, eligibility, visited)).collect();
        self.send(&result, &visits).await;
        self.hands_over(world, &result, met).await;
        [campaign, result]
    }

    async fn send(&self, result: &str, visits: &[Value]) {
        let sent = self.operator.post("/visits", batch(result, visits)).await.expect(200);
        assert_eq!(sent.body["recorded"].as_u64(), Some(visits.len() as u64), "{}", sent.text);
    }

    /// Signed after a meeting so many days ago, forwarded, accepted.
    async fn hands_over(&self, world: &World, result: &str, met: i64) {
        let minutes = attachment(&self.head, self.code, "minutes").await;
        let mut body = signed(&minutes, 0);
        body["meeting"]["held_on"] = json!(days_ago(met).date_naive());
        let step = |name: &str| format!("/village-results/{result}/{name}");
        self.head.post(&step("finalise"), body).await.expect(200);
        world.role(Role::SubdistrictOfficer).post(&step("forward"), json!({"letter_number": "400/112"})).await.expect(200);
        world.role(Role::SocialAffairs).step(&step("accept")).await.expect(200);
    }
}

fn days_ago(days: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now() - chrono::TimeDelta::days(days)
}

/// A visit of so many days ago that finds a family as poor as that.
fn seen(family: &str, eligibility: &str, days: i64) -> Value {
    let mut one = visit(family);
    one["eligibility"] = json!(eligibility);
    one["visited_at"] = json!(days_ago(days));
    one
}

async fn reopened(world: &World, result: &str) {
    let why = json!({"note": "Berita acara diperbaiki"});
    world.role(Role::SocialAffairs).post(&format!("/village-results/{result}/reopen"), why).await.expect(200);
}

/// Families of the village at home, registered.
async fn families<const N: usize>(world: &World) -> [String; N] {
    let mut families = Vec::new();
    for _ in 0..N {
        families.push(family_in(world, Place::Home, world.home.village).await);
    }
    families.try_into().unwrap()
}

/// What a list says of a family: on or off, change, reason.
async fn about(world: &World, path: &str, family: &str) -> (bool, String, String) {
    said(&world.role(Role::Coordinator), path).await.remove(&family.parse::<Uuid>().unwrap()).unwrap()
}

fn entry(on: bool, change: &str, reason: &str) -> (bool, String, String) {
    (on, change.to_owned(), reason.to_owned())
}

/// Has a list drawn anew.
async fn redrawn(world: &World, path: &str) {
    world.role(Role::Coordinator).step(&format!("{path}/redraft")).await.expect(202);
    world.run_jobs().await;
}

#[actix_web::test]
async fn the_newest_verdict_beats_what_is_carried_over_whichever_campaigns_a_list_names() {
    let world = World::new().await;
    let [falls, stays] = families(&world).await;
    let first = checked(&world, &[(&falls, "extreme_poor"), (&stays, "extreme_poor")]).await;
    let second = checked(&world, &[(&falls, "capable")]).await;
    // The list in force names the first campaign alone, although the second one knows better: that is its rule.
    let one = drawn(&world, json!({"campaign_ids": [first]})).await;
    for family in [&falls, &stays] {
        assert_eq!(about(&world, &one, family).await, entry(true, "added", "verified"));
    }
    decreed(&world, &one, "188.45-1").await;

    // The second campaign was accepted before that list was drawn, and is still newer than what the family stands on it by.
    let two = drawn(&world, json!({"campaign_ids": [second]})).await;
    assert_eq!(about(&world, &two, &falls).await, entry(false, "removed", "not_eligible"));
    assert_eq!(about(&world, &two, &stays).await, entry(true, "unchanged", "carried_over"));
    // The same where the list names the older campaign once more: nothing is carried over against what is known.
    let path = format!("{two}/redraft");
    world.role(Role::Coordinator).post(&path, json!({"rules": {"campaign_ids": [first]}})).await.expect(202);
    world.run_jobs().await;
    assert_eq!(about(&world, &two, &falls).await, entry(false, "removed", "not_eligible"));
    assert_eq!(about(&world, &two, &stays).await, entry(true, "unchanged", "carried_over"));
    decreed(&world, &two, "188.45-2").await;

    // A campaign that the next list does not name is accepted after it was drawn: it is out of date, and drawn anew it follows.
    let three = drawn(&world, json!({"campaign_ids": [second]})).await;
    assert_eq!(about(&world, &three, &stays).await, entry(true, "unchanged", "carried_over"));
    checked(&world, &[(&stays, "poor")]).await;
    world.role(Role::Coordinator).step(&format!("{three}/submit")).await.refused(409, "target_list_outdated");
    redrawn(&world, &three).await;
    assert_eq!(about(&world, &three, &stays).await, entry(false, "removed", "not_eligible"));
    // Where nothing is carried over, only what the named campaigns tell counts.
    let path = format!("{three}/redraft");
    let rules = json!({"campaign_ids": [first], "carry_over": false});
    world.role(Role::Coordinator).post(&path, json!({"rules": rules})).await.expect(202);
    world.run_jobs().await;
    assert_eq!(about(&world, &three, &stays).await, entry(true, "unchanged", "verified"));
}

/// Has a list drawn anew by these rules.
async fn redrawn_by(world: &World, path: &str, rules: Value) {
    world.role(Role::Coordinator).post(&format!("{path}/redraft"), json!({"rules": rules})).await.expect(202);
    world.run_jobs().await;
}

#[actix_web::test]
async fn an_older_campaign_that_is_accepted_once_more_is_no_newer_for_it() {
    let world = World::new().await;
    let village = Village::home(&world);
    let [falls, rises, keeps, later] = families(&world).await;
    let found = [(falls.as_str(), "extreme_poor"), (&rises, "capable"), (&keeps, "capable")];
    let [first, reopens] = village.checks(&world, &found, (40, 35)).await;
    let found = [(falls.as_str(), "capable"), (&rises, "extreme_poor"), (&keeps, "extreme_poor"), (&later, "extreme_poor")];
    let [second, _] = village.checks(&world, &found, (20, 15)).await;
    let (on, off) = (|change: &str, reason: &str| entry(true, change, reason), |change: &str, reason: &str| entry(false, change, reason));
    let expect = async |path: &str, expected: [(bool, String, String); 4]| {
        for (family, expected) in [&falls, &rises, &keeps, &later].into_iter().zip(expected) {
            assert_eq!(about(&world, path, family).await, expected);
        }
    };
    let one = drawn(&world, json!({})).await;
    let added = || on("added", "verified");
    expect(&one, [off("left_out", "not_eligible"), added(), added(), added()]).await;
    decreed(&world, &one, "188.45-1").await;

    // The first campaign is put right and accepted after that list was drawn: its visits are as old as they were.
    reopened(&world, &reopens).await;
    village.hands_over(&world, &reopens, 35).await;
    let two = drawn(&world, json!({})).await;
    let stays = || on("unchanged", "carried_over");
    expect(&two, [off("left_out", "not_eligible"), stays(), stays(), stays()]).await;
    // Whichever campaigns the list names: they are chosen for newcomers, of whom the second one alone knows better.
    redrawn_by(&world, &two, json!({"campaign_ids": [second]})).await;
    expect(&two, [off("left_out", "not_eligible"), stays(), stays(), stays()]).await;
    redrawn_by(&world, &two, json!({"campaign_ids": [first]})).await;
    expect(&two, [added(), stays(), stays(), stays()]).await;
    let still = || on("unchanged", "verified");
    redrawn_by(&world, &two, json!({"carry_over": false})).await;
    expect(&two, [off("left_out", "not_eligible"), still(), still(), still()]).await;

    // Minutes put right are minutes of their day; what a meeting of these days judges is newer than the visits of the second campaign.
    reopened(&world, &reopens).await;
    let judged = json!({"items": [{"beneficiary_id": rises, "eligibility": "vulnerable", "reason": "Punya usaha baru"}]});
    village.operator.post(&format!("/village-results/{reopens}/verdicts"), judged).await.expect(200);
    village.hands_over(&world, &reopens, 35).await;
    redrawn_by(&world, &two, json!({})).await;
    expect(&two, [off("left_out", "not_eligible"), stays(), stays(), stays()]).await;
    reopened(&world, &reopens).await;
    village.hands_over(&world, &reopens, 5).await;
    redrawn_by(&world, &two, json!({})).await;
    expect(&two, [off("left_out", "not_eligible"), off("removed", "not_eligible"), stays(), still()]).await;
    // Whom the village left unsaid when it met again is not carried over; of whom it said something older, is.
    redrawn_by(&world, &two, json!({"campaign_ids": [first]})).await;
    expect(&two, [added(), off("removed", "not_eligible"), stays(), off("removed", "not_verified")]).await;

    // And somebody goes there once more.
    reopened(&world, &reopens).await;
    let before = village.operator.get(&format!("/visits?beneficiary_id={falls}&village_result_id={reopens}")).await.expect(200);
    let mut again = seen(&falls, "extreme_poor", 1);
    again["based_on_id"] = before.body["items"][0]["id"].clone();
    village.send(&reopens, &[again]).await;
    village.hands_over(&world, &reopens, 5).await;
    redrawn_by(&world, &two, json!({})).await;
    assert_eq!(about(&world, &two, &falls).await, added());
}

#[actix_web::test]
async fn neither_a_verdict_taken_back_nor_an_older_one_holds_a_family_on_a_list() {
    let world = World::new().await;
    let village = Village::home(&world);
    let [back, unsaid, other, _] = families(&world).await;
    let [first, _] = village.checks(&world, &[(&back, "capable"), (&unsaid, "capable")], (30, 28)).await;
    let [_, second] = village.checks(&world, &[(&back, "extreme_poor"), (&unsaid, "extreme_poor")], (20, 15)).await;
    let one = drawn(&world, json!({})).await;
    for family in [&back, &unsaid] {
        assert_eq!(about(&world, &one, family).await, entry(true, "added", "verified"));
    }
    decreed(&world, &one, "188.45-1").await;

    // The visit that took it on is put right: it was made earlier, and found something else. What counts now is what the first campaign said.
    reopened(&world, &second).await;
    let before = village.operator.get(&format!("/visits?beneficiary_id={back}&village_result_id={second}")).await.expect(200);
    let mut again = seen(&back, "vulnerable", 40);
    again["based_on_id"] = before.body["items"][0]["id"].clone();
    village.send(&second, &[again]).await;
    village.hands_over(&world, &second, 15).await;
    let two = drawn(&world, json!({})).await;
    assert_eq!(about(&world, &two, &back).await, entry(false, "removed", "not_eligible"));
    assert_eq!(about(&world, &two, &unsaid).await, entry(true, "unchanged", "verified"));

    // The village meets anew and says nothing of a family: that an older campaign did say something does not keep it on.
    let [third, _] = village.checks(&world, &[(&other, "extreme_poor")], (6, 5)).await;
    redrawn_by(&world, &two, json!({"campaign_ids": [third]})).await;
    assert_eq!(about(&world, &two, &unsaid).await, entry(false, "removed", "not_verified"));
    redrawn_by(&world, &two, json!({"campaign_ids": [first, third]})).await;
    assert_eq!(about(&world, &two, &unsaid).await, entry(false, "removed", "not_eligible"));
}

#[actix_web::test]
async fn a_family_that_moved_keeps_its_place_until_its_new_village_is_checked_too() {
    let mut world = World::new().await;
    let there = world.home.next_village;
    let operator = world.hire("operator-next", Role::VillageOperator, there, None).await;
    let head = world.hire("head-next", Role::VillageHead, there, None).await;
    let (here, next) = (Village::home(&world), Village { code: there, operator, head });
    let [mover, unsaid, checked] = families(&world).await;
    let theirs = family_in(&world, Place::Home, there).await;
    let found = [&mover, &unsaid, &checked].map(|family| (family.as_str(), "extreme_poor"));
    here.checks(&world, &found, (40, 35)).await;
    let one = drawn(&world, json!({})).await;
    decreed(&world, &one, "188.45-1").await;
    let offer = json!({"beneficiary_id": mover, "to_region_code": there, "reason": "Pindah rumah"});
    let offer = here.operator.post("/family-moves", offer).await.expect(201).id();
    next.operator.step(&format!("/family-moves/{offer}/accept")).await.expect(200);

    // The village it left is checked anew and tells neither of it nor of one who stayed: nobody looked for it where it lives.
    let [again, _] = here.checks(&world, &[(&checked, "extreme_poor")], (20, 15)).await;
    let two = drawn(&world, json!({"campaign_ids": [again]})).await;
    assert_eq!(about(&world, &two, &mover).await, entry(true, "unchanged", "carried_over"));
    assert_eq!(about(&world, &two, &unsaid).await, entry(false, "removed", "not_verified"));
    assert_eq!(about(&world, &two, &checked).await, entry(true, "unchanged", "verified"));
    // Then the one where it lives.
    let [elsewhere, _] = next.checks(&world, &[(&theirs, "extreme_poor")], (20, 15)).await;
    redrawn_by(&world, &two, json!({"campaign_ids": [again, elsewhere]})).await;
    assert_eq!(about(&world, &two, &mover).await, entry(false, "removed", "not_verified"));
    // That one alone: the village where it stood has nothing to say against it.
    redrawn_by(&world, &two, json!({"campaign_ids": [elsewhere]})).await;
    assert_eq!(about(&world, &two, &mover).await, entry(true, "unchanged", "carried_over"));
}

#[actix_web::test]
async fn a_village_reads_its_own_steps_of_a_family_that_moved_and_how_many_more_there_are() {
    let mut world = World::new().await;
    let neighbour = world.hire("operator-next", Role::VillageOperator, world.home.next_village, None).await;
    let (here, coordinator) = (world.role(Role::VillageOperator), world.role(Role::Coordinator));
    let [family] = families(&world).await;
    checked(&world, &[(&family, "extreme_poor")]).await;
    let one = drawn(&world, json!({})).await;
    decreed(&world, &one, "188.45-1").await;
    let offer = json!({"beneficiary_id": family, "to_region_code": world.home.next_village, "reason": "Pindah rumah"});
    let offer = here.post("/family-moves", offer).await.expect(201).id();
    neighbour.step(&format!("/family-moves/{offer}/accept")).await.expect(200);
    let two = drawn(&world, json!({})).await;
    decreed(&world, &two, "188.45-2").await;

    let explain = async |client: &Client, path: &str| client.get(&format!("{path}/entries/{family}/explanation")).await;
    let withheld = |answer: &Answer| usize::try_from(answer.body["steps_withheld"].as_u64().unwrap()).unwrap();
    let whole = explain(&coordinator, &two).await.expect(200);
    assert_eq!(withheld(&whole), 0, "the regency reads everything: {}", whole.text);
    assert!(codes(&whole).contains(&"visited") && codes(&whole).contains(&"list_added"), "{}", whole.text);

    // The new village: what its own entry says, and that there is more.
    let theirs = explain(&neighbour, &two).await.expect(200);
    assert_eq!((theirs.body["included"].as_bool(), theirs.body["reason"].as_str()), (Some(true), Some("carried_over")));
    assert_eq!(codes(&theirs), ["list_unchanged", "decreed_on"], "{}", theirs.text);
    assert_eq!(withheld(&theirs), codes(&whole).len() - 2);
    // Of the list before it, whose entry stands in the old village, nothing but how many steps there are.
    let before = explain(&coordinator, &one).await.expect(200);
    let theirs = explain(&neighbour, &one).await.expect(200);
    assert!(theirs.body["included"].is_null() && theirs.body["reason"].is_null(), "{}", theirs.text);
    assert_eq!((codes(&theirs).len(), withheld(&theirs)), (0, codes(&before).len()), "{}", theirs.text);

    // The old village: its own steps up to its own list, and nothing of where the family went.
    let ours = explain(&here, &one).await.expect(200);
    assert_eq!((codes(&ours), withheld(&ours)), (codes(&before), 0));
    explain(&here, &two).await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_list_on_which_somebody_stands_who_is_lost_since_is_neither_submitted_nor_decreed() {
    let world = World::new().await;
    let (coordinator, leader, dinsos) = (world.role(Role::Coordinator), world.role(Role::Leadership), world.role(Role::SocialAffairs));
    let [kept, merged, capable, gone] = families(&world).await;
    checked(&world, &[&kept, &merged, &capable, &gone].map(|family| (family.as_str(), "extreme_poor"))).await;
    let path = drawn(&world, json!({})).await;
    let outdated = async || {
        leader.post(&format!("{path}/decree"), decree_body()).await.refused(409, "target_list_outdated");
        leader.post(&format!("{path}/return"), json!({"note": "Susun lagi"})).await.expect(200);
        coordinator.step(&format!("{path}/submit")).await.refused(409, "target_list_outdated");
        redrawn(&world, &path).await;
    };
    let submitted = async || coordinator.step(&format!("{path}/submit")).await.expect(200);

    submitted().await;
    let body = json!({"other_id": merged, "reason": "Tercatat dua kali"});
    dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201);
    outdated().await;
    assert_eq!(about(&world, &path, &merged).await, entry(false, "left_out", "merged"));

    submitted().await;
    dinsos.post(&format!("/beneficiaries/{capable}/deactivate"), json!({"reason": "capable"})).await.expect(200);
    outdated().await;
    assert_eq!(about(&world, &path, &capable).await, entry(false, "left_out", "inactive"));

    submitted().await;
    let offer = json!({"beneficiary_id": gone, "to_region_code": world.foreign.village, "reason": "Pindah kabupaten"});
    let offer = world.role(Role::VillageOperator).post("/family-moves", offer).await.expect(201).id();
    let there = world.role_in(Place::Foreign, Role::VillageOperator);
    there.step(&format!("/family-moves/{offer}/accept")).await.expect(200);
    outdated().await;
    assert_eq!(about(&world, &path, &gone).await, entry(false, "left_out", "elsewhere"));

    // What happens to a family that is off the list anyway is no reason to draw it anew.
    submitted().await;
    dinsos.post(&format!("/beneficiaries/{capable}/reactivate"), json!({"reason": "Salah"})).await;
    leader.post(&format!("{path}/decree"), decree_body()).await.expect(200);
}

/// Two requests about one list that reach its row in this order while somebody else holds it; their answers.
async fn at_once(world: &World, list: &str, calls: [(Client, String, Option<Value>); 2]) -> [Answer; 2] {
    let gate = look(&world.db.url).await;
    gate.batch_execute(&format!("BEGIN; SELECT FROM target_lists WHERE id = '{list}' FOR UPDATE")).await.unwrap();
    let mut answers = Vec::new();
    for (number, (client, path, body)) in (1..).zip(calls) {
        let body = body.map(|body| body.to_string().into_bytes());
        answers.push(tokio::task::spawn_local(async move { client.send(Method::POST, &path, &[], body).await }));
        waiting(world, number).await;
    }
    gate.batch_execute("COMMIT").await.unwrap();
    let mut done = Vec::new();
    for answer in answers {
        done.push(answer.await.unwrap());
    }
    <[Answer; 2]>::try_from(done).ok().unwrap()
}

#[actix_web::test]
async fn a_redraft_and_a_decree_at_the_same_moment_leave_one_of_the_two() {
    let world = World::new().await;
    let (coordinator, leader) = (world.role(Role::Coordinator), world.role(Role::Leadership));
    let [family, other] = families(&world).await;
    checked(&world, &[(&family, "extreme_poor"), (&other, "capable")]).await;
    let path = drawn(&world, json!({})).await;
    let list = path["/target-lists/".len()..].to_owned();
    let call = |client: &Client, step: &str, body: Option<Value>| (client.clone(), format!("{path}/{step}"), body);
    let back = || call(&leader, "return", Some(json!({"note": "Susun lagi"})));

    // Returned a moment before the decree: it is the secretariat's again, and the redraft a moment before the decree has it drawn.
    coordinator.step(&format!("{path}/submit")).await.expect(200);
    let [returned, decree] = at_once(&world, &list, [back(), call(&leader, "decree", Some(decree_body()))]).await;
    returned.expect(200);
    decree.refused(409, "step_not_allowed");
    let [redraft, decree] =
        at_once(&world, &list, [call(&coordinator, "redraft", None), call(&leader, "decree", Some(decree_body()))]).await;
    redraft.expect(202);
    decree.refused(409, "target_list_not_ready");
    world.run_jobs().await;

    // Decreed a moment before: neither a return nor a redraft touches it any more, and no job draws it.
    coordinator.step(&format!("{path}/submit")).await.expect(200);
    let [decree, redraft] =
        at_once(&world, &list, [call(&leader, "decree", Some(decree_body())), call(&coordinator, "redraft", None)]).await;
    let decree = decree.expect(200);
    redraft.refused(409, "step_not_allowed");
    leader.post(&format!("{path}/return"), json!({"note": "Susun lagi"})).await.refused(409, "step_not_allowed");
    world.run_jobs().await;
    let now = coordinator.get(&path).await.expect(200);
    assert_eq!((now.body["state"].as_str(), &now.body["digest"]), (Some("decreed"), &decree.body["digest"]));
    assert_eq!(about(&world, &path, &family).await, entry(true, "added", "verified"));
    assert_eq!(about(&world, &path, &other).await, entry(false, "left_out", "not_eligible"));
}

/// A family of the village at home with a card, a head with a NIK and a grown-up child with one.
async fn numbered(world: &World, kk: &str, name: &str, niks: [&str; 2]) -> String {
    let body = json!({"region_code": world.home.village, "kk_number": kk, "members": [
        {"name": name, "relation": "head", "nik": niks[0]}, {"name": format!("Anak {name}"), "relation": "child", "nik": niks[1]}]});
    world.role(Role::SocialAffairs).post("/beneficiaries", body).await.expect(201).id()
}

/// The annex of a list with full numbers, as whoever asks is given it: of each family its NIK and KK number.
async fn annex(client: &Client, path: &str, families: &[&str]) -> Vec<(String, String)> {
    let body = json!({"format": "csv", "full_numbers": true, "purpose": "Lampiran SK untuk Bupati"});
    let text = client.post(&format!("{path}/exports"), body).await.expect(200).text;
    let cells = |family: &&str| {
        let line = text.lines().find(|line| line.ends_with(*family)).unwrap_or_else(|| panic!("{family}: {text}"));
        let cells: Vec<&str> = line.split(',').collect();
        (cells[5].trim_start_matches('\'').to_owned(), cells[6].trim_start_matches('\'').to_owned())
    };
    families.iter().map(cells).collect()
}

fn pair(nik: &str, kk: &str) -> (String, String) {
    (nik.to_owned(), kk.to_owned())
}

#[actix_web::test]
async fn the_annex_gives_a_full_number_only_where_it_is_the_decreed_one_beside_the_decreed_name() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    // Masks leave open the first and the last four digits: all of these look alike.
    let (nik_mask, kk_mask) = ("6202********0001", "6202********0001");
    let card = numbered(&world, "6202990101200001", "Asnawi", ["6202990201700001", "6202990301950001"]).await;
    let person = numbered(&world, "6202990101210001", "Bahrun", ["6202990201710001", "6202990301960001"]).await;
    let head = numbered(&world, "6202990101220001", "Cahya", ["6202990201720001", "6202990301970001"]).await;
    checked(&world, &[&card, &person, &head].map(|family| (family.as_str(), "extreme_poor"))).await;
    let path = drawn(&world, json!({})).await;
    decreed(&world, &path, "188.45-377").await;
    let all = [card.as_str(), person.as_str(), head.as_str()];
    let whole = [
        pair("6202990201700001", "6202990101200001"),
        pair("6202990201710001", "6202990101210001"),
        pair("6202990201720001", "6202990101220001"),
    ];
    assert_eq!(annex(&dinsos, &path, &all).await, whole);

    let patched = async |path: String, body: Value| {
        let etag = dinsos.get(&path).await.expect(200).etag();
        dinsos.patch(&path, &etag, body).await.expect(200);
    };
    let members = async |family: &str| dinsos.all(&format!("/beneficiaries/{family}/members")).await;
    let of =
        |rows: &[Value], relation: &str| rows.iter().find(|row| row["relation"] == relation).unwrap()["id"].as_str().unwrap().to_owned();
    // Another card, another number of the head, another head: each with a number that looks like the decreed one.
    patched(format!("/beneficiaries/{card}"), json!({"kk_number": "6202990202210001"})).await;
    let member = of(&members(&person).await, "head");
    patched(format!("/beneficiaries/{person}/members/{member}"), json!({"nik": "6202990202710001"})).await;
    let child = of(&members(&head).await, "child");
    let step = json!({"member_id": child, "former_head_relation": "parent"});
    dinsos.post(&format!("/beneficiaries/{head}/change-head"), step).await.expect(200);
    let now = [pair("6202990201700001", kk_mask), pair(nik_mask, "6202990101210001"), pair(nik_mask, kk_mask)];
    assert_eq!(annex(&dinsos, &path, &all).await, now);
    // The decreed card is put right again: it is the decreed one.
    patched(format!("/beneficiaries/{card}"), json!({"kk_number": "6202990101200001"})).await;
    assert_eq!(annex(&dinsos, &path, &all[..1]).await, whole[..1]);
}

#[actix_web::test]
async fn lists_decreed_before_stay_as_good_as_they_were_and_the_others_follow_the_keys() {
    let world = World::new().await;
    let (dinsos, sql) = (world.role(Role::SocialAffairs), world.sql().await);
    let family = numbered(&world, "6202990101200001", "Asnawi", ["6202990201700001", "6202990301950001"]).await;
    checked(&world, &[(&family, "extreme_poor")]).await;
    // As a list was drawn before it was kept which numbers it means.
    let one = drawn(&world, json!({})).await;
    sql.execute("UPDATE target_list_entries SET kk_index = NULL, head_nik_index = NULL", &[]).await.unwrap();
    decreed(&world, &one, "188.45-377").await;
    let whole = [pair("6202990201700001", "6202990101200001")];
    assert_eq!(annex(&dinsos, &one, &[&family]).await, whole);
    let two = drawn(&world, json!({})).await;
    decreed(&world, &two, "188.45-597").await;
    // Which numbers were decreed is written anew and never unwritten, and nothing else is.
    for attempt in ["kk_index = NULL", "head_nik_index = NULL", "kk_index = kk_index, people = 9"] {
        let refused = sql.execute(&format!("UPDATE target_list_entries SET {attempt}"), &[]).await.unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some("target_list_entries_frozen"), "{attempt}");
    }
    let of_two: Uuid = two["/target-lists/".len()..].parse().unwrap();
    let kept = "SELECT kk_index || head_nik_index FROM target_list_entries WHERE target_list_id = $1";
    let before: Vec<u8> = sql.query_one(kept, &[&of_two]).await.unwrap().get(0);

    // The releases of these tests hold nothing that could be opened.
    sql.execute("DELETE FROM statements", &[]).await.unwrap();
    let alone = world.rotated().await;
    let after: Vec<u8> = sql.query_one(kept, &[&of_two]).await.unwrap().get(0);
    assert_ne!(before, after, "the older key finds nothing any more");
    let dinsos = world.serve_with(alone, &dinsos);
    for path in [&one, &two] {
        assert_eq!(annex(&dinsos, path, &[&family]).await, whole);
    }
}
