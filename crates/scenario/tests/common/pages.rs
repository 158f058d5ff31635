//! What the test server answers.

use std::io::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::http::request::Parts;
use serde_json::json;

use super::Counters;

pub const JSON: &str = r#"{"id":7,"name":"apple","price":1.5,"whole":2.0,"big":12345678901234567890,"ok":true,"none":null,"neg":-3,
"tags":["a","b","c"],"empty":[],"text":"","nested":{"deep":{"x":1}},"obj":{"k":"v"},
"items":[{"n":"one","v":1,"sold":true},{"n":"two","v":2},{"n":"three","v":3.5,"sold":false}],
"date":"2024-02-29T12:30:45Z","uuid":"123e4567-e89b-12d3-a456-426614174000","ip4":"127.0.0.1","ip6":"::1",
"b64":"SGVsbG8=","b64url":"_-8","html":"&lt;b&gt; &amp; caf&eacute;","url":"http://h.example/p?a=1&b=x%20y","quote":"say \"hi\"","json":"{\"in\":[1,2]}","csv":"x,y,z","num":"42","uni":"é€😀"}"#;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<library xmlns:x="urn:x"><book id="1" lang="en"><title>A &amp; B</title><price>10</price></book><book id="2"><title>C</title><price>20.5</price></book><x:mag id="3"/><!-- note --></library>"#;

const HTML: &str = r#"<!DOCTYPE html><html><head><title>Shop</title><meta charset="utf-8"></head><body class="main dark"><h1 id="top">Hello &eacute;</h1><p>one<p>two<br>three<table><tr><td>1</td><td>2</td></tr><tr><td>3<td>4</table><ul><li>a<li>b</ul><a href="/x?a=1&amp;b=2">go</a><img src=i.png><div><span>in</span></div></body></html>"#;

type Page = Response<Full<Bytes>>;

fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Page {
    let mut builder = Response::builder().status(status);
    if !content_type.is_empty() {
        builder = builder.header("content-type", content_type);
    }
    builder.body(Full::new(body.into())).unwrap()
}

fn with(mut page: Page, headers: &[(&'static str, &str)]) -> Page {
    for (name, value) in headers {
        page.headers_mut().append(*name, value.parse().unwrap());
    }
    page
}

pub fn page(head: &Parts, body: &Bytes, counters: &Counters) -> Page {
    let path = head.uri.path().to_string();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let mut parts = path.trim_start_matches('/').split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match first {
        "echo" => echo(head, body),
        "raw" => reply(200, "application/octet-stream", body.clone()),
        "json" => reply(200, "application/json", JSON),
        "list" => reply(200, "application/json", "[1,2,3]"),
        "xml" => reply(200, "application/xml", XML),
        "html" => reply(200, "text/html; charset=utf-8", HTML),
        "text" => reply(200, "text/plain; charset=utf-8", "Hello World!\nsecond line é\n"),
        "hello" => reply(200, "text/plain", "Hello World!"),
        "latin1" => reply(
            200,
            "text/plain; charset=ISO-8859-1",
            vec![b'c', b'a', b'f', 0xe9],
        ),
        "badcharset" => reply(200, "text/plain; charset=nope", "x"),
        "bytes" => reply(200, "application/octet-stream", vec![0_u8, 1, 2, 0xff, 0xfe]),
        "empty" => reply(200, "", ""),
        "status" => reply(second.parse().unwrap_or(200), "", ""),
        "headers" => with(
            reply(200, "text/plain", "h"),
            &[
                ("x-one", "1"),
                ("x-many", "a"),
                ("x-many", "b"),
                ("x-empty", ""),
                ("etag", "\"abc\""),
            ],
        ),
        "gzip" | "deflate" | "br" | "unknown" => compressed(first),
        "redirect" | "chain" | "cookie" | "cookies" => state(head, first, second, &query),
        "counter" => counter(second, param(&query, "fail"), counters),
        _ => reply(404, "text/plain", "not found"),
    }
}

fn param<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// Redirections and cookies.
fn state(head: &Parts, first: &str, second: &str, query: &[(String, String)]) -> Page {
    let param = |name| param(query, name);
    match first {
        "redirect" => with(
            reply(
                param("status").and_then(|s| s.parse().ok()).unwrap_or(302),
                "",
                "",
            ),
            &[("location", param("to").unwrap_or("/hello"))],
        ),
        "chain" => match second.parse::<u32>() {
            Ok(n) if n > 0 => with(reply(302, "", ""), &[("location", &format!("/chain/{}", n - 1))]),
            _ => reply(200, "text/plain", "end"),
        },
        "cookie" => {
            let mut page = reply(200, "text/plain", "set");
            for (name, value) in query {
                if name == "c" {
                    page = with(page, &[("set-cookie", value)]);
                }
            }
            page
        }
        _ => {
            let cookie = head
                .headers
                .get("cookie")
                .map(|c| c.to_str().unwrap().to_string());
            let mut all: Vec<&str> = cookie.as_deref().unwrap_or_default().split("; ").collect();
            all.sort_unstable();
            reply(200, "text/plain", all.join("; "))
        }
    }
}

/// The request as JSON; names of headers in small letters, several values joined.
fn echo(head: &Parts, body: &Bytes) -> Page {
    let mut headers = serde_json::Map::new();
    for name in head.headers.keys() {
        let values: Vec<_> = head
            .headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect();
        headers.insert(name.to_string(), json!(values.join(", ")));
    }
    let is_multipart = head
        .headers
        .get("content-type")
        .is_some_and(|t| t.to_str().unwrap_or("").starts_with("multipart/"));
    let echo = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "headers": headers,
        "body": if is_multipart { String::new() } else { String::from_utf8_lossy(body).into_owned() },
        "length": if is_multipart { 0 } else { body.len() },
        "parts": if is_multipart { multipart(head, body) } else { json!([]) },
        "version": format!("{:?}", head.version),
    });
    reply(200, "application/json", echo.to_string())
}

fn multipart(head: &Parts, body: &Bytes) -> serde_json::Value {
    let content_type = head.headers["content-type"].to_str().unwrap();
    let boundary = content_type.split("boundary=").nth(1).unwrap_or_default();
    let body = String::from_utf8_lossy(body).into_owned();
    let delimiter = format!("--{boundary}");
    let parts = body.split(&delimiter).filter_map(|part| {
        let (head, data) = part.trim_start_matches("\r\n").split_once("\r\n\r\n")?;
        Some(json!({"head": head.split("\r\n").collect::<Vec<_>>(), "data": data.trim_end_matches("\r\n")}))
    });
    parts.collect()
}

fn compressed(encoding: &str) -> Page {
    let plain = b"Hello compressed World!";
    let body = match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        // "Hello World!" in Brotli, as its reference encoder writes it.
        "br" => {
            vec![
                0x21, 0x2c, 0x00, 0x04, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x20, 0x57, 0x6f, 0x72, 0x6c, 0x64,
                0x21, 0x03,
            ]
        }
        _ => plain.to_vec(),
    };
    with(reply(200, "text/plain", body), &[("content-encoding", encoding)])
}

/// Answers 503 for the first `fail` requests of a name, then 200 with the count.
fn counter(name: &str, fail: Option<&str>, counters: &Counters) -> Page {
    let mut counters = counters.lock().unwrap();
    let count = counters.entry(name.to_string()).or_default();
    *count += 1;
    let fail = fail.and_then(|f| f.parse().ok()).unwrap_or(0);
    let status = if *count <= fail { 503 } else { 200 };
    reply(status, "application/json", json!({ "count": *count }).to_string())
}
