//! The end of a run: what it made is removed, whom it registered is deleted or logged out, as far as that is declared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::Error;
use crate::config::Operation;
use crate::exchange::Request;
use crate::ledger::Who;
use crate::net::{Lane, Net};
use crate::run::Run;
use crate::template::{Mint, Size};

/// Connections over which things are removed.
const LANES: usize = 8;
/// Longest time spent on it at the end of a run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// The same where somebody waits for the run to stop.
pub(crate) const HURRY: Duration = Duration::from_secs(5);

/// What stays: whose it is, what it is, and why.
type Kept = (Who, String);

/// One thing to remove.
struct Removal {
    name: String,
    who: Who,
    request: Request,
    operation: Operation,
}

/// Removes what can be removed within a time and returns what is left: how many of what, and why. What went with its
/// owner's account is not left.
pub(crate) async fn tidy(run: &mut Run, patience: Duration) -> BTreeMap<String, u64> {
    let until = Instant::now() + patience;
    let (removals, mut kept) = removals(run);
    let place = run.net.place().clone();
    // The children were made after their parents and go before them.
    let mut lanes: Vec<Vec<Removal>> = (0..LANES).map(|_| Vec::new()).collect();
    for (at, removal) in removals.into_iter().rev().enumerate() {
        lanes[at % LANES].push(removal);
    }
    let removing = lanes
        .into_iter()
        .map(|lane| remove(Net::new(place.clone()), lane, until));
    kept.extend(join_all(removing).await.into_iter().flatten());
    run.impatient = true;
    let mut left = BTreeMap::new();
    let gone = people(run, &mut left, until).await;
    run.impatient = false;
    for (_, what) in kept.into_iter().filter(|(who, _)| !gone.contains(who)) {
        *left.entry(what).or_default() += 1;
    }
    left
}

/// A request for everything that was made and not yet deleted; and what no request can be made for.
fn removals(run: &mut Run) -> (Vec<Removal>, Vec<Kept>) {
    let config = run.config.clone();
    let made = std::mem::take(&mut run.made);
    let (mut removals, mut kept) = (Vec::new(), Vec::new());
    for object in made {
        if run.ledger.objects[object.id].deleted.is_some() {
            continue;
        }
        let resource = &config.resources[object.resource];
        let name = resource.name.clone();
        let Some(delete) = &resource.delete else {
            kept.push((object.owner, format!("{name} (no `delete`)")));
            continue;
        };
        let filled = run.fill(Some(object.owner), delete, &object.vars);
        let mut mint = Mint::new(&mut run.text, Size::Short);
        let signed = filled.and_then(|(mut request, _)| {
            run.people[object.owner].sign(&config.auth, &mut request, &mut mint)?;
            Ok(request)
        });
        match signed {
            Ok(request) => removals.push(Removal {
                name,
                who: object.owner,
                request,
                operation: delete.clone(),
            }),
            Err(_) => kept.push((object.owner, format!("{name} (its owner has no credentials)"))),
        }
    }
    (removals, kept)
}

/// Removes one after the other and returns what stayed.
async fn remove(mut net: Net, removals: Vec<Removal>, until: Instant) -> Vec<Kept> {
    let mut kept = Vec::new();
    for removal in removals {
        let sending = net.send(Lane::Shared, Some(removal.who), &removal.request);
        let why = match tokio::time::timeout(rest(until), sending).await {
            Err(_) => "no time left".to_owned(),
            Ok(Err(_)) => "no answer".to_owned(),
            Ok(Ok(exchange)) => {
                let status = exchange.answer.status;
                if removal.operation.succeeds(status) || [404, 410].contains(&status) {
                    continue;
                }
                format!("answered {status}")
            }
        };
        kept.push((removal.who, format!("{} ({why})", removal.name)));
    }
    kept
}

/// The time that is left.
fn rest(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Deletes the accounts that were registered, or else logs them out. Returns whose account is gone.
async fn people(run: &mut Run, left: &mut BTreeMap<String, u64>, until: Instant) -> BTreeSet<Who> {
    let config = run.config.clone();
    // Those whose credentials were given come first, and stay.
    let given = config.principals.iter().filter(|given| given.unset().is_none());
    let (given, all) = (given.count(), run.people.len());
    let registered = if run.can_enrol() { given..all } else { all..all };
    let mut gone = BTreeSet::new();
    for who in registered {
        let why = match tokio::time::timeout(rest(until), leave(run, who)).await {
            _ if config.auth.delete_account.is_empty() => "no `delete_account`",
            Ok(true) => {
                gone.insert(who);
                continue;
            }
            Ok(false) => "could not be deleted",
            Err(_) => "no time left",
        };
        *left.entry(format!("account ({why})")).or_default() += 1;
    }
    gone
}

/// Deletes an account, or else logs out; says whether the account is gone. Who has been logged out logs in once more for
/// it; who is not let in has been deleted before, or never was.
async fn leave(run: &mut Run, who: Who) -> bool {
    let config = run.config.clone();
    let auth = &config.auth;
    if auth.delete_account.is_empty() {
        let _out = run.steps(who, &auth.logout).await;
        return false;
    }
    if run.steps(who, &auth.delete_account).await.is_ok() || auth.login.is_empty() {
        return true;
    }
    match run.log_in(who).await {
        Ok(()) => run.steps(who, &auth.delete_account).await.is_ok(),
        Err(Error::Credentials { .. }) => !run.log.last().is_some_and(|last| last.answer.is_trouble()),
        Err(_) => false,
    }
}
