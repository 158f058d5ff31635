//! The character U+0000, which PostgreSQL keeps in no text: refused wherever a route reads text, on both engines alike.

use db::Engine;
use domain::page::Cursor;
use serde_json::{Value, json};

use crate::{
    farm::text,
    fixture::Service,
    walk::{absent, filled, head},
};

/// The places of one route that take text, each with a request that has the character there: path, body, field named.
fn places(pattern: &'static str, operation: &Value) -> Vec<(String, Value, String)> {
    let mut places = Vec::new();
    let path = filled(pattern, absent);
    let parameters = operation["parameters"].as_array().unwrap();
    for parameter in parameters {
        let name = text(parameter, "name");
        let nul = |other: &str| {
            if other == name {
                "a%00b".to_owned()
            } else {
                absent(other)
            }
        };
        match parameter["in"].as_str() {
            Some("path") => places.push((filled(pattern, nul), Value::Null, name)),
            Some("query") => {
                places.push((format!("{path}?{name}=%00"), Value::Null, name.clone()));
                places.push((format!("{path}?{name}%00=x"), Value::Null, "query".to_owned()));
            }
            _ => {}
        }
    }
    let cursor = Cursor::new("a\0b", "01900000-0000-7000-8000-00000000abcd\0").encode();
    if parameters.iter().any(|one| one["name"] == "cursor") {
        let needed = parameters
            .iter()
            .filter(|one| one["in"] == "query" && one["required"] == true);
        let needed: String = needed.map(|one| format!("&{}=x", text(one, "name"))).collect();
        let path = format!("{path}?cursor={cursor}{needed}");
        places.push((path, Value::Null, "cursor".to_owned()));
    }
    if !operation["requestBody"].is_null() {
        for (body, field) in [
            (json!({"a": [1, {"b": "x\0y"}]}), "a[1].b"),
            (json!({"a": {"b\0": 1}}), "a"),
            (json!({"\0": 1}), "body"),
        ] {
            places.push((path.clone(), body, field.to_owned()));
        }
    }
    places
}

pub async fn every_route_refuses_u0000_wherever_it_reads_text(engine: Engine) {
    let service = Service::start(engine).await;
    let root = service.admin().await;
    let endpoints = service.edge.endpoints().to_vec();
    let document = server::openapi::document("1", endpoints.iter().map(|one| &**one));
    let (mut wrong, mut walked) = (Vec::new(), 0);
    for endpoint in &endpoints {
        let method = endpoint.method.as_str();
        let operation = &document["paths"][endpoint.path][method.to_lowercase()];
        for (path, body, field) in places(endpoint.path, operation) {
            let answer = head(&service, Some(&root.token), method, &path, &body).await;
            let status = if body.is_null() { 400 } else { 422 };
            let named = &answer.1["errors"][0]["field"];
            if answer.0 != status || *named != field {
                wrong.push(format!("{method} {path} {body}: {} {}", answer.0, answer.1));
            }
            walked += 1;
        }
    }
    assert!(walked > 300, "{walked} places");
    assert!(
        wrong.is_empty(),
        "{} of {walked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for (path, body) in [
        ("/api/auth/login", json!({"username": "a\0", "password": "x"})),
        ("/api/public/circuits/%00", Value::Null),
    ] {
        let method = if body.is_null() { "GET" } else { "POST" };
        let answer = head(&service, None, method, path, &body).await;
        assert_eq!(
            answer.1["errors"][0]["code"], "nul_character",
            "{path}: {answer:?}"
        );
    }
}

pub async fn an_escaped_backslash_before_u0000_is_text(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let data = json!({"a": "\\u0000"});
    let local = service.local(&ana, json!([]), data.clone()).await;
    let read = service.get(&ana, &format!("/api/items/local/{local}")).await.body;
    assert_eq!(read["enriched_data"], data);
}
