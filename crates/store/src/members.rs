//! Members: who acts in which workspace, and as what.

use db::{DbError, Read, Row, Step};
use domain::{
    identity::{Role, UserStatus},
    ids::{Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};

use crate::{
    bind::Columns,
    workspaces::{Workspace, workspace_row},
};

db::statements! {
    /// Adds a member.
    INSERT = "members.insert",
        "insert into members (workspace_id, user_id, role, version, created_at) values ($1, $2, $3, 1, $4)";
    /// One member.
    FIND = "members.find",
        "select m.user_id, u.username, u.email, u.status, m.role, m.version, m.created_at
         from members m join users u on u.id = m.user_id where m.workspace_id = $1 and m.user_id = $2";
    /// Members in the order of their ids.
    LIST = "members.list",
        "select m.user_id, u.username, u.email, u.status, m.role, m.version, m.created_at
         from members m join users u on u.id = m.user_id
         where m.workspace_id = $1 and (cast($2 as {uuid}) is null or m.user_id > $2)
         order by m.user_id limit $3 offset $4";
    /// Number of members.
    COUNT = "members.count", "select count(*) as total from members where workspace_id = $1";
    /// Locks the owners of a workspace, so that two of them cannot leave at once.
    OWNERS = "members.owners", "select user_id from members where workspace_id = $1 and role = $2 order by user_id {for_update}";
    /// Those who look after a workspace.
    ADMINISTRATORS = "members.administrators",
        "select user_id from members where workspace_id = $1 and role in ('owner', 'admin') order by user_id limit $2";
    /// Changes a role.
    SET_ROLE = "members.set_role",
        "update members set role = $3, version = version + 1 where workspace_id = $1 and user_id = $2 and version = $4";
    /// Takes a member out.
    DELETE = "members.delete", "delete from members where workspace_id = $1 and user_id = $2";
    /// The workspaces of a user, in which no tenant is chosen yet.
    WORKSPACES = "members.workspaces",
        "select w.id, w.name, w.slug, w.tier, w.settings, w.version, w.created_at, m.role
         from members m join workspaces w on w.id = m.workspace_id where m.user_id = $1 order by m.created_at, w.id";
}

/// A user's place in a workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// Name.
    pub username: String,
    /// Address.
    pub email: String,
    /// State of the account.
    pub status: UserStatus,
    /// Role.
    pub role: Role,
    /// Counts changes.
    pub version: u64,
    /// Since when.
    pub since: Timestamp,
}

/// Adds a member.
#[must_use]
pub fn insert(workspace: WorkspaceId, user: UserId, role: Role, now: Timestamp) -> Step {
    (INSERT, bind![workspace, user, role.as_str(), now])
}

/// One member.
pub async fn find(read: &impl Read, workspace: WorkspaceId, user: UserId) -> Result<Option<Member>, DbError> {
    read.optional(FIND, bind![workspace, user])
        .await?
        .as_ref()
        .map(member_row)
        .transpose()
}

/// A page of members; one row more than the page.
pub async fn list(
    read: &impl Read,
    workspace: WorkspaceId,
    page: &PageRequest,
    after: Option<UserId>,
) -> Result<Vec<Member>, DbError> {
    let args = bind![workspace, after, page.rows(), i64::from(page.offset)];
    read.all(LIST, args).await?.iter().map(member_row).collect()
}

/// Number of members.
pub async fn count(read: &impl Read, workspace: WorkspaceId) -> Result<i64, DbError> {
    read.one(COUNT, bind![workspace]).await?.get("total")
}

/// The owners, locked until the unit of work ends.
pub async fn lock_owners(read: &impl Read, workspace: WorkspaceId) -> Result<Vec<UserId>, DbError> {
    let rows = read.all(OWNERS, bind![workspace, Role::Owner.as_str()]).await?;
    rows.iter().map(|row| row.id("user_id")).collect()
}

/// Owners and admins of a workspace, at most `limit`.
pub async fn administrators(
    read: &impl Read,
    workspace: WorkspaceId,
    limit: u32,
) -> Result<Vec<UserId>, DbError> {
    let rows = read.all(ADMINISTRATORS, bind![workspace, limit]).await?;
    rows.iter().map(|row| row.id("user_id")).collect()
}

/// Changes a role; affects no row if `version` is no longer current.
#[must_use]
pub fn set_role(workspace: WorkspaceId, user: UserId, role: Role, version: u64) -> Step {
    (
        SET_ROLE,
        bind![workspace, user, role.as_str(), version.cast_signed()],
    )
}

/// Takes a member out.
#[must_use]
pub fn delete(workspace: WorkspaceId, user: UserId) -> Step {
    (DELETE, bind![workspace, user])
}

/// The workspaces a user is a member of, oldest membership first.
pub async fn workspaces(read: &impl Read, user: UserId) -> Result<Vec<(Workspace, Role)>, DbError> {
    let rows = read.all(WORKSPACES, bind![user]).await?;
    rows.iter()
        .map(|row| Ok((workspace_row(row)?, row.word("role")?)))
        .collect()
}

fn member_row(row: &Row) -> Result<Member, DbError> {
    Ok(Member {
        user_id: row.id("user_id")?,
        username: row.text("username")?,
        email: row.text("email")?,
        status: row.word("status")?,
        role: row.word("role")?,
        version: row.get::<i64>("version")?.cast_unsigned(),
        since: row.time("created_at")?,
    })
}
