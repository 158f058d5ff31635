//! The HTTP edge: connections, contexts, policies, limits, errors, metrics, health, documents.
//!
//! A resource's routes are written against [`routes::Routes`], the extractors in [`extract`] and the answers in
//! [`answer`]. No rule of a resource lives here, and no SQL.

mod admission;
pub mod answer;
mod body;
pub mod caller;
mod compress;
pub mod context;
pub mod csrf;
pub mod database_metrics;
pub mod denials;
pub mod edge;
pub mod error;
pub mod extract;
pub mod fair;
mod headers;
pub mod idempotency;
pub mod isolation;
pub mod listen;
pub mod live_metrics;
pub mod metrics;
pub mod openapi;
pub mod operation;
pub mod outgoing;
pub mod platform;
pub mod platform_guard;
pub mod platform_metrics;
pub mod policy;
pub mod process;
pub mod rate;
pub mod rate_shared;
pub mod redirect;
pub mod request_log;
pub mod routes;
pub mod served;
pub mod signals;
pub mod spans;
pub mod system;
pub mod testing;
pub mod tls;
pub mod trace;

pub use answer::{Created, Listing, NoContent, Tagged};
pub use caller::{Authenticated, Caller, Credential};
pub use context::{Ctx, RequestContext};
pub use error::ApiError;
pub use extract::{Auth, IfMatch, Json, List, Path, Path2, Query};
pub use operation::Operation;
pub use policy::Policy;
pub use routes::Routes;
