//! The statistical model: Fellegi–Sunter with classes, estimated by EM over the distinct patterns.
//!
//! Pairs of two persons are not all alike: some are strangers, some members of one household, some have neighbouring NIKs, some the same
//! name. Within each class the comparisons are taken as independent; over all pairs they are not, and taking them so is why plain
//! Fellegi–Sunter links brothers. Pairs of one person are of two kinds: those whose home agrees and those who have moved.
//! Nothing is presumed but weak priors: shares are estimated from the candidates themselves, so that the prior is that of a candidate.

use serde::{Deserialize, Serialize};

use super::calibrate::Calibration;
use super::compare::{Rule, Scheme};
use super::crew::Crew;
use super::frequencies::Frequencies;

/// Number of classes: the first [`MATCHES`] are of one person.
pub const CLASSES: usize = 8;
/// Classes of pairs that are one person.
pub const MATCHES: usize = 2;
/// The bits of a pattern that hold the family context.
pub const CONTEXT: u32 = 61;
/// Levels of the family context, see `family`.
pub const CONTEXT_LEVELS: usize = 4;

type Shares = [f64; CLASSES];

/// A model, estimated or read back. Scores of one model are comparable over time, whatever records are added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Model {
    /// A digest of all that follows: equal versions give equal scores.
    pub version: String,
    /// The share of each class among candidates.
    priors: Shares,
    /// What competition for persons adds to the prior of a candidate, in bits; see [`Model::expecting`].
    expectation: f64,
    /// From weights to honest ones.
    pub calibration: Calibration,
    /// Per comparison and cell the share within each class.
    cells: Vec<Vec<Shares>>,
    /// The same for the family context; empty where none is known.
    context: Vec<Shares>,
    /// How frequent names are, frozen with the model.
    pub frequencies: Frequencies,
}

/// A model as it is written down: numbers by their bits, because decimal text does not bring every number back exactly, and a model that is
/// read back must score as it did.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: String,
    numbers: Vec<u64>,
    /// Cells of each comparison.
    cells: Vec<usize>,
    /// Levels of the family context.
    context: usize,
    frequencies: Frequencies,
}

impl From<Model> for Stored {
    fn from(model: Model) -> Self {
        let Model { version, priors, expectation, calibration: Calibration { offset, slope }, cells, context, frequencies } = model;
        let shares = cells.iter().flatten().chain(&context).flatten();
        let numbers = priors.iter().chain(&[expectation, offset, slope]).chain(shares).map(|number| number.to_bits()).collect();
        Self { version, numbers, cells: cells.iter().map(Vec::len).collect(), context: context.len(), frequencies }
    }
}

impl TryFrom<Stored> for Model {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { version, numbers, cells, context, frequencies } = stored;
        let mut numbers = numbers.into_iter().map(f64::from_bits);
        let mut next = || numbers.next().filter(|number| number.is_finite()).ok_or("the model is cut short or damaged");
        let mut head = [0.0; CLASSES + 3];
        for number in &mut head {
            *number = next()?;
        }
        let [priors @ .., expectation, offset, slope] = head;
        let mut shares = || -> Result<Shares, Self::Error> {
            let mut out = [0.0; CLASSES];
            for share in &mut out {
                *share = next()?;
            }
            Ok(out)
        };
        let mut lists = Vec::new();
        for n in cells {
            lists.push((0..n).map(|_| shares()).collect::<Result<Vec<_>, _>>()?);
        }
        let context = (0..context).map(|_| shares()).collect::<Result<Vec<_>, _>>()?;
        let calibration = Calibration { offset, slope };
        Ok(Self { version, priors, expectation, calibration, cells: lists, context, frequencies })
    }
}

/// One distinct pattern and the number of pairs that have it.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// The pattern, with the family context in its highest bits.
    pub pattern: u64,
    /// Its pairs.
    pub pairs: u32,
}

/// How strongly the presumed shares weigh, in pairs.
const PRIOR: f64 = 20.0;
/// How strongly the independence of joint parts weighs, in pairs.
const INDEPENDENCE: f64 = 25.0;

fn context_of(pattern: u64) -> usize {
    (pattern >> CONTEXT) as usize
}

impl Model {
    /// The model before any data.
    pub fn presumed(scheme: &Scheme, frequencies: Frequencies) -> Self {
        let cells = scheme
            .comparisons
            .iter()
            .map(|comparison| {
                (0..comparison.cells)
                    .map(|cell| {
                        let (mut m, mut u) = (1.0, 1.0);
                        for (part, level) in comparison.parts.iter().zip(comparison.levels_of(cell)) {
                            if let Some(level) = part.rule.levels().get(level) {
                                m *= level.m;
                                u *= level.u;
                            }
                        }
                        std::array::from_fn(|class| if class < MATCHES { m } else { u })
                    })
                    .collect()
            })
            .collect();
        let priors = std::array::from_fn(|class| if class < MATCHES { 0.05 / MATCHES as f64 } else { 0.95 / (CLASSES - MATCHES) as f64 });
        Self {
            version: String::new(),
            priors,
            expectation: 0.0,
            calibration: Calibration::default(),
            cells,
            context: Vec::new(),
            frequencies,
        }
    }

    /// Estimates the model from the patterns of all candidates.
    pub fn estimate(scheme: &Scheme, tallies: &[Tally], frequencies: Frequencies, crew: &Crew<'_>) -> Self {
        let mut model = Self::presumed(scheme, frequencies);
        let mut parts = vec![Shares::default(); tallies.len()];
        crew.slices(&mut parts, 1, |first, parts| {
            for (part, tally) in parts.iter_mut().zip(tallies.iter().skip(first)) {
                *part = model.first_guess(scheme, tally.pattern);
            }
        });
        let index = model.index(scheme, tallies);
        model.maximise(scheme, tallies, &index, &parts, crew);
        model.refine(scheme, tallies, &index, &mut parts, 24, crew);
        model
    }

    /// Estimates anew from what the competition made of the candidates: `matched` is, per tally, the expected number of pairs of one person.
    /// The patterns may hold the family context by now.
    pub fn refit(mut self, scheme: &Scheme, tallies: &[Tally], matched: &[f64], context: bool, crew: &Crew<'_>) -> Self {
        let start = self.classes_of(scheme, tallies, crew);
        if context && self.context.is_empty() {
            self.context = vec![[1.0 / CONTEXT_LEVELS as f64; CLASSES]; CONTEXT_LEVELS];
        }
        let index = self.index(scheme, tallies);
        let mut parts = start;
        for round in 0..3 {
            if round > 0 {
                parts = self.classes_of(scheme, tallies, crew);
            }
            // Who matches is settled; the classes within matches and within the others are not.
            for ((part, tally), matched) in parts.iter_mut().zip(tallies).zip(matched) {
                let share = (matched / f64::from(tally.pairs)).clamp(0.0, 1.0);
                let own: f64 = part.iter().take(MATCHES).sum::<f64>().max(f64::MIN_POSITIVE);
                let other: f64 = part.iter().skip(MATCHES).sum::<f64>().max(f64::MIN_POSITIVE);
                for (class, value) in part.iter_mut().enumerate() {
                    *value *= if class < MATCHES { share / own } else { (1.0 - share) / other };
                }
            }
            self.maximise(scheme, tallies, &index, &parts, crew);
        }
        self
    }

    /// Sets the prior to what the sizes of the registers make it. Pairs are not independent: a row without another good candidate is more
    /// likely than a random pair to belong to the one it has, the more so the fewer rows are left without partner. With `matches` expected
    /// among left times right rows, of whose pairs `candidates` are looked at, the odds of a free pair are those of a random matching.
    pub fn expecting(mut self, left: usize, right: usize, candidates: usize, matches: f64) -> Self {
        let (left, right, candidates) = (left as f64, right as f64, (candidates as f64).max(1.0));
        // No register is complete: at least two in a hundred rows are taken to have no partner.
        let free = |rows: f64| (rows - matches).max(0.02 * rows).max(1.0);
        let odds = matches.max(0.5) / (free(left) * free(right)) * (left * right / candidates);
        self.expectation = odds.log2() - log_odds(&self.priors);
        self
    }

    /// Per tally the shares of the classes.
    fn classes_of(&self, scheme: &Scheme, tallies: &[Tally], crew: &Crew<'_>) -> Vec<Shares> {
        let mut parts = vec![Shares::default(); tallies.len()];
        crew.slices(&mut parts, 1, |first, parts| {
            for (part, tally) in parts.iter_mut().zip(tallies.iter().skip(first)) {
                let (shares, total) = self.classes(scheme, tally.pattern);
                *part = shares.map(|share| share / total.max(f64::MIN_POSITIVE));
            }
        });
        parts
    }

    /// Sets the version from the content.
    pub fn sealed(mut self) -> Self {
        let mut digest = 0u64;
        let mut add = |value: u64| digest = super::normalise::mix(digest.rotate_left(7) ^ value);
        self.priors.iter().chain(self.cells.iter().flatten().flatten()).chain(self.context.iter().flatten()).for_each(|x| add(x.to_bits()));
        [self.expectation, self.calibration.offset, self.calibration.slope].iter().for_each(|x| add(x.to_bits()));
        add(self.frequencies.digest());
        self.version = format!("{digest:016x}");
        self
    }

    /// Which class a pattern looks like before anything has been estimated.
    fn first_guess(&self, scheme: &Scheme, pattern: u64) -> Shares {
        let mut weight = (0.05f64 / 0.95).ln();
        let (mut household, mut neighbour, mut namesake, mut moved, mut same_day) = (false, false, false, 0.3, false);
        for comparison in &scheme.comparisons {
            for (part, level) in comparison.parts.iter().zip(comparison.levels_of(comparison.cell(pattern))) {
                if let Some(level) = part.rule.levels().get(level) {
                    weight += (level.m / level.u).ln();
                }
                match part.rule {
                    Rule::Family { .. } => {
                        household |= matches!(level, 1 | 2);
                        moved = if level == 0 { 0.3 } else { f64::from(u8::from(level > 2)) };
                    }
                    Rule::Person { .. } => neighbour |= matches!(level, 4 | 5 | 7),
                    Rule::Name => namesake |= matches!(level, 1..=14),
                    Rule::NamePart => namesake |= matches!(level, 1..=4),
                    Rule::Date => same_day |= matches!(level, 1..=3),
                    _ => {}
                }
            }
        }
        let matching = 1.0 / (1.0 + (-weight).exp());
        let mut shares = [0.02; CLASSES];
        let mut other = |class: usize, on: bool| {
            if on && let Some(share) = shares.get_mut(class) {
                *share = 1.0;
            }
        };
        other(2, !(household || neighbour || namesake || same_day));
        other(3, household);
        other(4, neighbour);
        other(5, namesake);
        other(6, same_day);
        other(7, namesake && household);
        let rest: f64 = shares.iter().skip(MATCHES).sum();
        for (class, share) in shares.iter_mut().enumerate() {
            *share = match class {
                0 => matching * (0.95 - 0.9 * moved),
                1 => matching * (0.05 + 0.9 * moved),
                _ => (1.0 - matching) * *share / rest,
            };
        }
        shares
    }

    /// Per tally the places of its cells in one flat table of parameters.
    fn index(&self, scheme: &Scheme, tallies: &[Tally]) -> Vec<u32> {
        let mut out = Vec::with_capacity(tallies.len() * (scheme.comparisons.len() + 1));
        for tally in tallies {
            let mut base = 0;
            for (comparison, cells) in scheme.comparisons.iter().zip(&self.cells) {
                out.push(base + u32::try_from(comparison.cell(tally.pattern)).unwrap_or_default());
                base += u32::try_from(cells.len()).unwrap_or_default();
            }
            if !self.context.is_empty() {
                out.push(base + u32::try_from(context_of(tally.pattern)).unwrap_or_default());
            }
        }
        out
    }

    fn flat(&self) -> Vec<Shares> {
        self.cells.iter().flatten().chain(&self.context).copied().collect()
    }

    fn refine(&mut self, scheme: &Scheme, tallies: &[Tally], index: &[u32], parts: &mut [Shares], rounds: usize, crew: &Crew<'_>) {
        let width = (index.len() / tallies.len().max(1)).max(1);
        let mut before = f64::NEG_INFINITY;
        // Each pattern's classes, and its likelihood, which is summed in order whoever found it.
        let mut found = vec![(0.0, Shares::default()); tallies.len()];
        for _ in 0..rounds {
            let flat = self.flat();
            crew.slices(&mut found, 1, |first, found| {
                let places = index.chunks_exact(width).skip(first);
                for ((found, tally), places) in found.iter_mut().zip(tallies.iter().skip(first)).zip(places) {
                    let mut shares = self.priors;
                    for &place in places {
                        if let Some(cell) = flat.get(place as usize) {
                            for (share, p) in shares.iter_mut().zip(cell) {
                                *share *= p;
                            }
                        }
                    }
                    let total: f64 = shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
                    *found = (f64::from(tally.pairs) * total.ln(), shares.map(|share| share / total));
                }
            });
            let mut likelihood = 0.0;
            for (part, (own, shares)) in parts.iter_mut().zip(&found) {
                likelihood += own;
                *part = *shares;
            }
            self.maximise(scheme, tallies, index, parts, crew);
            // Less than a hundred-thousandth of a nat per pair: the scores no longer move.
            let pairs: f64 = tallies.iter().map(|tally| f64::from(tally.pairs)).sum();
            if likelihood - before < 2e-6 * pairs {
                break;
            }
            before = likelihood;
        }
    }

    fn maximise(&mut self, scheme: &Scheme, tallies: &[Tally], index: &[u32], parts: &[Shares], crew: &Crew<'_>) {
        let width = (index.len() / tallies.len().max(1)).max(1);
        let (mut counts, totals) = self.counts(tallies, index, width, parts, crew);
        let all: f64 = totals.iter().sum::<f64>() + CLASSES as f64;
        self.priors = totals.map(|total| (total + 1.0) / all);
        let mut rest = counts.as_mut_slice();
        for (comparison, cells) in scheme.comparisons.iter().zip(&mut self.cells) {
            let (own, tail) = rest.split_at_mut(cells.len());
            rest = tail;
            let mut totals = totals;
            if comparison.parts.iter().any(|part| describes_person(part.rule)) {
                own.iter_mut().for_each(pool);
                pool(&mut totals);
            }
            // The share of each level of each part, drawn towards what is presumed.
            let mut levels: Vec<Vec<Shares>> = comparison
                .parts
                .iter()
                .map(|part| {
                    part.rule
                        .levels()
                        .iter()
                        .map(|level| std::array::from_fn(|class| PRIOR * if class < MATCHES { level.m } else { level.u }))
                        .collect()
                })
                .collect();
            let shape: Vec<Vec<usize>> = (0..cells.len()).map(|cell| comparison.levels_of(cell)).collect();
            for (count, shape) in own.iter().zip(&shape) {
                for (part, &level) in levels.iter_mut().zip(shape) {
                    if let Some(sum) = part.get_mut(level) {
                        add(sum, count);
                    }
                }
            }
            for sum in levels.iter_mut().flatten() {
                for (sum, total) in sum.iter_mut().zip(totals) {
                    *sum /= total + PRIOR;
                }
            }
            // In one person's two records a slip in the number, in the date and in the sex come about independently. Left to the data, the few
            // brothers of missing persons would teach the model that both may differ at once.
            let slips = comparison.parts.iter().all(|part| matches!(part.rule, Rule::Person { .. } | Rule::Date | Rule::Sex));
            let joint = if comparison.parts.len() > 1 { INDEPENDENCE } else { 0.0 };
            for ((cell, count), shape) in cells.iter_mut().zip(&*own).zip(&shape) {
                let mut expected = [1.0; CLASSES];
                for (part, &level) in levels.iter().zip(shape) {
                    if let Some(level) = part.get(level) {
                        for (expected, share) in expected.iter_mut().zip(level) {
                            *expected *= share;
                        }
                    }
                }
                if joint == 0.0 {
                    *cell = expected;
                    continue;
                }
                for (class, (((share, count), expected), total)) in cell.iter_mut().zip(count).zip(expected).zip(totals).enumerate() {
                    *share = if class < MATCHES && slips { expected } else { (count + joint * expected) / (total + joint) };
                }
            }
        }
        for (cell, count) in self.context.iter_mut().zip(&*rest) {
            for ((share, count), total) in cell.iter_mut().zip(count).zip(totals) {
                *share = (count + PRIOR / CONTEXT_LEVELS as f64) / (total + PRIOR);
            }
        }
    }

    /// The expected pairs of each class, per cell of the flat table and in all. Threads share out the comparisons, not the patterns, so that
    /// every sum is formed in one order.
    fn counts(&self, tallies: &[Tally], index: &[u32], width: usize, parts: &[Shares], crew: &Crew<'_>) -> (Vec<Shares>, Shares) {
        let mut bounds: Vec<(u32, u32)> = Vec::with_capacity(width);
        for cells in self.cells.iter().map(Vec::len).chain((!self.context.is_empty()).then_some(self.context.len())) {
            let start = bounds.last().map_or(0, |bound| bound.1);
            bounds.push((start, start + u32::try_from(cells).unwrap_or_default()));
        }
        let groups = if tallies.len() < 4_096 { 1 } else { crew.threads().min(bounds.len()).max(1) };
        let share = bounds.len().div_ceil(groups).max(1);
        let count = |group: usize| {
            let own = bounds.get(group * share..).unwrap_or_default().iter().take(share);
            let start = own.clone().next().map_or(0, |bound| bound.0);
            let mut counts = vec![Shares::default(); own.clone().map(|bound| (bound.1 - bound.0) as usize).sum()];
            let mut totals = Shares::default();
            for ((tally, places), part) in tallies.iter().zip(index.chunks_exact(width)).zip(parts) {
                let weighted = part.map(|share| share * f64::from(tally.pairs));
                if group == 0 {
                    add(&mut totals, &weighted);
                }
                for &place in places.iter().skip(group * share).take(share) {
                    if let Some(cell) = counts.get_mut((place - start) as usize) {
                        add(cell, &weighted);
                    }
                }
            }
            (counts, totals)
        };
        let mut found = if groups == 1 { vec![count(0)] } else { crew.each(groups, count).unwrap_or_default() }.into_iter();
        let (mut counts, totals) = found.next().unwrap_or_default();
        found.for_each(|(more, _)| counts.extend(more));
        // A run that is stopped finds no counts; it ends before anybody sees them.
        counts.resize(bounds.last().map_or(0, |bound| bound.1 as usize), Shares::default());
        (counts, totals)
    }

    /// The weight of each class for a pattern, and their sum.
    fn classes(&self, scheme: &Scheme, pattern: u64) -> (Shares, f64) {
        let mut shares = self.priors;
        let mut times = |cell: Option<&Shares>| {
            if let Some(cell) = cell {
                for (share, p) in shares.iter_mut().zip(cell) {
                    *share *= p;
                }
            }
        };
        for (comparison, cells) in scheme.comparisons.iter().zip(&self.cells) {
            times(cells.get(comparison.cell(pattern)));
        }
        times(self.context.get(context_of(pattern)));
        (shares, shares.iter().sum())
    }

    /// The weight of a pattern: the logarithm to base 2 of the odds that it is one person, before competition.
    pub fn weight(&self, scheme: &Scheme, pattern: u64) -> f64 {
        log_odds(&self.classes(scheme, pattern).0) + self.expectation
    }

    /// The weight with the prior of any candidate instead of that of two registers.
    pub fn bare_weight(&self, scheme: &Scheme, pattern: u64) -> f64 {
        self.weight(scheme, pattern) - self.expectation
    }

    /// The weight of a pattern in steps: the prior, each comparison, the family context. Each step is what the comparison adds given those
    /// before it, so that the steps sum to the weight however the classes mix. The number is the comparison's; none for the prior, and the
    /// number of comparisons for the context.
    pub fn steps(&self, scheme: &Scheme, pattern: u64) -> Vec<(Option<usize>, f64)> {
        let mut shares = self.priors;
        let mut before = log_odds(&shares);
        let mut out = vec![(None, before + self.expectation)];
        let mut take = |number: usize, cell: Option<&Shares>| {
            if let Some(cell) = cell {
                for (share, p) in shares.iter_mut().zip(cell) {
                    *share *= p;
                }
                let after = log_odds(&shares);
                out.push((Some(number), after - before));
                before = after;
            }
        };
        for (number, (comparison, cells)) in scheme.comparisons.iter().zip(&self.cells).enumerate() {
            take(number, cells.get(comparison.cell(pattern)));
        }
        take(scheme.comparisons.len(), self.context.get(context_of(pattern)));
        out
    }

    /// Whether the model fits a scheme: it has a share for each cell.
    pub fn fits(&self, scheme: &Scheme) -> bool {
        self.cells.len() == scheme.comparisons.len() && self.cells.iter().zip(&scheme.comparisons).all(|(a, b)| a.len() == b.cells)
    }

    /// The classes' shares among candidates, for reports.
    pub fn shares(&self) -> [f64; CLASSES] {
        self.priors
    }
}

/// Whether a rule looks at what a person keeps when moving. Of these all classes of matches share one distribution: moving does not change
/// how names are misspelt, and a class free to do so would soon hold brothers.
fn describes_person(rule: Rule) -> bool {
    matches!(rule, Rule::Person { .. } | Rule::Date | Rule::Sex | Rule::Name | Rule::Kin | Rule::NamePart | Rule::Swap(_))
}

fn pool(counts: &mut Shares) {
    let sum: f64 = counts.iter().take(MATCHES).sum();
    counts.iter_mut().take(MATCHES).for_each(|count| *count = sum);
}

fn log_odds(shares: &Shares) -> f64 {
    let matching: f64 = shares.iter().take(MATCHES).sum();
    let other: f64 = shares.iter().skip(MATCHES).sum();
    (matching.max(f64::MIN_POSITIVE) / other.max(f64::MIN_POSITIVE)).log2()
}

fn add(sum: &mut Shares, more: &Shares) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
