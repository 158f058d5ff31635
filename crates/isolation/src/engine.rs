//! A whole run: people, self-test, the plan round by round, confirmation with fresh identities, verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;

use rand::RngExt;

use crate::check::{Action, Cast, Check, Seen, Violation, plan};
use crate::config::{Config, Role, discover};
use crate::exchange::Request;
use crate::ledger::Who;
use crate::report::{Finding, Report, Verdict, evidence, power};
use crate::rule::Rule;
use crate::run::Run;
use crate::sight::done;
use crate::{Error, selftest, tidy};

/// Workers that are registered when none are given.
const WORKERS: usize = 5;
/// Most checks that are confirmed for one rule.
const PER_RULE: usize = 2;
/// Longest time spent on confirmation.
const CONFIRMATION: Duration = Duration::from_secs(45);

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Source of all choices.
    pub seed: u64,
    /// Makes names and canaries other than those of another run with the same seed, which the service may still have.
    pub salt: u64,
    /// Only this finding.
    pub replay: Option<String>,
    /// Only the checks that find these rules broken; empty: all. A run with fewer says so in its notes.
    pub only: Vec<Rule>,
    /// Do the self-test first. A run without it says so in its notes.
    pub self_test: bool,
    /// The command that replays, up to the finding's id.
    pub command: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            salt: 0,
            replay: None,
            only: Vec::new(),
            self_test: true,
            command: "farmgate isolate".to_owned(),
        }
    }
}

/// Told what is going on.
pub trait Progress {
    /// A line for people.
    fn say(&mut self, line: &str);
}

/// Says nothing.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn say(&mut self, _: &str) {}
}

/// Something that was seen, until it is confirmed.
struct Suspicion {
    check: Check,
    rule: Rule,
    violation: Violation,
    seen: usize,
    pairs: Vec<Vec<Option<Who>>>,
    confirmed: usize,
}

/// A run while it goes on.
struct Engine<'a> {
    run: Run,
    options: &'a Options,
    suspicions: Vec<Suspicion>,
    uncovered: BTreeMap<String, String>,
    covered: Vec<String>,
    notes: Vec<String>,
    rounds_took: Duration,
}

/// Does a whole run.
///
/// # Errors
/// When the configuration is wrong, the service cannot be reached, nobody gets credentials, or the self-test fails: then
/// there is no verdict.
pub fn isolate<'a>(
    config: Config,
    options: &'a Options,
    progress: &'a mut dyn Progress,
) -> LocalBoxFuture<'a, Result<Report, Error>> {
    // On the heap, so that the whole test is compiled here and not in every crate that awaits it.
    Box::pin(isolated(config, options, progress))
}

async fn isolated(
    mut config: Config,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Report, Error> {
    let begun = Instant::now();
    discover::complete(&mut config).await?;
    config.validate()?;
    let checks = chosen(&config, options)?;
    let mut run = Run::new(Arc::new(config), options.seed, options.salt)?;
    let mut self_test = Duration::ZERO;
    let prepared = prepare(&mut run, options, &mut self_test, progress).await;
    if prepared.is_err() {
        // Whoever was registered so far does not stay behind.
        tidy::tidy(&mut run).await;
    }
    let mut report = test(run, &checks, &prepared?, options, progress).await;
    report.seconds = begun.elapsed().as_secs_f64();
    report.self_test_seconds = self_test.as_secs_f64();
    if !options.self_test {
        report.notes.push("the self-test was left out".to_owned());
    }
    if !options.only.is_empty() {
        let only: Vec<&str> = options.only.iter().map(|rule| rule.id()).collect();
        report
            .notes
            .push(format!("only what finds {} broken was tried", only.join(", ")));
    }
    Ok(report)
}

/// Everything without which there is no verdict: the service, the people, and then the self-test, which takes longest and
/// says nothing about either. Returns the workers.
async fn prepare(
    run: &mut Run,
    options: &Options,
    self_test: &mut Duration,
    progress: &mut dyn Progress,
) -> Result<Vec<Who>, Error> {
    reach(run).await?;
    let workers = people(run, progress).await?;
    if options.self_test && options.replay.is_none() {
        progress.say("self-test: every rule against a right service and against its planted fault");
        let begun = Instant::now();
        selftest::all(options.seed).await?;
        *self_test = begun.elapsed();
    }
    Ok(workers)
}

/// Everything after the self-test.
async fn test(
    run: Run,
    checks: &[Check],
    workers: &[Who],
    options: &Options,
    progress: &mut dyn Progress,
) -> Report {
    let notes = left_out(&run.config);
    let mut engine = Engine {
        run,
        options,
        suspicions: Vec::new(),
        uncovered: BTreeMap::new(),
        covered: Vec::new(),
        notes,
        rounds_took: Duration::ZERO,
    };
    engine.rounds(checks, workers, progress).await;
    engine.confirm(workers, progress).await;
    if let Some(first) = engine.run.refused.first() {
        let times = engine.run.refused.len();
        engine.notes.push(format!(
            "{times} registrations were tried again under another name: {first}"
        ));
    }
    progress.say("removing what was made");
    let left = tidy::tidy(&mut engine.run).await;
    engine.report(checks, left)
}

fn chosen(config: &Config, options: &Options) -> Result<Vec<Check>, Error> {
    let mut checks = plan(config);
    if !options.only.is_empty() {
        checks.retain(|check| options.only.iter().any(|rule| check.finds(*rule)));
    }
    let Some(wanted) = &options.replay else {
        return Ok(checks);
    };
    let wanted = wanted.split('#').next().unwrap_or_default();
    let found: Vec<Check> = checks
        .iter()
        .filter(|check| check.id == wanted)
        .cloned()
        .collect();
    if found.is_empty() {
        let known: Vec<&str> = checks.iter().map(|check| check.id.as_str()).collect();
        return Err(Error::Config(format!(
            "there is no check `{wanted}`; the plan has: {}",
            known.join(", ")
        )));
    }
    Ok(found)
}

/// Principals whose secrets are not set.
fn left_out(config: &Config) -> Vec<String> {
    let unset = config
        .principals
        .iter()
        .filter_map(|given| Some((given, given.unset()?)));
    unset
        .map(|(given, name)| {
            format!(
                "`{}` ({:?}) was left out: {name} is not set in the environment",
                given.name, given.role
            )
        })
        .collect()
}

/// Sees that somebody answers at all.
async fn reach(run: &mut Run) -> Result<(), Error> {
    run.send(Rule::ErrorLeak, None, Request::get("/")).await.map(drop)
}

/// Gets everybody his credentials and returns the workers.
async fn people(run: &mut Run, progress: &mut dyn Progress) -> Result<Vec<Who>, Error> {
    let config = run.config.clone();
    progress.say("people: registering and logging in");
    for given in config.principals.iter().filter(|given| given.unset().is_none()) {
        run.admit(given).await?;
    }
    let role = |run: &Run, role: Role| run.people.iter().filter(|person| person.role == role).count();
    if run.can_enrol() {
        for _ in role(run, Role::Worker)..WORKERS {
            run.enrol(Role::Worker).await?;
        }
        if role(run, Role::Observer) == 0 {
            run.enrol(Role::Observer).await?;
        }
        if role(run, Role::Admin) == 0 && !config.auth.register_admin.is_empty() {
            run.enrol(Role::Admin).await?;
        }
    }
    let workers: Vec<Who> = (0..run.people.len())
        .filter(|who| run.people[*who].role == Role::Worker)
        .collect();
    if workers.len() < 3 {
        return Err(Error::Config(format!(
            "{} workers, and at least three are needed (an owner, a stranger, a third one): give more [[principal]], or [[auth.register]]",
            workers.len()
        )));
    }
    Ok(workers)
}

impl Engine<'_> {
    async fn rounds(&mut self, checks: &[Check], workers: &[Who], progress: &mut dyn Progress) {
        let rounds = self.run.config.effort.rounds;
        let begun = Instant::now();
        for round in 0..rounds {
            let short = || {
                let numbered = checks.iter().enumerate();
                numbered.filter(|(_, check)| !check.action.is_long())
            };
            progress.say(&format!(
                "round {} of {rounds}: {} checks, one after the other",
                round + 1,
                short().count()
            ));
            for (at, check) in short() {
                let cast = self.cast(workers, round + at);
                self.once(check, cast).await;
            }
        }
        self.rounds_took = begun.elapsed();
        let long = checks
            .iter()
            .filter_map(|check| Some((check, check.action.doing()?)));
        for (check, doing) in long {
            progress.say(&format!("checking {} ({doing})", check.id));
            let cast = self.cast(workers, 0);
            self.once(check, cast).await;
        }
    }

    fn cast(&self, workers: &[Who], turn: usize) -> Cast {
        let worker = |at: usize| workers[(turn + at) % workers.len()];
        let role = |role: Role| self.run.people.iter().position(|person| person.role == role);
        Cast {
            owner: worker(0),
            other: worker(1),
            third: worker(2),
            observer: role(Role::Observer),
            admin: role(Role::Admin),
        }
    }

    /// Does a check and notes what was seen.
    async fn once(&mut self, check: &Check, cast: Cast) {
        let seen = done(&mut self.run, check.action, cast).await;
        match seen.missing {
            Some(reason) => drop(self.uncovered.insert(check.id.clone(), reason)),
            None => self.covered.push(check.id.clone()),
        }
        for note in seen.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        for violation in seen.violations {
            self.suspect(check, violation);
        }
    }

    fn suspect(&mut self, check: &Check, violation: Violation) {
        if self.run.config.policy.waived.contains_key(violation.rule.id()) {
            return;
        }
        let pair: Vec<Option<Who>> = violation.proof.iter().map(|exchange| exchange.who).collect();
        let known = self
            .suspicions
            .iter_mut()
            .find(|known| known.check.id == check.id && known.rule == violation.rule);
        match known {
            Some(known) => {
                known.seen += 1;
                if !known.pairs.contains(&pair) {
                    known.pairs.push(pair);
                }
            }
            None => self.suspicions.push(Suspicion {
                check: check.clone(),
                rule: violation.rule,
                violation,
                seen: 1,
                pairs: vec![pair],
                confirmed: 0,
            }),
        }
    }

    /// Tries to see everything again with fresh identities.
    async fn confirm(&mut self, workers: &[Who], progress: &mut dyn Progress) {
        let begun = Instant::now();
        let mut per_rule: BTreeMap<Rule, usize> = BTreeMap::new();
        for at in 0..self.suspicions.len() {
            let (check, rule) = (self.suspicions[at].check.clone(), self.suspicions[at].rule);
            if self.suspicions[at].confirmed > 0 {
                continue;
            }
            let tried = per_rule.entry(rule).or_default();
            *tried += 1;
            if *tried > PER_RULE || begun.elapsed() > CONFIRMATION {
                continue;
            }
            progress.say(&format!("confirming {} (seen, no finding yet)", check.id));
            let tries = if check.action.is_long() { 3 } else { 12 };
            for _ in 0..tries {
                let cast = self.fresh_cast(workers).await;
                if check.action == Action::Recovered {
                    done(&mut self.run, Action::Storm, cast).await;
                }
                let seen = done(&mut self.run, check.action, cast).await;
                self.credit(&check, &seen);
                if self.suspicions[at].confirmed > 0 || begun.elapsed() > CONFIRMATION {
                    break;
                }
            }
        }
    }

    /// Counts every suspicion of the check that was seen again.
    fn credit(&mut self, check: &Check, seen: &Seen) {
        for suspicion in self
            .suspicions
            .iter_mut()
            .filter(|suspicion| suspicion.check.id == check.id)
        {
            if seen
                .violations
                .iter()
                .any(|violation| violation.rule == suspicion.rule)
            {
                suspicion.confirmed += 1;
            }
        }
    }

    /// Three people nobody has seen before; where nobody can be registered, those there are in other parts.
    async fn fresh_cast(&mut self, workers: &[Who]) -> Cast {
        let turn = self.run.rng.random_range(0..workers.len());
        let mut cast = self.cast(workers, turn);
        if self.run.can_enrol() {
            for part in [&mut cast.owner, &mut cast.other, &mut cast.third] {
                // A service that registers nobody any more will not register the next one either.
                let Ok(fresh) = self.run.enrol(Role::Worker).await else {
                    break;
                };
                *part = fresh;
            }
        }
        cast
    }

    fn report(self, checks: &[Check], left: BTreeMap<String, u64>) -> Report {
        let counts = self.run.counts.clone();
        let config = self.run.config.clone();
        let mut findings = Vec::new();
        let mut suspicions = Vec::new();
        let confirmed: Vec<Rule> = self
            .suspicions
            .iter()
            .filter(|one| one.confirmed > 0)
            .map(|one| one.rule)
            .collect();
        for suspicion in &self.suspicions {
            let finding = self.finding(suspicion);
            // Beyond the first two of a rule nothing is confirmed anew; the rule is known to be broken.
            let known =
                suspicion.confirmed > 0 || suspicion.pairs.len() > 1 || confirmed.contains(&suspicion.rule);
            if known {
                findings.push(finding)
            } else {
                suspicions.push(finding)
            }
        }
        let uncovered = self.uncovered(checks);
        let verdict = match () {
            () if !findings.is_empty() => Verdict::Breached,
            () if !suspicions.is_empty() || !uncovered.is_empty() => Verdict::Inconclusive,
            () => Verdict::Isolated,
        };
        Report {
            verdict,
            target: self.run.net.place().base().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            seed: self.options.seed,
            findings,
            suspicions,
            uncovered,
            waived: config.policy.waived.clone(),
            notes: self.notes,
            left,
            principals: self.run.people.len(),
            ids: counts.objects,
            replays: counts.probes.values().sum(),
            requests: counts.requests,
            trouble: counts.trouble,
            bytes_scanned: counts.bytes,
            power: power(&counts.probes),
            seconds: 0.0,
            self_test_seconds: 0.0,
            rounds_seconds: self.rounds_took.as_secs_f64(),
        }
    }

    /// What never had its control, and need have.
    fn uncovered(&self, checks: &[Check]) -> BTreeMap<String, String> {
        let optional = &self.run.config.policy.uncovered;
        let mut uncovered = self.uncovered.clone();
        uncovered.retain(|check, _| {
            !self.covered.contains(check) && !optional.iter().any(|name| check.contains(name))
        });
        if checks.is_empty() || self.run.counts.probes.is_empty() {
            let reason = "nothing was probed: declare resources and views, or an OpenAPI document";
            uncovered.insert("everything".to_owned(), reason.to_owned());
        }
        uncovered
    }

    fn finding(&self, suspicion: &Suspicion) -> Finding {
        let (rule, violation) = (suspicion.rule, &suspicion.violation);
        let id = if suspicion.check.rule == rule {
            suspicion.check.id.clone()
        } else {
            format!("{}#{rule}", suspicion.check.id)
        };
        let name =
            |who: &Option<Who>| who.map_or("nobody".to_owned(), |who| self.run.people[who].name.clone());
        let mut principals: Vec<String> = violation
            .proof
            .iter()
            .map(|exchange| name(&exchange.who))
            .collect();
        principals.sort();
        principals.dedup();
        Finding {
            replay: format!(
                "{} --replay '{id}' --seed {}",
                self.options.command, self.options.seed
            ),
            id,
            rule: rule.id(),
            meaning: rule.what(),
            what: violation.what.clone(),
            principals,
            proof: violation
                .proof
                .iter()
                .map(|exchange| evidence(&self.run.people, self.run.net.place(), exchange))
                .collect(),
            bytes: violation.bytes.clone(),
            seen: suspicion.seen,
            confirmed: suspicion.confirmed,
        }
    }
}
