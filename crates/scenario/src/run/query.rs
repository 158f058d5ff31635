//! Evaluating queries on an answer.

use md5::Md5;
use regex::Regex;
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::dates;
use super::failure::{Failure, Run};
use super::template::Scope;
use crate::jsonpath::JsonPath;
use crate::markup::Document;
use crate::syntax::{CookieAttribute, Pattern, Pos, Query, QueryKind};
use crate::value::Value;
use crate::xpath::{Object, XPath};

/// What a query is evaluated on.
#[derive(Clone, Copy)]
pub(super) struct Looking<'a> {
    pub(super) answer: &'a Answer<'a>,
    pub(super) scope: Scope<'a>,
    pub(super) coerce: bool,
}

impl Looking<'_> {
    /// `None` if there is nothing there.
    pub(super) fn query(&self, query: &Query) -> Run<Option<Value>> {
        let failed = |message: String| Failure::capture(query.pos, message);
        let answer = self.answer;
        let bytes = || answer.bytes().map_err(failed);
        let some = |value: Value| Ok(Some(value));
        match &query.kind {
            QueryKind::Status => some(Value::from(i64::from(answer.response().status))),
            QueryKind::Version => some(Value::from(
                answer.response().version.as_str().trim_start_matches("HTTP/"),
            )),
            QueryKind::Url => some(Value::from(answer.last().url.as_str())),
            QueryKind::Header(name) => Ok(self.header(&self.scope.text(name)?)),
            QueryKind::Cookie { name, attribute } => {
                let name_text = self.scope.text(name)?;
                self.cookie(&name_text, *attribute, name.pos)
            }
            QueryKind::Body => some(Value::String(answer.text().map_err(failed)?.into_owned())),
            QueryKind::XPath(pattern) => {
                xpath(self.scope, pattern, answer.document().map_err(failed)?).map(Some)
            }
            QueryKind::JsonPath(pattern) => {
                jsonpath(self.scope, pattern, answer.json().map_err(failed)?, self.coerce)
            }
            QueryKind::Regex(pattern) => regex(self.scope, pattern, &answer.text().map_err(failed)?),
            QueryKind::Variable(name) => Ok(self.scope.variables.get(&self.scope.text(name)?).cloned()),
            QueryKind::Duration => some(Value::from(
                i64::try_from(answer.duration().as_millis()).unwrap_or(i64::MAX),
            )),
            QueryKind::Bytes => some(Value::Bytes(bytes()?.clone())),
            QueryKind::RawBytes => some(Value::Bytes(answer.response().body.clone())),
            QueryKind::Sha256 => some(Value::Bytes(Sha256::digest(bytes()?).to_vec().into())),
            QueryKind::Md5 => some(Value::Bytes(Md5::digest(bytes()?).to_vec().into())),
            QueryKind::Ip => some(Value::String(answer.last().peer.to_string())),
            QueryKind::Redirects => some(self.redirects()),
            QueryKind::Certificate => Err(failed("the query certificate is not supported".to_string())),
        }
    }

    fn header(&self, name: &str) -> Option<Value> {
        let mut values: Vec<Value> = self
            .answer
            .response()
            .headers
            .get_all(name)
            .map(|v| Value::String(v.into_owned()))
            .collect();
        if values.len() > 1 {
            Some(Value::List(values))
        } else {
            values.pop()
        }
    }

    fn redirects(&self) -> Value {
        let pairs = self.answer.chain.windows(2);
        Value::List(
            pairs
                .map(|pair| Value::Redirect {
                    status: pair[0].response.status,
                    location: pair[1].url.clone(),
                })
                .collect(),
        )
    }

    fn cookie(&self, name: &str, attribute: CookieAttribute, pos: Pos) -> Run<Option<Value>> {
        let Some((value, attributes)) = self.answer.cookie(name) else {
            return Ok(None);
        };
        let find = |wanted: &str| {
            attributes.iter().find_map(|attribute| {
                let mut parts = attribute.split('=');
                let name = parts.next().unwrap_or_default().trim();
                name.eq_ignore_ascii_case(wanted)
                    .then(|| parts.next().map(str::to_string))
            })
        };
        let text = |wanted: &str| Ok(find(wanted).flatten().map(Value::String));
        // Hurl has a flag as a value without type; an empty text asserts alike.
        let flag = |wanted: &str| Ok(find(wanted).filter(Option::is_none).map(|_| Value::from("")));
        match attribute {
            CookieAttribute::Value => Ok(Some(Value::String(value))),
            CookieAttribute::Domain => text("Domain"),
            CookieAttribute::Path => text("Path"),
            CookieAttribute::SameSite => text("SameSite"),
            CookieAttribute::Secure => flag("Secure"),
            CookieAttribute::HttpOnly => flag("HttpOnly"),
            CookieAttribute::MaxAge => Ok(find("Max-Age")
                .flatten()
                .and_then(|v| v.parse::<i64>().ok())
                .map(Value::from)),
            CookieAttribute::Expires => match find("Expires").flatten() {
                None => Ok(None),
                Some(text) => match dates::http_date(&text) {
                    Some(at) => Ok(Some(Value::Date(at))),
                    None => Err(Failure::capture(
                        pos,
                        format!("could not read the cookie's date <{text}>"),
                    )),
                },
            },
        }
    }
}

pub(super) fn jsonpath(
    scope: Scope<'_>,
    pattern: &Pattern<JsonPath>,
    json: &Value,
    coerce: bool,
) -> Run<Option<Value>> {
    let find = |path: &JsonPath| {
        if coerce {
            path.coerced(json)
        } else {
            Some(Value::List(path.find(json).into_iter().cloned().collect()))
        }
    };
    let invalid = |text: &str| {
        Failure::capture(
            pattern.template.pos,
            format!("the JSONPath expression '{text}' is not valid"),
        )
    };
    match &pattern.compiled {
        Some(Ok(path)) => Ok(find(path)),
        Some(Err(_)) => Err(invalid(pattern.template.constant().unwrap_or_default())),
        None => {
            let text = scope.text(&pattern.template)?;
            Ok(find(&JsonPath::parse(&text).map_err(|_| invalid(&text))?))
        }
    }
}

pub(super) fn xpath(scope: Scope<'_>, pattern: &Pattern<XPath>, document: &Document) -> Run<Value> {
    let invalid = || Failure::capture(pattern.template.pos, "the XPath expression is not valid");
    let object = match &pattern.compiled {
        Some(Ok(path)) => path.evaluate(document),
        Some(Err(_)) => return Err(invalid()),
        None => {
            let text = scope.text(&pattern.template)?;
            XPath::parse(&text).and_then(|path| path.evaluate(document))
        }
    };
    Ok(match object.map_err(|_| invalid())? {
        Object::Nodes(nodes) => Value::Nodeset(nodes.len()),
        Object::Boolean(value) => Value::Bool(value),
        Object::Number(value) => Value::from(value),
        Object::Text(text) => Value::String(text),
    })
}

/// Uses a pattern that may have to be compiled first.
pub(super) fn with_regex<T>(
    scope: Scope<'_>,
    pattern: &Pattern<Regex>,
    using: impl FnOnce(&Regex) -> T,
) -> Run<T> {
    let invalid = || Failure::capture(pattern.template.pos, "the regular expression is not valid");
    match &pattern.compiled {
        Some(Ok(regex)) => Ok(using(regex)),
        Some(Err(_)) => Err(invalid()),
        None => {
            let text = scope.text(&pattern.template)?;
            Ok(using(&Regex::new(&text).map_err(|_| invalid())?))
        }
    }
}

/// The text of the first group.
pub(super) fn regex(scope: Scope<'_>, pattern: &Pattern<Regex>, text: &str) -> Run<Option<Value>> {
    with_regex(scope, pattern, |regex| {
        Some(Value::from(regex.captures(text)?.get(1)?.as_str()))
    })
}
