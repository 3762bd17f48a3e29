//! Pairs: the queue, and two people side by side with the reasons.

use anyhow::Context;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::model::Zone;
use super::super::people::{self, Side};
use super::super::store::{self, Pair, Seen, WantedPairs};
use super::super::wording;
use super::decisions::MatchDecisionOut;
use crate::linkage::explain::{Codebook, Term};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Item, Page};
use crate::platform::api::Api;
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::RegionCode;
use crate::platform::list::{List, Path};
use crate::platform::policy::MatchingRead;

/// Mounts this part.
pub fn operations(api: &mut Api) {
    mount!(api, pairs, fetch_pair);
}

/// Two people who may be one.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPairOut {
    /// Record id.
    pub id: Uuid,
    /// The run.
    pub run_id: Uuid,
    /// The left person's village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What the engine makes of it.
    #[schema(value_type = Zone)]
    pub zone: String,
    /// Logarithm to base 2 of the odds that they are one.
    pub weight: f64,
    /// The probability that they are one.
    #[schema(minimum = 0, maximum = 1)]
    pub probability: f64,
    /// How many others of the left family nobody was found for.
    pub unlocks: i16,
    /// Whether both have a NIK and it is the same; null where one has none.
    pub nik_agrees: Option<bool>,
    /// Whether name and birth date agree.
    pub data_agrees: bool,
    /// The decision that stands on it, in force or proposed.
    pub decision: Option<MatchDecisionOut>,
}

impl From<Seen> for MatchPairOut {
    fn from((row, decision): Seen) -> Self {
        let Pair { id, run_id, region_code, zone, weight, probability, unlocks, nik_agrees, data_agrees, .. } = row;
        let decision = decision.map(MatchDecisionOut::from);
        MatchPairOut { id, run_id, region_code, zone, weight, probability, unlocks, nik_agrees, data_agrees, decision }
    }
}

/// Which pairs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MatchPairFilter {
    /// In this zone: `review` is the queue.
    zone: Option<Zone>,
    /// Only those with a decision, or only those without one.
    decided: Option<bool>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
}

/// List the pairs of a matching run
///
/// What a decision unlocks most comes first: `zone=review&decided=false` is the queue to work off. 409 `run_not_done` until
/// the run's job has ended well.
#[utoipa::path(get, path = "/matching-runs/{id}/pairs")]
async fn pairs(access: Access<MatchingRead>, Path(id): Path<Uuid>, list: List<MatchPairFilter>) -> Result<Page<MatchPairOut>> {
    let db = access.read().await?;
    store::find_done(&db, id).await?;
    let MatchPairFilter { zone, decided, region } = &list.filter;
    let wanted = WantedPairs { zone: zone.map(Zone::name), decided: *decided, region: region.clone() };
    let rows = store::pairs(&db, id, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |(pair, _)| (pair.unlocks, pair.id), MatchPairOut::from))
}

/// A person as one side states them, numbers masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPersonOut {
    /// The statement that names them; null where they are our member.
    pub statement_id: Option<Uuid>,
    /// Our member; null where a statement names them.
    pub member_id: Option<Uuid>,
    /// The village.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Name as written.
    pub name: String,
    /// NIK, masked.
    pub nik: Option<String>,
    /// KK number, masked.
    pub kk: Option<String>,
    /// Sex.
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Born at.
    pub birth_place: Option<String>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// Relation to the head of the family.
    pub relation: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// The other members of the family, by name.
    pub family: Vec<String>,
}

/// A term of a weight.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchTermOut {
    /// Which comparison, as a stable word.
    pub key: String,
    /// Its fields and how far they agree, as stable words.
    pub levels: Vec<MatchLevelOut>,
    /// What it adds to the weight, in bits: positive speaks for one person, negative for two.
    pub weight: f64,
    /// In Indonesian.
    pub indonesian: String,
    /// In English.
    pub english: String,
}

/// How far a field agrees.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchLevelOut {
    /// The field.
    pub field: String,
    /// The level of agreement.
    pub level: String,
}

/// Two people side by side, with the reasons.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchPairDetailOut {
    /// The pair.
    pub pair: MatchPairOut,
    /// The person of the left side.
    pub left: MatchPersonOut,
    /// The person of the right side.
    pub right: MatchPersonOut,
    /// The terms that add up to the weight, in their order.
    pub terms: Vec<MatchTermOut>,
}

/// Fetch a pair
///
/// Both people side by side, numbers masked, and the terms that add up to the weight. Looking is recorded.
#[utoipa::path(get, path = "/match-pairs/{id}")]
async fn fetch_pair(access: Access<MatchingRead>, Path(id): Path<Uuid>) -> Result<Item<MatchPairDetailOut>> {
    let db = access.read_apart().await?;
    let (pair, decision) = store::find_pair(&db, id).await?;
    let keys = &access.platform().keys;
    let left = people::look_at(&db, keys, Side::Statement(pair.left_statement_id, pair.left_ordinal)).await?;
    let right = people::look_at(&db, keys, Side::of_right(&pair)?).await?;
    let terms = reasons(&db, &pair).await?;
    access.record_in(RegionCode::stored(&pair.region_code), "match-pairs", Some(id), "fetch", 2, None)?;
    Ok(Item(MatchPairDetailOut { pair: (pair, decision).into(), left, right, terms }))
}

/// The terms of a pair's weight; none where people decided about two whom the engine would not think of as one.
async fn reasons(db: &impl Scoped, pair: &Pair) -> Result<Vec<MatchTermOut>> {
    if let Some(terms) = &pair.terms {
        return in_words(terms);
    }
    let (Some(pattern), Some(own)) = (pair.pattern, pair.own()) else { return Ok(Vec::new()) };
    let book: Codebook = serde_json::from_str(&store::codebook_of(db, pair.id).await?).context("a run's codebook")?;
    let terms = book.explain(pattern.cast_unsigned(), own);
    Ok(terms.into_iter().filter(Term::tells_something).map(|term| worded(term.key, &term.levels, term.weight)).collect())
}

/// A term as it is stored in words: its key, its fields with their levels, its weight.
type Stored = (String, Vec<(String, String)>, f64);

/// Terms that were stored as text, in words.
pub fn in_words(terms: &str) -> Result<Vec<MatchTermOut>> {
    let stored: Vec<Stored> = serde_json::from_str(terms).context("terms of a pair")?;
    Ok(stored.into_iter().map(|(key, levels, weight)| worded(&key, &levels, weight)).collect())
}

fn worded<T: AsRef<str>>(key: &str, levels: &[(T, T)], weight: f64) -> MatchTermOut {
    let (indonesian, english) = wording::of(key, levels);
    let level = |(field, level): &(T, T)| MatchLevelOut { field: field.as_ref().into(), level: level.as_ref().into() };
    MatchTermOut { key: key.into(), levels: levels.iter().map(level).collect(), weight, indonesian, english }
}
