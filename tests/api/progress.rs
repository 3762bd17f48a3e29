//! How far verification is, and how complete regencies are, agree with counts made by hand.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Call, Case, Place, World};
use crate::target_lists::{assign, campaign, family, list, proposed, result, visit};

pub fn cases() -> Vec<Case> {
    vec![
        case!("monitoring_verification_progress", |world, place| {
            let here = world.place(place);
            let campaign = campaign(world, place, "open").await;
            result(world, campaign, here.village, "open").await;
            Call::list(format!("/monitoring/verification-progress?campaign={campaign}&by=village"), [here.village.to_owned()])
        }),
        case!("monitoring_verification_completeness", |world, place| {
            let path = format!("/monitoring/verification-completeness?region={}", world.place(place).regency);
            Call::get(path).everywhere("a regency outside the caller's regions has no row; told apart in its own test")
        }),
    ]
}

#[actix_web::test]
async fn progress_is_counted_by_subdistrict_and_village() {
    let world = World::new().await;
    let sql = world.sql().await;
    let campaign = campaign(&world, Place::Home, "open").await;
    let (here, next, far) = (world.home.village, world.home.next_village, "62.02.10.2001");
    let (accepted, open, finalised) = (
        result(&world, campaign, here, "accepted").await,
        result(&world, campaign, next, "open").await,
        result(&world, campaign, far, "finalised").await,
    );
    // The one next door has held no meeting; the far one's camat is late.
    sql.execute("UPDATE village_results SET meeting_on = NULL, minutes_id = NULL WHERE id = $1", &[&open]).await.unwrap();
    let late = "UPDATE campaign_subdistricts SET forward_by = current_date - 5 WHERE campaign_id = $1 AND region_code = '62.02.10'";
    assert_eq!(sql.execute(late, &[&campaign]).await.unwrap(), 1);
    for (result, village, presence, eligibility) in [
        (accepted, here, "found", "extreme_poor"),
        (accepted, here, "found", "capable"),
        (accepted, here, "not_found", "not_assessed"),
        (accepted, here, "deceased", "not_assessed"),
        (accepted, here, "moved_within", "extreme_poor"),
        (open, next, "refused", "not_assessed"),
        (finalised, far, "moved_out", "not_assessed"),
    ] {
        let id = family(&world, village, "Ibu Contoh").await;
        visit(&world, result, id, presence, eligibility).await;
    }
    assign(&world, open, family(&world, next, "Belum").await).await;
    proposed(&world, accepted, family(&world, here, "Baru").await, "extreme_poor").await;
    let other = crate::target_lists::campaign(&world, Place::Home, "closed").await;
    let closed = result(&world, other, here, "open").await;
    assign(&world, closed, family(&world, here, "Dulu").await).await;

    let leader = world.role(Role::Leadership);
    let villages = leader.get("/monitoring/verification-progress?by=village").await.expect(200);
    let rows = villages.body["items"].as_array().unwrap().clone();
    assert_eq!(rows.iter().map(|row| row["region_code"].as_str().unwrap()).collect::<Vec<_>>(), [here, next, far]);
    let first = json!({"assigned": 5, "visited": 5, "found": 2, "moved_within": 1, "accepted": 5, "proposed": 1, "proposed_on_file": 0, "proposed_registered": 1,
        "removed": {"not_found": 1, "deceased": 1, "moved_out": 0, "duplicate": 0, "refused": 0},
        "judged": {"extreme_poor": 1, "poor": 0, "vulnerable": 0, "capable": 1}});
    assert_eq!(rows[0]["families"], first);
    assert_eq!((rows[1]["families"]["assigned"].as_i64(), rows[1]["families"]["visited"].as_i64()), (Some(2), Some(1)));
    let steps = |row: &Value| {
        let names =
            ["total", "meetings_held", "finalised", "forwarded", "accepted", "late_to_finalise", "late_to_forward", "late_to_accept"];
        names.map(|name| row["villages"][name].as_i64().unwrap())
    };
    assert_eq!(steps(&rows[0]), [1, 1, 1, 1, 1, 0, 0, 0]);
    assert_eq!(steps(&rows[1]), [1, 0, 0, 0, 0, 1, 0, 0], "still with the village after its day");
    assert_eq!(steps(&rows[2]), [1, 1, 1, 0, 0, 0, 1, 0], "with the camat after the day");
    assert_eq!(steps(&villages.body["total"]), [3, 2, 2, 1, 1, 1, 1, 0]);
    let subdistricts = leader.all("/monitoring/verification-progress?limit=1").await;
    assert_eq!(subdistricts.iter().map(|row| row["families"]["assigned"].as_i64().unwrap()).collect::<Vec<_>>(), [7, 1]);
    let all = leader.get(&format!("/monitoring/verification-progress?campaign={other}")).await.expect(200);
    assert_eq!(all.body["total"]["families"]["assigned"], 1, "a closed one where it is asked for");
    let mine = world.role(Role::VillageOperator).get("/monitoring/verification-progress?by=village").await.expect(200);
    assert_eq!((mine.body["items"].as_array().unwrap().len(), mine.body["total"]["families"]["assigned"].as_i64()), (1, Some(5)));
    let foreign = world.named("leadership-foreign").get("/monitoring/verification-progress").await.expect(200);
    assert_eq!((foreign.body["items"].as_array().unwrap().len(), foreign.body["total"]["villages"]["total"].as_i64()), (0, Some(0)));
}

#[actix_web::test]
async fn the_province_sees_how_complete_its_regencies_are() {
    let world = World::new().await;
    let campaign = campaign(&world, Place::Home, "open").await;
    let accepted = result(&world, campaign, world.home.village, "accepted").await;
    let open = result(&world, campaign, world.home.next_village, "open").await;
    for _ in 0..3 {
        let id = family(&world, world.home.village, "Ibu Contoh").await;
        visit(&world, accepted, id, "found", "extreme_poor").await;
    }
    for _ in 0..4 {
        let id = family(&world, world.home.next_village, "Ibu Contoh").await;
        assign(&world, open, id).await;
    }
    let (decreed, _): (Uuid, Uuid) = list(&world, Place::Home, "decreed").await;
    list(&world, Place::Foreign, "decreed").await;
    let province = world.role(Role::ProvinceObserver);
    let rows = province.all("/monitoring/verification-completeness?limit=5").await;
    assert_eq!(rows.len(), 14, "Kalimantan Tengah has 14 regencies");
    let kotim = rows.iter().find(|row| row["region_code"] == "62.02").unwrap();
    assert_eq!(
        ["campaigns_open", "villages", "villages_accepted", "families_assigned", "families_visited", "families_accepted"]
            .map(|name| kotim[name].as_i64().unwrap()),
        [1, 2, 1, 7, 3, 3]
    );
    assert_eq!((&kotim["visited_percent"], &kotim["accepted_percent"]), (&json!(42.9), &json!(42.9)));
    let in_force = &kotim["list_in_force"];
    assert_eq!((in_force["id"].as_str(), in_force["families"].as_i64()), (Some(decreed.to_string().as_str()), Some(1)));
    let idle = rows.iter().find(|row| row["region_code"] == "62.01").unwrap();
    assert!(idle["list_in_force"].is_null() && idle["visited_percent"].is_null());
    assert!(rows.iter().all(|row| row["region_code"].as_str().unwrap().starts_with("62.")), "nothing of elsewhere");
    assert!(world.role(Role::VillageHead).all("/monitoring/verification-completeness").await.is_empty());
    assert_eq!(world.role(Role::Leadership).all("/monitoring/verification-completeness").await.len(), 1);
    assert!(province.all("/monitoring/verification-completeness?region=64").await.is_empty());
}
