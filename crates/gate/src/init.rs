//! First scenarios and a `gate.toml` from an OpenAPI document. Pure: what is written where is decided by the caller.

use serde_json::Value;

/// The methods of an OpenAPI path item.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// A file to write, by its path relative to the folder of `gate.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Relative path.
    pub path: String,
    /// Content.
    pub text: String,
}

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// It is not JSON.
    #[error(
        "the OpenAPI document is not JSON ({0}); convert a YAML document first, for instance with `yq -o json`"
    )]
    Json(#[source] serde_json::Error),
    /// It has no paths.
    #[error("the document has no `paths`: is it an OpenAPI 3 document?")]
    NoPaths,
    /// No operation can be called without more knowledge.
    #[error(
        "no GET can be called without parameters, so there is nothing to begin with; write a scenario by hand"
    )]
    NothingToCall,
}

/// An operation that can be called as it is: a GET whose parameters are all optional.
struct Operation {
    path: String,
    name: String,
    secured: bool,
    status: String,
    json: bool,
}

/// Writes a scenario of what can be called, and a gate.toml that runs it.
///
/// Open operations must answer with their documented success; secured ones must refuse a caller without credentials.
/// Whatever is not covered is listed in the scenario as comments, so that nobody takes it for tested.
///
/// # Errors
/// If the text is no OpenAPI document, or offers nothing to begin with.
pub fn first_files(document: &str, url: &str) -> Result<Vec<NewFile>, BadDocument> {
    let document: Value = serde_json::from_str(document).map_err(BadDocument::Json)?;
    let paths = document["paths"]
        .as_object()
        .filter(|paths| !paths.is_empty())
        .ok_or(BadDocument::NoPaths)?;
    let (mut open, mut left_out) = (Vec::new(), Vec::new());
    for (path, item) in paths {
        for method in METHODS.into_iter().filter(|method| item[*method].is_object()) {
            match callable(&document, path, item, method) {
                Some(operation) => open.push(operation),
                None => left_out.push(format!("{} {path}", method.to_uppercase())),
            }
        }
    }
    if open.is_empty() {
        return Err(BadDocument::NothingToCall);
    }
    let title = document["info"]["title"].as_str().unwrap_or("service");
    Ok(vec![
        NewFile {
            path: "scenarios/first.hurl".to_owned(),
            text: scenario(&open, &left_out),
        },
        NewFile {
            path: "gate.toml".to_owned(),
            text: config(title, url),
        },
    ])
}

fn callable(document: &Value, path: &str, item: &Value, method: &str) -> Option<Operation> {
    let operation = &item[method];
    let lists = [&item["parameters"], &operation["parameters"]];
    let mut parameters = lists.into_iter().filter_map(Value::as_array).flatten();
    let required = parameters.any(|p| resolve(document, p)["required"] == true);
    if method != "get" || path.contains('{') || required || is_stream(operation) {
        return None;
    }
    let security = operation
        .get("security")
        .or_else(|| document.get("security"))
        .and_then(Value::as_array);
    // An empty requirement in the list means that credentials are optional.
    let secured =
        security.is_some_and(|list| !list.is_empty() && !list.iter().any(|r| *r == serde_json::json!({})));
    let responses = operation["responses"].as_object();
    let success = responses.and_then(|all| all.keys().find(|code| code.starts_with(['2', '3'])));
    let status = success
        .filter(|code| code.parse::<u16>().is_ok())
        .map_or("200", String::as_str)
        .to_owned();
    let content = &resolve(document, &operation["responses"][&status])["content"];
    let json = content
        .as_object()
        .is_some_and(|content| content.contains_key("application/json"));
    let name = operation["operationId"]
        .as_str()
        .map_or_else(|| format!("GET {path}"), str::to_owned);
    Some(Operation {
        path: path.to_owned(),
        name,
        secured,
        status,
        json,
    })
}

/// A stream of events never ends, so a scenario cannot wait for it.
fn is_stream(operation: &Value) -> bool {
    let responses = operation["responses"].as_object();
    responses.is_some_and(|all| {
        all.values()
            .any(|r| r["content"].get("text/event-stream").is_some())
    })
}

/// Follows one `$ref` within the document.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix('#'))
        .and_then(|p| document.pointer(p));
    target.unwrap_or(value)
}

fn scenario(operations: &[Operation], left_out: &[String]) -> String {
    let mut text = String::from(
        "# First scenario, written from the OpenAPI document. Add log-in and the journeys of your users.\n",
    );
    for operation in operations {
        text += &format!(
            "\n# @name {}\nGET {{{{url}}}}{}\n",
            operation.name.replace('\n', " "),
            operation.path
        );
        if operation.secured {
            text += "# Needs credentials: without them it must refuse.\nHTTP *\n[Asserts]\nstatus >= 400\nstatus < 500\n";
        } else {
            text += &format!("HTTP {}\n", operation.status);
            if operation.json {
                text += "[Asserts]\nheader \"Content-Type\" contains \"json\"\n";
            }
        }
    }
    if !left_out.is_empty() {
        text += "\n# Not covered yet, because they need values, a body or credentials:\n";
        text.extend(
            left_out
                .iter()
                .map(|operation| format!("#   {}\n", operation.replace('\n', " "))),
        );
    }
    text
}

fn config(title: &str, url: &str) -> String {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        r#"# Run with: farmgate gate gate.toml
name = {}
url = {}
report = ["gate-report.html", "gate-report.json"]

[smoke]
files = ["scenarios"]

[load]
files = ["scenarios"]
thresholds = ["error_rate < 0.1%", "p95 < 500ms", "p99 < 1s"]

[load.shape]
rate = 20
duration = "20s"

# Figures of the server make thresholds such as "server.memory < 80%" possible:
# [server]
# metrics_url = "http://localhost:9090/metrics"
"#,
        quote(title),
        quote(url)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"openapi": "3.1.0", "info": {"title": "Shop \"x\""}, "security": [{"bearer": []}],
        "paths": {
            "/health": {"get": {"operationId": "health", "security": [], "responses": {"200": {"content": {"application/json": {}}}}}},
            "/items": {"get": {"responses": {"200": {}}}, "post": {"responses": {"201": {}}}},
            "/live": {"get": {"security": [], "responses": {"200": {"content": {"text/event-stream": {}}}}}},
            "/items/{id}": {"get": {"responses": {"200": {}}}}}}"#;

    #[test]
    fn what_is_written_can_be_read_and_says_what_it_leaves_out() {
        let files = first_files(DOCUMENT, "http://localhost:1").unwrap();
        let scenario = scenario::parse("first.hurl", &files[0].text).unwrap();
        let urls: Vec<_> = scenario.entries().iter().map(|e| e.url.as_str()).collect();
        assert_eq!(urls, ["{{url}}/health", "{{url}}/items"]);
        assert!(
            files[0].text.contains("#   POST /items\n") && files[0].text.contains("#   GET /items/{id}\n")
        );
        let config = crate::config::Source::new("gate.toml", &files[1].text)
            .read()
            .unwrap();
        assert_eq!(config.name.as_deref(), Some("Shop \"x\""));
    }

    #[test]
    fn what_offers_nothing_is_refused() {
        assert!(matches!(
            first_files("openapi: 3.1.0", ""),
            Err(BadDocument::Json(_))
        ));
        assert!(matches!(first_files("{}", ""), Err(BadDocument::NoPaths)));
        assert!(matches!(
            first_files(r#"{"paths": {"/x/{id}": {"get": {}}}}"#, ""),
            Err(BadDocument::NothingToCall)
        ));
    }
}
