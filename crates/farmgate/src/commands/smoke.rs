//! `farmgate smoke`

use std::path::PathBuf;

use gate::live::Live;
use gate::setup::Given;

use tokio_util::sync::CancellationToken;

use super::options::{Common, block_on, check_report_paths, finish, now};

/// Runs each scenario once and checks every assert
#[derive(clap::Args, Debug)]
pub struct Smoke {
    /// Hurl files, or folders that hold some
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Files run at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    #[command(flatten)]
    common: Common,
}

impl Smoke {
    pub fn run(self) -> anyhow::Result<u8> {
        check_report_paths(&self.common.output.report)?;
        let given = self.common.given()?;
        let started = now();
        let stage = block_on(async |cancel| run_files(&self.files, &given, self.jobs, &cancel).await)?;
        finish(
            "smoke",
            &self.common.url,
            self.common.seed,
            started,
            vec![stage],
            &self.common.output,
        )
    }
}

/// Reads all files before the first request is sent, then runs them.
pub async fn run_files(
    files: &[PathBuf],
    given: &Given,
    jobs: usize,
    cancel: &CancellationToken,
) -> anyhow::Result<gate::report::StageResult> {
    let scenarios = gate::smoke::read(files)?;
    Ok(gate::smoke::run(scenarios, given.settings()?, jobs, cancel, &mut Live::stderr()).await)
}
