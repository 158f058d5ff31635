//! Load, soak, comparison, verdict and reports for any HTTP service.
//!
//! The gate sees a service only from outside: this crate never names the platform. It holds no argument parsing
//! (crate `farmgate`), no Hurl reading (crate `scenario`) and no isolation test (crate `isolation`), which joins a run
//! through the trait [`stage::Stage`].

pub mod compare;
pub mod config;
pub mod files;
pub mod init;
pub mod live;
pub mod load;
pub mod measure;
pub mod report;
pub mod runs;
pub mod server;
pub mod setup;
pub mod smoke;
pub mod soak;
pub mod stage;
pub mod threshold;
pub mod units;
pub mod verdict;
