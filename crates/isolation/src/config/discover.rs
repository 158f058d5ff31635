//! What an OpenAPI document, or a scenario that was run once, tells: resources, their children, views, what is for administrators, how to register and log in.
//!
//! Only what the configuration does not describe already is added. A document is JSON, OpenAPI 3.0 or 3.1.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{AdminOperation, Config, Operation, Resource, Step, View, Visibility};
use crate::Error;
use crate::exchange::Request;
use crate::net::{Lane, Net, Place};

/// How deep a schema is followed.
const DEPTH: usize = 6;

/// Adds what the document says to the configuration, if one is named.
///
/// # Errors
/// When the document cannot be had or is no OpenAPI document.
pub async fn complete(config: &mut Config) -> Result<(), Error> {
    for file in config.target.scenarios.clone() {
        let document = super::learn::document(config, &file).await?;
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
    } else if place.starts_with('/') && !std::path::Path::new(place).exists() {
        place.to_owned()
    } else {
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
        auth(config, &entries);
        self.credentials(config);
        account(config, &entries);
        let mut found = resources(&entries);
        let lists: Vec<String> = found
            .iter()
            .filter_map(|(_, resource)| Some(shape(&resource.list.as_ref()?.path)))
            .collect();
        for (_, resource) in &mut found {
            resource.views.retain(|view| !lists.contains(&shape(&view.path)));
        }
        references(&mut found);
        for (collection, mut resource) in found.clone() {
            let known = config.resources.iter().any(|known| {
                let create = known.create.as_ref().map(|create| shape(&create.path));
                create == resource.create.as_ref().map(|create| shape(&create.path))
                    || known.name == resource.name
            });
            let signs_up = config
                .auth
                .register
                .iter()
                .any(|step| shape(&step.call.path) == shape(&collection));
            if known || signs_up || skipped(&collection) {
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
        views(config, &entries);
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

    fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        let base = self
            .document
            .pointer("/servers/0/url")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let base = base
            .strip_prefix('/')
            .map_or(String::new(), |base| format!("/{}", base.trim_end_matches('/')));
        let base = if base == "/" { String::new() } else { base };
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

    /// A body after its schema, with canaries wherever free text may stand.
    fn example(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if depth > DEPTH {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
            return fixed.clone();
        }
        for union in ["allOf", "oneOf", "anyOf"] {
            let Some(members) = schema.get(union).and_then(Value::as_array) else {
                continue;
            };
            return self.union(members, union == "allOf", name, depth);
        }
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => kinds
                .iter()
                .filter_map(Value::as_str)
                .find(|kind| *kind != "null")
                .unwrap_or("null"),
            _ if schema.get("properties").is_some() => "object",
            _ => "string",
        };
        match kind {
            "object" => self.object(schema, depth),
            "array" => {
                let few = schema["minItems"].as_u64().unwrap_or(0).max(1);
                (0..few.min(3))
                    .map(|_| self.example(&schema["items"], name, depth + 1))
                    .collect()
            }
            "integer" => Value::from(
                schema["minimum"]
                    .as_i64()
                    .or_else(|| schema["default"].as_i64())
                    .unwrap_or(1),
            ),
            "number" => Value::from(schema["minimum"].as_f64().unwrap_or(1.0)),
            "boolean" => schema.get("default").cloned().unwrap_or(Value::Bool(false)),
            "null" => Value::Null,
            _ => Value::String(string(schema, name)),
        }
    }

    fn union(&self, members: &[Value], all: bool, name: &str, depth: usize) -> Value {
        if !all {
            let chosen = members
                .iter()
                .find(|member| self.resolve(member)["type"] != "null");
            return chosen.map_or(Value::Null, |member| self.example(member, name, depth + 1));
        }
        let mut merged = Map::new();
        for member in members {
            match self.example(member, name, depth + 1) {
                Value::Object(fields) => merged.extend(fields),
                other if members.len() == 1 => return other,
                _ => {}
            }
        }
        Value::Object(merged)
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Map::new();
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let inner_schema = self.resolve(inner);
            if inner_schema["readOnly"] == true {
                continue;
            }
            let needed = required.contains(&name.as_str());
            // Free text is worth a canary even where it is optional; references to others are not made up.
            let text = inner_schema["type"] == "string"
                && inner_schema.get("format").is_none()
                && inner_schema.get("enum").is_none();
            if needed || (text && !names_somebody(name)) {
                fields.insert(name.clone(), self.example(inner, name, depth + 1));
            }
        }
        Value::Object(fields)
    }
}

fn names_somebody(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "id"
        || name.ends_with("_id")
        || name.ends_with("id") && name.len() > 4 && name.contains("owner")
        || ["owner", "user", "username", "role", "parent"].contains(&name.as_str())
}

/// A string after its schema: free text is a canary, formats are met.
fn string(schema: &Value, name: &str) -> String {
    let lower = name.to_lowercase();
    let fixed = match schema["format"].as_str().unwrap_or_default() {
        "email" => "{{unique}}@example.com",
        "uuid" => "{{uuid}}",
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "uri" | "url" => "https://example.com/{{canary:short}}",
        "password" => "{{password}}",
        "ipv4" => "192.0.2.1",
        "byte" => "ZmFybWdhdGU=",
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    match lower.as_str() {
        "email" => return "{{unique}}@example.com".to_owned(),
        "password" => return "{{password}}".to_owned(),
        _ => {}
    }
    if schema.get("pattern").is_some()
        && let Some(example) = schema["example"]
            .as_str()
            .or_else(|| schema.pointer("/examples/0").and_then(Value::as_str))
    {
        return example.to_owned();
    }
    match schema["maxLength"].as_u64() {
        Some(most) if most < 900 => format!("{{{{canary:{most}}}}}"),
        _ if ["title", "name", "slug", "subject", "label", "code", "key"].contains(&lower.as_str()) => {
            "{{canary:short}}".to_owned()
        }
        _ => "{{canary}}".to_owned(),
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

/// Every collection that something can be posted to and that has items, with what can be done with them.
fn resources(entries: &[Entry<'_>]) -> Vec<(String, Resource)> {
    let mut found = Vec::new();
    for create in entries
        .iter()
        .filter(|entry| entry.method == "POST" && entry.is_collection())
    {
        let collection = create.path.trim_end_matches('/').to_owned();
        let item = |entry: &&Entry<'_>| {
            entry.parts.len() == create.parts.len() + 1
                && starts(entry, create)
                && entry.last().starts_with('{')
        };
        let has_item = entries.iter().any(|entry| item(&entry));
        if !has_item {
            continue;
        }
        let name = name_of(create);
        let at = create.parts.len();
        let mut resource = Resource {
            name,
            parent: parent_of(create),
            ..Resource::default()
        };
        let path = |entry: &Entry<'_>| template(entry, at);
        resource.create = Some(operation(create, &path(create)));
        for entry in entries.iter().filter(|entry| starts(entry, create)) {
            place(&mut resource, entry, at, &path(entry));
        }
        if resource.read.as_ref().is_some_and(|_| {
            entries
                .iter()
                .any(|entry| item(&entry) && entry.method == "GET" && entry.public)
        }) {
            resource.visibility = Visibility::Public;
        }
        found.push((collection, resource));
    }
    // Parents first.
    found.sort_by_key(|(collection, _)| collection.matches('/').count());
    found
}

/// Puts an operation below a collection where it belongs.
fn place(resource: &mut Resource, entry: &Entry<'_>, at: usize, path: &str) {
    let depth = entry.parts.len() - at;
    let is_item = depth >= 1 && entry.parts[at].starts_with('{');
    let deeper = entry.parts[at..].iter().skip(1).any(|part| part.starts_with('{'));
    let made = operation(entry, path);
    match (entry.method.as_str(), depth, is_item) {
        ("GET", 0, _) => {
            let query = entry.query();
            if let Some(term) = query
                .iter()
                .find(|name| ["q", "query", "search", "term", "text"].contains(name))
            {
                resource.search.push(Operation {
                    path: format!("{path}?{term}={{{{term}}}}"),
                    ..made.clone()
                });
            }
            resource.list = Some(made);
        }
        ("GET", 1, false)
            if entry.last().contains("search")
                || entry.last().contains("suggest")
                || entry.last().contains("autocomplete") =>
        {
            let term = entry.query().first().copied().unwrap_or("q").to_owned();
            resource.search.push(Operation {
                path: format!("{path}?{term}={{{{term}}}}"),
                ..made
            });
        }
        ("GET", 1, true) => resource.read = Some(made),
        ("PUT", 1, true) => resource.update = Some(made),
        ("PATCH", 1, true) if resource.update.is_none() => resource.update = Some(made),
        ("PATCH", 1, true) => resource.actions.push(made),
        ("DELETE", 1, true) => resource.delete = Some(made),
        ("GET", 2, true) if !deeper => resource.views.push(made),
        ("POST" | "PUT" | "PATCH", 2, true) if !deeper && entry.body.is_none() => resource.actions.push(made),
        _ => {}
    }
}

fn starts(entry: &Entry<'_>, prefix: &Entry<'_>) -> bool {
    entry.parts.len() >= prefix.parts.len()
        && entry
            .parts
            .iter()
            .zip(&prefix.parts)
            .all(|(one, two)| one == two || (one.starts_with('{') && two.starts_with('{')))
}

/// The path as a template: the parameter behind the collection is the item's id, those before are ids of parents.
fn template(entry: &Entry<'_>, at: usize) -> String {
    let named = entry
        .parts
        .iter()
        .enumerate()
        .map(|(index, part)| match part.starts_with('{') {
            true if index == at => "{{id}}".to_owned(),
            true if index > 0 && index < at => format!("{{{{{}.id}}}}", path_name(&entry.parts[..index])),
            true => format!("{{{}}}", part.trim_matches(['{', '}']))
                .replace('{', "{{")
                .replace('}', "}}"),
            false => part.clone(),
        });
    let slash = if entry.path.ends_with('/') { "/" } else { "" };
    format!("/{}{slash}", named.collect::<Vec<_>>().join("/"))
}

fn name_of(entry: &Entry<'_>) -> String {
    path_name(&entry.parts)
}

/// A collection's name: its fixed parts, without prefixes that say nothing.
fn path_name(parts: &[String]) -> String {
    let fixed = parts
        .iter()
        .filter(|part| !part.starts_with('{') && !["api", "v1", "v2", "v3", "rest"].contains(&part.as_str()));
    fixed.cloned().collect::<Vec<_>>().join("-")
}

fn parent_of(entry: &Entry<'_>) -> Option<String> {
    let at = entry.parts.iter().rposition(|part| part.starts_with('{'))?;
    Some(path_name(&entry.parts[..at]))
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

fn skipped(collection: &str) -> bool {
    let last = collection.rsplit('/').next().unwrap_or_default().to_lowercase();
    collection.contains("/admin")
        || [
            "login", "logout", "register", "signup", "token", "refresh", "sessions",
        ]
        .contains(&last.as_str())
}

/// Reads without an id: the caller's own, administrators', and public ones.
fn views(config: &mut Config, entries: &[Entry<'_>]) {
    let known: Vec<String> = config
        .resources
        .iter()
        .flat_map(|resource| {
            resource
                .list
                .iter()
                .chain(&resource.search)
                .map(|operation| shape(&operation.path))
        })
        .collect();
    let declared: Vec<String> = config.views.iter().map(|view| shape(&view.read.path)).collect();
    for entry in entries
        .iter()
        .filter(|entry| entry.method == "GET" && entry.params() == 0)
    {
        let path = shape(&entry.path);
        if known.contains(&path)
            || declared.contains(&path)
            || config.admin.iter().any(|admin| shape(&admin.call.path) == path)
        {
            continue;
        }
        let read = Operation::new("GET", &entry.path);
        let name = path_name(&entry.parts);
        let needs_query = entry.item["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        if entry.public {
            if !config.policy.public.contains(&entry.path) {
                config.policy.public.push(entry.path.clone());
            }
        } else if entry.parts.iter().any(|part| part == "admin") {
            config.admin.push(AdminOperation { name, call: read });
        } else if !needs_query && !["search", "suggest", "openapi.json", "docs"].contains(&entry.last()) {
            config.views.push(View {
                name,
                read,
                identity: identity_of(entry),
                ..View::default()
            });
        }
    }
}

fn identity_of(entry: &Entry<'_>) -> BTreeMap<String, String> {
    if ["me", "profile", "whoami", "self"].contains(&entry.last()) {
        return BTreeMap::from([
            ("/username".to_owned(), "{{username}}".to_owned()),
            ("/email".to_owned(), "{{email}}".to_owned()),
        ]);
    }
    BTreeMap::new()
}

/// Registration, login and logout by their usual names.
fn auth(config: &mut Config, entries: &[Entry<'_>]) {
    let named = |names: &[&str]| {
        let fits = |entry: &&Entry<'_>| {
            entry.method == "POST"
                && entry.params() == 0
                && names.contains(&entry.last().to_lowercase().as_str())
        };
        entries.iter().find(fits)
    };
    let ids = [
        ("user_id", "auto:user_id,id"),
        (
            "token",
            "auto:token,access_token,accessToken,jwt,api_key,session_token",
        ),
    ];
    let capture = |names: &[&str]| {
        ids.iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(name, from)| ((*name).to_owned(), (*from).to_owned()))
            .collect()
    };
    let register = named(&["register", "signup", "sign-up", "sign_up", "users", "accounts"]);
    let given = !config.principals.is_empty();
    if let Some(entry) =
        register.filter(|entry| config.auth.register.is_empty() && !given && entry.body.is_some())
    {
        config.auth.register.push(Step {
            call: signing(entry),
            capture: capture(&["user_id", "token"]),
        });
    }
    let login = named(&[
        "login",
        "signin",
        "sign-in",
        "sign_in",
        "token",
        "sessions",
        "session",
        "authenticate",
    ]);
    if let Some(entry) = login.filter(|_| config.auth.login.is_empty() && !has_credentials(config)) {
        config.auth.login.push(Step {
            call: signing(entry),
            capture: capture(&["token"]),
        });
    }
    if let Some(entry) = named(&["logout", "signout", "sign-out", "sign_out"])
        .filter(|_| config.auth.logout.is_empty() && !given)
    {
        config.auth.logout.push(Step {
            call: Operation::new("POST", &entry.path),
            capture: BTreeMap::new(),
        });
    }
}

/// Says whether the principals are given with credentials, so that nobody need log in.
fn has_credentials(config: &Config) -> bool {
    config.principals.iter().any(|given| {
        given.bearer.is_some()
            || !given.headers.is_empty()
            || !given.cookies.is_empty()
            || given.variables.contains_key("token")
    })
}

/// The caller's own account: where its profile is changed and where it is deleted.
fn account(config: &mut Config, entries: &[Entry<'_>]) {
    let own = |entry: &&Entry<'_>| {
        entry.params() == 0 && ["me", "profile", "account", "self"].contains(&entry.last())
    };
    for entry in entries.iter().filter(own) {
        let text = entry
            .body
            .as_ref()
            .is_some_and(|body| body.to_string().contains("{{canary"));
        match entry.method.as_str() {
            "PUT" | "PATCH" if config.auth.profile.is_none() && text => {
                config.auth.profile = Some(signing(entry))
            }
            "DELETE" if config.auth.delete_account.is_empty() && !config.auth.register.is_empty() => {
                config.auth.delete_account.push(Step {
                    call: operation(entry, &entry.path),
                    capture: BTreeMap::new(),
                });
            }
            _ => {}
        }
    }
    // What gives a user by his id, where users are no resource of their own.
    let user =
        |entry: &&Entry<'_>| {
            let of_users =
                entry.parts.iter().rev().nth(1).is_some_and(|part| {
                    ["users", "accounts", "profiles", "members"].contains(&part.as_str())
                });
            entry.method == "GET"
                && entry.params() == 1
                && entry.last().starts_with('{')
                && of_users
                && !entry.path.contains("/admin")
                && !entry.public
        };
    if let Some(entry) = entries.iter().find(user) {
        let fixed = entry.parts[..entry.parts.len() - 1].join("/");
        let by = if entry.last().contains("name") {
            "username"
        } else {
            "user_id"
        };
        let name = format!("{} by id", path_name(&entry.parts));
        // Only a guess: where it does not hold, nothing is missing.
        config.policy.uncovered.push(name.clone());
        config.views.push(View {
            name,
            read: Operation::new("GET", &format!("/{fixed}/{{{{{by}}}}}")),
            ..View::default()
        });
    }
}

/// A create that names another resource's id in its body needs one of those first.
fn references(found: &mut [(String, Resource)]) {
    let names: Vec<String> = found.iter().map(|(_, resource)| resource.name.clone()).collect();
    let meant = |field: &str, own: &str| {
        let stem = field
            .strip_suffix("_id")
            .or_else(|| field.strip_suffix("Id"))?
            .to_lowercase();
        let last = |name: &str| name.rsplit('-').next().unwrap_or_default().to_lowercase();
        let fits = |name: &&String| {
            name.as_str() != own
                && [
                    format!("{stem}s"),
                    format!("{stem}es"),
                    stem.clone(),
                    format!("{}ies", stem.trim_end_matches('y')),
                ]
                .contains(&last(name))
        };
        names.iter().find(fits).cloned()
    };
    for (_, resource) in found.iter_mut().filter(|(_, resource)| resource.parent.is_none()) {
        let own = resource.name.clone();
        let Some(Value::Object(fields)) = resource.create.as_mut().and_then(|create| create.json.as_mut())
        else {
            continue;
        };
        for (field, value) in fields.iter_mut() {
            if let Some(parent) = meant(field, &own)
                .filter(|parent| resource.parent.as_ref().is_none_or(|known| known == parent))
            {
                *value = Value::from(format!("{{{{number:{parent}.id}}}}"));
                resource.parent = Some(parent);
            }
        }
    }
}

/// A body of registration or login: names, addresses and passwords are the principal's own.
fn signing(entry: &Entry<'_>) -> Operation {
    let mut made = operation(entry, &entry.path);
    let own = |name: &str| match name.to_lowercase().as_str() {
        "username" | "user" | "login" | "name" | "user_name" | "handle" | "nickname" | "display_name" => {
            Some("{{username}}")
        }
        "email" | "mail" | "email_address" => Some("{{email}}"),
        "password" | "pass" | "passwd" | "secret" | "password_confirmation" | "confirm_password" => {
            Some("{{password}}")
        }
        _ => None,
    };
    if let Some(Value::Object(fields)) = &mut made.json {
        for (name, value) in fields.iter_mut() {
            if let Some(template) = own(name) {
                *value = Value::from(template);
            }
        }
    }
    for (name, value) in &mut made.form {
        if let Some(template) = own(name) {
            *value = template.to_owned();
        }
    }
    made
}
