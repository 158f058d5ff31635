//! Listeners: the operators' own, TLS and its certificates, addresses that cannot be had.

use std::{net::TcpStream, sync::Arc};

use rustix::process::Signal;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

use crate::served::{BODY, OPERATOR, Served, exchange, get, run, until};

#[test]
fn operators_have_a_listener_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let closed = ["--set", "metrics.public=false"];
    let served = Served::start(folder.path(), &[], &[&OPERATOR[..], &closed].concat());
    let metrics = served.get("operator_url", "/metrics");
    assert!(
        metrics.starts_with("HTTP/1.1 200") && metrics.contains("http_connections"),
        "{metrics}"
    );
    assert!(served.get("operator_url", "/health").starts_with("HTTP/1.1 200"));
    assert!(
        served
            .get("operator_url", "/api/items")
            .starts_with("HTTP/1.1 404")
    );
    assert!(served.get("url", "/metrics").starts_with("HTTP/1.1 401"));
    let none = ["--set", "metrics.enabled=false"];
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[], &[&OPERATOR[..], &none].concat());
    for name in ["url", "operator_url"] {
        assert!(served.get(name, "/metrics").starts_with("HTTP/1.1 404"), "{name}");
    }
}

/// A connection to a server that has this certificate.
fn over_tls(served: &Served, trusted: &rcgen::Certificate) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(client, served.connect("url").unwrap())
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn with_a_certificate_all_is_tls_and_plain_http_is_sent_there() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let file = "[http]\ntls_certificate = \"cert.pem\"\ntls_key = \"key.pem\"\nredirect_port = 0\n";
    std::fs::write(folder.path().join("farmgate.toml"), file).unwrap();
    let served = Served::start(folder.path(), &[], &[]);
    assert!(served.url("url").starts_with("https://"));
    let secure = || over_tls(&served, &made.cert);
    let answer = exchange(secure(), &get("/version"));
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: "),
        "{answer}"
    );
    let registered = exchange(secure(), &post("/api/auth/register", BODY));
    assert!(registered.starts_with("HTTP/1.1 201"), "{registered}");
    let login = r#"{"username":"ana","password":"a long enough secret"}"#;
    let answer = exchange(secure(), &post("/api/auth/login", login));
    let cookie = answer
        .lines()
        .find(|line| line.starts_with("set-cookie: session="))
        .unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let redirect = served.get("redirect_url", "/api/items?limit=2");
    let port = served.url("url").rsplit_once(':').unwrap().1.to_owned();
    let expected = format!("location: https://localhost:{port}/api/items?limit=2\r\n");
    assert!(
        redirect.starts_with("HTTP/1.1 308") && redirect.contains(&expected),
        "{redirect}"
    );
}

#[test]
fn a_hangup_puts_a_renewed_certificate_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (first, second) = (made(), made());
    let place = |one: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        std::fs::write(folder.path().join("cert.pem"), one.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), one.signing_key.serialize_pem()).unwrap();
    };
    place(&first);
    let tls = [
        "--set",
        "http.tls_certificate=cert.pem",
        "--set",
        "http.tls_key=key.pem",
    ];
    let served = Served::start(folder.path(), &[], &[&tls[..], &OPERATOR].concat());
    let version = || get("/version");
    assert!(exchange(over_tls(&served, &first.cert), &version()).starts_with("HTTP/1.1 200"));
    std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
    served.signal(Signal::HUP);
    until("the broken one is counted", || {
        let metrics = served.get("operator_url", "/metrics");
        metrics.contains("\ntls_certificate_failures_total 1\n")
    });
    assert!(exchange(over_tls(&served, &first.cert), &version()).starts_with("HTTP/1.1 200"));
    place(&second);
    served.signal(Signal::HUP);
    until("the new one is served", || {
        exchange(over_tls(&served, &second.cert), &version()).starts_with("HTTP/1.1 200")
    });
    served.signal(Signal::TERM);
    let (code, log) = served.end();
    assert_eq!(code, 0);
    for words in [
        "the certificate that was read before stays in force",
        "the renewed certificate is in force",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

#[test]
fn an_address_of_another_machine_is_told_from_a_port_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let start = |arguments: &[&str]| run(folder.path(), &[], &[&["serve"], arguments].concat()).1;
    let busy = start(&["--port", &port]);
    assert!(
        busy.contains("choose another --port, or end what listens there"),
        "{busy}"
    );
    // 192.0.2.0/24 is for documents alone (RFC 5737): no machine has it.
    let foreign = start(&["--host", "192.0.2.7"]);
    assert!(
        foreign.contains("192.0.2.7 is no address of this machine: choose another --host"),
        "{foreign}"
    );
    let operator = start(&[
        "--port",
        "0",
        "--set",
        "operator.host=192.0.2.7",
        "--set",
        "operator.port=0",
    ]);
    assert!(operator.contains("choose another operator.host"), "{operator}");
}
