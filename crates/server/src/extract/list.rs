//! The query of a list: which page, and the list's own filters.

use axum::extract::FromRequestParts;
use domain::{page::PageRequest, problem::FieldError};
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};

use super::query;
use crate::error::ApiError;

/// Names of the parameters that every list has.
const PAGE_PARAMETERS: [&str; 4] = ["limit", "cursor", "offset", "with_total"];

/// `limit`, `cursor`, `offset`, `with_total`, and the filters `F`.
#[derive(Clone, Debug)]
pub struct List<F = NoFilter> {
    /// Which page.
    pub page: PageRequest,
    /// Whether the answer should say how many entries the whole list has.
    pub with_total: bool,
    /// The list's own parameters.
    pub filter: F,
}

impl<F> List<F> {
    /// The `total` of the answer: counted if the caller asked for it. A future that is not needed is dropped unrun.
    ///
    /// # Errors
    /// The count's own.
    pub async fn total<E>(&self, count: impl Future<Output = Result<u64, E>>) -> Result<Option<u64>, E> {
        match self.with_total {
            true => count.await.map(Some),
            false => Ok(None),
        }
    }
}

/// A list without parameters of its own.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageQuery {
    limit: Option<u64>,
    cursor: Option<String>,
    offset: Option<u64>,
    with_total: bool,
}

impl<F: DeserializeOwned, S: Sync> FromRequestParts<S> for List<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let (ours, theirs): (Vec<&str>, Vec<&str>) = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .partition(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                PAGE_PARAMETERS.contains(&name)
            });
        let page: PageQuery = query::read(&ours.join("&"))?;
        let filter = query::read(&theirs.join("&"))?;
        let with_total = page.with_total;
        let page: Result<_, Vec<FieldError>> =
            PageRequest::new(page.limit, page.cursor.as_deref(), page.offset);
        Ok(Self {
            page: page.map_err(ApiError::malformed)?,
            with_total,
            filter,
        })
    }
}
