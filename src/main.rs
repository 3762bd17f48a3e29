//! The command line: parse, run, say what went wrong.

use clap::Parser;
use entas::commands::Cli;

#[actix_web::main]
async fn main() -> std::process::ExitCode {
    match Cli::parse().run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("entas: {cause:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
