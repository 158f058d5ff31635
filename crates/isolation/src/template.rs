//! Templates: `{{name}}` in paths, headers and bodies, and the canaries they mint.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::Error;
use crate::config::Operation;
use crate::exchange::Request;
use crate::ledger::canary;

/// Names and values for templates.
pub type Vars = BTreeMap<String, String>;

/// How long the values are that canaries are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// One canary.
    Short,
    /// One at the head and one at the tail.
    Medium,
    /// Head, a middle that repeats a third one, and tail: any cut of 32 characters shows whose it is.
    Long,
}

/// Makes the values for `{{canary}}` and remembers them.
#[derive(Debug)]
pub struct Mint<'a> {
    /// Source of randomness.
    pub rng: &'a mut ChaCha8Rng,
    /// Length of values that may have any length.
    pub size: Size,
    /// The canaries that were made.
    pub tokens: Vec<String>,
}

impl<'a> Mint<'a> {
    /// A mint that has made nothing yet.
    pub fn new(rng: &'a mut ChaCha8Rng, size: Size) -> Self {
        Self {
            rng,
            size,
            tokens: Vec::new(),
        }
    }

    fn value(&mut self, wish: &str) -> String {
        let most = wish.parse().unwrap_or(usize::MAX);
        let size = match wish {
            "short" => Size::Short,
            "long" => Size::Long,
            _ => self.size,
        };
        let text = match size {
            _ if most < 41 => self.token(),
            Size::Short => self.token(),
            Size::Long if most >= 900 => {
                let (head, middle, tail) = (self.token(), self.token(), self.token());
                format!("{head} {} {tail}", vec![middle; 40].join(" "))
            }
            Size::Medium | Size::Long => format!("{} {}", self.token(), self.token()),
        };
        text.chars().take(most).collect()
    }

    fn token(&mut self) -> String {
        let token = canary(self.rng);
        self.tokens.push(token.clone());
        token
    }
}

/// How a value is written where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Path,
}

/// Builds a request from an operation. Values in paths are percent-encoded, except `{{raw:name}}`.
///
/// # Errors
/// [`Error::Variable`] when a name is not known.
pub fn request(operation: &Operation, vars: &Vars, mint: &mut Mint<'_>) -> Result<Request, Error> {
    let mut headers = Vec::new();
    let body = body(operation, vars, mint, &mut headers)?;
    for (name, value) in &operation.headers {
        headers.push((name.to_lowercase(), fill(value, vars, mint, Place::Plain)?));
    }
    let path = fill(&operation.path, vars, mint, Place::Path)?;
    Ok(Request {
        method: operation.method.clone(),
        path,
        headers,
        body,
        address: 0,
    })
}

/// Fills one text.
///
/// # Errors
/// [`Error::Variable`] when a name is not known.
pub fn text(template: &str, vars: &Vars, mint: &mut Mint<'_>) -> Result<String, Error> {
    fill(template, vars, mint, Place::Plain)
}

/// Percent-encodes everything that is not unreserved (RFC 3986, section 2.3).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn body(
    operation: &Operation,
    vars: &Vars,
    mint: &mut Mint<'_>,
    headers: &mut Vec<(String, String)>,
) -> Result<Bytes, Error> {
    let mut typed = |kind: &str| {
        if !operation
            .headers
            .keys()
            .any(|name| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
    };
    if let Some(json) = &operation.json {
        typed("application/json");
        return Ok(value(json, vars, mint)?.to_string().into());
    }
    if !operation.form.is_empty() {
        typed("application/x-www-form-urlencoded");
        let mut pairs = Vec::new();
        for (name, value) in &operation.form {
            pairs.push(format!(
                "{}={}",
                encode(name),
                fill(value, vars, mint, Place::Path)?
            ));
        }
        return Ok(pairs.join("&").into());
    }
    match &operation.text {
        Some(text) => Ok(fill(text, vars, mint, Place::Plain)?.into()),
        None => Ok(Bytes::new()),
    }
}

fn value(template: &Value, vars: &Vars, mint: &mut Mint<'_>) -> Result<Value, Error> {
    Ok(match template {
        Value::String(text) => string(text, vars, mint)?,
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| value(item, vars, mint))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(name, inner)| Ok((name.clone(), value(inner, vars, mint)?)));
            Value::Object(filled.collect::<Result<_, Error>>()?)
        }
        other => other.clone(),
    })
}

/// A string of a JSON body; `{{number:name}}` alone becomes a number (or whatever JSON the value is).
fn string(template: &str, vars: &Vars, mint: &mut Mint<'_>) -> Result<Value, Error> {
    let number = template
        .strip_prefix("{{number:")
        .and_then(|rest| rest.strip_suffix("}}"));
    let filled = match number {
        Some(name) => fill(&format!("{{{{{name}}}}}"), vars, mint, Place::Plain)?,
        None => fill(template, vars, mint, Place::Plain)?,
    };
    if number.is_some() {
        return Ok(serde_json::from_str(&filled).unwrap_or(Value::String(filled)));
    }
    Ok(Value::String(filled))
}

fn fill(template: &str, vars: &Vars, mint: &mut Mint<'_>, place: Place) -> Result<String, Error> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        filled.push_str(before);
        let name = name.trim();
        let (raw, name) = name
            .strip_prefix("raw:")
            .map_or((false, name), |name| (true, name));
        let value = lookup(name, vars, mint).ok_or_else(|| Error::Variable {
            variable: name.to_owned(),
            template: template.to_owned(),
        })?;
        filled.push_str(&if place == Place::Path && !raw {
            encode(&value)
        } else {
            value
        });
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn lookup(name: &str, vars: &Vars, mint: &mut Mint<'_>) -> Option<String> {
    match name {
        "canary" => Some(mint.value("")),
        "unique" => Some(canary(mint.rng)[..WORD].to_owned()),
        "uuid" => Some(uuid(mint.rng)),
        "basic" => Some(STANDARD.encode(format!("{}:{}", vars.get("username")?, vars.get("password")?))),
        _ => match name.strip_prefix("canary:") {
            Some(wish) => Some(mint.value(wish)),
            None => vars.get(name).cloned(),
        },
    }
}

/// Length of `{{unique}}`: short enough for a slug, and too short to be taken for a canary.
const WORD: usize = 11;

/// A random UUID, version 4.
pub fn uuid(rng: &mut ChaCha8Rng) -> String {
    use rand::Rng;
    let (a, b) = (rng.next_u64(), rng.next_u64());
    let (a, b) = ((a & !0xf000) | 0x4000, (b & !(3 << 62)) | (1 << 63));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_request_is_filled_and_encoded() {
        let operation: Operation = toml::from_str::<std::collections::BTreeMap<String, Operation>>(
            r#"o = { path = "PUT /a/{{id}}?q={{raw:q}}", json = { n = "{{number:n}}", s = ["{{id}}"], c = "{{canary}}" } }"#,
        ).unwrap().remove("o").unwrap();
        let vars =
            Vars::from([("id", "ä/1"), ("q", "x=1"), ("n", "12")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut mint = Mint::new(&mut rng, Size::Medium);
        let request = request(&operation, &vars, &mut mint).unwrap();
        assert_eq!(request.method, "PUT");
        assert_eq!(request.path, "/a/%C3%A4%2F1?q=x=1");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["n"], 12);
        assert_eq!(body["s"][0], "ä/1");
        assert_eq!(body["c"], format!("{} {}", mint.tokens[0], mint.tokens[1]));
    }

    #[test]
    fn a_missing_variable_is_named() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let error = text("a {{nope}}", &Vars::new(), &mut Mint::new(&mut rng, Size::Short)).unwrap_err();
        assert!(error.to_string().contains("`nope`"), "{error}");
    }
}
