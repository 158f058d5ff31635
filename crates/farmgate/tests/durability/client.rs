//! One connection to the program, and the account that all writes are made with.

use scenario::http::{Connect, Connection, Limits, Parts, Request, Version};
use serde_json::{Value, json};
use url::Url;

use crate::program::Program;

const NAME: &str = "ana";
const PASSWORD: &str = "correct horse battery";

/// An answer: its status and its JSON, null if it is none. Nothing if the answer never came.
pub type Answer = Option<(u16, Value)>;

/// A client that sends one request at a time.
pub struct Client {
    base: Url,
    token: Option<String>,
    connection: Option<Connection>,
}

/// Makes the account.
pub async fn register(program: &Program) {
    let mut client = Client::new(&program.url);
    let body = json!({"username": NAME, "email": "ana@example.org", "password": PASSWORD});
    let answer = client.post("api/auth/register", &body).await;
    assert!(matches!(answer, Some((201, _))), "{answer:?}");
}

/// Signs in with the account that an earlier process made.
pub async fn sign_in(program: &Program) -> Client {
    let mut client = Client::new(&program.url);
    let body = json!({"username": NAME, "password": PASSWORD});
    let answer = client.post("api/auth/login", &body).await;
    let Some((200, told)) = answer else {
        panic!("cannot sign in: {answer:?}");
    };
    client.token = told["token"].as_str().map(str::to_owned);
    client
}

impl Client {
    fn new(base: &str) -> Self {
        Self {
            base: Url::parse(base).unwrap(),
            token: None,
            connection: None,
        }
    }

    /// Another connection of the same caller.
    pub fn another(&self) -> Self {
        Self {
            base: self.base.clone(),
            token: self.token.clone(),
            connection: None,
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, Vec::new()).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body.to_string().into_bytes()).await
    }

    pub async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, body.to_string().into_bytes()).await
    }

    /// The answer to a read of something that must be there.
    pub async fn read(&mut self, path: &str) -> Value {
        match self.get(path).await {
            Some((200, body)) => body,
            other => panic!("GET {path}: {other:?}"),
        }
    }

    /// Every entry of a list.
    pub async fn list(&mut self, path: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let mut page = self.read(&format!("{path}{sign}limit=1000{cursor}")).await;
            all.append(page["data"].as_array_mut().unwrap());
            match page["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    async fn send(&mut self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(bearer.iter().map(|bearer| ("Authorization", bearer.as_str())));
        let parts = Parts {
            method,
            url: &self.base.join(path).unwrap(),
            headers,
            body: body.into(),
            version: Version::Http11,
            raw_path: None,
        };
        let request = Request::from_parts(parts).unwrap();
        let mut connection = match self.connection.take().filter(Connection::is_reusable) {
            Some(connection) => connection,
            None => Connection::open(request.target(), &Connect::plain()).await.ok()?,
        };
        let answer = connection.send(&request, &Limits::default()).await.ok()?;
        self.connection = Some(connection);
        Some((
            answer.status,
            serde_json::from_slice(&answer.body).unwrap_or_default(),
        ))
    }
}
