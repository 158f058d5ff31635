//! A captured id where it does not belong: in a query, in a header. As an owner in a body: [`super::owner`].

use std::collections::BTreeMap;

use super::{Get, own_rule, own_vars, prepare, with_query};
use crate::Error;
use crate::check::{Cast, Seen, Target};
use crate::exchange::Request;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::Run;

/// Names under which services take a user's or object's id from a query.
const QUERY: [&str; 18] = [
    "user_id",
    "userId",
    "user",
    "owner_id",
    "owner",
    "ownerId",
    "account_id",
    "account",
    "author",
    "tenant_id",
    "tenant",
    "workspace_id",
    "customer_id",
    "username",
    "id",
    "ids",
    "as",
    "on_behalf_of",
];

/// Headers by which services behind a gateway are told who asks.
const HEADERS: [&str; 14] = [
    "x-user-id",
    "x-user",
    "x-username",
    "x-forwarded-user",
    "x-remote-user",
    "x-authenticated-user",
    "x-auth-user",
    "x-account-id",
    "x-tenant-id",
    "x-tenant",
    "x-workspace-id",
    "x-customer-id",
    "x-impersonate",
    "x-original-user",
];

/// Foreign ids in query and headers of what gives the caller's own.
pub async fn moved(run: &mut Run, cast: Cast, target: Target) -> Result<Seen, Error> {
    let owner = prepare(run, cast.owner, target).await?;
    let mine = prepare(run, cast.other, target).await?;
    let control = run
        .call(own_rule(target), Some(cast.other), &mine.operation, &mine.vars)
        .await?;
    if !mine.operation.succeeds(control.answer.status) {
        return Ok(Seen::missing(format!(
            "{} was answered {}",
            mine.operation.label(),
            control.answer.status
        )));
    }
    let ids = foreign_ids(run, cast.owner, &owner);
    let (request, _) = run.fill(Some(cast.other), &mine.operation, &mine.vars)?;
    for (name, value) in &ids {
        let moved = in_query(&request, name, value)
            .into_iter()
            .chain(in_headers(&request, value));
        for moved in moved {
            run.send(Rule::AccessMovedId, Some(cast.other), moved).await?;
            run.probed(Rule::AccessMovedId, 1);
        }
    }
    Ok(Seen::default())
}

/// A request with an id in its query, once under each name that fits.
fn in_query(request: &Request, name: &str, value: &str) -> Vec<Request> {
    QUERY
        .into_iter()
        .filter(|known| fits(known, name))
        .chain([name])
        .map(|query| Request {
            path: with_query(&request.path, query, value),
            ..request.clone()
        })
        .collect()
}

/// A request with an id in its headers, once under each name; none where it cannot stand in a header.
fn in_headers(request: &Request, value: &str) -> Vec<Request> {
    let Ok(value) = hyper::header::HeaderValue::from_str(value) else {
        return Vec::new();
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    HEADERS
        .into_iter()
        .map(|header| {
            let mut moved = request.clone();
            moved.headers.push((header.to_owned(), value.to_string()));
            moved
        })
        .collect()
}

/// Ids and names that say whose it is, each once.
fn foreign_ids(run: &Run, owner: Who, get: &Get) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for (name, value) in own_vars(run, owner) {
        // A session's id says nothing about whose things they are.
        if name != "email" && !name.contains("session") && !ids.values().any(|known| *known == value) {
            ids.insert(name, value);
        }
    }
    if let Some(id) = get.object.as_ref().and_then(|object| object.vars.get("id")) {
        ids.insert("id".to_owned(), id.clone());
    }
    ids
}

/// An object's id goes into `id` and `ids` only; whoever is somebody goes everywhere.
fn fits(query: &str, name: &str) -> bool {
    (name == "id") == ["id", "ids"].contains(&query) || name != "id"
}
