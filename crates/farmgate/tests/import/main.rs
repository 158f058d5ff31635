//! `farmgate import` as a shell sees it: what it says of bad rows, and what happens when the server or it goes away.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod access;
mod answers;
mod notes;
#[path = "../platform/mod.rs"]
mod platform;
mod rows;
mod run;
mod scripted;
