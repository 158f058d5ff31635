//! The storm: many workers at once, each with one connection whose users change, long and short values by turns, requests
//! cancelled half-way, foreign ids in between, sockets that come and go, and a restart in the middle if one is declared.
//!
//! Workers and ears only send and listen; one place keeps the ledger and judges. A worker reports what it is going to
//! write before it writes, so that nothing can come back before it is known.

mod ears;
mod pace;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::pace::{Pace, Restarted};
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
    let (pace, restarting) = pace::pace(config.effort.storm_requests, &config.effort.restart);
    let (events, inbox) = mpsc::channel(WAITING);
    let mut workers = loose(run, &people, &usable, &foreign, &events, &pace);
    let over = Arc::new(AtomicBool::new(false));
    let mut ears = ears::listening(run, &people, &foreign, &events, &pace, &over);
    // What is left of these is the workers' and the ears', and ends with them.
    drop((events, pace));
    let before = run.counts.clone();
    let working = async {
        let mut broken = ended(&mut workers).await;
        over.store(true, Ordering::Relaxed);
        broken += ended(&mut ears).await;
        broken
    };
    let (mut seen, restarted, broken) = tokio::join!(listen(run, inbox), restarting, working);
    let (requests, trouble) = (
        run.counts.requests - before.requests,
        run.counts.trouble - before.trouble,
    );
    seen.missing = incomplete(requests, trouble, broken, restarted.as_ref());
    seen.notes.extend(restarted.and_then(Restarted::note));
    Ok(seen)
}

/// Waits for all of them; says how many broke off.
async fn ended(tasks: &mut JoinSet<()>) -> usize {
    let mut broken = 0;
    while let Some(ended) = tasks.join_next().await {
        broken += usize::from(ended.is_err());
    }
    broken
}

/// Why a storm proves nothing.
fn incomplete(requests: u64, trouble: u64, broken: usize, restarted: Option<&Restarted>) -> Option<String> {
    if let Some(failed) = restarted.and_then(|restarted| restarted.failed.clone()) {
        return Some(failed);
    }
    if broken > 0 {
        return Some(format!(
            "{broken} workers or ears of the storm broke off: this is a bug"
        ));
    }
    // A restart makes trouble; that says nothing of the rest.
    let trouble = trouble.saturating_sub(restarted.map_or(0, |restarted| restarted.trouble));
    (requests == 0 || trouble * 2 > requests).then(|| {
        format!(
            "{trouble} requests of the storm met 5xx, 429 or nothing, and {requests} were answered: raise the service's limits for the test, or lower effort.storm_workers"
        )
    })
}

/// Sets the workers to work.
fn loose(
    run: &mut Run,
    people: &[Who],
    usable: &[usize],
    foreign: &Arc<Vec<Mine>>,
    events: &mpsc::Sender<Event>,
    pace: &Arc<Pace>,
) -> JoinSet<()> {
    let config = run.config.clone();
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
            text: ChaCha8Rng::seed_from_u64(run.text.random()),
            events: events.clone(),
            mine: BTreeMap::new(),
            written: 0,
            pace: pace.clone(),
        };
        let usable = usable.to_vec();
        workers.spawn(async move {
            while worker.pace.turn().await && worker.step(&usable).await.is_ok() {
                worker.pace.done();
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
