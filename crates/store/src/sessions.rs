//! Sessions and their refresh tokens. Tokens are stored as hashes only.

use db::{DbError, Read, Row, Step};
use domain::{
    identity::{Role, UserStatus},
    ids::{SessionId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
    tier::Tier,
};

use crate::bind::Columns;

db::statements! {
    /// Adds a session.
    INSERT = "sessions.insert",
        "insert into sessions (id, user_id, workspace_id, token_hash, address, agent, created_at, last_seen_at, expires_at, ended_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8, null)";
    /// What authentication needs to know, for all requests that wait at this moment.
    AUTHENTICATE = "sessions.authenticate",
        "select s.id, s.user_id, s.workspace_id, s.token_hash, s.expires_at, u.status, u.platform_admin, m.role, w.tier
         from sessions s join users u on u.id = s.user_id join workspaces w on w.id = s.workspace_id
         join members m on m.workspace_id = s.workspace_id and m.user_id = s.user_id
         where s.id {any:$1} and s.ended_at is null";
    /// A user's living sessions, newest first.
    LIST = "sessions.list",
        "select id, workspace_id, address, agent, created_at, last_seen_at, expires_at from sessions
         where user_id = $1 and ended_at is null and expires_at > $2 and (cast($3 as {uuid}) is null or id < $3)
         order by id desc limit $4 offset $5";
    /// Counts them.
    COUNT = "sessions.count",
        "select count(*) as n from sessions where user_id = $1 and ended_at is null and expires_at > $2";
    /// Ends one session of a user.
    END = "sessions.end", "update sessions set ended_at = $3 where id = $1 and user_id = $2 and ended_at is null";
    /// Ends all sessions of a user but one.
    END_OTHERS = "sessions.end_others",
        "update sessions set ended_at = $2 where user_id = $1 and ended_at is null
         and (cast($3 as {uuid}) is null or id <> $3)";
    /// Ends a user's sessions in a workspace that the user has left.
    END_IN_WORKSPACE = "sessions.end_in_workspace",
        "update sessions set ended_at = $3 where user_id = $1 and workspace_id = $2 and ended_at is null";
    /// Lets a session act in another workspace.
    SWITCH = "sessions.switch",
        "update sessions set workspace_id = $3 where id = $1 and user_id = $2 and ended_at is null";
    /// Notes the last use of many sessions at once.
    TOUCH = "sessions.touch", "update sessions set last_seen_at = $2 where id {any:$1} and last_seen_at < $2";
    /// Adds a refresh token.
    INSERT_REFRESH = "refresh_tokens.insert",
        "insert into refresh_tokens (token_hash, session_id, created_at, expires_at, used_at) values ($1, $2, $3, $4, null)";
    /// A refresh token with its session, locked.
    FIND_REFRESH = "refresh_tokens.find",
        "select token_hash, session_id, expires_at, used_at from refresh_tokens where token_hash = $1 {for_update}";
    /// The user of a session, and the workspace it acts in.
    OWNER = "sessions.owner", "select user_id, workspace_id from sessions where id = $1";
    /// Uses a refresh token up.
    USE_REFRESH = "refresh_tokens.use", "update refresh_tokens set used_at = $2 where token_hash = $1 and used_at is null";
    /// Removes what nobody can use any more, a batch at a time.
    PURGE_REFRESH = "refresh_tokens.purge",
        "delete from refresh_tokens where token_hash in (select token_hash from refresh_tokens where expires_at < $1 limit $2)";
    /// Removes sessions that ended or expired long ago, a batch at a time.
    PURGE = "sessions.purge",
        "delete from sessions where id in (select s.id from sessions s where (s.expires_at < $1 or s.ended_at < $1)
         and not exists (select 1 from refresh_tokens r where r.session_id = s.id) limit $2)";
}

/// What a session's holder may do at this moment.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The session.
    pub id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// The tenant it acts in.
    pub workspace_id: WorkspaceId,
    /// SHA-256 of the cookie's secret.
    pub token_hash: Vec<u8>,
    /// End of its life.
    pub expires_at: Timestamp,
    /// State of the account.
    pub status: UserStatus,
    /// Whether the user runs the platform.
    pub platform_admin: bool,
    /// Role in the workspace.
    pub role: Role,
    /// Tier of the workspace.
    pub tier: Tier,
}

/// A session as its user sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Id.
    pub id: SessionId,
    /// The workspace it acts in.
    pub workspace_id: WorkspaceId,
    /// The address it was opened from.
    pub address: String,
    /// The program it was opened with.
    pub agent: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used, to within some seconds.
    pub last_seen_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// What a session is made of.
pub struct NewSession<'a> {
    /// Id.
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    /// The tenant it acts in.
    pub workspace: WorkspaceId,
    /// SHA-256 of the cookie's secret.
    pub token_hash: [u8; 32],
    /// The client's address.
    pub address: &'a str,
    /// The client's `User-Agent`.
    pub agent: &'a str,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// A refresh token, found and locked.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Its session: the family.
    pub session_id: SessionId,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Whether it was used before.
    pub used: bool,
}

/// Adds a session.
#[must_use]
pub fn insert(new: NewSession<'_>, now: Timestamp) -> Step {
    let args = bind![
        new.id,
        new.user,
        new.workspace,
        new.token_hash,
        new.address,
        new.agent,
        now,
        new.expires_at
    ];
    (INSERT, args)
}

/// What authentication needs to know of these sessions; those that ended or lost their workspace are left out.
pub async fn authenticate(read: &impl Read, ids: Vec<SessionId>) -> Result<Vec<Authenticated>, DbError> {
    let ids: Vec<_> = ids.into_iter().map(SessionId::uuid).collect();
    read.all(AUTHENTICATE, bind![ids])
        .await?
        .iter()
        .map(authenticated_row)
        .collect()
}

/// A page of a user's living sessions, newest first; one row more than the page.
pub async fn list(
    read: &impl Read,
    user: UserId,
    now: Timestamp,
    page: &PageRequest,
    after: Option<SessionId>,
) -> Result<Vec<Session>, DbError> {
    let args = bind![user, now, after, page.rows(), i64::from(page.offset)];
    read.all(LIST, args).await?.iter().map(session_row).collect()
}

/// Number of a user's living sessions.
pub async fn count(read: &impl Read, user: UserId, now: Timestamp) -> Result<u64, DbError> {
    read.one(COUNT, bind![user, now]).await?.version("n")
}

/// Ends a session of this user; affects no row if it is somebody else's or has ended.
#[must_use]
pub fn end(id: SessionId, user: UserId, now: Timestamp) -> Step {
    (END, bind![id, user, now])
}

/// Ends all sessions of a user, or all but `keep`.
#[must_use]
pub fn end_others(user: UserId, keep: Option<SessionId>, now: Timestamp) -> Step {
    (END_OTHERS, bind![user, now, keep])
}

/// Ends a user's sessions in one workspace.
#[must_use]
pub fn end_in_workspace(user: UserId, workspace: WorkspaceId, now: Timestamp) -> Step {
    (END_IN_WORKSPACE, bind![user, workspace, now])
}

/// Lets a session act in another workspace.
#[must_use]
pub fn switch(id: SessionId, user: UserId, workspace: WorkspaceId) -> Step {
    (SWITCH, bind![id, user, workspace])
}

/// Notes the last use of these sessions.
#[must_use]
pub fn touch(ids: Vec<SessionId>, at: Timestamp) -> Step {
    let ids: Vec<_> = ids.into_iter().map(SessionId::uuid).collect();
    (TOUCH, bind![ids, at])
}

/// Adds a refresh token to a session's family.
#[must_use]
pub fn insert_refresh(hash: [u8; 32], session: SessionId, now: Timestamp, expires_at: Timestamp) -> Step {
    (INSERT_REFRESH, bind![hash, session, now, expires_at])
}

/// A refresh token, locked until the unit of work ends.
pub async fn find_refresh(read: &impl Read, hash: [u8; 32]) -> Result<Option<RefreshToken>, DbError> {
    let Some(row) = read.optional(FIND_REFRESH, bind![hash]).await? else {
        return Ok(None);
    };
    Ok(Some(RefreshToken {
        session_id: row.id("session_id")?,
        expires_at: row.time("expires_at")?,
        used: row.maybe_time("used_at")?.is_some(),
    }))
}

/// The user of a session, and the workspace it acts in, also after its end.
pub async fn owner(read: &impl Read, id: SessionId) -> Result<Option<(UserId, WorkspaceId)>, DbError> {
    read.optional(OWNER, bind![id])
        .await?
        .map(|row| Ok((row.id("user_id")?, row.id("workspace_id")?)))
        .transpose()
}

/// Uses a refresh token up.
#[must_use]
pub fn use_refresh(hash: [u8; 32], now: Timestamp) -> Step {
    (USE_REFRESH, bind![hash, now])
}

/// Removes at most `batch` refresh tokens and sessions that ended before `before`.
#[must_use]
pub fn purge(before: Timestamp, batch: u32) -> [Step; 2] {
    [
        (PURGE_REFRESH, bind![before, batch]),
        (PURGE, bind![before, batch]),
    ]
}

fn authenticated_row(row: &Row) -> Result<Authenticated, DbError> {
    Ok(Authenticated {
        id: row.id("id")?,
        user_id: row.id("user_id")?,
        workspace_id: row.id("workspace_id")?,
        token_hash: row.get("token_hash")?,
        expires_at: row.time("expires_at")?,
        status: row.word("status")?,
        platform_admin: row.get("platform_admin")?,
        role: row.word("role")?,
        tier: row.word("tier")?,
    })
}

fn session_row(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        id: row.id("id")?,
        workspace_id: row.id("workspace_id")?,
        address: row.text("address")?,
        agent: row.text("agent")?,
        created_at: row.time("created_at")?,
        last_seen_at: row.time("last_seen_at")?,
        expires_at: row.time("expires_at")?,
    })
}
