//! After the end: of an object, a session, a right, an account. And exports, which gather what should have ended.

use std::sync::Arc;
use std::time::Instant;

use super::replay::seed_for_export;
use super::sharing::share;
use super::{own_vars, with_query};
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::{Operation, Role};
use crate::exchange::{Exchange, Request};
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// Reads, lists, searches after deletion, as owner and as stranger.
pub async fn deleted(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(delete) = &resource.delete else {
        return Ok(Seen::default());
    };
    run.size = Some(crate::template::Size::Medium);
    let object = run.create(cast.owner, at).await?;
    look(run, cast.owner, at, &object).await?;
    let answered = run
        .call(Rule::PoolAnswer, Some(cast.owner), delete, &object.vars)
        .await?;
    if !delete.succeeds(answered.answer.status) {
        return Ok(Seen::missing(format!(
            "the owner's own {} was answered {}",
            delete.label(),
            answered.answer.status
        )));
    }
    run.ledger.objects[object.id].deleted = Some(Instant::now());
    tokio::time::sleep(run.ledger.grace).await;
    for who in [cast.owner, cast.other] {
        look(run, who, at, &object).await?;
        run.probed(Rule::LifetimeDeleted, 1);
    }
    Ok(Seen::default())
}

/// Every way to an object: reads, list, search.
async fn look(run: &mut Run, who: Who, at: usize, object: &Object) -> Result<(), Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    for operation in resource.reads() {
        run.call(Rule::AccessRead, Some(who), operation, &object.vars)
            .await?;
    }
    if let Some(list) = &resource.list {
        let (request, _) = run.fill(Some(who), list, &object.vars)?;
        let large = Request {
            path: with_query(&request.path, "limit", "500"),
            ..request.clone()
        };
        run.send(Rule::PagingList, Some(who), request).await?;
        run.send(Rule::PagingList, Some(who), large).await?;
    }
    for (search, word) in resource
        .search
        .iter()
        .flat_map(|search| object.tokens.first().map(|word| (search, word)))
    {
        let vars = Vars::from([("term".to_owned(), word.clone())]);
        run.call(Rule::SearchContent, Some(who), search, &vars).await?;
    }
    for view in &config.views {
        run.call(Rule::AccessView, Some(who), &view.read, &Vars::new())
            .await?;
    }
    Ok(())
}

/// A read that only a valid credential opens, as it was answered while it was valid.
struct Proof {
    operation: Operation,
    vars: Vars,
    before: Arc<Exchange>,
}

/// What only a valid credential opens: reads with content, and views that nobody gets.
async fn proofs_of_login(run: &mut Run, who: Who) -> Result<Vec<Proof>, Error> {
    let config = run.config.clone();
    let mut proofs = Vec::new();
    for (at, resource) in config.resources.iter().enumerate() {
        let Some(read) = resource.read.as_ref().filter(|_| resource.state.is_none()) else {
            continue;
        };
        let Ok(object) = run.create(who, at).await else {
            continue;
        };
        let before = run.call(Rule::PoolAnswer, Some(who), read, &object.vars).await?;
        if run.shows(&before, &object) {
            proofs.push(Proof {
                operation: read.clone(),
                vars: object.vars,
                before,
            });
            break;
        }
    }
    for view in &config.views {
        let before = run
            .call(Rule::AccessView, Some(who), &view.read, &Vars::new())
            .await?;
        let (request, _) = run.fill(Some(who), &view.read, &Vars::new())?;
        let nobody = run.send(Rule::AccessAnonymous, None, request).await?;
        if view.read.succeeds(before.answer.status) && !nobody.answer.ok() && !nobody.answer.is_trouble() {
            proofs.push(Proof {
                operation: view.read.clone(),
                vars: own_vars(run, who),
                before,
            });
        }
    }
    Ok(proofs)
}

/// Sends what only a valid credential opens, with one that should be valid no more. It is broken where it still opens
/// what is closed to nobody at the same time.
async fn retry(run: &mut Run, seen: &mut Seen, rule: Rule, who: Who, proofs: &[Proof]) -> Result<(), Error> {
    for proof in proofs {
        let after = run.call(rule, Some(who), &proof.operation, &proof.vars).await?;
        run.probed(rule, 1);
        if proof.operation.succeeds(after.answer.status) {
            seen.broken(
                rule,
                format!("{} was answered as before", proof.operation.label()),
                &[&proof.before, &after],
            );
            return Ok(());
        }
    }
    Ok(())
}

/// Somebody who may be used up: fresh, or one given for that purpose.
async fn expendable(run: &mut Run) -> Result<Option<Who>, Error> {
    if run.can_enrol() {
        return run.enrol(Role::Expendable).await.map(Some);
    }
    Ok(run
        .people
        .iter()
        .position(|person| person.role == Role::Expendable))
}

/// A credential after its logout: the same bytes as before, sent again.
pub async fn logout(run: &mut Run, _: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let Some(who) = expendable(run).await? else {
        return Ok(Seen::missing(
            "nobody may be logged out: give a principal of role expendable, or auth.register",
        ));
    };
    let proofs = proofs_of_login(run, who).await?;
    if proofs.is_empty() {
        return Ok(Seen::missing(
            "nothing shows that somebody is logged in: no read and no view gives content",
        ));
    }
    let kept = run.people[who].clone();
    run.steps(who, &config.auth.logout).await?;
    run.people[who] = kept;
    tokio::time::sleep(run.ledger.grace).await;
    let mut seen = Seen::default();
    retry(run, &mut seen, Rule::LifetimeLogout, who, &proofs).await?;
    Ok(seen)
}

/// A right after it was taken back; and meanwhile a third one who never had it.
pub async fn revoked(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let (Some(unshare), Some(read)) = (&resource.unshare, &resource.read) else {
        return Ok(Seen::default());
    };
    run.size = Some(crate::template::Size::Medium);
    let object = run.create(cast.owner, at).await?;
    let vars = match share(run, &object, cast.other).await? {
        Ok(vars) => vars,
        Err(refused) => return Ok(Seen::missing(refused)),
    };
    if !run.sees(Rule::AccessRead, cast.other, read, &object).await? {
        return Ok(Seen::missing(format!(
            "what was shared is not readable: {}",
            read.label()
        )));
    }
    look(run, cast.other, at, &object).await?;
    look(run, cast.third, at, &object).await?;
    let answered = run
        .call(Rule::PoolAnswer, Some(cast.owner), unshare, &vars)
        .await?;
    if !unshare.succeeds(answered.answer.status) {
        return Ok(Seen::missing(format!(
            "{} was answered {}",
            unshare.label(),
            answered.answer.status
        )));
    }
    run.ledger.objects[object.id]
        .revoked
        .insert(cast.other, Instant::now());
    tokio::time::sleep(run.ledger.grace).await;
    look(run, cast.other, at, &object).await?;
    run.probed(Rule::LifetimeRevoked, 1);
    Ok(Seen::default())
}

/// A credential after its account was deleted, and what a namesake finds who registers afterwards.
pub async fn account(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let who = run.enrol(Role::Expendable).await?;
    let proofs = proofs_of_login(run, who).await?;
    if proofs.is_empty() {
        return Ok(Seen::missing(
            "nothing shows that somebody is logged in: no read and no view gives content",
        ));
    }
    let left = one_of_each(run, who).await;
    let kept = run.people[who].clone();
    run.steps(who, &config.auth.delete_account).await?;
    run.people[who] = kept.clone();
    let now = Instant::now();
    for entry in run.ledger.objects.iter_mut().filter(|entry| entry.owner == who) {
        entry.deleted = Some(now);
    }
    tokio::time::sleep(run.ledger.grace).await;
    let mut seen = Seen::default();
    retry(run, &mut seen, Rule::LifetimeAccount, who, &proofs).await?;
    let mut vars = run.fresh_vars("new");
    vars.insert(
        "username".to_owned(),
        kept.vars.get("username").cloned().unwrap_or_default(),
    );
    let Ok(heir) = run.enrol_as(Role::Expendable, vars).await else {
        seen.notes.push(
            "a deleted account's name cannot be registered again; inheritance was not tried".to_owned(),
        );
        return Ok(seen);
    };
    for object in &left {
        inherit(run, heir, object).await?;
        run.probed(Rule::LifetimeRecreated, 1);
    }
    look_around(run, cast.other).await?;
    Ok(seen)
}

/// One of everything that can be made at once, for a namesake to find.
async fn one_of_each(run: &mut Run, who: Who) -> Vec<Object> {
    let config = run.config.clone();
    let mut made = Vec::new();
    for at in 0..config.resources.len() {
        if config.resources[at].state.is_none() {
            made.extend(run.create(who, at).await.ok());
        }
    }
    made
}

async fn inherit(run: &mut Run, heir: Who, object: &Object) -> Result<(), Error> {
    let config = run.config.clone();
    let resource = &config.resources[object.resource];
    for operation in resource.reads().chain(&resource.list) {
        run.call(Rule::LifetimeRecreated, Some(heir), operation, &object.vars)
            .await?;
    }
    for view in &config.views {
        run.call(Rule::LifetimeRecreated, Some(heir), &view.read, &Vars::new())
            .await?;
    }
    Ok(())
}

async fn look_around(run: &mut Run, who: Who) -> Result<(), Error> {
    let config = run.config.clone();
    for view in &config.views {
        run.call(Rule::AccessView, Some(who), &view.read, &Vars::new())
            .await?;
    }
    Ok(())
}

/// An export of one's own while others have as much.
pub async fn export(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    seed_for_export(run, cast.owner, at).await?;
    seed_for_export(run, cast.other, at).await?;
    let object = run.create(cast.other, at).await?;
    let mut full = false;
    for operation in resource.reads() {
        let answered = run
            .call(Rule::ExportContent, Some(cast.other), operation, &object.vars)
            .await?;
        full |= run
            .ledger
            .has_own(&run.ledger.scan(&answered.answer.body), Some(cast.other));
        run.probed(Rule::ExportContent, 1);
    }
    if !full {
        return Ok(Seen::missing(format!(
            "no read of `{}` holds what its caller has written",
            resource.name
        )));
    }
    Ok(Seen::default())
}
