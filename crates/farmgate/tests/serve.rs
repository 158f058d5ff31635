//! `farmgate serve` and `farmgate config` as an operator sees them: sources of settings, listeners, TLS, leaving.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use serde_json::Value;

/// Longest wait for something that a busy machine does in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in this folder, with an environment of its own.
fn farmgate(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmgate"));
    command.args(arguments).current_dir(folder).env_clear();
    for (name, value) in environment {
        command.env(name, value);
    }
    command
}

fn run(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = farmgate(folder, environment, arguments).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    (status.code().unwrap(), text)
}

/// A running `farmgate serve`; killed when dropped.
struct Served {
    child: Child,
    about: Value,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let all = [&["serve", "--json", "--port", "0"], arguments].concat();
        let mut child = farmgate(folder, environment, &all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let about = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("it did not start: {told}")
        });
        Self { child, about }
    }

    fn url(&self, name: &str) -> &str {
        self.about[name].as_str().unwrap()
    }

    fn connect(&self, name: &str) -> Option<TcpStream> {
        let address = self.url(name).split_once("://").unwrap().1;
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(stream)
    }

    /// The answer to a GET; empty if there is none.
    fn get(&self, name: &str, path: &str) -> String {
        self.connect(name)
            .map_or_else(String::new, |stream| exchange(stream, &get(path)))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, and what was written to standard error.
    fn end(mut self) -> (i32, String) {
        let mut told = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        (self.child.wait().unwrap().code().unwrap(), told)
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    let mut answer = Vec::new();
    // A server that ends may cut the connection: then there is no answer, which the caller sees.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// The head and half of the body of a request that the server will wait for.
const BODY: &str = r#"{"username":"ana","email":"ana@example.org","password":"a long enough secret"}"#;

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

/// Times that no test waits for, so that what ends the server is what the test does.
const NEVER: [&str; 6] = [
    "--set",
    "http.body_time=10m",
    "--set",
    "http.request_time=110s",
    "--set",
    "http.drain_time=10m",
];
const OPERATOR: [&str; 2] = ["--set", "operator.port=0"];

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
fn answers_are_looked_at_in_staging_alone() {
    for (environment, enabled) in [("development", 0), ("staging", 1), ("production", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(folder.path(), &[("ENV", environment)], &OPERATOR);
        let metrics = served.get("operator_url", "/metrics");
        let expected = format!("\nisolation_guard_enabled {enabled}.0\n");
        assert!(metrics.contains(&expected), "{environment}: {metrics}");
    }
}

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
    let secure = || {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(client, served.connect("url").unwrap())
    };
    let post = |path: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        exchange(secure(), &request)
    };
    let answer = exchange(secure(), &get("/version"));
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: "),
        "{answer}"
    );
    let registered = post("/api/auth/register");
    assert!(registered.starts_with("HTTP/1.1 201"), "{registered}");
    let login = r#"{"username":"ana","password":"a long enough secret"}"#;
    let request = format!(
        "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{login}",
        login.len()
    );
    let answer = exchange(secure(), &request);
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

fn client(served: &Served, trusted: &rcgen::Certificate) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(client, served.connect("url").unwrap())
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
    assert!(exchange(client(&served, &first.cert), &version()).starts_with("HTTP/1.1 200"));
    std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
    served.signal(Signal::HUP);
    until("the broken one is counted", || {
        let metrics = served.get("operator_url", "/metrics");
        metrics.contains("\ntls_certificate_failures_total 1\n")
    });
    assert!(exchange(client(&served, &first.cert), &version()).starts_with("HTTP/1.1 200"));
    place(&second);
    served.signal(Signal::HUP);
    until("the new one is served", || {
        exchange(client(&served, &second.cert), &version()).starts_with("HTTP/1.1 200")
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

/// A mail server that takes one mail and tells what it heard.
fn mail_server() -> (u16, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"220 mail.example\r\n").unwrap();
        let (mut all, mut letter) = (String::new(), false);
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            letter = (letter || line == "DATA") && line != ".";
            let answer = match line.as_str() {
                "DATA" => "354 go on\r\n",
                _ if letter => "",
                _ => "250 yes\r\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
            all.push_str(&line);
            all.push('\n');
            if line == "." {
                break;
            }
        }
        all
    });
    (port, heard)
}

#[test]
fn a_forgotten_password_is_mailed_as_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let (port, heard) = mail_server();
    let port = port.to_string();
    let environment = [
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", port.as_str()),
        ("SMTP_TLS", "none"),
        ("MAIL_FROM", "noreply@farm.example"),
        ("PUBLIC_URL", "https://farm.example"),
    ];
    let served = Served::start(folder.path(), &environment, &[]);
    let post = |path: &str, body: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange(served.connect("url").unwrap(), &request)
    };
    assert!(post("/api/auth/register", BODY).starts_with("HTTP/1.1 201"));
    let asked = post("/api/auth/password-reset", r#"{"email":"ana@example.org"}"#);
    assert!(asked.starts_with("HTTP/1.1 202"), "{asked}");
    let heard = heard.join().unwrap();
    assert!(heard.contains("RCPT TO:<ana@example.org>"), "{heard}");
    let token = heard
        .lines()
        .find(|line| line.len() == 43 && !line.contains(' '))
        .unwrap();
    let body = format!(r#"{{"token":"{token}","password":"another good secret"}}"#);
    let confirmed = post("/api/auth/password-reset/confirm", &body);
    assert!(confirmed.starts_with("HTTP/1.1 204"), "{confirmed}");
    served.signal(Signal::TERM);
    let (_, log) = served.end();
    assert!(log.contains("`mail.tls` is none"), "{log}");
    assert!(!log.contains(token), "the log holds the token");
}

#[test]
fn addresses_that_cannot_be_meant_are_found_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (name, address, words) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://localhost:4318/?key=a",
            "without `?` and `#`",
        ),
        (
            "DATABASE_URL",
            "postgres://db.example/shop?sslmode=verify-full",
            "need `sslrootcert`",
        ),
        (
            "DATABASE_URL",
            "postgres://db.example/shop?sslmode=allow",
            "`sslmode` must be disable",
        ),
    ] {
        let environment = [("JWT_SECRET", "a secret of this test"), (name, address)];
        let (code, text) = run(folder.path(), &environment, &["config", "check"]);
        assert_eq!(code, 1, "{address}: {text}");
        assert!(text.contains(words), "{address}: {text}");
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

#[test]
fn settings_come_from_flags_before_environment_before_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[log]\nlevel = \"error\"\n[http]\nrequest_time = \"9s\"\n[server]\ndata = \"of-the-file\"\n";
    std::fs::write(folder.path().join("farmgate.toml"), file).unwrap();
    let environment = [
        ("LOG_LEVEL", "debug"),
        ("JWT_SECRET", "not to be seen"),
        ("FARMGATE_DATA", "of-the-environment"),
    ];
    let (code, text) = run(
        folder.path(),
        &environment,
        &["config", "print", "--data", "of-the-flag"],
    );
    assert_eq!(code, 0, "{text}");
    for line in [
        "level = \"debug\" # environment, LOG_LEVEL",
        "request_time = \"9s\" # file, line 4",
        "data = \"of-the-flag\" # flag",
        "# jwt_secret = \"***\" # environment, JWT_SECRET",
        "port = 8080 # default",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("not to be seen"));
    let environment = [("GITHUB_TOKEN", "x"), ("LOG_FORMAT", "json")];
    let served = Served::start(folder.path(), &environment, &["--set", "log.level=info"]);
    assert!(folder.path().join("of-the-file/farmgate.db").exists());
    served.get("url", "/version");
    served.signal(Signal::TERM);
    let (_, log) = served.end();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |level: &str, message: &str| {
        let matches = |line: &&Value| line["level"] == level && line["message"] == message;
        lines
            .iter()
            .find(matches)
            .unwrap_or_else(|| panic!("{message} is not in {log}"))
    };
    said(
        "warn",
        "`notify.github_token` is set without effect: this build makes no releases",
    );
    assert_eq!(said("info", "request")["route"], "/version");
}

#[test]
fn what_is_wrong_is_said_by_check_and_stops_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let check = |file: &str, environment: &[(&str, &str)]| {
        std::fs::write(folder.path().join("farmgate.toml"), file).unwrap();
        run(folder.path(), environment, &["config", "check"])
    };
    assert_eq!(
        check("", &[]),
        (
            0,
            "the configuration is sound (0 errors, 0 warnings)\n".to_owned()
        )
    );
    let (code, text) = check("[http]\nprot = 1\n", &[]);
    assert_eq!(code, 1);
    assert!(
        text.contains("farmgate.toml:2: unknown key `http.prot`: did you mean `http.port`?"),
        "{text}"
    );
    let (code, text) = run(folder.path(), &[], &["serve", "--port", "0"]);
    assert!(code == 3 && text.contains("farmgate.toml:2"), "{text}");
    let wrong = [
        ("DATABASE_URL", "mysql://x", "DATABASE_URL"),
        ("DATABASE_URL", "postgres://u:hidden@h/d", "ENCRYPTION_KEY"),
        ("ENCRYPTION_KEY", "hidden", "ENCRYPTION_KEY"),
        ("REDIS_URL", "hidden", "REDIS_URL"),
        ("FARMGATE_DATE", "hidden", "FARMGATE_DATA"),
        ("PORT", "hidden", "http.port"),
    ];
    for (name, value, named) in wrong {
        let (code, text) = check("", &[(name, value)]);
        assert!(code == 1 && text.contains(named), "{name}: {text}");
        assert!(!text.contains("hidden"), "{text}");
    }
    let (code, text) = check(
        "[http]\ntls_certificate = \"none.pem\"\ntls_key = \"none.pem\"\n",
        &[],
    );
    assert!(code == 1 && text.contains("cannot read none.pem"), "{text}");
    let (code, text) = check("[http]\nhost = \"0.0.0.0\"\n", &[]);
    assert!(
        code == 0 && text.contains("warning: the server listens beyond this machine without TLS"),
        "{text}"
    );
    let (code, text) = run(folder.path(), &[], &["config", "check", "--config", "none.toml"]);
    assert!(code == 3 && text.contains("none.toml"), "{text}");
}

#[test]
fn diff_shows_where_staging_and_production_part() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "farmgate.staging.toml",
        "[server]\nenvironment = \"staging\"\n[redis]\nurl = \"redis://:hidden@a\"\n",
    );
    write(
        "farmgate.production.toml",
        "[server]\nenvironment = \"production\"\n",
    );
    let (code, text) = run(
        folder.path(),
        &[],
        &["config", "diff", "staging", "farmgate.production.toml"],
    );
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "server.environment: staging -> production\nredis.url: *** -> none\n"
    );
    assert_eq!(
        run(folder.path(), &[], &["config", "diff", "staging", "staging"]).0,
        0
    );
    assert_eq!(
        run(folder.path(), &[], &["config", "diff", "staging", "nowhere"]).0,
        3
    );
}
