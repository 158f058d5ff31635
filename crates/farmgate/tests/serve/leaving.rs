//! Leaving: what signals do to a server that is at work.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use rustix::process::Signal;

use crate::served::{BODY, OPERATOR, Served, until};

/// Times that no test waits for, so that what ends the server is what the test does.
const NEVER: [&str; 6] = [
    "--set",
    "http.body_time=10m",
    "--set",
    "http.request_time=110s",
    "--set",
    "http.drain_time=10m",
];

/// The head and half of the body of a request that the server will wait for.
fn half_a_request(served: &Served) -> TcpStream {
    let mut stream = served.connect("url").unwrap();
    let head = format!(
        "POST /api/auth/register HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&BODY.as_bytes()[..10]).unwrap();
    until("the request is being served", || {
        served
            .get("operator_url", "/metrics")
            .contains("\nhttp_open_contexts 1\n")
    });
    stream
}

#[test]
fn the_first_signal_drains_and_the_end_is_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[], &[&NEVER[..], &OPERATOR].concat());
    assert!(
        served
            .get("operator_url", "/health/ready")
            .starts_with("HTTP/1.1 200")
    );
    let mut running = half_a_request(&served);
    served.signal(Signal::TERM);
    until("operators see that it is not ready", || {
        served
            .get("operator_url", "/health/ready")
            .starts_with("HTTP/1.1 503")
    });
    until("nobody else is let in", || served.connect("url").is_none());
    running.write_all(&BODY.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    running.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 201"),
        "what was begun is finished: {answer}"
    );
    let (code, log) = served.end();
    assert_eq!(code, 0);
    assert!(log.contains("draining: a second signal ends at once"), "{log}");
    assert!(log.contains("POST /api/auth/register status=201"), "{log}");
}

#[test]
fn the_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[], &[&NEVER[..], &OPERATOR].concat());
    let _running = half_a_request(&served);
    served.signal(Signal::TERM);
    until("it drains", || served.connect("url").is_none());
    served.signal(Signal::INT);
    let (code, log) = served.end();
    assert_eq!(code, 0);
    assert!(log.contains("ending at once"), "{log}");
}

#[test]
fn load_balancers_may_see_it_before_the_door_closes() {
    let folder = tempfile::tempdir().unwrap();
    let unready = ["--set", "http.unready_time=10m"];
    let served = Served::start(folder.path(), &[], &unready);
    served.signal(Signal::TERM);
    until("it says that it is not ready, and is still open", || {
        served.get("url", "/health/ready").starts_with("HTTP/1.1 503")
    });
    assert!(served.get("url", "/version").starts_with("HTTP/1.1 200"));
    served.signal(Signal::TERM);
    assert_eq!(served.end().0, 0);
}

#[test]
fn a_closed_terminal_is_a_signal_like_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[], &[]);
    served.signal(Signal::HUP);
    let (code, log) = served.end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("draining"), "{log}");
}
