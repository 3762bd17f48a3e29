//! Objections: filed while a result is posted, decided in time, hidden from the village as to who objects.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::attachments::attachment as evidence;
use crate::case;
use crate::proposals::row;
use crate::results::{Visit, assigned, attachment, one, signed, standing};
use crate::support::{Call, Case, Client, Place, World};

/// A finalised result that is posted from yesterday until tomorrow.
async fn posted(world: &World, place: Place) -> String {
    let result = standing(world, place, "finalised").await;
    let days = "UPDATE village_results SET posted_from = current_date - 1, posted_until = current_date + 1 WHERE id = $1";
    world.sql().await.execute(days, &[&result.parse::<Uuid>().unwrap()]).await.unwrap();
    result
}

fn objection(result: &str) -> Value {
    json!({"village_result_id": result, "kind": "should_be_off", "statement": "Keluarga ini mempunyai dua rumah dan toko",
        "objector_name": "Warga RT 2", "objector_contact": "0812-0000-1111"})
}

/// An objection of a place.
pub async fn filed(world: &World, place: Place) -> String {
    let result = posted(world, place).await;
    world.role_in(place, Role::VillageOperator).post("/objections", objection(&result)).await.expect(201).id()
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("objections_list", |world, place| {
            let id = filed(world, place).await;
            Call::list(format!("/objections?limit=200&state=filed&region={}", world.place(place).village), [id])
        }),
        case!("objections_create", |world, place| Call::send("/objections", objection(&posted(world, place).await))),
        case!("objections_fetch", |world, place| Call::get(format!("/objections/{}", filed(world, place).await))),
        case!("objections_decide", |world, place| Call::send(
            format!("/objections/{}/decide", filed(world, place).await),
            json!({"decision": "dismissed", "outcome": "Rumah kedua milik orang tua"})
        )),
        case!("objections_withdraw", |world, place| Call::send(
            format!("/objections/{}/withdraw", filed(world, place).await),
            json!({"reason": "Warga mencabut sanggahannya"})
        )),
    ]
}

#[actix_web::test]
async fn an_objection_is_filed_while_posted_and_its_objector_stays_unknown_to_the_village() {
    let world = World::new().await;
    let (operator, head, camat) = (world.role(Role::VillageOperator), world.role(Role::VillageHead), world.role(Role::SubdistrictOfficer));
    let dinsos = world.role(Role::SocialAffairs);
    let result = posted(&world, Place::Home).await;
    let id: Uuid = result.parse().unwrap();
    let (family, _) = assigned(&world, Place::Home, &result, one(&world, Place::Home)).await;
    let photo = evidence(&operator, world.home.village, "objection_evidence").await;
    let mut body = objection(&result);
    body["beneficiary_id"] = json!(family);
    body["attachment_ids"] = json!([photo]);
    let filed = operator.post("/objections", body.clone()).await.expect(201);
    assert_eq!((filed.body["state"].as_str(), filed.body["lapsed"].as_bool()), (Some("filed"), Some(false)));
    let by = chrono::Utc::now().date_naive() + chrono::TimeDelta::days(14);
    assert_eq!(filed.body["decide_by"], by.to_string());
    let path = format!("/objections/{}", filed.id());

    // Not to the village, not to the camat, not in a list, not in the change feed, not in clear in the database.
    for client in [&operator, &head, &camat] {
        let shown = client.get(&path).await.expect(200);
        assert!(shown.body["objector"].is_null() && !shown.text.contains("Warga RT 2"), "{}", shown.text);
    }
    assert!(!dinsos.get("/objections").await.expect(200).text.contains("Warga RT 2"));
    let shown = dinsos.get(&path).await.expect(200);
    assert_eq!(shown.body["objector"], json!({"name": "Warga RT 2", "contact": "0812-0000-1111"}));
    let clear =
        "SELECT (SELECT string_agg(row_to_json(o)::text, '') FROM objections o) || (SELECT string_agg(c.fields::text, '') FROM changes c)";
    let text: String = world.sql().await.query_one(clear, &[]).await.unwrap().get(0);
    assert!(!text.contains("Warga RT 2") && !text.contains("0812-0000"), "{text}");
    world.flush_reads().await;
    let read = "SELECT count(*) FROM reads WHERE resource = 'objections' AND action = 'fetch_objector'";
    assert_eq!(world.sql().await.query_one(read, &[]).await.unwrap().get::<_, i64>(0), 1);

    // Somebody else's family, two subjects, a number in the text, a file of another village.
    let stranger = json!(Uuid::now_v7());
    let foreign = attachment(&world, Place::Foreign).await;
    let with = |field: &str, value: Value| {
        let mut body = objection(&result);
        body[field] = value;
        body
    };
    operator.post("/objections", with("beneficiary_id", stranger.clone())).await.refused(404, "not_found");
    operator.post("/objections", with("proposal_id", stranger.clone())).await.refused(404, "not_found");
    operator.post("/objections", with("statement", json!("NIK-nya 6202990201700701"))).await.refused(422, "invalid");
    operator.post("/objections", with("attachment_ids", json!([foreign]))).await.refused(422, "attachment_unknown");
    let mut both = with("proposal_id", stranger.clone());
    both["beneficiary_id"] = stranger;
    operator.post("/objections", both).await.refused(422, "invalid");

    dinsos.post(&format!("{path}/decide"), json!({"decision": "dismissed", "outcome": "Tidak terbukti"})).await.expect(200);
    dinsos.post(&format!("{path}/decide"), json!({"decision": "upheld", "outcome": "Sekali lagi"})).await.refused(409, "step_not_allowed");
    operator.post(&format!("{path}/withdraw"), json!({"reason": "Terlambat"})).await.refused(409, "step_not_allowed");
    for days in [
        "posted_from = current_date + 1, posted_until = current_date + 5",
        "posted_from = current_date - 9, posted_until = current_date - 1",
        "posted_from = NULL, posted_until = NULL",
        "posted_from = current_date, posted_until = current_date, state = 'returned'",
    ] {
        world.sql().await.execute(&format!("UPDATE village_results SET {days} WHERE id = $1"), &[&id]).await.unwrap();
        operator.post("/objections", objection(&result)).await.refused(409, "posting_over");
    }
}

#[actix_web::test]
async fn no_result_is_accepted_over_an_objection_that_waits_or_that_nothing_came_of() {
    let world = World::new().await;
    let (operator, head, camat) = (world.role(Role::VillageOperator), world.role(Role::VillageHead), world.role(Role::SubdistrictOfficer));
    let dinsos = world.role(Role::SocialAffairs);
    let result = posted(&world, Place::Home).await;
    let (id, path) = (result.parse::<Uuid>().unwrap(), format!("/village-results/{result}"));
    let (family, _) = assigned(&world, Place::Home, &result, one(&world, Place::Home)).await;
    Visit::found(&family).store(&world, &result).await;
    let mut body = objection(&result);
    body["beneficiary_id"] = json!(family);
    let about_family = operator.post("/objections", body).await.expect(201).id();
    let mut body = objection(&result);
    body["kind"] = json!("should_be_on");
    let about_nobody = head.post("/objections", body).await.expect(201).id();
    let third = operator.post("/objections", objection(&result)).await.expect(201).id();
    world
        .sql()
        .await
        .execute("UPDATE village_results SET posted_until = current_date - 1, state = 'forwarded' WHERE id = $1", &[&id])
        .await
        .unwrap();

    let accept = format!("{path}/accept");
    let refused = dinsos.step(&accept).await.refused(409, "objections_open");
    assert!(refused.body["detail"].as_str().unwrap().starts_with("3 objections"), "{}", refused.text);
    let decide = |id: &str| format!("/objections/{id}/decide");
    dinsos.post(&decide(&about_family), json!({"decision": "upheld", "outcome": "Benar, dua rumah"})).await.expect(200);
    dinsos.post(&decide(&about_nobody), json!({"decision": "upheld", "outcome": "Benar, belum terdata"})).await.expect(200);
    // One whose time has passed no longer stops anything, and is shown as what it is.
    world
        .sql()
        .await
        .execute("UPDATE objections SET decide_by = current_date - 1 WHERE id = $1", &[&third.parse::<Uuid>().unwrap()])
        .await
        .unwrap();
    let lapsed = operator.all("/objections?lapsed=true").await;
    assert_eq!((lapsed.len(), &lapsed[0]["id"], lapsed[0]["lapsed"].as_bool()), (1, &json!(third), Some(true)));
    let refused = dinsos.step(&accept).await.refused(409, "objections_open");
    assert!(refused.body["detail"].as_str().unwrap().contains("2 were upheld"), "{}", refused.text);

    // The village mends it: a verdict on the family, and a proposal of the one that was missing.
    dinsos.post(&format!("{path}/send-back"), json!({"note": "Dua sanggahan benar"})).await.expect(200);
    let missing = row(&world, Place::Home, &result, "withdrawn").await;
    let verdict = json!({"items": [{"beneficiary_id": family, "eligibility": "capable", "reason": "Dua rumah"}]});
    head.post(&format!("{path}/verdicts"), verdict).await.expect(200);
    let minutes = attachment(&world, Place::Home).await;
    head.post(&format!("{path}/finalise"), signed(&minutes, 0)).await.expect(200);
    camat.post(&format!("{path}/forward"), json!({"letter_number": "7"})).await.expect(200);
    dinsos.step(&accept).await.expect(200);
    assert_eq!(operator.get(&format!("/proposals/{missing}")).await.expect(200).body["state"], "withdrawn");
}

#[actix_web::test]
async fn the_evidence_of_an_objection_is_hidden_from_the_village_and_the_camat() {
    let mut world = World::new().await;
    let village = world.home.village;
    let second = world.hire("operator-2", Role::VillageOperator, village, None).await;
    let (operator, head, camat) = (world.role(Role::VillageOperator), world.role(Role::VillageHead), world.role(Role::SubdistrictOfficer));
    let (coordinator, dinsos, auditor) = (world.role(Role::Coordinator), world.role(Role::SocialAffairs), world.role(Role::Auditor));
    let result = posted(&world, Place::Home).await;
    let photo = evidence(&operator, village, "objection_evidence").await;
    let hidden = async |photo: &str, clients: &[&Client]| {
        for client in clients {
            for path in [format!("/attachments/{photo}"), format!("/attachments/{photo}/content")] {
                client.get(&path).await.refused(404, "not_found");
            }
            let list = client.get(&format!("/attachments?limit=200&region={village}")).await.expect(200);
            assert!(!list.text.contains(photo), "{} is shown {photo} in the list", client.actor);
        }
    };
    let shown = async |photo: &str, clients: &[&Client]| {
        for client in clients {
            client.get(&format!("/attachments/{photo}")).await.expect(200);
            let asked = client.http.get(format!("{}/api/v1/attachments/{photo}/content", client.base));
            assert_eq!(asked.bearer_auth(client.token.as_ref().unwrap()).send().await.unwrap().status().as_u16(), 200, "{}", client.actor);
            assert!(client.get("/attachments?limit=200&purpose=objection_evidence").await.expect(200).text.contains(photo));
        }
    };
    // From the first moment, before any objection names it, and after.
    hidden(&photo, &[&head, &camat, &second, &auditor]).await;
    let mut body = objection(&result);
    body["attachment_ids"] = json!([photo]);
    let filed = operator.post("/objections", body.clone()).await.expect(201);
    assert_eq!(filed.body["attachment_ids"], json!([photo]));
    hidden(&photo, &[&head, &camat, &second, &auditor]).await;
    shown(&photo, &[&operator, &coordinator, &dinsos]).await;
    let foreign = world.role_in(Place::Foreign, Role::Coordinator);
    foreign.get(&format!("/attachments/{photo}")).await.refused(404, "not_found");

    // Nobody files with another's evidence, and no file of another purpose becomes evidence: naming the minutes hides them from nobody.
    second.post("/objections", body.clone()).await.refused(422, "attachment_unknown");
    let minutes = evidence(&head, village, "minutes").await;
    body["attachment_ids"] = json!([minutes]);
    head.post("/objections", body).await.refused(422, "attachment_unknown");
    for client in [&head, &camat, &second, &auditor] {
        client.get(&format!("/attachments/{minutes}")).await.expect(200);
    }
    // And evidence proves nothing else.
    let mine = evidence(&head, village, "objection_evidence").await;
    hidden(&mine, &[&operator, &camat]).await;
    world.sql().await.execute("UPDATE village_results SET state = 'open'", &[]).await.unwrap();
    let finalise = format!("/village-results/{result}/finalise");
    head.post(&finalise, signed(&mine, 0)).await.refused(422, "attachment_unknown");
}
