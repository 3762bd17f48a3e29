//! The quality of a run over HTTP, and samples of its matches.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::model::MatchStatus;
use super::super::quality::{self, Covered, Evaluated, Quality};
use super::super::sampling::{BANDS, Judged, reach};
use super::super::store::{self, Sample};
use super::pairs::MatchPairOut;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Created, Item, Page, Resource};
use crate::platform::api::Api;
use crate::platform::changes::Change;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::list::{List, Path, Query};
use crate::platform::policy::{MatchesDecide, MatchingRead};
use crate::platform::valid::Valid;

/// How many pairs a sample has unless somebody says otherwise: with 200 judged and no error the interval begins near 0.98.
const USUAL: i32 = 200;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, quality, draw_sample, fetch_sample, sample_pairs);
}

#[expect(clippy::cast_precision_loss, reason = "counts of people and pairs are far below 2^52")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// How many people of a region were found.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchCoverageOut {
    /// The region.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Its name.
    pub name: Option<String>,
    /// People of the left side.
    pub people: i64,
    /// Found among them: matched, by NIK or by name, active or not.
    pub found: i64,
    /// Found of all, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub covered: Option<f64>,
    /// People with a pair that somebody must look at and nobody decided about.
    pub in_review: i64,
}

/// People by status.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchStatusCount {
    /// What became of them.
    #[schema(value_type = MatchStatus)]
    pub status: String,
    /// How many people.
    pub people: i64,
}

/// Pairs of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPairCounts {
    /// Automatic matches: pairs in the zone `match`.
    pub matches: i64,
    /// Pairs in the zone `review`.
    pub review: i64,
    /// Of these, pairs that nobody decided about.
    pub review_open: i64,
    /// Pairs of either zone with a decision in force.
    pub decided: i64,
    /// Pairs with a decision that waits for a second person.
    pub proposed: i64,
    /// Decided of all pairs, 0 to 1; null where there is no pair.
    #[schema(minimum = 0, maximum = 1)]
    pub decided_share: Option<f64>,
}

/// Our verdict beside the centre's (Padan Dukcapil), in people.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchAgreementOut {
    /// Found by both.
    pub both: i64,
    /// Found by this run and not by the centre.
    pub ours_only: i64,
    /// Found by the centre and not by this run.
    pub centre_only: i64,
    /// Found by neither.
    pub neither: i64,
    /// The source states no verdict of the centre.
    pub unstated: i64,
    /// Where the centre's verdict is stated: the share on which both agree, 0 to 1. It says nothing about who is right.
    #[schema(minimum = 0, maximum = 1)]
    pub agreement: Option<f64>,
}

/// Automatic matches of about the same probability.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchBandOut {
    /// The lowest probability in it.
    pub from: f64,
    /// Where it ends: the band above begins here.
    pub to: f64,
    /// Automatic matches in it.
    pub matches: i64,
    /// How many of these the model itself expects to be wrong.
    pub expected_errors: f64,
}

/// What was judged of a band of a sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchSampleBandOut {
    /// The lowest probability in it.
    pub from: f64,
    /// Where it ends: the band above begins here.
    pub to: f64,
    /// Automatic matches in it, in all.
    pub matches: i64,
    /// Drawn from it.
    pub drawn: i64,
    /// Drawn and judged to be one person.
    pub right: i64,
    /// Drawn and judged to be two.
    pub wrong: i64,
}

/// A share with its interval.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct MatchPrecisionOut {
    /// The estimated share of right matches among all automatic matches of the run, each band weighed by its size.
    #[schema(minimum = 0, maximum = 1)]
    pub precision: f64,
    /// Where the 95 % interval begins.
    #[schema(minimum = 0, maximum = 1)]
    pub low: f64,
    /// Where it ends.
    #[schema(minimum = 0, maximum = 1)]
    pub high: f64,
}

/// A random sample of a run's automatic matches, as far as it was judged.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchSampleOut {
    /// Record id.
    pub id: Uuid,
    /// The run.
    pub run_id: Uuid,
    /// Where.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What it was drawn with: the same seed and size draw the same pairs of this run.
    pub seed: i64,
    /// How many pairs were asked for.
    pub size: i32,
    /// How many were drawn: fewer where the run has fewer automatic matches.
    pub drawn: i64,
    /// Judged to be one person.
    pub right: i64,
    /// Judged to be two.
    pub wrong: i64,
    /// Decided `cannot_tell`: they count neither way.
    pub cannot_tell: i64,
    /// Without a decision in force, also where one waits for a second person. While there are any, the estimate is a
    /// preliminary one.
    pub undecided: i64,
    /// The estimate; null while nothing was judged of some band that has matches.
    pub estimate: Option<MatchPrecisionOut>,
    /// By band, the least sure first.
    pub bands: Vec<MatchSampleBandOut>,
    /// Who drew it.
    pub drawn_by: Uuid,
    /// Drawn at.
    pub created_at: DateTime<Utc>,
}

impl From<Evaluated> for MatchSampleOut {
    fn from(of: Evaluated) -> Self {
        let Evaluated { sample, drawn, judged, cannot_tell, undecided, precision } = of;
        let Sample { id, run_id, region_code, seed, size, drawn_by, version: _, created_at, updated_at: _ } = sample;
        let band = |(band, (drawn, judged)): (usize, (i64, Judged))| {
            let ((from, to), Judged { matches, right, wrong }) = (reach(band), judged);
            MatchSampleBandOut { from, to, matches, drawn, right, wrong }
        };
        MatchSampleOut {
            id,
            run_id,
            region_code,
            seed,
            size,
            drawn: drawn.iter().sum(),
            right: judged.iter().map(|band| band.right).sum(),
            wrong: judged.iter().map(|band| band.wrong).sum(),
            cannot_tell,
            undecided,
            estimate: precision.map(|found| MatchPrecisionOut { precision: found.share, low: found.low, high: found.high }),
            bands: drawn.into_iter().zip(judged).enumerate().map(band).collect(),
            drawn_by,
            created_at,
        }
    }
}

impl Resource for MatchSampleOut {
    fn location(&self) -> String {
        format!("/match-samples/{}", self.id)
    }
    fn version(&self) -> i32 {
        1
    }
}

/// How good a run is.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchingQualityOut {
    /// The run.
    pub run_id: Uuid,
    /// People of the left side in your regions.
    pub people: i64,
    /// Found among them.
    pub found: i64,
    /// Found of all, 0 to 1; null where there is nobody.
    #[schema(minimum = 0, maximum = 1)]
    pub covered: Option<f64>,
    /// People with a pair that somebody must look at and nobody decided about.
    pub in_review: i64,
    /// These of all, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub review_share: Option<f64>,
    /// People by status.
    pub statuses: Vec<MatchStatusCount>,
    /// People by region, in code order.
    pub regions: Vec<MatchCoverageOut>,
    /// Pairs.
    pub pairs: MatchPairCounts,
    /// Our verdict beside the centre's.
    pub centre: MatchAgreementOut,
    /// Automatic matches by probability, the least sure first.
    pub bands: Vec<MatchBandOut>,
    /// How many automatic matches the model itself expects to be wrong: the sum of what each lacks to certainty. It is as
    /// good as the model; a sample tests it.
    pub expected_errors: f64,
    /// Samples that were drawn, the oldest first, each with its estimate.
    pub samples: Vec<MatchSampleOut>,
}

impl MatchingQualityOut {
    fn of(run_id: Uuid, quality: Quality) -> MatchingQualityOut {
        let Quality { all, statuses, regions, names, agreement, pairs, bands, samples } = quality;
        let stated = agreement.both + agreement.ours_only + agreement.centre_only + agreement.neither;
        let region = |(region_code, Covered { people, found, in_review }): (String, Covered)| {
            let name = names.get(&region_code).cloned();
            MatchCoverageOut { region_code, name, people, found, covered: share(found, people), in_review }
        };
        let band = |(band, (matches, expected_errors)): (usize, (i64, f64))| {
            let (from, to) = reach(band);
            MatchBandOut { from, to, matches, expected_errors }
        };
        MatchingQualityOut {
            run_id,
            people: all.people,
            found: all.found,
            covered: share(all.found, all.people),
            in_review: all.in_review,
            review_share: share(all.in_review, all.people),
            statuses: statuses.into_iter().map(|(status, people)| MatchStatusCount { status, people }).collect(),
            regions: regions.into_iter().map(region).collect(),
            pairs: MatchPairCounts {
                matches: pairs.matches,
                review: pairs.review,
                review_open: pairs.review_open,
                decided: pairs.decided,
                proposed: pairs.proposed,
                decided_share: share(pairs.decided, pairs.matches + pairs.review),
            },
            centre: MatchAgreementOut {
                both: agreement.both,
                ours_only: agreement.ours_only,
                centre_only: agreement.centre_only,
                neither: agreement.neither,
                unstated: agreement.unstated,
                agreement: share(agreement.both + agreement.neither, stated),
            },
            expected_errors: bands.iter().map(|(_, errors)| errors).sum(),
            bands: bands.into_iter().enumerate().map(band).collect(),
            samples: samples.into_iter().map(MatchSampleOut::from).collect(),
        }
    }
}

/// At what level.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct QualityFilter {
    /// Regions of this level; `subdistrict` unless you say so.
    level: Option<Level>,
}

/// Report coverage and quality of a matching run
///
/// **Coverage**: of the people on the left, how many were found, in all and by region. **Review**: how many wait for
/// somebody to look. **Centre**: where the source carries the centre's own verdict, how often ours is the same. **Expected
/// errors**: every automatic match has a probability; what these lack to certainty adds up to the number of wrong matches
/// that the model itself expects. **Samples**: what people say who judged a random sample; this is the figure to sign by.
///
/// How to read an estimate: `precision` is the share of right matches among all automatic ones, as the sample tells it. The
/// interval from `low` to `high` was made by a rule that holds the true share 95 times in 100. Judge more pairs and it
/// narrows: with 200 judged and none wrong it begins near 0.98. Matches are drawn by bands of probability, half of the sample
/// evenly and half in proportion, and each band then counts with its share of all matches. The interval joins the Wilson
/// intervals of the bands (Zou and Donner 2008), so it does not shrink to a point where no error was found. Pairs that nobody
/// can tell count neither way. Everything is derived from results and decisions as they stand now. 409 `run_not_done` until
/// the run's job has ended well.
#[utoipa::path(get, path = "/matching-runs/{id}/quality")]
async fn quality(
    access: Access<MatchingRead>,
    Path(id): Path<Uuid>,
    Query(filter): Query<QualityFilter>,
) -> Result<Item<MatchingQualityOut>> {
    let db = access.read_apart().await?;
    store::find_done(&db, id).await?;
    let quality = quality::of_run(&db, id, filter.level.unwrap_or(Level::Subdistrict)).await?;
    Ok(Item(MatchingQualityOut::of(id, quality)))
}

/// A sample to draw.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchSampleCreate {
    /// An id of your own, UUIDv7.
    pub id: Option<Uuid>,
    /// How many pairs; 200 unless you say so.
    #[validate(range(min = 1, max = 2000))]
    #[schema(minimum = 1, maximum = 2000)]
    pub size: Option<i32>,
    /// What to draw with; by chance unless you say so. It is stored, so that everybody can draw the same pairs again.
    #[validate(range(min = 0, max = 4_294_967_295_i64))]
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    pub seed: Option<i64>,
}

/// Draw a sample of a run's matches
///
/// A random sample of the automatic matches, to be judged by people: list its pairs, look at each and decide as about any
/// other pair. What they decide counts in the run, too. Every sample that was drawn stays in the report: a second one is no
/// way around the first. 409 `run_not_done` until the run's job has ended well.
#[utoipa::path(post, path = "/matching-runs/{id}/samples")]
async fn draw_sample(
    access: Access<MatchesDecide>,
    Path(run_id): Path<Uuid>,
    Valid(body): Valid<MatchSampleCreate>,
) -> Result<Created<MatchSampleOut>> {
    let mut tx = access.write().await?;
    let run = store::find_done(&tx, run_id).await?;
    let now = Utc::now();
    // The last bytes of a new id are random.
    let [.., a, b, c, d] = new_id().into_bytes();
    let sample = Sample {
        id: body.id.unwrap_or_else(new_id),
        run_id,
        region_code: run.region_code,
        seed: body.seed.unwrap_or_else(|| i64::from(u32::from_be_bytes([a, b, c, d]))),
        size: body.size.unwrap_or(USUAL),
        drawn_by: access.actor().id,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let sample = store::insert_sample(&mut tx, &sample).await?;
    let change = Change::created(&sample);
    let bands = store::bands(&tx, run_id).await?;
    let out = quality::evaluated(&tx, sample, &bands).await?.into();
    tx.commit([change]).await?;
    Ok(Created(out))
}

async fn shown(db: &impl crate::platform::db::Scoped, id: Uuid) -> Result<MatchSampleOut> {
    let sample = store::find_sample(db, id).await?;
    let bands: [(i64, f64); BANDS] = store::bands(db, sample.run_id).await?;
    Ok(quality::evaluated(db, sample, &bands).await?.into())
}

/// Fetch a sample of matches
///
/// With what people judged so far and the estimate that follows; `GET /matching-runs/{id}/quality` says how to read it.
#[utoipa::path(get, path = "/match-samples/{id}")]
async fn fetch_sample(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Item<MatchSampleOut>> {
    Ok(Item(shown(&access.read_apart().await?, id).await?))
}

/// Which pairs of a sample.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SamplePairFilter {
    /// Only those with a decision, or only those without one: `false` is what is left to judge.
    decided: Option<bool>,
}

/// List the pairs of a sample
///
/// In the order of the draw, which mixes the bands: whoever stops half-way has judged a fair part of each.
#[utoipa::path(get, path = "/match-samples/{id}/pairs")]
async fn sample_pairs(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<SamplePairFilter>) -> Result<Page<MatchPairOut>> {
    let after: Option<String> = list.after()?;
    let db = access.read_apart().await?;
    let sample = store::find_sample(&db, id).await?;
    let mut pairs = quality::pairs(&db, &sample, list.filter.decided).await?;
    if let Some(after) = after {
        pairs.retain(|(_, place)| *place > after);
    }
    Ok(list.page(pairs, |(_, place)| place.clone(), |(seen, _)| MatchPairOut::from(seen)))
}
