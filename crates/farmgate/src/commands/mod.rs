//! One file a subcommand: an `Args` struct and a `run` that returns an exit code.

mod isolate;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

/// Exit code of a command that could not be carried out.
const FAILED: u8 = 3;

#[derive(Subcommand, Debug)]
pub enum Command {
    Isolate(isolate::Isolate),
}

/// Runs one subcommand to its end and returns the exit code.
pub fn run(command: Command) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = match command {
        Command::Isolate(isolate) => runtime.block_on(isolate.run(&mut std::io::stdout())),
    };
    result.map_or_else(|error| failed(&error), ExitCode::from)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // A closed stderr leaves the exit code to tell.
    let _closed = writeln!(std::io::stderr(), "farmgate: {error:#}");
    ExitCode::from(FAILED)
}
