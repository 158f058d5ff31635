//! PostgreSQL: two pools by role, one of the replica, and pipelined units of work. Single reads, batches and units
//! share one lease.

mod bind;
mod error;
mod lease;
mod listen;
mod pool;
mod replica;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::connection::Outcome;
use crate::signal::Signals;
use crate::{
    DbConfig, DbError, Observer, PoolStats, PostgresConfig, ReplicaStats, Row, Scope, Sql, Step, Tenant,
    Value,
};
pub(crate) use error::classify;
use lease::Lease;
pub(crate) use pool::connect_login;
use pool::{Pool, Role};
use replica::Replica;

#[derive(Clone)]
pub(crate) struct Postgres {
    app: Pool,
    system: Pool,
    replica: Option<Replica>,
    background: Arc<Background>,
}

/// What runs besides the pools; it ends when the last clone is dropped.
struct Background {
    stop: watch::Sender<bool>,
    target: PostgresConfig,
    listens: AtomicBool,
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
        let background = Arc::new(Background {
            stop,
            target: target.clone(),
            listens: AtomicBool::new(false),
        });
        Ok(Self {
            app,
            system,
            replica,
            background,
        })
    }

    /// Begins to hear the wake-ups of other processes. A second call changes nothing.
    pub fn listen(&self, signals: &Arc<Signals>) {
        if self.background.listens.swap(true, Ordering::AcqRel) {
            return;
        }
        let (target, stop) = (self.background.target.clone(), self.background.stop.subscribe());
        tokio::spawn(listen::run(target, signals.clone(), stop));
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
        let mut lease = self.lease(scope).await?;
        let result = lease
            .pipeline(Some(&begin_text(scope, false)), &batch, true)
            .await
            .map_err(DbError::during_commit);
        if let Some(replica) = &self.replica {
            replica.wrote(scope);
        }
        result
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

/// Runs one reading statement in a transaction of its own.
async fn read(mut lease: Lease, scope: &Scope, step: &[Step]) -> Result<Vec<Row>, DbError> {
    let outcomes = lease.pipeline(Some(&begin_text(scope, true)), step, true).await?;
    Ok(outcomes.into_iter().next().unwrap_or_default().rows)
}

/// Opens the transaction and names its workspaces. Ids are formatted by `Uuid`, so nothing can be injected.
fn begin_text(scope: &Scope, read_only: bool) -> String {
    let begin = if read_only { "begin read only" } else { "begin" };
    let workspaces = match &scope.tenant {
        Tenant::One(id) => id.to_string(),
        Tenant::Many(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Tenant::None | Tenant::System => return begin.to_owned(),
    };
    format!("{begin}; set local app.workspaces = '{{{workspaces}}}'")
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
        let statements = self.lease.prepare(&steps).await.inspect_err(|_| self.end())?;
        let begin = (!self.begun.swap(true, Ordering::AcqRel)).then_some(self.begin.as_str());
        self.lease
            .send(begin, &steps, &statements, false)
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
        if let Some((replica, scope)) = &self.replica {
            replica.wrote(scope);
        }
        result
    }

    pub async fn rollback(mut self) {
        if self.begun.load(Ordering::Acquire) {
            // If it fails the lease is still open, and dropping it cleans up.
            let _ = self.lease.end("rollback").await;
        }
    }
}
