//! `farmgate report`

use std::path::PathBuf;

use clap::Subcommand;
use gate::compare::change_points;
use gate::report::{Detail, merge, schema};

use super::compare::read_report;
use super::options::{Output, check_report_paths, publish};

/// Joins, converts and reads reports
#[derive(clap::Args, Debug)]
pub struct ReportCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Joins the parts that several generators wrote into one report, histograms exactly
    Merge {
        /// report.json files
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Checks a report's hash and writes it in other forms
    Show {
        /// report.json file
        part: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Finds the releases at which latency or rate changed, in reports given from old to new
    Trend {
        /// report.json files, the oldest first
        #[arg(required = true)]
        reports: Vec<PathBuf>,
    },
    /// Prints the JSON Schema of report.json
    Schema,
}

impl ReportCommand {
    pub fn run(self) -> anyhow::Result<u8> {
        match self.action {
            Action::Merge { parts, output } => {
                check_report_paths(&output.report)?;
                let parts = parts
                    .iter()
                    .map(|path| read_report(path))
                    .collect::<Result<Vec<_>, _>>()?;
                let report = merge(&parts)?;
                publish(&report, &output)?;
                Ok(report.verdict.exit_code())
            }
            Action::Show { part, output } => {
                check_report_paths(&output.report)?;
                let report = read_report(&part)?;
                publish(&report, &output)?;
                Ok(report.verdict.exit_code())
            }
            Action::Trend { reports } => trend(&reports),
            Action::Schema => {
                println!("{}", serde_json::to_string_pretty(&schema())?);
                Ok(0)
            }
        }
    }
}

fn trend(paths: &[PathBuf]) -> anyhow::Result<u8> {
    let reports = paths
        .iter()
        .map(|path| read_report(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut loads = Vec::new();
    for (path, report) in paths.iter().zip(&reports) {
        let load = report.stages.iter().find_map(|stage| match &stage.detail {
            Detail::Load(load) => load.latency.map(|latency| (latency, load.rate)),
            _ => None,
        });
        loads.push((
            path,
            load.ok_or_else(|| anyhow::anyhow!("{} measured no load", path.display()))?,
        ));
    }
    let figures = [
        ("p50", loads.iter().map(|l| l.1.0.p50).collect::<Vec<f64>>()),
        ("p95", loads.iter().map(|l| l.1.0.p95).collect()),
        ("p99", loads.iter().map(|l| l.1.0.p99).collect()),
        ("rate", loads.iter().map(|l| l.1.1).collect()),
    ];
    for (name, values) in figures {
        let points = change_points(&values, 1);
        if points.is_empty() {
            println!("{name}: no change in {} reports", values.len());
        }
        for point in points {
            println!("{name}: changed at {}", loads[point].0.display());
        }
    }
    Ok(0)
}
