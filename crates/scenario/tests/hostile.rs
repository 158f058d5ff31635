//! Servers that lie, stall or flood: every run ends soon, with the right reason.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::raw;
use scenario::http::Reason;
use scenario::{ErrorKind, Outcome, Settings, User};
use tokio::io::AsyncWriteExt;

const MAX_BODY: usize = 100_000;

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.limits.max_body = MAX_BODY;
    settings.limits.max_head = 20_000;
    settings.limits.timeout = Duration::from_millis(600);
    settings.connect_timeout = Duration::from_millis(600);
    settings
}

async fn run(text: String) -> Outcome {
    let scenario = scenario::parse("hostile.hurl", &text).unwrap();
    User::new(Arc::new(settings())).run(&scenario, &mut ()).await
}

async fn get(address: SocketAddr) -> Outcome {
    run(format!("GET http://{address}/\nHTTP 200\n")).await
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome.entries.last()?.error.as_ref()?.kind {
        ErrorKind::Http(reason) => Some(reason),
        _ => None,
    }
}

/// What a server sends before it closes, and why that is refused.
const BROKEN: [(&[u8], Reason); 14] = [
    (b"", Reason::Closed),
    (b"HTTP/1.1 200 OK\r\nContent-Le", Reason::Closed),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        Reason::Closed,
    ),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
        Reason::BodyTooLarge,
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Reason::Protocol),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        Reason::Protocol,
    ),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        Reason::Protocol,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        Reason::Protocol,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
        Reason::Protocol,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        Reason::BodyTooLarge,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        Reason::Closed,
    ),
    (b"HTTP/1.1 101 Switching\r\n\r\n", Reason::Protocol),
    (b"SSH-2.0-OpenSSH_9\r\n", Reason::Protocol),
    (b"HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n", Reason::Protocol),
];

#[test]
fn answers_that_break_the_protocol_are_refused_with_their_reason() {
    common::block_on(async {
        for (bytes, expected) in BROKEN {
            let outcome = get(raw::answering(bytes, true).await).await;
            assert_eq!(
                reason(&outcome),
                Some(expected),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    });
}

#[test]
fn endless_and_stalling_answers_end_at_a_limit() {
    common::block_on(async {
        let big: &'static [u8] = vec![b'x'; 50_000].leak();
        let chunk: &'static [u8] = [b"c350\r\n", big, b"\r\n"].concat().leak();
        let field: &'static [u8] = format!("X: {}\r\n", "y".repeat(1000)).leak().as_bytes();
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let cases = [
            (
                raw::dripping(b"HTTP/1.1 200 OK\r\n\r\n", big, 0).await,
                Reason::BodyTooLarge,
            ),
            (raw::dripping(chunked, chunk, 0).await, Reason::BodyTooLarge),
            (
                raw::dripping(b"HTTP/1.1 200 OK\r\n", field, 0).await,
                Reason::Protocol,
            ),
            (raw::dripping(interim, interim, 50).await, Reason::Timeout),
            (raw::dripping(interim, interim, 0).await, Reason::Protocol),
            (
                raw::dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x", 50).await,
                Reason::Timeout,
            ),
            (
                raw::dripping(b"HTTP/1.1 200 OK\r\nX: ", b"y", 50).await,
                Reason::Timeout,
            ),
            (
                raw::dripping([chunked as &[u8], b"0\r\n"].concat().leak(), field, 0).await,
                Reason::Protocol,
            ),
        ];
        for (i, (address, expected)) in cases.into_iter().enumerate() {
            ends_soon(address, expected, &format!("case {i}")).await;
        }
    });
}

async fn ends_soon(address: SocketAddr, expected: Reason, case: &str) {
    let start = Instant::now();
    let outcome = get(address).await;
    assert_eq!(reason(&outcome), Some(expected), "{case}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{case} took {:?}",
        start.elapsed()
    );
}

#[test]
fn a_small_answer_that_unpacks_to_gigabytes_is_stopped() {
    common::block_on(async {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..200 {
            encoder.write_all(&[0; 100_000]).unwrap();
        }
        let packed = encoder.finish().unwrap();
        assert!(packed.len() < MAX_BODY);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        );
        let bytes: &'static [u8] = [head.as_bytes(), &packed].concat().leak();
        let address = raw::answering(bytes, true).await;
        let outcome = run(format!(
            "GET http://{address}/\nHTTP 200\n[Asserts]\nbytes count == 5\n"
        ))
        .await;
        let assert = outcome.entries[0].asserts.last().unwrap();
        assert!(
            !assert.ok && assert.actual.contains("larger than the limit"),
            "{assert:?}"
        );
    });
}

#[test]
fn a_redirection_loop_ends() {
    common::block_on(async {
        let address = raw::answering(
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            false,
        )
        .await;
        for max in ["50", "-1"] {
            let options = format!("[Options]\nlocation: true\nmax-redirs: {max}\n");
            let outcome = run(format!("GET http://{address}/\n{options}HTTP 200\n")).await;
            assert_eq!(
                outcome.entries[0].error.as_ref().unwrap().kind,
                ErrorKind::Redirect
            );
            assert!(outcome.entries[0].calls <= 1001);
        }
    });
}

#[test]
fn tls_that_cannot_be_trusted_is_refused() {
    common::block_on(async {
        let (address, _) = raw::tls(&[]).await;
        let port = address.port();
        let outcome = run(format!("GET https://localhost:{port}/\nHTTP 200\n")).await;
        assert_eq!(reason(&outcome), Some(Reason::Tls));
        let plain = raw::serve(|mut stream| async move {
            drop(
                stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    .await,
            );
        })
        .await;
        let outcome = run(format!("GET https://localhost:{}/\nHTTP 200\n", plain.port())).await;
        assert_eq!(reason(&outcome), Some(Reason::Tls));
        let silent = raw::serve(|stream| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(stream);
        })
        .await;
        let outcome = run(format!("GET https://localhost:{}/\nHTTP 200\n", silent.port())).await;
        assert_eq!(reason(&outcome), Some(Reason::Timeout));
    });
}

#[test]
fn a_request_that_would_break_the_head_is_not_sent() {
    common::block_on(async {
        let address = raw::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false).await;
        let text = format!("GET http://{address}/\nX: a\\r\\nInjected: 1\nHTTP 200\n");
        let outcome = run(text).await;
        assert_eq!(reason(&outcome), Some(Reason::Other));
        assert_eq!(outcome.entries[0].calls, 0);
    });
}

#[test]
fn an_early_answer_to_a_large_body_is_read() {
    common::block_on(async {
        let address = raw::answering(
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
            true,
        )
        .await;
        let body = "x".repeat(30_000);
        let outcome = run(format!("POST http://{address}/\n`{body}`\nHTTP 413\n")).await;
        // The server closes with unread data, so that its answer may be lost; both ends are honest.
        let lost = reason(&outcome) == Some(Reason::Closed);
        assert!(outcome.ok || lost, "{outcome:?}");
    });
}

/// Answers the first request of its first connection, and everything on later ones; its second request there is met by
/// `then` (nothing or half an answer, then a close), or, with `None`, by a connection that was closed at once.
async fn closing(then: Option<&'static [u8]>) -> SocketAddr {
    const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let connections = Arc::new(std::sync::atomic::AtomicU32::new(0));
    raw::serve(move |mut stream| {
        let first = connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move {
            raw::head(&mut stream).await;
            stream.write_all(FINE).await.unwrap();
            if first {
                if let Some(then) = then {
                    raw::head(&mut stream).await;
                    stream.write_all(then).await.unwrap();
                }
                return;
            }
            raw::head(&mut stream).await;
        }
    })
    .await
}

#[derive(Default)]
struct Calls(Vec<Result<u16, Reason>>);

impl scenario::Observer for Calls {
    fn call(&mut self, call: &scenario::Call<'_>) {
        self.0.push(call.result.map(|r| r.status).map_err(|e| e.reason));
    }
}

#[test]
fn a_connection_that_the_server_closed_is_replaced_and_a_dropped_request_is_told() {
    common::block_on(async {
        let run = async |address: SocketAddr| {
            // The pause lets a close arrive that was sent with the first answer.
            let text = format!(
                "GET http://{address}/\nHTTP 200\n\nGET http://{address}/\n[Options]\ndelay: 300ms\nHTTP 200\n"
            );
            let scenario = scenario::parse("two.hurl", &text).unwrap();
            let mut calls = Calls::default();
            let outcome = User::new(Arc::new(settings())).run(&scenario, &mut calls).await;
            (outcome.ok, calls.0)
        };
        let closed = Err(Reason::Closed);
        // Closed while nobody used it: nothing was dropped.
        assert_eq!(run(closing(None).await).await, (true, vec![Ok(200), Ok(200)]));
        // Closed on the request: sent again, and the first try is told.
        assert_eq!(
            run(closing(Some(b"")).await).await,
            (true, vec![Ok(200), closed, Ok(200)])
        );
        // Broken off in the middle of the answer: an error, and not asked again.
        for half in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "HTTP/1.1 200",
        ] {
            assert_eq!(
                run(closing(Some(half.as_bytes())).await).await,
                (false, vec![Ok(200), closed]),
                "{half}"
            );
        }
    });
}
