//! What is one's own: views that say who one is, and short answers after somebody else's long ones.

use std::sync::Arc;

use super::own_vars;
use super::replay::seed_for_export;
use super::sharing;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::exchange::Exchange;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::{Size, Vars};

/// Long answers to one, then short ones to another, over the same path and connection: nothing of the first may remain.
pub async fn remains(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(read) = &resource.read else {
        return Ok(Seen::default());
    };
    run.size = Some(Size::Long);
    seed_for_export(run, cast.owner, at).await?;
    let long = run.create(cast.owner, at).await?;
    run.size = Some(Size::Short);
    seed_for_export(run, cast.other, at).await?;
    let short = run.create(cast.other, at).await?;
    for shared in [false, true, false] {
        run.shared_lane = shared;
        for object in [&long, &short] {
            let answered = run
                .call(Rule::PoolAnswer, Some(object.owner), read, &object.vars)
                .await?;
            if !read.succeeds(answered.answer.status) {
                return Ok(Seen::missing(format!(
                    "the owner's own {} was answered {}",
                    read.label(),
                    answered.answer.status
                )));
            }
            run.probed(Rule::BufferTail, 1);
        }
    }
    Ok(Seen::default())
}

/// Something happens that concerns others: things are made, and shared with a third one, who may be told of it.
async fn stir(run: &mut Run, cast: Cast) -> Result<(), Error> {
    let config = run.config.clone();
    for (at, resource) in config
        .resources
        .iter()
        .enumerate()
        .filter(|(_, resource)| resource.parent.is_none() && resource.state.is_none())
    {
        let Ok(object) = run.create(cast.owner, at).await else {
            continue;
        };
        if resource.share.is_some() {
            let _shared = sharing::share(run, &object, cast.third).await?;
        }
    }
    Ok(())
}

/// A view of one's own: it says who one is, shows nobody else's, and does not open for nobody or with foreign variables.
pub async fn view(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let view = &config.views[at];
    let mut seen = Seen::default();
    stir(run, cast).await?;
    for who in [cast.owner, cast.other] {
        let answered = run
            .call(Rule::AccessView, Some(who), &view.read, &Vars::new())
            .await?;
        if !view.read.succeeds(answered.answer.status) {
            return Ok(Seen::missing(format!(
                "{} was answered {}",
                view.read.label(),
                answered.answer.status
            )));
        }
        identity(run, &mut seen, view, who, &answered, Rule::PoolAnswer)?;
        run.probed(Rule::AccessView, 1);
    }
    let vars = own_vars(run, cast.owner);
    if vars.keys().any(|name| view.read.mentions(&format!("{name}}}}}"))) {
        run.call(Rule::AccessRead, Some(cast.other), &view.read, &vars)
            .await?;
        run.probed(Rule::AccessRead, 1);
    }
    let (request, _) = run.fill(Some(cast.owner), &view.read, &Vars::new())?;
    run.send(Rule::AccessAnonymous, None, request).await?;
    run.probed(Rule::AccessAnonymous, 1);
    Ok(seen)
}

/// Compares what a view says about its caller with who he is.
pub fn identity(
    run: &mut Run,
    seen: &mut Seen,
    view: &crate::config::View,
    who: Who,
    answered: &Arc<Exchange>,
    rule: Rule,
) -> Result<(), Error> {
    let vars = run.people[who].vars.clone();
    for (pointer, template) in &view.identity {
        let mut mint = crate::template::Mint::new(&mut run.text, crate::template::Size::Short);
        let expected = crate::template::text(template, &vars, &mut mint)?;
        let found = answered
            .answer
            .json()
            .pointer(pointer)
            .and_then(crate::principal::plain);
        if let Some(found) = found.filter(|found| *found != expected) {
            let what = format!(
                "{} said {pointer} = `{found}` to {}, who is `{expected}`",
                view.read.label(),
                run.people[who].name
            );
            seen.broken(rule, what, &[answered]);
        }
    }
    Ok(())
}
