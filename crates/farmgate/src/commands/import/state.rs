//! Which rows of a file are imported: a small file beside it, so that a run that ended goes on where it stood.
//!
//! The first line says which content went where; each further one is the number of an imported row. What is lost of it
//! costs time only: importing a row again is harmless.

use std::{collections::HashSet, io::SeekFrom, path::Path};

use anyhow::{Context, Result};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

/// Takes down imported rows.
pub struct Journal(File);

/// Opens the state at `path`, or begins it; one of other content or another place begins anew. Gives the rows that are
/// imported.
///
/// # Errors
/// If the file cannot be read or written.
pub async fn open(path: &Path, header: &str) -> Result<(HashSet<u64>, Journal)> {
    let cannot = || format!("cannot keep {}: name another file with --state", path.display());
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .await
        .with_context(cannot)?;
    let mut text = String::new();
    file.read_to_string(&mut text).await.with_context(cannot)?;
    // A run that was killed may have written a part of a line: 12 of 123 is another row.
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    let mut lines = text[..whole].lines();
    let (done, kept) = if lines.next() == Some(header) {
        (lines.filter_map(|line| line.parse().ok()).collect(), whole)
    } else {
        (HashSet::new(), 0)
    };
    file.set_len(kept as u64).await.with_context(cannot)?;
    file.seek(SeekFrom::Start(kept as u64))
        .await
        .with_context(cannot)?;
    let mut journal = Journal(file);
    if kept == 0 {
        journal.write(header).await.with_context(cannot)?;
    }
    Ok((done, journal))
}

impl Journal {
    /// Notes a row as imported.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn note(&mut self, row: u64) -> Result<()> {
        self.write(&row.to_string())
            .await
            .context("cannot note which rows are imported")
    }

    async fn write(&mut self, line: &str) -> std::io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes()).await?;
        self.0.flush().await
    }
}
