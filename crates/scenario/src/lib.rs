//! Hurl files: reading and executing them asynchronously.
//!
//! [`parse`] reads a file after the published grammar of Hurl 8 and refuses, by name and line, what this
//! executor does not do; nothing is skipped silently. The resulting [`Scenario`] is shared by all virtual
//! users of a run. A [`User`] has its own cookies, variables and connections and runs scenarios one after the
//! other; an [`Observer`] is told of every exchange, and the [`Outcome`] has a row per entry and per assert.
//!
//! Not here: pacing, statistics, thresholds and reports, which belong to the crate `gate`.

mod diagnostic;
pub mod http;
mod jsonpath;
mod markup;
mod outcome;
mod run;
mod scenario;
mod settings;
pub mod support;
mod syntax;
mod value;
mod xpath;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use outcome::{AssertOutcome, Call, EntryError, EntryOutcome, ErrorKind, Message, Observer, Outcome};
pub use run::User;
pub use scenario::{Directive, EntryInfo, Scenario, parse};
pub use settings::{Count, Follow, HttpVersion, Settings};
pub use value::{Number, Value};
