//! Work that is done together: each caller gets its own result, and nobody another's trouble.

use std::sync::Arc;

use db::{DbError, Engine, Gather, JsonText, Micros, Scope, args};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{INSERT_THING, LIST_THINGS, both_engines, database, workspace};

db::statements! {
    INSERT_KIND = "kinds.insert", "
        insert into kinds (id, flag, whole, small, fraction, name, raw, uid, doc, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    KINDS = "kinds.list", "select id, flag, whole, small, fraction, name, raw, uid, doc, at from kinds order by id";
}

both_engines!(
    many_rows_arrive_as_given,
    parts_of_the_same_shape_keep_their_rows_apart,
    a_commit_with_a_step_that_fails_changes_nothing,
    units_in_a_group_fail_alone,
    a_group_reaches_only_its_own_workspaces,
);

/// A row with a value in each column.
fn full(id: i64) -> Vec<db::Value> {
    args![
        id,
        id % 2 == 0,
        -id,
        i32::try_from(id).unwrap(),
        0.5,
        format!("name {id} 'quoted', {{braces}}"),
        vec![0_u8, u8::try_from(id).unwrap()],
        Uuid::from_u128(id.unsigned_abs().into()),
        JsonText(format!(r#"{{"id":{id}}}"#)),
        Micros(1_700_000_000_000_000 + id),
    ]
}

/// A row with its key alone.
fn empty(id: i64) -> Vec<db::Value> {
    let mut row = vec![db::Value::Null; 10];
    row[0] = id.into();
    row
}

async fn many_rows_arrive_as_given(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    let steps = (0..9).map(|id| (INSERT_KIND, if id % 3 == 2 { empty(id) } else { full(id) }));
    assert_eq!(db.run(&scope, steps.collect()).await.unwrap(), [1; 9]);
    let rows = db.all(&scope, KINDS, args![]).await.unwrap();
    assert_eq!(rows.len(), 9);
    for (id, row) in (0..9).zip(&rows) {
        assert_eq!(row.get::<i64>("id").unwrap(), id);
        let (name, raw) = (
            row.get::<Option<String>>("name").unwrap(),
            row.get::<Option<Vec<u8>>>("raw").unwrap(),
        );
        if id % 3 == 2 {
            assert_eq!((name, raw), (None, None));
            continue;
        }
        assert_eq!(row.get::<Option<bool>>("flag").unwrap(), Some(id % 2 == 0));
        assert_eq!(row.get::<Option<i64>>("whole").unwrap(), Some(-id));
        assert_eq!(row.get::<Option<f64>>("fraction").unwrap(), Some(0.5));
        assert_eq!(name, Some(format!("name {id} 'quoted', {{braces}}")));
        assert_eq!(raw, Some(vec![0, u8::try_from(id).unwrap()]));
        assert_eq!(
            row.get::<Uuid>("uid").unwrap(),
            Uuid::from_u128(id.unsigned_abs().into())
        );
        assert_eq!(
            row.get::<Micros>("at").unwrap(),
            Micros(1_700_000_000_000_000 + id)
        );
    }
}

async fn parts_of_the_same_shape_keep_their_rows_apart(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    let part = |n: i64| {
        vec![
            (INSERT_THING, args![id, n, format!("a{n}")]),
            (INSERT_THING, args![id, n + 100, format!("b{n}")]),
        ]
    };
    let tx = db.begin(&scope).await.unwrap();
    tx.commit_with((1..=5).map(part).collect()).await.unwrap();
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 10);
}

async fn a_commit_with_a_step_that_fails_changes_nothing(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    let insert = |n: i64| (INSERT_THING, args![id, n, format!("a{n}")]);
    db.run(&scope, vec![insert(1)]).await.unwrap();
    let tx = db.begin(&scope).await.unwrap();
    tx.pipeline(vec![insert(2)]).await.unwrap();
    let parts = vec![vec![insert(3)], vec![insert(1)], vec![insert(4)]];
    let error = tx.commit_with(parts).await.unwrap_err();
    assert!(matches!(error, DbError::Unique { .. }), "{error:?}");
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 1);

    let tx = db.begin(&scope).await.unwrap();
    tx.pipeline(vec![insert(1)]).await.unwrap_err();
    let error = tx.commit_with(vec![vec![insert(5)]]).await.unwrap_err();
    assert!(matches!(error, DbError::UnitOver), "{error:?}");
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 1);
}

async fn units_in_a_group_fail_alone(engine: Engine) {
    let place = database(engine).await;
    let (db, (id, scope)) = (place.open().await, workspace(1));
    db.run(&scope, vec![(INSERT_THING, args![id, 7_i64, "taken"])])
        .await
        .unwrap();
    let units = (0..40_i64).map(|n| {
        let (db, scope) = (db.clone(), scope.clone());
        let steps = vec![
            (INSERT_THING, args![id, 1_000 + n, format!("first {n}")]),
            // One in ten wants what is taken.
            (
                INSERT_THING,
                args![id, if n % 10 == 3 { 7 } else { 2_000 + n }, format!("second {n}")],
            ),
        ];
        tokio::spawn(async move { db.run_grouped(&scope, steps).await })
    });
    for (n, unit) in units.collect::<Vec<_>>().into_iter().enumerate() {
        match unit.await.unwrap() {
            Ok(affected) => {
                assert_eq!(affected, [1, 1]);
                assert_ne!(n % 10, 3);
            }
            Err(error) => {
                assert!(error.is_unique("things_pkey"), "{error:?}");
                assert_eq!(n % 10, 3);
            }
        }
    }
    let rows = db.all(&scope, LIST_THINGS, args![id]).await.unwrap();
    assert_eq!(rows.len(), 1 + 36 * 2, "a unit was done by half");
}

async fn a_group_reaches_only_its_own_workspaces(engine: Engine) {
    if engine == Engine::Sqlite {
        return; // Row guards are PostgreSQL's.
    }
    let place = database(engine).await;
    let db = place.open().await;
    let ((one, first), (two, second)) = (workspace(1), workspace(2));
    let unit = |scope: &Scope, id: Uuid, n: i64| {
        let (db, scope) = (db.clone(), scope.clone());
        tokio::spawn(async move {
            db.run_grouped(&scope, vec![(INSERT_THING, args![id, n, format!("code {n}")])])
                .await
        })
    };
    for round in 0..20 {
        let (a, b) = (unit(&first, one, round), unit(&second, two, round));
        // The second workspace's row under the first one's guard, beside a unit that may touch it.
        let trespass = unit(&first, two, 100 + round);
        assert_eq!(a.await.unwrap().unwrap(), [1]);
        assert_eq!(b.await.unwrap().unwrap(), [1]);
        assert!(matches!(trespass.await.unwrap(), Err(DbError::Denied { .. })));
    }
    assert_eq!(db.all(&second, LIST_THINGS, args![two]).await.unwrap().len(), 20);
}

#[tokio::test]
async fn jobs_that_wait_are_worked_on_together_and_in_order() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let gather = Gather::new(1, 3, move |jobs: Vec<u32>| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            let size = jobs.len();
            jobs.into_iter().map(|job| (job, size)).collect()
        }
    });
    let mut tasks = Vec::new();
    for job in 0..5_u32 {
        let gather = gather.clone();
        tasks.push(tokio::spawn(async move { gather.submit(job).await }));
        // Each takes its place before the next comes, and the first one's batch is under way.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    // A caller that leaves before its batch begins takes its job away.
    let leaving = tokio::spawn({
        let gather = gather.clone();
        async move { gather.submit(99).await }
    });
    tokio::task::yield_now().await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    gate.add_permits(10);
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap().unwrap());
    }
    assert_eq!(results, [(0, 1), (1, 3), (2, 3), (3, 3), (4, 1)]);
}

#[tokio::test]
async fn a_batch_that_panics_leaves_its_callers_unsure_and_the_next_ones_served() {
    let gather = Gather::new(1, 8, |jobs: Vec<bool>| async move {
        assert!(!jobs.contains(&true), "planted");
        jobs
    });
    assert!(matches!(gather.submit(true).await, Err(DbError::Unconfirmed)));
    assert!(!gather.submit(false).await.unwrap());
}

#[tokio::test]
async fn more_jobs_than_may_wait_are_turned_away() {
    let gather = Gather::new(1, 1, |jobs: Vec<u8>| async move {
        std::future::pending::<()>().await;
        jobs
    });
    let submit = |job| {
        let gather = gather.clone();
        tokio::spawn(async move { gather.submit(job).await })
    };
    let settle = async || {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    };
    let mut waiting = vec![submit(0)];
    settle().await;
    waiting.extend((1..80).map(submit));
    settle().await;
    let refused = waiting
        .extract_if(.., |task| task.is_finished())
        .collect::<Vec<_>>();
    // 64 wait and one is worked on.
    assert_eq!(refused.len(), 80 - 65);
    for task in refused {
        assert!(matches!(task.await.unwrap(), Err(DbError::Unavailable { .. })));
    }
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
