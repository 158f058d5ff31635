//! What goes on in a circuit: pushing, pulling, deciding, publishing, and pending items.

mod items;
mod operations;
mod pending;
mod push;

use domain::dfid::Dfid;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Answer, REFUSALS,
    circuits::{act, read, write},
};
use crate::{Routes, platform::Platform};

const TAG: &str = "exchange";

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
