//! A small multi-user service that is right by default, and into which faults of isolation can be planted.
//!
//! It is the other side of an isolation test: every fault it knows ([`FAULTS`]) is one such a test should find and
//! name. It keeps everything in memory and is not meant to serve anybody. The correct rules live in `store` and in the
//! routes; each fault stands next to the line it breaks, as `call.hit("name")`.

mod accounts;
mod call;
mod faults;
mod jobs;
mod live;
mod notes;
mod openapi;
mod projects;
mod routes;
mod serve;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use faults::Planted;
pub use faults::{FAULTS, Fault, find};
use store::Store;

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on the loopback address; 0 takes a free one.
    pub port: u16,
    /// Faults and the probability with which each happens at an opportunity.
    pub faults: Vec<(&'static Fault, f64)>,
    /// Seed of ids, tokens and misfortunes.
    pub seed: u64,
    /// Longest random delay before an answer.
    pub jitter: Duration,
    /// Share of requests that stall for 150 ms.
    pub stalls: f64,
    /// Share of requests answered 500, 503 or 429 without any effect.
    pub errors: f64,
    /// How much later the id of somebody else's note is answered than one that never existed.
    pub foreign_delay: Duration,
    /// Requests one user may make in a second before he gets 429.
    pub rate: u64,
    /// Who registers with this code becomes an administrator.
    pub setup_code: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            faults: Vec::new(),
            seed: 1,
            jitter: Duration::ZERO,
            stalls: 0.0,
            errors: 0.0,
            foreign_delay: Duration::ZERO,
            rate: 3_000,
            setup_code: "testbed-setup".to_owned(),
        }
    }
}

/// The service's state, shared by all requests.
#[derive(Debug)]
struct App {
    options: Options,
    faults: Planted,
    store: Mutex<Store>,
    /// The global that two planted faults misuse.
    global: AtomicU64,
    /// Sockets that a planted fault never counted down.
    leaked: AtomicI64,
    /// Requests in flight of whoever floods, for a planted queue without fairness.
    queue: AtomicI64,
    buckets: Mutex<std::collections::HashMap<u64, (tokio::time::Instant, f64)>>,
    stop: CancellationToken,
}

impl App {
    /// Puts a number into the global, yields to other requests, and takes what lies there then.
    async fn across_await(&self, value: u64) -> u64 {
        self.global.store(value, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.global.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// A service that is running. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
}

impl Running {
    /// The base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts the service on the current runtime.
///
/// # Errors
/// When the port cannot be bound.
pub async fn start(options: Options) -> std::io::Result<Running> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", options.port)).await?;
    launch(listener, options)
}

/// Not generic, so that the service is compiled here and not in every crate that starts one.
fn launch(listener: tokio::net::TcpListener, options: Options) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let app = Arc::new(App {
        faults: Planted::new(&options.faults, options.seed),
        store: Mutex::new(Store::new(options.seed)),
        global: AtomicU64::new(0),
        leaked: AtomicI64::new(0),
        queue: AtomicI64::new(0),
        buckets: Mutex::default(),
        stop: stop.clone(),
        options,
    });
    tokio::spawn(serve::run(listener, app));
    Ok(Running { address, stop })
}
