//! Who asks: the identity that every use case is given. Made once, at the edge; never looked up from a global.

use crate::{
    identity::{ApiScope, Role},
    ids::{ApiKeyId, SessionId, UserId, WorkspaceId},
    tier::Tier,
};

/// The credential a caller came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A browser's session cookie.
    Cookie(SessionId),
    /// A bearer token of a session.
    Token(SessionId),
    /// An API key with the scopes it was given; it can do nothing else.
    ApiKey(ApiKeyId, Vec<ApiScope>),
}

/// An authenticated caller within one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The acting user; for an API key the one who made it.
    pub user_id: UserId,
    /// The tenant all queries name.
    pub workspace_id: WorkspaceId,
    /// The user's role in that workspace, as of this request.
    pub role: Role,
    /// The workspace's tier, as of this request.
    pub tier: Tier,
    /// Whether the user administers the deployment.
    pub platform_admin: bool,
    /// What the caller presented.
    pub credential: Credential,
}

impl Caller {
    /// The session behind the request; none for an API key.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match &self.credential {
            Credential::Cookie(session) | Credential::Token(session) => Some(*session),
            Credential::ApiKey(..) => None,
        }
    }

    /// Whether the credential covers `scope`: sessions cover all, keys what they were given.
    #[must_use]
    pub fn has_scope(&self, scope: ApiScope) -> bool {
        match &self.credential {
            Credential::Cookie(_) | Credential::Token(_) => true,
            Credential::ApiKey(_, scopes) => scopes.contains(&scope),
        }
    }
}
