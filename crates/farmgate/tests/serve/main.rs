//! `farmgate serve` and `farmgate config` as an operator sees them: sources of settings, the embedded database, listeners, TLS, mail, leaving.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod embedded;
mod leaving;
mod listeners;
mod mail;
mod served;
mod settings;
