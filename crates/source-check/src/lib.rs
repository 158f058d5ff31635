//! The static check of Rust source: blocking locks and blocking work in async code.
//!
//! [`check`] reads a folder, [`check_sources`] takes texts. Source is parsed, never built: types are known as far as
//! declarations tell them. Text for people and machines is made in [`output`]; what is found is explained in [`Rule`].

mod baseline;
mod check;
mod config;
pub mod docs;
mod finding;
mod flow;
mod graph;
mod ir;
mod known;
mod lower;
mod manifest;
mod names;
mod nesting;
pub mod output;
mod parallel;
mod parse;
mod rules;
mod silence;
mod source;
mod state;
mod types;
mod workspace;

pub use baseline::Baseline;
pub use check::{CheckError, check, check_sources, load_config};
pub use config::{Config, RuleConfig};
pub use finding::{Finding, Note, Report, Unread, Verdict};
pub use rules::{Rule, Text};
pub use source::Source;
