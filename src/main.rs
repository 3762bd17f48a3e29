//! The command line: parse, run, say what went wrong.

use clap::Parser;
use entas::commands::Cli;

/// Gives memory back when a sign-in or an import is over; the C library's allocator keeps 40 MiB of two sign-ins for good.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
