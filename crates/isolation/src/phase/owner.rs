//! A foreign owner in the body of what makes or changes one's own: does it turn up with him?

use std::sync::Arc;

use super::{own_vars, with_query};
use crate::Error;
use crate::assign::{as_json, with_field, with_relationship};
use crate::check::{Cast, Seen};
use crate::config::Operation;
use crate::exchange::{Exchange, Request};
use crate::ledger::{Audience, Who};
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// Names under which services take an owner from a body.
const OWNERS: [&str; 10] = [
    "owner_id",
    "owner",
    "ownerId",
    "user_id",
    "userId",
    "user",
    "author_id",
    "created_by",
    "account_id",
    "tenant_id",
];

/// Those of them that may hold a name as well as an id.
const BY_NAME: [&str; 3] = ["owner", "user", "created_by"];

/// Relationships by which JSON:API names an owner.
const RELATIONSHIPS: [&str; 3] = ["owner", "user", "author"];

/// A foreign owner in the body of a create.
pub async fn created(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    match &config.resources[at].create {
        Some(create) => assigned(run, cast, at, create).await,
        None => Ok(Seen::default()),
    }
}

/// A foreign owner in the body of an update of one's own.
pub async fn updated(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    match &config.resources[at].update {
        Some(update) => assigned(run, cast, at, update).await,
        None => Ok(Seen::default()),
    }
}

async fn assigned(run: &mut Run, cast: Cast, at: usize, operation: &Operation) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    if let Some(note) = seen_by_both(run, cast, at, operation) {
        return Ok(note);
    }
    let ids = own_vars(run, cast.owner);
    let assigned = assignments(operation, &ids);
    if assigned.is_empty() {
        return Ok(Seen::missing(format!(
            "no owner can be added to the body of {}: it is neither a JSON object nor a form",
            operation.label()
        )));
    }
    let mine = run.create(cast.other, at).await?;
    let Some(looks) = looks(run, cast.owner, &mine).await? else {
        return Ok(Seen::missing(format!(
            "nothing shows who owns a `{}`: give it a `list`, or a `read` that is refused to others",
            resource.name
        )));
    };
    if resource.update.as_ref() == Some(operation) {
        give_away(run, cast, mine, &assigned, &looks).await?;
    } else {
        for operation in &assigned {
            let made = attempt(run, cast.other, operation, &mine.vars).await?;
            let mut vars = mine.vars.clone();
            // What is refused was not believed.
            if operation.succeeds(made.answer.status) {
                vars.extend(resource.vars_of_made(&made.answer).unwrap_or_default());
                look(run, cast.owner, &looks, &vars).await?;
            }
        }
    }
    Ok(Seen {
        notes: by_name_alone(&ids),
        ..Seen::default()
    })
}

/// Changes one's own thing under every name of an owner. Once it has been changed it may be nobody's any more: what is
/// refused then is tried again on another one.
async fn give_away(
    run: &mut Run,
    cast: Cast,
    mut mine: Object,
    assigned: &[Operation],
    looks: &Looks,
) -> Result<(), Error> {
    let mut changed = false;
    for operation in assigned {
        let mut answered = attempt(run, cast.other, operation, &mine.vars).await?;
        if changed && !operation.succeeds(answered.answer.status) {
            mine = run.create(cast.other, mine.resource).await?;
            answered = attempt(run, cast.other, operation, &mine.vars).await?;
        }
        changed = operation.succeeds(answered.answer.status);
        if changed {
            look(run, cast.owner, looks, &mine.vars).await?;
        }
    }
    Ok(())
}

/// Where both may see it, what the other one sees says nothing about its owner.
fn seen_by_both(run: &Run, cast: Cast, at: usize, operation: &Operation) -> Option<Seen> {
    let resource = &run.config.resources[at];
    if let Audience::Only(members) = run.audience(cast.other, resource.visibility)
        && !members.contains(&cast.owner)
    {
        return None;
    }
    let note = format!(
        "an owner in the body of {} was not tried: whoever asks may see a `{}`",
        operation.label(),
        resource.name
    );
    Some(Seen {
        notes: vec![note],
        ..Seen::default()
    })
}

/// The operation with the owner under every name, in every place.
fn assignments(operation: &Operation, ids: &Vars) -> Vec<Operation> {
    let mut assigned = Vec::new();
    for field in OWNERS {
        for id in values(field, ids) {
            assigned.extend(with_field(operation, field, &as_json(id)));
        }
    }
    for name in RELATIONSHIPS {
        let id = ids.get("user_id").or_else(|| ids.get("id"));
        assigned.extend(id.and_then(|id| with_relationship(operation, name, id)));
    }
    assigned
}

/// What a field may hold: an id, and where that is usual a name as well.
fn values<'a>(field: &str, ids: &'a Vars) -> Vec<&'a String> {
    let id = ids.get("user_id").or_else(|| ids.get("id"));
    let name = ids.get("username").filter(|_| BY_NAME.contains(&field));
    name.into_iter().chain(id).collect()
}

/// The owners that are known by no id can only be named.
fn by_name_alone(ids: &Vars) -> Vec<String> {
    if ids.contains_key("user_id") || ids.contains_key("id") {
        return Vec::new();
    }
    let note =
        "owners in bodies were tried by name alone: no step of `register` or `login` captures a `user_id`";
    vec![note.to_owned()]
}

/// How somebody sees whether a thing has become his.
struct Looks {
    list: Option<Operation>,
    read: Option<Operation>,
}

/// The list of what is one's own, and the read where it is refused to a stranger; `None` where there is neither.
async fn looks(run: &mut Run, who: Who, foreign: &Object) -> Result<Option<Looks>, Error> {
    let config = run.config.clone();
    let resource = &config.resources[foreign.resource];
    let mut read = resource.read.clone();
    if let Some(operation) = &resource.read {
        let before = run
            .call(Rule::AccessRead, Some(who), operation, &foreign.vars)
            .await?;
        read = read.filter(|_| !run.shows(&before, foreign));
    }
    let list = resource.list.clone().filter(|_| resource.parent.is_none());
    Ok((list.is_some() || read.is_some()).then_some(Looks { list, read }))
}

async fn look(run: &mut Run, who: Who, looks: &Looks, vars: &Vars) -> Result<(), Error> {
    if let Some(list) = &looks.list {
        run.call(Rule::AccessOwnerField, Some(who), list, &Vars::new())
            .await?;
        newest_page(run, who, list).await?;
    }
    if let Some(read) = &looks.read {
        run.call(Rule::AccessOwnerField, Some(who), read, vars).await?;
    }
    Ok(())
}

/// Says in a body that it is somebody else's.
async fn attempt(
    run: &mut Run,
    attacker: Who,
    operation: &Operation,
    vars: &Vars,
) -> Result<Arc<Exchange>, Error> {
    let (request, tokens) = run.fill(Some(attacker), operation, vars)?;
    for token in &tokens {
        run.ledger.register_attack(token, attacker);
    }
    let answered = run.send(Rule::AccessOwnerField, Some(attacker), request).await?;
    run.probed(Rule::AccessOwnerField, 1);
    Ok(answered)
}

/// The end of a list that may show the oldest first.
async fn newest_page(run: &mut Run, who: Who, list: &Operation) -> Result<(), Error> {
    let (request, _) = run.fill(Some(who), list, &Vars::new())?;
    let all = Request {
        path: with_query(&request.path, "limit", "500"),
        ..request
    };
    run.send(Rule::AccessOwnerField, Some(who), all).await?;
    Ok(())
}
