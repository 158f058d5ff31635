//! The storm: many workers at once, each with one connection whose users change, long and short values by turns, requests
//! cancelled half-way, foreign ids in between, sockets that come and go, and a restart in the middle if one is declared.
//!
//! Workers and ears only send and listen; one place keeps the ledger and judges. A worker reports what it is going to
//! write before it writes, so that nothing can come back before it is known.

mod ears;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::worker::Worker;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::Config;
use crate::exchange::Exchange;
use crate::ledger::{Kind, ObjectId, Who};
use crate::net::Net;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// Events that may wait for the judge.
const WAITING: usize = 1_024;

/// An object of the storm before it has a number in the ledger: the worker's, and a count.
type Key = (usize, u64);

/// What a worker or an ear tells the judge.
enum Event {
    /// These canaries are about to be written by somebody, into the object of this key.
    Writes {
        key: Key,
        who: Who,
        resource: usize,
        tokens: Vec<String>,
    },
    /// The object of this key was made.
    Made(Mine),
    /// This came back.
    Answer {
        exchange: Box<Exchange>,
        rule: Rule,
        wrote: Option<Key>,
    },
    /// A socket delivered this.
    Frame { opening: Arc<Exchange>, text: String },
    /// What was written did not come back.
    Lost { exchange: Box<Exchange>, what: String },
    /// A view says its caller is somebody else.
    Mistaken { exchange: Box<Exchange>, what: String },
    /// No answer.
    Trouble,
}

/// An object, as workers and ears know it.
#[derive(Clone)]
struct Mine {
    owner: Who,
    key: Option<Key>,
    resource: usize,
    vars: Vars,
    tokens: Vec<String>,
}

/// Lets the storm loose and judges what comes of it.
pub async fn storm(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let usable: Vec<usize> = (0..config.resources.len())
        .filter(|at| usable(&config, *at))
        .collect();
    if usable.is_empty() && config.views.is_empty() {
        return Ok(Seen::missing("no resource without a parent can be made and read"));
    }
    let people: Vec<Who> = cast_of(run, cast);
    let foreign = Arc::new(targets(run, &people, &usable).await);
    let (events, inbox) = mpsc::channel(WAITING);
    let mut workers = loose(run, &people, &usable, &foreign, &events);
    let over = Arc::new(AtomicBool::new(false));
    let mut ears = ears::listening(run, &people, &foreign, &events, &over);
    drop(events);
    let before = run.counts.clone();
    let working = async {
        while workers.join_next().await.is_some() {}
        over.store(true, Ordering::Relaxed);
        while ears.join_next().await.is_some() {}
    };
    let restarting = restart(&config);
    let (seen, restarted, ()) = tokio::join!(listen(run, inbox), restarting, working);
    let mut seen = seen;
    let (trouble, requests) = (
        run.counts.trouble - before.trouble,
        run.counts.requests - before.requests,
    );
    if trouble * 2 > requests {
        let what = format!(
            "{trouble} of {requests} requests of the storm met 5xx, 429 or nothing: raise the service's limits for the test, or lower effort.storm_workers"
        );
        seen.missing = Some(what);
    }
    if let Some(failed) = restarted {
        seen.missing = Some(failed);
    }
    Ok(seen)
}

/// Sets the workers to work.
fn loose(
    run: &mut Run,
    people: &[Who],
    usable: &[usize],
    foreign: &Arc<Vec<Mine>>,
    events: &mpsc::Sender<Event>,
) -> JoinSet<()> {
    let config = run.config.clone();
    let each = config.effort.storm_requests / config.effort.storm_workers.max(1);
    let mut workers = JoinSet::new();
    for number in 0..config.effort.storm_workers {
        let mine = [number, number + 1 + number / people.len().max(1)].map(|at| people[at % people.len()]);
        let mut worker = Worker {
            number,
            config: config.clone(),
            people: mine.map(|who| (who, run.people[who].clone())).to_vec(),
            foreign: foreign.clone(),
            net: Net::new(run.net.place().clone()),
            rng: ChaCha8Rng::seed_from_u64(run.rng.random()),
            events: events.clone(),
            mine: BTreeMap::new(),
            written: 0,
        };
        let usable = usable.to_vec();
        workers.spawn(async move {
            for _ in 0..each {
                if worker.step(&usable).await.is_err() {
                    break;
                }
            }
        });
    }
    workers
}

/// A resource that a storm can write and read back without preparation.
fn usable(config: &Config, at: usize) -> bool {
    let resource = &config.resources[at];
    let writes = resource
        .create
        .as_ref()
        .is_some_and(|create| create.mentions("canary"));
    resource.parent.is_none() && resource.state.is_none() && resource.read.is_some() && writes
}

/// All workers of the run if the cast is of them; else the cast alone, which is fresh.
fn cast_of(run: &Run, cast: Cast) -> Vec<Who> {
    let of_old = |who: &Who| run.people[*who].role == crate::config::Role::Worker && *who < 32;
    let all: Vec<Who> = (0..run.people.len()).filter(of_old).collect();
    if all.contains(&cast.owner) {
        all
    } else {
        vec![cast.owner, cast.other, cast.third]
    }
}

/// Objects whose ids everybody tries.
async fn targets(run: &mut Run, people: &[Who], usable: &[usize]) -> Vec<Mine> {
    let mut targets = Vec::new();
    for (who, at) in people
        .iter()
        .flat_map(|who| usable.iter().map(move |at| (*who, *at)))
    {
        if let Ok(object) = run.create(who, at).await {
            targets.push(Mine {
                owner: who,
                key: None,
                resource: at,
                vars: object.vars,
                tokens: object.tokens,
            });
        }
    }
    targets
}

/// Runs the declared restart command after a moment; says what went wrong with it.
async fn restart(config: &Config) -> Option<String> {
    let (program, arguments) = config.effort.restart.split_first()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    match tokio::process::Command::new(program)
        .args(arguments)
        .status()
        .await
    {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("the restart command ended with {status}")),
        Err(error) => Some(format!("the restart command could not be run: {error}")),
    }
}

/// The one place that judges.
async fn listen(run: &mut Run, mut inbox: mpsc::Receiver<Event>) -> Seen {
    let mut judge = Judge {
        run,
        seen: Seen::default(),
        objects: BTreeMap::new(),
    };
    while let Some(event) = inbox.recv().await {
        judge.hear(event);
    }
    judge.seen
}

struct Judge<'a> {
    run: &'a mut Run,
    seen: Seen,
    objects: BTreeMap<Key, ObjectId>,
}

impl Judge<'_> {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Writes {
                key,
                who,
                resource,
                tokens,
            } => self.writes(key, who, resource, &tokens),
            Event::Made(made) => self.made(made),
            Event::Answer {
                exchange,
                rule,
                wrote,
            } => self.answer(Arc::new(*exchange), rule, wrote),
            Event::Frame { opening, text } => {
                self.run.probed(Rule::SocketBroadcast, 1);
                self.run
                    .judge_frame(Rule::SocketBroadcast, &opening, text.as_bytes());
            }
            Event::Lost { exchange, what } => {
                self.seen
                    .broken(Rule::ReadbackExact, what, &[&Arc::new(*exchange)]);
            }
            Event::Mistaken { exchange, what } => {
                self.seen.broken(Rule::PoolAnswer, what, &[&Arc::new(*exchange)]);
            }
            Event::Trouble => self.run.counts.trouble += 1,
        }
    }

    fn writes(&mut self, key: Key, who: Who, resource: usize, tokens: &[String]) {
        let run = &mut *self.run;
        let audience = run.audience(who, run.config.resources[resource].visibility);
        let object = *self.objects.entry(key).or_insert_with(|| {
            run.counts.objects += 1;
            run.ledger.object(who, Some(resource), audience)
        });
        for token in tokens {
            run.ledger.register(token, Kind::Content, who, Some(object));
        }
    }

    /// It is remembered, so that it can be removed in the end.
    fn made(&mut self, made: Mine) {
        let Some(id) = made.key.and_then(|key| self.objects.get(&key)) else {
            return;
        };
        self.run.made.push(Object {
            id: *id,
            resource: made.resource,
            owner: made.owner,
            vars: made.vars,
            tokens: made.tokens,
            parent: None,
        });
    }

    fn answer(&mut self, exchange: Arc<Exchange>, rule: Rule, wrote: Option<Key>) {
        let run = &mut *self.run;
        run.counts.requests += 1;
        run.probed(rule, 1);
        if exchange.answer.is_trouble() {
            run.counts.trouble += 1;
        }
        run.judge(rule, &exchange);
        if let Some(object) = wrote.and_then(|key| self.objects.get(&key)) {
            run.ledger.objects[*object].made = Some(exchange);
        }
    }
}
