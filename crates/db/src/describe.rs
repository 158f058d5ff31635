//! What the engine makes of a statement, without running it: for the tests that hold all SQL against both engines.

use rusqlite::Connection;

use crate::postgres::{PLANS, classify as postgres_error, connect_login, quoted};
use crate::sqlite::{classify as sqlite_error, open};
use crate::{DbConfig, DbError, Engine, PostgresConfig, Sql, Target};

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

/// The plans that connections of ours would keep if they made them now, as `explain (format json)` tells them: each
/// statement's as the application's role, or as the system's where only that one may run it. Nothing is run.
///
/// # Errors
/// Only if there is no connection; a statement that has no plan has the reason in its place in the list.
pub async fn plans(
    target: &PostgresConfig,
    statements: &[&'static Sql],
) -> Result<Vec<Result<serde_json::Value, DbError>>, DbError> {
    let client = connect_login(target).await?;
    client
        .batch_execute(PLANS)
        .await
        .map_err(|e| postgres_error("plans", e))?;
    let mut plans = Vec::with_capacity(statements.len());
    for sql in statements {
        let plan = match plan(&client, &target.app_role, sql).await {
            Err(_) => plan(&client, &target.system_role, sql).await,
            found => found,
        };
        plans.push(plan);
    }
    Ok(plans)
}

async fn plan(
    client: &tokio_postgres::Client,
    role: &str,
    sql: &'static Sql,
) -> Result<serde_json::Value, DbError> {
    let error = |e| postgres_error(sql.name, e);
    let text = text(sql, Engine::Postgres)?;
    let set_role = format!("set role {}", quoted(role));
    client.batch_execute(&set_role).await.map_err(error)?;
    let parameters = client.prepare(&text).await.map_err(error)?.params().len();
    client
        .batch_execute(&format!("prepare planned as {text}"))
        .await
        .map_err(error)?;
    let arguments = match parameters {
        0 => String::new(),
        more => format!("({})", vec!["null"; more].join(",")),
    };
    let explained = client
        .query_one(&format!("explain (format json) execute planned{arguments}"), &[])
        .await
        .and_then(|row| row.try_get(0));
    client.batch_execute("deallocate planned").await.map_err(error)?;
    explained.map_err(error)
}
