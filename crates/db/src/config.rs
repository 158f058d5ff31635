//! Where the database is and how much of it may be used at once.

use std::path::PathBuf;
use std::time::Duration;

use crate::DbError;

/// Where the database is, and its limits.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// The engine and its address.
    pub target: Target,
    /// Longest wait for a connection, or for a turn in a full queue, before [`Unavailable`](crate::DbError::Unavailable). Default: 2 s.
    pub wait_timeout: Duration,
    /// Longest time one statement may take. Default: 10 s.
    pub statement_timeout: Duration,
    /// Longest time a unit of work may stay open between or during statements. Default: 5 s.
    pub unit_timeout: Duration,
}

/// One of the engines, with its address.
#[derive(Debug, Clone)]
pub enum Target {
    /// SQLite.
    Sqlite(SqliteConfig),
    /// PostgreSQL.
    Postgres(PostgresConfig),
}

/// A SQLite file and its threads.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The database file. Created if missing.
    pub path: PathBuf,
    /// Reader threads. Default: 2.
    pub readers: usize,
    /// Jobs that may wait for the writer or for the readers, each, before callers are turned away. Default: 4096.
    pub queue: usize,
    /// Units of work committed together at most. Default: 256.
    pub group: usize,
}

/// A PostgreSQL server, its roles and pools.
#[derive(Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database` of the primary. `sslmode` and `sslrootcert` behind a `?` mean what
    /// they mean to libpq.
    pub url: String,
    /// The same of a streaming replica, if there is one.
    pub replica_url: Option<String>,
    /// Connections for tenant scopes. Default: 16.
    pub app_pool: usize,
    /// Connections for system and global scopes. Default: 4.
    pub system_pool: usize,
    /// Connections to the replica. Default: 8.
    pub replica_pool: usize,
    /// Connections of each pool that are kept open without work: tenant scopes, system scopes, replica. Default: all.
    pub idle: [usize; 3],
    /// Time without work after which the others are closed. Default: 60 s.
    pub idle_time: Duration,
    /// Role of tenant scopes; row-level security binds it. Default: `farmgate_app`.
    pub app_role: String,
    /// Role of workers and administration. Default: `farmgate_system`.
    pub system_role: String,
    /// Longest time to connect. Default: 5 s.
    pub connect_timeout: Duration,
}

impl std::fmt::Debug for PostgresConfig {
    /// Leaves the addresses out: they carry passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("app_pool", &self.app_pool)
            .finish_non_exhaustive()
    }
}

impl DbConfig {
    /// Looks at the addresses without connecting, and reads the files that they name.
    ///
    /// # Errors
    /// What cannot be read or does not fit together.
    pub fn check(&self) -> Result<(), DbError> {
        match &self.target {
            Target::Sqlite(_) => Ok(()),
            Target::Postgres(target) => crate::postgres::check(target),
        }
    }

    /// A SQLite file with the default limits.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::new(Target::Sqlite(SqliteConfig {
            path: path.into(),
            readers: 2,
            queue: 4096,
            group: 256,
        }))
    }

    /// A PostgreSQL server with the default limits.
    #[must_use]
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::new(Target::Postgres(PostgresConfig {
            url: url.into(),
            replica_url: None,
            app_pool: 16,
            system_pool: 4,
            replica_pool: 8,
            idle: [16, 4, 8],
            idle_time: Duration::from_secs(60),
            app_role: "farmgate_app".into(),
            system_role: "farmgate_system".into(),
            connect_timeout: Duration::from_secs(5),
        }))
    }

    const fn new(target: Target) -> Self {
        Self {
            target,
            wait_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(10),
            unit_timeout: Duration::from_secs(5),
        }
    }
}
