//! `farmgate gate init` against the platform's own document: what it writes runs at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The platform with its demonstration; ended when dropped.
struct Platform {
    child: Child,
    url: String,
}

impl Platform {
    fn start() -> Platform {
        let mut child = Command::new(env!("CARGO_BIN_EXE_farmgate"))
            .args(["serve", "--demo", "--demo-items", "5", "--port", "0", "--json"])
            // Each scenario makes an account, and a hash of full cost takes seconds in a debug build on a busy machine.
            .envs([("ARGON2_MEMORY", "64"), ("ARGON2_PASSES", "1")])
            .envs([("FARMGATE_RATE_LIMITS", "off"), ("LOG_LEVEL", "off")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let started: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = started["url"].as_str().unwrap().trim_end_matches('/').to_owned();
        Platform { child, url }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn farmgate(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_farmgate"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status.code().unwrap(), text.join("\n"))
}

/// The platform's own document.
fn document(url: &str) -> String {
    use std::io::{Read as _, Write as _};
    let address = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /openapi.json HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn what_is_written_from_the_platforms_own_document_runs_and_covers_its_things() {
    let (platform, folder) = (Platform::start(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("openapi.json"), document(&platform.url)).unwrap();
    // Registrations hash passwords; on a busy machine a debug build may answer 503, which is then no fault of a scenario.
    let into = ["first", "second", "third"].into_iter().find(|into| {
        let arguments = [
            "gate",
            "init",
            "openapi.json",
            "--url",
            &platform.url,
            "--try",
            "--into",
            into,
        ];
        let (code, text) = farmgate(folder.path(), &arguments);
        assert_eq!(code, 0, "{text}");
        println!("{text}");
        !text.contains("came 503")
    });
    let into = into.expect("three times something was answered 503");
    let scenario = |name: &str| {
        let path = folder.path().join(into).join(format!("scenarios/{name}.hurl"));
        std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name} was not written"))
    };
    // Things that are made, read, listed, and deleted again where the document says how.
    for (name, method) in [("events", "DELETE"), ("items-local", "GET"), ("circuits", "GET")] {
        let made = scenario(name);
        let post = format!("\nPOST {{{{url}}}}/api/{}", name.replace('-', "/"));
        let other = format!("\n{method} {{{{url}}}}/api/");
        let whole = made.contains(&post) && made.contains(&other) && made.contains("/{{id}}");
        assert!(whole, "{name}: {made}");
    }
    let signed_in = scenario("signed-in");
    for path in ["auth/me", "items", "events", "circuits", "workspace"] {
        let step = format!("\nGET {{{{url}}}}/api/{path}\n");
        assert!(signed_in.contains(&step), "{path} is missing: {signed_in}");
    }
    let open = format!("{into}/scenarios/first.hurl");
    assert!(scenario("first").contains("\nGET {{url}}/health\n"));
    let (code, text) = farmgate(folder.path(), &["smoke", &open, "--url", &platform.url]);
    assert_eq!(code, 0, "{text}");
}
