//! One quarter of a regency through HTTP alone: the list arrives, is ranked, planned for, delivered to and counted. Every
//! total is counted again from the simulator's families and from what was sent, never from another answer.

use std::collections::{BTreeMap, BTreeSet};

use entas::platform::policy::Role;
use serde_json::{Value, json};

use crate::datasets::{List, dataset, send};
use crate::support::{Place, World};

fn ids(items: &[Value]) -> BTreeSet<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_quarter_from_the_list_to_the_count() {
    let world = World::new().await;
    let (coordinator, planner, head) = (world.role(Role::Coordinator), world.role(Role::AgencyPlanner), world.role(Role::AgencyHead));
    let list = List::new(&world, "62.02", 2026, 300).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    send(&coordinator, &dataset, &[("mode", "commit")], list.csv().as_bytes()).await.expect(202);
    world.run_jobs().await;

    // The meeting's ranking: families of the poorest tenth by subdistrict.
    let mut poorest: BTreeMap<String, i64> = BTreeMap::new();
    for family in list.families.iter().filter(|family| family.decile == 1) {
        *poorest.entry(list.villages[family.village].code[..8].to_owned()).or_default() += 1;
    }
    let ranking = coordinator.all("/monitoring/ranking?level=subdistrict&decile=1").await;
    for row in &ranking {
        let counted = poorest.get(row["region_code"].as_str().unwrap()).copied().unwrap_or(0);
        assert_eq!(row["families"].as_i64(), Some(counted), "{row}");
    }
    assert_eq!(ranking.iter().filter_map(|row| row["families"].as_i64()).sum::<i64>(), poorest.values().sum::<i64>());

    // The agency's plan, submitted by its head and approved by the leadership.
    let program = json!({"region_code": "62.02", "name": "Bedah rumah", "strategy": "reduce_poverty_pockets", "sector": "infrastructure"});
    let program = coordinator.post("/programs", program).await.expect(201).id();
    let plan = json!({"agency_id": world.home.agency, "year": 2026, "title": "Rencana aksi 2026"});
    let plan = planner.post("/action-plans", plan).await.expect(201).id();
    let activity = json!({"program_id": program, "name": "Rumah layak huni", "indicator": "Rumah", "unit": "rumah", "target_q3": 40,
        "budget": 800_000_000, "fund_source": "apbd_regency", "spending_tag": "direct"});
    let activity = planner.post(&format!("/action-plans/{plan}/activities"), activity).await.expect(201).id();
    head.step(&format!("/action-plans/{plan}/submit")).await.expect(200);
    world.role(Role::Leadership).post(&format!("/action-plans/{plan}/approve"), json!({})).await.expect(200);

    // Aid for forty families of the poorest tenth; ten receive it, five are given up.
    let wanted = coordinator.all("/beneficiaries?decile=1&limit=200").await;
    assert_eq!(wanted.len() as i64, poorest.values().sum::<i64>());
    let mut aided = Vec::new();
    for family in wanted.iter().take(40) {
        let aid =
            json!({"activity_id": activity, "beneficiary_id": family["id"], "quarter": "2026-Q3", "quantity": 1, "amount": 20_000_000});
        aided.push((family["id"].as_str().unwrap().to_owned(), planner.post("/interventions", aid).await.expect(201).id()));
    }
    for (_, aid) in &aided[..10] {
        planner.post(&format!("/interventions/{aid}/deliver"), json!({"delivered_on": "2026-08-20"})).await.expect(200);
    }
    for (_, aid) in &aided[35..] {
        planner.post(&format!("/interventions/{aid}/cancel"), json!({"reason": "Rumah sudah dibangun"})).await.expect(200);
    }
    let standing: BTreeSet<String> = aided[..35].iter().map(|(family, _)| family.clone()).collect();

    // The regent's list: whom nobody helps. What was given up helps nobody.
    let everybody = ids(&coordinator.all("/beneficiaries?limit=200").await);
    assert_eq!(everybody.len(), list.families.len());
    let without = ids(&coordinator.all("/beneficiaries?without_interventions=true&limit=200").await);
    assert_eq!(without, everybody.difference(&standing).cloned().collect());
    assert_eq!(ids(&coordinator.all("/beneficiaries?without_interventions=false&limit=200").await), standing);
    let poor_without = coordinator.all("/beneficiaries?decile=1&without_interventions=true&limit=200").await;
    assert_eq!(poor_without.len(), wanted.len() - 35);

    // Coverage counts the same families.
    let total = coordinator.get("/monitoring/coverage").await.expect(200).body["total"].clone();
    let families = list.families.len();
    assert_eq!(total, json!({"families": families, "none": families - 35, "one": 35, "two": 0, "three_or_more": 0}));
    let statuses = planner.all("/interventions?limit=200").await.iter().fold(BTreeMap::<String, usize>::new(), |mut counts, aid| {
        *counts.entry(aid["status"].as_str().unwrap().to_owned()).or_default() += 1;
        counts
    });
    assert_eq!(statuses, BTreeMap::from([("cancelled".into(), 5), ("delivered".into(), 10), ("planned".into(), 25)]));

    // The auditor sees who did what: each delivery is on record once, by the planner.
    let me = planner.get("/me").await.expect(200).body["id"].clone();
    let events = world.role(Role::Auditor).all("/audit-events?limit=200").await;
    let delivered: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "change" && event["resource"] == "interventions" && event["action"] == "delivered")
        .collect();
    assert_eq!(delivered.len(), 10);
    assert!(delivered.iter().all(|event| event["actor_id"] == me), "{me}");
}
