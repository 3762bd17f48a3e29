//! Delivering a file: the one path of uploads, of `entas simulate --load` and of the demo.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use serde_json::json;
use uuid::Uuid;

use super::jobs::{KIND, UNIT};
use super::model::{Rejects, ReleaseMode, ReleaseState};
use super::profile::{FamilyKey, Profile, shipped};
use super::store::{self, Dataset, Job, Pair, Release};
use crate::features::beneficiaries;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::config::Config;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, FieldError, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::jobs::enqueue;
use crate::platform::upload::Spooled;
use crate::platform::valid;

/// The profile that is meant where none is named.
pub const P3KE: &str = "p3ke";

/// What is said about a delivered file.
#[derive(Debug)]
pub struct Delivery {
    /// What to do with it.
    pub mode: ReleaseMode,
    /// What a refused row means for the others.
    pub rejects: Rejects,
    /// A profile's name, or a profile as JSON.
    pub profile: String,
    /// The number of the minutes of its handing over.
    pub bast_number: Option<String>,
    /// The day its statements are of.
    pub reference_date: Option<NaiveDate>,
    /// The day it was handed over; today where nothing is said.
    pub received_on: Option<NaiveDate>,
    /// What it covers.
    pub coverage: Option<String>,
}

/// The column-mapping profile of a name, or of a JSON text.
pub fn profile_of(text: &str) -> Result<Profile> {
    if let Some(profile) = shipped(text) {
        return Ok(profile.clone());
    }
    if !text.trim_start().starts_with('{') {
        return Err(Error::field("profile", "unknown_value", "Send a name of GET /profiles, or a column-mapping profile as JSON."));
    }
    let at = |path: String| if path.is_empty() { "profile".to_owned() } else { format!("profile.{path}") };
    let profile: Profile = valid::parse(text.as_bytes()).map_err(|error| match error {
        Error::Invalid(list) => Error::Invalid(list.into_iter().map(|error| FieldError { path: at(error.path), ..error }).collect()),
        other => other,
    })?;
    profile.check().map_err(|error| Error::field(at(error.path), error.code, error.message))?;
    Ok(profile)
}

/// Refuses a profile that nobody can read by, and a mode that it is not for.
pub fn demand_fit(mode: ReleaseMode, profile: Option<&str>) -> Result<()> {
    let register = profile.map_or(Ok(false), |profile| profile_of(profile).map(|profile| profile.register))?;
    if register && mode == ReleaseMode::Commit {
        return Err(Error::field("mode", "register", "This profile reads a register to be matched against: send `keep`, or `validate`."));
    }
    Ok(())
}

/// Takes a spooled file into the books: a release, and a job that imports it. The same file again is the release that it
/// was; `false` then says that nothing was begun.
pub async fn deliver(mut tx: Tx, dataset: &Dataset, delivery: Delivery, file: Spooled) -> Result<(Release, bool)> {
    let Delivery { mode, rejects, profile, bast_number, reference_date, received_on, coverage } = delivery;
    demand_fit(mode, Some(&profile))?;
    let (id, now) = (new_id(), Utc::now());
    let (settled, mut changes) = store::settle(&mut tx, Some(dataset.id)).await?;
    let region = RegionCode::stored(&dataset.region_code);
    let job = enqueue(&mut tx, KIND, &region, json!({"release_id": id}), UNIT, Some(format!("/releases/{id}"))).await?;
    let row = Release {
        id,
        dataset_id: dataset.id,
        region_code: dataset.region_code.clone(),
        mode: mode.name().into(),
        state: ReleaseState::Received.name().into(),
        profile,
        bast_number,
        reference_date,
        received_on: received_on.unwrap_or_else(|| now.date_naive()),
        coverage,
        file_hash: file.sha256.clone(),
        file_bytes: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        job_id: Some(job),
        families: 0,
        people: 0,
        families_new: 0,
        people_new: 0,
        rejected: 0,
        warnings: 0,
        version: 1,
        created_at: now,
        updated_at: now,
        rejects: rejects.name().into(),
        withdrawn_because: None,
    };
    let Some(release) = store::insert_release(&mut tx, &row).await? else {
        return Ok((store::find_same(&tx, &row).await?, false));
    };
    // The file is in its place before the job can be seen, and goes when the job does not come.
    let kept = file.keep(&id.to_string())?;
    changes.push(Change::created(&release));
    let folder = kept.folder();
    tx.commit_all(changes).await?;
    kept.stay();
    for left in settled {
        std::fs::remove_file(folder.join(left.to_string())).ok();
    }
    Ok((release, true))
}

/// Takes a release back: its ranks no longer count, its statements stay. Tells the release and every family whose rank this
/// changes.
pub async fn withdraw(mut tx: Tx, id: Uuid, read: IfGiven, reason: String) -> Result<(Release, Option<Job>)> {
    let (release, job) = store::find_release(&tx, id).await?;
    // An import of the same dataset ranks the same families.
    store::lock(&tx, release.dataset_id).await?;
    let old = store::release_to_change(&tx, id).await?;
    read.demand(old.version)?;
    old.demand_standing(Code::StepNotAllowed)?;
    if !old.state().may_withdraw() {
        return Err(Code::StepNotAllowed.into());
    }
    let new = store::withdraw(&mut tx, id, &reason).await?;
    let families = store::unrank(&mut tx, id).await?;
    let mut changes = beneficiaries::reranked(&mut tx, &families).await?;
    changes.push(Change::turned(ReleaseState::Withdrawn.name(), &old, &new).because(Some(reason)));
    tx.commit_all(changes).await?;
    Ok((new, job))
}

/// Two releases that can be compared, each with its dataset: whole ones that were kept, whose families go by the same keys.
pub async fn comparable(db: &impl Scoped, release: Uuid, against: Uuid) -> Result<(Pair, [Uuid; 2])> {
    let (one, _) = store::find_release(db, release).await?;
    let (other, _) = store::find_release(db, against).await.map_err(|error| match error.code() {
        Code::NotFound => Error::field("against", "not_found", "There is no such release, or it lies outside your regions."),
        _ => error,
    })?;
    let pair = Pair { release, against };
    let by_card = |release: &Release| profile_of(&release.profile).is_ok_and(|profile| profile.family_key == FamilyKey::KkNumber);
    let same_keys = by_card(&one) == by_card(&other) && (by_card(&one) || one.dataset_id == other.dataset_id);
    let kept = store::kept(db, pair).await?;
    // A dry run keeps nothing, and neither did releases of before statements were kept.
    let whole = |release: &Release| {
        let state = release.state();
        let ended = state.may_withdraw() || state == ReleaseState::Withdrawn;
        ended && (release.families == 0 || kept.iter().any(|kept| kept.release_id == release.id))
    };
    if !same_keys || !whole(&one) || !whole(&other) {
        return Err(Code::ReleasesNotComparable.into());
    }
    if kept.iter().any(|one| kept.iter().any(|other| one.key != other.key)) || store::in_clear_and_blind(db, &[release, against]).await? {
        return Err(Code::KeysRotating.into());
    }
    Ok((pair, [one.dataset_id, other.dataset_id]))
}

/// How long a file may lie in the spool before its transaction must be over.
const STALE: Duration = Duration::from_secs(3600);

/// Ends releases whose job nobody will run again, and removes files in the spool for which no import waits: what a crash
/// between writing and committing left. Called from time to time; says how much of each there was.
pub async fn sweep(services: &Services) -> Result<(usize, usize)> {
    let mut tx = services.write_as_system(RegionCode::country()).await?;
    let (settled, changes) = store::settle(&mut tx, None).await?;
    if !settled.is_empty() {
        tx.commit_all(changes).await?;
    }
    let folder = services.config.spool_dir.clone();
    let old = tokio::task::spawn_blocking(move || old_files(&folder)).await.context("spool")?;
    let waiting = store::waiting(&services.read_as_system().await?, &old).await?;
    let mut removed = 0;
    for id in old.iter().filter(|id| !waiting.contains(id)) {
        removed += usize::from(std::fs::remove_file(spooled_file(&services.config, *id)).is_ok());
    }
    Ok((settled.len(), removed))
}

/// Releases whose files lie in the spool for long.
fn old_files(folder: &Path) -> Vec<Uuid> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let old = |entry: &DirEntry| {
        let written = entry.metadata().and_then(|data| data.modified()).ok();
        written.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > STALE)
    };
    entries.filter(old).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A release of the scope whose statements can be read.
pub async fn find_kept(db: &impl Scoped, id: Uuid) -> Result<Release> {
    let (release, _) = store::find_release(db, id).await?;
    release.demand_standing(Code::ReleaseNotKept)?;
    match ReleaseState::parse(&release.state) {
        // Nobody may take a release of before statements were kept for an empty list.
        Some(ReleaseState::Imported | ReleaseState::Kept) if release.families == 0 || store::states(db, id).await? => Ok(release),
        _ => Err(Code::ReleaseNotKept.into()),
    }
}

/// Where the file of a release waits for its import.
pub fn spooled_file(config: &Config, release: Uuid) -> std::path::PathBuf {
    config.spool_dir.join(release.to_string())
}
