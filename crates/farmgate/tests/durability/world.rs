//! Where the data of a run lies: a SQLite file, or a PostgreSQL of its own that waits for its disk.

use db::DbConfig;
use tempfile::TempDir;
use test_support::{Cluster, Settings};

use crate::program::Program;

/// The data that outlives every kill.
pub struct World {
    /// The engine's name.
    pub engine: &'static str,
    folder: TempDir,
    cluster: Option<(Cluster, String)>,
}

impl World {
    /// A SQLite file in a folder of its own.
    pub fn sqlite() -> Self {
        Self {
            engine: "sqlite",
            folder: tempfile::tempdir().unwrap(),
            cluster: None,
        }
    }

    /// A database on a PostgreSQL that is killed with the program now and then, so nobody else may use it.
    pub fn postgres() -> Self {
        let cluster = Cluster::start(Settings::Durable);
        let url = cluster.create_database("durability");
        Self {
            engine: "postgres",
            folder: tempfile::tempdir().unwrap(),
            cluster: Some((cluster, url)),
        }
    }

    /// Whether there are database processes to kill.
    pub const fn has_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// Starts the program on the data.
    pub async fn serve(&self) -> Program {
        let folder = self.folder.path().to_str().unwrap().to_owned();
        let mut environment = vec![("FARMGATE_DATA", folder), ("ENCRYPTION_KEY", "5a".repeat(32))];
        if let Some((_, url)) = &self.cluster {
            environment.push(("DATABASE_URL", url.clone()));
        }
        Program::start(&environment).await
    }

    /// Kills all processes of the database.
    pub fn kill_database(&mut self) {
        if let Some((cluster, _)) = &mut self.cluster {
            cluster.kill();
        }
    }

    /// Starts the database again on what its processes left.
    pub fn restart_database(&mut self) {
        if let Some((cluster, _)) = &mut self.cluster {
            cluster.restart();
        }
    }

    /// The database as the audit opens it, beside the running program.
    pub fn database(&self) -> DbConfig {
        match &self.cluster {
            None => DbConfig::sqlite(self.folder.path().join("farmgate.db")),
            Some((_, url)) => DbConfig::postgres(url.clone()),
        }
    }
}
