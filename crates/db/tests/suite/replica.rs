//! Reads from a real streaming replica: never a caller's past before its own writes, and the primary when it is lost.

use std::sync::Arc;
use std::time::Duration;

use db::migrate::up;
use db::{Db, DbConfig, Micros, NoObserver, Read as _, ReplicaStats, Scope, Target, args};
use test_support::{Cluster, Settings};
use uuid::Uuid;

use crate::{INSERT_THING, LIST_THINGS, MIGRATIONS, workspace};

const DEADLINE: Duration = Duration::from_secs(60);

/// The tests' login owns the database, as in production.
const NEW: &str = "create database shop owner farmgate";

struct Pair {
    primary: Cluster,
    replica: Option<Cluster>,
    db: Db,
}

impl Pair {
    async fn start(with: Settings) -> Self {
        let primary = Cluster::start(with);
        primary.run("postgres", NEW);
        let replica = primary.replica();
        let mut config = DbConfig::postgres(primary.url("shop"));
        up(&config, MIGRATIONS, Micros(0)).await.unwrap();
        if let Target::Postgres(target) = &mut config.target {
            target.replica_url = Some(replica.url("shop"));
        }
        let db = Db::open(config, Arc::new(NoObserver)).await.unwrap();
        Self {
            primary,
            replica: Some(replica),
            db,
        }
    }

    fn stats(&self) -> ReplicaStats {
        self.db.replica_stats().unwrap()
    }

    async fn until(&self, what: &str, condition: impl Fn(ReplicaStats) -> bool) {
        let reached = async {
            while !condition(self.stats()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.stats());
    }

    /// Reads where a replica may answer; says how many rows there were and whether it did.
    async fn read(&self, n: u128) -> (usize, bool) {
        let (id, scope) = workspace(n);
        let before = self.stats().reads;
        let rows = self.count(&scope, id).await;
        (rows, self.stats().reads > before)
    }

    /// How many rows of a workspace a caller sees where a replica may answer.
    async fn count(&self, scope: &Scope, id: Uuid) -> usize {
        let db = self.db.scoped_replica(scope);
        db.all(LIST_THINGS, args![id]).await.unwrap().len()
    }

    /// Waits until the replica answers this caller.
    async fn until_served(&self, n: u128) {
        let served = async {
            while !self.read(n).await.1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, served)
            .await
            .expect("the replica serves the writer again");
    }

    async fn write(&self, n: u128, number: i64) {
        let (id, scope) = workspace(n);
        let args = args![id, number, format!("code {number}")];
        self.db.execute(&scope, INSERT_THING, args).await.unwrap();
    }

    /// Stops or resumes the replica's replay; what it has received waits.
    fn replay(&self, resume: bool) {
        let what = if resume { "resume" } else { "pause" };
        let replica = self.replica.as_ref().unwrap();
        replica.run("postgres", &format!("select pg_wal_replay_{what}()"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_wrote_reads_its_own_writes() {
    let pair = Pair::start(Settings::Durable).await;
    pair.until("the replica is used", |stats| stats.usable).await;
    assert_eq!(
        pair.read(1).await,
        (0, true),
        "who has not written reads the replica"
    );
    pair.replay(false);
    pair.write(1, 1).await;
    assert_eq!(pair.read(1).await, (1, false), "who wrote reads the primary");
    assert_eq!(pair.read(2).await, (0, true), "others go on reading the replica");
    let (id, _) = workspace(1);
    let both = Scope::new(db::Tenant::Many([workspace(2).0, id].into()));
    let rows = pair.count(&both, id).await;
    assert_eq!(rows, 1, "who acts for several reads the writes of each");
    let (id, scope) = workspace(3);
    let tx = pair.db.begin(&scope).await.unwrap();
    tx.execute(INSERT_THING, args![id, 7_i64, "c"]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(pair.read(3).await, (1, false), "a unit of work is a write too");
    pair.until("the lag is seen", |stats| stats.lag_bytes > 0).await;
    pair.replay(true);
    pair.until_served(1).await;
    assert_eq!(pair.read(1).await, (1, true), "and shows what was written");
    for number in 100..150 {
        pair.write(4, number).await;
        assert_eq!(
            pair.read(4).await.0,
            (number - 99) as usize,
            "at no moment a past"
        );
    }
    let pools: Vec<&str> = pair.db.stats().iter().map(|stats| stats.pool).collect();
    assert_eq!(pools, ["app", "system", "replica"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_replica_costs_nothing_but_its_reads() {
    let mut pair = Pair::start(Settings::Durable).await;
    pair.until("the replica is used", |stats| stats.usable).await;
    pair.write(1, 1).await;
    assert_eq!(pair.read(2).await, (0, true));
    drop(pair.replica.take());
    // Asked at once, before the watch has noticed: the read itself finds out.
    assert_eq!(pair.read(2).await, (0, false));
    pair.until("the loss is noticed", |stats| !stats.usable).await;
    assert_eq!(pair.read(1).await, (1, false));
    assert!(pair.stats().passed_on >= 2);
}

db::statements! {
    /// Says who answers; a replica takes its time.
    WHO_ANSWERS = "test.who_answers",
        "select pg_is_in_recovery() as replica,
                case when pg_is_in_recovery() then cast(pg_sleep(60) as text) end as slept";
}

/// Ends the reads that sleep, on the server itself, as soon as there is one.
const END_SLEEPERS: &str = "do $$ begin
    loop
        perform pg_terminate_backend(pid) from pg_stat_activity
          where wait_event = 'PgSleep' and query like '%slept%' and pid <> pg_backend_pid();
        exit when found;
        perform pg_sleep(0.005);
        perform pg_stat_clear_snapshot();
    end loop;
end $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_the_replica_breaks_off_goes_to_the_primary() {
    let pair = Pair::start(Settings::Durable).await;
    pair.until("the replica is used", |stats| stats.usable).await;
    let before = pair.stats();
    let (db, scope) = (pair.db.clone(), workspace(1).1);
    let reading = tokio::spawn(async move { db.scoped_replica(&scope).one(WHO_ANSWERS, args![]).await });
    let replica = pair.replica.as_ref().unwrap();
    replica.run("shop", END_SLEEPERS);
    let answer = reading.await.unwrap().expect("the primary answers");
    assert!(!answer.get::<bool>("replica").unwrap());
    let after = pair.stats();
    assert!(after.usable, "one connection is gone, the replica is not");
    assert_eq!(
        (after.reads, after.passed_on),
        (before.reads, before.passed_on + 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_compared_is_not_used() {
    let other = Cluster::start(Settings::Fast);
    other.run("postgres", NEW);
    let pair = Pair::start(Settings::Fast).await;
    // Commits are acknowledged before they are in the log.
    assert!(!pair.stats().usable);
    let mut config = DbConfig::postgres(pair.primary.url("shop"));
    if let Target::Postgres(target) = &mut config.target {
        target.replica_url = Some(other.url("shop"));
    }
    let db = Db::open(config, Arc::new(NoObserver)).await.unwrap();
    for _ in 0..20 {
        let (id, scope) = workspace(1);
        let rows = db
            .scoped_replica(&scope)
            .all(LIST_THINGS, args![id])
            .await
            .unwrap();
        assert!(rows.is_empty(), "the other server has no such table");
        assert!(!db.replica_stats().unwrap().usable && !pair.stats().usable);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
