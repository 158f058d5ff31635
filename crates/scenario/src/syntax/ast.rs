//! The tree of a Hurl file, in the shape in which it is executed: patterns are compiled, JSON bodies flat.

use regex::Regex;

use super::Pos;
use crate::jsonpath::JsonPath;
use crate::settings::Count;
use crate::value::Value;
use crate::xpath::XPath;

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) entries: Vec<Entry>,
    pub(crate) comments: Vec<(Pos, String)>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) request: Request,
    pub(crate) response: Option<Response>,
    /// What is said on the WebSocket that the request opens; from comments, see `websocket`.
    pub(crate) websocket: Option<Vec<Step>>,
}

impl Entry {
    /// Whether anything is asserted of an answer.
    pub(crate) fn asserts(&self) -> bool {
        let said = self.websocket.iter().flatten();
        let of_messages = said.into_iter().any(|step| !matches!(step, Step::Send(_)));
        let of_answer = self.response.as_ref().is_some_and(|response| {
            response.version != VersionSpec::Any
                || response.status.is_some()
                || response.body.is_some()
                || !(response.headers.is_empty() && response.asserts.is_empty())
        });
        of_answer || of_messages
    }
}

/// One line of a WebSocket conversation.
#[derive(Debug)]
pub(crate) enum Step {
    /// `# @send TEXT`
    Send(Template),
    /// `# @expect ASSERT`: the next message must satisfy it.
    Expect(Assert),
    /// `# @await ASSERT`: the first message that satisfies it; others are passed over.
    Await(Assert),
}

#[derive(Debug)]
pub(crate) struct Request {
    /// Where the method stands.
    pub(crate) pos: Pos,
    pub(crate) method: String,
    pub(crate) url: Template,
    pub(crate) url_source: String,
    pub(crate) headers: Vec<KeyValue>,
    pub(crate) query: Vec<KeyValue>,
    pub(crate) form: Vec<KeyValue>,
    pub(crate) multipart: Vec<MultipartParam>,
    pub(crate) cookies: Vec<KeyValue>,
    pub(crate) basic_auth: Option<KeyValue>,
    pub(crate) options: Vec<EntryOption>,
    pub(crate) body: Option<Body>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) version: VersionSpec,
    pub(crate) version_pos: Pos,
    /// `None` stands for `*`.
    pub(crate) status: Option<u64>,
    pub(crate) status_pos: Pos,
    pub(crate) headers: Vec<KeyValue>,
    pub(crate) captures: Vec<Capture>,
    pub(crate) asserts: Vec<Assert>,
    pub(crate) body: Option<Body>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionSpec {
    Any,
    V10,
    V11,
    V2,
    V3,
}

#[derive(Clone, Debug)]
pub(crate) struct KeyValue {
    pub(crate) key: Template,
    pub(crate) value: Template,
    /// The line as written, without comment.
    pub(crate) source: String,
}

#[derive(Debug)]
pub(crate) enum MultipartParam {
    Text(KeyValue),
    File {
        key: Template,
        filename: Template,
        content_type: Option<Template>,
    },
}

/// Text with placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub(crate) pos: Pos,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(String),
    Expr(Expr),
}

/// What stands between `{{` and `}}`.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) pos: Pos,
    pub(crate) kind: ExprKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Variable(String),
    NewDate,
    NewUuid,
}

impl Template {
    /// The text, if there is no placeholder in it.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Body {
    /// Where a failed comparison is reported.
    pub(crate) pos: Pos,
    pub(crate) kind: BodyKind,
}

#[derive(Clone, Debug)]
pub(crate) enum BodyKind {
    Text(Template),
    JsonText(Template),
    XmlText(Template),
    Raw(String),
    GraphQl {
        query: Template,
        variables: Option<Vec<JsonPart>>,
    },
    Json(Vec<JsonPart>),
    Xml(String),
    Bytes(Vec<u8>),
    File(Template),
}

/// A piece of a JSON text: what is written as it stands, and what is put in.
#[derive(Clone, Debug)]
pub(crate) enum JsonPart {
    Text(String),
    /// Inside a string: the value is escaped.
    InString(Expr),
    /// In place of a value: must render as a number, boolean or null.
    Bare(Expr),
}

#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) name: Template,
    pub(crate) query: Query,
    pub(crate) filters: Vec<Filter>,
    pub(crate) redact: bool,
}

#[derive(Debug)]
pub(crate) struct Assert {
    pub(crate) query: Query,
    pub(crate) filters: Vec<Filter>,
    pub(crate) predicate: Predicate,
    /// The assert as written.
    pub(crate) source: String,
}

#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) pos: Pos,
    pub(crate) kind: QueryKind,
}

#[derive(Debug)]
pub(crate) enum QueryKind {
    Status,
    Version,
    Url,
    Header(Template),
    Cookie {
        name: Template,
        attribute: CookieAttribute,
    },
    Body,
    XPath(Pattern<XPath>),
    JsonPath(Pattern<JsonPath>),
    Regex(Pattern<Regex>),
    Variable(Template),
    Duration,
    Bytes,
    RawBytes,
    Sha256,
    Md5,
    /// Read so that it can be refused; its field matters to nobody.
    Certificate,
    Ip,
    Redirects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieAttribute {
    Value,
    Expires,
    MaxAge,
    Domain,
    Path,
    Secure,
    HttpOnly,
    SameSite,
}

/// An expression in another language, compiled when the file is read if it has no placeholder. One that does
/// not compile fails the entry that uses it, not the file: so says the published tool.
#[derive(Debug)]
pub(crate) struct Pattern<T> {
    pub(crate) template: Template,
    pub(crate) compiled: Option<Result<T, Invalid>>,
}

/// The expression does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

impl<T> Pattern<T> {
    pub(super) fn new(template: Template, compile: impl FnOnce(&str) -> Result<T, Invalid>) -> Pattern<T> {
        let compiled = template.constant().map(compile);
        Pattern { template, compiled }
    }
}

#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) pos: Pos,
    pub(crate) kind: FilterKind,
}

#[derive(Debug)]
pub(crate) enum FilterKind {
    Base64Decode,
    Base64Encode,
    Base64UrlSafeDecode,
    Base64UrlSafeEncode,
    CharsetDecode(Template),
    Count,
    DateFormat(Template),
    DaysAfterNow,
    DaysBeforeNow,
    First,
    HtmlEscape,
    HtmlUnescape,
    JsonPath(Pattern<JsonPath>),
    Last,
    Location,
    Nth(Setting<i64>),
    Regex(Pattern<Regex>),
    Replace { old: Template, new: Template },
    ReplaceRegex { pattern: Pattern<Regex>, new: Template },
    Split(Template),
    ToDate(Template),
    ToFloat,
    ToHex,
    ToInt,
    ToString,
    UrlDecode,
    UrlEncode,
    UrlQueryParam(Template),
    Utf8Decode,
    Utf8Encode,
    XPath(Pattern<XPath>),
}

#[derive(Debug)]
pub(crate) struct Predicate {
    pub(crate) not: bool,
    /// Where the operator stands; a failed assert is reported there.
    pub(crate) pos: Pos,
    pub(crate) kind: PredicateKind,
}

#[derive(Debug)]
pub(crate) enum PredicateKind {
    Equal(PredicateValue),
    NotEqual(PredicateValue),
    Greater(PredicateValue),
    GreaterOrEqual(PredicateValue),
    Less(PredicateValue),
    LessOrEqual(PredicateValue),
    StartsWith(PredicateValue),
    EndsWith(PredicateValue),
    Contains(PredicateValue),
    Includes(PredicateValue),
    Matches(PredicateValue),
    IsInteger,
    IsFloat,
    IsBoolean,
    IsString,
    IsCollection,
    IsList,
    IsObject,
    IsDate,
    IsIsoDate,
    Exists,
    IsEmpty,
    IsNumber,
    IsIpv4,
    IsIpv6,
    IsUuid,
}

#[derive(Debug)]
pub(crate) enum PredicateValue {
    Literal(Value),
    Template(Template),
    Multiline(BodyKind),
    File(Template),
    Expr(Expr),
    Regex(Regex),
}

/// A value that is written out, or stands in a variable.
#[derive(Clone, Debug)]
pub(crate) enum Setting<T> {
    Literal(T),
    Expr(Expr),
}

#[derive(Debug)]
pub(crate) struct EntryOption {
    pub(crate) pos: Pos,
    pub(crate) name: &'static str,
    pub(crate) value: OptionValue,
}

#[derive(Debug)]
pub(crate) enum OptionValue {
    Text(Template),
    Bool(Setting<bool>),
    /// In milliseconds.
    Duration(Setting<u64>),
    /// Only `limit-rate` has one, and it is refused.
    Natural,
    Count(Setting<Count>),
    Variable {
        name: String,
        value: VariableValue,
    },
    /// `brief`, `verbose` or `debug`: says how much the published tool prints.
    Verbosity,
}

#[derive(Debug)]
pub(crate) enum VariableValue {
    Literal(Value),
    Template(Template),
}
