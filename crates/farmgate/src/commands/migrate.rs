//! `farmgate migrate`: the schema's state, and moving it.

use std::io::Write;

use anyhow::{Result, bail};
use db::{DbConfig, Target};
use store::migrations::ALL;

use super::Exit;
use crate::{
    args::{ConfigArgs, Environment},
    compose,
    lock::Lock,
    settings,
};

/// Shows the schema's state, or moves it
#[derive(clap::Args, Debug)]
pub struct Migrate {
    /// `status`, `check` (fails unless all are applied), `up` or `down`
    #[arg(value_enum, default_value = "status")]
    action: Action,
    /// With `down`: the version to go back to; with `up`: the last one to apply
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
        let config = settings::database(&settings)?;
        let upto = known(self.to)?;
        match self.action {
            Action::Up => {
                settings::make_data_folder(&settings)?;
                let _lock = Lock::take(&config).await?;
                let done =
                    db::migrate::up(&config, &ALL[..upto.unwrap_or(ALL.len())], compose::now()).await?;
                writeln!(out, "applied: {done:?}")?;
            }
            Action::Down => {
                there(&config)?;
                let _lock = Lock::take(&config).await?;
                let done = db::migrate::down(&config, ALL, self.to.unwrap_or_default()).await?;
                writeln!(out, "taken back: {done:?}")?;
            }
            Action::Check => {
                there(&config)?;
                if let Err(error) = db::migrate::check(&config, ALL).await {
                    writeln!(out, "{error}; `farmgate migrate up` applies what is missing")?;
                    return Ok(Exit::Failed);
                }
                writeln!(out, "the schema is the one this program wants")?;
            }
            Action::Status => {
                there(&config)?;
                show(&db::migrate::status(&config, ALL).await?, out)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn show(all: &[db::migrate::Status], out: &mut impl Write) -> Result<()> {
    for one in all {
        let state = if one.applied_at.is_some() {
            "applied"
        } else {
            "to do"
        };
        writeln!(out, "{:>4}  {state:8} {}", one.version, one.name)?;
    }
    Ok(())
}

/// How many migrations lead to this version; 0 is the empty schema.
fn known(version: Option<i64>) -> Result<Option<usize>> {
    let Some(version) = version else { return Ok(None) };
    let last = ALL.last().map_or(0, |last| last.version);
    let place = ALL.iter().position(|one| one.version == version);
    match (version, place) {
        (0, _) => Ok(Some(0)),
        (_, Some(place)) => Ok(Some(place + 1)),
        (_, None) => bail!("`--to {version}`: there is no such version; they go from 0 to {last}"),
    }
}

/// Refuses to look into an embedded database that is not there: opening it would make it.
fn there(config: &DbConfig) -> Result<()> {
    match &config.target {
        Target::Sqlite(file) if !file.path.exists() => {
            bail!(
                "there is no database at {}; `farmgate migrate up` makes one",
                file.path.display()
            )
        }
        _ => Ok(()),
    }
}
