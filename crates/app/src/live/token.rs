//! The resume token: the place of the last message a client has seen, and when that was.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ids::Timestamp;

/// Where a client left off. It grants nothing: whoever invents one still hears only what is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    pub(super) position: i64,
    pub(super) at: Timestamp,
}

/// Text that is no resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no resume token of this channel: pass the last `resume_token` unchanged")]
pub struct BadToken;

impl ResumeToken {
    pub(super) const fn new(position: i64, at: Timestamp) -> Self {
        Self { position, at }
    }
}

impl std::fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.position.to_be_bytes(), self.at.micros().to_be_bytes()].concat();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ResumeToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadToken)?;
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| BadToken)?;
        let number = |half: &[u8]| {
            half.iter()
                .fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
                .cast_signed()
        };
        let (position, at) = (number(&bytes[..8]), number(&bytes[8..]));
        if position < 0 {
            Err(BadToken)
        } else {
            Ok(Self {
                position,
                at: Timestamp::from_micros(at),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_other_text_does_not() {
        let token = ResumeToken::new(77, Timestamp::from_secs(1_800_000_000));
        assert_eq!(token.to_string().parse(), Ok(token));
        assert_eq!("nonsense".parse::<ResumeToken>(), Err(BadToken));
        assert_eq!(
            ResumeToken::new(-1, Timestamp::EPOCH)
                .to_string()
                .parse::<ResumeToken>(),
            Err(BadToken)
        );
    }
}
