//! The binary: arguments in, exit code out. Every subcommand is one file in `commands/`; no rule lives here.

mod args;
mod commands;
mod compose;
mod demo;
mod listeners;
mod lock;
mod log;
mod probes;
mod settings;
mod traces;

use std::process::ExitCode;

use clap::Parser;

/// Small allocations made on one thread and freed on another are what a request consists of; the C library's allocator
/// takes 17 % of a read's processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    match Cli::try_parse() {
        Ok(cli) => commands::run(cli.command),
        Err(error) => {
            // Nothing is left to be done if even the message cannot be written.
            let _ = error.print();
            let exit = if error.use_stderr() {
                commands::Exit::Error
            } else {
                commands::Exit::Ok
            };
            ExitCode::from(exit as u8)
        }
    }
}
