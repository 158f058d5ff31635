//! One connection to the platform's API: JSON out, JSON in, tried again while the server is away or busy.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::problem::ErrorCode;
use scenario::http::{
    Connect, Connection, Limits, Parts, Request, Response, Scheme, Target, TlsOptions, Version,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

/// How often a request is sent at most, the waits before that of a busy server (429) not counted.
const TRIES: u32 = 6;
/// The wait after the first try; it doubles with each further one, so six tries take about six seconds.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// How often a server may ask for patience (429) before that counts as its answer.
const MAX_LIMITED: u32 = 60;
/// The longest wait, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How API keys begin.
const KEY_PREFIX: &str = "fg_";
/// Bounds of one exchange.
const LIMITS: Limits = Limits {
    max_head: 64 * 1024,
    max_body: 16 * 1024 * 1024,
    timeout: Duration::from_secs(60),
};

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub body: Value,
}

/// The server could not be reached, or broke off, each time.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the server after {TRIES} tries: {0}")]
pub struct NoAnswer(String);

/// A client that sends one request at a time and opens its connection again when the server closed it.
pub struct Client {
    base: Url,
    token: Option<String>,
    connect: Connect,
    connection: Option<Connection>,
}

impl Client {
    /// A client of the server at this address.
    ///
    /// # Errors
    /// If the address is none of a server.
    pub fn new(mut base: Url, token: Option<String>) -> Result<Self> {
        let target =
            Target::from_url(&base).with_context(|| format!("{base} is not an http or https address"))?;
        let connect = match target.scheme {
            Scheme::Http => Connect::plain(),
            Scheme::Https => Connect::new(TlsOptions::default().build()?),
        };
        // Without the slash the last part of a path counts as a file's name, which another takes the place of.
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self {
            base,
            token,
            connect,
            connection: None,
        })
    }

    /// A client of the same server in the same name, with a connection of its own.
    pub fn another(&self) -> Self {
        Self {
            base: self.base.clone(),
            token: self.token.clone(),
            connect: self.connect.clone(),
            connection: None,
        }
    }

    /// Signs in and keeps the token.
    ///
    /// # Errors
    /// If the server is away, or refuses.
    pub async fn log_in(&mut self, username: &str, password: &str) -> Result<()> {
        let body = json!({"username": username, "password": password});
        let answer = self.post("api/auth/login", &body).await?;
        let Some(token) = answer.body["token"].as_str().filter(|_| answer.status == 200) else {
            bail!("cannot sign in as {username}: {}", answer.said());
        };
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// Whose rows are sent: the id of the workspace, which no other deployment has, or the fingerprint of an API key,
    /// which is of one workspace and may not ask for more.
    ///
    /// # Errors
    /// If the server is away, or does not know the token.
    pub async fn owner(&mut self) -> Result<String> {
        let key = self
            .token
            .as_deref()
            .filter(|token| token.starts_with(KEY_PREFIX));
        let fingerprint = key.map(|key| hex::encode(&Sha256::digest(key)[..16]));
        let path = if fingerprint.is_some() {
            "api/items/local?limit=1"
        } else {
            "api/auth/me"
        };
        let answer = self.get(path).await?;
        let known = answer.status == 200 || answer.body["code"] == ErrorCode::Forbidden.as_str();
        match (fingerprint, answer.body["workspace_id"].as_str()) {
            (Some(fingerprint), _) if known => Ok(format!("key:{fingerprint}")),
            (None, Some(workspace)) if known => Ok(workspace.to_owned()),
            _ if answer.status == 200 => bail!(
                "{} does not say whose token this is: is it the platform?",
                self.base
            ),
            _ => bail!("{} (pass --token or --username)", answer.said()),
        }
    }

    /// Posts a body.
    ///
    /// # Errors
    /// If no try was answered.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, NoAnswer> {
        self.send("POST", path, body.to_string().into_bytes()).await
    }

    /// Reads.
    ///
    /// # Errors
    /// If no try was answered.
    pub async fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        self.send("GET", path, Vec::new()).await
    }

    /// Everything an import sends may be sent twice: each item and event has an id that follows from the file.
    async fn send(&mut self, method: &str, path: &str, body: Vec<u8>) -> Result<Answer, NoAnswer> {
        let request = self
            .request(method, path, body)
            .map_err(|error| NoAnswer(format!("{error:#}")))?;
        let (mut tries, mut limited) = (0, 0);
        loop {
            let wait = match self.once(&request).await {
                Ok(answer) if answer.status == 429 && limited < MAX_LIMITED => {
                    limited += 1;
                    asked_wait(&answer).unwrap_or(FIRST_WAIT)
                }
                Ok(answer) if answer.status < 500 || tries + 1 == TRIES => {
                    return Ok(Answer {
                        status: answer.status,
                        body: serde_json::from_slice(&answer.body).unwrap_or_default(),
                    });
                }
                Ok(answer) => {
                    tries += 1;
                    asked_wait(&answer).unwrap_or(FIRST_WAIT * 2_u32.pow(tries - 1))
                }
                Err(error) if tries + 1 == TRIES => return Err(NoAnswer(format!("{error:#}"))),
                Err(_) => {
                    tries += 1;
                    FIRST_WAIT * 2_u32.pow(tries - 1)
                }
            };
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    fn request(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Request> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(bearer.iter().map(|bearer| ("Authorization", bearer.as_str())));
        Ok(Request::from_parts(Parts {
            method,
            url: &self.base.join(path)?,
            headers,
            body: body.into(),
            version: Version::Http11,
            raw_path: None,
        })?)
    }

    async fn once(&mut self, request: &Request) -> Result<Response> {
        let mut connection = match self.connection.take().filter(Connection::is_reusable) {
            Some(connection) => connection,
            None => Connection::open(request.target(), &self.connect).await?,
        };
        let answer = connection.send(request, &LIMITS).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

/// How long the server asks to wait (RFC 9110, section 10.2.3, in seconds).
fn asked_wait(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers.get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl Answer {
    /// The fields of a problem document with what is wrong with each; empty if it names none.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.body["errors"].as_array().into_iter().flatten().map(|error| {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            (text("field"), text("message"))
        })
    }

    /// What the server said as a whole, with its status.
    pub fn said(&self) -> String {
        let text = self.body["detail"].as_str().or(self.body["title"].as_str());
        format!("{}: {}", self.status, text.unwrap_or("no reason given"))
    }
}
