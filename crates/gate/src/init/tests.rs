use super::*;

const DOCUMENT: &str = r##"{"openapi": "3.1.0", "info": {"title": "Shop \"x\""}, "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}, "schemas": {
        "Item": {"type": "object", "required": ["name", "count", "kind", "tags", "born"], "properties": {
            "name": {"type": "string", "maxLength": 20}, "count": {"type": "integer", "minimum": 3},
            "kind": {"enum": ["fruit", "root"]}, "note": {"type": ["string", "null"]}, "self": {"$ref": "#/components/schemas/Item"},
            "tags": {"type": "array", "minItems": 1, "items": {"type": "string"}}, "born": {"type": "string", "format": "date-time"}}},
        "Made": {"type": "object", "properties": {"data": {"type": "object", "properties": {"item_id": {"type": "string"}}}}},
        "Who": {"type": "object", "required": ["email", "password"], "properties": {"email": {"type": "string"}, "password": {"type": "string"}}}}},
    "paths": {
        "/health": {"get": {"operationId": "health", "security": [], "responses": {"200": {"content": {"application/json": {}}}}}},
        "/items": {"get": {"responses": {"200": {}}}, "post": {"operationId": "make", "responses": {"201": {"content": {"application/json":
            {"schema": {"$ref": "#/components/schemas/Made"}}}}}, "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}},
        "/items/{item_id}": {"get": {"operationId": "read", "responses": {"200": {}}}, "delete": {"responses": {"204": {}}}},
        "/live": {"get": {"security": [], "responses": {"200": {"content": {"text/event-stream": {}}}}}},
        "/users": {"post": {"security": [], "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Who"}}}}, "responses": {"201": {}}}},
        "/login": {"post": {"security": [], "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Who"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"properties": {"token": {"type": "string"}}}}}}}}},
        "/admin/all": {"get": {"responses": {"200": {}}}}}}"##;

fn files(document: &str) -> Vec<NewFile> {
    First::read(document, "http://localhost:1")
        .unwrap()
        .files()
        .unwrap()
}

fn text<'a>(files: &'a [NewFile], path: &str) -> &'a str {
    &files
        .iter()
        .find(|file| file.path == path)
        .unwrap_or_else(|| panic!("no {path} in {files:?}"))
        .text
}

fn requests(files: &[NewFile], path: &str) -> Vec<String> {
    let scenario = scenario::parse(path, text(files, path)).unwrap();
    scenario
        .entries()
        .iter()
        .map(|e| format!("{} {}", e.method, e.url))
        .collect()
}

#[test]
fn strangers_callers_and_makers_are_written() {
    let files = files(DOCUMENT);
    assert_eq!(
        requests(&files, "scenarios/first.hurl"),
        ["GET {{url}}/health", "GET {{url}}/items", "GET {{url}}/admin/all"]
    );
    assert_eq!(
        requests(&files, "scenarios/signed-in.hurl"),
        ["POST {{url}}/users", "POST {{url}}/login", "GET {{url}}/items"]
    );
    assert_eq!(
        requests(&files, "scenarios/items.hurl"),
        [
            "POST {{url}}/users",
            "POST {{url}}/login",
            "POST {{url}}/items",
            "GET {{url}}/items/{{id}}",
            "GET {{url}}/items",
            "DELETE {{url}}/items/{{id}}",
            "GET {{url}}/items/{{id}}"
        ]
    );
}

#[test]
fn bodies_hold_what_is_required_and_what_is_left_out_is_told() {
    let files = files(DOCUMENT);
    let made = text(&files, "scenarios/items.hurl");
    for wanted in [
        "\"name\": \"example\"",
        "\"count\": 3",
        "\"kind\": \"fruit\"",
        "\"tags\": [\n    \"example-{{newUuid}}\"\n  ]",
        "\"born\": \"2026-",
        "id: jsonpath \"$.data.item_id\"",
        "Authorization: Bearer {{token}}",
        "\"email\": \"{{caller}}@example.org\"",
    ] {
        assert!(made.contains(wanted), "{wanted} is not in: {made}");
    }
    assert!(
        !made.contains("note") && !made.contains("self"),
        "only what is required: {made}"
    );
    let first = text(&files, "scenarios/first.hurl");
    assert!(
        first.contains("#   GET /live: a stream") && first.contains("#   POST /login: needs values"),
        "{first}"
    );
    let config = crate::config::Source::new("gate.toml", text(&files, "gate.toml"))
        .read()
        .unwrap();
    assert_eq!(config.name.as_deref(), Some("Shop \"x\""));
}

#[test]
fn yaml_is_read_as_json_is() {
    let yaml = "openapi: 3.0.3\ninfo:\n  title: Shop\npaths:\n  /health:\n    get:\n      responses:\n        200:\n          description: fine\n        '503':\n          description: not yet\n";
    let files = files(yaml);
    assert_eq!(requests(&files, "scenarios/first.hurl"), ["GET {{url}}/health"]);
    assert!(text(&files, "scenarios/first.hurl").contains("HTTP 200\n"));
}

#[test]
fn what_did_not_run_as_documented_is_taken_out_and_listed() {
    let first = First::read(DOCUMENT, "").unwrap();
    let open = first.drafts[0].clone().without(&vec![(1, "came 500".to_owned())]);
    assert_eq!(open.steps.len(), first.drafts[0].steps.len() - 1);
    assert!(
        open.text().contains("#   GET /items: tried, and came 500"),
        "{}",
        open.text()
    );
    let journey = first
        .drafts
        .last()
        .unwrap()
        .clone()
        .without(&vec![(0, "came 422".to_owned())]);
    assert!(
        journey.steps.is_empty()
            && journey
                .left_out
                .iter()
                .any(|l| l.contains("make: tried, and came 422")),
        "{journey:?}"
    );
}

#[test]
fn what_offers_nothing_is_refused() {
    let refused = |text: &str| First::read(text, "").unwrap_err();
    assert!(matches!(refused("{\"openapi\": "), BadDocument::Json(_)));
    assert!(matches!(refused("a: [1, 2"), BadDocument::Yaml(_)));
    assert!(matches!(refused("openapi: 3.1.0"), BadDocument::NoPaths));
    assert!(matches!(refused("{}"), BadDocument::NoPaths));
    assert!(matches!(
        refused(r#"{"paths": {"/x/{id}": {"get": {}}}}"#),
        BadDocument::NothingToCall
    ));
    // Each alias stands for ten of the one before it: a billion in a few lines.
    let bomb: String = ('a'..'k')
        .map(|c| {
            format!(
                "{c}: &{c} [{}]\n",
                match c {
                    'a' => "x".to_owned(),
                    _ => vec![format!("*{}", (c as u8 - 1) as char); 10].join(", "),
                }
            )
        })
        .collect();
    assert!(matches!(refused(&bomb), BadDocument::Yaml(_)));
}

#[test]
fn the_path_of_the_first_server_stands_before_all_paths() {
    let url = |servers: &str, given: &str| {
        let document = DOCUMENT.replacen('{', &format!("{{\"servers\": {servers}, "), 1);
        First::read(&document, given).unwrap().url
    };
    let versioned = r#"[{"url": "https://{host}/api/{v}", "variables": {"host": {"default": "x"}, "v": {"default": "v2"}}}]"#;
    for (servers, given, expected) in [
        (r#"[{"url": "/v1"}]"#, "http://h:1/", "http://h:1/v1"),
        (r#"[{"url": "/"}]"#, "http://h:1", "http://h:1"),
        ("[]", "http://h:1", "http://h:1"),
        (r#"[{"url": "https://shop.example"}]"#, "http://h:1", "http://h:1"),
        (
            r#"[{"url": "https://shop.example/v1/"}, {"url": "/v2"}]"#,
            "http://h:1",
            "http://h:1/v1",
        ),
        (versioned, "http://h:1", "http://h:1/api/v2"),
        // Who gives a path has said where the service is.
        (
            r#"[{"url": "/v1"}]"#,
            "http://h:1/gateway/v1",
            "http://h:1/gateway/v1",
        ),
    ] {
        assert_eq!(url(servers, given), expected, "{servers}");
    }
}
