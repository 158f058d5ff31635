//! `farmgate serve`: the platform, from one binary and one folder, or over PostgreSQL.

use std::{io::Write, net::SocketAddr};

use anyhow::{Context, Result, bail};
use server::signals::{self, Signals};
use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::{
    compose::{self, Running, Settings},
    demo::Demo,
};

/// Serves the platform; with nothing else given, from a SQLite file in ./farmgate-data
#[derive(clap::Args, Debug)]
pub struct Serve {
    /// Address to listen on
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Start in a throw-away folder with accounts and realistic data, and say what to try
    #[arg(long)]
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
    settings: Settings,
}

impl Serve {
    /// Serves until a signal comes: the first one drains, the second one ends at once.
    pub async fn run(mut self, out: &mut impl Write) -> Result<Exit> {
        // Before anything is made: a signal that comes while it starts takes the demonstration's folder away too.
        let mut signals = Signals::listen()?;
        let folder = self
            .demo
            .then(tempfile::tempdir)
            .transpose()
            .context("cannot make a folder for the demonstration")?;
        if let Some(folder) = &folder {
            self.settings.demonstrate_in(folder.path());
        }
        let (running, demo) = tokio::select! {
            started = self.start() => started?,
            () = signals.next() => bail!("ended by a signal before it served"),
        };
        let address = self.address()?;
        let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}: choose another --port, or end what listens there")
        })?;
        let address = listener.local_addr()?;
        self.announce(out, address, &running, demo.as_ref()).await?;
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let watch = signals::watch(signals, running.latches.clone(), stop.clone(), abort.clone());
        tokio::spawn(watch);
        let filling = demo.map(|demo| tokio::spawn(demo.fill(stop.clone())));
        running.serve(listener, stop, abort).await;
        if let Some(filling) = filling {
            // It stops with the server, and its folder must outlive it.
            filling.await?;
        }
        Ok(Exit::Ok)
    }

    async fn start(&self) -> Result<(Running, Option<Demo>)> {
        let running = Running::start(&self.settings).await?;
        let demo = match self.demo {
            true => Some(Demo::begin(&running.app, self.demo_items, self.demo_seed).await?),
            false => None,
        };
        Ok((running, demo))
    }

    fn address(&self) -> Result<SocketAddr> {
        let host = self.host.trim_matches(['[', ']']);
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        let ip = host
            .parse()
            .with_context(|| format!("HOST `{host}` is not an IP address such as 127.0.0.1 or ::"))?;
        Ok(SocketAddr::new(ip, self.port))
    }

    async fn announce(
        &self,
        out: &mut impl Write,
        address: SocketAddr,
        running: &Running,
        demo: Option<&Demo>,
    ) -> Result<()> {
        let token = if self.demo {
            None
        } else {
            running.app.identity().setup_token().await?
        };
        let token = token.as_ref().map(app::identity::Secret::reveal);
        if self.json {
            let line = serde_json::json!({"url": format!("http://{address}"), "setup_token": token, "accounts": demo.map(Demo::accounts).unwrap_or_default(), "demo": demo.map(Demo::for_programs)});
            writeln!(out, "{line}")?;
            return Ok(out.flush()?);
        }
        writeln!(
            out,
            "Farmgate listens on http://{address}  ({}, {})",
            running.engine(),
            compose::version()
        )?;
        if let Some(token) = token {
            writeln!(out, "Set-up token (shown until it is used): {token}")?;
            writeln!(
                out,
                "  curl -s http://{address}/api/setup -H 'Content-Type: application/json' \\"
            )?;
            writeln!(
                out,
                "    -d '{{\"token\":\"{token}\",\"username\":\"admin\",\"email\":\"you@example.org\",\"password\":\"...\"}}'"
            )?;
        }
        if let Some(demo) = demo {
            demo.explain(out, &format!("http://{address}"))?;
        }
        Ok(out.flush()?)
    }
}

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
    settings: Settings,
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
    pub async fn run(self, out: &mut impl Write) -> Result<Exit> {
        let config = self.settings.database()?;
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
