//! The query string as a type.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{refuse_nul, serde_errors::field_error};
use crate::error::ApiError;

/// The query string; types should carry `#[serde(deny_unknown_fields)]`.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Reads a query string; an error names the parameter.
pub(super) fn read<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    for (name, value) in pairs {
        refuse_nul("query", &name)?;
        refuse_nul(&name, &value)?;
    }
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map_err(|error| {
        let path = error.path().to_string();
        let mut field = field_error(&path, &error.into_inner().to_string());
        if field.field == "body" {
            field.field = "query".to_owned();
        }
        ApiError::malformed(vec![field])
    })
}
