//! JSON in and out. Bad input is told apart: not JSON (400), too large (413), another type (415), wrong fields (422).

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use domain::{
    nul,
    problem::{ErrorCode, Extension},
};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::serde_errors::field_error;
use crate::{body::BodyError, error::ApiError};

/// A JSON body: extractor and answer.
///
/// Types read with it should carry `#[serde(deny_unknown_fields)]`: an unknown field is an error that names it.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(256);
        match serde_json::to_writer(&mut body, &self.0) {
            Ok(()) => {
                let mut response = Response::new(body.into());
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                ErrorCode::UnsupportedMediaType,
                "send JSON with `Content-Type: application/json`",
            ));
        }
        parse(&collect(request).await?).map(Self)
    }
}

/// The whole body as bytes, within the route's limit; for routes that read other formats.
#[derive(Clone, Debug)]
pub struct Bytes(pub bytes::Bytes);

impl<S: Sync> FromRequest<S> for Bytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        collect(request).await.map(Self)
    }
}

async fn collect(request: Request) -> Result<bytes::Bytes, ApiError> {
    match request.into_body().collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(BodyError::explain(error)),
    }
}

/// `application/json` or a type with the suffix `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence
            .to_ascii_lowercase()
            .strip_prefix("application/")
            .is_some_and(|rest| rest.ends_with("+json"))
}

/// Reads JSON; an error names the field. Its path is followed from the start: to read once more what did not fit would
/// compile every type twice, and following costs less than a microsecond for a body of usual size.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if let Some(error) = nul::in_json("body", bytes) {
        return Err(error.into());
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refused(bytes, &path, &error.into_inner())
    })?;
    reader.end().map_err(|error| not_json(bytes, &error))?;
    Ok(value)
}

fn refused(bytes: &[u8], path: &str, error: &serde_json::Error) -> ApiError {
    match error.classify() {
        Category::Data => ApiError::invalid(vec![field_error(path, &error.to_string())]),
        Category::Io | Category::Syntax | Category::Eof => not_json(bytes, error),
    }
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    if bytes.is_empty() {
        return ApiError::new(ErrorCode::MalformedJson, "the body is empty: JSON is expected");
    }
    if let Err(utf8) = std::str::from_utf8(bytes) {
        let text = format!("the body is not valid UTF-8 at byte {}", utf8.valid_up_to());
        return ApiError::new(ErrorCode::MalformedJson, text);
    }
    ApiError::new(ErrorCode::MalformedJson, error.to_string())
        .member(Extension::Line, error.line())
        .member(Extension::Column, error.column())
}
