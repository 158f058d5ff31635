//! From a presented credential to a caller. On every request's way: one shared query, no write.

use std::net::IpAddr;

use db::{DbError, Scope};
use domain::{
    caller::{Caller, Credential},
    identity::{ApiKeyToken, UserStatus},
    ids::{SessionId, Timestamp},
};
use store::{api_keys, sessions};

use super::{Identity, secrets, tokens::CookieToken};
use crate::audit::{Refusal, Refused};

/// A credential as it came with the request; unchecked, and never logged.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// A bearer token.
    Bearer(&'a str),
    /// The value of the cookie `session`.
    Cookie(&'a str),
    /// An API key, `fg_…`.
    ApiKey(&'a str),
}

/// Where the credential is used, for keys that are limited to places.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The method, in capitals.
    pub method: &'a str,
    /// The matched route's pattern, such as `/api/items/{dfid}`.
    pub route: &'a str,
}

/// Who calls, and the rate that was granted to an API key.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// The caller.
    pub caller: Caller,
    /// Requests per minute of this API key, if it has its own rate.
    pub rate_per_minute: Option<u32>,
}

/// Why a credential was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// Unknown, ended, revoked or malformed; which of these is not told.
    #[error("the credential is not valid")]
    Invalid,
    /// The account is suspended, banned or not verified.
    #[error("the account is not active")]
    NotActive,
    /// The key is limited to other addresses or routes.
    #[error("the key may not be used here: {0}")]
    NotHere(&'static str),
    /// The check could not be made.
    #[error("the credential could not be checked")]
    Unavailable(#[from] DbError),
}

type Outcome = std::result::Result<Authentication, AuthenticationError>;

impl Identity<'_> {
    /// Checks a credential against the database as it is now.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn authenticate(&self, presented: Presented<'_>, place: Place<'_>) -> Outcome {
        match presented {
            Presented::Bearer(token) => self.by_token(token).await,
            Presented::Cookie(text) => self.by_cookie(text).await,
            Presented::ApiKey(text) => self.by_key(text, place).await,
        }
    }

    async fn by_token(&self, token: &str) -> Outcome {
        let claims = self
            .services()
            .tokens
            .check(token, self.app.now())
            .ok_or(AuthenticationError::Invalid)?;
        let session = self.session(claims.sid).await?;
        // After a change of workspace the tokens made before are for the other one.
        if session.workspace_id != claims.wid || session.user_id != claims.sub {
            return Err(AuthenticationError::Invalid);
        }
        self.admit(&session, Credential::Token(session.id))
    }

    async fn by_cookie(&self, text: &str) -> Outcome {
        let cookie = CookieToken::parse(text).ok_or(AuthenticationError::Invalid)?;
        let session = self.session(cookie.session).await?;
        if !secrets::same(&session.token_hash, &cookie.hash()) {
            return Err(AuthenticationError::Invalid);
        }
        self.admit(&session, Credential::Cookie(session.id))
    }

    async fn session(
        &self,
        id: SessionId,
    ) -> std::result::Result<std::sync::Arc<sessions::Authenticated>, AuthenticationError> {
        self.services()
            .sessions
            .get(id)
            .await?
            .ok_or(AuthenticationError::Invalid)
    }

    fn admit(&self, session: &sessions::Authenticated, credential: Credential) -> Outcome {
        if session.expires_at <= self.app.now() {
            return Err(AuthenticationError::Invalid);
        }
        active(session.status)?;
        self.services().touches.session(session.id);
        let caller = Caller {
            user_id: session.user_id,
            workspace_id: session.workspace_id,
            role: session.role,
            tier: session.tier,
            platform_admin: session.platform_admin,
            credential,
        };
        Ok(Authentication {
            caller,
            rate_per_minute: None,
        })
    }

    async fn by_key(&self, text: &str, place: Place<'_>) -> Outcome {
        let token: ApiKeyToken = text.parse().map_err(|_| AuthenticationError::Invalid)?;
        let key = self
            .services()
            .keys
            .get(token.id())
            .await?
            .ok_or(AuthenticationError::Invalid)?;
        let now = self.app.now();
        if let Err(refused) = usable(&key, &token, place, now) {
            self.app.note_refusal(Refusal {
                workspace: key.workspace_id,
                actor: None,
                what: Refused::KeyUse,
                target: &key.id.to_string(),
                address: &place.address.to_string(),
            });
            return Err(refused);
        }
        self.services().touches.key(key.id, now);
        let caller = Caller {
            user_id: key.created_by,
            workspace_id: key.workspace_id,
            role: key.role,
            tier: key.tier,
            platform_admin: key.platform_admin,
            credential: Credential::ApiKey(key.id, key.scopes.clone()),
        };
        Ok(Authentication {
            caller,
            rate_per_minute: key.rate_per_minute,
        })
    }

    /// Writes the uses of sessions and keys since the last time. A worker calls it every few seconds.
    ///
    /// # Errors
    /// If the database refuses; the counts of keys are kept for the next time.
    pub async fn flush_uses(&self) -> std::result::Result<(), DbError> {
        let touches = &self.services().touches;
        let (ids, keys) = (touches.take_sessions(), touches.take_keys());
        let mut steps: Vec<_> = keys
            .iter()
            .map(|(id, uses)| api_keys::count_use(*id, uses.count, uses.last))
            .collect();
        if !ids.is_empty() {
            steps.push(sessions::touch(ids, self.app.now()));
        }
        // Uses of every tenant at once.
        let written = self.app.db().run(&Scope::global(), steps).await;
        if let Err(error) = written {
            touches.put_back(keys);
            return Err(error);
        }
        Ok(())
    }
}

const fn active(status: UserStatus) -> std::result::Result<(), AuthenticationError> {
    if status.may_act() {
        Ok(())
    } else {
        Err(AuthenticationError::NotActive)
    }
}

/// Whether the key may be used now and here by one who shows this token.
fn usable(
    key: &api_keys::Authenticated,
    token: &ApiKeyToken,
    place: Place<'_>,
    now: Timestamp,
) -> std::result::Result<(), AuthenticationError> {
    if !secrets::same(&key.secret_hash, &token.secret_hash()) {
        return Err(AuthenticationError::Invalid);
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(AuthenticationError::Invalid);
    }
    active(key.status)?;
    placed(key, place)
}

fn placed(key: &api_keys::Authenticated, place: Place<'_>) -> std::result::Result<(), AuthenticationError> {
    if !key.addresses.is_empty() && !key.addresses.iter().any(|range| range.contains(place.address)) {
        return Err(AuthenticationError::NotHere("it is limited to other addresses"));
    }
    if !key.routes.is_empty() && !key.routes.iter().any(|route| covers(route, place)) {
        return Err(AuthenticationError::NotHere("it is limited to other routes"));
    }
    Ok(())
}

/// Whether a route limit such as `GET /api/items/{dfid}`, `/api/events` or `/api/items/*` covers the place.
fn covers(limit: &str, place: Place<'_>) -> bool {
    let (method, pattern) = limit
        .split_once(' ')
        .map_or((None, limit), |(method, pattern)| (Some(method), pattern));
    let path = match pattern.strip_suffix('*') {
        Some(start) => place.route.starts_with(start),
        None => place.route == pattern,
    };
    path && method.is_none_or(|method| method == place.method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_limit_covers_its_pattern_method_and_subtree() {
        let place = Place {
            address: [127, 0, 0, 1].into(),
            method: "GET",
            route: "/api/items/{dfid}",
        };
        for limit in [
            "/api/items/{dfid}",
            "GET /api/items/{dfid}",
            "/api/items/*",
            "GET /api/*",
        ] {
            assert!(covers(limit, place), "{limit}");
        }
        for limit in [
            "/api/items",
            "POST /api/items/{dfid}",
            "/api/events/*",
            "POST /api/*",
        ] {
            assert!(!covers(limit, place), "{limit}");
        }
    }
}
