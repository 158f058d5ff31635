//! Migrations: applied once, by one at a time, and never another than the one that was released.

use db::migrate::{Migration, check, down, status, up};
use db::{Engine, Micros};
use test_support::empty;

use crate::{MIGRATIONS, both_engines};

both_engines!(
    a_database_goes_up_and_down,
    a_changed_migration_is_refused,
    a_failing_migration_changes_nothing,
    those_who_start_together_apply_each_once,
);

async fn a_database_goes_up_and_down(engine: Engine) {
    let place = empty(engine);
    assert!(
        status(&place.config, MIGRATIONS).await.unwrap()[0]
            .applied_at
            .is_none()
    );
    assert!(check(&place.config, MIGRATIONS).await.is_err());
    assert_eq!(up(&place.config, MIGRATIONS, Micros(5)).await.unwrap(), [1]);
    assert_eq!(
        up(&place.config, MIGRATIONS, Micros(6)).await.unwrap(),
        [0_i64; 0]
    );
    assert_eq!(
        status(&place.config, MIGRATIONS).await.unwrap()[0].applied_at,
        Some(Micros(5))
    );
    check(&place.config, MIGRATIONS).await.unwrap();
    assert_eq!(down(&place.config, MIGRATIONS, 0).await.unwrap(), [1]);
    assert!(check(&place.config, MIGRATIONS).await.is_err());
    assert_eq!(up(&place.config, MIGRATIONS, Micros(7)).await.unwrap(), [1]);
}

async fn a_changed_migration_is_refused(engine: Engine) {
    let place = empty(engine);
    up(&place.config, MIGRATIONS, Micros(0)).await.unwrap();
    let changed = [Migration {
        down: "select 1;",
        ..MIGRATIONS[0]
    }];
    for error in [
        up(&place.config, &changed, Micros(0)).await.unwrap_err(),
        check(&place.config, &changed).await.unwrap_err(),
        check(&place.config, &[]).await.unwrap_err(),
    ] {
        let reason = error.to_string();
        assert!(reason.contains('1'), "{reason}");
    }
}

async fn a_failing_migration_changes_nothing(engine: Engine) {
    let place = empty(engine);
    let bad = Migration {
        version: 2,
        name: "bad",
        up: "create table half (id {bigint} primary key); create table things (id {bigint});",
        down: "",
    };
    assert!(up(&place.config, &[MIGRATIONS[0], bad], Micros(0)).await.is_err());
    let applied: Vec<bool> = status(&place.config, &[MIGRATIONS[0], bad])
        .await
        .unwrap()
        .iter()
        .map(|s| s.applied_at.is_some())
        .collect();
    assert_eq!(applied, [true, false]);
    let good = Migration {
        up: "create table half (id {bigint} primary key);",
        ..bad
    };
    assert_eq!(
        up(&place.config, &[MIGRATIONS[0], good], Micros(0))
            .await
            .unwrap(),
        [2]
    );
}

async fn those_who_start_together_apply_each_once(engine: Engine) {
    let place = empty(engine);
    let starts = (0..6).map(|_| {
        let config = place.config.clone();
        tokio::spawn(async move { up(&config, MIGRATIONS, Micros(0)).await.unwrap().len() })
    });
    let mut applied = 0;
    for start in starts.collect::<Vec<_>>() {
        applied += start.await.unwrap();
    }
    assert_eq!(applied, 1);
}
