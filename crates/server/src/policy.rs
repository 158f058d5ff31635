//! What the edge enforces for a route before its handler runs. A route cannot be registered without one.

use domain::identity::{ApiScope as Scope, Role};

use crate::{
    caller::{Caller, Credential},
    error::ApiError,
};

/// Largest request body unless the route says otherwise: 1 MiB.
pub const DEFAULT_BODY_LIMIT: usize = 1024 * 1024;

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; a credential that comes along is not looked at.
    Public,
    /// Anybody; a valid credential makes the caller known, an invalid one is refused.
    Optional,
    /// Every authenticated caller.
    Authenticated,
    /// Callers with at least this role in their workspace.
    Role(Role),
    /// The people who run the platform.
    PlatformAdmin,
}

/// Which rate limit counts the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// By caller: key, user and workspace; by address if anonymous.
    Caller,
    /// Sign-in attempts, by address.
    Login,
    /// Password resets and registrations, by address.
    Reset,
    /// Not counted: probes and metrics.
    Exempt,
}

/// What becomes of a write that comes twice with one `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The answer is kept, and the repeat gets it.
    Answered,
    /// The answer shows the secret of the thing it made, and is kept nowhere: the repeat makes no second one, and gets
    /// 409.
    Refused,
    /// The answer is a secret and nothing else is made. The key has no effect: each call issues another.
    IssuedAnew,
}

/// Everything the edge checks and limits for one route.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) access: Access,
    pub(crate) scope: Option<Scope>,
    pub(crate) body_limit: usize,
    pub(crate) rate: RateClass,
    pub(crate) repeat: Repeat,
}

impl Policy {
    const fn new(access: Access, scope: Option<Scope>) -> Self {
        Self {
            access,
            scope,
            body_limit: DEFAULT_BODY_LIMIT,
            rate: RateClass::Caller,
            repeat: Repeat::Answered,
        }
    }

    /// Anybody may call; credentials are not looked at.
    #[must_use]
    pub const fn public() -> Self {
        Self::new(Access::Public, None)
    }

    /// Anybody may call; who comes with a credential is known to the handler.
    #[must_use]
    pub const fn optional() -> Self {
        Self::new(Access::Optional, None)
    }

    /// Every signed-in person may call, API keys may not.
    #[must_use]
    pub const fn authenticated() -> Self {
        Self::new(Access::Authenticated, None)
    }

    /// At least viewers of a workspace, and API keys with the scope.
    #[must_use]
    pub const fn viewer(scope: Scope) -> Self {
        Self::role(Role::Viewer, scope)
    }

    /// At least members of a workspace, and API keys with the scope.
    #[must_use]
    pub const fn member(scope: Scope) -> Self {
        Self::role(Role::Member, scope)
    }

    /// At least this role, and API keys with the scope.
    #[must_use]
    pub const fn role(role: Role, scope: Scope) -> Self {
        Self::new(Access::Role(role), Some(scope))
    }

    /// At least this role, signed in as a person; API keys may not.
    #[must_use]
    pub const fn person(role: Role) -> Self {
        Self::new(Access::Role(role), None)
    }

    /// The people who run the platform, signed in; with a scope, their API keys too.
    #[must_use]
    pub const fn platform_admin(scope: Option<Scope>) -> Self {
        Self::new(Access::PlatformAdmin, scope)
    }

    /// Sets the largest request body, in bytes.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets which rate limit counts the request.
    #[must_use]
    pub const fn rate(mut self, rate: RateClass) -> Self {
        self.rate = rate;
        self
    }

    /// The answer shows the secret of what the route makes, this once.
    #[must_use]
    pub const fn reveals_secret(mut self) -> Self {
        self.repeat = Repeat::Refused;
        self
    }

    /// The answer is a secret, such as a token, and nothing else is made.
    #[must_use]
    pub const fn issues_secret(mut self) -> Self {
        self.repeat = Repeat::IssuedAnew;
        self
    }

    /// What becomes of a write that comes twice with one `Idempotency-Key`.
    #[must_use]
    pub const fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// Who may call.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// The scope an API key needs; `None` closes the route to API keys unless it is public.
    #[must_use]
    pub const fn scope(&self) -> Option<Scope> {
        self.scope
    }

    /// Whether credentials are looked at.
    pub(crate) fn wants_caller(&self) -> bool {
        self.access != Access::Public
    }

    /// Decides whether the caller may go on.
    ///
    /// # Errors
    /// 401 without a caller where one is needed, 403 that names what is missing.
    pub fn admit(&self, caller: Option<&Caller>) -> Result<(), ApiError> {
        let Some(caller) = caller else {
            return match self.access {
                Access::Public | Access::Optional => Ok(()),
                _ => Err(ApiError::unauthenticated()),
            };
        };
        self.admit_key(caller)?;
        match self.access {
            Access::Role(least) if caller.role < least => Err(ApiError::forbidden(format!(
                "needs the workspace role `{least}` or higher"
            ))),
            Access::PlatformAdmin if !caller.platform_admin => Err(ApiError::forbidden(
                "only the people who run the platform may do this",
            )),
            _ => Ok(()),
        }
    }

    fn admit_key(&self, caller: &Caller) -> Result<(), ApiError> {
        if !matches!(caller.credential, Credential::ApiKey(..)) || self.access == Access::Public {
            return Ok(());
        }
        match self.scope {
            Some(scope) if caller.has_scope(scope) => Ok(()),
            Some(scope) => Err(ApiError::forbidden(format!(
                "the API key lacks the scope `{}`",
                scope.as_str()
            ))),
            None => Err(ApiError::forbidden(
                "this route is not open to API keys: sign in as a person",
            )),
        }
    }
}
