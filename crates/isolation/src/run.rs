//! A run in progress: people, objects, connections, and the one way in which everything is sent, scanned and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::config::{Config, Operation, Resource, Role, Step, Visibility};
use crate::exchange::{Answer, Exchange, Request};
use crate::judge::{Place, Sighting, classify};
use crate::ledger::{Audience, Kind, Ledger, ObjectId, Who};
use crate::net::{self, Lane, Net};
use crate::principal::{Principal, take, take_id};
use crate::rule::Rule;
use crate::template::{self, Mint, Size, Vars};

/// Tries of a request that meets trouble (5xx, 429, no answer).
const TRIES: u32 = 5;
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
    /// The only source of randomness.
    pub rng: ChaCha8Rng,
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
}

impl Run {
    /// A run that has done nothing yet.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(config: Arc<Config>, seed: u64) -> Result<Self, Error> {
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
            sightings: Vec::new(),
            log: Vec::new(),
            counts: Counts::default(),
            size: None,
            shared_lane: false,
        })
    }

    /// Counts probes of a rule.
    pub fn probed(&mut self, rule: Rule, times: u64) {
        *self.counts.probes.entry(rule).or_default() += times;
    }

    // ---- sending ---------------------------------------------------------------------------------------------

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
            let mut mint = Mint::new(&mut self.rng, Size::Short);
            self.people[who].sign(&self.config.auth, &mut request, &mut mint)?;
        }
        let lane = if self.shared_lane {
            Lane::Shared
        } else {
            Lane::Own(who)
        };
        self.send_signed(rule, lane, who, request).await
    }

    /// Sends a request whose headers say already who asks.
    ///
    /// # Errors
    /// When no answer came, try after try.
    pub async fn send_signed(
        &mut self,
        rule: Rule,
        lane: Lane,
        who: Option<Who>,
        request: Request,
    ) -> Result<Arc<Exchange>, Error> {
        self.ledger.heard(who, request.path.as_bytes());
        self.ledger.heard(who, &request.body);
        for (_, value) in &request.headers {
            self.ledger.heard(who, value.as_bytes());
        }
        let mut tried = 0;
        loop {
            tried += 1;
            let answered = self.net.send(lane, who, &request).await;
            if tried < TRIES
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
        let mut mint = Mint::new(&mut self.rng, self.size.unwrap_or(turn));
        let request = template::request(operation, &all, &mut mint)?;
        Ok((request, mint.tokens))
    }

    // ---- people ----------------------------------------------------------------------------------------------

    /// Says whether new people can be made.
    pub fn can_enrol(&self) -> bool {
        !self.config.auth.register.is_empty()
    }

    /// A fresh name, and the variables that go with it.
    pub fn fresh_vars(&mut self, prefix: &str) -> Vars {
        let word = crate::ledger::canary(&mut self.rng);
        let username = format!("{prefix}{}", &word[2..10]);
        let email = format!("{word}@example.com");
        let password = format!("Pw-{}-9x", crate::ledger::canary(&mut self.rng));
        Vars::from(
            [("username", username), ("email", email), ("password", password)]
                .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    /// Registers somebody new and logs him in.
    ///
    /// # Errors
    /// When the service will not have him, under three names.
    pub async fn enrol(&mut self, role: Role) -> Result<Who, Error> {
        let prefix = match role {
            Role::Worker => "wrk",
            Role::Admin => "adm",
            Role::Observer => "obs",
            Role::Expendable => "exp",
        };
        let mut last = None;
        for _ in 0..3 {
            let vars = self.fresh_vars(prefix);
            match self.enrol_as(role, vars).await {
                Ok(who) => return Ok(who),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Config("nobody can be registered".into())))
    }

    /// Registers somebody with given variables and logs him in.
    ///
    /// # Errors
    /// When the service will not have him.
    pub async fn enrol_as(&mut self, role: Role, vars: Vars) -> Result<Who, Error> {
        let config = self.config.clone();
        let name = vars.get("username").cloned().unwrap_or_default();
        let who = self.people.len();
        let group = config.principals.first().and_then(|given| given.group.clone());
        self.people.push(Principal {
            name,
            role,
            group,
            vars,
            ..Principal::default()
        });
        self.note_identity(who);
        let steps = if role == Role::Admin {
            &config.auth.register_admin
        } else {
            &config.auth.register
        };
        self.steps(who, steps).await?;
        self.log_in(who).await?;
        self.fill_profile(who).await?;
        Ok(who)
    }

    /// Adds somebody with given credentials and logs him in if steps are declared and he has a password.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn admit(&mut self, given: &crate::config::PrincipalConfig) -> Result<Who, Error> {
        let who = self.people.len();
        let mut vars = given.variables.clone();
        vars.entry("username".to_owned())
            .or_insert_with(|| given.name.clone());
        self.people.push(Principal {
            name: given.name.clone(),
            role: given.role,
            group: given.group.clone(),
            vars,
            cookies: given.cookies.clone(),
            headers: given.headers.clone(),
            bearer: given.bearer.clone(),
            profile: None,
        });
        self.note_identity(who);
        if given.bearer.is_none()
            && given.headers.is_empty()
            && given.cookies.is_empty()
            && !given.variables.contains_key("token")
        {
            self.log_in(who).await?;
        }
        self.fill_profile(who).await?;
        Ok(who)
    }

    fn note_identity(&mut self, who: Who) {
        let email = self.people[who].vars.get("email").cloned().unwrap_or_default();
        self.ledger.register(&email, Kind::Address, who, None);
        if self.people[who].role == Role::Admin && self.config.policy.admin_sees_all {
            self.ledger.all_seeing.insert(who);
        }
    }

    /// Logs somebody in and registers what he is given as his secrets.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn log_in(&mut self, who: Who) -> Result<(), Error> {
        let steps = self.config.auth.login.clone();
        self.steps(who, &steps).await?;
        let principal = &self.people[who];
        let public = ["username", "email", "user_id", "id", "name"];
        let vars = principal
            .vars
            .iter()
            .filter(|(name, _)| !public.contains(&name.as_str()) && !name.ends_with("_id"));
        let secrets: Vec<String> = vars
            .map(|(_, value)| value)
            .chain(principal.cookies.values())
            .cloned()
            .collect();
        for secret in secrets {
            let known = self
                .ledger
                .secrets
                .iter()
                .any(|known| known.text == secret && known.writer == who);
            if !known && secret.len() >= 16 {
                self.ledger.register(&secret, Kind::Credential, who, None);
            }
        }
        Ok(())
    }

    /// Does the steps of registration, login, logout or deletion.
    ///
    /// # Errors
    /// [`Error::Credentials`] with the step that failed.
    pub async fn steps(&mut self, who: Who, steps: &[Step]) -> Result<(), Error> {
        for step in steps {
            let vars = self.people[who].vars.clone();
            let (mut request, _) = self.fill(Some(who), &step.call, &vars)?;
            let mut mint = Mint::new(&mut self.rng, Size::Short);
            if self.people[who]
                .sign(&self.config.auth, &mut request, &mut mint)
                .is_err()
            {
                // Not logged in yet: the cookies alone, for services whose forms need one.
                self.people[who].add_cookies(&mut request);
            }
            let exchange = self
                .send_signed(Rule::PoolAnswer, Lane::Own(Some(who)), Some(who), request)
                .await?;
            let failed = |reason: String, who: &Principal| Error::Credentials {
                who: who.name.clone(),
                step: step.call.label(),
                reason,
            };
            let redirect = step.call.expect.is_empty() && (300..400).contains(&exchange.answer.status);
            if !step.call.succeeds(exchange.answer.status) && !redirect {
                let body: String = String::from_utf8_lossy(&exchange.answer.body)
                    .chars()
                    .take(200)
                    .collect();
                return Err(failed(
                    format!("answered {}: {body}", exchange.answer.status),
                    &self.people[who],
                ));
            }
            if self.config.auth.cookies {
                self.people[who].keep_cookies(&exchange.answer);
            }
            for (name, source) in &step.capture {
                let value = take(&exchange.answer, source);
                let optional = source.starts_with("auto:");
                match value {
                    Some(value) => drop(self.people[who].vars.insert(name.clone(), value)),
                    None if optional => {}
                    None => {
                        return Err(failed(
                            format!("the answer has no `{source}` for `{name}`"),
                            &self.people[who],
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes canaries into somebody's profile.
    async fn fill_profile(&mut self, who: Who) -> Result<(), Error> {
        let Some(operation) = self.config.auth.profile.clone() else {
            return Ok(());
        };
        let (request, tokens) = self.fill(Some(who), &operation, &Vars::new())?;
        let object = self
            .ledger
            .object(who, None, Audience::Only(BTreeSet::from([who])));
        for token in &tokens {
            self.ledger.register(token, Kind::Content, who, Some(object));
        }
        let exchange = self.send(Rule::PoolAnswer, Some(who), request).await?;
        if operation.succeeds(exchange.answer.status) {
            self.ledger.objects[object].made = Some(exchange);
            self.people[who].profile = Some(object);
        }
        Ok(())
    }

    // ---- objects ---------------------------------------------------------------------------------------------

    /// Makes an object, with its parents.
    ///
    /// # Errors
    /// When the service will not make it, or its id is not found in the answer.
    pub async fn create(&mut self, owner: Who, resource: usize) -> Result<Object, Error> {
        let config = self.config.clone();
        let mut chain = config.ancestors(resource).unwrap_or_default();
        chain.reverse();
        let mut vars = Vars::new();
        for at in chain {
            let parent = self.create_in(owner, at, &vars).await?;
            vars = parent_vars(&config.resources[at], &parent.vars);
        }
        self.create_in(owner, resource, &vars).await
    }

    /// Makes an object with the given variables of its parents.
    ///
    /// # Errors
    /// As [`Run::create`].
    pub async fn create_in(&mut self, owner: Who, resource: usize, parents: &Vars) -> Result<Object, Error> {
        let config = self.config.clone();
        let kind = &config.resources[resource];
        let operation = kind
            .create
            .as_ref()
            .ok_or_else(|| Error::Config(format!("`{}` has no `create`", kind.name)))?;
        let (request, tokens) = self.fill(Some(owner), operation, parents)?;
        let audience = self.audience(owner, kind.visibility);
        let id = self.ledger.object(owner, Some(resource), audience);
        for token in &tokens {
            self.ledger.register(token, Kind::Content, owner, Some(id));
        }
        let exchange = self.send(Rule::PoolAnswer, Some(owner), request).await?;
        self.counts.objects += 1;
        let failed = |reason: String| Error::Network {
            url: operation.label(),
            reason,
        };
        if !operation.succeeds(exchange.answer.status) {
            let body: String = String::from_utf8_lossy(&exchange.answer.body)
                .chars()
                .take(160)
                .collect();
            return Err(failed(format!(
                "`{}` could not be made: {} {body}",
                kind.name, exchange.answer.status
            )));
        }
        let found = kind.id.as_ref().map_or_else(
            || take_id(&exchange.answer),
            |source| take(&exchange.answer, source),
        );
        let own = found.ok_or_else(|| {
            failed(format!(
                "the answer has no id for `{}`: set `id` of the resource",
                kind.name
            ))
        })?;
        self.ledger.objects[id].made = Some(exchange.clone());
        let mut object = Object {
            id,
            resource,
            owner,
            vars: parents.clone(),
            tokens,
        };
        object.vars.insert("id".to_owned(), own);
        if kind.state.is_some() {
            self.wait_ready(&mut object, kind).await?;
        } else {
            self.capture(&mut object, kind, &exchange.answer)?;
        }
        Ok(object)
    }

    fn capture(&mut self, object: &mut Object, kind: &Resource, answer: &Answer) -> Result<(), Error> {
        for (name, source) in &kind.capture {
            let value = take(answer, source).ok_or_else(|| Error::Network {
                url: kind.name.clone(),
                reason: format!("the answer has no `{source}` for `{name}`"),
            })?;
            if value.len() >= 16 {
                self.ledger
                    .register(&value, Kind::Name, object.owner, Some(object.id));
            }
            object.vars.insert(name.clone(), value);
        }
        Ok(())
    }

    /// Waits until a job or export is done, at most ten seconds.
    async fn wait_ready(&mut self, object: &mut Object, kind: &Resource) -> Result<(), Error> {
        let (Some(read), Some(state)) = (&kind.read, &kind.state) else {
            return Ok(());
        };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let exchange = self
                .call(Rule::PoolAnswer, Some(object.owner), read, &object.vars)
                .await?;
            let now = take(&exchange.answer, state).unwrap_or_default();
            if kind.is_ready(&now) {
                return self.capture(object, kind, &exchange.answer);
            }
            if ["failed", "error", "cancelled", "canceled"].contains(&now.to_lowercase().as_str()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Error::Network {
            url: read.label(),
            reason: format!("a `{}` did not become ready", kind.name),
        })
    }

    /// Who sees a thing of somebody's.
    pub fn audience(&self, owner: Who, visibility: Visibility) -> Audience {
        match visibility {
            Visibility::Public => Audience::Everybody,
            Visibility::Users => Audience::Users,
            Visibility::Private => Audience::Only(BTreeSet::from([owner])),
            Visibility::Group => {
                let group = &self.people[owner].group;
                let members = self
                    .people
                    .iter()
                    .enumerate()
                    .filter(|(_, other)| group.is_some() && other.group == *group);
                Audience::Only(members.map(|(who, _)| who).chain([owner]).collect())
            }
        }
    }

    /// Gives somebody the right to see an object.
    pub fn grant(&mut self, object: ObjectId, to: Who) {
        if let Audience::Only(members) = &mut self.ledger.objects[object].audience {
            members.insert(to);
        }
        self.ledger.objects[object].revoked.remove(&to);
    }

    /// Reads an object as its owner, waiting out the grace time; says whether its canaries came back.
    ///
    /// # Errors
    /// As [`Run::send`].
    pub async fn reads_back(&mut self, object: &Object, operation: &Operation) -> Result<bool, Error> {
        self.sees(Rule::PoolAnswer, object.owner, operation, object).await
    }

    /// Says whether somebody's read gives an object's canaries, at the latest after the grace time.
    ///
    /// # Errors
    /// As [`Run::send`].
    pub async fn sees(
        &mut self,
        rule: Rule,
        who: Who,
        operation: &Operation,
        object: &Object,
    ) -> Result<bool, Error> {
        let begun = Instant::now();
        loop {
            let exchange = self.call(rule, Some(who), operation, &object.vars).await?;
            if self.shows(&exchange, object) {
                return Ok(true);
            }
            if begun.elapsed() > self.ledger.grace {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Says whether an answer holds an object's canaries.
    pub fn shows(&self, exchange: &Exchange, object: &Object) -> bool {
        self.ledger
            .has_object(&self.ledger.scan(&exchange.answer.body), object.id)
    }
}

/// An object's variables as its children name them: `id` becomes `name.id`.
pub fn parent_vars(kind: &Resource, vars: &Vars) -> Vars {
    let named = |(name, value): (&String, &String)| {
        let name = if name.contains('.') {
            name.clone()
        } else {
            format!("{}.{name}", kind.name)
        };
        (name, value.clone())
    };
    vars.iter().map(named).collect()
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
