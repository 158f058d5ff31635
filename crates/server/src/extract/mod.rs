//! Extractors whose refusals are problems that name the field. axum's own are not used by routes.

mod conditional;
mod json;
mod list;
mod path;
mod query;
mod serde_errors;

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use domain::nul;
use http::request::Parts;

pub(crate) use self::path::PathParams;
pub use self::{
    conditional::IfMatch,
    json::{Bytes, Json},
    list::{List, NoFilter},
    path::{Path, Path2},
    query::Query,
};
use crate::{caller::Caller, context::Ctx, error::ApiError};

/// Extractor of the authenticated caller; 401 on a public route called anonymously.
#[derive(Clone, Debug)]
pub struct Auth(pub Arc<Caller>);

impl Deref for Auth {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Auth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ctx = Ctx::from_request_parts(parts, state).await?;
        ctx.caller().cloned().map(Self)
    }
}

/// Refuses a parameter of the path or the query that holds U+0000. A header cannot hold it: HTTP allows no control
/// character there.
fn refuse_nul(name: &str, value: &str) -> Result<(), ApiError> {
    if value.contains('\0') {
        return Err(ApiError::malformed(vec![nul::error(name)]));
    }
    Ok(())
}
