//! The command line: one enum is the list of what an operator can do.

mod link;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::app;
use crate::features::datasets::{self, Simulation};
use crate::features::{regions, users};
use crate::platform::config::Config;
use crate::platform::error::{Code, Error};
use crate::platform::ids::RegionCode;
use crate::platform::policy::Role;
use crate::platform::seal::KeyRing;
use crate::platform::{Services, session, telemetry};

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
    /// Make up a regency's P3KE list, to look at or to import; nobody in it exists.
    Simulate {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        simulation: Simulation,
    },
    /// Find the same persons in two CSV files, or (--dedupe) within one; needs neither database nor keys.
    Link(link::Link),
    /// Make a key file (mode 0600); refuses to overwrite one.
    KeysNew {
        /// Where.
        file: PathBuf,
    },
    /// Bring everything sealed under the first keys of the key file; the service may run meanwhile.
    RotateKeys {
        #[command(flatten)]
        config: Config,
    },
    /// Create a person's account with one role, for example the first administrator. Asks for the password; it is never an
    /// argument, for arguments can be seen by everybody on the machine.
    UserAdd {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        person: NewPerson,
    },
    /// Make a new key for signing tokens; the old one's tokens stay valid until they end.
    RotateSigningKey {
        #[command(flatten)]
        config: Config,
    },
    /// Make the demo accounts and import the demo's simulated lists; needs ENTAS_DEMO=true. May be repeated.
    Demo {
        #[command(flatten)]
        config: Config,
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

#[derive(Debug, clap::Args)]
struct NewPerson {
    /// The name to sign in with: 3 to 60 characters out of a-z, 0-9, dot, underscore and hyphen.
    #[arg(long)]
    name: String,
    /// The name that people read.
    #[arg(long)]
    display_name: String,
    /// The region of the account and of its role, a Kemendagri code; 00 is the country.
    #[arg(long)]
    region: String,
    /// The role, e.g. administrator.
    #[arg(long)]
    role: String,
    /// The agency's id, for roles that act for one.
    #[arg(long)]
    agency: Option<uuid::Uuid>,
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    #[arg(long, env = "ENTAS_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<String>,
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve { config } => {
                let services = services(config)?;
                own_keys(&services).await?;
                let demo = services.config.demo;
                app::serve(services, |address| greet(address, demo)).await
            }
            Command::UserAdd { config, person } => {
                let services = services(config)?;
                own_keys(&services).await?;
                user_add(services, person).await
            }
            Command::RotateSigningKey { config } => {
                let services = services(config)?;
                own_keys(&services).await?;
                let id = session::rotate(&services.db, &services.keys).await.map_err(told)?;
                eprintln!("new signing key {id}");
                Ok(())
            }
            Command::Demo { config } => {
                let services = services(config)?;
                anyhow::ensure!(
                    services.config.demo,
                    "the demo accounts have a published password: set ENTAS_DEMO=true, never beside real data"
                );
                own_keys(&services).await?;
                users::demo(&services).await?;
                datasets::demo(&services, &app::kinds()).await?;
                eprintln!("demo accounts are ready; password: {}", users::PASSWORD);
                Ok(())
            }
            Command::Migrate { config } => migrate(services(config)?).await,
            Command::Simulate { config, simulation } => {
                let services = services(config)?;
                if simulation.load {
                    own_keys(&services).await?;
                }
                datasets::simulate(&services, &app::kinds(), &simulation).await
            }
            Command::Link(link) => link.run_or_exit(),
            Command::KeysNew { file } => keys_new(&file),
            Command::Roles => {
                print!("{}", app::roles());
                Ok(())
            }
            Command::Healthcheck { bind } => healthcheck(bind).await,
            Command::RotateKeys { config } => {
                let services = services(config)?;
                own_keys(&services).await?;
                app::rotate_keys(&services, |line| eprintln!("{line}")).await.map_err(told)
            }
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

/// Refuses a key file that does not belong to the database: whatever was sealed with it, nobody could open later. The first
/// `migrate` ties the two together. A database that is away is waited for by the service itself.
async fn own_keys(services: &Services) -> anyhow::Result<()> {
    match services.tokens.check(&services.db, &services.keys).await {
        Err(error) if error.code() == Code::Unavailable => {
            tracing::warn!("the database does not answer: whether the key file belongs to it is not known");
            Ok(())
        }
        checked => checked.map_err(told).with_context(|| {
            let file = services.config.key_file.display();
            format!("the key file {file} does not fit this database: use the one made for it, or run `entas migrate` first")
        }),
    }
}

async fn migrate(services: Arc<Services>) -> anyhow::Result<()> {
    let applied = services.db.migrate().await?;
    own_keys(&services).await?;
    let regions = regions::load(&services).await?;
    eprintln!("migrations applied: {applied}; regions written: {regions}");
    Ok(())
}

/// What a person at the command line can use: the code and what to do about it.
fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(cause) => cause,
        Error::Invalid(errors) => {
            let sentences: Vec<_> = errors.into_iter().map(|error| format!("{}: {}", error.path, error.message)).collect();
            anyhow::anyhow!("{}", sentences.join("; "))
        }
        other => anyhow::anyhow!("{}: {}", other.code().name(), other.code().detail()),
    }
}

async fn user_add(services: Arc<Services>, person: NewPerson) -> anyhow::Result<()> {
    let NewPerson { name, display_name, region, role, agency, password_stdin, password } = person;
    let role = Role::parse(&role).with_context(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("no role is called {role}; there are: {}", known.join(", "))
    })?;
    let region = RegionCode::parse(&region).context("a region is a Kemendagri code such as 62.02")?;
    let password = match (password, password_stdin) {
        (_, true) => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
        (Some(password), false) => password,
        (None, false) => {
            let first =
                rpassword::prompt_password("password: ").context("no terminal to ask on: use --password-stdin or ENTAS_PASSWORD")?;
            anyhow::ensure!(first == rpassword::prompt_password("once more: ")?, "the two passwords differ");
            first
        }
    };
    let wish = users::Wish { id: None, role, region, agency, valid_from: None, valid_to: None };
    let id = users::add(&services, name, display_name, wish, &users::Secret::new(password)).await.map_err(told)?;
    println!("{id}");
    Ok(())
}

/// Where the service is and, in demo mode, what to try first.
fn greet(address: std::net::SocketAddr, demo: bool) {
    eprintln!("listening on http://{address}");
    if !demo {
        return;
    }
    let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
    eprintln!(
        "demo mode: never beside real data. API console: http://{address}/docs/
accounts: {}
each with a twin next door, e.g. coordinator-2; password of all: {password}

try:
  TOKEN=$(curl -s http://{address}/oauth/token -d grant_type=password -d username=coordinator -d password={password} | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
  curl -s http://{address}/api/v1/me -H \"Authorization: Bearer $TOKEN\"
  curl -s 'http://{address}/api/v1/beneficiaries?limit=1' -H \"Authorization: Bearer $TOKEN\"",
        names.join(", "),
        password = users::PASSWORD,
    );
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
