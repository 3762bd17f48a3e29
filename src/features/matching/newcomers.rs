//! Newcomers: people who are not on file yet, weighed against those who are, and against each other, before anybody registers them.

use std::collections::HashSet;

use anyhow::Context;
use uuid::Uuid;

use super::weighing::weigh;
use crate::features::beneficiaries::MatchedMember;
use crate::linkage::run::Zone;
use crate::platform::error::Result;

/// Somebody whom a newcomer may be.
#[derive(Debug, Clone)]
pub struct Resembled {
    /// The newcomer.
    pub newcomer: Uuid,
    /// Our member, or another newcomer.
    pub other: Uuid,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// The probability that they are one.
    pub probability: f64,
    /// Whether the engine takes them for one; else somebody has to look.
    pub is_match: bool,
    /// Whether the names are the same, or spellings of one.
    pub names_alike: bool,
    /// The terms that add up to the weight, as JSON; [`super::in_words`] tells them.
    pub terms: String,
}

/// Whom those who ask may be of all who are near, the surest first. Nobody is compared with their own family.
pub async fn weigh_newcomers(near: Vec<MatchedMember>, asking: HashSet<Uuid>) -> Result<Vec<Resembled>> {
    let weighed = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let meets = |one: &MatchedMember, other: &MatchedMember| one.family != other.family;
        weigh(
            &near,
            |member| asking.contains(&member.id),
            meets,
            |weighed| {
                found.push(Resembled {
                    newcomer: weighed.one.id,
                    other: weighed.other.id,
                    weight: weighed.weight,
                    probability: weighed.probability,
                    is_match: weighed.zone == Zone::Match,
                    names_alike: weighed.names_alike,
                    terms: weighed.terms,
                });
            },
        )?;
        found.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.other.cmp(&b.other)));
        Ok::<_, crate::platform::error::Error>(found)
    });
    weighed.await.context("weighing newcomers")?
}
