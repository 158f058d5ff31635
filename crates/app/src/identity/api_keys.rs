//! API keys of the caller's workspace: made, shown once, limited, rotated, revoked.
//!
//! A key acts as the user who made it, with that user's present role, and dies with the membership.

use std::time::Duration;

use domain::{
    identity::{ApiKeyToken, ApiScope, Cidr, Role},
    ids::{ApiKeyId, Timestamp, UserId},
    page::{Cursor, Page, PageRequest},
    problem::FieldError,
};
use serde_json::json;
use store::{
    api_keys,
    api_keys::{ApiKey, NewApiKey},
};

use super::{
    Identity,
    secrets::{self, Secret},
};
use crate::{AppError, Ctx, Result};

/// Longest name, in characters.
const MOST_NAME: usize = 128;
/// Most routes, and most address ranges, that a key is limited to.
const MOST_PLACES: usize = 64;
/// Longest route limit, in bytes.
const MOST_ROUTE: usize = 256;
/// Longest time both keys work after a rotation: a week.
const MOST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a key shall be.
#[derive(Clone, Debug)]
pub struct CreateApiKey {
    /// Name for people.
    pub name: String,
    /// What it may do; at least one.
    pub scopes: Vec<ApiScope>,
    /// Routes it may use, such as `GET /api/items/{dfid}` or `/api/events/*`; all if empty.
    pub routes: Vec<String>,
    /// Addresses it may come from; all if empty.
    pub addresses: Vec<Cidr>,
    /// Requests per minute granted to it.
    pub rate_per_minute: Option<u32>,
    /// End of its life.
    pub expires_at: Option<Timestamp>,
}

/// A key with its text, which is shown this once.
#[derive(Clone, Debug)]
pub struct RevealedKey {
    /// The key.
    pub key: ApiKey,
    /// The text `fg_<id>_<secret>`.
    pub text: Secret,
}

// Keys are found before a tenant is known, so the system's scope reads them; every statement names the workspace.

impl Identity<'_> {
    /// Makes a key that acts as the caller.
    ///
    /// # Errors
    /// Broken rules by field; forbidden for scopes the caller cannot give.
    pub async fn create_api_key(&self, ctx: &Ctx, command: CreateApiKey) -> Result<RevealedKey> {
        check(&command, self.app.now())?;
        may_give(ctx, &command.scopes)?;
        let (new, text) = self.new_key(ctx, ctx.user(), command);
        let mut steps = vec![api_keys::insert(&new, self.app.now())];
        let details = json!({ "name": new.name, "scopes": new.scopes });
        steps.extend(self.trail(ctx, "api_key.created", &new.id.to_string(), &details)?);
        self.app.db().run(&ctx.system_scope(), steps).await?;
        Ok(RevealedKey {
            key: self.api_key(ctx, new.id).await?,
            text,
        })
    }

    /// The workspace's keys for its administrators, the own ones for others; newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn api_keys(&self, ctx: &Ctx, page: &PageRequest) -> Result<Page<ApiKey>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.system_scope();
        let db = self.app.db().scoped(&scope);
        let rows = api_keys::list(&db, ctx.workspace(), whose(ctx), page, after).await?;
        Ok(Page::cut(rows, page, |key| Cursor::new("", key.id)))
    }

    /// Counts them.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn api_key_count(&self, ctx: &Ctx) -> Result<u64> {
        let scope = ctx.system_scope();
        Ok(api_keys::count(&self.app.db().scoped(&scope), ctx.workspace(), whose(ctx)).await?)
    }

    /// One key, with its usage up to now.
    ///
    /// # Errors
    /// Not found, also for another member's key unless the caller administers the workspace.
    pub async fn api_key(&self, ctx: &Ctx, id: ApiKeyId) -> Result<ApiKey> {
        // Uses noted by this process are written first, so that the figures are real.
        self.flush_uses().await?;
        let scope = ctx.system_scope();
        let found = api_keys::find(&self.app.db().scoped(&scope), ctx.workspace(), id).await?;
        found
            .filter(|key| manages(ctx, key))
            .ok_or_else(|| AppError::not_found("API key"))
    }

    /// Ends a key at once, on every replica.
    ///
    /// # Errors
    /// Not found, also if it is revoked already.
    pub async fn revoke_api_key(&self, ctx: &Ctx, id: ApiKeyId) -> Result<()> {
        self.api_key(ctx, id).await?;
        let mut steps = vec![api_keys::revoke(ctx.workspace(), id, self.app.now())];
        steps.extend(self.trail(ctx, "api_key.revoked", &id.to_string(), &json!({}))?);
        let gone = AppError::not_found("API key");
        self.app.run_if_first(&ctx.system_scope(), steps, gone).await
    }

    /// Makes a key that takes the place of another; both work for the time of the overlap.
    ///
    /// # Errors
    /// Not found; forbidden for another member's key; conflict if it is revoked or replaced; an overlap over a week.
    pub async fn rotate_api_key(&self, ctx: &Ctx, id: ApiKeyId, overlap: Duration) -> Result<RevealedKey> {
        if overlap > MOST_OVERLAP {
            let message = format!("must be at most {} seconds", MOST_OVERLAP.as_secs());
            return Err(FieldError::new("overlap_seconds", "out_of_range", message).into());
        }
        let old = self.api_key(ctx, id).await?;
        if old.created_by != ctx.user() {
            return Err(AppError::forbidden(
                "a key acts as its maker: only the maker can rotate it",
            ));
        }
        let now = self.app.now();
        let ends = old
            .expires_at
            .map_or(now.plus(overlap), |end| end.min(now.plus(overlap)));
        let (new, text) = self.new_key(ctx, old.created_by, like(&old));
        let details = json!({ "replaced_by": new.id, "ends_at": ends });
        let mut steps = vec![
            api_keys::replace(ctx.workspace(), id, new.id, ends),
            api_keys::insert(&new, now),
        ];
        steps.extend(self.trail(ctx, "api_key.rotated", &id.to_string(), &details)?);
        let gone = AppError::conflict("the key is revoked or was rotated already");
        self.app.run_if_first(&ctx.system_scope(), steps, gone).await?;
        Ok(RevealedKey {
            key: self.api_key(ctx, new.id).await?,
            text,
        })
    }

    fn new_key(&self, ctx: &Ctx, created_by: UserId, command: CreateApiKey) -> (NewApiKey, Secret) {
        let token = ApiKeyToken::new(
            ApiKeyId::generate(self.app.ids()),
            secrets::random(self.app.ids()),
        );
        let new = NewApiKey {
            id: token.id(),
            workspace: ctx.workspace(),
            created_by,
            name: command.name.trim().to_owned(),
            secret_hash: token.secret_hash(),
            scopes: command.scopes,
            routes: command.routes,
            addresses: command.addresses,
            rate_per_minute: command.rate_per_minute,
            expires_at: command.expires_at,
        };
        (new, Secret::new(token.reveal()))
    }
}

fn like(key: &ApiKey) -> CreateApiKey {
    CreateApiKey {
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        routes: key.routes.clone(),
        addresses: key.addresses.clone(),
        rate_per_minute: key.rate_per_minute,
        expires_at: key.expires_at,
    }
}

/// Whose keys the caller sees in lists: everybody's as an administrator of the workspace, else the own ones.
fn whose(ctx: &Ctx) -> Option<UserId> {
    (ctx.caller.role < Role::Admin).then(|| ctx.user())
}

fn manages(ctx: &Ctx, key: &ApiKey) -> bool {
    key.created_by == ctx.user() || ctx.caller.role >= Role::Admin
}

fn may_give(ctx: &Ctx, scopes: &[ApiScope]) -> Result<()> {
    let admin = scopes
        .iter()
        .find(|scope| matches!(scope, ApiScope::AdminRead | ApiScope::AdminWrite));
    match admin {
        Some(scope) if !ctx.caller.platform_admin => Err(AppError::forbidden(format!(
            "only the people who run the platform can give the scope `{scope}`"
        ))),
        _ => Ok(()),
    }
}

fn check(command: &CreateApiKey, now: Timestamp) -> Result<()> {
    let mut errors = Vec::new();
    let mut broken = |field: &str, code, message: &str| errors.push(FieldError::new(field, code, message));
    let name = command.name.trim();
    if name.is_empty() || name.chars().count() > MOST_NAME || name.chars().any(char::is_control) {
        broken(
            "name",
            "length",
            "must have 1 to 128 characters, none of them a control character",
        );
    }
    if command.scopes.is_empty() {
        broken("scopes", "required", "must name at least one scope");
    }
    if command.routes.len() > MOST_PLACES || command.addresses.len() > MOST_PLACES {
        broken(
            "routes",
            "too_many",
            "there can be at most 64 routes and 64 address ranges",
        );
    }
    for (index, route) in command.routes.iter().enumerate() {
        let path = route.split_once(' ').map_or(route.as_str(), |(_, path)| path);
        if !path.starts_with('/') || route.len() > MOST_ROUTE {
            let message = "must be a route such as `/api/events`, `GET /api/items/{dfid}` or `/api/items/*`";
            broken(&format!("routes[{index}]"), "malformed", message);
        }
    }
    if command.rate_per_minute == Some(0) {
        broken("rate_per_minute", "out_of_range", "must be at least 1");
    }
    if command.expires_at.is_some_and(|end| end <= now) {
        broken("expires_at", "in_the_past", "must be in the future");
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into())
    }
}
