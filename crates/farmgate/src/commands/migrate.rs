//! `farmgate migrate`: the schema's state, and moving it.

use std::io::Write;

use anyhow::Result;

use super::Exit;
use crate::{
    args::{ConfigArgs, Environment},
    compose, settings,
};

/// Shows the schema's state, or moves it
#[derive(clap::Args, Debug)]
pub struct Migrate {
    /// `status`, `check` (fails unless all are applied), `up` or `down`
    #[arg(value_enum, default_value = "status")]
    action: Action,
    /// With `down`: the version to go back to
    #[arg(long, value_name = "VERSION", required_if_eq("action", "down"))]
    to: Option<i64>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Status,
    Check,
    Up,
    Down,
}

impl Migrate {
    /// Carries the action out.
    pub async fn run(self, environment: &Environment, out: &mut impl Write) -> Result<Exit> {
        // farmgate: allow(blocking-fs) because nothing else runs in this process
        let settings = self.config.read(environment)?.settings;
        settings::make_data_folder(&settings)?;
        let config = settings::database(&settings)?;
        let all = store::migrations::ALL;
        match (self.action, self.to) {
            (Action::Up, _) => {
                let done = db::migrate::up(&config, all, compose::now()).await?;
                writeln!(out, "applied: {done:?}")?;
            }
            (Action::Down, to) => {
                let done = db::migrate::down(&config, all, to.unwrap_or_default()).await?;
                writeln!(out, "taken back: {done:?}")?;
            }
            (Action::Check, _) => match db::migrate::check(&config, all).await {
                Ok(()) => writeln!(out, "the schema is the one this program wants")?,
                Err(error) => {
                    writeln!(out, "{error}; `farmgate migrate up` applies what is missing")?;
                    return Ok(Exit::Failed);
                }
            },
            (Action::Status, _) => {
                for one in db::migrate::status(&config, all).await? {
                    let state = if one.applied_at.is_some() {
                        "applied"
                    } else {
                        "to do"
                    };
                    writeln!(out, "{:>4}  {state:8} {}", one.version, one.name)?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}
