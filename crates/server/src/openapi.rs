//! The OpenAPI 3.1 document, built from the registered routes and their types.

use std::collections::{BTreeMap, BTreeSet};

use domain::problem::ErrorCode;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use crate::{
    answer::Pagination,
    operation::Content,
    policy::{Access, RateClass, Repeat},
    routes::{Endpoint, param_names},
};

/// The document for these routes.
#[must_use]
pub fn document<'a>(version: &str, endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Value {
    let mut schemas = Schemas::default();
    schemas.add("Pagination".to_owned(), value(Pagination::schema()));
    schemas.add("Problem".to_owned(), problem_schema());
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let operation = operation(endpoint, &mut schemas);
        paths
            .entry(endpoint.path)
            .or_default()
            .insert(endpoint.method.as_str().to_lowercase(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Farmgate", "version": version},
        "paths": paths,
        "components": {"schemas": schemas.known, "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "session": {"type": "apiKey", "in": "cookie", "name": "session"},
        }},
    })
}

/// Names under which two different types are documented, one of them therefore wrongly. A test keeps this empty.
#[must_use]
pub fn clashes<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Vec<String> {
    let mut schemas = Schemas::default();
    for endpoint in endpoints {
        operation(endpoint, &mut schemas);
    }
    schemas.clashes.into_iter().collect()
}

/// The documented types by name.
#[derive(Default)]
struct Schemas {
    known: BTreeMap<String, Value>,
    clashes: BTreeSet<String>,
}

impl Schemas {
    fn add(&mut self, name: String, schema: Value) {
        if self.known.get(&name).is_some_and(|known| *known != schema) {
            self.clashes.insert(name.clone());
        }
        self.known.insert(name, schema);
    }
}

fn value(schema: impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or(Value::Null)
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "request_id", "trace_id"],
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "code": {"type": "string", "enum": ErrorCode::ALL},
            "detail": {"type": "string"}, "request_id": {"type": "string"}, "trace_id": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {
                "field": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"},
            }}},
        },
    })
}

fn operation(endpoint: &Endpoint, schemas: &mut Schemas) -> Value {
    let docs = &endpoint.operation;
    let mut responses = Map::new();
    for (status, content) in &docs.answers {
        let answer = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": "success"}));
        // A status may come with several media types.
        for (media, schema) in content_of(*content, schemas).unwrap_or_default() {
            answer["content"][media] = schema;
        }
    }
    let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    for code in problems(endpoint) {
        let entry = json!({"description": code.title(), "content": problem});
        responses.entry(code.status().to_string()).or_insert(entry);
    }
    let long = json!({"description": "The path and query are too long", "content": problem});
    responses.entry("414").or_insert(long);
    let mut operation = json!({
        "tags": [docs.tag], "summary": docs.summary, "parameters": parameters(endpoint), "responses": responses,
    });
    if let Some(text) = docs.description {
        operation["description"] = text.into();
    }
    let bodies: Map<_, _> = docs
        .request
        .iter()
        .filter_map(|c| content_of(*c, schemas))
        .flatten()
        .collect();
    if !bodies.is_empty() {
        operation["requestBody"] = json!({"required": true, "content": bodies});
    }
    if endpoint.policy.access() != Access::Public {
        operation["security"] = json!([{"bearer": []}, {"api_key": []}, {"session": []}]);
    }
    operation
}

/// The schema by media type; nothing where there is no body.
fn content_of(content: Content, schemas: &mut Schemas) -> Option<Map<String, Value>> {
    let mut refer = |of: crate::operation::SchemaOf| {
        let name = (of.name)().into_owned();
        schemas.add(name.clone(), value((of.schema)()));
        let mut others = Vec::new();
        (of.others)(&mut others);
        for (name, schema) in others {
            schemas.add(name, value(schema));
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    };
    let json = |schema| ("application/json".to_owned(), json!({"schema": schema}));
    let one = match content {
        Content::Nothing => return None,
        Content::Json(of) => json(refer(of)),
        Content::Media(media) => (media.to_owned(), json!({})),
        Content::Page(of) => json(json!({
            "type": "object", "required": ["data", "pagination"], "properties": {
                "data": {"type": "array", "items": refer(of)},
                "pagination": {"$ref": "#/components/schemas/Pagination"},
                "total": {"type": "integer"},
            },
        })),
    };
    Some(Map::from_iter([one]))
}

/// What a text looks like that stands for a DFID: the letters that are read as others included. The check characters
/// are beyond a pattern.
const DFID: &str = "^[Dd][Ff][Ii][Dd]-[0-9OoIiLl]{8}-[0-9A-TV-Za-tv-z]{10}-[0-9A-TV-Za-tv-z]{2}$";
/// What `ETag` gave, or `*`.
const IF_MATCH: &str = "^(\\*|\"[0-9]{1,19}\")$";
const IDEMPOTENCY_KEY: &str = "^[!-~]{1,255}$";
const CURSOR: &str = "^[A-Za-z0-9_-]+$";

/// The schema of a parameter that is a text: its name means the same on every route.
fn form(name: &str) -> Value {
    match name {
        "dfid" => json!({"type": "string", "pattern": DFID}),
        "local_id" => json!({"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"}),
        "cursor" => json!({"type": "string", "pattern": CURSOR}),
        "from" | "to" | "since" => json!({"type": "string", "format": "date-time"}),
        "If-Match" => json!({"type": "string", "pattern": IF_MATCH}),
        "Idempotency-Key" => json!({"type": "string", "pattern": IDEMPOTENCY_KEY}),
        name if name == "id" || name.ends_with("_id") => json!({"type": "string", "format": "uuid"}),
        _ => json!({"type": "string"}),
    }
}

/// A query parameter from its type: a bare text gets the form that its name stands for.
fn query_parameter(parameter: &utoipa::openapi::path::Parameter) -> Value {
    let mut parameter = value(parameter);
    let schema = &parameter["schema"];
    let bare = schema == &json!({"type": "string"}) || schema == &json!({"type": ["string", "null"]});
    if let (true, Some(name)) = (bare, parameter["name"].as_str()) {
        parameter["schema"] = form(name);
    }
    parameter
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let text = |name: &str, place: &str, required: bool| json!({"name": name, "in": place, "required": required, "schema": form(name)});
    let mut list: Vec<Value> = param_names(endpoint.path)
        .map(|name| text(name, "path", true))
        .collect();
    list.extend(endpoint.operation.parameters.iter().map(query_parameter));
    if endpoint.operation.paged {
        let number = |name: &str, least: u32, most: u32| json!({"name": name, "in": "query", "schema": {"type": "integer", "minimum": least, "maximum": most}});
        list.push(number("limit", 1, domain::page::MAX_LIMIT));
        list.push(number("offset", 0, domain::page::MAX_OFFSET));
        list.push(text("cursor", "query", false));
        list.push(json!({"name": "with_total", "in": "query", "schema": {"type": "boolean"}}));
    }
    if endpoint.operation.if_match {
        list.push(text("If-Match", "header", false));
    }
    if keeps_key(endpoint) {
        list.push(text("Idempotency-Key", "header", false));
    }
    list
}

/// Whether the route heeds `Idempotency-Key`: a caller's writes do, unless all they do is to issue a secret.
fn keeps_key(endpoint: &Endpoint) -> bool {
    endpoint.method != http::Method::GET
        && endpoint.policy.access() != Access::Public
        && endpoint.policy.repeat() != Repeat::IssuedAnew
}

/// The errors that the edge can answer with on this route, and the route's own.
fn problems(endpoint: &Endpoint) -> Vec<ErrorCode> {
    use ErrorCode as E;
    let mut codes = vec![E::MalformedRequest, E::Internal, E::Unavailable];
    if endpoint.policy.access() != Access::Public {
        codes.extend([E::Unauthenticated, E::Forbidden, E::LimitExceeded]);
    }
    if endpoint.policy.rate != RateClass::Exempt {
        codes.push(E::RateLimited);
    }
    if endpoint.path.contains('{') {
        codes.push(E::NotFound);
    }
    if !endpoint.operation.request.is_empty() {
        codes.extend([
            E::RequestTimeout,
            E::PayloadTooLarge,
            E::UnsupportedMediaType,
            E::ValidationFailed,
        ]);
    }
    if keeps_key(endpoint) {
        codes.extend([
            E::IdempotencyInProgress,
            E::IdempotencyMismatch,
            E::PayloadTooLarge,
            E::RequestTimeout,
        ]);
    }
    if endpoint.policy.repeat() == Repeat::Refused {
        codes.push(E::SecretShown);
    }
    if endpoint.operation.if_match {
        codes.push(E::PreconditionFailed);
    }
    codes.extend(&endpoint.operation.problems);
    codes
}
