//! A collector: takes traces by OTLP over HTTP in protobuf, and tells what came.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message as _;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    /// Nanoseconds at which it began and ended.
    pub time: (u64, u64),
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
}

/// What a sending brought; none if it was refused.
type Sending = Option<Vec<Seen>>;

pub struct Collector {
    pub url: String,
    /// All that came so far.
    pub seen: Vec<Seen>,
    accepts: Arc<AtomicBool>,
    sendings: UnboundedReceiver<Sending>,
}

impl Collector {
    /// One that takes what comes, or answers 503 to it.
    pub async fn start(accepts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepts = Arc::new(AtomicBool::new(accepts));
        let (sender, sendings) = unbounded_channel();
        tokio::spawn(serve(listener, Arc::clone(&accepts), sender));
        Self {
            url,
            seen: Vec::new(),
            accepts,
            sendings,
        }
    }

    /// From now on it takes what comes.
    pub fn accept(&self) {
        self.accepts.store(true, Ordering::SeqCst);
    }

    /// Waits until it has refused something.
    pub async fn refused(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Waits for the request of a trace; gives all spans of it.
    pub async fn trace(&mut self, trace: &str) -> Vec<Seen> {
        loop {
            let spans: Vec<_> = self
                .seen
                .iter()
                .filter(|span| span.trace == trace)
                .cloned()
                .collect();
            // The request comes after its parts.
            if spans.iter().any(|span| span.kind == SpanKind::Server) {
                return spans;
            }
            let came = self.next().await;
            self.seen.extend(came.into_iter().flatten());
        }
    }

    async fn next(&mut self) -> Sending {
        let next = tokio::time::timeout(PATIENCE, self.sendings.recv());
        next.await.expect("a sending comes in time").unwrap()
    }
}

async fn serve(listener: TcpListener, accepts: Arc<AtomicBool>, sender: UnboundedSender<Sending>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (accepts, sender) = (Arc::clone(&accepts), sender.clone());
        let take = service_fn(move |request| take(request, Arc::clone(&accepts), sender.clone()));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), take));
    }
}

async fn take(
    request: Request<Incoming>,
    accepts: Arc<AtomicBool>,
    sender: UnboundedSender<Sending>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await?.to_bytes();
    let mut answer = Response::new(Full::default());
    let sending = accepts.load(Ordering::SeqCst).then(|| spans(body));
    if sending.is_none() {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    // The test may be over.
    let _ = sender.send(sending);
    Ok(answer)
}

fn spans(body: Bytes) -> Vec<Seen> {
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    let resources = sent.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| {
        let who = resource.resource.unwrap().attributes;
        assert!(who.iter().any(|pair| pair.key == "service.name"));
        resource.scope_spans
    });
    scopes.flat_map(|scope| scope.spans).map(seen).collect()
}

fn seen(span: Span) -> Seen {
    let attributes = span.attributes.iter();
    Seen {
        trace: hex::encode(&span.trace_id),
        id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        kind: span.kind(),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
        failed: span
            .status
            .is_some_and(|status| status.code() == SpanStatus::Error),
        attributes: attributes
            .map(|pair| (pair.key.clone(), text(pair.value.as_ref())))
            .collect(),
        name: span.name,
    }
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
