//! `farmgate serve` and `farmgate config` as an operator sees them: sources of settings, listeners, TLS, mail, leaving.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod leaving;
mod listeners;
mod mail;
mod served;
mod settings;
