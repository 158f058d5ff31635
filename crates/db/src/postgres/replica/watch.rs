//! Comparing the replica with the primary, for as long as the database is open.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch as cell;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::Inner;
use crate::DbError;
use crate::postgres::address::Address;
use crate::postgres::error::classify;

/// Longest time a server may take to answer the watch.
const ANSWER: Duration = Duration::from_secs(1);
/// Time between two rounds while nobody writes.
const IDLE: Duration = Duration::from_secs(1);
/// Time between two rounds while somebody does.
const BUSY: Duration = Duration::from_millis(50);
/// Time between two looks at a replica that is behind.
const LOOK: Duration = Duration::from_millis(10);
/// A replica that is so far behind is left alone until it has caught up.
const LONGEST_LAG: Duration = Duration::from_secs(10);

/// How far the log is durable, which is how far acknowledged commits reach. Nothing where they are acknowledged
/// before: then nobody can tell what the replica must have replayed.
const WRITTEN: &str = "select case when current_setting('synchronous_commit') <> 'off'
    then (pg_current_wal_flush_lsn() - '0/0')::bigint end";
/// How far the replica is. Nothing if it is none, or was promoted.
const REPLAYED: &str =
    "select case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0')::bigint end";
const IDENTITY: &str = "select system_identifier from pg_control_system()";

/// The two servers, each with a connection for the watch while there is one.
pub(super) struct Servers {
    primary: Server,
    replica: Server,
}

struct Server {
    address: Address,
    client: Option<Client>,
}

impl Servers {
    pub fn new(primary: Address, replica: Address) -> Self {
        let server = |address| Server {
            address,
            client: None,
        };
        Self {
            primary: server(primary),
            replica: server(replica),
        }
    }
}

impl Server {
    /// Asks for a number, connecting first if need be. A connection that fails is given up.
    async fn ask(&mut self, question: &'static str) -> Result<Option<i64>, DbError> {
        let asked = tokio::time::timeout(ANSWER, async {
            let client = match self.client.take() {
                Some(client) => client,
                None => self.address.connect().await?,
            };
            let row = client
                .query_one(question, &[])
                .await
                .map_err(|e| classify("db.replica", e))?;
            self.client = Some(client);
            Ok(row.get(0))
        });
        asked.await.unwrap_or(Err(DbError::Timeout))
    }
}

/// Runs round after round until the database is closed.
pub(super) async fn run(inner: Arc<Inner>, mut servers: Servers, mut stop: cell::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            ended = round(&inner, &mut servers) => note(&inner, &ended),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = pause(&inner) => {}
        }
    }
}

async fn pause(inner: &Inner) {
    tokio::select! {
        () = tokio::time::sleep(IDLE) => {}
        () = inner.rounds.news.notified() => tokio::time::sleep(BUSY).await,
    }
}

fn note(inner: &Inner, ended: &Result<(), DbError>) {
    let was = inner.usable.send_replace(ended.is_ok());
    match ended {
        Ok(()) if !was => tracing::info!("the replica has caught up and serves reads"),
        Err(error) if was => {
            let chain = error.chain();
            tracing::warn!(chain, "the replica is lost; the primary serves its reads");
        }
        _ => {}
    }
}

/// One round. An error means that the replica must not be used.
async fn round(inner: &Inner, servers: &mut Servers) -> Result<(), DbError> {
    let ends = inner.rounds.turn();
    let is_new = servers.replica.client.is_none();
    let mut replayed = servers.replica.ask(REPLAYED).await?;
    let Ok(written) = servers.primary.ask(WRITTEN).await else {
        // Without the primary nobody writes either: what has been replayed may still be read.
        return if *inner.usable.borrow() {
            Ok(())
        } else {
            refused("there is no primary to compare it with")
        };
    };
    if is_new && servers.primary.ask(IDENTITY).await? != servers.replica.ask(IDENTITY).await? {
        servers.replica.client = None;
        return refused("the server is not a replica of the primary");
    }
    let Some(written) = written else {
        return refused("with synchronous_commit off it cannot be told what it must have replayed");
    };
    let begun = Instant::now();
    loop {
        let Some(seen) = replayed else {
            servers.replica.client = None;
            return refused("the server is no replica");
        };
        let behind = u64::try_from(written - seen).unwrap_or(0);
        inner.lag.store(behind, Ordering::Relaxed);
        if behind == 0 {
            inner.rounds.finish(ends);
            return Ok(());
        }
        if begun.elapsed() > LONGEST_LAG {
            return refused("it is too far behind");
        }
        tokio::time::sleep(LOOK).await;
        replayed = servers.replica.ask(REPLAYED).await?;
    }
}

fn refused(reason: &'static str) -> Result<(), DbError> {
    Err(DbError::unavailable(reason))
}
