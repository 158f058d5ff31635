//! Circuits: their settings. Their roles live in `circuit_roles`, their members in `circuit_members`, invitations and
//! join requests in `circuit_entry`.

use db::{JsonText, Read, statements};
use domain::{
    circuit::{ApprovalSwitches, CircuitStatus, IdentifierRules, PublicSettings},
    ids::{CircuitId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};

use crate::{
    Step, StoreError,
    bind::{Columns, json},
    circuit_members::{self, Member},
};

/// A circuit as stored.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// Its id.
    pub id: CircuitId,
    /// The workspace of its owner.
    pub workspace_id: WorkspaceId,
    /// Its owner.
    pub owner_id: UserId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands.
    pub status: CircuitStatus,
    /// The namespace for identifiers that name none.
    pub default_namespace: Option<String>,
    /// What identifiers must fulfil.
    pub rules: IdentifierRules,
    /// What needs approval.
    pub approvals: ApprovalSwitches,
    /// How it shows itself to the public.
    pub public: PublicSettings,
    /// The public address, when it has one.
    pub public_slug: Option<String>,
    /// Guards the public view; a hash.
    pub public_password_hash: Option<String>,
    /// Where evidence is kept, a JSON object.
    pub adapter: JsonText,
    /// What to tell others after an action, a JSON object.
    pub post_actions: JsonText,
    /// Counts its changes.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

statements! {
    INSERT = "circuits.insert", "
        insert into circuits (id, workspace_id, owner_id, name, description, status, default_namespace, rules, approvals, public, public_slug, public_password_hash, adapter, post_actions, version, created_at, updated_at)
        values ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9, $10, $11, $12, $13, 1, $14, $14)";
    FIND = "circuits.find", "
        select c.id, c.workspace_id, c.owner_id, c.name, c.description, c.status, c.default_namespace, c.rules, c.approvals, c.public, c.public_slug, c.public_password_hash, c.adapter, c.post_actions, c.version, c.created_at, c.updated_at,
               m.user_id, m.workspace_id as member_workspace_id, m.role, m.permissions, m.joined_at
          from circuit_members m join circuits c on c.id = m.circuit_id
         where m.workspace_id = $1 and m.user_id = $2 and m.circuit_id = $3";
    LOCK = "circuits.lock", "
        select version from circuits where id = $1 {for_update}";
    LIST = "circuits.list", "
        select c.id, c.workspace_id, c.owner_id, c.name, c.description, c.status, c.default_namespace, c.rules, c.approvals, c.public, c.public_slug, c.public_password_hash, c.adapter, c.post_actions, c.version, c.created_at, c.updated_at
          from circuit_members m join circuits c on c.id = m.circuit_id
         where m.workspace_id = $1 and m.user_id = $2
           and c.id > $3 and (cast($4 as {text}) is null or c.status = $4)
         order by c.id
         limit $5 offset $6";
    COUNT = "circuits.count", "
        select count(*) as n
          from circuit_members m join circuits c on c.id = m.circuit_id
         where m.workspace_id = $1 and m.user_id = $2 and (cast($3 as {text}) is null or c.status = $3)";
    COUNT_OWNED = "circuits.count_owned", "
        select count(*) as n from circuits where workspace_id = $1 and status <> 'archived'";
    UPDATE = "circuits.update", "
        update circuits
           set name = $3, description = $4, status = $5, default_namespace = $6, rules = $7, approvals = $8, public = $9, public_slug = $10, public_password_hash = $11, adapter = $12, post_actions = $13, version = version + 1, updated_at = $14
         where id = $1 and version = $2";
    BY_SLUG = "circuits.by_slug", "
        select id, workspace_id, owner_id, name, description, status, default_namespace, rules, approvals, public, public_slug, public_password_hash, adapter, post_actions, version, created_at, updated_at
          from circuits
         where public_slug = $1";
}

fn read(row: &db::Row) -> Result<Circuit, StoreError> {
    Ok(Circuit {
        id: row.id("id")?,
        workspace_id: row.id("workspace_id")?,
        owner_id: row.id("owner_id")?,
        name: row.text("name")?,
        description: row.text("description")?,
        status: row.word("status")?,
        default_namespace: row.get("default_namespace")?,
        rules: row.document("rules")?,
        approvals: row.document("approvals")?,
        public: row.document("public")?,
        public_slug: row.get("public_slug")?,
        public_password_hash: row.get("public_password_hash")?,
        adapter: row.get("adapter")?,
        post_actions: row.get("post_actions")?,
        version: row.version("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// The step that adds a circuit.
#[must_use]
pub fn insert(circuit: &Circuit) -> Step {
    let c = circuit;
    let args = bind![
        c.id,
        c.workspace_id,
        c.owner_id,
        &c.name,
        &c.description,
        c.default_namespace.clone(),
        json(&c.rules),
        json(&c.approvals),
        json(&c.public),
        c.public_slug.clone(),
        c.public_password_hash.clone(),
        c.adapter.clone(),
        c.post_actions.clone(),
        c.created_at,
    ];
    (INSERT, args)
}

/// The step that stores changed settings; it affects no row if the version has moved on.
#[must_use]
pub fn update(circuit: &Circuit, now: Timestamp) -> Step {
    let c = circuit;
    let args = bind![
        c.id,
        i64::try_from(c.version).unwrap_or(i64::MAX),
        &c.name,
        &c.description,
        c.status.as_str(),
        c.default_namespace.clone(),
        json(&c.rules),
        json(&c.approvals),
        json(&c.public),
        c.public_slug.clone(),
        c.public_password_hash.clone(),
        c.adapter.clone(),
        c.post_actions.clone(),
        now,
    ];
    (UPDATE, args)
}

/// The circuit and the caller's own membership in it; nothing to those who are not members.
pub async fn find(
    db: &impl Read,
    workspace: WorkspaceId,
    user: UserId,
    circuit: CircuitId,
) -> Result<Option<(Circuit, Member)>, StoreError> {
    let (sql, args) = find_step(workspace, user, circuit);
    found(&db.all(sql, args).await?)
}

/// The step that reads what [`find`] tells.
#[must_use]
pub fn find_step(workspace: WorkspaceId, user: UserId, circuit: CircuitId) -> Step {
    (FIND, bind![workspace, user, circuit])
}

/// What the rows of [`find_step`] say.
pub fn found(rows: &[db::Row]) -> Result<Option<(Circuit, Member)>, StoreError> {
    rows.first()
        .map(|row| Ok((read(row)?, circuit_members::read(row)?)))
        .transpose()
}

/// Keeps others from changing members, roles or settings until the unit of work ends.
pub async fn lock(db: &impl Read, circuit: CircuitId) -> Result<(), StoreError> {
    db.optional(LOCK, bind![circuit]).await.map(drop)
}

/// The circuits a user is a member of, by id, one more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    user: UserId,
    status: Option<CircuitStatus>,
    after: CircuitId,
    page: &PageRequest,
) -> Result<Vec<Circuit>, StoreError> {
    let args = bind![
        workspace,
        user,
        after,
        status.map(CircuitStatus::as_str),
        page.rows(),
        page.offset
    ];
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// Counts them.
pub async fn count(
    db: &impl Read,
    workspace: WorkspaceId,
    user: UserId,
    status: Option<CircuitStatus>,
) -> Result<u64, StoreError> {
    db.one(COUNT, bind![workspace, user, status.map(CircuitStatus::as_str)])
        .await?
        .version("n")
}

/// How many circuits a workspace owns that are not archived.
pub async fn count_owned(db: &impl Read, workspace: WorkspaceId) -> Result<u64, StoreError> {
    db.one(COUNT_OWNED, bind![workspace]).await?.version("n")
}

/// The circuit with a public address. Whether it may be shown is the caller's question.
pub async fn by_slug(db: &impl Read, slug: &str) -> Result<Option<Circuit>, StoreError> {
    db.optional(BY_SLUG, bind![slug])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}
