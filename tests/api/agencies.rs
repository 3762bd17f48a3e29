//! Agencies and regions: the first slices, and the pattern for the others.

use entas::platform::policy::Role;
use serde_json::json;
use uuid::Uuid;

use crate::case;
use crate::support::{Call, Case, Place, World};

/// An agency in a place, registered by its administrator.
pub async fn agency(world: &World, place: Place) -> (String, String) {
    let name = format!("Dinas {}", Uuid::now_v7());
    let body = json!({"region_code": world.place(place).regency, "name": name, "kind": "regional_office"});
    let created = world.role_in(place, Role::Administrator).post("/agencies", body).await.expect(201);
    (created.id(), created.etag())
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("regions_list", |_world, _place| Call::get("/regions?level=province").everywhere("the region list is public knowledge")),
        case!("regions_fetch", |world, place| Call::get(format!("/regions/{}", world.place(place).village))
            .everywhere("the region list is public knowledge")),
        case!("agencies_list", |world, place| Call::list("/agencies?limit=200", [agency(world, place).await.0])),
        case!("agencies_create", |world, place| {
            let name = format!("Dinas {}", Uuid::now_v7());
            Call::send("/agencies", json!({"region_code": world.place(place).regency, "name": name, "kind": "regional_office"}))
        }),
        case!("agencies_fetch", |world, place| Call::get(format!("/agencies/{}", agency(world, place).await.0))),
        case!("agencies_edit", |world, place| {
            let (id, etag) = agency(world, place).await;
            Call::edit(format!("/agencies/{id}"), &etag, json!({"short_name": "Dinsos"}))
        }),
        case!("agencies_history", |world, place| Call::get(format!("/agencies/{}/history", agency(world, place).await.0))),
    ]
}

#[actix_web::test]
async fn an_agency_is_registered_edited_and_its_history_told() {
    let world = World::new().await;
    let admin = world.role(Role::Administrator);
    let body = json!({"region_code": "6202", "name": "Dinas Perumahan", "short_name": "Perkim", "kind": "regional_office"});
    let created = admin.post("/agencies", body.clone()).await.expect(201);
    assert_eq!(created.headers["location"].to_str().unwrap(), format!("/api/v1/agencies/{}", created.id()));
    assert_eq!(created.body["region_code"], "62.02");
    admin.post("/agencies", body).await.refused(409, "agency_name_taken");

    let path = format!("/agencies/{}", created.id());
    let fetched = admin.get(&path).await.expect(200);
    assert_eq!(fetched.etag(), "\"1\"");
    admin.send(reqwest::Method::GET, &path, &[("if-none-match", "\"1\"")], None).await.expect(304);
    admin.send(reqwest::Method::PATCH, &path, &[], Some(b"{}".to_vec())).await.refused(428, "version_required");
    let edited = admin.patch(&path, "\"1\"", json!({"short_name": null, "status": "closed"})).await.expect(200);
    assert_eq!((edited.body["short_name"].is_null(), edited.body["status"].as_str()), (true, Some("closed")));
    admin.patch(&path, "\"1\"", json!({"name": "Other"})).await.refused(412, "version_stale");
    let refused = admin.patch(&path, "\"2\"", json!({"name": null})).await.refused(422, "invalid");
    assert_eq!(refused.body["errors"][0]["path"], "name");

    let history = world.role(Role::Auditor).all(&format!("{path}/history")).await;
    assert_eq!(history.iter().map(|change| change["action"].as_str().unwrap()).collect::<Vec<_>>(), ["created", "edited"]);
    assert_eq!(history[1]["fields"], json!({"short_name": {"from": "Perkim", "to": null}, "status": {"from": "active", "to": "closed"}}));
    assert_eq!(history[1]["actor_id"], world.actor_id("administrator").to_string());
}

#[actix_web::test]
async fn a_village_sees_its_regencys_agencies_and_no_others() {
    let world = World::new().await;
    let (home, _) = agency(&world, Place::Home).await;
    let (foreign, _) = agency(&world, Place::Foreign).await;
    let operator = world.role(Role::VillageOperator);
    let seen: Vec<String> = operator.all("/agencies?limit=1").await.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen.len(), 2, "the agency of the world and the new one");
    assert!(seen.contains(&home) && !seen.contains(&foreign));
    operator.get(&format!("/agencies/{foreign}")).await.refused(404, "not_found");
}

#[actix_web::test]
async fn regions_are_found_by_either_notation_and_by_name() {
    let world = World::new().await;
    let anyone = world.role(Role::Partner);
    let provinces = anyone.all("/regions?level=province&limit=7").await;
    assert_eq!(provinces.len(), 38);
    for code in ["62.02.09", "620209"] {
        let region = anyone.get(&format!("/regions/{code}")).await.expect(200);
        assert_eq!((region.body["code"].as_str(), region.body["name"].as_str()), (Some("62.02.09"), Some("Pulau Hanaut")));
    }
    // domain.md §3.5: Kotim has 17 subdistricts, Pulau Hanaut 14 villages.
    assert_eq!(anyone.all("/regions?parent=62.02").await.len(), 17);
    assert_eq!(anyone.all("/regions?parent=62.02.09&level=village").await.len(), 14);
    let found = anyone.get("/regions?q=pulau%20hanaut&level=subdistrict").await.expect(200);
    assert_eq!(found.body["items"][0]["code"], "62.02.09");
    anyone.get("/regions/62.02.99").await.refused(404, "not_found");
    anyone.get("/regions/6202050").await.refused(404, "not_found");
    anyone.get("/regions?parent=620205x").await.refused(422, "invalid");
}
