//! Settings: environment variables `ENTAS_*` (and `DATABASE_URL`), each also a flag; wrong ones stop the start.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::telemetry::LogFormat;

/// The settings of the service. `entas serve --help` prints them.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where the database is: postgres://user:password@host:port/name[?sslmode=require].
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The address to listen on.
    #[arg(long, env = "ENTAS_BIND", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Demo mode: accounts with a known password; refuses any but a loopback address.
    #[arg(long, env = "ENTAS_DEMO", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub demo: bool,
    /// How many families the demo regency has; the default is Kotim's true number.
    #[arg(long, env = "ENTAS_DEMO_FAMILIES")]
    pub demo_families: Option<u32>,
    /// The file with the sealing and index keys; make one with `entas keys-new`.
    #[arg(long, env = "ENTAS_KEY_FILE", default_value = ".entas/keys")]
    pub key_file: PathBuf,
    /// How to log.
    #[arg(long, env = "ENTAS_LOG", default_value = "human")]
    pub log: LogFormat,
    /// What to log, as tracing filters.
    #[arg(long, env = "ENTAS_LOG_FILTER", default_value = "info,tracing_actix_web=warn,calamine=off")]
    pub log_filter: String,
    /// Where uploads wait for their import.
    #[arg(long, env = "ENTAS_SPOOL_DIR", default_value = ".entas/spool")]
    pub spool_dir: PathBuf,
    /// Worker threads; 0 = one a core.
    #[arg(long, env = "ENTAS_WORKERS", default_value_t = 0)]
    pub workers: usize,
    /// Connections for writes and slow reads; each worker has one more for quick reads.
    #[arg(long, env = "ENTAS_POOL", default_value_t = 10)]
    pub pool: usize,
    /// Requests a second that one actor may make, in bursts of four times that; 0 = no limit.
    #[arg(long, env = "ENTAS_RATE_LIMIT", default_value_t = 50)]
    pub rate_limit: u32,
    /// How long we wait for a body in all, seconds, beside the time that it may take at the least speed.
    #[arg(long, env = "ENTAS_BODY_PATIENCE_SECONDS", default_value_t = 60)]
    pub body_patience_seconds: u64,
    /// The least speed at which a body has to arrive. The slowest GPRS is 8 kbit/s, a thousand bytes a second; half of that will do.
    #[arg(long, env = "ENTAS_BODY_BYTES_PER_SECOND", default_value_t = 500)]
    pub body_bytes_per_second: u32,
    /// Origins whose pages may call the API from a browser, separated by commas, each exactly as browsers send it
    /// (`https://peta.example.go.id`); none by default.
    #[arg(long, env = "ENTAS_CORS_ORIGINS", value_delimiter = ',', default_value = "", hide_default_value = true)]
    pub cors_origins: Vec<String>,
    /// How the service is called from outside: the issuer of its tokens.
    #[arg(long, env = "ENTAS_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: String,
    /// The largest upload, in MiB.
    #[arg(long, env = "ENTAS_UPLOAD_LIMIT_MB", default_value_t = 150)]
    pub upload_limit_mb: usize,
    /// Where photos and documents rest, sealed: a folder, or s3://bucket/prefix with the usual AWS_* variables.
    #[arg(long, env = "ENTAS_ATTACHMENT_STORE", default_value = ".entas/attachments")]
    pub attachment_store: String,
    /// The largest photo or document, in MiB; it is held in memory while it is checked and sealed.
    #[arg(long, env = "ENTAS_ATTACHMENT_LIMIT_MB", default_value_t = 10)]
    pub attachment_limit_mb: usize,
    /// How many families an import writes in one transaction: 300 keep it at 71 MiB, 1,000 take 104 and are a fifth quicker.
    #[arg(long, env = "ENTAS_IMPORT_BATCH", default_value_t = 300)]
    pub import_batch: usize,
    /// How long a worker may be silent before another takes its job, seconds.
    #[arg(long, env = "ENTAS_JOB_LEASE_SECONDS", default_value_t = 30)]
    pub job_lease_seconds: i32,
    /// How long a shutdown waits for requests and jobs in hand, seconds.
    #[arg(long, env = "ENTAS_SHUTDOWN_SECONDS", default_value_t = 30)]
    pub shutdown_seconds: u64,
}

impl Config {
    /// Settings that cannot be right together.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.demo || self.bind.ip().is_loopback(),
            "demo mode has known passwords: ENTAS_BIND must be a loopback address, not {}",
            self.bind
        );
        anyhow::ensure!(self.pool >= 2, "ENTAS_POOL must be at least 2");
        anyhow::ensure!((1..=10_000).contains(&self.import_batch), "ENTAS_IMPORT_BATCH must be 1 to 10000");
        anyhow::ensure!((1..=100).contains(&self.attachment_limit_mb), "ENTAS_ATTACHMENT_LIMIT_MB must be 1 to 100");
        anyhow::ensure!((1..=86_400).contains(&self.body_patience_seconds), "ENTAS_BODY_PATIENCE_SECONDS must be 1 to 86400, a day");
        anyhow::ensure!(self.body_bytes_per_second >= 1, "ENTAS_BODY_BYTES_PER_SECOND must be at least 1");
        for origin in self.origins() {
            anyhow::ensure!(
                is_origin(origin),
                "ENTAS_CORS_ORIGINS: {origin:?} is no origin; write scheme, host and, where it is not the usual one, port, such as https://peta.example.go.id, \
                 in small letters and without a slash at the end"
            );
        }
        anyhow::ensure!(self.job_lease_seconds >= 1, "ENTAS_JOB_LEASE_SECONDS must be at least 1");
        Ok(())
    }

    /// The origins whose pages may call the API.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        // A setting that is there and empty names none.
        self.cors_origins.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty())
    }

    /// The largest upload in bytes.
    pub fn upload_limit_bytes(&self) -> usize {
        self.upload_limit_mb.saturating_mul(1 << 20)
    }

    /// The largest photo or document in bytes.
    pub fn attachment_limit_bytes(&self) -> usize {
        self.attachment_limit_mb.saturating_mul(1 << 20)
    }
}

/// Whether a text is an origin as browsers send it: every other spelling would never be met, and `*` is everybody.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let usual = if scheme == "https" { ":443" } else { ":80" };
    matches!(scheme, "http" | "https")
        && authority.chars().all(plain)
        && !authority.ends_with(usual)
        && text.parse::<actix_web::http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for origin in ["https://peta.example.go.id", "http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000"] {
            assert!(is_origin(origin), "{origin}");
        }
        for wrong in [
            "",
            "*",
            "null",
            "peta.example.go.id",
            "https://",
            "https://*.go.id",
            "https://peta.go.id/",
            "https://peta.go.id/app",
            "https://Peta.go.id",
            "https://peta.go.id:443",
            "ftp://peta.go.id",
            "https://a@peta.go.id",
            "https://peta.go.id https://b.go.id",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
