//! Totals, ranking, scaling and determinism.

use std::collections::BTreeMap;

use super::super::dice::Dice;
use super::super::family::Workshop;
use super::super::{Family, layout, regency};
use super::{kotim, plan, small, today, village};

fn count(families: &[Family], decile: u8) -> (usize, usize) {
    let of: Vec<&Family> = families.iter().filter(|family| family.decile == decile).collect();
    (of.len(), of.iter().map(|family| family.members.len()).sum())
}

fn people(families: &[Family]) -> usize {
    families.iter().map(|family| family.members.len()).sum()
}

/// Subdistricts by families and by people, the largest first.
fn rankings(families: &[Family]) -> [Vec<(usize, String)>; 2] {
    let villages = kotim();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for family in families {
        let entry = counts.entry(villages[family.village].subdistrict_code()).or_default();
        entry.0 += 1;
        entry.1 += family.members.len();
    }
    let rank = |of: fn((usize, usize)) -> usize| {
        let mut list: Vec<(usize, String)> = counts.iter().map(|(code, n)| (of(*n), (*code).to_owned())).collect();
        list.sort_by(|a, b| b.cmp(a));
        list
    };
    [rank(|n| n.0), rank(|n| n.1)]
}

fn assert_ranked(families: &[Family], context: &str) {
    for ranking in rankings(families) {
        let first: Vec<&str> = ranking.iter().take(3).map(|(_, code)| code.as_str()).collect();
        assert_eq!(first, ["62.02.09", "62.02.08", "62.02.11"], "{context}: {ranking:?}");
        assert!(ranking.windows(2).take(3).all(|pair| pair[0].0 > pair[1].0), "{context}: {ranking:?}");
    }
}

#[test]
fn kotawaringin_timur_has_the_published_totals_and_ranking() {
    let villages = kotim();
    assert_eq!(villages.len(), 185);
    let started = std::time::Instant::now();
    let families = regency(&plan("62.02", 1, None), &villages);
    eprintln!("full regency: {:?}", started.elapsed());
    assert_eq!(families.len(), 24_638);
    assert_eq!(people(&families), 100_916);
    assert_eq!([1, 2, 3].map(|d| count(&families, d)), [(6_202, 29_489), (8_886, 36_157), (9_550, 35_270)]);
    assert_ranked(&families, "full");
    eprintln!("{:?}", rankings(&families));
    for (position, village) in villages.iter().enumerate() {
        assert!(families.iter().any(|family| family.village == position), "{} is empty", village.code);
    }
}

#[test]
fn every_seed_keeps_the_ranking_at_every_size() {
    for seed in 0..4 {
        for families in (6..40).chain([60, 100, 185, 186, 215, 216, 300, 1_000]) {
            let list = small(seed, families);
            assert_eq!(list.len(), families as usize);
            assert_ranked(&list, &format!("seed {seed}, {families} families"));
        }
    }
}

#[test]
fn small_sizes_scale_to_exact_totals() {
    for families in [1, 2, 3, 5, 10, 99, 1_000] {
        let list = small(7, families);
        assert_eq!(list.len(), families as usize);
        assert_eq!(people(&list) as u64, (u64::from(families) * 100_916 + 12_319) / 24_638);
    }
    assert!(small(7, 0).is_empty());
}

#[test]
fn other_regencies_scale_by_their_villages() {
    let one = [village("64.08.03.2001", "Muara Bengkal")];
    assert_eq!(regency(&plan("64.08", 1, None), &one).len(), 133);
    assert_eq!(regency(&plan("64.08", 1, Some(1)), &one).len(), 1);
    assert!(regency(&plan("64.08", 1, Some(5)), &[]).is_empty());
    let mixed = [one[0].clone(), village("64.02.01.2001", "Sebulu"), village("64.080.1.2001", "Elsewhere")];
    let families = regency(&plan("64.02", 1, Some(20)), &mixed);
    assert!(families.len() == 20 && families.iter().all(|family| family.village == 1));
}

#[test]
fn the_same_seed_gives_the_same_families_and_another_seed_others() {
    assert_eq!(small(3, 300), small(3, 300));
    assert_ne!(small(3, 300), small(4, 300));
}

#[test]
fn a_change_in_one_family_leaves_the_others_alone() {
    let villages = kotim();
    let plan = plan("62.02", 9, Some(120));
    let build = |changed: bool| -> Vec<Family> {
        let mut slots = layout::slots(&plan, &villages);
        slots[40].size += u32::from(changed) * 3;
        let mut workshop = Workshop::new(today(), villages.iter());
        let streams = slots.into_iter().zip(1..);
        streams
            .map(|(slot, stream)| {
                let mut dice = Dice::new(9, "62.02", stream);
                workshop.family(&mut dice, slot, &villages[slot.village], stream as u32)
            })
            .collect()
    };
    let (before, after) = (build(false), build(true));
    let differing: Vec<usize> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
    assert_eq!(differing, [40]);
}
