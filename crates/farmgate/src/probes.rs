//! What the platform depends on, and how to ask it. When it is asked, and what comes of the answers: `server::served`.

use std::{path::Path, sync::Arc};

use db::{Db, DbConfig, Target};
use server::{rate_shared::RedisLimiter, served::Probe};

/// Least room where an embedded database lies: a group of writes and its log fit in.
const ROOM: u64 = 4 << 20;

/// All of them.
pub fn all(db: &Db, config: &DbConfig, shared_limits: Option<&Arc<RedisLimiter>>) -> Vec<Probe> {
    let db = db.clone();
    let database = Probe::critical("database", move || {
        let db = db.clone();
        Box::pin(async move { db.ping().await.map_err(|error| error.to_string()) })
    });
    let cache = shared_limits.cloned().map(|limits| {
        Probe::helpful("cache", move || {
            let limits = Arc::clone(&limits);
            Box::pin(async move { limits.ping().await })
        })
    });
    [database].into_iter().chain(disk(config)).chain(cache).collect()
}

/// Whether an embedded database can grow. Without room it is still read, so the server is only degraded.
fn disk(config: &DbConfig) -> Option<Probe> {
    let Target::Sqlite(file) = &config.target else {
        return None;
    };
    let path: Arc<Path> = Arc::from(file.path.as_path());
    Some(Probe::helpful("disk", move || {
        let path = Arc::clone(&path);
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || room(&path)).await;
            asked.map_err(|error| error.to_string())?
        })
    }))
}

fn room(path: &Path) -> Result<(), String> {
    let disk = rustix::fs::statvfs(path).map_err(|error| error.to_string())?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < ROOM {
        let free = free >> 10;
        return Err(format!(
            "{free} KiB are free where the database lies: writing fails soon or already"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_named() {
        assert_eq!(room(&std::env::temp_dir()), Ok(()));
        // It has no room by nature.
        let said = room(Path::new("/proc")).unwrap_err();
        assert!(said.starts_with("0 KiB are free"), "{said}");
    }
}
