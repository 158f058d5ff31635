//! Who is calling, as the edge learned it, and the trait behind which authentication happens.
//!
//! `Caller` is plain data without HTTP in it. Looking up sessions, tokens and keys is the business of the
//! [`Authenticator`]'s implementation, not of this crate.

use std::{net::IpAddr, sync::Arc};

use domain::{
    ids::{ApiKeyId, SessionId, Timestamp, UserId, WorkspaceId},
    tier::Tier,
};
use futures_util::future::BoxFuture;

pub use crate::scope::{Role, Scope, Scopes};

/// With which credential a caller came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The session cookie of a browser; writes need the session's CSRF token.
    Cookie(SessionId),
    /// A short-lived bearer token of this session.
    Token(SessionId),
    /// An API key; only routes with a scope the key holds are open to it.
    ApiKey(ApiKeyId),
}

/// An authenticated caller, acting in one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The person, or the person who made the API key.
    pub user: UserId,
    /// The workspace the request acts in: the tenant.
    pub workspace: WorkspaceId,
    /// The role in that workspace.
    pub role: Role,
    /// Whether the person runs the platform.
    pub platform_admin: bool,
    /// What the workspace has subscribed to.
    pub tier: Tier,
    /// How the caller proved who they are.
    pub credential: Credential,
    /// What an API key may do; every scope for sessions.
    pub scopes: Scopes,
    /// Requests per minute granted to this API key, if the key has its own rate.
    pub own_rate: Option<u32>,
}

impl Caller {
    /// Whether the credential allows this scope.
    #[must_use]
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}

/// A credential as it came with the request; unchecked, and never logged.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// `Authorization: Bearer …`, not an API key.
    Bearer(&'a str),
    /// The value of the cookie `session`.
    Cookie(&'a str),
    /// `Authorization: Bearer fg_…` or `X-API-Key: fg_…`.
    ApiKey(&'a str),
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(***)",
            Self::Cookie(_) => "Cookie(***)",
            Self::ApiKey(_) => "ApiKey(***)",
        })
    }
}

/// What an authenticator may need to know about the request besides the credential.
#[derive(Clone, Copy, Debug)]
pub struct AuthRequest<'a> {
    /// The client's address, seen through configured proxies only.
    pub address: IpAddr,
    /// The matched route's pattern, for keys limited to routes.
    pub route: &'static str,
    /// The method.
    pub method: &'a http::Method,
    /// When the request arrived.
    pub now: Timestamp,
}

/// Why a credential was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Unknown, expired, ended or malformed; which of these is not told.
    #[error("the credential is not valid")]
    Invalid,
    /// The account is suspended, banned or not verified.
    #[error("the account is not active")]
    NotActive,
    /// A key that is limited to other addresses or routes.
    #[error("the key may not be used here: {0}")]
    NotHere(&'static str),
    /// The check could not be made; the request may be tried again.
    #[error("could not check the credential")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Turns a presented credential into a caller. Suspension, logout and role change take effect on the next call.
pub trait Authenticator: Send + Sync + 'static {
    /// Checks the credential. Never says why it is invalid.
    fn authenticate<'a>(
        &'a self,
        presented: Presented<'a>,
        request: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>>;
}
