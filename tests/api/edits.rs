//! Merge patches (RFC 7396): the result counts, so what is sent back as it was read changes nothing.

use std::collections::BTreeSet;

use entas::platform::policy::Role;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::{Call, Place, World};
use crate::sweeps::{method_of, paired, policy_of, send};

/// What a patch takes and no reading tells: secrets, numbers that are read masked, and who takes a leaver's place.
const NOT_READ: [&str; 4] = ["kk_number", "new_head_id", "nik", "password"];

/// The fields that an operation's merge patch takes.
fn patchable(document: &Value, operation: &Value) -> Vec<String> {
    let mut schema = &operation["requestBody"]["content"]["application/merge-patch+json"]["schema"];
    while let Some(name) = schema["$ref"].as_str() {
        schema = document.pointer(name.trim_start_matches('#')).unwrap();
    }
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[actix_web::test]
async fn what_is_sent_back_as_it_was_read_changes_nothing() {
    let world = World::new().await;
    let document: Value = serde_json::from_str(&entas::app::document()).unwrap();
    let (mut tried, mut unread, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for (operation, case) in paired().into_iter().filter(|(operation, _)| method_of(operation) == Method::PATCH) {
        let row = policy_of(&operation).unwrap();
        let client = world.role(*Role::ALL.iter().find(|role| row.allows(**role)).unwrap());
        let call = (case.make)(&world, Place::Home).await;
        let read = client.get(&call.path).await.expect(200);
        let masked = |value: &Value| value.as_str().is_some_and(|text| text.contains("****"));
        let mut patch = Map::new();
        for name in patchable(&document, &operation.document) {
            // What only some may see of a family is read in a part of its own.
            let value = read.body.get(&name).or_else(|| read.body["welfare"].get(&name));
            match value.filter(|value| !masked(value) && !NOT_READ.contains(&name.as_str())) {
                Some(value) => drop(patch.insert(name, value.clone())),
                None => drop(unread.insert(name)),
            }
        }
        tried += patch.len();
        // All together and each by itself; an object also as a patch that names none of its fields.
        let each = patch.iter().map(|(name, value)| json!({name: value}));
        let empty = patch.iter().filter(|(_, value)| value.is_object()).map(|(name, _)| json!({name: {}}));
        let bodies: Vec<Value> = [Value::Object(patch.clone())].into_iter().chain(each).chain(empty).collect();
        for body in bodies {
            let before = world.changes().await;
            let same = send(&client, &Method::PATCH, &Call { body: Some(body.clone()), ..call.clone() }).await;
            if same.status != 200 || same.etag() != read.etag() || world.changes().await != before {
                wrong.push(format!("{}: {body}: {} {:?}", case.operation, same.status, same.headers.get("etag")));
                break;
            }
        }
        assert_eq!(client.get(&call.path).await.expect(200).body, read.body, "{}", case.operation);
    }
    assert!(tried > 40, "{tried} fields are too few to be all");
    assert_eq!(unread.iter().map(String::as_str).collect::<Vec<_>>(), NOT_READ);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn a_number_that_is_stated_again_is_no_other_one_and_who_states_it_has_looked() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let (kk, nik) = ("6202990101209871", "6202994107859872");
    let head = json!({"name": "Ibu Restu", "relation": "head", "birth_date": "1985-07-01", "sex": "female", "nik": nik});
    let body = json!({"region_code": world.home.village, "kk_number": kk, "members": [head]});
    let family = dinsos.post("/beneficiaries", body).await.expect(201);
    let path = format!("/beneficiaries/{}", family.id());
    let member = format!("{path}/members/{}", family.body["head"]["id"].as_str().unwrap());
    let before = world.changes().await;
    let looks = async || {
        world.flush_reads().await;
        let sql = "SELECT count(*) FROM reads WHERE action = 'fetch'";
        world.sql().await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    let looked = looks().await;
    let same = dinsos.patch(&path, "\"1\"", json!({"kk_number": kk, "region_code": world.home.village})).await.expect(200);
    assert_eq!((same.etag().as_str(), &same.body), ("\"1\"", &family.body));
    assert_eq!(dinsos.patch(&member, "\"1\"", json!({"nik": nik, "name": "Ibu Restu"})).await.expect(200).etag(), "\"1\"");
    assert_eq!((world.changes().await, looks().await), (before, looked + 2));
    // What is refused otherwise is refused still.
    let heir = json!({"status": "present", "new_head_id": family.body["head"]["id"]});
    dinsos.patch(&member, "\"1\"", heir).await.refused(422, "invalid");
    // Another number is another one.
    let other = dinsos.patch(&path, "\"1\"", json!({"kk_number": "6202990101209873"})).await.expect(200);
    assert_eq!(other.etag(), "\"2\"");
    assert_eq!(dinsos.patch(&path, "\"2\"", json!({"kk_number": null})).await.expect(200).etag(), "\"3\"");
    assert_eq!(dinsos.patch(&path, "\"3\"", json!({"kk_number": null})).await.expect(200).etag(), "\"3\"");
}
