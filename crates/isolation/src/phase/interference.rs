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
    let mut movement = Movement::default();
    let mut longest = Duration::from_millis(20);
    for busy in order {
        let before = snapshot(run, observer, &views).await?;
        let begun = Instant::now();
        if busy {
            work(run, cast).await?;
            longest = longest.max(begun.elapsed());
        } else {
            tokio::time::sleep(longest).await;
        }
        let after = snapshot(run, observer, &views).await?;
        movement.add(busy, &before, &after);
    }
    run.probed(Rule::NonInterference, ROUNDS as u64);
    Ok(movement.verdict())
}

/// Where the observer's views moved.
#[derive(Default)]
struct Movement {
    /// In each round with work.
    busy: Vec<BTreeSet<String>>,
    /// In any round without.
    idle: BTreeSet<String>,
    proof: BTreeMap<String, [Arc<Exchange>; 2]>,
}

impl Movement {
    fn add(&mut self, busy: bool, before: &Look, after: &Look) {
        let places = before.places.keys().chain(after.places.keys());
        let changed = places.filter(|place| before.places.get(*place) != after.places.get(*place));
        let changed: BTreeSet<String> = changed.cloned().collect();
        if !busy {
            self.idle.extend(changed);
            return;
        }
        for place in &changed {
            let view = place.split('#').next().unwrap_or_default();
            if let (Some(first), Some(second)) = (before.exchanges.get(view), after.exchanges.get(view)) {
                self.proof.insert(place.clone(), [first.clone(), second.clone()]);
            }
        }
        self.busy.push(changed);
    }

    fn verdict(&self) -> Seen {
        let first = self.busy.first().cloned().unwrap_or_default();
        let always = self.busy.iter().skip(1).fold(first, |all, one| &all & one);
        let mut seen = Seen::default();
        for place in always.difference(&self.idle) {
            let proof: Vec<_> = self.proof.get(place).into_iter().flatten().collect();
            let what =
                format!("{place} moved in each of {ROUNDS} rounds of others' work, and in none without");
            seen.broken(Rule::NonInterference, what, &proof);
        }
        seen
    }
}

/// What the observer saw at one time, place by place, and the exchanges it came from.
#[derive(Default)]
struct Look {
    places: Snapshot,
    exchanges: BTreeMap<String, Arc<Exchange>>,
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

async fn snapshot(run: &mut Run, observer: Who, views: &[(Operation, Vec<String>)]) -> Result<Look, Error> {
    let policy = run.config.policy.clone();
    let mut look = Look::default();
    let vars = Vars::from([("term".to_owned(), "fg".to_owned())]);
    for (operation, volatile) in views {
        let answered = run
            .call(Rule::AccessView, Some(observer), operation, &vars)
            .await?;
        if answered.answer.is_trouble() {
            continue;
        }
        let label = operation.label();
        let mut places = Snapshot::new();
        flatten("", &settled(&policy, &answered), &mut places);
        places.insert(String::new(), Value::from(answered.answer.status));
        places.retain(|place, _| !volatile.iter().any(|known| place.starts_with(known.as_str())));
        let named = places
            .into_iter()
            .map(|(place, value)| (format!("{label}#{place}"), value));
        look.places.extend(named);
        look.exchanges.insert(label, answered);
    }
    Ok(look)
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
