//! What an OpenAPI document, or a scenario that was run once, tells: resources, their children, views, what is for administrators, how to register and log in.
//!
//! Only what the configuration does not describe already is added. A document is JSON, OpenAPI 3.0 or 3.1.

mod account;
mod resources;
mod schema;
mod views;

use serde_json::{Map, Value};

use super::{Config, Operation};
use crate::Error;
use crate::exchange::Request;
use crate::net::{Lane, Net, Place};

/// Adds what the document says to the configuration, if one is named.
///
/// # Errors
/// When the document cannot be had or is no OpenAPI document.
pub async fn complete(config: &mut Config) -> Result<(), Error> {
    for file in config.target.scenarios.clone() {
        let document = crate::config::learn::document(config, &file).await?;
        Reader { document: &document }.read(config);
    }
    let Some(place) = config.target.openapi.clone() else {
        return Ok(());
    };
    let text = fetch(config, &place).await?;
    let document: Value = serde_json::from_slice(&text).map_err(|error| {
        Error::Config(format!(
            "{place}: no JSON: {error}; a YAML document must be converted first"
        ))
    })?;
    if !document.get("paths").is_some_and(Value::is_object) {
        return Err(Error::Config(format!(
            "{place}: no OpenAPI document: `paths` is missing"
        )));
    }
    Reader { document: &document }.read(config);
    Ok(())
}

async fn fetch(config: &Config, place: &str) -> Result<Vec<u8>, Error> {
    let mut target = config.target.clone();
    let path = if place.starts_with("http://") || place.starts_with("https://") {
        let url = url::Url::parse(place).map_err(|error| Error::Config(format!("{place}: {error}")))?;
        target.url = Some(url[..url::Position::BeforePath].to_owned());
        url[url::Position::BeforePath..].to_owned()
    // farmgate: allow(blocking-fs) because files are read before the first request is sent
    } else if place.starts_with('/') && !std::path::Path::new(place).exists() {
        place.to_owned()
    } else {
        // farmgate: allow(blocking-fs) because files are read before the first request is sent
        return std::fs::read(place).map_err(|error| Error::Config(format!("cannot read {place}: {error}")));
    };
    let mut net = Net::new(Place::new(&target)?);
    let exchange = net.send(Lane::Fresh, None, &Request::get(&path)).await?;
    if !exchange.answer.ok() {
        return Err(Error::Network {
            url: place.to_owned(),
            reason: format!("answered {}", exchange.answer.status),
        });
    }
    Ok(exchange.answer.body.to_vec())
}

/// One operation of the document.
struct Entry<'a> {
    method: String,
    path: String,
    parts: Vec<String>,
    body: Option<Value>,
    form: bool,
    item: &'a Value,
    public: bool,
}

impl Entry<'_> {
    fn last(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    fn is_collection(&self) -> bool {
        !self.last().is_empty() && !self.last().starts_with('{')
    }

    fn params(&self) -> usize {
        self.parts.iter().filter(|part| part.starts_with('{')).count()
    }

    fn query(&self) -> Vec<&str> {
        let parameters = self
            .item
            .get("parameters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        query.filter_map(|parameter| parameter["name"].as_str()).collect()
    }
}

struct Reader<'a> {
    document: &'a Value,
}

impl Reader<'_> {
    fn read(&self, config: &mut Config) {
        let entries = self.entries();
        account::auth(config, &entries);
        self.credentials(config);
        account::account(config, &entries);
        account::user_by_id(config, &entries);
        let mut found = resources::resources(&entries);
        let lists: Vec<String> = found
            .iter()
            .filter_map(|(_, resource)| Some(shape(&resource.list.as_ref()?.path)))
            .collect();
        for (_, resource) in &mut found {
            resource.views.retain(|view| !lists.contains(&shape(&view.path)));
        }
        resources::references(&mut found);
        for (collection, mut resource) in found.clone() {
            if resources::known(config, &resource)
                || account::signs_up(config, &collection)
                || resources::skipped(&collection)
            {
                continue;
            }
            resource.parent = resource
                .parent
                .take()
                .filter(|parent| found.iter().any(|(_, other)| other.name == *parent));
            config.resources.push(resource);
        }
        // A child whose parent is not there cannot be made.
        let names: Vec<String> = config
            .resources
            .iter()
            .map(|resource| resource.name.clone())
            .collect();
        config.resources.retain(|resource| {
            resource
                .parent
                .as_ref()
                .is_none_or(|parent| names.contains(parent))
        });
        views::views(config, &entries);
    }

    /// How a credential is shown, after the security schemes; a bearer token where they say nothing.
    fn credentials(&self, config: &mut Config) {
        let auth = &mut config.auth;
        let given = config
            .principals
            .iter()
            .any(|given| given.bearer.is_some() || !given.headers.is_empty() || !given.cookies.is_empty());
        if given
            || auth.bearer.is_some()
            || !auth.headers.is_empty()
            || auth.register.is_empty() && auth.login.is_empty()
        {
            return;
        }
        let schemes: Vec<&Value> = self
            .document
            .pointer("/components/securitySchemes")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(_, scheme)| self.resolve(scheme))
            .collect();
        let is = |kind: &str, name: &str, value: &str| {
            schemes.iter().find(|scheme| {
                scheme["type"] == kind
                    && (name.is_empty()
                        || scheme[name]
                            .as_str()
                            .is_some_and(|known| known.eq_ignore_ascii_case(value)))
            })
        };
        let key = is("apiKey", "in", "header").and_then(|scheme| scheme["name"].as_str());
        if is("http", "scheme", "bearer").is_some() || is("oauth2", "", "").is_some() {
            auth.bearer = Some("{{token}}".to_owned());
        } else if let Some(name) = key {
            auth.headers.insert(name.to_owned(), "{{token}}".to_owned());
        } else if is("http", "scheme", "basic").is_some() {
            auth.headers
                .insert("authorization".to_owned(), "Basic {{basic}}".to_owned());
        } else if is("apiKey", "in", "cookie").is_none() {
            auth.bearer = Some("{{token}}".to_owned());
        }
    }

    /// The path before all paths, where the document has one.
    fn base(&self) -> String {
        let base = self
            .document
            .pointer("/servers/0/url")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let base = base
            .strip_prefix('/')
            .map_or(String::new(), |base| format!("/{}", base.trim_end_matches('/')));
        if base == "/" { String::new() } else { base }
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        let base = self.base();
        for (path, methods) in self.document["paths"].as_object().into_iter().flatten() {
            for (method, item) in methods.as_object().into_iter().flatten() {
                if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                    continue;
                }
                let content = self.resolve(&item["requestBody"])["content"]
                    .as_object()
                    .cloned()
                    .unwrap_or_default();
                let json = content.iter().find(|(kind, _)| kind.contains("json"));
                let form = content.get("application/x-www-form-urlencoded");
                let schema = json
                    .map(|(_, media)| media)
                    .or(form)
                    .map(|media| media["schema"].clone());
                let security = item.get("security").or(self.document.get("security"));
                let optional = |list: &Vec<Value>| {
                    list.is_empty() || list.iter().any(|one| one.as_object().is_some_and(Map::is_empty))
                };
                let full = format!("{base}{path}");
                entries.push(Entry {
                    method: method.to_uppercase(),
                    parts: full
                        .split('/')
                        .filter(|part| !part.is_empty())
                        .map(str::to_owned)
                        .collect(),
                    path: full,
                    body: schema.map(|schema| self.example(&schema, "", 0)),
                    form: json.is_none() && form.is_some(),
                    item,
                    public: security.is_some_and(|security| security.as_array().is_some_and(optional)),
                });
            }
        }
        entries
    }

    fn resolve<'b>(&'b self, value: &'b Value) -> &'b Value {
        let pointer = value
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'));
        pointer
            .and_then(|pointer| self.document.pointer(pointer))
            .unwrap_or(value)
    }
}

fn operation(entry: &Entry<'_>, path: &str) -> Operation {
    let mut operation = Operation::new(&entry.method, path);
    if let Some(body) = &entry.body {
        if entry.form {
            let fields = body.as_object().into_iter().flatten();
            operation.form = fields
                .map(|(name, value)| {
                    (
                        name.clone(),
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                    )
                })
                .collect();
        } else {
            operation.json = Some(body.clone());
        }
    }
    operation
}

/// A collection's name: its fixed parts, without prefixes that say nothing.
fn path_name(parts: &[String]) -> String {
    let fixed = parts
        .iter()
        .filter(|part| !part.starts_with('{') && !["api", "v1", "v2", "v3", "rest"].contains(&part.as_str()));
    fixed.cloned().collect::<Vec<_>>().join("-")
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let parts = path
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_end_matches('/')
        .split('/');
    parts
        .map(|part| if part.contains("{{") { "*" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}
