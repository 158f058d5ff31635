//! Non-interference: an observer's views before and after others' work. Rounds with work and rounds with nothing but the
//! same time going by take turns in random order; what moves in the idle ones too moves by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::Value;

use super::settled;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::{Operation, Role};
use crate::exchange::Exchange;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;

/// Rounds of each kind; all of those with work must have moved a place, none of the idle ones.
const ROUNDS: usize = 3;

type Snapshot = BTreeMap<String, Value>;

/// Compares the observer's views.
pub async fn observe(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let observer = match cast.observer {
        Some(observer) => observer,
        None if run.can_enrol() => run.enrol(Role::Observer).await?,
        None => {
            return Ok(Seen::missing(
                "nobody only looks on: give a principal of role observer",
            ));
        }
    };
    let views = views(run);
    if views.is_empty() {
        return Ok(Seen::missing(
            "there is nothing an observer could look at: no list and no view",
        ));
    }
    let mut order: Vec<bool> = [true, false].repeat(ROUNDS);
    for at in (1..order.len()).rev() {
        order.swap(at, run.rng.random_range(0..=at));
    }
    let mut moved: Vec<BTreeSet<String>> = Vec::new();
    let mut alone = BTreeSet::new();
    let mut proof: BTreeMap<String, [Arc<Exchange>; 2]> = BTreeMap::new();
    let mut longest = Duration::from_millis(20);
    for busy in order {
        let (before, first) = snapshot(run, observer, &views).await?;
        let begun = Instant::now();
        if busy {
            work(run, cast).await?;
            longest = longest.max(begun.elapsed());
        } else {
            tokio::time::sleep(longest).await;
        }
        let (after, second) = snapshot(run, observer, &views).await?;
        let changed: BTreeSet<String> = before
            .keys()
            .chain(after.keys())
            .filter(|place| before.get(*place) != after.get(*place))
            .cloned()
            .collect();
        if busy {
            for place in &changed {
                let view = place.split('#').next().unwrap_or_default();
                if let (Some(first), Some(second)) = (first.get(view), second.get(view)) {
                    proof.insert(place.clone(), [first.clone(), second.clone()]);
                }
            }
            moved.push(changed);
        } else {
            alone.extend(changed);
        }
    }
    run.probed(Rule::NonInterference, ROUNDS as u64);
    let always = moved
        .iter()
        .skip(1)
        .fold(moved.first().cloned().unwrap_or_default(), |all, one| &all & one);
    let mut seen = Seen::default();
    for place in always.difference(&alone) {
        let pair: Vec<_> = proof
            .get(place)
            .map(|pair| pair.iter().collect())
            .unwrap_or_default();
        seen.broken(
            Rule::NonInterference,
            format!("{place} moved in each of {ROUNDS} rounds of others' work, and in none without"),
            &pair,
        );
    }
    Ok(seen)
}

/// What the observer looks at: lists, searches for what is not there, and views that are not shared by right.
fn views(run: &Run) -> Vec<(Operation, Vec<String>)> {
    let config = &run.config;
    let private = |resource: &&crate::config::Resource| {
        resource.parent.is_none() && resource.visibility == crate::config::Visibility::Private
    };
    let lists = config
        .resources
        .iter()
        .filter(private)
        .filter_map(|resource| resource.list.clone());
    let searches = config
        .resources
        .iter()
        .filter(private)
        .flat_map(|resource| resource.search.clone());
    let views = config
        .views
        .iter()
        .filter(|view| !view.shared)
        .map(|view| (view.read.clone(), view.volatile.clone()));
    lists
        .chain(searches)
        .map(|operation| (operation, Vec::new()))
        .chain(views)
        .collect()
}

async fn snapshot(
    run: &mut Run,
    observer: Who,
    views: &[(Operation, Vec<String>)],
) -> Result<(Snapshot, BTreeMap<String, Arc<Exchange>>), Error> {
    let policy = run.config.policy.clone();
    let (mut snapshot, mut exchanges) = (Snapshot::new(), BTreeMap::new());
    let vars = Vars::from([("term".to_owned(), "fg".to_owned())]);
    for (operation, volatile) in views {
        let answered = run
            .call(Rule::AccessView, Some(observer), operation, &vars)
            .await?;
        let label = operation.label();
        if answered.answer.is_trouble() {
            continue;
        }
        let mut places = Snapshot::new();
        flatten("", &settled(&policy, &answered), &mut places);
        places.insert(String::new(), Value::from(answered.answer.status));
        places.retain(|place, _| !volatile.iter().any(|known| place.starts_with(known.as_str())));
        snapshot.extend(
            places
                .into_iter()
                .map(|(place, value)| (format!("{label}#{place}"), value)),
        );
        exchanges.insert(label, answered);
    }
    Ok((snapshot, exchanges))
}

fn flatten(place: &str, json: &Value, into: &mut Snapshot) {
    match json {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, inner)| flatten(&format!("{place}/{name}"), inner, into)),
        Value::Array(items) => {
            into.insert(format!("{place}/length"), Value::from(items.len()));
            items
                .iter()
                .enumerate()
                .for_each(|(at, inner)| flatten(&format!("{place}/{at}"), inner, into));
        }
        other => drop(into.insert(place.to_owned(), other.clone())),
    }
}

/// Others' work: each resource made twice, changed and removed in part.
async fn work(run: &mut Run, cast: Cast) -> Result<(), Error> {
    let config = run.config.clone();
    for (at, resource) in config.resources.iter().enumerate() {
        for who in [cast.owner, cast.other] {
            let Ok(object) = run.create(who, at).await else {
                continue;
            };
            if let Some(update) = &resource.update {
                let (request, tokens) = run.fill(Some(who), update, &object.vars)?;
                for token in tokens {
                    run.ledger
                        .register(&token, crate::ledger::Kind::Content, who, Some(object.id));
                }
                run.send(Rule::PoolAnswer, Some(who), request).await?;
            }
        }
    }
    Ok(())
}
