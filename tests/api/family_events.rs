//! Merges and splits through HTTP: what stands afterwards, what leads where, and that an undo brings every field back.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::action_plans::planned;
use crate::case;
use crate::datasets::{List, dataset, send};
use crate::support::{Answer, Call, Case, Client, Place, World};

fn number(serial: u32) -> String {
    format!("620297410790{serial:04}")
}

/// A family of these members in a place's village.
async fn family(world: &World, place: Place, body: Value) -> Answer {
    let mut whole = json!({"region_code": world.place(place).village});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    world.role_in(place, Role::SocialAffairs).post("/beneficiaries", whole).await.expect(201)
}

async fn plain(world: &World, place: Place) -> String {
    let name = format!("Warga {}", Uuid::now_v7());
    family(world, place, json!({"members": [{"name": name, "relation": "head"}, {"name": "Anak", "relation": "child"}]})).await.id()
}

pub async fn people(client: &Client, family: &str) -> Vec<Value> {
    client.all(&format!("/beneficiaries/{family}/members")).await
}

pub fn member(people: &[Value], name: &str) -> String {
    people.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {people:?}"))["id"].as_str().unwrap().to_owned()
}

/// A merge of two plain families of a place.
async fn merged(world: &World, place: Place) -> String {
    let (kept, other) = (plain(world, place).await, plain(world, place).await);
    let body = json!({"other_id": other, "reason": "Tercatat dua kali"});
    world.role_in(place, Role::SocialAffairs).post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201).id()
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("beneficiaries_provenance", |world, place| Call::get(format!("/beneficiaries/{}/provenance", plain(world, place).await))),
        case!("beneficiaries_survivorship_rules", |_world, _place| Call::get("/survivorship-rules")
            .everywhere("the rules are the same for everybody")),
        case!("family_events_preview", |world, place| Call::send(
            format!("/beneficiaries/{}/merge-preview", plain(world, place).await),
            json!({"other_id": plain(world, place).await})
        )),
        case!("family_events_merge", |world, place| Call::send(
            format!("/beneficiaries/{}/merge", plain(world, place).await),
            json!({"other_id": plain(world, place).await, "reason": "Tercatat dua kali"})
        )),
        case!("family_events_split", |world, place| {
            let family = plain(world, place).await;
            let child = member(&people(&world.role_in(place, Role::SocialAffairs), &family).await, "Anak");
            let body = json!({"members": [{"member_id": child, "relation": "head"}], "reason": "Menikah dan pisah KK"});
            Call::send(format!("/beneficiaries/{family}/split"), body)
        }),
        case!("family_events_list", |world, place| Call::list("/family-events?limit=200", [merged(world, place).await])),
        case!("family_events_fetch", |world, place| Call::get(format!("/family-events/{}", merged(world, place).await))),
        // Of what a village's operator reported: they take it back as well as those who edit families.
        case!("family_events_undo", |world, place| {
            let family = plain(world, place).await;
            let operator = world.role_in(place, Role::VillageOperator);
            let child = member(&people(&operator, &family).await, "Anak");
            let body = json!({"beneficiary_id": family, "member_id": child, "on": "2026-10-01"});
            let event = operator.post("/family-events/death", body).await.expect(201).id();
            Call::send(format!("/family-events/{event}/undo"), json!({"reason": "Ternyata masih hidup"}))
        }),
        case!("family_events_history", |world, place| Call::get(format!("/family-events/{}/history", merged(world, place).await))),
    ]
}

/// What a record says, without what counts how often it was written.
pub fn said(mut record: Value) -> Value {
    for bookkeeping in ["version", "updated_at"] {
        record.as_object_mut().unwrap().remove(bookkeeping);
    }
    record
}

/// Everything that can be seen of families: themselves, their members, where their fields come from, their aid, their numbers.
async fn seen(world: &World, families: &[String]) -> Value {
    let dinsos = world.role(Role::SocialAffairs);
    let mut all = Vec::new();
    for id in families {
        let path = format!("/beneficiaries/{id}");
        let members: Vec<Value> = people(&dinsos, id).await.into_iter().map(said).collect();
        let aid: Vec<Value> = dinsos.all(&format!("{path}/interventions")).await.into_iter().map(said).collect();
        let origins = dinsos.get(&format!("{path}/provenance")).await.expect(200).body;
        let numbers = dinsos.post(&format!("{path}/disclosures"), json!({"purpose": "Perbandingan dalam pengujian"})).await;
        let numbers = if numbers.status == 200 { json!([numbers.body["kk_number"], numbers.body["members"]]) } else { Value::Null };
        all.push(json!({"family": said(dinsos.get(&path).await.expect(200).body), "members": members, "aid": aid, "origins": origins, "numbers": numbers}));
    }
    Value::Array(all)
}

/// What a merge changes and an undo restores, on families that differ in every field.
struct Twice {
    kept: String,
    other: String,
    ayah: (String, String),
    siti: String,
    nenek: String,
}

async fn twice(world: &World) -> Twice {
    let card = |serial: u32| format!("620297010120{serial:04}");
    let kept = family(
        world,
        Place::Home,
        json!({
            "address": "RT 01", "attributes": {"floor": "earth", "roof": "zinc"},
            "members": [
                {"name": "Ahmad", "relation": "head", "sex": "male", "birth_date": "1980-02-03", "nik": number(1)},
                {"name": "Siti", "relation": "spouse", "sex": "female"},
            ],
        }),
    )
    .await
    .id();
    let other = family(world, Place::Home, json!({
        "address": "RT 02", "kk_number": card(2), "attributes": {"floor": "cement", "toilet": "shared"},
        "members": [
            {"name": "Achmad", "relation": "head", "sex": "male", "birth_date": "1980-02-03", "mother_name": "Aminah", "nik": number(1), "occupation": "fisher"},
            {"name": "Nenek Ijah", "relation": "parent", "sex": "female", "birth_date": "1950-01-01", "nik": number(3)},
        ],
    }))
    .await
    .id();
    let dinsos = world.role(Role::SocialAffairs);
    let (ours, theirs) = (people(&dinsos, &kept).await, people(&dinsos, &other).await);
    Twice {
        ayah: (member(&ours, "Ahmad"), member(&theirs, "Achmad")),
        siti: member(&ours, "Siti"),
        nenek: member(&theirs, "Nenek Ijah"),
        kept,
        other,
    }
}

/// Aid for a family in its own plan, so that any number of them stand side by side.
async fn aid(world: &World, family: &str, member: Option<&str>) -> String {
    let (_, activity, _) = planned(world, Place::Home, "approved").await;
    let body = json!({"activity_id": activity, "beneficiary_id": family, "member_id": member, "quarter": "2026-Q1", "quantity": 1});
    world.role(Role::AgencyPlanner).post("/interventions", body).await.expect(201).id()
}

pub async fn rank(world: &World, family: &str, decile: i16, day: &str) {
    let (dataset, _) = dataset(world, Place::Home).await;
    let (release, family, dataset): (Uuid, Uuid, Uuid) = (Uuid::now_v7(), family.parse().unwrap(), dataset.parse().unwrap());
    let day: chrono::NaiveDate = day.parse().unwrap();
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO releases (id, dataset_id, region_code, mode, state, profile, received_on, reference_date, file_hash, file_bytes)
         VALUES ($1, $2, '62.02', 'commit', 'imported', 'p3ke', $3, $3, $4, 1)",
        &[&release, &dataset, &day, &release.as_bytes().as_slice()],
    )
    .await
    .unwrap();
    sql.execute("UPDATE welfare_ranks SET current = false WHERE beneficiary_id = $1", &[&family]).await.unwrap();
    sql.execute("INSERT INTO welfare_ranks (release_id, beneficiary_id, decile) VALUES ($1, $2, $3)", &[&release, &family, &decile])
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_wrong_merge_is_undone_and_every_field_is_back() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let Twice { kept, other, ayah, siti, nenek } = twice(&world).await;
    let of_kept = aid(&world, &kept, None).await;
    let of_other = aid(&world, &other, None).await;
    let of_person = aid(&world, &other, Some(&ayah.1)).await;
    rank(&world, &kept, 2, "2025-06-30").await;
    rank(&world, &other, 1, "2026-06-30").await;
    let families = [kept.clone(), other.clone()];
    let before = seen(&world, &families).await;
    let doubled = json!("nik_duplicate");
    assert!(before[0]["members"][0]["warnings"].as_array().unwrap().contains(&doubled), "one NIK on two people of two families");

    let path = format!("/beneficiaries/{kept}");
    let preview = dinsos.post(&format!("{path}/merge-preview"), json!({"other_id": other})).await.expect(200).body;
    let suggested = json!([{"kept_member_id": ayah.0, "merged_member_id": ayah.1, "because": "nik"}]);
    assert_eq!((&preview["suggested"], &preview["contradictions"]), (&suggested, &json!([])));
    assert_eq!(preview["moved_member_ids"], json!([nenek]));
    assert_eq!(seen(&world, &families).await, before, "a look changes nothing");

    // Not named as one person, the same NIK would stand twice in one family.
    let mut body = json!({"other_id": other, "reason": "Satu keluarga tercatat dua kali"});
    let refused = dinsos.post(&format!("{path}/merge"), body.clone()).await.refused(409, "people_contradict");
    assert!(refused.body["detail"].as_str().unwrap().contains("nik_twice"), "{}", refused.text);
    body["people"] = json!([{"kept_member_id": ayah.0, "merged_member_id": ayah.1}]);
    let event = dinsos.post(&format!("{path}/merge"), body.clone()).await.expect(201);
    assert_eq!((event.body["kind"].as_str(), event.body["state"].as_str()), (Some("merge"), Some("in_force")));
    assert_eq!((&event.body["fields_taken"], &event.body["moved_member_ids"]), (&preview["fields_taken"], &preview["moved_member_ids"]));
    let mut followed = vec![of_other.clone(), of_person.clone()];
    followed.sort();
    assert_eq!(event.body["intervention_ids"], json!(followed));

    // One family stands, with what the rules say: both were entered by officers on one day, so what is on file stays.
    let after = dinsos.get(&path).await.expect(200).body;
    assert_eq!((after["address"].as_str(), after["member_count"].as_i64()), (Some("RT 01"), Some(3)));
    assert_eq!(after["kk_number_masked"], "6202********0002");
    assert_eq!(after["welfare"]["attributes"], json!({"floor": "earth", "roof": "zinc", "toilet": "shared"}));
    assert_eq!(after["welfare"]["decile"], 1, "the newest rank follows");
    let now = people(&dinsos, &kept).await;
    let ahmad = now.iter().find(|row| row["id"] == ayah.0.as_str()).unwrap();
    assert_eq!(
        (ahmad["name"].as_str(), ahmad["mother_name"].as_str(), ahmad["occupation"].as_str()),
        (Some("Ahmad"), Some("Aminah"), Some("fisher"))
    );
    assert!(!ahmad["warnings"].as_array().unwrap().contains(&doubled), "the NIK is held once now");
    assert!(now.iter().any(|row| row["id"] == nenek.as_str()) && now.iter().any(|row| row["id"] == siti.as_str()));
    let aid_now: Vec<Value> = dinsos.all(&format!("{path}/interventions")).await;
    assert_eq!(aid_now.len(), 3);
    let persons = aid_now.iter().find(|row| row["id"] == of_person.as_str()).unwrap();
    assert_eq!(persons["member_id"], ayah.0.as_str(), "aid for a person follows the person");
    assert!(aid_now.iter().any(|row| row["id"] == of_kept.as_str()));

    // What was handed out before stays valid.
    let direct = Client { http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(), ..dinsos.clone() };
    let other_path = format!("/beneficiaries/{other}");
    for (old, new) in [
        (other_path.clone(), path.clone()),
        (format!("{other_path}/members/{}", ayah.1), format!("{path}/members/{}", ayah.0)),
        (format!("{other_path}/members/{nenek}"), format!("{path}/members/{nenek}")),
    ] {
        let answer = direct.get(&old).await.expect(307);
        assert_eq!(answer.headers["location"].to_str().unwrap(), format!("/api/v1{new}"));
        assert_eq!(dinsos.get(&old).await.expect(200).id(), new.rsplit('/').next().unwrap());
    }
    let listed = dinsos.all(&format!("/beneficiaries?region={}", world.home.village)).await;
    let away = listed.iter().find(|row| row["id"] == other.as_str()).unwrap();
    assert_eq!((away["status"].as_str(), away["merged_into"].as_str()), (Some("inactive"), Some(kept.as_str())));
    dinsos.patch(&other_path, "\"1\"", json!({"address": "RT 09"})).await.refused(409, "record_merged");
    dinsos.post(&format!("{other_path}/reactivate"), json!({})).await.refused(409, "record_merged");
    dinsos.post(&format!("{path}/merge"), body).await.refused(409, "record_merged");
    let hits = dinsos.post("/beneficiaries/search", json!({"nik": number(1)})).await.expect(200).body;
    assert_eq!(hits["items"].as_array().unwrap().len(), 1);
    assert_eq!(hits["items"][0]["member"]["id"], ayah.0.as_str());

    // Meanwhile aid is planned for the grandmother, who goes home with it.
    let since = aid(&world, &kept, Some(&nenek)).await;
    let undo = format!("/family-events/{}/undo", event.id());
    let undone = dinsos.post(&undo, json!({"reason": "Ternyata dua keluarga kakak beradik"})).await.expect(200);
    assert_eq!((undone.body["state"].as_str(), &undone.body["fields_left"]), (Some("undone"), &json!([])));
    assert_eq!(dinsos.get(&format!("/interventions/{since}")).await.expect(200).body["beneficiary_id"], other.as_str());
    let mut again = seen(&world, &families).await;
    again[1]["aid"].as_array_mut().unwrap().retain(|row| row["id"] != since.as_str());
    pretty_assertions(&again, &before);
    dinsos.post(&undo, json!({"reason": "Sekali lagi"})).await.refused(409, "step_not_allowed");
    let told: String = world.sql().await.query_one("SELECT string_agg(c::text, ' ') FROM changes c", &[]).await.unwrap().get(0);
    let journals: Vec<u8> =
        world.sql().await.query_one("SELECT string_agg(journal, ''::bytea) FROM family_events", &[]).await.unwrap().get(0);
    for secret in [number(1), number(3), "Achmad".into(), "RT 02".into(), "1980-02-03".into(), "kakak beradik".into()] {
        let reason = secret == "kakak beradik";
        // A reason is told where changes have a place for it, and nowhere else.
        assert!(reason || !told.contains(&secret), "the changes tell {secret}");
        assert!(!String::from_utf8_lossy(&journals).contains(&secret), "the journal tells {secret}");
    }
}

/// The first place where two values differ, or nothing.
#[track_caller]
fn pretty_assertions(now: &Value, before: &Value) {
    fn walk(at: &str, now: &Value, before: &Value, out: &mut Vec<String>) {
        match (now, before) {
            (Value::Object(now), Value::Object(before)) => {
                for name in now.keys().chain(before.keys().filter(|name| !now.contains_key(*name))) {
                    walk(&format!("{at}.{name}"), now.get(name).unwrap_or(&Value::Null), before.get(name).unwrap_or(&Value::Null), out);
                }
            }
            (Value::Array(now), Value::Array(before)) if now.len() == before.len() => {
                now.iter().zip(before).enumerate().for_each(|(n, (now, before))| walk(&format!("{at}[{n}]"), now, before, out));
            }
            (now, before) if now != before => out.push(format!("{at}: {now} and was {before}")),
            _ => {}
        }
    }
    let mut differ = Vec::new();
    walk("", now, before, &mut differ);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[actix_web::test]
async fn what_somebody_changed_since_stays_and_is_named() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let Twice { kept, other, ayah, .. } = twice(&world).await;
    let body =
        json!({"other_id": other, "reason": "Tercatat dua kali", "people": [{"kept_member_id": ayah.0, "merged_member_id": ayah.1}]});
    let event = dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201).id();
    let person = format!("/beneficiaries/{kept}/members/{}", ayah.0);
    let etag = dinsos.get(&person).await.expect(200).etag();
    dinsos.patch(&person, &etag, json!({"occupation": "farmer", "education": "primary"})).await.expect(200);
    let path = format!("/beneficiaries/{kept}");
    let etag = dinsos.get(&path).await.expect(200).etag();
    dinsos.patch(&path, &etag, json!({"attributes": {"toilet": "own"}})).await.expect(200);

    let undone = dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Dua keluarga"})).await.expect(200);
    let left = json!([{"record_id": kept, "field": "attributes.toilet"}, {"record_id": ayah.0, "field": "occupation"}]);
    assert_eq!(undone.body["fields_left"], left);
    let now = dinsos.get(&person).await.expect(200).body;
    assert_eq!(
        (now["occupation"].as_str(), now["education"].as_str(), &now["mother_name"]),
        (Some("farmer"), Some("primary"), &Value::Null)
    );
    let family = dinsos.get(&path).await.expect(200).body;
    assert_eq!(family["welfare"]["attributes"], json!({"floor": "earth", "roof": "zinc", "toilet": "own"}));
    assert!(family["kk_number_masked"].is_null());
    assert_eq!(dinsos.get(&format!("/beneficiaries/{other}")).await.expect(200).body["kk_number_masked"], "6202********0002");
    let origins = dinsos.get(&format!("{path}/provenance")).await.expect(200).body;
    assert!(origins["fields"].as_array().unwrap().iter().all(|field| field["source"] == "officer"), "{origins}");
}

#[actix_web::test]
async fn who_is_certainly_two_is_merged_only_with_a_reason() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let one = family(
        &world,
        Place::Home,
        json!({"members": [
        {"name": "Budi", "relation": "head", "sex": "male", "birth_date": "1980-02-03", "nik": number(11)},
        {"name": "Budi kecil", "relation": "child"}]}),
    )
    .await
    .id();
    let two = family(
        &world,
        Place::Home,
        json!({"members": [
        {"name": "Budi", "relation": "head", "sex": "female", "birth_date": "1990-02-03", "nik": number(12)}]}),
    )
    .await
    .id();
    let (ours, theirs) = (people(&dinsos, &one).await, people(&dinsos, &two).await);
    let pair = json!([{"kept_member_id": member(&ours, "Budi"), "merged_member_id": member(&theirs, "Budi")}]);
    let path = format!("/beneficiaries/{one}/merge");
    let mut body = json!({"other_id": two, "reason": "Nama sama", "people": pair});
    let refused = dinsos.post(&path, body.clone()).await.refused(409, "people_contradict");
    for field in ["nik", "sex", "birth_date"] {
        assert!(refused.body["detail"].as_str().unwrap().contains(field), "{}", refused.text);
    }
    body["override_reason"] = json!("Kartu keluarga lama salah cetak, dipastikan Disdukcapil");
    let event = dinsos.post(&path, body).await.expect(201).id();
    dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Bukan orang yang sama"})).await.expect(200);

    // Two entries of one person within a family.
    let pair = json!([{"kept_member_id": member(&ours, "Budi"), "merged_member_id": member(&ours, "Budi kecil")}]);
    dinsos.post(&path, json!({"reason": "Tercatat dua kali"})).await.refused(422, "invalid");
    let event = dinsos.post(&path, json!({"people": pair, "reason": "Tercatat dua kali"})).await.expect(201);
    assert_eq!(event.body["other_id"], one.as_str());
    let now = dinsos.get(&format!("/beneficiaries/{one}")).await.expect(200).body;
    assert_eq!((now["member_count"].as_i64(), now["status"].as_str()), (Some(1), Some("active")));
    let gone = format!("/beneficiaries/{one}/members/{}", member(&ours, "Budi kecil"));
    assert_eq!(dinsos.get(&gone).await.expect(200).id(), member(&ours, "Budi"), "redirected");
    dinsos.patch(&gone, "\"2\"", json!({"name": "Lain"})).await.refused(409, "record_merged");
    for wrong in [json!([{"kept_member_id": member(&theirs, "Budi"), "merged_member_id": member(&ours, "Budi")}])] {
        dinsos.post(&path, json!({"people": wrong, "reason": "Salah keluarga"})).await.refused(422, "member_elsewhere");
    }
    dinsos
        .patch(&format!("/beneficiaries/{one}/members/{}", member(&ours, "Budi")), "\"1\"", json!({"status": "merged"}))
        .await
        .refused(422, "invalid");

    // On two lists with one person: the families stay two. The head of the other cannot go without a successor.
    let three = family(
        &world,
        Place::Home,
        json!({"members": [
        {"name": "Tuti", "relation": "head"}, {"name": "Budi", "relation": "child"}]}),
    )
    .await
    .id();
    let others = people(&dinsos, &three).await;
    let pair = |name: &str| json!([{"kept_member_id": member(&ours, "Budi"), "merged_member_id": member(&others, name)}]);
    let body = |name: &str| json!({"other_id": three, "people": pair(name), "people_only": true, "reason": "Ada di dua daftar"});
    dinsos.post(&path, body("Tuti")).await.refused(422, "head_missing");
    dinsos.post(&path, body("Budi")).await.expect(201);
    let stays = dinsos.get(&format!("/beneficiaries/{three}")).await.expect(200).body;
    assert_eq!((stays["status"].as_str(), stays["member_count"].as_i64()), (Some("active"), Some(1)));
}

#[actix_web::test]
async fn members_split_off_take_their_aid_along_and_come_back() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let family = family(
        &world,
        Place::Home,
        json!({"attributes": {"floor": "earth"}, "members": [
        {"name": "Ayah", "relation": "head", "nik": number(21)}, {"name": "Ibu", "relation": "spouse"},
        {"name": "Dewi", "relation": "child", "birth_date": "2000-01-01"}, {"name": "Cucu", "relation": "grandchild"}]}),
    )
    .await
    .id();
    let ours = people(&dinsos, &family).await;
    let id = |name: &str| member(&ours, name);
    let (for_dewi, for_all) = (aid(&world, &family, Some(&id("Dewi"))).await, aid(&world, &family, None).await);
    let before = seen(&world, std::slice::from_ref(&family)).await;
    let path = format!("/beneficiaries/{family}/split");
    let new = Uuid::now_v7().to_string();
    let leaving = json!([{"member_id": id("Dewi"), "relation": "head"}, {"member_id": id("Cucu"), "relation": "child"}]);
    let body = json!({"id": new, "members": leaving, "region_code": world.home.next_village, "address": "RT 07", "kk_number": "6202970101200031", "reason": "Menikah dan pisah KK"});
    for (change, status, code) in [
        (json!({"members": []}), 422, "invalid"),
        (json!({"members": [{"member_id": id("Dewi"), "relation": "child"}]}), 422, "head_missing"),
        (json!({"members": [{"member_id": Uuid::now_v7(), "relation": "head"}]}), 422, "member_elsewhere"),
        (json!({"members": [{"member_id": id("Ayah"), "relation": "head"}]}), 422, "head_missing"),
        (json!({"region_code": world.foreign.village}), 404, "region_not_found"),
    ] {
        let mut wrong = body.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        dinsos.post(&path, wrong).await.refused(status, code);
    }
    let event = dinsos.post(&path, body).await.expect(201);
    assert_eq!((event.body["other_id"].as_str(), &event.body["intervention_ids"]), (Some(new.as_str()), &json!([for_dewi])));
    let split_off = dinsos.get(&format!("/beneficiaries/{new}")).await.expect(200).body;
    assert_eq!((split_off["head"]["name"].as_str(), split_off["member_count"].as_i64()), (Some("Dewi"), Some(2)));
    assert_eq!(
        (split_off["region_code"].as_str(), split_off["kk_number_masked"].as_str()),
        (Some(world.home.next_village), Some("6202********0031"))
    );
    let rest = dinsos.get(&format!("/beneficiaries/{family}")).await.expect(200).body;
    assert_eq!((rest["head"]["name"].as_str(), rest["member_count"].as_i64()), (Some("Ayah"), Some(2)));

    // While the new family was merged with another one, the split cannot be undone.
    let third = plain(&world, Place::Home).await;
    let later =
        dinsos.post(&format!("/beneficiaries/{new}/merge"), json!({"other_id": third, "reason": "Tinggal bersama"})).await.expect(201).id();
    let undo = |event: &str| format!("/family-events/{event}/undo");
    let why = json!({"reason": "Belum pisah"});
    dinsos.post(&undo(&event.id()), why.clone()).await.refused(409, "later_event");
    dinsos.post(&undo(&later), why.clone()).await.expect(200);
    // Somebody born meanwhile goes along.
    dinsos.post(&format!("/beneficiaries/{new}/members"), json!({"name": "Bayi", "relation": "child"})).await.expect(201);
    let undone = dinsos.post(&undo(&event.id()), why).await.expect(200);
    assert_eq!(undone.body["arrived_member_ids"], json!([]), "of a split everybody goes back");
    let now = people(&dinsos, &family).await;
    let baby = now.iter().find(|row| row["name"] == "Bayi").unwrap().clone();
    let mut again = seen(&world, std::slice::from_ref(&family)).await;
    again[0]["members"].as_array_mut().unwrap().retain(|row| row["id"] != baby["id"]);
    again[0]["origins"]["members"].as_array_mut().unwrap().retain(|row| row["member_id"] != baby["id"]);
    again[0]["numbers"][1].as_array_mut().unwrap().retain(|row| row["id"] != baby["id"]);
    again[0]["family"]["member_count"] = json!(4);
    // A child under five is a need of its own.
    again[0]["family"]["welfare"]["needs"] = before[0]["family"]["welfare"]["needs"].clone();
    pretty_assertions(&again, &before);
    assert_eq!(dinsos.get(&format!("/beneficiaries/{new}")).await.expect(200).id(), family, "the id that was handed out leads back");
    assert_eq!(dinsos.get(&format!("/interventions/{for_all}")).await.expect(200).body["beneficiary_id"], family.as_str());
    let events = dinsos.all(&format!("/family-events?beneficiary_id={new}")).await;
    assert_eq!(events.iter().map(|event| event["state"].as_str().unwrap()).collect::<Vec<_>>(), ["undone", "undone"]);
}

/// A small generator of its own: the same steps in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

#[actix_web::test]
async fn any_sequence_of_events_undone_backwards_leaves_what_was() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let mut families = Vec::new();
    for n in 0..5u32 {
        let body = json!({"address": format!("RT 0{n}"), "kk_number": (n % 2 == 0).then(|| format!("62029701012001{n:02}")),
            "attributes": {"savings": n % 2 == 0}, "members": [
                {"name": format!("Kepala {n}"), "relation": "head", "nik": number(100 + n / 2), "occupation": (n % 2 == 1).then_some("fisher")},
                {"name": format!("Istri {n}"), "relation": "spouse"},
                {"name": format!("Anak {n}"), "relation": "child", "birth_date": format!("201{n}-01-01")}]});
        families.push(family(&world, Place::Home, body).await.id());
    }
    let mut all_ids = Vec::new();
    for family in &families {
        let people = people(&dinsos, family).await;
        aid(&world, family, None).await;
        aid(&world, family, people[2]["id"].as_str()).await;
        all_ids.extend(people.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
    }
    let before = seen(&world, &families).await;
    for seed in 1..=3 {
        let mut dice = Dice(seed);
        let (mut all, mut events, mut refused) = (families.clone(), Vec::new(), 0);
        for _ in 0..14 {
            let one = all[dice.below(all.len())].clone();
            let ours = people(&dinsos, &one).await;
            let answer = if dice.below(3) == 0 {
                let leaving: Vec<Value> = ours
                    .iter()
                    .filter(|row| row["relation"] != "head")
                    .take(1 + dice.below(2))
                    .enumerate()
                    .map(|(n, row)| json!({"member_id": row["id"], "relation": if n == 0 { "head" } else { "other" }}))
                    .collect();
                dinsos.post(&format!("/beneficiaries/{one}/split"), json!({"members": leaving, "reason": "Pisah KK"})).await
            } else {
                let other = all[dice.below(all.len())].clone();
                let theirs = people(&dinsos, &other).await;
                let pairs: Vec<Value> = (0..dice.below(3).min(ours.len()).min(theirs.len()))
                    .map(|n| json!({"kept_member_id": ours[n]["id"], "merged_member_id": theirs[n]["id"]}))
                    .collect();
                let people_only = dice.below(4) == 0;
                let body =
                    json!({"other_id": other, "people": pairs, "people_only": people_only, "reason": "Sama", "override_reason": "Diuji"});
                dinsos.post(&format!("/beneficiaries/{one}/merge"), body).await
            };
            match answer.status {
                201 => {
                    all.push(answer.body["other_id"].as_str().unwrap().to_owned());
                    all.sort();
                    all.dedup();
                    events.push(answer.id());
                }
                409 | 422 => refused += 1,
                _ => panic!("{} {}", answer.asked, answer.text),
            }
            // Nobody is lost and nobody stands twice: whatever happened, everybody is somewhere once, or leads to somebody.
            let (mut found, mut led) = (0, 0);
            for family in &all {
                let people = people(&dinsos, family).await;
                let heads = people.iter().filter(|row| row["relation"] == "head" && row["status"] == "present").count();
                let present = people.iter().filter(|row| row["status"] == "present").count();
                assert!(heads == 1 || present == 0, "{heads} heads of {present} in {family}");
                let kept = |id: &Value| all_ids.contains(&id.as_str().unwrap().to_owned());
                assert!(people.iter().all(|row| row["merged_into"].is_null() || kept(&row["merged_into"])));
                found += present;
                led += people.iter().filter(|row| row["status"] == "merged").count();
            }
            assert_eq!((found + led, found > 0), (15, true));
            let sql =
                "SELECT count(*) FROM interventions i JOIN members m ON m.id = i.member_id WHERE m.beneficiary_id <> i.beneficiary_id";
            assert_eq!(world.sql().await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0, "aid with the wrong family");
        }
        assert!(events.len() >= 4 && refused >= 1, "the dice did too little: {} events, {refused} refused", events.len());
        while let Some(event) = events.pop() {
            if events.len() > 1 && dice.below(3) == 0 {
                let early = dinsos.post(&format!("/family-events/{}/undo", events[0]), json!({"reason": "Terlalu dini"})).await;
                if early.status == 200 {
                    events.remove(0);
                } else {
                    early.refused(409, "later_event");
                }
            }
            let undone = dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Mundur"})).await.expect(200);
            assert_eq!(undone.body["fields_left"], json!([]));
        }
        pretty_assertions(&seen(&world, &families).await, &before);
    }
}

#[actix_web::test]
async fn later_releases_find_the_family_that_is_kept() {
    let world = World::new().await;
    let (dinsos, coordinator) = (world.role(Role::SocialAffairs), world.role(Role::Coordinator));
    let list = List::new(&world, "62.02", 77, 12).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let deliver = async |file: Vec<u8>, day: &str| {
        let sent = send(&coordinator, &dataset, &[("mode", "commit"), ("reference_date", day)], &file).await.expect(202);
        world.run_jobs().await;
        let release = coordinator.get(&format!("/releases/{}", sent.body["release_id"].as_str().unwrap())).await.expect(200).body;
        assert_eq!(release["state"], "imported", "{release}");
        release
    };
    let first = deliver(list.workbook(), "2025-06-30").await;
    assert_eq!(first["counts"]["families_new"], 12);
    let families = dinsos.all("/beneficiaries?limit=200").await;
    let people_before: i64 = families.iter().map(|row| row["member_count"].as_i64().unwrap()).sum();
    let (kept, other) = (families[0]["id"].as_str().unwrap(), families[1]["id"].as_str().unwrap());
    let (ours, theirs) = (people(&dinsos, kept).await, people(&dinsos, other).await);
    let pair = json!([{"kept_member_id": ours[0]["id"], "merged_member_id": theirs[0]["id"]}]);
    let body = json!({"other_id": other, "people": pair, "reason": "Satu keluarga", "override_reason": "Diuji"});
    let event = dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201).id();

    // The source still has two families: both lead to the one that is kept, and nobody is made anew.
    let again = deliver(list.csv().into_bytes(), "2026-06-30").await;
    assert_eq!((again["counts"]["families_new"].as_i64(), again["counts"]["people_new"].as_i64()), (Some(0), Some(0)), "{again}");
    let active: Vec<Value> = dinsos.all("/beneficiaries?limit=200&status=active").await;
    assert_eq!(active.len(), 11);
    assert_eq!(active.iter().map(|row| row["member_count"].as_i64().unwrap()).sum::<i64>(), people_before - 1);
    let origins = dinsos.get(&format!("/beneficiaries/{kept}/provenance")).await.expect(200).body;
    let source = coordinator.get(&format!("/datasets/{dataset}")).await.expect(200).body["code"].clone();
    assert!(origins["fields"].as_array().unwrap().iter().all(|field| field["source"] == source), "{origins}");

    dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Dua keluarga"})).await.expect(200);
    let third = deliver(format!("{}\n", list.csv()).into_bytes(), "2026-09-30").await;
    assert_eq!((third["counts"]["families_new"].as_i64(), third["counts"]["people_new"].as_i64()), (Some(0), Some(0)));
    let active = dinsos.all("/beneficiaries?limit=200&status=active").await;
    assert_eq!((active.len(), active.iter().map(|row| row["member_count"].as_i64().unwrap()).sum::<i64>()), (12, people_before));
}

#[actix_web::test]
async fn a_card_that_stayed_with_the_merged_family_is_the_kept_ones_to_have() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let card = |serial: u32| format!("620297010121{serial:04}");
    let with_card = async |serial: u32, name: &str| {
        let members = json!([{"name": name, "relation": "head"}]);
        family(&world, Place::Home, json!({"kk_number": card(serial), "members": members})).await.id()
    };
    let (kept, other, third) = (with_card(1, "Udin").await, with_card(2, "Udin").await, with_card(3, "Ujang").await);
    let body = json!({"other_id": other, "reason": "Tercatat dua kali"});
    let event = dinsos.post(&format!("/beneficiaries/{kept}/merge"), body).await.expect(201).id();
    let give = async |family: &str, serial: u32| {
        let path = format!("/beneficiaries/{family}");
        let etag = dinsos.get(&path).await.expect(200).etag();
        dinsos.patch(&path, &etag, json!({"kk_number": card(serial)})).await
    };
    // Whoever did not take the other family in does not get its number.
    give(&third, 2).await.refused(409, "family_card_taken");
    give(&kept, 3).await.refused(409, "family_card_taken");
    assert_eq!(give(&kept, 2).await.expect(200).body["kk_number_masked"], "6202********0002");
    let told = "SELECT count(*) FROM changes WHERE action = 'card_passed_on' AND resource_id = $1::text::uuid";
    assert_eq!(world.sql().await.query_one(told, &[&other]).await.unwrap().get::<_, i64>(0), 1);
    assert_eq!(give(&third, 1).await.expect(200).body["kk_number_masked"], "6202********0001", "the number given up is free");
    // Undone, it stays where somebody gave it to; from there it can be moved back.
    dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Dua keluarga"})).await.expect(200);
    let masks = async |family: &str| dinsos.get(&format!("/beneficiaries/{family}")).await.expect(200).body["kk_number_masked"].clone();
    assert_eq!((masks(&kept).await, masks(&other).await), (json!("6202********0002"), Value::Null));
    give(&other, 2).await.refused(409, "family_card_taken");
    let path = format!("/beneficiaries/{kept}");
    let etag = dinsos.get(&path).await.expect(200).etag();
    dinsos.patch(&path, &etag, json!({"kk_number": null})).await.expect(200);
    assert_eq!(give(&other, 2).await.expect(200).body["kk_number_masked"], "6202********0002");
}

#[actix_web::test]
async fn whoever_is_there_stays_there_and_a_lost_head_stops_no_undo() {
    let world = World::new().await;
    let dinsos = world.role(Role::SocialAffairs);
    let Twice { kept, other, ayah, nenek, .. } = twice(&world).await;
    let (path, other_path) = (format!("/beneficiaries/{kept}"), format!("/beneficiaries/{other}"));
    dinsos.post(&format!("{path}/deactivate"), json!({"reason": "not_found"})).await.expect(200);
    let person = format!("{path}/members/{}", ayah.0);
    let siti = member(&people(&dinsos, &kept).await, "Siti");
    let etag = dinsos.get(&person).await.expect(200).etag();
    dinsos.patch(&person, &etag, json!({"status": "moved_out", "new_head_id": siti})).await.expect(200);
    let people_named = json!([{"kept_member_id": ayah.0, "merged_member_id": ayah.1}]);
    let body = json!({"other_id": other, "reason": "Tercatat dua kali", "people": people_named});
    // Present there and gone here: merged, he would be nowhere.
    let refused = dinsos.post(&format!("{path}/merge"), body).await.refused(409, "people_contradict");
    assert!(refused.body["detail"].as_str().unwrap().contains("status"), "{}", refused.text);
    let body = json!({"other_id": other, "reason": "Tercatat dua kali"});
    let event = dinsos.post(&format!("{path}/merge"), body).await.expect(201).id();
    assert_eq!(dinsos.get(&path).await.expect(200).body["status"], "active", "whoever is served stays served");

    // The other family's head, who became `other` by the merge, dies; a child is born.
    let gone = format!("{path}/members/{}", ayah.1);
    let etag = dinsos.get(&gone).await.expect(200).etag();
    dinsos.patch(&gone, &etag, json!({"status": "deceased"})).await.expect(200);
    let baby = dinsos.post(&format!("{path}/members"), json!({"name": "Bayi", "relation": "child"})).await.expect(201).id();
    let undone = dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Dua keluarga"})).await.expect(200);
    assert_eq!(undone.body["arrived_member_ids"], json!([baby]));
    let back = dinsos.get(&other_path).await.expect(200).body;
    assert_eq!((back["status"].as_str(), back["head"]["id"].as_str()), (Some("active"), Some(nenek.as_str())));
    assert_eq!(dinsos.get(&path).await.expect(200).body["inactive_reason"], "not_found");

    // A split that was undone by mistake is done again, with the same card.
    let leaving = json!([{"member_id": ayah.1, "relation": "other"}, {"member_id": nenek, "relation": "head"}]);
    let first = dinsos.get(&format!("{path}/members/{siti}")).await.expect(200).id();
    let split = json!({"members": [{"member_id": first, "relation": "head"}], "new_head_id": baby, "kk_number": "6202970101200077", "reason": "Pisah KK"});
    for _ in 0..2 {
        let event = dinsos.post(&format!("{path}/split"), split.clone()).await.expect(201).id();
        dinsos.post(&format!("/family-events/{event}/undo"), json!({"reason": "Keliru"})).await.expect(200);
    }
    dinsos.post(&format!("{other_path}/split"), json!({"members": leaving, "reason": "Semua pergi"})).await.refused(422, "invalid");
}
