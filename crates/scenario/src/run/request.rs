//! From an entry to a request: everything that a redirection may have to change is kept apart.

use std::borrow::Cow;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::body;
use super::failure::{Failure, Run};
use super::options::Options;
use super::template::Scope;
use crate::http::{self, Parts, Version};
use crate::outcome::ErrorKind;
use crate::settings::HttpVersion;
use crate::syntax::{KeyValue, MultipartParam, Request};

/// What a value of a form or query keeps as it is (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request before it is bound to a URL.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) method: &'a str,
    pub(super) url: Url,
    /// Path and query as written.
    raw_path: Option<String>,
    /// Headers of the file, of the options, and those that follow from the body.
    pub(super) headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Cookies of the file.
    pub(super) cookies: String,
    /// `name:password` for Basic authentication.
    pub(super) user: Option<String>,
    pub(super) body: Bytes,
    pub(super) content_type: Option<Cow<'static, str>>,
}

/// Scheme and authority of a URL as written, and the same read.
pub(super) struct Origin {
    text: String,
    url: Url,
}

pub(super) async fn draft<'a>(
    scope: Scope<'_>,
    origin: &OnceLock<Origin>,
    request: &'a Request,
    options: &Options,
) -> Run<Draft<'a>> {
    let text = url_text(scope, request)?;
    let url = without_blanks(&text)
        .and_then(|()| parse_at(origin, &text))
        .map_err(|reason| {
            Failure::new(
                request.url.pos,
                ErrorKind::Template,
                format!("invalid URL <{text}> ({reason})"),
            )
        })?;
    let mut headers = pairs(scope, &request.headers)?;
    if let Some(credentials) = &request.basic_auth {
        let (name, value) = pair(scope, credentials)?;
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{value}")));
        headers.push(("Authorization".into(), value.into()));
    }
    let added = options.headers.iter().cloned();
    headers.extend(added.map(|(name, value)| (name.into(), value.into())));
    let (body, content_type) = content(scope, request).await?;
    let cookies = pairs(scope, &request.cookies)?;
    let cookies = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ");
    Ok(Draft {
        method: &request.method,
        raw_path: raw_path(text, options.path_as_is),
        headers,
        cookies,
        user: options.user.clone().or_else(|| user_of(&url)),
        body,
        content_type,
        url,
    })
}

/// The credentials that stand in the URL itself.
fn user_of(url: &Url) -> Option<String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = url.password().unwrap_or_default();
    let given = !url.username().is_empty() || !password.is_empty();
    given.then(|| format!("{}:{}", decoded(url.username()), decoded(password)))
}

fn url_text(scope: Scope<'_>, request: &Request) -> Run<String> {
    let mut text = scope.text(&request.url)?.into_owned();
    for (from, to) in &scope.settings.rebase {
        if let Some(rest) = text.strip_prefix(from.as_str()) {
            text = format!("{to}{rest}");
            break;
        }
    }
    if !request.query.is_empty() {
        if !text.contains('?') {
            text.push('?');
        } else if !text.ends_with('?') {
            text.push('&');
        }
        text.push_str(&encoded(&pairs(scope, &request.query)?));
    }
    Ok(text)
}

/// A reader of URLs would escape a space and drop a tab: what was then asked for is not what was written.
fn without_blanks(text: &str) -> Result<(), String> {
    match text.bytes().find(|b| *b <= b' ' || *b == 0x7f) {
        None => Ok(()),
        Some(b' ') => Err("a space cannot stand in it: write %20, or use [Query] or `urlEncode`".to_string()),
        Some(_) => Err("a control character cannot stand in it: use [Query] or `urlEncode`".to_string()),
    }
}

pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("only http:// and https:// are supported".to_string());
    }
    Url::parse(text).map_err(|e| e.to_string())
}

/// Reads a URL; one that begins as the first did is resolved against that, for a quarter of the time.
fn parse_at(origin: &OnceLock<Origin>, text: &str) -> Result<Url, String> {
    if let Some(known) = origin.get()
        && let Some(path) = text.strip_prefix(known.text.as_str())
        && is_plain_path(path)
    {
        return known.url.join(path).map_err(|e| e.to_string());
    }
    let url = parse_url(text)?;
    if let Some(authority) = authority(text) {
        origin.get_or_init(|| Origin {
            text: authority.to_string(),
            url: url.clone(),
        });
    }
    Ok(url)
}

/// What stands before the path, if a path follows.
fn authority(text: &str) -> Option<&str> {
    let start = text.find("://")? + 3;
    let end = start + text[start..].find(['/', '\\', '?', '#'])?;
    text[end..].starts_with('/').then(|| &text[..end])
}

/// Whether it means the same after an authority and as a reference of its own: `//` would name another host, and
/// the reader skips what is not printed.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path[1..].starts_with(['/', '\\']) && path.bytes().all(|b| b > b' ' && b < 0x7f)
}

/// Path and query as written, if they can be sent so: the URL reader would escape more than is needed.
fn raw_path(mut text: String, as_is: bool) -> Option<String> {
    let host = text.find("://")? + 3;
    let start = host + text[host..].find(['/', '?'])?;
    let path = text[start..].split('#').next()?;
    let sendable = path.bytes().all(|b| b > b' ' && b < 0x7f && b != b'\\');
    let dots =
        ["/./", "/../"].iter().any(|d| path.contains(d)) || path.ends_with("/.") || path.ends_with("/..");
    let usable = sendable && path.starts_with('/') && (as_is || !dots);
    let end = start + path.len();
    usable.then(|| {
        text.truncate(end);
        text.drain(..start);
        text
    })
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pair<'a>(scope: Scope<'_>, item: &'a KeyValue) -> Run<Pair<'a>> {
    Ok((scope.text(&item.key)?, scope.text(&item.value)?))
}

fn pairs<'a>(scope: Scope<'_>, items: &'a [KeyValue]) -> Run<Vec<Pair<'a>>> {
    items.iter().map(|item| pair(scope, item)).collect()
}

/// Names are sent as written, as the published tool does.
fn encoded(pairs: &[Pair<'_>]) -> String {
    let encode = |(name, value): &Pair<'_>| format!("{name}={}", utf8_percent_encode(value, UNRESERVED));
    pairs.iter().map(encode).collect::<Vec<_>>().join("&")
}

async fn content(scope: Scope<'_>, request: &Request) -> Run<(Bytes, Option<Cow<'static, str>>)> {
    if !request.multipart.is_empty() {
        return multipart(scope, &request.multipart).await;
    }
    if let Some(spec) = &request.body {
        let bytes = match body::value(scope, &spec.kind).await? {
            crate::Value::Bytes(bytes) => bytes,
            other => other.to_string().into(),
        };
        let implicit = body::implicit_content_type(&spec.kind);
        let form = (!request.form.is_empty()).then_some("application/x-www-form-urlencoded");
        return Ok((bytes, form.or(implicit).map(Cow::Borrowed)));
    }
    if request.form.is_empty() {
        return Ok((Bytes::new(), None));
    }
    let form = encoded(&pairs(scope, &request.form)?);
    Ok((form.into(), Some("application/x-www-form-urlencoded".into())))
}

async fn multipart(scope: Scope<'_>, params: &[MultipartParam]) -> Run<(Bytes, Option<Cow<'static, str>>)> {
    let boundary = format!("------------------------{}", (scope.settings.uuids)().simple());
    let mut out = Vec::new();
    for param in params {
        out.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; ").as_bytes());
        match param {
            MultipartParam::Text(item) => {
                let (name, value) = pair(scope, item)?;
                out.extend_from_slice(format!("name=\"{}\"\r\n\r\n{value}", quoted(&name)).as_bytes());
            }
            MultipartParam::File {
                key,
                filename,
                content_type,
            } => {
                let name = scope.text(key)?;
                let file = scope.text(filename)?;
                let data = body::file(scope, filename).await?;
                let content_type = match content_type {
                    Some(template) => scope.text(template)?.into_owned(),
                    None => type_by_extension(&file).to_string(),
                };
                let head = format!(
                    "name=\"{}\"; filename=\"{}\"\r\nContent-Type: {content_type}\r\n\r\n",
                    quoted(&name),
                    quoted(&file)
                );
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(&data);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((
        out.into(),
        Some(format!("multipart/form-data; boundary={boundary}").into()),
    ))
}

/// A name inside quotes, as browsers escape it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn type_by_extension(file: &str) -> &'static str {
    match std::path::Path::new(file)
        .extension()
        .and_then(std::ffi::OsStr::to_str)
    {
        Some("gif") => "image/gif",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain",
        Some("htm" | "html") => "text/html",
        Some("pdf") => "application/pdf",
        Some("xml") => "application/xml",
        _ => "application/octet-stream",
    }
}

impl Draft<'_> {
    /// Points the draft to another URL, as a redirection does.
    pub(super) fn redirect(&mut self, url: Url) {
        self.raw_path = None;
        self.url = url;
    }

    /// Everything that goes over the wire. `jar` are the cookies of the user for this URL.
    pub(super) fn build(
        &self,
        options: &Options,
        user_agent: &str,
        jar: &str,
    ) -> Result<http::Request, http::Error> {
        let basic = self
            .user
            .as_ref()
            .map(|user| format!("Basic {}", STANDARD.encode(user)));
        let cookies = match (jar, self.cookies.as_str()) {
            (one, "") | ("", one) => Cow::Borrowed(one),
            (jar, own) => Cow::Owned(format!("{jar}; {own}")),
        };
        let mut headers = Vec::with_capacity(self.headers.len() + 6);
        headers.extend(self.headers.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
        let mut default = |name, value: Option<_>| {
            let absent = !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            headers.extend(value.filter(|_| absent).map(|value| (name, value)));
        };
        default("Accept", Some("*/*"));
        default("User-Agent", Some(user_agent).filter(|agent| !agent.is_empty()));
        default("Content-Type", self.content_type.as_deref());
        default("Authorization", basic.as_deref());
        default(
            "Accept-Encoding",
            options.compressed.then_some("gzip, deflate, br"),
        );
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        let dropped = |name: &str| {
            options
                .dropped_headers
                .iter()
                .any(|d| d.eq_ignore_ascii_case(name))
        };
        headers.retain(|(name, _)| !dropped(name));
        let old = options.http_version == HttpVersion::Http10;
        http::Request::from_parts(Parts {
            method: self.method,
            url: &self.url,
            headers,
            body: self.body.clone(),
            version: if old { Version::Http10 } else { Version::Http11 },
            raw_path: self.raw_path.as_deref(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_alike_after_another_of_its_origin() {
        let firsts = [
            "http://127.0.0.1:80/",
            "http://User:p%40w@EXAMPLE.org:8080/a/b?c#d",
            "https://[::1]:1/x",
            "http://host?q=/",
            "http://a\\b/c",
        ];
        let paths = [
            "/",
            "/a/../b/./c",
            "/a?b=c#d",
            "//other/x",
            "/\\other",
            "/\t/other",
            "/a b",
            "/\u{e4}",
            "/%zz",
            "/a\\b",
            "",
            "?q",
            "@other/x",
            ":1/x",
            "x/y",
            "/a//b",
            "/?//",
            "/#//",
            "/..",
            "/|{}",
        ];
        for first in firsts {
            let origin = OnceLock::new();
            assert_eq!(parse_at(&origin, first), parse_url(first), "{first}");
            let known = origin.get().map_or(first, |known| known.text.as_str());
            for path in paths {
                let text = format!("{known}{path}");
                assert_eq!(parse_at(&origin, &text), parse_url(&text), "{text}");
            }
        }
    }
}
