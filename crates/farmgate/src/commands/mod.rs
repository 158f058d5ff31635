//! One file a subcommand: an `Args` struct and a `run` that returns an [`Exit`], or the gate's exit code.

mod check;
mod compare;
mod config;
mod gate;
mod import;
mod init;
mod isolate;
mod joined;
mod load;
mod migrate;
mod options;
mod report;
mod serve;
mod smoke;
mod soak;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use futures_util::future::LocalBoxFuture;

use crate::args;

/// What the process tells its caller. The gate's verdicts use the same numbers.
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

/// Exit code of a usage error or a failure of the tool itself.
pub const TOOL_ERROR: u8 = Exit::Error as u8;

#[derive(Subcommand, Debug)]
pub enum Command {
    Serve(serve::Serve),
    Migrate(migrate::Migrate),
    Config(config::ConfigCommand),
    Import(import::Import),
    Check(check::Check),
    Smoke(smoke::Smoke),
    Load(load::Load),
    Isolate(isolate::Isolate),
    Soak(soak::Soak),
    Compare(compare::Compare),
    Gate(gate::Gate),
    Report(report::ReportCommand),
}

/// Runs one subcommand to its end and returns the exit code; an error is the tool's own and is told on standard error.
pub fn run(command: Command) -> ExitCode {
    let out = &mut std::io::stdout();
    let environment = args::environment();
    let done = match command {
        Command::Serve(serve) => on_runtime(serve.run(&environment, out)).map(|exit| exit as u8),
        Command::Migrate(migrate) => on_runtime(migrate.run(&environment, out)).map(|exit| exit as u8),
        Command::Config(config) => config.run(&environment, out).map(|exit| exit as u8),
        Command::Import(import) => on_runtime(import.run(&environment, out)).map(|exit| exit as u8),
        Command::Check(check) => check.run(&environment, out).map(|exit| exit as u8),
        Command::Smoke(smoke) => smoke.run(),
        Command::Load(load) => load.run(),
        Command::Isolate(isolate) => isolate.run(out),
        Command::Soak(soak) => soak.run(),
        Command::Compare(compare) => compare.run(),
        Command::Gate(gate) => gate.run(),
        Command::Report(report) => report.run(),
    };
    let code = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        TOOL_ERROR
    });
    ExitCode::from(code)
}

fn on_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    // Boxed, so that the runtime is compiled once and not for each command.
    let work: LocalBoxFuture<'_, _> = Box::pin(work);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(work)
}
