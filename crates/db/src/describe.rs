//! What the engine makes of a statement, without running it: for the tests that hold all SQL against both engines.

use rusqlite::Connection;

use crate::postgres::{classify as postgres_error, connect_login};
use crate::sqlite::{classify as sqlite_error, open};
use crate::{DbConfig, DbError, Engine, Sql, Target};

/// A prepared statement's outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// How many arguments it takes.
    pub parameters: usize,
    /// The names of the columns it returns.
    pub columns: Vec<String>,
}

/// Prepares each statement on a connection of its own and describes it, in order.
///
/// # Errors
/// Only if there is no connection; what is wrong with a statement stands in its place in the list.
pub async fn describe(
    config: &DbConfig,
    statements: &[&'static Sql],
) -> Result<Vec<Result<Description, DbError>>, DbError> {
    match &config.target {
        Target::Sqlite(target) => {
            let (target, config, statements) = (target.clone(), config.clone(), statements.to_vec());
            let work = move || {
                let connection = open(&target, &config)?;
                Ok(statements.iter().map(|sql| sqlite(&connection, sql)).collect())
            };
            tokio::task::spawn_blocking(work)
                .await
                .map_err(|e| DbError::other("describe", e))?
        }
        Target::Postgres(target) => {
            let client = connect_login(target).await?;
            let mut described = Vec::with_capacity(statements.len());
            for sql in statements {
                described.push(postgres(&client, sql).await);
            }
            Ok(described)
        }
    }
}

fn text(sql: &'static Sql, engine: Engine) -> Result<String, DbError> {
    sql.expand(engine)
        .map_err(|reason| DbError::other(sql.name, reason))
}

fn sqlite(connection: &Connection, sql: &'static Sql) -> Result<Description, DbError> {
    let text = text(sql, Engine::Sqlite)?;
    let statement = connection.prepare(&text).map_err(|e| sqlite_error(sql.name, e))?;
    Ok(Description {
        parameters: statement.parameter_count(),
        columns: statement.column_names().map(str::to_owned).collect(),
    })
}

async fn postgres(client: &tokio_postgres::Client, sql: &'static Sql) -> Result<Description, DbError> {
    let text = text(sql, Engine::Postgres)?;
    let statement = client
        .prepare(&text)
        .await
        .map_err(|e| postgres_error(sql.name, e))?;
    Ok(Description {
        parameters: statement.params().len(),
        columns: statement
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect(),
    })
}
