//! Sqlite (not there yet).
use crate::connection::Outcome;
use crate::{DbConfig, DbError, Observer, PoolStats, Row, Scope, Sql, SqliteConfig, Step, Value};
use std::sync::Arc;
#[derive(Clone)]
pub(crate) struct Sqlite;
pub(crate) struct SqliteTx;
const TODO: DbError = DbError::unavailable("not there yet");
impl Sqlite {
    pub async fn open(_t: &SqliteConfig, _c: &DbConfig, _o: Arc<dyn Observer>) -> Result<Self, DbError> {
        Err(TODO)
    }
    pub fn begin(&self, _scope: &Scope) -> SqliteTx {
        SqliteTx
    }
    pub async fn run(&self, _scope: &Scope, _batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        Err(TODO)
    }
    pub async fn read(
        &self,
        _scope: &Scope,
        _sql: &'static Sql,
        _args: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        Err(TODO)
    }
    pub fn stats(&self) -> PoolStats {
        PoolStats::default()
    }
    pub async fn close(&self) {}
}
impl SqliteTx {
    pub async fn steps(&self, _steps: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        Err(TODO)
    }
    pub async fn commit(self) -> Result<(), DbError> {
        Err(TODO)
    }
    pub async fn rollback(self) {}
}
