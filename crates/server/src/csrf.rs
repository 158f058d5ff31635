//! The CSRF token of a session: an HMAC of its id, so that nothing needs to be stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ids::SessionId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Makes and checks CSRF tokens.
#[derive(Clone)]
pub struct Csrf {
    key: [u8; 32],
}

impl Csrf {
    /// Uses this key; changing it makes browsers sign in again before they write.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    fn mac(&self, session: SessionId) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(b"farmgate csrf v1\0");
        mac.update(session.uuid().as_bytes());
        Some(mac)
    }

    /// The token that writes with this session's cookie must send as `X-CSRF-Token`.
    #[must_use]
    pub fn token(&self, session: SessionId) -> String {
        self.mac(session)
            .map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
            .unwrap_or_default()
    }

    /// Whether the token is this session's; takes the same time for every wrong one.
    #[must_use]
    pub fn verify(&self, session: SessionId, token: &[u8]) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        self.mac(session)
            .is_some_and(|mac| mac.verify_slice(&bytes).is_ok())
    }
}
