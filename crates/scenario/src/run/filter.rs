//! Applying filters to values.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use encoding_rs::Encoding;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::dates;
use super::failure::{Failure, Run};
use super::query;
use super::template::Scope;
use crate::markup::{parse_html, unescape};
use crate::syntax::{Filter, FilterKind, Template};
use crate::value::{Number, Value, parse_json};

/// What `urlEncode` leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Applies filters one after the other; `None` if one finds nothing.
pub(super) fn apply(scope: Scope<'_>, filters: &[Filter], value: Value, coerce: bool) -> Run<Option<Value>> {
    let mut current = Some(value);
    for filter in filters {
        let input = current.ok_or_else(|| Failure::capture(filter.pos, "missing value to apply filter"))?;
        current = Applying {
            scope,
            filter,
            coerce,
        }
        .to(input)?;
    }
    Ok(current)
}

struct Applying<'a> {
    scope: Scope<'a>,
    filter: &'a Filter,
    coerce: bool,
}

impl Applying<'_> {
    fn to(&self, input: Value) -> Run<Option<Value>> {
        use FilterKind as F;
        let some = |value: Value| Ok(Some(value));
        match &self.filter.kind {
            F::Count | F::First | F::Last | F::Nth(_) | F::Location => self.structure(input),
            F::ToInt | F::ToFloat | F::ToString => self.conversion(&input).map(Some),
            F::DaysAfterNow | F::DaysBeforeNow | F::DateFormat(_) => self.date(&input).map(Some),
            F::Base64Encode => some(Value::String(STANDARD.encode(self.bytes(&input)?))),
            F::Base64UrlSafeEncode => some(Value::String(URL_SAFE_NO_PAD.encode(self.bytes(&input)?))),
            F::ToHex => some(Value::String(hex::encode(self.bytes(&input)?))),
            F::Utf8Decode => some(Value::String(
                String::from_utf8_lossy(self.bytes(&input)?).into_owned(),
            )),
            F::CharsetDecode(name) => {
                let name = self.scope.text(name)?;
                self.charset(&name, self.bytes(&input)?).map(Some)
            }
            _ => self.text_filter(self.text(&input)?),
        }
    }

    fn text_filter(&self, text: &str) -> Run<Option<Value>> {
        use FilterKind as F;
        let some = |value: String| Ok(Some(Value::String(value)));
        match &self.filter.kind {
            F::Base64Decode => self.base64(STANDARD.decode(text)),
            F::Base64UrlSafeDecode => self.base64(URL_SAFE_NO_PAD.decode(text)),
            F::HtmlEscape => some(escape_html(text)),
            F::HtmlUnescape => some(unescape(text)),
            F::JsonPath(pattern) => {
                let json = parse_json(text).map_err(|_| self.invalid("value is not a valid JSON"))?;
                query::jsonpath(self.scope, pattern, &json, self.coerce)
            }
            F::XPath(pattern) => {
                let document = parse_html(text).ok_or_else(|| self.invalid("value is not a valid XML"))?;
                query::xpath(self.scope, pattern, &document).map(Some)
            }
            F::Regex(pattern) => query::regex(self.scope, pattern, text),
            F::Replace { old, new } => {
                some(text.replace(self.scope.text(old)?.as_ref(), &self.scope.text(new)?))
            }
            F::ReplaceRegex { pattern, new } => {
                let new = self.scope.text(new)?;
                let replaced = query::with_regex(self.scope, pattern, |regex| {
                    regex.replace_all(text, new.as_ref()).into_owned()
                });
                some(replaced?)
            }
            F::Split(separator) => {
                let separator = self.scope.text(separator)?;
                Ok(Some(Value::List(
                    text.split(separator.as_ref()).map(Value::from).collect(),
                )))
            }
            F::ToDate(format) => self.to_date(text, format).map(Some),
            F::UrlDecode => some(percent_decode_str(text).decode_utf8_lossy().into_owned()),
            F::UrlEncode => some(utf8_percent_encode(text, UNRESERVED).to_string()),
            F::UrlQueryParam(name) => self.query_parameter(text, name),
            _ => Ok(Some(Value::Bytes(text.as_bytes().to_vec().into()))),
        }
    }

    fn to_date(&self, text: &str, format: &Template) -> Run<Value> {
        let format = self.scope.text(format)?;
        dates::parse(text, &format).map(Value::Date).ok_or_else(|| {
            self.failed(format!(
                "value <{text}> could not be parsed with <{format}> format"
            ))
        })
    }

    fn query_parameter(&self, text: &str, name: &Template) -> Run<Option<Value>> {
        let name = self.scope.text(name)?;
        let url = url::Url::parse(text)
            .ok()
            .filter(|u| matches!(u.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| self.failed(format!("invalid URL <{text}>")))?;
        let found = url.query_pairs().find(|(n, _)| *n == name);
        Ok(found.map(|(_, value)| Value::String(value.into_owned())))
    }

    fn structure(&self, input: Value) -> Run<Option<Value>> {
        match (&self.filter.kind, input) {
            (FilterKind::Count, Value::List(values)) => Ok(Some(Value::integer(values.len()))),
            (FilterKind::Count, Value::Bytes(bytes)) => Ok(Some(Value::integer(bytes.len()))),
            (FilterKind::Count, Value::Nodeset(size)) => Ok(Some(Value::integer(size))),
            (FilterKind::Count, other) => Err(self.wrong_type(&other, "list, bytes or nodeset")),
            (FilterKind::Location, Value::Redirect { location, .. }) => Ok(Some(Value::String(location))),
            (FilterKind::Location, other) => Err(self.wrong_type(&other, "http response")),
            (FilterKind::Nth(n), input) => {
                let n = self.scope.setting(n, "an integer", |value| match value {
                    Value::Number(Number::Integer(n)) => Some(*n),
                    _ => None,
                })?;
                let values = self.list(input)?;
                let size = i64::try_from(values.len()).unwrap_or(i64::MAX);
                let index = usize::try_from(if n < 0 { size + n } else { n });
                let found = index.ok().and_then(|i| values.into_iter().nth(i));
                found
                    .map(Some)
                    .ok_or_else(|| self.invalid(&format!("out of bound - size is {size}")))
            }
            (kind, input) => {
                let mut values = self.list(input)?;
                if values.is_empty() {
                    return Err(self.invalid("list is empty"));
                }
                Ok(if matches!(kind, FilterKind::First) {
                    Some(values.swap_remove(0))
                } else {
                    values.pop()
                })
            }
        }
    }

    fn conversion(&self, input: &Value) -> Run<Value> {
        let unreadable = || self.invalid(&input.describe());
        match (&self.filter.kind, input) {
            (FilterKind::ToString, _) => {
                let message =
                    || self.invalid(&format!("{} can not be converted to a string", input.describe()));
                input.render().map(Value::String).ok_or_else(message)
            }
            (FilterKind::ToInt, Value::Number(Number::Integer(v))) => Ok(Value::from(*v)),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "saturates, as the published tool does"
            )]
            (FilterKind::ToInt, Value::Number(Number::Float(v))) => Ok(Value::from(*v as i64)),
            (FilterKind::ToInt, Value::String(v)) => {
                v.parse::<i64>().map(Value::from).map_err(|_| unreadable())
            }
            (FilterKind::ToFloat, Value::Number(Number::Float(v))) => Ok(Value::from(*v)),
            #[allow(clippy::cast_precision_loss, reason = "asked for")]
            (FilterKind::ToFloat, Value::Number(Number::Integer(v))) => Ok(Value::from(*v as f64)),
            (FilterKind::ToFloat, Value::Number(Number::Big(_))) => {
                Err(self.invalid(&format!("{} is too big to be cast as a float", input.describe())))
            }
            (FilterKind::ToFloat, Value::String(v)) => {
                v.parse::<f64>().map(Value::from).map_err(|_| unreadable())
            }
            _ => Err(self.wrong_type(input, "float, integer or string")),
        }
    }

    fn date(&self, input: &Value) -> Run<Value> {
        let Value::Date(at) = input else {
            return Err(self.wrong_type(input, "date"));
        };
        let now = || (self.scope.settings.clock)();
        match &self.filter.kind {
            FilterKind::DaysAfterNow => Ok(Value::from(dates::days_between(now(), *at))),
            FilterKind::DaysBeforeNow => Ok(Value::from(dates::days_between(*at, now()))),
            FilterKind::DateFormat(format) => {
                let format = self.scope.text(format)?;
                let text = dates::format(*at, &format);
                text.map(Value::String)
                    .ok_or_else(|| self.failed(format!("date format <{format}> is not supported")))
            }
            _ => Err(self.wrong_type(input, "date")),
        }
    }

    fn base64(&self, decoded: Result<Vec<u8>, base64::DecodeError>) -> Run<Option<Value>> {
        match decoded {
            Ok(bytes) => Ok(Some(Value::Bytes(bytes.into()))),
            Err(_) => Err(self.invalid("string is not base64")),
        }
    }

    fn charset(&self, name: &str, bytes: &[u8]) -> Run<Value> {
        let encoding = Encoding::for_label(name.as_bytes())
            .ok_or_else(|| self.failed(format!("<{name}> encoding is not supported")))?;
        let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
        text.map(|text| Value::String(text.into_owned()))
            .ok_or_else(|| self.failed(format!("value can not be decoded with <{name}> encoding")))
    }

    fn text<'v>(&self, value: &'v Value) -> Run<&'v str> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(self.wrong_type(other, "string")),
        }
    }

    fn bytes<'v>(&self, value: &'v Value) -> Run<&'v [u8]> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(self.wrong_type(other, "bytes")),
        }
    }

    fn list(&self, value: Value) -> Run<Vec<Value>> {
        match value {
            Value::List(values) => Ok(values),
            other => Err(self.wrong_type(&other, "list")),
        }
    }

    fn failed(&self, message: String) -> Failure {
        Failure::capture(self.filter.pos, message)
    }

    fn invalid(&self, reason: &str) -> Failure {
        self.failed(format!("invalid filter input: {reason}"))
    }

    fn wrong_type(&self, actual: &Value, expected: &str) -> Failure {
        self.failed(format!(
            "invalid filter input type: expected {expected}, got {}",
            actual.kind()
        ))
    }
}

fn escape_html(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#x27;")
}
