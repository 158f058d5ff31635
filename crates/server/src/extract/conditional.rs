//! `If-Match`: the version a caller believes to be changing.

use axum::extract::FromRequestParts;
use domain::problem::{ErrorCode, FieldError};
use http::{header, request::Parts};

use crate::error::ApiError;

/// The version named by `If-Match`; `None` if the header is absent or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl IfMatch {
    /// Compares with the present version.
    ///
    /// # Errors
    /// 412 if another version is named.
    pub fn check(self, present: u64) -> Result<(), ApiError> {
        match self.0 {
            Some(version) if version != present => Err(ApiError::new(
                ErrorCode::PreconditionFailed,
                "the entity has changed: read it again, then retry",
            )),
            _ => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner.and_then(|digits| digits.parse().ok()) {
            Some(version) => Ok(Self(Some(version))),
            None => Err(ApiError::malformed(vec![FieldError::new(
                "If-Match",
                "malformed_etag",
                "must be one strong entity tag as `ETag` gave it, such as \"7\", or *",
            )])),
        }
    }
}
