//! The storm: many workers at once, each with one connection whose users change, long and short values by turns, requests
//! cancelled half-way, foreign ids in between, and a restart in the middle if one is declared.
//!
//! Workers only send; one place keeps the ledger and judges. A worker reports what it is going to write before it
//! writes, so that nothing can come back before it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::{Config, Operation};
use crate::exchange::{Exchange, Request};
use crate::ledger::{Kind, Who};
use crate::net::{Lane, Net};
use crate::principal::{Principal, plain, take, take_id};
use crate::rule::Rule;
use crate::run::Run;
use crate::template::{self, Mint, Size, Vars};

/// Share of requests that are cancelled half-way.
const CANCELLED: f64 = 0.07;
/// Objects that each worker remembers of each user.
const REMEMBERED: usize = 24;

/// What a worker tells the judge.
enum Event {
    /// These canaries are about to be written by somebody, into the object of this key.
    Writes {
        key: (usize, u64),
        who: Who,
        resource: usize,
        tokens: Vec<String>,
    },
    /// This came back.
    Answer {
        exchange: Box<Exchange>,
        rule: Rule,
        wrote: Option<(usize, u64)>,
    },
    /// What was written did not come back.
    Lost { exchange: Box<Exchange>, what: String },
    /// A view says its caller is somebody else.
    Mistaken { exchange: Box<Exchange>, what: String },
    /// No answer.
    Trouble,
}

#[derive(Clone)]
struct Mine {
    resource: usize,
    vars: Vars,
    tokens: Vec<String>,
}

struct Worker {
    number: usize,
    config: Arc<Config>,
    people: Vec<(Who, Principal)>,
    foreign: Arc<Vec<Mine>>,
    net: Net,
    rng: ChaCha8Rng,
    events: mpsc::Sender<Event>,
    mine: BTreeMap<Who, Vec<Mine>>,
    written: u64,
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
    let (events, inbox) = mpsc::channel(1_024);
    let mut workers = tokio::task::JoinSet::new();
    let each = config.effort.storm_requests / config.effort.storm_workers.max(1);
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
        let usable = usable.clone();
        workers.spawn(async move {
            for _ in 0..each {
                if worker.step(&usable).await.is_err() {
                    break;
                }
            }
        });
    }
    drop(events);
    let restart = restart(&config);
    let before = run.counts.clone();
    let (seen, restarted) = tokio::join!(listen(run, inbox), restart);
    while workers.join_next().await.is_some() {}
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
    let mut seen = Seen::default();
    let mut objects = BTreeMap::new();
    while let Some(event) = inbox.recv().await {
        match event {
            Event::Writes {
                key,
                who,
                resource,
                tokens,
            } => {
                let visibility = run.config.resources[resource].visibility;
                let audience = run.audience(who, visibility);
                let object = *objects
                    .entry(key)
                    .or_insert_with(|| run.ledger.object(who, Some(resource), audience));
                for token in tokens {
                    run.ledger.register(&token, Kind::Content, who, Some(object));
                }
                run.counts.objects += 1;
            }
            Event::Answer {
                exchange,
                rule,
                wrote,
            } => {
                let exchange = Arc::new(*exchange);
                run.counts.requests += 1;
                run.probed(rule, 1);
                if exchange.answer.is_trouble() {
                    run.counts.trouble += 1;
                }
                run.judge(rule, &exchange);
                if let Some(object) = wrote.and_then(|key| objects.get(&key)) {
                    run.ledger.objects[*object].made = Some(exchange);
                }
            }
            Event::Lost { exchange, what } => seen.broken(Rule::ReadbackExact, what, &[&Arc::new(*exchange)]),
            Event::Mistaken { exchange, what } => {
                seen.broken(Rule::PoolAnswer, what, &[&Arc::new(*exchange)])
            }
            Event::Trouble => run.counts.trouble += 1,
        }
    }
    seen
}

/// The judge has gone.
struct Gone;

impl Worker {
    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// One request, chosen at random.
    async fn step(&mut self, usable: &[usize]) -> Result<(), Gone> {
        let (who, _) = self.people[self.rng.random_range(0..self.people.len())];
        let dice: f64 = self.rng.random();
        let has = self.mine.get(&who).is_some_and(|mine| !mine.is_empty());
        match dice {
            _ if !has && !usable.is_empty() => self.create(who, usable).await,
            d if d < 0.22 && !usable.is_empty() => self.create(who, usable).await,
            d if d < 0.50 && has => self.read_own(who).await,
            d if d < 0.66 => self.list(who).await,
            d if d < 0.84 => self.view(who).await,
            _ => self.foreign(who).await,
        }
    }

    fn fill(
        &mut self,
        who: Who,
        operation: &Operation,
        vars: &Vars,
        size: Size,
    ) -> Option<(Request, Vec<String>)> {
        let person = self
            .people
            .iter()
            .find(|(known, _)| *known == who)
            .map(|(_, person)| person)?;
        let mut all = person.vars.clone();
        all.extend(vars.clone());
        let mut mint = Mint::new(&mut self.rng, size);
        let mut request = template::request(operation, &all, &mut mint).ok()?;
        let tokens = mint.tokens.clone();
        person.sign(&self.config.auth, &mut request, &mut mint).ok()?;
        Some((request, tokens))
    }

    /// Sends over the worker's only connection; some requests are torn half-way.
    async fn send(&mut self, who: Who, request: &Request) -> Option<Exchange> {
        let tear = self
            .rng
            .random_bool(CANCELLED)
            .then(|| Duration::from_micros(self.rng.random_range(50..3_000)));
        let sending = self.net.send(Lane::Shared, Some(who), request);
        let answered = match tear {
            Some(after) => tokio::time::timeout(after, sending).await.ok(),
            None => Some(sending.await),
        };
        match answered {
            Some(Ok(exchange)) => Some(exchange),
            Some(Err(_)) => {
                let _gone = self.tell(Event::Trouble).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                None
            }
            None => {
                self.net.close(Lane::Shared);
                None
            }
        }
    }

    async fn answer(&self, exchange: &Exchange, rule: Rule, wrote: Option<(usize, u64)>) -> Result<(), Gone> {
        self.tell(Event::Answer {
            exchange: Box::new(exchange.clone()),
            rule,
            wrote,
        })
        .await
    }

    async fn create(&mut self, who: Who, usable: &[usize]) -> Result<(), Gone> {
        let config = self.config.clone();
        let at = usable[self.rng.random_range(0..usable.len())];
        let resource = &config.resources[at];
        let size = [Size::Short, Size::Long, Size::Medium][self.rng.random_range(0..3)];
        let Some(create) = &resource.create else {
            return Ok(());
        };
        let Some((request, tokens)) = self.fill(who, create, &Vars::new(), size) else {
            return Ok(());
        };
        self.written += 1;
        let key = (self.number, self.written);
        self.tell(Event::Writes {
            key,
            who,
            resource: at,
            tokens: tokens.clone(),
        })
        .await?;
        let Some(exchange) = self.send(who, &request).await else {
            return Ok(());
        };
        self.answer(&exchange, Rule::PoolAnswer, Some(key)).await?;
        let id = resource.id.as_ref().map_or_else(
            || take_id(&exchange.answer),
            |source| take(&exchange.answer, source),
        );
        if let Some(id) = id.filter(|_| create.succeeds(exchange.answer.status)) {
            let mut vars = Vars::from([("id".to_owned(), id)]);
            vars.extend(
                resource
                    .capture
                    .iter()
                    .filter_map(|(name, source)| Some((name.clone(), take(&exchange.answer, source)?))),
            );
            let mine = self.mine.entry(who).or_default();
            mine.push(Mine {
                resource: at,
                vars,
                tokens,
            });
            if mine.len() > REMEMBERED {
                mine.remove(0);
            }
        }
        Ok(())
    }

    /// Reads what was written: it must be there, all of it.
    async fn read_own(&mut self, who: Who) -> Result<(), Gone> {
        let config = self.config.clone();
        let Some(mine) = self.mine.get(&who).filter(|mine| !mine.is_empty()) else {
            return Ok(());
        };
        let mine = mine[self.rng.random_range(0..mine.len())].clone();
        let Some(read) = &config.resources[mine.resource].read else {
            return Ok(());
        };
        let Some((request, _)) = self.fill(who, read, &mine.vars, Size::Short) else {
            return Ok(());
        };
        let Some(exchange) = self.send(who, &request).await else {
            return Ok(());
        };
        self.answer(&exchange, Rule::PoolAnswer, None).await?;
        let body = String::from_utf8_lossy(&exchange.answer.body).into_owned();
        let found: BTreeSet<bool> = mine
            .tokens
            .iter()
            .map(|token| body.contains(token.as_str()))
            .collect();
        // Some fields may never be shown; that nothing at all comes back of a read that succeeds is another thing.
        if read.succeeds(exchange.answer.status)
            && !found.contains(&true)
            && !mine.tokens.is_empty()
            && config.policy.grace_ms == 0
        {
            let what = format!(
                "{} succeeded without anything of what had been written",
                read.label()
            );
            self.tell(Event::Lost {
                exchange: Box::new(exchange),
                what,
            })
            .await?;
        }
        Ok(())
    }

    async fn list(&mut self, who: Who) -> Result<(), Gone> {
        let config = self.config.clone();
        let lists: Vec<&Operation> = config
            .resources
            .iter()
            .filter(|resource| resource.parent.is_none())
            .filter_map(|resource| resource.list.as_ref())
            .collect();
        if lists.is_empty() {
            return self.view(who).await;
        }
        let list = lists[self.rng.random_range(0..lists.len())];
        let Some((request, _)) = self.fill(who, list, &Vars::new(), Size::Short) else {
            return Ok(());
        };
        let Some(exchange) = self.send(who, &request).await else {
            return Ok(());
        };
        self.answer(&exchange, Rule::PagingList, None).await
    }

    /// Asks who one is.
    async fn view(&mut self, who: Who) -> Result<(), Gone> {
        let config = self.config.clone();
        if config.views.is_empty() {
            return Ok(());
        }
        let view = &config.views[self.rng.random_range(0..config.views.len())];
        let Some((request, _)) = self.fill(who, &view.read, &Vars::new(), Size::Short) else {
            return Ok(());
        };
        let Some(exchange) = self.send(who, &request).await else {
            return Ok(());
        };
        self.answer(&exchange, Rule::PoolAnswer, None).await?;
        let json = exchange.answer.json();
        let vars = self
            .people
            .iter()
            .find(|(known, _)| *known == who)
            .map(|(_, person)| person.vars.clone())
            .unwrap_or_default();
        for (pointer, expected) in &view.identity {
            let Ok(expected) = template::text(expected, &vars, &mut Mint::new(&mut self.rng, Size::Short))
            else {
                continue;
            };
            let found = json.pointer(pointer).and_then(plain);
            if let Some(found) =
                found.filter(|found| *found != expected && view.read.succeeds(exchange.answer.status))
            {
                let what = format!("{} said {pointer} = `{found}` to `{expected}`", view.read.label());
                self.tell(Event::Mistaken {
                    exchange: Box::new(exchange.clone()),
                    what,
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Tries an id that is somebody's, and may be one's own.
    async fn foreign(&mut self, who: Who) -> Result<(), Gone> {
        let config = self.config.clone();
        if self.foreign.is_empty() {
            return Ok(());
        }
        let target = self.foreign[self.rng.random_range(0..self.foreign.len())].clone();
        let Some(read) = &config.resources[target.resource].read else {
            return Ok(());
        };
        let Some((request, _)) = self.fill(who, read, &target.vars, Size::Short) else {
            return Ok(());
        };
        let Some(exchange) = self.send(who, &request).await else {
            return Ok(());
        };
        self.answer(&exchange, Rule::AccessRead, None).await
    }
}
