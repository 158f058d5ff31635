//! One request as the routes see it, and the answer they give.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::App;
use crate::store::{Store, User};

/// A request, read and identified.
#[derive(Debug)]
pub struct Call {
    pub app: Arc<App>,
    pub method: Method,
    pub path: String,
    pub query: HashMap<String, String>,
    pub headers: HeaderMap,
    pub body: Value,
    pub peer: u16,
    /// The session that was presented, valid or not.
    pub session: Option<String>,
    /// Who the service takes the caller for.
    pub user: Option<User>,
}

/// What goes back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    /// A JSON answer. Nothing here may be stored by anybody.
    pub fn json(status: u16, body: &Value) -> Self {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body,
        }
    }

    /// A text answer.
    pub fn text(status: u16, body: String) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain; charset=utf-8".into())],
            body,
        }
    }

    /// The answer for what is absent, and for what is somebody else's.
    pub fn not_found() -> Self {
        Self::error(404, "not_found", "not found")
    }

    /// An error with a stable code.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": {"code": code, "message": message}}))
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Call {
    /// Draws whether a planted fault happens now.
    pub fn hit(&self, fault: &str) -> bool {
        self.app.faults.hit(fault)
    }

    /// The caller, or the answer that tells him to log in.
    pub fn caller(&self) -> Result<&User, Answer> {
        self.user
            .as_ref()
            .ok_or_else(|| Answer::error(401, "unauthenticated", "log in first"))
    }

    /// A text field of the body, or of its attributes as JSON:API writes them; absent is empty.
    pub fn field(&self, name: &str) -> String {
        let attributes = || self.body.pointer("/data/attributes")?.get(name);
        let field = self.body.get(name).or_else(attributes);
        field.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The owner that the body claims, if the named fault happens.
    pub fn claimed_owner(&self, pointer: &str, fault: &str) -> Option<u64> {
        let claimed = self.body.pointer(pointer)?;
        let claimed = claimed.as_u64().or_else(|| claimed.as_str()?.parse().ok());
        claimed.filter(|_| self.hit(fault))
    }

    /// A request header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The id the owner filter works with. Planted name faults find it by a name that only looks alike.
    pub fn owner(&self, store: &Store, user: &User) -> u64 {
        for (fault, fold) in FOLDS {
            if self.app.faults.on(fault) && self.hit(fault) {
                let folded = fold(&user.name);
                let namesake = store.users.values().find(|other| fold(&other.name) == folded);
                return namesake.map_or(user.id, |other| other.id);
            }
        }
        user.id
    }
}

type Fold = fn(&str) -> String;

const FOLDS: [(&str, Fold); 3] = [
    ("name-case", |name| name.to_lowercase()),
    ("name-unicode", |name| {
        unicode_normalization::UnicodeNormalization::nfc(name).collect()
    }),
    ("name-space", |name| name.trim().to_owned()),
];
