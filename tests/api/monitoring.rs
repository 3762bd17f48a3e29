//! Rankings and coverage agree with counts made by hand.

use entas::platform::policy::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::support::{Call, Case, World};

pub fn cases() -> Vec<Case> {
    vec![
        case!("monitoring_ranking", |world, place| {
            let place = world.place(place);
            Call::list(format!("/monitoring/ranking?level=village&limit=200&region={}", place.subdistrict), [place.village.to_owned()])
        }),
        case!("monitoring_coverage", |world, place| {
            let place = world.place(place);
            Call::list(format!("/monitoring/coverage?level=village&limit=200&region={}", place.subdistrict), [place.village.to_owned()])
        }),
    ]
}

/// A release that ranks families.
async fn release(world: &World) -> Uuid {
    let (dataset, release) = (Uuid::now_v7(), Uuid::now_v7());
    let sql = world.sql().await;
    sql.execute(
        "INSERT INTO datasets (id, region_code, code, name, owner, unit) VALUES ($1, '62.02', 'P3KE', 'P3KE 2022', 'Kemenko PMK', 'family')",
        &[&dataset],
    )
    .await
    .unwrap();
    sql.execute(
        "INSERT INTO releases (id, dataset_id, region_code, mode, state, profile, bast_number, reference_date, received_on, file_hash, file_bytes)
         VALUES ($1, $2, '62.02', 'commit', 'imported', 'p3ke', '156/BAST/2022', '2022-10-01', '2022-10-10', '\\x00', 1)",
        &[&release, &dataset],
    )
    .await
    .unwrap();
    release
}

/// A family of so many present members (and one who died), with a decile or none.
async fn family(world: &World, village: &str, people: usize, decile: Option<(Uuid, i16)>) -> Uuid {
    let id = Uuid::now_v7();
    let sql = world.sql().await;
    sql.execute("INSERT INTO beneficiaries (id, region_code, needs) VALUES ($1, $2, '{water,housing}')", &[&id, &village]).await.unwrap();
    for number in 0..=people {
        let (relation, status) = match number {
            0 => ("other", "deceased"),
            1 => ("head", "present"),
            _ => ("child", "present"),
        };
        sql.execute(
            "INSERT INTO members (id, beneficiary_id, name, relation, status) VALUES ($1, $2, 'Contoh', $3, $4)",
            &[&Uuid::now_v7(), &id, &relation, &status],
        )
        .await
        .unwrap();
    }
    if let Some((release, decile)) = decile {
        sql.execute("INSERT INTO welfare_ranks (release_id, beneficiary_id, decile) VALUES ($1, $2, $3)", &[&release, &id, &decile])
            .await
            .unwrap();
    }
    id
}

/// Rank, code, families, people of each row.
fn told(rows: &[Value]) -> Vec<(Option<i64>, &str, i64, i64)> {
    rows.iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            (row["rank"].as_i64(), row["region_code"].as_str().unwrap(), number("families"), number("people"))
        })
        .collect()
}

#[actix_web::test]
async fn regions_are_ranked_with_ties_units_deciles_and_their_sources() {
    let world = World::new().await;
    let release = release(&world).await;
    // 62.02.09: 3 families, 6 people; 62.02.10: 1 family, 9 people; 62.02.01: 1 family, 2 people; an inactive and a foreign one.
    for (village, people, decile) in [
        ("62.02.09.2001", 1, Some((release, 1))),
        ("62.02.09.2001", 2, Some((release, 1))),
        ("62.02.09.2002", 3, Some((release, 4))),
        ("62.02.10.2001", 9, Some((release, 1))),
        ("62.02.01.1009", 2, None),
        ("64.08.03.2001", 5, None),
    ] {
        family(&world, village, people, decile).await;
    }
    let gone = family(&world, "62.02.01.1009", 4, None).await;
    let gone_sql = "UPDATE beneficiaries SET status = 'inactive', inactive_reason = 'capable' WHERE id = $1";
    world.sql().await.execute(gone_sql, &[&gone]).await.unwrap();

    let leader = world.role(Role::Leadership);
    let whole = leader.get("/monitoring/ranking").await.expect(200);
    let rows = whole.body["items"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 17, "every kecamatan has its row");
    assert_eq!(
        told(&rows)[..4],
        [(Some(1), "62.02.09", 3, 6), (Some(2), "62.02.01", 1, 2), (Some(2), "62.02.10", 1, 9), (Some(4), "62.02.02", 0, 0)]
    );
    assert_eq!(whole.body["total"], json!({"families": 5, "people": 17}));
    assert_eq!(rows[0]["name"], "Pulau Hanaut");
    assert_eq!(
        (&rows[0]["by_decile"]["1"], &rows[0]["by_decile"]["4"]),
        (&json!({"families": 2, "people": 3}), &json!({"families": 1, "people": 3}))
    );
    assert_eq!(rows[0]["by_decile"].as_object().unwrap().len(), 10);
    assert_eq!(rows[1]["unranked"], json!({"families": 1, "people": 2}));
    assert!(rows[0]["population"].is_null() && rows[0]["share_percent"].is_null());
    let parameters = json!({"level": "subdistrict", "unit": "families", "decile": null, "region": null, "status": "active", "basis": "list", "measure": "count"});
    assert_eq!(whole.body["parameters"], parameters);
    let source = &whole.body["releases"][0];
    assert_eq!(
        (source["bast_number"].as_str(), source["reference_date"].as_str(), source["families"].as_i64()),
        (Some("156/BAST/2022"), Some("2022-10-01"), Some(4))
    );

    assert_eq!(leader.all("/monitoring/ranking?limit=2").await, rows, "page by page the same");
    let by_people = leader.all("/monitoring/ranking?unit=people").await;
    assert_eq!(told(&by_people)[..3], [(Some(1), "62.02.10", 1, 9), (Some(2), "62.02.09", 3, 6), (Some(3), "62.02.01", 1, 2)]);
    let poorest = leader.all("/monitoring/ranking?decile=1&unit=people").await;
    assert_eq!(told(&poorest)[..3], [(Some(1), "62.02.10", 1, 9), (Some(2), "62.02.09", 2, 3), (Some(3), "62.02.01", 0, 0)]);
    assert_eq!(told(&leader.all("/monitoring/ranking?status=inactive").await)[0], (Some(1), "62.02.01", 1, 4));

    // data/populations.csv: 436,079 people in Kotim (Disdukcapil 2023).
    let share = leader.get("/monitoring/ranking?level=regency&measure=share&unit=people").await.expect(200);
    let row = &share.body["items"][0];
    assert_eq!(
        (row["rank"].as_i64(), row["population"]["people"].as_i64(), row["population"]["year"].as_i64()),
        (Some(1), Some(436_079), Some(2023))
    );
    assert_eq!(row["share_percent"], json!(0.0039));
    let unknown = leader.get("/monitoring/ranking?level=regency&measure=share").await.expect(200);
    assert!(unknown.body["items"][0]["rank"].is_null(), "a share of families nobody counted has no rank");

    let operator = world.role(Role::VillageOperator);
    assert_eq!(told(&operator.all("/monitoring/ranking?level=village").await), [(Some(1), "62.02.09.2001", 2, 3)]);
    assert_eq!(operator.all("/monitoring/ranking").await.len(), 0, "no figure for a subdistrict from one of its villages");
    let province = world.role(Role::ProvinceObserver).get("/monitoring/ranking?level=regency").await.expect(200);
    assert_eq!(province.body["items"].as_array().unwrap().len(), 14, "Kalimantan Tengah has 14 regencies");
    assert_eq!(leader.all("/monitoring/ranking?region=64.08").await.len(), 0);
    leader.get("/monitoring/ranking?decile=11").await.refused(422, "invalid");
    leader.get("/monitoring/ranking?region=62.02.09&level=regency").await.refused(422, "invalid");
    world.role(Role::CivilRegistry).get("/monitoring/ranking").await.refused(403, "forbidden");
}

#[actix_web::test]
async fn coverage_counts_families_by_their_interventions() {
    let world = World::new().await;
    let (program, plan, activity) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let sql = world.sql().await;
    sql.batch_execute(&format!(
        "INSERT INTO programs (id, region_code, name, strategy, sector) VALUES ('{program}', '62.02', 'RTLH', 'reduce_expenditure', 'infrastructure');
         INSERT INTO action_plans (id, region_code, agency_id, year, title, state) VALUES ('{plan}', '62.02', '{}', 2026, 'X', 'approved');
         INSERT INTO activities (id, action_plan_id, program_id, name, strategy, sector, indicator, unit, budget, fund_source, spending_tag)
         VALUES ('{activity}', '{plan}', '{program}', 'X', 'reduce_expenditure', 'infrastructure', 'X', 'unit', 0, 'csr', 'direct')",
        world.home.agency
    ))
    .await
    .unwrap();
    // Planned, delivered, cancelled interventions of each family.
    for (village, planned, delivered, cancelled) in [
        ("62.02.09.2001", 0, 0, 2),
        ("62.02.09.2001", 1, 0, 1),
        ("62.02.09.2002", 1, 1, 0),
        ("62.02.10.2001", 4, 1, 0),
        ("62.02.10.2001", 0, 0, 0),
    ] {
        let family = family(&world, village, 1, None).await;
        for (status, number) in [("planned", planned), ("delivered", delivered), ("cancelled", cancelled)] {
            for _ in 0..number {
                sql.execute(
                    "INSERT INTO interventions (id, activity_id, beneficiary_id, quarter, status, unit, delivered_on, cancel_reason)
                     VALUES ($1, $2, $3, '2026-Q1', $4, 'unit', CASE WHEN $4 = 'delivered' THEN date '2026-02-01' END, CASE WHEN $4 = 'cancelled' THEN 'X' END)",
                    &[&Uuid::now_v7(), &activity, &family, &status],
                )
                .await
                .unwrap();
            }
        }
    }
    let leader = world.role(Role::Leadership);
    let whole = leader.get("/monitoring/coverage").await.expect(200);
    assert_eq!(whole.body["total"], json!({"families": 5, "none": 2, "one": 1, "two": 1, "three_or_more": 1}));
    let items = whole.body["items"].as_array().unwrap();
    let row = |code: &str| items.iter().find(|row| row["region_code"] == code).unwrap().clone();
    assert_eq!(
        row("62.02.09"),
        json!({"region_code": "62.02.09", "name": "Pulau Hanaut", "families": 3, "none": 1, "one": 1, "two": 1, "three_or_more": 0})
    );
    assert_eq!((row("62.02.10")["none"].as_i64(), row("62.02.10")["three_or_more"].as_i64()), (Some(1), Some(1)));
    assert_eq!(items.len(), 17);
    assert_eq!(leader.all("/monitoring/coverage?limit=4").await, *items, "page by page the same");
    assert_eq!(whole.body["needs_without_intervention"], json!([{"need": "housing", "families": 2}, {"need": "water", "families": 2}]));
    let villages = leader.all("/monitoring/coverage?level=village&region=62.02.09").await;
    assert_eq!((villages.len(), villages[0]["none"].as_i64()), (14, Some(1)));
    leader.get("/monitoring/coverage?level=subdistrict&region=62.02.09.2001").await.refused(422, "invalid");
}
