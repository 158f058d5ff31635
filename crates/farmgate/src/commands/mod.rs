//! One file a subcommand: an `Args` struct and a `run` that returns an [`Exit`].

mod check;
mod serve;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All held.
    Ok = 0,
    /// Something did not hold.
    Failed = 1,
    /// It could not be told.
    Inconclusive = 2,
    /// The tool could not run, or was used wrongly.
    Error = 3,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Serve(serve::Serve),
    Migrate(serve::Migrate),
    Check(check::Check),
}

/// Runs one subcommand to its end and returns the exit code; an error is the tool's own and is told on standard error.
pub fn run(command: Command) -> ExitCode {
    let out = &mut std::io::stdout();
    let done = match command {
        Command::Serve(serve) => on_runtime(serve.run(out)),
        Command::Migrate(migrate) => on_runtime(migrate.run(out)),
        Command::Check(check) => check.run(out),
    };
    let exit = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::Error
    });
    ExitCode::from(exit as u8)
}

fn on_runtime(work: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?.block_on(work)
}
