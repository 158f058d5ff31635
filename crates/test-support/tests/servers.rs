//! The servers start, give each test a database of its own, and go away.

use std::path::Path;
use std::sync::Arc;

use db::migrate::Migration;
use db::{Db, DbConfig, Engine, Micros, NoObserver, Scope, args};
use test_support::{Cluster, Settings, migrated, redis};

db::statements! {
    INSERT = "test.insert", "insert into here (id) values ($1)";
    LIST = "test.list", "select id from here";
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "here",
    up: "create table here (id {bigint} primary key);
-- only: postgres
grant select, insert on here to {system_role};
-- end",
    down: "drop table here;",
}];

#[test]
fn a_cluster_leaves_nothing_behind() {
    let cluster = Cluster::start(Settings::Fast);
    let url = cluster.url("postgres");
    let folder = url.split(['@', '/']).nth(3).unwrap().replace("%2F", "/");
    assert!(Path::new(&folder).exists(), "{folder}");
    drop(cluster);
    assert!(!Path::new(&folder).exists(), "{folder}");
}

#[tokio::test]
async fn a_killed_cluster_comes_back_with_what_was_committed() {
    let mut cluster = Cluster::start(Settings::Durable);
    let config = DbConfig::postgres(cluster.create_database("killed"));
    db::migrate::up(&config, MIGRATIONS, Micros(0)).await.unwrap();
    let opened = Db::open(config.clone(), Arc::new(NoObserver)).await.unwrap();
    opened
        .execute(&Scope::system(), INSERT, args![7_i64])
        .await
        .unwrap();
    cluster.kill();
    assert!(
        opened.all(&Scope::system(), LIST, args![]).await.is_err(),
        "nobody answers"
    );
    cluster.restart();
    let again = Db::open(config, Arc::new(NoObserver)).await.unwrap();
    assert_eq!(again.all(&Scope::system(), LIST, args![]).await.unwrap().len(), 1);
}

#[test]
fn each_test_gets_a_redis_database_of_its_own() {
    let (one, other) = (redis(), redis());
    assert_ne!(one.url, other.url);
}

#[tokio::test]
async fn each_test_gets_a_database_of_its_own() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (one, other) = (
            migrated(engine, MIGRATIONS).await,
            migrated(engine, MIGRATIONS).await,
        );
        let (one, other) = (one.open().await, other.open().await);
        one.execute(&Scope::system(), INSERT, args![7_i64]).await.unwrap();
        assert_eq!(one.all(&Scope::system(), LIST, args![]).await.unwrap().len(), 1);
        assert!(
            other
                .all(&Scope::system(), LIST, args![])
                .await
                .unwrap()
                .is_empty(),
            "{engine:?}"
        );
    }
}
