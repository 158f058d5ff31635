//! Workspaces: the tenants, with tier and settings.

use db::{DbError, Read, Row, Step};
use domain::{
    event::Visibility,
    ids::{Timestamp, WorkspaceId},
    page::PageRequest,
    tier::Tier,
};
use serde::{Deserialize, Serialize};

use crate::bind::{Columns, containing, json};

db::statements! {
    /// Adds a workspace.
    INSERT = "workspaces.insert",
        "insert into workspaces (id, name, slug, tier, settings, data_key, version, created_at)
         values ($1, $2, $3, $4, $5, $6, 1, $7)";
    /// One workspace.
    FIND = "workspaces.find", "select id, name, slug, tier, settings, version, created_at from workspaces where id = $1";
    /// The wrapped key of a workspace's private data.
    DATA_KEY = "workspaces.data_key", "select data_key from workspaces where id = $1";
    /// Changes name and settings of the version that the caller knew.
    UPDATE = "workspaces.update",
        "update workspaces set name = $3, settings = $4, version = version + 1 where id = $1 and version = $2";
    /// Changes the tier.
    SET_TIER = "workspaces.set_tier", "update workspaces set tier = $2, version = version + 1 where id = $1";
    /// Workspaces for administrators, newest first.
    LIST = "workspaces.list",
        "select id, name, slug, tier, settings, version, created_at from workspaces
         where (cast($1 as {text}) is null or tier = $1)
           and (cast($2 as {text}) is null or lower(name) like $2 escape '\\' or slug like $2 escape '\\')
           and (cast($3 as {uuid}) is null or id < $3)
         order by id desc limit $4 offset $5";
    /// Counts them.
    COUNT = "workspaces.count",
        "select count(*) as n from workspaces
         where (cast($1 as {text}) is null or tier = $1)
           and (cast($2 as {text}) is null or lower(name) like $2 escape '\\' or slug like $2 escape '\\')";
}

/// What a workspace decides for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Days that operational events are kept.
    pub retention_days: u32,
    /// Visibility of events that name none.
    pub default_visibility: Visibility,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention_days: 365,
            default_visibility: Visibility::Private,
        }
    }
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Id.
    pub id: WorkspaceId,
    /// Name.
    pub name: String,
    /// Name for addresses, unique.
    pub slug: String,
    /// Tier.
    pub tier: Tier,
    /// Settings.
    pub settings: Settings,
    /// Counts changes.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a workspace is made of.
pub struct NewWorkspace<'a> {
    /// Id.
    pub id: WorkspaceId,
    /// Name.
    pub name: &'a str,
    /// Slug; unique.
    pub slug: &'a str,
    /// Tier.
    pub tier: Tier,
    /// The key of private data, wrapped by the deployment's master key.
    pub data_key: Vec<u8>,
}

/// Adds a workspace.
#[must_use]
pub fn insert(new: NewWorkspace<'_>, now: Timestamp) -> Step {
    (
        INSERT,
        bind![
            new.id,
            new.name,
            new.slug,
            new.tier.as_str(),
            json(&Settings::default()),
            new.data_key,
            now
        ],
    )
}

/// One workspace.
pub async fn find(read: &impl Read, id: WorkspaceId) -> Result<Option<Workspace>, DbError> {
    read.optional(FIND, bind![id])
        .await?
        .as_ref()
        .map(workspace_row)
        .transpose()
}

/// The wrapped key of a workspace's private data.
pub async fn data_key(read: &impl Read, id: WorkspaceId) -> Result<Option<Vec<u8>>, DbError> {
    read.optional(DATA_KEY, bind![id])
        .await?
        .map(|row| row.get("data_key"))
        .transpose()
}

/// Changes name and settings; affects no row if `version` is no longer current.
#[must_use]
pub fn update(id: WorkspaceId, version: u64, name: &str, settings: &Settings) -> Step {
    (UPDATE, bind![id, version.cast_signed(), name, json(settings)])
}

/// Changes the tier.
#[must_use]
pub fn set_tier(id: WorkspaceId, tier: Tier) -> Step {
    (SET_TIER, bind![id, tier.as_str()])
}

/// A page of workspaces, newest first; one row more than the page.
pub async fn list(
    read: &impl Read,
    tier: Option<Tier>,
    text: Option<&str>,
    page: &PageRequest,
    after: Option<WorkspaceId>,
) -> Result<Vec<Workspace>, DbError> {
    let pattern = text.map(|text| containing(&text.to_lowercase()));
    let args = bind![
        tier.map(Tier::as_str),
        pattern,
        after,
        page.rows(),
        i64::from(page.offset)
    ];
    read.all(LIST, args).await?.iter().map(workspace_row).collect()
}

/// Number of workspaces that match.
pub async fn count(read: &impl Read, tier: Option<Tier>, text: Option<&str>) -> Result<u64, DbError> {
    let pattern = text.map(|text| containing(&text.to_lowercase()));
    read.one(COUNT, bind![tier.map(Tier::as_str), pattern])
        .await?
        .version("n")
}

pub(crate) fn workspace_row(row: &Row) -> Result<Workspace, DbError> {
    Ok(Workspace {
        id: row.id("id")?,
        name: row.text("name")?,
        slug: row.text("slug")?,
        tier: row.word("tier")?,
        settings: row.document("settings")?,
        version: row.get::<i64>("version")?.cast_unsigned(),
        created_at: row.time("created_at")?,
    })
}
