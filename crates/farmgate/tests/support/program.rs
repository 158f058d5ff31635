//! The program under test as a process of its own: started, found ready, killed.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A serving process; killed when dropped.
pub struct Program {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Program {
    /// Starts it and waits until it says where it listens.
    ///
    /// It gets no environment but this: nothing of the surrounding shell may decide where it writes.
    pub async fn start(environment: &[(&str, String)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_farmgate"))
            .args(["serve", "--port", "0", "--json"])
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .envs([
                ("LOG_LEVEL", "off"),
                ("FARMGATE_RATE_LIMITS", "off"),
                ("FARMGATE_DEFAULT_TIER", "enterprise"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).await.unwrap();
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the program did not get ready after a kill; it said `{line}`"));
        let url = told["url"].as_str().unwrap().to_owned();
        Self { child, url }
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
