//! How good a run is: what it covers, what waits, how it agrees with the centre, and what a sample says of its matches.
//! Derived from results, pairs and decisions whenever it is asked for.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::model::{MatchStatus, Outcome, Zone};
use super::sampling::{self, BANDS, Estimate, Judged};
use super::store::{self, Decision, Names, Sample, Seen};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};

/// People of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Covered {
    /// Of the left side.
    pub people: i64,
    /// Found among them.
    pub found: i64,
    /// With a pair that somebody must look at.
    pub in_review: i64,
}

/// Our verdict beside the centre's, in people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Found by both.
    pub both: i64,
    /// Found by us only.
    pub ours_only: i64,
    /// Found by the centre only.
    pub centre_only: i64,
    /// Found by neither.
    pub neither: i64,
    /// The source states no verdict of the centre.
    pub unstated: i64,
}

/// Pairs of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Automatic matches.
    pub matches: i64,
    /// For review.
    pub review: i64,
    /// For review, and nobody decided yet.
    pub review_open: i64,
    /// With a decision in force.
    pub decided: i64,
    /// With a decision that waits for a second person.
    pub proposed: i64,
}

/// A run's quality.
#[derive(Debug)]
pub struct Quality {
    /// All people.
    pub all: Covered,
    /// People by status.
    pub statuses: BTreeMap<String, i64>,
    /// People by region of the level asked for.
    pub regions: BTreeMap<String, Covered>,
    /// The regions' names.
    pub names: Names,
    /// Our verdict beside the centre's.
    pub agreement: Agreement,
    /// Pairs.
    pub pairs: Pairs,
    /// Automatic matches and expected errors by band.
    pub bands: [(i64, f64); BANDS],
    /// The samples that were drawn.
    pub samples: Vec<Evaluated>,
}

/// Whether somebody was found for a person.
pub fn is_found(status: &str) -> bool {
    use MatchStatus::{InactiveDeceased, InactiveMoved, Matched, MatchedByName, MatchedByNikOtherData};
    matches!(MatchStatus::parse(status), Some(Matched | MatchedByNikOtherData | MatchedByName | InactiveDeceased | InactiveMoved))
}

/// The quality of a run, as far as the scope reaches.
pub async fn of_run(db: &impl Scoped, run: Uuid, level: Level) -> Result<Quality> {
    let mut quality = Quality {
        all: Covered::default(),
        statuses: BTreeMap::new(),
        regions: BTreeMap::new(),
        names: Names::new(),
        agreement: Agreement::default(),
        pairs: Pairs::default(),
        bands: store::bands(db, run).await?,
        samples: Vec::new(),
    };
    let at = |village: &str| RegionCode::stored(village).at(level).to_string();
    for (village, status, centre, people) in store::verdicts(db, run).await? {
        let found = is_found(&status);
        let agreement = &mut quality.agreement;
        *match (centre, found) {
            (Some(true), true) => &mut agreement.both,
            (Some(false), true) => &mut agreement.ours_only,
            (Some(true), false) => &mut agreement.centre_only,
            (Some(false), false) => &mut agreement.neither,
            (None, _) => &mut agreement.unstated,
        } += people;
        *quality.statuses.entry(status).or_default() += people;
        for covered in [&mut quality.all, quality.regions.entry(at(&village)).or_default()] {
            covered.people += people;
            covered.found += if found { people } else { 0 };
        }
    }
    for (village, people) in store::waiting(db, run).await? {
        for covered in [&mut quality.all, quality.regions.entry(at(&village)).or_default()] {
            covered.in_review += people;
        }
    }
    for (zone, pairs, standing, in_force) in store::tally_pairs(db, run).await? {
        let counts = &mut quality.pairs;
        counts.decided += in_force;
        counts.proposed += standing - in_force;
        if zone == Zone::Review.name() {
            (counts.review, counts.review_open) = (pairs, pairs - standing);
        } else {
            counts.matches = pairs;
        }
    }
    quality.names = store::names(db, quality.regions.keys().map(String::as_str)).await?;
    for sample in store::samples_of(db, run).await? {
        quality.samples.push(evaluated(db, sample, &quality.bands).await?);
    }
    Ok(quality)
}

/// A sample, as far as it was judged.
#[derive(Debug)]
pub struct Evaluated {
    /// The sample.
    pub sample: Sample,
    /// How many pairs were drawn from each band.
    pub drawn: [i64; BANDS],
    /// What was judged, by band.
    pub judged: [Judged; BANDS],
    /// Drawn pairs of which people decided that nobody can tell.
    pub cannot_tell: i64,
    /// Drawn pairs without a decision in force.
    pub undecided: i64,
    /// The share of right matches among all automatic matches of the run.
    pub precision: Option<Estimate>,
}

fn sizes(bands: &[(i64, f64); BANDS]) -> [i64; BANDS] {
    bands.map(|(pairs, _)| pairs)
}

/// The pairs of a sample in the order of the draw, each with its band.
async fn drawn(db: &impl Scoped, sample: &Sample, bands: &[(i64, f64); BANDS]) -> Result<Vec<(usize, Seen, String)>> {
    let shares = sampling::allocate(sizes(bands), i64::from(sample.size));
    let mut pairs = Vec::new();
    for (band, share) in shares.into_iter().enumerate().filter(|(_, share)| *share > 0) {
        let seen = store::drawn(db, sample.run_id, sample.seed, band, share).await?;
        pairs.extend(seen.into_iter().map(|(seen, place)| (band, seen, place)));
    }
    Ok(pairs)
}

/// What people have said of a sample so far.
pub async fn evaluated(db: &impl Scoped, sample: Sample, bands: &[(i64, f64); BANDS]) -> Result<Evaluated> {
    let mut judged = sizes(bands).map(|matches| Judged { matches, ..Judged::default() });
    let (mut count, mut cannot_tell, mut undecided) = ([0; BANDS], 0, 0);
    for (band, (_, decision), _) in drawn(db, &sample, bands).await? {
        let (Some(judged), Some(count)) = (judged.get_mut(band), count.get_mut(band)) else { continue };
        *count += 1;
        match decision.as_ref().and_then(Decision::in_force) {
            Some(Outcome::Match) => judged.right += 1,
            Some(Outcome::NoMatch) => judged.wrong += 1,
            Some(Outcome::CannotTell) => cannot_tell += 1,
            None => undecided += 1,
        }
    }
    let precision = sampling::estimate(&judged);
    Ok(Evaluated { sample, drawn: count, judged, cannot_tell, undecided, precision })
}

/// The pairs of a sample, mixed as they were drawn: whoever judges some of them has judged a fair part of each band. Only
/// those with a decision that stands, or only those without one, where that is asked for.
pub async fn pairs(db: &impl Scoped, sample: &Sample, decided: Option<bool>) -> Result<Vec<(Seen, String)>> {
    let bands = store::bands(db, sample.run_id).await?;
    let mut pairs: Vec<(Seen, String)> = drawn(db, sample, &bands).await?.into_iter().map(|(_, seen, place)| (seen, place)).collect();
    pairs.retain(|((_, decision), _)| decided.is_none_or(|wanted| decision.is_some() == wanted));
    pairs.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok(pairs)
}
