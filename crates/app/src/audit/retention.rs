//! How long what was done is kept for reading: the audit trail, activities and closed incidents, as many days as the
//! workspace's tier says. The leaves stay.

use std::time::Duration;

use db::Step;
use domain::{
    ids::{Timestamp, WorkspaceId},
    page::PageRequest,
    tier::Limit,
};
use store::{activities, audit, incidents, workspaces};

use crate::{App, Result};

/// Rows removed by one unit of work.
const BATCH: u32 = 500;
/// Workspaces looked at per query.
const WORKSPACES: u32 = 200;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Removes a batch of what is older than a moment.
type Purge = fn(WorkspaceId, Timestamp, u32) -> Step;

/// What is kept for so many days.
const KEPT: [Purge; 3] = [audit::purge, activities::purge, incidents::purge];

impl App {
    /// Removes from every workspace what is older than its tier keeps it: entries of the trail, activities, and
    /// incidents that were resolved by then. Safe to repeat, and to run twice at once.
    ///
    /// # Errors
    /// If the database refuses; what was removed before stays removed.
    pub async fn retain_audit(&self) -> Result<u64> {
        // Every tenant's own tier decides; each unit of work then names one tenant.
        let scope = db::Scope::system();
        let page = PageRequest {
            limit: WORKSPACES,
            ..PageRequest::default()
        };
        let (mut after, mut removed) = (None, 0);
        loop {
            let found = workspaces::list(&self.db().scoped(&scope), None, None, &page, after).await?;
            let more = found.len() > WORKSPACES as usize;
            for workspace in found.iter().take(WORKSPACES as usize) {
                if let Some(days) = workspace.tier.allowed(Limit::AuditDays) {
                    removed += self.retain_audit_of(workspace.id, days).await?;
                }
                after = Some(workspace.id);
            }
            if !more {
                return Ok(removed);
            }
        }
    }

    async fn retain_audit_of(&self, workspace: WorkspaceId, days: u64) -> Result<u64> {
        let days = u32::try_from(days).unwrap_or(u32::MAX);
        let before = self.now().minus(DAY.saturating_mul(days));
        let mut removed = 0;
        for purge in KEPT {
            loop {
                // The application's role may not delete from the trail; the statements name the tenant.
                let steps = vec![purge(workspace, before, BATCH)];
                let affected = self.db().run(&db::Scope::system(), steps).await?;
                let affected: u64 = affected.into_iter().sum();
                removed += affected;
                if affected < u64::from(BATCH) {
                    break;
                }
            }
        }
        Ok(removed)
    }
}
