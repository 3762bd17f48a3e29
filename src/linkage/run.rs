//! A whole run: frequencies, candidates, patterns, estimation, competition, family context, zones.

use std::sync::atomic::AtomicBool;

use foldhash::fast::FixedState;
use std::collections::HashMap;

use super::assign::{self, Claim, probability};
use super::block::{self, Candidates, Plan};
use super::calibrate::{Calibration, Observed};
use super::compare::{Memo, Scheme};
use super::crew::{Cancelled, Crew};
use super::family::Support;
use super::frequencies::Frequencies;
use super::model::{CONTEXT, Model, Tally};
use super::normalise::Normaliser;
use super::profile::{Profile, ProfileError};
use super::record::{Layout, Register};

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Counting names.
    Count,
    /// Finding candidates.
    Block,
    /// Comparing them.
    Compare,
    /// Estimating the model.
    Estimate,
    /// Competition, families and zones.
    Decide,
}

/// How to run.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Threads; 0 means one for each core. The result does not depend on it.
    pub threads: usize,
    /// Told at the beginning of each stage.
    pub progress: Option<&'a (dyn Fn(Stage) + Sync)>,
    /// Set it, and the run ends soon with [`Cancelled`].
    pub cancel: Option<&'a AtomicBool>,
    /// A model to score with instead of estimating one.
    pub model: Option<&'a Model>,
}

/// Pairs whose rows are fetched together before they are compared.
const WINDOW: usize = 32;

/// What is to be done with a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// Taken for one person.
    Match,
    /// Worth a clerk's look.
    Review,
}

impl Zone {
    /// The word in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Review => "review",
        }
    }
}

/// A pair of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Left row.
    pub left: u32,
    /// Right row; in a deduplication a later row of the same register.
    pub right: u32,
    /// Logarithm to base 2 of the odds that it is one person, everything considered.
    pub weight: f64,
    /// The same as a probability.
    pub probability: f64,
    /// What is to be done with it.
    pub zone: Zone,
    /// How it agrees; the family context in the highest bits.
    pub pattern: u64,
    /// What the left row's other candidates take away.
    pub left_rivals: f64,
    /// What the right row's other claimants take away.
    pub right_rivals: f64,
    /// In a deduplication, what the pair gains because both rows are like a third.
    pub chain: f64,
    /// What calibration adds.
    pub calibration: f64,
}

impl Pair {
    /// Of a claim that competition has settled; `weight` is the calibrated one.
    pub(super) fn settled(claim: &Claim, weight: f64, zone: Zone, pattern: u64) -> Pair {
        Pair {
            left: claim.left,
            right: claim.right,
            weight,
            probability: probability(weight),
            zone,
            pattern,
            left_rivals: claim.left_rivals,
            right_rivals: claim.right_rivals,
            chain: 0.0,
            calibration: weight - claim.settled(),
        }
    }
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rows on the left.
    pub left: usize,
    /// Rows on the right.
    pub right: usize,
    /// Pairs compared.
    pub compared: usize,
    /// Distinct patterns among them.
    pub patterns: usize,
    /// Pairs in the zone match.
    pub matches: usize,
    /// Pairs in the zone review.
    pub review: usize,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Matches and pairs for review, ordered by left id, then falling weight, then right id.
    pub pairs: Vec<Pair>,
    /// The model they were scored with.
    pub model: Model,
    /// Counts.
    pub stats: Stats,
}

/// An engine for one profile.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The profile.
    pub profile: Profile,
    /// The shape of rows.
    pub layout: Layout,
    /// The comparisons.
    pub scheme: Scheme,
    pub(super) plan: Plan,
}

/// Patterns of candidates, counted.
pub(super) struct Patterns {
    pub candidates: Candidates,
    /// The left row of each candidate pair.
    pub lefts: Vec<u32>,
    /// Pattern of each candidate pair.
    pub of: Vec<u64>,
    /// The family of each pair's right row, kept here because looking it up again is a walk to memory; empty without families.
    families: Vec<u64>,
}

impl Engine {
    /// An engine for a profile.
    pub fn new(profile: Profile) -> Result<Self, ProfileError> {
        let layout = Layout::new(&profile)?;
        let scheme = Scheme::new(&layout)?;
        let plan = Plan::new(&layout);
        Ok(Self { profile, layout, scheme, plan })
    }

    /// A register from ids and values in the order of the profile's compared fields.
    pub fn register<'r, I: IntoIterator<Item = (&'r str, V)>, V: AsRef<[&'r str]>>(&self, records: I) -> Register {
        let mut register = Register::new(&self.layout);
        let mut normaliser = Normaliser::new(&self.layout.spelling);
        for (id, values) in records {
            register.push(&self.layout, &mut normaliser, id, values.as_ref());
        }
        register
    }

    /// The pattern of two rows, without family context.
    pub fn pattern(&self, left: &Register, l: u32, right: &Register, r: u32) -> u64 {
        self.scheme.pattern(left.row(l), right.row(r))
    }

    /// Links two registers.
    pub fn link(&self, left: &mut Register, right: &mut Register, options: &Options<'_>) -> Result<Outcome, Cancelled> {
        let crew = Crew::new(options);
        let tell = |stage| options.progress.map_or((), |tell| tell(stage));
        tell(Stage::Count);
        let frequencies = match options.model {
            Some(model) => model.frequencies.clone(),
            None => Frequencies::count(&self.layout, &[left, right], &crew)?,
        };
        left.annotate(&self.layout, &frequencies, &crew);
        right.annotate(&self.layout, &frequencies, &crew);
        let (left, right) = (&*left, &*right);
        tell(Stage::Block);
        let candidates = block::candidates(&self.plan, left, Some(right), &crew)?;
        tell(Stage::Compare);
        let mut patterns = self.compare(left, right, candidates, &crew)?;
        tell(Stage::Estimate);
        let (tallies, places) = tally(&patterns.of);
        let mut model = match options.model {
            Some(model) => model.clone(),
            None => Model::estimate(&self.scheme, &tallies, frequencies, &crew),
        };
        let mut stats =
            Stats { left: left.len(), right: right.len(), compared: patterns.of.len(), patterns: tallies.len(), ..Stats::default() };
        crew.check()?;
        tell(Stage::Decide);
        let total = patterns.of.len();
        let adjust = |model: Model, claims: &[Claim], tallies: &[Tally], context: bool| {
            let matched = matched(claims, tallies.len(), model.calibration);
            let expected = matched.iter().sum();
            model.refit(&self.scheme, tallies, &matched, context, &crew).expecting(left.len(), right.len(), total, expected)
        };
        if options.model.is_none() {
            // What the competition settles tells more of the classes than the patterns alone; then what families tell.
            let mut claims = self.settle(&model, &tallies, &places, &patterns, left, right, &crew)?;
            model = adjust(model, &claims, &tallies, false);
            claims = self.settle(&model, &tallies, &places, &patterns, left, right, &crew)?;
            model.calibration = self.observe(&model, &claims, left, right).fit();
            if self.layout.families {
                self.add_context(&mut patterns, &model, &claims, left, right, &crew)?;
                let (tallies, places) = tally_again(&tallies, &places, &patterns.of);
                for claim in &mut claims {
                    claim.place = places.get(claim.pair).copied().unwrap_or_default();
                }
                model = adjust(model, &claims, &tallies, true);
                claims = self.settle(&model, &tallies, &places, &patterns, left, right, &crew)?;
                model.calibration = self.observe(&model, &claims, left, right).fit();
            }
            model = model.sealed();
        }
        // From here on a new model and one kept from before do the same.
        let mut claims = self.settle(&model, &tallies, &places, &patterns, left, right, &crew)?;
        if self.layout.families {
            self.add_context(&mut patterns, &model, &claims, left, right, &crew)?;
            let (tallies, places) = tally_again(&tallies, &places, &patterns.of);
            claims = self.settle(&model, &tallies, &places, &patterns, left, right, &crew)?;
        }
        let same_left = |a: u32, b: u32| self.one_person(&model, left, a, b);
        let ranks = left.ranks();
        let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or_default();
        let by_ids = |a: &Claim, b: &Claim| rank(a.left).cmp(&rank(b.left)).then_with(|| right.id(a.right).cmp(right.id(b.right)));
        let zones = assign::zones(&claims, model.calibration, self.profile.match_from, self.profile.review_from, by_ids, same_left);
        let mut pairs: Vec<Pair> = Vec::new();
        for (claim, zone) in claims.iter().zip(zones) {
            let Some(zone) = zone else { continue };
            let pattern = patterns.of.get(claim.pair).copied().unwrap_or_default();
            pairs.push(Pair::settled(claim, model.calibration.apply(claim.settled()), zone, pattern));
        }
        pairs.sort_unstable_by(|a, b| {
            let ids = rank(a.left).cmp(&rank(b.left)).then(b.weight.total_cmp(&a.weight));
            ids.then_with(|| right.id(a.right).cmp(right.id(b.right)))
        });
        stats.matches = pairs.iter().filter(|pair| pair.zone == Zone::Match).count();
        stats.review = pairs.len() - stats.matches;
        Ok(Outcome { pairs, model, stats })
    }

    pub(super) fn compare(
        &self,
        left: &Register,
        right: &Register,
        candidates: Candidates,
        crew: &Crew<'_>,
    ) -> Result<Patterns, Cancelled> {
        let rows = u32::try_from(left.len()).unwrap_or(u32::MAX);
        let context = self.layout.families;
        let parts = crew.chunks(rows, |range| {
            let first = range.start;
            let mut lefts: Vec<u32> = Vec::new();
            let mut of = Vec::new();
            let mut families = Vec::new();
            let mut memo = Memo::default();
            for l in range {
                lefts.extend(candidates.of(l).iter().map(|_| l));
            }
            let start = candidates.starts.get(first as usize).copied().unwrap_or_default();
            let rights = candidates.rights.get(start..start + lefts.len()).unwrap_or_default();
            for (window, lefts) in rights.chunks(WINDOW).zip(lefts.chunks(WINDOW)) {
                // Walks to memory are many and short of work to hide them. In loops that do nothing else they overlap: first the rows, then
                // their words, whose place the rows tell. The comparison itself finds everything near.
                let mut early = 0u64;
                for &r in window {
                    early ^= right.slot(r, 0) ^ right.slot(r, self.layout.stride / 2) ^ right.slot(r, self.layout.stride - 1);
                }
                for &r in window {
                    early ^= self.scheme.touch(right.row(r));
                }
                std::hint::black_box(early);
                for (&l, &r) in lefts.iter().zip(window) {
                    of.push(self.scheme.pattern_with(left.row(l), right.row(r), &mut memo));
                }
                if context {
                    families.extend(window.iter().map(|&r| right.family(&self.layout, r)));
                }
            }
            (lefts, of, families)
        })?;
        let mut lefts = Vec::with_capacity(candidates.rights.len());
        let mut of = Vec::with_capacity(candidates.rights.len());
        let mut families = Vec::with_capacity(if context { candidates.rights.len() } else { 0 });
        for (l, o, f) in parts {
            lefts.extend(l);
            of.extend(o);
            families.extend(f);
        }
        Ok(Patterns { candidates, lefts, of, families })
    }

    fn add_context(
        &self,
        patterns: &mut Patterns,
        model: &Model,
        claims: &[Claim],
        left: &Register,
        right: &Register,
        crew: &Crew<'_>,
    ) -> Result<(), Cancelled> {
        let sure = claims.iter().filter(|claim| probability(model.calibration.apply(claim.settled())) >= 0.9);
        let support = Support::gather(&self.layout, left, right, sure.map(|claim| (claim.left, claim.right)), crew);
        self.write_context(patterns, &support, left, crew)
    }

    pub(super) fn write_context(
        &self,
        patterns: &mut Patterns,
        support: &Support,
        left: &Register,
        crew: &Crew<'_>,
    ) -> Result<(), Cancelled> {
        let rows = u32::try_from(left.len()).unwrap_or(u32::MAX);
        let parts = crew.chunks(rows, |range| {
            let start = patterns.candidates.starts.get(range.start as usize).copied().unwrap_or_default();
            let mut families = patterns.families.get(start..).unwrap_or_default().iter();
            let mut out = Vec::new();
            for l in range {
                let relatives = support.of(&self.layout, left, l);
                out.extend(patterns.candidates.of(l).iter().zip(&mut families).map(|(&r, &family)| relatives.level(r, family)));
            }
            out
        })?;
        for (pattern, level) in patterns.of.iter_mut().zip(parts.into_iter().flatten()) {
            *pattern = (*pattern & !(7 << CONTEXT)) | u64::from(level) << CONTEXT;
        }
        Ok(())
    }

    /// The weight of a pattern by its fields alone: without family context, competition and calibration. It depends on nothing but the two
    /// records and the model, so it is the same in a whole run and in an [`super::index::Index`].
    pub fn evidence(&self, model: &Model, pattern: u64) -> f64 {
        model.weight(&self.scheme, pattern & !(7 << CONTEXT))
    }

    /// Whether two rows of one register are judged one person: by the same model, but without what it expects of two registers, and never
    /// when their national numbers differ in the serial only. That is how one register tells twins apart.
    pub(super) fn one_person(&self, model: &Model, register: &Register, a: u32, b: u32) -> bool {
        let pattern = self.pattern(register, a, register, b);
        model.bare_weight(&self.scheme, pattern) >= 3.0 && !self.scheme.differs_in_serial(pattern)
    }

    /// What the smaller register's rows show of right and wrong links; of two of equal size both.
    fn observe(&self, model: &Model, claims: &[Claim], left: &Register, right: &Register) -> Observed {
        let mut out = Observed::default();
        let mut sorted: Vec<&Claim> = claims.iter().collect();
        if left.len() <= right.len() {
            sorted.sort_by_key(|claim| claim.left);
            let groups = sorted.chunk_by(|a, b| a.left == b.left).map(<[&Claim]>::to_vec);
            out.add(left.len(), groups, |claim| claim.right_rivals, |a, b| self.one_person(model, right, a.right, b.right));
        }
        if right.len() <= left.len() {
            sorted.sort_by_key(|claim| claim.right);
            let groups = sorted.chunk_by(|a, b| a.right == b.right).map(<[&Claim]>::to_vec);
            out.add(right.len(), groups, |claim| claim.left_rivals, |a, b| self.one_person(model, left, a.left, b.left));
        }
        out
    }

    #[expect(clippy::too_many_arguments, reason = "they are the state of a run")]
    fn settle(
        &self,
        model: &Model,
        tallies: &[Tally],
        places: &[u32],
        patterns: &Patterns,
        left: &Register,
        right: &Register,
        crew: &Crew<'_>,
    ) -> Result<Vec<Claim>, Cancelled> {
        let mut weights = vec![0.0; tallies.len()];
        crew.slices(&mut weights, 1, |first, weights| {
            for (weight, tally) in weights.iter_mut().zip(tallies.iter().skip(first)) {
                *weight = model.weight(&self.scheme, tally.pattern);
            }
        });
        let pieces = crew.chunks(u32::try_from(left.len()).unwrap_or(u32::MAX), |range| {
            let bound = |row: u32| patterns.candidates.starts.get(row as usize).copied().unwrap_or_default();
            let (start, end) = (bound(range.start), bound(range.end));
            let places = places.get(start..end).unwrap_or_default().iter();
            let lefts = patterns.lefts.get(start..end).unwrap_or_default();
            let rights = patterns.candidates.rights.get(start..end).unwrap_or_default();
            let mut claims = Vec::new();
            for (pair, ((&place, &l), &r)) in (start..).zip(places.zip(lefts).zip(rights)) {
                let weight = weights.get(place as usize).copied().unwrap_or(f64::NEG_INFINITY);
                if weight > assign::FLOOR {
                    claims.push(Claim { left: l, right: r, pair, place, weight, left_rivals: 0.0, right_rivals: 0.0 });
                }
            }
            claims
        })?;
        let mut claims = pieces.concat();
        assign::compete(&mut claims, |a, b| self.one_person(model, left, a, b), |a, b| self.one_person(model, right, a, b), crew);
        Ok(claims)
    }
}

/// Per distinct pattern the expected number of its pairs that match. Summed as whole numbers of 2^-32, so that the order of rows cannot
/// matter.
fn matched(claims: &[Claim], patterns: usize, calibration: Calibration) -> Vec<f64> {
    const UNIT: f64 = 4_294_967_296.0;
    let mut out = vec![0u64; patterns];
    for claim in claims {
        if let Some(sum) = out.get_mut(claim.place as usize) {
            *sum += (probability(calibration.apply(claim.settled())) * UNIT) as u64;
        }
    }
    out.into_iter().map(|sum| sum as f64 / UNIT).collect()
}

/// The same as [`tally`] when nothing but the family context has been written into patterns whose tallies are known.
pub(super) fn tally_again(tallies: &[Tally], places: &[u32], patterns: &[u64]) -> (Vec<Tally>, Vec<u32>) {
    // The context is the highest part of a pattern, so the new order is by context, and within it the old one.
    let width = tallies.len();
    let cell = |place: u32, pattern: u64| (pattern >> CONTEXT) as usize * width + place as usize;
    let mut counts = vec![0u32; width << (64 - CONTEXT)];
    for (&place, &pattern) in places.iter().zip(patterns) {
        if let Some(count) = counts.get_mut(cell(place, pattern)) {
            *count += 1;
        }
    }
    let mut out = Vec::new();
    for (level, counts) in (0u64..).zip(counts.chunks_exact_mut(width.max(1))) {
        for (tally, count) in tallies.iter().zip(counts).filter(|(_, count)| **count > 0) {
            out.push(Tally { pattern: tally.pattern & !(7 << CONTEXT) | level << CONTEXT, pairs: *count });
            // From here on the count holds the new place.
            *count = u32::try_from(out.len() - 1).unwrap_or(u32::MAX);
        }
    }
    let moved = |(&place, &pattern): (&u32, &u64)| counts.get(cell(place, pattern)).copied().unwrap_or_default();
    let places = places.iter().zip(patterns).map(moved).collect();
    (out, places)
}

/// The distinct patterns in ascending order with their numbers, and for each pair the place of its pattern.
pub(super) fn tally(patterns: &[u64]) -> (Vec<Tally>, Vec<u32>) {
    let mut known: HashMap<u64, u32, FixedState> = HashMap::default();
    let mut tallies: Vec<Tally> = Vec::new();
    let mut places = Vec::with_capacity(patterns.len());
    for &pattern in patterns {
        let place = *known.entry(pattern).or_insert_with(|| {
            tallies.push(Tally { pattern, pairs: 0 });
            u32::try_from(tallies.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(tally) = tallies.get_mut(place as usize) {
            tally.pairs += 1;
        }
        places.push(place);
    }
    // Ascending, so that sums over patterns do not depend on the order of rows.
    let mut order: Vec<u32> = (0..u32::try_from(tallies.len()).unwrap_or(u32::MAX)).collect();
    order.sort_unstable_by_key(|&at| tallies.get(at as usize).map_or(0, |tally| tally.pattern));
    let mut moved = vec![0u32; order.len()];
    for (new, &old) in order.iter().enumerate() {
        if let Some(place) = moved.get_mut(old as usize) {
            *place = u32::try_from(new).unwrap_or(u32::MAX);
        }
    }
    for place in &mut places {
        *place = moved.get(*place as usize).copied().unwrap_or_default();
    }
    tallies.sort_unstable_by_key(|tally| tally.pattern);
    (tallies, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_with_context_are_those_counted_anew() {
        let plain: Vec<u64> = (0..5_000u64).map(|n| (n * n * 7) % 911).collect();
        let (tallies, places) = tally(&plain);
        let patterns: Vec<u64> = plain.iter().zip(0u64..).map(|(pattern, n)| pattern | ((n * 31 / 7) % 4) << CONTEXT).collect();
        let (anew, again) = (tally(&patterns), tally_again(&tallies, &places, &patterns));
        let flat = |list: &[Tally]| list.iter().map(|tally| (tally.pattern, tally.pairs)).collect::<Vec<_>>();
        assert_eq!(flat(&anew.0), flat(&again.0));
        assert_eq!(anew.1, again.1);
        assert!(anew.0.len() > tallies.len());
    }
}
