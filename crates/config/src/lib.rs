//! Settings: flags before the environment before `farmgate.toml` before defaults, each key declared once.
//!
//! The environment and the file's text are passed in; nothing here reads a process-wide variable. What the settings
//! mean to the server is decided where they are used.

mod advice;
mod costs;
mod document;
mod file;
mod load;
mod settings;
mod value;

pub use advice::advice;
pub use costs::Costs;
pub use document::{difference, manual, print};
pub use load::{ConfigError, Loaded, Origin, Problem, Sources, load};
pub use settings::{KEYS, Key, Settings};
pub use value::{Environment, LogFormat, LogLevel, MailTls, Ratio, SecretString, Setting};
