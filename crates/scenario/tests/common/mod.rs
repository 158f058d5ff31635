//! A small server with something for every feature of the format, in process and on a port of its own.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod cases;
mod pages;
pub mod raw;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// How often each counter was asked.
pub type Counters = Arc<Mutex<HashMap<String, u32>>>;

/// Starts the server; it lives as long as the runtime of the test.
pub async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let counters = Counters::default();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counters = counters.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, counters.clone()));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    base
}

async fn answer(request: Request<Incoming>, counters: Counters) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    Ok(pages::page(&head, &body, &counters))
}

/// Runs a future on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    #[allow(clippy::disallowed_methods, reason = "the entry of a test")]
    runtime.block_on(future)
}

/// Whether a tool is installed. If not, the test says so aloud and is not counted as passed; in CI it fails.
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads whether its tools must be there"
)]
pub fn tool_is_there(name: &str) -> bool {
    let there = std::process::Command::new(name).arg("--version").output().is_ok();
    if !there {
        assert!(
            std::env::var_os("CI").is_none(),
            "{name} is missing, and CI needs it: cargo install --locked {name}@8.0.1"
        );
        eprintln!("not run: {name} is missing, so nothing was compared: cargo install --locked {name}@8.0.1");
    }
    there
}
