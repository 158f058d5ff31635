//! One file a subcommand: an `Args` struct and a `run` that returns the exit code.

mod compare;
mod gate;
mod init;
mod load;
mod options;
mod report;
mod smoke;
mod soak;

use std::process::ExitCode;

use clap::Subcommand;

/// Exit code of a usage error or a failure of the tool itself.
pub const TOOL_ERROR: u8 = ::gate::verdict::EXIT_TOOL_ERROR;

#[derive(Subcommand, Debug)]
pub enum Command {
    Smoke(smoke::Smoke),
    Load(load::Load),
    Soak(soak::Soak),
    Compare(compare::Compare),
    Gate(gate::Gate),
    Report(report::ReportCommand),
}

/// Runs one subcommand to its end and returns the exit code; an error is the tool's own and is told on standard error.
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Smoke(command) => command.run(),
        Command::Load(command) => command.run(),
        Command::Soak(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Gate(command) => command.run(),
        Command::Report(command) => command.run(),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            TOOL_ERROR.into()
        }
    }
}
