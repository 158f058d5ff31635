//! API keys. Only the hash of a key's secret is stored.

use db::{DbError, Read, Row, Step};
use domain::{
    identity::{ApiScope, Cidr, Role, UserStatus},
    ids::{ApiKeyId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
    tier::Tier,
};

use crate::bind::{Columns, json};

db::statements! {
    /// Adds a key.
    INSERT = "api_keys.insert",
        "insert into api_keys (id, workspace_id, created_by, name, secret_hash, scopes, routes, addresses, rate_per_minute,
            created_at, expires_at, revoked_at, last_used_at, use_count, replaced_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, null, null, 0, null)";
    /// What authentication needs to know, for all requests that wait at this moment.
    AUTHENTICATE = "api_keys.authenticate",
        "select k.id, k.workspace_id, k.created_by, k.secret_hash, k.scopes, k.routes, k.addresses, k.rate_per_minute,
            k.expires_at, u.status, u.platform_admin, m.role, w.tier
         from api_keys k join users u on u.id = k.created_by join workspaces w on w.id = k.workspace_id
         join members m on m.workspace_id = k.workspace_id and m.user_id = k.created_by
         where k.id {any:$1} and k.revoked_at is null";
    /// One key of a workspace.
    FIND = "api_keys.find",
        "select id, created_by, name, scopes, routes, addresses, rate_per_minute, created_at, expires_at, revoked_at,
            last_used_at, use_count, replaced_by
         from api_keys where workspace_id = $1 and id = $2";
    /// A workspace's keys, newest first; one user's only if asked.
    LIST = "api_keys.list",
        "select id, created_by, name, scopes, routes, addresses, rate_per_minute, created_at, expires_at, revoked_at,
            last_used_at, use_count, replaced_by
         from api_keys where workspace_id = $1 and (cast($2 as {uuid}) is null or created_by = $2)
           and (cast($3 as {uuid}) is null or id < $3)
         order by id desc limit $4 offset $5";
    /// Counts them.
    COUNT = "api_keys.count",
        "select count(*) as n from api_keys where workspace_id = $1 and (cast($2 as {uuid}) is null or created_by = $2)";
    /// Revokes a key.
    REVOKE = "api_keys.revoke", "update api_keys set revoked_at = $3 where workspace_id = $1 and id = $2 and revoked_at is null";
    /// Revokes the keys of a member who leaves.
    REVOKE_OF_MEMBER = "api_keys.revoke_of_member",
        "update api_keys set revoked_at = $3 where workspace_id = $1 and created_by = $2 and revoked_at is null returning id";
    /// Lets a key run out, because another takes its place.
    REPLACE = "api_keys.replace",
        "update api_keys set replaced_by = $3, expires_at = $4
         where workspace_id = $1 and id = $2 and revoked_at is null and replaced_by is null";
    /// Adds to the usage figures.
    COUNT_USE = "api_keys.count_use",
        "update api_keys set use_count = use_count + $2, last_used_at = $3 where id = $1";
}

/// What a key's holder may do at this moment.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The key.
    pub id: ApiKeyId,
    /// The tenant it acts in.
    pub workspace_id: WorkspaceId,
    /// The user who made it, as whom it acts.
    pub created_by: UserId,
    /// SHA-256 of its secret.
    pub secret_hash: Vec<u8>,
    /// What it may do.
    pub scopes: Vec<ApiScope>,
    /// The routes it may use; all if empty.
    pub routes: Vec<String>,
    /// The addresses it may come from; all if empty.
    pub addresses: Vec<Cidr>,
    /// Requests per minute granted to it.
    pub rate_per_minute: Option<u32>,
    /// End of its life.
    pub expires_at: Option<Timestamp>,
    /// State of its maker's account.
    pub status: UserStatus,
    /// Whether its maker runs the platform.
    pub platform_admin: bool,
    /// Its maker's role in the workspace.
    pub role: Role,
    /// Tier of the workspace.
    pub tier: Tier,
}

/// A key as its owner sees it.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Who made it.
    pub created_by: UserId,
    /// Name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ApiScope>,
    /// The routes it may use; all if empty.
    pub routes: Vec<String>,
    /// The addresses it may come from; all if empty.
    pub addresses: Vec<Cidr>,
    /// Requests per minute granted to it.
    pub rate_per_minute: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// End of its life.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to within some seconds.
    pub last_used_at: Option<Timestamp>,
    /// How often it was used, up to some seconds ago.
    pub use_count: i64,
    /// The key that takes its place.
    pub replaced_by: Option<ApiKeyId>,
}

/// What a key is made of.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Tenant.
    pub workspace: WorkspaceId,
    /// Who makes it.
    pub created_by: UserId,
    /// Name.
    pub name: String,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<ApiScope>,
    /// The routes it may use; all if empty.
    pub routes: Vec<String>,
    /// The addresses it may come from; all if empty.
    pub addresses: Vec<Cidr>,
    /// Requests per minute granted to it.
    pub rate_per_minute: Option<u32>,
    /// End of its life.
    pub expires_at: Option<Timestamp>,
}

/// Adds a key.
#[must_use]
pub fn insert(new: &NewApiKey, now: Timestamp) -> Step {
    let args = bind![
        new.id,
        new.workspace,
        new.created_by,
        &new.name,
        new.secret_hash,
        json(&new.scopes),
        json(&new.routes),
        json(&new.addresses),
        new.rate_per_minute,
        now,
        new.expires_at
    ];
    (INSERT, args)
}

/// What authentication needs to know of these keys; revoked ones and those whose maker left are left out.
pub async fn authenticate(read: &impl Read, ids: Vec<ApiKeyId>) -> Result<Vec<Authenticated>, DbError> {
    let ids: Vec<_> = ids.into_iter().map(ApiKeyId::uuid).collect();
    read.all(AUTHENTICATE, bind![ids])
        .await?
        .iter()
        .map(authenticated_row)
        .collect()
}

/// One key of a workspace.
pub async fn find(read: &impl Read, workspace: WorkspaceId, id: ApiKeyId) -> Result<Option<ApiKey>, DbError> {
    read.optional(FIND, bind![workspace, id])
        .await?
        .as_ref()
        .map(key_row)
        .transpose()
}

/// A page of a workspace's keys, or of one user's, newest first; one row more than the page.
pub async fn list(
    read: &impl Read,
    workspace: WorkspaceId,
    user: Option<UserId>,
    page: &PageRequest,
    after: Option<ApiKeyId>,
) -> Result<Vec<ApiKey>, DbError> {
    let args = bind![workspace, user, after, page.rows(), i64::from(page.offset)];
    read.all(LIST, args).await?.iter().map(key_row).collect()
}

/// Number of a workspace's keys, or of one user's.
pub async fn count(read: &impl Read, workspace: WorkspaceId, user: Option<UserId>) -> Result<u64, DbError> {
    read.one(COUNT, bind![workspace, user]).await?.version("n")
}

/// Revokes a key; affects no row if it is revoked already.
#[must_use]
pub fn revoke(workspace: WorkspaceId, id: ApiKeyId, now: Timestamp) -> Step {
    (REVOKE, bind![workspace, id, now])
}

/// Revokes what a member who leaves the workspace has made there, and tells which keys those were.
pub async fn revoke_of_member(
    tx: &db::Tx,
    workspace: WorkspaceId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<ApiKeyId>, DbError> {
    let rows = tx.all(REVOKE_OF_MEMBER, bind![workspace, user, now]).await?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// Lets a key run out at `expires_at` in favour of another; affects no row if it is revoked or replaced already.
#[must_use]
pub fn replace(workspace: WorkspaceId, id: ApiKeyId, by: ApiKeyId, expires_at: Timestamp) -> Step {
    (REPLACE, bind![workspace, id, by, expires_at])
}

/// Adds to a key's usage figures.
#[must_use]
pub fn count_use(id: ApiKeyId, uses: i64, last: Timestamp) -> Step {
    (COUNT_USE, bind![id, uses, last])
}

fn rate(row: &Row) -> Result<Option<u32>, DbError> {
    // Written from a `u32`; a larger number in the row could only be meant as "much".
    Ok(row
        .get::<Option<i64>>("rate_per_minute")?
        .map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)))
}

fn authenticated_row(row: &Row) -> Result<Authenticated, DbError> {
    Ok(Authenticated {
        id: row.id("id")?,
        workspace_id: row.id("workspace_id")?,
        created_by: row.id("created_by")?,
        secret_hash: row.get("secret_hash")?,
        scopes: row.document("scopes")?,
        routes: row.document("routes")?,
        addresses: row.document("addresses")?,
        rate_per_minute: rate(row)?,
        expires_at: row.maybe_time("expires_at")?,
        status: row.word("status")?,
        platform_admin: row.get("platform_admin")?,
        role: row.word("role")?,
        tier: row.word("tier")?,
    })
}

fn key_row(row: &Row) -> Result<ApiKey, DbError> {
    Ok(ApiKey {
        id: row.id("id")?,
        created_by: row.id("created_by")?,
        name: row.text("name")?,
        scopes: row.document("scopes")?,
        routes: row.document("routes")?,
        addresses: row.document("addresses")?,
        rate_per_minute: rate(row)?,
        created_at: row.time("created_at")?,
        expires_at: row.maybe_time("expires_at")?,
        revoked_at: row.maybe_time("revoked_at")?,
        last_used_at: row.maybe_time("last_used_at")?,
        use_count: row.get("use_count")?,
        replaced_by: row.maybe_id("replaced_by")?,
    })
}
