//! One file a subcommand: an `Args` struct and a `run` that returns an [`Exit`].

mod serve;

use std::process::ExitCode;

use clap::Subcommand;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All held.
    Ok = 0,
    /// Something did not hold.
    Failed = 1,
}

/// Wrong usage, or the tool itself failed.
const TROUBLE: u8 = 3;

#[derive(Subcommand, Debug)]
pub enum Command {
    Serve(serve::Serve),
    Migrate(serve::Migrate),
}

/// Runs one subcommand to its end and returns the exit code.
pub fn run(command: Command) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("farmgate: cannot start: {error}");
            return ExitCode::from(TROUBLE);
        }
    };
    let mut out = std::io::stdout();
    let result = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run(&mut out).await,
            Command::Migrate(migrate) => migrate.run(&mut out).await,
        }
    });
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("farmgate: {error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}
