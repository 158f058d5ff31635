//! What administrators did, and the deployment's figures.

use db::{DbError, Read, Row, Step};
use domain::{
    ids::{Timestamp, UserId},
    page::PageRequest,
};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::bind::{Columns, json};

db::statements! {
    /// Adds an action to the log.
    INSERT = "admin_actions.insert",
        "insert into admin_actions (id, actor_id, action, target, details, created_at) values ($1, $2, $3, $4, $5, $6)";
    /// Actions, newest first.
    LIST = "admin_actions.list",
        "select id, actor_id, action, target, details, created_at from admin_actions
         where (cast($1 as {text}) is null or action = $1) and (cast($2 as {uuid}) is null or actor_id = $2)
           and (cast($3 as {uuid}) is null or id < $3)
         order by id desc limit $4 offset $5";
    /// Counts them.
    COUNT = "admin_actions.count",
        "select count(*) as n from admin_actions
         where (cast($1 as {text}) is null or action = $1) and (cast($2 as {uuid}) is null or actor_id = $2)";
    /// Figures of the deployment.
    STATISTICS = "admin.statistics",
        "select (select count(*) from users) as users,
            (select count(*) from users where status = 'active') as active_users,
            (select count(*) from workspaces) as workspaces,
            (select count(*) from sessions where ended_at is null and expires_at > $1) as sessions,
            (select count(*) from api_keys where revoked_at is null and (expires_at is null or expires_at > $1)) as api_keys,
            (select count(*) from local_items) as local_items, (select count(*) from items) as items,
            (select count(*) from circuits) as circuits, (select count(*) from events) as events";
}

/// The names of the figures, in the order they are shown.
pub const FIGURES: [&str; 9] = [
    "users",
    "active_users",
    "workspaces",
    "sessions",
    "api_keys",
    "local_items",
    "items",
    "circuits",
    "events",
];

/// One action of an administrator.
#[derive(Clone, Debug)]
pub struct AdminAction {
    /// Id.
    pub id: Uuid,
    /// Who acted.
    pub actor_id: UserId,
    /// What was done, such as `user.freeze`.
    pub action: String,
    /// To what: an id.
    pub target: String,
    /// Further facts.
    pub details: Json,
    /// When.
    pub created_at: Timestamp,
}

/// Adds an action to the log.
#[must_use]
pub fn insert(action: &AdminAction) -> Step {
    let args = bind![
        action.id,
        action.actor_id,
        &action.action,
        &action.target,
        json(&action.details),
        action.created_at
    ];
    (INSERT, args)
}

/// A page of actions, newest first; one row more than the page.
pub async fn list(
    read: &impl Read,
    action: Option<&str>,
    actor: Option<UserId>,
    page: &PageRequest,
    after: Option<Uuid>,
) -> Result<Vec<AdminAction>, DbError> {
    let args = bind![action, actor, after, page.rows(), i64::from(page.offset)];
    read.all(LIST, args).await?.iter().map(action_row).collect()
}

/// Number of actions that match.
pub async fn count(read: &impl Read, action: Option<&str>, actor: Option<UserId>) -> Result<u64, DbError> {
    read.one(COUNT, bind![action, actor]).await?.version("n")
}

/// The deployment's figures, by the names of [`FIGURES`].
pub async fn statistics(read: &impl Read, now: Timestamp) -> Result<Vec<(&'static str, i64)>, DbError> {
    let row = read.one(STATISTICS, bind![now]).await?;
    FIGURES.iter().map(|name| Ok((*name, row.get(name)?))).collect()
}

fn action_row(row: &Row) -> Result<AdminAction, DbError> {
    Ok(AdminAction {
        id: row.get("id")?,
        actor_id: row.id("actor_id")?,
        action: row.text("action")?,
        target: row.text("target")?,
        details: row.document("details")?,
        created_at: row.time("created_at")?,
    })
}
