//! Simulated deliveries: written to a file, or put through the very path of an upload and worked off at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use tokio::sync::watch;
use uuid::Uuid;

use super::model::{DatasetUnit, Rejects, ReleaseMode};
use super::service::{Delivery, P3KE, deliver};
use super::store::{self, Dataset, Job, Release};
use crate::features::regions;
use crate::platform::Services;
use crate::platform::changes::Change;
use crate::platform::ids::{Level, RegionCode, new_id};
use crate::platform::jobs::{Jobs, run_one};
use crate::platform::upload::Spooled;
use crate::simulate::{self, Family, Plan, Village};

/// The day that a simulated list is of: fixed, so that region, seed and size alone decide what stands in it.
const REFERENCE_DATE: Option<NaiveDate> = NaiveDate::from_ymd_opt(2023, 3, 16);

/// What `entas simulate` is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Simulation {
    /// The regency, such as 62.02.
    #[arg(long)]
    pub region: String,
    /// The same seed gives the same families.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many families; the regency's full number by default.
    #[arg(long)]
    pub families: Option<u32>,
    /// Where to write the list: .xlsx, or .csv for the people alone.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Import it as if it had been uploaded.
    #[arg(long)]
    pub load: bool,
}

/// Writes or imports a simulated list.
pub async fn simulate(services: &Arc<Services>, kinds: &Jobs, wanted: &Simulation) -> anyhow::Result<()> {
    let region = RegionCode::parse(&wanted.region).context("--region is a Kemendagri code such as 62.02")?;
    anyhow::ensure!(wanted.out.is_some() || wanted.load, "say --out FILE, --load, or both");
    let list = Simulated::new(services, &region, wanted.seed, wanted.families).await?;
    let people: usize = list.families.iter().map(|family| family.members.len()).sum();
    eprintln!("simulated {} families, {people} people in {} villages", list.families.len(), list.villages.len());
    if let Some(path) = &wanted.out {
        if path.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("csv")) {
            simulate::write_csv(path, &list.villages, &list.families)?;
        } else {
            simulate::write_workbook(path, &list.villages, &list.families)?;
        }
        eprintln!("wrote {}", path.display());
    }
    if wanted.load {
        let dataset = p3ke(services, &region).await?;
        load(services, kinds, &dataset, list, &format!("SIM-{}-{}", region.as_str(), wanted.seed)).await?;
    }
    Ok(())
}

/// The data of the demo: Kotim in full, and a small neighbour whose data nobody in Kotim may see. Once.
pub async fn demo(services: &Arc<Services>, kinds: &Jobs) -> anyhow::Result<()> {
    for (code, families) in [("62.02", services.config.demo_families), ("64.08", Some(300))] {
        let region = RegionCode::parse(code).context("a region of the demo")?;
        let dataset = p3ke(services, &region).await?;
        if store::is_imported(&services.read_as_system().await?, dataset.id).await? {
            continue;
        }
        let list = Simulated::new(services, &region, 1, families).await?;
        load(services, kinds, &dataset, list, &format!("BAST-01/P3KE/{code}/2023")).await?;
    }
    Ok(())
}

struct Simulated {
    region: RegionCode,
    villages: Vec<Village>,
    families: Vec<Family>,
}

impl Simulated {
    async fn new(services: &Services, region: &RegionCode, seed: u64, families: Option<u32>) -> anyhow::Result<Simulated> {
        anyhow::ensure!(region.level() == Level::Regency, "{region} is no regency");
        let rows = regions::villages_of(&services.read_as_system().await?, region).await?;
        anyhow::ensure!(!rows.is_empty(), "no villages of {region} are known; run `entas migrate` first");
        let reference_date = REFERENCE_DATE.context("reference date")?;
        let plan = Plan { regency: region.as_str().to_owned(), seed, reference_date, families };
        let village = |(code, name, subdistrict, regency, province)| Village { code, name, subdistrict, regency, province };
        let villages: Vec<Village> = rows.into_iter().map(village).collect();
        let made = tokio::task::spawn_blocking(move || {
            let families = simulate::regency(&plan, &villages);
            (villages, families)
        });
        let (villages, families) = made.await?;
        Ok(Simulated { region: region.clone(), villages, families })
    }
}

/// The regency's dataset P3KE, registered if it is not yet.
async fn p3ke(services: &Services, region: &RegionCode) -> anyhow::Result<Dataset> {
    if let Some(known) = store::find_by_code(&services.read_as_system().await?, region, "P3KE").await? {
        return Ok(known);
    }
    let now = Utc::now();
    let row = Dataset {
        id: new_id(),
        region_code: region.as_str().to_owned(),
        code: "P3KE".into(),
        name: "Pensasaran Percepatan Penghapusan Kemiskinan Ekstrem".into(),
        owner: "Kemenko PMK".into(),
        unit: DatasetUnit::Family.name().into(),
        ranking_scheme: Some("desil nasional 1-10".into()),
        legal_basis: Some("Kepmenko PMK 30/2022".into()),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = services.write_as_system(region.clone()).await?;
    let row = store::insert(&mut tx, &row).await?;
    tx.commit([Change::created(&row)]).await?;
    Ok(row)
}

/// Delivers a simulated workbook and works its import off, here or with whoever takes the job first.
async fn load(services: &Arc<Services>, kinds: &Jobs, dataset: &Dataset, list: Simulated, bast: &str) -> anyhow::Result<()> {
    let Simulated { region, villages, families } = list;
    let path = Spooled::begin(&services.config.spool_dir)?;
    let file = tokio::task::spawn_blocking(move || -> anyhow::Result<Spooled> {
        simulate::write_workbook(&path, &villages, &families)?;
        Ok(Spooled::written(path)?)
    });
    let delivery = Delivery {
        mode: ReleaseMode::Commit,
        rejects: Rejects::Skip,
        profile: P3KE.into(),
        bast_number: Some(bast.to_owned()),
        reference_date: REFERENCE_DATE,
        received_on: REFERENCE_DATE,
        coverage: Some(format!("simulated, {region}")),
    };
    let file = file.await??;
    let (release, begun) = deliver(services.write_as_system(region).await?, dataset, delivery, file).await?;
    if !begun {
        eprintln!("this very list was delivered before, as release {}", release.id);
    }
    follow(services, kinds, release.id).await
}

/// Works off jobs until the release has ended, telling how far it is.
async fn follow(services: &Arc<Services>, kinds: &Jobs, id: Uuid) -> anyhow::Result<()> {
    let (_keep, stop) = watch::channel(false);
    let started = Instant::now();
    let mut told = String::new();
    loop {
        let mut working = std::pin::pin!(run_one(services, kinds, &stop));
        let worked = loop {
            tokio::select! {
                worked = &mut working => break worked?,
                () = tokio::time::sleep(Duration::from_secs(1)) => tell(services, id, &mut told).await?,
            }
        };
        let (release, job) = store::find_release(&services.read_as_system().await?, id).await?;
        let state = release.state().beside(job.as_ref().map(|job| job.state.as_str())).name();
        if state != "received" {
            let seconds = started.elapsed().as_secs_f64();
            return summary(&release, job, state, seconds);
        }
        if !worked {
            // Somebody else has the job, or it waits for its next try.
            tokio::time::sleep(Duration::from_millis(500)).await;
            tell(services, id, &mut told).await?;
        }
    }
}

async fn tell(services: &Arc<Services>, id: Uuid, told: &mut String) -> anyhow::Result<()> {
    let (_, job) = store::find_release(&services.read_as_system().await?, id).await?;
    let Some(Job { state, done, total, .. }) = job else { return Ok(()) };
    let line = format!("{state}: {done} of {} rows", total.map_or_else(|| "?".into(), |total| total.to_string()));
    if *told != line {
        eprintln!("{line}");
        *told = line;
    }
    Ok(())
}

fn summary(release: &Release, job: Option<Job>, state: &str, seconds: f64) -> anyhow::Result<()> {
    let counts: BTreeMap<&str, i32> = [
        ("families", release.families),
        ("families new", release.families_new),
        ("people", release.people),
        ("people new", release.people_new),
        ("rows rejected", release.rejected),
        ("warnings", release.warnings),
    ]
    .into();
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    eprintln!("release {}: {state} in {seconds:.1} s; {}", release.id, counts.join(", "));
    let reason = job.and_then(|job| Some(format!("{}: {}", job.error_code?, job.error_detail.unwrap_or_default())));
    anyhow::ensure!(matches!(state, "imported" | "validated"), "the import ended as {state}; {}", reason.unwrap_or_default());
    Ok(())
}
