//! A whole run: people, self-test, the plan, verdict. Its rounds and the confirmation are in `rounds`, what they come
//! to is in `outcome`.

mod outcome;
mod rounds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;

use crate::check::{Check, Violation};
use crate::config::{Config, Role, discover};
use crate::exchange::Request;
use crate::ledger::Who;
use crate::plan::plan;
use crate::report::Report;
use crate::rule::Rule;
use crate::run::Run;
use crate::{Error, selftest, tidy};

/// Workers that are registered when none are given.
const WORKERS: usize = 5;

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
    /// Ends the run early, with a report of what was done by then.
    pub stop: CancellationToken,
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
            stop: CancellationToken::new(),
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

/// Keeps the lines, one after the other.
impl Progress for Vec<String> {
    fn say(&mut self, line: &str) {
        self.push(line.to_owned());
    }
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
    stopped: bool,
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
    let stop = &options.stop;
    let discovered = stop.run_until_cancelled(discover::complete(&mut config)).await;
    // Who stops before the service is known has nothing that could be wrong.
    let checks = match discovered {
        Some(discovered) => {
            discovered?;
            config.validate()?;
            chosen(&config, options)?
        }
        None => Vec::new(),
    };
    let mut run = Run::new(Arc::new(config), options.seed, options.salt)?;
    let mut self_test = Duration::ZERO;
    let preparing = prepare(&mut run, options, &mut self_test, progress);
    let prepared = stop.run_until_cancelled(preparing).await;
    if let Some(Err(_)) = prepared {
        // Whoever was registered so far does not stay behind.
        tidy::tidy(&mut run, tidy::PATIENCE).await;
    }
    let workers = prepared.transpose()?.unwrap_or_default();
    let mut report = Box::pin(test(run, &checks, &workers, options, progress)).await;
    report.seconds = begun.elapsed().as_secs_f64();
    report.self_test_seconds = self_test.as_secs_f64();
    report.notes.extend(narrowed(options));
    Ok(report)
}

/// What of a whole run was not asked for.
fn narrowed(options: &Options) -> Vec<String> {
    let mut notes = Vec::new();
    if !options.self_test {
        notes.push("the self-test was left out".to_owned());
    }
    if !options.only.is_empty() {
        let only: Vec<&str> = options.only.iter().map(|rule| rule.id()).collect();
        notes.push(format!("only what finds {} broken was tried", only.join(", ")));
    }
    notes
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

impl<'a> Engine<'a> {
    fn new(run: Run, options: &'a Options) -> Self {
        Self {
            notes: left_out(&run.config),
            run,
            options,
            suspicions: Vec::new(),
            uncovered: BTreeMap::new(),
            covered: Vec::new(),
            rounds_took: Duration::ZERO,
            stopped: false,
        }
    }
}

/// Everything after the self-test.
async fn test(
    run: Run,
    checks: &[Check],
    workers: &[Who],
    options: &Options,
    progress: &mut dyn Progress,
) -> Report {
    let mut engine = Engine::new(run, options);
    // On the heap: the checks hold much, and what is cancelled is held twice.
    let testing = Box::pin(async {
        engine.rounds(checks, workers, progress).await;
        engine.confirm(workers, progress).await;
    });
    let whole = options.stop.run_until_cancelled(testing).await;
    engine.stopped = whole.is_none();
    if engine.stopped {
        engine.run.cut_off();
    }
    if let Some(first) = engine.run.refused.first() {
        let times = engine.run.refused.len();
        engine.notes.push(format!(
            "{times} registrations were tried again under another name: {first}"
        ));
    }
    progress.say("removing what was made");
    let patience = if engine.stopped {
        tidy::HURRY
    } else {
        tidy::PATIENCE
    };
    let left = tidy::tidy(&mut engine.run, patience).await;
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
