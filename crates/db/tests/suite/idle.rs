//! Connections that have no work are closed, but for those that are to be kept; with work they come back.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, Engine, NoObserver, Target, args};

use crate::{LIST_THINGS, database, workspace};

const DEADLINE: Duration = Duration::from_secs(20);

fn size(db: &Db, pool: &str) -> usize {
    let stats = db.stats();
    stats.iter().find(|stats| stats.pool == pool).unwrap().size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_work_are_closed_down_to_those_kept() {
    let place = database(Engine::Postgres).await;
    let mut config = place.config.clone();
    if let Target::Postgres(target) = &mut config.target {
        (target.idle, target.idle_time) = ([1, 1, 0], Duration::from_millis(400));
    }
    let db = Db::open(config, Arc::new(NoObserver)).await.unwrap();
    let (id, scope) = workspace(1);
    let mut units = Vec::new();
    for _ in 0..6 {
        units.push(db.begin(&scope).await.unwrap());
    }
    assert_eq!(size(&db, "app"), 6);
    let held = units.pop().unwrap();
    for unit in units.drain(..) {
        unit.rollback().await;
    }
    let closed = async {
        while size(&db, "app") > 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, closed)
        .await
        .expect("closed in time");
    // The ones that are kept outlive several looks.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(
        (size(&db, "app"), size(&db, "system")),
        (2, 1),
        "one kept, one at work"
    );
    held.rollback().await;
    for _ in 0..4 {
        units.push(db.begin(&scope).await.unwrap());
    }
    assert_eq!(size(&db, "app"), 4, "they come back with work");
    assert_eq!(db.all(&scope, LIST_THINGS, args![id]).await.unwrap().len(), 0);
    drop(units);
}
