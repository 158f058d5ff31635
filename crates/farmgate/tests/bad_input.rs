//! Files that are wrong or hostile: exit code 3, before anything is sent, with file, line, column and what to do; and
//! servers that are hostile under load: every request ends, with its reason.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn farmgate(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_farmgate"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap(), text.join("\n"))
}

const SMOKE: &str = "[smoke]\nfiles = [\"good.hurl\"]\n";
const LOAD: &str = "[load]\nfiles = [\"good.hurl\"]\n";

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn a_bad_gate_toml_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.hurl"), "GET {{url}}/\nHTTP 200\n").unwrap();
    std::fs::write(folder.path().join("ragged.csv"), "a,b\n1,2\n3\n").unwrap();
    std::fs::write(folder.path().join("object.json"), "{\"a\": 1}").unwrap();
    let load = |more: &str| format!("{LOAD}{more}").into_bytes();
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (
            b"name = \"x\"\nurl = \"\xff\"\n".to_vec(),
            &["gate.toml:2:8: not UTF-8"],
        ),
        (b"name = \n".to_vec(), &["gate.toml:1:8: "]),
        (
            b"[smoke]\nfils = []\n".to_vec(),
            &["gate.toml:2:1: unknown field `fils`", "docs/gate.md"],
        ),
        (
            b"[smoke]\nfiles = \"good.hurl\"\n".to_vec(),
            &["gate.toml:2:9: invalid type"],
        ),
        (
            b"[smoke]\nfiles = [\"absent.hurl\"]\n".to_vec(),
            &["absent.hurl: no such file or folder"],
        ),
        (
            load("[load.shape]\nduration = \"5\"\n"),
            &["gate.toml:4:12: ", "500ms"],
        ),
        (
            load("[load.shape]\nrate = 5.0\nusers = 2\n"),
            &["gate.toml: [load]: more than one load is named"],
        ),
        (
            load("[load.shape]\nrate = -1.0\n"),
            &["gate.toml: [load]: a load must be more than 0"],
        ),
        (
            load("profile = \"hevy\"\n"),
            &[
                "gate.toml:3:11: there is no profile `hevy`",
                "known are light, medium",
            ],
        ),
        (
            load("thresholds = [\"p95 < soon\"]\n"),
            &["gate.toml:3:22: ", "500ms"],
        ),
        (
            load("[server.figures]\n\"db.busy\" = \"rate(\"\n"),
            &["gate.toml:4:14: "],
        ),
        (
            "[[load.scenario]]\nfile = \"good.hurl\"\ndata = \"ragged.csv\"\n".into(),
            &["ragged.csv: ", "line: 3"],
        ),
        (
            "[[load.scenario]]\nfile = \"good.hurl\"\ndata = \"object.json\"\n".into(),
            &["object.json: ", "line 1"],
        ),
        (
            "[[load.scenario]]\nfile = \"good.hurl\"\ndata = \"/dev/zero\"\n".into(),
            &["/dev/zero: ", "not a file"],
        ),
        (
            format!("{SMOKE}[http]\nca_file = \"absent.pem\"\n").into(),
            &["absent.pem: "],
        ),
        (
            format!("deep = {}", "[".repeat(100_000)).into(),
            &["gate.toml:1:"],
        ),
        (vec![b'#'; 17 << 20], &["gate.toml: larger than 16 MiB"]),
    ];
    for (config, words) in cases {
        std::fs::write(folder.path().join("gate.toml"), &config).unwrap();
        let start = Instant::now();
        let (code, text) = farmgate(folder.path(), &["gate", "--url", "http://127.0.0.1:9"]);
        let shown = String::from_utf8_lossy(&config[..config.len().min(200)]).into_owned();
        assert_eq!(code, 3, "{shown}: {text}");
        for word in words {
            assert!(text.contains(word), "{shown}: `{word}` is not in: {text}");
        }
        assert!(
            text.len() < 2000,
            "a hostile file must not flood the terminal: {}",
            text.len()
        );
        assert!(start.elapsed() < Duration::from_secs(20), "{shown}");
    }
    let (code, text) = farmgate(folder.path(), &["gate", "absent.toml"]);
    assert_eq!(code, 3);
    assert!(text.contains("gate init"), "{text}");
}

#[test]
fn a_bad_scenario_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("folder.hurl")).unwrap();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"GET {{url}}/\xc3\x28\n".to_vec(), "bad.hurl:1:13: not UTF-8"),
        (
            b"GET {{url}}/\nHTTP 200\n[Assertz]\n".to_vec(),
            "bad.hurl:3:1: [Assertz] is not a section",
        ),
        (b"\0\0\0\0".to_vec(), "bad.hurl:1:1: "),
        (
            format!("POST {{{{url}}}}/\n{}\nHTTP 200\n", "[".repeat(200_000)).into(),
            "bad.hurl:2:",
        ),
        (
            format!("GET {{{{url}}}}/{}\x1b[2J\n[Nope]\n", "x".repeat(1 << 20)).into(),
            "bad.hurl:2:1: ",
        ),
        (vec![b'\n'; 17 << 20], "bad.hurl: larger than 16 MiB"),
    ];
    for (text, expected) in cases {
        std::fs::write(folder.path().join("bad.hurl"), &text).unwrap();
        let (code, told) = farmgate(
            folder.path(),
            &["smoke", "bad.hurl", "--url", "http://127.0.0.1:9"],
        );
        assert_eq!(code, 3, "{expected}: {told}");
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(
            told.len() < 2000 && !told.contains('\x1b'),
            "{expected}: {}",
            told.len()
        );
    }
    let (code, told) = farmgate(
        folder.path(),
        &["smoke", "folder.hurl", "--url", "http://127.0.0.1:9"],
    );
    assert_eq!(code, 3);
    assert!(told.contains("no scenario files found"), "{told}");
}

/// Answers every connection with these bytes, again and again until the other side has had enough if `endless`.
fn hostile(bytes: Vec<u8>, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let bytes = bytes.clone();
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                // Whatever is asked; the client may be gone already.
                let _ = stream.read(&mut [0; 4096]);
                while stream.write_all(&bytes).is_ok() && endless {}
            });
        }
    });
    url
}

/// Four requests, each of which may take a second.
fn small_load<'a>(file: &'a str, url: &'a str) -> [&'a str; 16] {
    [
        "load",
        file,
        "--url",
        url,
        "--rate",
        "4",
        "--for",
        "1s",
        "--timeout",
        "1s",
        "--drain",
        "20s",
        "--threads",
        "1",
        "--threshold",
        "error_rate < 1%",
    ]
}

#[test]
fn a_hostile_server_ends_a_load_run_with_its_reason_and_within_its_time() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("loop.hurl"),
        "GET {{url}}/\n[Options]\nlocation: true\nHTTP 200\n",
    )
    .unwrap();
    let lying = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let endless = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
    let head = "HTTP/1.1 100 Continue\r\n\r\n".to_owned();
    let round =
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    for (bytes, more, reason) in [
        (lying, false, "connection closed"),
        (b"SSH-2.0-OpenSSH_9\r\n".to_vec(), false, "not HTTP"),
        (endless.into_bytes(), true, "not HTTP"),
        (head.into_bytes(), true, "not HTTP"),
        (round, false, "too many redirections"),
    ] {
        let url = hostile(bytes, more);
        let start = Instant::now();
        let (code, text) = farmgate(folder.path(), &small_load("loop.hurl", &url));
        assert_eq!(code, 1, "{reason}: {text}");
        assert!(text.contains(reason), "{reason}: {text}");
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{reason}: {:?}",
            start.elapsed()
        );
    }
}
