//! Weighing single records: whoever asks is compared with everybody near by the shipped model, at once and not in a run.

use std::sync::LazyLock;

use anyhow::Context;

use super::jobs;
use super::people::{Intake, People};
use crate::features::beneficiaries::MatchedMember;
use crate::linkage::explain::Codebook;
use crate::linkage::index::Index;
use crate::linkage::model::Model;
use crate::linkage::run::{Engine, Zone};
use crate::platform::error::Result;

/// The shipped model was estimated between a list and a registry, where nineteen of twenty are found. Of those who are new on a
/// list one in ten may be on it already: in bits, the odds of 19 to 1 over those of 1 to 9.
const SELDOM: f64 = 7.418;

/// The engine and the model that weighs single records: estimated once on synthetic registers (docs/LINKAGE.md), so that two records
/// weigh the same today and next year.
static SHIPPED: LazyLock<std::result::Result<Shipped, String>> = LazyLock::new(|| {
    let engine = jobs::engine().map_err(|error| error.to_string())?;
    let text = include_str!("../../../data/linkage/indonesian-model.json");
    let mut model: Model = serde_json::from_str(text).map_err(|error| error.to_string())?;
    model.calibration.offset -= SELDOM;
    let book = engine.codebook(&model);
    Ok(Shipped { engine, model, book })
});

/// Whether the names are the same, or spellings of one, by how far they agree.
pub(super) fn names_alike(level: &str) -> bool {
    level.starts_with("equal") || level.starts_with("spelling")
}

/// The engine that weighs single records, its model, and what that says of every way to agree.
pub(super) struct Shipped {
    engine: Engine,
    /// The model.
    pub(super) model: Model,
    book: Codebook,
}

/// The engine and the model.
pub(super) fn shipped() -> Result<&'static Shipped> {
    SHIPPED.as_ref().map_err(|cause| anyhow::anyhow!("the shipped model: {cause}").into())
}

/// Two records that may be of one person.
pub(super) struct Weighed<'a> {
    /// Who asked.
    pub one: &'a MatchedMember,
    /// Who was near.
    pub other: &'a MatchedMember,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// The probability that they are one.
    pub probability: f64,
    /// What the engine makes of it.
    pub zone: Zone,
    /// The terms that add up to the weight, as JSON text.
    pub terms: String,
    /// Whether the names are the same, or spellings of one.
    pub names_alike: bool,
}

/// Weighs those who ask against everybody near whom they may meet, and tells of each two who may be one. That twins of
/// one family are two is the index's to know.
pub(super) fn weigh<'a>(
    near: &'a [MatchedMember],
    asks: impl Fn(&MatchedMember) -> bool,
    meets: impl Fn(&MatchedMember, &MatchedMember) -> bool,
    mut found: impl FnMut(Weighed<'a>),
) -> Result<()> {
    let Shipped { engine, model, book } = shipped()?;
    let mut intake = Intake::of_members(&engine.layout);
    near.iter().for_each(|member| intake.member(member));
    let People { register, .. } = intake.into_people();
    let index = Index::new(engine, model, register).context("the shipped model is of another profile")?;
    for (row, one) in (0u32..).zip(near).filter(|(_, member)| asks(member)) {
        for candidate in index.candidates_of(row) {
            let Some(other) = usize::try_from(candidate.pair.right).ok().and_then(|at| near.get(at)) else { continue };
            if !meets(one, other) {
                continue;
            }
            let terms = book.explain(candidate.pair.pattern, candidate.pair.own());
            let names_alike = names_alike(book.level(candidate.pair.pattern, "name"));
            let (weight, probability, zone) = (candidate.pair.weight, candidate.pair.probability, candidate.pair.zone);
            found(Weighed { one, other, weight, probability, zone, terms: jobs::told(&terms), names_alike });
        }
    }
    Ok(())
}
