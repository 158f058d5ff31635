//! The members of circuits and the workspaces they take part for. How one becomes a member lives in `circuit_entry`.

use db::{Read, statements};
use domain::{
    circuit::Permissions,
    identity::{Role as WorkspaceRole, UserStatus},
    ids::{CircuitId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};

use crate::{
    Step, StoreError,
    bind::Columns,
    circuit_roles::{Role, read_permissions},
};

/// A member of a circuit.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// The workspace the user acts for.
    pub workspace_id: WorkspaceId,
    /// The name of the role.
    pub role: String,
    /// What the role permits.
    pub permissions: Permissions,
    /// Since when.
    pub joined_at: Timestamp,
}

statements! {
    INSERT = "circuit_members.insert", "
        insert into circuit_members (circuit_id, user_id, workspace_id, role, permissions, joined_at)
        values ($1, $2, $3, $4, $5, $6)";
    INSERT_WORKSPACE = "circuit_workspaces.insert", "
        insert into circuit_workspaces (circuit_id, workspace_id) values ($1, $2)
        on conflict (circuit_id, workspace_id) do nothing";
    DELETE = "circuit_members.delete", "
        delete from circuit_members where circuit_id = $1 and user_id = $2 and role <> 'owner'";
    DELETE_WORKSPACE = "circuit_workspaces.delete", "
        delete from circuit_workspaces
         where circuit_id = $1 and workspace_id = $2
           and not exists (select 1 from circuit_members m where m.circuit_id = $1 and m.workspace_id = $2)";
    SET_ROLE = "circuit_members.set_role", "
        update circuit_members set role = $3, permissions = $4 where circuit_id = $1 and user_id = $2 and role <> 'owner'";
    FIND = "circuit_members.find", "
        select user_id, workspace_id as member_workspace_id, role, permissions, joined_at
          from circuit_members
         where circuit_id = $1 and user_id = $2";
    SEAT = "circuit_members.seat", "
        select m.permissions, w.role as workspace_role, u.status
          from circuit_members m
          join members w on w.workspace_id = m.workspace_id and w.user_id = m.user_id
          join users u on u.id = m.user_id
         where m.circuit_id = $1 and m.workspace_id = $2 and m.user_id = $3";
    HELD_FOR = "circuit_members.held_for", "
        select circuit_id
          from circuit_members
         where user_id = $2 and workspace_id = $1 and role <> 'owner'
         order by circuit_id";
    LIST = "circuit_members.list", "
        select user_id, workspace_id as member_workspace_id, role, permissions, joined_at
          from circuit_members
         where circuit_id = $1 and user_id > $2
         order by user_id
         limit $3 offset $4";
    COUNT = "circuit_members.count", "
        select count(*) as n from circuit_members where circuit_id = $1";
}

pub(crate) fn read(row: &db::Row) -> Result<Member, StoreError> {
    Ok(Member {
        user_id: row.id("user_id")?,
        workspace_id: row.id("member_workspace_id")?,
        role: row.text("role")?,
        permissions: read_permissions(row)?,
        joined_at: row.time("joined_at")?,
    })
}

/// The steps that make a user a member. For one who is a member already they fail; [`is_member_already`] knows the error.
///
/// The workspace comes first: the row guards of the other circuit tables ask whether it takes part.
#[must_use]
pub fn insert(circuit: CircuitId, member: &Member) -> Vec<Step> {
    let m = member;
    let bits = i64::from(m.permissions.bits());
    vec![
        (INSERT_WORKSPACE, bind![circuit, m.workspace_id]),
        (
            INSERT,
            bind![circuit, m.user_id, m.workspace_id, &m.role, bits, m.joined_at],
        ),
    ]
}

/// Whether the error of a unit of work says that the user was a member before.
#[must_use]
pub fn is_member_already(error: &StoreError) -> bool {
    error.is_unique("circuit_members_pkey") || error.is_unique("circuit_members_circuit_id_user_id_key")
}

/// The steps that end a membership (never the owner's).
#[must_use]
pub fn delete(circuit: CircuitId, user: UserId, workspace: WorkspaceId) -> Vec<Step> {
    vec![
        (DELETE, bind![circuit, user]),
        (DELETE_WORKSPACE, bind![circuit, workspace]),
    ]
}

/// The step that gives a member another role (never the owner).
#[must_use]
pub fn set_role(circuit: CircuitId, user: UserId, role: &Role) -> Step {
    (
        SET_ROLE,
        bind![circuit, user, &role.name, i64::from(role.permissions.bits())],
    )
}

/// One member.
pub async fn find(db: &impl Read, circuit: CircuitId, user: UserId) -> Result<Option<Member>, StoreError> {
    db.optional(FIND, bind![circuit, user])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// What lets a user act in a circuit at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// What the circuit permits.
    pub permissions: Permissions,
    /// The role in the workspace the seat is held for.
    pub role: WorkspaceRole,
    /// The state of the account.
    pub account: UserStatus,
}

/// A user's seat for a workspace; none if the user has none, or is no member of that workspace.
pub async fn seat(
    db: &impl Read,
    circuit: CircuitId,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Option<Seat>, StoreError> {
    let found = db.optional(SEAT, bind![circuit, workspace, user]).await?;
    let read = |row: &db::Row| {
        Ok(Seat {
            permissions: read_permissions(row)?,
            role: row.word("workspace_role")?,
            account: row.word("status")?,
        })
    };
    found.as_ref().map(read).transpose()
}

/// The circuits in which a user holds a seat for a workspace, without those that the user owns.
pub async fn held_for(
    db: &impl Read,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Vec<CircuitId>, StoreError> {
    let rows = db.all(HELD_FOR, bind![workspace, user]).await?;
    rows.iter().map(|row| row.id("circuit_id")).collect()
}

/// Members by user id, after `after`.
pub async fn list(
    db: &impl Read,
    circuit: CircuitId,
    after: UserId,
    page: &PageRequest,
) -> Result<Vec<Member>, StoreError> {
    db.all(LIST, bind![circuit, after, page.rows(), page.offset])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Counts a circuit's members.
pub async fn count(db: &impl Read, circuit: CircuitId) -> Result<u64, StoreError> {
    db.one(COUNT, bind![circuit]).await?.version("n")
}
