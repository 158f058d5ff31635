//! Sharing: a right given at once, or offered and accepted; and an offer in a stranger's hands.

use super::replay::with_vars;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::Operation;
use crate::ledger::{Kind, Who};
use crate::principal::take_id;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// Gives somebody the right to an object, with his acceptance where one is needed. Returns the variables of the share,
/// by which it is taken back, or else what was refused.
///
/// # Errors
/// When the service does not answer, or a template cannot be filled.
pub async fn share(run: &mut Run, object: &Object, with: Who) -> Result<Result<Vars, String>, Error> {
    let vars = match offer(run, object, with).await? {
        Ok(vars) => vars,
        refused => return Ok(refused),
    };
    let config = run.config.clone();
    if let Some(accept) = &config.resources[object.resource].accept {
        let accepted = run.call(Rule::PoolAnswer, Some(with), accept, &vars).await?;
        if !accept.succeeds(accepted.answer.status) {
            return Ok(Err(refusal(accept, accepted.answer.status)));
        }
    }
    Ok(Ok(vars))
}

/// The owner's part of a share.
async fn offer(run: &mut Run, object: &Object, with: Who) -> Result<Result<Vars, String>, Error> {
    let config = run.config.clone();
    let mut vars = with_vars(run, &object.vars, with);
    let Some(share) = &config.resources[object.resource].share else {
        return Ok(Err("nothing is declared that shares it".to_owned()));
    };
    run.grant(object.id, with);
    let (request, tokens) = run.fill(Some(object.owner), share, &vars)?;
    for token in &tokens {
        run.ledger
            .register(token, Kind::Content, object.owner, Some(object.id));
    }
    let offered = run.send(Rule::PoolAnswer, Some(object.owner), request).await?;
    if !share.succeeds(offered.answer.status) {
        return Ok(Err(refusal(share, offered.answer.status)));
    }
    if let Some(id) = take_id(&offered.answer) {
        vars.insert("share.id".to_owned(), id);
    }
    Ok(Ok(vars))
}

fn refusal(operation: &Operation, status: u16) -> String {
    format!("{} was answered {status}", operation.label())
}

/// A stranger accepts what was offered to somebody else: it must neither open to him nor be used up.
pub async fn stolen(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let (Some(accept), Some(read)) = (&resource.accept, &resource.read) else {
        return Ok(Seen::default());
    };
    let control = run.create(cast.owner, at).await?;
    if let Err(refused) = share(run, &control, cast.third).await? {
        return Ok(Seen::missing(refused));
    }
    let object = run.create(cast.owner, at).await?;
    let vars = match offer(run, &object, cast.third).await? {
        Ok(vars) => vars,
        Err(refused) => return Ok(Seen::missing(refused)),
    };
    let attempt = run
        .call(Rule::AccessWrite, Some(cast.other), accept, &vars)
        .await?;
    run.call(Rule::AccessWrite, Some(cast.other), read, &vars).await?;
    run.probed(Rule::AccessWrite, 1);
    let accepted = run
        .call(Rule::PoolAnswer, Some(cast.third), accept, &vars)
        .await?;
    let mut seen = Seen::default();
    if !accept.succeeds(accepted.answer.status) && !accepted.answer.is_trouble() {
        let made = run.ledger.objects[object.id].made.clone();
        let proof: Vec<_> = made.iter().chain([&attempt, &accepted]).collect();
        let what = format!("{} by a stranger used up somebody else's offer", accept.label());
        seen.broken(Rule::AccessWrite, what, &proof);
    }
    Ok(seen)
}
