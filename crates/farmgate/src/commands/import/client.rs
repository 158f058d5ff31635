//! One connection to the platform's API: JSON out, JSON in.

use anyhow::{Context, Result, bail};
use scenario::http::{Connect, Connection, Limits, Parts, Request, Target, TlsOptions, Version};
use serde_json::Value;
use url::Url;

/// A client that sends one request at a time and opens its connection again when the server closed it.
pub struct Client {
    base: Url,
    token: Option<String>,
    connection: Option<Connection>,
}

impl Client {
    /// A client of the server at this address.
    pub fn new(base: Url, token: Option<String>) -> Self {
        Self {
            base,
            token,
            connection: None,
        }
    }

    /// Signs in and keeps the token.
    pub async fn log_in(&mut self, username: &str, password: &str) -> Result<()> {
        let body = serde_json::json!({"username": username, "password": password});
        let (status, answer) = self.post("api/auth/login", &body).await?;
        let Some(token) = answer["token"].as_str().filter(|_| status == 200) else {
            bail!("cannot sign in as {username}: {}", refusal(status, &answer));
        };
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// Posts a body; gives the status and the answer's JSON, null if it is none.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send("POST", path, serde_json::to_vec(body)?).await
    }

    /// Reads and returns status and JSON body.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Value)> {
        self.send("GET", path, Vec::new()).await
    }

    async fn send(&mut self, method: &str, path: &str, body: Vec<u8>) -> Result<(u16, Value)> {
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        if let Some(token) = &self.token {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        let url = self
            .base
            .join(path)
            .context("the address of the server cannot be joined with a path")?;
        let request = Request::from_parts(Parts {
            method: method.to_owned(),
            url,
            headers,
            body: body.into(),
            version: Version::Http11,
            raw_path: None,
        })?;
        let mut connection = match self.connection.take().filter(Connection::is_reusable) {
            Some(connection) => connection,
            None => Connection::open(request.target(), &self.connect(request.target())?).await?,
        };
        let answer = connection.send(&request, &Limits::default()).await?;
        self.connection = Some(connection);
        Ok((
            answer.status,
            serde_json::from_slice(&answer.body).unwrap_or_default(),
        ))
    }

    fn connect(&self, target: &Target) -> Result<Connect> {
        Ok(match target.scheme {
            scenario::http::Scheme::Http => Connect::plain(),
            scenario::http::Scheme::Https => Connect::new(TlsOptions::default().build()?),
        })
    }
}

/// What a refusal said: its fields if it names any, else its title.
pub fn refusal(status: u16, answer: &Value) -> String {
    let fields: Vec<String> = answer["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| {
            format!(
                "{} {}",
                error["field"].as_str().unwrap_or(""),
                error["message"].as_str().unwrap_or("")
            )
        })
        .collect();
    let said = answer["detail"]
        .as_str()
        .or(answer["title"].as_str())
        .unwrap_or("no reason given");
    if fields.is_empty() {
        format!("{status}: {said}")
    } else {
        format!("{status}: {}", fields.join("; "))
    }
}
