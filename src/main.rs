//! The command line: parse, run, say what went wrong.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use entas::commands::Cli;

/// How the C library keeps memory: an arena for each processor, and everything large given back as soon as it is free. By
/// itself it keeps 40 MiB of two sign-ins for good, and 118 MiB of an import that needs 68 (measured).
const MEMORY: [(&str, &str); 2] = [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072")];

/// The library reads these before `main`, so they are set by starting the program once more, in the same process. Whoever
/// sets one of them is left alone; where it fails, the service only takes more memory.
fn spare_memory() {
    if !cfg!(target_env = "gnu") || MEMORY.iter().any(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let _failed = Command::new(program).args(std::env::args_os().skip(1)).envs(MEMORY).exec();
    }
}

fn main() -> ExitCode {
    spare_memory();
    actix_web::rt::System::new().block_on(async {
        match Cli::parse().run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(cause) => {
                eprintln!("entas: {cause:#}");
                ExitCode::FAILURE
            }
        }
    })
}
