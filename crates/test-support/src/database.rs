//! A database for each test, empty or migrated.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::migrate::{self, Migration};
use db::{Db, DbConfig, Engine, Micros, NoObserver, Scope};
use tempfile::TempDir;

use crate::postgres::{database_url, dump_schema, shared, sql};

db::statements! {
    SQLITE_SCHEMA = "test.schema",
        "select type || ' ' || name || ': ' || coalesce(sql, '') as line from sqlite_schema
          where tbl_name <> 'schema_migrations' order by type, name";
}

/// A database of one test; removed when dropped.
pub struct TestDb {
    /// How to open it.
    pub config: DbConfig,
    _place: Place,
}

enum Place {
    Folder { _folder: TempDir },
    Database(String),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Database(name) = self {
            // A database that stays behind goes with its server.
            let _ = sql(shared(), &format!("drop database if exists {name} with (force)"));
        }
    }
}

impl TestDb {
    /// Opens it.
    ///
    /// # Panics
    /// If that fails.
    pub async fn open(&self) -> Db {
        let opened = Db::open(self.config.clone(), Arc::new(NoObserver)).await;
        opened.unwrap_or_else(|error| panic!("cannot open the test database: {error:?}"))
    }
}

impl TestDb {
    /// Runs a statement as the login user, who owns the tables and sees all of its sessions; PostgreSQL only. Answers
    /// with the value it returned, if any.
    ///
    /// # Panics
    /// If it fails, or the engine is another.
    pub fn as_login(&self, text: &str) -> String {
        let done = sql(self.address(), text);
        done.unwrap_or_else(|error| panic!("cannot run `{text}`: {error}"))
    }

    fn address(&self) -> &str {
        match &self.config.target {
            db::Target::Postgres(target) => &target.url,
            db::Target::Sqlite(_) => panic!("the database is no PostgreSQL"),
        }
    }

    /// Everything the schema says: tables, columns, constraints, indexes, policies, rights, functions. On SQLite
    /// without the list of migrations, which is made by the first of them.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub async fn schema(&self) -> String {
        if let db::Target::Postgres(target) = &self.config.target {
            return dump_schema(&target.url);
        }
        let db = self.open().await;
        let rows = db.all(&Scope::system(), SQLITE_SCHEMA, Vec::new()).await;
        let lines: Result<Vec<String>, _> =
            rows.and_then(|rows| rows.iter().map(|row| row.get("line")).collect());
        lines
            .unwrap_or_else(|error| panic!("cannot read the schema: {error}"))
            .join("\n")
    }
}

/// A database without tables.
///
/// # Panics
/// If PostgreSQL is needed and missing.
#[must_use]
pub fn empty(engine: Engine) -> TestDb {
    match engine {
        Engine::Sqlite => sqlite_file(None),
        Engine::Postgres => postgres_database("template0"),
    }
}

/// A database with these migrations applied, copied from a template that is made once per list of migrations.
///
/// # Panics
/// If PostgreSQL is needed and missing, or a migration fails.
pub async fn migrated(engine: Engine, migrations: &[Migration]) -> TestDb {
    let template = template_name(migrations);
    match engine {
        Engine::Sqlite => {
            let file = std::env::temp_dir().join(format!("{template}.db"));
            if !file.exists() {
                let made = empty(engine);
                apply(&made, migrations).await;
                keep_file(&made, &file);
            }
            sqlite_file(Some(&file))
        }
        Engine::Postgres => {
            let known = sql(&database_url(&template), "select 1").is_ok();
            if !known {
                let made = empty(engine);
                apply(&made, migrations).await;
                keep_database(&made, &template);
            }
            postgres_database(&template)
        }
    }
}

async fn apply(database: &TestDb, migrations: &[Migration]) {
    let applied = migrate::up(&database.config, migrations, Micros(0)).await;
    applied.unwrap_or_else(|error| panic!("cannot migrate the test database: {error:?}"));
}

/// Puts the file in the template's place in one step: another process may be doing the same.
fn keep_file(made: &TestDb, template: &Path) {
    let db::Target::Sqlite(target) = &made.config.target else {
        return;
    };
    let unique = template.with_extension(format!("{}.{}", std::process::id(), next()));
    let kept = std::fs::copy(&target.path, &unique).and_then(|_| std::fs::rename(&unique, template));
    kept.unwrap_or_else(|error| panic!("cannot keep the template {}: {error}", template.display()));
}

fn keep_database(made: &TestDb, template: &str) {
    let Place::Database(name) = &made._place else {
        return;
    };
    // The session that migrated ends only when this thread lets its task run.
    let text = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}';
         alter database {name} rename to {template}"
    );
    match sql(shared(), &text) {
        // Another process may have been faster: its template is as good.
        Err(error) if !error.contains("already exists") => {
            panic!("cannot keep the template database: {error}")
        }
        _ => {}
    }
}

fn sqlite_file(template: Option<&Path>) -> TestDb {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("cannot make a folder: {error}"));
    let path = folder.path().join("test.db");
    if let Some(template) = template {
        std::fs::copy(template, &path).unwrap_or_else(|error| panic!("cannot copy the template: {error}"));
    }
    TestDb {
        config: DbConfig::sqlite(path),
        _place: Place::Folder { _folder: folder },
    }
}

fn postgres_database(template: &str) -> TestDb {
    let name = format!("t{}_{}", std::process::id(), next());
    // A killed process with the same number may have left one behind.
    let made = sql(shared(), &format!("drop database if exists {name} with (force)"))
        .and_then(|_| sql(shared(), &format!("create database {name} template {template}")));
    assert!(made.is_ok(), "cannot create a test database: {made:?}");
    let mut config = DbConfig::postgres(database_url(&name));
    if let db::Target::Postgres(target) = &mut config.target {
        // Many tests share one server.
        (target.app_pool, target.system_pool) = (8, 4);
    }
    TestDb {
        config,
        _place: Place::Database(name),
    }
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Names the list by its texts, so that a changed migration gets a new template.
fn template_name(migrations: &[Migration]) -> String {
    let mut hash = DefaultHasher::new();
    for migration in migrations {
        (migration.version, migration.name, migration.up, migration.down).hash(&mut hash);
    }
    format!("farmgate_template_{:016x}", hash.finish())
}
