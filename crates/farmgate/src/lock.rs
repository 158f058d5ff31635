//! One process at a time works on an embedded database: a second one would print a set-up token of its own, hear nothing
//! of the first one's changes, and could take the schema away under it. PostgreSQL is made for many.

use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use db::{DbConfig, Target};

/// How long a process that ends may still hold it: whoever restarts the program does not wait for the old one's end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Held as long as the process works on the database; the system frees it however the process ends.
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock of an embedded database, beside its file; nothing for another one.
    pub async fn take(config: &DbConfig) -> Result<Self> {
        let Target::Sqlite(database) = &config.target else {
            return Ok(Self { _file: None });
        };
        let mut path = database.path.clone().into_os_string();
        path.push(".lock");
        // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let tried = tokio::time::timeout(PATIENCE, locked(&file)).await;
        let Ok(tried) = tried else {
            bail!(
                "another farmgate process works on {}: end it first, or choose another folder with --data",
                database.path.display()
            );
        };
        tried.with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { _file: Some(file) })
    }
}

async fn locked(file: &File) -> std::io::Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
