//! One file a subcommand: an `Args` struct and a `run` that returns an [`Exit`].

mod check;

use std::process::ExitCode;

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
    Check(check::Check),
}

/// Runs one subcommand to its end and returns the exit code.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Check(check) => check.run(&mut std::io::stdout().lock()),
    };
    let exit = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::Error
    });
    ExitCode::from(exit as u8)
}
