//! The platform behind the edge: its state, its callers, its errors and its routes. Routes of a resource stand in
//! [`crate::routes`].

use std::{sync::Arc, time::Duration};

use app::{
    App, AppError,
    audit::{Refusal, Refused},
    idempotency::{Begin, IdempotencyKey},
    identity::{AuthenticationError, Place, Presented as Shown},
};
use domain::{ids::Timestamp, problem::Extension};
use futures_util::future::BoxFuture;

use crate::{
    ApiError, Ctx, Routes,
    caller::{AuthError, AuthRequest, Authenticated, Authenticator, Caller, Credential, Presented},
    csrf::Csrf,
    denials::{Denial, DenialSink},
    idempotency::{self, Claim},
    isolation::Isolation,
    routes::{
        activity, admin, api_keys, audit, auth, circuits, compliance, credits, events, exchange, isolation,
        items, jobs, live, local_items, members, sessions, workspace,
    },
};

/// What every route of the platform is given.
#[derive(Clone)]
pub struct Platform {
    /// The use cases.
    pub app: App,
    /// Makes the CSRF tokens of sessions.
    pub csrf: Csrf,
    /// The evidence that requests are kept apart; the edge's own.
    pub isolation: Arc<Isolation>,
    /// Whether the outgoing guard looks at answers.
    pub guarded: bool,
    /// How the session's cookie is sent.
    pub cookie: CookieRules,
}

/// How the session's cookie is sent.
#[derive(Clone, Copy, Debug)]
pub struct CookieRules {
    /// Whether over TLS only; `None`: if the client came over TLS.
    pub secure: Option<bool>,
    /// Whether it is kept from scripts.
    pub http_only: bool,
}

impl Default for CookieRules {
    fn default() -> Self {
        Self {
            secure: None,
            http_only: true,
        }
    }
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
        .merge(isolation::routes())
}

/// The routes of items, circuits and what goes on in them.
#[must_use]
pub fn core_routes() -> Routes<Platform> {
    local_items::routes()
        .merge(items::routes())
        .merge(circuits::routes())
        .merge(exchange::routes())
}

/// The routes of events, activity, audit, jobs and the live channel.
#[must_use]
pub fn event_routes() -> Routes<Platform> {
    events::routes()
        .merge(activity::routes())
        .merge(audit::routes())
        .merge(compliance::routes())
        .merge(jobs::routes())
        .merge(live::routes())
}

/// The context of a use case: the edge's caller, address and request id.
///
/// # Errors
/// Unauthenticated on a public route without a caller.
pub fn context(ctx: &Ctx) -> Result<app::Ctx, ApiError> {
    Ok(app::Ctx {
        caller: Caller::clone(ctx.caller()?),
        address: ctx.address.to_string(),
        request_id: ctx.request_id().to_owned(),
        meter: ctx.meter.clone(),
    })
}

/// Asks the platform who calls.
pub struct PlatformAuthenticator(pub App);

impl Authenticator for PlatformAuthenticator {
    fn authenticate<'a>(
        &'a self,
        presented: Presented<'a>,
        request: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
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
            Ok(Authenticated {
                caller: Arc::new(found.caller),
                own_rate: found.rate_per_minute,
            })
        })
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

/// Notes what callers were refused, for the audit trail and the rules of incidents.
pub struct PlatformDenials(pub App);

impl DenialSink for PlatformDenials {
    fn denied(&self, denial: &Denial<'_>) {
        let route = || format!("{} {}", denial.method, denial.route);
        let (what, target) = match &denial.caller.credential {
            _ if denial.absent => (Refused::Absent, route()),
            Credential::ApiKey(id, _) => (Refused::KeyUse, id.to_string()),
            _ => (Refused::Access, route()),
        };
        self.0.note_refusal(Refusal {
            workspace: denial.caller.workspace_id,
            actor: Some(denial.caller.user_id),
            what,
            target: &target,
            address: &denial.address.to_string(),
        });
    }
}

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
            answer = match (name, value.as_u64()) {
                (Extension::RetryAfterSeconds, Some(seconds)) => {
                    answer.retry_after(Duration::from_secs(seconds))
                }
                _ => answer.member(name, value),
            }
        }
        match source {
            Some(source) => answer.source(source),
            None => answer,
        }
    }
}

/// Keeps idempotency keys in the platform's database.
pub struct PlatformIdempotency(pub App);

fn kept(key: &idempotency::Key, request: [u8; 32]) -> IdempotencyKey {
    IdempotencyKey {
        workspace: key.workspace,
        user: key.user,
        key: key.key.clone(),
        request,
    }
}

impl idempotency::Store for PlatformIdempotency {
    fn claim<'a>(
        &'a self,
        key: &'a idempotency::Key,
        request: [u8; 32],
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Claim, idempotency::StoreError>> {
        Box::pin(async move {
            Ok(match self.0.begin_idempotent(&kept(key, request)).await? {
                Begin::Run => Claim::Fresh,
                Begin::Running => Claim::Running,
                Begin::Mismatch => Claim::Mismatch,
                Begin::Replay(answer) => Claim::Done(idempotency::Answer {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body.into(),
                }),
            })
        })
    }

    fn finish<'a>(
        &'a self,
        key: &'a idempotency::Key,
        answer: idempotency::Answer,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<(), idempotency::StoreError>> {
        Box::pin(async move {
            let answer = app::idempotency::Answer {
                status: answer.status,
                headers: answer.headers,
                body: answer.body.to_vec(),
            };
            Ok(self.0.keep_answer(&kept(key, [0; 32]), answer).await?)
        })
    }

    fn forget<'a>(&'a self, key: &'a idempotency::Key) -> BoxFuture<'a, Result<(), idempotency::StoreError>> {
        Box::pin(async move { Ok(self.0.free_key(&kept(key, [0; 32])).await?) })
    }
}
