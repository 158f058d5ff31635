//! `testbed`: runs the service alone, so that any isolation test can be tried on it.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use testbed::{FAULTS, Fault, Options, find};

/// A small multi-user service into which faults of isolation can be planted
#[derive(Parser, Debug)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one and prints it
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Fault to plant and its rate, such as `read-any=0.1`. May be repeated
    #[arg(long, value_name = "NAME=RATE", value_parser = planted)]
    fault: Vec<(&'static Fault, f64)>,
    /// Seed of ids, tokens and misfortunes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest random delay before an answer, in milliseconds
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// Share of requests that stall for 150 ms
    #[arg(long, default_value_t = 0.0)]
    stalls: f64,
    /// Share of requests answered with an error
    #[arg(long, default_value_t = 0.0)]
    errors: f64,
    /// Print the faults with what they do, and end
    #[arg(long)]
    list_faults: bool,
}

fn planted(text: &str) -> anyhow::Result<(&'static Fault, f64)> {
    let (name, rate) = text.split_once('=').unwrap_or((text, "1"));
    let fault = find(name).with_context(|| format!("no fault is called `{name}`; see --list-faults"))?;
    let rate: f64 = rate.parse().with_context(|| format!("`{rate}` is no rate"))?;
    if !(0.0..=1.0).contains(&rate) {
        bail!("a rate lies between 0 and 1, this is {rate}");
    }
    Ok((fault, rate))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut out = std::io::stdout();
    if args.list_faults {
        for fault in FAULTS {
            writeln!(
                out,
                "{:<18} {:<8} {:<34} {}",
                fault.name,
                fault.class,
                fault.rules.join(" "),
                fault.what
            )?;
        }
        return Ok(());
    }
    let options = Options {
        port: args.port,
        faults: args.fault,
        seed: args.seed,
        jitter: Duration::from_millis(args.jitter_ms),
        stalls: args.stalls,
        errors: args.errors,
        ..Options::default()
    };
    let running = testbed::start(options).await.context("cannot listen")?;
    writeln!(out, "{}", running.url())?;
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    Ok(())
}
