//! Bulk look-up: who is on file and which aid they get, recorded before it is answered.

use entas::platform::policy::Role;
use serde_json::json;
use uuid::Uuid;

use crate::case;
use crate::datasets::{List, dataset, send};
use crate::support::{Call, Case, Place, World};

pub fn cases() -> Vec<Case> {
    vec![case!("lookups_create", |world, place| {
        let region = world.place(place).regency;
        let items = json!([{"reference": format!("{region} 1"), "name": "Nobody Of This Name", "birth_date": "1980-02-03"}]);
        Call::send("/lookups", json!({"purpose": "looking whether they are on file", "items": items}))
            .everywhere("whoever lives elsewhere is not on file here: the answer says so")
    })]
}

#[actix_web::test]
async fn a_list_learns_who_is_on_file_and_every_family_found_is_on_record() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 17, 40).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    send(&coordinator, &dataset, &[("mode", "commit")], list.workbook().as_slice()).await.expect(202);
    world.run_jobs().await;
    let people: Vec<_> = list.families.iter().flat_map(|family| &family.members).collect();
    let numbered: Vec<_> = people.iter().filter(|member| member.nik.is_some()).take(30).collect();
    let mut items: Vec<_> = (0..).zip(&numbered).map(|(n, member)| json!({"reference": format!("n-{n}"), "nik": member.nik})).collect();
    let named = people[people.len() - 1];
    items.push(json!({"reference": "by name", "name": named.name.to_lowercase(), "birth_date": named.birth_date}));
    items.push(json!({"reference": "wild", "name": "%", "birth_date": named.birth_date}));
    items.push(json!({"reference": "unknown", "nik": "6202094101900999"}));
    let before = world.changes().await;
    let wish = json!({"purpose": "selection for house repairs", "items": items});
    let answer = coordinator.post("/lookups", wish.clone()).await.expect(200).body;
    assert_eq!((answer["known"].as_u64(), answer["items"].as_array().unwrap().len()), (Some(31), 33), "{answer:#}");
    for (n, item) in answer["items"].as_array().unwrap().iter().enumerate() {
        assert_eq!(item["known"], n < 31, "{item}");
    }
    let text = answer.to_string();
    assert!(list.niks().all(|nik| !text.contains(nik)));
    // One record of the asking, and one for each family that was found.
    let mut families: Vec<_> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|item| item["hits"].as_array().unwrap())
        .map(|hit| hit["beneficiary_id"].to_string())
        .collect();
    families.sort();
    families.dedup();
    assert_eq!(world.changes().await - before, 1 + families.len() as i64);
    let family = families[0].trim_matches('"');
    let history = coordinator.all(&format!("/beneficiaries/{family}/history")).await;
    assert_eq!(
        (history.last().unwrap()["action"].as_str(), history.last().unwrap()["reason"].as_str()),
        (Some("looked_up"), Some("selection for house repairs"))
    );
    // Whoever lives elsewhere is not on file here.
    let abroad = world.role_in(Place::Foreign, Role::Coordinator).post("/lookups", wish).await.expect(200).body;
    assert_eq!(abroad["known"], 0);
    for items in [
        json!([]),
        json!([{"reference": "x"}]),
        json!([{"reference": "x", "name": "A"}]),
        json!([{"reference": "x", "nik": "6202094101900999", "name": "A"}]),
    ] {
        coordinator.post("/lookups", json!({"purpose": "selection for house repairs", "items": items})).await.refused(422, "invalid");
    }
    coordinator
        .post("/lookups", json!({"purpose": "short", "items": [{"reference": "x", "nik": "6202094101900999"}]}))
        .await
        .refused(422, "invalid");
    assert_eq!(Uuid::parse_str(answer["id"].as_str().unwrap()).unwrap().get_version_num(), 7);
}
