//! Who may come in: the credential, the CSRF token, the rate limits.

use std::{net::IpAddr, sync::atomic::Ordering};

use axum::extract::Request;
use domain::{
    ids::Timestamp,
    problem::{ErrorCode, Extension},
    tier::Limit,
};
use http::{HeaderMap, Method, header};

use crate::{
    caller::{AuthError, AuthRequest, Authenticated, Caller, Credential, Presented},
    edge::{Edge, Quotas},
    error::ApiError,
    headers,
    policy::RateClass,
    rate::{Decision, Quota, RateKey},
    routes::Endpoint,
};

/// The window of the calls that a tier allows.
const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);
/// How API keys begin.
const KEY_PREFIX: &str = "fg_";

/// The caller, if the route wants to know and a credential came. A failed attempt counts against the address.
pub(crate) async fn caller(
    edge: &Edge,
    headers: &HeaderMap,
    endpoint: &Endpoint,
    address: IpAddr,
    now: Timestamp,
) -> Result<Option<Authenticated>, ApiError> {
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
        Ok(found) => Ok(Some(found)),
        Err(AuthError::Unavailable(source)) => {
            let after = std::time::Duration::from_secs(1);
            Err(ApiError::unavailable("the credential could not be checked", after).source(source))
        }
        Err(refused) => {
            count(edge, endpoint.policy.rate, None, address, now).await?;
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
    let Some(Credential::Cookie(session)) = caller.map(|caller| &caller.credential) else {
        return Ok(());
    };
    let token = request.headers().get("x-csrf-token");
    if safe || token.is_some_and(|token| edge.outside.csrf.verify(*session, token.as_bytes())) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::CsrfRejected,
        "send the session's token as `X-CSRF-Token`",
    ))
}

/// Counts the request against every limit that applies; gives the tightest for the headers.
pub(crate) async fn count(
    edge: &Edge,
    class: RateClass,
    caller: Option<&Authenticated>,
    address: IpAddr,
    now: Timestamp,
) -> Result<Option<(Decision, Quota)>, ApiError> {
    let Some(quotas) = &edge.config.quotas else {
        return Ok(None);
    };
    let (asks, number) = asks(quotas, class, caller, address);
    let mut tightest: Option<(Decision, Quota)> = None;
    let asks = &asks[..number];
    let shared = match &edge.outside.shared_limits {
        Some(shared) if number > 0 => shared.check(asks, now).await,
        _ => None,
    };
    if shared.is_none() && number > 0 && edge.outside.shared_limits.is_some() {
        edge.metrics().rate_limits_local.fetch_add(1, Ordering::Relaxed);
    }
    for (index, (key, quota)) in asks.iter().enumerate() {
        let known = shared
            .as_ref()
            .and_then(|decisions| decisions.get(index).copied());
        let decision = known.unwrap_or_else(|| edge.limiter.check(*key, *quota, now));
        if !decision.allowed {
            edge.metrics().rate_limited.fetch_add(1, Ordering::Relaxed);
            return Err(refused(*key, &decision, *quota));
        }
        if tightest.is_none_or(|(known, _)| decision.remaining < known.remaining) {
            tightest = Some((decision, *quota));
        }
    }
    Ok(tightest)
}

/// The limits that apply to the request, and how many of the three places are used.
fn asks(
    quotas: &Quotas,
    class: RateClass,
    caller: Option<&Authenticated>,
    address: IpAddr,
) -> ([(RateKey, Quota); 3], usize) {
    let by_address = RateKey::Address(class, headers::address_bits(address));
    let one = |quota| ([(by_address, quota); 3], 1);
    let (caller, own_rate) = match (class, caller) {
        (RateClass::Exempt, _) => return ([(by_address, quotas.anonymous); 3], 0),
        (RateClass::Login, _) => return one(quotas.login),
        (RateClass::Reset, _) => return one(quotas.reset),
        (RateClass::Caller, None) => return one(quotas.anonymous),
        (RateClass::Caller, Some(found)) => (&found.caller, found.own_rate),
    };
    let own = match &caller.credential {
        Credential::ApiKey(key, _) => (
            RateKey::Key(key.uuid()),
            own_rate.map_or(quotas.key, Quota::per_minute),
        ),
        _ => (RateKey::User(caller.user_id.uuid()), quotas.user),
    };
    let workspace = (RateKey::Workspace(caller.workspace_id.uuid()), quotas.workspace);
    match api_calls(caller) {
        Some(calls) => ([own, workspace, calls], 3),
        None => ([own, workspace, workspace], 2),
    }
}

/// The calls an hour that the workspace's tier allows to its programs, which come with API keys. People who are signed
/// in are not counted.
///
/// The hour slides: calls fall free evenly, so that no write is needed and processes can share the count.
fn api_calls(caller: &Caller) -> Option<(RateKey, Quota)> {
    let Credential::ApiKey(..) = caller.credential else {
        return None;
    };
    let allowed = caller.tier.allowed(Limit::ApiCallsPerHour)?;
    let quota = Quota {
        requests: u32::try_from(allowed).unwrap_or(u32::MAX),
        window: HOUR,
    };
    Some((RateKey::ApiCalls(caller.workspace_id.uuid()), quota))
}

fn refused(key: RateKey, decision: &Decision, quota: Quota) -> ApiError {
    let error = match key {
        RateKey::ApiCalls(_) => {
            let (limit, allowed) = (Limit::ApiCallsPerHour.as_str(), quota.requests);
            let message = format!("the tier allows {allowed} of `{limit}` and {allowed} are used");
            ApiError::new(ErrorCode::LimitExceeded, message)
                .member(Extension::Limit, limit)
                .member(Extension::Used, allowed)
                .member(Extension::Allowed, allowed)
        }
        _ => ApiError::new(ErrorCode::RateLimited, "a rate limit is used up"),
    };
    let mut error = error.retry_after(decision.retry_after);
    let mut added = HeaderMap::new();
    headers::rate_limit(&mut added, decision, quota);
    for (name, value) in added {
        if let Some(name) = name {
            error = error.header(name, value);
        }
    }
    error
}
