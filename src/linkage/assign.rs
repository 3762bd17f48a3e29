//! Competition: a person has one row in the other register, so candidates of one row, and claimants of one row, compete.
//!
//! The odds of the pairs are turned into marginal probabilities of a matching by belief propagation (exact on trees, which nearly all
//! connected components are). Rows that are judged one person do not compete: a person listed twice may be linked twice. A pair whose
//! rivals are themselves better served elsewhere loses little to them.

use foldhash::fast::FixedState;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::calibrate::Calibration;
use super::crew::Crew;
use super::run::Zone;

/// Pairs below these odds (as a weight) neither win nor take anything away.
pub const FLOOR: f64 = -8.0;
/// Weights are cut off here; more certainty than one in a thousand milliards is not believable.
pub const CEILING: f64 = 40.0;
/// Rounds of messages; components are small and messages settle in three or four.
const ROUNDS: usize = 4;

/// A pair that is worth solving for.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Left row.
    pub left: u32,
    /// Right row.
    pub right: u32,
    /// Where it stands among the candidate pairs.
    pub pair: usize,
    /// Where its pattern stands among the distinct ones.
    pub place: u32,
    /// Its weight before competition.
    pub weight: f64,
    /// What the left row's other candidates take away (at most 0).
    pub left_rivals: f64,
    /// What the right row's other claimants take away (at most 0).
    pub right_rivals: f64,
}

impl Claim {
    /// The weight with competition.
    pub fn settled(&self) -> f64 {
        self.weight + self.left_rivals + self.right_rivals
    }
}

/// A weight as a probability.
pub fn probability(weight: f64) -> f64 {
    1.0 / (1.0 + (-weight).exp2())
}

/// For one side: per claim the rivals that the message of each claim sums over.
struct Side {
    /// Claims of one row, where it has several, side by side.
    members: Vec<u32>,
    /// Where each row's claims end, and where its friends do.
    ends: Vec<(u32, u32)>,
    /// Pairs of claims of one row that are one person's rows.
    friends: Vec<(u32, u32)>,
}

impl Side {
    fn new(keys: impl Iterator<Item = u32>, same: impl Fn(u32, u32) -> bool) -> Self {
        let mut order: Vec<u64> = keys.zip(0u64..).map(|(key, at)| u64::from(key) << 32 | at).collect();
        order.sort_unstable();
        let mut out = Self { members: Vec::new(), ends: Vec::new(), friends: Vec::new() };
        for group in order.chunk_by(|a, b| a >> 32 == b >> 32).filter(|group| group.len() > 1) {
            let claims = || group.iter().map(|entry| (entry & 0xffff_ffff) as u32);
            for (n, a) in claims().enumerate() {
                out.friends.extend(claims().skip(n + 1).filter(|&b| same(a, b)).map(|b| (a, b)));
            }
            out.members.extend(claims());
            let end = |list: usize| u32::try_from(list).unwrap_or(u32::MAX);
            out.ends.push((end(out.members.len()), end(out.friends.len())));
        }
        out
    }

    fn groups(&self) -> impl Iterator<Item = (&[u32], &[(u32, u32)])> {
        self.ends.iter().scan((0, 0), |from, &(members, friends)| {
            let group = self.members.get(from.0..members as usize).unwrap_or_default();
            let same = self.friends.get(from.1..friends as usize).unwrap_or_default();
            *from = (members as usize, friends as usize);
            Some((group, same))
        })
    }

    /// Per claim 1 / (1 + sum of rivals' messages).
    fn pass(&self, messages: &[f64], out: &mut [f64]) {
        let get = |at: u32| messages.get(at as usize).copied().unwrap_or_default();
        let mut terms = Vec::new();
        for (group, friends) in self.groups() {
            for &claim in group {
                terms.clear();
                let rivals = group.iter().filter(|&&other| {
                    other != claim && !friends.iter().any(|&(a, b)| (a, b) == (claim, other) || (b, a) == (claim, other))
                });
                terms.extend(rivals.map(|&other| get(other)));
                // Sorted, so that the sum does not depend on the order of rows.
                terms.sort_unstable_by(f64::total_cmp);
                if let Some(out) = out.get_mut(claim as usize) {
                    *out = 1.0 / (1.0 + terms.iter().sum::<f64>());
                }
            }
        }
    }
}

/// Settles the competition among claims. `same_left` and `same_right` say whether two rows of one register are one person.
pub fn compete(
    claims: &mut [Claim],
    same_left: impl Fn(u32, u32) -> bool + Sync,
    same_right: impl Fn(u32, u32) -> bool + Sync,
    crew: &Crew<'_>,
) {
    let odds: Vec<f64> = claims.iter().map(|claim| claim.weight.min(CEILING).exp2()).collect();
    let claim = |at: u32| claims.get(at as usize);
    // Only two good claims can be two rows of one person; asking costs a comparison.
    let plausible = |a: u32, b: u32| match (claim(a), claim(b)) {
        (Some(a), Some(b)) if a.weight > -2.0 && b.weight > -2.0 => Some((*a, *b)),
        _ => None,
    };
    // Candidates of one left row compete unless they are one person's right rows, and the other way round.
    let (by_left, by_right) = crew.both(
        || Side::new(claims.iter().map(|claim| claim.left), |a, b| plausible(a, b).is_some_and(|(a, b)| same_right(a.right, b.right))),
        || Side::new(claims.iter().map(|claim| claim.right), |a, b| plausible(a, b).is_some_and(|(a, b)| same_left(a.left, b.left))),
    );
    let mut from_left = vec![1.0; claims.len()];
    let mut from_right = vec![1.0; claims.len()];
    let times = |factors: &[f64]| odds.iter().zip(factors).map(|(odds, factor)| odds * factor).collect::<Vec<_>>();
    for _ in 0..ROUNDS {
        by_left.pass(&times(&from_right), &mut from_left);
        let messages = times(&from_left);
        by_right.pass(&messages, &mut from_right);
    }
    by_left.pass(&times(&from_right), &mut from_left);
    for ((claim, left), right) in claims.iter_mut().zip(from_left).zip(from_right) {
        claim.left_rivals = left.log2();
        claim.right_rivals = right.log2();
    }
}

/// Which zone each claim falls into: a left row is matched at most once, a right row again only by rows of the same person.
/// `order` breaks ties.
pub fn zones(
    claims: &[Claim],
    calibration: Calibration,
    match_from: f64,
    review_from: f64,
    order: impl Fn(&Claim, &Claim) -> Ordering,
    same_left: impl Fn(u32, u32) -> bool,
) -> Vec<Option<Zone>> {
    let mut out = vec![None; claims.len()];
    let mut best: Vec<(f64, usize, &Claim)> = claims
        .iter()
        .enumerate()
        .map(|(n, claim)| (calibration.apply(claim.settled()), n, claim))
        .filter(|entry| probability(entry.0) >= review_from)
        .collect();
    best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| order(a.2, b.2)));
    let mut lefts: HashSet<u32, FixedState> = HashSet::with_capacity_and_hasher(best.len(), FixedState::default());
    // The first claimant of a right row, and the rare further ones.
    let mut rights: HashMap<u32, u32, FixedState> = HashMap::with_capacity_and_hasher(best.len(), FixedState::default());
    let mut further: HashMap<u32, Vec<u32>, FixedState> = HashMap::default();
    for (weight, n, claim) in best {
        let free = probability(weight) >= match_from && !lefts.contains(&claim.left);
        let first = if free { rights.get(&claim.right).copied() } else { None };
        let same = |other: u32| same_left(other, claim.left);
        let others = || further.get(&claim.right).into_iter().flatten().all(|&other| same(other));
        let matched = free && first.is_none_or(|first| same(first) && others());
        if matched {
            lefts.insert(claim.left);
            if first.is_none() {
                rights.insert(claim.right, claim.left);
            } else {
                further.entry(claim.right).or_default().push(claim.left);
            }
        }
        if let Some(zone) = out.get_mut(n) {
            *zone = Some(if matched { Zone::Match } else { Zone::Review });
        }
    }
    out
}
