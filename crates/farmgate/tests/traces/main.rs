//! Traces of the real binary, as a collector gets them by OTLP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod collector;
#[path = "../platform/mod.rs"]
mod platform;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use collector::{Collector, Seen};
use db::Engine;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use platform::Server;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Sends a request with this `traceparent`; gives the status and the answer's `traceparent`.
fn send(server: &Server, head: &str, token: &str, body: &str, traceparent: Option<&str>) -> (u16, String) {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let traceparent = traceparent.map_or_else(String::new, |value| format!("traceparent: {value}\r\n"));
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{traceparent}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| *name == "traceparent").unwrap();
    (status, found.1.to_owned())
}

fn sampled(trace: &str) -> String {
    format!("00-{trace}-{PARENT}-01")
}

/// Nothing but what callers ask for is recorded.
fn start(engine: Engine, collector: &Collector, ratio: &str) -> Server {
    Server::start_with(
        engine,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_TRACES_SAMPLER_ARG", ratio),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ],
    )
}

fn request(spans: &[Seen]) -> &Seen {
    spans.iter().find(|span| span.kind == SpanKind::Server).unwrap()
}

fn names(spans: &[Seen]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

async fn a_sampled_request_leaves_with_its_parts(engine: Engine) {
    let mut collector = Collector::start(true).await;
    let server = start(engine, &collector, "0");
    let ana = server.person("ana").await;
    let (status, told) = send(
        &server,
        "GET /api/circuits",
        &ana.token,
        "",
        Some(&sampled(TRACE)),
    );
    assert_eq!(status, 200);
    let spans = collector.trace(TRACE).await;
    let request = request(&spans);
    assert_eq!(request.name, "GET /api/circuits");
    assert_eq!((request.parent.as_str(), request.failed), (PARENT, false));
    assert_eq!(told, format!("00-{TRACE}-{}-01", request.id));
    assert_eq!(request.attributes["http.route"], "/api/circuits");
    assert_eq!(request.attributes["http.response.status_code"], "200");
    let query = spans.iter().find(|span| span.kind == SpanKind::Client).unwrap();
    assert_eq!(query.attributes["db.query.summary"], query.name);
    assert_eq!(query.attributes["db.system.name"], engine.name());
    for part in spans.iter().filter(|span| span.id != request.id) {
        assert_eq!(part.parent, request.id, "{}", part.name);
        assert!(
            part.time.0 >= request.time.0 && part.time.1 <= request.time.1,
            "{spans:#?}"
        );
    }
    let names = names(&spans);
    assert!(names.contains(&"look the caller up"), "{names:?}");
    let acquired = names.contains(&"acquire a connection of the app pool");
    assert_eq!(acquired, engine == Engine::Postgres, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_a_sampled_request_leaves_with_its_parts() {
    a_sampled_request_leaves_with_its_parts(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_a_sampled_request_leaves_with_its_parts() {
    a_sampled_request_leaves_with_its_parts(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_does_not_sample_stays() {
    let mut collector = Collector::start(true).await;
    let server = start(Engine::Sqlite, &collector, "1");
    let silent = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let unsampled = format!("00-{silent}-{PARENT}-00");
    assert_eq!(send(&server, "GET /version", "", "", Some(&unsampled)).0, 200);
    // One queue: what was sent before would have come before.
    let (_, told) = send(&server, "GET /version", "", "", None);
    let own = told.split('-').nth(1).unwrap().to_owned();
    assert!(told.ends_with("-01"), "{told}");
    assert_eq!(request(&collector.trace(&own).await).name, "GET /version");
    assert!(collector.seen.iter().all(|span| span.trace != silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_parts_and_failures_are_marked() {
    let mut collector = Collector::start(true).await;
    let server = start(Engine::Sqlite, &collector, "0");
    server.person("ana").await;
    let body = r#"{"username":"ana","password":"correct horse battery"}"#;
    send(&server, "POST /api/auth/login", "", body, Some(&sampled(TRACE)));
    let spans = collector.trace(TRACE).await;
    assert!(
        names(&spans).contains(&"check the password"),
        "{:?}",
        names(&spans)
    );
    // No secret leaves with them.
    let all = format!("{:?}", collector.seen);
    assert!(
        !all.contains("correct horse") && !all.contains("ana@example.org"),
        "{all}"
    );
    let stranger = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    let (status, _) = send(
        &server,
        "GET /api/circuits",
        "nonsense",
        "",
        Some(&sampled(stranger)),
    );
    assert_eq!(status, 401);
    let spans = collector.trace(stranger).await;
    let look_up = spans
        .iter()
        .find(|span| span.name == "look the caller up")
        .unwrap();
    assert!(look_up.failed, "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_not_depend_on_its_collector() {
    let mut collector = Collector::start(false).await;
    let server = start(Engine::Sqlite, &collector, "1");
    for _ in 0..20 {
        assert_eq!(send(&server, "GET /version", "", "", None).0, 200);
    }
    collector.refused().await;
    collector.accept();
    let (status, told) = send(&server, "GET /version", "", "", None);
    assert_eq!(status, 200);
    let trace = told.split('-').nth(1).unwrap().to_owned();
    assert_eq!(request(&collector.trace(&trace).await).name, "GET /version");
}
