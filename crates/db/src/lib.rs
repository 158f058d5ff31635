//! The engine layer: one small face over SQLite and PostgreSQL.
//!
//! Here live units of work, single reads, the coalescer for point reads, the gathering of writes, wake-ups between
//! processes, the routing of reads to a replica, migrations, and everything the two engines do differently. No table of
//! the product is known here: resources and their SQL live in `store`.
//! This is the only crate that names a database driver.

mod coalesce;
mod config;
mod connection;
mod describe;
mod error;
mod face;
mod gather;
mod meter;
pub mod migrate;
mod observer;
mod postgres;
mod pressure;
mod probe;
mod row;
mod scope;
mod signal;
mod sql;
mod sqlite;
mod unit;
mod value;

pub use coalesce::Coalescer;
pub use config::{DbConfig, PostgresConfig, SqliteConfig, Target};
pub use connection::{Db, Scoped};
pub use describe::{Description, describe, plans};
pub use error::DbError;
pub use face::Read;
pub use gather::Gather;
pub use meter::{Meter, Part, PartKind, Parts};
pub use observer::{NoObserver, Observer, PoolStats, ReplicaStats};
pub use pressure::{GiveWay, Pressure};
pub use row::{Cell, FromValue, JsonText, Micros, Row};
pub use scope::{Scope, Tenant};
pub use signal::{Listener, wake};
pub use sql::{Engine, Sql};
pub use unit::Tx;
pub use value::Value;

/// A statement with its arguments, as [`Db::run`] and [`Tx::pipeline`] take them.
pub type Step = (&'static Sql, Vec<Value>);
