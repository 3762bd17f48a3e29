//! The statistical model: Fellegi–Sunter with classes, estimated by EM over the distinct patterns.
//!
//! Pairs of two persons are not all alike: some are strangers, some members of one household, some have neighbouring NIKs, some the same
//! name. Within each class the comparisons are taken as independent; over all pairs they are not, and taking them so is why plain
//! Fellegi–Sunter links brothers. Pairs of one person are of two kinds: those whose home agrees and those who have moved.
//! Nothing is presumed but weak priors: shares are estimated from the candidates themselves, so that the prior is that of a candidate.

use serde::{Deserialize, Serialize};

use super::calibrate::Calibration;
use super::compare::{Comparison, Rule, Scheme};
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

/// Tallies whose classes are weighed in one go; fixed, so that every sum is formed in one order whatever the number of threads.
const TOGETHER: usize = 4_096;

/// What a look at all patterns gives.
#[derive(Default)]
struct Counts {
    /// The expected pairs of each class, by the place of the cell in the flat table.
    cells: Vec<Shares>,
    /// The same over all pairs.
    totals: Shares,
    /// The logarithm of the likelihood of all pairs.
    likelihood: f64,
}

/// What a cell of a comparison tells before anything has been estimated.
#[derive(Default)]
struct Sign {
    /// What each part adds to the weight.
    weights: Vec<f64>,
    /// What speaks for the classes of non-matches: household, neighbour in the serial, namesake, born on one day.
    kinds: [bool; 4],
    /// How likely it is that they have moved, where it tells.
    moved: Option<f64>,
}

/// The signs of all cells, by their places in the flat table.
struct Signs(Vec<Sign>);

impl Signs {
    fn of(scheme: &Scheme) -> Self {
        let cells = scheme.comparisons.iter().flat_map(|comparison| (0..comparison.cells).map(move |cell| (comparison, cell)));
        let sign = |(comparison, cell): (&Comparison, usize)| {
            let mut out = Sign::default();
            let [household, neighbour, namesake, same_day] = &mut out.kinds;
            for (part, level) in comparison.parts.iter().zip(comparison.levels_of(cell)) {
                out.weights.extend(part.rule.levels().get(level).map(|level| (level.m / level.u).ln()));
                match part.rule {
                    Rule::Family { .. } => {
                        *household |= matches!(level, 1 | 2);
                        out.moved = Some(if level == 0 { 0.3 } else { f64::from(u8::from(level > 2)) });
                    }
                    Rule::Person { .. } => *neighbour |= matches!(level, 4 | 5 | 7),
                    Rule::Name => *namesake |= matches!(level, 1..=14),
                    Rule::NamePart => *namesake |= matches!(level, 1..=4),
                    Rule::Date => *same_day |= matches!(level, 1..=3),
                    _ => {}
                }
            }
            out
        };
        Self(cells.map(sign).collect())
    }

    /// Which class a pattern whose cells stand at these places looks like.
    fn guess(&self, places: &[usize]) -> Shares {
        let mut weight = (0.05f64 / 0.95).ln();
        let (mut kinds, mut moved) = ([false; 4], 0.3);
        for sign in places.iter().filter_map(|&place| self.0.get(place)) {
            sign.weights.iter().for_each(|part| weight += part);
            kinds.iter_mut().zip(sign.kinds).for_each(|(all, own)| *all |= own);
            moved = sign.moved.unwrap_or(moved);
        }
        let [household, neighbour, namesake, same_day] = kinds;
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
}

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
        let signs = Signs::of(scheme);
        let guessed = model.counts(scheme, tallies, crew, |_, _, places| (signs.guess(places), 0.0));
        model.maximise(scheme, guessed);
        model.refine(scheme, tallies, 24, crew);
        model
    }

    /// Estimates anew from what the competition made of the candidates: `matched` is, per tally, the expected number of pairs of one person.
    /// The patterns may hold the family context by now.
    pub fn refit(mut self, scheme: &Scheme, tallies: &[Tally], matched: &[f64], context: bool, crew: &Crew<'_>) -> Self {
        if context && self.context.is_empty() {
            self.context = vec![[1.0 / CONTEXT_LEVELS as f64; CLASSES]; CONTEXT_LEVELS];
        }
        for _ in 0..3 {
            let flat = self.flat();
            // Who matches is settled; the classes within matches and within the others are not.
            let counts = self.counts(scheme, tallies, crew, |n, tally, places| {
                let mut shares = self.shares(&flat, places).0;
                let matched = matched.get(n).copied().unwrap_or_default();
                let share = (matched / f64::from(tally.pairs)).clamp(0.0, 1.0);
                let own: f64 = shares.iter().take(MATCHES).sum::<f64>().max(f64::MIN_POSITIVE);
                let other: f64 = shares.iter().skip(MATCHES).sum::<f64>().max(f64::MIN_POSITIVE);
                for (class, value) in shares.iter_mut().enumerate() {
                    *value *= if class < MATCHES { share / own } else { (1.0 - share) / other };
                }
                (shares, 0.0)
            });
            self.maximise(scheme, counts);
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

    fn flat(&self) -> Vec<Shares> {
        self.cells.iter().flatten().chain(&self.context).copied().collect()
    }

    /// What each class is of a pattern whose cells stand at these places of the flat table, and the pattern's likelihood.
    #[inline]
    fn shares(&self, flat: &[Shares], places: &[usize]) -> (Shares, f64) {
        let mut shares = self.priors;
        for &place in places {
            if let Some(cell) = flat.get(place) {
                times(&mut shares, cell);
            }
        }
        let total: f64 = shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        (shares.map(|share| share / total), total)
    }

    fn refine(&mut self, scheme: &Scheme, tallies: &[Tally], rounds: usize, crew: &Crew<'_>) {
        let pairs: f64 = tallies.iter().map(|tally| f64::from(tally.pairs)).sum();
        let mut before = f64::NEG_INFINITY;
        for _ in 0..rounds {
            let flat = self.flat();
            let counts = self.counts(scheme, tallies, crew, |_, _, places| {
                let (shares, total) = self.shares(&flat, places);
                (shares, total.ln())
            });
            let likelihood = counts.likelihood;
            self.maximise(scheme, counts);
            // Less than a hundred-thousandth of a nat per pair: the scores no longer move.
            if likelihood - before < 2e-6 * pairs {
                break;
            }
            before = likelihood;
        }
    }

    fn maximise(&mut self, scheme: &Scheme, counts: Counts) {
        let Counts { cells: mut counts, totals, .. } = counts;
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

    /// The expected pairs of each class, per cell of the flat table and in all. `shares_of` tells the classes of a tally, by its number and
    /// the places of its cells, and the logarithm of its likelihood.
    fn counts(
        &self,
        scheme: &Scheme,
        tallies: &[Tally],
        crew: &Crew<'_>,
        shares_of: impl Fn(usize, &Tally, &[usize]) -> (Shares, f64) + Sync,
    ) -> Counts {
        let mut bases = Vec::with_capacity(scheme.comparisons.len());
        let mut size = 0;
        for cells in &self.cells {
            bases.push(size);
            size += cells.len();
        }
        let context = (!self.context.is_empty()).then_some(size);
        size += self.context.len();
        let parts = crew.each(tallies.len().div_ceil(TOGETHER), |part| {
            let mut out = Counts { cells: vec![Shares::default(); size], ..Counts::default() };
            let mut places = Vec::with_capacity(bases.len() + 1);
            for (n, tally) in tallies.iter().enumerate().skip(part * TOGETHER).take(TOGETHER) {
                places.clear();
                places.extend(scheme.comparisons.iter().zip(&bases).map(|(comparison, base)| base + comparison.cell(tally.pattern)));
                places.extend(context.map(|base| base + context_of(tally.pattern)));
                let (shares, likelihood) = shares_of(n, tally, &places);
                let weighted = shares.map(|share| share * f64::from(tally.pairs));
                out.likelihood += f64::from(tally.pairs) * likelihood;
                add(&mut out.totals, &weighted);
                for &place in &places {
                    if let Some(cell) = out.cells.get_mut(place) {
                        add(cell, &weighted);
                    }
                }
            }
            out
        });
        // A run that is stopped finds no counts; it ends before anybody sees them.
        let mut out = Counts { cells: vec![Shares::default(); size], ..Counts::default() };
        for part in parts.unwrap_or_default() {
            out.likelihood += part.likelihood;
            add(&mut out.totals, &part.totals);
            out.cells.iter_mut().zip(&part.cells).for_each(|(sum, more)| add(sum, more));
        }
        out
    }

    /// The weight of each class for a pattern.
    fn classes(&self, scheme: &Scheme, pattern: u64) -> Shares {
        let mut shares = self.priors;
        let cells = scheme.comparisons.iter().zip(&self.cells).map(|(comparison, cells)| cells.get(comparison.cell(pattern)));
        for cell in cells.chain([self.context.get(context_of(pattern))]).flatten() {
            times(&mut shares, cell);
        }
        shares
    }

    /// The weight of a pattern: the logarithm to base 2 of the odds that it is one person, before competition.
    pub fn weight(&self, scheme: &Scheme, pattern: u64) -> f64 {
        log_odds(&self.classes(scheme, pattern)) + self.expectation
    }

    /// The weight with the prior of any candidate instead of that of two registers.
    pub fn bare_weight(&self, scheme: &Scheme, pattern: u64) -> f64 {
        self.weight(scheme, pattern) - self.expectation
    }

    /// The share of each class among candidates, and what competition for persons adds in bits.
    pub(super) fn prior(&self) -> (&[f64], f64) {
        (&self.priors, self.expectation)
    }

    /// Per comparison and cell the share within each class.
    pub(super) fn cells(&self) -> &[Vec<[f64; CLASSES]>] {
        &self.cells
    }

    /// The same for the family context; empty where none is known.
    pub(super) fn context(&self) -> &[[f64; CLASSES]] {
        &self.context
    }

    /// Whether the model fits a scheme: it has a share for each cell.
    pub fn fits(&self, scheme: &Scheme) -> bool {
        self.cells.len() == scheme.comparisons.len() && self.cells.iter().zip(&scheme.comparisons).all(|(a, b)| a.len() == b.cells)
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
    let (matching, other) = shares.split_at(MATCHES);
    odds(matching, other)
}

/// The logarithm to base 2 of the odds, by the shares of the classes that are of one person and of those that are not.
pub(super) fn odds(matching: &[f64], other: &[f64]) -> f64 {
    let (matching, other): (f64, f64) = (matching.iter().sum(), other.iter().sum());
    (matching.max(f64::MIN_POSITIVE) / other.max(f64::MIN_POSITIVE)).log2()
}

#[inline]
fn times(shares: &mut Shares, cell: &Shares) {
    for (share, p) in shares.iter_mut().zip(cell) {
        *share *= p;
    }
}

#[inline]
fn add(sum: &mut Shares, more: &Shares) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
