//! Black-box detection of what one user of a service gets that is another one's.
//!
//! It decides by where content came from, never by status alone: everything it writes is unique and registered with its
//! writer and its audience ([`ledger`]), everything that comes back to anybody is scanned ([`scan`]). What is done is a
//! [`plan`] of checks ([`check`]), each of which sees first that the lawful way works. Nothing here knows the service:
//! it is described by a [`Config`].

mod assign;
mod channel;
mod check;
mod config;
mod engine;
mod error;
mod exchange;
mod judge;
mod ledger;
mod net;
mod phase;
mod plan;
mod principal;
mod report;
mod rule;
mod run;
mod scan;
mod selftest;
mod sight;
mod template;
mod tidy;

pub use config::{
    AdminOperation, Auth, Config, EXAMPLE, Effort, Operation, Policy, PrincipalConfig, Resource, Role,
    SocketConfig, Step, Target, View, Visibility,
};
pub use engine::{Options, Progress, Silent, isolate};
pub use error::Error;
pub use report::{Evidence, Finding, Power, Report, Verdict};
pub use rule::Rule;
