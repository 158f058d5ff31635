//! The OpenAPI 3.1 document, built from the registered routes and their types.

use std::collections::BTreeMap;

use domain::problem::ErrorCode;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use crate::{
    answer::Pagination,
    operation::Content,
    policy::{Access, RateClass},
    routes::{Endpoint, param_names},
};

/// The document for these routes.
#[must_use]
pub fn document<'a>(version: &str, endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Value {
    let mut schemas = BTreeMap::new();
    schemas.insert("Pagination".to_owned(), value(Pagination::schema()));
    schemas.insert("Problem".to_owned(), problem_schema());
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
        "components": {"schemas": schemas, "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "session": {"type": "apiKey", "in": "cookie", "name": "session"},
        }},
    })
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

fn operation(endpoint: &Endpoint, schemas: &mut BTreeMap<String, Value>) -> Value {
    let docs = &endpoint.operation;
    let mut responses = Map::new();
    for (status, content) in &docs.answers {
        let mut answer = Map::from_iter([("description".to_owned(), json!("success"))]);
        if let Some(content) = content_of(*content, schemas) {
            answer.insert("content".to_owned(), content);
        }
        responses.insert(status.to_string(), answer.into());
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
        .filter_map(|c| content_of(*c, schemas)?.as_object().cloned())
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

fn content_of(content: Content, schemas: &mut BTreeMap<String, Value>) -> Option<Value> {
    let mut refer = |of: crate::operation::SchemaOf| {
        let name = (of.name)().into_owned();
        schemas.insert(name.clone(), value((of.schema)()));
        let mut others = Vec::new();
        (of.others)(&mut others);
        schemas.extend(others.into_iter().map(|(name, schema)| (name, value(schema))));
        json!({"$ref": format!("#/components/schemas/{name}")})
    };
    match content {
        Content::Nothing => None,
        Content::Json(of) => Some(json!({"application/json": {"schema": refer(of)}})),
        Content::Media(media) => Some(json!({media: {}})),
        Content::Page(of) => Some(json!({"application/json": {"schema": {
            "type": "object", "required": ["data", "pagination"], "properties": {
                "data": {"type": "array", "items": refer(of)},
                "pagination": {"$ref": "#/components/schemas/Pagination"},
                "total": {"type": "integer"},
            },
        }}})),
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let text = |name: &str, place: &str, required: bool| json!({"name": name, "in": place, "required": required, "schema": {"type": "string"}});
    let mut list: Vec<Value> = param_names(endpoint.path)
        .map(|name| text(name, "path", true))
        .collect();
    list.extend(endpoint.operation.parameters.iter().map(value));
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

/// Whether the route heeds `Idempotency-Key`: a caller's writes do.
fn keeps_key(endpoint: &Endpoint) -> bool {
    endpoint.method != http::Method::GET && endpoint.policy.access() != Access::Public
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
    if endpoint.operation.if_match {
        codes.push(E::PreconditionFailed);
    }
    codes.extend(&endpoint.operation.problems);
    codes
}
