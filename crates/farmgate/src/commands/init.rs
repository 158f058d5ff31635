//! `farmgate gate init`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gate::init::{Draft, First, NewFile, Trial};
use gate::setup::Given;
use scenario::{EntryOutcome, Settings, User};

use super::options::block_on;

/// Writes first scenarios and a gate.toml from an OpenAPI document
#[derive(clap::Args, Debug)]
pub struct Init {
    /// OpenAPI 3 document (JSON or YAML)
    document: PathBuf,
    /// Base URL of the service
    #[arg(long, default_value = "http://localhost:8080")]
    url: String,
    /// Folder to write into
    #[arg(long, default_value = ".")]
    into: PathBuf,
    /// Run everything once against --url and leave out what does not answer as documented. It makes accounts and data
    #[arg(long = "try")]
    try_out: bool,
}

impl Init {
    pub fn run(self) -> anyhow::Result<u8> {
        let text =
            std::fs::read_to_string(&self.document).with_context(|| self.document.display().to_string())?;
        let mut first = First::read(&text, &self.url).with_context(|| self.document.display().to_string())?;
        let taken = |files: &[NewFile]| {
            files
                .iter()
                .map(|f| self.into.join(&f.path))
                .find(|path| path.exists())
        };
        if let Some(path) = taken(&first.files()?) {
            bail!("{} exists already and is not overwritten", path.display());
        }
        if self.try_out {
            let drafts = std::mem::take(&mut first.drafts);
            first.drafts = trials(&first.url, drafts)?;
        }
        for file in first.files()? {
            write(&self.into.join(&file.path), &file.text)?;
        }
        println!("now run: farmgate gate {}", self.into.join("gate.toml").display());
        Ok(0)
    }
}

fn trials(url: &str, drafts: Vec<Draft>) -> anyhow::Result<Vec<Draft>> {
    let given = Given {
        url: url.to_owned(),
        ..Given::default()
    };
    let mut settings = given.settings()?;
    block_on(async |_| {
        let mut tried = Vec::new();
        for draft in drafts {
            settings.continue_on_error = draft.independent;
            let trial = trial(&draft, &settings).await?;
            for (_, why) in &trial {
                eprintln!("{}: left out: {why}", draft.name);
            }
            tried.push(draft.without(&trial));
        }
        Ok(tried)
    })
}

/// Runs a draft once. A login that does not work takes everything with it.
async fn trial(draft: &Draft, settings: &Settings) -> anyhow::Result<Trial> {
    if draft.steps.is_empty() {
        return Ok(Trial::new());
    }
    let scenario = scenario::parse(&draft.name, &draft.text()).map_err(|why| anyhow::anyhow!("{why}"))?;
    let outcome = User::new(settings.clone().into()).run(&scenario, &mut ()).await;
    let failed = outcome.entries.iter().filter(|row| !row.ok());
    let login = draft.login.len();
    let (in_login, in_steps): (Vec<_>, Vec<_>) = failed.partition(|row| row.index < login);
    Ok(match in_login.first() {
        Some(row) => (0..draft.steps.len())
            .map(|step| (step, format!("the login: {}", why(row))))
            .collect(),
        None => in_steps
            .into_iter()
            .map(|row| (row.index - login, why(row)))
            .collect(),
    })
}

fn why(row: &EntryOutcome) -> String {
    match (&row.error, row.asserts.iter().find(|assert| !assert.ok)) {
        (Some(error), _) => error.message.clone(),
        (None, Some(assert)) => format!(
            "{}: expected {}, came {}",
            assert.text, assert.expected, assert.actual
        ),
        (None, None) => "it failed".to_owned(),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .with_context(|| format!("{} has no folder", path.display()))?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(path, text).with_context(|| path.display().to_string())?;
    println!("wrote {}", path.display());
    Ok(())
}
