//! Somebody who uses the service: his variables, his cookies, and how he shows who he is.

use std::collections::BTreeMap;

use regex::Regex;

use crate::Error;
use crate::config::{Auth, Role};
use crate::exchange::{Answer, Request};
use crate::ledger::ObjectId;
use crate::template::{Mint, Vars, text};

/// Somebody who uses the service.
#[derive(Clone, Debug, Default)]
pub struct Principal {
    /// Name in reports.
    pub name: String,
    /// What he is used for.
    pub role: Role,
    /// Group whose things he sees.
    pub group: Option<String>,
    /// Values for templates.
    pub vars: Vars,
    /// Cookies he was given.
    pub cookies: BTreeMap<String, String>,
    /// Headers of all his requests.
    pub headers: BTreeMap<String, String>,
    /// Bearer token, as a template.
    pub bearer: Option<String>,
    /// Canaries in his profile hang on this object.
    pub profile: Option<ObjectId>,
}

impl Principal {
    /// Adds the credentials to a request.
    ///
    /// # Errors
    /// [`Error::Variable`] when a credential's template cannot be filled: nobody has logged in.
    pub fn sign(&self, auth: &Auth, request: &mut Request, mint: &mut Mint<'_>) -> Result<(), Error> {
        let mut vars = self.vars.clone();
        vars.extend(
            self.cookies
                .iter()
                .map(|(name, value)| (format!("cookie.{name}"), value.clone())),
        );
        if let Some(bearer) = self.bearer.as_ref().or(auth.bearer.as_ref()) {
            request.headers.push((
                "authorization".to_owned(),
                format!("Bearer {}", text(bearer, &vars, mint)?),
            ));
        }
        let writes = auth.write_headers.iter().filter(|_| !request.is_safe());
        let headers: Vec<_> = auth.headers.iter().chain(writes).chain(&self.headers).collect();
        for (name, value) in headers {
            request
                .headers
                .push((name.to_lowercase(), text(value, &vars, mint)?));
        }
        self.add_cookies(request);
        Ok(())
    }

    /// Adds the cookies alone.
    pub fn add_cookies(&self, request: &mut Request) {
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request.headers.push(("cookie".to_owned(), pairs.join("; ")));
        }
    }

    /// Keeps the cookies of an answer to one of the login steps.
    pub fn keep_cookies(&mut self, answer: &Answer) {
        for (name, value) in set_cookies(answer) {
            if value.is_empty() {
                self.cookies.remove(&name);
            } else {
                self.cookies.insert(name, value);
            }
        }
    }
}

/// Names and values of all `Set-Cookie` headers.
pub fn set_cookies(answer: &Answer) -> Vec<(String, String)> {
    let headers = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let pairs = headers.filter_map(|(_, value)| value.split(';').next()?.split_once('='));
    pairs
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// Takes a value from an answer: `/pointer`, `header:NAME`, `cookie:NAME`, `location`, `regex:RE`, `auto:NAME`.
pub fn take(answer: &Answer, source: &str) -> Option<String> {
    if source.starts_with('/') {
        return plain(answer.json().pointer(source)?);
    }
    if source == "location" {
        let location = answer.header("location")?;
        let path = location.split(['?', '#']).next()?.trim_end_matches('/');
        return path.rsplit('/').next().map(str::to_owned);
    }
    match source.split_once(':')? {
        ("header", name) => answer.header(&name.to_lowercase()).map(str::to_owned),
        ("cookie", name) => set_cookies(answer)
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value),
        ("regex", pattern) => {
            let body = String::from_utf8_lossy(&answer.body);
            Some(
                Regex::new(pattern)
                    .ok()?
                    .captures(&body)?
                    .get(1)?
                    .as_str()
                    .to_owned(),
            )
        }
        ("auto", names) => {
            let json = answer.json();
            names.split(',').find_map(|name| {
                if name.starts_with('/') {
                    plain(json.pointer(name)?)
                } else {
                    find(&json, name, 0)
                }
            })
        }
        _ => None,
    }
}

/// The id in the answer to a create, when nobody said where it stands.
pub fn take_id(answer: &Answer) -> Option<String> {
    let json = answer.json();
    let pointers = [
        "/id",
        "/data/id",
        "/uuid",
        "/_id",
        "/data/uuid",
        "/result/id",
        "/key",
        "/slug",
    ];
    let listed = pointers.iter().find_map(|pointer| plain(json.pointer(pointer)?));
    listed
        .or_else(|| ending_in_id(&json))
        .or_else(|| take(answer, "location"))
}

/// The first field called `..._id` or `...Id`, of the answer itself or of an object wrapped in it.
fn ending_in_id(json: &serde_json::Value) -> Option<String> {
    let fields = json.as_object()?;
    let wrapped = fields.values().find_map(|inner| plain(inner.get("id")?));
    let foreign = [
        "user_id",
        "owner_id",
        "userId",
        "ownerId",
        "author_id",
        "authorId",
        "tenant_id",
        "account_id",
    ];
    wrapped.or_else(|| {
        let own = fields.iter().find(|(name, _)| {
            (name.ends_with("_id") || name.ends_with("Id")) && !foreign.contains(&name.as_str())
        });
        plain(own?.1)
    })
}

/// A field of this name, at most three levels deep.
fn find(json: &serde_json::Value, name: &str, depth: usize) -> Option<String> {
    let fields = json.as_object().filter(|_| depth < 3)?;
    let here = fields
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .and_then(|(_, value)| plain(value));
    here.or_else(|| fields.values().find_map(|inner| find(inner, name, depth + 1)))
}

/// A string or number as text.
pub fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
