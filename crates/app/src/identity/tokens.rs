//! Bearer tokens: JWT (RFC 7519) signed with HMAC-SHA256, and the text of the session cookie.

use std::sync::Arc;

use domain::{
    ids::{SessionId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{hs256, secrets};
use crate::{AppError, Result};

/// For whom tokens are made; others' tokens signed with the same secret are refused.
const AUDIENCE: &str = "farmgate";

/// Tokens whose signature need not be checked again; a few hundred bytes each.
const KNOWN: u64 = 10_000;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The user.
    pub sub: UserId,
    /// The session, which is checked on every use.
    pub sid: SessionId,
    /// The workspace the token is for.
    pub wid: WorkspaceId,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// Made at, in seconds since the epoch.
    pub iat: i64,
    /// Ends at, in seconds since the epoch.
    pub exp: i64,
    /// Makes each token different.
    pub jti: Uuid,
}

impl Claims {
    pub(super) fn new(
        user: UserId,
        session: SessionId,
        workspace: WorkspaceId,
        jti: Uuid,
        life: [Timestamp; 2],
    ) -> Self {
        let [iat, exp] = life.map(Timestamp::secs);
        Self {
            sub: user,
            sid: session,
            wid: workspace,
            aud: AUDIENCE.to_owned(),
            iat,
            exp,
            jti,
        }
    }
}

/// Signs tokens and checks signatures.
pub(super) struct TokenKeys {
    header: Header,
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    /// What genuine tokens say, by hash: checking one costs more than the rest of looking the caller up.
    known: moka::sync::Cache<[u8; 32], Arc<Claims>>,
}

impl TokenKeys {
    /// Keys from a secret. The key id is a hash of it, so that a token signed with another is told apart.
    pub(super) fn new(secret: &[u8]) -> Self {
        hs256::install();
        let kid = secrets::encode(&secrets::hash(&[b"kid", secret].concat())[..6]);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        // Expiry is compared with the clock that was passed in, not with the system's.
        validation.validate_exp = false;
        Self {
            header: Header {
                kid: Some(kid),
                ..Header::new(Algorithm::HS256)
            },
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            validation,
            known: moka::sync::Cache::new(KNOWN),
        }
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String> {
        jsonwebtoken::encode(&self.header, claims, &self.signing)
            .map_err(|_| AppError::new(ErrorCode::Internal, "the token could not be signed"))
    }

    /// The claims of a token that we signed, that is for us and that has not ended; nothing otherwise.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Option<Arc<Claims>> {
        let hash = secrets::hash(token.as_bytes());
        let claims = match self.known.get(&hash) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.genuine(token)?);
                self.known.insert(hash, Arc::clone(&claims));
                claims
            }
        };
        (now.secs() < claims.exp).then_some(claims)
    }

    /// The claims of a token that we signed and that is for us, whether it has ended or not.
    fn genuine(&self, token: &str) -> Option<Claims> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?;
        (data.header.kid == self.header.kid).then_some(data.claims)
    }
}

/// A session cookie: the session's id and a secret, 48 bytes in base64url.
pub(super) struct CookieToken {
    /// Which session.
    pub session: SessionId,
    secret: [u8; 32],
}

impl CookieToken {
    pub(super) const fn new(session: SessionId, secret: [u8; 32]) -> Self {
        Self { session, secret }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 48] = secrets::decode(text)?;
        let (id, secret) = bytes.split_at(16);
        let session = Uuid::from_slice(id).ok()?.into();
        Some(Self {
            session,
            secret: secret.try_into().ok()?,
        })
    }

    pub(super) fn reveal(&self) -> String {
        secrets::encode(&[self.session.uuid().as_bytes(), self.secret.as_slice()].concat())
    }

    /// What is stored of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        secrets::hash(&self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let id = |byte| Uuid::from_bytes([byte; 16]);
        let life = [Timestamp::from_secs(1_000), Timestamp::from_secs(1_900)];
        Claims::new(id(1).into(), id(2).into(), id(3).into(), id(4), life)
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_ends() {
        let keys = TokenKeys::new(b"a secret of at least 32 bytes....");
        let token = keys.sign(&claims()).unwrap();
        let said = |secs| {
            keys.check(&token, Timestamp::from_secs(secs))
                .map(|said| (*said).clone())
        };
        assert_eq!(said(1_899), Some(claims()));
        assert_eq!(said(1_899), Some(claims()), "known by now");
        assert_eq!(said(1_900), None, "being known does not make it last");
        assert_eq!(
            keys.check(&token[..token.len() - 1], Timestamp::from_secs(1_000)),
            None
        );
    }

    #[test]
    fn tokens_of_other_keys_other_audiences_and_without_signature_are_refused() {
        let keys = TokenKeys::new(b"a secret of at least 32 bytes....");
        let now = Timestamp::from_secs(1_000);
        let others = TokenKeys::new(b"another secret, as long as the other")
            .sign(&claims())
            .unwrap();
        assert_eq!(keys.check(&others, now), None);
        let elsewhere = keys
            .sign(&Claims {
                aud: "elsewhere".into(),
                ..claims()
            })
            .unwrap();
        assert_eq!(keys.check(&elsewhere, now), None);
        let token = keys.sign(&claims()).unwrap();
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        let body = unsigned.split_once('.').unwrap().1;
        let none = secrets::encode(br#"{"alg":"none","typ":"JWT"}"#);
        assert_eq!(keys.check(&format!("{none}.{body}."), now), None);
        assert_eq!(keys.check(&format!("{unsigned}."), now), None);
    }

    /// Signature of the header and the claims in appendix A.1 of RFC 7515, with its key.
    #[test]
    fn signatures_are_those_of_the_standard() {
        hs256::install();
        let key = secrets::decode::<64>(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        );
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                       eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = EncodingKey::from_secret(&key.unwrap());
        let sign = |algorithm| jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm);
        assert_eq!(
            sign(Algorithm::HS256).unwrap(),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
        assert!(sign(Algorithm::HS512).is_err(), "no other is signed");
    }

    #[test]
    fn a_cookie_names_its_session() {
        let cookie = CookieToken::new(Uuid::from_bytes([9; 16]).into(), [5; 32]);
        let read = CookieToken::parse(&cookie.reveal()).unwrap();
        assert_eq!((read.session, read.hash()), (cookie.session, cookie.hash()));
        assert!(CookieToken::parse("short").is_none());
    }
}
