//! Refused attempts: counted in memory, written in batches, never on a request's way.
//!
//! Whoever floods us with attempts makes counters rise, not rows: equal attempts between two flushes are one entry, and
//! each workspace has room for a few kinds of them. What was noted after the last flush is lost with the process.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use domain::ids::{Timestamp, UserId, WorkspaceId};
use serde_json::json;
use store::Step;

use crate::{App, AppError, Result, record::AuditEntry};

/// Kinds of attempts kept apart for one workspace between two flushes; what comes on top is counted together.
const MOST_GROUPS: usize = 32;
/// Workspaces remembered between two flushes; attempts on further ones show in the metrics only.
const MOST_WORKSPACES: usize = 10_000;
/// Entries written by one unit of work.
const BATCH: usize = 100;
/// Stands for the targets and addresses that were not kept apart.
const SEVERAL: &str = "(several)";

/// What was refused: what the rules look at, and a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Signing in: a wrong password, or an account that may not act.
    Login,
    /// A request beyond the caller's rights: 403.
    Access,
    /// A request for something that is hidden from the caller or does not exist: 404.
    Absent,
    /// An API key with a wrong secret, after its end, out of place, or beyond its scopes.
    KeyUse,
}

impl Refused {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Login, Self::Access, Self::Absent, Self::KeyUse];

    /// The action as the audit trail names it.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Login => "auth.login",
            Self::Access => "access",
            Self::Absent => "access.absent",
            Self::KeyUse => "api_key.use",
        }
    }

    /// Attempts between two flushes from which on they are written down. Asking for what is not there is daily work;
    /// many at once are somebody who tries ids.
    const fn least(self) -> u64 {
        match self {
            Self::Absent => 10,
            Self::Login | Self::Access | Self::KeyUse => 1,
        }
    }
}

/// An attempt that was refused: by whom, on what, from where.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The workspace it concerns.
    pub workspace: WorkspaceId,
    /// Who tried, if known.
    pub actor: Option<UserId>,
    /// What was tried.
    pub what: Refused,
    /// On what: an account's name, a key's id, or a route's pattern.
    pub target: &'a str,
    /// From where.
    pub address: &'a str,
}

/// Equal attempts since the last flush.
#[derive(Clone, Debug)]
struct Group {
    actor: Option<UserId>,
    what: Refused,
    target: String,
    address: String,
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Group {
    fn is_like(&self, other: &Self) -> bool {
        self.what == other.what
            && self.actor == other.actor
            && self.target == other.target
            && self.address == other.address
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// What has been refused since the last flush, by workspace.
#[derive(Default)]
pub(crate) struct Refusals {
    groups: DashMap<WorkspaceId, Vec<Group>>,
    noted: [AtomicU64; Refused::ALL.len()],
    dropped: AtomicU64,
}

impl Refusals {
    fn add(&self, workspace: WorkspaceId, mut group: Group) {
        if !self.groups.contains_key(&workspace) && self.groups.len() >= MOST_WORKSPACES {
            self.dropped.fetch_add(group.count, Ordering::Relaxed);
            return;
        }
        let mut groups = self.groups.entry(workspace).or_default();
        let full = groups.len() >= MOST_GROUPS;
        if full && !groups.iter().any(|known| known.is_like(&group)) {
            group.actor = None;
            SEVERAL.clone_into(&mut group.target);
            SEVERAL.clone_into(&mut group.address);
        }
        // Beyond the bound there is one group for each kind at most.
        match groups.iter_mut().find(|known| known.is_like(&group)) {
            Some(known) => known.add(&group),
            None => groups.push(group),
        }
    }

    fn take(&self) -> Vec<(WorkspaceId, Group)> {
        let workspaces: Vec<_> = self.groups.iter().map(|entry| *entry.key()).collect();
        let taken = workspaces.iter().filter_map(|id| self.groups.remove(id));
        taken
            .flat_map(|(workspace, groups)| groups.into_iter().map(move |group| (workspace, group)))
            .filter(|(_, group)| group.count >= group.what.least())
            .collect()
    }
}

/// How many attempts were refused since the start, for the metrics.
#[derive(Clone, Debug)]
pub struct RefusalStats {
    /// By what was refused.
    pub noted: [(Refused, u64); Refused::ALL.len()],
    /// Those that did not fit into memory and are in no audit trail.
    pub dropped: u64,
    /// Kinds of attempts that wait for the next flush.
    pub waiting: usize,
}

impl App {
    /// Notes a refused attempt; the audit trail has it after the next flush. Never waits for the database.
    pub fn note_refusal(&self, refusal: Refusal<'_>) {
        self.count_refusal(refusal.what);
        let now = self.now();
        let group = Group {
            actor: refusal.actor,
            what: refusal.what,
            target: refusal.target.to_owned(),
            address: refusal.address.to_owned(),
            count: 1,
            first: now,
            last: now,
        };
        self.refusals.add(refusal.workspace, group);
    }

    /// Counts a refused attempt that concerns no workspace, such as signing in with a name that nobody has.
    pub fn count_refusal(&self, what: Refused) {
        self.refusals.noted[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes what was refused since the last time into the audit trails, each entry with its leaf. A worker calls it
    /// every few seconds.
    ///
    /// # Errors
    /// If the database refuses; what was not written waits for the next time.
    pub async fn flush_refusals(&self) -> Result<u64> {
        let taken = self.refusals.take();
        for (done, batch) in taken.chunks(BATCH).enumerate() {
            if let Err(error) = self.write_refusals(batch).await {
                for (workspace, group) in &taken[done * BATCH..] {
                    self.refusals.add(*workspace, group.clone());
                }
                return Err(error);
            }
        }
        Ok(taken.len() as u64)
    }

    async fn write_refusals(&self, batch: &[(WorkspaceId, Group)]) -> Result<()> {
        let mut steps = Vec::with_capacity(batch.len() * 2);
        for (workspace, group) in batch {
            steps.extend(self.refusal_steps(*workspace, group)?);
        }
        // Entries of many tenants at once; each names its own.
        self.db()
            .run(&db::Scope::system(), steps)
            .await
            .map_err(AppError::from)?;
        Ok(())
    }

    fn refusal_steps(&self, workspace: WorkspaceId, group: &Group) -> Result<[Step; 2]> {
        let entry = AuditEntry {
            workspace,
            actor: group.actor,
            action: group.what.action(),
            target: &group.target,
            denied: true,
            address: &group.address,
        };
        let details = json!({ "attempts": group.count, "first_at": group.first, "last_at": group.last });
        self.audit_steps(&entry, &details, group.last)
    }

    /// How many attempts were refused since the start.
    #[must_use]
    pub fn refusal_stats(&self) -> RefusalStats {
        RefusalStats {
            noted: Refused::ALL
                .map(|what| (what, self.refusals.noted[what as usize].load(Ordering::Relaxed))),
            dropped: self.refusals.dropped.load(Ordering::Relaxed),
            waiting: self.refusals.groups.iter().map(|entry| entry.len()).sum(),
        }
    }
}
