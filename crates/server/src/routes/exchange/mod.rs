//! What goes on in a circuit: pushing, pulling, deciding, publishing, and pending items.

mod items;
mod operations;
mod pending;
mod push;

use domain::{dfid::Dfid, identity::ApiScope, problem::ErrorCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{ApiError, Policy, Routes, platform::Platform};

const TAG: &str = "exchange";

const REFUSALS: &[ErrorCode] = &[
    ErrorCode::NotFound,
    ErrorCode::Forbidden,
    ErrorCode::Conflict,
    ErrorCode::ValidationFailed,
];

fn read() -> Policy {
    Policy::viewer(ApiScope::CircuitsRead)
}

fn write() -> Policy {
    Policy::member(ApiScope::CircuitsWrite)
}

/// The routes of pushing, pulling, operations, public views and pending items.
#[must_use]
pub fn routes() -> Routes<Platform> {
    push::pushing()
        .merge(operations::pulling())
        .merge(operations::operations())
        .merge(items::items())
        .merge(pending::pending())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DfidBody {
    #[schema(value_type = String)]
    dfid: Dfid,
}

type Answer<T> = Result<T, ApiError>;
