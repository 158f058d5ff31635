//! A lean HTTP client: HTTP/1.1 spoken directly over the socket, HTTP/2 over `hyper`, TLS over `rustls`.
//!
//! It does what a load generator needs and nothing more: one connection, one exchange at a time, a request
//! whose bytes were prepared before, an answer of which nothing is copied that nobody reads, and a limit on
//! everything. Redirects, cookies and retries live above, in [`crate::User`]; nothing here repeats a request.
//!
//! HTTP/1.1 is read here rather than by a library for two reasons: an exchange needs no second task to drive
//! the connection, and the bytes on the wire are exactly those that the scenario file says.

mod alarm;
mod connect;
mod connection;
pub(crate) mod decode;
mod error;
mod h1;
mod h2;
mod request;
mod response;
mod room;
mod target;
pub(crate) mod tls;

pub(crate) use connect::Stream;
pub use connect::{Connect, Family, Override};
pub use connection::{Connection, Limits};
pub use error::{Error, Reason};
pub use request::{Parts, Request, Version};
pub use response::{Headers, Response, Timings};
pub use target::{Scheme, Target};
pub use tls::{TlsOptions, TlsVersion};
