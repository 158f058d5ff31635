//! A captured id in somebody else's hands: read, changed, deleted, moved to query, header and body.

use std::sync::Arc;

use super::{own_vars, settled, steady_view};
use crate::Error;
use crate::assign::{as_json, with_field};
use crate::check::{Cast, Seen};
use crate::config::{Operation, Resource};
use crate::exchange::{Exchange, Request};
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// Operations that change one object by its id.
pub fn changes(resource: &Resource) -> Vec<&Operation> {
    resource
        .update
        .iter()
        .chain(&resource.publish)
        .chain(&resource.share)
        .chain(&resource.actions)
        .collect()
}

/// A stranger and nobody read by a foreign id.
pub async fn read(run: &mut Run, cast: Cast, at: usize, index: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let Some(operation) = config.resources[at].reads().nth(index) else {
        return Ok(Seen::default());
    };
    seed_for_export(run, cast.owner, at).await?;
    let object = run.create(cast.owner, at).await?;
    let Some(own) = control(
        run,
        &object,
        operation,
        index == 0 && config.resources[at].read.is_some(),
    )
    .await?
    else {
        return Ok(Seen::missing(format!(
            "the owner's own {} does not give what was written",
            operation.label()
        )));
    };
    let mut seen = Seen::default();
    for (rule, who) in [
        (Rule::AccessRead, Some(cast.other)),
        (Rule::AccessAnonymous, None),
    ] {
        let (request, _) = run.fill(Some(cast.other), operation, &object.vars)?;
        let answered = run.send(rule, who, request.clone()).await?;
        run.probed(rule, 1);
        same_content(run, &mut seen, rule, &object, operation, &own, &answered).await?;
        disguised(run, rule, who, request).await?;
    }
    Ok(seen)
}

/// The same read by other names of its path, and by another method.
async fn disguised(run: &mut Run, rule: Rule, who: Option<Who>, request: Request) -> Result<(), Error> {
    for ending in ["/", ".json", "?_method=GET"] {
        if request.path.contains('?') {
            break;
        }
        let tricked = Request {
            path: format!("{}{ending}", request.path),
            ..request.clone()
        };
        run.send(rule, who, tricked).await?;
    }
    let head = Request {
        method: "HEAD".into(),
        ..request
    };
    run.send(rule, who, head).await?;
    Ok(())
}

/// The second oracle, for content without canaries: the stranger got exactly the owner's answer, and an absent id gives another.
async fn same_content(
    run: &mut Run,
    seen: &mut Seen,
    rule: Rule,
    object: &Object,
    operation: &Operation,
    own: &Arc<Exchange>,
    answered: &Arc<Exchange>,
) -> Result<(), Error> {
    let policy = run.config.policy.clone();
    let known = run
        .ledger
        .has_object(&run.ledger.scan(&answered.answer.body), object.id);
    if known
        || !answered.answer.ok()
        || own.answer.body.len() < 20
        || settled(&policy, own) != settled(&policy, answered)
    {
        return Ok(());
    }
    let Some(absent) = super::oracle::absent_vars(run, object) else {
        return Ok(());
    };
    let absent = run.call(rule, answered.who, operation, &absent).await?;
    if settled(&policy, &absent) != settled(&policy, answered) {
        let made = run.ledger.objects[object.id].made.clone();
        let proof: Vec<_> = made.iter().chain([own, answered]).collect();
        seen.broken(
            rule,
            format!("{} gave exactly what its owner is given", operation.label()),
            &proof,
        );
    }
    Ok(())
}

/// The owner's own read; `None` if it fails, or if it must give what was written and does not.
async fn control(
    run: &mut Run,
    object: &Object,
    operation: &Operation,
    content: bool,
) -> Result<Option<Arc<Exchange>>, Error> {
    if content && !object.tokens.is_empty() && !run.reads_back(object, operation).await? {
        return Ok(None);
    }
    let own = run
        .call(Rule::PoolAnswer, Some(object.owner), operation, &object.vars)
        .await?;
    Ok(operation.succeeds(own.answer.status).then_some(own))
}

/// An export shows what other resources hold: there must be something.
pub async fn seed_for_export(run: &mut Run, who: Who, at: usize) -> Result<(), Error> {
    let config = run.config.clone();
    for name in &config.resources[at].exports {
        if let Some(source) = config.resource(name) {
            run.create(who, source).await?;
        }
    }
    Ok(())
}

/// A stranger changes by a foreign id; the owner's view before and after decides.
pub async fn write(run: &mut Run, cast: Cast, at: usize, index: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let changes = changes(resource);
    let (Some(operation), Some(read)) = (
        changes.get(index).copied(),
        resource.read.as_ref().or(resource.list.as_ref()),
    ) else {
        return Ok(Seen::missing(format!(
            "`{}` has nothing its owner could look at afterwards: add `read`",
            resource.name
        )));
    };
    // The control comes first, on an object of its own.
    let control = own_change(run, cast, at, operation).await?;
    if !operation.succeeds(control.answer.status) {
        return Ok(Seen::missing(format!(
            "the owner's own {} was answered {}",
            operation.label(),
            control.answer.status
        )));
    }
    let object = run.create(cast.owner, at).await?;
    let vars = with_vars(run, &object.vars, cast.other);
    attack(
        run,
        cast.other,
        &object,
        operation,
        &vars,
        read,
        Rule::AccessWrite,
    )
    .await
}

/// The owner changes an object of his own.
async fn own_change(
    run: &mut Run,
    cast: Cast,
    at: usize,
    operation: &Operation,
) -> Result<Arc<Exchange>, Error> {
    let config = run.config.clone();
    let own = run.create(cast.owner, at).await?;
    let vars = with_vars(run, &own.vars, cast.third);
    let (request, tokens) = run.fill(Some(cast.owner), operation, &vars)?;
    for token in tokens {
        run.ledger
            .register(&token, crate::ledger::Kind::Content, cast.owner, Some(own.id));
    }
    widen(run, &config.resources[at], operation, &own, cast.third);
    run.send(Rule::PoolAnswer, Some(cast.owner), request).await
}

/// The owner of a change makes the object known to others by right.
fn widen(run: &mut Run, resource: &Resource, operation: &Operation, object: &Object, with: Who) {
    if resource.share.as_ref() == Some(operation) {
        run.grant(object.id, with);
    }
    if resource.publish.as_ref() == Some(operation)
        || resource.actions.contains(operation) && operation.path.contains("publi")
    {
        run.ledger.objects[object.id].audience = crate::ledger::Audience::Everybody;
    }
}

/// Adds somebody's variables as `with.name`.
pub fn with_vars(run: &Run, vars: &Vars, with: Who) -> Vars {
    let theirs = own_vars(run, with)
        .into_iter()
        .map(|(name, value)| (format!("with.{name}"), value));
    vars.clone().into_iter().chain(theirs).collect()
}

/// Sends a change as somebody else, and looks through the owner's eyes.
pub async fn attack(
    run: &mut Run,
    attacker: Who,
    object: &Object,
    operation: &Operation,
    vars: &Vars,
    read: &Operation,
    rule: Rule,
) -> Result<Seen, Error> {
    let policy = run.config.policy.clone();
    let Some((before, _)) = steady_view(run, object, read).await? else {
        return Ok(Seen::missing(format!(
            "the owner's {} is never the same twice: name what moves in policy.volatile",
            read.label()
        )));
    };
    let (request, tokens) = run.fill(Some(attacker), operation, vars)?;
    for token in &tokens {
        run.ledger.register_attack(token, attacker);
    }
    let attempt = run.send(rule, Some(attacker), request).await?;
    run.probed(rule, 1);
    let mut seen = Seen::default();
    let mut changed = 0;
    for _ in 0..3 {
        let after = run
            .call(Rule::PoolAnswer, Some(object.owner), read, &object.vars)
            .await?;
        if after.answer.is_trouble() || settled(&policy, &after) == before {
            break;
        }
        changed += 1;
        if changed == 3 {
            let made = run.ledger.objects[object.id].made.clone();
            let proof: Vec<_> = made.iter().chain([&attempt, &after]).collect();
            seen.broken(
                rule,
                format!("{} by a stranger changed what the owner sees", operation.label()),
                &proof,
            );
        }
    }
    // A change may also open the object to the attacker.
    if read.mentions("id") {
        run.call(rule, Some(attacker), read, &object.vars).await?;
    }
    Ok(seen)
}

/// A stranger changes his own object and names the foreign id in the body.
pub async fn body_id(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let (Some(update), Some(read)) = (&resource.update, &resource.read) else {
        return Ok(Seen::default());
    };
    let object = run.create(cast.owner, at).await?;
    let mine = run.create(cast.other, at).await?;
    let mut seen = Seen::default();
    let foreign = object.vars.get("id").cloned().unwrap_or_default();
    let named = [format!("{}_id", resource.name), format!("{}Id", resource.name)];
    let fields = ["id", "_id", "uuid"]
        .into_iter()
        .chain(named.iter().map(String::as_str));
    let changed: Vec<_> = fields
        .flat_map(|field| with_field(update, field, &as_json(&foreign)))
        .collect();
    if changed.is_empty() {
        return Ok(Seen::missing(format!(
            "no id can be added to the body of {}: it is neither a JSON object nor a form",
            update.label()
        )));
    }
    for operation in changed {
        let one = attack(
            run,
            cast.other,
            &object,
            &operation,
            &mine.vars,
            read,
            Rule::AccessWrite,
        )
        .await?;
        seen.violations.extend(one.violations);
        seen.missing = seen.missing.or(one.missing);
    }
    Ok(seen)
}

/// A stranger deletes; the owner looks whether it is still there.
pub async fn delete(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let (Some(delete), Some(read)) = (
        &resource.delete,
        resource.read.as_ref().or(resource.list.as_ref()),
    ) else {
        return Ok(Seen::missing(format!(
            "`{}` has no `read` by which a deletion could be seen",
            resource.name
        )));
    };
    seed_for_export(run, cast.owner, at).await?;
    let object = run.create(cast.owner, at).await?;
    if !run.reads_back(&object, read).await? {
        return Ok(Seen::missing(unseen(resource, read)));
    }
    let mut seen = Seen::default();
    for (who, name) in [(Some(cast.other), "a stranger"), (None, "nobody")] {
        let (request, _) = run.fill(Some(cast.other), delete, &object.vars)?;
        let attempt = run.send(Rule::AccessDelete, who, request).await?;
        run.probed(Rule::AccessDelete, 1);
        if let Some(after) = gone(run, &object, read).await? {
            let made = run.ledger.objects[object.id].made.clone();
            let proof: Vec<_> = made.iter().chain([&attempt, &after]).collect();
            seen.broken(
                Rule::AccessDelete,
                format!("{} by {name} took it from its owner", delete.label()),
                &proof,
            );
            break;
        }
    }
    Ok(seen)
}

/// The last of three looks of the owner, if none of them finds the object.
async fn gone(run: &mut Run, object: &Object, read: &Operation) -> Result<Option<Arc<Exchange>>, Error> {
    let mut gone = None;
    for _ in 0..3 {
        let after = run
            .call(Rule::PoolAnswer, Some(object.owner), read, &object.vars)
            .await?;
        gone = (!after.answer.is_trouble() && !run.shows(&after, object)).then_some(after);
        if gone.is_none() {
            break;
        }
    }
    Ok(gone)
}

/// Why a deletion could not be seen.
fn unseen(resource: &Resource, read: &Operation) -> String {
    let label = read.label();
    if resource.exports.is_empty() {
        return format!("the owner's {label} does not give what was written");
    }
    format!(
        "the owner's {label} holds nothing of what a `{}` exports: let `read` be what gives its content",
        resource.name
    )
}
