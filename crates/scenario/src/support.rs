//! What of the Hurl format is supported: one table, from which `docs/hurl.md` is generated, and the check that
//! refuses the rest before anything is sent.

use std::fmt::Write as _;

use crate::syntax::{
    Assert, Capture, Entry, EntryOption, File, OptionValue, Pos, Query, QueryKind, Setting, Step,
    option_names,
};

/// How an option is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Does what Hurl does.
    Full,
    /// Accepted; it says how much the `hurl` program prints, which is a matter of the report here.
    NoEffect,
    /// Refused before anything is sent, with the reason. `false` is accepted where the option is a switch.
    Refused(&'static str),
}

/// Something of the format, and how it is treated.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// The name in a Hurl file.
    pub name: &'static str,
    /// How it is treated.
    pub support: Support,
}

const REFUSED: [(&str, &str); 18] = [
    (
        "aws-sigv4",
        "requests are not signed for AWS; put the signed headers into variables",
    ),
    ("cert", "client certificates are not sent"),
    (
        "digest",
        "Digest authentication is not done; use Basic, or a token",
    ),
    ("fail-with-body", "assert the status instead"),
    ("http3", "HTTP/3 is not spoken"),
    ("key", "client certificates are not sent"),
    ("limit-rate", "transfers are not slowed down"),
    ("negotiate", "Negotiate (Kerberos) authentication is not done"),
    (
        "netrc",
        "credentials are not read from a netrc file; use `user` with variables",
    ),
    (
        "netrc-file",
        "credentials are not read from a netrc file; use `user` with variables",
    ),
    (
        "netrc-optional",
        "credentials are not read from a netrc file; use `user` with variables",
    ),
    ("ntlm", "NTLM authentication is not done"),
    ("output", "a run writes no files; the report has the answers"),
    (
        "pinnedpubkey",
        "public keys are not pinned; give the root with `cacert`",
    ),
    ("proxy", "requests do not go through a proxy"),
    ("unix-socket", "only TCP is spoken"),
    ("certificate", "the query `certificate` is not evaluated"),
    (
        "cookie_storage_set",
        "the comment command `@cookie_storage_set` is not carried out; use [Cookies]",
    ),
];

const NO_EFFECT: [&str; 3] = ["verbose", "verbosity", "very-verbose"];

fn refusal(name: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(refused, _)| *refused == name)
        .map(|(_, reason)| *reason)
}

/// All options of the format.
pub fn options() -> impl Iterator<Item = Feature> {
    option_names().map(|name| {
        let support = match refusal(name) {
            Some(reason) => Support::Refused(reason),
            None if NO_EFFECT.contains(&name) => Support::NoEffect,
            None => Support::Full,
        };
        Feature { name, support }
    })
}

/// All queries of the format.
pub fn queries() -> impl Iterator<Item = Feature> {
    const QUERIES: [&str; 18] = [
        "body",
        "bytes",
        "certificate",
        "cookie",
        "duration",
        "header",
        "ip",
        "jsonpath",
        "md5",
        "rawbytes",
        "redirects",
        "regex",
        "sha256",
        "status",
        "url",
        "variable",
        "version",
        "xpath",
    ];
    QUERIES.into_iter().map(|name| {
        let support = refusal(name).map_or(Support::Full, Support::Refused);
        Feature { name, support }
    })
}

/// The commands that Hurl reads in comments (`# @name`).
pub fn commands() -> impl Iterator<Item = Feature> {
    ["cookie_storage_clear", "cookie_storage_set"]
        .into_iter()
        .map(|name| {
            let support = refusal(name).map_or(Support::Full, Support::Refused);
            Feature { name, support }
        })
}

/// All filters of the format; every one is supported.
pub const FILTERS: [&str; 33] = [
    "base64Decode",
    "base64Encode",
    "base64UrlSafeDecode",
    "base64UrlSafeEncode",
    "charsetDecode",
    "count",
    "dateFormat",
    "daysAfterNow",
    "daysBeforeNow",
    "decode",
    "first",
    "format",
    "htmlEscape",
    "htmlUnescape",
    "jsonpath",
    "last",
    "location",
    "nth",
    "regex",
    "replace",
    "replaceRegex",
    "split",
    "toDate",
    "toFloat",
    "toHex",
    "toInt",
    "toString",
    "urlDecode",
    "urlEncode",
    "urlQueryParam",
    "utf8Decode",
    "utf8Encode",
    "xpath",
];

/// All predicates of the format; every one is supported.
pub const PREDICATES: [&str; 26] = [
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "startsWith",
    "endsWith",
    "contains",
    "includes",
    "matches",
    "exists",
    "isBoolean",
    "isCollection",
    "isDate",
    "isEmpty",
    "isFloat",
    "isInteger",
    "isIpv4",
    "isIpv6",
    "isIsoDate",
    "isList",
    "isNumber",
    "isObject",
    "isString",
    "isUuid",
];

/// A use of what is not supported.
pub(crate) struct Refusal {
    pub(crate) pos: Pos,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// Finds every use of what is not supported.
pub(crate) fn check(file: &File) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for Entry {
        request,
        response,
        websocket,
    } in &file.entries
    {
        refused.extend(request.options.iter().filter_map(check_option));
        if let Some(response) = response {
            let captures = response.captures.iter().map(|Capture { query, .. }| query);
            let asserts = response.asserts.iter().map(|Assert { query, .. }| query);
            refused.extend(captures.chain(asserts).filter_map(check_query));
        }
        let steps = websocket.iter().flatten();
        refused.extend(steps.filter_map(|step| match step {
            Step::Send(_) => None,
            Step::Expect(assert) | Step::Await(assert) => check_query(&assert.query),
        }));
    }
    for (pos, text) in &file.comments {
        if text.contains("@cookie_storage_set:") {
            refused.extend(refuse(*pos, "cookie_storage_set", "the command"));
        }
    }
    refused.sort_by_key(|refusal| refusal.pos);
    refused
}

fn refuse(pos: Pos, name: &str, what: &str) -> Option<Refusal> {
    let hint = refusal(name)?.to_string();
    Some(Refusal {
        pos,
        message: format!("{what} `{name}` is not supported"),
        hint,
    })
}

fn check_option(option: &EntryOption) -> Option<Refusal> {
    if matches!(option.value, OptionValue::Bool(Setting::Literal(false))) {
        return None;
    }
    refuse(option.pos, option.name, "the option")
}

fn check_query(query: &Query) -> Option<Refusal> {
    match query.kind {
        QueryKind::Certificate => refuse(query.pos, "certificate", "the query"),
        _ => None,
    }
}

/// The reference in Markdown; `docs/hurl.md` holds exactly this.
pub fn reference() -> String {
    let full = |names: &[&'static str]| {
        names
            .iter()
            .map(|name| Feature {
                name,
                support: Support::Full,
            })
            .collect::<Vec<_>>()
    };
    [
        include_str!("support_head.md").to_owned(),
        section("Options", &options().collect::<Vec<_>>()),
        section("Queries", &queries().collect::<Vec<_>>()),
        section("Filters", &full(&FILTERS)),
        section("Predicates", &full(&PREDICATES)),
        section("Comment commands", &commands().collect::<Vec<_>>()),
    ]
    .concat()
}

fn section(title: &str, features: &[Feature]) -> String {
    let names = |support: Support| -> Vec<&str> {
        let such = features.iter().filter(|f| f.support == support);
        such.map(|f| f.name).collect()
    };
    let full = names(Support::Full);
    let mut out = format!(
        "\n## {title} ({} of {})\n\n{}.\n",
        full.len(),
        features.len(),
        list(&full)
    );
    let quiet = names(Support::NoEffect);
    // Writing to a String cannot fail.
    if !quiet.is_empty() {
        let _ = write!(out, "\nAccepted, without effect on a run: {}.\n", list(&quiet));
    }
    let refused: Vec<_> = features
        .iter()
        .filter_map(|f| match f.support {
            Support::Refused(reason) => Some((f.name, reason)),
            _ => None,
        })
        .collect();
    if !refused.is_empty() {
        out.push_str("\n| refused | why, and what to do |\n| --- | --- |\n");
        for (name, reason) in refused {
            let _ = writeln!(out, "| `{name}` | {reason} |");
        }
    }
    out
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
