//! The rules that open incidents: so many refused attempts of one kind within so much time.

use std::{collections::HashMap, time::Duration};

use domain::ids::{IncidentId, Timestamp, WorkspaceId};
use store::{
    audit::{self, Denied},
    incidents::{self, Sighting},
};

use crate::{App, Result};

/// A rule: refused attempts on an action, counted for one subject within a window.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// The audit action it looks at.
    pub action: &'static str,
    /// Attempts that open an incident.
    pub threshold: u64,
    /// The window they fall in.
    pub window: Duration,
    /// How grave it is.
    pub severity: &'static str,
    subject: fn(&Denied) -> String,
}

/// The rules.
pub const RULES: &[Rule] = &[
    Rule {
        name: "failed_logins",
        action: "auth.login",
        threshold: 10,
        window: Duration::from_secs(15 * 60),
        severity: "high",
        subject: |denied| denied.target.clone(),
    },
    Rule {
        name: "denied_access",
        action: "access",
        threshold: 20,
        window: Duration::from_secs(5 * 60),
        severity: "medium",
        subject: |denied| {
            denied
                .actor
                .map_or_else(|| denied.address.clone(), |actor| actor.to_string())
        },
    },
    Rule {
        name: "key_misuse",
        action: "api_key.use",
        threshold: 5,
        window: Duration::from_secs(15 * 60),
        severity: "high",
        subject: |denied| denied.target.clone(),
    },
];

/// Most groups of attempts looked at by one pass of a rule.
const MOST_GROUPS: u32 = 10_000;

impl App {
    /// Looks at recent refusals of every workspace and opens incidents where a rule says so. Safe to repeat.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn open_incidents(&self) -> Result<u64> {
        // The rules watch all tenants; each incident is written into its own.
        let scope = db::Scope::system();
        let (now, mut steps) = (self.now(), Vec::new());
        for rule in RULES {
            let since = now.minus(rule.window);
            let groups = audit::denied(&self.db().scoped(&scope), since, MOST_GROUPS).await?;
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
                steps.push(incidents::sight(&seen, now));
            }
        }
        Ok(self.db().run(&scope, steps).await?.into_iter().sum())
    }
}

fn tally(rule: &Rule, groups: &[Denied]) -> HashMap<(WorkspaceId, String), (u64, Timestamp)> {
    let mut tally = HashMap::new();
    for denied in groups.iter().filter(|denied| denied.action == rule.action) {
        let entry = tally
            .entry((denied.workspace, (rule.subject)(denied)))
            .or_insert((0, denied.last_at));
        *entry = (entry.0 + denied.count, entry.1.max(denied.last_at));
    }
    tally
}
