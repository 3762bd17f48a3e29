//! The command line: parse, run, say what went wrong.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use entas::commands::Cli;

/// How the C library keeps memory: an arena for each processor, and everything large given back as soon as it is free. By
/// itself it keeps 40 MiB of two sign-ins for good, and 118 MiB of an import that needs 68 (measured).
const MEMORY: [(&str, &str); 2] = [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072")];

const STARTED_AGAIN: &str = "ENTAS_STARTED_AGAIN";

/// The library reads these before `main`, so they are set by starting the program once more, in the same process. Whoever
/// sets one of them is left alone; where it fails, the service only takes more memory.
fn spare_memory() {
    // A mark of our own: some systems take the library's settings away again, and the start must not be repeated for ever.
    let settled = MEMORY.iter().map(|(name, _)| *name).chain([STARTED_AGAIN]).any(|name| std::env::var_os(name).is_some());
    if !cfg!(target_env = "gnu") || settled {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let _failed = Command::new(program).args(std::env::args_os().skip(1)).envs(MEMORY).env(STARTED_AGAIN, "1").exec();
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
