//! Sweeps driven by the list of operations: every role, every place, every kind of nonsense; no operation escapes.

use std::collections::{BTreeSet, HashMap};

use entas::platform::api::Operation;
use entas::platform::ids::{Level, RegionCode};
use entas::platform::policy::{Agency, POLICY, Role, Row};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Call, Case, Client, Place, World};

fn operations() -> Vec<Operation> {
    entas::app::api().operations().to_vec()
}

fn id_of(operation: &Operation) -> String {
    operation.document["operationId"].as_str().unwrap().to_owned()
}

pub fn policy_of(operation: &Operation) -> Option<&'static Row> {
    operation.grant.map(|grant| POLICY.iter().find(|row| row.name == grant).unwrap())
}

pub async fn send(client: &Client, method: &Method, call: &Call) -> Answer {
    let mut headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = match (&call.raw, &call.body) {
        (Some((kind, bytes)), _) => {
            headers.push(("content-type", kind));
            Some(bytes.clone())
        }
        (None, Some(body)) => Some(body.to_string().into_bytes()),
        (None, None) => None,
    };
    client.send(method.clone(), &call.path, &headers, body).await
}

pub fn method_of(operation: &Operation) -> Method {
    Method::from_bytes(operation.method.as_str().as_bytes()).unwrap()
}

#[test]
fn every_guarded_operation_has_a_case_and_every_case_an_operation() {
    let guarded: BTreeSet<String> = operations().iter().filter(|operation| operation.grant.is_some()).map(id_of).collect();
    let cases: BTreeSet<String> = crate::cases().iter().map(|case| case.operation.to_owned()).collect();
    assert_eq!(cases.len(), crate::cases().len(), "an operation has two cases");
    let missing: Vec<_> = guarded.difference(&cases).collect();
    let stray: Vec<_> = cases.difference(&guarded).collect();
    assert!(missing.is_empty() && stray.is_empty(), "without a case: {missing:?}; without an operation: {stray:?}");
}

/// The case of every guarded operation.
pub fn paired() -> Vec<(Operation, Case)> {
    let mut cases: HashMap<&str, Case> = crate::cases().into_iter().map(|case| (case.operation, case)).collect();
    let guarded = operations().into_iter().filter(|operation| operation.grant.is_some());
    guarded.filter_map(|operation| cases.remove(id_of(&operation).as_str()).map(|case| (operation, case))).collect()
}

#[actix_web::test]
async fn roles_may_what_the_policy_says_and_nothing_else() {
    let world = World::new().await;
    for (operation, case) in paired() {
        let row = policy_of(&operation).unwrap();
        for role in Role::ALL {
            let call = (case.make)(&world, Place::Home).await;
            let before = world.changes().await;
            let answer = send(&world.role(*role), &method_of(&operation), &call).await;
            if row.allows(*role) {
                assert!(
                    (200..300).contains(&answer.status),
                    "{operation:?} should be allowed: {} {} {}",
                    answer.asked,
                    answer.status,
                    answer.text
                );
                for id in &call.mentions {
                    assert!(answer.text.contains(id.as_str()), "{operation:?}: the list of {} does not mention {id}", role.name());
                }
            } else {
                let answer = answer.refused(403, "forbidden");
                assert_eq!(world.changes().await, before, "{operation:?}: refused and yet written: {}", answer.asked);
            }
        }
    }
    world.run_jobs().await;
}

#[actix_web::test]
async fn what_lies_elsewhere_does_not_exist() {
    let world = World::new().await;
    for (operation, case) in paired() {
        let row = policy_of(&operation).unwrap();
        for role in Role::ALL.iter().filter(|role| row.allows(**role)) {
            let call = (case.make)(&world, Place::Foreign).await;
            if call.everywhere.is_some() {
                continue;
            }
            let before = world.changes().await;
            let answer = send(&world.role(*role), &method_of(&operation), &call).await;
            if call.mentions.is_empty() {
                assert_eq!(answer.status, 404, "{operation:?} as {}: {} {}", role.name(), answer.status, answer.text);
            } else {
                assert!(
                    answer.status == 200 || answer.status == 404,
                    "{operation:?} as {}: {} {}",
                    role.name(),
                    answer.status,
                    answer.text
                );
                for id in &call.mentions {
                    assert!(!answer.text.contains(id.as_str()), "{operation:?}: {} was shown {id} of elsewhere", role.name());
                }
            }
            assert_eq!(world.changes().await, before, "{operation:?} as {}: refused and yet written", role.name());
        }
    }
    world.run_jobs().await;
}

/// Whose records lie in the regency or at no village at all, so that a neighbour may see them: left out, everything else is tried.
/// A target list is its regency's; its entries (`target_entries_`) are tried, and so is what counts them.
const OF_THE_REGENCY: [&str; 5] = ["agencies_", "programs_", "verification_campaigns_", "criteria_sets_", "target_lists_"];
/// What counts families of villages in records of the regency: a village is told its own.
const COUNTED_BY_VILLAGE: [&str; 3] = ["target_lists_summary", "target_lists_diff", "target_lists_release_effects"];

fn is_tried_next_door(operation: &str) -> bool {
    COUNTED_BY_VILLAGE.contains(&operation) || !OF_THE_REGENCY.iter().any(|start| operation.starts_with(start))
}

#[actix_web::test]
async fn what_lies_in_the_next_village_does_not_exist() {
    let mut world = World::new().await;
    let next = world.home.next_village;
    let mut neighbours = Vec::new();
    for role in [Role::VillageOperator, Role::VillageHead] {
        neighbours.push((role, world.hire(&format!("next-{}", role.name()), role, next, None).await));
    }
    for (operation, case) in paired().into_iter().filter(|(_, case)| is_tried_next_door(case.operation)) {
        let row = policy_of(&operation).unwrap();
        for (role, neighbour) in &neighbours {
            let call = (case.make)(&world, Place::Home).await;
            if call.everywhere.is_some() || row.roles.is_none() {
                continue;
            }
            let before = world.changes().await;
            let answer = send(neighbour, &method_of(&operation), &call).await;
            let told = || format!("{operation:?} as {} of {next}: {} {}", role.name(), answer.status, answer.text);
            if !row.allows(*role) {
                assert_eq!(answer.status, 403, "{}", told());
            } else if call.mentions.is_empty() {
                assert_eq!(answer.status, 404, "{}", told());
            } else {
                assert!(answer.status == 200 || answer.status == 404, "{}", told());
                assert!(call.mentions.iter().all(|id| !answer.text.contains(id.as_str())), "{}", told());
            }
            assert_eq!(world.changes().await, before, "refused and yet written: {}", told());
        }
    }
    world.run_jobs().await;
}

/// Everybody of the neighbouring regency in the same province, at their work there.
async fn next_regency(world: &mut World) -> Vec<(Role, Client)> {
    let agency = Uuid::now_v7();
    let insert = "INSERT INTO agencies (id, region_code, name, kind) VALUES ($1, '62.01', 'Dinas Sosial Kobar', 'regional_office')";
    world.sql().await.execute(insert, &[&agency]).await.unwrap();
    let mut everybody = Vec::new();
    for role in Role::ALL {
        let region = match role.levels()[0] {
            Level::Regency => "62.01",
            Level::Subdistrict => "62.01.01",
            Level::Village => "62.01.01.1011",
            // Who is over both regencies is nobody's neighbour.
            _ => continue,
        };
        let agency = (role.agency() == Agency::Required).then_some(agency);
        everybody.push((*role, world.hire(&format!("kobar-{}", role.name()), *role, region, agency).await));
    }
    everybody
}

#[actix_web::test]
async fn what_lies_in_the_neighbouring_regency_does_not_exist() {
    let mut world = World::new().await;
    let neighbours = next_regency(&mut world).await;
    let mut wrong = Vec::new();
    for (operation, case) in paired() {
        let row = policy_of(&operation).unwrap();
        for (role, neighbour) in neighbours.iter().filter(|(role, _)| row.allows(*role)) {
            let call = (case.make)(&world, Place::Home).await;
            if call.everywhere.is_some() {
                continue;
            }
            let before = world.changes().await;
            let answer = send(neighbour, &method_of(&operation), &call).await;
            let list = !call.mentions.is_empty();
            let items = answer.body["items"].to_string();
            let told = call.mentions.iter().any(|id| answer.text.contains(id.as_str())) || items.contains("\"62.02");
            let absent = answer.status == 404 || (list && answer.status == 200);
            if !absent || told || world.changes().await != before {
                wrong.push(format!("{operation:?} as {}: {} {} {}", role.name(), answer.asked, answer.status, answer.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.run_jobs().await;
}

/// Whether a text names a record or a region.
fn names_something(text: &str) -> bool {
    Uuid::parse_str(text).is_ok() || RegionCode::parse(text).is_some()
}

/// Where two bodies name different things, as JSON pointers with what the other one names. A record's own new id or code names nothing yet.
fn differing(own: &Value, other: &Value, at: &str, out: &mut Vec<(String, Value)>) {
    match (own, other) {
        (Value::Object(own), Value::Object(other)) => {
            for (key, value) in own.iter().filter(|(key, _)| !["id", "code"].contains(&key.as_str())) {
                differing(value, other.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"), out);
            }
        }
        (Value::Array(own), Value::Array(other)) => {
            own.iter().zip(other).enumerate().for_each(|(index, (own, other))| differing(own, other, &format!("{at}/{index}"), out));
        }
        (Value::String(own), Value::String(theirs)) if own != theirs && names_something(own) && names_something(theirs) => {
            out.push((at.to_owned(), other.clone()));
        }
        _ => {}
    }
}

/// One's own call with one thing of elsewhere in it: each place of path, query and body where the two calls name different things.
/// Where that is a record, also with one that is nowhere.
fn mixed(own: &Call, other: &Call) -> Vec<(Call, Option<Call>)> {
    let nowhere = |theirs: &str| Uuid::parse_str(theirs).is_ok().then(|| Uuid::now_v7().to_string());
    let ends = ['/', '?', '&', '='];
    let cut = |path: &str| path.split_inclusive(ends).map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (cut(&own.path), cut(&other.path));
    let names = |part: &str| names_something(part.trim_end_matches(ends));
    let mut calls = Vec::new();
    for at in (0..ours.len().min(theirs.len())).filter(|at| ours[*at] != theirs[*at] && names(&ours[*at]) && names(&theirs[*at])) {
        let with = |part: String| {
            let mut path = ours.clone();
            path[at] = part;
            Call { path: path.concat(), ..own.clone() }
        };
        let bare = theirs[at].trim_end_matches(ends);
        calls.push((with(theirs[at].clone()), nowhere(bare).map(|id| with(theirs[at].replace(bare, &id)))));
    }
    let mut places = Vec::new();
    if let (Some(own), Some(other)) = (&own.body, &other.body) {
        differing(own, other, "", &mut places);
    }
    for (at, theirs) in places {
        let with = |value: Value| {
            let mut body = own.body.clone().unwrap();
            *body.pointer_mut(&at).unwrap() = value;
            Call { body: Some(body), ..own.clone() }
        };
        let unknown = theirs.as_str().and_then(nowhere).map(|id| with(json!(id)));
        calls.push((with(theirs), unknown));
    }
    calls
}

/// How a call was refused: its status, code and the codes of its fields. `None` where it was not.
fn refusal(answer: &Answer) -> Option<(u16, String, Vec<String>)> {
    let codes = |list: &Value| list.as_array().into_iter().flatten().map(|error| error["code"].to_string()).collect();
    // Of a batch each item is refused by itself.
    if answer.status == 200 && answer.body["refused"] == json!(1) {
        return Some((200, String::new(), codes(&answer.body["items"][0]["errors"])));
    }
    let code = answer.body["code"].to_string();
    [404, 409, 422].contains(&answer.status).then(|| (answer.status, code, codes(&answer.body["errors"])))
}

#[actix_web::test]
async fn nothing_of_ones_own_is_tied_to_what_lies_elsewhere() {
    let world = World::new().await;
    let (mut tried, mut wrong) = (0, Vec::new());
    for (operation, case) in paired() {
        let row = policy_of(&operation).unwrap();
        let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
        let (own, other) = ((case.make)(&world, Place::Home).await, (case.make)(&world, Place::Foreign).await);
        for (call, unknown) in mixed(&own, &other) {
            // A family is offered to whichever village it moves to.
            let offered = case.operation == "family_moves_create" && unknown.is_none();
            if own.everywhere.is_some() || offered {
                continue;
            }
            tried += 1;
            let before = world.changes().await;
            let answer = send(&client, &method_of(&operation), &call).await;
            let told = other.mentions.iter().any(|id| answer.text.contains(id.as_str()));
            let empty = !call.mentions.is_empty() && answer.status == 200;
            let body = call.body.map(|body| body.to_string()).unwrap_or_default();
            if (refusal(&answer).is_none() && !empty) || told || world.changes().await != before {
                wrong.push(format!("{operation:?}: {} {body}: {} {}", answer.asked, answer.status, answer.text));
            }
            // Nor is it told that there is such a thing elsewhere.
            if let Some(unknown) = unknown {
                let nothing = send(&client, &method_of(&operation), &unknown).await;
                if (nothing.status, refusal(&nothing)) != (answer.status, refusal(&answer)) {
                    let asked = (answer.status, &answer.text, nothing.status, &nothing.text);
                    wrong.push(format!("{operation:?}: {} {body}: told apart from what is nowhere: {asked:?}", answer.asked));
                }
            }
        }
    }
    assert!(tried > 100, "{tried} calls are too few to be all");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.run_jobs().await;
}

/// Ids that the cases leave out of their bodies: operation, what the body gets, and what of it makes room. `X` is the id of what
/// is named first.
const ALSO_NAMED: &[(&str, &str, &str, &str)] = &[
    // First: a proposal is compared with families, and those of a list that others make here have numbers that nobody can open.
    ("photo", "proposals_create", r#"{"attachment_ids": ["X"]}"#, ""),
    ("criteria", "verification_campaigns_create", r#"{"criteria_set_id": "X"}"#, ""),
    ("decreed", "verification_campaigns_create", r#"{"target_list_id": "X"}"#, "release_id"),
    ("criteria", "verification_campaigns_edit", r#"{"criteria_set_id": "X"}"#, ""),
    ("agency", "verification_campaigns_edit", r#"{"lead_agency_id": "X"}"#, ""),
    ("campaign", "target_lists_create", r#"{"rules": {"campaign_ids": ["X"]}}"#, ""),
    ("campaign", "target_lists_redraft", r#"{"rules": {"campaign_ids": ["X"]}}"#, ""),
    ("program", "activities_edit", r#"{"program_id": "X"}"#, ""),
];

/// A record of a place that nothing hangs on yet.
async fn record(world: &World, place: Place, kind: &str) -> String {
    match kind {
        "agency" => world.place(place).agency.to_string(),
        "campaign" => crate::target_lists::campaign(world, place, "open").await.to_string(),
        "decreed" => crate::target_lists::list(world, place, "decreed").await.0.to_string(),
        "photo" => crate::results::attachment(world, place).await,
        "program" => crate::action_plans::program(world, place).await.0,
        _ => {
            let body = json!({"region_code": world.place(place).regency, "code": format!("uji-{}", Uuid::now_v7()), "edition": 1,
                "name": "Kriteria", "threshold": 1, "criteria": [{"code": "no_land", "question": "Tidak mempunyai lahan"}]});
            world.role_in(place, Role::Coordinator).post("/criteria-sets", body).await.expect(201).id()
        }
    }
}

#[actix_web::test]
async fn nor_by_what_a_body_need_not_name() {
    let world = World::new().await;
    let paired = paired();
    for (kind, name, fields, room) in ALSO_NAMED {
        let (operation, case) = paired.iter().find(|(_, case)| case.operation == *name).unwrap();
        let row = policy_of(operation).unwrap();
        let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
        let (own, other) = (record(&world, Place::Home, kind).await, record(&world, Place::Foreign, kind).await);
        let call = (case.make)(&world, Place::Home).await;
        let naming = |id: &str| {
            let mut body = call.body.clone().unwrap();
            let fields: Value = serde_json::from_str(&fields.replace('X', id)).unwrap();
            body.as_object_mut().unwrap().retain(|key, _| key != room);
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            Call { body: Some(body), ..call.clone() }
        };
        let before = world.changes().await;
        let refused = send(&client, &method_of(operation), &naming(&other)).await;
        let nothing = send(&client, &method_of(operation), &naming(&Uuid::now_v7().to_string())).await;
        assert!([404, 422].contains(&refused.status), "{name} {fields}: {} {}", refused.status, refused.text);
        assert_eq!(
            (refused.status, refusal(&refused)),
            (nothing.status, refusal(&nothing)),
            "{name} {fields}: told apart from what is nowhere"
        );
        assert_eq!(world.changes().await, before, "{name} {fields}: refused and yet written");
        // With one of one's own it is none of these refusals.
        let done = send(&client, &method_of(operation), &naming(&own)).await;
        assert!((200..300).contains(&done.status), "{name} {fields}: {} {}", done.status, done.text);
    }
    world.run_jobs().await;
}

#[actix_web::test]
async fn nobody_gets_401_before_the_body_is_looked_at() {
    let world = World::new().await;
    let id = uuid::Uuid::now_v7().to_string();
    for operation in operations().iter().filter(|operation| operation.grant.is_some()) {
        let path = fill(&operation.path, &id);
        world.nobody().send(method_of(operation), &path, &[], Some(b"{garbage \xff".to_vec())).await.refused(401, "unauthenticated");
        let stranger = Client { token: Some("eyJhbGciOiJFZERTQSJ9.e30.AAAA".into()), actor: "bad token".into(), ..world.nobody() };
        stranger.send(method_of(operation), &path, &[], None).await.refused(401, "token_invalid");
    }
}

fn fill(path: &str, id: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push_str(id);
        rest = after.split_once('}').unwrap().1;
    }
    out + rest
}

#[actix_web::test]
async fn nonsense_is_refused_with_a_code() {
    let world = World::new().await;
    for (operation, case) in paired() {
        let row = policy_of(&operation).unwrap();
        let role = Role::ALL.iter().find(|role| row.allows(**role)).unwrap();
        let client = world.role(*role);
        let call = (case.make)(&world, Place::Home).await;
        let glue = if call.path.contains('?') { '&' } else { '?' };
        let parameters = operation.document["parameters"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = parameters.iter().filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str()).collect();
        let method = method_of(&operation);
        if operation.path.starts_with("/api/") {
            let unknown = Call { path: format!("{}{glue}stauts=closed", call.path), ..call.clone() };
            send(&client, &method, &unknown).await.refused(422, "invalid");
            let broken = Call { path: format!("{}{glue}%ff=1", call.path), ..call.clone() };
            send(&client, &method, &broken).await.refused(422, "invalid");
        }
        if names.contains(&"after") {
            for cursor in ["x", "bnVsbA", "%00", "MTIz"] {
                let bad = Call { path: format!("{}{glue}after={cursor}", call.path), ..call.clone() };
                send(&client, &method, &bad).await.refused(422, "invalid");
            }
        }
        if names.contains(&"limit") && !call.path.contains("limit=") {
            for limit in ["0", "201", "-1", "x", "1e3"] {
                let bad = Call { path: format!("{}{glue}limit={limit}", call.path), ..call.clone() };
                send(&client, &method, &bad).await.refused(422, "invalid");
            }
        }
        if let Some(body) = &call.body {
            let before = world.changes().await;
            let mut surprised = body.clone();
            surprised["surprise"] = json!("6202091501900001");
            let answer = send(&client, &method, &Call { body: Some(surprised), ..call.clone() }).await.refused(422, "invalid");
            assert!(!answer.text.contains("6202091501900001"), "{operation:?} repeats what was sent: {}", answer.text);
            for nonsense in [json!([]), json!("x"), Value::Null, json!(1)] {
                send(&client, &method, &Call { body: Some(nonsense), ..call.clone() }).await.refused(422, "invalid");
            }
            let invalid_utf8 = Call { raw: Some(("application/json".into(), b"{\"a\": \"\xff\"}".to_vec())), ..call.clone() };
            send(&client, &method, &invalid_utf8).await.refused(422, "invalid");
            let text = Call { raw: Some(("text/plain".into(), b"{}".to_vec())), ..call.clone() };
            send(&client, &method, &text).await.refused(415, "media_type");
            let limit = operation.document["requestBody"]["x-max-bytes"].as_u64().map_or(1 << 20, |bytes| usize::try_from(bytes).unwrap());
            let large = Call { raw: Some(("application/json".into(), vec![b' '; limit + 1])), ..call.clone() };
            send(&client, &method, &large).await.refused(413, "body_too_large");
            assert_eq!(world.changes().await, before, "{operation:?}: refused and yet written");
        }
        client.send(Method::PUT, &call.path, &[], None).await.refused(405, "method_not_allowed");
        if call.headers.iter().any(|(name, _)| name == "if-match") {
            let before = world.changes().await;
            send(&client, &method, &Call { headers: vec![("if-match".into(), "\"999\"".into())], ..call.clone() })
                .await
                .refused(412, "version_stale");
            send(&client, &method, &Call { headers: vec![], ..call.clone() }).await.refused(428, "version_required");
            assert_eq!(world.changes().await, before, "{operation:?}: stale and yet written");
        }
    }
    world.run_jobs().await;
}

#[actix_web::test]
async fn a_patch_that_says_nothing_changes_nothing() {
    let world = World::new().await;
    let mut tried = 0;
    for (operation, case) in paired().into_iter().filter(|(operation, _)| operation.method == actix_web::http::Method::PATCH) {
        let row = policy_of(&operation).unwrap();
        let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
        let call = (case.make)(&world, Place::Home).await;
        let before = world.changes().await;
        let same = send(&client, &Method::PATCH, &Call { body: Some(json!({})), ..call.clone() }).await.expect(200);
        assert_eq!((same.etag(), world.changes().await), (call.headers[0].1.clone(), before), "{operation:?}: {}", same.text);
        // Nor is it taken for an edit of another version.
        let stale = Call { headers: vec![("if-match".into(), "\"999\"".into())], body: Some(json!({})), ..call.clone() };
        send(&client, &Method::PATCH, &stale).await.refused(412, "version_stale");
        send(&client, &Method::PATCH, &call).await.expect(200);
        tried += 1;
    }
    assert!(tried > 8, "{tried}");
}

#[actix_web::test]
async fn the_same_key_does_it_once() {
    let world = World::new().await;
    for (operation, case) in paired().into_iter().filter(|(operation, _)| operation.method == actix_web::http::Method::POST) {
        let row = policy_of(&operation).unwrap();
        let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
        let mut call = (case.make)(&world, Place::Home).await;
        call.headers.push(("idempotency-key".into(), format!("key-{}", id_of(&operation))));
        let first = send(&client, &Method::POST, &call).await;
        assert!((200..300).contains(&first.status), "{operation:?}: {} {}", first.status, first.text);
        let changes = world.changes().await;
        let second = send(&client, &Method::POST, &call).await;
        assert_eq!((second.status, &second.text), (first.status, &first.text), "{operation:?}: another answer");
        assert_eq!(second.headers.get("idempotency-replayed").map(|value| value.as_bytes()), Some(&b"true"[..]), "{operation:?}");
        assert_eq!(world.changes().await, changes, "{operation:?}: done twice");
        if let Some(body) = call.body.as_mut() {
            body["surprise"] = json!(1);
            send(&client, &Method::POST, &call).await.refused(422, "idempotency_key_reused");
        }
    }
    world.run_jobs().await;
}
