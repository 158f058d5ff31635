//! `farmgate serve --demo` as a new user meets it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod platform;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use platform::{command, said};
use serde_json::{Value, json};

/// A demonstration whose temporary files go into a folder of the test.
fn demo(folder: &Path, more: &[&str]) -> Child {
    let mut arguments = vec!["serve", "--demo", "--port", "0"];
    arguments.extend(more);
    let mut serve = command(folder, &arguments);
    serve
        .env("TMPDIR", folder)
        .env("LOG_LEVEL", "off")
        .env_remove("FARMGATE_RATE_LIMITS");
    serve.stdout(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &mut Child) -> Option<i32> {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    child.wait().unwrap().code()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn what_it_prints_to_try_works_word_for_word() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "curl is missing, and CI needs it"
        );
        eprintln!("not run: curl is missing");
        return;
    }
    let (temporary, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut child = demo(temporary.path(), &["--demo-items", "40"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let begin = lines.by_ref().find(|line| line.starts_with("Try,"));
    assert!(begin.is_some());
    let commands: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let shell = Command::new("sh")
        .args(["-e", "-c", &commands.join("\n")])
        .current_dir(place.path())
        .env_remove("FARMGATE_TOKEN")
        .output()
        .unwrap();
    assert!(shell.status.success(), "{}", said(&shell));
    let shown = String::from_utf8_lossy(&shell.stdout).into_owned();
    let mut answers = serde_json::Deserializer::from_str(&shown).into_iter::<Value>();
    let mut next = || answers.next().unwrap().unwrap();
    assert_eq!(next()["name"], "Cooperativa Serra Verde");
    let item = next();
    assert!(
        item["identifiers"]
            .as_array()
            .is_some_and(|list| !list.is_empty()),
        "{item}"
    );
    let timeline = next();
    assert_eq!(timeline["data"][0]["dfid"], item["dfid"], "{timeline}");
    let imported = "lots.csv: 2 of 2 rows imported, 0 by an earlier run, 0 failed\n";
    assert!(shown.ends_with(imported), "{shown}");
    assert_eq!(interrupt(&mut child), Some(0));
}

/// The answer to a sign-in at a demonstration with these arguments besides.
fn answer(more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &[&["--json", "--demo-items", "1"], more].concat());
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    let port = started["url"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let account = &started["accounts"][0];
    let body = json!({"username": account["username"], "password": account["password"]}).to_string();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(
        stream,
        "POST /api/auth/login HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    interrupt(&mut child);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.to_ascii_lowercase()
}

#[test]
fn it_has_no_rate_limits_unless_asked_for_or_open_to_others() {
    let limited = |more: &[&str]| answer(more).contains("\r\nratelimit");
    assert!(!limited(&[]));
    assert!(limited(&["--set", "rate_limits.enabled=true"]));
    assert!(limited(&["--host", "0.0.0.0"]));
}

#[test]
fn it_leaves_nothing_behind_whenever_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    // In the middle of its start: the folder is there and nothing is told yet.
    let mut child = demo(folder.path(), &["--json"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_empty(folder.path()) {
        assert!(Instant::now() < deadline, "it makes no folder");
        std::thread::yield_now();
    }
    interrupt(&mut child);
    assert!(is_empty(folder.path()));

    // While it serves and goes on making goods.
    let mut child = demo(folder.path(), &["--json", "--demo-items", "50000"]);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(started["demo"]["items"], 50_000);
    assert_eq!(started["accounts"].as_array().unwrap().len(), 3);
    assert_eq!(interrupt(&mut child), Some(0));
    assert!(is_empty(folder.path()));
}
