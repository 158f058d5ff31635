//! One request as a template, and how it is written in a configuration file: short (`"GET /notes/{{id}}"`) or as a table.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A request whose path, headers and body may hold `{{variables}}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operation {
    /// Method, in capitals.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Headers beside the credentials.
    pub headers: BTreeMap<String, String>,
    /// JSON body; strings in it are templates.
    pub json: Option<serde_json::Value>,
    /// Form body.
    pub form: BTreeMap<String, String>,
    /// Body as text.
    pub text: Option<String>,
    /// Status codes that mean success. Empty: any 2xx.
    pub expect: Vec<u16>,
}

/// An operation with what is taken from its answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Full")]
pub struct Step {
    /// The request.
    pub call: Operation,
    /// Variable = where its value stands: a JSON pointer (`/token`), `header:NAME`, `cookie:NAME`, `location` (its last segment) or `regex:RE` (first group).
    pub capture: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Full {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    json: Option<serde_json::Value>,
    form: BTreeMap<String, String>,
    text: Option<String>,
    expect: Vec<u16>,
    capture: BTreeMap<String, String>,
}

impl From<Full> for Step {
    fn from(full: Full) -> Self {
        let (method, path) = split(&full.method, &full.path);
        let call = Operation {
            method,
            path,
            headers: full.headers,
            json: full.json,
            form: full.form,
            text: full.text,
            expect: full.expect,
        };
        Self {
            call,
            capture: full.capture,
        }
    }
}

/// A missing method is GET; `path` may say both, as `"POST /notes"`.
fn split(method: &str, path: &str) -> (String, String) {
    match path.split_once(' ') {
        Some((first, rest)) if first.chars().all(|c| c.is_ascii_uppercase()) => {
            (first.to_owned(), rest.trim().to_owned())
        }
        _ if method.is_empty() => ("GET".to_owned(), path.to_owned()),
        _ => (method.to_uppercase(), path.to_owned()),
    }
}

impl Operation {
    /// An operation without headers and body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// Says whether it is sent with a body.
    pub fn has_body(&self) -> bool {
        self.json.is_some() || !self.form.is_empty() || self.text.is_some()
    }

    /// Says whether a status means success.
    pub fn succeeds(&self, status: u16) -> bool {
        if self.expect.is_empty() {
            (200..300).contains(&status)
        } else {
            self.expect.contains(&status)
        }
    }

    /// Says whether a variable is used anywhere in it.
    pub fn mentions(&self, variable: &str) -> bool {
        let mark = format!("{{{{{variable}");
        let json = self.json.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut texts = self.headers.values().chain(self.form.values()).chain(&self.text);
        self.path.contains(&mark) || json.contains(&mark) || texts.any(|text| text.contains(&mark))
    }

    /// Name in reports.
    pub fn label(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShortOrFull;
        impl<'de> Visitor<'de> for ShortOrFull {
            type Value = Operation;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operation: \"GET /path\" or a table with `path`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Operation, E> {
                let (method, path) = split("", text.trim());
                checked(Operation {
                    method,
                    path,
                    ..Operation::default()
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Operation, A::Error> {
                let step = Step::from(Full::deserialize(MapAccessDeserializer::new(map))?);
                if !step.capture.is_empty() {
                    return Err(A::Error::custom(
                        "`capture` has no meaning here; use the resource's `id` and `capture`",
                    ));
                }
                checked(step.call)
            }
        }
        deserializer.deserialize_any(ShortOrFull)
    }
}

fn checked<E: serde::de::Error>(operation: Operation) -> Result<Operation, E> {
    if operation.path.starts_with('/') {
        return Ok(operation);
    }
    Err(E::custom(format!(
        "the path must begin with `/`, this is `{}`",
        operation.path
    )))
}
