//! Deals families to villages and people to families so that every published total comes out exactly.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::model::{Plan, Village};

/// Families and people of Kotawaringin Timur in decile 1, 2 and 3, as the regent published them on 16 March 2023.
const PUBLISHED: [(u32, u32); 3] = [(6_202, 29_489), (8_886, 36_157), (9_550, 35_270)];

/// Villages of Kotawaringin Timur, against which the size of other regencies is scaled.
const PUBLISHED_VILLAGES: u64 = 185;

/// The regency whose published ranking of subdistricts is reproduced, and the first three of that ranking.
const RANKED: (&str, [&str; 3]) = ("62.02", ["62.02.09", "62.02.08", "62.02.11"]);

/// Families per thousand by size (one person, two, three, …) in decile 1, 2 and 3; the means are close to the published ones.
const SIZES: [&[u32]; 3] = [
    &[30, 70, 140, 220, 220, 160, 85, 42, 20, 9, 4],
    &[60, 110, 200, 260, 190, 105, 45, 19, 8, 3],
    &[85, 150, 220, 270, 160, 75, 26, 10, 4],
];

/// More people than this no simulated family has.
const LARGEST: u32 = 12;

/// A family before it has people: where it lives, how poor it is, how many it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Position in the village list.
    pub(super) village: usize,
    /// Welfare decile.
    pub(super) decile: u8,
    /// Number of people.
    pub(super) size: u32,
}

/// A subdistrict with the positions of its villages.
struct Subdistrict<'a> {
    code: &'a str,
    villages: Vec<(usize, &'a Village)>,
}

/// All families to be, village by village in the order of the list.
pub(super) fn slots(plan: &Plan, villages: &[Village]) -> Vec<Slot> {
    let mut dice = Dice::new(plan.seed, &plan.regency, 0);
    let subdistricts = subdistricts(plan, villages);
    let total = total_families(plan, subdistricts.iter().map(|s| s.villages.len() as u64).sum());
    let top = ranking(plan, &subdistricts);
    let shares = shares(&mut dice, total, &subdistricts, &top);
    let mut deck = deck(&mut dice, total);
    dice.shuffle(&mut deck);

    let mut cards = deck.into_iter();
    let mut hands: Vec<Vec<Slot>> = Vec::new();
    for (subdistrict, share) in subdistricts.iter().zip(shares) {
        let quotas = quotas(&mut dice, share, &subdistrict.villages);
        let homes = subdistrict.villages.iter().zip(quotas).flat_map(|((home, _), n)| (0..n).map(|_| *home));
        hands.push(homes.zip(cards.by_ref()).map(|(village, (decile, size))| Slot { village, decile, size }).collect());
    }
    keep_ranking(&mut hands, &top);
    let mut slots: Vec<Slot> = hands.into_iter().flatten().collect();
    slots.sort_by_key(|slot| slot.village);
    slots
}

fn subdistricts<'a>(plan: &Plan, villages: &'a [Village]) -> Vec<Subdistrict<'a>> {
    let mut found: BTreeMap<&str, Vec<(usize, &Village)>> = BTreeMap::new();
    for (position, village) in villages.iter().enumerate() {
        if plan.covers(village) {
            found.entry(village.subdistrict_code()).or_default().push((position, village));
        }
    }
    found.into_iter().map(|(code, villages)| Subdistrict { code, villages }).collect()
}

fn total_families(plan: &Plan, villages: u64) -> u32 {
    let published: u32 = PUBLISHED.iter().map(|(families, _)| families).sum();
    let full = if plan.regency == RANKED.0 {
        published
    } else {
        u32::try_from(villages * u64::from(published) / PUBLISHED_VILLAGES).unwrap_or(u32::MAX)
    };
    if villages == 0 { 0 } else { plan.families.unwrap_or(full) }
}

/// Positions of the subdistricts that must come first, best first.
fn ranking(plan: &Plan, subdistricts: &[Subdistrict<'_>]) -> Vec<usize> {
    let wanted: &[&str] = if plan.regency == RANKED.0 { &RANKED.1 } else { &[] };
    wanted.iter().filter_map(|code| subdistricts.iter().position(|s| s.code == *code)).collect()
}

/// Families of every subdistrict: each village its first one, then by weight, the ranked ones strictly ahead of the others.
fn shares(dice: &mut Dice, total: u32, subdistricts: &[Subdistrict<'_>], top: &[usize]) -> Vec<u32> {
    let mut weights: Vec<u128> =
        subdistricts.iter().map(|s| ((s.villages.len() as f64).sqrt() * dice.real(800.0, 1_200.0)) as u128).collect();
    let ordinary = |values: &[u128]| values.iter().enumerate().filter(|(i, _)| !top.contains(i)).map(|(_, w)| *w).max();
    let mut bar = ordinary(&weights).unwrap_or(1_000);
    for &position in top.iter().rev() {
        bar += bar / 8;
        set(&mut weights, position, bar);
    }

    // Largest remainders never put a lighter subdistrict ahead of a heavier one, so a strictly ranked floor keeps the ranking strict.
    let mut floor: Vec<u128> = subdistricts.iter().map(|s| s.villages.len() as u128).collect();
    let mut bar = ordinary(&floor).unwrap_or(0);
    for &position in top.iter().rev() {
        bar = (bar + 1).max(floor.get(position).copied().unwrap_or(0));
        set(&mut floor, position, bar);
    }
    let mut bare = vec![0; floor.len()];
    top.iter().rev().zip(1..).for_each(|(&position, rank)| set(&mut bare, position, rank));
    let floor = [floor, bare].into_iter().find(|f| f.iter().sum::<u128>() <= u128::from(total));
    above_floor(total, &floor.unwrap_or_else(|| vec![0; weights.len()]), &weights)
}

/// Families of every village of one subdistrict; wards (kelurahan) hold more people than rural villages.
fn quotas(dice: &mut Dice, share: u32, villages: &[(usize, &Village)]) -> Vec<u32> {
    let ward = |village: &Village| village.code.rsplit('.').next().is_some_and(|number| number.starts_with('1'));
    let weights: Vec<u128> = villages.iter().map(|(_, v)| u128::from(dice.between(500, 1_500)) * if ward(v) { 2 } else { 1 }).collect();
    let first = u128::from(share >= villages.len() as u32);
    above_floor(share, &vec![first; weights.len()], &weights)
}

fn set(values: &mut [u128], position: usize, value: u128) {
    if let Some(slot) = values.get_mut(position) {
        *slot = value;
    }
}

fn above_floor(total: u32, floor: &[u128], weights: &[u128]) -> Vec<u32> {
    let spent: u128 = floor.iter().sum();
    let rest = apportion(u128::from(total).saturating_sub(spent), weights);
    floor.iter().zip(rest).map(|(base, more)| (base + more) as u32).collect()
}

/// Splits a total by weights with the method of largest remainders: the parts add up exactly.
fn apportion(total: u128, weights: &[u128]) -> Vec<u128> {
    let sum: u128 = weights.iter().sum::<u128>().max(1);
    let mut parts: Vec<u128> = weights.iter().map(|weight| total * weight / sum).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(weights.get(i).map_or(0, |weight| total * weight % sum)));
    let missing = total.saturating_sub(parts.iter().sum()) as usize;
    for position in order.into_iter().take(missing) {
        if let Some(part) = parts.get_mut(position) {
            *part += 1;
        }
    }
    parts
}

/// Decile and size of every family: families by decile and people by decile as published, scaled.
fn deck(dice: &mut Dice, total: u32) -> Vec<(u8, u32)> {
    let families = apportion(u128::from(total), &PUBLISHED.map(|(families, _)| u128::from(families)));
    let (all_families, all_people) =
        PUBLISHED.iter().fold((0, 0), |(f, p), (families, people)| (f + u128::from(*families), p + u128::from(*people)));
    let people = (u128::from(total) * all_people + all_families / 2) / all_families;
    // Weights are families × published mean size, brought to whole numbers by the product of all denominators.
    let product: u128 = PUBLISHED.iter().map(|(families, _)| u128::from(*families)).product();
    let weights: Vec<u128> = families.iter().zip(PUBLISHED).map(|(n, (f, p))| n * u128::from(p) * (product / u128::from(f))).collect();
    let people = apportion(people, &weights);
    let mut deck = Vec::new();
    for (((families, people), table), decile) in families.iter().zip(people).zip(SIZES).zip(1..) {
        deck.extend(sizes(dice, *families as usize, people as u32, table).into_iter().map(|size| (decile, size)));
    }
    deck
}

/// Sizes drawn from the table, then moved by single people at random until they add up.
fn sizes(dice: &mut Dice, families: usize, people: u32, table: &[u32]) -> Vec<u32> {
    let weight: u32 = table.iter().sum();
    let mut sizes: Vec<u32> = (0..families)
        .map(|_| {
            let mut left = dice.between(1, weight);
            let larger = table.iter().take_while(|share| {
                let past = left > **share;
                left = left.saturating_sub(**share);
                past
            });
            larger.count() as u32 + 1
        })
        .collect();
    let people = people.clamp(families as u32, families as u32 * LARGEST);
    let mut sum: u32 = sizes.iter().sum();
    while sum != people && families > 0 {
        let position = dice.between(0, families as u32 - 1) as usize;
        let Some(size) = sizes.get_mut(position) else {
            break;
        };
        if sum < people && *size < LARGEST {
            *size += 1;
            sum += 1;
        } else if sum > people && *size > 1 {
            *size -= 1;
            sum -= 1;
        }
    }
    sizes
}

/// Exchanges a small family of the higher subdistrict for a large one of the lower until people rank as families do.
fn keep_ranking(hands: &mut [Vec<Slot>], top: &[usize]) {
    let people = |hand: &[Slot]| hand.iter().map(|slot| slot.size).sum::<u32>();
    loop {
        let counts: Vec<u32> = hands.iter().map(|hand| people(hand)).collect();
        let count = |position: usize| counts.get(position).copied().unwrap_or(0);
        let rest = (0..counts.len()).filter(|position| !top.contains(position)).max_by_key(|&position| count(position));
        let order: Vec<usize> = top.iter().copied().chain(rest).collect();
        let wrong = order.windows(2).find_map(|pair| match *pair {
            [above, below] if count(above) <= count(below) => Some((above, below)),
            _ => None,
        });
        if !wrong.is_some_and(|(above, below)| exchange(hands, above, below)) {
            return;
        }
    }
}

/// Swaps the smallest family of one subdistrict with the largest of the other; false when that would not help.
fn exchange(hands: &mut [Vec<Slot>], above: usize, below: usize) -> bool {
    let Ok([above, below]) = hands.get_disjoint_mut([above, below]) else {
        return false;
    };
    let small = above.iter_mut().min_by_key(|slot| slot.size);
    let large = below.iter_mut().max_by_key(|slot| slot.size);
    match (small, large) {
        (Some(small), Some(large)) if small.size < large.size => {
            std::mem::swap(&mut small.size, &mut large.size);
            std::mem::swap(&mut small.decile, &mut large.decile);
            true
        }
        _ => false,
    }
}
