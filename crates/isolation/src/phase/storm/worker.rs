//! A worker of the storm: one connection, two users by turns, one request after the other, some of them torn half-way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use super::pace::Pace;
use super::{Event, Key, Mine};
use crate::config::{Config, Operation};
use crate::exchange::{Exchange, Request};
use crate::ledger::Who;
use crate::net::{Lane, Net};
use crate::principal::{Principal, plain};
use crate::rule::Rule;
use crate::template::{self, Mint, Size, Vars};

/// Share of requests that are cancelled half-way.
const CANCELLED: f64 = 0.07;
/// Objects that each worker remembers of each user.
const REMEMBERED: usize = 24;

/// Sends, remembers what it wrote, and tells the judge.
pub(super) struct Worker {
    pub number: usize,
    pub config: Arc<Config>,
    pub people: Vec<(Who, Principal)>,
    pub foreign: Arc<Vec<Mine>>,
    pub net: Net,
    pub rng: ChaCha8Rng,
    pub text: ChaCha8Rng,
    pub events: mpsc::Sender<Event>,
    pub mine: BTreeMap<Who, Vec<Mine>>,
    pub written: u64,
    pub pace: Arc<Pace>,
}

/// The judge has gone.
pub(super) struct Gone;

impl Worker {
    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// One request, chosen at random.
    pub async fn step(&mut self, usable: &[usize]) -> Result<(), Gone> {
        let (who, _) = self.people[self.rng.random_range(0..self.people.len())];
        let dice: f64 = self.rng.random();
        let has = self.mine.get(&who).is_some_and(|mine| !mine.is_empty());
        match dice {
            _ if !has && !usable.is_empty() => self.create(who, usable).await,
            d if d < 0.20 && !usable.is_empty() => self.create(who, usable).await,
            d if d < 0.27 && has => self.change_own(who).await,
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
        let mut mint = Mint::new(&mut self.text, size);
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
        let met = self.pace.restarting();
        let sending = self.net.send(Lane::Shared, Some(who), request);
        let answered = match tear {
            Some(after) => tokio::time::timeout(after, sending).await.ok(),
            None => Some(sending.await),
        };
        match answered {
            Some(Ok(exchange)) => {
                if exchange.answer.is_trouble() {
                    self.pace.trouble(met);
                }
                Some(exchange)
            }
            Some(Err(_)) => {
                self.pace.trouble(met);
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

    async fn answer(&self, exchange: &Exchange, rule: Rule, wrote: Option<Key>) -> Result<(), Gone> {
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
        if let Some(vars) = resource.vars_of_made(&exchange.answer) {
            let made = Mine {
                owner: who,
                key: Some(key),
                resource: at,
                vars,
                tokens,
            };
            self.tell(Event::Made(made.clone())).await?;
            self.remember(made);
        }
        Ok(())
    }

    /// Keeps what was made, and forgets the oldest of its owner's where there are too many.
    fn remember(&mut self, made: Mine) {
        let mine = self.mine.entry(made.owner).or_default();
        mine.push(made);
        if mine.len() > REMEMBERED {
            mine.remove(0);
        }
    }

    /// Changes what was written, in a way that sockets may tell of.
    async fn change_own(&mut self, who: Who) -> Result<(), Gone> {
        let config = self.config.clone();
        let Some(mine) = self.mine.get(&who).filter(|mine| !mine.is_empty()) else {
            return Ok(());
        };
        let at = self.rng.random_range(0..mine.len());
        let (resource, vars, key) = (mine[at].resource, mine[at].vars.clone(), mine[at].key);
        let (Some(change), Some(key)) = (config.change_of(resource), key) else {
            return self.read_own(who).await;
        };
        let size = [Size::Short, Size::Long, Size::Medium][self.rng.random_range(0..3)];
        let Some((request, tokens)) = self.fill(who, change, &vars, size) else {
            return Ok(());
        };
        self.tell(Event::Writes {
            key,
            who,
            resource,
            tokens: tokens.clone(),
        })
        .await?;
        // Whether a torn change was made is not known: from now on either content is right.
        if let Some(mine) = self.mine.get_mut(&who) {
            mine[at].tokens.extend(tokens);
        }
        let Some(exchange) = self.send(who, &request).await else {
            return Ok(());
        };
        if let Some(vars) = config.resources[resource].made_by(change, &exchange.answer) {
            let made = Mine {
                owner: who,
                key: Some(key),
                resource,
                vars,
                tokens: Vec::new(),
            };
            self.tell(Event::Made(made)).await?;
        }
        self.answer(&exchange, Rule::PoolAnswer, None).await
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
            let Ok(expected) = template::text(expected, &vars, &mut Mint::new(&mut self.text, Size::Short))
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
