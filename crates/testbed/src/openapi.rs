//! The service's OpenAPI document, as an isolation test may discover operations from it.

use serde_json::{Map, Value, json};

/// One operation: method, path, request fields (name, type), whether a login is needed.
type Entry = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    bool,
);

const OPERATIONS: &[Entry] = &[
    (
        "post",
        "/register",
        &[
            ("username", "string"),
            ("email", "email"),
            ("password", "password"),
        ],
        false,
    ),
    (
        "post",
        "/login",
        &[("username", "string"), ("password", "password")],
        false,
    ),
    ("post", "/logout", &[], true),
    ("get", "/me", &[], true),
    ("patch", "/me", &[("bio", "string")], true),
    ("delete", "/me", &[], true),
    ("get", "/notifications", &[], true),
    ("get", "/users/{id}", &[], true),
    ("get", "/admin/users", &[], true),
    ("get", "/public/notes", &[], false),
    (
        "get",
        "/notes",
        &[("?limit", "integer"), ("?cursor", "string")],
        true,
    ),
    ("post", "/notes", &[("title", "string"), ("body", "string")], true),
    ("get", "/notes/count", &[], true),
    ("get", "/notes/search", &[("?q", "string")], true),
    ("get", "/notes/suggest", &[("?q", "string")], true),
    ("get", "/notes/{id}", &[], true),
    (
        "put",
        "/notes/{id}",
        &[("title", "string"), ("body", "string")],
        true,
    ),
    ("patch", "/notes/{id}", &[("title", "string")], true),
    ("delete", "/notes/{id}", &[], true),
    ("post", "/notes/{id}/publish", &[], true),
    ("get", "/projects", &[], true),
    ("post", "/projects", &[("name", "string")], true),
    ("get", "/projects/{id}", &[], true),
    ("delete", "/projects/{id}", &[], true),
    ("get", "/projects/{id}/tasks", &[], true),
    ("post", "/projects/{id}/tasks", &[("title", "string")], true),
    ("get", "/projects/{id}/tasks/{task_id}", &[], true),
    (
        "put",
        "/projects/{id}/tasks/{task_id}",
        &[("title", "string")],
        true,
    ),
    ("delete", "/projects/{id}/tasks/{task_id}", &[], true),
    ("post", "/jobs", &[("input", "string")], true),
    ("get", "/jobs/{id}", &[], true),
    ("post", "/exports", &[], true),
    ("get", "/exports/{id}", &[], true),
    ("get", "/health", &[], false),
    ("get", "/metrics", &[], false),
    ("get", "/version", &[], false),
];

/// The document, OpenAPI 3.1.
pub fn document() -> Value {
    let mut paths = Map::new();
    for (method, path, fields, login) in OPERATIONS {
        let item = paths.entry(path.to_string()).or_insert_with(|| json!({}));
        item[*method] = operation(path, fields, *login);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "testbed", "version": env!("CARGO_PKG_VERSION")},
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
        "paths": paths,
    })
}

fn operation(path: &str, fields: &[(&str, &str)], login: bool) -> Value {
    let in_path = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let mut properties = Map::new();
    for (name, kind) in fields {
        let schema = match *kind {
            "string" | "integer" => json!({ "type": kind }),
            format => json!({"type": "string", "format": format}),
        };
        match name.strip_prefix('?') {
            Some(name) => parameters.push(json!({"name": name, "in": "query", "schema": schema})),
            None => drop(properties.insert((*name).to_owned(), schema)),
        }
    }
    let mut operation =
        json!({"parameters": parameters, "responses": {"default": {"description": "see the status"}}});
    if !properties.is_empty() {
        let required: Vec<_> = properties.keys().cloned().collect();
        let schema = json!({"type": "object", "required": required, "properties": properties});
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    if !login {
        operation["security"] = json!([]);
    }
    operation
}
