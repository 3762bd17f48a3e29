//! The command line: one enum is the list of what an operator can do.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::app;
use crate::features::regions;
use crate::platform::config::Config;
use crate::platform::seal::KeyRing;
use crate::platform::{Services, telemetry};

/// Entas: coordination of the eradication of extreme poverty.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and work off jobs.
    Serve {
        #[command(flatten)]
        config: Config,
    },
    /// Bring the database up to this version and load the region list.
    Migrate {
        #[command(flatten)]
        config: Config,
    },
    /// Make a key file (mode 0600); refuses to overwrite one.
    KeysNew {
        /// Where.
        file: PathBuf,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print docs/ROLES.md.
    Roles,
    /// Ask a running service whether it is ready; for container health checks.
    Healthcheck {
        /// Where it listens.
        #[arg(long, env = "ENTAS_BIND", default_value = "127.0.0.1:8080")]
        bind: std::net::SocketAddr,
    },
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve { config } => {
                let services = services(config)?;
                app::serve(services, |address| eprintln!("listening on http://{address}")).await
            }
            Command::Migrate { config } => migrate(services(config)?).await,
            Command::KeysNew { file } => keys_new(&file),
            Command::Roles => {
                print!("{}", app::roles());
                Ok(())
            }
            Command::Healthcheck { bind } => healthcheck(bind).await,
            Command::Openapi => {
                print!("{}", app::document());
                Ok(())
            }
        }
    }
}

fn services(config: Config) -> anyhow::Result<Arc<Services>> {
    telemetry::start_logging(config.log, &config.log_filter)?;
    let text = std::fs::read_to_string(&config.key_file)
        .with_context(|| format!("key file {} (make one with `entas keys-new`, or set ENTAS_KEY_FILE)", config.key_file.display()))?;
    Services::new(config, KeyRing::parse(&text).context("key file")?)
}

async fn migrate(services: Arc<Services>) -> anyhow::Result<()> {
    let applied = services.db.migrate().await?;
    let regions = regions::load(&services).await?;
    eprintln!("migrations applied: {applied}; regions written: {regions}");
    Ok(())
}

fn keys_new(file: &std::path::Path) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut out =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(|| file.display().to_string())?;
    out.write_all(KeyRing::generate()?.as_bytes())?;
    eprintln!("wrote {}: keep a copy apart from the database's back-up; without it no NIK can ever be read again", file.display());
    Ok(())
}

/// A request by hand: one line each way does not deserve an HTTP client in the binary.
async fn healthcheck(mut address: std::net::SocketAddr) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: entas\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "not ready: {}", answer.lines().next().unwrap_or_default());
        Ok(())
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), asked).await.context("no answer within 5 seconds")?
}
