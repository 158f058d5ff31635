//! A statement that takes too long is stopped, and so is one that nobody waits for.

use std::time::Duration;

use db::{Db, DbError, Engine, NoObserver, Scope, args};

use crate::{COUNT_JOBS, INSERT_JOB, both_engines, database};

/// What one statement may take in these tests.
const LIMIT: Duration = Duration::from_millis(300);
/// Longest wait for what must happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// Seen from the login user's own session.
const RUNNING: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and state = 'active' and query like '%3600%' and pid <> pg_backend_pid()";

db::statements! {
    SLOW = "test.slow",
        sqlite: "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) as n from n",
        postgres: "select 1 as n from pg_sleep(3600)";
    SLOW_WRITE = "test.slow_write",
        sqlite: "insert into jobs (id)
            with recursive n (i) as (select 1 union all select i + 1 from n) select i from n where i < 0",
        postgres: "insert into jobs (id) select 1 from pg_sleep(3600)";
}

both_engines!(
    a_slow_statement_is_stopped,
    a_statement_that_nobody_waits_for_is_stopped,
    a_failed_unit_is_rolled_back_at_once,
);

async fn limited(engine: Engine, limit: Duration) -> (test_support::TestDb, Db) {
    let place = database(engine).await;
    let mut config = place.config.clone();
    config.statement_timeout = limit;
    let db = Db::open(config, std::sync::Arc::new(NoObserver)).await.unwrap();
    (place, db)
}

async fn jobs(db: &Db) -> i64 {
    let row = db.one(&Scope::system(), COUNT_JOBS, args![]).await.unwrap();
    row.get("n").unwrap()
}

async fn a_slow_statement_is_stopped(engine: Engine) {
    let (_place, db) = limited(engine, LIMIT).await;
    let scope = Scope::system();
    let work = async {
        let read = db.all(&scope, SLOW, args![]).await;
        assert!(matches!(read, Err(DbError::Timeout)), "{read:?}");
        let written = db.execute(&scope, SLOW_WRITE, args![]).await;
        assert!(matches!(written, Err(DbError::Timeout)), "{written:?}");
        let tx = db.begin(&scope).await.unwrap();
        tx.execute(INSERT_JOB, args![1_i64]).await.unwrap();
        let slow = tx.execute(SLOW_WRITE, args![]).await;
        assert!(matches!(slow, Err(DbError::Timeout)), "{slow:?}");
        assert!(matches!(tx.commit().await, Err(DbError::UnitOver)));
    };
    tokio::time::timeout(DEADLINE, work)
        .await
        .expect("stopped in time");
    assert_eq!(jobs(&db).await, 0, "a stopped unit left something");
    db.execute(&scope, INSERT_JOB, args![2_i64]).await.unwrap();
    assert_eq!(jobs(&db).await, 1, "the next unit is served as ever");
}

async fn a_statement_that_nobody_waits_for_is_stopped(engine: Engine) {
    let (place, db) = limited(engine, Duration::from_secs(3600)).await;
    let scope = Scope::system();
    // More of them than SQLite has readers or PostgreSQL connections: were one left running, the last look could
    // not be answered.
    for _ in 0..6 {
        let left = tokio::time::timeout(Duration::from_millis(100), db.all(&scope, SLOW, args![])).await;
        assert!(left.is_err());
    }
    let none_runs = async {
        assert_eq!(jobs(&db).await, 0);
        while engine == Engine::Postgres && place.as_login(RUNNING) != "0" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, none_runs)
        .await
        .expect("they are stopped in time");
}

/// The writer answers the failure before it hangs up on the unit: a command sent in between must not be lost in the
/// queue, where its caller would wait for it until the time-out.
async fn a_failed_unit_is_rolled_back_at_once(engine: Engine) {
    let (_place, db) = limited(engine, Duration::from_secs(3600)).await;
    let work = async {
        for _ in 0..300 {
            let tx = db.begin(&Scope::system()).await.unwrap();
            tx.execute(INSERT_JOB, args![7_i64]).await.unwrap();
            assert!(tx.execute(INSERT_JOB, args![7_i64]).await.is_err());
            tx.rollback().await;
        }
    };
    tokio::time::timeout(DEADLINE, work)
        .await
        .expect("nobody waits for a lost command");
    assert_eq!(jobs(&db).await, 0);
}
