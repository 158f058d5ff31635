//! A unit of work that is dropped half-way, wherever that is, leaves no trace and no open transaction.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use db::{Db, Engine, Scope, args};

use crate::{INSERT_THING, LIST_THINGS, both_engines, database, workspace};

const UNITS: i64 = 400;

db::statements! {
    OPEN = "test.open",
        sqlite: "select 0 as n",
        postgres: "select count(*) as n from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'";
    BEGUN = "test.begun",
        sqlite: "select '' as workspaces",
        postgres: "select coalesce(current_setting('app.workspaces', true), '') as workspaces";
}

both_engines!(dropped_units_leave_nothing);

/// Polls a future at most so often, then drops it. True if it ended by itself.
async fn abandon(work: impl Future<Output = ()>, polls: usize) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Writes a pair and commits only if the unit's number is even.
async fn unit(db: &Db, n: i64) {
    let (id, scope) = workspace(1);
    let Ok(tx) = db.begin(&scope).await else { return };
    if tx
        .execute(INSERT_THING, args![id, n, format!("a{n}")])
        .await
        .is_err()
    {
        return;
    }
    if tx
        .execute(INSERT_THING, args![id, n + UNITS, format!("b{n}")])
        .await
        .is_err()
    {
        return;
    }
    if n % 2 == 0 {
        // Whether it is confirmed or not is the point.
        let _ = tx.commit().await;
    }
}

async fn dropped_units_leave_nothing(engine: Engine) {
    let place = database(engine).await;
    let db = place.open().await;
    let tasks = (0..8).map(|task| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut dropped = 0;
            for n in (task..UNITS).step_by(8) {
                // From before the first byte is sent until after the commit is.
                let polls = usize::try_from(1 + (n / 8) % 6).unwrap();
                dropped += usize::from(!abandon(unit(&db, n), polls).await);
            }
            dropped
        })
    });
    let mut dropped = 0;
    for task in tasks.collect::<Vec<_>>() {
        dropped += task.await.unwrap();
    }
    assert!(dropped > 100, "only {dropped} units were dropped");
    settle(&db).await;
    pairs_are_whole(&db).await;
    borrowers_find_clean_connections(&db).await;
}

/// Waits until every abandoned transaction has ended: cleaning goes on in the background.
async fn settle(db: &Db) {
    for _ in 0..1000 {
        let row = db.one(&Scope::system(), OPEN, args![]).await.unwrap();
        if row.get::<i64>("n").unwrap() == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("transactions stay open");
}

async fn pairs_are_whole(db: &Db) {
    let (id, scope) = workspace(1);
    let rows = db.all(&scope, LIST_THINGS, args![id]).await.unwrap();
    let ids: std::collections::BTreeSet<i64> = rows.iter().map(|row| row.get("id").unwrap()).collect();
    for n in 0..UNITS {
        assert_eq!(
            ids.contains(&n),
            ids.contains(&(n + UNITS)),
            "unit {n} is there by half"
        );
        assert!(
            n % 2 == 0 || !ids.contains(&n),
            "unit {n} never committed and is there"
        );
    }
}

async fn borrowers_find_clean_connections(db: &Db) {
    let (id, scope) = workspace(2);
    let mut units = Vec::new();
    for n in 0..if db.engine() == Engine::Postgres { 8 } else { 1 } {
        let tx = db.begin(&scope).await.unwrap();
        let row = tx.optional(BEGUN, args![]).await.unwrap().unwrap();
        let seen: String = row.get("workspaces").unwrap();
        assert!(
            seen.is_empty() || seen == format!("{{{id}}}"),
            "the setting is another's: {seen}"
        );
        tx.execute(INSERT_THING, args![id, n, format!("c{n}")])
            .await
            .unwrap();
        units.push(tx);
    }
    let count = units.len();
    for tx in units {
        tx.commit().await.unwrap();
    }
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), count);
}
