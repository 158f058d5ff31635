//! The checks, one file a family. Each does what its rule forbids, once, with the cast it is given, after seeing that the
//! lawful way works: without that positive control it proves nothing and says so.
//!
//! Foreign content in an answer needs no code here: every answer is scanned where it is received.

pub mod admin;
pub mod baseline;
pub mod cache;
pub mod errors;
pub mod interference;
pub mod lifetime;
pub mod lookalike;
pub mod moved;
pub mod nesting;
pub mod noise;
pub mod oracle;
pub mod own;
pub mod owner;
pub mod paging;
pub mod pool;
pub mod replay;
pub mod search;
pub mod sharing;
pub mod socket;
pub mod storm;
pub mod timing;

use std::sync::Arc;

use serde_json::Value;

use crate::Error;
use crate::check::Target;
use crate::config::{Operation, Policy};
use crate::exchange::Exchange;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// An operation that GETs something of the caller's, with the variables it needs.
pub struct Get {
    /// The operation.
    pub operation: Operation,
    /// Its variables.
    pub vars: Vars,
    /// What must come back, if that is known.
    pub object: Option<Object>,
}

/// Prepares a target for its owner: makes something where there must be something to see.
pub async fn prepare(run: &mut Run, owner: Who, target: Target) -> Result<Get, Error> {
    let config = run.config.clone();
    Ok(match target {
        Target::List(at) => {
            let object = run.create(owner, at).await?;
            let operation = config.resources[at].list.clone().unwrap_or_default();
            Get {
                operation,
                vars: object.vars.clone(),
                object: Some(object),
            }
        }
        Target::Read(at) => {
            let object = run.create(owner, at).await?;
            let operation = config.resources[at].read.clone().unwrap_or_default();
            Get {
                operation,
                vars: object.vars.clone(),
                object: Some(object),
            }
        }
        Target::View(at) => Get {
            operation: config.views[at].read.clone(),
            vars: own_vars(run, owner),
            object: None,
        },
    })
}

/// Somebody's variables that name him and are no secret: ids and names, not passwords and tokens.
pub fn own_vars(run: &Run, who: Who) -> Vars {
    let secret = |value: &String| {
        run.ledger
            .secrets
            .iter()
            .any(|secret| secret.text == *value && secret.kind == crate::ledger::Kind::Credential)
    };
    let vars = run.people[who]
        .vars
        .iter()
        .filter(|(name, value)| *name != "password" && !secret(value));
    vars.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The rule under which a target's own answers are judged.
pub fn own_rule(target: Target) -> Rule {
    match target {
        Target::List(_) => Rule::PagingList,
        Target::View(_) => Rule::AccessView,
        Target::Read(_) => Rule::PoolAnswer,
    }
}

/// Adds a query to a path that may have one.
pub fn with_query(path: &str, name: &str, value: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!(
        "{path}{joint}{}={}",
        crate::template::encode(name),
        crate::template::encode(value)
    )
}

/// An answer's body without what moves by itself.
pub fn settled(policy: &Policy, exchange: &Exchange) -> Value {
    let mut json = serde_json::from_slice(&exchange.answer.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&exchange.answer.body).into_owned()));
    remove_volatile(policy, &mut json);
    json
}

fn remove_volatile(policy: &Policy, json: &mut Value) {
    const ALWAYS: [&str; 8] = [
        "request_id",
        "requestId",
        "trace_id",
        "traceId",
        "timestamp",
        "updated_at",
        "updatedAt",
        "instance",
    ];
    match json {
        Value::Object(fields) => {
            fields.retain(|name, _| !ALWAYS.contains(&name.as_str()) && !policy.volatile.contains(name));
            fields
                .values_mut()
                .for_each(|inner| remove_volatile(policy, inner));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| remove_volatile(policy, inner)),
        _ => {}
    }
}

/// The owner's view of an object, without what moves by itself: two reads that agree, or nothing.
pub async fn steady_view(
    run: &mut Run,
    object: &Object,
    read: &Operation,
) -> Result<Option<(Value, Arc<Exchange>)>, Error> {
    let policy = run.config.policy.clone();
    let mut before: Option<Value> = None;
    for _ in 0..4 {
        let exchange = run
            .call(Rule::PoolAnswer, Some(object.owner), read, &object.vars)
            .await?;
        if exchange.answer.is_trouble() {
            continue;
        }
        let now = settled(&policy, &exchange);
        if before.as_ref() == Some(&now) {
            return Ok(Some((now, exchange)));
        }
        before = Some(now);
    }
    Ok(None)
}
