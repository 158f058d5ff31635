//! `farmgate serve`: the platform, from one binary and one folder, or over PostgreSQL.

use std::{io::Write, path::Path};

use anyhow::{Context, Result, bail};
use config::{Loaded, Origin, Settings};
use domain::tier::Tier;
use server::signals::Signals;
use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::{
    args::{ConfigArgs, Environment},
    compose::{self, Running},
    demo::Demo,
    listeners::{Addresses, Listeners},
    log::Log,
};

/// Serves the platform; with nothing else given, from a SQLite file in ./farmgate-data
#[derive(clap::Args, Debug)]
pub struct Serve {
    /// Start in a throw-away folder with accounts and realistic data, and say what to try
    #[arg(long, conflicts_with = "server.data")]
    demo: bool,
    /// How many items the demonstration holds; the first are there at once, the others follow while it serves
    #[arg(long, default_value_t = 300, requires = "demo")]
    demo_items: usize,
    /// Seed of the demonstration's data: the same seed makes the same data on the same day
    #[arg(long, default_value_t = 7, requires = "demo")]
    demo_seed: u64,
    /// Print what was started as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    /// Serves until a signal comes: the first one drains, the second one ends at once.
    pub async fn run(self, environment: &Environment, out: &mut impl Write) -> Result<Exit> {
        // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
        let mut loaded = self.config.read(environment)?;
        // Before anything is made: a signal that comes while it starts takes the demonstration's folder away too.
        let renews = loaded.settings.tls_certificate.is_some();
        let mut signals = Signals::register(!renews).context("cannot listen to signals")?;
        let folder = self
            .demo
            .then(tempfile::tempdir)
            .transpose()
            .context("cannot make a folder for the demonstration")?;
        if let Some(folder) = &folder {
            demonstrate_in(folder.path(), &mut loaded);
        }
        let log = Log::start(&loaded.settings)?;
        for text in config::advice(&loaded) {
            tracing::warn!("{text}");
        }
        let (running, demo) = tokio::select! {
            started = self.start(&loaded.settings, &log) => started?,
            () = signals.next() => bail!("ended by a signal before it served"),
        };
        let listeners = Listeners::bind(&loaded.settings).await?;
        self.announce(out, &listeners.addresses, &running, demo.as_ref())
            .await?;
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(signals.watch(running.latches.clone(), stop.clone(), abort.clone()));
        let filling = demo.map(|demo| tokio::spawn(demo.fill(stop.clone())));
        running.serve(listeners, stop, abort).await;
        if let Some(filling) = filling {
            // It stops with the server, and its folder must outlive it.
            filling.await?;
        }
        log.finish().await;
        Ok(Exit::Ok)
    }

    async fn start(&self, settings: &Settings, log: &Log) -> Result<(Running, Option<Demo>)> {
        let running = Running::start(settings, log).await?;
        let demo = match self.demo {
            true => Some(Demo::begin(&running.app, self.demo_items, self.demo_seed).await?),
            false => None,
        };
        Ok((running, demo))
    }

    async fn announce(
        &self,
        out: &mut impl Write,
        addresses: &Addresses,
        running: &Running,
        demo: Option<&Demo>,
    ) -> Result<()> {
        let token = if self.demo {
            None
        } else {
            running.app.identity().setup_token().await?
        };
        let token = token.as_ref().map(app::identity::Secret::reveal);
        let url = addresses.url();
        if self.json {
            let line = serde_json::json!({
                "url": url, "redirect_url": addresses.redirect_url(), "operator_url": addresses.operator_url(),
                "setup_token": token, "accounts": demo.map(Demo::accounts).unwrap_or_default(),
                "demo": demo.map(Demo::for_programs),
            });
            writeln!(out, "{line}")?;
            return Ok(out.flush()?);
        }
        writeln!(
            out,
            "Farmgate listens on {url}  ({}, {})",
            running.engine(),
            compose::version()
        )?;
        if let Some(operator) = addresses.operator_url() {
            writeln!(out, "Operators: {operator}/metrics, {operator}/health")?;
        }
        if let Some(token) = token {
            explain_setup(out, &url, token)?;
        }
        if let Some(demo) = demo {
            demo.explain(out, &url)?;
        }
        Ok(out.flush()?)
    }
}

/// How the first administrator is made.
fn explain_setup(out: &mut impl Write, url: &str, token: &str) -> Result<()> {
    writeln!(out, "Set-up token (shown until it is used): {token}")?;
    writeln!(
        out,
        "  curl -s {url}/api/setup -H 'Content-Type: application/json' \\"
    )?;
    writeln!(
        out,
        "    -d '{{\"token\":\"{token}\",\"username\":\"admin\",\"email\":\"you@example.org\",\"password\":\"...\"}}'"
    )?;
    Ok(())
}

/// Settings of a throw-away demonstration. One that only this machine reaches may be loaded as hard as one likes.
fn demonstrate_in(folder: &Path, loaded: &mut Loaded) {
    let limits_given = loaded.origins["rate_limits.enabled"] != Origin::Default;
    let settings = &mut loaded.settings;
    if settings.database_url.is_none() {
        settings.data = folder.to_owned();
    }
    settings.default_tier = Tier::Enterprise;
    if !limits_given && settings.host.is_loopback() {
        settings.rate_limits = false;
    }
}
