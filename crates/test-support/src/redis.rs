//! A private Redis, and a database number of it for each test.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;

use crate::process::{Server, environment};

/// How many databases the server has; see `redis.sh`.
const DATABASES: u64 = 4096;

/// A running private Redis; it ends when this is dropped, or when the process ends.
pub struct RedisServer {
    _server: Server,
    port: u16,
    scheme: &'static str,
}

impl RedisServer {
    /// Starts an empty one that writes nothing to disk.
    ///
    /// # Panics
    /// If Redis is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::launch("")
    }

    /// Starts one that speaks TLS alone, with the certificate and key in this PEM.
    ///
    /// # Panics
    /// If Redis is not installed, was built without TLS, or does not start.
    #[must_use]
    pub fn start_with_tls(pem: &str) -> Self {
        Self::launch(pem)
    }

    fn launch(pem: &str) -> Self {
        // Between finding a free port and binding it another process may take it: then another port is tried.
        for _ in 0..20 {
            let port = free_port();
            let arguments = [program().to_owned(), port.to_string(), pem.to_owned()];
            let mut server = Server::start(include_str!("redis.sh"), &arguments, None);
            let socket = server.folder.join("socket");
            // The server makes its socket after it has bound its port.
            if server.wait(|| socket.exists()).is_ok() {
                return Self {
                    _server: server,
                    port,
                    scheme: if pem.is_empty() { "redis" } else { "rediss" },
                };
            }
        }
        panic!("Redis did not start");
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }
}

/// A Redis database of one test. Keys are its own; channels are the whole server's, so name them uniquely.
#[derive(Debug, Clone)]
pub struct TestRedis {
    /// Its address, with the number of the database.
    pub url: String,
}

/// An empty database on this process's Redis, or on the one the environment names (`FARMGATE_TEST_REDIS`).
///
/// # Panics
/// If Redis is not installed or does not answer.
#[must_use]
pub fn redis() -> TestRedis {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    let url =
        environment("FARMGATE_TEST_REDIS").unwrap_or_else(|| SERVER.get_or_init(RedisServer::start).url());
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    let number = take_number(address)
        .unwrap_or_else(|error| panic!("the test Redis at {url} does not answer: {error}"));
    TestRedis {
        url: format!("redis://{address}/{number}"),
    }
}

/// Counts in database 0, which no test gets, and empties the database it names.
fn take_number(address: &str) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"INCR test-databases\r\n")?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    answers.read_line(&mut line)?;
    let count: u64 = line
        .trim()
        .trim_start_matches(':')
        .parse()
        .map_err(std::io::Error::other)?;
    let number = 1 + count % (DATABASES - 1);
    stream.write_all(format!("SELECT {number}\r\nFLUSHDB\r\n").as_bytes())?;
    for _ in 0..2 {
        line.clear();
        answers.read_line(&mut line)?;
        if line.trim() != "+OK" {
            return Err(std::io::Error::other(line));
        }
    }
    Ok(number)
}

fn free_port() -> u16 {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound
        .unwrap_or_else(|error| panic!("no port is free: {error}"))
        .port()
}

fn program() -> &'static str {
    let places = [
        "/usr/bin/redis-server",
        "/usr/local/bin/redis-server",
        "/usr/bin/valkey-server",
        "/opt/homebrew/bin/redis-server",
    ];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    found.unwrap_or_else(|| {
        panic!("Redis is not installed: these tests need it (Debian: apt-get install redis-server)")
    })
}
