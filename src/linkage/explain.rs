//! The waterfall: why a pair has its weight, term by term.

use std::fmt;

use super::family;
use super::model::{CONTEXT, Model};
use super::run::{Engine, Pair};

/// One term of a weight. Keys and levels are stable words for machines; how they are worded for people is the service's business.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Term {
    /// `prior`, the key of a comparison, `family`, `left_rivals`, `right_rivals`, `chain` or `calibration`.
    pub key: String,
    /// The fields of the comparison and their levels.
    pub levels: Vec<(String, &'static str)>,
    /// What it adds, in bits.
    pub weight: f64,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        for (n, (field, level)) in self.levels.iter().enumerate() {
            write!(f, "{}{field}={level}", if n == 0 { "[" } else { " " })?;
        }
        write!(f, "{} {:+.6}", if self.levels.is_empty() { "" } else { "]" }, self.weight)
    }
}

impl Engine {
    /// The terms of a pair's weight; they sum to it.
    pub fn explain(&self, model: &Model, pair: &Pair) -> Vec<Term> {
        let mut out = self.evidence_terms(model, pair.pattern);
        out.append(&mut pair.own_terms());
        out
    }

    /// Of these terms those that all pairs of a pattern share: what the fields and the family say.
    pub fn evidence_terms(&self, model: &Model, pattern: u64) -> Vec<Term> {
        let mut out = Vec::new();
        for (number, weight) in model.steps(&self.scheme, pattern) {
            let (key, levels) = match number.map(|number| self.scheme.comparisons.get(number)) {
                None => ("prior".to_owned(), Vec::new()),
                Some(None) => {
                    let level = family::LEVELS.get((pattern >> CONTEXT) as usize).copied().unwrap_or_default();
                    ("family".to_owned(), vec![("family".to_owned(), level)])
                }
                Some(Some(comparison)) => {
                    let levels = comparison.levels_of(comparison.cell(pattern));
                    let named = comparison
                        .parts
                        .iter()
                        .zip(levels)
                        .map(|(part, level)| (part.key.clone(), part.rule.levels().get(level).map_or("", |level| level.key)));
                    (comparison.key.clone(), named.collect())
                }
            };
            out.push(Term { key, levels, weight });
        }
        out
    }
}

impl Pair {
    /// Of the terms of its weight those that are its own: what competition, a third row and calibration add.
    pub fn own_terms(&self) -> Vec<Term> {
        let own = [
            ("left_rivals", self.left_rivals),
            ("right_rivals", self.right_rivals),
            ("chain", self.chain),
            ("calibration", self.calibration),
        ];
        own.map(|(key, weight)| Term { key: key.to_owned(), levels: Vec::new(), weight }).into()
    }
}
