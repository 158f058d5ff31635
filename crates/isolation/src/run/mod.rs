//! A run in progress: connections, and the one way in which everything is sent, scanned and judged. People and objects have
//! files of their own.

mod objects;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::config::{Config, Operation};
use crate::exchange::{Answer, Exchange, Request};
use crate::judge::{Place, Sighting, classify};
use crate::ledger::{Kind, Ledger, ObjectId, Who};
use crate::net::{self, Lane, Net};
use crate::principal::{Principal, set_cookies};
use crate::rule::Rule;
use crate::template::{self, Mint, Size, Vars};

/// Tries of a request that meets trouble (5xx, 429).
const TRIES: u32 = 5;
/// Tries of a request that gets no answer: each may take the whole time-out.
pub(crate) const SILENT_TRIES: u32 = 3;
/// Longest wait because of `Retry-After`.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that somebody made.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its number in the ledger.
    pub id: ObjectId,
    /// Number of its resource in the configuration.
    pub resource: usize,
    /// Who made it.
    pub owner: Who,
    /// Its id and captures, and those of its parents, for templates.
    pub vars: Vars,
    /// Its canaries.
    pub tokens: Vec<String>,
    /// The object it lives in.
    pub parent: Option<ObjectId>,
}

/// What was done, for the report.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers of 5xx or 429, and requests without an answer; all tried again.
    pub trouble: u64,
    /// Bytes of answers and frames scanned.
    pub bytes: u64,
    /// Objects made.
    pub objects: u64,
    /// Probes by rule.
    pub probes: BTreeMap<Rule, u64>,
}

/// A run in progress.
#[derive(Debug)]
pub struct Run {
    /// What is to be tested.
    pub config: Arc<Config>,
    /// Open connections.
    pub net: Net,
    /// Who wrote what.
    pub ledger: Ledger,
    /// Everybody.
    pub people: Vec<Principal>,
    /// Source of all choices: who, in which order. The seed decides.
    pub rng: ChaCha8Rng,
    /// Source of all text: names, passwords, canaries. The seed and the salt decide, so that no other run has written it.
    pub text: ChaCha8Rng,
    /// What was seen that should not have been, since the last check began.
    pub sightings: Vec<Sighting>,
    /// Exchanges since the last check began.
    pub log: Vec<Arc<Exchange>>,
    /// What was done.
    pub counts: Counts,
    /// Length of the next values; by turns if it is not set, so that long and short ones follow each other.
    pub size: Option<Size>,
    /// Everybody shares one connection.
    pub shared_lane: bool,
    /// Trouble is not tried again here: whoever sends looks after it himself.
    pub impatient: bool,
    /// A request got no answer since the last check began, and was not sent again because it may have been done.
    pub lost: bool,
    /// Why registrations failed that were tried again under another name.
    pub refused: Vec<String>,
    /// Waits in a row, by resource, that ended without a job that was ready, and the state that was last seen.
    pub unready: BTreeMap<usize, (u32, String)>,
    /// What has been waited for in vain since progress was last told.
    pub waits: Vec<String>,
    /// Everything that was made, so that it can be removed in the end.
    pub made: Vec<Object>,
}

impl Run {
    /// A run that has done nothing yet.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(config: Arc<Config>, seed: u64, salt: u64) -> Result<Self, Error> {
        let place = net::Place::new(&config.target)?;
        let mut ledger = Ledger::default();
        ledger.grace = Duration::from_millis(config.policy.grace_ms);
        ledger.names_are_known = config.policy.names_are_known;
        Ok(Self {
            config,
            net: Net::new(place),
            ledger,
            people: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            text: text_source(seed, salt),
            sightings: Vec::new(),
            log: Vec::new(),
            counts: Counts::default(),
            size: None,
            shared_lane: false,
            impatient: false,
            lost: false,
            refused: Vec::new(),
            unready: BTreeMap::new(),
            waits: Vec::new(),
            made: Vec::new(),
        })
    }

    /// Leaves behind what a check was doing when it was cut off: its way of sending, and connections with half an answer.
    pub fn cut_off(&mut self) {
        self.size = None;
        self.shared_lane = false;
        self.impatient = false;
        self.net = Net::new(self.net.place().clone());
    }

    /// Counts probes of a rule.
    pub fn probed(&mut self, rule: Rule, times: u64) {
        *self.counts.probes.entry(rule).or_default() += times;
    }

    /// Sends a request as somebody, scans the answer, and notes what should not be there under `rule`.
    ///
    /// # Errors
    /// When no answer came, try after try, or the credentials cannot be filled in.
    pub async fn send(
        &mut self,
        rule: Rule,
        who: Option<Who>,
        mut request: Request,
    ) -> Result<Arc<Exchange>, Error> {
        if let Some(who) = who {
            let mut mint = Mint::new(&mut self.text, Size::Short);
            self.people[who].sign(&self.config.auth, &mut request, &mut mint)?;
        }
        let lane = if self.shared_lane {
            Lane::Shared
        } else {
            Lane::Own(who)
        };
        let exchange = self.send_signed(rule, lane, who, request).await?;
        if let Some(who) = who {
            self.roll_cookies(who, &exchange.answer);
        }
        Ok(exchange)
    }

    /// Follows a service that changes a session's cookie as it goes. A cookie that is known to be another one's is not taken.
    fn roll_cookies(&mut self, who: Who, answer: &Answer) {
        for (name, value) in set_cookies(answer) {
            let changed = self.people[who]
                .cookies
                .get(&name)
                .is_some_and(|old| *old != value);
            let known = self.ledger.secrets.iter().any(|secret| secret.text == value);
            if self.config.auth.cookies && changed && !known && !value.is_empty() {
                self.ledger.register(&value, Kind::Credential, who, None);
                self.people[who].cookies.insert(name, value);
            }
        }
    }

    /// Sends a request whose headers say already who asks.
    ///
    /// # Errors
    /// When no answer came, try after try. What might make a second thing if it was done after all is tried once.
    pub async fn send_signed(
        &mut self,
        rule: Rule,
        lane: Lane,
        who: Option<Who>,
        request: Request,
    ) -> Result<Arc<Exchange>, Error> {
        self.note_sent(who, &request);
        let mut tried = 0;
        loop {
            tried += 1;
            let answered = self.net.send(lane, who, &request).await;
            let perhaps_done = matches!(answered, Err(Error::NoAnswer { .. })) && !request.is_idempotent();
            if perhaps_done {
                self.counts.trouble += 1;
                self.lost = true;
            }
            let most = match answered {
                _ if self.impatient || perhaps_done => 1,
                Ok(_) => TRIES,
                Err(_) => SILENT_TRIES,
            };
            if tried < most
                && answered
                    .as_ref()
                    .map_or(true, |exchange| exchange.answer.is_trouble())
            {
                self.counts.trouble += 1;
                if let Ok(exchange) = &answered {
                    self.judge(rule, &Arc::new(exchange.clone()));
                }
                tokio::time::sleep(wait(
                    answered.as_ref().ok().map(|exchange| &exchange.answer),
                    tried,
                ))
                .await;
                continue;
            }
            let exchange = Arc::new(answered?);
            self.counts.requests += 1;
            self.log.push(exchange.clone());
            self.judge(rule, &exchange);
            return Ok(exchange);
        }
    }

    /// Whatever somebody sends he knows from now on.
    fn note_sent(&mut self, who: Option<Who>, request: &Request) {
        self.ledger.heard(who, request.path.as_bytes());
        self.ledger.heard(who, &request.body);
        for (_, value) in &request.headers {
            self.ledger.heard(who, value.as_bytes());
        }
    }

    /// Scans an answer, headers and body.
    pub fn judge(&mut self, rule: Rule, exchange: &Arc<Exchange>) {
        for (name, value) in &exchange.answer.headers {
            self.judge_text(rule, exchange, Place::Header(name.clone()), value.as_bytes());
        }
        let body = exchange.answer.body.clone();
        self.judge_text(rule, exchange, Place::Body, &body);
    }

    /// Scans a frame that a socket delivered; `exchange` stands for the opening of the socket.
    pub fn judge_frame(&mut self, rule: Rule, exchange: &Arc<Exchange>, frame: &[u8]) {
        self.judge_text(rule, exchange, Place::Frame, frame);
    }

    fn judge_text(&mut self, rule: Rule, exchange: &Arc<Exchange>, place: Place, text: &[u8]) {
        self.counts.bytes += text.len() as u64;
        let found = self.ledger.scan(text);
        if found.is_empty() {
            return;
        }
        let echoed = self.echoed(&exchange.request);
        let ended = place == Place::Frame || !self.is_view(&exchange.request.path);
        // A frame came after everything that was done before it; an answer may be as old as its request.
        let sent = if place == Place::Frame {
            Instant::now()
        } else {
            exchange.sent
        };
        for (secret, form) in found.iter().filter(|(secret, _)| !echoed.contains(secret)) {
            let Some(breach) = self.ledger.judge(*secret, exchange.who, sent, ended) else {
                continue;
            };
            let own = self.ledger.has_own(&found, exchange.who);
            let rule = classify(
                &self.config.policy,
                rule,
                &self.ledger.secrets[*secret],
                breach,
                &place,
                exchange,
                own,
            );
            if let Some(rule) = rule {
                let sighting = Sighting {
                    rule,
                    exchange: exchange.clone(),
                    secret: *secret,
                    form: *form,
                    breach,
                    place: place.clone(),
                };
                self.sightings.push(sighting);
                self.ledger.stained(*secret, exchange.who);
            }
        }
    }

    /// Says whether a path is one of the caller's own views, which may tell of the past.
    fn is_view(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        self.config.views.iter().any(|view| {
            let known = view.read.path.split('?').next().unwrap_or_default();
            known
                .split_once("{{")
                .map_or(known == path, |(before, _)| path.starts_with(before))
        })
    }

    /// Secrets that stand in the request itself: their echo says nothing.
    fn echoed(&self, request: &Request) -> Vec<usize> {
        let sent = [request.path.as_bytes(), &request.body[..]];
        sent.iter()
            .flat_map(|text| self.ledger.scan(text))
            .map(|(secret, _)| secret)
            .collect()
    }

    /// Fills an operation with somebody's variables and further ones, and sends it.
    ///
    /// # Errors
    /// As [`Run::send`].
    pub async fn call(
        &mut self,
        rule: Rule,
        who: Option<Who>,
        operation: &Operation,
        vars: &Vars,
    ) -> Result<Arc<Exchange>, Error> {
        let (request, _) = self.fill(who, operation, vars)?;
        self.send(rule, who, request).await
    }

    /// Fills an operation and returns the canaries that were minted.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn fill(
        &mut self,
        who: Option<Who>,
        operation: &Operation,
        vars: &Vars,
    ) -> Result<(Request, Vec<String>), Error> {
        let mut all = who.map(|who| self.people[who].vars.clone()).unwrap_or_default();
        all.extend(vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        let turn = [Size::Long, Size::Short, Size::Medium][(self.counts.objects % 3) as usize];
        let mut mint = Mint::new(&mut self.text, self.size.unwrap_or(turn));
        let request = template::request(operation, &all, &mut mint)?;
        Ok((request, mint.tokens))
    }
}

/// Text that a seed and a salt decide together.
fn text_source(seed: u64, salt: u64) -> ChaCha8Rng {
    let mut both = [0; 32];
    both[..8].copy_from_slice(&seed.to_le_bytes());
    both[8..16].copy_from_slice(&salt.to_le_bytes());
    ChaCha8Rng::from_seed(both)
}

/// How long to wait before the next try.
fn wait(answer: Option<&Answer>, tried: u32) -> Duration {
    let asked = answer
        .and_then(|answer| answer.header("retry-after"))
        .and_then(|text| text.parse().ok());
    asked
        .map_or(Duration::from_millis(15 << tried), Duration::from_secs)
        .min(PATIENCE)
}
