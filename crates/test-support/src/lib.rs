//! Databases for tests: a SQLite file, a database on a private PostgreSQL, a private Redis.
//!
//! A missing server is a panic that says what to install, never a skipped test. Nothing here outlives the test
//! process, however it ends: the servers stop when a pipe that this process holds is closed.
//!
//! One run of many test processes shares its servers if the environment names them; the binary of this crate
//! starts such a pair (`test-support serve`).

mod database;
mod postgres;
mod process;
mod redis;

pub use database::{TestDb, empty, migrated};
pub use postgres::{Cluster, Settings};
pub use redis::{RedisServer, TestRedis, redis};
