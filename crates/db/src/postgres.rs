//! PostgreSQL: two pools by role, one of the replica, and pipelined units of work. Single reads, batches and units
//! share one lease.

mod address;
mod bind;
mod bulk;
mod error;
mod group;
mod lease;
mod listen;
mod pool;
mod replica;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::connection::Outcome;
use crate::signal::Signals;
use crate::{
    DbConfig, DbError, Observer, PoolStats, PostgresConfig, Pressure, ReplicaStats, Row, Scope, Sql, Step,
    Tenant, Value,
};
use address::Address;
pub(crate) use address::{check, connect_login};
pub(crate) use error::classify;
use group::Groups;
use lease::Lease;
pub(crate) use pool::PLANS;
use pool::{Pool, Role};
use replica::Replica;

/// Shared reads that wait from which on batches of writes give way. Ten requests at a time never reach it.
const MANY_READS: usize = 16;

#[derive(Clone)]
pub(crate) struct Postgres {
    app: Pool,
    system: Pool,
    groups: Groups,
    pressure: Pressure,
    replica: Option<Replica>,
    background: Arc<Background>,
}

/// What runs besides the pools; it ends when the last clone is dropped.
struct Background {
    stop: watch::Sender<bool>,
    address: Address,
    listens: AtomicBool,
}

/// Closes connections that are not needed any more, until the database is closed.
async fn tidy(
    (app, system, replica): (Pool, Pool, Option<Replica>),
    idle_time: Duration,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            // An error means that nobody holds the database any more.
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(idle_time / 4) => {}
        }
        for pool in [&app, &system] {
            pool.tidy(idle_time);
        }
        if let Some(replica) = &replica {
            replica.tidy(idle_time);
        }
    }
}

impl Postgres {
    pub async fn open(
        target: &PostgresConfig,
        config: &DbConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, DbError> {
        let app = Pool::new(Role::App, &target.url, target, config, observer.clone())?;
        let system = Pool::new(Role::System, &target.url, target, config, observer.clone())?;
        drop(system.lease(&Scope::global()).await?);
        let (stop, stopped) = watch::channel(false);
        let replica = match &target.replica_url {
            Some(url) => Some(Replica::start(url, target, config, observer, stopped)?),
            None => None,
        };
        let kept = (app.clone(), system.clone(), replica.clone());
        tokio::spawn(tidy(kept, target.idle_time, stop.subscribe()));
        let background = Arc::new(Background {
            stop,
            address: Address::parse(target, &target.url)?,
            listens: AtomicBool::new(false),
        });
        let pressure = Pressure::from(MANY_READS);
        let groups = group::groups(&app, &pressure);
        Ok(Self {
            app,
            system,
            replica,
            groups,
            pressure,
            background,
        })
    }

    pub const fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Begins to hear the wake-ups of other processes. A second call changes nothing.
    pub fn listen(&self, signals: &Arc<Signals>) {
        if self.background.listens.swap(true, Ordering::AcqRel) {
            return;
        }
        let (address, stop) = (self.background.address.clone(), self.background.stop.subscribe());
        tokio::spawn(listen::run(address, signals.clone(), stop));
    }

    async fn lease(&self, scope: &Scope) -> Result<Lease, DbError> {
        match scope.tenant {
            Tenant::One(_) | Tenant::Many(_) => self.app.lease(scope).await,
            Tenant::None | Tenant::System => self.system.lease(scope).await,
        }
    }

    pub async fn begin(&self, scope: &Scope) -> Result<PostgresTx, DbError> {
        let lease = self.lease(scope).await?;
        Ok(PostgresTx {
            lease,
            replica: self.replica.clone().map(|replica| (replica, scope.clone())),
            begin: begin_text(scope, false),
            begun: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    pub async fn run(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        let groups = bulk::runs(&batch);
        let result = run(self.lease(scope).await?, scope, &batch, groups).await;
        if let Some(replica) = &self.replica {
            replica.wrote(scope);
        }
        result
    }

    /// Like [`run`](Self::run), in one transaction with the units that others hand in at the same time. A unit that
    /// cannot be done so is done by itself.
    pub async fn run_grouped(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        match scope.tenant {
            Tenant::One(_) | Tenant::Many(_) => {
                let result = self.groups.submit((scope.clone(), batch)).await?;
                if let Some(replica) = &self.replica {
                    replica.wrote(scope);
                }
                result
            }
            Tenant::None | Tenant::System => self.run(scope, batch).await,
        }
    }

    pub async fn read(
        &self,
        scope: &Scope,
        sql: &'static Sql,
        args: Vec<Value>,
        replica: bool,
    ) -> Result<Vec<Row>, DbError> {
        let step = [(sql, args)];
        if replica
            && let Some(replica) = &self.replica
            && let Some(result) = replica.read(scope, &step).await
        {
            return result;
        }
        read(self.lease(scope).await?, scope, &step).await
    }

    pub fn stats(&self) -> Vec<PoolStats> {
        let replica = self.replica.as_ref().map(Replica::pool_stats);
        [self.app.stats(), self.system.stats()]
            .into_iter()
            .chain(replica)
            .collect()
    }

    pub fn replica_stats(&self) -> Option<ReplicaStats> {
        self.replica.as_ref().map(Replica::stats)
    }

    pub fn close(&self) {
        self.app.close();
        self.system.close();
        if let Some(replica) = &self.replica {
            replica.close();
        }
        self.background.stop.send_replace(true);
    }
}

/// Runs the steps as one transaction.
async fn run(
    mut lease: Lease,
    scope: &Scope,
    steps: &[Step],
    groups: Vec<bulk::Members>,
) -> Result<Vec<Outcome>, DbError> {
    lease
        .pipeline(Some(&begin_text(scope, false)), steps, groups, true)
        .await
        .map_err(DbError::during_commit)
}

/// Runs one reading statement in a transaction of its own.
async fn read(mut lease: Lease, scope: &Scope, step: &[Step]) -> Result<Vec<Row>, DbError> {
    let outcomes = lease
        .pipeline(Some(&begin_text(scope, true)), step, vec![vec![0]], true)
        .await?;
    Ok(outcomes.into_iter().next().unwrap_or_default().rows)
}

/// A role's name as an identifier.
pub(crate) fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}

/// Opens the transaction and names its workspaces.
fn begin_text(scope: &Scope, read_only: bool) -> String {
    let begin = if read_only { "begin read only" } else { "begin" };
    match guard_text(scope) {
        Some(guard) => format!("{begin}; {guard}"),
        None => begin.to_owned(),
    }
}

/// Names the workspaces that the row guards let through until the transaction ends or names others. Ids are formatted
/// by `Uuid`, so nothing can be injected.
fn guard_text(scope: &Scope) -> Option<String> {
    let workspaces = match &scope.tenant {
        Tenant::One(id) => id.to_string(),
        Tenant::Many(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Tenant::None | Tenant::System => return None,
    };
    Some(format!("set local app.workspaces = '{{{workspaces}}}'"))
}

/// A unit of work; `begin` travels with its first statement.
pub(crate) struct PostgresTx {
    lease: Lease,
    /// Where to note that this scope wrote.
    replica: Option<(Replica, Scope)>,
    begin: String,
    begun: AtomicBool,
    over: AtomicBool,
}

impl PostgresTx {
    pub async fn steps(&self, steps: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        if self.over.load(Ordering::Acquire) {
            return Err(DbError::UnitOver);
        }
        let calls = self
            .lease
            .prepare(&steps, bulk::runs(&steps))
            .await
            .inspect_err(|_| self.end())?;
        let begin = (!self.begun.swap(true, Ordering::AcqRel)).then_some(self.begin.as_str());
        self.lease
            .send(begin, &steps, &calls, false)
            .await
            .inspect_err(|_| self.end())
    }

    fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub async fn commit(mut self) -> Result<(), DbError> {
        if self.over.load(Ordering::Acquire) {
            return Err(DbError::UnitOver);
        }
        if !self.begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let result = self.lease.end("commit").await.map_err(DbError::during_commit);
        self.wrote();
        result
    }

    /// The steps of several parts that do not need each other, `lengths` of each, and `commit`.
    pub async fn commit_with(mut self, steps: Vec<Step>, lengths: &[usize]) -> Result<Vec<Outcome>, DbError> {
        if self.over.load(Ordering::Acquire) {
            return Err(DbError::UnitOver);
        }
        let groups = bulk::merged(&steps, 0, lengths);
        let calls = self.lease.prepare(&steps, groups).await?;
        let begin = (!self.begun.load(Ordering::Acquire)).then_some(self.begin.as_str());
        let sent = self.lease.carry_out(begin, &steps, &calls, true).await;
        self.wrote();
        sent.map_err(DbError::during_commit)
    }

    fn wrote(&self) {
        if let Some((replica, scope)) = &self.replica {
            replica.wrote(scope);
        }
    }

    pub async fn rollback(mut self) {
        if self.begun.load(Ordering::Acquire) {
            // If it fails the lease is still open, and dropping it cleans up.
            let _ = self.lease.end("rollback").await;
        }
    }
}
