//! Units of work: all or nothing, each apart from the others.

use std::collections::BTreeSet;
use std::time::Duration;

use db::{Db, DbError, Engine, Scope, Target, args};
use futures_util::FutureExt as _;

use crate::{ALL_THINGS, INSERT_JOB, INSERT_THING, LIST_THINGS, both_engines, database, workspace};

db::statements! {
    NEXT_JOB = "jobs.next", "select id from jobs where owner is null order by id limit 1 {for_update_skip_locked}";
    TAKE_JOB = "jobs.take", "update jobs set owner = $2 where id = $1 and owner is null";
    SYNCHRONOUS = "pragma.synchronous", "pragma synchronous";
    WRITE_IN_READ = "jobs.write", "insert into jobs (id) values ($1) returning id";
}

both_engines!(
    a_committed_unit_is_seen_at_once,
    a_conflict_ends_the_unit,
    a_failing_batch_changes_nothing,
    a_failing_unit_hurts_no_other,
    a_full_queue_turns_callers_away,
    a_slow_unit_meets_its_deadline,
    a_read_cannot_write,
    eight_workers_take_each_job_once,
    the_meter_counts,
    who_is_refused_finds_what_was_in_the_way,
);

async fn a_committed_unit_is_seen_at_once(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    let tx = db.begin(&scope).await.unwrap();
    tx.execute(INSERT_THING, args![id, 1_i64, "a"]).await.unwrap();
    assert_eq!(
        tx.pipeline(vec![
            (INSERT_THING, args![id, 2_i64, "b"]),
            (INSERT_THING, args![id, 3_i64, "c"])
        ])
        .await
        .unwrap(),
        [1, 1]
    );
    assert_eq!(tx.all(LIST_THINGS, args![id]).await.unwrap().len(), 3);
    assert!(
        db.all(&scope, LIST_THINGS, args![id]).await.unwrap().is_empty(),
        "uncommitted rows are visible"
    );
    tx.commit().await.unwrap();
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 3);
}

async fn a_conflict_ends_the_unit(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    let tx = db.begin(&scope).await.unwrap();
    tx.execute(INSERT_THING, args![id, 1_i64, "a"]).await.unwrap();
    let conflict = tx.execute(INSERT_THING, args![id, 2_i64, "a"]).await.unwrap_err();
    assert!(conflict.is_unique("things_workspace_id_code_key"), "{conflict:?}");
    assert!(matches!(
        tx.all(LIST_THINGS, args![id]).await,
        Err(DbError::UnitOver)
    ));
    assert!(matches!(tx.commit().await, Err(DbError::UnitOver)));
    assert!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().is_empty());
}

async fn a_failing_batch_changes_nothing(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    let batch = vec![
        (INSERT_THING, args![id, 1_i64, "a"]),
        (INSERT_THING, args![id, 1_i64, "b"]),
        (INSERT_THING, args![id, 3_i64, "c"]),
    ];
    let error = db.run(&scope, batch).await.unwrap_err();
    assert!(error.is_unique("things_pkey"), "{error:?}");
    assert!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().is_empty());
    assert_eq!(
        db.run(&scope, vec![(INSERT_THING, args![id, 4_i64, "d"])])
            .await
            .unwrap(),
        [1]
    );
}

async fn a_failing_unit_hurts_no_other(engine: Engine) {
    let place = database(engine).await;
    let db = place.open().await;
    let units = (0..60_i64).map(|n| {
        let db = db.clone();
        tokio::spawn(async move {
            let (id, scope) = workspace(1);
            // Every third unit breaks the rule with its second statement.
            let second = if n % 3 == 0 { n } else { n + 1000 };
            let batch = vec![
                (INSERT_THING, args![id, n, format!("a{n}")]),
                (INSERT_THING, args![id, second, format!("b{n}")]),
            ];
            (n, db.run(&scope, batch).await)
        })
    });
    for unit in units.collect::<Vec<_>>() {
        let (n, result) = unit.await.unwrap();
        assert_eq!(result.is_ok(), n % 3 != 0, "unit {n}: {result:?}");
    }
    let (id, scope) = workspace(1);
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 80);
}

/// One connection, or a queue of one; short patience.
async fn narrow(place: &test_support::TestDb) -> Db {
    let mut config = place.config.clone();
    config.wait_timeout = Duration::from_millis(100);
    config.unit_timeout = Duration::from_millis(400);
    match &mut config.target {
        Target::Postgres(target) => target.app_pool = 1,
        Target::Sqlite(target) => target.queue = 1,
    }
    Db::open(config, std::sync::Arc::new(db::NoObserver))
        .await
        .unwrap()
}

async fn a_full_queue_turns_callers_away(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (narrow(&place).await, workspace(1));
    let holder = db.begin(&scope).await.unwrap();
    holder.execute(INSERT_THING, args![id, 1_i64, "a"]).await.unwrap();
    let waiting = (2..6_i64).map(|n| {
        let (db, scope) = (db.clone(), scope.clone());
        tokio::spawn(async move {
            db.run(&scope, vec![(INSERT_THING, args![id, n, format!("{n}")])])
                .await
        })
    });
    let mut away = 0;
    for result in waiting.collect::<Vec<_>>() {
        away += usize::from(matches!(result.await.unwrap(), Err(DbError::Unavailable { .. })));
    }
    assert!(away >= 3, "{away} callers were turned away");
    drop(holder);
    assert!(
        db.run(&scope, vec![(INSERT_THING, args![id, 9_i64, "z"])])
            .await
            .is_ok(),
        "nobody gets in any more"
    );
}

async fn a_slow_unit_meets_its_deadline(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (narrow(&place).await, workspace(1));
    let slow = db.begin(&scope).await.unwrap();
    slow.execute(INSERT_THING, args![id, 1_i64, "a"]).await.unwrap();
    // Slowness is what is tested here.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let late = slow.execute(INSERT_THING, args![id, 2_i64, "b"]).await;
    assert!(late.is_err(), "{late:?}");
    assert!(slow.commit().await.is_err());
    assert_eq!(
        db.run(&scope, vec![(INSERT_THING, args![id, 3_i64, "a"])])
            .await
            .unwrap(),
        [1]
    );
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 1);
}

async fn a_read_cannot_write(engine: Engine) {
    let place = database(engine).await;
    let db = place.open().await;
    assert!(
        db.all(&Scope::system(), WRITE_IN_READ, args![1_i64])
            .await
            .is_err()
    );
    assert!(
        db.returning(&Scope::system(), WRITE_IN_READ, args![1_i64])
            .await
            .is_ok()
    );
}

async fn eight_workers_take_each_job_once(engine: Engine) {
    const JOBS: i64 = 40;
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    db.run(&scope, (0..JOBS).map(|n| (INSERT_JOB, args![n])).collect())
        .await
        .unwrap();
    let workers = (0..8).map(|worker| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let tx = db.begin(&Scope::system()).await.unwrap();
                let Some(row) = tx.optional(NEXT_JOB, args![]).await.unwrap() else {
                    return taken;
                };
                let id: i64 = row.get("id").unwrap();
                assert_eq!(
                    tx.execute(TAKE_JOB, args![id, format!("w{worker}")])
                        .await
                        .unwrap(),
                    1,
                    "job {id} was taken twice"
                );
                tx.commit().await.unwrap();
                taken.push(id);
            }
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.unwrap());
    }
    assert_eq!(all.len() as i64, JOBS);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len() as i64, JOBS);
}

async fn the_meter_counts(engine: Engine) {
    let place = database(engine).await;
    let (db, meter) = (place.open().await, db::Meter::counting());
    let scope = Scope::system().with_meter(meter.clone());
    db.all(&scope, ALL_THINGS, args![]).await.unwrap();
    db.run(
        &scope,
        vec![(INSERT_JOB, args![1_i64]), (INSERT_JOB, args![2_i64])],
    )
    .await
    .unwrap();
    assert_eq!((meter.queries(), meter.rows()), (3, 2));
    let grouped = vec![(INSERT_JOB, args![3_i64])];
    db.run_grouped(&scope, grouped).await.unwrap();
    let tx = db.begin(&scope).await.unwrap();
    let parts = vec![vec![(INSERT_JOB, args![4_i64])]];
    tx.commit_with(parts).await.unwrap();
    assert_eq!((meter.queries(), meter.rows()), (5, 4));
    assert!(meter.busy() > Duration::ZERO);
    assert!(db.stats().iter().any(|pool| pool.size >= 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_pool_turns_newcomers_away_at_once() {
    let place = database(Engine::Postgres).await;
    let mut config = place.config.clone();
    (config.wait_timeout, config.unit_timeout) = (Duration::from_secs(60), Duration::from_secs(60));
    if let Target::Postgres(target) = &mut config.target {
        target.app_pool = 1;
    }
    let observer = std::sync::Arc::new(db::NoObserver);
    let (db, (id, scope)) = (Db::open(config, observer).await.unwrap(), workspace(1));
    let holder = db.begin(&scope).await.unwrap();
    holder.execute(INSERT_THING, args![id, 1_i64, "a"]).await.unwrap();
    let mut waiter = Box::pin(db.all(&scope, LIST_THINGS, args![id]));
    assert!((&mut waiter).now_or_never().is_none(), "it stands in the queue");
    let begun = std::time::Instant::now();
    let refused = loop {
        let newcomer = db.all(&scope, LIST_THINGS, args![id]);
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(20), newcomer).await {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody is turned away");
    };
    assert!(matches!(refused, Err(DbError::Unavailable { .. })), "{refused:?}");
    assert!(
        (&mut waiter).now_or_never().is_none(),
        "who came before goes on waiting"
    );
    holder.commit().await.unwrap();
    assert_eq!(waiter.await.unwrap().len(), 1);
    assert!(
        db.all(&scope, LIST_THINGS, args![id]).await.is_ok(),
        "it moves again"
    );
}

/// A writer that shares one commit among many must not tell of a conflict with what is not committed yet.
async fn who_is_refused_finds_what_was_in_the_way(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    for round in 0..50_i64 {
        let code = format!("code-{round}");
        let add = async |number: i64| {
            let step = (INSERT_THING, args![id, round * 100 + number, code.clone()]);
            let refused = db.run(&scope, vec![step]).await.is_err();
            if refused {
                let rows = db.all(&scope, LIST_THINGS, args![id]).await.unwrap();
                assert_eq!(rows.len() as i64, round + 1, "refused by a row that nobody sees");
            }
            !refused
        };
        let added = futures_util::future::join_all((0..16).map(add)).await;
        assert_eq!(added.into_iter().filter(|made| *made).count(), 1);
    }
}

/// PostgreSQL waits unless its operator says otherwise; SQLite waits because every connection asks for it.
#[tokio::test]
async fn sqlite_waits_for_the_disk() {
    let place = database(Engine::Sqlite).await;
    let db = place.open().await;
    let rows = db.all(&Scope::system(), SYNCHRONOUS, args![]).await.unwrap();
    assert_eq!(rows[0].get::<i64>("synchronous").unwrap(), 2, "2 is `full`");
}
