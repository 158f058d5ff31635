//! Random secrets that are shown once and stored as hashes, and text that must not be printed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ids::IdSource;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Text that must not be printed: its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// 32 random bytes.
pub(super) fn random(ids: &dyn IdSource) -> [u8; 32] {
    let mut bytes = [0; 32];
    ids.fill(&mut bytes);
    bytes
}

/// The text form of random bytes: base64url.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the text form of exactly `N` bytes.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A text of another length is refused before it costs anything.
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// What is stored of a random secret: SHA-256 suffices, because there is nothing to guess.
pub(super) fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Compares in a time that does not depend on where the two differ.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_comes_back_and_nothing_else_does() {
        let bytes = [7_u8; 48];
        assert_eq!(decode::<48>(&encode(&bytes)), Some(bytes));
        assert_eq!(decode::<32>(&encode(&bytes)), None);
        assert_eq!(decode::<48>(&"!".repeat(64)), None);
    }
}
