//! The program: how it is run and served, and how it is asked.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest wait for something that a busy machine does in seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program in this folder, with an environment of its own.
fn farmgate(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmgate"));
    command.args(arguments).current_dir(folder).env_clear();
    for (name, value) in environment {
        command.env(name, value);
    }
    command
}

pub fn run(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
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
pub struct Served {
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
    pub fn start(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Self {
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

    pub fn url(&self, name: &str) -> &str {
        self.about[name].as_str().unwrap()
    }

    pub fn connect(&self, name: &str) -> Option<TcpStream> {
        let address = self.url(name).split_once("://").unwrap().1;
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(stream)
    }

    /// The answer to a GET; empty if there is none.
    pub fn get(&self, name: &str, path: &str) -> String {
        self.connect(name)
            .map_or_else(String::new, |stream| exchange(stream, &get(path)))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, and what was written to standard error.
    pub fn end(mut self) -> (i32, String) {
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

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

pub fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    let mut answer = Vec::new();
    // A server that ends may cut the connection: then there is no answer, which the caller sees.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// A registration that is accepted.
pub const BODY: &str = r#"{"username":"ana","email":"ana@example.org","password":"a long enough secret"}"#;

/// A listener for operators, on a free port.
pub const OPERATOR: [&str; 2] = ["--set", "operator.port=0"];
