//! Which rows of a file are imported: a small file beside it, so that a run that ended goes on where it stood.
//!
//! A line that begins with the mark says which content went where, and in whose name; each further one is the number of
//! an imported row. Imports of other content or to other places keep their lines. What is lost of it costs time only:
//! importing a row again is harmless.

use std::{collections::HashSet, fs::TryLockError, io::SeekFrom, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context, Result, bail};
use tokio::{
    fs::{File, OpenOptions, metadata},
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

/// How notes begin; a file that begins in another way is somebody's own and is never written to.
const MARK: &str = "farmgate-import 1 ";

/// Takes down imported rows.
pub struct Journal(File);

/// Notes that were found.
pub struct Notes {
    /// The rows that are imported.
    pub done: HashSet<u64>,
    /// Whether there are notes of other imports only.
    pub only_of_others: bool,
    /// Where further rows are noted.
    pub journal: Journal,
}

/// Opens the notes at `path`, or begins them, for what `import` says: which content goes where.
///
/// # Errors
/// If the file cannot be read or written, is the `imported` one, holds something else than notes, or is in use.
pub async fn open(path: &Path, imported: &Path, import: &str) -> Result<Notes> {
    refuse_same(path, imported).await?;
    let cannot = || format!("cannot keep {}: name another file with --state", path.display());
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true);
    let mut file = lock(options.open(path).await.with_context(cannot)?, path).await?;
    if !begins_as_notes(&mut file).await.with_context(cannot)? {
        bail!(
            "{} holds no notes of an import and is left as it is: --state names the file that imported rows are noted \
             in, which is made if it is missing",
            path.display()
        );
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await.with_context(cannot)?;
    // A run that was killed may have written a part of a line: 12 of 123 is another row.
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let header = format!("{MARK}{import}");
    let (done, begun) = rows(&String::from_utf8_lossy(&bytes[..whole]), &header);
    file.set_len(whole as u64).await.with_context(cannot)?;
    let mut journal = Journal(file);
    if begun != Begun::Last {
        journal.write(&header).await.with_context(cannot)?;
    }
    Ok(Notes {
        done,
        only_of_others: begun == Begun::Never && whole > 0,
        journal,
    })
}

/// Refuses notes that would be written into the very file they are about.
async fn refuse_same(path: &Path, imported: &Path) -> Result<()> {
    // What is not there yet is not the same.
    if let (Ok(one), Ok(other)) = (metadata(path).await, metadata(imported).await)
        && (one.dev(), one.ino()) == (other.dev(), other.ino())
    {
        bail!(
            "{} is the file that is imported: name another one with --state to note the imported rows in",
            path.display()
        );
    }
    Ok(())
}

/// Two runs that note rows in one file would take each other's for their own.
async fn lock(file: File, path: &Path) -> Result<File> {
    let file = file.into_std().await;
    // A file system without locks is no reason not to import.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        bail!(
            "another import is writing to {}: wait for its end, or name another file with --state",
            path.display()
        );
    }
    Ok(File::from_std(file))
}

/// Whether a file is empty, or begins as notes do, of which a killed run may have written a part; it is read from its
/// beginning afterwards.
async fn begins_as_notes(file: &mut File) -> std::io::Result<bool> {
    let mut first = Vec::new();
    let most = MARK.len() as u64;
    (&mut *file).take(most).read_to_end(&mut first).await?;
    file.seek(SeekFrom::Start(0)).await?;
    Ok(MARK.as_bytes().starts_with(&first))
}

/// Where in the notes an import's own begin.
#[derive(PartialEq, Eq)]
enum Begun {
    Never,
    Before,
    /// Theirs are the last ones, so that further ones follow them.
    Last,
}

/// The rows noted under a header, which may be there several times.
fn rows(text: &str, header: &str) -> (HashSet<u64>, Begun) {
    let (mut done, mut begun) = (HashSet::new(), Begun::Never);
    for line in text.lines() {
        if line == header {
            begun = Begun::Last;
        } else if line.starts_with(MARK) {
            if begun == Begun::Last {
                begun = Begun::Before;
            }
        } else if begun == Begun::Last {
            done.extend(line.parse::<u64>());
        }
    }
    (done, begun)
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
