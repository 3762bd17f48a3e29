//! `entas link`: the record linkage engine on files, without a database.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use crate::linkage::files::{self, Side};
use crate::linkage::model::Model;
use crate::linkage::profile::Profile;
use crate::linkage::run::{Engine, Options};

/// What `entas link` is asked to do.
#[derive(Debug, clap::Args)]
pub struct Link {
    /// The file whose rows are looked up; with --dedupe the only one.
    left: PathBuf,
    /// The register they are looked up in.
    #[arg(required_unless_present = "dedupe", conflicts_with = "dedupe")]
    right: Option<PathBuf>,
    /// A profile file, or the name of a shipped one: indonesian, neutral.
    #[arg(long, default_value = "indonesian")]
    profile: String,
    /// Where the pairs go: left_id, right_id, weight, probability, zone.
    #[arg(long)]
    out: PathBuf,
    /// Find rows of one person within one file.
    #[arg(long)]
    dedupe: bool,
    /// One more column: the terms that each weight is the sum of.
    #[arg(long)]
    explain: bool,
    /// Score with this model, as --save-model wrote it, instead of estimating one.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Keep the model of this run, to score later files alike.
    #[arg(long)]
    save_model: Option<PathBuf>,
    /// Threads; one for each core if not given. The result does not depend on it.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

impl Link {
    /// Runs; a failure is told and ends the process with exit code 2, as scripts expect of a tool that could not use its input.
    pub fn run_or_exit(&self) -> anyhow::Result<()> {
        if let Err(cause) = self.run() {
            eprintln!("entas: {cause:#}");
            std::process::exit(2);
        }
        Ok(())
    }

    /// Reads, links, writes, and tells in one line what came of it.
    pub fn run(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        let engine = Engine::new(profile(&self.profile)?)?;
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n.min(256),
        };
        let model = self.model.as_deref().map(kept).transpose()?;
        let options = Options { threads, model: model.as_ref(), ..Options::default() };
        let load = |path: &Path, side| -> anyhow::Result<_> {
            let loaded = files::read(&engine, path, side, threads)?;
            loaded.notes.iter().for_each(|note| eprintln!("{}: {note}", path.display()));
            Ok(loaded.register)
        };
        let mut left = load(&self.left, Side::Left)?;
        let (stats, rows, model);
        if let Some(right) = &self.right {
            let mut right = load(right, Side::Right)?;
            let outcome = engine.link(&mut left, &mut right, &options)?;
            files::write(&self.out, &engine, &outcome, &left, &right, self.explain)?;
            (stats, model) = (outcome.stats, outcome.model);
            rows = format!("{} x {} rows", stats.left, stats.right);
        } else {
            let outcome = engine.dedupe(&mut left, &options)?;
            files::write(&self.out, &engine, &outcome, &left, &left, self.explain)?;
            (stats, model) = (outcome.stats, outcome.model);
            rows = format!("{} rows", stats.left);
        }
        if let Some(path) = &self.save_model {
            std::fs::write(path, serde_json::to_vec(&model)?).with_context(|| path.display().to_string())?;
        }
        eprintln!(
            "{rows}: {} pairs compared, {} matches, {} for review, {:.1} s",
            stats.compared,
            stats.matches,
            stats.review,
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

fn kept(path: &Path) -> anyhow::Result<Model> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| format!("{}: not a model that --save-model wrote", path.display()))
}

fn profile(wanted: &str) -> anyhow::Result<Profile> {
    if let Some(shipped) = Profile::shipped(wanted) {
        return Ok(shipped?);
    }
    let text = std::fs::read_to_string(wanted)
        .with_context(|| format!("profile {wanted}: neither a file that can be read nor a shipped one (indonesian, neutral)"))?;
    Profile::parse(&text).with_context(|| wanted.to_owned())
}
