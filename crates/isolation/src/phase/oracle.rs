//! Telling what exists from what does not, without seeing it: by status, body or headers, or by a conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::RngExt;
use serde_json::Value;

use super::settled;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::{Operation, Policy};
use crate::exchange::{Exchange, Request};
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// Headers that differ from answer to answer everywhere.
const MOVING: [&str; 16] = [
    "date",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "x-trace-id",
    "traceparent",
    "server-timing",
    "x-runtime",
    "x-response-time",
    "age",
    "ratelimit",
    "ratelimit-remaining",
    "x-ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-reset",
    "content-length",
];

/// What a stranger can tell apart: status, headers, body; the id itself is no difference.
#[derive(Clone, Debug, PartialEq)]
struct Face {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Foreign ids against ids that never existed (and, where things can be deleted, against deleted ones): three of three
/// must differ from all of those before it counts. Time is another matter: `timing`.
pub async fn exists(run: &mut Run, cast: Cast, at: usize, index: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(operation) = resource.reads().nth(index) else {
        return Ok(Seen::default());
    };
    let mut proof: Vec<Arc<Exchange>> = Vec::new();
    for _ in 0..3 {
        let object = run.create(cast.owner, at).await?;
        let Some(absent) = absent_vars(run, &object) else {
            return Ok(Seen::missing(format!(
                "no id like `{}` could be made up",
                object.vars.get("id").map_or("", String::as_str)
            )));
        };
        let Some(other) = absent_vars(run, &object) else {
            return Ok(Seen::default());
        };
        let faces = Faces {
            foreign: face(run, cast, operation, &object.vars).await?,
            first: face(run, cast, operation, &absent).await?,
            second: face(run, cast, operation, &other).await?,
        };
        run.probed(Rule::OracleExists, 1);
        let gone = deleted_face(run, cast, at, operation).await?;
        if !faces.tell(gone) {
            return Ok(Seen::default());
        }
        proof = vec![faces.foreign.1, faces.first.1];
    }
    let mut seen = Seen::default();
    let proof: Vec<_> = proof.iter().collect();
    let what = format!(
        "{} answers a foreign id otherwise than one that never existed",
        operation.label()
    );
    seen.broken(Rule::OracleExists, what, &proof);
    Ok(seen)
}

/// A foreign id's face beside those of two ids that never existed, each with the exchange it is of.
struct Faces {
    foreign: (Face, Arc<Exchange>),
    first: (Face, Arc<Exchange>),
    second: (Face, Arc<Exchange>),
}

impl Faces {
    /// Says whether they tell the foreign id from those that never existed, and from one that is `gone`.
    fn tell(&self, gone: Option<Face>) -> bool {
        let (foreign, first, second) = (&self.foreign.0, &self.first.0, &self.second.0);
        let trouble = [&self.foreign, &self.first, &self.second]
            .iter()
            .any(|(_, exchange)| exchange.answer.is_trouble());
        // An id that is refused as malformed is not the same kind of id: nothing can be said.
        let malformed = first.status == 400 || first.status == 422;
        if trouble || malformed || first.status != second.status {
            return false;
        }
        let unsteady = unsteady(first, second);
        let mut references = [first, second].into_iter().chain(&gone);
        !references.any(|reference| same(foreign, reference, &unsteady))
    }
}

async fn face(
    run: &mut Run,
    cast: Cast,
    operation: &Operation,
    vars: &Vars,
) -> Result<(Face, Arc<Exchange>), Error> {
    let policy = run.config.policy.clone();
    // The stranger lacks the right, so nothing of the body is his; what leaks is scanned as everywhere.
    let answered = run
        .call(Rule::AccessRead, Some(cast.other), operation, vars)
        .await?;
    let id = vars.get("id").cloned().unwrap_or_default();
    Ok((make_face(&policy, &answered, &id), answered))
}

fn make_face(policy: &Policy, answered: &Exchange, id: &str) -> Face {
    let hide = |text: &str| {
        if id.len() < 3 {
            text.to_owned()
        } else {
            text.replace(id, "ID")
        }
    };
    let moving = |name: &str| {
        MOVING.contains(&name)
            || policy
                .volatile_headers
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    };
    let headers = answered.answer.headers.iter().filter(|(name, _)| !moving(name));
    let headers = headers
        .map(|(name, value)| {
            (
                name.clone(),
                if name == "set-cookie" {
                    String::new()
                } else {
                    hide(value)
                },
            )
        })
        .collect();
    let text = hide(&settled(policy, answered).to_string());
    Face {
        status: answered.answer.status,
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

/// Header names and body fields that differ already between two ids that never existed.
fn unsteady(one: &Face, two: &Face) -> BTreeSet<String> {
    let names = one.headers.keys().chain(two.headers.keys());
    let headers = names
        .filter(|name| one.headers.get(*name) != two.headers.get(*name))
        .cloned();
    let mut moving: BTreeSet<String> = headers.collect();
    if let (Value::Object(one), Value::Object(two)) = (&one.body, &two.body) {
        moving.extend(
            one.iter()
                .filter(|(name, value)| two.get(*name) != Some(value))
                .map(|(name, _)| format!("/{name}")),
        );
    } else if one.body != two.body {
        moving.insert("/".to_owned());
    }
    moving
}

fn same(one: &Face, two: &Face, moving: &BTreeSet<String>) -> bool {
    let steady = |face: &Face| -> BTreeMap<String, String> {
        face.headers
            .iter()
            .filter(|(name, _)| !moving.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let body = |face: &Face| match &face.body {
        _ if moving.contains("/") => Value::Null,
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !moving.contains(&format!("/{name}")))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        other => other.clone(),
    };
    one.status == two.status && steady(one) == steady(two) && body(one) == body(two)
}

async fn deleted_face(
    run: &mut Run,
    cast: Cast,
    at: usize,
    operation: &Operation,
) -> Result<Option<Face>, Error> {
    let config = run.config.clone();
    let Some(delete) = &config.resources[at].delete else {
        return Ok(None);
    };
    let object = run.create(cast.owner, at).await?;
    let answered = run
        .call(Rule::PoolAnswer, Some(cast.owner), delete, &object.vars)
        .await?;
    if !delete.succeeds(answered.answer.status) {
        return Ok(None);
    }
    Ok(Some(face(run, cast, operation, &object.vars).await?.0))
}

/// The object's variables with an id of the same make that never existed.
pub fn absent_vars(run: &mut Run, object: &Object) -> Option<Vars> {
    let mut vars = object.vars.clone();
    let id = vars.get("id")?.clone();
    let known = &run.config.resources[object.resource].absent;
    let other = match known.len() {
        0 => absent_id(run, &id)?,
        len => known[run.rng.random_range(0..len)].clone(),
    };
    // Captured names (files, slugs) are ids too.
    let names: Vec<String> = vars
        .keys()
        .filter(|name| !name.contains('.') && *name != "id")
        .cloned()
        .collect();
    for name in names {
        if let Some(other) = vars.get(&name).cloned().and_then(|value| absent_id(run, &value)) {
            vars.insert(name, other);
        }
    }
    vars.insert("id".to_owned(), other);
    Some(vars)
}

/// Replaces each run of digits and letters by random ones of the same class; a short number becomes a large one of the same length or one digit more.
fn absent_id(run: &mut Run, id: &str) -> Option<String> {
    if id.is_empty() {
        return None;
    }
    if let Ok(number) = id.parse::<u64>() {
        let far = number.checked_add(run.rng.random_range(700_000..900_000))?;
        return Some(far.to_string());
    }
    if id.len() == 36 && id.matches('-').count() == 4 {
        let fresh = crate::template::uuid(&mut run.rng);
        // The version digit stays, in case it is checked.
        return Some(format!("{}{}{}", &fresh[..14], &id[14..15], &fresh[15..]));
    }
    let hex = id
        .chars()
        .all(|c| !c.is_ascii_alphabetic() || matches!(c, 'a'..='f' | 'A'..='F'));
    let tail = id.len().saturating_sub(16);
    let changed = id.char_indices().map(|(at, c)| {
        let letters = if hex { 6 } else { 26 };
        match c {
            _ if at < tail => c,
            '0'..='9' => char::from(b'0' + run.rng.random_range(0..10u8)),
            'a'..='z' => char::from(b'a' + run.rng.random_range(0..letters)),
            'A'..='Z' => char::from(b'A' + run.rng.random_range(0..letters)),
            other => other,
        }
    });
    let changed: String = changed.collect();
    (changed != id).then_some(changed)
}

/// Somebody makes exactly what somebody else has made: a refusal tells him so. Three of three must be refused where a fresh one is not.
pub async fn conflict(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(create) = &resource.create else {
        return Ok(Seen::default());
    };
    let mut proof = Vec::new();
    for _ in 0..3 {
        let object = run.create(cast.owner, at).await?;
        let Some(made) = run.ledger.objects[object.id].made.clone() else {
            return Ok(Seen::default());
        };
        let mine = run.create(cast.other, at).await?;
        let request = repeated(run, &made.request, &mine);
        let same = run.send(Rule::OracleConflict, Some(cast.other), request).await?;
        run.probed(Rule::OracleConflict, 1);
        if same.answer.is_trouble() || create.succeeds(same.answer.status) {
            return Ok(Seen::default());
        }
        proof = vec![made, same];
    }
    let mut seen = Seen::default();
    let proof: Vec<_> = proof.iter().collect();
    let what = format!(
        "{} refuses what somebody else has made, and so tells that he has",
        create.label()
    );
    seen.broken(Rule::OracleConflict, what, &proof);
    Ok(seen)
}

/// The request that made something, without its maker's credentials and where somebody else has made his own.
fn repeated(run: &Run, request: &Request, mine: &Object) -> Request {
    let path = run.ledger.objects[mine.id]
        .made
        .as_ref()
        .map(|made| made.request.path.clone())
        .unwrap_or_default();
    let plain = ["content-type"];
    let headers = request
        .headers
        .iter()
        .filter(|(name, _)| plain.contains(&name.as_str()))
        .cloned()
        .collect();
    Request {
        path,
        headers,
        ..request.clone()
    }
}
