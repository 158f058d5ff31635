//! The platform behind the edge: its state, its callers, its errors and its routes. Routes of a resource stand in
//! [`crate::routes`].

use std::{sync::Arc, time::Duration};

use app::{
    App, AppError,
    identity::{AuthenticationError, Place, Presented as Shown},
};
use domain::caller::{Caller as DomainCaller, Credential as DomainCredential};
use futures_util::future::BoxFuture;

use crate::{
    ApiError, Ctx, Routes,
    caller::{AuthError, AuthRequest, Authenticator, Caller, Credential, Presented, Scopes},
    csrf::Csrf,
    routes::{
        admin, api_keys, auth, circuits, credits, exchange, items, local_items, members, sessions, workspace,
    },
};

/// What every route of the platform is given.
#[derive(Clone)]
pub struct Platform {
    /// The use cases.
    pub app: App,
    /// Makes the CSRF tokens of sessions.
    pub csrf: Csrf,
}

/// The routes of identity, limits, credits and administration.
#[must_use]
pub fn identity_routes() -> Routes<Platform> {
    auth::routes()
        .merge(sessions::routes())
        .merge(workspace::routes())
        .merge(members::routes())
        .merge(api_keys::routes())
        .merge(credits::routes())
        .merge(admin::routes())
}

/// The routes of items, circuits and what goes on in them.
#[must_use]
pub fn core_routes() -> Routes<Platform> {
    local_items::routes().merge(items::routes()).merge(circuits::routes()).merge(exchange::routes())
}

/// The context of a use case: the edge's caller, address and request id.
///
/// # Errors
/// Unauthenticated on a public route without a caller.
pub fn context(ctx: &Ctx) -> Result<app::Ctx, ApiError> {
    Ok(app::Ctx {
        caller: domain_caller(ctx.caller()?),
        address: ctx.address.to_string(),
        request_id: ctx.request_id().to_owned(),
        meter: db::Meter::counting(),
    })
}

fn domain_caller(caller: &Caller) -> DomainCaller {
    DomainCaller {
        user_id: caller.user,
        workspace_id: caller.workspace,
        role: caller.role,
        tier: caller.tier,
        platform_admin: caller.platform_admin,
        credential: match caller.credential {
            Credential::Cookie(session) => DomainCredential::Cookie(session),
            Credential::Token(session) => DomainCredential::Token(session),
            Credential::ApiKey(key) => DomainCredential::ApiKey(key, caller.scopes.list()),
        },
    }
}

/// Asks the platform who calls.
pub struct PlatformAuthenticator(pub App);

impl Authenticator for PlatformAuthenticator {
    fn authenticate<'a>(
        &'a self,
        presented: Presented<'a>,
        request: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<Caller>, AuthError>> {
        let shown = match presented {
            Presented::Bearer(text) => Shown::Bearer(text),
            Presented::Cookie(text) => Shown::Cookie(text),
            Presented::ApiKey(text) => Shown::ApiKey(text),
        };
        let place = Place {
            address: request.address,
            method: request.method.as_str(),
            route: request.route,
        };
        Box::pin(async move {
            let found = self
                .0
                .identity()
                .authenticate(shown, place)
                .await
                .map_err(refusal)?;
            Ok(Arc::new(edge_caller(&found.caller, found.rate_per_minute)))
        })
    }
}

fn edge_caller(caller: &DomainCaller, own_rate: Option<u32>) -> Caller {
    let (credential, scopes) = match &caller.credential {
        DomainCredential::Cookie(session) => (Credential::Cookie(*session), Scopes::ALL),
        DomainCredential::Token(session) => (Credential::Token(*session), Scopes::ALL),
        DomainCredential::ApiKey(key, scopes) => (Credential::ApiKey(*key), Scopes::of(scopes)),
    };
    Caller {
        user: caller.user_id,
        workspace: caller.workspace_id,
        role: caller.role,
        platform_admin: caller.platform_admin,
        tier: caller.tier,
        credential,
        scopes,
        own_rate,
    }
}

fn refusal(error: AuthenticationError) -> AuthError {
    match error {
        AuthenticationError::Invalid => AuthError::Invalid,
        AuthenticationError::NotActive => AuthError::NotActive,
        AuthenticationError::NotHere(why) => AuthError::NotHere(why),
        AuthenticationError::Unavailable(source) => AuthError::Unavailable(Box::new(source)),
    }
}

/// Name of the detail that becomes `Retry-After`.
const RETRY_AFTER: &str = "retry_after_seconds";

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let AppError {
            code,
            message,
            fields,
            details,
            source,
        } = error;
        let mut answer = if fields.is_empty() {
            Self::new(code, message)
        } else {
            Self::fields(code, message, fields)
        };
        for (name, value) in *details {
            match value.as_u64() {
                Some(seconds) if name == RETRY_AFTER => {
                    answer = answer.retry_after(Duration::from_secs(seconds))
                }
                _ => answer = answer.member(&name, value),
            }
        }
        match source {
            Some(source) => answer.source(source),
            None => answer,
        }
    }
}
