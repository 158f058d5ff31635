//! Installing, starting and ending one foreign service, and calling the gate on it through a proxy.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::proxy::{self, Fault};

/// Longest time until a service answers; generous, because the machine may be busy.
const START: Duration = Duration::from_secs(90);

/// A running service; dropping it ends it.
pub struct Service {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// Its own files; removed at the end.
    _folder: tempfile::TempDir,
}

impl Service {
    /// Installs and starts the service; `None`, and a line that says why, if it cannot be had here.
    pub fn start(name: &'static str) -> Option<Service> {
        let installed = match install(name) {
            Ok(folder) => folder,
            Err(why) => {
                not_run(&format!("foreign service {name}: {why}"));
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        // Somebody else may take the port between its choice and its use; then the service ends and another is tried.
        for _ in 0..3 {
            let address = free_port();
            let mut child = command(name, &installed, folder.path(), address.port())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if answers(&mut child, address) {
                return Some(Service {
                    name,
                    child,
                    address,
                    _folder: folder,
                });
            }
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("{name} was installed but does not answer");
    }

    /// Exit code and output of `farmgate gate` with the service's own gate.toml, through a proxy with this fault.
    pub fn gate(&self, fault: Fault) -> (i32, String) {
        self.farmgate(&["gate"], "gate.toml", fault)
    }

    /// The same of `farmgate isolate` with its own isolation.toml.
    pub fn isolate(&self, fault: Fault) -> (i32, String) {
        self.farmgate(&["isolate", "--no-self-test"], "isolation.toml", fault)
    }

    fn farmgate(&self, command: &[&str], file: &str, fault: Fault) -> (i32, String) {
        let url = proxy::start(self.address, fault);
        let output = Command::new(env!("CARGO_BIN_EXE_farmgate"))
            .args(command)
            .arg(here().join(self.name).join(file))
            .args(["--url", &url])
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code().unwrap(), text.join("\n"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Asked first, so that it ends what it has started itself.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while asked.is_ok() && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            pause();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "between two looks at another process, on a thread of a test"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign")
}

/// The folder with the installed service, or why there is none.
fn install(name: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let output = Command::new("bash")
        .arg(here().join("install"))
        .arg(&folder)
        .arg(name)
        .output()
        .map_err(|e| format!("bash: {e}"))?;
    match output.status.success() {
        true => Ok(folder.join(name)),
        false => {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(text
                .lines()
                .last()
                .unwrap_or("its installation failed")
                .to_owned())
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test reads whether its tools must be there"
)]
fn not_run(what: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "in CI nothing may be left out: {what}"
    );
    eprintln!("not run: {what}");
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until somebody accepts connections; false if the service ended instead.
fn answers(child: &mut Child, address: SocketAddr) -> bool {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        pause();
    }
    false
}

/// Gives the path as an argument.
fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.display().to_string()
}

fn command(name: &str, installed: &Path, folder: &Path, port: u16) -> Command {
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(installed.join(program));
        command.args(arguments).current_dir(folder);
        command
    };
    let file = |name: &str, text: String| write(&folder.join(name), &text);
    match name {
        "httpbin" => run(
            "bin/waitress-serve",
            &[&format!("--listen=127.0.0.1:{port}"), "httpbin:app"],
        ),
        "json-server" => {
            let data = file("db.json", r#"{"posts": []}"#.to_owned());
            let port = port.to_string();
            run(
                "node_modules/.bin/json-server",
                &["--quiet", "--host", "127.0.0.1", "--port", &port, &data],
            )
        }
        "nginx" => {
            let page = format!("<html><h1>Farm shop</h1>{}</html>", "x".repeat(300 - 31));
            file("page.html", page);
            let config = file("nginx.conf", nginx_config(folder, port));
            let folder = folder.display().to_string();
            run(
                "usr/sbin/nginx",
                &["-p", &folder, "-c", &config, "-e", "error.log"],
            )
        }
        "jupyter" => {
            let config = file("config.py", jupyter_config(port));
            run("bin/python", &["-m", "jupyter_server", "--config", &config])
        }
        "kinto" => {
            let config = file("kinto.ini", kinto_config(port));
            run("bin/pserve", &[&config])
        }
        other => panic!("there is no service {other}"),
    }
}

fn nginx_config(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "daemon off; worker_processes 1; pid {folder}/pid; events {{ worker_connections 256; }}
         http {{
           access_log off; types {{ text/html html; }}
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
           uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
           server {{ listen 127.0.0.1:{port}; root {folder}; }}
         }}"
    )
}

/// The password is `hunter2`.
fn jupyter_config(port: u16) -> String {
    format!(
        "from jupyter_server.auth import passwd
c.ServerApp.ip = '127.0.0.1'
c.ServerApp.port = {port}
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.root_dir = '.'
c.ServerApp.terminado_settings = {{'shell_command': ['/bin/sh']}}
c.PasswordIdentityProvider.hashed_password = passwd('hunter2', 'sha256')
"
    )
}

/// Everything in memory; whoever shows Basic credentials has an account, with a bucket of his own.
fn kinto_config(port: u16) -> String {
    let mut text = format!(
        "[server:main]
use = egg:waitress#main
listen = 127.0.0.1:{port}
[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.default_bucket
kinto.userid_hmac_secret = farmgate
multiauth.policies = basicauth
"
    );
    for backend in ["storage", "cache", "permission"] {
        text += &format!("kinto.{backend}_backend = kinto.core.{backend}.memory\n");
    }
    text + "[loggers]\nkeys = root\n[handlers]\nkeys = console\n[formatters]\nkeys = plain\n\
            [logger_root]\nlevel = ERROR\nhandlers = console\n\
            [handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nlevel = ERROR\nformatter = plain\n\
            [formatter_plain]\nformat = %(message)s\n"
}
