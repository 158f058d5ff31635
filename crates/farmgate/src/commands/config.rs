//! `farmgate config`: what is in force, what is wrong or risky, where two files part.

use std::io::Write;

use anyhow::Result;
use config::ConfigError;

use super::Exit;
use crate::{
    args::{self, ConfigArgs, Environment},
    settings,
};

/// Checks, prints or compares configurations; secrets are never shown
#[derive(clap::Args, Debug)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Says what is wrong (exit code 1), and what works but is risky or without effect
    Check(ConfigArgs),
    /// Prints the settings in force as a farmgate.toml, each with its origin
    Print(ConfigArgs),
    /// Names the keys in which two files differ (exit code 1 if there are any)
    Diff {
        /// A file, or `staging` for farmgate.staging.toml
        a: String,
        /// Another
        b: String,
    },
}

impl ConfigCommand {
    /// Carries the action out.
    pub fn run(self, environment: &Environment, out: &mut impl Write) -> Result<Exit> {
        match self.action {
            Action::Check(args) => check(&args, environment, out),
            Action::Print(args) => {
                write!(out, "{}", config::print(&args.read(environment)?))?;
                Ok(Exit::Ok)
            }
            Action::Diff { a, b } => diff(&a, &b, out),
        }
    }
}

fn check(args: &ConfigArgs, environment: &Environment, out: &mut impl Write) -> Result<Exit> {
    let loaded = match args.read(environment) {
        Ok(loaded) => loaded,
        Err(error) => {
            let Some(ConfigError(problems)) = error.downcast_ref::<ConfigError>() else {
                return Err(error);
            };
            for problem in problems {
                writeln!(out, "error: {problem}")?;
            }
            return Ok(Exit::Failed);
        }
    };
    let (errors, warnings) = (settings::check(&loaded.settings), config::advice(&loaded));
    for error in &errors {
        writeln!(out, "error: {error:#}")?;
    }
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let sound = if errors.is_empty() {
        "the configuration is sound"
    } else {
        "the configuration cannot be used"
    };
    writeln!(
        out,
        "{sound} ({} errors, {} warnings)",
        errors.len(),
        warnings.len()
    )?;
    Ok(if errors.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn diff(a: &str, b: &str, out: &mut impl Write) -> Result<Exit> {
    let (first, second) = (
        args::read_alone(&args::named(a)?)?,
        args::read_alone(&args::named(b)?)?,
    );
    let difference = config::difference(&first, &second);
    let shown = |text: &str| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text.to_owned()
        }
    };
    for (name, of_a, of_b) in &difference {
        writeln!(out, "{name}: {} -> {}", shown(of_a), shown(of_b))?;
    }
    if difference.is_empty() {
        writeln!(
            out,
            "no key differs (of secrets only whether they are set is compared)"
        )?;
        return Ok(Exit::Ok);
    }
    Ok(Exit::Failed)
}
