//! Postgres (not there yet).
use crate::connection::Outcome;
use crate::{DbConfig, DbError, Observer, PoolStats, PostgresConfig, Row, Scope, Sql, Step, Value};
use std::sync::Arc;
#[derive(Clone)]
pub(crate) struct Postgres;
pub(crate) struct PostgresTx;
const TODO: DbError = DbError::unavailable("not there yet");
impl Postgres {
    pub async fn open(_t: &PostgresConfig, _c: &DbConfig, _o: Arc<dyn Observer>) -> Result<Self, DbError> {
        Err(TODO)
    }
    pub async fn begin(&self, _scope: &Scope) -> Result<PostgresTx, DbError> {
        Ok(PostgresTx)
    }
    pub async fn run(&self, _scope: &Scope, _batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        Err(TODO)
    }
    pub async fn read(
        &self,
        _scope: &Scope,
        _sql: &'static Sql,
        _args: Vec<Value>,
        _replica: bool,
    ) -> Result<Vec<Row>, DbError> {
        Err(TODO)
    }
    pub fn stats(&self) -> PoolStats {
        PoolStats::default()
    }
    pub fn close(&self) {}
}
impl PostgresTx {
    pub async fn steps(&self, _steps: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        Err(TODO)
    }
    pub async fn commit(self) -> Result<(), DbError> {
        Err(TODO)
    }
    pub async fn rollback(self) {}
}
