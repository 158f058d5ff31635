//! The HTTP client that traces are sent with. It does its work on the server's runtime: the sending thread has none.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pooled, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Time for one sending.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of an answer that is read: it tells of refused spans, if of anything.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Sends what it is given. It tells once when a collector is lost, and once when it is back.
pub(super) struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    lost: AtomicBool,
}

impl Client {
    pub(super) fn new() -> Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            pooled: Pooled::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::try_current().context("traces need a runtime")?,
            lost: AtomicBool::new(false),
        })
    }

    fn tell(&self, failed: Option<String>) {
        let lost = failed.is_some();
        if self.lost.swap(lost, Ordering::Relaxed) == lost {
            return;
        }
        match failed {
            Some(why) => tracing::warn!(why, "traces cannot be sent and are dropped until they can"),
            None => tracing::info!("traces are sent again"),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let pooled = self.pooled.clone();
        let sending = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(PATIENCE, send(pooled, request)).await;
            sent.unwrap_or_else(|late| Err(late.into()))
        });
        let answer = sending.await.map_err(HttpError::from).flatten();
        self.tell(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answered {}", answer.status())),
            Err(error) => Some(chain(&**error)),
        });
        answer
    }
}

async fn send(
    pooled: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = pooled.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// The error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
