//! Incremental matching: a new or corrected record is scored at once, by the model of the last whole run.
//!
//! The model is frozen, its name frequencies included, so a pair's evidence is the same here and in a whole run with that model. What a
//! whole run adds is what needs all rows: the family context and the claims of other rows on the same candidate. To settle those, run
//! [`Engine::link`] with the model over the rows in question.

use super::assign::{self, Claim, probability};
use super::block::Keys;
use super::crew::Crew;
use super::model::Model;
use super::normalise::Normaliser;
use super::record::Register;
use super::run::{Engine, Pair, Zone};

/// A register that grows and can be asked.
#[derive(Debug)]
pub struct Index<'e> {
    engine: &'e Engine,
    model: &'e Model,
    register: Register,
    keys: Keys,
}

/// A candidate of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The candidate's id.
    pub id: String,
    /// What the fields alone say; equal to [`Engine::evidence`] of the pair in a whole run.
    pub evidence: f64,
    /// The pair as an explanation needs it; its left row is 0, its right row that of the index.
    pub pair: Pair,
}

impl<'e> Index<'e> {
    /// An index over a register, scored by a model. `None` when the model was made for another profile.
    pub fn new(engine: &'e Engine, model: &'e Model, mut register: Register) -> Option<Self> {
        if !model.fits(&engine.scheme) {
            return None;
        }
        register.annotate(&engine.layout, &model.frequencies, &Crew::alone());
        let mut keys = Keys::default();
        for row in 0..u32::try_from(register.len()).ok()? {
            keys.add(&engine.plan, register.row(row), row);
        }
        Some(Self { engine, model, register, keys })
    }

    /// The rows it holds.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// The model it scores with.
    pub fn model(&self) -> &Model {
        self.model
    }

    fn one(&self, id: &str, values: &[&str]) -> Register {
        let mut register = Register::new(&self.engine.layout);
        register.push(&self.engine.layout, &mut Normaliser::new(&self.engine.layout.spelling), id, values);
        register.annotate(&self.engine.layout, &self.model.frequencies, &Crew::alone());
        register
    }

    /// Adds a record.
    pub fn insert(&mut self, id: &str, values: &[&str]) {
        let Ok(row) = u32::try_from(self.register.len()) else { return };
        let one = self.one(id, values);
        self.register.append(&self.engine.layout, &one);
        self.keys.add(&self.engine.plan, self.register.row(row), row);
    }

    /// The candidates of a record, best first, those below the review zone left out. They compete with one another.
    pub fn candidates(&self, id: &str, values: &[&str]) -> Vec<Candidate> {
        self.ask(&self.one(id, values), 0, None)
    }

    /// The candidates of a record that is in the index, itself left out. Members of one family have home and often the birth date in
    /// common, twins both: whom the source's family names side by side with another name is another person, and competes with nobody.
    pub fn candidates_of(&self, row: u32) -> Vec<Candidate> {
        self.ask(&self.register, row, Some(row))
    }

    fn ask(&self, one: &Register, row: u32, itself: Option<u32>) -> Vec<Candidate> {
        let engine = self.engine;
        let mut patterns = Vec::new();
        let mut claims = Vec::new();
        for right in self.keys.candidates(&engine.plan, one.row(row)) {
            if itself == Some(right) {
                continue;
            }
            let pattern = engine.pattern(one, row, &self.register, right);
            if itself.is_some_and(|row| self.register.are_family(row, right)) && !engine.scheme.names_alike(pattern) {
                continue;
            }
            let weight = engine.evidence(self.model, pattern);
            if weight > assign::FLOOR {
                let place = u32::try_from(patterns.len()).unwrap_or(u32::MAX);
                patterns.push(pattern);
                claims.push(Claim { left: 0, right, pair: patterns.len() - 1, place, weight, left_rivals: 0.0, right_rivals: 0.0 });
            }
        }
        assign::compete(&mut claims, |_, _| true, |a, b| engine.one_person(self.model, &self.register, a, b), &Crew::alone());
        let mut out: Vec<Candidate> = Vec::new();
        for (claim, pattern) in claims.iter().zip(patterns) {
            let weight = self.model.calibration.apply(claim.settled());
            let zone = if probability(weight) >= engine.profile.match_from { Zone::Match } else { Zone::Review };
            if probability(weight) < engine.profile.review_from {
                continue;
            }
            let pair = Pair::settled(claim, weight, zone, pattern);
            out.push(Candidate { id: self.register.id(claim.right).to_owned(), evidence: claim.weight, pair });
        }
        out.sort_by(|a, b| b.pair.weight.total_cmp(&a.pair.weight).then_with(|| a.id.cmp(&b.id)));
        // A record is matched at most once, here as in a whole run.
        for later in out.iter_mut().skip(1) {
            later.pair.zone = Zone::Review;
        }
        out
    }
}
