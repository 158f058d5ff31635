//! Who may come in: the credential, the CSRF token, the rate limits.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use axum::extract::Request;
use domain::{ids::Timestamp, problem::ErrorCode};
use http::{HeaderMap, Method, header};

use crate::{
    caller::{AuthError, AuthRequest, Caller, Credential, Presented},
    edge::Edge,
    error::ApiError,
    headers,
    policy::RateClass,
    rate::{Decision, Quota, RateKey},
    routes::Endpoint,
};

/// How API keys begin.
const KEY_PREFIX: &str = "fg_";

/// The caller, if the route wants to know and a credential came. A failed attempt counts against the address.
pub(crate) async fn caller(
    edge: &Edge,
    headers: &HeaderMap,
    endpoint: &Endpoint,
    address: IpAddr,
    now: Timestamp,
) -> Result<Option<Arc<Caller>>, ApiError> {
    if !endpoint.policy.wants_caller() {
        return Ok(None);
    }
    let Some(presented) = presented(headers) else {
        return Ok(None);
    };
    let about = AuthRequest {
        address,
        route: endpoint.path,
        method: &endpoint.method,
        now,
    };
    match edge.outside.authenticator.authenticate(presented, about).await {
        Ok(caller) => Ok(Some(caller)),
        Err(AuthError::Unavailable(source)) => {
            let after = std::time::Duration::from_secs(1);
            Err(ApiError::unavailable("the credential could not be checked", after).source(source))
        }
        Err(refused) => {
            count(edge, endpoint.policy.rate, None, address, now)?;
            Err(match refused {
                AuthError::NotActive => {
                    ApiError::new(ErrorCode::AccountNotActive, "the account is not active")
                }
                AuthError::NotHere(why) => ApiError::forbidden(why),
                _ => ApiError::unauthenticated(),
            })
        }
    }
}

/// The credential that came: `Authorization` before `X-API-Key` before the cookie.
fn presented(headers: &HeaderMap) -> Option<Presented<'_>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ').unwrap_or_default();
        let token = if scheme.eq_ignore_ascii_case("bearer") {
            token.trim()
        } else {
            ""
        };
        return Some(if token.starts_with(KEY_PREFIX) {
            Presented::ApiKey(token)
        } else {
            Presented::Bearer(token)
        });
    }
    if let Some(value) = headers.get("x-api-key") {
        return value.to_str().ok().map(Presented::ApiKey);
    }
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("session="))
        .map(Presented::Cookie)
}

/// Writes with the cookie need the session's token.
pub(crate) fn check_csrf(edge: &Edge, request: &Request, caller: Option<&Caller>) -> Result<(), ApiError> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(Credential::Cookie(session)) = caller.map(|caller| caller.credential) else {
        return Ok(());
    };
    let token = request.headers().get("x-csrf-token");
    if safe || token.is_some_and(|token| edge.outside.csrf.verify(session, token.as_bytes())) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::CsrfRejected,
        "send the session's token as `X-CSRF-Token`",
    ))
}

/// Counts the request against every limit that applies; gives the tightest for the headers.
pub(crate) fn count(
    edge: &Edge,
    class: RateClass,
    caller: Option<&Caller>,
    address: IpAddr,
    now: Timestamp,
) -> Result<Option<(Decision, Quota)>, ApiError> {
    let quotas = &edge.config.quotas;
    let bits = headers::address_bits(address);
    let limits: [Option<(RateKey, Quota)>; 2] = match (class, caller) {
        (RateClass::Exempt, _) => return Ok(None),
        (RateClass::Login, _) => [Some((RateKey::Address(class, bits), quotas.login)), None],
        (RateClass::Reset, _) => [Some((RateKey::Address(class, bits), quotas.reset)), None],
        (RateClass::Caller, None) => [Some((RateKey::Address(class, bits), quotas.anonymous)), None],
        (RateClass::Caller, Some(caller)) => {
            let own = match caller.credential {
                Credential::ApiKey(key) => (
                    RateKey::Key(key.uuid()),
                    caller.own_rate.map_or(quotas.key, Quota::per_minute),
                ),
                _ => (RateKey::User(caller.user.uuid()), quotas.user),
            };
            [
                Some(own),
                Some((RateKey::Workspace(caller.workspace.uuid()), quotas.workspace)),
            ]
        }
    };
    let mut tightest: Option<(Decision, Quota)> = None;
    for (key, quota) in limits.into_iter().flatten() {
        let decision = edge.limiter.check(key, quota, now);
        if !decision.allowed {
            edge.metrics().rate_limited.fetch_add(1, Ordering::Relaxed);
            return Err(refused(&decision, quota));
        }
        if tightest.is_none_or(|(known, _)| decision.remaining < known.remaining) {
            tightest = Some((decision, quota));
        }
    }
    Ok(tightest)
}

fn refused(decision: &Decision, quota: Quota) -> ApiError {
    let mut error =
        ApiError::new(ErrorCode::RateLimited, "a rate limit is used up").retry_after(decision.retry_after);
    let mut added = HeaderMap::new();
    headers::rate_limit(&mut added, decision, quota);
    for (name, value) in added {
        if let Some(name) = name {
            error = error.header(name, value);
        }
    }
    error
}
