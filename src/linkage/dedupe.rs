//! Deduplication: a register linked with itself, and its clusters.
//!
//! Pairs are scored as between registers, without competition (a person may stand there many times). Matches are joined to clusters, the
//! surest first, and all pairs of a cluster are given: what two rows lack in likeness they gain by both being like a third. The gain is a
//! term of its own (`chain`), such that the pair is as sure as the weakest link by which its rows came together.

use foldhash::fast::FixedState;
use std::collections::HashMap;

use super::assign::probability;
use super::block;
use super::crew::{Cancelled, Crew};
use super::family::Support;
use super::frequencies::Frequencies;
use super::model::{Model, Tally};
use super::record::Register;
use super::run::{Engine, Options, Outcome, Pair, Stage, Stats, Zone, tally, tally_again};

/// Above this many rows a cluster is suspicious, and only its compared pairs are given: all pairs would be a million.
pub const LARGEST: usize = 500;

impl Engine {
    /// Finds the rows of one register that are one person.
    pub fn dedupe(&self, register: &mut Register, options: &Options<'_>) -> Result<Outcome, Cancelled> {
        let crew = Crew::new(options);
        let tell = |stage| options.progress.map_or((), |tell| tell(stage));
        tell(Stage::Count);
        let frequencies = match options.model {
            Some(model) => model.frequencies.clone(),
            None => Frequencies::count(&self.layout, &[register], &crew)?,
        };
        register.annotate(&self.layout, &frequencies, &crew);
        let register = &*register;
        tell(Stage::Block);
        let candidates = block::candidates(&self.plan, register, None, &crew)?;
        tell(Stage::Compare);
        let mut patterns = self.compare(register, register, candidates, &crew)?;
        tell(Stage::Estimate);
        let (mut tallies, mut places) = tally(&patterns.of);
        let mut model = match options.model {
            Some(model) => model.clone(),
            None => Model::estimate(&self.scheme, &tallies, frequencies, &crew),
        };
        crew.check()?;
        tell(Stage::Decide);
        let weigh = |model: &Model, tallies: &[Tally]| -> Vec<f64> {
            tallies.iter().map(|tally| model.weight(&self.scheme, tally.pattern)).collect()
        };
        if self.layout.families {
            let weights = weigh(&model, &tallies);
            let pairs = places.iter().zip(&patterns.lefts).zip(&patterns.candidates.rights);
            let sure = pairs
                .filter(|((place, _), _)| weights.get(**place as usize).is_some_and(|&weight| probability(weight) >= 0.9))
                .flat_map(|((_, &l), &r)| [(l, r), (r, l)]);
            let support = Support::gather(&self.layout, register, register, sure, &crew);
            self.write_context(&mut patterns, &support, register, &crew)?;
            (tallies, places) = tally_again(&tallies, &places, &patterns.of);
            if options.model.is_none() {
                let matched: Vec<f64> = weigh(&model, &tallies)
                    .iter()
                    .zip(&tallies)
                    .map(|(&weight, tally)| probability(weight) * f64::from(tally.pairs))
                    .collect();
                model = model.refit(&self.scheme, &tallies, &matched, true, &crew);
            }
        }
        if options.model.is_none() {
            model = model.sealed();
        }
        let weights = weigh(&model, &tallies);
        let mut found: Vec<(f64, u32, u32, u64)> = Vec::new();
        for (((&place, &l), &r), &pattern) in places.iter().zip(&patterns.lefts).zip(&patterns.candidates.rights).zip(&patterns.of) {
            let weight = weights.get(place as usize).copied().unwrap_or(f64::NEG_INFINITY);
            if probability(weight) >= self.profile.review_from {
                found.push((weight, l, r, pattern));
            }
        }
        let mut pairs = self.clusters(&model, register, found);
        for pair in &mut pairs {
            // The smaller id first, so that the output does not depend on the order of rows.
            if register.id(pair.right) < register.id(pair.left) {
                std::mem::swap(&mut pair.left, &mut pair.right);
            }
        }
        pairs.sort_by(|a, b| {
            let left = register.id(a.left).cmp(register.id(b.left));
            left.then(b.weight.total_cmp(&a.weight)).then_with(|| register.id(a.right).cmp(register.id(b.right)))
        });
        let matches = pairs.iter().filter(|pair| pair.zone == Zone::Match).count();
        let stats = Stats {
            left: register.len(),
            right: register.len(),
            compared: patterns.of.len(),
            patterns: tallies.len(),
            matches,
            review: pairs.len() - matches,
        };
        Ok(Outcome { pairs, model, stats })
    }

    fn clusters(&self, model: &Model, register: &Register, mut found: Vec<(f64, u32, u32, u64)>) -> Vec<Pair> {
        let names = |l: u32, r: u32| {
            let (a, b) = (register.id(l), register.id(r));
            if a <= b { (a, b) } else { (b, a) }
        };
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| names(a.1, a.2).cmp(&names(b.1, b.2))));
        // Each row's cluster, and each cluster's rows; a row that is in none has one of its own.
        let mut cluster_of: HashMap<u32, usize, FixedState> = HashMap::default();
        let mut members: Vec<Vec<u32>> = Vec::new();
        // The weight at which the rows of a pair came together.
        let mut joined: HashMap<(u32, u32), f64, FixedState> = HashMap::default();
        // One register tells twins apart by the serials of their numbers, so rows that differ in the serial are never joined without a clerk.
        let sure = |weight: f64, pattern: u64| probability(weight) >= self.profile.match_from && !self.scheme.differs_in_serial(pattern);
        for &(weight, l, r, _) in found.iter().filter(|entry| sure(entry.0, entry.3)) {
            let mut own = |row: u32| {
                *cluster_of.entry(row).or_insert_with(|| {
                    members.push(vec![row]);
                    members.len() - 1
                })
            };
            let (a, b) = (own(l), own(r));
            if a == b {
                continue;
            }
            let (from, into) = if members.get(a).map_or(0, Vec::len) < members.get(b).map_or(0, Vec::len) { (a, b) } else { (b, a) };
            let moved = members.get_mut(from).map(std::mem::take).unwrap_or_default();
            let Some(stay) = members.get_mut(into) else { continue };
            if moved.len() + stay.len() <= LARGEST {
                for &x in &moved {
                    for &y in stay.iter() {
                        joined.insert((x.min(y), x.max(y)), weight);
                    }
                }
            }
            for &row in &moved {
                cluster_of.insert(row, into);
            }
            stay.extend(moved);
        }
        let mut out: Vec<Pair> = Vec::new();
        let mut add = |l: u32, r: u32, pattern: u64, own: f64, together: Option<f64>| {
            let weight = together.map_or(own, |together| own.max(together));
            let zone = if together.is_some() || sure(own, pattern) { Zone::Match } else { Zone::Review };
            let (left, right, chain) = (l, r, weight - own);
            out.push(Pair {
                left,
                right,
                weight,
                probability: probability(weight),
                zone,
                pattern,
                left_rivals: 0.0,
                right_rivals: 0.0,
                chain,
                calibration: 0.0,
            });
        };
        for (weight, l, r, pattern) in found {
            add(l, r, pattern, weight, joined.remove(&(l.min(r), l.max(r))));
        }
        for ((l, r), together) in joined {
            let pattern = self.pattern(register, l, register, r);
            add(l, r, pattern, model.weight(&self.scheme, pattern), Some(together));
        }
        out
    }
}
