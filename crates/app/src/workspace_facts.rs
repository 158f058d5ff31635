//! What writing an event needs to know of its workspace: the default visibility and the data key. Kept for seconds, so
//! that recording an event takes one round trip.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{event::Visibility, ids::WorkspaceId};

use crate::{App, Ctx, Result};

/// Most workspaces remembered.
const MOST: u64 = 10_000;
/// How long a changed default visibility may go unnoticed unless it is said. The key never changes.
pub(crate) const LIFE: Duration = Duration::from_secs(10);

/// The facts of a workspace.
pub(crate) struct WorkspaceFacts {
    pub(crate) default_visibility: Visibility,
    pub(crate) data_key: [u8; 32],
}

/// The facts by workspace, and how often they were found there.
pub(crate) struct Cache {
    facts: moka::sync::Cache<WorkspaceId, Arc<WorkspaceFacts>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    pub(crate) fn new(life: Duration) -> Arc<Self> {
        let facts = moka::sync::Cache::builder()
            .max_capacity(MOST)
            .time_to_live(life)
            .build();
        Arc::new(Self {
            facts,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    fn get(&self, workspace: WorkspaceId) -> Option<Arc<WorkspaceFacts>> {
        let found = self.facts.get(&workspace);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn put(&self, workspace: WorkspaceId, facts: Arc<WorkspaceFacts>) {
        self.facts.insert(workspace, facts);
    }
}

impl App {
    /// The facts of the caller's workspace.
    pub(crate) async fn workspace_facts(&self, ctx: &Ctx) -> Result<Arc<WorkspaceFacts>> {
        if let Some(known) = self.workspaces.get(ctx.workspace()) {
            return Ok(known);
        }
        let workspace = self.identity().workspace(ctx).await?;
        let data_key = self.identity().data_key(ctx).await?;
        let facts = Arc::new(WorkspaceFacts {
            default_visibility: workspace.settings.default_visibility,
            data_key,
        });
        self.workspaces.put(ctx.workspace(), Arc::clone(&facts));
        Ok(facts)
    }

    /// Reads of a workspace's facts that the cache answered, and those that went to the database.
    #[must_use]
    pub fn workspace_cache(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.workspaces.hits), read(&self.workspaces.misses))
    }
}
