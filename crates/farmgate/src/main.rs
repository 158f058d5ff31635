//! The binary: arguments in, exit code out. Every subcommand is one file in `commands/`; no rule lives here.

mod commands;

use std::process::ExitCode;

use clap::Parser;

/// Traces goods from the farm gate onwards, and proves that a release may go out
#[derive(Parser, Debug)]
#[command(
    name = "farmgate",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    commands::run(Cli::parse().command)
}
