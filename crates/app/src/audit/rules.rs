//! The rules that open incidents: so many refused attempts of one kind within so much time.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use domain::ids::{IncidentId, OutboxId, Timestamp, UserId, WorkspaceId};
use serde_json::json;
use store::{
    audit::{self, Denied},
    bind,
    incidents::{self, Sighting},
    members,
};

use super::Refused;
use crate::{App, Result};

/// A rule: refused attempts of a kind, counted for one subject within a window.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// The attempts it looks at.
    pub what: Refused,
    /// Attempts that open an incident.
    pub threshold: u64,
    /// The window they fall in.
    pub window: Duration,
    /// How grave it is.
    pub severity: &'static str,
    /// What the attempts are counted for.
    pub subject: Subject,
}

/// What attempts have in common that count together.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The account or key they were made on.
    Target,
    /// Who made them, or the address of nobody known.
    Actor,
}

/// The rules.
pub const RULES: &[Rule] = &[
    Rule {
        name: "failed_logins",
        what: Refused::Login,
        threshold: 10,
        window: Duration::from_secs(15 * 60),
        severity: "high",
        subject: Subject::Target,
    },
    Rule {
        name: "denied_access",
        what: Refused::Access,
        threshold: 20,
        window: Duration::from_secs(5 * 60),
        severity: "medium",
        subject: Subject::Actor,
    },
    Rule {
        name: "probing",
        what: Refused::Absent,
        threshold: 100,
        window: Duration::from_secs(5 * 60),
        severity: "medium",
        subject: Subject::Actor,
    },
    Rule {
        name: "key_misuse",
        what: Refused::KeyUse,
        threshold: 5,
        window: Duration::from_secs(15 * 60),
        severity: "high",
        subject: Subject::Target,
    },
];

/// Rule of incidents that the outgoing guard opens: an answer held another tenant's data.
pub const BREACH: &str = "isolation_breach";
/// Topic of the outbox rows that an opened incident leaves, one for each administrator of its workspace.
pub const OPENED: &str = "incident.opened";

/// Most groups of attempts looked at by one pass of a rule; the largest come first.
const MOST_GROUPS: u32 = 10_000;
/// Most administrators of a workspace that are told.
const MOST_TOLD: u32 = 20;

impl Rule {
    fn subject_of(&self, denied: &Denied) -> String {
        match self.subject {
            Subject::Target => denied.target.clone(),
            Subject::Actor => denied
                .actor
                .map_or_else(|| denied.address.clone(), |actor| actor.to_string()),
        }
    }
}

impl App {
    /// Looks at recent refusals of every workspace and opens incidents where a rule says so; those that are open are
    /// brought up to date. Tells how many it opened. Safe to repeat.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn open_incidents(&self) -> Result<u64> {
        // The rules watch all tenants; each incident is written into its own.
        let scope = db::Scope::system();
        let mut opened = 0;
        for rule in RULES {
            let since = self.now().minus(rule.window);
            let action = rule.what.action();
            let groups = audit::denied(&self.db().scoped(&scope), action, since, MOST_GROUPS).await?;
            for ((workspace, subject), (count, last_at)) in tally(rule, &groups) {
                if count < rule.threshold {
                    continue;
                }
                let seen = Sighting {
                    workspace,
                    id: IncidentId::generate(self.ids()),
                    rule: rule.name,
                    severity: rule.severity,
                    subject: &subject,
                    occurrences: i64::try_from(count).unwrap_or(i64::MAX),
                    last_at,
                };
                opened += u64::from(self.sight(&seen).await?);
            }
        }
        Ok(opened)
    }

    /// Opens an incident of the outgoing guard, or counts another breach on the route to the one that is open.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn report_breach(&self, workspace: WorkspaceId, route: &str) -> Result<()> {
        let seen = Sighting {
            workspace,
            id: IncidentId::generate(self.ids()),
            rule: BREACH,
            severity: "critical",
            subject: route,
            occurrences: 1,
            last_at: self.now(),
        };
        self.sight(&seen).await?;
        Ok(())
    }

    /// Writes what a rule saw; if that opens an incident, the same unit of work asks to tell the administrators.
    async fn sight(&self, seen: &Sighting<'_>) -> Result<bool> {
        let (scope, now) = (db::Scope::system(), self.now());
        let told = members::administrators(&self.db().scoped(&scope), seen.workspace, MOST_TOLD).await?;
        let told = told.into_iter().map(|user| self.tell(seen, user, now)).collect();
        let opened = incidents::sight(self.db(), seen, told, now).await?;
        if opened {
            self.incidents_opened.fetch_add(1, Ordering::Relaxed);
            self.wake_outbox();
        }
        Ok(opened)
    }

    fn tell(&self, seen: &Sighting<'_>, user: UserId, now: Timestamp) -> store::Step {
        let told = json!({
            "id": seen.id, "rule": seen.rule, "severity": seen.severity, "subject": seen.subject, "user_id": user,
        });
        let id = OutboxId::generate(self.ids());
        incidents::tell(seen.workspace, seen.id, id, OPENED, bind::json(&told), now)
    }

    /// Incidents opened by this process since its start.
    #[must_use]
    pub fn incidents_opened(&self) -> u64 {
        self.incidents_opened.load(Ordering::Relaxed)
    }
}

fn tally(rule: &Rule, groups: &[Denied]) -> HashMap<(WorkspaceId, String), (u64, Timestamp)> {
    let mut tally = HashMap::new();
    for denied in groups {
        let entry = tally
            .entry((denied.workspace, rule.subject_of(denied)))
            .or_insert((0, denied.last_at));
        *entry = (entry.0 + denied.count, entry.1.max(denied.last_at));
    }
    tally
}
