//! Parameters of the path, each read by its type's `FromStr`.

use std::{fmt::Display, str::FromStr};

use axum::extract::FromRequestParts;
use domain::problem::FieldError;
use http::request::Parts;

use super::refuse_nul;
use crate::error::ApiError;

/// The raw values of the matched path, put into the request by the edge.
#[derive(Clone, Debug)]
pub(crate) struct PathParams(pub(crate) Vec<(&'static str, String)>);

/// The only parameter of the path.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The first two parameters of the path.
#[derive(Clone, Copy, Debug)]
pub struct Path2<A, B>(pub A, pub B);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: FromStr<Err: Display> + Send,
    S: Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        read(parts, 0).map(Self)
    }
}

impl<A, B, S> FromRequestParts<S> for Path2<A, B>
where
    A: FromStr<Err: Display> + Send,
    B: FromStr<Err: Display> + Send,
    S: Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(read(parts, 0)?, read(parts, 1)?))
    }
}

fn read<T: FromStr<Err: Display>>(parts: &Parts, index: usize) -> Result<T, ApiError> {
    let params = parts.extensions.get::<PathParams>();
    let Some((name, raw)) = params.and_then(|params| params.0.get(index)) else {
        return Err(ApiError::internal(
            "a handler asks for a path parameter that its pattern lacks",
        ));
    };
    let malformed =
        |message: String| ApiError::malformed(vec![FieldError::new(*name, "malformed_id", message)]);
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8();
    let decoded = decoded.map_err(|_| malformed("is not valid UTF-8".to_owned()))?;
    refuse_nul(name, &decoded)?;
    decoded
        .parse()
        .map_err(|error: T::Err| malformed(error.to_string()))
}
