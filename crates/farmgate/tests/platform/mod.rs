//! The real binary: a platform over a database of its own, and a client of its API.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use db::{Engine, Target};
use scenario::http::{Connect, Connection, Limits, Parts, Request, Version};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::TestDb;

/// Runs the binary to its end.
pub fn farmgate(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The binary with these arguments, and nothing of this process's own settings.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmgate"));
    command.args(arguments).current_dir(folder);
    for name in [
        "FARMGATE_TOKEN",
        "FARMGATE_PASSWORD",
        "DATABASE_URL",
        "HOST",
        "PORT",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a program said, for a test's message.
pub fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A platform that ends with its value.
pub struct Server {
    child: Child,
    pub url: String,
    folder: TempDir,
    _database: Option<TestDb>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one and waits until it says where it listens.
    pub fn start(engine: Engine) -> Self {
        Self::start_with(engine, &[])
    }

    /// Starts one with these settings too.
    pub fn start_with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut serve = command(
            folder.path(),
            &["serve", "--json", "--port", "0", "--data", "data"],
        );
        serve
            .env("FARMGATE_RATE_LIMITS", "off")
            .env("FARMGATE_DEFAULT_TIER", "enterprise")
            .env("LOG_LEVEL", "off")
            .envs(settings.iter().copied());
        let database = (engine == Engine::Postgres).then(|| test_support::empty(engine));
        if let Some(TestDb { config, .. }) = &database
            && let Target::Postgres(target) = &config.target
        {
            serve.env("DATABASE_URL", &target.url);
            serve.env("ENCRYPTION_KEY", "5a".repeat(32));
        }
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let started: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("serve said {line:?}: {error}"));
        Self {
            child,
            url: started["url"].as_str().unwrap().to_owned(),
            folder,
            _database: database,
        }
    }

    /// A folder that lives as long as the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Registers somebody and signs in.
    pub async fn person(&self, name: &str) -> Api {
        let mut api = Api {
            url: self.url.clone(),
            token: String::new(),
        };
        let password = "correct horse battery";
        let email = format!("{name}@example.org");
        let body = json!({"username": name, "email": email, "password": password});
        api.expect(201, "POST", "/api/auth/register", body).await;
        let body = json!({"username": name, "password": password});
        let answer = api.expect(200, "POST", "/api/auth/login", body).await;
        api.token = answer["token"].as_str().unwrap().to_owned();
        api
    }
}

/// Somebody's way to the API.
pub struct Api {
    pub url: String,
    pub token: String,
}

impl Api {
    /// Sends, and expects this status.
    pub async fn expect(&self, status: u16, method: &str, path: &str, body: Value) -> Value {
        let (found, answer) = self.call(method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        answer
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Value {
        self.expect(200, "GET", path, Value::Null).await
    }

    /// All entries of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit=1000{cursor}")).await;
            found.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = url::Url::parse(&format!("{}{path}", self.url)).unwrap();
        let request = Request::from_parts(Parts {
            method,
            url: &url,
            headers: vec![
                ("Content-Type", "application/json"),
                ("Authorization", &format!("Bearer {}", self.token)),
            ],
            body: if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            }
            .into(),
            version: Version::Http11,
            raw_path: None,
        });
        let request = request.unwrap();
        let mut connection = Connection::open(request.target(), &Connect::plain())
            .await
            .unwrap();
        let answer = connection.send(&request, &Limits::default()).await.unwrap();
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, body)
    }

    /// Creates a circuit that this one and a partner take part in; gives its id.
    pub async fn circuit_with(&self, partner: &Api, partner_name: &str) -> String {
        let made = self
            .expect(201, "POST", "/api/circuits", json!({"name": "Boa Vista"}))
            .await;
        let circuit = made["id"].as_str().unwrap().to_owned();
        let path = format!("/api/circuits/{circuit}/invitations");
        let body = json!({"username": partner_name, "role": "member"});
        let invitation = self.expect(201, "POST", &path, body).await;
        let path = format!("/api/invitations/{}/accept", invitation["id"].as_str().unwrap());
        partner.expect(200, "POST", &path, Value::Null).await;
        circuit
    }
}
