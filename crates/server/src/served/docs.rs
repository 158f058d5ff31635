//! The API's page for people: plain HTML made from the OpenAPI document, without any script.

use std::{fmt::Write as _, sync::Arc};

use domain::problem::ErrorCode;
use serde_json::Value;

use crate::routes::Endpoint;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b2a1e}\
code{font-family:ui-monospace,monospace;background:#eef2ec;padding:.1em .3em;border-radius:3px}\
h3{margin-bottom:.2rem}table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}\
p{margin:.2rem 0}.who{color:#556}";

/// The page: every route with who may call it and what it answers, then every error code.
pub(super) fn page(document: &Value, endpoints: &[Arc<Endpoint>]) -> String {
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Farmgate API</title><style>{STYLE}</style>\
         <h1>Farmgate API</h1><p>For programs: <a href=/openapi.json><code>/openapi.json</code></a> (OpenAPI 3.1).</p>"
    );
    let mut tag = "";
    let mut sorted: Vec<_> = endpoints.iter().collect();
    sorted.sort_by_key(|endpoint| endpoint.operation.tag);
    for endpoint in sorted {
        if endpoint.operation.tag != tag {
            tag = endpoint.operation.tag;
            let _ = write!(html, "<h2>{}</h2>", escape(tag));
        }
        route(&mut html, document, endpoint);
    }
    html.push_str("<h2>Errors</h2><table><tr><th>Code<th>Status<th>Meaning");
    for code in ErrorCode::ALL {
        let (name, status, meaning) = (code.as_str(), code.status(), escape(code.meaning()));
        let _ = write!(
            html,
            "<tr id={name}><td><code>{name}</code><td>{status}<td>{meaning}"
        );
    }
    html.push_str("</table></html>");
    html
}

fn route(html: &mut String, document: &Value, endpoint: &Endpoint) {
    let (method, path) = (endpoint.method.as_str(), escape(endpoint.path));
    let scope = endpoint
        .policy
        .scope()
        .map(|scope| format!(", API keys with {}", scope.as_str()));
    let _ = write!(
        html,
        "<h3><code>{method} {path}</code></h3><p>{}. {}</p><p class=who>{}{}</p><table>",
        escape(endpoint.operation.summary),
        escape(endpoint.operation.description.unwrap_or_default()),
        escape(&format!("{:?}", endpoint.policy.access())),
        scope.unwrap_or_default(),
    );
    let responses = &document["paths"][endpoint.path][method.to_lowercase()]["responses"];
    for (status, response) in responses.as_object().into_iter().flatten() {
        let text = response["description"].as_str().unwrap_or_default();
        let _ = write!(html, "<tr><td>{status}<td>{}", escape(text));
    }
    html.push_str("</table>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
