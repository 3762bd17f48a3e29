//! Random steps, legal and not, by every role: the result of a village and the lists of its regency never leave their machines, no visit
//! is lost, and from the first decree on exactly one list is in force. What must come of each step stands here in words of its own.

use std::collections::BTreeSet;

use entas::platform::policy::Role;
use serde_json::{Value, json};

use crate::attachments::attachment;
use crate::datasets::number;
use crate::results::signed;
use crate::support::{Place, World};
use crate::verification::{batch, opened, visit};

/// Numbers that come alike in every run of a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }
}

/// Where a village's result goes; nothing where the step is refused.
fn village_after(state: &str, step: &str) -> Option<&'static str> {
    Some(match (state, step) {
        ("open" | "returned", "finalise") => "finalised",
        ("finalised", "withdraw") | ("finalised", "return") | ("forwarded", "send-back") | ("accepted", "reopen") => "returned",
        ("finalised", "forward") => "forwarded",
        ("forwarded", "recall") => "finalised",
        ("forwarded", "accept") => "accepted",
        _ => return None,
    })
}

fn list_after(state: &str, step: &str) -> Option<&'static str> {
    Some(match (state, step) {
        ("draft" | "returned", "submit") => "submitted",
        ("submitted", "return") => "returned",
        ("draft" | "returned", "redraft") => "draft",
        ("draft" | "returned", "discard") => "discarded",
        ("submitted", "decree") => "decreed",
        _ => return None,
    })
}

/// Who may take a step, as product.md has it.
fn may(step: &str) -> &'static [Role] {
    match step {
        "visit" => &[Role::VillageOperator],
        "settle" => &[Role::VillageHead, Role::SocialAffairs, Role::Coordinator],
        "finalise" | "withdraw" => &[Role::VillageHead],
        "forward" | "return" | "recall" => &[Role::SubdistrictOfficer],
        "accept" | "send-back" | "reopen" => &[Role::SocialAffairs, Role::Coordinator],
        "draft" | "submit" | "redraft" | "discard" => &[Role::Coordinator],
        "list-return" | "decree" => &[Role::Leadership],
        other => panic!("{other}"),
    }
}

/// What stands, as the story has it.
struct Model {
    village: &'static str,
    /// Which acceptance stands, counted; the lists are drawn from it.
    accepted: Option<u32>,
    acceptances: u32,
    standing: String,
    visits: BTreeSet<String>,
    list: Option<(String, &'static str)>,
    /// What the list under way was drawn from.
    drawn: Option<u32>,
    decrees: u32,
}

async fn sequence(seed: u64, steps: usize) {
    let world = World::new().await;
    let at = opened(&world, Place::Home).await;
    let head = world.role(Role::VillageHead);
    let minutes = attachment(&head, world.home.village, "minutes").await;
    let mut dice = Dice(seed);
    let first = visit(&at.family);
    let id = |visit: &Value| visit["id"].as_str().unwrap().to_owned();
    world.role(Role::VillageOperator).post("/visits", batch(&at.result, std::slice::from_ref(&first))).await.expect(200);
    let mut model = Model {
        village: "open",
        accepted: None,
        acceptances: 0,
        standing: id(&first),
        visits: BTreeSet::from([id(&first)]),
        list: None,
        drawn: None,
        decrees: 0,
    };
    const STEPS: [&str; 16] = [
        "visit",
        "visit",
        "settle",
        "finalise",
        "withdraw",
        "forward",
        "return",
        "recall",
        "accept",
        "send-back",
        "reopen",
        "draft",
        "submit",
        "list-return",
        "discard",
        "decree",
    ];
    let (mut taken, mut refused) = (0, 0);
    for turn in 0..steps {
        // Mostly what may come next, so that the far ends of the machines are reached; often anything at all.
        let step = if dice.roll(3) == 0 { STEPS[dice.roll(STEPS.len())] } else { likely(&model, &mut dice) };
        let role = if dice.roll(4) == 0 { Role::ALL[dice.roll(Role::ALL.len())] } else { may(step)[dice.roll(may(step).len())] };
        let who = world.role(role);
        let granted = may(step).contains(&role);
        let told = format!("seed {seed}, step {turn}: {step} by {} at {}", role.name(), model.village);
        let note = json!({"note": "Langkah acak"});
        let open = matches!(model.village, "open" | "returned");
        let expect = |answer: crate::support::Answer, legal: bool| {
            let right = if !granted {
                answer.status == 403
            } else if legal {
                (200..300).contains(&answer.status)
            } else {
                answer.status == 409
            };
            assert!(right, "{told}, legal: {legal}: {} {}", answer.status, answer.text);
            granted && legal
        };
        let went = match step {
            "visit" => {
                let mut one = visit(&at.family);
                let contradicts = dice.roll(2) == 0;
                if contradicts {
                    one["eligibility"] = json!(["capable", "vulnerable"][dice.roll(2)]);
                    one["note"] = json!(format!("Catatan {turn}"));
                } else {
                    one["based_on_id"] = json!(model.standing);
                }
                let answer = who.post("/visits", batch(&at.result, &[one.clone()])).await;
                let outcome = answer.body["items"][0]["outcome"].clone();
                let went = expect(answer, open);
                if went {
                    model.visits.insert(id(&one));
                    if outcome != "conflicting" {
                        assert_eq!(outcome, "recorded", "{told}");
                        model.standing = id(&one);
                    }
                }
                went
            }
            "settle" => {
                let waiting =
                    world.role(Role::SocialAffairs).all(&format!("/visits?village_result_id={}&state=conflicting", at.result)).await;
                let Some(visit) = waiting.first().map(id) else { continue };
                let stands = dice.roll(2) == 0;
                let answer = who.post(&format!("/visits/{visit}/settle"), json!({"stands": stands, "reason": "Kunjungan bersama"})).await;
                let went = expect(answer, open);
                if went && stands {
                    model.standing = visit;
                }
                went
            }
            "draft" => {
                let body = json!({"region_code": world.home.regency, "title": format!("Sasaran {turn}")});
                let answer = who.post("/target-lists", body).await;
                let (fresh, under_way) = (answer.body["id"].clone(), model.list.is_some());
                let went = expect(answer, !under_way);
                world.run_jobs().await;
                if went {
                    model.list = Some((fresh.as_str().unwrap().to_owned(), "draft"));
                    model.drawn = model.accepted;
                }
                went
            }
            "submit" | "list-return" | "discard" | "decree" => {
                let Some((list, state)) = model.list.clone() else { continue };
                let name = step.trim_start_matches("list-");
                let body = match step {
                    "decree" => {
                        json!({"sk_number": format!("188.45-{seed}-{turn}"), "sk_date": "2026-11-01", "signatory_name": "Bupati Contoh",
                        "signatory_title": "Bupati"})
                    }
                    "list-return" => note,
                    _ => Value::Null,
                };
                let path = format!("/target-lists/{list}/{name}");
                let answer = if body.is_null() { who.step(&path).await } else { who.post(&path, body).await };
                let outdated = model.drawn != model.accepted && matches!(step, "submit" | "decree");
                let after = list_after(state, name).filter(|_| !outdated);
                let went = expect(answer, after.is_some());
                match after.filter(|_| went) {
                    Some("decreed") => {
                        model.decrees += 1;
                        model.list = None;
                    }
                    Some("discarded") => model.list = None,
                    Some(after) => model.list = Some((list, after)),
                    None => {}
                }
                went
            }
            _ => {
                let body = match step {
                    "finalise" => signed(&minutes, 0),
                    "forward" => json!({"letter_number": "400.7/1/2026"}),
                    "accept" => json!({}),
                    _ => note,
                };
                let conflicts = number(&world, "SELECT count(*) FROM visits WHERE state = 'conflicting'").await;
                let after = village_after(model.village, step).filter(|_| step != "finalise" || conflicts == 0);
                let answer = who.post(&format!("/village-results/{}/{step}", at.result), body).await;
                let went = expect(answer, after.is_some());
                if let Some(after) = after.filter(|_| went) {
                    model.village = after;
                    model.accepted = (after == "accepted").then(|| {
                        model.acceptances += 1;
                        model.acceptances
                    });
                }
                went
            }
        };
        taken += usize::from(went);
        refused += usize::from(!went);
        // What must hold after every step, whatever it was.
        let dinsos = world.role(Role::SocialAffairs);
        let standing = dinsos.get(&format!("/village-results/{}", at.result)).await.expect(200).body["state"].clone();
        assert_eq!(standing, model.village, "{told}");
        let kept: BTreeSet<String> =
            dinsos.all(&format!("/visits?village_result_id={}&limit=200", at.result)).await.iter().map(&id).collect();
        assert_eq!(kept, model.visits, "{told}: a visit is lost");
        let counts = number(&world, "SELECT count(*) FROM visits WHERE state = 'standing'").await;
        assert_eq!(counts, 1, "{told}: one visit of the family counts");
        let in_force = dinsos.all("/target-lists?state=decreed").await.len();
        assert_eq!(in_force, usize::from(model.decrees > 0), "{told}: lists in force");
    }
    assert!(taken > steps / 4 && refused > steps / 8, "seed {seed}: {taken} taken, {refused} refused: the dice say too little");
}

/// A step that leads on from where things stand.
fn likely(model: &Model, dice: &mut Dice) -> &'static str {
    let mut next: Vec<&'static str> = match model.village {
        "open" | "returned" => vec!["visit", "settle", "finalise", "finalise"],
        "finalised" => vec!["forward", "forward", "withdraw", "return"],
        "forwarded" => vec!["accept", "accept", "recall", "send-back"],
        _ => vec!["reopen"],
    };
    next.extend(match &model.list {
        None => ["draft", "draft"],
        Some((_, "submitted")) => ["decree", "list-return"],
        Some(_) => ["submit", "discard"],
    });
    next[dice.roll(next.len())]
}

#[actix_web::test]
async fn no_sequence_of_steps_leaves_the_machines_or_loses_a_visit() {
    for seed in [0x5EED_0001, 0x5EED_0002, 0x5EED_0003] {
        sequence(seed, 90).await;
    }
}
