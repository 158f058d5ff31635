//! Users: people's accounts. They belong to no workspace; `members` says where they act.

use std::collections::HashMap;

use db::{DbError, Read, Row, Step};
use domain::{
    identity::{Role, UserStatus},
    ids::{Timestamp, UserId, WorkspaceId},
    page::PageRequest,
    tier::Tier,
};

use crate::bind::{Columns, containing};

db::statements! {
    /// Adds a user.
    INSERT = "users.insert",
        "insert into users (id, username, username_key, email, email_key, password_hash, status, platform_admin,
            home_workspace_id, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
    /// The row that a login needs, by name or address.
    LOGIN = "users.login",
        "select u.id, u.username, u.email, u.status, u.platform_admin, u.home_workspace_id, u.created_at,
            u.password_hash, m.role
         from users u left join members m on m.workspace_id = u.home_workspace_id and m.user_id = u.id
         where u.username_key = $1 or u.email_key = $1";
    /// The same by id, for one who confirms a password.
    CREDENTIALS = "users.credentials",
        "select u.id, u.username, u.email, u.status, u.platform_admin, u.home_workspace_id, u.created_at,
            u.password_hash, m.role
         from users u left join members m on m.workspace_id = u.home_workspace_id and m.user_id = u.id
         where u.id = $1";
    /// One user with the tier of the home workspace.
    FIND = "users.find",
        "select u.id, u.username, u.email, u.status, u.platform_admin, u.home_workspace_id, u.created_at, w.tier
         from users u join workspaces w on w.id = u.home_workspace_id where u.id = $1";
    /// The home workspaces of many users.
    HOMES = "users.homes", "select id, home_workspace_id from users where id {any:$1}";
    /// The id behind a name or an address.
    FIND_ID = "users.find_id", "select id from users where username_key = $1 or email_key = $1";
    /// Users for administrators, newest first.
    LIST = "users.list",
        "select u.id, u.username, u.email, u.status, u.platform_admin, u.home_workspace_id, u.created_at, w.tier
         from users u join workspaces w on w.id = u.home_workspace_id
         where (cast($1 as {text}) is null or u.status = $1) and (cast($2 as {text}) is null or w.tier = $2)
           and (cast($3 as {text}) is null or u.username_key like $3 escape '\\' or u.email_key like $3 escape '\\')
           and (cast($4 as {uuid}) is null or u.id < $4)
         order by u.id desc limit $5 offset $6";
    /// Number of users for the same filters.
    COUNT = "users.count",
        "select count(*) as total from users u join workspaces w on w.id = u.home_workspace_id
         where (cast($1 as {text}) is null or u.status = $1) and (cast($2 as {text}) is null or w.tier = $2)
           and (cast($3 as {text}) is null or u.username_key like $3 escape '\\' or u.email_key like $3 escape '\\')";
    /// Whether the deployment has an administrator.
    ADMIN_EXISTS = "users.admin_exists", "select id from users where platform_admin = $1 limit 1";
    /// Changes the state.
    SET_STATUS = "users.set_status", "update users set status = $2, updated_at = $3 where id = $1";
    /// Replaces the hash unless somebody else has replaced it meanwhile.
    REHASH = "users.rehash", "update users set password_hash = $3 where id = $1 and password_hash = $2";
    /// Sets a new password.
    SET_PASSWORD = "users.set_password", "update users set password_hash = $2, updated_at = $3 where id = $1";
    /// Where the user acts after signing in.
    SET_HOME = "users.set_home", "update users set home_workspace_id = $2, updated_at = $3 where id = $1";
}

/// A person's account, without its password.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Name as written.
    pub username: String,
    /// Address as written.
    pub email: String,
    /// State.
    pub status: UserStatus,
    /// Whether the user runs the platform.
    pub platform_admin: bool,
    /// Where the user acts after signing in.
    pub home_workspace_id: WorkspaceId,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// A user with what a login needs.
#[derive(Clone)]
pub struct Login {
    /// The account.
    pub user: User,
    /// The password's hash in its text form.
    pub password_hash: String,
    /// The role in the home workspace; none if the user was removed from it.
    pub role: Option<Role>,
}

/// A user as administrators see it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account.
    pub user: User,
    /// The tier of the home workspace.
    pub tier: Tier,
}

/// What an account is made of.
pub struct NewUser<'a> {
    /// Id.
    pub id: UserId,
    /// Name as written and folded.
    pub username: (&'a str, String),
    /// Address as written and folded.
    pub email: (&'a str, String),
    /// The password's hash.
    pub password_hash: &'a str,
    /// Whether the user runs the platform.
    pub platform_admin: bool,
    /// Home workspace.
    pub home: WorkspaceId,
}

/// What administrators filter users by.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// State.
    pub status: Option<UserStatus>,
    /// Tier of the home workspace.
    pub tier: Option<Tier>,
    /// Part of the name or address.
    pub text: Option<String>,
}

impl Filter {
    fn pattern(&self) -> Option<String> {
        let text = self.text.as_ref()?;
        Some(containing(&text.to_ascii_lowercase()))
    }
}

/// Adds a user; unique by folded name and address.
#[must_use]
pub fn insert(new: NewUser<'_>, now: Timestamp) -> Step {
    let args = bind![
        new.id,
        new.username.0,
        new.username.1,
        new.email.0,
        new.email.1,
        new.password_hash,
        UserStatus::Active.as_str(),
        new.platform_admin,
        new.home,
        now
    ];
    (INSERT, args)
}

/// The user with this folded name or address, with the password's hash.
pub async fn login(read: &impl Read, name: &str) -> Result<Option<Login>, DbError> {
    read.optional(LOGIN, bind![name])
        .await?
        .as_ref()
        .map(login_row)
        .transpose()
}

/// The user with the password's hash.
pub async fn credentials(read: &impl Read, id: UserId) -> Result<Option<Login>, DbError> {
    read.optional(CREDENTIALS, bind![id])
        .await?
        .as_ref()
        .map(login_row)
        .transpose()
}

/// One account.
pub async fn find(read: &impl Read, id: UserId) -> Result<Option<Account>, DbError> {
    read.optional(FIND, bind![id])
        .await?
        .as_ref()
        .map(account_row)
        .transpose()
}

/// The home workspaces of those of these users who exist.
pub async fn homes(read: &impl Read, ids: &[UserId]) -> Result<HashMap<UserId, WorkspaceId>, DbError> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let rows = read.all(HOMES, bind![ids]).await?;
    rows.iter()
        .map(|row| Ok((row.id("id")?, row.id("home_workspace_id")?)))
        .collect()
}

/// The id behind a folded name or address.
pub async fn find_id(read: &impl Read, name: &str) -> Result<Option<UserId>, DbError> {
    read.optional(FIND_ID, bind![name])
        .await?
        .map(|row| row.id("id"))
        .transpose()
}

/// A page of accounts, newest first; one row more than the page.
pub async fn list(
    read: &impl Read,
    filter: &Filter,
    page: &PageRequest,
    after: Option<UserId>,
) -> Result<Vec<Account>, DbError> {
    let args = bind![
        filter.status.map(UserStatus::as_str),
        filter.tier.map(Tier::as_str),
        filter.pattern(),
        after,
        page.rows(),
        i64::from(page.offset)
    ];
    read.all(LIST, args).await?.iter().map(account_row).collect()
}

/// Number of accounts that match.
pub async fn count(read: &impl Read, filter: &Filter) -> Result<i64, DbError> {
    let args = bind![
        filter.status.map(UserStatus::as_str),
        filter.tier.map(Tier::as_str),
        filter.pattern()
    ];
    read.one(COUNT, args).await?.get("total")
}

/// Whether somebody runs the platform already.
pub async fn admin_exists(read: &impl Read) -> Result<bool, DbError> {
    Ok(read.optional(ADMIN_EXISTS, bind![true]).await?.is_some())
}

/// Changes a user's state.
#[must_use]
pub fn set_status(id: UserId, status: UserStatus, now: Timestamp) -> Step {
    (SET_STATUS, bind![id, status.as_str(), now])
}

/// Replaces a hash by a better one of the same password.
#[must_use]
pub fn rehash(id: UserId, old: &str, new: &str) -> Step {
    (REHASH, bind![id, old, new])
}

/// Sets a new password.
#[must_use]
pub fn set_password(id: UserId, hash: &str, now: Timestamp) -> Step {
    (SET_PASSWORD, bind![id, hash, now])
}

/// Sets where the user acts after signing in.
#[must_use]
pub fn set_home(id: UserId, workspace: WorkspaceId, now: Timestamp) -> Step {
    (SET_HOME, bind![id, workspace, now])
}

fn user_row(row: &Row) -> Result<User, DbError> {
    Ok(User {
        id: row.id("id")?,
        username: row.text("username")?,
        email: row.text("email")?,
        status: row.word("status")?,
        platform_admin: row.get("platform_admin")?,
        home_workspace_id: row.id("home_workspace_id")?,
        created_at: row.time("created_at")?,
    })
}

fn login_row(row: &Row) -> Result<Login, DbError> {
    Ok(Login {
        user: user_row(row)?,
        password_hash: row.text("password_hash")?,
        role: row.maybe_word("role")?,
    })
}

fn account_row(row: &Row) -> Result<Account, DbError> {
    Ok(Account {
        user: user_row(row)?,
        tier: row.word("tier")?,
    })
}
