//! `farmgate check`: reads Rust source for blocking work in async code.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use source_check::output::{self, Ci};
use source_check::{Baseline, Report, Rule, Verdict, docs};

use super::Exit;
use crate::args::Environment;

/// Finds blocking locks and blocking work in async Rust source
#[derive(clap::Args, Debug)]
pub struct Check {
    /// Folder or file to read
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Configuration; by default the nearest farmgate-check.toml at or above PATH
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also check test code
    #[arg(long)]
    tests: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print the report as SARIF 2.1.0
    #[arg(long)]
    sarif: bool,
    /// Leave out the findings that this file knows
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings to the baseline instead of failing
    #[arg(long, requires = "baseline")]
    write_baseline: bool,
    /// Print a file that runs the check in CI
    #[arg(long, value_name = "WHERE")]
    print_ci: Option<PrintCi>,
    /// List the rules
    #[arg(long)]
    list_rules: bool,
    /// Explain one rule
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrintCi {
    Github,
    PreCommit,
}

impl Check {
    /// Runs the check and writes its result to `out`.
    pub fn run(self, environment: &Environment, out: &mut impl Write) -> anyhow::Result<Exit> {
        if let Some(text) = self.information()? {
            out.write_all(text.as_bytes())?;
            return Ok(Exit::Ok);
        }
        let mut config = source_check::load_config(&self.path, self.config.as_deref())?;
        config.tests |= self.tests;
        let mut report = source_check::check(&self.path, &config)?;
        if let (Some(file), true) = (&self.baseline, self.write_baseline) {
            let baseline = Baseline::of(&report.findings);
            std::fs::write(file, baseline.to_json())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        if let Some(file) = &self.baseline {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let baseline =
                Baseline::parse(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", file.display()))?;
            baseline.apply(&mut report);
        }
        out.write_all(self.render(&report, environment).as_bytes())?;
        Ok(match report.verdict() {
            Verdict::Pass => Exit::Ok,
            Verdict::Fail => Exit::Failed,
            Verdict::Inconclusive => Exit::Inconclusive,
        })
    }

    /// What is printed without reading any source.
    fn information(&self) -> anyhow::Result<Option<String>> {
        if self.list_rules {
            let line = |rule: Rule| format!("{:<20} {}\n", rule.id(), rule.text().title);
            return Ok(Some(Rule::ALL.into_iter().map(line).collect()));
        }
        if let Some(id) = &self.explain {
            let rule = Rule::from_id(id)
                .with_context(|| format!("there is no rule `{id}`; see `farmgate check --list-rules`"))?;
            return Ok(Some(docs::explain(rule)));
        }
        Ok(self.print_ci.map(|kind| match kind {
            PrintCi::Github => output::ci(Ci::Github).to_owned(),
            PrintCi::PreCommit => output::ci(Ci::PreCommit).to_owned(),
        }))
    }

    fn render(&self, report: &Report, environment: &Environment) -> String {
        match (self.json, self.sarif) {
            (true, _) => output::json(report),
            (_, true) => output::sarif(report),
            _ => {
                let no_color = environment.get("NO_COLOR").map(String::as_str);
                output::people(
                    report,
                    output::coloured(std::io::stdout().is_terminal(), no_color),
                )
            }
        }
    }
}
