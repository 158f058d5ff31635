//! Wake-ups: heard after the commit, by every process, also after the connection that carries them was lost.

use std::time::Duration;

use db::{Db, Engine, Listener, Scope, args, wake};
use test_support::TestDb;

use crate::{COUNT_JOBS, INSERT_JOB, both_engines, database};

const DEADLINE: Duration = Duration::from_secs(20);
const TOPIC: &str = "test";
/// The connections that hear wake-ups, seen from the login user's own session.
const LISTENING: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and application_name = 'farmgate listener' and query like 'listen%' and state = 'idle'";
const END: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = 'farmgate listener'";

both_engines!(a_commit_wakes_those_who_listen);

async fn woken(listener: &mut Listener) {
    tokio::time::timeout(DEADLINE, listener.woken())
        .await
        .expect("woken in time");
}

async fn jobs(db: &Db) -> i64 {
    let row = db.one(&Scope::system(), COUNT_JOBS, args![]).await.unwrap();
    row.get("n").unwrap()
}

/// Waits until so many processes listen.
async fn listening(place: &TestDb, processes: &str) {
    let all = async {
        while place.as_login(LISTENING) != processes {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, all)
        .await
        .expect("listening in time");
}

async fn a_commit_wakes_those_who_listen(engine: Engine) {
    let place = database(engine).await;
    let db = place.open().await;
    // Several processes share a PostgreSQL; a SQLite file has one.
    let other = match engine {
        Engine::Postgres => place.open().await,
        Engine::Sqlite => db.clone(),
    };
    let (mut here, mut there) = (db.listen(TOPIC), other.listen(TOPIC));
    let mut elsewhere = other.listen("another topic");
    if engine == Engine::Postgres {
        listening(&place, "2").await;
        // Whoever begins to listen looks once.
        for listener in [&mut here, &mut there, &mut elsewhere] {
            woken(listener).await;
        }
    }
    let scope = Scope::system();
    db.run(&scope, vec![(INSERT_JOB, args![1_i64]), wake(TOPIC)])
        .await
        .unwrap();
    woken(&mut here).await;
    woken(&mut there).await;
    assert_eq!(jobs(&other).await, 1, "woken after the commit");
    let tx = db.begin(&scope).await.unwrap();
    tx.pipeline(vec![(INSERT_JOB, args![2_i64]), wake(TOPIC)])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    woken(&mut there).await;
    assert_eq!(jobs(&other).await, 2);
    let silent = tokio::time::timeout(Duration::from_millis(50), elsewhere.woken()).await;
    assert!(silent.is_err(), "another topic is not woken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_made_again_and_wakes_everybody() {
    let place = database(Engine::Postgres).await;
    let db = place.open().await;
    let mut listener = db.listen(TOPIC);
    listening(&place, "1").await;
    woken(&mut listener).await;
    assert_eq!(place.as_login(END), "1");
    woken(&mut listener).await;
    listening(&place, "1").await;
    db.run(&Scope::system(), vec![wake(TOPIC)]).await.unwrap();
    woken(&mut listener).await;
    db.close().await;
    listening(&place, "0").await;
}
