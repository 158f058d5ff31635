//! What the words mean: ids, items, circuits, events, errors. Rules as pure functions: no I/O, no async, no clock.
//!
//! Time and randomness are arguments ([`ids::Clock`], [`ids::IdSource`], bytes). Nothing here knows a database, a
//! request or a task; nothing here is decided twice elsewhere.

mod text;
mod words;

pub mod caller;
pub mod canonical;
pub mod circuit;
pub mod credits;
pub mod dfid;
pub mod event;
pub mod identifier;
pub mod identity;
pub mod ids;
pub mod item;
pub mod leaf;
pub mod namespace;
pub mod nul;
pub mod operation;
pub mod page;
pub mod problem;
pub mod push;
pub mod registry;
pub mod tier;
pub mod time;
pub mod unique;
