//! PostgreSQL: two pools by role and pipelined units of work. Single reads, batches and units share one lease.

mod bind;
mod bulk;
mod error;
mod group;
mod lease;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::connection::Outcome;
use crate::{DbConfig, DbError, Observer, PoolStats, PostgresConfig, Row, Scope, Sql, Step, Tenant, Value};
pub(crate) use error::classify;
use group::Groups;
use lease::Lease;
pub(crate) use pool::connect_login;
use pool::{Pool, Role};

#[derive(Clone)]
pub(crate) struct Postgres {
    app: Pool,
    system: Pool,
    groups: Groups,
}

impl Postgres {
    pub async fn open(
        target: &PostgresConfig,
        config: &DbConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, DbError> {
        if target.replica_url.is_some() {
            return Err(DbError::other(
                "db.open",
                "reading from a replica is not supported yet: unset the replica's address",
            ));
        }
        let app = Pool::new(Role::App, target, config, observer.clone())?;
        let system = Pool::new(Role::System, target, config, observer)?;
        drop(system.lease(&Scope::global()).await?);
        let groups = group::groups(&app);
        Ok(Self { app, system, groups })
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
            begin: begin_text(scope, false),
            begun: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    pub async fn run(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        let groups = bulk::runs(&batch);
        run(self.lease(scope).await?, scope, &batch, groups).await
    }

    /// Like [`run`](Self::run), in one transaction with the units that others hand in at the same time. A unit that
    /// cannot be done so is done by itself.
    pub async fn run_grouped(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        match scope.tenant {
            Tenant::One(_) | Tenant::Many(_) => self.groups.submit((scope.clone(), batch)).await?,
            Tenant::None | Tenant::System => self.run(scope, batch).await,
        }
    }

    /// There is no replica yet; the primary answers everything.
    pub async fn read(
        &self,
        scope: &Scope,
        sql: &'static Sql,
        args: Vec<Value>,
        _replica: bool,
    ) -> Result<Vec<Row>, DbError> {
        let mut lease = self.lease(scope).await?;
        let outcomes = lease
            .pipeline(
                Some(&begin_text(scope, true)),
                &[(sql, args)],
                vec![vec![0]],
                true,
            )
            .await?;
        Ok(outcomes.into_iter().next().unwrap_or_default().rows)
    }

    pub fn stats(&self) -> PoolStats {
        let (app, system) = (self.app.stats(), self.system.stats());
        PoolStats {
            size: app.size + system.size,
            active: app.active + system.active,
            idle: app.idle + system.idle,
            waits: app.waits + system.waits,
            wait_time: app.wait_time + system.wait_time,
            queued: app.queued + system.queued,
        }
    }

    pub fn close(&self) {
        self.app.close();
        self.system.close();
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
    begin: String,
    begun: AtomicBool,
    over: AtomicBool,
}

impl PostgresTx {
    pub async fn steps(&self, steps: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        let groups = bulk::runs(&steps);
        self.grouped(steps, groups).await
    }

    /// The steps of several parts that do not need each other, `lengths` of each.
    pub async fn parts(&self, steps: Vec<Step>, lengths: &[usize]) -> Result<Vec<Outcome>, DbError> {
        let groups = bulk::merged(&steps, 0, lengths);
        self.grouped(steps, groups).await
    }

    async fn grouped(&self, steps: Vec<Step>, groups: Vec<bulk::Members>) -> Result<Vec<Outcome>, DbError> {
        if self.over.load(Ordering::Acquire) {
            return Err(DbError::UnitOver);
        }
        let calls = self
            .lease
            .prepare(&steps, groups)
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
        self.lease.end("commit").await.map_err(DbError::during_commit)
    }

    pub async fn rollback(mut self) {
        if self.begun.load(Ordering::Acquire) {
            // If it fails the lease is still open, and dropping it cleans up.
            let _ = self.lease.end("rollback").await;
        }
    }
}
