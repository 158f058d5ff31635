//! Things within things: a foreign child through one's own parent, the children of a foreign parent, a child put into it.

use super::replay::attack;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// A foreign child through one's own parent, and one's own child's path with a foreign parent.
pub async fn child(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(read) = &resource.read else {
        return Ok(Seen::default());
    };
    let object = run.create(cast.owner, at).await?;
    if !run.reads_back(&object, read).await? {
        return Ok(Seen::missing(format!(
            "the owner's {} does not give what was written",
            read.label()
        )));
    }
    let mine = run.create(cast.other, at).await?;
    let crossed = through(&object, &mine);
    run.call(Rule::NestingParent, Some(cast.other), read, &crossed)
        .await?;
    for view in &resource.views {
        run.call(Rule::NestingParent, Some(cast.other), view, &crossed)
            .await?;
    }
    run.probed(Rule::NestingParent, 1 + resource.views.len() as u64);
    let mut seen = Seen::default();
    for operation in resource.update.iter().chain(&resource.delete) {
        let one = attack(
            run,
            cast.other,
            &object,
            operation,
            &crossed,
            read,
            Rule::NestingParent,
        )
        .await?;
        seen.violations.extend(one.violations);
        seen.missing = seen.missing.or(one.missing);
    }
    Ok(seen)
}

/// The foreign object's own id below one's own parents.
fn through(foreign: &Object, mine: &Object) -> Vars {
    let parents = mine.vars.iter().filter(|(name, _)| name.contains('.'));
    foreign
        .vars
        .clone()
        .into_iter()
        .chain(parents.map(|(name, value)| (name.clone(), value.clone())))
        .collect()
}

/// The children of a foreign parent, as a stranger and as nobody.
pub async fn list(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let Some(list) = &config.resources[at].list else {
        return Ok(Seen::default());
    };
    let object = run.create(cast.owner, at).await?;
    if !run.sees(Rule::PagingList, cast.owner, list, &object).await? {
        return Ok(Seen::missing(format!(
            "the owner's {} does not give what was written",
            list.label()
        )));
    }
    run.call(Rule::NestingList, Some(cast.other), list, &object.vars)
        .await?;
    let (request, _) = run.fill(Some(cast.other), list, &object.vars)?;
    run.send(Rule::AccessAnonymous, None, request).await?;
    run.probed(Rule::NestingList, 1);
    run.probed(Rule::AccessAnonymous, 1);
    Ok(Seen::default())
}

/// A child for a foreign parent: its owner's list shows whether it is there.
pub async fn create(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(create) = &resource.create else {
        return Ok(Seen::default());
    };
    let object = run.create(cast.owner, at).await?;
    let (request, tokens) = run.fill(Some(cast.other), create, &object.vars)?;
    for token in &tokens {
        run.ledger.register_attack(token, cast.other);
    }
    let attempt = run.send(Rule::NestingCreate, Some(cast.other), request).await?;
    run.probed(Rule::NestingCreate, 1);
    if let Some(list) = &resource.list {
        run.call(Rule::NestingCreate, Some(cast.owner), list, &object.vars)
            .await?;
        return Ok(Seen::default());
    }
    // Nothing lists the children: where the owner can read the new one by its id, it stands in his place.
    let id = resource.id_in(&attempt.answer);
    if let (Some(id), Some(read), true) = (id, &resource.read, attempt.answer.ok()) {
        let vars = object.vars.into_iter().chain([("id".to_owned(), id)]).collect();
        run.call(Rule::NestingCreate, Some(cast.owner), read, &vars)
            .await?;
    }
    Ok(Seen::default())
}
