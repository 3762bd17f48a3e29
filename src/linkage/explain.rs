//! The waterfall: why a pair has its weight, term by term.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::compare::{Part, levels_in};
use super::family;
use super::model::{CONTEXT, CONTEXT_LEVELS, MATCHES, Model, odds};
use super::run::{Engine, Pair};

/// One term of a weight. Keys and levels are stable words for machines; how they are worded for people is the service's business.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Term<'a> {
    /// `prior`, the key of a comparison, `family`, `left_rivals`, `right_rivals`, `chain` or `calibration`.
    pub key: &'a str,
    /// The fields of the comparison and their levels.
    pub levels: Vec<(&'a str, &'a str)>,
    /// What it adds, in bits.
    pub weight: f64,
}

impl Term<'_> {
    /// Whether there is anything to say: fields that were compared, or a weight.
    pub fn tells_something(&self) -> bool {
        self.weight != 0.0 || !self.levels.is_empty()
    }
}

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        for (n, (field, level)) in self.levels.iter().enumerate() {
            write!(f, "{}{field}={level}", if n == 0 { "[" } else { " " })?;
        }
        write!(f, "{} {:+.6}", if self.levels.is_empty() { "" } else { "]" }, self.weight)
    }
}

/// What competition, a third row and calibration add to a pair, in this order; see [`Pair::own`].
pub type Own = [f64; 4];
const OWN: [&str; 4] = ["left_rivals", "right_rivals", "chain", "calibration"];

/// What a model says of every way to agree, with the names of fields and levels: enough to tell why a pair has its weight from its pattern
/// alone, years later too, whatever fields, levels and rules the engine of that time has. It knows nothing of any person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Codebook {
    /// The share of each class among candidates.
    priors: Vec<Exact>,
    /// How many of the classes, the first ones, are of one person.
    matches: usize,
    /// What competition for persons adds to the prior, in bits.
    expectation: Exact,
    entries: Vec<Entry>,
}

/// One comparison, or the family context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: String,
    /// Where its cell stands in a pattern.
    shift: u32,
    mask: u64,
    /// Its fields with the names of their levels; the last field varies fastest.
    fields: Vec<(String, Vec<String>)>,
    /// Cell by cell the share within each class.
    shares: Vec<Exact>,
}

/// A number that is written by its bits: decimal text does not bring every number back exactly, and terms must sum to the weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
struct Exact(f64);

impl From<u64> for Exact {
    fn from(bits: u64) -> Exact {
        Exact(f64::from_bits(bits))
    }
}

impl From<Exact> for u64 {
    fn from(number: Exact) -> u64 {
        number.0.to_bits()
    }
}

impl Entry {
    fn cell(&self, pattern: u64) -> usize {
        (pattern.checked_shr(self.shift).unwrap_or_default() & self.mask) as usize
    }

    fn levels(&self, cell: usize) -> Vec<(&str, &str)> {
        let levels = levels_in(cell, self.fields.iter().map(|(_, levels)| levels.len()));
        let named = self.fields.iter().zip(levels);
        named.map(|((field, levels), level)| (field.as_str(), levels.get(level).map_or("", String::as_str))).collect()
    }
}

impl Engine {
    /// What a model of this engine says of every way to agree.
    pub fn codebook(&self, model: &Model) -> Codebook {
        let exact = |cells: &[_]| cells.iter().flatten().copied().map(Exact).collect::<Vec<_>>();
        let mut entries: Vec<Entry> = Vec::with_capacity(self.scheme.comparisons.len() + 1);
        for (comparison, cells) in self.scheme.comparisons.iter().zip(model.cells()) {
            let levels = |part: &Part| part.rule.levels().iter().map(|level| level.key.to_owned()).collect();
            let (shift, mask) = comparison.place();
            entries.push(Entry {
                key: comparison.key.clone(),
                shift,
                mask,
                fields: comparison.parts.iter().map(|part| (part.key.clone(), levels(part))).collect(),
                shares: exact(cells),
            });
        }
        if !model.context().is_empty() {
            entries.push(Entry {
                key: FAMILY.into(),
                shift: CONTEXT,
                mask: CONTEXT_LEVELS.next_power_of_two() as u64 - 1,
                fields: vec![(FAMILY.into(), family::LEVELS.map(str::to_owned).into())],
                shares: exact(model.context()),
            });
        }
        let (priors, expectation) = model.prior();
        Codebook { priors: priors.iter().copied().map(Exact).collect(), matches: MATCHES, expectation: Exact(expectation), entries }
    }
}

/// The key of the family context and of its only field.
const FAMILY: &str = "family";

impl Codebook {
    /// The terms of a pair's weight; they sum to it. Each comparison's is what it adds given those before it, however the classes mix.
    pub fn explain(&self, pattern: u64, own: Own) -> Vec<Term<'_>> {
        let mut shares: Vec<f64> = self.priors.iter().map(|prior| prior.0).collect();
        let classes = shares.len();
        let mut before = self.odds(&shares);
        let mut out = vec![Term { key: "prior", levels: Vec::new(), weight: before + self.expectation.0 }];
        for entry in &self.entries {
            let cell = entry.cell(pattern);
            let Some(told) = entry.shares.chunks_exact(classes.max(1)).nth(cell) else { continue };
            for (share, told) in shares.iter_mut().zip(told) {
                *share *= told.0;
            }
            let after = self.odds(&shares);
            out.push(Term { key: &entry.key, levels: entry.levels(cell), weight: after - before });
            before = after;
        }
        out.extend(OWN.into_iter().zip(own).map(|(key, weight)| Term { key, levels: Vec::new(), weight }));
        out
    }

    /// How far a field agrees in all pairs of a pattern; `missing` where the model knows no such field.
    pub fn level(&self, pattern: u64, field: &str) -> &str {
        let known = |entry: &&Entry| entry.fields.iter().any(|(key, _)| key == field);
        let Some(entry) = self.entries.iter().find(known) else { return "missing" };
        entry.levels(entry.cell(pattern)).into_iter().find(|(key, _)| *key == field).map_or("missing", |(_, level)| level)
    }

    fn odds(&self, shares: &[f64]) -> f64 {
        let (matching, other) = shares.split_at(self.matches.min(shares.len()));
        odds(matching, other)
    }
}

impl Pair {
    /// What is a pair's own in its weight, beside what all pairs of its pattern share.
    pub fn own(&self) -> Own {
        [self.left_rivals, self.right_rivals, self.chain, self.calibration]
    }
}
