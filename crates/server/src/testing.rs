//! What tests need to run an edge in process: a clock and ids of their own, and a client without a socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, extract::Request};
use domain::ids::{Clock, IdSource, Timestamp};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::edge::{Edge, Peer};

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Starts at this moment.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.micros()))
    }

    /// Moves on.
    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).micros(), Ordering::Relaxed);
    }
}

impl Default for TestClock {
    /// 2027-01-15T08:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_secs(1_800_000_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// Ids and random bytes that follow from a seed.
#[derive(Debug)]
pub struct TestIds {
    seed: u64,
    made: AtomicU64,
}

impl TestIds {
    /// The same seed gives the same ids.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            made: AtomicU64::new(0),
        }
    }
}

impl IdSource for TestIds {
    /// Version 7, each later than the one before.
    fn uuid(&self) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = 1_800_000_000_000 + self.made.fetch_add(1, Ordering::Relaxed);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    fn fill(&self, buffer: &mut [u8]) {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        for (index, chunk) in (0_u64..).zip(buffer.chunks_mut(32)) {
            let parts = [self.seed, number, index].map(u64::to_be_bytes);
            chunk.copy_from_slice(&Sha256::digest(parts.concat())[..chunk.len()]);
        }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: bytes::Bytes,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header's value, empty if absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Talks to an edge without a socket, with the same headers each time.
#[derive(Clone)]
pub struct TestClient {
    edge: Arc<Edge>,
    headers: Vec<(String, String)>,
}

impl TestClient {
    /// A client without a credential.
    #[must_use]
    pub const fn new(edge: Arc<Edge>) -> Self {
        Self {
            edge,
            headers: Vec::new(),
        }
    }

    /// The same client with one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// Sends a request without a body.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Body::empty()).await
    }

    /// Sends JSON.
    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let client = self.clone().with("content-type", "application/json");
        client.send(method, path, Body::from(body.to_string())).await
    }

    /// Sends a request from 127.0.0.1.
    ///
    /// # Panics
    /// If method, path or headers are not those of a request, or the answer breaks off.
    #[allow(clippy::expect_used, reason = "a helper of a test may fail the test")]
    pub async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(body.into()).expect("a request");
        let answer = self
            .edge
            .handle(
                request,
                Peer {
                    address: [127, 0, 0, 1].into(),
                    https: false,
                },
            )
            .await;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}
