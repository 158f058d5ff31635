//! Retention: operational events leave when their workspace's time for them is over, a few at a time.

use std::time::Duration;

use domain::{
    ids::{Timestamp, WorkspaceId},
    leaf::LeafKind,
    page::PageRequest,
};
use serde_json::json;
use store::{events, workspaces};

use crate::{App, Result};

/// Events removed by one unit of work.
const BATCH: u32 = 200;
/// Workspaces looked at per query.
const WORKSPACES: u32 = 200;
const DAY: Duration = Duration::from_secs(24 * 3600);

impl App {
    /// Removes the operational events of every workspace that are older than its settings allow. Each leaves its leaf,
    /// and another that says when it was removed. Safe to repeat, and to run twice at once.
    ///
    /// # Errors
    /// If the database refuses; what was removed before stays removed.
    pub async fn retain_events(&self) -> Result<u64> {
        // Every tenant's own setting decides; each unit of work then stays within one tenant.
        let scope = db::Scope::system();
        let page = PageRequest {
            limit: WORKSPACES,
            ..PageRequest::default()
        };
        let mut after = None;
        let mut removed = 0;
        loop {
            let found = workspaces::list(&self.db().scoped(&scope), None, None, &page, after).await?;
            let more = found.len() > WORKSPACES as usize;
            for workspace in found.iter().take(WORKSPACES as usize) {
                let before = self.now().minus(DAY * workspace.settings.retention_days);
                removed += self.retain_events_of(workspace.id, before).await?;
                after = Some(workspace.id);
            }
            if !more {
                return Ok(removed);
            }
        }
    }

    async fn retain_events_of(&self, workspace: WorkspaceId, before: Timestamp) -> Result<u64> {
        let scope = db::Scope::workspace(workspace.uuid());
        let mut removed = 0;
        loop {
            let expired = events::expired(&self.db().scoped(&scope), workspace, before, BATCH).await?;
            let now = self.now();
            let mut steps = Vec::with_capacity(expired.len() * 4);
            for event in &expired {
                steps.extend(events::remove(workspace, event));
                let erasure =
                    json!({ "event": event.id, "leaf": event.leaf_id, "erased_at": now, "by": "retention" });
                steps.push(
                    self.leaf_step(workspace, LeafKind::Erasure, &event.id.to_string(), &erasure, now)?
                        .1,
                );
            }
            self.db().run(&scope, steps).await?;
            removed += expired.len() as u64;
            if expired.len() < BATCH as usize {
                return Ok(removed);
            }
        }
    }
}
