//! `farmgate gate init`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use gate::init::first_files;

/// Writes first scenarios and a gate.toml from an OpenAPI document
#[derive(clap::Args, Debug)]
pub struct Init {
    /// OpenAPI 3 document (JSON)
    document: PathBuf,
    /// Base URL of the service
    #[arg(long, default_value = "http://localhost:8080")]
    url: String,
    /// Folder to write into
    #[arg(long, default_value = ".")]
    into: PathBuf,
}

impl Init {
    pub fn run(self) -> anyhow::Result<u8> {
        let text =
            std::fs::read_to_string(&self.document).with_context(|| self.document.display().to_string())?;
        let files = first_files(&text, &self.url)?;
        if let Some(taken) = files.iter().find(|file| self.into.join(&file.path).exists()) {
            bail!(
                "{} exists already and is not overwritten",
                self.into.join(&taken.path).display()
            );
        }
        for file in files {
            let path = self.into.join(&file.path);
            let folder = path
                .parent()
                .with_context(|| format!("{} has no folder", path.display()))?;
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            std::fs::write(&path, file.text).with_context(|| path.display().to_string())?;
            println!("wrote {}", path.display());
        }
        println!("now run: farmgate gate {}", self.into.join("gate.toml").display());
        Ok(0)
    }
}
