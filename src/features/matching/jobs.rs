//! The work of a run: people are read and opened page by page, weighed on threads of their own, and everything is stored in
//! one transaction at the end. Until then nothing of the run can be seen, so one that was killed simply starts anew.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use serde::Deserialize;
use uuid::Uuid;

use super::decided::{Decided, Keys};
use super::model::{Against, Facts, Outcome, Zone, holding, nik_taken, status};
use super::people::{self, People, Person, Side, Source};
use super::store::{self, Counted, MatchResult, Pair, Run};
use super::weighing::names_alike;
use crate::features::datasets;
use crate::linkage::crew::{Cancelled, Crew};
use crate::linkage::explain::{Codebook, Term};
use crate::linkage::profile::Profile;
use crate::linkage::run::{Engine, Options, Outcome as Found, Pair as Weighed};
use crate::platform::changes::Change;
use crate::platform::error::{Code, Result};
use crate::platform::ids::new_id;
use crate::platform::jobs::{Halt, Hangup, Jobs, Progress, Step};

/// The kind of job.
pub const KIND: &str = "matching_run";
/// What its progress counts.
pub const UNIT: &str = "people";

/// The feature's jobs.
pub fn jobs(jobs: &mut Jobs) {
    jobs.one_at_a_time(KIND, |step| Box::pin(work(step)));
}

#[derive(Debug, Deserialize)]
struct Payload {
    run_id: Uuid,
}

/// Both sides, ready to be compared.
struct Sides {
    left: People,
    /// None where the left side is compared with itself.
    right: Option<People>,
}

async fn work(step: Step) -> Result<()> {
    // People whose keys changed meanwhile are read once more: each round some of a rotation is over.
    while let Ended::KeysChanged = attempt(&step).await? {
        tracing::info!(job = %step.id, "keys were rotated while people were compared: once more");
    }
    Ok(())
}

/// Tells how long each part of a run took.
struct Clock(Instant);

impl Clock {
    fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Milliseconds since the last part ended.
    fn lap(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.0, Instant::now());
        u64::try_from(before.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How an attempt ended.
enum Ended {
    /// It is stored, or was halted.
    Over,
    /// People were renamed while it ran; nothing is stored.
    KeysChanged,
}

async fn attempt(step: &Step) -> Result<Ended> {
    let Payload { run_id } = serde_json::from_value(step.payload.clone()).context("payload of a matching run")?;
    let db = step.read().await?;
    let (run, ..) = store::find_run(&db, run_id).await?;
    let keys = datasets::under_keys(&db, &run.releases()).await?;
    let decided = Decided::read_for(&db, &step.services().keys, &run.releases()).await?;
    drop(db);
    let engine = Arc::new(engine()?);
    let mut done = 0;
    let mut clock = Clock::start();
    let sides = match sides(step, &engine, &run, &mut done).await? {
        Ok(sides) => sides,
        Err(halt) => return halted(step, halt).await,
    };
    let read_ms = clock.lap();
    let cancel = Arc::new(AtomicBool::new(false));
    let _hangup = Hangup(cancel.clone());
    let flag = cancel.clone();
    let mut weighing = tokio::task::spawn_blocking(move || weigh(&engine, &run, sides, decided, &flag));
    let pause = step.heartbeat();
    loop {
        match tokio::time::timeout(pause, &mut weighing).await {
            Ok(weighed) => match weighed.context("weighing")? {
                Some(findings) => {
                    let (weighed_ms, pairs) = (clock.lap(), findings.pairs.len());
                    let ended = findings.store(step, done, &keys).await?;
                    tracing::info!(job = %step.id, people = done, pairs, read_ms, weighed_ms, stored_ms = clock.lap(), "matched");
                    return Ok(ended);
                }
                None => return Err(anyhow::anyhow!("matching run {run_id} stopped by nobody").into()),
            },
            Err(_) => {
                if let Some(halt) = step.store_progress(Progress { done, total: None, cursor: None }).await? {
                    cancel.store(true, Ordering::Relaxed);
                    return halted(step, halt).await;
                }
            }
        }
    }
}

/// The engine of a run: the shipped Indonesian profile.
pub(super) fn engine() -> Result<Engine> {
    let profile = Profile::shipped("indonesian").context("the shipped profile")?.context("the shipped profile")?;
    Ok(Engine::new(profile).context("the shipped profile")?)
}

async fn halted(step: &Step, halt: Halt) -> Result<Ended> {
    if halt == Halt::Cancelled {
        let Payload { run_id } = serde_json::from_value(step.payload.clone()).context("payload of a matching run")?;
        let mut tx = step.write().await?;
        step.cancelled(&mut tx).await?;
        tx.commit([Change::new("matching-runs", run_id, step.region.clone(), "cancelled")]).await?;
    }
    Ok(Ended::Over)
}

async fn sides(step: &Step, engine: &Arc<Engine>, run: &Run, done: &mut i64) -> Result<std::result::Result<Sides, Halt>> {
    let db = step.read().await?;
    let left = datasets::find_kept(&db, run.left_release_id).await?;
    let right = match run.right_release_id {
        Some(id) => Some(datasets::find_kept(&db, id).await?),
        None => None,
    };
    drop(db);
    let of_release = |found: &datasets::Release| Source::Release { dataset: found.dataset_id, release: found.id };
    let right = match (Against::parse(&run.against), &right) {
        (Some(Against::Release), Some(right)) => Some(of_release(right)),
        (Some(Against::Families), None) => Some(Source::Families),
        (Some(Against::Itself), None) => None,
        _ => return Err(Code::Internal.into()),
    };
    let left = match people::of(step, engine, of_release(&left), done).await? {
        Ok(people) => people,
        Err(halt) => return Ok(Err(halt)),
    };
    let Some(right) = right else { return Ok(Ok(Sides { left, right: None })) };
    let right = people::of(step, engine, right, done).await?;
    Ok(right.map(|right| Sides { left, right: Some(right) }))
}

/// None when it was told to stop.
fn weigh(engine: &Engine, run: &Run, mut sides: Sides, decided: Decided, cancel: &AtomicBool) -> Option<Findings> {
    let options = Options { cancel: Some(cancel), ..Options::default() };
    let found = match &mut sides.right {
        Some(right) => engine.link(&mut sides.left.register, &mut right.register, &options),
        None => engine.dedupe(&mut sides.left.register, &options),
    };
    let findings = Findings::of(engine, run, &sides, &found.ok()?, decided, &Crew::new(&options)).ok();
    // Giving back some hundred megabytes takes a while, in which the database could be at work.
    drop(std::thread::Builder::new().spawn(move || drop(sides)));
    findings
}

/// What a run found, ready to be stored.
struct Findings {
    run: Run,
    pairs: Vec<Pair>,
    results: Vec<MatchResult>,
    counted: Counted,
    model: String,
    codebook: Codebook,
    /// What stood when the run began.
    decided: Decided,
}

impl Findings {
    fn of(
        engine: &Engine,
        run: &Run,
        sides: &Sides,
        found: &Found,
        decided: Decided,
        crew: &Crew<'_>,
    ) -> std::result::Result<Findings, Cancelled> {
        let left = &sides.left;
        let right = sides.right.as_ref().unwrap_or(left);
        // In the order of the statements: side by side in the table, and at the end of its index.
        let mut in_order: Vec<&Weighed> = found.pairs.iter().collect();
        in_order.sort_by_key(|weighed| weighed.left);
        let book = engine.codebook(&found.model);
        let made = crew.chunks(count(&in_order), |range| {
            let list = in_order.get(range.start as usize..range.end as usize).unwrap_or_default();
            let pair = |weighed: &&Weighed| {
                let blank = blank(run, (left, weighed.left), (right, weighed.right), &decided)?;
                let [left_rivals, right_rivals, chain, calibration] = weighed.own().map(Some);
                let pair = Pair {
                    weight: weighed.weight,
                    probability: weighed.probability,
                    zone: weighed.zone.name().into(),
                    data_agrees: data_agrees(&book, weighed.pattern),
                    pattern: Some(weighed.pattern.cast_signed()),
                    left_rivals,
                    right_rivals,
                    chain,
                    calibration,
                    ..blank
                };
                Some((weighed.left, weighed.right, pair))
            };
            list.iter().filter_map(pair).collect::<Vec<_>>()
        })?;
        let mut pairs = Vec::with_capacity(found.pairs.len());
        // A person's pairs, by their place on the left; in a list compared with itself both people have the pair.
        let mut of_person: Vec<Vec<(usize, u32)>> = vec![Vec::new(); left.people.len()];
        for (l, r, pair) in made.into_iter().flatten() {
            if let Some(list) = of_person.get_mut(l as usize) {
                list.push((pairs.len(), r));
            }
            if let (None, Some(list)) = (&sides.right, of_person.get_mut(r as usize)) {
                list.push((pairs.len(), l));
            }
            pairs.push(pair);
        }
        remembered(run, left, right, &decided, &mut pairs, &mut of_person);
        let given_away = if sides.right.is_some() { given_away(left, &decided, &pairs, &of_person) } else { HashSet::new() };
        let fact = |(at, pair): (usize, &Pair)| pair.facts(outcome(&decided, pair), given_away.contains(&at));
        let facts: Vec<Facts> = pairs.iter().enumerate().map(fact).collect();
        let taken = Taken::of(&right.people, sides.right.is_none());
        let made = crew.chunks(count(&left.people), |range| {
            let people = range.clone().zip(left.people.iter().zip(&of_person).skip(range.start as usize));
            people.filter_map(|(at, (person, list))| result(at, person, list, right, &taken, &pairs, &facts)).collect::<Vec<_>>()
        })?;
        let mut settled = HashSet::new();
        let mut results = Vec::with_capacity(left.people.len());
        for (at, holds, result) in made.into_iter().flatten() {
            if holds {
                settled.insert(at);
            }
            results.push(result);
        }
        unlocks(&left.people, &settled, &of_person, &mut pairs);
        Ok(Findings {
            run: run.clone(),
            counted: Counted {
                left: i32::try_from(left.people.len()).unwrap_or(i32::MAX),
                right: sides.right.as_ref().map_or(0, |right| i32::try_from(right.people.len()).unwrap_or(i32::MAX)),
                compared: i64::try_from(found.stats.compared).unwrap_or(i64::MAX),
            },
            model: found.model.version.clone(),
            codebook: book,
            pairs,
            results,
            decided,
        })
    }

    async fn store(self, step: &Step, done: i64, keys: &[(i32, i64)]) -> Result<Ended> {
        let Findings { run, pairs, results, counted, model, codebook, decided } = self;
        let codebook = serde_json::to_string(&codebook).context("a codebook")?;
        let mut tx = step.write().await?;
        // First: whoever has the job's row keeps the job, however long the rest takes.
        if let Some(Halt::Cancelled) = step.progress(&mut tx, Progress { done, total: Some(done), cursor: None }).await? {
            drop(tx);
            return halted(step, Halt::Cancelled).await;
        }
        store::insert_pairs(&mut tx, &pairs).await?;
        store::insert_results(&mut tx, run.id, &results).await?;
        let ended = store::finish_run(&mut tx, run.id, counted, &model, &codebook).await?;
        // What people decided while the engine worked.
        store::hold_decisions(&mut tx).await?;
        if datasets::under_keys(&tx, &run.releases()).await? != keys {
            return Ok(Ended::KeysChanged);
        }
        let now = Decided::read(&tx).await?;
        for keys in now.differing(&decided) {
            store::derive(&mut tx, (&keys.0, &keys.1)).await?;
        }
        step.succeed(&mut tx).await?;
        tx.commit([Change::turned("done", &run, &ended)]).await?;
        Ok(Ended::Over)
    }
}

/// Terms as they are stored for two members: in words, as text.
pub(super) fn told(terms: &[Term<'_>]) -> String {
    let told: Vec<_> = terms.iter().filter(|term| term.tells_something()).map(|term| (term.key, &term.levels, term.weight)).collect();
    serde_json::to_string(&told).unwrap_or_else(|_| "[]".into())
}

/// Whether names and birth dates agree in all pairs of a pattern.
fn data_agrees(book: &Codebook, pattern: u64) -> bool {
    names_alike(book.level(pattern, "name")) && book.level(pattern, "birth_date").starts_with("equal")
}

/// What became of a person of the left side, and whether one of their pairs holds. None for a member of ours.
fn result(
    at: u32,
    person: &Person,
    list: &[(usize, u32)],
    right: &People,
    taken: &Taken,
    pairs: &[Pair],
    facts: &[Facts],
) -> Option<(u32, bool, MatchResult)> {
    let Side::Statement(statement_id, ordinal) = person.side else { return None };
    let own: Vec<Facts> = list.iter().filter_map(|(pair, _)| facts.get(*pair).copied()).collect();
    let held = holding(&own);
    let stranger = taken.by_a_stranger(person, at, list).and_then(|at| right.get(at)).map(|stranger| stranger.side);
    let nik_taken = nik_taken(stranger.is_some(), &own);
    let (stranger_statement_id, stranger_ordinal, stranger_member_id) = match stranger {
        Some(Side::Statement(id, ordinal)) => (Some(id), Some(ordinal), None),
        Some(Side::Member(id)) => (None, None, Some(id)),
        None => (None, None, None),
    };
    let result = MatchResult {
        statement_id,
        ordinal,
        region_code: person.region.to_string(),
        nik_state: person.nik_state.name().into(),
        nik_strange: stranger.is_some(),
        nik_taken,
        status: status(person.nik_state, nik_taken, held.and_then(|held| own.get(held))).name().into(),
        pair_id: held.and_then(|held| list.get(held)).and_then(|(pair, _)| pairs.get(*pair)).map(|pair| pair.id),
        dukcapil_match: person.dukcapil_match,
        stranger_statement_id,
        stranger_ordinal,
        stranger_member_id,
    };
    Some((at, held.is_some(), result))
}

fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

/// A pair without weight.
fn blank(run: &Run, (left, l): (&People, u32), (right, r): (&People, u32), decided: &Decided) -> Option<Pair> {
    let (one, other) = (left.get(l)?, right.get(r)?);
    let (left_statement_id, left_ordinal) = match one.side {
        Side::Statement(id, ordinal) => (id, ordinal),
        Side::Member(id) => (id, 0),
    };
    let (right_statement_id, right_ordinal, right_member_id) = match other.side {
        Side::Statement(id, ordinal) => (Some(id), Some(ordinal), None),
        Side::Member(id) => (None, None, Some(id)),
    };
    let (one_key, other_key) = decided.keys_of(left.key(l), right.key(r));
    Some(Pair {
        id: new_id(),
        run_id: run.id,
        region_code: one.region.to_string(),
        left_statement_id,
        left_ordinal,
        right_statement_id,
        right_ordinal,
        right_member_id,
        one_key,
        other_key,
        weight: 0.0,
        probability: 0.5,
        zone: Zone::Review.name().into(),
        nik_agrees: one.nik.zip(other.nik).map(|(one, other)| one == other),
        data_agrees: false,
        right_state: other.inactive.map(|inactive| inactive.name().into()),
        unlocks: 0,
        pattern: None,
        left_rivals: None,
        right_rivals: None,
        chain: None,
        calibration: None,
        terms: None,
    })
}

/// Decisions hold even where the engine would not think of the pair: it is there, without a weight.
fn remembered(run: &Run, left: &People, right: &People, decided: &Decided, pairs: &mut Vec<Pair>, of_person: &mut [Vec<(usize, u32)>]) {
    if decided.is_empty() {
        return;
    }
    let known: HashSet<(&str, &str)> = pairs.iter().map(|pair| (pair.one_key.as_str(), pair.other_key.as_str())).collect();
    let is_missing = |(one, other): &Keys| !known.contains(&(one.as_str(), other.as_str()));
    let mut missing: Vec<Vec<&Keys>> = decided.ones().filter(|(keys, _)| is_missing(keys)).map(|(_, today)| today).collect();
    if missing.is_empty() {
        return;
    }
    missing.sort();
    let keys = || missing.iter().flatten().flat_map(|(one, other)| [one.as_str(), other.as_str()]);
    let (on_left, on_right) = (left.find(keys()), right.find(keys()));
    for called in missing {
        let either_way = called.into_iter().flat_map(|(one, other)| [(one, other), (other, one)]);
        let mut found = either_way.filter_map(|(one, other)| Some((*on_left.get(one.as_str())?, *on_right.get(other.as_str())?)));
        let Some((l, r)) = found.next() else { continue };
        let Some(blank) = blank(run, (left, l), (right, r), decided) else { continue };
        if let Some(list) = of_person.get_mut(l as usize) {
            list.push((pairs.len(), r));
        }
        if let (true, Some(list)) = (run.against == Against::Itself.name(), of_person.get_mut(r as usize)) {
            list.push((pairs.len(), l));
        }
        pairs.push(blank);
    }
}

/// What people decided about a pair.
fn outcome(decided: &Decided, pair: &Pair) -> Option<Outcome> {
    if decided.is_empty() {
        return None;
    }
    decided.outcome(&(pair.one_key.clone(), pair.other_key.clone()))
}

/// The pairs whose right person people gave to another left one. Where the engine found the right one for both, it judged
/// the two to be one; else people may have.
fn given_away(left: &People, decided: &Decided, pairs: &[Pair], of_person: &[Vec<(usize, u32)>]) -> HashSet<usize> {
    let each = || (0u32..).zip(of_person).flat_map(|(at, list)| list.iter().map(move |(pair, right)| (at, *pair, *right)));
    let mut given: HashMap<u32, Vec<u32>> = HashMap::new();
    for (at, number, right) in each() {
        let Some(pair) = pairs.get(number).filter(|pair| pair.zone != Zone::Match.name()) else { continue };
        if outcome(decided, pair) == Some(Outcome::Match) {
            given.entry(right).or_default().push(at);
        }
    }
    let judged_one = |one: u32, other: u32| decided.outcome(&decided.keys_of(left.key(one), left.key(other))) == Some(Outcome::Match);
    each()
        .filter(|(at, _, right)| given.get(right).is_some_and(|to| to.iter().any(|to| to != at && !judged_one(*to, *at))))
        .map(|(_, number, _)| number)
        .collect()
}

/// Who has which NIK.
struct Taken {
    /// NIKs with the places of those who have them, ascending.
    holders: Vec<(u64, u32)>,
    is_itself: bool,
}

impl Taken {
    fn of(right: &[Person], is_itself: bool) -> Taken {
        let mut holders: Vec<(u64, u32)> = (0u32..).zip(right).filter_map(|(at, person)| Some((person.nik?, at))).collect();
        holders.sort_unstable();
        Taken { holders, is_itself }
    }

    /// Somebody on the other side (or, in a list compared with itself, on it) who has the person's NIK and makes no pair with
    /// them: not even worth a look.
    fn by_a_stranger(&self, person: &Person, at: u32, pairs: &[(usize, u32)]) -> Option<u32> {
        let nik = person.nik?;
        let from = self.holders.partition_point(|holder| holder.0 < nik);
        let others = self.holders.iter().skip(from).take_while(|holder| holder.0 == nik).map(|holder| holder.1);
        others.filter(|other| !(self.is_itself && *other == at)).find(|other| !pairs.iter().any(|(_, paired)| paired == other))
    }
}

/// How many others of the left family nobody was found for: who looks at one of them can look at all.
fn unlocks(left: &[Person], settled: &HashSet<u32>, of_person: &[Vec<(usize, u32)>], pairs: &mut [Pair]) {
    let mut open: HashMap<Uuid, i16> = HashMap::new();
    for (at, person) in (0u32..).zip(left) {
        if let (Side::Statement(statement, _), false) = (person.side, settled.contains(&at)) {
            let count = open.entry(statement).or_default();
            *count = count.saturating_add(1);
        }
    }
    for ((at, person), list) in (0u32..).zip(left).zip(of_person) {
        let Side::Statement(statement, _) = person.side else { continue };
        let others = open.get(&statement).copied().unwrap_or(0).saturating_sub(i16::from(!settled.contains(&at)));
        for (place, _) in list {
            if let Some(pair) = pairs.get_mut(*place) {
                pair.unlocks = others;
            }
        }
    }
}
