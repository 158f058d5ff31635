//! Server processes that end with the test process.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A server under a shell script that stops it, and removes its folder, when the pipe to it closes.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The server's own folder; gone when the server is.
    pub folder: PathBuf,
}

impl Server {
    /// Starts a script that prints its folder in its first line, then serves until its standard input ends.
    pub fn start(script: &str, arguments: &[String], user: Option<(u32, u32)>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/");
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start a shell: {error}"));
        let mut out = BufReader::new(
            child
                .stdout
                .take()
                .unwrap_or_else(|| panic!("the shell has no output")),
        );
        let mut folder = String::new();
        // A read that fails leaves the line empty, which the next check reports.
        let _ = out.read_line(&mut folder);
        assert!(
            !folder.trim().is_empty(),
            "cannot make a folder in {:?}",
            std::env::temp_dir()
        );
        Self {
            child,
            out,
            folder: PathBuf::from(folder.trim()),
        }
    }

    /// Waits until the server is ready.
    ///
    /// # Errors
    /// The last lines of its log, if it ended instead.
    pub fn wait(&mut self, ready: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while !ready() {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                let mut log = String::new();
                // What cannot be read is missing from the message only.
                let _ = self.out.read_to_string(&mut log);
                return Err(log);
            }
            assert!(
                Instant::now() < deadline,
                "a test server did not start within {START:?}"
            );
            pause(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // The script's own exit code says nothing: it is the stopped server's.
        let _ = self.child.wait();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "polls a starting process from a test, never from an async worker of the product"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Reads an address a surrounding run has set.
#[allow(
    clippy::disallowed_methods,
    reason = "tests have no `main` that could hand them the environment"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
