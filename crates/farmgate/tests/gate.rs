//! The gate's commands as a shell sees them: exit codes, standard output, files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// A server that answers 200 with JSON to all but `/broken`, one request a connection; returns its base URL.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut head = [0; 8192];
                let read = stream.read(&mut head).unwrap_or(0);
                let status = if head[..read].starts_with(b"GET /broken") {
                    500
                } else {
                    200
                };
                // The client may be gone already; the server of a test does not care.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
                );
            });
        }
    });
    url
}

fn farmgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farmgate"))
        .args(arguments)
        .current_dir(folder)
        .env("FARMGATE_TEST_SECRET", "hunter2-hunter2")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn exit_codes_tell_pass_fail_inconclusive_and_tool_error_apart() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let hurl = |name: &str, body: &str| std::fs::write(folder.path().join(name), body).unwrap();
    hurl("good.hurl", "GET {{url}}/x\nHTTP 200\n");
    hurl("bad.hurl", "GET {{url}}/broken\nHTTP 200\n");
    hurl("empty.hurl", "# nothing\n");
    hurl(
        "wrong.hurl",
        "GET {{url}}/x\nHTTP 200\n[Assertz]\nstatus == 200\n",
    );
    for (file, expected) in [
        ("good.hurl", 0),
        ("bad.hurl", 1),
        ("empty.hurl", 2),
        ("wrong.hurl", 3),
        ("none.hurl", 3),
    ] {
        let output = farmgate(folder.path(), &["smoke", file, "--url", &url]);
        assert_eq!(code(&output), expected, "{file}: {}", text(&output));
    }
    assert_eq!(code(&farmgate(folder.path(), &["smoke", "--nonsense"])), 3);
    assert_eq!(code(&farmgate(folder.path(), &["smoke", "--help"])), 0);
}

#[test]
fn a_load_without_promises_is_inconclusive_and_a_broken_one_fails() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let load = |target: &str, more: &[&str]| {
        let mut arguments = vec![
            "load",
            "--url",
            target,
            "--rate",
            "20",
            "--for",
            "500ms",
            "--threads",
            "1",
        ];
        arguments.extend(more);
        farmgate(folder.path(), &arguments)
    };
    let nothing = load(&url, &[]);
    assert_eq!(code(&nothing), 2, "{}", text(&nothing));
    let broken = load(
        &format!("{url}/broken"),
        &["--threshold", "error_rate < 1%", "--json"],
    );
    assert_eq!(code(&broken), 1, "{}", text(&broken));
    let report: serde_json::Value = serde_json::from_slice(&broken.stdout).unwrap();
    let total = &report["stages"][0]["detail"]["load"]["total"];
    assert_eq!(
        (total["ok"].as_u64(), total["not_ok"].as_u64()),
        (Some(0), Some(9)),
        "{total}"
    );
    assert_eq!(report["verdict"], "fail");
    let senseless = load(&url, &["--threshold", "p95 < fast"]);
    assert_eq!(code(&senseless), 3);
    assert!(text(&senseless).contains("column 7"), "{}", text(&senseless));
}

#[test]
fn an_openapi_document_becomes_a_gate_that_runs() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let document = r#"{"openapi": "3.1.0", "info": {"title": "Shop"}, "paths": {"/health": {"get": {"responses":
        {"200": {"content": {"application/json": {}}}}}}, "/items": {"post": {"responses": {"201": {}}}}}}"#;
    std::fs::write(folder.path().join("openapi.json"), document).unwrap();
    let init = farmgate(folder.path(), &["gate", "init", "openapi.json", "--url", &url]);
    assert_eq!(code(&init), 0, "{}", text(&init));
    let again = farmgate(folder.path(), &["gate", "init", "openapi.json", "--url", &url]);
    assert_eq!(code(&again), 3, "{}", text(&again));
    let config = folder.path().join("gate.toml");
    let short = std::fs::read_to_string(&config)
        .unwrap()
        .replace("20s", "1s")
        .replace("500ms", "20s")
        .replace("1s\"]", "20s\"]");
    std::fs::write(&config, short).unwrap();
    let gate = farmgate(folder.path(), &["gate", "gate.toml"]);
    // 2 only if this machine is too busy for the generator, which the report then says.
    let limited = text(&gate).contains("the generator limited the run");
    assert_eq!(code(&gate), if limited { 2 } else { 0 }, "{}", text(&gate));
    assert!(folder.path().join("gate-report.html").exists());
    let shown = farmgate(
        folder.path(),
        &["report", "show", "gate-report.json", "--report", "out/junit.xml"],
    );
    assert_eq!(code(&shown), code(&gate), "{}", text(&shown));
    assert!(
        std::fs::read_to_string(folder.path().join("out/junit.xml"))
            .unwrap()
            .contains("testsuite name=\"smoke\"")
    );
}

#[test]
fn an_empty_gate_a_skipped_stage_and_a_missing_secret_never_pass() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    std::fs::write(folder.path().join("good.hurl"), "GET {{url}}/x\nHTTP 200\n").unwrap();
    let smoke = "[smoke]\nfiles = [\"good.hurl\"]\n";
    let cases = [
        (String::new(), 2),
        (smoke.to_owned(), 0),
        // A file that is not there is a usage error; the stage is not left out.
        (format!("{smoke}[isolation]\nfile = \"isolation.toml\"\n"), 3),
        (
            format!("secrets = {{ a = \"FARMGATE_TEST_NOT_SET\" }}\n{smoke}"),
            3,
        ),
        (
            format!("secrets = {{ a = \"FARMGATE_TEST_SECRET\" }}\n{smoke}"),
            0,
        ),
        (format!("{smoke}jubs = 3\n"), 3),
    ];
    for (config, expected) in cases {
        std::fs::write(folder.path().join("gate.toml"), &config).unwrap();
        let output = farmgate(folder.path(), &["gate", "--url", &url]);
        assert_eq!(code(&output), expected, "{config}{}", text(&output));
        assert!(!text(&output).contains("hunter2"));
    }
}
