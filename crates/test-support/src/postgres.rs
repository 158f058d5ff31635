//! A private PostgreSQL: started from a template that `initdb` made once, on a socket in a folder of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::process::{Server, environment};

/// Raised when `postgres.sh` makes the template differently.
const TEMPLATE: &str = "farmgate-pg-template-2";

/// How a private PostgreSQL treats its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settings {
    /// Never waits for the disk: for ordinary tests.
    Fast,
    /// As in production: for tests of durability, and for measurements.
    Durable,
}

impl Settings {
    fn arguments(self) -> Vec<String> {
        let settings: &[&str] = match self {
            Self::Fast => &[
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "shared_buffers=128MB",
            ],
            Self::Durable => &[
                "shared_buffers=1GB",
                "max_wal_size=4GB",
                "effective_cache_size=4GB",
            ],
        };
        let always = ["max_connections=400", "jit=off", "log_min_messages=warning"];
        always
            .iter()
            .chain(settings)
            .flat_map(|s| ["-c".to_owned(), (*s).to_owned()])
            .collect()
    }
}

/// A running private PostgreSQL; it ends when this is dropped, or when the process ends.
pub struct Cluster {
    server: Server,
    /// The process that was killed last.
    killed: String,
    /// Certificate and key as PEM; empty for no TLS.
    pem: String,
    /// Where it listens besides its socket, if it does.
    address: Option<Ipv4Addr>,
}

impl Cluster {
    /// Starts an empty one.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        Self::launch("", "", None, &settings.arguments())
    }

    /// Starts an empty one that listens on an address too, with TLS if there is a certificate with its key, as PEM.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_on_network(pem: &str) -> Self {
        Self::launch("", pem, Some(own_address()), &Settings::Durable.arguments())
    }

    /// Starts a streaming replica of this one.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn replica(&self) -> Self {
        let mut arguments = Settings::Fast.arguments();
        arguments.extend(["-c".to_owned(), "hot_standby_feedback=on".to_owned()]);
        let address = self.address.map(|_| own_address());
        Self::launch(
            &self.server.folder.to_string_lossy(),
            &self.pem,
            address,
            &arguments,
        )
    }

    fn launch(primary: &str, pem: &str, address: Option<Ipv4Addr>, settings: &[String]) -> Self {
        let bin = programs();
        let mut arguments = vec![
            bin.to_string_lossy().into_owned(),
            template(bin),
            primary.to_owned(),
            pem.to_owned(),
        ];
        arguments.extend_from_slice(settings);
        arguments.extend(
            address
                .into_iter()
                .flat_map(|address| ["-c".to_owned(), format!("listen_addresses={address}")]),
        );
        let server = Server::start(include_str!("postgres.sh"), &arguments, ordinary_user());
        let mut cluster = Self {
            server,
            killed: String::new(),
            pem: pem.to_owned(),
            address,
        };
        cluster.wait();
        cluster
    }

    /// Waits until a server that was not killed is ready.
    fn wait(&mut self) {
        let status = self.status_file();
        let ready = || {
            std::fs::read_to_string(&status).is_ok_and(|text| {
                let mut lines = text.lines();
                lines.next().is_some_and(|pid| pid != self.killed)
                    && lines.nth(6).is_some_and(|line| line.trim() == "ready")
            })
        };
        self.server
            .wait(ready)
            .unwrap_or_else(|log| panic!("PostgreSQL did not start: {log}"));
    }

    /// Written by the server: its process in the first line, whether it is ready in the eighth.
    fn status_file(&self) -> PathBuf {
        self.server.folder.join("data/postmaster.pid")
    }

    /// Kills all of its processes with SIGKILL; what they left waits for [`restart`](Self::restart).
    ///
    /// # Panics
    /// If they cannot be found or killed.
    pub fn kill(&mut self) {
        let status = std::fs::read_to_string(self.status_file());
        let status = status.unwrap_or_else(|error| panic!("no server to kill: {error}"));
        self.killed = status.lines().next().unwrap_or_default().to_owned();
        self.tell("down");
        // Stopped, it starts no other process while its children are listed.
        signal("STOP", std::slice::from_ref(&self.killed));
        let mut all = children(&self.killed);
        all.push(self.killed.clone());
        signal("KILL", &all);
    }

    /// Starts it again on the data that its killed processes left.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.tell("up");
        self.wait();
    }

    /// Leaves a word for the script that runs the server.
    fn tell(&self, word: &str) {
        let told = std::fs::write(self.server.folder.join(word), "");
        told.unwrap_or_else(|error| panic!("cannot tell the server's script: {error}"));
    }

    /// Makes a database, and gives its address for the ordinary user, who owns it.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn create_database(&self, name: &str) -> String {
        let made = sql(&self.url("postgres"), &format!("create database {name}"));
        made.unwrap_or_else(|error| panic!("cannot create the database {name}: {error}"));
        self.url(name)
    }

    /// Runs a statement in one of its databases as the superuser.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, database: &str, text: &str) {
        let done = sql(&self.url_as("postgres", database), text);
        done.map_or_else(|error| panic!("cannot run `{text}`: {error}"), drop)
    }

    /// Asks one of its databases as the superuser.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn ask(&self, database: &str, text: &str) -> String {
        let done = sql(&self.url_as("postgres", database), text);
        done.unwrap_or_else(|error| panic!("cannot ask `{text}`: {error}"))
    }

    /// The address of one of its databases, for an ordinary user who may create databases and roles.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as("farmgate", database)
    }

    /// The same over the network, under this name of the host.
    ///
    /// # Panics
    /// If it does not listen there.
    #[must_use]
    pub fn network_url(&self, host: &str, database: &str) -> String {
        let address = self
            .address
            .unwrap_or_else(|| panic!("it listens on its socket alone"));
        format!("postgres://farmgate@{host}/{database}?hostaddr={address}")
    }

    /// The same for another user; `postgres` is the superuser.
    #[must_use]
    pub fn url_as(&self, user: &str, database: &str) -> String {
        let socket = self.server.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://{user}@{socket}/{database}")
    }
}

/// An address of this machine that no other test has: each listens on the usual port.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 100 + NEXT.fetch_add(1, Ordering::Relaxed) % 100, high, low)
}

/// Sends a signal; a process that is gone already needs none.
fn signal(name: &str, processes: &[String]) {
    let text = format!("kill -{name} {} 2>/dev/null || true", processes.join(" "));
    let sent = Command::new("sh").args(["-c", &text]).status();
    sent.unwrap_or_else(|error| panic!("cannot start a shell: {error}"));
}

/// The processes that this one started.
fn children(parent: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let parent_of = |path: &Path| -> Option<String> {
        let status = std::fs::read_to_string(path.join("stat")).ok()?;
        // `PID (NAME) STATE PARENT ..`, and the name may hold anything.
        Some(status.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned())
    };
    all.filter(|entry| parent_of(&entry.path()).is_some_and(|found| found == parent))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The server of this test process, or the one the environment names (`FARMGATE_TEST_PG`): the address of its
/// maintenance database.
pub(crate) fn shared() -> &'static str {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        environment("FARMGATE_TEST_PG").unwrap_or_else(|| {
            CLUSTER
                .get_or_init(|| Cluster::start(Settings::Fast))
                .url("postgres")
        })
    })
}

/// The same server's address of another database.
pub(crate) fn database_url(name: &str) -> String {
    let shared = shared();
    let (address, options) = shared
        .split_once('?')
        .map_or((shared, ""), |(address, options)| (address, options));
    let server = address.rsplit_once('/').map_or(address, |(server, _)| server);
    if options.is_empty() {
        format!("{server}/{name}")
    } else {
        format!("{server}/{name}?{options}")
    }
}

/// Runs one statement as the login user, outside of any transaction; answers with what it returned, if anything.
pub(crate) fn sql(url: &str, text: &str) -> Result<String, String> {
    let done: Output = Command::new(programs().join("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text, url])
        .output()
        .unwrap_or_else(|error| panic!("cannot run psql: {error}"));
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

/// The schema of a database as the server's own tool writes it, without the lines that differ from run to run.
pub(crate) fn dump_schema(url: &str) -> String {
    let done: Output = Command::new(programs().join("pg_dump"))
        .args(["--schema-only", "--no-comments", "-d", url])
        .output()
        .unwrap_or_else(|error| panic!("cannot run pg_dump: {error}"));
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "cannot read the schema: {error}");
    let text = String::from_utf8_lossy(&done.stdout);
    let stays = |line: &&str| !line.starts_with("--") && !line.starts_with('\\') && !line.is_empty();
    text.lines()
        .filter(stays)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The newest installed PostgreSQL's programs.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let debian = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path().join("bin"));
        let others = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"].map(PathBuf::from);
        let version = |bin: &PathBuf| -> u32 {
            let number = bin.parent().and_then(Path::file_name).and_then(|n| n.to_str());
            number.and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        debian
            .chain(others)
            .filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
            .max_by_key(version)
            .unwrap_or_else(|| {
                panic!(
                    "PostgreSQL is not installed: these tests need it (Debian: apt-get install postgresql)"
                )
            })
    })
}

fn template(bin: &Path) -> String {
    let version = bin.to_string_lossy().replace(|c: char| !c.is_ascii_digit(), "");
    format!("{TEMPLATE}-{version}")
}

/// PostgreSQL refuses to run as root; then it runs as the user its package made.
fn ordinary_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    root.then(|| {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut ids = users.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let user = fields.next().filter(|name| *name == "postgres")?;
            let _ = (user, fields.next());
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        ids.next().unwrap_or_else(|| {
            panic!("root cannot run PostgreSQL, and there is no user `postgres` to run it as")
        })
    })
}
