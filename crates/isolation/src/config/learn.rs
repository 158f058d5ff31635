//! Operations from Hurl files: a file is run once as one user, and what it was seen to do becomes a description of the
//! service in the form of an OpenAPI document, which [`super::discover`] reads.
//!
//! Ids in paths are recognised because an earlier answer gave them. Free text in bodies becomes canaries; a field that
//! must keep its value is named by `# @isolation keep FIELD` in the file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use scenario::{Call, Observer, Scenario, Settings, User};
use serde_json::{Map, Value, json};

use super::Config;
use crate::Error;
use crate::exchange::Answer;
use crate::principal::take_id;

/// One exchange of the scenario.
struct Heard {
    method: String,
    path: String,
    query: Vec<String>,
    secured: bool,
    body: Value,
    form: bool,
    answer: Answer,
}

/// Keeps what a scenario does.
#[derive(Default)]
struct Listener(Vec<Heard>);

impl Observer for Listener {
    fn call(&mut self, call: &Call<'_>) {
        let (Ok(response), Ok(url)) = (call.result, url::Url::parse(call.url)) else {
            return;
        };
        let body = call.request.body();
        let form = call
            .request
            .header("content-type")
            .is_some_and(|kind| kind.contains("form-urlencoded"));
        let fields =
            url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::from(value)));
        let body = if form {
            Value::Object(fields.collect())
        } else {
            serde_json::from_slice(body).unwrap_or_default()
        };
        let headers = response
            .headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.into_owned()));
        self.0.push(Heard {
            method: call.request.method().to_lowercase(),
            path: url.path().to_owned(),
            query: url.query_pairs().map(|(name, _)| name.into_owned()).collect(),
            secured: ["authorization", "cookie", "x-api-key"]
                .iter()
                .any(|name| call.request.header(name).is_some()),
            body,
            form,
            answer: Answer {
                status: response.status,
                headers: headers.collect(),
                body: response.body.clone(),
            },
        });
    }
}

/// Runs a file once and describes what it did.
///
/// # Errors
/// When the file cannot be read or understood, or does not hold: an example that fails teaches nothing.
pub async fn document(config: &Config, file: &Path) -> Result<Value, Error> {
    let name = file.display().to_string();
    // farmgate: allow(blocking-fs) because files are read before the first request is sent
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::Config(format!("cannot read {name}: {error}")))?;
    let scenario = scenario::parse(&name, &text).map_err(|error| Error::Config(error.to_string()))?;
    let mut user = User::new(Arc::new(settings(config)));
    let mut listener = Listener::default();
    let outcome = user.run(&scenario, &mut listener).await;
    if !outcome.ok {
        let failed = outcome.entries.iter().find(|entry| !entry.ok());
        let line = failed.map_or(0, |entry| entry.line);
        return Err(Error::Config(format!(
            "{name}:{line}: the scenario does not hold against the service; smoke it first"
        )));
    }
    Ok(describe(&listener.0, &kept(&scenario)))
}

/// The variables that scenarios commonly want: where the service is, and a user who is new.
fn settings(config: &Config) -> Settings {
    let mut settings = Settings::default();
    let base = config
        .target
        .url
        .clone()
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned();
    let fresh = |name: &str| scenario::Value::from(format!("scn{}{name}", std::process::id()));
    for name in ["url", "base_url", "host", "base"] {
        settings
            .variables
            .insert(name.to_owned(), scenario::Value::from(base.clone()));
    }
    settings.variables.insert("username".to_owned(), fresh(""));
    settings
        .variables
        .insert("email".to_owned(), fresh("@example.com"));
    settings
        .variables
        .insert("password".to_owned(), fresh("-Pw-9x-scenario"));
    settings
}

/// Fields that `# @isolation keep FIELD` names.
fn kept(scenario: &Scenario) -> BTreeSet<String> {
    let directives = scenario
        .directives()
        .iter()
        .filter(|directive| directive.key == "isolation");
    let fields = directives.filter_map(|directive| directive.value.strip_prefix("keep "));
    fields
        .flat_map(|fields| fields.split([' ', ',']))
        .map(str::to_owned)
        .collect()
}

/// An OpenAPI document of what was heard.
fn describe(heard: &[Heard], kept: &BTreeSet<String>) -> Value {
    let ids: BTreeSet<String> = heard
        .iter()
        .filter(|heard| heard.method == "post" && heard.answer.ok())
        .filter_map(|heard| take_id(&heard.answer))
        .collect();
    let mut paths = Map::new();
    for one in heard.iter().filter(|one| one.answer.ok()) {
        let segments = one
            .path
            .split('/')
            .map(|part| if ids.contains(part) { "{id}" } else { part });
        let path = segments.collect::<Vec<_>>().join("/");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if item.get(&one.method).is_none() {
            item[&one.method] = operation(one, kept);
        }
    }
    json!({ "openapi": "3.1.0", "paths": paths })
}

fn operation(one: &Heard, kept: &BTreeSet<String>) -> Value {
    let parameters: Vec<Value> = one
        .query
        .iter()
        .map(|name| json!({"name": name, "in": "query"}))
        .collect();
    let mut operation = json!({ "parameters": parameters });
    if one.body.is_object() {
        let kind = if one.form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        operation["requestBody"] = json!({"content": {kind: {"schema": schema(&one.body, "", kept)}}});
    }
    if !one.secured {
        operation["security"] = json!([]);
    }
    operation
}

/// A schema whose example is this value again, with canaries where free text stood.
fn schema(value: &Value, name: &str, kept: &BTreeSet<String>) -> Value {
    match value {
        _ if kept.contains(name) => json!({ "const": value }),
        Value::Object(fields) => {
            let required: Vec<&String> = fields.keys().collect();
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, inner)| (name.clone(), schema(inner, name, kept)))
                .collect();
            json!({"type": "object", "required": required, "properties": properties})
        }
        Value::Array(items) if items.iter().all(|item| item == &items[0]) && !items.is_empty() => {
            json!({"type": "array", "items": schema(&items[0], name, kept)})
        }
        Value::String(text) if is_free(text) => json!({"type": "string"}),
        Value::String(text) if text.contains('@') => json!({"type": "string", "format": "email"}),
        other => json!({ "const": other }),
    }
}

/// Free text has a space, or is longer than a keyword; dates, addresses and links are not free.
fn is_free(text: &str) -> bool {
    let shaped = text.contains('@') || text.contains("://") || text.starts_with(|c: char| c.is_ascii_digit());
    !shaped && (text.contains(' ') || text.len() >= 6)
}
