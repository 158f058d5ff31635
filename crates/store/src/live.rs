//! Messages of the live channel and the tickets that open it.

use db::{Db, JsonText, Read, Scope, statements};
use domain::ids::{ApiKeyId, CircuitId, SessionId, Timestamp, UserId, WorkspaceId};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Step, StoreError, bind::Columns};

statements! {
    // Positions are given under one lock: who sees position n sees all below it.
    LOCK = "live_messages.lock",
        sqlite: "delete from live_messages where position < 0",
        postgres: "do $$ begin perform pg_advisory_xact_lock(7220201); end $$";
    INSERT = "live_messages.insert", "
        insert into live_messages (workspace_id, id, topic, user_id, body, created_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (workspace_id, id) do nothing";
    INSERT_FOR_CIRCUIT = "live_messages.insert_for_circuit", "
        insert into live_messages (workspace_id, id, topic, user_id, body, created_at)
        select w.workspace_id, $2, $3, null, $4, $5
          from circuit_workspaces w
         where w.circuit_id = $1
        on conflict (workspace_id, id) do nothing";
    SINCE = "live_messages.since", "
        select position, workspace_id, topic, user_id, body, created_at
          from live_messages
         where position > $1
         order by position
         limit $2";
    SINCE_OF = "live_messages.since_of", "
        select position, workspace_id, topic, user_id, body, created_at
          from live_messages
         where workspace_id = $1 and position > $2 and position <= $3
         order by position
         limit $4";
    LAST = "live_messages.last", "
        select coalesce(max(position), 0) as last
          from live_messages";
    // The newest row stays, so that positions never begin again.
    PURGE = "live_messages.purge", "
        delete from live_messages
         where position in (
                select position
                  from live_messages
                 where created_at < $1 and position < (select max(position) from live_messages)
                 order by position
                 limit $2)";
    INSERT_TICKET = "live_tickets.insert", "
        insert into live_tickets (ticket_hash, workspace_id, user_id, session_id, api_key_id, expires_at)
        values ($1, $2, $3, $4, $5, $6)";
    TAKE_TICKET = "live_tickets.take", "
        delete from live_tickets
         where ticket_hash = $1
        returning workspace_id, user_id, session_id, api_key_id, expires_at";
    PURGE_TICKETS = "live_tickets.purge", "
        delete from live_tickets
         where ticket_hash in (select ticket_hash from live_tickets where expires_at < $1 limit $2)";
}

/// A message for everybody in a workspace, or for one user there.
#[derive(Clone, Debug)]
pub struct LiveMessage {
    /// Its place in the order of all messages.
    pub position: i64,
    /// The workspace it is for.
    pub workspace: WorkspaceId,
    /// What it is about.
    pub topic: String,
    /// The user it is for; everybody in the workspace if none.
    pub user: Option<UserId>,
    /// The content.
    pub body: Box<RawValue>,
    /// When its cause was committed.
    pub created_at: Timestamp,
}

/// A message to be kept and delivered.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The workspace it is for.
    pub workspace: WorkspaceId,
    /// The id of its cause: the same one twice stays one.
    pub id: Uuid,
    /// What it is about.
    pub topic: String,
    /// The user it is for; everybody in the workspace if none.
    pub user: Option<UserId>,
    /// Every workspace of this circuit gets it instead.
    pub circuit: Option<CircuitId>,
    /// The content.
    pub body: JsonText,
    /// When its cause was committed.
    pub created_at: Timestamp,
}

/// What [`db::wake`] says when there are new messages.
pub const TOPIC: &str = "live";

/// The steps that keep messages and wake those who hand them out, in this order. To be run as one unit of work, and
/// nothing else in it.
#[must_use]
pub fn insert(messages: Vec<NewMessage>) -> Vec<Step> {
    let mut steps = vec![(LOCK, bind![])];
    steps.extend(messages.into_iter().map(|new| match new.circuit {
        Some(circuit) => (
            INSERT_FOR_CIRCUIT,
            bind![circuit, new.id, new.topic, new.body, new.created_at],
        ),
        None => (
            INSERT,
            bind![
                new.workspace,
                new.id,
                new.topic,
                new.user,
                new.body,
                new.created_at
            ],
        ),
    }));
    steps.push(db::wake(TOPIC));
    steps
}

fn read(row: &db::Row) -> Result<LiveMessage, StoreError> {
    Ok(LiveMessage {
        position: row.get("position")?,
        workspace: row.id("workspace_id")?,
        topic: row.text("topic")?,
        user: row.maybe_id("user_id")?,
        body: row.document("body")?,
        created_at: row.time("created_at")?,
    })
}

/// Messages of all workspaces after a position: for the process's own fan-out.
pub async fn since(db: &impl Read, position: i64, limit: u32) -> Result<Vec<LiveMessage>, StoreError> {
    db.all(SINCE, bind![position, limit])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Messages of a workspace after one position up to another: for a client that comes back.
pub async fn since_of(
    db: &impl Read,
    workspace: WorkspaceId,
    after: i64,
    up_to: i64,
    limit: u32,
) -> Result<Vec<LiveMessage>, StoreError> {
    db.all(SINCE_OF, bind![workspace, after, up_to, limit])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The position of the newest message; zero if there never was one.
pub async fn last(db: &impl Read) -> Result<i64, StoreError> {
    db.one(LAST, bind![]).await?.get("last")
}

/// The step that removes messages older than a moment, at most `limit`.
#[must_use]
pub fn purge(before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![before, limit])
}

/// Who opens a live connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The workspace whose messages are wanted.
    pub workspace: WorkspaceId,
    /// The user.
    pub user: UserId,
    /// The session that asked, unless a key did.
    pub session: Option<SessionId>,
    /// The API key that asked.
    pub api_key: Option<ApiKeyId>,
}

/// The step that adds a ticket.
#[must_use]
pub fn insert_ticket(hash: [u8; 32], holder: &Holder, expires_at: Timestamp) -> Step {
    let args = bind![
        hash,
        holder.workspace,
        holder.user,
        holder.session,
        holder.api_key,
        expires_at
    ];
    (INSERT_TICKET, args)
}

/// Uses a ticket up; nothing if there is none or its time is over.
pub async fn take_ticket(db: &Db, hash: [u8; 32], now: Timestamp) -> Result<Option<Holder>, StoreError> {
    // The tenant is what the ticket tells.
    let rows = db.returning(&Scope::system(), TAKE_TICKET, bind![hash]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let holder = Holder {
        workspace: row.id("workspace_id")?,
        user: row.id("user_id")?,
        session: row.maybe_id("session_id")?,
        api_key: row.maybe_id("api_key_id")?,
    };
    Ok((row.time("expires_at")? > now).then_some(holder))
}

/// The step that removes tickets nobody used, at most `limit`.
#[must_use]
pub fn purge_tickets(before: Timestamp, limit: u32) -> Step {
    (PURGE_TICKETS, bind![before, limit])
}
