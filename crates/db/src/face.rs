//! What reading functions ask for: anything that answers a statement with rows.

use std::future::Future;

use crate::{DbError, Row, Sql, Value};

/// Answers statements with rows: a unit of work ([`Tx`](crate::Tx)) or single reads
/// ([`Db::scoped`](crate::Db::scoped)). Store functions take `db: &impl Read`.
pub trait Read: Sync {
    /// All rows of the result.
    fn all(
        &self,
        sql: &'static Sql,
        args: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, DbError>> + Send;

    /// The first row, if there is one.
    fn optional(
        &self,
        sql: &'static Sql,
        args: Vec<Value>,
    ) -> impl Future<Output = Result<Option<Row>, DbError>> + Send {
        async move { Ok(self.all(sql, args).await?.into_iter().next()) }
    }

    /// The first row; [`DbError::NotFound`] if there is none.
    fn one(&self, sql: &'static Sql, args: Vec<Value>) -> impl Future<Output = Result<Row, DbError>> + Send {
        async move { self.optional(sql, args).await?.ok_or(DbError::NotFound) }
    }
}
