//! The end of a run: what it made is removed, whom it registered is deleted or logged out, as far as that is declared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::config::Operation;
use crate::exchange::Request;
use crate::ledger::Who;
use crate::net::{Lane, Net};
use crate::run::Run;
use crate::template::{Mint, Size};

/// Connections over which things are removed.
const LANES: usize = 8;
/// Longest time spent on it.
const PATIENCE: Duration = Duration::from_secs(15);

/// One thing to remove.
struct Removal {
    name: String,
    who: Who,
    request: Request,
    operation: Operation,
}

/// Removes what can be removed and returns what is left: how many of what, and why.
pub(crate) async fn tidy(run: &mut Run) -> BTreeMap<String, u64> {
    let mut left = BTreeMap::new();
    let removals = removals(run, &mut left);
    let place = run.net.place().clone();
    let until = Instant::now() + PATIENCE;
    // The children were made after their parents and go before them.
    let mut lanes: Vec<Vec<Removal>> = (0..LANES).map(|_| Vec::new()).collect();
    for (at, removal) in removals.into_iter().rev().enumerate() {
        lanes[at % LANES].push(removal);
    }
    let removing = lanes
        .into_iter()
        .map(|lane| remove(Net::new(place.clone()), lane, until));
    for kept in join_all(removing).await.into_iter().flatten() {
        *left.entry(kept).or_default() += 1;
    }
    run.impatient = true;
    people(run, &mut left, until).await;
    run.impatient = false;
    left
}

/// A request for everything that was made and not yet deleted.
fn removals(run: &mut Run, left: &mut BTreeMap<String, u64>) -> Vec<Removal> {
    let config = run.config.clone();
    let made = std::mem::take(&mut run.made);
    let mut removals = Vec::new();
    for object in made {
        if run.ledger.objects[object.id].deleted.is_some() {
            continue;
        }
        let resource = &config.resources[object.resource];
        let name = resource.name.clone();
        let Some(delete) = &resource.delete else {
            *left.entry(format!("{name} (no `delete`)")).or_default() += 1;
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
            Err(_) => {
                *left
                    .entry(format!("{name} (its owner has no credentials)"))
                    .or_default() += 1
            }
        }
    }
    removals
}

/// Removes one after the other and returns what stayed.
async fn remove(mut net: Net, removals: Vec<Removal>, until: Instant) -> Vec<String> {
    let mut kept = Vec::new();
    for removal in removals {
        if Instant::now() > until {
            kept.push(format!("{} (no time left)", removal.name));
            continue;
        }
        let answered = net.send(Lane::Shared, Some(removal.who), &removal.request).await;
        match answered.map(|exchange| exchange.answer.status) {
            Ok(status) if removal.operation.succeeds(status) || [404, 410].contains(&status) => {}
            Ok(status) => kept.push(format!("{} (answered {status})", removal.name)),
            Err(_) => kept.push(format!("{} (no answer)", removal.name)),
        }
    }
    kept
}

/// Deletes the accounts that were registered, or else logs them out. Many have been deleted or logged out before, so
/// what is refused now says nothing.
async fn people(run: &mut Run, left: &mut BTreeMap<String, u64>, until: Instant) {
    let config = run.config.clone();
    // Those whose credentials were given come first, and stay.
    let given = config.principals.iter().filter(|given| given.unset().is_none());
    let (given, all) = (given.count(), run.people.len());
    let registered = if run.can_enrol() { given..all } else { all..all };
    let steps = match config.auth.delete_account.as_slice() {
        [] => &config.auth.logout,
        steps => steps,
    };
    if config.auth.delete_account.is_empty() && !registered.is_empty() {
        left.insert(
            "account (no `delete_account`)".to_owned(),
            registered.len() as u64,
        );
    }
    for who in registered.take_while(|_| Instant::now() < until) {
        let _gone = run.steps(who, steps).await;
    }
}
