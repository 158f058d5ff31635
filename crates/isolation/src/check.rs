//! What can be checked, and one check done once. The plan of them is made in [`crate::plan`].

use std::sync::Arc;

use crate::Error;
use crate::exchange::Exchange;
use crate::ledger::Who;
use crate::phase::{
    admin, baseline, cache, errors, interference, lifetime, lookalike, moved, nesting, noise, oracle, own,
    owner, paging, pool, replay, search, sharing, socket, storm, timing,
};
use crate::rule::Rule;
use crate::run::Run;

/// Who plays which part in a check.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Owns what is attacked.
    pub owner: Who,
    /// Attacks.
    pub other: Who,
    /// Looks on, shares, takes part in the noise.
    pub third: Who,
    /// Does nothing.
    pub observer: Option<Who>,
    /// Administers.
    pub admin: Option<Who>,
}

/// A rule that was seen broken, with what proves it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What was seen, for people.
    pub what: String,
    /// The two or three requests that prove it.
    pub proof: Vec<Arc<Exchange>>,
    /// The bytes that should not have been there.
    pub bytes: String,
}

/// What a check came to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Rules that were seen broken.
    pub violations: Vec<Violation>,
    /// Why the positive control did not hold; then nothing was proved.
    pub missing: Option<String>,
    /// What is worth knowing and no finding.
    pub notes: Vec<String>,
}

impl Seen {
    /// The positive control did not hold.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self {
            missing: Some(reason.into()),
            ..Self::default()
        }
    }

    /// Adds a violation.
    pub fn broken(&mut self, rule: Rule, what: impl Into<String>, proof: &[&Arc<Exchange>]) {
        let proof: Vec<_> = proof.iter().map(|exchange| (*exchange).clone()).collect();
        let bytes = proof.last().map(|last| {
            String::from_utf8_lossy(&last.answer.body)
                .chars()
                .take(200)
                .collect()
        });
        self.violations.push(Violation {
            rule,
            what: what.into(),
            proof,
            bytes: bytes.unwrap_or_default(),
        });
    }
}

/// What a check does. Numbers are places in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A stranger, and nobody, read by a foreign id (read, or one of the views).
    Read(usize, usize),
    /// A stranger changes by a foreign id (update, publish, share or one of the actions).
    Write(usize, usize),
    /// A stranger changes his own and names the foreign id in the body.
    BodyId(usize),
    /// A stranger deletes.
    Delete(usize),
    /// Foreign ids in query and headers of a list or view.
    Moved(Target),
    /// A foreign owner in the body of a create.
    OwnerField(usize),
    /// A foreign owner in the body of an update.
    OwnerChange(usize),
    /// An administrator's role in the body of registration and profile.
    RoleField(usize),
    /// A foreign child through one's own parent.
    NestedChild(usize),
    /// The children of a foreign parent.
    NestedList(usize),
    /// Long answers to one, then short ones to another.
    Remains(usize),
    /// A child for a foreign parent.
    NestedCreate(usize),
    /// Pages of a list, beyond one's own, too large, without a login.
    Pages(usize),
    /// Somebody else's cursor.
    Cursor(usize),
    /// Foreign words in a search.
    Search(usize, usize),
    /// Foreign words against words that nobody wrote.
    SearchOracle(usize, usize),
    /// A view of one's own, as oneself and with somebody else's variables.
    View(usize),
    /// An administrator's operation as somebody else.
    Admin(usize),
    /// Foreign against absent ids.
    Exists(usize, usize),
    /// Foreign against absent ids, by time.
    Timing(usize),
    /// A name that somebody else has used.
    Conflict(usize),
    /// Read, list, search, export after deletion.
    Deleted(usize),
    /// A credential after its logout.
    Logout,
    /// A right after it was taken back.
    Revoked(usize),
    /// An offer in a stranger's hands.
    Stolen(usize),
    /// A credential after its account was deleted, and the account made anew.
    Account,
    /// Logins in a row.
    Sessions,
    /// Cache headers of private answers.
    CacheHeaders(Target),
    /// The same request by a second identity.
    CacheSecond(Target),
    /// Somebody else's validator.
    CacheValidator(usize),
    /// File suffixes behind private paths.
    CacheSuffix(Target),
    /// One connection with changing users.
    Connection,
    /// Broken requests after somebody else's good ones.
    Errors(usize),
    /// An export of one's own.
    Export(usize),
    /// Public pages.
    Public,
    /// An observer's views while others work.
    Interference,
    /// A subscription to a foreign object, and one's own for comparison.
    SocketForeign(usize),
    /// A slot that somebody else has left.
    SocketSlot(usize),
    /// Somebody else's resume token.
    SocketResume(usize),
    /// Order and completeness of one's own frames.
    SocketOrder(usize),
    /// A socket after logout and after a right was taken back.
    SocketLifetime(usize),
    /// A look-alike pair.
    Lookalike(lookalike::Kind),
    /// Many at once.
    Storm,
    /// Everybody's own requests after the storm.
    Recovered,
    /// A victim beside a noisy neighbour.
    Noise,
    /// Slots after failed jobs.
    Slots(usize),
    /// Gauges after torn connections.
    Gauges,
}

/// Something that answers a GET for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A resource's list.
    List(usize),
    /// A view of one's own.
    View(usize),
    /// A read by id.
    Read(usize),
}

/// One check of the plan.
#[derive(Clone, Debug)]
pub struct Check {
    /// Stable within a configuration; it is what `--replay` takes.
    pub id: String,
    /// The rule it is there for; it may break others.
    pub rule: Rule,
    /// What it does.
    pub action: Action,
}

impl Check {
    /// Says whether it is where a rule is expected to be found broken.
    pub fn finds(&self, rule: Rule) -> bool {
        let action = self.action;
        match rule {
            Rule::AccessAnonymous => matches!(action, Action::Read(..) | Action::View(_) | Action::Pages(_)),
            Rule::AccessRead | Rule::HeaderLeak => matches!(action, Action::Read(..) | Action::View(_)),
            Rule::PoolAnswer | Rule::ReadbackExact => action == Action::Storm,
            Rule::SocketBroadcast => matches!(action, Action::SocketForeign(_)),
            Rule::LifetimeRecreated => action == Action::Account,
            Rule::NoiseLatency => action == Action::Noise,
            // What a storm may leave behind needs the storm.
            Rule::BaselineSlots if action == Action::Storm => true,
            _ => self.rule == rule,
        }
    }
}

impl Action {
    /// Says whether it takes seconds and is done once, not in every round.
    pub fn is_long(self) -> bool {
        self.doing().is_some()
    }

    /// What goes on while a long one is done, in a few words of progress: they say nothing of what is found.
    pub fn doing(self) -> Option<&'static str> {
        match self {
            Self::Storm => Some("many at once"),
            Self::Recovered => Some("is everybody served as before?"),
            Self::Noise => Some("one beside a flood, and without it"),
            Self::Gauges => Some("do they fall back?"),
            Self::Timing(_) => Some("foreign ids beside absent ones"),
            _ => None,
        }
    }
}

/// Does a check once.
///
/// # Errors
/// When the service does not answer, or a template cannot be filled. The caller takes this for a missing control.
#[allow(clippy::too_many_lines, reason = "one table: each action with what does it")]
pub async fn perform(run: &mut Run, action: Action, cast: Cast) -> Result<Seen, Error> {
    match action {
        Action::Read(at, index) => replay::read(run, cast, at, index).await,
        Action::Write(at, index) => replay::write(run, cast, at, index).await,
        Action::BodyId(at) => replay::body_id(run, cast, at).await,
        Action::Delete(at) => replay::delete(run, cast, at).await,
        Action::Moved(target) => moved::moved(run, cast, target).await,
        Action::OwnerField(at) => owner::created(run, cast, at).await,
        Action::OwnerChange(at) => owner::updated(run, cast, at).await,
        Action::RoleField(at) => admin::role_field(run, cast, at).await,
        Action::Remains(at) => own::remains(run, cast, at).await,
        Action::NestedChild(at) => nesting::child(run, cast, at).await,
        Action::NestedList(at) => nesting::list(run, cast, at).await,
        Action::NestedCreate(at) => nesting::create(run, cast, at).await,
        Action::Pages(at) => paging::pages(run, cast, at).await,
        Action::Cursor(at) => paging::cursor(run, cast, at).await,
        Action::Search(at, index) => search::content(run, cast, at, index).await,
        Action::SearchOracle(at, index) => search::oracle(run, cast, at, index).await,
        Action::View(at) => own::view(run, cast, at).await,
        Action::Admin(at) => admin::operation(run, cast, at).await,
        Action::Exists(at, index) => oracle::exists(run, cast, at, index).await,
        Action::Timing(at) => timing::exists(run, cast, at).await,
        Action::Conflict(at) => oracle::conflict(run, cast, at).await,
        Action::Deleted(at) => lifetime::deleted(run, cast, at).await,
        Action::Logout => lifetime::logout(run, cast).await,
        Action::Revoked(at) => lifetime::revoked(run, cast, at).await,
        Action::Stolen(at) => sharing::stolen(run, cast, at).await,
        Action::Account => lifetime::account(run, cast).await,
        Action::Sessions => pool::sessions(run, cast).await,
        Action::CacheHeaders(target) => cache::headers(run, cast, target).await,
        Action::CacheSecond(target) => cache::second(run, cast, target).await,
        Action::CacheValidator(at) => cache::validator(run, cast, at).await,
        Action::CacheSuffix(target) => cache::suffix(run, cast, target).await,
        Action::Connection => pool::connection(run, cast).await,
        Action::Errors(at) => errors::broken(run, cast, at).await,
        Action::Export(at) => lifetime::export(run, cast, at).await,
        Action::Public => errors::public(run, cast).await,
        Action::Interference => interference::observe(run, cast).await,
        Action::SocketForeign(at) => socket::foreign(run, cast, at).await,
        Action::SocketSlot(at) => socket::slot(run, cast, at).await,
        Action::SocketResume(at) => socket::resume(run, cast, at).await,
        Action::SocketOrder(at) => socket::order(run, cast, at).await,
        Action::SocketLifetime(at) => socket::lifetime(run, cast, at).await,
        Action::Lookalike(kind) => lookalike::pair(run, cast, kind).await,
        Action::Storm => storm::storm(run, cast).await,
        Action::Recovered => baseline::recovered(run, cast).await,
        Action::Noise => noise::neighbour(run, cast).await,
        Action::Slots(at) => baseline::slots(run, cast, at).await,
        Action::Gauges => baseline::gauges(run, cast).await,
    }
}
